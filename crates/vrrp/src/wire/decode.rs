//! From a received packet to an [`Advert`], or to the one check it failed.
//!
//! The checks stand in the order of RFC 9568 §7.1, each once, so that the same bad packet always
//! falls under the same counter. All of them are made before anything is handed on: a refused
//! packet has touched no timer and no state.
//!
//! The router first asks [`vrid_of`] whom a packet is for. If nobody here has that VRID,
//! [`examine_unknown`] says what to count; else [`decode`] judges it by that instance's [`Terms`].

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;

use base::{Centis, Family, Priority, Version, Vrid};

use super::advert::length;
use super::checksum::{agrees, of_message};
use super::hmac::{self, Mode, Sequence, TRAILER};
use super::{
    ADVERTISEMENT, Advert, Arrival, Auth, Body, ChecksumForm, ChecksumRule, Discard, HEADER,
    PeerTerms, Reach, TTL, Terms,
};

/// An advert that passed every check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    /// The advert.
    pub advert: Advert,
    /// Which form its checksum had. Worth learning for VRRPv3 over IPv4 only: VRRPv2 is always
    /// reported as the message-only form, IPv6 as the one with pseudo-header.
    pub checksum: ChecksumForm,
    /// The number it was signed with; `None`: it was not signed.
    pub signed: Option<Sequence>,
}

/// The VRID of a message, if it is long enough to have one: enough to find the instance it is for,
/// and no proof that it is an advert.
#[must_use]
pub fn vrid_of(payload: &[u8]) -> Option<u8> {
    payload.get(1).copied()
}

/// Judges a packet by the terms of the instance it is for.
///
/// # Errors
/// The first check it fails, in the order of RFC 9568 §7.1; RFC 3768 §7.1 and RFC 2338 §7.1 for
/// authentication and interval of VRRPv2.
pub fn decode(arrival: &Arrival<'_>, terms: &Terms<'_>) -> Result<Heard, Discard> {
    decode_into(arrival, terms, &mut Vec::new())
}

/// The same, with room for the list of addresses: taken if the packet is heard, and to be had back
/// from [`Advert::into_addresses`].
///
/// # Errors
/// As [`decode`].
pub fn decode_into(
    arrival: &Arrival<'_>,
    terms: &Terms<'_>,
    room: &mut Vec<IpAddr>,
) -> Result<Heard, Discard> {
    check_ttl(arrival, &terms.reach)?;
    check_reach(arrival, terms)?;
    let fields = Fields::of(arrival.payload)?;
    let version = terms.version;
    if fields.version() != Some(version) || (version == Version::V2 && terms.family == Family::V6) {
        return Err(Discard::Version { got: fields.version_nibble(), want: Some(version) });
    }
    fields.check_type()?;
    let parts = fields.split(arrival.payload, version, terms.family, terms.hmac.is_some())?;
    let checksum = check_checksum(arrival, &parts, version, terms.family, terms.checksum)?;
    let vrid = Vrid::new(fields.vrid).ok_or(Discard::Vrid { got: fields.vrid })?;
    if fields.count == 0 && !terms.bare {
        return Err(Discard::NoAddresses);
    }
    let signed = check_signature(arrival, &parts, terms)?;
    let body = fields.body(version)?;
    check_source(arrival, terms)?;
    let body = check_v2(&fields, body, terms)?;
    let priority = Priority::new(fields.priority);
    let mut addresses = core::mem::take(room);
    fields.addresses(terms.family, &mut addresses);
    // The list is of one family, of at most 255 addresses and never IPv6 in v2 by now: all that
    // `new` could still refuse is an empty one.
    let advert = if addresses.is_empty() {
        Advert::bare(vrid, priority, terms.family, body)
    } else {
        Advert::new(vrid, priority, addresses, body)
    };
    let advert = advert.map_err(|_| Discard::NoAddresses)?;
    match advert.addresses() {
        [first, ..] if terms.strict && !advert.begins_link_local() => {
            Err(Discard::FirstNotLinkLocal { got: *first })
        }
        _ => Ok(Heard { advert, checksum, signed }),
    }
}

/// What to count for a packet of `family` whose VRID nobody here has: the first check that it would
/// have failed whoever it is for, else [`Discard::Vrid`].
#[must_use]
pub fn examine_unknown(arrival: &Arrival<'_>, family: Family) -> Discard {
    let examine = || {
        // A unicast advert may have a smaller TTL by agreement, and whose agreement this would be
        // is not known.
        if arrival.destination.is_multicast() && arrival.ttl != TTL {
            return Err(Discard::Ttl { got: arrival.ttl, min: TTL, max: TTL });
        }
        let fields = Fields::of(arrival.payload)?;
        let version = fields
            .version()
            .filter(|version| *version == Version::V3 || family == Family::V4)
            .ok_or(Discard::Version { got: fields.version_nibble(), want: None })?;
        fields.check_type()?;
        let parts = fields.split(arrival.payload, version, family, true)?;
        check_checksum(arrival, &parts, version, family, ChecksumRule::Either)?;
        Ok(Discard::Vrid { got: fields.vrid })
    };
    examine().unwrap_or_else(|discard| discard)
}

/// RFC 9568 §7.1: the TTL or hop limit is 255. For unicast it is what was agreed with that peer.
fn check_ttl(arrival: &Arrival<'_>, reach: &Reach<'_>) -> Result<(), Discard> {
    let (min, max) = match reach {
        Reach::Multicast { .. } => (TTL, TTL),
        Reach::Unicast { peers, .. } => match peer(peers, &arrival.source) {
            Some(peer) => (peer.min_ttl, peer.max_ttl),
            // A stranger, if strangers are let in at all, has agreed nothing.
            None => (TTL, TTL),
        },
    };
    if (min..=max).contains(&arrival.ttl) || base::planted!(AnyTtl) {
        Ok(())
    } else {
        Err(Discard::Ttl { got: arrival.ttl, min, max })
    }
}

/// Sent to where this instance listens, and by one it listens to.
fn check_reach(arrival: &Arrival<'_>, terms: &Terms<'_>) -> Result<(), Discard> {
    let got = arrival.destination;
    match terms.reach {
        Reach::Multicast { group } if got == group => {
            if terms.allowed.is_empty() || terms.allowed.contains(&arrival.source) {
                Ok(())
            } else {
                Err(Discard::UnlistedSource { got: arrival.source })
            }
        }
        Reach::Multicast { group } => Err(Discard::Destination { got, group: Some(group) }),
        Reach::Unicast { .. } if !terms.own_addresses.contains(&got) => {
            Err(Discard::Destination { got, group: None })
        }
        Reach::Unicast { peers, check_source } => {
            if check_source && peer(peers, &arrival.source).is_none() {
                Err(Discard::UnlistedSource { got: arrival.source })
            } else {
                Ok(())
            }
        }
    }
}

fn peer<'a>(peers: &'a [PeerTerms], address: &IpAddr) -> Option<&'a PeerTerms> {
    peers.iter().find(|peer| peer.address == *address)
}

/// The two halves of a payload: the message as long as its count says, and what stands behind it.
struct Parts<'a> {
    message: &'a [u8],
    trailer: Option<&'a [u8; TRAILER]>,
}

/// draft-cassen-vrrp-auth-hmac: a trailer that is there must be right whatever the mode; only that
/// there is none may be forgiven.
fn check_signature(
    arrival: &Arrival<'_>,
    parts: &Parts<'_>,
    terms: &Terms<'_>,
) -> Result<Option<Sequence>, Discard> {
    match (&terms.hmac, parts.trailer) {
        (None, _) => Ok(None),
        (Some(demand), Some(trailer)) => {
            hmac::verify(demand, arrival.source, parts.message, trailer).map(Some)
        }
        (Some(demand), None) if demand.policy.mode() == Mode::Enforce => Err(Discard::HmacMissing),
        (Some(_), None) => Ok(None),
    }
}

/// RFC 9568 §7.1, §5.2.8; RFC 3768 §5.3.8. Says which form the sum has. A trailer is no part of what
/// is summed over IPv4, and is over IPv6, where the kernel sums whatever it sends.
fn check_checksum(
    arrival: &Arrival<'_>,
    parts: &Parts<'_>,
    version: Version,
    family: Family,
    rule: ChecksumRule,
) -> Result<ChecksumForm, Discard> {
    let (pseudo, message) = match (version, family, rule) {
        (Version::V2, _, _) => (false, true),
        (Version::V3, Family::V6, _) => (true, false),
        (Version::V3, Family::V4, ChecksumRule::Either) => (true, true),
        (Version::V3, Family::V4, ChecksumRule::Only(form)) => {
            (form == ChecksumForm::Rfc5798, form == ChecksumForm::Rfc9568)
        }
    };
    let got = Fields::of(arrival.payload)?.checksum;
    let summed = match family {
        Family::V4 => parts.message,
        Family::V6 => arrival.payload,
    };
    let around = Some((arrival.source, arrival.destination));
    let pseudo = pseudo.then(|| of_message(summed, around));
    let message = message.then(|| of_message(summed, None));
    if pseudo.is_some_and(|want| agrees(got, want)) {
        Ok(ChecksumForm::Rfc5798)
    } else if message.is_some_and(|want| agrees(got, want)) {
        Ok(ChecksumForm::Rfc9568)
    } else {
        Err(Discard::Checksum { got, pseudo, message })
    }
}

/// The source can be a peer's. No RFC asks for it, but 0.0.0.0 would win no tie and lose none, and
/// our own address would be a tie with ourselves.
fn check_source(arrival: &Arrival<'_>, terms: &Terms<'_>) -> Result<(), Discard> {
    let got = arrival.source;
    let possible = match got {
        IpAddr::V4(source) => {
            terms.family == Family::V4
                && !source.is_unspecified()
                && !source.is_multicast()
                && !source.is_broadcast()
                && !terms.subnets.iter().any(|subnet| subnet.broadcasts_as(source))
        }
        IpAddr::V6(source) => {
            terms.family == Family::V6 && !source.is_unspecified() && !source.is_multicast()
        }
    };
    if !possible {
        return Err(Discard::Source { got });
    }
    if terms.own_addresses.contains(&got) {
        return Err(Discard::OwnSource { got });
    }
    let multicast = matches!(terms.reach, Reach::Multicast { .. });
    if !terms.strict || !multicast {
        return Ok(());
    }
    match got {
        // RFC 9568 §5.1.2.1; and a link-local source is on the link by definition.
        IpAddr::V6(source) if !source.is_unicast_link_local() => {
            Err(Discard::SourceNotLinkLocal { got })
        }
        IpAddr::V4(_) => {
            let mut known =
                terms.subnets.iter().filter(|subnet| subnet.address.is_ipv4()).peekable();
            if known.peek().is_some() && !known.any(|subnet| subnet.contains(&got)) {
                Err(Discard::OffLink { got })
            } else {
                Ok(())
            }
        }
        IpAddr::V6(_) => Ok(()),
    }
}

/// RFC 2338 §7.1 and RFC 3768 §7.1: authentication, then the interval, are as configured here.
fn check_v2(fields: &Fields<'_>, body: Body, terms: &Terms<'_>) -> Result<Body, Discard> {
    let Body::V2 { interval, .. } = body else { return Ok(body) };
    let (got, want) = (fields.auth_type(), terms.auth.wire_type());
    if got > 2 {
        return Err(Discard::UnknownAuthType { got });
    }
    if got != want {
        return Err(Discard::AuthType { got, want });
    }
    // RFC 3768 §5.3.10: of type 0, whatever the data holds is ignored.
    if want == 1 && Auth::Pass(fields.auth_data()) != *terms.auth {
        return Err(Discard::AuthFailure);
    }
    if interval != terms.own_interval_v2 {
        return Err(Discard::Interval { got: interval.get(), want: terms.own_interval_v2.get() });
    }
    Ok(Body::V2 { interval, auth: *terms.auth })
}

/// The fixed part of a message, taken apart but not yet believed.
struct Fields<'a> {
    version_and_type: u8,
    vrid: u8,
    priority: u8,
    count: u8,
    /// v2: Auth Type and Adver Int; v3: reserved nibble and Max Advertise Interval.
    middle: [u8; 2],
    checksum: u16,
    /// All that follows: addresses, and in v2 the authentication data.
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn of(payload: &'a [u8]) -> Result<Self, Discard> {
        let short = Discard::Length { got: payload.len(), need: HEADER };
        let (header, rest) = payload.split_first_chunk::<HEADER>().ok_or(short)?;
        let [version_and_type, vrid, priority, count, m0, m1, c0, c1] = *header;
        Ok(Self {
            version_and_type,
            vrid,
            priority,
            count,
            middle: [m0, m1],
            checksum: u16::from_be_bytes([c0, c1]),
            rest,
        })
    }

    const fn version_nibble(&self) -> u8 {
        self.version_and_type >> 4
    }

    const fn version(&self) -> Option<Version> {
        match self.version_nibble() {
            2 => Some(Version::V2),
            3 => Some(Version::V3),
            _ => None,
        }
    }

    /// RFC 9568 §5.2.2: a packet of unknown type is discarded.
    fn check_type(&self) -> Result<(), Discard> {
        match self.version_and_type & 0x0f {
            ADVERTISEMENT => Ok(()),
            got => Err(Discard::Type { got }),
        }
    }

    /// Exactly as long as its count says. Ethernet padding never gets here, so anything more is no
    /// advert we know; it is also all that tells CARP, which shares VRRPv2's numbers, apart.
    ///
    /// Where a trailer is allowed, exactly one may follow.
    fn split(
        &self,
        payload: &'a [u8],
        version: Version,
        family: Family,
        trailers: bool,
    ) -> Result<Parts<'a>, Discard> {
        let need = length(version, family, usize::from(self.count));
        let wrong = Discard::Length { got: payload.len(), need };
        let (message, rest) = payload.split_at_checked(need).ok_or(wrong)?;
        match <&[u8; TRAILER]>::try_from(rest) {
            Ok(trailer) if trailers => Ok(Parts { message, trailer: Some(trailer) }),
            _ if rest.is_empty() => Ok(Parts { message, trailer: None }),
            _ => Err(wrong),
        }
    }

    /// The interval of either version; the authentication of v2 is judged later.
    fn body(&self, version: Version) -> Result<Body, Discard> {
        let [auth_type, seconds] = self.middle;
        match version {
            Version::V2 => NonZeroU8::new(seconds)
                .map(|interval| Body::V2 { interval, auth: Auth::None })
                .ok_or(Discard::ZeroInterval),
            // RFC 9568 §5.2.6: the reserved nibble is ignored on reception.
            Version::V3 => Centis::new(u16::from_be_bytes([auth_type & 0x0f, seconds]))
                .or(if base::planted!(ZeroInterval) { Centis::new(1) } else { None })
                .map(|interval| Body::V3 { interval })
                .ok_or(Discard::ZeroInterval),
        }
    }

    /// Replaces what is in `into` by the listed addresses.
    fn addresses(&self, family: Family, into: &mut Vec<IpAddr>) {
        let count = usize::from(self.count);
        into.clear();
        match family {
            Family::V4 => {
                let (addresses, _) = self.rest.as_chunks::<4>();
                into.extend(addresses.iter().take(count).map(|a| IpAddr::V4(Ipv4Addr::from(*a))));
            }
            Family::V6 => {
                let (addresses, _) = self.rest.as_chunks::<16>();
                into.extend(addresses.iter().take(count).map(|a| IpAddr::V6(Ipv6Addr::from(*a))));
            }
        }
    }

    const fn auth_type(&self) -> u8 {
        self.middle[0]
    }

    /// The eight octets behind the addresses, which the length check has made sure of in v2.
    fn auth_data(&self) -> [u8; 8] {
        let addresses = usize::from(self.count) * Family::V4.octets();
        let data = self.rest.get(addresses..).and_then(|data| data.first_chunk::<8>());
        data.copied().unwrap_or_default()
    }
}
