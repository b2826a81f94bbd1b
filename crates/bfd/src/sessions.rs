//! All sessions of a node: which packet is whose, and what is due when.
//!
//! A packet that names one of our numbers is that session's; one that does not yet is for the
//! session with its sender (RFC 5880 §6.3, RFC 5881 §3). What is for nobody is counted by its
//! reason.

use std::collections::{BTreeMap, VecDeque};

use core::net::IpAddr;
use core::num::NonZeroU32;
use core::time::Duration;

use base::{Instant, Name};
use serde::{Deserialize, Serialize};

use crate::pace::Chance;
use crate::packet::{Diagnostic, Packet, Refusal, State};
use crate::session::{Change, Health, Session, Settings, Step};

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// The sessions there are to be, in place of those there are. A session whose ends, hops and TTL
    /// stay the same goes on.
    Configure(Vec<Settings>),
    /// A datagram came to the port of BFD.
    Heard(Datagram),
    /// Time has passed; `drained` when everything that had arrived by now was handed in, so that
    /// silence can be judged.
    Wake {
        /// See above.
        drained: bool,
    },
    /// Close all; see [`Sessions::is_over`].
    Stop,
}

/// A datagram as it arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Who sent it.
    pub source: IpAddr,
    /// Its TTL or hop limit.
    pub ttl: u8,
    /// To the port for several hops.
    pub multihop: bool,
    /// What is in it.
    pub payload: Vec<u8>,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// A packet of this session is to be sent.
    Transmit {
        /// Which.
        session: Name,
        /// The packet.
        payload: [u8; 24],
    },
    /// A session has changed.
    Changed {
        /// Which.
        session: Name,
        /// How.
        change: Change,
    },
}

/// A session as people see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Its name.
    pub name: Name,
    /// Where it stands.
    pub state: State,
    /// Why it left Up.
    pub diagnostic: Diagnostic,
    /// What it says of the path.
    pub health: Health,
    /// The other end.
    pub neighbor: IpAddr,
    /// Where the other end says it stands.
    pub remote_state: State,
    /// Why the other end left Up.
    pub remote_diagnostic: Diagnostic,
    /// Our number for the session.
    pub local_discriminator: u32,
    /// The other end's; 0 while it is not known.
    pub remote_discriminator: u32,
    /// What we send at, before jitter.
    pub transmit_interval: Duration,
    /// How long we bear silence; zero when nothing was heard.
    pub detection_time: Duration,
}

/// All sessions.
#[derive(Debug)]
pub struct Sessions {
    all: BTreeMap<Name, Session>,
    by_number: BTreeMap<NonZeroU32, Name>,
    by_neighbor: BTreeMap<(IpAddr, bool), Name>,
    chance: Chance,
    outputs: VecDeque<Output>,
    refusals: BTreeMap<Refusal, u64>,
}

impl Sessions {
    /// None yet. `seed` decides numbers and jitter.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            all: BTreeMap::new(),
            by_number: BTreeMap::new(),
            by_neighbor: BTreeMap::new(),
            chance: Chance::new(seed),
            outputs: VecDeque::new(),
            refusals: BTreeMap::new(),
        }
    }

    /// Takes in what happened by `now`.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Configure(settings) => self.configure(now, settings),
            Input::Heard(datagram) => {
                if let Err(refusal) = self.hear(now, &datagram) {
                    *self.refusals.entry(refusal).or_default() += 1;
                }
            }
            Input::Wake { drained } => self.wake(now, drained),
            Input::Stop => {
                let names: Vec<Name> = self.all.keys().cloned().collect();
                names.iter().for_each(|name| self.close(now, name));
            }
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to wake it at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.all.values().filter_map(Session::poll_timeout).min()
    }

    /// Whether there is no session left, not even one that is being closed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.all.is_empty()
    }

    /// The settings of all sessions, those being closed among them: for these there are sockets.
    pub fn settings(&self) -> impl Iterator<Item = &Settings> {
        self.all.values().map(Session::settings)
    }

    /// All sessions, by name.
    pub fn status(&self) -> impl Iterator<Item = SessionStatus> {
        self.all.iter().map(|(name, session)| SessionStatus {
            name: name.clone(),
            state: session.state(),
            diagnostic: session.diagnostic(),
            health: session.health(),
            neighbor: session.settings().neighbor,
            remote_state: session.remote().state,
            remote_diagnostic: session.remote().diagnostic,
            local_discriminator: session.discriminator().get(),
            remote_discriminator: session.remote().discriminator,
            transmit_interval: session.transmit_interval(),
            detection_time: session.detection_time(),
        })
    }

    /// Packets that were for nobody, by reason.
    pub fn refusals(&self) -> impl Iterator<Item = (Refusal, u64)> {
        self.refusals.iter().map(|(refusal, count)| (*refusal, *count))
    }

    fn configure(&mut self, now: Instant, wanted: Vec<Settings>) {
        let kept = |session: &Session| {
            wanted.iter().any(|settings| same_session(settings, session.settings()))
        };
        let gone: Vec<Name> =
            self.all.iter().filter(|(_, one)| !kept(one)).map(|(name, _)| name.clone()).collect();
        for name in gone {
            // What is said with the old settings: its socket may go with it, so it is not waited for.
            self.close(now, &name);
            self.forget(&name);
        }
        for settings in wanted {
            if let Some(session) = self.all.get_mut(&settings.name) {
                session.configure(now, settings, &mut self.chance);
                continue;
            }
            let number = self.unused_number();
            let (name, neighbor) = (settings.name.clone(), settings.neighbor);
            self.by_number.insert(number, name.clone());
            self.by_neighbor.insert((neighbor, settings.multihop), name.clone());
            self.all.insert(name, Session::new(now, settings, number, &mut self.chance));
        }
    }

    fn hear(&mut self, now: Instant, datagram: &Datagram) -> Result<(), Refusal> {
        let packet = Packet::decode(&datagram.payload)?;
        let name = match NonZeroU32::new(packet.yours) {
            Some(number) => self.by_number.get(&number),
            None => self.by_neighbor.get(&(datagram.source, datagram.multihop)),
        };
        let name = name.ok_or(Refusal::NoSession)?.clone();
        let session = self.all.get_mut(&name).ok_or(Refusal::NoSession)?;
        let settings = session.settings();
        // A number alone would let anybody who has seen it speak for the neighbor.
        if settings.neighbor != datagram.source || settings.multihop != datagram.multihop {
            return Err(Refusal::NoSession);
        }
        if datagram.ttl < settings.least_ttl {
            return Err(Refusal::Ttl);
        }
        let step = session.hear(now, &packet, &mut self.chance);
        self.take(&name, step);
        Ok(())
    }

    fn wake(&mut self, now: Instant, drained: bool) {
        let due = |session: &Session| session.poll_timeout().is_some_and(|at| at <= now);
        let due: Vec<Name> =
            self.all.iter().filter(|(_, one)| due(one)).map(|(name, _)| name.clone()).collect();
        for name in due {
            let Some(session) = self.all.get_mut(&name) else { continue };
            if session.is_over(now) {
                self.forget(&name);
                continue;
            }
            let step = session.wake(now, drained, &mut self.chance);
            self.take(&name, step);
        }
    }

    fn close(&mut self, now: Instant, name: &Name) {
        let Some(session) = self.all.get_mut(name) else { return };
        let step = session.close(now, &mut self.chance);
        self.take(name, step);
    }

    fn forget(&mut self, name: &Name) {
        if let Some(session) = self.all.remove(name) {
            let settings = session.settings();
            self.by_number.remove(&session.discriminator());
            self.by_neighbor.remove(&(settings.neighbor, settings.multihop));
        }
    }

    fn take(&mut self, name: &Name, step: Step) {
        for packet in step.packets.into_iter().flatten() {
            let payload = packet.encode();
            self.outputs.push_back(Output::Transmit { session: name.clone(), payload });
        }
        if let Some(change) = step.change {
            self.outputs.push_back(Output::Changed { session: name.clone(), change });
        }
    }

    fn unused_number(&mut self) -> NonZeroU32 {
        loop {
            let number = u32::try_from(self.chance.next() >> 32).ok().and_then(NonZeroU32::new);
            if let Some(number) = number.filter(|number| !self.by_number.contains_key(number)) {
                return number;
            }
        }
    }
}

/// Whether one is the other, meant a little differently: what the other end, or a socket, would
/// notice makes a new session.
fn same_session(one: &Settings, other: &Settings) -> bool {
    (&one.name, one.neighbor, one.source, one.ttl, one.multihop)
        == (&other.name, other.neighbor, other.source, other.ttl, other.multihop)
}
