//! A virtual IP as one node would install it.

use core::fmt;
use core::net::IpAddr;
use core::ops::{Deref, DerefMut};
use core::time::Duration;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Family, Name};

/// An address with prefix and interface that some node must hold, and how the kernel is to carry it.
///
/// Two VIPs are the same *address of the kernel* when address, prefix and interface agree; see
/// [`Vip::same_address`].
///
/// A dozen places know of each VIP of thousands, so a copy is one more hand on the same value. Whoever
/// changes its own copy gets a value of its own by that.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vip(Arc<VipParts>);

/// What a VIP consists of.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename = "Vip")]
pub struct VipParts {
    /// The address itself.
    pub address: IpAddr,
    /// Prefix length, `0..=32` or `0..=128`.
    pub prefix: u8,
    /// The interface that carries it.
    pub interface: Name,
    /// IPv4 broadcast address.
    pub broadcast: Broadcast,
    /// Address scope.
    pub scope: Scope,
    /// IPv4 label, as in `eth0:1`; at most 15 octets.
    pub label: Option<Name>,
    /// Details of how it is installed.
    pub flags: VipFlags,
    /// What few VIPs have.
    pub extras: Option<Box<VipExtras>>,
}

impl Deref for Vip {
    type Target = VipParts;

    fn deref(&self) -> &VipParts {
        &self.0
    }
}

impl DerefMut for Vip {
    fn deref_mut(&mut self) -> &mut VipParts {
        Arc::make_mut(&mut self.0)
    }
}

impl fmt::Debug for Vip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<VipParts> for Vip {
    fn from(parts: VipParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl From<Vip> for VipParts {
    fn from(vip: Vip) -> Self {
        Arc::unwrap_or_clone(vip.0)
    }
}

/// What few VIPs have: kept apart because there may be thousands that have none of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct VipExtras {
    /// The other end of a point-to-point link; the prefix is then its.
    pub peer: Option<IpAddr>,
    /// How long the node may choose the VIP as a source; `None`: as the flags say.
    pub preferred: Option<Duration>,
}

impl Vip {
    /// What the kernel tells addresses apart by.
    #[must_use]
    pub fn place(&self) -> (IpAddr, u8, &Name) {
        (self.address, self.prefix, &self.interface)
    }

    /// A VIP with the kernel's defaults.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8, interface: Name) -> Self {
        Self::from(VipParts {
            address,
            prefix,
            interface,
            broadcast: Broadcast::None,
            scope: Scope::GLOBAL,
            label: None,
            flags: VipFlags::default(),
            extras: None,
        })
    }

    /// The other end of its link, if it is point-to-point.
    #[must_use]
    pub fn peer(&self) -> Option<IpAddr> {
        self.extras.as_ref()?.peer
    }

    /// How long it is preferred, where that is neither never nor for ever.
    #[must_use]
    pub fn preferred(&self) -> Option<Duration> {
        self.extras.as_ref()?.preferred
    }

    /// The family of the address.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(&self.address)
    }

    /// Whether the kernel would regard `other` as this same address, however it is decorated.
    #[must_use]
    pub fn same_address(&self, other: &Vip) -> bool {
        self.address == other.address
            && self.prefix == other.prefix
            && self.interface == other.interface
    }
}

/// As `ip address` writes it: `193.168.0.6/16 dev eth0`.
impl fmt::Display for Vip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} dev {}", self.address, self.prefix, self.interface)
    }
}

/// The IPv4 broadcast address to install with an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Broadcast {
    /// None.
    #[default]
    None,
    /// The last address of the prefix (`brd +`).
    HostBitsSet,
    /// The first address of the prefix (`brd -`).
    HostBitsClear,
    /// This one.
    Address(core::net::Ipv4Addr),
}

/// `rtnetlink(7)` address scope, as in `/etc/iproute2/rt_scopes`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Scope(pub u8);

impl Scope {
    /// Valid everywhere (0).
    pub const GLOBAL: Scope = Scope(0);
    /// Valid within this site (200, IPv6 only, deprecated).
    pub const SITE: Scope = Scope(200);
    /// Valid on this link (253).
    pub const LINK: Scope = Scope(253);
    /// Valid inside this node (254).
    pub const HOST: Scope = Scope(254);
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Scope::GLOBAL => f.write_str("global"),
            Scope::SITE => f.write_str("site"),
            Scope::LINK => f.write_str("link"),
            Scope::HOST => f.write_str("host"),
            Scope(other) => fmt::Display::fmt(&other, f),
        }
    }
}

/// How a VIP is installed. The default is what keepalived does: no duplicate address detection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct VipFlags {
    /// IPv6: skip duplicate address detection (`IFA_F_NODAD`). A VIP moves between nodes; detection
    /// would keep it unusable for a second after each takeover.
    pub no_dad: bool,
    /// IPv6: preferred lifetime zero, so that the node does not choose the VIP as a source.
    pub deprecated: bool,
    /// IPv6: a Mobile IPv6 home address (`IFA_F_HOMEADDRESS`).
    pub home: bool,
    /// IPv6: temporary addresses are made of it (`IFA_F_MANAGETEMPADDR`).
    pub manage_temporary: bool,
    /// No route for its prefix (`IFA_F_NOPREFIXROUTE`).
    pub no_prefix_route: bool,
    /// Left missing when somebody removes it (`no_track`).
    pub unguarded: bool,
    /// How long the kernel keeps it unless it is told again; `None`: for ever. Counted by the kernel
    /// in whole seconds.
    pub lifetime: Option<Duration>,
}

impl Default for VipFlags {
    fn default() -> Self {
        Self {
            no_dad: true,
            deprecated: false,
            home: false,
            manage_temporary: false,
            no_prefix_route: false,
            unguarded: false,
            lifetime: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_the_same_value_until_it_is_changed() {
        let a = Vip::new("193.168.0.6".parse().unwrap(), 16, "eth0".into());
        let mut b = a.clone();
        assert!(Arc::ptr_eq(&a.0, &b.0));
        b.prefix = 32;
        assert_eq!((a.prefix, b.prefix), (16, 32));
    }

    #[test]
    fn the_kernel_tells_addresses_apart_by_address_prefix_and_interface() {
        let a = Vip::new("193.168.0.6".parse().unwrap(), 16, "eth0".into());
        let mut b = a.clone();
        b.label = Some("eth0:1".into());
        assert!(a.same_address(&b));
        b.prefix = 32;
        assert!(!a.same_address(&b));
        assert_eq!(a.to_string(), "193.168.0.6/16 dev eth0");
    }
}
