//! The column `Initialize` of the state table: whatever arrives, nothing is answered, and nothing but
//! the end of what is missing lets it start.

use base::{KernelFact, LinkFact, Reason, State};
use vrrp::{Input, InstanceConfig};

use crate::bench::{
    Bench, HIGHER, LOWER, OWN, address, config, index, link, millis, nanos, saying, secs,
};

/// An instance that is held up by a link that is down.
fn waiting(config: InstanceConfig) -> Bench {
    let (mut bench, _) = Bench::silent(vec![config]);
    bench.snapshot(vec![LinkFact { running: false, ..link(2, "eth0") }]);
    assert_eq!((bench.state(), bench.left()), (State::Initialize, None));
    bench
}

#[test]
fn vrrp_055_vrrp_056_vrrp_057_vrrp_058_vrrp_059_vrrp_060_adverts_mean_nothing_in_initialize() {
    use base::Preempt::{After, Never};
    for preempt in [After(secs(0)), Never] {
        for (source, priority) in
            [(HIGHER, 0), (HIGHER, 254), (HIGHER, 100), (LOWER, 100), (HIGHER, 99)]
        {
            let mut bench = waiting(InstanceConfig { preempt, ..config(100) });
            let before = bench.only();
            assert!(bench.hear(saying(source, priority)).is_empty(), "{source} {priority}");
            let after = bench.only();
            assert_eq!(after.traffic.received, 1, "it is counted all the same");
            assert_eq!((after.state, after.deadline), (State::Initialize, None));
            assert_eq!((after.peer, after.active_interval), (before.peer, before.active_interval));
        }
    }
}

#[test]
fn vrrp_052_stopping_what_has_not_started_says_nothing_on_the_wire() {
    let mut bench = waiting(config(100));
    let outs = bench.feed(Input::Stop);
    assert!(outs.is_quiet());
    assert!(outs.changes().is_empty());
    assert!(bench.router.is_settled());
    bench.link_up();
    assert_eq!(bench.state(), State::Initialize, "a stopped node does not start again");
}

#[test]
fn vrrp_053_vrrp_054_no_timer_runs_in_initialize() {
    let mut bench = waiting(config(255));
    for _ in 0..10 {
        bench.pass(secs(10));
        assert!(bench.wake().is_empty());
    }
    assert_eq!(bench.state(), State::Initialize);
}

#[test]
fn vrrp_061_a_dropped_packet_changes_nothing_in_initialize() {
    let mut bench = waiting(config(100));
    let mut bad = saying(HIGHER, 254);
    bad.ttl = 254;
    assert!(bench.hear(bad).is_quiet());
    assert_eq!((bench.state(), bench.left()), (State::Initialize, None));
}

#[test]
fn vrrp_062_more_trouble_leaves_it_where_it_is() {
    let mut bench = waiting(config(100));
    let outs = bench.fact(KernelFact::LinkGone(index(2)));
    assert!(outs.changes().is_empty());
    assert_eq!(bench.only().fault, Some(Reason::LinkMissing));
    assert_eq!(bench.state(), State::Initialize);
}

#[test]
fn vrrp_064_it_starts_when_the_last_thing_missing_is_there() {
    let (mut bench, _) = Bench::silent(vec![config(100)]);
    bench.addresses.clear();
    bench.snapshot(vec![]);
    assert_eq!(bench.only().fault, Some(Reason::LinkMissing));
    bench.link_is(LinkFact { running: false, ..link(2, "eth0") });
    assert_eq!(bench.only().fault, Some(Reason::LinkDown));
    bench.pass(millis(500));
    bench.link_up();
    assert_eq!(bench.only().fault, Some(Reason::NoSourceAddress));
    bench.pass(millis(500));
    let outs = bench.fact(KernelFact::Address(address(2, OWN)));
    assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::FaultCleared)]);
    // A whole down interval from here: whoever holds has not been heard yet.
    assert_eq!(bench.left(), Some(nanos(3_609_375_000)));
}

#[test]
fn vrrp_065_a_priority_is_stored_while_it_waits() {
    let mut bench = waiting(config(100));
    let outs = bench.feed(Input::Configure(vec![config(180)]));
    assert!(outs.is_quiet());
    assert_eq!(bench.only().priority.get(), 180);
    bench.link_up();
    assert_eq!(bench.left(), Some(nanos(3_000_000_000 + 76 * 3_906_250)));
}

#[test]
fn vrrp_066_a_configuration_is_stored_while_it_waits() {
    let mut bench = waiting(config(100));
    let changed = InstanceConfig { interval: crate::bench::centis(20), ..config(100) };
    assert!(bench.feed(Input::Configure(vec![changed])).is_quiet());
    bench.link_up();
    assert_eq!(bench.left(), Some(nanos(721_875_000)));
}
