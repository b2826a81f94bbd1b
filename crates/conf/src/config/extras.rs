//! What goes beyond the protocol: how VIPs are decorated, virtual MACs, signed adverts.

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use base::Name;
use serde::Serialize;

use crate::Place;

/// How one VIP is held, beyond what a [`base::Vip`] says.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct VipOptions {
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// Mobile IPv6 home address.
    pub home: bool,
    /// Temporary addresses are made of it.
    pub manage_temporary: bool,
    /// No route for its prefix.
    pub no_prefix_route: bool,
    /// Its multicast group is joined.
    pub auto_join: bool,
    /// Left missing when somebody removes it.
    pub untracked: bool,
    /// Held on an interface with the virtual router's MAC, wherever that lies.
    pub vmac: bool,
    /// A preferred lifetime, neither zero nor for ever.
    pub preferred: Option<Duration>,
    /// Instances that fault when it cannot be kept; static addresses only.
    pub track_group: Option<Name>,
}

/// The interface with the virtual router's MAC (`use_vmac`).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Vmac {
    /// Its name; `None`: made from the prefix and the VRID.
    pub name: Option<Name>,
    /// Its MAC; `None`: the RFC's.
    pub mac: Option<[u8; 6]>,
    /// Its link group.
    pub group: Option<u32>,
    /// The VIPs on the instance's own interface are on it (`use_vmac`); otherwise it stands for
    /// [`Vmac::for_all_vips`] alone.
    pub own: bool,
    /// Adverts leave by the real interface (`vmac_xmit_base`).
    pub transmit_on_base: bool,
    /// More such interfaces for VIPs elsewhere (`use_vmac_addr`).
    pub for_all_vips: bool,
    /// Tell everybody when it is made (`netlink_notify_msg`).
    pub announce_link: bool,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// The ipvlan interface VIPs are held on (`use_ipvlan`).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Ipvlan {
    /// Its name.
    pub name: Option<Name>,
    /// Its own address, which IPv4 needs.
    pub address: Option<IpAddr>,
    /// `bridge`, `private` or `vepa`.
    pub mode: &'static str,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// Signed adverts (`auth_hmac`).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Hmac {
    /// Keys by number, at least one.
    pub keys: Vec<HmacKey>,
    /// The number of the key to sign with.
    pub active: u8,
    /// Old adverts are told from new ones by the clock rather than by counting.
    pub by_time: bool,
    /// How far clocks may differ.
    pub window: Duration,
    /// What happens to unsigned ones.
    pub mode: HmacMode,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// What happens to unsigned adverts, and whether ours are signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum HmacMode {
    /// Signed, and unsigned ones are refused.
    Enforce,
    /// Signed, and unsigned ones are heard.
    Permissive,
    /// Not signed, signed ones are checked.
    ReceiveOnly,
}

/// A key. Never printed.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct HmacKey {
    /// Its number.
    pub id: u8,
    /// The secret, or where to read it.
    #[serde(skip)]
    pub secret: Secret,
}

/// A secret, or where to read it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// These octets.
    Octets(base::Secret),
    /// The contents of this file.
    File(String),
}

impl Default for Secret {
    fn default() -> Self {
        Secret::Octets(base::Secret::new(Vec::new()))
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacKey({}, ********)", self.id)
    }
}

/// Announcements on the VIPs' other interfaces (`garp_extra_if`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct ExtraAnnounce {
    /// On all of them, not only on those with a virtual MAC.
    pub all: bool,
    /// How often, not zero.
    pub every: Duration,
}

/// The unicast checksum of keepalived before 1.3.7 (`old_unicast_checksum`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub enum OldChecksum {
    /// Spoken when it is heard.
    #[default]
    Detect,
    /// Always spoken.
    Always,
    /// Never spoken.
    Never,
}
