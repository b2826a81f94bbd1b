//! What else on the node matters: trackers, tracked interfaces, VIPs on other interfaces
//! (VRRP-062, 064, 065).

use base::{
    Effect, KernelFact, LinkFact, Priority, Reason, State, TrackEffect, Tracker, TrackerKind, Vip,
    What,
};
use vrrp::{Input, InstanceConfig, Statics, TrackGroup, TrackInterface, Tracked};

use crate::bench::{
    Bench, HIGHER, LOWER, VIP, config, index, ip, link, millis, nanos, saying, secs,
};

fn tracking(tracks: &[(&str, TrackEffect)]) -> InstanceConfig {
    let track = tracks
        .iter()
        .map(|(interface, effect)| TrackInterface {
            interface: (*interface).into(),
            effect: *effect,
        })
        .collect();
    InstanceConfig { track, ..config(100) }
}

fn down(number: u32, name: &str) -> LinkFact {
    LinkFact { running: false, ..link(number, name) }
}

/// A bench with `eth0` to `eth2`, all up.
fn wide(config: InstanceConfig) -> Bench {
    let (mut bench, _) = Bench::silent(vec![config]);
    bench.snapshot(vec![link(2, "eth0"), link(3, "eth1"), link(4, "eth2")]);
    bench
}

#[test]
fn vrrp_062_vrrp_064_a_fault_ends_when_its_cause_does() {
    let mut bench = wide(config(100));
    bench.sleep();
    bench.kernel();
    bench.link_down();
    bench.kernel();
    bench.pass(secs(60));
    assert!(bench.wake().is_empty());
    let outs = bench.link_up();
    assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::FaultCleared)]);
    assert!(outs.adverts().is_empty() && outs.ops().is_empty());
    assert_eq!(bench.left(), Some(nanos(3_609_375_000)), "a whole down interval, as at start");
    assert_eq!(bench.only().peer, None);
}

#[test]
fn vrrp_062_with_two_faults_the_end_of_one_is_not_enough() {
    use TrackEffect::FaultWhileBad;
    let mut bench = wide(tracking(&[("eth1", FaultWhileBad), ("eth2", FaultWhileBad)]));
    bench.link_is(down(3, "eth1"));
    bench.link_is(down(4, "eth2"));
    bench.link_is(link(3, "eth1"));
    assert_eq!((bench.state(), bench.only().fault), (State::Initialize, Some(Reason::Tracker)));
    bench.link_down();
    bench.link_is(link(4, "eth2"));
    assert_eq!((bench.state(), bench.only().fault), (State::Initialize, Some(Reason::LinkDown)));
    bench.link_up();
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn vrrp_062_a_tracked_interface_makes_an_active_node_resign() {
    for gone in [false, true] {
        let mut bench = wide(tracking(&[("eth1", TrackEffect::FaultWhileBad)]));
        bench.sleep();
        bench.kernel();
        let fact =
            if gone { KernelFact::LinkGone(index(3)) } else { KernelFact::Link(down(3, "eth1")) };
        let outs = bench.fact(fact);
        assert_eq!(outs.spoken(), [0]);
        assert_eq!(outs.ops(), ["-192.0.2.100"]);
        assert_eq!(outs.changes(), [(State::Active, State::Initialize, Reason::Tracker)]);
        let what = if gone { What::LinkGone } else { What::LinkDown };
        let link = outs.events().into_iter().find(|event| event.what == what).unwrap();
        let change = outs.events().into_iter().last().unwrap();
        assert_eq!(change.causes, [link.id], "and it says which link did it");
    }
}

#[test]
fn vrrp_062_a_reversed_tracker_is_a_fault_while_the_link_is_up() {
    let mut bench = wide(tracking(&[("eth1", TrackEffect::FaultWhileGood)]));
    assert_eq!(bench.only().fault, Some(Reason::Tracker));
    bench.link_is(down(3, "eth1"));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn vrrp_065_weights_add_up_and_the_waited_part_is_kept() {
    use TrackEffect::{DeltaWhileBad, DeltaWhileGood};
    let mut bench = wide(tracking(&[("eth1", DeltaWhileGood(20)), ("eth2", DeltaWhileBad(-40))]));
    assert_eq!(bench.only().priority, Priority::new(120));
    assert_eq!(bench.left(), Some(nanos(3_000_000_000 + 136 * 3_906_250)));
    bench.pass(secs(1));
    let outs = bench.link_is(down(4, "eth2"));
    let (from, to) = (Priority::new(120), Priority::new(80));
    assert!(outs.has(&What::PriorityChanged { from, to }));
    assert!(outs.is_quiet() && outs.changes().is_empty());
    assert_eq!(bench.left(), Some(nanos(2_000_000_000 + 176 * 3_906_250)));
    bench.link_is(down(3, "eth1"));
    assert_eq!(bench.only().priority, Priority::new(60));
    bench.link_is(link(4, "eth2"));
    assert_eq!(bench.only().priority, Priority::new(100));
    assert_eq!(bench.only().base_priority, Priority::new(100));
}

#[test]
fn vrrp_065_an_active_node_tells_its_new_priority_with_the_next_advert() {
    let mut bench = wide(tracking(&[("eth1", TrackEffect::DeltaWhileBad(-30))]));
    bench.sleep();
    bench.kernel();
    bench.pass(millis(400));
    let outs = bench.link_is(down(3, "eth1"));
    assert!(outs.is_quiet());
    assert_eq!(bench.left(), Some(millis(600)), "the beat does not change");
    assert_eq!(bench.sleep().spoken(), [70]);
    // From now on it is weighed by the new one.
    bench.hear(saying(LOWER, 71));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn vrrp_065_a_priority_stays_between_1_and_254() {
    let mut bench = wide(tracking(&[
        ("eth1", TrackEffect::DeltaWhileBad(-253)),
        ("eth2", TrackEffect::DeltaWhileGood(253)),
    ]));
    bench.sleep();
    bench.kernel();
    assert_eq!(bench.only().priority, Priority::new(254));
    bench.link_is(down(4, "eth2"));
    bench.link_is(down(3, "eth1"));
    assert_eq!(bench.sleep().spoken(), [1], "never 0: that would be a farewell");
}

#[test]
fn vrrp_065_a_backup_that_gets_stronger_preempts() {
    let mut bench = wide(tracking(&[("eth1", TrackEffect::DeltaWhileGood(100))]));
    bench.link_is(down(3, "eth1"));
    bench.hear(saying(HIGHER, 150));
    bench.pass(secs(1));
    bench.link_is(link(3, "eth1"));
    bench.hear(saying(HIGHER, 150));
    let outs = bench.sleep();
    assert_eq!(outs.changes(), [(State::Backup, State::Active, Reason::WeakerHolder)]);
    assert_eq!(outs.spoken(), [200]);
}

fn elsewhere() -> InstanceConfig {
    InstanceConfig { vips: vec![Vip::new(ip(VIP), 24, "eth1".into())], ..config(100) }
}

#[test]
fn vrrp_062_a_vip_on_another_interface_needs_that_interface() {
    let mut bench = wide(elsewhere());
    let outs = bench.sleep();
    assert_eq!(outs.advert().index, index(2), "adverts on the one");
    let Some(crate::seen::Seen::Batch(ops)) =
        outs.0.iter().find(|seen| matches!(seen, crate::seen::Seen::Batch(_)))
    else {
        panic!("{outs:?}")
    };
    let [base::AddressOp::Add { index: on, .. }] = ops[..] else { panic!("{ops:?}") };
    assert_eq!(on, index(3), "the VIP on the other");
    let outs = bench.kernel();
    assert_eq!(outs.announced(), [ip(VIP)]);
    assert!(matches!(outs.0[0], crate::seen::Seen::Frame { index: on, .. } if on == index(3)));

    let outs = bench.link_is(down(3, "eth1"));
    assert_eq!(outs.spoken(), [0]);
    assert_eq!(outs.changes(), [(State::Active, State::Initialize, Reason::LinkDown)]);
    bench.kernel();
    bench.link_is(link(3, "eth1"));
    assert_eq!(bench.state(), State::Backup);
    bench.fact(KernelFact::LinkGone(index(3)));
    assert_eq!(bench.only().fault, Some(Reason::LinkMissing));
}

#[test]
fn a_vip_that_is_not_tracked_takes_no_notice_of_its_interface() {
    let mut apart = Vip::new(ip("192.0.2.200"), 24, "eth1".into());
    apart.flags.unguarded = true;
    let mut bench = wide(InstanceConfig { excluded: vec![apart], ..config(100) });
    bench.sleep();
    bench.kernel();
    bench.link_is(down(3, "eth1"));
    assert_eq!(bench.state(), State::Active);
    bench.fact(KernelFact::LinkGone(index(3)));
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn an_interface_that_is_not_tracked_may_be_down() {
    let mut bench = wide(InstanceConfig { track_own_interface: false, ..config(100) });
    bench.link_down();
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn vrrp_062_an_mtu_that_shrinks_below_the_advert_ends_it() {
    let many = InstanceConfig {
        vips: (0..100_u8).map(|n| crate::bench::vip(&format!("192.0.2.{}", 100 + n))).collect(),
        ..config(100)
    };
    let mut bench = wide(many);
    bench.link_is(LinkFact { mtu: 300, ..link(2, "eth0") });
    assert_eq!(bench.only().fault, Some(Reason::AdvertTooLong));
    bench.link_up();
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn news_that_concern_nobody_say_nothing() {
    let mut bench = wide(config(100));
    assert!(bench.link_is(down(4, "eth2")).is_empty());
    assert!(bench.fact(KernelFact::Address(crate::bench::address(4, "198.51.100.1"))).is_empty());
    assert!(bench.fact(KernelFact::LinkGone(index(4))).is_empty());
    let before = bench.left();
    let outs = bench.feed(Input::Configure(vec![config(100)]));
    assert!(outs.is_quiet());
    assert_eq!(bench.left(), before);
}

#[test]
fn what_stays_is_not_missed_before_the_interfaces_are_known() {
    let tracker = Tracker { kind: TrackerKind::Static, name: "T".into() };
    let effect = Effect::Of(TrackEffect::FaultWhileBad);
    let trackers = vec![Tracked { tracker, effect, assume_bad: false }];
    let (mut bench, mut outs) = Bench::silent(vec![InstanceConfig { trackers, ..config(100) }]);
    let vips = vec![Vip::new(ip("198.51.100.1"), 24, "eth0".into())];
    let groups = vec![TrackGroup { name: "T".into(), vips: vips.clone(), ways: Vec::new() }];
    let statics = Statics { vips, groups, ..Statics::default() };
    outs.0.extend(bench.feed(Input::Statics(statics)).0);
    outs.0.extend(bench.snapshot(vec![link(2, "eth0")]).0);
    outs.0.extend(bench.kernel().0);
    let changes = outs.changes();
    assert_eq!(changes, [(State::Initialize, State::Backup, Reason::Startup)], "{outs:?}");
}
