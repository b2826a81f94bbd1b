//! Why a packet was refused: what was found, what was wanted, and what to look at.
//!
//! One variant per check, each with the figures of this very packet. Its [`Counter`] is the coarse,
//! stable name; its text is one sentence for a person, with the usual cause where there is one.
//! Passwords and keys never appear in it.

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use base::Version;
use serde::{Deserialize, Serialize};

use super::Counter;
use super::hmac::TRAILER;

/// A refused packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Discard {
    /// The frame or datagram ends inside one of its headers.
    Truncated {
        /// Octets there are.
        got: usize,
        /// Octets needed at the least.
        need: usize,
    },
    /// Neither IPv4 nor IPv6 in the Ethernet frame.
    EtherType {
        /// What is.
        got: u16,
    },
    /// The version nibble of the IP header is not the expected one.
    IpVersion {
        /// The nibble.
        got: u8,
        /// 4 or 6.
        want: u8,
    },
    /// The IPv4 header says it is shorter than any IPv4 header is.
    IpHeaderLength {
        /// Its length by its own account, in octets.
        got: u8,
    },
    /// The IPv4 header's checksum is wrong.
    IpChecksum,
    /// The IP header claims another length than the frame can hold.
    IpLength {
        /// Octets received.
        got: usize,
        /// Octets claimed.
        claimed: usize,
    },
    /// A fragment; never parsed alone.
    Fragment,
    /// An IPv6 routing header says the packet has not yet arrived.
    NotFinal {
        /// Segments left.
        left: u8,
    },
    /// An IP protocol other than VRRP.
    Protocol {
        /// Which.
        got: u8,
    },
    /// An IP Authentication Header (protocol 51), RFC 2338's authentication type 2.
    AuthHeader,
    /// RFC 9568 §7.1: the TTL or hop limit.
    Ttl {
        /// What it is.
        got: u8,
        /// The least accepted.
        min: u8,
        /// The most accepted.
        max: u8,
    },
    /// Not sent to where the instance listens.
    Destination {
        /// Where it was sent to.
        got: IpAddr,
        /// The group of a multicast instance; `None` where one of our own addresses is wanted.
        group: Option<IpAddr>,
    },
    /// A stranger, where only listed nodes may speak.
    UnlistedSource {
        /// Who it was.
        got: IpAddr,
    },
    /// RFC 9568 §7.1: the version.
    Version {
        /// The version nibble.
        got: u8,
        /// Ours; `None` where either would have done.
        want: Option<Version>,
    },
    /// RFC 9568 §5.2.2: the type.
    Type {
        /// The type nibble; only 1 is known.
        got: u8,
    },
    /// RFC 9568 §7.1: the message is not as long as its address count says.
    Length {
        /// Octets received.
        got: usize,
        /// Octets wanted, exactly.
        need: usize,
    },
    /// RFC 9568 §7.1: the checksum.
    Checksum {
        /// What the field holds.
        got: u16,
        /// What it would be with the pseudo-header (RFC 5798), where that is accepted.
        pseudo: Option<u16>,
        /// What it would be over the message alone (VRRPv2, RFC 9568), where that is accepted.
        message: Option<u16>,
    },
    /// RFC 9568 §7.1: nobody here is configured for this virtual router.
    Vrid {
        /// Its VRID.
        got: u8,
    },
    /// RFC 9568 §5.2.5: an address count of zero.
    NoAddresses,
    /// RFC 9568 §5.2.7: an interval of zero.
    ZeroInterval,
    /// An address that can send nothing: unspecified, multicast, broadcast, or of another family.
    Source {
        /// Which.
        got: IpAddr,
    },
    /// One of our own addresses as source.
    OwnSource {
        /// Which.
        got: IpAddr,
    },
    /// Strict mode: the source is outside the link's prefixes.
    OffLink {
        /// Which.
        got: IpAddr,
    },
    /// Strict mode, RFC 9568 §5.1.2.1: an IPv6 multicast advert from a source that is not
    /// link-local.
    SourceNotLinkLocal {
        /// Which.
        got: IpAddr,
    },
    /// Strict mode, RFC 9568 §5.2.9: an IPv6 list that does not begin with a link-local address.
    FirstNotLinkLocal {
        /// The first address.
        got: IpAddr,
    },
    /// RFC 2338 §5.3.6: an authentication type that does not exist.
    UnknownAuthType {
        /// Which.
        got: u8,
    },
    /// RFC 2338 §7.1: another authentication type than ours.
    AuthType {
        /// Theirs.
        got: u8,
        /// Ours.
        want: u8,
    },
    /// RFC 2338 §7.1: another password than ours.
    AuthFailure,
    /// Not signed, and only signed adverts are heard here.
    HmacMissing,
    /// A trailer of an unknown type, or with something in its reserved field.
    HmacMalformed {
        /// Its type; only 1 is known.
        kind: u8,
        /// Its reserved field.
        reserved: u16,
    },
    /// Signed with a key that we do not have.
    HmacUnknownKey {
        /// The key's number.
        id: u8,
    },
    /// The signature is not the one this key makes of this advert.
    HmacInvalid {
        /// The key's number.
        id: u8,
    },
    /// Signed at a time that our clock says is not now.
    HmacStale {
        /// How far off.
        off: Duration,
        /// Whether in the past.
        behind: bool,
        /// How far it may be.
        window: Duration,
    },
    /// This advert, or a later one of the same sender, was heard before.
    HmacReplay,
    /// RFC 3768 §7.1: another interval than ours.
    Interval {
        /// Theirs, in seconds.
        got: u8,
        /// Ours, in seconds.
        want: u8,
    },
}

impl Discard {
    /// The counter this refusal belongs to.
    #[must_use]
    pub const fn counter(&self) -> Counter {
        match self {
            Discard::Ttl { .. } => Counter::Ttl,
            Discard::IpVersion { .. }
            | Discard::IpHeaderLength { .. }
            | Discard::IpChecksum
            | Discard::NotFinal { .. } => Counter::IpHeader,
            Discard::EtherType { .. } | Discard::Protocol { .. } => Counter::Protocol,
            Discard::Truncated { .. }
            | Discard::IpLength { .. }
            | Discard::Fragment
            | Discard::Length { .. }
            | Discard::NoAddresses => Counter::Length,
            Discard::Destination { .. } => Counter::Destination,
            Discard::UnlistedSource { .. }
            | Discard::Source { .. }
            | Discard::OffLink { .. }
            | Discard::SourceNotLinkLocal { .. } => Counter::Source,
            Discard::OwnSource { .. } => Counter::DuplicateSource,
            Discard::Version { .. } => Counter::Version,
            Discard::Type { .. } => Counter::Type,
            Discard::Checksum { .. } => Counter::Checksum,
            Discard::Vrid { .. } => Counter::Vrid,
            Discard::ZeroInterval | Discard::Interval { .. } => Counter::Interval,
            Discard::FirstNotLinkLocal { .. } => Counter::AddressList,
            Discard::UnknownAuthType { .. } => Counter::InvalidAuthType,
            Discard::AuthHeader | Discard::AuthType { .. } => Counter::AuthType,
            Discard::AuthFailure => Counter::AuthFailure,
            Discard::HmacMissing => Counter::HmacMissing,
            Discard::HmacMalformed { .. } => Counter::HmacMalformed,
            Discard::HmacUnknownKey { .. } => Counter::HmacUnknownKey,
            Discard::HmacInvalid { .. } => Counter::HmacInvalid,
            Discard::HmacStale { .. } => Counter::HmacStale,
            Discard::HmacReplay => Counter::HmacReplay,
        }
    }
}

impl fmt::Display for Discard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Discard::Truncated { got, need } => {
                write!(
                    f,
                    "the packet ends inside its headers: {got} octets where {need} are needed"
                )
            }
            Discard::EtherType { got } => write!(f, "EtherType {got:#06x} is not IPv4 or IPv6"),
            Discard::IpVersion { got, want } => {
                write!(f, "the IP header is of version {got}, wanted {want}")
            }
            Discard::IpHeaderLength { got } => {
                write!(f, "the IPv4 header claims {got} octets, at least 20 are needed")
            }
            Discard::IpChecksum => f.write_str("the checksum of the IPv4 header is wrong"),
            Discard::IpLength { got, claimed } => {
                write!(f, "the IP header claims {claimed} octets, {got} were received")
            }
            Discard::Fragment => f.write_str("a fragment; adverts are never parsed in pieces"),
            Discard::NotFinal { left } => {
                write!(f, "the IPv6 routing header has {left} segments left")
            }
            Discard::Protocol { got } => write!(f, "IP protocol {got} is not VRRP (112)"),
            Discard::AuthHeader => f.write_str(
                "the advert is inside an IP Authentication Header (protocol 51), which is not \
                 spoken here; the peer is configured with `auth_type AH`",
            ),
            Discard::Ttl { got, min, max } if min == max => write!(
                f,
                "TTL or hop limit {got}, wanted {min}; it was forwarded, or not sent as VRRP"
            ),
            Discard::Ttl { got, min, max } => {
                write!(f, "TTL or hop limit {got}, wanted {min} to {max} from this peer")
            }
            Discard::Destination { got, group: Some(group) } => {
                write!(f, "sent to {got}, wanted {group}; does the peer use unicast?")
            }
            Discard::Destination { got, group: None } => {
                write!(
                    f,
                    "sent to {got}, wanted one of our addresses; does the peer use multicast?"
                )
            }
            Discard::UnlistedSource { got } => {
                write!(f, "{got} is not one of the configured peers")
            }
            Discard::Version { got, want: Some(want) } => write!(
                f,
                "VRRP version {got}, wanted {want}; all nodes of a virtual router must speak the \
                 same version"
            ),
            Discard::Version { got, want: None } => {
                write!(f, "VRRP version {got}, wanted 2 (IPv4 only) or 3")
            }
            Discard::Type { got } => write!(f, "VRRP message type {got}, wanted 1"),
            Discard::Length { got, need } if got == need + TRAILER => write!(
                f,
                "{got} octets of VRRP, wanted {need}; the {TRAILER} more look like an HMAC \
                 trailer, which is not configured here"
            ),
            Discard::Length { got, need } => write!(f, "{got} octets of VRRP, wanted {need}"),
            Discard::Checksum { got, pseudo, message } => {
                write!(f, "checksum {got:#06x}, wanted ")?;
                match (pseudo, message) {
                    (Some(pseudo), Some(message)) => write!(
                        f,
                        "{pseudo:#06x} with pseudo-header or {message:#06x} over the message alone"
                    ),
                    (Some(pseudo), None) => write!(f, "{pseudo:#06x} with pseudo-header"),
                    (None, Some(message)) => write!(f, "{message:#06x} over the message alone"),
                    (None, None) => f.write_str("another"),
                }
            }
            Discard::Vrid { got } => {
                write!(f, "VRID {got} is not configured on this interface for this family")
            }
            Discard::NoAddresses => f.write_str("the advert lists no address"),
            Discard::ZeroInterval => f.write_str("an advertisement interval of zero"),
            Discard::Source { got } => write!(f, "{got} cannot be the source of an advert"),
            Discard::OwnSource { got } => write!(
                f,
                "the source {got} is our own address; another node has it too, or our own advert \
                 came back"
            ),
            Discard::OffLink { got } => {
                write!(f, "the source {got} is outside this link's prefixes (strict mode)")
            }
            Discard::SourceNotLinkLocal { got } => {
                write!(f, "the source {got} is not link-local (strict mode)")
            }
            Discard::FirstNotLinkLocal { got } => write!(
                f,
                "the address list begins with {got}, which is not link-local (strict mode)"
            ),
            Discard::UnknownAuthType { got } => {
                write!(f, "authentication type {got} does not exist")
            }
            Discard::AuthType { got, want } => write!(
                f,
                "authentication {}, wanted {}; all nodes of a virtual router must agree",
                auth_name(got),
                auth_name(want)
            ),
            Discard::AuthFailure => f.write_str("the password differs from ours"),
            Discard::HmacMissing => f.write_str(
                "the advert is not signed, and auth_hmac is in mode enforce here; is the peer in \
                 mode receive-only, or somebody else?",
            ),
            Discard::HmacMalformed { kind, reserved } => write!(
                f,
                "an HMAC trailer of type {kind} with {reserved:#06x} in its reserved field, wanted \
                 type 1 and 0x0000"
            ),
            Discard::HmacUnknownKey { id } => write!(
                f,
                "signed with key {id}, which is not configured here; give a new key to all nodes \
                 before one signs with it"
            ),
            Discard::HmacInvalid { id } => write!(
                f,
                "the signature is wrong: a forgery, or key {id} is not the same on both nodes"
            ),
            Discard::HmacStale { off, behind, window } => write!(
                f,
                "signed {off:.1?} in the {}, at most {window:?} are allowed: an old advert sent \
                 again, or clocks that disagree",
                if behind { "past" } else { "future" }
            ),
            Discard::HmacReplay => f.write_str(
                "this advert or a later one of the same sender was heard before: a replay",
            ),
            Discard::Interval { got, want } => write!(
                f,
                "advertisement interval {got} s, ours is {want} s; VRRPv2 drops the adverts of \
                 nodes that differ, and each becomes holder"
            ),
        }
    }
}

/// An Auth Type as people call it (RFC 2338 §5.3.6).
const fn auth_name(wire_type: u8) -> &'static str {
    match wire_type {
        0 => "none (0)",
        1 => "PASS (1)",
        2 => "AH (2)",
        _ => "of an unknown type",
    }
}

impl core::error::Error for Discard {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Every kind, with the figures its text must show.
    fn samples() -> Vec<(Discard, &'static [&'static str])> {
        let got = IpAddr::from([198, 51, 100, 9]);
        let group = Some(IpAddr::from([224, 0, 0, 18]));
        let (pseudo, message) = (Some(0x1111), Some(0x2222));
        vec![
            (Discard::Truncated { got: 13, need: 14 }, &["13", "14"]),
            (Discard::EtherType { got: 0x0806 }, &["0x0806"]),
            (Discard::IpVersion { got: 7, want: 4 }, &["7", "4"]),
            (Discard::IpHeaderLength { got: 16 }, &["16", "20"]),
            (Discard::IpChecksum, &[]),
            (Discard::IpLength { got: 40, claimed: 200 }, &["40", "200"]),
            (Discard::Fragment, &[]),
            (Discard::NotFinal { left: 3 }, &["3"]),
            (Discard::Protocol { got: 17 }, &["17", "112"]),
            (Discard::AuthHeader, &["51"]),
            (Discard::Ttl { got: 64, min: 255, max: 255 }, &["64", "255"]),
            (Discard::Ttl { got: 64, min: 250, max: 254 }, &["64", "250", "254"]),
            (Discard::Destination { got, group }, &["198.51.100.9", "224.0.0.18"]),
            (Discard::Destination { got, group: None }, &["198.51.100.9"]),
            (Discard::UnlistedSource { got }, &["198.51.100.9"]),
            (Discard::Version { got: 2, want: Some(Version::V3) }, &["2", "VRRPv3"]),
            (Discard::Version { got: 4, want: None }, &["4", "2", "3"]),
            (Discard::Type { got: 9 }, &["9", "1"]),
            (Discard::Length { got: 13, need: 12 }, &["13", "12"]),
            (Discard::Length { got: 40, need: 12 }, &["40", "12", "28", "HMAC"]),
            (Discard::Checksum { got: 1, pseudo, message: None }, &["0x0001", "0x1111"]),
            (Discard::Checksum { got: 1, pseudo: None, message }, &["0x0001", "0x2222"]),
            (Discard::Checksum { got: 1, pseudo, message }, &["0x0001", "0x1111", "0x2222"]),
            (Discard::Vrid { got: 79 }, &["79"]),
            (Discard::NoAddresses, &[]),
            (Discard::ZeroInterval, &[]),
            (Discard::Source { got }, &["198.51.100.9"]),
            (Discard::OwnSource { got }, &["198.51.100.9"]),
            (Discard::OffLink { got }, &["198.51.100.9"]),
            (Discard::SourceNotLinkLocal { got }, &["198.51.100.9"]),
            (Discard::FirstNotLinkLocal { got }, &["198.51.100.9"]),
            (Discard::UnknownAuthType { got: 3 }, &["3"]),
            (Discard::AuthType { got: 1, want: 0 }, &["PASS", "none"]),
            (Discard::AuthFailure, &[]),
            (Discard::HmacMissing, &["enforce"]),
            (Discard::HmacMalformed { kind: 9, reserved: 7 }, &["9", "0x0007"]),
            (Discard::HmacUnknownKey { id: 77 }, &["77"]),
            (Discard::HmacInvalid { id: 78 }, &["78"]),
            (Discard::HmacStale { off: SECOND * 9, behind: true, window: SECOND }, &["9", "past"]),
            (Discard::HmacStale { off: SECOND * 8, behind: false, window: SECOND }, &["future"]),
            (Discard::HmacReplay, &["replay"]),
            (Discard::Interval { got: 2, want: 1 }, &["2 s", "1 s"]),
        ]
    }

    #[test]
    fn every_text_is_one_line_of_its_own_and_shows_the_figures() {
        let mut seen = BTreeSet::new();
        for (discard, figures) in samples() {
            let text = discard.to_string();
            assert!(!text.contains('\n') && !text.contains("  "), "{text}");
            for figure in figures {
                assert!(text.contains(figure), "no {figure} in: {text}");
            }
            assert!(seen.insert(text.clone()), "twice: {text}");
        }
    }

    #[test]
    fn every_counter_of_a_refusal_can_be_reached() {
        let reached: BTreeSet<Counter> =
            samples().iter().map(|(discard, _)| discard.counter()).collect();
        assert_eq!(reached, Counter::ALL.into_iter().collect());
    }

    #[test]
    fn a_refusal_can_be_recorded_and_replayed() {
        for (discard, _) in samples() {
            let json = serde_json::to_string(&discard).unwrap();
            assert_eq!(serde_json::from_str::<Discard>(&json).unwrap(), discard);
        }
    }
}
