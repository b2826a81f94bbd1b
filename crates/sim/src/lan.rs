//! A toy LAN: routers on one link, a clock that jumps to the next thing that happens.
//!
//! At one instant each node does what the daemon's loop does: it sends what is due, hears what has
//! come, then judges silence. Only nodes that have something to do are touched, in their order, so
//! that the same seed tells the same story.

use core::cell::Cell;
use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{
    Batch, BatchDone, DeviceAsk, DeviceDone, Event, IfIndex, Instant, Mac, Name, Neighbour, Verdict,
};
use vrrp::{Input, InstanceConfig};

use crate::client::Client;
use crate::cuts::Cuts;
use crate::kernel::Segment;
use crate::node::{Node, config};
use crate::random::Random;
use crate::sight::{Mail, Sight};
use crate::signing::Heard;
use crate::tape::Tape;
use crate::upgrade::Step;
use crate::weather::Weather;

/// How long a kernel takes for a batch.
pub(crate) const KERNEL_TIME: Duration = Duration::from_micros(500);

/// What is under way.
#[derive(Debug)]
pub(crate) enum Coming {
    /// An advert, to the node with this number.
    Mail(usize, Mail),
    /// What a frame on a link says about where an address lives, to this node.
    Claim(usize, Segment, Neighbour),
    /// A frame, from this node to the client.
    Frame(usize, Vec<u8>),
    /// A batch, through the kernel of this node, asked for in this life of its router.
    Batch(usize, u32, Batch),
    /// What came of it.
    Done(usize, u32, BatchDone),
    /// An operation on a device, likewise.
    Device(usize, u32, DeviceAsk),
    /// What came of it.
    DeviceDone(usize, u32, DeviceDone),
    /// The switches of a device, to be set by the guardian.
    Tune(usize, u32, IfIndex),
    /// The node has something to read, or wakes.
    Look(usize, u32),
    /// The engine this life of a node's guardian started is up, and takes over from the one before.
    Spawn(usize, u32, Vec<Name>),
    /// That guardian learns that its engine has ended.
    Ended(usize, u32),
    /// This life of a node's guardian goes on with an upgrade.
    Upgrade(usize, u32, Step),
    /// The script of the node is run, by the runner with this number.
    Script(usize, u32),
    /// The engine of this life is told what came of it.
    Verdict(usize, u32, Verdict),
    /// This life of a node's engine was told to stop then, and looks whether it has.
    Perish(usize, u32, Instant),
}

impl Coming {
    /// The node it may change.
    fn to(&self) -> Option<usize> {
        match self {
            Self::Mail(at, _)
            | Self::Claim(at, ..)
            | Self::Batch(at, ..)
            | Self::Done(at, ..)
            | Self::Device(at, ..)
            | Self::DeviceDone(at, ..)
            | Self::Tune(at, ..)
            | Self::Look(at, _)
            | Self::Spawn(at, ..)
            | Self::Ended(at, _)
            | Self::Upgrade(at, ..)
            | Self::Script(at, _)
            | Self::Verdict(at, ..)
            | Self::Perish(at, ..) => Some(*at),
            Self::Frame(..) => None,
        }
    }
}

/// Nodes, a client, a link and a clock.
#[derive(Debug)]
pub struct Lan {
    pub(crate) now: Instant,
    pub(crate) random: Random,
    pub(crate) weather: Weather,
    /// Words about planned moves reach nobody.
    pub(crate) strangers: bool,
    /// How long the kernel's news may take to reach a router, at most.
    pub(crate) news_delay: Duration,
    pub(crate) cuts: Cuts,
    pub(crate) nodes: Vec<Node>,
    pub(crate) client: Client,
    pub(crate) heard: Heard,
    coming: BTreeMap<(Instant, u64), Coming>,
    sequence: u64,
    /// When each node is next due, and whose time must be worked out anew.
    dues: Vec<Option<Instant>>,
    stale: Vec<bool>,
    /// Somebody from outside touched some node.
    touched: Cell<bool>,
    /// Nodes that something has come to at this instant.
    pub(crate) stirred: BTreeSet<usize>,
    pub(crate) tape: Tape,
    /// Some of the adverts of late, for those who would send them again.
    pub(crate) recorded: VecDeque<Mail>,
    /// What was seen since a watcher last took it; `None` while nobody watches.
    pub(crate) sights: Option<Vec<Sight>>,
}

impl Lan {
    /// An empty link in fair weather.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            now: Instant::from_nanos(1_000_000_000),
            random: Random::new(seed),
            weather: Weather::default(),
            strangers: false,
            news_delay: Duration::ZERO,
            cuts: Cuts::default(),
            nodes: Vec::new(),
            client: Client::default(),
            heard: Heard::default(),
            coming: BTreeMap::new(),
            sequence: 0,
            dues: Vec::new(),
            stale: Vec::new(),
            touched: Cell::new(true),
            stirred: BTreeSet::new(),
            tape: Tape::default(),
            recorded: VecDeque::new(),
            sights: None,
        }
    }

    /// With a node that runs the article's instance at this priority, from now on.
    #[must_use]
    pub fn router(self, name: &str, priority: u8) -> Self {
        self.node(name, vec![config(priority)])
    }

    /// With a node that runs these instances, from now on.
    #[must_use]
    pub fn node(mut self, name: &str, configs: Vec<InstanceConfig>) -> Self {
        self.start(name, configs);
        self
    }

    /// Of nodes that know nothing of planned moves, as programs that are not ours.
    #[must_use]
    pub fn strangers(mut self) -> Self {
        self.strangers = true;
        self
    }

    /// With this weather.
    #[must_use]
    pub fn weather(mut self, weather: Weather) -> Self {
        self.weather = weather;
        self
    }

    // ---- looking --------------------------------------------------------------------------------

    /// The clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// All nodes, dead ones too.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of that name.
    #[must_use]
    pub fn see(&self, name: &str) -> &Node {
        &self.nodes[self.at(name)]
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The living nodes whose kernel has the VIP.
    #[must_use]
    pub fn holders(&self, vip: &str) -> Vec<&str> {
        let vip: IpAddr = vip.parse().expect("an address");
        let holds = |node: &&Node| node.alive && node.kernel.has(vip);
        self.nodes.iter().filter(holds).map(Node::name).collect()
    }

    /// The living nodes whose kernel answers for the VIP.
    #[must_use]
    pub fn answering(&self, vip: &str) -> Vec<&str> {
        let vip: IpAddr = vip.parse().expect("an address");
        let answers = |node: &&Node| node.alive && node.kernel.answers(vip, self.now);
        self.nodes.iter().filter(answers).map(Node::name).collect()
    }

    /// The living nodes whose first instance is Active.
    #[must_use]
    pub fn actives(&self) -> Vec<&str> {
        self.nodes.iter().filter(|node| node.is_active()).map(Node::name).collect()
    }

    /// The node the client would send to, for this VIP.
    #[must_use]
    pub fn client_reaches(&self, vip: &str) -> Option<&str> {
        let mac = self.client.believes(vip.parse().expect("an address"))?;
        self.lives_at(mac).map(|at| self.nodes[at].name())
    }

    /// The node that the client's frames to this MAC go to.
    pub(crate) fn lives_at(&self, mac: Mac) -> Option<usize> {
        if mac.is_virtual_router() {
            return self.client.port(mac);
        }
        self.nodes.iter().position(|node| node.kernel.has_mac(mac))
    }

    /// Whether whatever one of two nodes says now, the other hears: both are awake and on the link,
    /// and nothing is lost on it.
    #[must_use]
    pub fn hear_each_other(&self, one: &Node, other: &Node) -> bool {
        let there =
            |node: &Node| node.is_awake(self.now) && node.plugged && node.kernel.is_eth0_running();
        self.weather.loss == 0 && there(one) && there(other)
    }

    /// Whether what one of two nodes says on a segment reaches the other, dice apart, and the other
    /// way round.
    #[must_use]
    pub fn are_together(&self, one: usize, other: usize, segment: Segment) -> bool {
        let there = |node: &Node| {
            node.is_awake(self.now)
                && node.frozen_until <= self.now
                && node.plugged
                && node.kernel.on_segment(segment).is_some_and(|link| link.running)
        };
        let open = |from, to| !self.cuts.is_cut(from, Some(to));
        there(&self.nodes[one]) && there(&self.nodes[other]) && open(one, other) && open(other, one)
    }

    /// Whether the kernels of two nodes can both be reached on a segment, and by each other.
    #[must_use]
    pub fn are_linked(&self, one: usize, other: usize, segment: Segment) -> bool {
        let there = |node: &Node| {
            node.alive
                && node.frozen_until <= self.now
                && node.plugged
                && node.kernel.on_segment(segment).is_some_and(|link| link.running)
        };
        let open = |from, to| !self.cuts.is_cut(from, Some(to));
        there(&self.nodes[one]) && there(&self.nodes[other]) && open(one, other) && open(other, one)
    }

    /// Whether what a node says on a segment reaches the client, dice apart.
    #[must_use]
    pub fn reaches_client(&self, node: usize, segment: Segment) -> bool {
        let from = &self.nodes[node];
        let link = from.kernel.on_segment(segment);
        link.is_some_and(|link| from.is_on(self.now, link.index)) && !self.cuts.is_cut(node, None)
    }

    /// What the link does to packets.
    #[must_use]
    pub fn weather_now(&self) -> Weather {
        self.weather
    }

    /// Everything that happened so far, as one number (D3).
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.tape.sum()
    }

    /// Begins to collect what can be seen.
    pub fn watch(&mut self) {
        self.sights.get_or_insert_default();
    }

    /// Puts what was seen since this was last asked into an empty list, whose room is used for what
    /// comes next.
    pub fn take_sights(&mut self, into: &mut Vec<Sight>) {
        into.clear();
        if let Some(sights) = &mut self.sights {
            core::mem::swap(sights, into);
        }
    }

    pub(crate) fn see_that(&mut self, sight: Sight) {
        if matches!(sight, Sight::Disturbed) {
            self.touch();
        }
        if let Some(sights) = &mut self.sights {
            sights.push(sight);
        }
    }

    /// Everything that happened, node by node: what two runs of one seed are compared by.
    #[must_use]
    pub fn trace(&self) -> Vec<(&str, &Event)> {
        let events = |node| {
            let Node { name, events, .. }: &Node = node;
            events.iter().map(move |event| (name.as_str(), event))
        };
        self.nodes.iter().flat_map(events).collect()
    }

    pub(crate) fn at(&self, name: &str) -> usize {
        // Whoever asks by name is no node.
        self.touch();
        let at = self.nodes.iter().position(|node| node.name == name);
        at.unwrap_or_else(|| panic!("there is no node called {name}"))
    }

    // ---- time -----------------------------------------------------------------------------------

    /// Lets this much time pass.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// Lets time pass until `done`, and says how long that took; `None` when it was not so within
    /// `limit`. `done` is asked after everything that happens.
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&Lan) -> bool,
    ) -> Option<Duration> {
        let begin = self.now;
        let end = self.now + limit;
        loop {
            if done(self) {
                return Some(self.now.since(begin));
            }
            if !self.step(end) {
                return done(self).then(|| self.now.since(begin));
            }
        }
    }

    /// When a node next acts by itself.
    fn alarm(node: &Node) -> Option<Instant> {
        if !node.alive || !node.running {
            return None;
        }
        let due = [node.router.poll_timeout(), node.sign_due()];
        let timeout = node.world(due.into_iter().flatten().min()?);
        Some(node.paused_until.map_or(timeout, |until| until.max(timeout)))
    }

    /// Goes to the next thing that happens, if that is before `end`; else to `end`, and says so.
    pub fn step(&mut self, end: Instant) -> bool {
        if self.touched.take() || self.dues.len() != self.nodes.len() {
            self.dues.resize(self.nodes.len(), None);
            self.stale.clear();
            self.stale.resize(self.nodes.len(), true);
        }
        let mut next = self.coming.first_key_value().map(|((at, _), _)| *at);
        for (at, due) in self.dues.iter_mut().enumerate() {
            if core::mem::take(&mut self.stale[at]) {
                *due = Self::due(&self.nodes[at]);
            }
            debug_assert_eq!(*due, Self::due(&self.nodes[at]), "somebody touched node {at}");
            next = [*due, next].into_iter().flatten().min();
        }
        let Some(next) = next.filter(|next| *next <= end) else {
            self.now = self.now.max(end);
            return false;
        };
        self.now = self.now.max(next);
        self.happen();
        true
    }

    /// Somebody did something to nodes that is none of their own doing.
    pub(crate) fn touch(&self) {
        self.touched.set(true);
    }

    /// When a node, its kernel or its guardian next does something by itself.
    fn due(node: &Node) -> Option<Instant> {
        let kernel = if node.alive { node.kernel.poll_timeout() } else { None };
        [kernel, Self::alarm(node), Self::guard_alarm(node)].into_iter().flatten().min()
    }

    /// Nothing a node does changes when another is due.
    fn happen(&mut self) {
        let now = self.now;
        for at in 0..self.dues.len() {
            if self.dues[at].is_none_or(|due| due > now) {
                continue;
            }
            self.stale[at] = true;
            let due = |at: Instant| at <= now;
            if self.nodes[at].alive && self.nodes[at].kernel.poll_timeout().is_some_and(due) {
                self.advance_kernel(at);
            }
            if Self::alarm(&self.nodes[at]).is_some_and(due) {
                self.ring(at);
            }
            if Self::guard_alarm(&self.nodes[at]).is_some_and(due) {
                self.guard(at, vip::last_will::Input::Wake);
            }
        }
        while let Some(entry) = self.coming.first_entry().filter(|entry| entry.key().0 <= now) {
            let coming = entry.remove();
            if let Some(at) = coming.to() {
                self.stale[at] = true;
            }
            if self.is_for_former(&coming) {
                // It may yet go on.
                self.put(KERNEL_TIME, coming);
                continue;
            }
            match coming {
                Coming::Mail(at, mail) => self.arrive(at, mail),
                Coming::Claim(at, segment, seen) => self.hear_claim(at, segment, seen),
                Coming::Frame(from, frame) => self.show_client(from, &frame),
                Coming::Batch(at, life, batch) => self.execute(at, life, batch),
                Coming::Done(at, life, done) if self.nodes[at].life == life => {
                    match self.postponed(at) {
                        Some(until) => self.put(until, Coming::Done(at, life, done)),
                        None => self.handle(at, Input::Done(done)),
                    }
                }
                Coming::Look(at, life) if self.nodes[at].life == life => self.read(at),
                Coming::Device(at, life, ask) => self.execute_device(at, life, ask),
                Coming::DeviceDone(at, life, done) if self.nodes[at].life == life => {
                    match self.postponed(at) {
                        Some(until) => self.put(until, Coming::DeviceDone(at, life, done)),
                        None => self.handle(at, Input::DeviceDone(done)),
                    }
                }
                Coming::Tune(at, life, index) => self.tune(at, life, index),
                Coming::Done(..) | Coming::DeviceDone(..) | Coming::Look(..) => {}
                Coming::Spawn(at, life, adopt) => self.spawned(at, life, adopt),
                Coming::Ended(at, life) => self.notice(at, life),
                Coming::Upgrade(at, life, step) => self.step_upgrade(at, life, step),
                Coming::Script(at, runner) => self.run_script(at, runner),
                Coming::Verdict(at, life, verdict) => self.hear_verdict(at, life, verdict),
                Coming::Perish(at, life, since) => self.perish(at, life, since),
            }
        }
        for at in core::mem::take(&mut self.stirred) {
            self.stale[at] = true;
            self.handle(at, Input::Wake { drained: true });
            if self.nodes[at].is_awake(now) {
                self.sign_of_life(at);
            }
        }
        self.stirred.clear();
    }

    /// A node's time has come: its router's, or only that of a sign of life, for which the router need
    /// not be asked.
    fn ring(&mut self, at: usize) {
        let node = &self.nodes[at];
        let clock = node.clock(self.now);
        let due = node.router.poll_timeout().is_some_and(|due| due <= clock);
        if due || node.paused_until.is_some() {
            self.handle(at, Input::Wake { drained: false });
        } else {
            self.sign_of_life(at);
        }
    }

    /// Whether this is meant for an engine that stands still while another takes over from it.
    fn is_for_former(&self, coming: &Coming) -> bool {
        match coming {
            Coming::Batch(at, life, _)
            | Coming::Done(at, life, _)
            | Coming::Device(at, life, _)
            | Coming::DeviceDone(at, life, _)
            | Coming::Tune(at, life, _) => {
                self.nodes[*at].former.as_ref().is_some_and(|former| former.life == *life)
            }
            _ => false,
        }
    }

    pub(crate) fn put(&mut self, delay: Duration, what: Coming) {
        self.sequence += 1;
        self.coming.insert((self.now + delay, self.sequence), what);
    }
}
