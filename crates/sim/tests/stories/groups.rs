//! Sync groups (VRRP-071): two virtual routers, two families, one fate.

use base::{State, Vip, Vrid};
use sim::{ETH1, Lan, Weather, config, config_v6};
use vrrp::{InstanceConfig, TrackInterface};

use crate::{DELAY, INTERVAL, KERNEL, VIP, changes, down, millis, secs, skew};

const VIP6: &str = "2001:db8::6";
const THIRD: &str = "193.168.0.7";

fn grouped(config: InstanceConfig) -> InstanceConfig {
    InstanceConfig { group: Some("G".into()), ..config }
}

fn pair(priority: u8) -> Vec<InstanceConfig> {
    vec![grouped(config(priority)), grouped(config_v6(priority))]
}

fn third(priority: u8) -> InstanceConfig {
    let vips = vec![Vip::new(THIRD.parse().unwrap(), 16, "eth0".into())];
    let vrid = Vrid::new(53).unwrap();
    grouped(InstanceConfig { name: "VI_3".into(), vrid, vips, ..config(priority) })
}

/// Asserts that `name` alone has all of these, and that the client knows.
#[track_caller]
fn assert_all_served_by(lan: &Lan, name: &str, vips: &[&str]) {
    for vip in vips {
        assert_eq!(lan.holders(vip), [name], "whose kernel has {vip}");
        assert_eq!(lan.client_reaches(vip), Some(name), "where the client sends for {vip}");
    }
}

/// Asserts that at no time since it began did the node have one VIP without the other for longer
/// than its kernel takes.
fn watch(lan: &mut Lan, span: core::time::Duration) {
    let end = lan.now() + span;
    let mut apart_since = None;
    lan.run_until(span, |lan| {
        for name in ["a", "b"] {
            let router = lan.see(name).router().status();
            let states: Vec<State> = router.instances.iter().map(|one| one.state).collect();
            assert!(
                states.windows(2).all(|two| two[0] == two[1]),
                "{name} at {}: {states:?}",
                lan.now()
            );
        }
        let apart = lan.holders(VIP) != lan.holders(VIP6);
        apart_since = apart_since.or(Some(lan.now())).filter(|_| apart);
        if let Some(since) = apart_since {
            assert!(lan.now().since(since) <= KERNEL + millis(1), "apart for too long");
        }
        lan.now() >= end
    });
}

#[test]
fn vrrp_071_a_group_is_lost_and_regained_as_one() {
    let mut lan = Lan::new(1).strangers().node("a", pair(200)).node("b", pair(100));
    watch(&mut lan, secs(10));
    assert_all_served_by(&lan, "a", &[VIP, VIP6]);
    lan.stop("a");
    let took =
        lan.run_until(secs(5), |lan| lan.holders(VIP) == ["b"] && lan.holders(VIP6) == ["b"]);
    assert_eq!(took, Some(DELAY + skew(100) + KERNEL), "both at the same instant");
    lan.run_for(millis(1));
    assert_all_served_by(&lan, "b", &[VIP, VIP6]);
}

#[test]
fn vrrp_071_a_partition_and_its_end() {
    let mut lan = Lan::new(1).node("a", pair(200)).node("b", pair(100));
    watch(&mut lan, secs(10));
    lan.unplug("a");
    lan.run_for(down(100) + millis(2));
    assert_eq!((lan.holders(VIP), lan.holders(VIP6)), (vec!["a", "b"], vec!["a", "b"]));
    lan.plug("a");
    // One advert of either member is enough for both; then there is one holder again.
    lan.run_for(INTERVAL + millis(2));
    assert_eq!((lan.holders(VIP), lan.holders(VIP6)), (vec!["a"], vec!["a"]));
    watch(&mut lan, secs(10));
    assert_all_served_by(&lan, "a", &[VIP, VIP6]);
    // Each of its members once, and the group.
    assert_eq!(changes(lan.see("b")).iter().filter(|to| **to == State::Active).count(), 3);
}

#[test]
fn vrrp_071_one_members_link_takes_the_other_member_along() {
    let inner = |priority| {
        let vips = vec![Vip::new("10.0.0.200".parse().unwrap(), 24, ETH1.into())];
        let vrid = Vrid::new(53).unwrap();
        grouped(InstanceConfig { name: "inner".into(), vrid, vips, ..config(priority) })
    };
    let node = |priority| vec![grouped(config(priority)), inner(priority)];
    let mut lan = Lan::new(1).strangers().node("a", node(200)).node("b", node(100));
    lan.run_for(secs(10));
    assert_all_served_by(&lan, "a", &[VIP, "10.0.0.200"]);
    lan.carrier_of("a", ETH1, false);
    let took = lan
        .run_until(secs(5), |lan| lan.holders(VIP) == ["b"] && lan.holders("10.0.0.200") == ["b"]);
    assert_eq!(took, Some(DELAY + skew(100) + KERNEL), "both said good-bye");
    lan.run_for(millis(2));
    assert_all_served_by(&lan, "b", &[VIP, "10.0.0.200"]);
    lan.carrier_of("a", ETH1, true);
    lan.run_for(INTERVAL + down(200) + millis(2));
    assert_all_served_by(&lan, "a", &[VIP, "10.0.0.200"]);
}

#[test]
fn a_member_added_on_both_nodes_one_after_the_other_moves_nothing() {
    for first in ["a", "b"] {
        let with = |priority| [pair(priority), vec![third(priority)]].concat();
        let mut lan = Lan::new(1).node("a", pair(200)).node("b", pair(100));
        lan.run_for(secs(10));
        let before: Vec<_> = ["a", "b"].map(|name| changes(lan.see(name)).len()).into();
        let reload = |lan: &mut Lan, name: &str| {
            lan.reload(name, with(if name == "a" { 200 } else { 100 }));
            watch_three(lan, secs(7));
        };
        reload(&mut lan, first);
        reload(&mut lan, if first == "a" { "b" } else { "a" });
        assert_all_served_by(&lan, "a", &[VIP, VIP6, THIRD]);
        // The holder's new member became Active and nothing else changed; the other's began.
        let after: Vec<_> = ["a", "b"].map(|name| changes(lan.see(name)).len()).into();
        let of = |group: usize| after[group] - before[group];
        assert_eq!((of(0), of(1)), (1, 1), "{first} first");
    }
}

fn watch_three(lan: &mut Lan, span: core::time::Duration) {
    lan.run_until(span, |lan| {
        assert_eq!(lan.holders(VIP), ["a"]);
        assert_eq!(lan.holders(VIP6), ["a"]);
        false
    });
}

#[test]
fn two_nodes_each_stronger_in_another_member_come_to_rest() {
    // In keepalived this pair pushes itself to and fro for ever.
    for seed in 0..40 {
        let weather = Weather { jitter: millis(1), duplicates: 50, ..Weather::default() };
        let node = |v4, v6| vec![grouped(config(v4)), grouped(config_v6(v6))];
        let mut lan =
            Lan::new(seed).weather(weather).node("a", node(200, 100)).node("b", node(100, 200));
        lan.run_for(secs(20));
        let moves = |lan: &Lan| ["a", "b"].map(|name| changes(lan.see(name)).len());
        let before = moves(&lan);
        lan.run_for(secs(60));
        assert_eq!(moves(&lan), before, "seed {seed}: still moving");
        // Whose it is depends on which advert overtook which; that it is one node's does not.
        let holder = lan.holders(VIP).concat();
        assert_all_served_by(&lan, &holder, &[VIP, VIP6]);
        lan.crash(&holder);
        lan.run_for(secs(6));
        assert_all_served_by(&lan, if holder == "a" { "b" } else { "a" }, &[VIP, VIP6]);
    }
}

#[test]
fn a_group_and_loose_instances_on_the_other_node_come_to_rest() {
    // `b` has no group: in IPv6 it is stronger, so the group must not hold at all.
    let mut lan = Lan::new(1).node("a", pair(150)).node("b", vec![config(100), config_v6(200)]);
    lan.run_for(secs(20));
    assert_eq!((lan.holders(VIP), lan.holders(VIP6)), (vec!["b"], vec!["b"]));
    let before = changes(lan.see("a")).len();
    lan.run_for(secs(60));
    assert_eq!(changes(lan.see("a")).len(), before);
}

#[test]
fn a_group_tracks_an_interface_by_weight() {
    let track = |priority| -> Vec<InstanceConfig> {
        let effect = base::TrackEffect::DeltaWhileBad(-150);
        let track = vec![TrackInterface { interface: ETH1.into(), effect }];
        let with = |config: InstanceConfig| InstanceConfig { track: track.clone(), ..config };
        pair(priority).into_iter().map(with).collect()
    };
    let mut lan = Lan::new(1).node("a", track(200)).node("b", pair(100));
    lan.run_for(secs(10));
    lan.carrier_of("a", ETH1, false);
    lan.run_for(secs(6));
    assert_all_served_by(&lan, "b", &[VIP, VIP6]);
    lan.carrier_of("a", ETH1, true);
    lan.run_for(secs(6));
    assert_all_served_by(&lan, "a", &[VIP, VIP6]);
}
