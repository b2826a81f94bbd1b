//! What happens to a lease, one story each.

use base::{Errno, KernelFact, LeaseClass, LeaseDone, LeaseTrouble, Ticket};
use vip::lease::{Input, LapseCause, Output, TableStatus};

use crate::bench::*;

const CLASS: LeaseClass = LeaseClass::from_number(666);

fn granted(told: &[Output]) -> usize {
    told.iter().filter(|output| matches!(output, Output::Granted { .. })).count()
}

fn lapsed(told: &[Output]) -> Option<LapseCause> {
    told.iter().find_map(|output| match output {
        Output::Lapsed { cause, .. } => Some(*cause),
        _ => None,
    })
}

/// A holds two VIPs.
fn holding() -> Bench {
    let mut bench = Bench::new();
    bench.manage(A, subject(&[key("10.0.0.6"), key("2001:db8::6")]));
    assert_eq!(bench.hold(A), [Output::Granted { holder: A }]);
    bench
}

#[test]
fn a_lease_is_armed_before_the_vip_may_be_installed() {
    let mut bench = Bench::new();
    bench.manage(A, subject(&[key("10.0.0.6"), key("2001:db8::6")]));
    assert!(bench.drain().is_empty());
    assert_eq!(bench.asked(), ["build", "cover eth0"], "in good time");
    assert_eq!(bench.hold(A), [Output::Granted { holder: A }]);
    assert_eq!(bench.asked(), ["arm 666 ms", "list 2 under 666 ms"]);
    assert!(bench.speaks(A));
}

#[test]
fn it_is_renewed_three_times_in_its_length_and_no_renewal_is_needed_for_another_holder() {
    let mut bench = holding();
    bench.manage(B, subject(&[key("10.0.0.7")]));
    bench.hold(B);
    bench.asked();
    assert!(bench.run(ms(1000)).is_empty());
    assert_eq!(bench.asked(), vec!["renew 666 ms"; 4]);
    let class = bench.leases.status().classes[0];
    assert_eq!((class.renewals, class.lapses, class.holders), (4, 0, 2));
    assert_eq!(class.smallest_margin, Some(ms(444)));
}

#[test]
fn who_releases_is_silent_at_once_and_unlisted_when_nothing_of_it_is_installed() {
    let mut bench = holding();
    bench.asked();
    bench.input(Input::Release { holder: A });
    assert_eq!(bench.asked(), ["list 2 under silent", "drop 666 ms"]);
    assert!(!bench.table.passes(key("10.0.0.6"), bench.now));
    bench.input(Input::Clear { holder: A });
    assert_eq!(bench.asked(), ["unlist 2"]);
    assert!(bench.table.passes(key("10.0.0.6"), bench.now), "a peer's by now");
    assert_eq!(bench.leases.poll_timeout(), None);
}

#[test]
fn one_holders_release_does_not_touch_anothers_lease() {
    let mut bench = holding();
    bench.manage(B, subject(&[key("10.0.0.7")]));
    bench.hold(B);
    bench.asked();
    bench.input(Input::Release { holder: A });
    assert_eq!(bench.asked(), ["list 2 under silent"]);
    assert!(bench.table.passes(key("10.0.0.7"), bench.now));
}

#[test]
fn a_frozen_holder_is_told_that_it_lapsed_and_cannot_revive_it_by_waking() {
    let mut bench = holding();
    bench.run(ms(500));
    bench.asked();
    let told = bench.freeze(ms(700));
    assert_eq!(lapsed(&told), Some(LapseCause::Late));
    assert_eq!(bench.asked(), ["renew 666 ms", "build", "cover eth0"]);
    assert!(!bench.speaks(A));
    assert!(!bench.table.passes(key("10.0.0.6"), bench.now));
    assert!(bench.run(ms(5000)).is_empty(), "until it decides");
    assert!(!bench.table.passes(key("10.0.0.6"), bench.now));
    // It knows that nobody else holds.
    let told = bench.input(Input::Again { holder: A });
    assert_eq!(told, [Output::Granted { holder: A }]);
    assert!(bench.speaks(A) && bench.table.passes(key("10.0.0.6"), bench.now));
}

#[test]
fn a_late_renewal_that_still_succeeds_is_no_lapse() {
    let mut bench = holding();
    // Asked for at 0, but the kernel got it a little later: it lives a little longer than we count.
    let end = bench.table.alive[&CLASS];
    bench.table.alive.insert(CLASS, end + ms(5));
    bench.now = bench.now + ms(668);
    assert!(!bench.speaks(A), "we cannot be sure");
    assert!(bench.input(Input::Wake).is_empty());
    assert!(bench.speaks(A));
    assert_eq!(bench.leases.status().classes[0].smallest_margin, Some(ms(0)));
}

#[test]
fn of_two_that_lapsed_the_one_that_lets_go_stays_silent_when_the_other_goes_on() {
    let mut bench = holding();
    bench.manage(B, subject(&[key("10.0.0.7")]));
    bench.hold(B);
    bench.freeze(ms(2000));
    bench.asked();
    assert!(bench.input(Input::Again { holder: B }).is_empty(), "the lease is shared");
    assert!(bench.asked().is_empty());
    let told = bench.input(Input::Release { holder: A });
    assert_eq!(told, [Output::Silent { holder: A }, Output::Granted { holder: B }]);
    assert_eq!(bench.asked(), ["list 2 under silent", "arm 666 ms"]);
    assert!(!bench.table.passes(key("10.0.0.6"), bench.now));
    assert!(bench.table.passes(key("10.0.0.7"), bench.now));
}

#[test]
fn a_table_that_somebody_removed_is_back_in_the_same_turn_without_a_lapse() {
    let mut bench = holding();
    bench.table.vanish();
    bench.asked();
    let told = bench.run(ms(230));
    assert_eq!(told, [Output::Rebuilt]);
    let expected = ["renew 666 ms", "build", "cover eth0", "arm 666 ms", "list 2 under 666 ms"];
    assert_eq!(bench.asked(), expected);
    assert!(bench.speaks(A) && bench.table.listed.len() == 2);
    assert_eq!(bench.leases.status().rebuilt, 1);
}

#[test]
fn a_table_that_vanished_while_we_were_frozen_is_a_lapse_too() {
    let mut bench = holding();
    bench.table.vanish();
    let told = bench.freeze(ms(700));
    assert_eq!(lapsed(&told), Some(LapseCause::Late));
    assert!(!bench.speaks(A));
    assert!(!bench.table.passes(key("10.0.0.6"), bench.now), "and silent, until it decides");
}

#[test]
fn an_element_that_somebody_ended_before_its_time_is_told_as_such() {
    let mut bench = holding();
    bench.table.alive.clear();
    let told = bench.run(ms(230));
    assert_eq!(lapsed(&told), Some(LapseCause::Ended));
    assert!(!bench.speaks(A));
}

#[test]
fn after_sleep_everything_is_silenced_though_the_kernels_clock_stood_still() {
    let mut bench = holding();
    let told = bench.input(Input::Slept);
    assert_eq!(lapsed(&told), Some(LapseCause::Slept));
    assert!(!bench.table.passes(key("10.0.0.6"), bench.now) && !bench.speaks(A));
    assert_eq!(bench.input(Input::Again { holder: A }), [Output::Granted { holder: A }]);
    assert!(bench.table.passes(key("10.0.0.6"), bench.now));
}

#[test]
fn a_successor_goes_on_with_a_lease_that_lives_and_learns_of_one_that_does_not() {
    for (late, expected) in [(false, None), (true, Some(LapseCause::Late))] {
        let mut old = holding();
        let mut bench = Bench::unsettled();
        bench.table = std::mem::take(&mut old.table);
        bench.now = old.now + ms(if late { 700 } else { 300 });
        bench.manage(A, subject(&[key("10.0.0.6"), key("2001:db8::6")]));
        bench.asked();
        let told = bench.input(Input::Hold { holder: A, adopt: true });
        assert_eq!(lapsed(&told), expected);
        assert_eq!(granted(&told), usize::from(!late));
        assert_eq!(bench.speaks(A), !late);
        assert_eq!(bench.table.passes(key("10.0.0.6"), bench.now), !late);
        assert!(!bench.asked().iter().any(|op| op.starts_with("arm")), "never begun anew");
    }
}

#[test]
fn what_a_predecessor_left_installed_is_silent_until_it_is_gone() {
    let mut old = holding();
    let mut bench = Bench::unsettled();
    bench.table = std::mem::take(&mut old.table);
    bench.now = old.now + ms(5000);
    bench.manage(A, subject(&[key("10.0.0.6")]));
    bench.drain();
    let vips = [key("10.0.0.6"), key("2001:db8::6")];
    let silent = |bench: &Bench| vips.map(|vip| !bench.table.passes(vip, bench.now));
    assert_eq!(silent(&bench), [true, true], "nobody knows yet");
    let addresses = vec![address("10.0.0.6")];
    bench.fact(&KernelFact::Snapshot { links: vec![link(2)], addresses });
    assert_eq!(silent(&bench), [true, false]);
    bench.fact(&KernelFact::AddressGone(address("10.0.0.6")));
    assert_eq!(silent(&bench), [false, false]);
}

#[test]
fn an_interface_is_covered_again_when_it_is_another_under_its_name() {
    let mut bench = holding();
    bench.asked();
    bench.fact(&KernelFact::Link(link(2)));
    assert!(bench.asked().is_empty());
    bench.fact(&KernelFact::LinkGone(index(2)));
    assert!(bench.asked().is_empty());
    bench.fact(&KernelFact::Link(link(9)));
    assert_eq!(bench.asked(), ["cover eth0"]);
}

#[test]
fn without_nf_tables_holders_go_on_without_and_it_is_told_once() {
    let mut bench = Bench::new();
    let missing = LeaseTrouble::Missing { what: "no nf_tables".into() };
    bench.table.refuse = Some((missing.clone(), u32::MAX));
    bench.manage(A, subject(&[key("10.0.0.6")]));
    let told = bench.hold(A);
    assert_eq!(told, [Output::Unavailable(missing.clone()), Output::Granted { holder: A }]);
    assert!(bench.speaks(A));
    assert_eq!(bench.leases.status().table, TableStatus::Unavailable(missing));
    assert!(bench.run(ms(60_000)).is_empty(), "once");
    assert!(bench.asked().len() < 10, "nor is it asked all the time");
    // Somebody loads the module.
    bench.table.refuse = None;
    assert_eq!(bench.run(ms(10_000)), [Output::Available]);
    assert_eq!(bench.table.listed.len(), 1);
    assert!(bench.table.lives(CLASS, bench.now) && bench.speaks(A));
}

#[test]
fn a_refusal_is_tried_again_at_once_and_costs_nothing() {
    let mut bench = holding();
    let errno = Errno(12);
    bench.table.refuse = Some((LeaseTrouble::Refused { step: "lease".into(), errno }, 2));
    assert!(bench.run(ms(230)).is_empty());
    assert!(bench.speaks(A) && bench.table.lives(CLASS, bench.now));
}

#[test]
fn a_lease_that_cannot_be_renewed_any_more_lapses_by_our_own_clock() {
    let mut bench = holding();
    let trouble = LeaseTrouble::Refused { step: "lease".into(), errno: Errno(12) };
    bench.table.refuse = Some((trouble.clone(), u32::MAX));
    let told = bench.run(ms(660));
    assert_eq!(told, [Output::Unavailable(trouble)]);
    assert!(bench.speaks(A), "it still lives");
    let told = bench.run(ms(10));
    assert_eq!(lapsed(&told), Some(LapseCause::Refused));
    assert!(!bench.speaks(A));
}

#[test]
fn another_interval_moves_the_vips_to_another_lease_without_a_word() {
    let mut bench = holding();
    bench.asked();
    bench.manage(A, subject_at(100, &[key("10.0.0.6"), key("10.0.0.8")]));
    assert!(bench.drain().is_empty());
    // What it no longer names is stale; the address is not present, so it may pass.
    let expected = ["arm 66 ms", "list 2 under 66 ms", "unlist 1", "drop 666 ms"];
    assert_eq!(bench.asked(), expected);
    assert!(bench.speaks(A));
}

#[test]
fn lease_off_frees_the_vips_and_lease_on_takes_them_back() {
    let mut bench = holding();
    let mut off = subject(&[key("10.0.0.6"), key("2001:db8::6")]);
    off.leased = false;
    let facts = vec![address("10.0.0.6")];
    bench.fact(&KernelFact::Snapshot { links: vec![link(2)], addresses: facts });
    bench.manage(A, off.clone());
    bench.drain();
    bench.run(ms(3000));
    assert!(bench.table.passes(key("10.0.0.6"), bench.now) && bench.speaks(A));
    assert!(!bench.table.exists, "nobody needs it");
    off.leased = true;
    bench.manage(A, off);
    bench.drain();
    assert!(bench.table.lives(CLASS, bench.now) && bench.table.listed.len() == 2);
}

#[test]
fn a_node_that_leases_nothing_removes_what_a_predecessor_left() {
    let mut bench = Bench::new();
    bench.table.exists = true;
    bench.table.listed.insert(key("10.0.0.6"), CLASS);
    let mut off = subject(&[key("10.0.0.6")]);
    off.leased = false;
    bench.manage(A, off);
    assert_eq!(bench.hold(A), [Output::Granted { holder: A }]);
    assert!(bench.table.passes(key("10.0.0.6"), bench.now));
}

#[test]
fn a_virtual_mac_is_silent_whenever_its_holder_does_not_hold() {
    let mut bench = Bench::new();
    bench.manage(A, subject(&[key("10.0.0.6"), VIRTUAL]));
    bench.drain();
    assert!(!bench.table.passes(VIRTUAL, bench.now));
    bench.hold(A);
    assert!(bench.table.passes(VIRTUAL, bench.now));
    bench.input(Input::Release { holder: A });
    bench.input(Input::Clear { holder: A });
    assert!(!bench.table.passes(VIRTUAL, bench.now));
}

#[test]
fn at_the_end_the_table_is_removed_after_the_last_vip() {
    let mut bench = holding();
    bench.input(Input::Stop);
    bench.input(Input::Release { holder: A });
    assert!(bench.table.exists && !bench.leases.is_settled());
    bench.input(Input::Clear { holder: A });
    assert!(!bench.table.exists && bench.leases.is_settled());
}

#[test]
fn thousands_are_listed_in_bounded_pieces() {
    let mut bench = Bench::new();
    let keys: Vec<_> =
        (0..4000_u32).map(|n| std::net::IpAddr::V4((0x0a00_0000 + n).into()).into()).collect();
    bench.manage(A, subject(&keys));
    assert_eq!(bench.hold(A), [Output::Granted { holder: A }]);
    assert_eq!(bench.table.listed.len(), 4000);
}

#[test]
fn an_answer_nobody_waits_for_changes_nothing() {
    let mut bench = holding();
    let done = LeaseDone { ticket: Ticket::new(9999), outcome: Err(LeaseTrouble::Lapsed) };
    assert!(bench.input(Input::Done(done)).is_empty());
    assert!(bench.speaks(A));
}
