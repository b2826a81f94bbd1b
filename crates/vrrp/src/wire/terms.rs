//! A received packet, and what an instance demands of one.
//!
//! The terms are borrowed from the instance's configuration and made anew for each packet: nothing
//! of what was demanded yesterday can linger after a reload.

use core::net::{IpAddr, Ipv4Addr};
use core::num::NonZeroU8;

use base::{Family, Version};
use serde::{Deserialize, Serialize};

use super::hmac::Demand;
use super::{Auth, ChecksumRule};

/// A VRRP message and what the IP layer said about it. Fragments, IP options and IPv6 extension
/// headers are behind it: the kernel's raw socket or [`super::frame`] dealt with them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival<'a> {
    /// Who sent it.
    pub source: IpAddr,
    /// Where it was sent to; the final destination if there was a routing header.
    pub destination: IpAddr,
    /// TTL or hop limit as it arrived.
    pub ttl: u8,
    /// The VRRP message: all that the IP length covers, without Ethernet padding.
    pub payload: &'a [u8],
}

/// What one instance demands of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The version it speaks. VRRPv2 exists over IPv4 only; such terms over IPv6 refuse everything.
    pub version: Version,
    /// The family of its virtual router.
    pub family: Family,
    /// How adverts reach it.
    pub reach: Reach<'a>,
    /// Which checksums it accepts in VRRPv3 over IPv4.
    pub checksum: ChecksumRule,
    /// The authentication a VRRPv2 advert must carry.
    pub auth: &'a Auth,
    /// What a signed advert is judged by, and whether it must be one; `None`: trailers are not known
    /// here, and an advert with one is too long.
    pub hmac: Option<Demand<'a>>,
    /// If not empty: only these may speak to a multicast instance.
    pub allowed: &'a [IpAddr],
    /// Its own interval in seconds, which a VRRPv2 advert must carry too.
    pub own_interval_v2: NonZeroU8,
    /// The addresses of this node on the interface: none of them can be a peer.
    pub own_addresses: &'a [IpAddr],
    /// The prefixes of the link, to know a broadcast source by and, in strict mode, a foreign one.
    /// While none is known of a family, no source of it counts as foreign.
    pub subnets: &'a [Subnet],
    /// Accept an advert without addresses: this instance has none either. Else it is refused
    /// (RFC 9568 §5.2.5).
    pub bare: bool,
    /// Also refuse what the RFCs let a receiver tolerate: sources off the link, and IPv6 adverts
    /// whose source or first address is not link-local.
    pub strict: bool,
}

/// How adverts reach an instance.
#[derive(Clone, Copy, Debug)]
pub enum Reach<'a> {
    /// By the group, from anybody on the link.
    Multicast {
        /// The group, normally [`super::group`].
        group: IpAddr,
    },
    /// Addressed to this node.
    Unicast {
        /// The other nodes.
        peers: &'a [PeerTerms],
        /// Whether only they may speak.
        check_source: bool,
    },
}

/// What is demanded of one unicast peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PeerTerms {
    /// Its address.
    pub address: IpAddr,
    /// The least TTL or hop limit accepted from it; 255 proves that it is on the link.
    pub min_ttl: u8,
    /// The most; 255 accepts any above `min_ttl`.
    pub max_ttl: u8,
}

/// An address of the link with its prefix length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subnet {
    /// Any address in it.
    pub address: IpAddr,
    /// Prefix length, `0..=32` or `0..=128`; a longer one counts as the longest.
    pub prefix: u8,
}

impl Subnet {
    /// Whether `address` lies in it.
    #[must_use]
    pub fn contains(&self, address: &IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()) & self.mask_v4() == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask =
                    u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
                (own.to_bits() ^ other.to_bits()) & mask == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether `address` is its IPv4 broadcast address; prefixes of 31 and 32 have none
    /// (RFC 3021).
    pub(super) fn broadcasts_as(&self, address: Ipv4Addr) -> bool {
        match self.address {
            IpAddr::V4(own) if self.prefix < 31 => {
                address.to_bits() == own.to_bits() | !self.mask_v4()
            }
            IpAddr::V4(_) | IpAddr::V6(_) => false,
        }
    }

    fn mask_v4(&self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_contains_what_shares_its_prefix() {
        for (address, prefix, inside, outside) in [
            ("192.0.2.1", 24, "192.0.2.255", "192.0.3.1"),
            ("192.0.2.1", 23, "192.0.3.255", "192.0.4.0"),
            ("192.0.2.1", 32, "192.0.2.1", "192.0.2.0"),
            ("192.0.2.1", 99, "192.0.2.1", "192.0.2.0"),
            ("0.0.0.0", 0, "255.255.255.255", "::"),
            ("2001:db8:1::1", 64, "2001:db8:1::ffff:0:0:1", "2001:db8:1:1::1"),
            ("2001:db8::1", 127, "2001:db8::", "2001:db8::2"),
            ("2001:db8::1", 128, "2001:db8::1", "2001:db8::"),
            ("2001:db8::1", 255, "2001:db8::1", "2001:db8::"),
            ("::", 0, "ffff::", "0.0.0.0"),
        ] {
            let subnet = Subnet { address: address.parse().unwrap(), prefix };
            assert!(subnet.contains(&inside.parse().unwrap()), "{inside} in {subnet:?}");
            assert!(!subnet.contains(&outside.parse().unwrap()), "{outside} in {subnet:?}");
        }
    }
}
