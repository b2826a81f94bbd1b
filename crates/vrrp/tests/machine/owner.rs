//! The owner of the addresses, priority 255 (RFC 9568 §6.1, §6.4.1; errata 8298).

use base::{Preempt, Reason, State, TrackEffect};
use vrrp::{InstanceConfig, TrackInterface};

use crate::bench::{Bench, HIGHER, LOWER, config, link, nanos, saying, secs};

#[test]
fn vrrp_036_two_owners_agree_by_address_like_anybody_else() {
    let mut bench = Bench::active(config(255));
    let outs = bench.hear(saying(HIGHER, 255));
    let changes = [(State::Active, State::Backup, Reason::EqualPeerHigherAddress)];
    assert_eq!(outs.changes(), changes);
    assert_eq!(bench.left(), Some(nanos(3_003_906_250)));

    let mut bench = Bench::active(config(255));
    let outs = bench.hear(saying(LOWER, 255));
    assert_eq!((bench.state(), outs.spoken()), (State::Active, vec![255]));
}

#[test]
fn vrrp_036_an_owner_that_was_told_to_does_not_yield_to_another() {
    let stubborn = |priority| InstanceConfig { owner_ignores_owners: true, ..config(priority) };
    let mut bench = Bench::active(stubborn(255));
    let outs = bench.hear(saying(HIGHER, 255));
    assert_eq!((bench.state(), outs.spoken()), (State::Active, vec![255]));
    // Only owners have that right.
    let mut bench = Bench::active(stubborn(200));
    bench.hear(saying(HIGHER, 200));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn vrrp_036_anybody_yields_to_an_owner() {
    let mut bench = Bench::active(config(254));
    let outs = bench.hear(saying(LOWER, 255));
    assert_eq!(outs.changes(), [(State::Active, State::Backup, Reason::StrongerPeer)]);
}

#[test]
fn vrrp_068_an_owner_preempts_whatever_it_was_told() {
    for preempt in [Preempt::Never, Preempt::After(secs(300))] {
        let mut bench = Bench::active(InstanceConfig { preempt, ..config(255) });
        // Another owner with a higher address pushed it back, then fell to an ordinary priority.
        bench.hear(saying(HIGHER, 255));
        assert_eq!(bench.state(), State::Backup);
        let down = bench.left();
        bench.hear(saying(HIGHER, 254));
        assert_eq!(bench.left(), down, "a weaker node is not waited for");
        bench.sleep();
        assert_eq!(bench.state(), State::Active);
    }
}

#[test]
fn vrrp_069_an_owner_ignores_the_delay_at_startup() {
    let delayed = InstanceConfig { preempt: Preempt::After(secs(300)), ..config(255) };
    let bench = Bench::new(delayed);
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn vrrp_065_an_owner_s_priority_is_not_moved_by_trackers() {
    let effect = TrackEffect::DeltaWhileGood(-50);
    let track = vec![TrackInterface { interface: "eth1".into(), effect }];
    let (mut bench, _) = Bench::silent(vec![InstanceConfig { track, ..config(255) }]);
    let outs = bench.snapshot(vec![link(2, "eth0"), link(3, "eth1")]);
    assert_eq!(outs.spoken(), [255]);
}

#[test]
fn vrrp_062_an_owner_whose_link_comes_back_holds_at_once() {
    let mut bench = Bench::active(config(255));
    bench.link_down();
    bench.kernel();
    let outs = bench.link_up();
    assert_eq!(outs.spoken(), [255]);
    assert_eq!(outs.changes(), [(State::Initialize, State::Active, Reason::Owner)]);
}
