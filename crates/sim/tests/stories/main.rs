//! Stories on the toy LAN, a sentence each: what the whole of several nodes does, on the very machines
//! the daemon runs.
//!
//! Nodes are named in the order of their addresses: `a` has the lowest. Unless a story says otherwise
//! they run VI_1 with the VIP 193.168.0.6, one advert a second, three to miss.

#![allow(clippy::unwrap_used, reason = "a test may; the lint's own exception misses helpers")]

mod devices;
#[path = "../directed/mod.rs"]
mod directed;
mod election;
mod faults;
mod groups;
mod heal;
mod interfaces;
mod mixed;
mod moves;
mod partition;
mod pause;
mod remains;
mod signed;
mod trouble;

use core::time::Duration;

use base::{State, What};
use sim::{Lan, Node};

pub(crate) const VIP: &str = "193.168.0.6";

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// One interval of every instance here that does not say otherwise.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
/// What a packet takes in fair weather.
pub(crate) const DELAY: Duration = Duration::from_micros(100);
/// What a kernel takes to install a VIP.
pub(crate) const KERNEL: Duration = Duration::from_micros(500);

/// Skew_Time at one advert a second.
pub(crate) fn skew(priority: u64) -> Duration {
    Duration::from_nanos((256 - priority) * 3_906_250)
}

/// Active_Down_Interval at one advert a second.
pub(crate) fn down(priority: u64) -> Duration {
    secs(3) + skew(priority)
}

/// Asserts that `name` holds, alone, and that the client knows.
#[track_caller]
pub(crate) fn assert_served_by(lan: &Lan, name: &str) {
    assert_eq!(lan.actives(), [name], "Active");
    assert_eq!(lan.holders(VIP), [name], "whose kernel has it");
    assert_eq!(lan.client_reaches(VIP), Some(name), "where the client sends");
}

/// How often the node became Active.
pub(crate) fn takeovers(node: &Node) -> usize {
    changes(node).into_iter().filter(|to| *to == State::Active).count()
}

/// The states the node went into, in order.
pub(crate) fn changes(node: &Node) -> Vec<State> {
    let to = |event: &base::Event| match event.what {
        What::StateChanged { to, .. } => Some(to),
        _ => None,
    };
    node.events().iter().filter_map(to).collect()
}

/// Whether the node said that such a thing happened.
pub(crate) fn told(node: &Node, what: impl Fn(&What) -> bool) -> bool {
    node.events().iter().any(|event| what(&event.what))
}
