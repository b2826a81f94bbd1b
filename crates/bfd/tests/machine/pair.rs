//! Two nodes and the wire between them, to the nanosecond.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use base::Instant;
use bfd::{Change, Datagram, Health, Input, Output, Packet, Sessions, Settings, State};

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// A session with `neighbor`, at this interval both ways, three misses.
pub(crate) fn settings(neighbor: u8, interval: Duration) -> Settings {
    Settings {
        name: "peer".into(),
        neighbor: address(neighbor),
        source: None,
        min_rx: interval,
        min_tx: interval,
        idle_tx: Duration::from_secs(1),
        multiplier: NonZeroU8::new(3).unwrap(),
        passive: false,
        ttl: 255,
        least_ttl: 255,
        multihop: false,
        fails_until_up: false,
    }
}

/// One end.
pub(crate) struct End {
    pub(crate) sessions: Sessions,
    pub(crate) address: IpAddr,
    /// All it sent, and when.
    pub(crate) sent: Vec<(Instant, Packet)>,
    pub(crate) changes: Vec<(Instant, Change)>,
}

impl End {
    pub(crate) fn new(last: u8, seed: u64) -> Self {
        let sessions = Sessions::new(seed);
        Self { sessions, address: address(last), sent: Vec::new(), changes: Vec::new() }
    }

    /// One end alone, with this session.
    pub(crate) fn alone(settings: Settings) -> Self {
        let mut end = Self::new(1, 7);
        end.feed(Instant::ZERO, Input::Configure(vec![settings]));
        end
    }

    /// Feeds it and takes what comes out.
    pub(crate) fn feed(&mut self, now: Instant, input: Input) -> Vec<[u8; 24]> {
        self.sessions.handle(now, input);
        let mut out = Vec::new();
        while let Some(output) = self.sessions.poll_output() {
            match output {
                Output::Transmit { payload, .. } => {
                    self.sent.push((now, Packet::decode(&payload).unwrap()));
                    out.push(payload);
                }
                Output::Changed { change, .. } => self.changes.push((now, change)),
            }
        }
        out
    }

    /// A packet of its neighbor (node 2), as given.
    pub(crate) fn hear(&mut self, now: Instant, packet: &Packet) -> Vec<Packet> {
        let payload = packet.encode().to_vec();
        let datagram = Datagram { source: address(2), ttl: 255, multihop: false, payload };
        let out = self.feed(now, Input::Heard(datagram));
        out.iter().map(|octets| Packet::decode(octets).unwrap()).collect()
    }

    pub(crate) fn state(&self) -> State {
        self.sessions.status().next().unwrap().state
    }

    pub(crate) fn health(&self) -> Health {
        self.sessions.status().next().unwrap().health
    }

    pub(crate) fn number(&self) -> u32 {
        self.sessions.status().next().unwrap().local_discriminator
    }

    /// What it sends by itself until then.
    pub(crate) fn pass(&mut self, until: Instant) -> Vec<(Instant, Packet)> {
        let before = self.sent.len();
        while let Some(at) = self.sessions.poll_timeout().filter(|at| *at <= until) {
            self.feed(at, Input::Wake { drained: true });
        }
        self.sent[before..].to_vec()
    }
}

/// A packet of a neighbor in this state, answering to `yours`.
pub(crate) fn packet(state: State, yours: u32) -> Packet {
    Packet {
        diagnostic: bfd::Diagnostic::NONE,
        state,
        poll: false,
        last: false,
        independent: false,
        demand: false,
        multiplier: NonZeroU8::new(3).unwrap(),
        mine: 99.try_into().unwrap(),
        yours,
        desired_min_tx: millis(10),
        required_min_rx: millis(10),
        required_min_echo_rx: Duration::ZERO,
    }
}

/// Both ends.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) ends: [End; 2],
    /// Whether packets of each end arrive.
    pub(crate) passes: [bool; 2],
    delay: Duration,
    on_the_wire: Vec<(Instant, usize, [u8; 24])>,
}

impl Pair {
    pub(crate) fn new(one: Settings, other: Settings) -> Self {
        let mut pair = Self {
            now: Instant::ZERO,
            ends: [End::new(1, 11), End::new(2, 22)],
            passes: [true; 2],
            delay: Duration::from_micros(200),
            on_the_wire: Vec::new(),
        };
        pair.feed(0, Input::Configure(vec![one]));
        pair.feed(1, Input::Configure(vec![other]));
        pair
    }

    pub(crate) fn up(interval: Duration) -> Self {
        let mut pair = Self::new(settings(2, interval), settings(1, interval));
        pair.run(Duration::from_secs(4));
        assert_eq!([pair.ends[0].state(), pair.ends[1].state()], [State::Up; 2]);
        pair.ends.iter_mut().for_each(|end| {
            end.sent.clear();
            end.changes.clear();
        });
        pair
    }

    pub(crate) fn feed(&mut self, end: usize, input: Input) {
        for payload in self.ends[end].feed(self.now, input) {
            if self.passes[end] {
                self.on_the_wire.push((self.now + self.delay, 1 - end, payload));
            }
        }
    }

    pub(crate) fn run(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            let due = |end: usize| self.ends[end].sessions.poll_timeout().map(|at| (at, end, None));
            let arrival = self.on_the_wire.iter().enumerate();
            let arrival = arrival.map(|(at, one)| (one.0, one.1, Some(at))).min();
            // What arrives at the same instant is heard before silence is judged.
            let all = [arrival, due(0), due(1)].into_iter().flatten();
            let Some((at, end, arrived)) = all.min_by_key(|one| one.0).filter(|one| one.0 <= until)
            else {
                break;
            };
            self.now = self.now.max(at);
            let input = match arrived {
                Some(place) => {
                    let payload = self.on_the_wire.remove(place).2.to_vec();
                    let source = self.ends[1 - end].address;
                    Input::Heard(Datagram { source, ttl: 255, multihop: false, payload })
                }
                None => Input::Wake { drained: true },
            };
            self.feed(end, input);
        }
        self.now = until;
    }
}
