//! Decision 0025: a holder to which the kernel refuses a VIP stands back for whoever can serve it, and
//! serves what it can where nobody else does.

use std::time::Duration;

use base::{Errno, Family, Preempt, Priority, Reason, State, Vrid, What};
use vrrp::moves::{Kind, Notice};
use vrrp::{Input, InstanceConfig, Packet};

use crate::bench::{Bench, HIGHER, LOWER, OWN, config, ip, link, millis, saying, secs, vip};
use crate::seen::Outs;

const OTHER: &str = "192.0.2.120";
const SIX: &str = "2001:db8::1";
const NO: Errno = Errno(13);

fn dual(priority: u8) -> InstanceConfig {
    InstanceConfig { vips: vec![vip(OTHER)], excluded: vec![vip(SIX)], ..config(priority) }
}

fn said(from: &str, vrid: u8, priority: u8) -> Packet {
    let (source, destination) = (ip(from), ip(OWN));
    let notice = Notice {
        kind: Kind::Ready,
        vrid: Vrid::new(vrid).unwrap(),
        family: Family::V4,
        priority: Priority::new(priority),
        nonce: u64::from(vrid) * 1000 + u64::from(priority),
    };
    let payload = notice.encode(None, source, destination);
    Packet { index: link(2, "eth0").index, source, destination, ttl: 255, payload }
}

/// Lets so much time pass while the kernel refuses `six`.
fn run(bench: &mut Bench, span: Duration, refused: &[&str]) -> Outs {
    let end = bench.now + span;
    let mut outs = bench.kernel_but(refused, NO);
    while bench.router.poll_timeout().is_some_and(|at| at <= end) {
        outs.0.extend(bench.sleep().0);
        outs.0.extend(bench.kernel_but(refused, NO).0);
    }
    bench.now = end;
    outs.0.extend(bench.wake().0);
    outs
}

/// One that holds and has just been refused `SIX` for the first time.
fn refused(configs: Vec<InstanceConfig>) -> Bench {
    let mut bench = Bench::of(configs);
    while !bench.status().instances.iter().all(|one| one.state == State::Active) {
        bench.sleep();
    }
    bench.kernel_but(&[SIX], NO);
    bench
}

fn missing() -> What {
    What::VipMissing { vip: ip(SIX), errno: NO }
}

fn states(bench: &Bench) -> Vec<State> {
    bench.status().instances.iter().map(|one| one.state).collect()
}

#[test]
fn whoever_is_ready_follows_after_five_refusals() {
    let mut bench = refused(vec![dual(100)]);
    bench.feed(Input::Notice(said(LOWER, 51, 90)));
    let outs = run(&mut bench, millis(740), &[SIX]);
    assert!(!outs.has(&missing()) && outs.changes().is_empty(), "four refusals are none");
    let outs = run(&mut bench, millis(20), &[SIX]);
    assert!(outs.has(&missing()));
    assert_eq!(outs.changes(), [(State::Active, State::Backup, Reason::VipRefused)]);
    assert_eq!(outs.spoken(), [0], "it resigns");
    assert!(outs.has(&What::Resigned) && outs.has(&What::Nominates { node: ip(LOWER) }));
    assert_eq!(bench.notices.len(), 1, "and names who is to follow");
    assert!(!bench.has(OTHER), "all of its VIPs go together");
    let status = bench.only();
    assert_eq!(status.priority, Priority::LOWEST);
    assert_eq!(status.missing.map(|it| (it.vip, it.errno)), Some((ip(SIX), NO)));
}

#[test]
fn it_waits_without_leaving_a_trace_and_comes_back_by_its_priority() {
    let mut bench = refused(vec![dual(100)]);
    bench.feed(Input::Notice(said(LOWER, 51, 90)));
    run(&mut bench, secs(1), &[SIX]);
    assert_eq!(bench.state(), State::Backup);
    let mut asked = Vec::new();
    for _ in 0..60 {
        bench.hear(saying(LOWER, 90));
        let outs = run(&mut bench, secs(1), &[SIX]);
        assert!(outs.changes().is_empty() && outs.announced().is_empty());
        asked.extend(outs.ops());
        assert!(!bench.has(SIX));
    }
    assert!(asked.iter().all(|op| *op == format!("?{SIX}")), "{asked:?}");
    assert!((10..=20).contains(&asked.len()), "growing pauses: {asked:?}");
    // The kernel changes its mind.
    let mut changes = Vec::new();
    for _ in 0..15 {
        bench.hear(saying(LOWER, 90));
        changes.extend(run(&mut bench, secs(1), &[]).changes());
    }
    assert_eq!(changes, [(State::Backup, State::Active, Reason::WeakerHolder)]);
    assert!(bench.has(SIX) && bench.has(OTHER));
    let status = bench.only();
    assert_eq!((status.priority, status.missing), (Priority::new(100), None));
}

#[test]
fn where_nobody_is_known_to_be_ready_the_rest_goes_on() {
    let mut bench = refused(vec![dual(100)]);
    let outs = run(&mut bench, secs(60), &[SIX]);
    assert!(outs.has(&missing()) && outs.changes().is_empty());
    assert!(bench.has(OTHER));
    assert_eq!(bench.only().traffic.resignations_sent, 0);
    assert_eq!(outs.spoken().last(), Some(&1), "whoever preempts takes over");
    let outs = bench.hear(saying(LOWER, 90));
    assert_eq!(outs.changes(), [(State::Active, State::Backup, Reason::StrongerPeer)]);
}

#[test]
fn somebody_who_is_no_better_is_not_waited_for() {
    let mut bench = refused(vec![dual(100)]);
    let outs = run(&mut bench, secs(2), &[SIX]);
    assert!(outs.has(&missing()));
    bench.feed(Input::Notice(said(HIGHER, 51, 1)));
    assert_eq!(bench.state(), State::Active, "it is hindered itself");
    bench.feed(Input::Notice(said(LOWER, 51, 2)));
    assert_eq!(bench.state(), State::Backup, "whoever comes later will do");
}

#[test]
fn when_the_peer_dies_it_serves_what_it_can() {
    let mut bench = refused(vec![dual(100)]);
    bench.feed(Input::Notice(said(LOWER, 51, 90)));
    run(&mut bench, secs(1), &[SIX]);
    bench.hear(saying(LOWER, 90));
    let outs = run(&mut bench, secs(5), &[SIX]);
    assert_eq!(outs.changes(), [(State::Backup, State::Active, Reason::HolderSilent)]);
    assert!(bench.has(OTHER) && !bench.has(SIX));
    let outs = run(&mut bench, secs(60), &[SIX]);
    assert!(outs.changes().is_empty(), "and does not flap");
    // Served or not, it goes on trying.
    let outs = run(&mut bench, secs(6), &[]);
    assert!(outs.has(&What::VipNotMissing { vip: ip(SIX) }));
    assert!(outs.announced().contains(&ip(SIX)));
    assert_eq!(bench.only().priority, Priority::new(100));
}

#[test]
fn who_is_refused_again_and_again_stands_back_for_longer_each_time() {
    let mut bench = refused(vec![dual(100)]);
    bench.feed(Input::Notice(said(LOWER, 51, 90)));
    run(&mut bench, secs(1), &[SIX]);
    let mut spans = Vec::new();
    for _ in 0..8 {
        assert_eq!(bench.state(), State::Backup);
        let since = bench.now;
        // A probe succeeds, whatever is asked in earnest does not.
        while bench.state() == State::Backup {
            bench.hear(saying(LOWER, 90));
            run(&mut bench, millis(500), &[]);
        }
        spans.push(bench.now.since(since).as_secs());
        bench.taken(SIX);
        run(&mut bench, millis(1), &[SIX]);
        bench.feed(Input::Notice(said(LOWER, 51, 90)));
        run(&mut bench, secs(1), &[SIX]);
    }
    let grows = spans.windows(2).all(|two| two[1] >= (two[0] * 3 / 2).min(590));
    assert!(grows && spans[0] < 20 && spans[7] <= 610, "{spans:?}");
}

#[test]
fn a_sync_group_stands_back_together_and_only_for_a_whole_one() {
    let grouped = |config: InstanceConfig| InstanceConfig { group: Some("G".into()), ..config };
    let other = InstanceConfig {
        name: "other".into(),
        vrid: Vrid::new(52).unwrap(),
        vips: vec![vip("192.0.2.130")],
        ..config(120)
    };
    let mut bench = refused(vec![grouped(dual(100)), grouped(other)]);
    bench.feed(Input::Notice(said(LOWER, 51, 90)));
    let outs = run(&mut bench, secs(1), &[SIX]);
    assert!(outs.has(&missing()));
    assert_eq!(states(&bench), [State::Active; 2], "nobody follows for the other one");
    let lowest = bench.status().instances.iter().all(|one| one.priority == Priority::LOWEST);
    assert!(lowest, "{:?}", bench.status().instances);
    bench.feed(Input::Notice(said(LOWER, 51, 90)));
    let outs = bench.feed(Input::Notice(said(LOWER, 52, 90)));
    assert_eq!(states(&bench), [State::Backup; 2]);
    assert_eq!(outs.spoken(), [0, 0]);
    let outs = run(&mut bench, secs(3), &[SIX]);
    assert!(outs.changes().is_empty());
}

#[test]
fn an_owner_has_no_right_to_what_it_cannot_have() {
    let mut bench = refused(vec![dual(255)]);
    run(&mut bench, secs(1), &[SIX]);
    bench.hear(saying(LOWER, 90));
    assert_eq!(bench.state(), State::Backup);
    for _ in 0..10 {
        bench.hear(saying(LOWER, 90));
        assert!(run(&mut bench, secs(1), &[SIX]).changes().is_empty());
    }
}

#[test]
fn without_preemption_it_leaves_its_follower_alone_afterwards() {
    let mut bench = refused(vec![InstanceConfig { preempt: Preempt::Never, ..dual(100) }]);
    bench.feed(Input::Notice(said(LOWER, 51, 90)));
    run(&mut bench, secs(1), &[SIX]);
    for _ in 0..30 {
        bench.hear(saying(LOWER, 90));
        assert!(run(&mut bench, secs(1), &[]).changes().is_empty());
    }
    assert_eq!(bench.only().priority, Priority::new(100));
}

#[test]
fn a_vip_that_nobody_guards_moves_nothing() {
    let mut loose = vip(SIX);
    loose.flags.unguarded = true;
    let mut bench = refused(vec![InstanceConfig { excluded: vec![loose], ..dual(100) }]);
    bench.feed(Input::Notice(said(LOWER, 51, 90)));
    let outs = run(&mut bench, secs(5), &[SIX]);
    assert!(outs.changes().is_empty() && !outs.has(&missing()));
}

#[test]
fn a_reload_without_the_vip_ends_it_at_once() {
    let mut bench = refused(vec![dual(100)]);
    run(&mut bench, secs(1), &[SIX]);
    assert_eq!(bench.only().priority, Priority::LOWEST);
    let outs = bench.feed(Input::Configure(vec![InstanceConfig { excluded: vec![], ..dual(100) }]));
    assert_eq!(bench.only().priority, Priority::new(100));
    assert!(outs.changes().is_empty());
    // And what is asked for no more is tried no more.
    bench.feed(Input::Configure(vec![dual(100)]));
    run(&mut bench, secs(1), &[SIX]);
    let outs = bench.feed(Input::Stop);
    assert_eq!(outs.spoken(), [0]);
    let left = run(&mut bench, secs(10), &[SIX]);
    assert!(left.ops().is_empty() && bench.router.is_settled(), "{left:?}");
}
