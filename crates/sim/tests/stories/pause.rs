//! A node whose processes are held up (SIGSTOP, a starved or paused machine) while its kernel goes on.

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
    assert_eq!(lan.holders(VIP), ["a", "b"], "its kernel still has it");
    assert_eq!(lan.answering(VIP), ["b"], "and answers for it no longer");
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
    assert_eq!(lan.see("b0").adverts_sent() - sent, 0, "nobody was misled");
}

#[test]
fn without_a_lease_a_holder_that_slept_says_and_announces_nothing_before_it_has_listened() {
    // Found by simulation: what it owed its neighbours, the second burst after taking over, left
    // with the first piece of news, and every rival in its socket was contradicted.
    let bare = |priority| InstanceConfig { lease: false, lifetimes: true, ..config(priority) };
    let mut lan = Lan::new(1).node("a", vec![bare(200)]).node("b", vec![bare(100)]);
    lan.run_until(secs(10), |lan| lan.actives() == ["a"]).unwrap();
    lan.run_for(secs(1));
    lan.pause("a", secs(10));
    lan.run_for(secs(10) - millis(1));
    assert_eq!((lan.holders(VIP), lan.client_reaches(VIP)), (vec!["b"], Some("b")));
    let (sent, heard) = (lan.see("a").adverts_sent(), lan.client().heard());
    lan.run_for(millis(10));
    assert_eq!(lan.see("a").adverts_sent() - sent, 0, "it contradicted its successor");
    assert_eq!(lan.client().heard() - heard, 0, "it announced itself");
    assert_served_by(&lan, "b");
    lan.run_for(secs(5));
    assert_served_by(&lan, "a");
}

#[test]
fn an_heir_whose_lease_has_ended_announces_nothing() {
    // Found by simulation: it announced what it had inherited, and let go of it in the same turn.
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(20));
    assert_served_by(&lan, "a");
    let heard = lan.client().heard();
    lan.remove_leases("a");
    lan.kill_engine("a");
    lan.run_for(millis(500));
    assert_eq!(lan.client().heard() - heard, 0, "it announced what it did not keep");
    lan.run_for(secs(10));
    assert_served_by(&lan, "a");
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
        lan.pause("a", millis(1_900));
        lan.run_for(millis(2_900));
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
    lan.run_for(secs(30) + down(200) + millis(2));
    assert_served_by(&lan, "a");
    assert_eq!((takeovers(lan.see("b")), takeovers(lan.see("c"))), (0, 0));
}

/// Two nodes that answer at one time, ever.
fn two_answer(lan: &mut Lan, span: core::time::Duration) -> bool {
    lan.run_until(span, |lan| lan.answering(VIP).len() > 1).is_some()
}

#[test]
fn no_nap_however_long_makes_two_answer() {
    for nap in [100, 500, 660, 700, 1_000, 2_000, 2_900, 3_100, 3_600, 3_700, 5_000, 30_000, 65_000]
    {
        for phase in [0, 200, 400, 600, 800, 999] {
            let mut lan = Lan::new(1).router("a", 200).router("b", 100);
            lan.run_for(secs(5) + millis(phase));
            lan.pause("a", millis(nap));
            assert!(!two_answer(&mut lan, millis(nap) + secs(10)), "{nap} ms at {phase} ms");
            assert_served_by(&lan, "a");
            let moves = takeovers(lan.see("b"));
            assert!(moves <= 1, "{moves} takeovers for a nap of {nap} ms at {phase} ms");
            assert!(nap >= 2_000 || moves == 0, "a nap of {nap} ms costs an election");
        }
    }
}

#[test]
fn without_a_lease_two_answer() {
    let bare = |priority| vec![InstanceConfig { lease: false, ..config(priority) }];
    let mut lan = Lan::new(1).node("a", bare(200)).node("b", bare(100));
    lan.run_for(secs(5));
    lan.pause("a", secs(5));
    assert!(two_answer(&mut lan, secs(5)), "or the story above proves nothing");
}

#[test]
fn a_removed_table_is_back_before_anybody_could_be_misled() {
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(5));
    for phase in [0, 50, 100, 150, 200] {
        lan.run_for(millis(phase));
        lan.remove_leases("a");
        lan.run_for(millis(300));
        lan.pause("a", secs(5));
        assert!(!two_answer(&mut lan, secs(5)), "{phase} ms");
        lan.run_for(secs(10));
        assert_served_by(&lan, "a");
    }
}

#[test]
fn nodes_that_stood_still_together_do_not_take_over_from_each_other() {
    // Guests of one machine that gives them no processor for a while: nobody has spoken, and nobody
    // could have listened. Every phase of the interval, on the other's side too.
    let fast = |priority| InstanceConfig {
        interval: base::Interval::V3(base::Centis::new(1).unwrap()),
        ..config(priority)
    };
    for phase in 0..20 {
        let mut lan = Lan::new(1).node("a", vec![fast(200)]).node("b", vec![fast(100)]);
        lan.run_for(secs(5) + millis(7) * phase);
        assert_served_by(&lan, "a");
        let before = takeovers(lan.see("b"));
        for span in [20, 30, 40, 50] {
            lan.pause("a", millis(span));
            lan.pause("b", millis(span));
            lan.run_for(millis(300));
        }
        assert_eq!(takeovers(lan.see("b")), before, "phase {phase}");
        assert_served_by(&lan, "a");
        // A holder that stays away is missed all the same.
        lan.pause("b", millis(40));
        lan.crash("a");
        assert!(lan.run_until(millis(100), |lan| lan.actives() == ["b"]).is_some());
    }
}
