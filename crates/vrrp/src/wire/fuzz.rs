//! The door for fuzzers: any octets at all, and what must hold whatever they are.
//!
//! Kept in the library, not in a fuzz target, so that the unit tests drive the very same function
//! over every truncation and bit flip of real frames.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;

use base::{Family, Secret, Version, Wall};

use super::frame::parse_ethernet;
use super::hmac::{Demand, Freshness, Key, Marks, Mode, Policy, TRAILER};
use super::{
    Arrival, Auth, ChecksumRule, Heard, Reach, Terms, decode, examine_unknown, group, vrid_of,
};

/// Reads `octets` as an Ethernet frame and, failing that, as a bare message between two addresses,
/// under every kind of terms.
///
/// # Panics
/// When a property is broken: an accepted advert, encoded, is accepted again as the same value, and
/// a refusal has a text.
pub fn any_octets(octets: &[u8]) {
    match parse_ethernet(octets) {
        Ok(arrival) => any_arrival(&arrival),
        Err(discard) => assert!(!discard.to_string().is_empty(), "a refusal without a text"),
    }
    let source_v4 = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));
    let source_v6 = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x99));
    for (source, family) in [(source_v4, Family::V4), (source_v6, Family::V6)] {
        let arrival =
            Arrival { source, destination: group(family), ttl: super::TTL, payload: octets };
        any_arrival(&arrival);
    }
}

fn any_arrival(arrival: &Arrival<'_>) {
    let own_interval_v2 = NonZeroU8::MIN;
    let key = Key::new(7, Secret::new((0x40..0x60).collect())).map(|key| vec![key]);
    let policy = Policy::new(key.unwrap_or_default(), 7, Freshness::Monotonic, Mode::Permissive)
        .unwrap_or_else(|why| panic!("{why}"));
    let marks = Marks::default();
    let demand = Demand { policy: &policy, marks: &marks, wall: Wall::default() };
    for family in [Family::V4, Family::V6] {
        let unknown = examine_unknown(arrival, family);
        assert!(!unknown.to_string().is_empty(), "a refusal without a text");
        for version in [Version::V2, Version::V3] {
            for auth in [Auth::None, Auth::Pass(*b"s3cr3t\0\0")] {
                for (strict, hmac) in [(false, None), (true, None), (false, Some(demand))] {
                    let terms = Terms {
                        version,
                        family,
                        reach: Reach::Multicast { group: group(family) },
                        checksum: ChecksumRule::Either,
                        auth: &auth,
                        hmac,
                        allowed: &[],
                        own_interval_v2,
                        own_addresses: &[],
                        subnets: &[],
                        bare: false,
                        strict,
                    };
                    match decode(arrival, &terms) {
                        Ok(heard) => comes_back(arrival, &terms, &heard),
                        Err(discard) => {
                            assert!(!discard.to_string().is_empty(), "a refusal without a text");
                        }
                    }
                }
            }
        }
    }
}

fn comes_back(arrival: &Arrival<'_>, terms: &Terms<'_>, heard: &Heard) {
    let vrid = heard.advert.vrid().get();
    assert_eq!(vrid_of(arrival.payload), Some(vrid), "demultiplexed to another VRID");
    let again = heard.advert.encode(heard.checksum, arrival.source, arrival.destination);
    let trailer = heard.signed.map_or(0, |_| TRAILER);
    assert_eq!(again.len() + trailer, arrival.payload.len(), "encoded to another length");
    let second = decode(&Arrival { payload: &again, ..*arrival }, terms);
    let unsigned = Heard { signed: None, ..heard.clone() };
    assert_eq!(second, Ok(unsigned), "encoded and decoded to another value");
}
