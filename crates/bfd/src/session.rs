//! One session (RFC 5880 §6.8): where it stands, what it heard, when it speaks next.
//!
//! ```text
//!              Down heard, Init heard: Init, Up          Init or Up heard
//!      Down ──────────────────────────▶ Init ───────────────────────────▶ Up
//!        ◀───────────────────────────────┴────────────────────────────────┘
//!            silence (1), AdminDown heard (3); from Up also: Down heard (3)
//! ```
//!
//! What a client makes of it is its [`Health`], which is not the state: a session that was never Up
//! says nothing about the path, and a neighbor that closed its end has not failed (RFC 5882 §3–4,
//! BFD-008).

use core::net::IpAddr;
use core::num::{NonZeroU8, NonZeroU32};
use core::time::Duration;

use base::{Instant, Name};
use serde::{Deserialize, Serialize};

use crate::pace::{Agreed, Chance, LEAST_IDLE};
use crate::packet::{Diagnostic, Packet, State};

/// What the other end is taken to accept before it has said (RFC 5880 §6.8.1).
const UNTOLD_MIN_RX: Duration = Duration::from_micros(1);

/// No longer than this is a closed session kept for its last words.
const LONGEST_CLOSE: Duration = Duration::from_secs(1);

/// How a session is meant to be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Its name; unique.
    pub name: Name,
    /// The other end. Unique among the sessions of the same number of hops.
    pub neighbor: IpAddr,
    /// This end, if it is to be a certain one.
    pub source: Option<IpAddr>,
    /// Shortest interval to receive at while Up; more than zero.
    pub min_rx: Duration,
    /// Shortest interval to send at while Up; more than zero.
    pub min_tx: Duration,
    /// Interval to send at while not Up; one second or more, or one second is taken.
    pub idle_tx: Duration,
    /// Packets to miss before the other end takes us for gone.
    pub multiplier: NonZeroU8,
    /// Says nothing before the other end has spoken.
    pub passive: bool,
    /// TTL or hop limit of what is sent.
    pub ttl: u8,
    /// The least that is accepted.
    pub least_ttl: u8,
    /// There may be routers in between (RFC 5883).
    pub multihop: bool,
    /// Until it has been Up it counts as failed, instead of saying nothing.
    pub fails_until_up: bool,
}

/// What a session says of the path to its neighbor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Health {
    /// Nothing: it has not been Up yet.
    Unknown,
    /// Both ways work.
    Good,
    /// They did, and do not.
    Failed,
    /// The neighbor has closed its end, and has said so: nothing is known any more.
    Closed,
}

/// A session went from one state to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// From.
    pub from: State,
    /// To.
    pub to: State,
    /// Why it left Up, or came down.
    pub diagnostic: Diagnostic,
    /// What this means for a client.
    pub health: Health,
}

/// What the other end said last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Remote {
    /// Its number for the session; 0 while it is not known.
    pub(crate) discriminator: u32,
    pub(crate) state: State,
    pub(crate) diagnostic: Diagnostic,
    demand: bool,
    min_rx: Duration,
    desired_min_tx: Duration,
    multiplier: u8,
}

impl Remote {
    const UNKNOWN: Remote = Remote {
        discriminator: 0,
        state: State::Down,
        diagnostic: Diagnostic::NONE,
        demand: false,
        min_rx: UNTOLD_MIN_RX,
        desired_min_tx: Duration::ZERO,
        multiplier: 0,
    };
}

/// What one step of a session came to.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// To be sent, in this order: an answer, and what is due.
    pub(crate) packets: [Option<Packet>; 2],
    pub(crate) change: Option<Change>,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    settings: Settings,
    discriminator: NonZeroU32,
    state: State,
    diagnostic: Diagnostic,
    health: Health,
    remote: Remote,
    tx: Agreed,
    rx: Agreed,
    /// Our parameters have changed and the other end has not confirmed it.
    polling: bool,
    sent_at: Option<Instant>,
    next_at: Option<Instant>,
    /// When silence has lasted a detection time.
    expires_at: Option<Instant>,
    /// It is being closed, and says so until then.
    closes_at: Option<Instant>,
}

impl Session {
    pub(crate) fn new(
        now: Instant,
        settings: Settings,
        discriminator: NonZeroU32,
        chance: &mut Chance,
    ) -> Self {
        let idle = settings.idle_tx.max(LEAST_IDLE);
        // Thousands of sessions that begin together do not speak together.
        let first = now + chance.jittered(Duration::from_millis(100), NonZeroU8::MAX) / 4;
        Self {
            tx: Agreed::new(idle),
            rx: Agreed::new(settings.min_rx),
            next_at: (!settings.passive).then_some(first),
            discriminator,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            health: if settings.fails_until_up { Health::Failed } else { Health::Unknown },
            remote: Remote::UNKNOWN,
            polling: false,
            sent_at: None,
            expires_at: None,
            closes_at: None,
            settings,
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn discriminator(&self) -> NonZeroU32 {
        self.discriminator
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn diagnostic(&self) -> Diagnostic {
        self.diagnostic
    }

    pub(crate) fn health(&self) -> Health {
        self.health
    }

    pub(crate) fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Whether it was closed and has said so for long enough.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.closes_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.next_at, self.expires_at, self.closes_at].into_iter().flatten().min()
    }

    /// The interval we send at, before jitter (RFC 5880 §6.8.7).
    pub(crate) fn transmit_interval(&self) -> Duration {
        self.tx.in_force().max(self.remote.min_rx)
    }

    /// How long we bear silence (RFC 5880 §6.8.4); zero when nothing was heard yet.
    pub(crate) fn detection_time(&self) -> Duration {
        let interval = self.rx.in_force().max(self.remote.desired_min_tx);
        interval.saturating_mul(self.remote.multiplier.into())
    }

    /// A packet that is this session's.
    pub(crate) fn hear(&mut self, now: Instant, packet: &Packet, chance: &mut Chance) -> Step {
        let before = self.transmit_interval();
        self.remote = Remote {
            discriminator: packet.mine.get(),
            state: packet.state,
            diagnostic: packet.diagnostic,
            demand: packet.demand,
            min_rx: packet.required_min_rx,
            desired_min_tx: packet.desired_min_tx,
            multiplier: packet.multiplier.get(),
        };
        if packet.last && self.polling {
            self.polling = false;
            self.tx.confirm();
            self.rx.confirm();
        }
        let mut step = Step::default();
        if self.state == State::AdminDown {
            return step;
        }
        step.change = self.follow(packet.state);
        self.expires_at = Some(now + self.detection_time());
        if packet.poll {
            step.packets[0] = Some(Packet { poll: false, last: true, ..self.packet() });
        }
        if step.change.is_some() && self.speaks() {
            // An answer to a poll tells of it as well.
            if step.packets[0].is_none() {
                step.packets[1] = Some(self.packet());
            }
            self.sent(now, chance);
        } else {
            self.repace(now, before, chance);
        }
        step
    }

    /// Time has passed; `drained` says that everything that had arrived was heard, so that silence
    /// can be judged.
    pub(crate) fn wake(&mut self, now: Instant, drained: bool, chance: &mut Chance) -> Step {
        let mut step = Step::default();
        if drained && self.expires_at.is_some_and(|at| at <= now) {
            self.expires_at = None;
            self.remote = Remote::UNKNOWN;
            if matches!(self.state, State::Init | State::Up) {
                step.change = Some(self.go(State::Down, Diagnostic::EXPIRED));
            }
            if step.change.is_some() && self.speaks() {
                step.packets[1] = Some(self.packet());
                self.sent(now, chance);
                return step;
            }
        }
        if self.next_at.is_some_and(|at| at <= now) {
            if self.speaks() {
                step.packets[1] = Some(self.packet());
                self.sent(now, chance);
            } else {
                self.next_at = None;
            }
        }
        step
    }

    /// Takes other settings of the same two ends. What the other end must know is polled for.
    pub(crate) fn configure(&mut self, now: Instant, settings: Settings, chance: &mut Chance) {
        let before = self.transmit_interval();
        self.settings = settings;
        self.announce();
        self.repace(now, before, chance);
    }

    /// Closes the session, which says so for one of the neighbor's detection times (BFD-009). What
    /// comes out is to be sent at once.
    pub(crate) fn close(&mut self, now: Instant, chance: &mut Chance) -> Step {
        if self.closes_at.is_some() {
            return Step::default();
        }
        let interval = self.transmit_interval();
        let speaks = self.speaks();
        let change = self.go(State::AdminDown, Diagnostic::ADMIN_DOWN);
        // The pace that the neighbor measures us by, not that of an idle session: these are few, and
        // the last anybody hears of us.
        let announced = self.tx.announced();
        self.tx = Agreed::new(interval);
        self.tx.announce(announced, false);
        self.polling = false;
        self.expires_at = None;
        // Only who was Up is measured; and who stops is not kept waiting for slow sessions.
        let lasting = interval.saturating_mul(self.settings.multiplier.get().into());
        let measured = speaks && change.from == State::Up;
        self.closes_at = Some(if measured { now + lasting.min(LONGEST_CLOSE) } else { now });
        let mut step = Step { change: Some(change), ..Step::default() };
        if speaks {
            step.packets[1] = Some(self.packet());
            self.sent(now, chance);
        }
        step
    }

    /// What the neighbor's state does to ours (RFC 5880 §6.8.6, BFD-002).
    fn follow(&mut self, heard: State) -> Option<Change> {
        let (to, diagnostic) = match (self.state, heard) {
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => {
                (State::Down, Diagnostic::NEIGHBOR_DOWN)
            }
            (State::Down, State::Down) => (State::Init, self.diagnostic),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                (State::Up, Diagnostic::NONE)
            }
            (State::Down, State::AdminDown) => {
                // It was thought to have failed, and has only been closed.
                if self.health == Health::Failed {
                    self.health = Health::Closed;
                    let (from, diagnostic) = (self.state, self.diagnostic);
                    return Some(Change { from, to: from, diagnostic, health: self.health });
                }
                return None;
            }
            _ => return None,
        };
        let change = self.go(to, diagnostic);
        if heard == State::AdminDown && change.from == State::Up {
            self.health = Health::Closed;
        }
        Some(Change { health: self.health, ..change })
    }

    fn go(&mut self, to: State, diagnostic: Diagnostic) -> Change {
        let from = core::mem::replace(&mut self.state, to);
        self.diagnostic = diagnostic;
        if to == State::Up {
            self.health = Health::Good;
        } else if from == State::Up {
            self.health = if to == State::AdminDown { Health::Closed } else { Health::Failed };
        }
        self.announce();
        Change { from, to, diagnostic, health: self.health }
    }

    /// What we say of ourselves follows from where we are; see `pace.rs`.
    fn announce(&mut self) {
        let up = self.state == State::Up;
        let tx = if up { self.settings.min_tx } else { self.settings.idle_tx.max(LEAST_IDLE) };
        let slower = tx > self.tx.in_force();
        let less_patient = self.settings.min_rx < self.rx.in_force();
        let changed = self.tx.announce(tx, !up || !slower)
            | self.rx.announce(self.settings.min_rx, !up || !less_patient);
        if up && changed {
            self.polling = true;
        } else if !up {
            self.polling = false;
        }
    }

    /// Whether it may send unasked (RFC 5880 §6.8.7).
    fn speaks(&self) -> bool {
        let asked_for_silence = self.remote.min_rx.is_zero();
        let not_yet = self.settings.passive && self.remote.discriminator == 0;
        let demanded = self.remote.demand
            && !self.polling
            && (self.state, self.remote.state) == (State::Up, State::Up);
        !asked_for_silence && !not_yet && !demanded
    }

    fn sent(&mut self, now: Instant, chance: &mut Chance) {
        self.sent_at = Some(now);
        let interval = chance.jittered(self.transmit_interval(), self.settings.multiplier);
        self.next_at = Some(now + interval);
    }

    /// After something was heard or changed: a shorter interval counts from the last packet on, and
    /// who may speak again does.
    fn repace(&mut self, now: Instant, before: Duration, chance: &mut Chance) {
        if !self.speaks() {
            self.next_at = None;
            return;
        }
        let interval = self.transmit_interval();
        if self.next_at.is_some() && interval >= before {
            return;
        }
        let jittered = chance.jittered(interval, self.settings.multiplier);
        let next = self.sent_at.map_or(now, |at| at + jittered).max(now);
        self.next_at = Some(self.next_at.map_or(next, |at| at.min(next)));
    }

    fn packet(&self) -> Packet {
        Packet {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: self.polling,
            last: false,
            independent: false,
            demand: false,
            multiplier: self.settings.multiplier,
            mine: self.discriminator,
            yours: self.remote.discriminator,
            desired_min_tx: self.tx.announced(),
            required_min_rx: self.rx.announced(),
            required_min_echo_rx: Duration::ZERO,
        }
    }
}
