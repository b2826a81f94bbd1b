//! What a run leaves behind, and what the next one makes of it. Found by simulation.

use base::{State, What};
use sim::Lan;

use crate::{VIP, assert_served_by, directed, down, millis, secs, told};

#[test]
fn an_engine_that_dies_having_let_go_has_no_heir_that_holds_on() {
    // The guardian forgot a holder when its addresses were off the node and not before.
    assert_eq!(directed::held_on_to_after_yielding(), 0);
    let mut lan = Lan::new(1).router("a", 100);
    lan.run_for(secs(10));
    lan.start("b", vec![sim::config(200)]);
    lan.run_until(secs(10), |lan| !lan.see("a").is_active()).unwrap();
    lan.kill_engine("a");
    lan.run_for(millis(5));
    assert_eq!(lan.holders(VIP), ["b"], "the guardian has removed it");
    lan.run_for(secs(5));
    assert_served_by(&lan, "b");
}

#[test]
fn a_vip_left_on_an_interface_that_has_another_name_by_now_stays_silent() {
    // All killed, the interface renamed, started anew: nobody looks for the VIP under that name.
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(10));
    lan.kill("a");
    lan.meddle(0, |kernel| kernel.rename(0, "lan7"));
    lan.run_for(secs(1));
    lan.restart("a");
    lan.run_for(down(100) + secs(30));
    assert_eq!(lan.holders(VIP), ["a", "b"], "nobody removes what could be anybody's");
    assert_eq!(lan.answering(VIP), ["b"]);
    // The name is back, and with it whose it is.
    lan.meddle(0, |kernel| kernel.rename(0, sim::ETH0));
    lan.run_for(millis(10));
    assert_eq!(lan.holders(VIP), ["b"]);
    assert!(told(lan.see("a"), |what| matches!(what, What::VipLeftOver { .. })));
    lan.run_for(secs(10));
    assert_served_by(&lan, "a");
    assert_eq!(lan.see("a").state(sim::vr_of(&sim::config(200))), State::Active);
}
