//! Wills as former versions wrote them, and what no version has written yet.

use super::*;
use base::{Encap, Hop, Route, Rule, RuleDoes, Way, WayOp};

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn v4(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// With something in every field.
fn bequest() -> Bequest {
    let index = IfIndex::new(2).unwrap();
    let plain = Vip::new(v4("192.0.2.6"), 24, "eth0".into());
    let rich = VipParts {
        broadcast: Broadcast::Address(Ipv4Addr::new(192, 0, 2, 255)),
        scope: Scope::LINK,
        label: Some("eth0:1".into()),
        flags: VipFlags {
            no_dad: false,
            deprecated: true,
            home: true,
            manage_temporary: true,
            no_prefix_route: true,
            unguarded: true,
            lifetime: Some(Duration::new(2, 5)),
        },
        extras: Some(Box::new(VipExtras {
            peer: Some(v4("2001:db8::1")),
            preferred: Some(Duration::from_secs(3)),
        })),
        ..Vip::new(v4("192.0.2.7"), 25, "eth1".into()).into()
    };
    let rich = Vip::from(rich);
    Bequest {
        name: "VI_1".into(),
        farewells: vec![Transmit {
            index,
            source: v4("192.0.2.1"),
            destination: v4("224.0.0.18"),
            ttl: 255,
            payload: vec![0x31, 51, 0],
        }],
        seal: Some(Seal {
            key_id: 7,
            key: Secret::new(vec![9; 3]),
            window: Some(Duration::from_secs(5)),
            last: 1 << 40,
        }),
        vips: vec![(index, plain), (index, rich)],
        patience: Duration::from_millis(600),
    }
}

fn ways() -> Vec<WayOp> {
    let hop = |encap| Hop {
        via: Some(v4("192.0.2.254")),
        interface: Some("eth0".into()),
        weight: 3,
        onlink: true,
        encap: Some(encap),
    };
    let route = Route {
        kind: 1,
        family: Family::V4,
        to: (v4("10.8.0.0"), 16),
        hops: vec![
            hop(Encap::Mpls { labels: vec![100, 200], ttl: Some(9) }),
            hop(Encap::Ip {
                family: Family::V6,
                id: Some(5),
                to: Some(v4("2001:db8::2")),
                from: Some(v4("2001:db8::3")),
                ttl: Some(64),
                tos: Some(4),
            }),
        ],
        source: Some(v4("192.0.2.6")),
        table: 254,
        metric: Some(10),
        scope: 253,
        tos: 8,
        protocol: 18,
        append: true,
        metrics: vec![(2, 1400, true)],
        congestion: Some("cubic".into()),
        realms: Some(6),
        preference: Some(1),
        expires: Some(60),
        ttl_propagate: Some(false),
    };
    let rule = |action| Rule {
        family: Family::V4,
        inverted: true,
        from: Some((v4("10.0.0.0"), 8)),
        to: Some((v4("10.1.0.0"), 16)),
        input: Some("eth0".into()),
        output: Some("eth1".into()),
        mark: Some((1, 255)),
        preference: Some(700),
        action,
        tos: 16,
        protocol: 18,
        realms: Some(3),
        suppress_prefix: Some(0),
        suppress_group: Some(4),
        users: Some((1000, 1001)),
        ip_protocol: Some(6),
        source_ports: Some((1, 2)),
        target_ports: Some((3, 4)),
        tunnel: Some(77),
        l3mdev: true,
    };
    let actions = [
        RuleDoes::Table(100),
        RuleDoes::Goto(900),
        RuleDoes::Nothing,
        RuleDoes::Blackhole,
        RuleDoes::Unreachable,
        RuleDoes::Prohibit,
    ];
    let op =
        |way| WayOp { add: false, way, links: vec![("eth0".into(), IfIndex::new(2).unwrap())] };
    let rules = actions.map(|action| op(Way::Rule(Box::new(rule(action)))));
    [op(Way::Route(Box::new(route)))].into_iter().chain(rules).collect()
}

fn edits() -> [Edit; 4] {
    [
        Edit::Hold(bequest()),
        Edit::Spoke { name: "VI_1".into(), last: 6 << 32 },
        Edit::Release { name: "VI_1".into() },
        Edit::Ways { name: "VI_1".into(), ops: ways() },
    ]
}

/// Octets as version 0.1.0 wrote them: never to be changed, only to be added to.
const EDITS: [&str; 4] = [
    "000456495f31010200c000020100e0000012ff03313300010703090909010500808080808020020200c00002\
     0618046574683000000001000000000000000200c000020719046574683103c00002fffd0106657468303a31\
     00010101010101020501010120010db800000000000000000000000101030000808c8d9e02",
    "010456495f318080808060",
    "020456495f31",
    "030456495f310700000100000a08000010020100c00002fe010465746830030101000264c80101090100c000\
     02fe01046574683003010101010105010120010db8000000000000000000000002010120010db80000000000\
     00000000000003014001040100c0000206fe01010afd0812010102f80a010105637562696301060101013c01\
     00010465746830020001000101000a0000000801000a010000100104657468300104657468310101ff0101bc\
     050064101201030100010401e807e9070106010102010304014d01010465746830020001000101000a000000\
     0801000a010000100104657468300104657468310101ff0101bc05018407101201030100010401e807e90701\
     06010102010304014d01010465746830020001000101000a0000000801000a01000010010465746830010465\
     7468310101ff0101bc0502101201030100010401e807e9070106010102010304014d01010465746830020001\
     000101000a0000000801000a010000100104657468300104657468310101ff0101bc05031012010301000104\
     01e807e9070106010102010304014d01010465746830020001000101000a0000000801000a01000010010465\
     7468300104657468310101ff0101bc0504101201030100010401e807e9070106010102010304014d01010465\
     746830020001000101000a0000000801000a010000100104657468300104657468310101ff0101bc05051012\
     01030100010401e807e9070106010102010304014d0101046574683002",
];

/// The same of what a guardian left to the program it became.
const LEGACY: &str = "8080808080808002010456495f31010200c000020100e0000012ff0331330001070309090901050080808080\
     8020020200c000020618046574683000000001000000000000000200c000020719046574683103c00002fffd\
     0106657468303a3100010101010101020501010120010db800000000000000000000000101030000808c8d9e\
     02";

#[test]
fn wills_of_former_versions_are_read_and_written_as_ever() {
    for (edit, stored) in edits().into_iter().zip(EDITS) {
        let written = postcard::to_stdvec(&edit).unwrap();
        assert_eq!(hex(&written), stored, "{edit:?}");
        assert_eq!(postcard::from_bytes::<Edit>(&octets(stored)).unwrap(), edit);
    }
    let born_at = Instant::from_nanos(1 << 50);
    let legacy = Legacy { born_at, bequests: vec![bequest()] };
    let written = postcard::to_stdvec(&legacy).unwrap();
    assert_eq!(hex(&written), LEGACY);
    assert_eq!(postcard::from_bytes::<Legacy>(&octets(LEGACY)).unwrap(), legacy);
}

#[test]
fn routes_and_rules_beside_the_legacy_are_those_of_the_edit() {
    let undo = Undo { name: "VI_1".into(), ops: ways() };
    let written = postcard::to_stdvec(&undo).unwrap();
    assert_eq!(hex(&written), EDITS[3][2..], "behind the variant's number");
    assert_eq!(postcard::from_bytes::<Undo>(&written).unwrap(), undo);
}

#[test]
fn what_a_version_does_not_know_yet_is_refused_whole() {
    // The next variant, whatever it may hold, and those far beyond.
    for variant in [4_u32, 5, 100, u32::MAX] {
        let mut written = postcard::to_stdvec(&variant).unwrap();
        written.extend([0; 64]);
        assert!(postcard::from_bytes::<Edit>(&written).is_err(), "variant {variant}");
    }
    // Of an unknown choice within what is known, nothing is taken either.
    let broadcast = [0, 1, 2, 3].map(|variant| {
        let written = [vec![variant], vec![10, 0, 0, 255]].concat();
        postcard::take_from_bytes::<BroadcastV1>(&written).is_ok()
    });
    assert_eq!(broadcast, [true; 4]);
    assert!(postcard::take_from_bytes::<BroadcastV1>(&[4, 10, 0, 0, 255]).is_err());
}

#[test]
fn a_will_that_was_cut_short_is_refused_wherever_it_was_cut() {
    for stored in EDITS {
        let whole = octets(stored);
        for length in 0..whole.len() {
            assert!(postcard::from_bytes::<Edit>(&whole[..length]).is_err(), "{length}");
        }
    }
}
