//! A toy LAN: routers on one link, a clock that jumps to the next thing that happens.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use base::{Batch, IfIndex, Instant, KernelFact, State};
use vrrp::{Input, InstanceConfig, Output, Packet, Transmit};

use crate::client::Client;
use crate::kernel;
use crate::node::{Node, config};
use crate::random::Random;

/// How long a kernel takes for a batch.
const KERNEL_TIME: Duration = Duration::from_micros(500);

/// What the link does to packets.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Shortest time a packet takes.
    pub delay: Duration,
    /// How much longer it may take at most; packets may overtake each other within it.
    pub jitter: Duration,
    /// How many of a thousand packets are lost.
    pub loss: u16,
    /// How many of a thousand arrive twice.
    pub duplicates: u16,
}

impl Default for Weather {
    fn default() -> Self {
        Self { delay: Duration::from_micros(100), jitter: Duration::ZERO, loss: 0, duplicates: 0 }
    }
}

/// What is under way.
#[derive(Debug)]
enum Coming {
    /// A packet, to the node with this number.
    Packet(usize, Packet),
    /// A frame, to the client.
    Frame(Vec<u8>),
    /// A batch, through the kernel of this node.
    Batch(usize, Batch),
    /// News of its kernel, to this node.
    Fact(usize, KernelFact),
}

/// Nodes, a client, a link and a clock.
#[derive(Debug)]
pub struct Lan {
    now: Instant,
    random: Random,
    weather: Weather,
    nodes: Vec<Node>,
    client: Client,
    coming: BTreeMap<(Instant, u64), Coming>,
    sequence: u64,
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

    /// Sets what the link does to packets.
    #[must_use]
    pub fn weather(mut self, weather: Weather) -> Self {
        self.weather = weather;
        self
    }

    /// Adds a node while the others run.
    pub fn start(&mut self, name: &str, configs: Vec<InstanceConfig>) {
        let number = u8::try_from(self.nodes.len() + 1).expect("a LAN of fewer than 255 nodes");
        let mut node = Node::new(name, number);
        let snapshot = node.kernel.snapshot();
        node.router.handle(self.now, Input::Configure(configs));
        self.nodes.push(node);
        let at = self.nodes.len() - 1;
        self.flush(at);
        self.put(Duration::ZERO, Coming::Fact(at, snapshot));
    }

    // ---- faults ---------------------------------------------------------------------------------

    /// Pulls a node's cable: nothing goes in or out, and its kernel sees nothing of it (a switch
    /// that fails silently).
    pub fn unplug(&mut self, name: &str) {
        let at = self.at(name);
        self.nodes[at].plugged = false;
    }

    /// Plugs it in again.
    pub fn plug(&mut self, name: &str) {
        let at = self.at(name);
        self.nodes[at].plugged = true;
    }

    /// The node's interface loses or finds its carrier, and its kernel says so.
    pub fn carrier(&mut self, name: &str, on: bool) {
        let at = self.at(name);
        self.nodes[at].plugged = on;
        let fact = self.nodes[at].kernel.set_running(on);
        self.put(Duration::ZERO, Coming::Fact(at, fact));
    }

    /// Power loss: the node is gone, kernel and all.
    pub fn crash(&mut self, name: &str) {
        let at = self.at(name);
        self.nodes[at].alive = false;
        self.nodes[at].plugged = false;
    }

    /// Holds the node's processes up for a while; its kernel goes on.
    pub fn pause(&mut self, name: &str, span: Duration) {
        let at = self.at(name);
        self.nodes[at].paused_until = Some(self.now + span);
    }

    /// Stops the node in an orderly way.
    pub fn stop(&mut self, name: &str) {
        self.tell(name, Input::Stop);
    }

    /// Gives a node another configuration.
    pub fn reload(&mut self, name: &str, configs: Vec<InstanceConfig>) {
        self.tell(name, Input::Configure(configs));
    }

    /// Somebody removes an address from a node by hand.
    pub fn delete(&mut self, name: &str, address: IpAddr) {
        let at = self.at(name);
        if let Some(fact) = self.nodes[at].kernel.remove(address) {
            self.put(Duration::ZERO, Coming::Fact(at, fact));
        }
    }

    /// Puts a packet in front of a node, as if somebody on the link had sent it.
    pub fn inject(&mut self, name: &str, packet: Packet) {
        let at = self.at(name);
        self.put(self.weather.delay, Coming::Packet(at, packet));
    }

    fn tell(&mut self, name: &str, input: Input) {
        let at = self.at(name);
        let now = self.now;
        self.nodes[at].router.handle(now, input);
        self.flush(at);
    }

    // ---- looking --------------------------------------------------------------------------------

    /// The clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
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
        self.nodes.iter().filter(holds).map(|node| node.name.as_str()).collect()
    }

    /// The living nodes whose first instance is Active.
    #[must_use]
    pub fn actives(&self) -> Vec<&str> {
        let active = |node: &&Node| {
            let status = node.router.status();
            node.alive && status.instances.first().is_some_and(|one| one.state == State::Active)
        };
        self.nodes.iter().filter(active).map(|node| node.name.as_str()).collect()
    }

    /// The node the client would send to, for this VIP.
    #[must_use]
    pub fn client_reaches(&self, vip: &str) -> Option<&str> {
        let mac = self.client.believes(vip.parse().expect("an address"))?;
        let node = self.nodes.iter().find(|node| node.kernel.mac() == Some(mac))?;
        Some(&node.name)
    }

    fn at(&self, name: &str) -> usize {
        let at = self.nodes.iter().position(|node| node.name == name);
        at.unwrap_or_else(|| panic!("there is no node called {name}"))
    }

    // ---- time -----------------------------------------------------------------------------------

    /// Lets this much time pass.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets time pass until `done`, and says how long that took; `None` when it was not so within
    /// `limit`.
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

    /// Goes to the next thing that happens, if that is before `end`.
    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.coming.first_key_value().map(|((at, _), _)| *at);
        let wakes = self.nodes.iter().filter(|node| node.alive).filter_map(|node| {
            let timeout = node.router.poll_timeout()?;
            Some(node.paused_until.map_or(timeout, |until| until.max(timeout)))
        });
        let Some(next) = wakes.chain(arrival).min().filter(|next| *next <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        self.happen();
        true
    }

    /// Everything that happens at this instant: each node sends what is due, hears what has come,
    /// then judges silence, as the daemon's loop does.
    fn happen(&mut self) {
        let now = self.now;
        for at in 0..self.nodes.len() {
            self.handle(at, Input::Wake { drained: false });
        }
        while let Some(entry) = self.coming.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Coming::Packet(at, packet) if self.nodes[at].plugged => {
                    self.handle(at, Input::Packet(packet));
                }
                Coming::Packet(..) => {}
                Coming::Frame(frame) => self.client.hear(&frame),
                Coming::Batch(at, batch) => {
                    let (done, facts) = self.nodes[at].kernel.execute(batch);
                    for fact in facts {
                        self.handle(at, Input::Fact(fact));
                    }
                    self.handle(at, Input::Done(done));
                }
                Coming::Fact(at, fact) => self.handle(at, Input::Fact(fact)),
            }
        }
        for at in 0..self.nodes.len() {
            self.handle(at, Input::Wake { drained: true });
        }
    }

    fn handle(&mut self, at: usize, input: Input) {
        let now = self.now;
        let node = &mut self.nodes[at];
        if !node.alive {
            return;
        }
        if !node.is_awake(now) {
            // What arrives waits in the sockets; to wake a sleeper does nothing.
            let until = node.paused_until.unwrap_or(now);
            let kept = match input {
                Input::Packet(packet) => Coming::Packet(at, packet),
                Input::Fact(fact) => Coming::Fact(at, fact),
                _ => return,
            };
            return self.put(until.since(now), kept);
        }
        node.paused_until = None;
        node.router.handle(now, input);
        self.flush(at);
    }

    /// Carries out what a node's router asks for.
    fn flush(&mut self, at: usize) {
        while let Some(output) = self.nodes[at].router.poll_output() {
            match output {
                Output::Advert(transmit) => self.send(at, &transmit),
                Output::Batch(batch) => self.put(KERNEL_TIME, Coming::Batch(at, batch)),
                Output::Frame { index: _, bytes } if self.nodes[at].plugged => {
                    let delay = self.weather.delay;
                    self.put(delay, Coming::Frame(bytes));
                }
                Output::Frame { .. } | Output::Sockets(_) => {}
                Output::Event(event) => self.nodes[at].events.push(event),
            }
        }
    }

    fn send(&mut self, from: usize, transmit: &Transmit) {
        self.nodes[from].adverts_sent += 1;
        if !self.nodes[from].plugged {
            return;
        }
        let index: IfIndex = kernel::index();
        let Transmit { source, destination, ttl, payload, .. } = transmit;
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            let addressed = destination.is_multicast() || self.nodes[to].kernel.has(*destination);
            if !addressed || self.random.chance(self.weather.loss) {
                continue;
            }
            let copies = if self.random.chance(self.weather.duplicates) { 2 } else { 1 };
            for _ in 0..copies {
                let (source, destination, ttl) = (*source, *destination, *ttl);
                let payload = payload.clone();
                let packet = Packet { index, source, destination, ttl, payload };
                let jitter = u64::try_from(self.weather.jitter.as_nanos()).unwrap_or(u64::MAX);
                let delay = self.weather.delay + Duration::from_nanos(self.random.below(jitter));
                self.put(delay, Coming::Packet(to, packet));
            }
        }
    }

    fn put(&mut self, delay: Duration, what: Coming) {
        self.sequence += 1;
        self.coming.insert((self.now + delay, self.sequence), what);
    }
}
