//! Floods and strangers: told with their source, counted, and without any effect.

use base::{Subject, What};
use vrrp::wire::Counter;
use vrrp::{Input, InstanceConfig, Packet};

use crate::bench::{Bench, HIGHER, LOWER, config, index, ip, millis, nanos, saying};

fn garbage(n: u32) -> Packet {
    Packet {
        index: index(2),
        source: ip(LOWER),
        destination: ip("224.0.0.18"),
        ttl: 255,
        payload: vec![0x31, 51, 254, 1, 0xff, 0xff, 0, 0, n.to_be_bytes()[3]],
    }
}

#[test]
fn ten_thousand_packets_a_second_move_nothing_and_are_told_with_their_source() {
    let mut us = Bench::active(config(100));
    let mut events = Vec::new();
    let mut adverts = 0;
    let next = us.left().unwrap();
    let begin = us.now;
    for n in 0..50_000_u32 {
        us.pass(nanos(100_000));
        let outs = us.feed(Input::Packet(garbage(n)));
        assert!(outs.is_quiet() && outs.changes().is_empty());
        events.extend(outs.happened().into_iter().cloned());
        if us.left().is_none_or(|left| left.is_zero()) {
            adverts += us.wake().adverts().len();
        }
        us.left();
    }
    assert_eq!(us.now.since(begin), millis(5_000));
    assert_eq!((adverts, next), (5, millis(1_000)));
    let flood = What::Flood { source: ip(LOWER), limit: 110 };
    assert_eq!(events.iter().filter(|what| **what == flood).count(), 1);
    assert_eq!(events.len(), 2, "and once what is wrong with them: {events:?}");
    let status = us.status();
    assert_eq!((status.packets, status.floods), (50_000, 5));
    assert_eq!(us.only().discards.get(Counter::Length), 50_000);
}

#[test]
fn the_interface_is_told_and_a_group_at_its_usual_pace_is_no_flood() {
    let mut us = Bench::new(config(100));
    let outs: Vec<_> = (0..111).map(|n| us.feed(Input::Packet(garbage(n)))).collect();
    let event = outs.last().unwrap().events()[0].clone();
    assert_eq!(event.subject, Subject::Interface("eth0".into()));

    let mut us = Bench::new(config(100));
    for _ in 0..600 {
        us.pass(millis(100));
        us.hear(saying(HIGHER, 200));
    }
    assert_eq!((us.status().floods, us.status().packets), (0, 600));
}

#[test]
fn a_flood_of_zero_intervals_keeps_nobody_from_anything() {
    let mut us = Bench::active(config(100));
    let mut zero = saying(HIGHER, 254).packet();
    zero.payload[4..8].fill(0);
    // The sum without the interval: one word less in a one's complement sum.
    let sum = saying(HIGHER, 254).packet().payload;
    let patched = u32::from(u16::from_be_bytes([sum[6], sum[7]])) + 100;
    let patched = u16::try_from(patched & 0xffff).unwrap() + u16::try_from(patched >> 16).unwrap();
    zero.payload[6..8].copy_from_slice(&patched.to_be_bytes());
    for _ in 0..1_000 {
        us.pass(nanos(10_000));
        assert!(us.feed(Input::Packet(zero.clone())).is_quiet());
    }
    assert_eq!(us.only().discards.get(Counter::Interval), 1_000);
}

#[test]
fn strangers_are_refused_where_sources_are_listed() {
    let listed = InstanceConfig { allowed_sources: vec![ip(LOWER)], ..config(100) };
    let mut us = Bench::active(listed.clone());
    assert!(us.hear(saying(HIGHER, 254)).is_quiet());
    assert_eq!(us.only().discards.get(Counter::Source), 1);
    let outs = us.hear(saying(LOWER, 200));
    assert_eq!(outs.changes().len(), 1);
    // A reload that lists another is no reason to move.
    let mut us = Bench::active(config(100));
    let outs = us.feed(Input::Configure(vec![listed]));
    assert!(outs.is_quiet() && outs.changes().is_empty());
}
