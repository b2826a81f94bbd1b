//! What is sent (RFC 9568 §5, RFC 3768 §5): one test per requirement, against octets written out by
//! hand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use base::{Centis, Family, Mac, Priority, Version, Vrid};
use vrrp::wire::frame::{Ipv4Header, Ipv6Header, ipv4_datagram, ipv6_datagram, multicast_mac};
use vrrp::wire::{
    Advert, AdvertError, Auth, Body, ChecksumForm, GROUP_V4, GROUP_V6, group, most_addresses,
};

use crate::lab::{advert_v2, advert_v3, ip, ips, vrid};

const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0xa);

fn v3(centis: u16) -> Body {
    Body::V3 { interval: Centis::new(centis).unwrap() }
}

fn sent(advert: &Advert) -> Vec<u8> {
    let source = match advert.family() {
        Family::V4 => IpAddr::V4(SOURCE_V4),
        Family::V6 => IpAddr::V6(SOURCE_V6),
    };
    advert.encode(ChecksumForm::Rfc5798, source, group(advert.family()))
}

#[test]
fn vrrp_001_the_protocol_number_is_112() {
    let mut datagram = Vec::new();
    ipv4_datagram(&Ipv4Header::of_advert(SOURCE_V4, GROUP_V4), b"x", &mut datagram);
    assert_eq!(datagram[9], 112);
    ipv6_datagram(&Ipv6Header::of_advert(SOURCE_V6, GROUP_V6), b"x", &mut datagram);
    assert_eq!(datagram[6], 112);
}

#[test]
fn vrrp_002_adverts_go_to_the_groups_and_their_ethernet_addresses() {
    assert_eq!(group(Family::V4), ip("224.0.0.18"));
    assert_eq!(group(Family::V6), ip("ff02::12"));
    let mac = |family| multicast_mac(group(family)).unwrap().to_string();
    assert_eq!(mac(Family::V4), "01:00:5e:00:00:12");
    assert_eq!(mac(Family::V6), "33:33:00:00:00:12");
    assert_eq!(multicast_mac(ip("239.129.2.3")), Some(Mac([1, 0, 0x5e, 1, 2, 3])));
    assert_eq!(multicast_mac(ip("192.0.2.1")), None);
    assert_eq!(multicast_mac(ip("2001:db8::1")), None);
}

#[test]
fn vrrp_003_adverts_leave_with_ttl_255() {
    let mut datagram = Vec::new();
    ipv4_datagram(&Ipv4Header::of_advert(SOURCE_V4, GROUP_V4), b"x", &mut datagram);
    assert_eq!(datagram[8], 255);
    ipv6_datagram(&Ipv6Header::of_advert(SOURCE_V6, GROUP_V6), b"x", &mut datagram);
    assert_eq!(datagram[7], 255);
}

#[test]
fn vrrp_007_the_first_octet_is_version_and_type() {
    assert_eq!(sent(&advert_v3(&["192.0.2.80"]))[0], 0x31);
    assert_eq!(sent(&advert_v3(&["fe80::80"]))[0], 0x31);
    assert_eq!(sent(&advert_v2(Auth::None))[0], 0x21);
}

#[test]
fn vrrp_008_every_vrid_but_zero_is_sent_as_it_is() {
    for number in 1..=255 {
        let advert =
            Advert::new(vrid(number), Priority::DEFAULT, ips(&["192.0.2.80"]), v3(100)).unwrap();
        assert_eq!(sent(&advert)[1], number);
    }
    assert_eq!(Vrid::new(0), None);
}

#[test]
fn vrrp_009_a_priority_is_sent_as_it_is_and_can_become_zero() {
    let mut advert = advert_v3(&["192.0.2.80"]);
    for priority in 0..=255 {
        advert.set_priority(Priority::new(priority));
        assert_eq!(sent(&advert)[2], priority);
    }
    assert_eq!(Priority::DEFAULT.get(), 100);
}

#[test]
fn vrrp_010_an_advert_lists_one_to_255_addresses() {
    let many = |count: u32| {
        let addresses = (1..=count).map(|n| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n)));
        Advert::new(vrid(80), Priority::DEFAULT, addresses.collect(), v3(100))
    };
    assert_eq!(many(0), Err(AdvertError::NoAddresses));
    assert_eq!(many(256), Err(AdvertError::TooManyAddresses { got: 256 }));
    for count in [1, 2, 255] {
        let payload = sent(&many(count).unwrap());
        assert_eq!(u32::from(payload[3]), count);
        assert_eq!(payload.len(), 8 + usize::try_from(count).unwrap() * 4);
    }
}

#[test]
fn vrrp_011_012_the_interval_has_twelve_bits_and_the_reserved_nibble_is_zero() {
    for centis in 1..=4095 {
        let advert =
            Advert::new(vrid(80), Priority::DEFAULT, ips(&["192.0.2.80"]), v3(centis)).unwrap();
        let payload = sent(&advert);
        assert_eq!(u16::from_be_bytes([payload[4], payload[5]]), centis);
        assert_eq!(payload[4] & 0xf0, 0);
        assert_eq!(advert.interval(), Duration::from_millis(u64::from(centis) * 10));
    }
}

#[test]
fn vrrp_013_all_addresses_are_of_one_family() {
    let mixed = |texts: &[&str]| Advert::new(vrid(80), Priority::DEFAULT, ips(texts), v3(100));
    assert_eq!(
        mixed(&["192.0.2.80", "fe80::80"]),
        Err(AdvertError::MixedFamilies { family: Family::V4, other: ip("fe80::80") })
    );
    assert_eq!(
        mixed(&["fe80::80", "192.0.2.80"]),
        Err(AdvertError::MixedFamilies { family: Family::V6, other: ip("192.0.2.80") })
    );
    let payload = sent(&advert_v3(&["fe80::80", "2001:db8:1::80"]));
    assert_eq!(payload[8..10], [0xfe, 0x80]);
    assert_eq!(payload[24..28], [0x20, 0x01, 0x0d, 0xb8]);
    assert!(advert_v3(&["fe80::80", "2001:db8:1::80"]).begins_link_local());
    assert!(!advert_v3(&["2001:db8:1::80", "fe80::80"]).begins_link_local());
    assert!(advert_v3(&["192.0.2.80"]).begins_link_local());
}

#[test]
fn vrrp_014_a_list_is_as_long_as_the_mtu_allows() {
    // 1500 less the IP header, less eight octets, less eight of authentication data in v2.
    assert_eq!(most_addresses(Version::V3, Family::V4, 1500), 255);
    assert_eq!(most_addresses(Version::V3, Family::V6, 1500), (1500 - 40 - 8) / 16);
    assert_eq!(most_addresses(Version::V2, Family::V4, 576), (576 - 20 - 16) / 4);
    assert_eq!(most_addresses(Version::V3, Family::V4, 31), 0);
    assert_eq!(most_addresses(Version::V3, Family::V4, 32), 1);
    assert_eq!(most_addresses(Version::V3, Family::V4, 0), 0);
    for count in 1..=255_u16 {
        let addresses = (0..count).map(|n| IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n)));
        let advert =
            Advert::new(vrid(80), Priority::DEFAULT, addresses.collect(), v3(100)).unwrap();
        let mut datagram = Vec::new();
        ipv6_datagram(&Ipv6Header::of_advert(SOURCE_V6, GROUP_V6), &sent(&advert), &mut datagram);
        let fits = usize::from(count) <= most_addresses(Version::V3, Family::V6, 1500);
        assert_eq!(datagram.len() <= 1500, fits, "{count} addresses");
        assert_eq!(advert.encoded_len() + 40, datagram.len());
    }
}

#[test]
fn vrrp_015_adverts_are_marked_as_network_control() {
    let mut datagram = Vec::new();
    ipv4_datagram(&Ipv4Header::of_advert(SOURCE_V4, GROUP_V4), b"x", &mut datagram);
    assert_eq!(datagram[1], 0xc0);
    ipv6_datagram(&Ipv6Header::of_advert(SOURCE_V6, GROUP_V6), b"x", &mut datagram);
    assert_eq!(datagram[..2], [0x6c, 0x00]);
    let header = Ipv6Header { flow_label: u32::MAX, ..Ipv6Header::of_advert(SOURCE_V6, GROUP_V6) };
    ipv6_datagram(&header, b"x", &mut datagram);
    assert_eq!(datagram[..4], [0x6c, 0x0f, 0xff, 0xff], "a long label does not spill into it");
}

/// The sums were made with another program.
#[test]
fn vrrp_016_the_checksum_form_is_the_senders_choice_over_ipv4_only() {
    let sum = |advert: &Advert, form, source: &str| {
        let payload = advert.encode(form, ip(source), group(advert.family()));
        u16::from_be_bytes([payload[6], payload[7]])
    };
    let v4 = advert_v3(&["192.0.2.80"]);
    assert_eq!(sum(&v4, ChecksumForm::Rfc5798, "192.0.2.100"), 0xa15f);
    assert_eq!(sum(&v4, ChecksumForm::Rfc9568, "192.0.2.100"), 0x4453);
    let v6 = advert_v3(&["fe80::80", "2001:db8:1::80"]);
    let v2 = advert_v2(Auth::None);
    for form in [ChecksumForm::Rfc5798, ChecksumForm::Rfc9568] {
        assert_ne!(
            sum(&v6, form, "fe80::1"),
            sum(&v6, form, "fe80::2"),
            "RFC 9568 §5.2.8: over IPv6 the pseudo-header counts, {form}"
        );
        assert_eq!(
            sum(&v2, form, "192.0.2.1"),
            sum(&v2, form, "192.0.2.2"),
            "RFC 3768 §5.3.8: in VRRPv2 it does not, {form}"
        );
    }
}

#[test]
fn vrrp_080_081_v2_carries_seconds_and_eight_octets_of_authentication() {
    let body = Body::V2 { interval: NonZeroU8::new(7).unwrap(), auth: Auth::None };
    let advert =
        Advert::new(vrid(51), Priority::new(150), ips(&["192.0.2.10", "192.0.2.11"]), body)
            .unwrap();
    let payload = sent(&advert);
    assert_eq!(payload[..6], [0x21, 51, 150, 2, 0, 7]);
    assert_eq!(payload[8..16], [192, 0, 2, 10, 192, 0, 2, 11]);
    assert_eq!(payload[16..], [0; 8]);
    assert_eq!(advert.interval(), Duration::from_secs(7));
    let payload = sent(&advert_v2(Auth::pass(b"s3cr3t").unwrap()));
    assert_eq!(payload[4], 1);
    assert_eq!(payload[12..], *b"s3cr3t\0\0");
    assert_eq!(
        Advert::new(vrid(51), Priority::DEFAULT, ips(&["fe80::1"]), body),
        Err(AdvertError::Ipv6InV2 { address: ip("fe80::1") })
    );
}

#[test]
fn vrrp_082_the_v2_checksum_covers_the_authentication_data() {
    let sum = |auth| {
        let payload = sent(&advert_v2(auth));
        u16::from_be_bytes([payload[6], payload[7]])
    };
    let [a, b] = ["abcdefgh", "abcdefgi"].map(|word| sum(Auth::pass(word.as_bytes()).unwrap()));
    assert_eq!(a, b + 1, "the sum is one greater, its complement one less");
}

#[test]
fn encoding_again_reuses_the_buffer() {
    let (long, short) = (advert_v3(&["192.0.2.80", "192.0.2.81"]), advert_v3(&["192.0.2.80"]));
    let mut out = Vec::new();
    let (source, group) = (ip("192.0.2.1"), group(Family::V4));
    long.encode_into(ChecksumForm::Rfc5798, source, group, &mut out);
    let (place, room) = (out.as_ptr(), out.capacity());
    short.encode_into(ChecksumForm::Rfc5798, source, group, &mut out);
    assert_eq!(out, short.encode(ChecksumForm::Rfc5798, source, group));
    assert_eq!((out.as_ptr(), out.capacity()), (place, room));
}

#[test]
fn a_list_is_compared_without_regard_to_order() {
    let advert = advert_v3(&["192.0.2.80", "192.0.2.81"]);
    assert!(advert.lists(&ips(&["192.0.2.81", "192.0.2.80"])));
    assert!(!advert.lists(&ips(&["192.0.2.80"])));
    assert!(!advert.lists(&ips(&["192.0.2.80", "192.0.2.82"])));
    assert!(!advert.lists(&ips(&["192.0.2.80", "192.0.2.80"])));
    assert!(!advert.lists(&ips(&["192.0.2.80", "192.0.2.81", "192.0.2.81"])));
    let twice = advert_v3(&["192.0.2.80", "192.0.2.80"]);
    assert!(!twice.lists(&ips(&["192.0.2.80", "192.0.2.81"])));
}
