//! Verdicts: what scripts, files and processes say, and what that does to each instance.

use base::{Effect, Reason, State, TrackEffect, Tracker, TrackerKind, Verdict, Vrid, What};
use vrrp::{Input, InstanceConfig, TrackInterface, Tracked};

use crate::bench::{Bench, HIGHER, OWN, config, link, millis, saying, secs, vip};

fn script(name: &str) -> Tracker {
    Tracker { kind: TrackerKind::Script, name: name.into() }
}

fn says(name: &str, verdict: Verdict) -> Input {
    Input::Verdict { tracker: script(name), verdict }
}

fn tracking(effect: TrackEffect) -> InstanceConfig {
    let tracked = Tracked { tracker: script("chk"), effect: Effect::Of(effect), assume_bad: false };
    InstanceConfig { trackers: vec![tracked], ..config(100) }
}

use Verdict::{Bad, Good, Number, Unknown};

#[test]
fn vrrp_065_a_verdict_moves_the_priority_by_its_weight() {
    for (effect, unknown, good, bad) in [
        (TrackEffect::DeltaWhileGood(20), 100, 120, 100),
        (TrackEffect::DeltaWhileBad(-20), 100, 100, 80),
    ] {
        let mut bench = Bench::new(tracking(effect));
        assert_eq!(bench.state(), State::Backup, "a weight never keeps it from starting");
        assert_eq!(bench.only().priority.get(), unknown);
        for (verdict, priority) in [(Good, good), (Bad, bad), (Bad, bad), (Good, good)] {
            bench.feed(says("chk", verdict));
            assert_eq!(bench.only().priority.get(), priority, "{effect:?} {verdict:?}");
        }
    }
}

#[test]
fn vrrp_065_a_verdict_without_weight_is_a_fault_and_its_end_a_fresh_start() {
    let mut bench = Bench::new(tracking(TrackEffect::FaultWhileBad));
    bench.feed(says("chk", Good));
    bench.sleep();
    assert_eq!(bench.state(), State::Active);
    let outs = bench.feed(says("chk", Bad));
    assert_eq!(outs.spoken(), [0]);
    assert_eq!(outs.changes(), [(State::Active, State::Initialize, Reason::Tracker)]);
    // The verdict is an event of its own, and the cause.
    let verdict = outs.events()[0];
    assert_eq!(verdict.what, What::VerdictChanged { verdict: Bad });
    let change = outs.events().into_iter().find(|e| matches!(e.what, What::StateChanged { .. }));
    assert_eq!(change.unwrap().causes, [verdict.id]);
    assert_eq!(bench.only().fault, Some(Reason::Tracker));
    let outs = bench.feed(says("chk", Good));
    assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::FaultCleared)]);
}

#[test]
fn reversed_without_weight_good_is_the_fault() {
    let mut bench = Bench::new(tracking(TrackEffect::FaultWhileGood));
    bench.feed(says("chk", Bad));
    assert_eq!(bench.state(), State::Backup);
    bench.feed(says("chk", Good));
    assert_eq!(bench.only().fault, Some(Reason::Tracker));
}

#[test]
fn what_could_be_a_fault_is_waited_for_in_silence() {
    let (mut bench, _) = Bench::silent(vec![tracking(TrackEffect::FaultWhileBad)]);
    let outs = bench.snapshot(vec![link(2, "eth0")]);
    assert!(outs.changes().is_empty(), "nobody is told of a fault that may not be one");
    assert_eq!((bench.state(), bench.left()), (State::Initialize, None));
    let outs = bench.feed(says("chk", Good));
    assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::Startup)]);

    // The first verdict is that it is bad: then there is something to tell.
    let mut bench = Bench::new(tracking(TrackEffect::FaultWhileBad));
    let outs = bench.feed(says("chk", Bad));
    assert_eq!(outs.changes(), [(State::Initialize, State::Initialize, Reason::Tracker)]);
}

#[test]
fn a_link_that_comes_up_before_the_first_verdict_does_not_start_it() {
    let (mut bench, _) = Bench::silent(vec![tracking(TrackEffect::FaultWhileBad)]);
    bench.snapshot(vec![]);
    assert_eq!(bench.only().fault, Some(Reason::LinkMissing));
    bench.link_up();
    bench.snapshot(vec![link(2, "eth0")]);
    assert_eq!(bench.state(), State::Initialize);
    bench.feed(says("chk", Good));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn what_is_to_be_taken_for_bad_is_bad_until_it_is_known() {
    for (effect, state, priority) in [
        (TrackEffect::FaultWhileBad, State::Initialize, 100),
        (TrackEffect::DeltaWhileBad(-20), State::Backup, 80),
        (TrackEffect::DeltaWhileGood(20), State::Backup, 100),
    ] {
        let mut config = tracking(effect);
        config.trackers[0].assume_bad = true;
        let bench = Bench::new(config);
        assert_eq!((bench.state(), bench.only().priority.get()), (state, priority), "{effect:?}");
    }
}

#[test]
fn verdicts_may_come_before_the_configuration_that_uses_them() {
    let (mut bench, _) = Bench::silent(vec![]);
    bench.feed(says("chk", Good));
    bench.feed(Input::Configure(vec![tracking(TrackEffect::FaultWhileBad)]));
    bench.snapshot(vec![link(2, "eth0")]);
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn a_tracker_added_by_a_reload_does_not_stop_who_runs() {
    let mut bench = Bench::active(config(100));
    let outs = bench.feed(Input::Configure(vec![tracking(TrackEffect::FaultWhileBad)]));
    assert!(outs.is_quiet());
    assert_eq!(bench.state(), State::Active);
    bench.feed(says("chk", Bad));
    assert_eq!(bench.state(), State::Initialize);
    // And one that is taken away lets go.
    bench.feed(Input::Configure(vec![config(100)]));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn one_tracker_serves_many_instances_each_in_its_own_way() {
    let second = InstanceConfig {
        name: "second".into(),
        vrid: Vrid::new(52).unwrap(),
        vips: vec![vip("192.0.2.101")],
        ..tracking(TrackEffect::FaultWhileBad)
    };
    let mut bench = Bench::of(vec![tracking(TrackEffect::DeltaWhileBad(-30)), second]);
    bench.feed(says("chk", Bad));
    assert_eq!(bench.one("VI").priority.get(), 70);
    assert_eq!(bench.one("second").fault, Some(Reason::Tracker));
}

#[test]
fn a_script_and_a_file_of_one_name_are_two() {
    let file = Tracker { kind: TrackerKind::File, name: "chk".into() };
    let tracked = |tracker, effect| Tracked { tracker, effect, assume_bad: false };
    let trackers = vec![
        tracked(script("chk"), Effect::Of(TrackEffect::DeltaWhileBad(-1))),
        tracked(file.clone(), Effect::Times(2)),
    ];
    let mut bench = Bench::new(InstanceConfig { trackers, ..config(100) });
    bench.feed(Input::Verdict { tracker: file.clone(), verdict: Number(10) });
    assert_eq!(bench.only().priority.get(), 120);
    bench.feed(says("chk", Bad));
    assert_eq!(bench.only().priority.get(), 119);
    bench.feed(Input::Verdict { tracker: file, verdict: Number(-127) });
    assert_eq!(bench.only().fault, Some(Reason::Tracker));
}

#[test]
fn weights_add_up_and_stay_within_bounds() {
    let tracked = |name, weight| Tracked {
        tracker: script(name),
        effect: Effect::Of(TrackEffect::DeltaWhileBad(weight)),
        assume_bad: false,
    };
    let trackers = vec![tracked("a", -60), tracked("b", -60)];
    let mut bench = Bench::active(InstanceConfig { trackers, ..config(100) });
    bench.feed(says("a", Bad));
    assert_eq!(bench.only().priority.get(), 40);
    bench.feed(says("b", Bad));
    assert_eq!((bench.only().priority.get(), bench.state()), (1, State::Active));
    bench.feed(says("a", Good));
    assert_eq!(bench.only().priority.get(), 40);
}

#[test]
fn a_verdict_nobody_uses_and_one_that_is_not_new_say_nothing() {
    let mut bench = Bench::active(tracking_by_weight());
    assert!(bench.feed(says("other", Bad)).is_empty());
    bench.feed(says("chk", Bad));
    assert!(bench.feed(says("chk", Bad)).is_empty());
    assert!(!bench.feed(says("chk", Unknown)).is_empty());
    assert_eq!(bench.only().source, Some(crate::bench::ip(OWN)));
}

fn tracking_by_weight() -> InstanceConfig {
    tracking(TrackEffect::DeltaWhileBad(-20))
}

#[test]
fn two_interfaces_without_weight_are_two_faults() {
    // keepalived keeps one bit for both: the first one back seems to clear it.
    let track = ["eth1", "eth2"]
        .map(|name| TrackInterface { interface: name.into(), effect: TrackEffect::FaultWhileBad });
    let mut bench = Bench::new(InstanceConfig { track: track.into(), ..config(100) });
    let is =
        |number: u32, name: &str, running: bool| base::LinkFact { running, ..link(number, name) };
    bench.snapshot(vec![link(2, "eth0"), link(3, "eth1"), link(4, "eth2")]);
    bench.sleep();
    assert_eq!(bench.state(), State::Active);
    bench.link_is(is(3, "eth1", false));
    bench.link_is(is(4, "eth2", false));
    assert_eq!(bench.state(), State::Initialize);
    bench.link_is(is(3, "eth1", true));
    assert_eq!((bench.state(), bench.only().fault), (State::Initialize, Some(Reason::Tracker)));
    bench.link_is(is(4, "eth2", true));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn a_weight_that_changes_lets_a_stronger_peer_in() {
    let mut bench = Bench::active(tracking_by_weight());
    bench.hear(saying(HIGHER, 90));
    assert_eq!(bench.state(), State::Active);
    bench.feed(says("chk", Bad));
    bench.pass(millis(300));
    bench.hear(saying(HIGHER, 90));
    assert_eq!(bench.state(), State::Backup);
    assert!(bench.left().unwrap() > secs(3));
}
