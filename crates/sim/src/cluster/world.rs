//! The world of a seed: time, links, faults, and what is watched.
//!
//! True time goes in steps; each host's clock runs up to half a per cent fast or slow.

mod stage;
mod strike;

pub use stage::Hosts;

use core::fmt::Write;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::Name;
use cib::xml::Element;
use cluster::node::{Input, Message, Output};
use cluster::state::Outcome as Applied;
use cluster::{Role, fencer};

use super::document::{self, RESOURCES};
use super::engine::Packet;
use super::fault::{Coverage, FaultKind};
use super::seat::{Founding, Seat};
use crate::Random;
use crate::scenario::Scene;

const LEASE: Duration = Duration::from_millis(600);
const STEP: u64 = 5;
/// So long there are faults.
const TROUBLE: u64 = 30_000;
/// The last fault, and an agent that hangs, end within this.
const AFTER: u64 = 29_000;
/// And then all is well within this.
const HEALED: u64 = 12_000;
/// Under this number an administrator moves a resource.
const MOVE: u64 = u64::MAX;

/// What a campaign leaves out or plants.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The kinds of fault there are.
    pub kinds: Vec<FaultKind>,
    /// The bug that is planted.
    #[cfg(feature = "plant")]
    pub plant: Option<base::plant::Plant>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kinds: FaultKind::ALL.to_vec(),
            #[cfg(feature = "plant")]
            plant: None,
        }
    }
}

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which.
    pub seed: u64,
    /// What went wrong.
    pub coverage: Coverage,
    /// Starts by agents.
    pub starts: u64,
    /// Hosts that were fenced.
    pub fenced: u64,
    /// Changes that were acknowledged.
    pub acknowledged: usize,
    /// All that was noted, as one number.
    pub sum: u64,
    /// What did not hold.
    pub violation: Option<String>,
}

#[derive(Clone, Debug)]
enum Mail {
    Node(Message),
    Engine(Packet),
}

/// A fence agent at work.
struct Shot {
    strikes: Option<u64>,
    answers: u64,
    by: (usize, u64),
    call: fencer::Call,
    fails: bool,
}

struct World {
    millis: u64,
    random: Random,
    fencing: bool,
    document: Element,
    /// Until then agents fail and hang now and then.
    trouble: u64,
    kinds: Vec<FaultKind>,
    members: Vec<(Name, Role)>,
    seats: Vec<Seat>,
    /// From whom to whom nothing goes, and until when.
    cuts: BTreeMap<(usize, usize), u64>,
    /// Since when a node is alone, and until when.
    alone: BTreeMap<usize, (u64, u64)>,
    mail: VecDeque<(u64, usize, usize, Mail)>,
    shots: Vec<Shot>,
    fence_fails_until: u64,
    seeds: u64,
    coverage: Coverage,
    starts: u64,
    fenced: u64,
    submitted: u64,
    acknowledged: BTreeSet<u64>,
    history: VecDeque<String>,
    sum: u64,
}

/// Runs a seed.
#[must_use]
pub fn run(settings: &Settings, seed: u64) -> Outcome {
    #[cfg(feature = "plant")]
    base::plant::plant(settings.plant);
    let mut world = World::new(settings, seed);
    let violation = world.live().err();
    Outcome {
        seed,
        coverage: world.coverage,
        starts: world.starts,
        fenced: world.fenced,
        acknowledged: world.acknowledged.len(),
        sum: world.sum,
        violation,
    }
}

fn count(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}

impl World {
    fn new(settings: &Settings, seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x6d61_696e_7374_6179);
        let nodes = [3, 3, 5, 3, 1, 3, 2, 5][usize::try_from(random.below(8)).unwrap_or(0)];
        let fencing = random.chance(500);
        let witness = nodes == 3 && random.chance(300);
        let bare = fencing.then(|| Name::from(format!("r{}", RESOURCES - 1)));
        let seats: Vec<Seat> = (0..nodes)
            .map(|at| {
                let role = if witness && at == 2 { Role::Witness } else { Role::Voter };
                Seat::new(at, role, bare.as_slice(), &mut random)
            })
            .collect();
        // Which kinds there are in this world at all.
        let mut kinds: Vec<FaultKind> =
            settings.kinds.iter().copied().filter(|_| random.chance(600)).collect();
        if kinds.is_empty() {
            kinds.clone_from(&settings.kinds);
        }
        let document = document::blank(fencing);
        Self { fencing, kinds, ..Self::of(seed, random, seats, document) }
    }

    /// These hosts, with this document and without trouble of its own.
    fn of(seed: u64, random: Random, seats: Vec<Seat>, document: Element) -> Self {
        Self {
            millis: 0,
            random,
            fencing: true,
            document,
            trouble: TROUBLE,
            kinds: Vec::new(),
            members: seats.iter().map(|it| (it.name.clone(), it.role)).collect(),
            seats,
            cuts: BTreeMap::new(),
            alone: BTreeMap::new(),
            mail: VecDeque::new(),
            shots: Vec::new(),
            fence_fails_until: 0,
            seeds: seed << 16,
            coverage: Coverage::default(),
            starts: 0,
            fenced: 0,
            submitted: 0,
            acknowledged: BTreeSet::new(),
            history: VecDeque::new(),
            sum: seed,
        }
    }

    fn note(&mut self, what: &str) {
        let line = format!("{} ms: {what}", self.millis);
        for byte in line.bytes() {
            self.sum = (self.sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.history.push_back(line);
        if self.history.len() > 80 {
            self.history.pop_front();
        }
    }

    fn any(&mut self) -> usize {
        usize::try_from(self.random.below(count(self.seats.len()))).unwrap_or(0)
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.seats.iter().position(|it| &*it.name == name)
    }

    fn post(&mut self, from: usize, to: &Name, mail: Mail) {
        let Some(to) = self.find(to) else { return };
        let millis = self.millis;
        if self.cuts.get(&(from, to)).is_some_and(|until| millis < *until) {
            return;
        }
        let lossy = self.seats[from].lossy_until.max(self.seats[to].lossy_until) > millis;
        if lossy && self.random.chance(300) {
            return;
        }
        let mut due = millis + STEP * self.random.below(3);
        if self.seats[from].late_until > millis {
            let most = [100, 400, 1000, 3000][usize::try_from(self.random.below(4)).unwrap_or(0)];
            due += self.random.below(most);
        }
        let beat = matches!(&mail, Mail::Node(Message::Heartbeat(..)));
        if beat && self.seats[from].mute_until > millis {
            return;
        }
        // A forwarded proposal goes by a connection, which doubles nothing.
        let once = matches!(&mail, Mail::Engine(Packet::Forward { .. }));
        if lossy && !once && self.random.chance(100) {
            self.mail.push_back((due + self.random.below(300), from, to, mail.clone()));
        }
        self.mail.push_back((due, from, to, mail));
    }

    /// Lets a node do all that it wants at this instant.
    fn work(&mut self, at: usize) {
        let now = self.seats[at].clock(self.millis);
        let Some((mut node, mut engine)) = self.seats[at].alive.take() else { return };
        let mut left = false;
        loop {
            if let Some(tell) = engine.poll_tell() {
                node.handle(now, Input::Engine(tell));
            } else if let Some(output) = node.poll_output() {
                match output {
                    Output::Ask(ask) => engine.ask(now, ask),
                    Output::Send(to, message) => self.post(at, &to, Mail::Node(message)),
                    Output::Plan(number) => {
                        let document = cib::Cib::read(node.state().cib());
                        let plan = Box::new(sched::plan(&document, cib::dates::WallTime(100)));
                        node.handle(now, Input::Planned(number, plan));
                    }
                    Output::Call(call) => {
                        let hangs = self.millis < self.trouble && self.random.chance(5);
                        let takes = if hangs { 25_000 } else { 5 + self.random.below(60) };
                        self.seats[at].calls.push((self.millis + takes, call));
                    }
                    Output::Kill(number) => {
                        self.seats[at].calls.retain(|(_, call)| call.number != number);
                    }
                    Output::Lease(ends) => self.seats[at].lease = ends,
                    Output::FenceCall(call) => self.shoot(at, call),
                    Output::FenceKill(number) => {
                        let by = (at, self.seats[at].process);
                        // An agent that is killed may have done its work already.
                        let late = self.random.chance(300);
                        self.shots.retain(|it| late || it.by != by || it.call.number != number);
                    }
                    Output::Answer(number, Ok(applied)) => {
                        if !matches!(applied, Applied::Refused(_)) {
                            self.acknowledged.insert(number);
                        }
                    }
                    Output::Left => left = self.seats[at].stops.is_some(),
                    Output::Answer(..) | Output::Reborn => {}
                }
            } else {
                break;
            }
        }
        while let Some((to, packet)) = engine.poll_packet() {
            self.post(at, &to, Mail::Engine(packet));
        }
        self.seats[at].alive = Some((node, engine));
        if left {
            self.ends(at);
        }
    }

    fn shoot(&mut self, at: usize, call: fencer::Call) {
        let fails = self.millis < self.fence_fails_until || self.random.chance(50);
        let strikes = (!fails).then(|| self.millis + 20 + self.random.below(400));
        let late = if self.random.chance(100) { self.random.below(4000) } else { 0 };
        let answers = strikes.unwrap_or(self.millis + 300) + self.random.below(100) + late;
        let by = (at, self.seats[at].process);
        self.note(&format!("n{at} shoots: {:?}", call.lines));
        self.shots.push(Shot { strikes, answers, by, call, fails });
    }

    fn strike_fences(&mut self) {
        let millis = self.millis;
        for at in 0..self.shots.len() {
            let shot = &mut self.shots[at];
            if shot.strikes.is_none_or(|strikes| strikes > millis) {
                continue;
            }
            shot.strikes = None;
            let line = |name: &str| {
                let found = shot.call.lines.iter().find(|it| it.0 == name);
                found.map_or("", |it| it.1.as_str())
            };
            let (word, target) = (line("action").to_owned(), line("nodename").to_owned());
            let Some(target) = self.find(&target) else { continue };
            let back = millis + 300 + self.random.below(2000);
            match &*word {
                "off" => self.seats[target].crash(None, true),
                "reboot" => self.seats[target].crash(Some(back), true),
                "on" if self.seats[target].alive.is_none() => {
                    self.seats[target].back_at = Some(back);
                }
                _ => continue,
            }
            self.fenced += u64::from(word != "on");
            self.note(&format!("n{target} is fenced: {word}"));
        }
        let (due, rest): (Vec<Shot>, Vec<Shot>) =
            core::mem::take(&mut self.shots).into_iter().partition(|it| {
                let stands = self.seats[it.by.0].stands_until > millis;
                it.strikes.is_none() && it.answers <= millis && !stands
            });
        self.shots = rest;
        for Shot { by: (at, process), call, fails, .. } in due {
            let seat = &mut self.seats[at];
            let now = seat.clock(millis);
            if seat.process == process
                && let Some((node, _)) = &mut seat.alive
            {
                let result =
                    if fails { Err("the device does not answer".to_owned()) } else { Ok(()) };
                node.handle(now, Input::FenceDone(call.number, result));
                self.work(at);
            }
        }
    }

    fn agents(&mut self, at: usize) {
        let millis = self.millis;
        let calls = core::mem::take(&mut self.seats[at].calls);
        let (due, rest): (Vec<_>, Vec<_>) = calls.into_iter().partition(|it| it.0 <= millis);
        self.seats[at].calls = rest;
        for (_, call) in due {
            let operation = &*call.order.operation;
            // Without fencing, a resource that does not stop is an administrator's.
            let may_fail = operation == "start" || (operation == "stop" && self.fencing);
            let fails = may_fail && millis < self.trouble && self.random.chance(10);
            let done = self.seats[at].ended(millis, &call, fails);
            self.starts += u64::from(operation == "start" && !fails);
            let resource = &call.order.resource;
            self.note(&format!("n{at} {operation} {resource} -> {}", done.rc));
            let now = self.seats[at].clock(millis);
            if let Some((node, _)) = &mut self.seats[at].alive {
                node.handle(now, Input::Done(done));
            }
        }
    }

    fn deliver(&mut self) {
        let millis = self.millis;
        let (due, rest): (Vec<_>, Vec<_>) = core::mem::take(&mut self.mail)
            .into_iter()
            .partition(|it| it.0 <= millis && self.seats[it.2].stands_until <= millis);
        self.mail = rest.into();
        for (_, from, to, mail) in due {
            let name = self.seats[from].name.clone();
            let now = self.seats[to].clock(millis);
            if let Some((node, engine)) = &mut self.seats[to].alive {
                match mail {
                    Mail::Node(message) => node.handle(now, Input::Message(name, message)),
                    Mail::Engine(packet) => engine.heard(now, name, packet),
                }
                self.work(to);
            }
        }
    }

    fn step(&mut self) -> Result<(), String> {
        self.millis += STEP;
        let millis = self.millis;
        self.deliver();
        self.strike_fences();
        for at in 0..self.seats.len() {
            if self.seats[at].back_at.is_some_and(|back| back <= millis) {
                self.seeds += 1;
                let (members, document) = (&*self.members, &self.document);
                let founding = Founding { members, document, lease: LEASE };
                self.seats[at].boot(millis, &founding, self.seeds);
            }
            if self.seats[at].stands_until > millis {
                continue;
            }
            self.agents(at);
            let now = self.seats[at].clock(millis);
            if let Some((node, engine)) = &mut self.seats[at].alive {
                engine.tick(now);
                node.handle(now, Input::Tick);
            }
            self.work(at);
        }
        self.watch()
    }

    /// What must hold at every instant.
    fn watch(&self) -> Result<(), String> {
        let mut served: BTreeMap<&Name, &Name> = BTreeMap::new();
        for seat in &self.seats {
            for resource in seat.served(self.millis) {
                let many = Scene::resource(resource) == Scene::CLONE;
                if let Some(other) = served.insert(resource, &seat.name).filter(|_| !many) {
                    let what = format!("{resource} is active on {other} and on {}", seat.name);
                    return Err(self.tale(&what));
                }
            }
        }
        let longest = u64::try_from(LEASE.as_millis()).unwrap_or(0) * 102 / 100 + 2 * STEP;
        for (at, (since, until)) in &self.alone {
            let alone = self.millis.min(*until).saturating_sub(*since);
            let seat = &self.seats[*at];
            let holds = seat.lease.is_some_and(|ends| seat.clock(self.millis) < ends);
            if self.millis < *until && self.seats.len() > 1 && holds && alone > longest {
                return Err(self.tale(&format!("{} hears nobody and has a lease", seat.name)));
            }
        }
        Ok(())
    }

    fn submit(&mut self, at: usize, number: u64, operation: cluster::Operation) {
        let seat = &mut self.seats[at];
        let now = seat.clock(self.millis);
        if seat.stands_until <= self.millis
            && let Some((node, _)) = &mut seat.alive
        {
            node.handle(now, Input::Submit(number, operation));
            self.work(at);
        }
    }

    fn live(&mut self) -> Result<(), String> {
        let (mut next, mut change) = (3000, 2000);
        while self.millis < TROUBLE {
            self.step()?;
            if self.millis >= next {
                self.strike();
                // Some come close together.
                let most = if self.random.chance(400) { 500 } else { 2500 };
                next = self.millis + 50 + self.random.below(most);
            }
            if self.millis >= change {
                self.submitted += 1;
                let at = self.any();
                self.submit(at, self.submitted, document::marked(self.submitted));
                change = self.millis + 100 + self.random.below(1500);
            }
        }
        self.note("no more trouble");
        for at in 0..self.seats.len() {
            let broken = self.seats[at].alive.as_ref().is_some_and(|it| it.1.is_broken());
            if broken {
                self.seats[at].crash(Some(self.millis + 100), false);
            } else if self.seats[at].alive.is_none() && self.seats[at].back_at.is_none() {
                self.seats[at].back_at = Some(self.millis + 100);
            }
        }
        while self.millis < TROUBLE + AFTER {
            self.step()?;
            // Who was fenced meanwhile and switched off is switched on by somebody.
            for seat in &mut self.seats {
                if seat.alive.is_none() && seat.back_at.is_none() {
                    seat.back_at = Some(self.millis + 2000);
                }
            }
        }
        while self.millis < TROUBLE + AFTER + HEALED {
            self.step()?;
        }
        self.rest()
    }

    /// What must be so in the end.
    fn rest(&self) -> Result<(), String> {
        let served = self.seats.iter().map(|it| it.served(self.millis).count()).sum::<usize>();
        if served != RESOURCES {
            return Err(self.tale(&format!("{served} of {RESOURCES} are active in the end")));
        }
        let nodes: Vec<_> = self.seats.iter().filter_map(|it| it.alive.as_ref()).collect();
        let directing = self.seats.iter().filter(|it| {
            let status = it.alive.as_ref().map(|(node, _)| node.status(it.clock(self.millis)));
            status.is_some_and(|it| it.directing)
        });
        if nodes.len() != self.seats.len() || directing.count() != 1 {
            return Err(self.tale("not every node is there, or there is not one DC, in the end"));
        }
        for (node, _) in nodes {
            let cib = node.state().cib();
            if cib != self.seats[0].alive.as_ref().map_or(cib, |it| it.0.state().cib()) {
                return Err(self.tale("the documents differ in the end"));
            }
            if let Some(lost) =
                self.acknowledged.iter().find(|it| **it != MOVE && !document::has_mark(cib, **it))
            {
                return Err(self.tale(&format!("change {lost} was acknowledged and is lost")));
            }
        }
        Ok(())
    }

    fn tale(&self, what: &str) -> String {
        let kinds: Vec<_> = self.kinds.iter().map(|it| it.name()).collect();
        let mut text = format!(
            "{} ms: {what} ({} nodes, fencing {}; {})\n",
            self.millis,
            self.seats.len(),
            self.fencing,
            kinds.join(", ")
        );
        for line in &self.history {
            let _ = writeln!(text, "  {line}");
        }
        for seat in &self.seats {
            let _ = writeln!(text, "  {}", seat.tell(self.millis));
        }
        text
    }
}
