//! The keeper of wanted addresses and the announcer of where they live. Sans-IO.
//!
//! Whoever decides (VRRP today, the cluster tomorrow) says only *which VIPs it holds now*. The
//! [`keeper`] compares that with what the kernel has and asks for the difference; the [`announcer`]
//! tells the neighbours, but only about VIPs the keeper has seen present. Neither knows why a VIP is
//! held, and nobody else may install, remove or announce one (ARCHITECTURE.md, "Invariants").

pub mod addresses;
pub mod announcer;
pub mod arp;
pub mod claim;
pub mod devices;
pub mod keeper;
pub mod last_will;
pub mod lease;
pub mod lifetime;
mod links;
pub mod ndisc;
pub mod pack;
pub mod ways;

use core::fmt;

use serde::{Deserialize, Serialize};

/// Whoever asks for VIPs: a VRRP instance, a cluster resource. The caller gives the numbers out and
/// means the same one by the same number until it forgets it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct HolderId(pub u32);

impl fmt::Display for HolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "holder {}", self.0)
    }
}
