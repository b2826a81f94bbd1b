//! Nodes that are not configured alike.

use base::{Centis, Interval, What};
use sim::{Lan, config};
use vrrp::InstanceConfig;
use vrrp::wire::{Auth, ChecksumForm, Counter};

use crate::{INTERVAL, VIP, assert_served_by, down, millis, secs, takeovers, told};

fn every(centis: u16, priority: u8) -> InstanceConfig {
    InstanceConfig { interval: Interval::V3(Centis::new(centis).unwrap()), ..config(priority) }
}

fn v2(seconds: u8, priority: u8) -> InstanceConfig {
    InstanceConfig { interval: Interval::V2(seconds.try_into().unwrap()), ..config(priority) }
}

fn whole(lan: &Lan, name: &str, counter: Counter) -> u64 {
    lan.see(name).router().status().instances[0].discards.get(counter)
}

#[test]
fn vrrp_034_vrrp_073_intervals_differ_and_the_backup_waits_by_the_holder_s() {
    // The Backup would speak five times as often; it must not take over from a slow holder.
    let mut lan = Lan::new(1).node("a", vec![every(100, 200)]).node("b", vec![every(20, 100)]);
    lan.run_for(secs(60));
    assert_served_by(&lan, "a");
    assert!(takeovers(lan.see("b")) <= 1, "at the start, before it had heard of the other");
    assert!(told(lan.see("b"), |what| matches!(what, What::IntervalDiffers { .. })));
    lan.crash("a");
    let took = lan.run_until(secs(10), |lan| lan.actives() == ["b"]).unwrap();
    assert!(took > down(100) - INTERVAL && took <= down(100), "{took:?}");

    // And the other way round: a fast holder is missed soon.
    let mut lan = Lan::new(1).node("a", vec![every(20, 200)]).node("b", vec![every(100, 100)]);
    lan.run_for(secs(60));
    assert_served_by(&lan, "a");
    lan.crash("a");
    let took = lan.run_until(secs(10), |lan| lan.actives() == ["b"]).unwrap();
    assert!(took <= down(100) / 5, "{took:?}");
}

#[test]
fn vrrp_024_two_versions_do_not_understand_each_other_and_say_so() {
    let mut lan = Lan::new(1).node("a", vec![every(100, 200)]).node("b", vec![v2(1, 100)]);
    lan.run_for(secs(30));
    assert_eq!(lan.holders(VIP), ["a", "b"], "a mistake of configuration that VRRP cannot mend");
    for name in ["a", "b"] {
        assert!(whole(&lan, name, Counter::Version) > 20);
        let told = told(lan.see(name), |what| matches!(what, What::Discarded { .. }));
        assert!(told, "{name} says what it refuses");
    }
    // Mended by a reload of one.
    lan.reload("b", vec![every(100, 100)]);
    lan.run_for(secs(5));
    assert_eq!(lan.holders(VIP), ["a"]);
}

#[test]
fn vrrp_085_different_intervals_in_v2_make_two_holders_and_both_say_so() {
    let mut lan = Lan::new(1).node("a", vec![v2(1, 200)]).node("b", vec![v2(2, 100)]);
    lan.run_for(secs(30));
    assert_eq!(lan.holders(VIP), ["a", "b"]);
    for name in ["a", "b"] {
        assert!(whole(&lan, name, Counter::Interval) > 5, "{name}");
    }
}

#[test]
fn vrrp_087_a_pair_with_a_password_and_a_stranger_without() {
    let auth = Auth::pass(b"1111").unwrap();
    let with = |priority| InstanceConfig { auth, ..v2(1, priority) };
    let mut lan = Lan::new(1).node("a", vec![with(200)]).node("b", vec![with(100)]);
    lan.run_for(secs(10));
    assert_served_by(&lan, "a");
    lan.start("c", vec![v2(1, 250)]);
    lan.run_for(secs(10));
    assert_eq!(lan.actives(), ["a", "c"], "they refuse each other");
    assert!(whole(&lan, "a", Counter::AuthType) > 3 && whole(&lan, "c", Counter::AuthType) > 3);
}

#[test]
fn vrrp_035_vip_lists_differ_and_there_is_still_one_holder() {
    let mut more = config(100);
    more.vips.push(base::Vip::new("193.168.0.7".parse().unwrap(), 16, "eth0".into()));
    let mut lan = Lan::new(1).router("a", 200).node("b", vec![more]);
    lan.run_for(secs(30));
    assert_served_by(&lan, "a");
    assert!(told(lan.see("b"), |what| matches!(what, What::VipListDiffers { .. })));
    assert!(lan.holders("193.168.0.7").is_empty());
}

#[test]
fn vrrp_066_a_vip_added_node_by_node_never_makes_two_holders() {
    let mut more = [config(200), config(100)];
    for config in &mut more {
        config.vips.push(base::Vip::new("193.168.0.7".parse().unwrap(), 16, "eth0".into()));
    }
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(5));
    let [first, second] = more;
    lan.reload("a", vec![first]);
    lan.run_for(secs(30));
    lan.reload("b", vec![second]);
    lan.run_for(secs(30));
    assert_served_by(&lan, "a");
    assert_eq!((takeovers(lan.see("a")), takeovers(lan.see("b"))), (1, 0));
    assert_eq!(lan.client_reaches("193.168.0.7"), Some("a"));
}

#[test]
fn vrrp_029_whoever_takes_over_speaks_the_form_of_checksum_it_heard() {
    let mut theirs = config(200);
    theirs.checksum.send = Some(ChecksumForm::Rfc9568);
    let mut only = config(150);
    only.checksum.accept = vrrp::wire::ChecksumRule::Only(ChecksumForm::Rfc9568);
    // `c` understands one form only, as some makers' routers do; `b` learns it from `a`.
    let mut lan = Lan::new(1).node("a", vec![theirs]).router("b", 180).node("c", vec![only]);
    lan.run_for(secs(10));
    lan.crash("a");
    lan.run_for(secs(30));
    assert_served_by(&lan, "b");
    assert_eq!(takeovers(lan.see("c")), 0);
}

#[test]
fn a_new_priority_moves_the_vip_and_back() {
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(5));
    lan.reload("a", vec![config(50)]);
    lan.run_for(secs(5));
    assert_served_by(&lan, "b");
    lan.reload("a", vec![config(200)]);
    lan.run_for(secs(5) + millis(10));
    assert_served_by(&lan, "a");
}
