//! Which sockets the machine needs, derived from what its instances are.
//!
//! One socket per interface and family serves every instance there; the driver opens what is newly
//! named and closes what no longer is.

use core::net::IpAddr;

use base::{Family, IfIndex, Mac, Name};
use serde::{Deserialize, Serialize};

/// One raw VRRP socket.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SocketSpec {
    /// Bound to this interface.
    pub index: IfIndex,
    /// Its name at the moment.
    pub interface: Name,
    /// For this family.
    pub family: Family,
    /// Member of these groups there.
    pub groups: Vec<IpAddr>,
    /// Whether the interface is running. Groups are joined anew each time it becomes true, since
    /// a link that was down may have lost its membership with the switch (ND-006).
    pub running: bool,
    /// It is there beside another socket, to hear what the kernel keeps from that one.
    pub beside: Option<Beside>,
}

/// What a macvlan hears and its parent does not: adverts from its own MAC, which is the virtual
/// router's and so every holder's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Beside {
    /// What is heard counts as heard there.
    pub parent: IfIndex,
    /// Nothing is heard but what comes from this MAC.
    pub mac: Mac,
}
