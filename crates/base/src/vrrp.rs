//! The words of VRRP (RFC 9568 §1.6, §5.2).

use core::fmt;
use core::num::NonZeroU8;

use serde::{Deserialize, Serialize};

/// A virtual router identifier, `1..=255` (RFC 9568 §5.2.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// `None` for zero, which is no VRID.
    #[must_use]
    pub const fn new(vrid: u8) -> Option<Self> {
        match NonZeroU8::new(vrid) {
            Some(vrid) => Some(Self(vrid)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A VRRP priority (RFC 9568 §5.2.4): 1..=254, 255 for the owner of the addresses, and 0 on the
/// wire only, when an Active node resigns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Priority(u8);

impl Priority {
    /// Sent by an Active node that resigns.
    pub const RESIGN: Priority = Priority(0);
    /// The priority nobody asked for.
    pub const DEFAULT: Priority = Priority(100);
    /// The node whose own addresses these are.
    pub const OWNER: Priority = Priority(255);

    /// Any octet is a priority on the wire.
    #[must_use]
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether this is 255.
    #[must_use]
    pub const fn is_owner(self) -> bool {
        self.0 == 255
    }

    /// This (base) priority after trackers have added `delta`: kept within 1..=254, and never moved
    /// for an owner.
    #[must_use]
    pub fn adjusted(self, delta: i32) -> Priority {
        if self.is_owner() {
            return self;
        }
        let value = i32::from(self.0).saturating_add(delta).clamp(1, 254);
        Priority(u8::try_from(value).unwrap_or(254))
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The version of the protocol an instance speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Version {
    /// RFC 3768 (and RFC 2338's plain-text authentication): IPv4 only, whole seconds.
    V2,
    /// RFC 5798 and RFC 9568: IPv4 and IPv6, hundredths of a second.
    V3,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::V2 => "VRRPv2",
            Version::V3 => "VRRPv3",
        })
    }
}

/// What a node is for one virtual router (RFC 9568 §6.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum State {
    /// Not taking part: not started, or something it needs is missing (keepalived: INIT, FAULT).
    Initialize,
    /// Listening, ready to take over.
    Backup,
    /// Holding the VIPs (keepalived: MASTER).
    Active,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Initialize => "Initialize",
            State::Backup => "Backup",
            State::Active => "Active",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vrrp_065_trackers_never_make_zero_or_an_owner() {
        assert_eq!(Priority::new(100).adjusted(-300).get(), 1);
        assert_eq!(Priority::new(100).adjusted(300).get(), 254);
        assert_eq!(Priority::new(100).adjusted(-30).get(), 70);
        assert_eq!(Priority::OWNER.adjusted(-30), Priority::OWNER);
        assert_eq!(Priority::new(254).adjusted(i32::MAX).get(), 254);
        assert_eq!(Priority::new(1).adjusted(i32::MIN).get(), 1);
    }

    #[test]
    fn zero_is_no_vrid() {
        assert_eq!(Vrid::new(0), None);
        assert_eq!(Vrid::new(255).unwrap().get(), 255);
    }
}
