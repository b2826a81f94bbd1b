//! Where announcements have rules of their own: interfaces that share one pace (`garp_group`), and
//! interfaces that are told again and again to keep switches informed (`garp_extra_if`).
//!
//! A shared pace counts for all interfaces of its list together, as when they lead to one switch. It
//! goes before the pace of a holder's policy, family by family.

use core::time::Duration;

use base::{Family, IfIndex, Name};
use serde::{Deserialize, Serialize};

/// How fast announcements may follow each other on some interfaces together.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Pace {
    /// Which.
    pub interfaces: Vec<Name>,
    /// Least time between two gratuitous ARPs; `None`: as holders have it.
    pub arp: Option<Duration>,
    /// Least time between two unsolicited neighbour advertisements.
    pub na: Option<Duration>,
}

/// Interfaces on which one VIP is announced again and again.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct KeepFresh {
    /// How often; zero means never.
    pub every: Duration,
    /// Where.
    pub interfaces: Vec<Name>,
}

impl KeepFresh {
    pub(super) fn is_empty(&self) -> bool {
        self.every.is_zero() || self.interfaces.is_empty()
    }
}

/// Whose pace a frame counts for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Track {
    Link(IfIndex),
    /// The pace of this number.
    Shared(usize),
}

/// Which track a frame runs on, and the least time to the next on it.
pub(super) fn track(
    paces: &[Pace],
    (interface, index): (&Name, IfIndex),
    family: Family,
    own: Duration,
) -> (Track, Duration) {
    let given = |pace: &Pace| match family {
        Family::V4 => pace.arp,
        Family::V6 => pace.na,
    };
    let shared = paces.iter().enumerate().find_map(|(number, pace)| {
        let gap = given(pace).filter(|_| pace.interfaces.contains(interface))?;
        Some((Track::Shared(number), gap))
    });
    shared.unwrap_or((Track::Link(index), own))
}
