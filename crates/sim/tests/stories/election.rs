//! Who holds, when everything works.

use base::{Preempt, State};
use sim::{Lan, Overlap, config};
use vrrp::InstanceConfig;

use crate::{
    DELAY, INTERVAL, KERNEL, VIP, assert_served_by, changes, down, millis, secs, takeovers,
};

#[test]
fn the_highest_priority_holds_and_the_others_never_try() {
    let mut lan = Lan::new(1).router("a", 150).router("b", 200).router("c", 100);
    let took = lan.run_until(secs(10), |lan| !lan.holders(VIP).is_empty());
    assert_eq!(took, Some(down(200) + KERNEL));
    lan.run_for(secs(60));
    assert_served_by(&lan, "b");
    assert_eq!(changes(lan.see("a")), [State::Backup]);
    assert_eq!(changes(lan.see("b")), [State::Backup, State::Active]);
    assert_eq!(changes(lan.see("c")), [State::Backup]);
    // One advert a second and nothing from the others.
    assert_eq!(lan.see("b").adverts_sent(), 61 - 4 + 4);
    assert_eq!(lan.see("a").adverts_sent() + lan.see("c").adverts_sent(), 0);
}

#[test]
fn vrrp_078_an_equal_priority_pair_ends_with_one_holder_within_an_interval() {
    let mut lan = Lan::new(1).router("a", 100).router("b", 100);
    lan.run_until(secs(10), |lan| lan.actives().len() == 2).expect("both, at the same instant");
    let took = lan.run_until(INTERVAL, |lan| lan.actives().len() == 1).unwrap();
    assert_eq!(took, DELAY);
    lan.run_for(millis(10));
    assert_served_by(&lan, "b");
    lan.run_for(secs(60));
    assert_served_by(&lan, "b");
}

#[test]
fn an_equal_newcomer_changes_nothing() {
    let mut lan = Lan::new(1).router("a", 100);
    lan.run_for(secs(5));
    lan.start("b", vec![config(100)]);
    lan.run_for(secs(60));
    assert_served_by(&lan, "a");
}

#[test]
fn a_stronger_node_that_returns_takes_it_back() {
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(5));
    lan.crash("a");
    lan.run_for(secs(5));
    assert_served_by(&lan, "b");
    lan.boot("a");
    let mut overlap = Overlap::new(DELAY * 2);
    let took = lan.run_until(secs(10), |lan| {
        overlap.look(lan).unwrap();
        lan.actives() == ["a"]
    });
    assert_eq!(took, Some(down(200) + DELAY));
    // The one has it as soon as its kernel does; the other's kernel is done one delay later.
    lan.run_for(millis(1));
    assert_served_by(&lan, "a");
    assert_eq!(overlap.longest(), DELAY);
}

#[test]
fn without_preemption_whoever_holds_goes_on_holding() {
    let never = |priority| InstanceConfig { preempt: Preempt::Never, ..config(priority) };
    let mut lan = Lan::new(1).node("a", vec![never(200)]).node("b", vec![never(100)]);
    lan.run_for(secs(5));
    assert_served_by(&lan, "a");
    lan.crash("a");
    lan.run_for(secs(5));
    lan.boot("a");
    lan.run_for(secs(600));
    assert_served_by(&lan, "b");
    assert_eq!(takeovers(lan.see("b")), 1);
    // Until it falls silent.
    lan.stop("b");
    lan.run_for(secs(1));
    assert_served_by(&lan, "a");
}

#[test]
fn with_a_delay_it_preempts_later() {
    let later = InstanceConfig { preempt: Preempt::After(secs(30)), ..config(200) };
    let mut lan = Lan::new(1).node("a", vec![later]).router("b", 100);
    lan.run_for(secs(5));
    assert_served_by(&lan, "a");
    lan.crash("a");
    lan.run_for(secs(5));
    lan.boot("a");
    let took = lan.run_until(secs(100), |lan| lan.actives() == ["a"]).unwrap();
    // From the first weaker advert it waits 30 s; the last one it respected then runs out.
    assert!(took > secs(29) + down(200) && took < secs(31) + down(200), "{took:?}");
    lan.run_for(millis(1));
    assert_served_by(&lan, "a");
}

#[test]
fn twenty_nodes_elect_one_and_after_each_crash_the_next() {
    let mut lan = Lan::new(1);
    let names: Vec<String> = (1..=20).map(|n| format!("n{n:02}")).collect();
    for (name, priority) in names.iter().zip(100_u8..120) {
        lan = lan.router(name, priority);
    }
    lan.run_for(secs(5));
    for (strongest, priority) in names.iter().zip(100_u32..120).rev().take(5) {
        assert_served_by(&lan, strongest);
        lan.crash(strongest);
        let took = lan.run_until(secs(10), |lan| {
            let actives = lan.actives();
            !actives.is_empty()
        });
        assert!(took.unwrap() <= down(u64::from(priority) - 1), "{took:?}");
        lan.run_for(millis(1));
    }
    lan.run_for(secs(60));
    // Nobody moved but those whose turn it was, and each once (no storm, L2).
    for (at, name) in names.iter().enumerate() {
        let want: &[State] =
            if at >= 14 { &[State::Backup, State::Active] } else { &[State::Backup] };
        assert_eq!(changes(lan.see(name)), want, "{name}");
    }
}
