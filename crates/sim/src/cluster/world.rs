//! One seed, one cluster: nodes, links, agents, faults, and what must hold.
//!
//! True time goes in steps; each node's clock runs up to one per cent fast or slow. A resource is
//! active where its agent has started it and the quorum lease has not ended by that node's clock,
//! also while its processes stand still or are dead: the kernel goes on serving. A process that begins
//! silences what one before it left, before anything else; its own lease covers what it starts itself.

use core::fmt::Write;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::{Instant, Name, Wall};
use cluster::executor::{Call, CallDone};
use cluster::node::{Config, Input, Message, Node, Output};
use cluster::operation::{OpStatus, Operation};
use cluster::{Entry, Role};

use super::engine::{Engine, Hard, Packet};
use crate::Random;

const LEASE: Duration = Duration::from_millis(600);
const STEP: u64 = 5;
const RESOURCES: usize = 3;
const TROUBLE: u64 = 20_000;
/// After the last fault all is started within this.
const HEALED: u64 = 12_000;

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which.
    pub seed: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Starts by agents.
    pub starts: u64,
    /// What did not hold.
    pub violation: Option<String>,
}

#[derive(Debug)]
enum Mail {
    Node(Message),
    Engine(Packet),
}

struct Seat {
    name: Name,
    /// Thousandths of a clock's pace.
    pace: u64,
    alive: Option<(Node, Engine)>,
    disk: Hard,
    back_at: Option<u64>,
    stands_until: u64,
    calls: Vec<(u64, Call)>,
    /// What agents have started, and under which process of this node.
    started: BTreeMap<Name, u64>,
    /// Counts the processes of this node.
    process: u64,
    /// Until when the kernel serves what this process started.
    lease: Option<Instant>,
}

struct World {
    millis: u64,
    random: Random,
    seats: Vec<Seat>,
    /// From whom to whom nothing goes, and until when.
    cuts: BTreeMap<(usize, usize), u64>,
    mail: VecDeque<(u64, usize, usize, Mail)>,
    seeds: u64,
    faults: u64,
    starts: u64,
    history: VecDeque<String>,
}

fn blank() -> cib::xml::Element {
    let mut text = String::from(
        "<cib validate-with='pacemaker-3.9' crm_feature_set='3.19.0' admin_epoch='0' epoch='1' \
         num_updates='0'><configuration><crm_config><cluster_property_set id='o'><nvpair id='o-s' \
         name='stonith-enabled' value='false'/></cluster_property_set></crm_config><nodes/><resources>",
    );
    for at in 0..RESOURCES {
        let _ =
            write!(text, "<primitive id='r{at}' class='ocf' provider='heartbeat' type='Dummy'/>");
    }
    text += "</resources><constraints/></configuration><status/></cib>";
    match cib::xml::parse(&text) {
        Ok(document) => document.root,
        Err(error) => unreachable!("the document is well-formed: {error}"),
    }
}

/// Runs a seed with this many nodes.
#[must_use]
pub fn run(nodes: usize, seed: u64) -> Outcome {
    let mut world = World::new(nodes, seed);
    let violation = world.live().err();
    Outcome { seed, faults: world.faults, starts: world.starts, violation }
}

impl World {
    fn new(nodes: usize, seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x6d61_696e_7374_6179);
        let seats = (0..nodes)
            .map(|at| Seat {
                name: Name::from(format!("n{at}")),
                pace: 995 + random.below(11),
                alive: None,
                disk: Hard::default(),
                back_at: Some(random.below(200)),
                stands_until: 0,
                calls: Vec::new(),
                started: BTreeMap::new(),
                process: 0,
                lease: None,
            })
            .collect();
        Self {
            millis: 0,
            random,
            seats,
            cuts: BTreeMap::new(),
            mail: VecDeque::new(),
            seeds: seed << 16,
            faults: 0,
            starts: 0,
            history: VecDeque::new(),
        }
    }

    fn clock(&self, at: usize) -> Instant {
        Instant::from_nanos(1_000_000_000 + self.millis * self.seats[at].pace * 1000)
    }

    fn note(&mut self, what: String) {
        self.history.push_back(format!("{} ms: {what}", self.millis));
        if self.history.len() > 60 {
            self.history.pop_front();
        }
    }

    fn boot(&mut self, at: usize) {
        let now = self.clock(at);
        self.seeds += 1;
        let name = self.seats[at].name.clone();
        let config = Config {
            node: name.clone(),
            seed: self.seeds,
            lease: LEASE,
            liveness: cluster::liveness::Config::default(),
            links: 1,
            blank: blank(),
        };
        let mut node = Node::new(now, config);
        node.handle(now, Input::Wall(Wall::new(100 + self.millis / 1000, 0)));
        let others = self.seats.iter().map(|it| it.name.clone()).filter(|it| *it != name).collect();
        let disk = self.seats[at].disk.clone();
        let mut engine = Engine::new(now, name, others, disk, self.seeds);
        if self.millis < 1000 {
            for seat in &self.seats {
                let operation = Operation::Admit {
                    node: seat.name.clone(),
                    id: seat.name.clone(),
                    role: Role::Voter,
                    lease: LEASE,
                };
                engine.found(Entry { at: Wall::new(100, 0), by: "x".into(), operation });
            }
        }
        let seat = &mut self.seats[at];
        seat.alive = Some((node, engine));
        if !base::planted!(LeftoversServe) {
            seat.process += 1;
            seat.lease = None;
        }
    }

    fn crash(&mut self, at: usize, lasts: u64, host: bool) {
        let back = self.millis + lasts;
        let seat = &mut self.seats[at];
        if let Some((_, engine)) = seat.alive.take() {
            seat.disk = engine.crash();
        }
        seat.calls.clear();
        seat.back_at = Some(back);
        if host {
            seat.started.clear();
            seat.lease = None;
        }
    }

    fn find(&self, name: &Name) -> Option<usize> {
        self.seats.iter().position(|it| it.name == *name)
    }

    fn post(&mut self, from: usize, to: &Name, mail: Mail) {
        let Some(to) = self.find(to) else { return };
        if self.cuts.get(&(from, to)).is_some_and(|until| self.millis < *until) {
            return;
        }
        let due = self.millis + STEP * self.random.below(3);
        self.mail.push_back((due, from, to, mail));
    }

    /// Lets a node do all that it wants at this instant.
    fn work(&mut self, at: usize) {
        let now = self.clock(at);
        let Some((mut node, mut engine)) = self.seats[at].alive.take() else { return };
        loop {
            if let Some(tell) = engine.poll_tell() {
                node.handle(now, Input::Engine(tell));
            } else if let Some(output) = node.poll_output() {
                match output {
                    Output::Ask(ask) => engine.ask(now, ask),
                    Output::Send(to, message) => self.post(at, &to, Mail::Node(message)),
                    Output::Plan(number) => {
                        let document = cib::Cib::read(node.state().cib());
                        let time = cib::dates::WallTime(100);
                        let plan = Box::new(sched::plan(&document, time));
                        node.handle(now, Input::Planned(number, plan));
                    }
                    Output::Call(call) => {
                        let hangs = self.millis < TROUBLE && self.random.chance(5);
                        let takes = if hangs { 25_000 } else { 5 + self.random.below(60) };
                        self.seats[at].calls.push((self.millis + takes, call));
                    }
                    Output::Kill(number) => {
                        self.seats[at].calls.retain(|(_, call)| call.number != number);
                    }
                    Output::Lease(ends) => self.seats[at].lease = ends,
                    Output::FenceCall(_)
                    | Output::FenceKill(_)
                    | Output::Answer(..)
                    | Output::Reborn
                    | Output::Left => {}
                }
            } else {
                break;
            }
        }
        while let Some((to, packet)) = engine.poll_packet() {
            self.post(at, &to, Mail::Engine(packet));
        }
        self.seats[at].alive = Some((node, engine));
    }

    fn agents(&mut self, at: usize) {
        let millis = self.millis;
        let seat = &mut self.seats[at];
        let (due, rest) =
            core::mem::take(&mut seat.calls).into_iter().partition(|it| it.0 <= millis);
        seat.calls = rest;
        let due: Vec<(u64, Call)> = due;
        for (_, Call { number, order }) in due {
            let fails = millis < TROUBLE && self.random.chance(10);
            let seat = &mut self.seats[at];
            let process = seat.process;
            let serves = seat.started.get(&order.resource) == Some(&process);
            let rc = match &*order.operation {
                "start" if fails => 1,
                "start" => {
                    seat.started.insert(order.resource.clone(), process);
                    self.starts += 1;
                    0
                }
                "stop" => {
                    seat.started.remove(&order.resource);
                    0
                }
                // What is silent does not run.
                _ => 7 * i32::from(!serves),
            };
            self.note(format!("n{at} {} {} -> {rc}", order.operation, order.resource));
            let now = self.clock(at);
            let done = CallDone { number, rc, status: OpStatus::Done, reason: String::new() };
            if let Some((node, _)) = &mut self.seats[at].alive {
                node.handle(now, Input::Done(done));
            }
        }
    }

    fn step(&mut self) -> Result<(), String> {
        self.millis += STEP;
        let millis = self.millis;
        let (due, rest): (Vec<_>, Vec<_>) = core::mem::take(&mut self.mail)
            .into_iter()
            .partition(|it| it.0 <= millis && self.seats[it.2].stands_until <= millis);
        self.mail = rest.into();
        for (_, from, to, mail) in due {
            let (now, name) = (self.clock(to), self.seats[from].name.clone());
            if let Some((node, engine)) = &mut self.seats[to].alive {
                match mail {
                    Mail::Node(message) => node.handle(now, Input::Message(name, message)),
                    Mail::Engine(packet) => engine.heard(now, name, packet),
                }
                self.work(to);
            }
        }
        for at in 0..self.seats.len() {
            if self.seats[at].back_at.is_some_and(|back| back <= millis) {
                self.seats[at].back_at = None;
                self.boot(at);
            }
            if self.seats[at].stands_until > millis {
                continue;
            }
            self.agents(at);
            let now = self.clock(at);
            if let Some((node, engine)) = &mut self.seats[at].alive {
                engine.tick(now);
                node.handle(now, Input::Tick);
            }
            self.work(at);
        }
        for (resource, holders) in self.served() {
            if holders.len() > 1 {
                return Err(self.tale(&format!("{resource} is active on {holders:?}")));
            }
        }
        Ok(())
    }

    fn served(&self) -> BTreeMap<Name, Vec<Name>> {
        let mut served: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
        for (at, seat) in self.seats.iter().enumerate() {
            if seat.lease.is_some_and(|ends| self.clock(at) < ends) {
                for (resource, _) in seat.started.iter().filter(|it| *it.1 == seat.process) {
                    served.entry(resource.clone()).or_default().push(seat.name.clone());
                }
            }
        }
        served
    }

    fn strike(&mut self) {
        self.faults += 1;
        let nodes = u64::try_from(self.seats.len()).unwrap_or(1);
        let at = usize::try_from(self.random.below(nodes)).unwrap_or(0);
        let other = usize::try_from(self.random.below(nodes)).unwrap_or(0);
        let lasts = 100 + self.random.below(3000);
        let until = self.millis + lasts;
        let kind = self.random.below(5);
        self.note(format!("fault {kind} on n{at} (n{other}) for {lasts} ms"));
        match kind {
            0 => self.crash(at, lasts, true),
            1 => self.crash(at, lasts, false),
            2 => self.seats[at].stands_until = until,
            3 => {
                for peer in 0..self.seats.len() {
                    self.cuts.insert((at, peer), until);
                    self.cuts.insert((peer, at), until);
                }
            }
            _ => {
                self.cuts.insert((at, other), until);
            }
        }
    }

    fn live(&mut self) -> Result<(), String> {
        let mut next = 3000;
        while self.millis < TROUBLE {
            self.step()?;
            if self.millis >= next {
                self.strike();
                next = self.millis + 200 + self.random.below(2500);
            }
        }
        while self.millis < TROUBLE + 3200 + 26_000 + HEALED {
            self.step()?;
        }
        let served = self.served().len();
        if served != RESOURCES {
            return Err(self.tale(&format!("only {served} are active after the heal")));
        }
        let mut documents = self.seats.iter().filter_map(|it| it.alive.as_ref());
        let first = documents.next().map(|it| it.0.state().cib().clone());
        if documents.any(|it| Some(it.0.state().cib()) != first.as_ref()) {
            return Err(self.tale("the documents differ"));
        }
        Ok(())
    }

    fn tale(&self, what: &str) -> String {
        let mut text = format!("{} ms: {what}\n", self.millis);
        for line in &self.history {
            let _ = writeln!(text, "  {line}");
        }
        for (at, seat) in self.seats.iter().enumerate() {
            let status = seat.alive.as_ref().map(|it| it.0.status(self.clock(at)));
            let _ = writeln!(text, "  n{at}: {:?} {status:?}", seat.started);
        }
        text
    }
}
