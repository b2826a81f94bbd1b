//! Addresses below IP, and which IP it is.

use core::fmt;
use core::net::IpAddr;
use core::num::NonZeroU32;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address family. IPv4 and IPv6 virtual routers of one VRID are independent (RFC 9568 §1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    #[serde(rename = "IPv4")]
    V4,
    /// IPv6.
    #[serde(rename = "IPv6")]
    V6,
}

impl Family {
    /// The family `address` belongs to.
    #[must_use]
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// The prefix length that names a single address: 32 or 128.
    #[must_use]
    pub const fn host_prefix(self) -> u8 {
        match self {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    /// Octets of one address on the wire: 4 or 16.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Family::V4 => 4,
            Family::V6 => 16,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// The kernel's number for an interface. Changes when the interface is deleted and made again;
/// its name is what people mean, the index is what the kernel means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct IfIndex(NonZeroU32);

impl IfIndex {
    /// `None` for zero, which the kernel uses for "any interface".
    #[must_use]
    pub const fn new(index: u32) -> Option<Self> {
        match NonZeroU32::new(index) {
            Some(index) => Some(Self(index)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for IfIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// The virtual router MAC (RFC 9568 §7.3): 00-00-5E-00-01-{VRID} for IPv4, 00-00-5E-00-02-{VRID}
    /// for IPv6.
    #[must_use]
    pub const fn virtual_router(family: Family, vrid: crate::Vrid) -> Mac {
        let block = match family {
            Family::V4 => 1,
            Family::V6 => 2,
        };
        Mac([0x00, 0x00, 0x5e, 0x00, block, vrid.get()])
    }
}

impl Mac {
    /// Whether it is any virtual router's by RFC 9568 §7.3.
    #[must_use]
    pub const fn is_virtual_router(self) -> bool {
        matches!(self.0, [0x00, 0x00, 0x5e, 0x00, 1 | 2, 1..=255])
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || format!("`{text}` is not a MAC address like 02:00:00:00:00:0a");
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts.next().filter(|p| p.len() <= 2).ok_or_else(bad)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() { Err(bad()) } else { Ok(Mac(octets)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vrrp_100_virtual_mac_carries_the_vrid() {
        let vrid = crate::Vrid::new(0x5a).unwrap();
        assert_eq!(Mac::virtual_router(Family::V4, vrid).to_string(), "00:00:5e:00:01:5a");
        assert_eq!(Mac::virtual_router(Family::V6, vrid).to_string(), "00:00:5e:00:02:5a");
        assert!(Mac::virtual_router(Family::V6, vrid).is_virtual_router());
        assert!(!Mac([0, 0, 0x5e, 0, 3, 0x5a]).is_virtual_router());
        assert!(!Mac([0, 0, 0x5e, 0, 1, 0]).is_virtual_router(), "there is no VRID 0");
    }

    #[test]
    fn a_mac_reads_what_it_prints() {
        let mac = Mac([2, 0, 0, 0, 0, 0xa]);
        assert_eq!(mac.to_string().parse(), Ok(mac));
        for bad in
            ["", "02:00:00:00:00", "02:00:00:00:00:0a:0b", "0g:00:00:00:00:00", "002:0:0:0:0:0"]
        {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }
}
