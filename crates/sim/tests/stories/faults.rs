//! Single failures, and how long they last (L1).

use base::State;
use sim::Lan;

use crate::{
    DELAY, INTERVAL, KERNEL, VIP, assert_served_by, changes, down, millis, secs, skew, takeovers,
    told,
};
use base::What;

fn pair() -> Lan {
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(10));
    assert_served_by(&lan, "a");
    lan
}

/// Runs until `a` has just said something.
fn just_spoken(lan: &mut Lan) {
    let sent = lan.see("a").adverts_sent();
    lan.run_until(INTERVAL * 2, |lan| lan.see("a").adverts_sent() > sent).unwrap();
}

#[test]
fn a_crash_is_over_one_down_interval_after_the_last_advert() {
    let mut lan = pair();
    just_spoken(&mut lan);
    lan.crash("a");
    let took = lan.run_until(secs(10), |lan| lan.holders(VIP) == ["b"]);
    assert_eq!(took, Some(DELAY + down(100) + KERNEL));
    lan.run_for(millis(1));
    assert_served_by(&lan, "b");
}

#[test]
fn vrrp_078_an_orderly_stop_takes_skew_time() {
    let mut lan = Lan::new(1).strangers().router("a", 200).router("b", 100);
    lan.run_for(secs(10));
    lan.run_for(millis(123));
    lan.stop("a");
    lan.run_for(KERNEL);
    assert!(lan.holders(VIP).is_empty(), "it let go at once");
    let took = lan.run_until(secs(10), |lan| lan.holders(VIP) == ["b"]);
    assert_eq!(took, Some(DELAY + skew(100)));
    lan.run_for(millis(1));
    assert_served_by(&lan, "b");
    lan.run_for(secs(60));
    assert_eq!(changes(lan.see("a")).last(), Some(&State::Initialize), "stopped is stopped");
}

#[test]
fn a_lost_carrier_frees_the_vip_at_once_and_is_silence_to_the_others() {
    let mut lan = pair();
    just_spoken(&mut lan);
    lan.carrier("a", false);
    lan.run_for(millis(1));
    assert!(lan.holders(VIP).is_empty());
    let took = lan.run_until(secs(10), |lan| lan.holders(VIP) == ["b"]).unwrap();
    assert!(took <= down(100) + millis(1), "{took:?}");
    lan.run_for(millis(1));
    assert_served_by(&lan, "b");
    lan.carrier("a", true);
    let back = lan.run_until(secs(10), |lan| lan.actives() == ["a"]);
    assert_eq!(back, Some(down(200) + DELAY));
    lan.run_for(millis(1));
    assert_served_by(&lan, "a");
}

#[test]
fn a_carrier_that_is_back_before_anybody_lost_patience_costs_no_election() {
    let mut lan = pair();
    just_spoken(&mut lan);
    lan.run_for(millis(300));
    lan.carrier("a", false);
    lan.run_for(millis(200));
    assert!(lan.holders(VIP).is_empty());
    lan.carrier("a", true);
    lan.run_for(millis(2));
    assert_served_by(&lan, "a");
    lan.run_for(secs(30));
    assert_served_by(&lan, "a");
    assert_eq!((takeovers(lan.see("a")), takeovers(lan.see("b"))), (2, 0));
}

#[test]
fn vrrp_067_a_vip_removed_by_hand_is_back_at_once_without_an_election() {
    let mut lan = pair();
    lan.delete("a", VIP.parse().unwrap());
    assert!(lan.holders(VIP).is_empty());
    let took = lan.run_until(secs(1), |lan| !lan.holders(VIP).is_empty());
    assert_eq!(took, Some(KERNEL));
    assert_served_by(&lan, "a");
    let heard = lan.client().heard();
    lan.run_for(millis(1));
    assert!(lan.client().heard() > heard, "and announced again");
    lan.run_for(secs(60));
    assert_eq!((takeovers(lan.see("a")), takeovers(lan.see("b"))), (1, 0));
    assert!(told(lan.see("a"), |what| matches!(what, What::VipTaken { .. })));
}

#[test]
fn a_router_started_anew_gives_up_what_its_forerunner_left_and_listens_first() {
    let mut lan = pair();
    lan.restart("a");
    assert_eq!(lan.holders(VIP), ["a"], "left behind");
    lan.run_for(KERNEL);
    assert!(lan.holders(VIP).is_empty());
    assert!(told(lan.see("a"), |what| matches!(what, What::VipLeftOver { .. })));
    lan.run_for(secs(5));
    assert_served_by(&lan, "a");
}

#[test]
fn the_death_of_a_backup_is_nobody_s_business() {
    let mut lan = pair();
    lan.crash("b");
    lan.run_for(secs(60));
    lan.boot("b");
    lan.run_for(secs(60));
    assert_served_by(&lan, "a");
    assert_eq!((takeovers(lan.see("a")), takeovers(lan.see("b"))), (1, 0));
}

#[test]
fn everybody_dies_and_whoever_is_back_first_holds() {
    let mut lan = pair();
    lan.crash("a");
    lan.crash("b");
    lan.run_for(secs(10));
    assert!(lan.holders(VIP).is_empty());
    lan.boot("b");
    lan.run_for(down(100) + millis(1));
    assert_served_by(&lan, "b");
}
