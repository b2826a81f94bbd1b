//! Cables that fail silently: VRRP alone cannot tell a dead peer from a deaf one, so two hold; what is
//! promised is that it is told, that it ends within an interval of the heal, and that the client
//! then believes the winner (S3).

use base::What;
use sim::{Lan, Overlap};

use crate::{DELAY, INTERVAL, VIP, assert_served_by, down, millis, secs, takeovers, told};

#[test]
fn a_silent_cable_makes_two_holders_and_the_heal_one() {
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(5));
    lan.unplug("a");
    lan.run_for(down(100) + millis(1));
    assert_eq!(lan.holders(VIP), ["a", "b"], "neither can know of the other");
    assert_eq!(lan.client_reaches(VIP), Some("b"), "the client sees one of them");

    lan.run_for(secs(60));
    lan.plug("a");
    let mut overlap = Overlap::new(INTERVAL + DELAY);
    lan.run_until(secs(60), |lan| {
        overlap.look(lan).unwrap();
        lan.actives() == ["a"]
    })
    .unwrap();
    lan.run_for(millis(2));
    assert_served_by(&lan, "a");
    assert_eq!((takeovers(lan.see("a")), takeovers(lan.see("b"))), (1, 1));
    assert!(told(lan.see("a"), |what| matches!(what, What::RivalHeard { .. })));
    assert!(told(lan.see("b"), |what| matches!(what, What::StrongerHeard { .. })));
}

#[test]
fn the_weaker_one_may_be_the_one_that_was_cut_off() {
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(5));
    lan.unplug("b");
    lan.run_for(secs(30));
    assert_eq!(lan.holders(VIP), ["a", "b"]);
    assert_eq!(lan.client_reaches(VIP), Some("a"));
    lan.plug("b");
    lan.run_for(INTERVAL + millis(2));
    assert_served_by(&lan, "a");
}

#[test]
fn three_islands_become_one() {
    let mut lan = Lan::new(1).router("a", 100).router("b", 200).router("c", 150);
    lan.run_for(secs(5));
    lan.unplug("a");
    lan.unplug("c");
    lan.run_for(secs(10));
    assert_eq!(lan.holders(VIP), ["a", "b", "c"]);
    lan.plug("a");
    lan.plug("c");
    lan.run_for(INTERVAL + millis(3));
    assert_served_by(&lan, "b");
}

#[test]
fn equal_priorities_heal_to_the_higher_address() {
    let mut lan = Lan::new(1).router("a", 100).router("b", 100);
    lan.run_for(secs(5));
    lan.unplug("b");
    lan.run_for(secs(10));
    assert_eq!(lan.holders(VIP), ["a", "b"]);
    lan.plug("b");
    lan.run_for(INTERVAL + millis(2));
    assert_served_by(&lan, "b");
}

#[test]
fn a_loose_contact_ends_with_one_holder_whatever_it_did() {
    for period in [10, 50, 300, 1_000, 2_500, 4_000] {
        let mut lan = Lan::new(1).router("a", 200).router("b", 100);
        lan.run_for(secs(5));
        for _ in 0..30 {
            lan.unplug("a");
            lan.run_for(millis(period));
            lan.plug("a");
            lan.run_for(millis(period));
        }
        lan.run_for(INTERVAL + down(200) + millis(5));
        assert_served_by(&lan, "a");
    }
}
