//! A BFD control packet: 24 octets (RFC 5880 §4.1), and what can be judged without knowing its
//! session (§6.8.6, BFD-001).

use core::fmt;
use core::num::{NonZeroU8, NonZeroU32};
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Octets of a packet without authentication.
const LENGTH: usize = 24;

/// Octets of the shortest packet with authentication.
const LENGTH_AUTHENTICATED: usize = 26;

const VERSION: u8 = 1;

/// Where a session is (RFC 5880 §6.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum State {
    /// Held down by its operator.
    AdminDown,
    /// No packets, or the other end does not hear ours.
    Down,
    /// We hear the other end; whether it hears us is not known yet.
    Init,
    /// Both ends hear each other.
    Up,
}

impl State {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => State::AdminDown,
            1 => State::Down,
            2 => State::Init,
            _ => State::Up,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            State::AdminDown => 0,
            State::Down => 1,
            State::Init => 2,
            State::Up => 3,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::AdminDown => "AdminDown",
            State::Down => "Down",
            State::Init => "Init",
            State::Up => "Up",
        })
    }
}

/// Why the sender last left Up (RFC 5880 §4.1): a number of five bits.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Diagnostic(u8);

impl Diagnostic {
    /// Nothing to say.
    pub const NONE: Diagnostic = Diagnostic(0);
    /// No packet came for a detection time.
    pub const EXPIRED: Diagnostic = Diagnostic(1);
    /// The other end said that it is Down.
    pub const NEIGHBOR_DOWN: Diagnostic = Diagnostic(3);
    /// An operator holds the session down.
    pub const ADMIN_DOWN: Diagnostic = Diagnostic(7);

    const MASK: u8 = 0x1f;

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "no diagnostic",
            1 => "no packet for a detection time",
            2 => "echo failed",
            3 => "the neighbor says Down",
            4 => "forwarding plane reset",
            5 => "path down",
            6 => "concatenated path down",
            7 => "administratively down",
            8 => "reverse concatenated path down",
            other => return write!(f, "diagnostic {other}"),
        })
    }
}

/// A control packet. Intervals are whole microseconds; what does not fit is sent as the longest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Why the sender last left Up.
    pub diagnostic: Diagnostic,
    /// Where the sender is.
    pub state: State,
    /// The sender wants an answer to its parameters.
    pub poll: bool,
    /// This is that answer.
    pub last: bool,
    /// The sender's BFD does not share its fate with its control plane.
    pub independent: bool,
    /// The sender wants no periodic packets.
    pub demand: bool,
    /// Packets to miss before the sender's silence counts.
    pub multiplier: NonZeroU8,
    /// The sender's number for the session.
    pub mine: NonZeroU32,
    /// The receiver's, as far as the sender knows; else 0.
    pub yours: u32,
    /// The sender would send at this interval.
    pub desired_min_tx: Duration,
    /// The sender can receive at this interval; zero asks for silence.
    pub required_min_rx: Duration,
    /// The sender can answer echoes at this interval; zero is never.
    pub required_min_echo_rx: Duration,
}

/// Why a packet is not for any session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Refusal {
    /// Shorter than a packet can be, or than it says that it is.
    Short,
    /// A version that is not spoken.
    Version,
    /// Its length field is less than any packet has.
    Length,
    /// A detection multiplier of zero.
    Multiplier,
    /// The multipoint bit is set.
    Multipoint,
    /// The sender has no number.
    NoDiscriminator,
    /// The sender knows no number of ours and is not Down.
    NotBeginning,
    /// It is authenticated and the session is not.
    Authenticated,
    /// No session has that number, or that neighbor.
    NoSession,
    /// It has come further than the session allows (RFC 5881 §5).
    Ttl,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Short => "short",
            Refusal::Version => "version",
            Refusal::Length => "length",
            Refusal::Multiplier => "multiplier",
            Refusal::Multipoint => "multipoint",
            Refusal::NoDiscriminator => "no-discriminator",
            Refusal::NotBeginning => "not-beginning",
            Refusal::Authenticated => "authenticated",
            Refusal::NoSession => "no-session",
            Refusal::Ttl => "ttl",
        })
    }
}

mod bit {
    pub(super) const POLL: u8 = 0x20;
    pub(super) const FINAL: u8 = 0x10;
    pub(super) const INDEPENDENT: u8 = 0x08;
    pub(super) const AUTHENTICATED: u8 = 0x04;
    pub(super) const DEMAND: u8 = 0x02;
    pub(super) const MULTIPOINT: u8 = 0x01;
}

impl Packet {
    /// Reads the payload of a datagram, in the order of RFC 5880 §6.8.6. What stands behind the
    /// packet is not looked at.
    ///
    /// # Errors
    /// The first rule that the packet breaks.
    pub fn decode(payload: &[u8]) -> Result<Self, Refusal> {
        let whole: &[u8; LENGTH] = payload.first_chunk().ok_or(Refusal::Short)?;
        let [first, second, multiplier, length, words @ ..] = *whole;
        if first >> 5 != VERSION {
            return Err(Refusal::Version);
        }
        let authenticated = second & bit::AUTHENTICATED != 0;
        let least = if authenticated { LENGTH_AUTHENTICATED } else { LENGTH };
        if usize::from(length) < least {
            return Err(Refusal::Length);
        }
        if usize::from(length) > payload.len() {
            return Err(Refusal::Short);
        }
        let multiplier = NonZeroU8::new(multiplier).ok_or(Refusal::Multiplier)?;
        if second & bit::MULTIPOINT != 0 {
            return Err(Refusal::Multipoint);
        }
        let mut words = words.chunks_exact(4);
        let mut word = || {
            let octets = words.next().and_then(|four| four.first_chunk());
            octets.map_or(0, |octets| u32::from_be_bytes(*octets))
        };
        let mine = NonZeroU32::new(word()).ok_or(Refusal::NoDiscriminator)?;
        let yours = word();
        let state = State::from_bits(second >> 6);
        if yours == 0 && matches!(state, State::Init | State::Up) {
            return Err(Refusal::NotBeginning);
        }
        if authenticated {
            return Err(Refusal::Authenticated);
        }
        let mut interval = || Duration::from_micros(word().into());
        Ok(Self {
            diagnostic: Diagnostic(first & Diagnostic::MASK),
            state,
            poll: second & bit::POLL != 0,
            last: second & bit::FINAL != 0,
            independent: second & bit::INDEPENDENT != 0,
            demand: second & bit::DEMAND != 0,
            multiplier,
            mine,
            yours,
            desired_min_tx: interval(),
            required_min_rx: interval(),
            required_min_echo_rx: interval(),
        })
    }

    /// The packet as octets.
    #[must_use]
    pub fn encode(&self) -> [u8; LENGTH] {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.poll, bit::POLL)
            | flag(self.last, bit::FINAL)
            | flag(self.independent, bit::INDEPENDENT)
            | flag(self.demand, bit::DEMAND);
        let micros = |interval: Duration| u32::try_from(interval.as_micros()).unwrap_or(u32::MAX);
        let mut out = [0; LENGTH];
        let words = [
            u32::from_be_bytes([
                VERSION << 5 | self.diagnostic.0,
                self.state.bits() << 6 | flags,
                self.multiplier.get(),
                24,
            ]),
            self.mine.get(),
            self.yours,
            micros(self.desired_min_tx),
            micros(self.required_min_rx),
            micros(self.required_min_echo_rx),
        ];
        for (place, word) in out.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        out
    }
}
