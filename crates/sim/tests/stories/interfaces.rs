//! A second interface, and the second family.

use base::{Family, TrackEffect, Vip, What};
use sim::{ETH1, Lan, config, config_v6};
use vrrp::{InstanceConfig, TrackInterface};

use crate::{DELAY, INTERVAL, KERNEL, VIP, assert_served_by, down, millis, secs, skew, told};

const VIP6: &str = "2001:db8::6";

#[test]
fn an_ipv6_pair_elects_loses_and_regains_its_holder() {
    let mut lan =
        Lan::new(1).strangers().node("a", vec![config_v6(200)]).node("b", vec![config_v6(100)]);
    lan.run_for(down(200) + KERNEL + millis(1));
    assert_eq!(lan.holders(VIP6), ["a"]);
    assert_eq!(lan.holders("fe80::6:6"), ["a"]);
    assert_eq!(lan.client_reaches(VIP6), Some("a"));
    lan.crash("a");
    lan.run_for(down(100) + millis(2));
    assert_eq!(lan.holders(VIP6), ["b"]);
    assert_eq!(lan.client_reaches(VIP6), Some("b"));
    assert_eq!(lan.client_reaches("fe80::6:6"), Some("b"));
    lan.boot("a");
    lan.run_for(down(200) + millis(2));
    assert_eq!(lan.holders(VIP6), ["a"]);
    assert_eq!(lan.client_reaches(VIP6), Some("a"));
    lan.stop("a");
    let took = lan.run_until(secs(5), |lan| lan.holders(VIP6) == ["b"]);
    assert_eq!(took, Some(DELAY + skew(100) + KERNEL));
}

#[test]
fn both_families_of_one_vrid_are_elected_apart() {
    // `a` is the stronger one in IPv4, `b` in IPv6.
    let mut lan = Lan::new(1)
        .node("a", vec![config(200), config_v6(100)])
        .node("b", vec![config(100), config_v6(200)]);
    lan.run_for(secs(10));
    assert_served_by(&lan, "a");
    assert_eq!((lan.holders(VIP6), lan.client_reaches(VIP6)), (vec!["b"], Some("b")));
    lan.crash("b");
    lan.run_for(secs(5));
    assert_served_by(&lan, "a");
    assert_eq!((lan.holders(VIP6), lan.client_reaches(VIP6)), (vec!["a"], Some("a")));
    let families: Vec<Family> =
        lan.see("a").router().status().instances.iter().map(|one| one.family).collect();
    assert_eq!(families, [Family::V4, Family::V6]);
}

fn tracking(priority: u8, effect: TrackEffect) -> InstanceConfig {
    let track = vec![TrackInterface { interface: ETH1.into(), effect }];
    InstanceConfig { track, ..config(priority) }
}

#[test]
fn vrrp_065_a_tracked_interface_moves_the_vip_by_its_weight_and_back() {
    let effect = TrackEffect::DeltaWhileBad(-150);
    let mut lan = Lan::new(1).node("a", vec![tracking(200, effect)]).router("b", 100);
    lan.run_for(secs(5));
    assert_served_by(&lan, "a");
    lan.carrier_of("a", ETH1, false);
    lan.run_for(INTERVAL + down(100) + millis(2));
    assert_served_by(&lan, "b");
    assert!(told(lan.see("a"), |what| matches!(what, What::PriorityChanged { .. })));
    lan.carrier_of("a", ETH1, true);
    lan.run_for(INTERVAL + down(200) + millis(2));
    assert_served_by(&lan, "a");
}

#[test]
fn vrrp_062_a_tracked_interface_without_weight_costs_skew_time_only() {
    let mut lan = Lan::new(1)
        .strangers()
        .node("a", vec![tracking(200, TrackEffect::FaultWhileBad)])
        .router("b", 100);
    lan.run_for(secs(5));
    lan.carrier_of("a", ETH1, false);
    let took = lan.run_until(secs(5), |lan| lan.holders(VIP) == ["b"]);
    assert_eq!(took, Some(DELAY + skew(100) + KERNEL), "it could still say good-bye");
    lan.run_for(millis(1));
    assert_served_by(&lan, "b");
}

#[test]
fn a_vip_lives_on_another_interface_than_the_adverts() {
    let elsewhere = |priority| InstanceConfig {
        vips: vec![Vip::new("10.0.0.200".parse().unwrap(), 24, ETH1.into())],
        ..config(priority)
    };
    let mut lan = Lan::new(1).node("a", vec![elsewhere(200)]).node("b", vec![elsewhere(100)]);
    lan.run_for(secs(5));
    assert_eq!(
        (lan.holders("10.0.0.200"), lan.client_reaches("10.0.0.200")),
        (vec!["a"], Some("a"))
    );
    lan.carrier_of("a", ETH1, false);
    lan.run_for(skew(100) + millis(2));
    assert_eq!(
        (lan.holders("10.0.0.200"), lan.client_reaches("10.0.0.200")),
        (vec!["b"], Some("b"))
    );
}

#[test]
fn a_flapping_link_starves_nobody_else() {
    let other = InstanceConfig {
        name: "flapping".into(),
        vrid: base::Vrid::new(52).unwrap(),
        vips: vec![Vip::new("10.0.0.200".parse().unwrap(), 24, ETH1.into())],
        ..config(200)
    };
    let mut lan = Lan::new(1).node("a", vec![config(200), other]).router("b", 100);
    lan.run_for(secs(5));
    let before = lan.see("a").router().status().instances[0].clone();
    // A hundred flaps in a minute (L3).
    for flap in 0..200 {
        lan.carrier_of("a", ETH1, flap % 2 == 1);
        lan.run_for(millis(300));
    }
    assert_served_by(&lan, "a");
    let after = lan.see("a").router().status().instances[0].clone();
    assert_eq!(after.since, before.since);
    assert_eq!(after.traffic.sent - before.traffic.sent, 60);
}
