//! A toy LAN: routers on one link, a clock that jumps to the next thing that happens.
//!
//! At one instant each node does what the daemon's loop does: it sends what is due, hears what has
//! come, then judges silence. Only nodes that have something to do are touched, in their order, so
//! that the same seed tells the same story.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use base::{Batch, Event, IfIndex, Instant, LeaseDone, Neighbour, Transmit};
use vrrp::{Input, InstanceConfig, Output, Packet};

use crate::client::Client;
use crate::node::{Node, config};
use crate::random::Random;
use crate::weather::Weather;

/// How long a kernel takes for a batch.
const KERNEL_TIME: Duration = Duration::from_micros(500);

/// What is under way.
#[derive(Debug)]
pub(crate) enum Coming {
    /// A packet, to the node with this number.
    Packet(usize, Packet),
    /// A frame, to the client.
    Frame(Vec<u8>),
    /// What a frame says about where an address lives, to this node.
    Claim(usize, Neighbour),
    /// A batch, through the kernel of this node, asked for in this life of its router.
    Batch(usize, u32, Batch),
    /// Anything else, to this node's router in this life.
    Input(usize, u32, Input),
}

/// Nodes, a client, a link and a clock.
#[derive(Debug)]
pub struct Lan {
    pub(crate) now: Instant,
    random: Random,
    pub(crate) weather: Weather,
    pub(crate) nodes: Vec<Node>,
    client: Client,
    coming: BTreeMap<(Instant, u64), Coming>,
    sequence: u64,
    /// Nodes that something has come to at this instant.
    stirred: BTreeSet<usize>,
}

impl Lan {
    /// An empty link in fair weather.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            now: Instant::from_nanos(1_000_000_000),
            random: Random::new(seed),
            weather: Weather::default(),
            nodes: Vec::new(),
            client: Client::default(),
            coming: BTreeMap::new(),
            sequence: 0,
            stirred: BTreeSet::new(),
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
        self.nodes.iter().find(|node| node.kernel.has_mac(mac)).map(Node::name)
    }

    /// Whether whatever one of two nodes says now, the other hears: both are awake and on the link,
    /// and nothing is lost on it.
    #[must_use]
    pub fn hear_each_other(&self, one: &Node, other: &Node) -> bool {
        let there =
            |node: &Node| node.is_awake(self.now) && node.plugged && node.kernel.is_eth0_running();
        self.weather.loss == 0 && there(one) && there(other)
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
                self.now = end;
                return done(self).then(|| self.now.since(begin));
            }
        }
    }

    /// When a node next acts by itself.
    fn alarm(node: &Node) -> Option<Instant> {
        let timeout = node.router.poll_timeout().filter(|_| node.alive)?;
        Some(node.paused_until.map_or(timeout, |until| until.max(timeout)))
    }

    /// Goes to the next thing that happens, if that is before `end`.
    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.coming.first_key_value().map(|((at, _), _)| *at);
        let next = self.nodes.iter().filter_map(Self::alarm).chain(arrival).min();
        let Some(next) = next.filter(|next| *next <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        self.happen();
        true
    }

    fn happen(&mut self) {
        let now = self.now;
        for at in 0..self.nodes.len() {
            if Self::alarm(&self.nodes[at]).is_some_and(|alarm| alarm <= now) {
                self.handle(at, Input::Wake { drained: false });
            }
        }
        while let Some(entry) = self.coming.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Coming::Packet(at, packet) if self.nodes[at].is_on(packet.index) => {
                    self.handle(at, Input::Packet(packet));
                }
                Coming::Packet(..) => {}
                Coming::Frame(frame) => self.client.hear(&frame),
                Coming::Claim(at, seen) if self.nodes[at].looks_out_for(&seen) => {
                    self.handle(at, Input::Neighbour(seen));
                }
                Coming::Claim(..) => {}
                Coming::Batch(at, life, batch) if self.nodes[at].life == life => {
                    let (done, facts) = self.nodes[at].kernel.execute(batch);
                    for fact in facts {
                        self.handle(at, Input::Fact(fact));
                    }
                    self.handle(at, Input::Done(done));
                }
                Coming::Input(at, life, input) if self.nodes[at].life == life => {
                    self.handle(at, input);
                }
                Coming::Batch(..) | Coming::Input(..) => {}
            }
        }
        for at in core::mem::take(&mut self.stirred) {
            self.handle(at, Input::Wake { drained: true });
        }
        self.stirred.clear();
    }

    pub(crate) fn handle(&mut self, at: usize, input: Input) {
        let now = self.now;
        let node = &mut self.nodes[at];
        if !node.alive {
            return;
        }
        if !node.is_awake(now) {
            // What arrives waits in the sockets; to wake a sleeper does nothing.
            if !matches!(input, Input::Wake { .. }) {
                let until = node.paused_until.unwrap_or(now);
                let life = node.life;
                self.put(until.since(now), Coming::Input(at, life, input));
            }
            return;
        }
        node.paused_until = None;
        node.router.handle(now, input);
        self.stirred.insert(at);
        self.flush(at);
    }

    /// Carries out what a node's router asks for.
    pub(crate) fn flush(&mut self, at: usize) {
        while let Some(output) = self.nodes[at].router.poll_output() {
            match output {
                Output::Advert(transmit) => self.send(at, &transmit),
                Output::Lease(ask) => {
                    let now = self.now;
                    let node = &mut self.nodes[at];
                    let outcome = node.kernel.table.execute(now, &ask.op);
                    let done = LeaseDone { ticket: ask.ticket, outcome };
                    node.router.handle(now, Input::LeaseDone(done));
                }
                Output::Batch(batch) => {
                    let life = self.nodes[at].life;
                    self.put(KERNEL_TIME, Coming::Batch(at, life, batch));
                }
                Output::Frame { index, bytes } => {
                    if self.nodes[at].is_on(index) {
                        for delay in self.weather.arrivals(&mut self.random) {
                            self.put(delay, Coming::Frame(bytes.clone()));
                        }
                        self.shout(at, index, &bytes);
                    }
                }
                Output::Watch(wanted) => self.nodes[at].watched = wanted,
                Output::Sockets(_) | Output::Will(_) => {}
                Output::Event(event) => self.nodes[at].note(event),
            }
        }
    }

    /// A frame for everybody: to the nodes that look out for what it says.
    fn shout(&mut self, from: usize, index: IfIndex, frame: &[u8]) {
        let Some(seen) = vip::claim::read(index, frame) else { return };
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            for delay in self.weather.arrivals(&mut self.random) {
                self.put(delay, Coming::Claim(to, seen));
            }
        }
    }

    fn send(&mut self, from: usize, transmit: &Transmit) {
        self.nodes[from].adverts_sent += 1;
        let Transmit { index, source, destination, ttl, payload } = transmit;
        let (index, source, destination, ttl) = (*index, *source, *destination, *ttl);
        if !self.nodes[from].is_on(index) {
            return;
        }
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            if !destination.is_multicast() && !self.nodes[to].kernel.has(destination) {
                continue;
            }
            for delay in self.weather.arrivals(&mut self.random) {
                let payload = payload.clone();
                let packet = Packet { index, source, destination, ttl, payload };
                self.put(delay, Coming::Packet(to, packet));
            }
        }
    }

    /// Something for a node's router, next thing.
    pub(crate) fn tell_soon(&mut self, at: usize, input: Input) {
        let life = self.nodes[at].life;
        self.put(Duration::ZERO, Coming::Input(at, life, input));
    }

    pub(crate) fn put(&mut self, delay: Duration, what: Coming) {
        self.sequence += 1;
        self.coming.insert((self.now + delay, self.sequence), what);
    }
}
