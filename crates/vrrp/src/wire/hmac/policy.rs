//! What an instance is told about signing: keys, which of them to sign with, how strict to be.

use core::fmt;
use core::num::NonZeroU8;
use core::time::Duration;

use base::Secret;
use serde::{Deserialize, Serialize};

/// A shared key and the number by which nodes know it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Key {
    id: NonZeroU8,
    secret: Secret,
}

impl Key {
    /// Octets a key has at the least: 128 bits of strength are left of them even to a quantum
    /// computer.
    pub const SHORTEST: usize = 32;
    /// Octets a key has at the most: one block of SHA-256.
    pub const LONGEST: usize = 64;

    /// The key called `id`.
    ///
    /// # Errors
    /// When `id` is 0, or `secret` has fewer than 32 or more than 64 octets.
    pub fn new(id: u8, secret: Secret) -> Result<Self, KeyError> {
        let id = NonZeroU8::new(id).ok_or(KeyError::Id)?;
        if (Self::SHORTEST..=Self::LONGEST).contains(&secret.len()) {
            Ok(Self { id, secret })
        } else {
            Err(KeyError::Length { octets: secret.len() })
        }
    }

    /// Its number, as trailers carry it.
    #[must_use]
    pub const fn id(&self) -> u8 {
        self.id.get()
    }

    /// The key itself.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// What cannot be a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyError {
    /// Its number is 0.
    Id,
    /// It is too short or too long.
    Length {
        /// Octets it has.
        octets: usize,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Id => f.write_str("a key's number is 1 to 255"),
            KeyError::Length { octets } => write!(
                f,
                "a key has {} to {} octets, this one has {octets}",
                Key::SHORTEST,
                Key::LONGEST
            ),
        }
    }
}

impl core::error::Error for KeyError {}

/// Which adverts are sent signed, and which are heard (keepalived: `mode`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Mode {
    /// Sends unsigned adverts; hears unsigned ones, and signed ones if the signature is right. The
    /// first step of a roll-out: peers that know nothing of trailers still understand us.
    ReceiveOnly,
    /// Sends signed adverts; hears the same as before. The second step.
    Permissive,
    /// Sends signed adverts, hears no others. No packet can take it back to anything less.
    Enforce,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::ReceiveOnly => "receive-only",
            Mode::Permissive => "permissive",
            Mode::Enforce => "enforce",
        })
    }
}

/// How old adverts are told from new ones (keepalived: `anti_replay`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Freshness {
    /// By the wall clock, which must agree with the peer's up to this much, and by the order of what
    /// a peer sends.
    Time {
        /// The largest difference accepted, in either direction.
        window: Duration,
    },
    /// By the order alone: no clocks to agree, but what was never heard here stays good for ever.
    Monotonic,
}

/// All of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Policy {
    keys: Vec<Key>,
    active: NonZeroU8,
    freshness: Freshness,
    mode: Mode,
}

impl Policy {
    /// To hear adverts signed with any of `keys` and to sign with the one called `active`.
    ///
    /// # Errors
    /// When two keys have one number, or none has the active one's.
    pub fn new(
        keys: Vec<Key>,
        active: u8,
        freshness: Freshness,
        mode: Mode,
    ) -> Result<Self, PolicyError> {
        let twice = |(at, key): (usize, &Key)| keys[..at].iter().any(|other| other.id == key.id);
        if let Some((_, key)) = keys.iter().enumerate().find(|pair| twice(*pair)) {
            return Err(PolicyError::SameId { id: key.id() });
        }
        match keys.iter().find(|key| key.id() == active).map(|key| key.id) {
            Some(active) => Ok(Self { keys, active, freshness, mode }),
            None => Err(PolicyError::NoActiveKey { id: active }),
        }
    }

    /// The key called `id`.
    #[must_use]
    pub fn key(&self, id: u8) -> Option<&Key> {
        self.keys.iter().find(|key| key.id() == id)
    }

    /// The key to sign with; none while nothing is signed.
    #[must_use]
    pub fn signing_key(&self) -> Option<&Key> {
        match self.mode {
            Mode::ReceiveOnly => None,
            Mode::Permissive | Mode::Enforce => self.key(self.active.get()),
        }
    }

    /// The numbers of all keys.
    pub fn ids(&self) -> impl Iterator<Item = u8> {
        self.keys.iter().map(Key::id)
    }

    /// The number of the key to sign with, whether or not anything is signed.
    #[must_use]
    pub const fn active(&self) -> u8 {
        self.active.get()
    }

    /// How old adverts are told from new ones.
    #[must_use]
    pub const fn freshness(&self) -> Freshness {
        self.freshness
    }

    /// How strict it is.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }
}

/// Keys that do not fit together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PolicyError {
    /// Two keys have this number.
    SameId {
        /// Which.
        id: u8,
    },
    /// No key has the active one's number.
    NoActiveKey {
        /// Which that is.
        id: u8,
    },
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PolicyError::SameId { id } => write!(f, "two keys are called {id}"),
            PolicyError::NoActiveKey { id } => write!(f, "there is no key {id} to sign with"),
        }
    }
}

impl core::error::Error for PolicyError {}
