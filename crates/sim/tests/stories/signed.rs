//! Signed adverts: introduced node by node, keys changed, clocks that disagree.

use core::time::Duration;

use base::{Instant, Secret, Wall, What};
use sim::{Lan, Weather, config};
use vrrp::InstanceConfig;
use vrrp::wire::Counter;
use vrrp::wire::hmac::{Freshness, Key, Mode, Policy};

use crate::{VIP, assert_served_by, down, millis, secs, takeovers, told};

const FIVE: Freshness = Freshness::Time { window: Duration::from_secs(5) };

fn keyed(
    priority: u8,
    keys: &[u8],
    active: u8,
    mode: Mode,
    freshness: Freshness,
) -> InstanceConfig {
    let keys = keys.iter().map(|id| Key::new(*id, Secret::new(vec![*id; 32])).unwrap()).collect();
    let hmac = Some(Policy::new(keys, active, freshness, mode).unwrap());
    InstanceConfig { hmac, ..config(priority) }
}

fn in_mode(priority: u8, mode: Option<Mode>) -> InstanceConfig {
    match mode {
        None => config(priority),
        Some(mode) => keyed(priority, &[1], 1, mode, FIVE),
    }
}

fn enforcing(priority: u8) -> InstanceConfig {
    in_mode(priority, Some(Mode::Enforce))
}

/// What all clocks say at this instant, but for so many seconds.
fn clock(now: Instant, ahead: u64) -> Wall {
    let nanos = now.as_nanos();
    Wall::new(nanos / 1_000_000_000 + ahead, u32::try_from(nanos % 1_000_000_000).unwrap())
}

fn refused(lan: &Lan, name: &str, counter: Counter) -> u64 {
    lan.see(name).router().status().instances[0].discards.get(counter)
}

/// Lets time pass in which `a` holds, alone, without a moment's interruption.
fn undisturbed(lan: &mut Lan, span: Duration, during: &str) {
    let disturbed = lan.run_until(span, |lan| lan.holders(VIP) != ["a"]);
    assert_eq!(disturbed, None, "{during}: {:?} hold", lan.holders(VIP));
}

#[test]
fn vrrp_118_signatures_are_introduced_node_by_node_and_taken_back_without_a_gap() {
    let steps = [Some(Mode::ReceiveOnly), Some(Mode::Permissive), Some(Mode::Enforce)];
    // In whatever order the nodes are reloaded, in good weather and bad.
    for (seed, order) in (1..).zip([["a", "b", "c"], ["c", "b", "a"], ["b", "a", "c"]]) {
        let priority = |name| match name {
            "a" => 200,
            "b" => 150,
            _ => 100,
        };
        let mut lan = Lan::new(seed).router("a", 200).router("b", 150).router("c", 100);
        lan.run_for(secs(10));
        assert_served_by(&lan, "a");
        lan.set_weather(Weather { jitter: millis(30), duplicates: 50, ..Weather::default() });
        let back = [Some(Mode::Permissive), Some(Mode::ReceiveOnly), None];
        for step in steps.into_iter().chain(back) {
            for name in order {
                lan.reload(name, vec![in_mode(priority(name), step)]);
                // Long enough for a peer that does not understand to take over.
                undisturbed(&mut lan, down(100) * 2, &format!("{name} in {step:?}"));
            }
        }
        let counted = |name| takeovers(lan.see(name));
        assert_eq!((counted("a"), counted("b"), counted("c")), (1, 0, 0));
        for name in ["b", "c"] {
            assert_eq!(refused(&lan, name, Counter::Length), 0, "{name}: nothing unintelligible");
        }
    }
}

#[test]
fn vrrp_118_a_step_left_out_makes_two_holders_and_says_why() {
    let mut lan = Lan::new(1).router("a", 200).router("b", 100);
    lan.run_for(secs(10));
    lan.reload("a", vec![in_mode(200, Some(Mode::Permissive))]);
    lan.run_for(secs(10));
    assert_eq!(lan.holders(VIP), ["a", "b"]);
    let hint =
        |what: &What| matches!(what, What::Discarded { detail, .. } if detail.contains("HMAC"));
    assert!(told(lan.see("b"), hint));
    // Mended by the step that was left out.
    lan.reload("b", vec![in_mode(100, Some(Mode::ReceiveOnly))]);
    lan.run_for(secs(3));
    assert_served_by(&lan, "a");
}

#[test]
fn vrrp_112_keys_are_changed_node_by_node_without_a_gap() {
    let with = |priority, keys: &[u8], active| keyed(priority, keys, active, Mode::Enforce, FIVE);
    let mut lan =
        Lan::new(1).node("a", vec![with(200, &[1], 1)]).node("b", vec![with(100, &[1], 1)]);
    lan.run_for(secs(10));
    for (keys, active) in [(&[1, 2][..], 1), (&[1, 2], 2), (&[2], 2)] {
        for (name, priority) in [("b", 100), ("a", 200)] {
            lan.reload(name, vec![with(priority, keys, active)]);
            undisturbed(&mut lan, down(100) * 2, &format!("{name}: {keys:?}, {active}"));
        }
    }
    assert_served_by(&lan, "a");
}

#[test]
fn vrrp_117_a_holder_that_dies_or_resigns_is_succeeded_as_ever() {
    let mut lan = Lan::new(1).node("a", vec![enforcing(200)]).node("b", vec![enforcing(100)]);
    lan.run_for(secs(10));
    lan.stop("a");
    let took = lan.run_until(secs(10), |lan| lan.actives() == ["b"]).unwrap();
    assert!(took < secs(1), "a signed farewell is believed: {took:?}");
    lan.restart("a");
    lan.run_for(secs(10));
    assert_served_by(&lan, "a");
    lan.crash("a");
    lan.run_until(down(100), |lan| lan.actives() == ["b"]).unwrap();
    // A rebooted node's numbers begin with its clock again, which is ahead of its marks.
    lan.boot("a");
    lan.run_for(secs(10));
    assert_served_by(&lan, "a");
    assert_eq!(refused(&lan, "b", Counter::HmacReplay), 0);
}

#[test]
fn vrrp_114_clocks_that_differ_a_little_are_told_and_a_lot_are_two_holders() {
    let mut lan = Lan::new(1).node("a", vec![enforcing(200)]).node("b", vec![enforcing(100)]);
    lan.run_for(secs(10));
    lan.set_clock("b", clock(lan.now(), 3));
    undisturbed(&mut lan, secs(30), "3 s apart");
    assert!(told(lan.see("b"), |what| matches!(what, What::ClockSkew { .. })));
    lan.set_clock("b", clock(lan.now(), 6));
    lan.run_for(secs(10));
    assert_eq!(lan.holders(VIP), ["a", "b"], "which is the price of a clock in it");
    assert!(
        refused(&lan, "b", Counter::HmacStale) > 3 && refused(&lan, "a", Counter::HmacStale) > 3
    );
    lan.set_clock("b", clock(lan.now(), 0));
    lan.run_for(secs(3));
    assert_served_by(&lan, "a");
}

#[test]
fn vrrp_114_without_clocks_they_may_say_what_they_like() {
    let with = |priority| keyed(priority, &[1], 1, Mode::Enforce, Freshness::Monotonic);
    let mut lan = Lan::new(1).node("a", vec![with(200)]).node("b", vec![with(100)]);
    lan.run_for(secs(10));
    lan.set_clock("b", clock(lan.now(), 1_000_000));
    lan.set_clock("a", clock(lan.now(), 500));
    undisturbed(&mut lan, secs(30), "500 s ahead");
    lan.set_clock("a", clock(lan.now(), 0));
    undisturbed(&mut lan, secs(30), "and back");
}

#[test]
fn vrrp_115_a_step_of_the_holder_s_clock_and_back_is_over_when_it_is_over() {
    let mut lan = Lan::new(1).node("a", vec![enforcing(200)]).node("b", vec![enforcing(100)]);
    lan.run_for(secs(10));
    lan.set_clock("a", clock(lan.now(), 3_600));
    lan.run_for(secs(20));
    lan.set_clock("a", clock(lan.now(), 0));
    lan.run_for(secs(3));
    assert_served_by(&lan, "a");
    undisturbed(&mut lan, secs(60), "afterwards");
}

#[test]
fn an_unsigned_forgery_costs_nothing_where_signatures_are_enforced() {
    let mut lan = Lan::new(1).node("a", vec![enforcing(200)]).node("b", vec![enforcing(100)]);
    lan.run_for(secs(10));
    for _ in 0..100 {
        lan.inject("a", crate::trouble::forged());
        lan.inject("b", crate::trouble::forged());
        undisturbed(&mut lan, millis(70), "under forgeries");
    }
    assert_eq!(refused(&lan, "a", Counter::HmacMissing), 100);
}
