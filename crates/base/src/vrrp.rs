//! The words of VRRP (RFC 9568 §1.6, §5.2).

use core::fmt;
use core::num::NonZeroU8;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Centis;

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
    /// The lowest that a node can have which takes part.
    pub const LOWEST: Priority = Priority(1);
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

/// Protocol version and advertisement interval: one choice, since each version has its own range.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Interval {
    /// VRRPv2: whole seconds (RFC 3768 §5.3.7).
    V2(NonZeroU8),
    /// VRRPv3: hundredths of a second (RFC 9568 §5.2.7).
    V3(Centis),
}

impl Interval {
    /// The version that counts this way.
    #[must_use]
    pub const fn version(self) -> Version {
        match self {
            Interval::V2(_) => Version::V2,
            Interval::V3(_) => Version::V3,
        }
    }

    /// The same span as a [`Duration`].
    #[must_use]
    pub fn as_duration(self) -> Duration {
        match self {
            Interval::V2(seconds) => Duration::from_secs(u64::from(seconds.get())),
            Interval::V3(centis) => centis.as_duration(),
        }
    }
}

/// Whether a living Active node of lower priority is pushed aside (RFC 9568 §6.1, Preempt_Mode).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Preempt {
    /// Never (`nopreempt`).
    Never,
    /// After hearing it for this long; zero: at once (`preempt_delay`).
    After(Duration),
}

/// What a tracker does to its instance. Good means: link up, script successful.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TrackEffect {
    /// The instance cannot take part while it is bad (no weight).
    FaultWhileBad,
    /// The instance cannot take part while it is good (weight 0, reversed).
    FaultWhileGood,
    /// Added to the priority while good: a positive weight; negated when reversed. Within ±253.
    DeltaWhileGood(i16),
    /// Added to the priority while bad: a negative weight; negated when reversed. Within ±253.
    DeltaWhileBad(i16),
}

impl TrackEffect {
    /// The verdict for a tracker that is `good` or not: `None` is Fault, else the priority delta.
    #[must_use]
    pub const fn verdict(self, good: bool) -> Option<i16> {
        match (self, good) {
            (Self::FaultWhileBad, false) | (Self::FaultWhileGood, true) => None,
            (Self::DeltaWhileGood(delta), true) | (Self::DeltaWhileBad(delta), false) => {
                Some(delta)
            }
            (Self::FaultWhileBad | Self::DeltaWhileBad(_), true)
            | (Self::FaultWhileGood | Self::DeltaWhileGood(_), false) => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracker_is_a_fault_or_a_delta() {
        use TrackEffect::{DeltaWhileBad, DeltaWhileGood, FaultWhileBad, FaultWhileGood};
        for (effect, good, bad) in [
            (FaultWhileBad, Some(0), None),
            (FaultWhileGood, None, Some(0)),
            (DeltaWhileGood(20), Some(20), Some(0)),
            (DeltaWhileBad(-20), Some(0), Some(-20)),
        ] {
            assert_eq!((effect.verdict(true), effect.verdict(false)), (good, bad), "{effect:?}");
        }
    }

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
