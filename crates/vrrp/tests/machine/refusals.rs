//! Refused packets: they change nothing, they are counted, and they are told of in measure
//! (RFC 9568 §7.1).

use std::path::PathBuf;
use std::{env, fs};

use base::{Family, Secret, State, What};
use serde_json::Value;
use vrrp::wire::frame::parse_ethernet;
use vrrp::wire::hmac::{Freshness, Key, Mode, Policy};
use vrrp::wire::{self, Counter};
use vrrp::{Input, InstanceConfig, InstanceStatus, Packet, Reach};

use crate::bench::{
    Bench, HIGHER, OWN, VIP, address, config, index, ip, link, millis, saying, secs, v2, vip,
};

use crate::signed::key;

/// The hand-made packets; none, with a message, where they are not at hand.
fn vectors() -> Vec<Value> {
    let named = env::var_os("MAINSTAY_SHARED").map(PathBuf::from);
    let folder = named
        .clone()
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    if named.is_none() && !folder.is_dir() {
        println!("skipped: no {}, and MAINSTAY_SHARED is not set", folder.display());
        return Vec::new();
    }
    let text = fs::read_to_string(folder.join("suites/vrrp/neg-vectors.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap()
}

/// The packet a vector's frame holds, if the IP layer lets it through.
fn packet(vector: &Value) -> Option<Packet> {
    let hex = text(vector, "hex");
    let octet = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let frame: Vec<u8> = (0..hex.len()).step_by(2).map(octet).collect();
    let arrival = parse_ethernet(&frame).ok()?;
    Some(Packet {
        index: index(2),
        source: arrival.source,
        destination: arrival.destination,
        ttl: arrival.ttl,
        payload: arrival.payload.to_vec(),
    })
}

/// The node the vectors are written for: VRID 80, 192.0.2.1 and fe80::ff:fe00:a.
fn node(set: &str) -> Bench {
    let base = InstanceConfig {
        vrid: base::Vrid::new(80).unwrap(),
        vips: vec![vip("192.0.2.80")],
        ..config(100)
    };
    let config = match set {
        "v3-ipv4" => base,
        "v2-ipv4" => InstanceConfig { interval: v2(1), ..base },
        "v3-ipv6" => InstanceConfig {
            family: Family::V6,
            reach: Reach::Multicast { group: wire::group(Family::V6) },
            vips: vec![vip("fe80::80"), vip("2001:db8:1::80")],
            ..base
        },
        // Hears the vectors' key and signs with one of ours.
        "hmac" => {
            let theirs = Key::new(7, Secret::new((0x40..0x60).collect())).unwrap();
            let keys = vec![theirs, key(1)];
            let hmac = Policy::new(keys, 1, Freshness::Monotonic, Mode::Enforce).unwrap();
            InstanceConfig { hmac: Some(hmac), ..base }
        }
        other => panic!("no node for the set {other}"),
    };
    let (mut bench, _) = Bench::silent(vec![config]);
    bench.addresses = vec![address(2, "192.0.2.1"), address(2, "fe80::ff:fe00:a")];
    bench.snapshot(vec![link(2, "eth0")]);
    bench
}

/// All that a packet could have moved.
fn moved_by_packets(one: &InstanceStatus) -> impl PartialEq + core::fmt::Debug + use<> {
    let timers = (one.deadline, one.active_interval, one.skew_time, one.active_down_interval);
    (one.state, one.since, timers, one.priority, one.peer, one.traffic)
}

#[test]
fn vrrp_020_no_refused_vector_moves_anything_in_any_state() {
    type Stage = fn(&mut Bench);
    let stages: [(&str, Stage); 3] = [
        ("initialize", |bench| drop(bench.link_down())),
        ("backup", |bench| bench.pass(millis(1234))),
        ("active", |bench| {
            bench.sleep();
            bench.kernel();
            bench.pass(millis(123));
        }),
    ];
    let mut tried = 0;
    for vector in vectors() {
        let (set, id) = (text(&vector, "set"), text(&vector, "id"));
        if text(&vector, "want") != "drop" {
            continue;
        }
        let Some(packet) = packet(&vector) else { continue };
        for (name, stage) in stages {
            let mut bench = node(set);
            stage(&mut bench);
            let (before, left) = (bench.only(), bench.left());
            let outs = bench.feed(Input::Packet(packet.clone()));
            assert!(outs.is_quiet(), "{set} {id} in {name}: {outs:?}");
            let told = |what: &&What| !matches!(what, What::Discarded { .. });
            assert!(!outs.happened().iter().any(told), "{set} {id} in {name}: {outs:?}");
            let after = bench.only();
            assert_eq!(moved_by_packets(&after), moved_by_packets(&before), "{set} {id} in {name}");
            assert_eq!(bench.left(), left, "{set} {id} in {name}");
            let strays = bench.status().discards;
            let counted: u64 =
                Counter::ALL.iter().map(|c| after.discards.get(*c) + strays.get(*c)).sum();
            assert_eq!(counted, 1, "{set} {id} in {name} is counted once");
        }
        tried += 1;
    }
    if tried > 0 {
        assert!(tried > 30, "only {tried} vectors were refused");
    }
}

#[test]
fn vrrp_017_what_we_sent_ourselves_is_not_heard() {
    let mut bench = Bench::active(config(100));
    let mut ours = saying(OWN, 100);
    for priority in [100, 0, 255] {
        ours.priority = priority;
        let outs = bench.hear(ours.clone());
        assert!(outs.is_quiet() && outs.changes().is_empty(), "{outs:?}");
    }
    let one = bench.only();
    assert_eq!(one.discards.get(Counter::DuplicateSource), 3);
    assert_eq!((one.state, one.traffic.received), (State::Active, 0));
}

#[test]
fn vrrp_037_our_own_addresses_and_impossible_ones_are_counted_apart() {
    let mut bench = Bench::active(config(100));
    for source in ["0.0.0.0", "224.0.0.18", "255.255.255.255", "192.0.2.255"] {
        assert!(bench.hear(saying(source, 200)).is_quiet(), "{source}");
    }
    // A VIP we hold is ours as well.
    assert!(bench.hear(saying(VIP, 200)).is_quiet());
    let one = bench.only();
    assert_eq!(one.state, State::Active);
    assert_eq!(one.discards.get(Counter::Source), 4);
    assert_eq!(one.discards.get(Counter::DuplicateSource), 1);
}

#[test]
fn vrrp_038_a_source_off_the_link_is_heard_unless_told_otherwise() {
    for (strict_sources, state) in [(false, State::Backup), (true, State::Active)] {
        let mut bench = Bench::active(InstanceConfig { strict_sources, ..config(100) });
        bench.hear(saying("198.51.100.9", 200));
        assert_eq!(bench.state(), state);
    }
}

#[test]
fn vrrp_043_reports_are_limited_per_instance_and_cause_and_counters_never() {
    let other = InstanceConfig {
        name: "other".into(),
        vrid: base::Vrid::new(52).unwrap(),
        vips: vec![vip("192.0.2.101")],
        ..config(100)
    };
    let mut bench = Bench::of(vec![config(100), other]);
    let mut told = 0;
    for _ in 0..1000 {
        let mut ttl = saying(HIGHER, 200);
        ttl.ttl = 64;
        told += bench.hear(ttl.clone()).events().len();
        ttl.vrid = 52;
        told += bench.hear(ttl).events().len();
        let mut packet = saying(HIGHER, 200).packet();
        packet.payload[6] ^= 1;
        told += bench.feed(Input::Packet(packet)).events().len();
    }
    assert_eq!(told, 4, "one for each instance and cause, and one for the flood that it is");
    assert_eq!(bench.one("VI").discards.get(Counter::Ttl), 1000);
    assert_eq!(bench.one("VI").discards.get(Counter::Checksum), 1000);
    assert_eq!(bench.one("other").discards.get(Counter::Ttl), 1000);

    bench.pass(secs(10));
    let mut ttl = saying(HIGHER, 200);
    ttl.ttl = 64;
    let outs = bench.hear(ttl);
    let [What::Discarded { cause, source, count, .. }] = outs.happened()[..] else {
        panic!("{outs:?}")
    };
    assert_eq!((cause.as_str(), *source, *count), ("ip-ttl-errors", ip(HIGHER), 1000));
}

#[test]
fn vrrp_028_a_vrid_nobody_has_is_counted_for_the_interface() {
    let mut bench = Bench::new(config(100));
    let before = moved_by_packets(&bench.only());
    let mut stray = saying(HIGHER, 254);
    stray.vrid = 77;
    let outs = bench.hear(stray.clone());
    let subject = base::Subject::Interface("eth0".into());
    assert_eq!(outs.events().iter().map(|e| &e.subject).collect::<Vec<_>>(), [&subject]);
    // The right VRID on another interface is just as foreign.
    bench.link_is(link(3, "eth1"));
    stray.vrid = 51;
    stray.index = index(3);
    bench.hear(stray);
    assert_eq!(bench.status().discards.get(Counter::Vrid), 2);
    assert_eq!(moved_by_packets(&bench.only()), before);
}
