//! One host: its power, its disk, the processes of mainstay, its agents, and what its kernel serves.
//!
//! A resource is active where an agent has started it: while the quorum lease that this process was given
//! has not ended by the host's clock, also while processes stand still or are dead, since the kernel goes
//! on. A process that begins silences what one before it left, before anything else; its own lease covers
//! what it starts itself. A resource that knows nothing of leases is active until it is stopped.

use std::collections::BTreeMap;

use base::{Instant, Name, Wall};
use cib::xml::Element;
use cluster::executor::{Call, CallDone};
use cluster::node::{Config, Input, Node};
use cluster::operation::{OpStatus, Operation};
use cluster::{Entry, Role};

use super::document;
use super::engine::{Engine, Hard};
use crate::Random;

pub(super) struct Seat {
    pub(super) name: Name,
    pub(super) role: Role,
    /// Thousandths of a clock's pace.
    pace: u64,
    pub(super) alive: Option<(Node, Engine)>,
    pub(super) disk: Hard,
    /// When its processes begin; `None`: they run, or the power is off for good.
    pub(super) back_at: Option<u64>,
    pub(super) stands_until: u64,
    pub(super) late_until: u64,
    pub(super) lossy_until: u64,
    pub(super) mute_until: u64,
    pub(super) calls: Vec<(u64, Call)>,
    /// What agents have started, under which process of this host, and when.
    pub(super) started: BTreeMap<Name, (u64, u64)>,
    /// Counts the processes of this host.
    pub(super) process: u64,
    /// Until when the kernel serves what this process started.
    pub(super) lease: Option<Instant>,
    /// Resources that know nothing of leases.
    bare: Vec<Name>,
    /// It was told to stop, and gives up then if nothing runs.
    pub(super) stops: Option<u64>,
    /// Since when nobody leads, while it is to stop.
    pub(super) alone_since: Option<u64>,
}

/// What every process of a world is begun with.
pub(super) struct Founding<'a> {
    pub(super) members: &'a [(Name, Role)],
    pub(super) document: &'a Element,
    pub(super) lease: core::time::Duration,
}

impl Seat {
    pub(super) fn new(at: usize, role: Role, bare: &[Name], random: &mut Random) -> Self {
        Self {
            name: Name::from(format!("n{at}")),
            role,
            pace: 995 + random.below(11),
            alive: None,
            disk: Hard::default(),
            back_at: Some(random.below(200)),
            stands_until: 0,
            late_until: 0,
            lossy_until: 0,
            mute_until: 0,
            calls: Vec::new(),
            started: BTreeMap::new(),
            process: 0,
            lease: None,
            bare: bare.to_vec(),
            stops: None,
            alone_since: None,
        }
    }

    pub(super) fn clock(&self, millis: u64) -> Instant {
        Instant::from_nanos(1_000_000_000 + millis * self.pace * 1000)
    }

    /// A process begins.
    pub(super) fn boot(&mut self, millis: u64, founding: &Founding<'_>, seed: u64) {
        let now = self.clock(millis);
        self.back_at = None;
        let config = Config {
            node: self.name.clone(),
            seed,
            lease: founding.lease,
            liveness: cluster::liveness::Config::default(),
            links: 1,
            blank: founding.document.clone(),
        };
        let mut node = Node::new(now, config);
        node.handle(now, Input::Wall(Wall::new(100 + millis / 1000, 0)));
        let members = founding.members.iter();
        let others = members.clone().map(|it| it.0.clone()).filter(|it| *it != self.name).collect();
        let fresh = self.disk.is_empty();
        let mut engine = Engine::new(now, self.name.clone(), others, self.disk.clone(), seed);
        if fresh {
            for (name, role) in members {
                let (node, id, role) = (name.clone(), name.clone(), *role);
                let operation = Operation::Admit { node, id, role, lease: founding.lease };
                engine.found(Entry { at: Wall::new(100, 0), by: "x".into(), operation });
            }
            self.disk = engine.on_disk();
        }
        self.alive = Some((node, engine));
        if !base::planted!(LeftoversServe) {
            self.process += 1;
            self.lease = None;
        }
    }

    /// The processes are gone; with the host, all that it served.
    pub(super) fn crash(&mut self, back_at: Option<u64>, host: bool) {
        if let Some((_, engine)) = self.alive.take() {
            self.disk = engine.crash();
        }
        self.calls.clear();
        (self.back_at, self.stops) = (back_at, None);
        if host {
            self.stands_until = 0;
            self.started.clear();
            self.lease = None;
        }
    }

    fn is_active(&self, resource: &Name, process: u64, now: Instant) -> bool {
        if self.bare.contains(resource) {
            return true;
        }
        process == self.process && self.lease.is_some_and(|ends| now < ends)
    }

    /// What is active here.
    pub(super) fn served(&self, millis: u64) -> impl Iterator<Item = &Name> {
        let now = self.clock(millis);
        let ours = move |it: &(&Name, &(u64, u64))| {
            &**it.0 != document::FENCE && self.is_active(it.0, it.1.0, now)
        };
        self.started.iter().filter(ours).map(|it| it.0)
    }

    /// An agent ends.
    pub(super) fn ended(&mut self, millis: u64, call: &Call, fails: bool) -> CallDone {
        let Call { number, order } = call;
        let (process, resource) = (self.process, &order.resource);
        // What is silent does not run.
        let runs = self
            .started
            .get(resource)
            .is_some_and(|it| it.0 == process || self.bare.contains(resource));
        let rc = match &*order.operation {
            "start" | "stop" if fails => 1,
            "start" => {
                if !runs {
                    self.started.insert(resource.clone(), (process, millis));
                }
                0
            }
            "stop" => {
                self.started.remove(resource);
                0
            }
            _ => 7 * i32::from(!runs),
        };
        CallDone { number: *number, rc, status: OpStatus::Done, reason: String::new() }
    }

    /// For a tale.
    pub(super) fn tell(&self, millis: u64) -> String {
        let status = self.alive.as_ref().map(|it| it.0.status(self.clock(millis)));
        let members = self.alive.iter().flat_map(|it| it.0.state().members().iter());
        let known: Vec<String> = members
            .map(|(name, it)| format!("{name} {:?} life {}", it.standing, it.life))
            .collect();
        let life = self.alive.as_ref().map(|it| it.0.life().to_string());
        let known = known.join(", ");
        format!("{} (life {life:?}): {:?} {status:?} {known}", self.name, self.started)
    }
}
