//! The interface of a virtual router: a macvlan that carries its MAC (RFC 9568 §7.3), what is asked
//! of the kernel about it, and how its switches are to be set.

use serde::{Deserialize, Serialize};

use crate::{IfIndex, Mac, Name, OpDone, Ticket};

/// An interface with a virtual MAC, as it is to be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Device {
    /// Its name.
    pub name: Name,
    /// The interface it lies on.
    pub parent: Name,
    /// Its MAC.
    pub mac: Mac,
    /// The group of links it belongs to (`ip link set group`); `None`: the default one.
    pub group: Option<u32>,
    /// Whether IPv6 is spoken on it.
    pub ipv6: bool,
    /// Whether the kernel goes on reporting membership of link-local groups (`disable_local_igmp`
    /// says no, and means all interfaces).
    pub local_igmp: bool,
}

/// What the kernel says of a link that is a macvlan.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Macvlan {
    /// The link it lies on.
    pub below: IfIndex,
    /// Administratively up, whatever its carrier (`IFF_UP`).
    pub up: bool,
}

/// One change asked of the kernel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DeviceOp {
    /// Make it, down.
    Make {
        /// What.
        device: Device,
        /// The number of its parent.
        on: IfIndex,
    },
    /// Remove the interface with this number.
    Remove {
        /// Which.
        index: IfIndex,
    },
    /// Set it up.
    Raise {
        /// Which.
        index: IfIndex,
    },
    /// Set it down.
    Lower {
        /// Which.
        index: IfIndex,
    },
}

/// An operation on its way to the kernel.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviceAsk {
    /// To be returned with the outcome.
    pub ticket: Ticket,
    /// What to do.
    pub op: DeviceOp,
}

/// The outcome of a [`DeviceAsk`].
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviceDone {
    /// The operation's ticket.
    pub ticket: Ticket,
    /// How it went.
    pub outcome: OpDone,
}

/// The kernel's switches of a device that are to be set by somebody who may write files. What they
/// are set to follows from what such a device is for; nothing but the device's own is touched.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tuning {
    /// Whose.
    pub index: IfIndex,
    /// Its name.
    pub name: Name,
    /// Whether IPv6 is spoken on it.
    pub ipv6: bool,
    /// As in [`Device`].
    pub local_igmp: bool,
}
