//! What is received (RFC 9568 §7.1, RFC 3768 §7.1): each check alone, on a packet that is otherwise
//! legal, and the order of the checks.

use base::{Family, Version};
use vrrp::wire::{Auth, Body, ChecksumForm, ChecksumRule, Discard, examine_unknown, vrid_of};

use crate::lab::{Node, Packet, accepted, advert_v2, advert_v3, ip, refused};

#[test]
fn the_packets_of_this_bench_are_legal() {
    assert_eq!(accepted(&Node::v3(), &Packet::v3()).advert, advert_v3(&["192.0.2.80"]));
    assert_eq!(accepted(&Node::v2(), &Packet::v2()).advert, advert_v2(Auth::None));
    let addresses = ["fe80::80", "2001:db8:1::80"];
    assert_eq!(accepted(&Node::v6(), &Packet::v6()).advert, advert_v3(&addresses));
}

#[test]
fn vrrp_024_another_version_is_dropped() {
    for nibble in 0..=15_u8 {
        let octet = [nibble << 4 | 1];
        for (node, packet, own) in [
            (Node::v3(), Packet::v3(), 3),
            (Node::v2(), Packet::v2(), 2),
            (Node::v6(), Packet::v6(), 3),
        ] {
            let outcome = node.hear(&packet.patched(0, &octet).arrival());
            if nibble == own {
                assert!(outcome.is_ok());
            } else {
                let want = Some(node.version);
                assert_eq!(outcome, Err(Discard::Version { got: nibble, want }));
            }
        }
    }
}

#[test]
fn vrrp_024_v2_does_not_exist_over_ipv6() {
    let node = Node::new(Version::V2, Family::V6);
    let want = Some(Version::V2);
    let packet = Packet::v6().patched(0, &[0x21]);
    assert_eq!(refused(&node, &packet), Discard::Version { got: 2, want });
}

#[test]
fn vrrp_025_another_type_is_dropped() {
    for kind in (0..=15).filter(|kind| *kind != 1) {
        let packet = Packet::v3().patched(0, &[0x30 | kind]);
        assert_eq!(refused(&Node::v3(), &packet), Discard::Type { got: kind });
        let packet = Packet::v2().patched(0, &[0x20 | kind]);
        assert_eq!(refused(&Node::v2(), &packet), Discard::Type { got: kind });
    }
}

#[test]
fn vrrp_026_every_other_length_is_dropped() {
    for (node, packet) in
        [(Node::v3(), Packet::v3()), (Node::v2(), Packet::v2()), (Node::v6(), Packet::v6())]
    {
        let need = packet.payload.len();
        for got in (8..need + 40).filter(|got| *got != need) {
            let packet = packet.clone().resized(|payload| payload.resize(got, 0));
            assert_eq!(refused(&node, &packet), Discard::Length { got, need });
        }
        for got in 0..8 {
            let mut packet = packet.clone();
            packet.payload.truncate(got);
            assert_eq!(refused(&node, &packet), Discard::Length { got, need: 8 });
        }
    }
}

#[test]
fn vrrp_027_a_wrong_checksum_is_dropped() {
    for (node, packet) in
        [(Node::v3(), Packet::v3()), (Node::v2(), Packet::v2()), (Node::v6(), Packet::v6())]
    {
        let right = [packet.payload[6], packet.payload[7]];
        let message = accepted(&node, &packet);
        let (mut dropped, mut other_form) = (0, 0);
        for sum in 0..=u16::MAX {
            let mut packet = packet.clone();
            packet.payload[6..8].copy_from_slice(&sum.to_be_bytes());
            match node.hear(&packet.arrival()) {
                Err(discard) => {
                    assert!(matches!(discard, Discard::Checksum { got, .. } if got == sum));
                    dropped += 1;
                }
                Ok(heard) if sum.to_be_bytes() == right => assert_eq!(heard, message),
                Ok(heard) => {
                    assert_ne!(heard.checksum, message.checksum);
                    other_form += 1;
                }
            }
        }
        let either = node.version == Version::V3 && node.family == Family::V4;
        assert_eq!((dropped, other_form), if either { (65534, 1) } else { (65535, 0) });
    }
}

#[test]
fn vrrp_027_the_checksum_knows_where_an_ipv6_advert_came_from_and_went_to() {
    let mut packet = Packet::v6();
    packet.source = ip("fe80::ff:fe00:98");
    assert!(matches!(
        refused(&Node::v6(), &packet),
        Discard::Checksum { pseudo: Some(_), message: None, .. }
    ));
}

#[test]
fn vrrp_028_an_unknown_vrid_is_dropped() {
    for got in (0..=255).filter(|vrid| *vrid != 80) {
        let packet = Packet::v3().patched(1, &[got]);
        assert_eq!(vrid_of(&packet.payload), Some(got));
        assert_eq!(refused(&Node::v3(), &packet), Discard::Vrid { got });
    }
    // Zero is no VRID even if somebody asks.
    let mut node = Node::v3();
    node.vrid = 0;
    assert_eq!(refused(&node, &Packet::v3().patched(1, &[0])), Discard::Vrid { got: 0 });
    assert_eq!(vrid_of(&[0x31]), None);
}

#[test]
fn vrrp_028_a_stranger_packet_is_counted_by_its_first_fault() {
    let strange = Packet::v3().patched(1, &[79]);
    let examine = |packet: &Packet| examine_unknown(&packet.arrival(), Family::V4);
    assert_eq!(examine(&strange), Discard::Vrid { got: 79 });
    let ttl = examine(&strange.clone().ttl(254));
    assert_eq!(ttl, Discard::Ttl { got: 254, min: 255, max: 255 });
    assert_eq!(
        examine(&strange.clone().patched(0, &[0x41])),
        Discard::Version { got: 4, want: None }
    );
    assert_eq!(examine(&strange.clone().patched(0, &[0x32])), Discard::Type { got: 2 });
    assert_eq!(examine(&strange.clone().patched(3, &[2])), Discard::Length { got: 12, need: 16 });
    let mut broken = strange.clone();
    broken.payload[2] ^= 1;
    assert!(matches!(examine(&broken), Discard::Checksum { .. }));
    // Unicast is sent with whatever TTL was agreed, and version 2 is a version too.
    let unicast = strange.between("192.0.2.100", "192.0.2.1").ttl(64);
    assert_eq!(examine(&unicast), Discard::Vrid { got: 79 });
    assert_eq!(examine(&Packet::v2().patched(1, &[79])), Discard::Vrid { got: 79 });
    let v2_over_v6 = Packet::v6().patched(0, &[0x21]);
    assert_eq!(
        examine_unknown(&v2_over_v6.arrival(), Family::V6),
        Discard::Version { got: 2, want: None }
    );
}

#[test]
fn vrrp_029_v3_over_ipv4_accepts_either_form_or_the_one_asked_for() {
    let forms = [ChecksumForm::Rfc5798, ChecksumForm::Rfc9568];
    for sent in forms {
        let mut packet = Packet::v3();
        packet.payload = advert_v3(&["192.0.2.80"]).encode(sent, packet.source, packet.destination);
        assert_eq!(accepted(&Node::v3(), &packet).checksum, sent);
        for wanted in forms {
            let node = Node::v3().checksum(ChecksumRule::Only(wanted));
            let outcome = node.hear(&packet.arrival()).map(|heard| heard.checksum);
            if sent == wanted {
                assert_eq!(outcome, Ok(sent));
            } else {
                assert!(matches!(outcome, Err(Discard::Checksum { .. })), "{sent} {wanted}");
            }
        }
    }
}

#[test]
fn vrrp_029_elsewhere_the_rule_changes_nothing() {
    for form in [ChecksumForm::Rfc5798, ChecksumForm::Rfc9568] {
        let rule = ChecksumRule::Only(form);
        accepted(&Node::v2().checksum(rule), &Packet::v2());
        accepted(&Node::v6().checksum(rule), &Packet::v6());
    }
}

#[test]
fn vrrp_030_an_empty_list_is_dropped() {
    let empty = |packet: Packet, octets: usize| {
        let packet = packet.resized(|payload| payload.truncate(octets));
        packet.patched(3, &[0])
    };
    assert_eq!(refused(&Node::v3(), &empty(Packet::v3(), 8)), Discard::NoAddresses);
    assert_eq!(refused(&Node::v6(), &empty(Packet::v6(), 8)), Discard::NoAddresses);
    assert_eq!(refused(&Node::v2(), &empty(Packet::v2(), 16)), Discard::NoAddresses);
}

#[test]
fn vrrp_031_an_interval_of_zero_is_dropped() {
    for (node, packet) in [(Node::v3(), Packet::v3()), (Node::v6(), Packet::v6())] {
        for reserved in 0..=15_u8 {
            let packet = packet.clone().patched(4, &[reserved << 4, 0]);
            assert_eq!(refused(&node, &packet), Discard::ZeroInterval);
        }
    }
    assert_eq!(refused(&Node::v2(), &Packet::v2().patched(5, &[0])), Discard::ZeroInterval);
}

#[test]
fn vrrp_032_the_reserved_nibble_is_ignored() {
    for reserved in 0..=15_u8 {
        let packet = Packet::v3().patched(4, &[reserved << 4, 10]);
        assert_eq!(accepted(&Node::v3(), &packet).advert, advert_v3(&["192.0.2.80"]));
    }
}

#[test]
fn vrrp_034_v3_reports_whatever_interval_it_hears() {
    for centis in [1_u16, 9, 11, 100, 4095] {
        let packet = Packet::v3().patched(4, &centis.to_be_bytes());
        match accepted(&Node::v3(), &packet).advert.body() {
            Body::V3 { interval } => assert_eq!(interval.get(), centis),
            Body::V2 { .. } => panic!("a v3 advert with a v2 body"),
        }
    }
}

#[test]
fn vrrp_035_vrrp_086_another_address_list_is_processed() {
    for packet in [
        Packet::v3().patched(8, &[192, 0, 2, 81]),
        Packet::of(&advert_v3(&["192.0.2.80", "192.0.2.81"]), "192.0.2.100"),
    ] {
        let heard = accepted(&Node::v3(), &packet);
        assert!(!heard.advert.lists(&[ip("192.0.2.80")]), "the router has something to report");
    }
    let heard = accepted(&Node::v2(), &Packet::v2().patched(8, &[192, 0, 2, 81]));
    assert!(!heard.advert.lists(&[ip("192.0.2.80")]));
}

#[test]
fn vrrp_036_priority_255_and_0_are_processed() {
    for priority in [0, 1, 254, 255] {
        let heard = accepted(&Node::v3(), &Packet::v3().patched(2, &[priority]));
        assert_eq!(heard.advert.priority().get(), priority);
    }
}

#[test]
fn vrrp_039_carp_is_dropped_by_its_length() {
    // As many octets as a v2 advert of seven addresses without authentication data.
    let carp = |priority| {
        Packet::v2().resized(|payload| {
            payload.splice(.., [0x21, 80, priority, 7, 0, 1, 0, 0]);
            payload.extend([0x5a; 28]);
        })
    };
    for priority in [0, 200] {
        let want = Discard::Length { got: 36, need: 44 };
        assert_eq!(refused(&Node::v2(), &carp(priority)), want);
        let want = Discard::Version { got: 2, want: Some(Version::V3) };
        assert_eq!(refused(&Node::v3(), &carp(priority)), want);
    }
}

#[test]
fn vrrp_083_without_authentication_its_data_is_ignored() {
    let packet = Packet::v2().patched(12, b"abcdefgh");
    assert_eq!(accepted(&Node::v2(), &packet).advert, advert_v2(Auth::None));
}

#[test]
fn vrrp_084_another_authentication_type_is_dropped() {
    let nodes = [(Node::v2(), 0), (Node::v2().pass("s3cr3t"), 1)];
    for (node, want) in &nodes {
        for got in 0..=255 {
            let packet = Packet::v2().patched(12, b"s3cr3t\0\0").patched(4, &[got]);
            let outcome = node.hear(&packet.arrival()).map(|_| ());
            let expected = match got {
                got if got == *want => Ok(()),
                0..=2 => Err(Discard::AuthType { got, want: *want }),
                _ => Err(Discard::UnknownAuthType { got }),
            };
            assert_eq!(outcome, expected);
        }
    }
}

#[test]
fn vrrp_085_v2_drops_another_interval() {
    let mut node = Node::v2();
    node.interval_v2 = 7;
    for got in 1..=255 {
        let outcome = node.hear(&Packet::v2().patched(5, &[got]).arrival()).map(|_| ());
        let expected = if got == 7 { Ok(()) } else { Err(Discard::Interval { got, want: 7 }) };
        assert_eq!(outcome, expected);
    }
}

#[test]
fn vrrp_087_another_password_is_dropped_and_not_told() {
    let node = Node::v2().pass("s3cr3t");
    let with = |data: &[u8; 8]| Packet::v2().patched(4, &[1]).patched(12, data);
    let heard = accepted(&node, &with(b"s3cr3t\0\0"));
    assert_eq!(heard.advert.body().version(), Version::V2);
    assert_eq!(heard.advert, advert_v2(Auth::pass(b"s3cr3t").unwrap()));
    for data in [b"s3cr3t\0x", b"S3cr3t\0\0", b"s3cr3\0\0\0", b"\0\0\0\0\0\0\0\0"] {
        let discard = refused(&node, &with(data));
        assert_eq!(discard, Discard::AuthFailure);
        assert!(!discard.to_string().contains("s3cr3"));
    }
}

/// Spoil a packet in every way at once, then mend it fault by fault: the refusals come in the order
/// of RFC 9568 §7.1.
#[test]
fn the_checks_come_in_order() {
    let counter = |packet: &Packet, node: &Node| refused(node, packet).counter().name();
    let node = Node::v2().pass("s3cr3t");
    let mut packet = Packet::v2();
    (packet.source, packet.destination) = (ip("192.0.2.1"), ip("192.0.2.1"));
    packet.ttl = 1;
    packet.payload = vec![0x42, 80, 200, 0, 3, 0, 0xab, 0xcd, 192, 0, 2, 80];
    let mut seen = vec![counter(&packet, &node)];
    let mut next = |packet: &Packet| seen.push(counter(packet, &node));
    packet.ttl = 255;
    next(&packet);
    packet.destination = ip("224.0.0.18");
    next(&packet);
    packet.payload[0] = 0x22;
    next(&packet);
    packet.payload[0] = 0x21;
    next(&packet);
    packet.payload.resize(16, 0);
    next(&packet);
    packet = packet.patched(8, &[]);
    next(&packet);
    packet = packet.resized(|payload| payload.resize(20, 0)).patched(3, &[1]);
    next(&packet);
    packet = packet.patched(5, &[2]);
    next(&packet);
    packet.source = ip("192.0.2.100");
    next(&packet);
    packet = packet.patched(4, &[0]);
    next(&packet);
    packet = packet.patched(4, &[1]);
    next(&packet);
    packet = packet.patched(12, b"s3cr3t\0\0");
    next(&packet);
    assert_eq!(
        seen,
        [
            "ip-ttl-errors",
            "destination-errors",
            "version-errors",
            "invalid-type",
            "packet-length-errors",
            "checksum-errors",
            "packet-length-errors",
            "interval-errors",
            "duplicate-source-errors",
            "invalid-auth-type",
            "auth-type-mismatch",
            "auth-failures",
            "interval-errors",
        ]
    );
    accepted(&node, &packet.patched(5, &[1]));
}
