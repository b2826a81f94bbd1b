//! Planned moves (decision 0019): what is said, to whom, when, and what is not believed.

use std::net::IpAddr;

use base::{Family, Preempt, Priority, Reason, State, Vrid};
use vrrp::moves::{Kind, Notice};
use vrrp::{Input, InstanceConfig, Packet};

use crate::bench::{Bench, HIGHER, LOWER, OWN, VIP, config, link, millis, saying, secs};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn notice(from: &str, notice: Notice) -> Packet {
    let (source, destination) = (ip(from), ip(OWN));
    let payload = notice.encode(None, source, destination);
    Packet { index: link(2, "eth0").index, source, destination, ttl: 255, payload }
}

fn ready(priority: u8, nonce: u64) -> Notice {
    Notice {
        kind: Kind::Ready,
        vrid: Vrid::new(51).unwrap(),
        family: Family::V4,
        priority: Priority::new(priority),
        nonce,
    }
}

fn nominated(nonce: u64) -> Notice {
    Notice { kind: Kind::Nominated, ..ready(200, nonce) }
}

/// What was sent since it was asked last: to whom, and what.
fn sent(bench: &mut Bench) -> Vec<(IpAddr, Notice)> {
    let read = |transmit: base::Transmit| {
        assert_eq!((transmit.ttl, transmit.source), (255, ip(OWN)));
        (transmit.destination, Notice::decode(&transmit.payload).unwrap())
    };
    std::mem::take(&mut bench.notices).into_iter().map(read).collect()
}

/// A Backup that hears its holder, and the nonce it has told it.
fn backup() -> (Bench, u64) {
    let mut bench = Bench::new(config(100));
    bench.hear(saying(HIGHER, 200));
    let told = sent(&mut bench);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].0, told[0].1.kind), (ip(HIGHER), Kind::Ready));
    assert_eq!(told[0].1.priority.get(), 100);
    (bench, told[0].1.nonce)
}

/// A holder whom these have told that they are ready.
fn holder(candidates: &[(&str, u8, u64)]) -> Bench {
    let mut bench = Bench::active(config(100));
    for (from, priority, nonce) in candidates {
        bench.feed(Input::Notice(notice(from, ready(*priority, *nonce))));
    }
    bench
}

#[test]
fn a_backup_tells_its_holder_now_and_then() {
    let (mut bench, first) = backup();
    let mut nonces = vec![first];
    for _ in 0..10 {
        bench.pass(secs(1));
        bench.hear(saying(HIGHER, 200));
        nonces.extend(sent(&mut bench).iter().map(|(_, told)| told.nonce));
    }
    assert_eq!(nonces.len(), 6, "every two seconds");
    nonces.dedup();
    assert_eq!(nonces.len(), 6, "never the same twice");
    assert!(nonces.iter().all(|nonce| *nonce != 0));
}

#[test]
fn who_would_preempt_the_holder_tells_it_nothing() {
    let mut bench = Bench::new(config(100));
    bench.hear(saying(LOWER, 50));
    assert!(sent(&mut bench).is_empty());
    let mut bench = Bench::new(InstanceConfig { preempt: Preempt::Never, ..config(100) });
    bench.hear(saying(LOWER, 50));
    assert_eq!(sent(&mut bench).len(), 1);
}

#[test]
fn the_nominee_waits_for_nothing() {
    let (mut bench, nonce) = backup();
    bench.hear(saying(HIGHER, 0));
    let outs = bench.feed(Input::Notice(notice(HIGHER, nominated(nonce))));
    assert!(outs.changes().is_empty(), "not before everything was read");
    let outs = bench.feed(Input::Wake { drained: true });
    assert_eq!(outs.changes(), [(State::Backup, State::Active, Reason::Nominated)]);
    assert_eq!(outs.spoken(), [100]);
}

#[test]
fn the_resignation_may_be_lost() {
    let (mut bench, nonce) = backup();
    bench.feed(Input::Notice(notice(HIGHER, nominated(nonce))));
    bench.feed(Input::Wake { drained: true });
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn a_nomination_is_not_believed_of_anybody_else_or_at_another_time() {
    let refused_notices = std::cell::Cell::new(0);
    let refused = |name: &str, act: fn(&mut Bench, u64)| {
        let (mut bench, nonce) = backup();
        act(&mut bench, nonce);
        bench.feed(Input::Wake { drained: true });
        assert_eq!(bench.state(), State::Backup, "{name}");
        refused_notices.set(refused_notices.get() + bench.router.status().refused_notices);
    };
    refused("another nonce", |bench, nonce| {
        bench.feed(Input::Notice(notice(HIGHER, nominated(nonce ^ 1))));
    });
    refused("another sender", |bench, nonce| {
        bench.feed(Input::Notice(notice(LOWER, nominated(nonce))));
    });
    refused("through a router", |bench, nonce| {
        let packet = Packet { ttl: 254, ..notice(HIGHER, nominated(nonce)) };
        bench.feed(Input::Notice(packet));
    });
    refused("another virtual router", |bench, nonce| {
        let other = Notice { vrid: Vrid::new(52).unwrap(), ..nominated(nonce) };
        bench.feed(Input::Notice(notice(HIGHER, other)));
    });
    refused("it has resigned and come back", |bench, nonce| {
        bench.hear(saying(HIGHER, 0));
        bench.hear(saying(HIGHER, 200));
        bench.feed(Input::Notice(notice(HIGHER, nominated(nonce))));
    });
    refused("another has taken over", |bench, nonce| {
        bench.hear(saying(HIGHER, 0));
        bench.hear(saying("192.0.2.8", 150));
        bench.feed(Input::Notice(notice(HIGHER, nominated(nonce))));
    });
    refused("later than two intervals", |bench, nonce| {
        bench.now = bench.now + millis(2_001);
        bench.feed(Input::Notice(notice(HIGHER, nominated(nonce))));
    });
    refused("twice told, the older one", |bench, nonce| {
        for _ in 0..2 {
            bench.pass(secs(1));
            bench.hear(saying(HIGHER, 200));
        }
        bench.feed(Input::Notice(notice(HIGHER, nominated(nonce))));
    });
    // Another distance and another virtual router are told at the door.
    assert_eq!(refused_notices.get(), 2);
}

#[test]
fn a_holder_that_stops_names_the_best_once_its_vips_are_off() {
    let mut bench = holder(&[(LOWER, 50, 1), (HIGHER, 90, 2), ("192.0.2.7", 90, 3)]);
    let outs = bench.feed(Input::Stop);
    assert_eq!(outs.spoken(), [0]);
    assert!(sent(&mut bench).is_empty(), "its VIPs are still on the node");
    bench.kernel();
    assert_eq!(
        sent(&mut bench),
        [(ip(HIGHER), Notice { priority: Priority::new(100), ..nominated(2) })]
    );
}

#[test]
fn a_holder_with_a_lease_names_the_best_once_its_vips_are_silent() {
    let mut bench = Bench::active(InstanceConfig { lease: true, ..config(100) });
    bench.feed(Input::Notice(notice(LOWER, ready(50, 1))));
    let outs = bench.feed(Input::Stop);
    assert_eq!(outs.spoken(), [0]);
    assert!(bench.has(VIP) && !bench.table.passes(VIP, bench.now), "installed, and silent");
    let told = sent(&mut bench);
    assert_eq!(told, [(ip(LOWER), Notice { priority: Priority::new(100), ..nominated(1) })]);
    bench.kernel();
    assert!(sent(&mut bench).is_empty(), "once");
}

#[test]
fn a_holder_whose_vip_another_instance_still_holds_waits_until_they_are_off() {
    // The other one keeps the key under its class: silence is no proof, only absence would be.
    let lease = |config| InstanceConfig { lease: true, ..config };
    let other = InstanceConfig { name: "VI_2".into(), vrid: Vrid::new(52).unwrap(), ..config(100) };
    let mut bench = Bench::of(vec![lease(config(100)), lease(other)]);
    bench.sleep();
    bench.kernel();
    bench.feed(Input::Notice(notice(LOWER, ready(50, 1))));
    sent(&mut bench);
    let name = config(100).name;
    bench.router.switchover(bench.now, &name, None).unwrap();
    bench.feed(Input::Wake { drained: true });
    assert!(bench.table.passes(VIP, bench.now), "the other one answers");
    assert!(sent(&mut bench).is_empty());
}

#[test]
fn nobody_is_named_who_has_not_said_so_lately() {
    let mut bench = holder(&[(LOWER, 50, 1)]);
    bench.pass(secs(8));
    bench.feed(Input::Stop);
    bench.kernel();
    assert!(sent(&mut bench).is_empty());
}

#[test]
fn who_yields_to_a_stronger_one_names_nobody() {
    let mut bench = holder(&[(LOWER, 50, 1)]);
    bench.hear(saying(HIGHER, 200));
    bench.kernel();
    let kinds: Vec<Kind> = sent(&mut bench).iter().map(|(_, told)| told.kind).collect();
    assert!(!kinds.contains(&Kind::Nominated), "{kinds:?}");
}

#[test]
fn after_a_switch_over_it_stays_back_while_somebody_serves() {
    let mut bench = holder(&[(LOWER, 50, 1)]);
    let until = bench.now + secs(30);
    let name = config(100).name;
    let chosen = bench.router.switchover(bench.now, &name, Some(until)).unwrap();
    assert_eq!(chosen, [(name.clone(), ip(LOWER))]);
    bench.feed(Input::Wake { drained: true });
    bench.kernel();
    assert_eq!(sent(&mut bench).len(), 1);
    assert_eq!(bench.state(), State::Backup);
    for _ in 0..28 {
        bench.hear(saying(LOWER, 50));
        bench.pass(secs(1));
        assert_eq!(bench.state(), State::Backup);
    }
    // Its time is over: it preempts as configured.
    // From its next advert on.
    bench.now = until;
    bench.hear(saying(LOWER, 50));
    let outs = bench.sleep();
    assert_eq!(outs.changes(), [(State::Backup, State::Active, Reason::WeakerHolder)]);
}

#[test]
fn and_serves_when_nobody_does() {
    let mut bench = holder(&[(LOWER, 50, 1)]);
    let name = config(100).name;
    bench.router.switchover(bench.now, &name, None).unwrap();
    bench.feed(Input::Wake { drained: true });
    bench.kernel();
    bench.sleep();
    assert_eq!(bench.state(), State::Active);
    assert_eq!(bench.only().stays_back, None, "and that ends it");
}

#[test]
fn what_cannot_be_switched_over_says_why_and_stays() {
    let name = config(100).name;
    let mut alone = holder(&[]);
    let why = alone.router.switchover(alone.now, &name, None).unwrap_err();
    assert!(why.to_string().contains("ready"), "{why}");
    assert_eq!(alone.state(), State::Active);
    let (mut backup, _) = backup();
    let why = backup.router.switchover(backup.now, &name, None).unwrap_err();
    assert!(why.to_string().contains("Backup"), "{why}");
    let why = backup.router.switchover(backup.now, &"other".into(), None).unwrap_err();
    assert!(why.to_string().contains("other"), "{why}");
}
