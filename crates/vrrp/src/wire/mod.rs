//! VRRP on the wire: bytes become legal values at the border, or a named refusal.
//!
//! [`Advert`] is the one message the protocol has. A value of it that exists can be encoded, and
//! [`decode`] either makes one or says in a [`Discard`] exactly which check of RFC 9568 §7.1 (or
//! RFC 3768 §7.1) the packet failed. Each discard belongs to one [`Counter`]. [`frame`] knows what
//! lies around the message: IPv4, IPv6 and Ethernet headers.
//!
//! Nothing here looks at a state or a timer, so nothing refused here can have moved one.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::Family;

mod advert;
mod auth;
mod checksum;
mod counter;
mod decode;
mod discard;
pub mod frame;
pub mod fuzz;
pub mod hmac;
mod terms;

pub use advert::{Advert, AdvertError, Body, most_addresses};
pub use auth::{Auth, PasswordError};
pub use checksum::{ChecksumForm, ChecksumRule};
pub use counter::{Counter, Counters};
pub use decode::{Heard, decode, decode_into, examine_unknown, vrid_of};
pub use discard::Discard;
pub use terms::{Arrival, PeerTerms, Reach, Subnet, Terms};

/// The IP protocol and IPv6 next header number of VRRP (RFC 9568 §5.1.1.4, §5.1.2.4).
pub const PROTOCOL: u8 = 112;

/// The TTL or hop limit every multicast advert leaves and must arrive with (RFC 9568 §5.1.1.3,
/// §5.1.2.3): no router between sender and receiver can have forwarded it.
pub const TTL: u8 = 255;

/// The type-of-service octet or traffic class of adverts: DSCP CS6, network control. No RFC asks
/// for it; keepalived and FRR send it, and switches that queue by class expect it.
pub const TRAFFIC_CLASS: u8 = 0xc0;

/// Where IPv4 adverts go (RFC 9568 §5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// Where IPv6 adverts go (RFC 9568 §5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// The multicast group of `family` (RFC 9568 §5.1.1.2, §5.1.2.2).
#[must_use]
pub const fn group(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(GROUP_V4),
        Family::V6 => IpAddr::V6(GROUP_V6),
    }
}

/// Octets in front of the address list, in every version (RFC 3768 §5.1, RFC 9568 §5.2).
const HEADER: usize = 8;

/// Octets of authentication data behind a v2 address list, present even when the type is 0
/// (RFC 3768 §5.3.10).
const AUTH_DATA: usize = 8;

/// The only message type, ADVERTISEMENT (RFC 9568 §5.2.2).
const ADVERTISEMENT: u8 = 1;
