//! A holder that is watched by BFD as well (decision 0018).

use std::time::Duration;

use base::{Reason, State, Tracker, TrackerKind, Verdict};
use vrrp::{Input, InstanceConfig, Sentinel};

use crate::bench::{Bench, HIGHER, LOWER, config, millis, saying, secs};

fn watching(neighbor: &str) -> InstanceConfig {
    let sentinel = Sentinel {
        session: "peer".into(),
        neighbor: neighbor.parse().unwrap(),
        interval: millis(10),
        missed: 3,
    };
    InstanceConfig { sentinels: vec![sentinel], ..config(100) }
}

fn says(verdict: Verdict) -> Input {
    let tracker = Tracker { kind: TrackerKind::Bfd, name: "peer".into() };
    Input::Verdict { tracker, verdict }
}

fn left(bench: &Bench) -> Duration {
    bench.left().unwrap()
}

/// A Backup that hears its holder and has seen its session up.
fn backup(neighbor: &str) -> Bench {
    let mut bench = Bench::new(watching(neighbor));
    bench.feed(says(Verdict::Good));
    bench.hear(saying(HIGHER, 200));
    bench.pass(millis(500));
    bench
}

#[test]
fn its_failure_ends_the_wait_after_a_skew_of_the_sessions_interval() {
    let mut bench = backup(HIGHER);
    let outs = bench.feed(says(Verdict::Bad));
    assert!(outs.changes().is_empty());
    // (256 − 100)/256 of 10 ms.
    assert!(left(&bench) <= millis(7), "{:?}", left(&bench));
    assert!(left(&bench) >= millis(5), "{:?}", left(&bench));
    let outs = bench.sleep();
    assert_eq!(outs.changes(), [(State::Backup, State::Active, Reason::HolderUnreachable)]);
    let verdict = outs.events().into_iter().find(|e| e.reason == Reason::HolderUnreachable);
    assert_eq!(verdict.unwrap().causes.len(), 1, "the verdict is the cause");
}

#[test]
fn an_advert_of_the_holder_in_time_keeps_it_holder() {
    let mut bench = backup(HIGHER);
    bench.feed(says(Verdict::Bad));
    bench.hear(saying(HIGHER, 200));
    assert!(left(&bench) > secs(3), "{:?}", left(&bench));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn an_advert_of_a_weaker_holder_too() {
    let mut bench = Bench::new(watching(LOWER));
    bench.feed(says(Verdict::Good));
    bench.hear(saying(LOWER, 50));
    bench.feed(says(Verdict::Bad));
    assert!(left(&bench) <= millis(7));
    bench.hear(saying(LOWER, 50));
    assert!(left(&bench) > secs(1), "{:?}", left(&bench));
}

#[test]
fn a_session_with_somebody_else_ends_nothing() {
    let mut bench = backup(LOWER);
    bench.feed(says(Verdict::Bad));
    assert!(left(&bench) > secs(1));
}

#[test]
fn nor_one_that_was_never_up() {
    let mut bench = Bench::new(watching(HIGHER));
    bench.hear(saying(HIGHER, 200));
    bench.feed(says(Verdict::Bad));
    assert!(left(&bench) > secs(3));
}

#[test]
fn nor_does_it_move_a_holder() {
    let mut bench = Bench::new(watching(LOWER));
    bench.feed(says(Verdict::Good));
    bench.sleep();
    assert_eq!(bench.state(), State::Active);
    let outs = bench.feed(says(Verdict::Bad));
    assert!(outs.changes().is_empty());
}

#[test]
fn who_is_watched_has_a_lease_that_ends_as_soon() {
    let slow = watching(HIGHER).lease_terms();
    assert_eq!(slow.bound(), millis(20), "two packets at 10 ms");
    assert_eq!(config(100).lease_terms().bound(), secs(1));
}

#[test]
fn whose_lease_lapsed_lets_go_for_peers_have_not_waited_for_its_adverts() {
    for (config, state) in [
        (InstanceConfig { lease: true, ..watching(LOWER) }, State::Backup),
        (InstanceConfig { lease: true, sentinels: Vec::new(), ..watching(LOWER) }, State::Active),
    ] {
        let mut bench = Bench::new(config);
        bench.feed(says(Verdict::Good));
        bench.sleep();
        while bench.state() != State::Active {
            bench.sleep();
        }
        // Longer than either lease, and not as long as anybody would wait for an advert.
        bench.now = bench.now + millis(900);
        bench.feed(Input::Wake { drained: false });
        bench.feed(Input::Wake { drained: true });
        assert_eq!(bench.state(), state);
    }
}
