//! The simulator's stage for scenarios: hosts with fencing, on which disks, clocks and links fail as well.

use core::fmt::Write;
use core::time::Duration;
use std::collections::VecDeque;

use base::{Instant, Name};
use cib::xml::Element;
use cluster::Role;
use cluster::executor::Held;
use cluster::node::Node;
use cluster::operation::Operation;

use super::{LEASE, STEP, World, count};
use crate::Random;
use crate::cluster::document;
use crate::cluster::fault::FaultKind;
use crate::cluster::seat::Seat;
use crate::scenario::{Act, Active, Picture, Says, Scene, Seen, Stage, Step};

/// Between two looks at everything.
const MOMENT: u64 = 100;
/// As `node`'s: stopping in good order gives up after this when nothing runs.
const FAREWELL: u64 = 10_000;
/// As `node`'s: and after this when nobody leads, either.
const ALONE: u64 = 3_000;
/// An administrator who is not answered asks again after this.
const AGAIN: u64 = 1_000;
/// What a scenario's faults are: what a step does by itself is none of them.
const KINDS: &[FaultKind] = &[
    FaultKind::HostCrash,
    FaultKind::ProcessKill,
    FaultKind::Stall,
    FaultKind::Isolation,
    FaultKind::OneWay,
    FaultKind::Loss,
    FaultKind::Delay,
    FaultKind::SlowDisk,
    FaultKind::Beats,
    FaultKind::Disk,
    FaultKind::ClockStep,
    FaultKind::FenceFails,
];
const SCENE: Scene = Scene {
    program: |_| "class='ocf' provider='heartbeat' type='Dummy'".to_owned(),
    vip: ("class='ocf' provider='mainstay' type='IPaddr2'", ""),
    fence: ("class='stonith' type='fence_lab'", ""),
    interval: "1s",
};

/// Hosts of a scenario.
pub struct Hosts {
    world: World,
    /// What was asked for, to tell answers apart.
    asked: u64,
    /// Hosts that are to be without a process.
    down: Vec<bool>,
    /// What has been done of late.
    acts: VecDeque<String>,
}

impl core::fmt::Debug for Hosts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Hosts at {} ms", self.world.millis)
    }
}

impl Hosts {
    /// Three or five of them, as the seed says.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x686f_7374_7300);
        let nodes = if random.chance(700) { 3 } else { 5 };
        // All that is no VIP knows nothing of leases.
        let bare: Vec<Name> = Scene::PROGRAMS
            .into_iter()
            .flat_map(|it| (0..nodes).map(move |at| format!("{it}:{at}")).chain([it.to_owned()]))
            .map(Name::from)
            .collect();
        let seat = |at| Seat::new(at, Role::Voter, &bare, &mut random);
        let seats: Vec<Seat> = (0..nodes).map(seat).collect();
        let mut world = World::of(seed, random, seats, document::of_scene(&SCENE));
        world.kinds = KINDS.to_vec();
        world.trouble = 0;
        Self { world, asked: 0, down: vec![false; nodes], acts: VecDeque::new() }
    }

    /// Milliseconds of that world that have passed.
    #[must_use]
    pub fn millis(&self) -> u64 {
        self.world.millis
    }

    /// All that was noted, as one number.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.world.sum
    }

    fn run(&mut self, millis: u64) -> Result<(), String> {
        let until = self.world.millis + millis;
        while self.world.millis < until {
            self.world.step()?;
            self.look_after();
        }
        Ok(())
    }

    /// What a service manager and a power switch do by themselves.
    fn look_after(&mut self) {
        let world = &mut self.world;
        let millis = world.millis;
        for at in 0..world.seats.len() {
            world.give_up(at);
            let seat = &mut world.seats[at];
            if seat.alive.as_ref().is_some_and(|it| it.1.is_broken()) {
                seat.crash(Some(millis + 1_000), false);
            }
            if seat.alive.is_none() && self.down[at] {
                seat.back_at = None;
            }
        }
    }

    /// Asks a node until it has done it.
    fn ask(&mut self, by: usize, operation: &Operation) -> Result<(), String> {
        let until = self.world.millis + 60_000;
        while self.world.millis < until {
            self.asked += 1;
            let number = self.asked;
            self.world.submit(by, number, operation.clone());
            let again = self.world.millis + AGAIN;
            while self.world.millis < again {
                if self.world.acknowledged.contains(&number) {
                    return Ok(());
                }
                self.run(STEP)?;
            }
        }
        Err(self.world.tale(&format!("n{by} does not do {operation:?}")))
    }

    fn kill_program(&mut self, at: usize, program: &str) {
        let started = &mut self.world.seats[at].started;
        started.retain(|name, _| Scene::resource(name) != program);
    }

    fn trouble(&mut self) -> Result<(), String> {
        self.world.trouble = u64::MAX;
        for _ in 0..1 + self.world.random.below(5) {
            self.world.strike();
            let wait = 50 + self.world.random.below(2_000);
            self.run(wait)?;
        }
        self.run(3_500)?;
        self.world.trouble = 0;
        // Who was fenced and switched off is switched on by somebody.
        for (seat, down) in self.world.seats.iter_mut().zip(&self.down) {
            if !down && seat.alive.is_none() && seat.back_at.is_none() {
                seat.back_at = Some(self.world.millis + 500);
            }
        }
        Ok(())
    }
}

impl World {
    /// A process is told to stop (as `node::part` does it).
    fn stop(&mut self, at: usize) {
        let now = self.seats[at].clock(self.millis);
        let Some((node, _)) = &mut self.seats[at].alive else {
            self.seats[at].back_at = None;
            return;
        };
        let name =
            node.state().members().get(&self.members[at].0).map(|_| self.members[at].0.clone());
        let led = node.status(now).leader.is_some();
        match name.filter(|_| led) {
            None => self.ends(at),
            Some(node) => {
                self.seats[at].stops = Some(self.millis + FAREWELL);
                let (name, value) = (Name::from("shutdown"), Some("1".to_owned()));
                let operation = Operation::Attribute { node, name, value, dampen: Duration::ZERO };
                self.submit(at, u64::MAX - 1, operation);
            }
        }
    }

    /// Ends a process that was told to stop, if nobody agrees to that and nothing runs.
    fn give_up(&mut self, at: usize) {
        let millis = self.millis;
        let stands = self.seats[at].stands_until > millis;
        if stands || self.seats[at].stops.is_none() {
            self.seats[at].alone_since = None;
            return;
        }
        let now = self.seats[at].clock(millis);
        let held = self.seats[at].lease.is_some_and(|ends| now < ends);
        let led = |it: &(Node, _)| held && it.0.status(now).leader.is_some();
        if self.seats[at].alive.as_ref().is_some_and(led) {
            self.seats[at].alone_since = None;
        } else {
            let since = *self.seats[at].alone_since.get_or_insert(millis);
            let alive = self.seats[at].alive.as_ref();
            if millis - since >= ALONE && !alive.is_some_and(|it| holds(&it.0, now)) {
                return self.ends(at);
            }
        }
        if self.seats[at].stops.is_none_or(|until| until > millis) {
            return;
        }
        if self.seats[at].alive.as_ref().is_some_and(|it| holds(&it.0, now)) {
            self.seats[at].stops = Some(millis + FAREWELL);
        } else {
            self.ends(at);
        }
    }

    pub(super) fn ends(&mut self, at: usize) {
        self.note(&format!("n{at} ends"));
        self.seats[at].crash(None, false);
        self.seats[at].process += 1;
        self.seats[at].lease = None;
    }
}

/// Whether something is to be stopped before the process may end.
fn holds(node: &Node, now: Instant) -> bool {
    let resources = node.status(now).executor.resources;
    let holds = resources.iter().any(|it| it.held != Held::No || it.running.is_some());
    holds && !node.is_left_alone()
}

impl Stage for Hosts {
    fn names(&self) -> Vec<Name> {
        self.world.seats.iter().map(|it| it.name.clone()).collect()
    }

    fn act(&mut self, act: &Act) -> Result<(), String> {
        let millis = self.world.millis;
        self.acts.push_back(format!("{millis} ms: {act:?}"));
        if self.acts.len() > 60 {
            self.acts.pop_front();
        }
        self.world.note(&format!("{act:?}"));
        let cib = |world: &World, by: usize| -> Element {
            let node = world.seats[by].alive.as_ref();
            node.map_or_else(|| world.document.clone(), |it| it.0.state().cib().clone())
        };
        let world = &mut self.world;
        match act {
            Act::Start(at) | Act::PowerOn(at) => {
                let seat = &mut world.seats[*at];
                self.down[*at] = false;
                if seat.stops.is_some() {
                    // Whoever wants it to start waits until it has stopped.
                    for _ in 0..1_200 {
                        if self.world.seats[*at].stops.is_none() {
                            break;
                        }
                        self.run(50)?;
                    }
                }
                let seat = &mut self.world.seats[*at];
                if seat.alive.is_none() && seat.back_at.is_none() {
                    seat.back_at = Some(self.world.millis + STEP);
                }
            }
            Act::Stop(at) => {
                self.down[*at] = true;
                world.stop(*at);
            }
            Act::Kill(at) => {
                world.seats[*at].crash(None, false);
            }
            Act::Crash(at) => world.seats[*at].crash(None, true),
            Act::Pause(at) => world.seats[*at].stands_until = u64::MAX,
            Act::Resume(at) => world.seats[*at].stands_until = 0,
            Act::Cut(sides) => {
                for (from, side) in sides.iter().enumerate() {
                    for (to, other) in sides.iter().enumerate() {
                        if side != other {
                            world.cut(from, to, u64::MAX);
                        }
                    }
                }
            }
            Act::Heal => world.cuts.clear(),
            Act::Fail(at, program) => self.kill_program(*at, program),
            Act::Standby(by, at, on) => {
                let name = world.seats[*at].name.clone();
                let operation = document::standby(&cib(world, *by), &name, *on);
                self.ask(*by, &operation)?;
            }
            Act::Maintenance(by, on) => {
                let value = if *on { "true" } else { "false" };
                self.ask(*by, &document::option("maintenance-mode", value))?;
            }
            Act::Prefer(by, to) => {
                let to = to.map(|at| world.seats[at].name.clone());
                self.ask(*by, &document::preferred(to.as_deref()))?;
            }
            Act::Mark(by, number) => {
                self.ask(*by, &document::option("mark", &number.to_string()))?;
            }
            Act::Trouble => self.trouble()?,
        }
        Ok(())
    }

    fn picture(&mut self) -> Picture {
        let world = &self.world;
        let millis = world.millis;
        let mut documents: Vec<&Element> = Vec::new();
        let mut nodes = Vec::new();
        for seat in &world.seats {
            let active = |name: &Name| Active {
                resource: Scene::resource(name),
                since: seat.started.get(name).map(|it| it.1),
            };
            let stands = seat.stands_until > millis;
            let says = seat.alive.as_ref().filter(|_| !stands).map(|(node, _)| {
                let now = seat.clock(millis);
                let status = node.status(now);
                // An isolated leader of this Raft goes on believing; its lease has ended all the same.
                let quorum = status.leader.is_some() && status.lease.is_some_and(|it| now < it);
                let cib = node.state().cib();
                let known = documents.iter().position(|it| *it == cib);
                let document = known.unwrap_or_else(|| {
                    documents.push(cib);
                    documents.len() - 1
                });
                let mark = cluster::state::option(cib, "mark").and_then(|it| it.parse().ok());
                Says {
                    quorum,
                    dc: status.leader.filter(|_| quorum),
                    directs: status.directing && quorum,
                    settled: status.controller.settled,
                    document: count(document),
                    mark,
                }
            });
            let active = seat.served(millis).map(active).collect();
            nodes.push(Seen { name: seat.name.clone(), says, active });
        }
        Picture { nodes }
    }

    fn pass(&mut self) -> Result<(), String> {
        self.run(MOMENT)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.world.millis)
    }

    fn pace(&self) -> (Duration, Duration) {
        (LEASE * 3, Duration::from_secs(90))
    }

    fn can(&self, _: Step) -> bool {
        true
    }

    fn tell(&mut self) -> String {
        let mut text = String::new();
        for act in &self.acts {
            let _ = writeln!(text, "  {act}");
        }
        text + &self.world.tale("this is how it stands")
    }
}
