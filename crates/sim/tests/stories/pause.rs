//! A node whose processes are held up (SIGSTOP, a starved or paused machine) while its kernel goes on
//! answering. Tighter bounds come with the lease; this is what holds without it.

use base::{Preempt, State};
use sim::{Lan, Overlap, config};
use vrrp::InstanceConfig;

use crate::{DELAY, INTERVAL, VIP, assert_served_by, changes, down, millis, secs, takeovers};

#[test]
fn a_holder_that_slept_wakes_to_a_rival_and_wins_it_back_at_once() {
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(5));
    lan.pause("a", secs(30));
    lan.run_for(down(100) + millis(1));
    assert_eq!(lan.holders(VIP), ["a", "b"], "its kernel still answers");
    assert_eq!(lan.client_reaches(VIP), Some("b"));
    let mut overlap = Overlap::new(INTERVAL + DELAY);
    let took = lan.run_until(secs(60), |lan| {
        overlap.look(lan).unwrap();
        lan.actives() == ["a"]
    });
    assert!(took.is_some());
    lan.run_for(millis(2));
    assert_served_by(&lan, "a");
    assert!(overlap.longest() <= DELAY, "its first word ends it: {:?}", overlap.longest());
}

#[test]
fn a_weaker_holder_that_slept_yields_before_it_says_a_word_too_many() {
    // `b` holds though it is weaker, since nobody preempts; while it sleeps, `a` takes over.
    let never = |priority| InstanceConfig { preempt: Preempt::Never, ..config(priority) };
    let mut lan = Lan::new(1).node("b0", vec![never(100)]);
    lan.run_for(secs(5));
    lan.start("a1", vec![never(200)]);
    lan.run_for(secs(10));
    assert_served_by(&lan, "b0");
    lan.pause("b0", secs(20));
    lan.run_for(secs(10));
    assert_eq!(lan.holders(VIP), ["b0", "a1"]);
    let sent = lan.see("b0").adverts_sent();
    lan.run_for(secs(10) + millis(2));
    assert_served_by(&lan, "a1");
    // What was due, and the one by which it says that there were two.
    assert_eq!(lan.see("b0").adverts_sent() - sent, 2);
}

#[test]
fn vrrp_079_a_backup_that_slept_reads_what_has_come_before_it_judges() {
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(5));
    for nap in [4_000, 10_000, 60_000] {
        lan.pause("b", millis(nap));
        lan.run_for(millis(nap) + secs(5));
        assert_served_by(&lan, "a");
    }
    assert_eq!(changes(lan.see("b")), [State::Backup]);
}

#[test]
fn short_naps_are_not_noticed_by_anybody() {
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(5));
    for _ in 0..50 {
        lan.pause("a", millis(2_500));
        lan.run_for(millis(3_500));
    }
    assert_served_by(&lan, "a");
    assert_eq!((takeovers(lan.see("a")), takeovers(lan.see("b"))), (1, 0));
}

#[test]
fn everybody_sleeps_and_the_holder_is_still_the_holder() {
    let mut lan = Lan::new(1).router("a", 200).router("b", 150).router("c", 100);
    lan.run_for(secs(5));
    for name in ["a", "b", "c"] {
        lan.pause(name, secs(30));
    }
    lan.run_for(secs(31) + INTERVAL);
    assert_served_by(&lan, "a");
}
