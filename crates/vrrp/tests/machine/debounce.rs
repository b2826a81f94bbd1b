//! Flapping interfaces: what has not lasted is not believed (`interface_up_down_delays`).

use std::collections::BTreeMap;

use base::{KernelFact, LinkFact, State};
use vrrp::{Debounce, Input};

use crate::bench::{Bench, config, index, link, millis, secs};

fn debounced() -> Bench {
    let mut bench = Bench::active(config(100));
    let rule = Debounce { down: millis(500), up: secs(2) };
    // What is known of it was known before the rule.
    bench.feed(Input::Debounce(BTreeMap::from([("eth0".into(), rule)])));
    bench
}

fn tick(bench: &mut Bench, span: u64) {
    let end = bench.now + millis(span);
    while bench.router.poll_timeout().is_some_and(|at| at <= end) {
        bench.sleep();
    }
    bench.now = end;
    bench.wake();
}

#[test]
fn a_link_that_is_down_for_a_moment_was_never_down() {
    let mut bench = debounced();
    for _ in 0..20 {
        bench.link_down();
        tick(&mut bench, 400);
        bench.link_up();
        tick(&mut bench, 100);
        assert_eq!(bench.state(), State::Active);
    }
}

#[test]
fn a_link_that_stays_down_counts_when_its_time_is_up_and_not_before() {
    let mut bench = debounced();
    bench.link_down();
    tick(&mut bench, 499);
    assert_eq!(bench.state(), State::Active);
    // News that say the same do not begin the wait again.
    bench.link_down();
    tick(&mut bench, 1);
    assert_eq!(bench.state(), State::Initialize);

    bench.link_up();
    tick(&mut bench, 1999);
    assert_eq!(bench.state(), State::Initialize);
    tick(&mut bench, 1);
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn a_link_that_is_gone_is_gone_at_once() {
    let mut bench = debounced();
    bench.fact(KernelFact::LinkGone(index(2)));
    assert_eq!(bench.state(), State::Initialize);
}

#[test]
fn without_a_rule_everything_is_believed_and_a_rule_that_goes_releases() {
    let mut bench = debounced();
    bench.link_down();
    assert_eq!(bench.state(), State::Active);
    bench.feed(Input::Debounce(BTreeMap::new()));
    assert_eq!(bench.state(), State::Initialize);
    bench.link_up();
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn a_snapshot_is_no_way_around_it() {
    let mut bench = debounced();
    bench.snapshot(vec![LinkFact { running: false, ..link(2, "eth0") }]);
    assert_eq!(bench.state(), State::Active);
    tick(&mut bench, 500);
    assert_eq!(bench.state(), State::Initialize);
}
