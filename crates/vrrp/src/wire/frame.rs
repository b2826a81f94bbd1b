//! What lies around a VRRP message: IPv4, IPv6 and Ethernet.
//!
//! On a node the kernel does most of this; simulations, tests, captures and a driver that speaks
//! from the virtual router MAC do it here. Parsing tolerates what RFC 791 and RFC 8200 let a sender
//! put around a message (options, extension headers, padding) and refuses what is no whole datagram.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::Mac;

use super::checksum::of_octets;
use super::{Arrival, Discard, PROTOCOL, TRAFFIC_CLASS, TTL};

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;

// IANA protocol numbers that matter here.
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION_HEADER: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

/// The fields of an IPv4 header that a sender of adverts chooses (RFC 791 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4Header {
    /// Who sends.
    pub source: Ipv4Addr,
    /// To where.
    pub destination: Ipv4Addr,
    /// TTL; see [`TTL`].
    pub ttl: u8,
    /// Type of service; see [`TRAFFIC_CLASS`].
    pub tos: u8,
    /// Identification. Zero in a datagram handed to a raw socket lets the kernel choose.
    pub id: u16,
    /// Don't Fragment; FRR sets it, keepalived does not.
    pub dont_fragment: bool,
}

impl Ipv4Header {
    /// As adverts are sent: TTL 255, CS6, fragmentation left open as keepalived leaves it.
    #[must_use]
    pub const fn of_advert(source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        Self { source, destination, ttl: TTL, tos: TRAFFIC_CLASS, id: 0, dont_fragment: false }
    }
}

/// The fields of an IPv6 header that a sender of adverts chooses (RFC 8200 §3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv6Header {
    /// Who sends.
    pub source: Ipv6Addr,
    /// To where.
    pub destination: Ipv6Addr,
    /// Hop limit; see [`TTL`].
    pub hop_limit: u8,
    /// Traffic class; see [`TRAFFIC_CLASS`].
    pub traffic_class: u8,
    /// Flow label; the lower 20 bits are sent.
    pub flow_label: u32,
}

impl Ipv6Header {
    /// As adverts are sent: hop limit 255, CS6, no flow label.
    #[must_use]
    pub const fn of_advert(source: Ipv6Addr, destination: Ipv6Addr) -> Self {
        Self { source, destination, hop_limit: TTL, traffic_class: TRAFFIC_CLASS, flow_label: 0 }
    }
}

/// Replaces the content of `out` by an IPv4 datagram of protocol 112 that carries `payload`.
///
/// # Panics
/// When they do not fit into one datagram together; the longest advert has 1036 octets.
pub fn ipv4_datagram(header: &Ipv4Header, payload: &[u8], out: &mut Vec<u8>) {
    let Ok(total) = u16::try_from(IPV4_HEADER + payload.len()) else {
        panic!("{} octets do not fit into an IPv4 datagram", payload.len());
    };
    out.clear();
    // Version 4, five words of header.
    out.extend([0x45, header.tos]);
    out.extend(total.to_be_bytes());
    out.extend(header.id.to_be_bytes());
    out.extend([if header.dont_fragment { 0x40 } else { 0 }, 0]);
    out.extend([header.ttl, PROTOCOL, 0, 0]);
    out.extend(header.source.octets());
    out.extend(header.destination.octets());
    let sum = of_octets(out).to_be_bytes();
    out[10..12].copy_from_slice(&sum);
    out.extend_from_slice(payload);
}

/// Replaces the content of `out` by an IPv6 datagram of next header 112 that carries `payload`.
///
/// # Panics
/// When they do not fit into one datagram together; the longest advert has 4088 octets.
pub fn ipv6_datagram(header: &Ipv6Header, payload: &[u8], out: &mut Vec<u8>) {
    let Ok(length) = u16::try_from(payload.len()) else {
        panic!("{} octets do not fit into an IPv6 datagram", payload.len());
    };
    out.clear();
    let word = 6 << 28 | u32::from(header.traffic_class) << 20 | (header.flow_label & 0x000f_ffff);
    out.extend(word.to_be_bytes());
    out.extend(length.to_be_bytes());
    out.extend([PROTOCOL, header.hop_limit]);
    out.extend(header.source.octets());
    out.extend(header.destination.octets());
    out.extend_from_slice(payload);
}

/// Replaces the content of `out` by an Ethernet frame that carries `datagram`, whose first nibble
/// says whether it is IPv4 or IPv6.
pub fn ethernet_frame(source: Mac, destination: Mac, datagram: &[u8], out: &mut Vec<u8>) {
    let ethertype = match datagram.first() {
        Some(octet) if octet >> 4 == 6 => ETHERTYPE_IPV6,
        Some(_) | None => ETHERTYPE_IPV4,
    };
    out.clear();
    out.extend(destination.0);
    out.extend(source.0);
    out.extend(ethertype.to_be_bytes());
    out.extend_from_slice(datagram);
}

/// The Ethernet address of a multicast group: 01:00:5e and the lower 23 bits (RFC 1112 §6.4), or
/// 33:33 and the lower 32 (RFC 2464 §7). `None` when `group` is no multicast address.
#[must_use]
pub const fn multicast_mac(group: IpAddr) -> Option<Mac> {
    match group {
        IpAddr::V4(group) if group.is_multicast() => {
            let [_, b, c, d] = group.octets();
            Some(Mac([0x01, 0x00, 0x5e, b & 0x7f, c, d]))
        }
        IpAddr::V6(group) if group.is_multicast() => {
            let [.., a, b, c, d] = group.octets();
            Some(Mac([0x33, 0x33, a, b, c, d]))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// A VRRP message out of an Ethernet frame. The Ethernet addresses are not looked at: whoever can
/// receive the frame may.
///
/// # Errors
/// When the frame holds no whole IP datagram, or one that is not VRRP.
pub fn parse_ethernet(frame: &[u8]) -> Result<Arrival<'_>, Discard> {
    let truncated = Discard::Truncated { got: frame.len(), need: 14 };
    let (header, datagram) = frame.split_first_chunk::<14>().ok_or(truncated)?;
    match u16::from_be_bytes([header[12], header[13]]) {
        ETHERTYPE_IPV4 => {
            let arrival = parse_ipv4(datagram)?;
            // A raw socket's datagrams were verified by the kernel, which may have written into
            // their options since; only here is it our turn.
            let header_octets = usize::from(datagram[0] & 0x0f) * 4;
            match datagram.get(..header_octets) {
                Some(header) if of_octets(header) == 0 => Ok(arrival),
                Some(_) | None => Err(Discard::IpChecksum),
            }
        }
        ETHERTYPE_IPV6 => parse_ipv6(datagram),
        got => Err(Discard::EtherType { got }),
    }
}

/// A VRRP message out of an IPv4 datagram, as a raw socket delivers it. Options are skipped; what
/// follows the datagram's own length is padding. The header's checksum is left to whoever received
/// it: the kernel, or [`parse_ethernet`].
///
/// # Errors
/// When it is not one whole IPv4 datagram (a fragment is not), or not VRRP.
pub fn parse_ipv4(datagram: &[u8]) -> Result<Arrival<'_>, Discard> {
    let truncated = |need| Discard::Truncated { got: datagram.len(), need };
    let (header, _) = datagram.split_first_chunk::<IPV4_HEADER>().ok_or(truncated(IPV4_HEADER))?;
    let [first, _, t0, t1, _, _, f0, f1, ttl, protocol, _, _, addresses @ ..] = *header;
    if first >> 4 != 4 {
        return Err(Discard::IpVersion { got: first >> 4, want: 4 });
    }
    let header_octets = (first & 0x0f) * 4;
    let begin = usize::from(header_octets);
    if begin < IPV4_HEADER {
        return Err(Discard::IpHeaderLength { got: header_octets });
    }
    let end = usize::from(u16::from_be_bytes([t0, t1]));
    let payload = datagram
        .get(begin..end)
        .ok_or(Discard::IpLength { got: datagram.len(), claimed: end.max(begin) })?;
    // More Fragments, or an offset: thirteen bits below the three flags.
    if u16::from_be_bytes([f0, f1]) & 0x3fff != 0 {
        return Err(Discard::Fragment);
    }
    check_protocol(protocol)?;
    let [a, b, c, d, e, f, g, h] = addresses;
    Ok(Arrival {
        source: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        destination: IpAddr::V4(Ipv4Addr::new(e, f, g, h)),
        ttl,
        payload,
    })
}

/// A VRRP message out of an IPv6 datagram. Hop-by-hop, destination and used-up routing headers are
/// skipped, and so is a fragment header that cuts nothing (RFC 6946).
///
/// # Errors
/// When it is not one whole IPv6 datagram, not yet at its final destination, or not VRRP.
pub fn parse_ipv6(datagram: &[u8]) -> Result<Arrival<'_>, Discard> {
    let truncated = |need| Discard::Truncated { got: datagram.len(), need };
    let (header, rest) =
        datagram.split_first_chunk::<IPV6_HEADER>().ok_or(truncated(IPV6_HEADER))?;
    let [first, _, _, _, l0, l1, next, ttl, addresses @ ..] = *header;
    if first >> 4 != 6 {
        return Err(Discard::IpVersion { got: first >> 4, want: 6 });
    }
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let body = rest
        .get(..length)
        .ok_or(Discard::IpLength { got: datagram.len(), claimed: IPV6_HEADER + length })?;
    let payload = skip_extensions(next, body, datagram.len())?;
    let (pair, _) = addresses.as_chunks::<16>();
    let address = |nth: usize| Ipv6Addr::from(pair.get(nth).copied().unwrap_or_default());
    Ok(Arrival {
        source: IpAddr::V6(address(0)),
        destination: IpAddr::V6(address(1)),
        ttl,
        payload,
    })
}

/// Walks the extension headers (RFC 8200 §4) down to the VRRP message. Each is at least eight
/// octets long, so the walk ends.
fn skip_extensions(mut next: u8, mut body: &[u8], received: usize) -> Result<&[u8], Discard> {
    loop {
        match next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | FRAGMENT => {}
            last => return check_protocol(last).map(|()| body),
        }
        let missing = |need: usize| Discard::Truncated {
            got: received,
            need: received + need.saturating_sub(body.len()),
        };
        let [following, length, b, c, ..] = *body else { return Err(missing(8)) };
        let octets = match next {
            FRAGMENT => {
                // Offset in the upper 13 bits, More Fragments in the lowest.
                if u16::from_be_bytes([b, c]) & 0xfff9 != 0 {
                    return Err(Discard::Fragment);
                }
                8
            }
            // The third octet type, the fourth segments left; a message that still travels has
            // another final destination than the header says, and its checksum knows only that.
            ROUTING if c != 0 => return Err(Discard::NotFinal { left: c }),
            _ => 8 + usize::from(length) * 8,
        };
        body = body.get(octets..).ok_or(missing(octets))?;
        next = following;
    }
}

fn check_protocol(protocol: u8) -> Result<(), Discard> {
    match protocol {
        PROTOCOL => Ok(()),
        AUTHENTICATION_HEADER => Err(Discard::AuthHeader),
        got => Err(Discard::Protocol { got }),
    }
}
