//! The advert: the one message of VRRP, as a value that can always be encoded.
//!
//! What no version of the protocol can carry (an empty or mixed address list, VRRPv2 over IPv6) is
//! refused when the value is made, so that encoding has no error to return and a decoded advert
//! never needs to be looked at twice.
//!
//! ```text
//! v3  |31|VRID|prio|n | 0(4) interval cs(12) | checksum | n * (4|16) address octets |
//! v2  |21|VRID|prio|n | auth type | interval s | checksum | n * 4 address octets | 8 auth octets |
//! ```

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::num::NonZeroU8;
use core::time::Duration;

use base::{Centis, Family, Priority, Version, Vrid};

use super::checksum::{self, ChecksumForm};
use super::{ADVERTISEMENT, AUTH_DATA, Auth, HEADER};

/// An advertisement (RFC 3768 §5.1, RFC 9568 §5.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advert {
    vrid: Vrid,
    priority: Priority,
    family: Family,
    addresses: Vec<IpAddr>,
    body: Body,
}

/// The part in which the versions differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    /// VRRPv2 (RFC 3768 §5.3).
    V2 {
        /// Adver Int in whole seconds, the same on every node (RFC 3768 §5.3.7).
        interval: NonZeroU8,
        /// Auth Type and Authentication Data.
        auth: Auth,
    },
    /// VRRPv3 (RFC 9568 §5.2).
    V3 {
        /// Max Advertise Interval; a Backup learns it from the Active (RFC 9568 §5.2.7).
        interval: Centis,
    },
}

impl Body {
    /// The version this is the body of.
    #[must_use]
    pub const fn version(&self) -> Version {
        match self {
            Body::V2 { .. } => Version::V2,
            Body::V3 { .. } => Version::V3,
        }
    }

    /// The advertisement interval.
    #[must_use]
    pub fn interval(&self) -> Duration {
        match self {
            Body::V2 { interval, .. } => Duration::from_secs(u64::from(interval.get())),
            Body::V3 { interval } => interval.as_duration(),
        }
    }
}

impl Advert {
    /// An advert of `vrid` with this `priority`, naming `addresses` in this order.
    ///
    /// # Errors
    /// When there are none or more than 255 of them (RFC 9568 §5.2.5), when they are not all of one
    /// family (RFC 9568 §5.2.9), or when VRRPv2 is to carry IPv6.
    pub fn new(
        vrid: Vrid,
        priority: Priority,
        addresses: Vec<IpAddr>,
        body: Body,
    ) -> Result<Self, AdvertError> {
        let first = addresses.first().ok_or(AdvertError::NoAddresses)?;
        let family = Family::of(first);
        if addresses.len() > usize::from(u8::MAX) {
            return Err(AdvertError::TooManyAddresses { got: addresses.len() });
        }
        if let Some(other) = addresses.iter().find(|address| Family::of(address) != family) {
            return Err(AdvertError::MixedFamilies { family, other: *other });
        }
        if body.version() == Version::V2 && family == Family::V6 {
            return Err(AdvertError::Ipv6InV2 { address: *first });
        }
        Ok(Self { vrid, priority, family, addresses, body })
    }

    /// An advert that names no address at all. RFC 9568 §5.2.5 forbids it; keepalived sends it for an
    /// instance without VIPs, whose scripts do all the work, and two such nodes must understand each
    /// other ([`Terms::bare`](super::Terms::bare)).
    ///
    /// # Errors
    /// When VRRPv2 is to speak for IPv6.
    pub fn bare(
        vrid: Vrid,
        priority: Priority,
        family: Family,
        body: Body,
    ) -> Result<Self, AdvertError> {
        if body.version() == Version::V2 && family == Family::V6 {
            return Err(AdvertError::Ipv6InV2 { address: Ipv6Addr::UNSPECIFIED.into() });
        }
        Ok(Self { vrid, priority, family, addresses: Vec::new(), body })
    }

    /// The virtual router it speaks of (RFC 9568 §5.2.3).
    #[must_use]
    pub const fn vrid(&self) -> Vrid {
        self.vrid
    }

    /// The sender's priority; 0 when it resigns (RFC 9568 §5.2.4).
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// The family of all its addresses.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.family
    }

    /// The addresses of the virtual router, 1..=255 of one family, in the order they are listed;
    /// none in a bare advert.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The list alone, for its room.
    #[must_use]
    pub fn into_addresses(self) -> Vec<IpAddr> {
        self.addresses
    }

    /// What only its version carries.
    #[must_use]
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// The version it is written in.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.body.version()
    }

    /// The advertisement interval it tells.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.body.interval()
    }

    /// Gives it another priority: any octet is one on the wire.
    pub fn set_priority(&mut self, priority: Priority) {
        self.priority = priority;
    }

    /// Whether it lists exactly `addresses`, in whatever order. A difference is worth a log line
    /// (RFC 9568 §7.1) and no more: dropping such adverts makes two holders of a spelling mistake.
    #[must_use]
    pub fn lists(&self, addresses: &[IpAddr]) -> bool {
        self.addresses.len() == addresses.len()
            && self.addresses.iter().all(|address| addresses.contains(address))
            && addresses.iter().all(|address| self.addresses.contains(address))
    }

    /// Whether an IPv6 list begins with a link-local address, as it must (RFC 9568 §5.2.9); true
    /// for IPv4.
    #[must_use]
    pub fn begins_link_local(&self) -> bool {
        match self.addresses.first() {
            Some(IpAddr::V6(first)) => first.is_unicast_link_local(),
            Some(IpAddr::V4(_)) | None => true,
        }
    }

    /// Octets of the encoded message.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        length(self.version(), self.family, self.addresses.len())
    }

    /// The message as it travels from `source` to `destination`.
    ///
    /// # Panics
    /// As [`Advert::encode_into`].
    #[must_use]
    pub fn encode(&self, form: ChecksumForm, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.encode_into(form, source, destination, &mut out);
        out
    }

    /// Replaces the content of `out` by the message as it travels from `source` to `destination`;
    /// allocates only when `out` is too small.
    ///
    /// `form` decides for VRRPv3 over IPv4; VRRPv2 is summed without and IPv6 with the pseudo-header
    /// whatever it says.
    ///
    /// # Panics
    /// When source or destination are of another family than the advert: there is no such packet.
    pub fn encode_into(
        &self,
        form: ChecksumForm,
        source: IpAddr,
        destination: IpAddr,
        out: &mut Vec<u8>,
    ) {
        assert!(
            Family::of(&source) == self.family && Family::of(&destination) == self.family,
            "an {} advert cannot travel from {source} to {destination}",
            self.family
        );
        // `new` allows 1..=255 addresses.
        let count = u8::try_from(self.addresses.len()).unwrap_or(u8::MAX);
        let (version, interval) = match self.body {
            Body::V2 { interval, auth } => (2, [auth.wire_type(), interval.get()]),
            // RFC 9568 §5.2.6: the reserved nibble above the 12 bits is sent as zero, and `Centis`
            // has no bit there.
            Body::V3 { interval } => (3, interval.get().to_be_bytes()),
        };
        out.clear();
        out.reserve(self.encoded_len());
        out.push(version << 4 | ADVERTISEMENT);
        out.extend([self.vrid.get(), self.priority.get(), count]);
        out.extend(interval);
        out.extend([0, 0]);
        for address in &self.addresses {
            match address {
                IpAddr::V4(address) => out.extend(address.octets()),
                IpAddr::V6(address) => out.extend(address.octets()),
            }
        }
        let around = Some((source, destination));
        let around = match (&self.body, self.family) {
            (Body::V2 { auth, .. }, _) => {
                // RFC 3768 §5.3.8: the sum covers these octets too.
                out.extend(auth.data());
                None
            }
            (Body::V3 { .. }, Family::V4) if form == ChecksumForm::Rfc9568 => None,
            (Body::V3 { .. }, Family::V4 | Family::V6) => around,
        };
        let sum = checksum::of_message(out, around).to_be_bytes();
        out[6..HEADER].copy_from_slice(&sum);
    }
}

/// Octets of a message with `count` addresses (RFC 3768 §5.1, RFC 9568 §5.2).
pub(super) const fn length(version: Version, family: Family, count: usize) -> usize {
    let trailer = match version {
        Version::V2 => AUTH_DATA,
        Version::V3 => 0,
    };
    HEADER + count * family.octets() + trailer
}

/// How many addresses an advert can list and still leave as one packet through an interface with
/// this MTU, at most 255. A longer list is for the configuration to refuse: a fragmented advert is
/// never parsed.
#[must_use]
pub fn most_addresses(version: Version, family: Family, mtu: u32) -> usize {
    let ip_header = match family {
        Family::V4 => 20,
        Family::V6 => 40,
    };
    let mtu = usize::try_from(mtu).unwrap_or(usize::MAX);
    let room = mtu.saturating_sub(ip_header + length(version, family, 0));
    (room / family.octets()).min(usize::from(u8::MAX))
}

/// What no advert can carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AdvertError {
    /// The address list is empty (RFC 9568 §5.2.5).
    NoAddresses,
    /// The count field has one octet.
    TooManyAddresses {
        /// How many there were.
        got: usize,
    },
    /// The list begins in one family and goes on in the other (RFC 9568 §5.2.9).
    MixedFamilies {
        /// The family of the first address.
        family: Family,
        /// The first address that is of the other one.
        other: IpAddr,
    },
    /// VRRPv2 knows IPv4 only (RFC 3768 §5.3.9).
    Ipv6InV2 {
        /// The first address.
        address: IpAddr,
    },
}

impl fmt::Display for AdvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdvertError::NoAddresses => f.write_str("an advert lists at least one address"),
            AdvertError::TooManyAddresses { got } => {
                write!(f, "an advert lists at most 255 addresses, not {got}")
            }
            AdvertError::MixedFamilies { family, other } => {
                write!(f, "an advert that begins with {family} cannot list {other} too")
            }
            AdvertError::Ipv6InV2 { address } => {
                write!(f, "VRRPv2 cannot carry {address}: IPv6 needs VRRPv3")
            }
        }
    }
}

impl core::error::Error for AdvertError {}
