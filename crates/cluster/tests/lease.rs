//! The quorum lease: ends on the holder's clock before the leader takes it for over.

use core::time::Duration;

use base::{Instant, Name};
use cluster::Life;
use cluster::lease::{Grant, Grantor, Holder, May, NoQuorum, Request};
use proptest::prelude::*;

const L: Duration = Duration::from_millis(1000);

const fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn holder(policy: NoQuorum) -> Holder {
    Holder::new("h".into(), Life(1), L, policy)
}

fn leader(elected: u64) -> Grantor {
    let mut it = Grantor::default();
    it.lead(at(elected), true);
    it
}

#[test]
fn the_lease_counts_from_the_request_less_the_age() {
    let mut holder = holder(NoQuorum::Stop);
    let mut leader = leader(100);
    let request = holder.ask(at(5000)).expect("the first request");
    assert_eq!(leader.ask(at(200), L, &request), None, "no round was answered yet");
    leader.confirmed(at(90));
    assert_eq!(leader.ask(at(200), L, &request), None, "that round was before the election");
    leader.confirmed(at(150));
    let grant = leader.ask(at(200), L, &request).expect("a grant");
    assert_eq!(grant.age, Duration::from_millis(50));
    assert_eq!(holder.may(at(5010)), May::Release);
    holder.granted(at(5300), &grant);
    // 950 ms less one per cent, from the request, however long the answer took.
    assert_eq!(holder.ends(at(5300)), Some(at(5000) + Duration::from_micros(940_500)));
    assert_eq!(holder.may(at(5940)), May::Act);
    assert_eq!(holder.may(at(5941)), May::Release);
}

#[test]
fn an_isolated_leader_grants_nothing_after_a_lease() {
    let mut leader = leader(0);
    leader.confirmed(at(100));
    let request = Request { node: "h".into(), life: Life(1), number: 1 };
    assert!(leader.ask(at(1099), L, &request).is_some());
    assert!(leader.ask(at(1100), L, &request).is_none());
    assert!(!leader.is_confirmed(at(1100), L));
    leader.lead(at(1200), false);
    leader.confirmed(at(1201));
    assert!(leader.ask(at(1202), L, &request).is_none());
}

#[test]
fn grants_that_were_not_asked_for_or_are_over_are_void() {
    let mut holder = holder(NoQuorum::Stop);
    let grant = |life, number| Grant { life: Life(life), number, length: L, age: Duration::ZERO };
    holder.granted(at(1), &grant(1, 1));
    holder.ask(at(10)).expect("a request");
    holder.granted(at(11), &grant(2, 1));
    assert_eq!(holder.status(at(11)).void, 2);
    holder.ask(at(300)).expect("the next");
    holder.granted(at(1400), &grant(1, 2));
    assert_eq!(holder.status(at(1400)).void, 3, "it came too late");
    assert_eq!(holder.may(at(1400)), May::Release);
    holder.ask(at(1500)).expect("the next");
    holder.granted(at(1500), &grant(1, 3));
    holder.granted(at(1500), &grant(1, 3));
    assert_eq!(holder.status(at(1500)).void, 4, "twice the same");
    assert_eq!(holder.may(at(1500)), May::Act);
    holder.surrender();
    assert_eq!(holder.may(at(1500)), May::Release);
}

#[test]
fn policies_decide_what_is_done_without() {
    let table = [
        ("stop", May::Release),
        ("freeze", May::Keep),
        ("ignore", May::Act),
        ("demote", May::KeepUnpromoted),
        ("suicide", May::Die),
        ("FREEZE", May::Keep),
        ("nonsense", May::Release),
    ];
    for (word, may) in table {
        assert_eq!(holder(NoQuorum::parse(word)).may(at(1)), may, "{word}");
    }
}

#[test]
fn nobody_is_over_who_may_still_be_granted_one() {
    let mut leader = leader(500);
    let node: Name = "h".into();
    assert_eq!(leader.over_at(&node, L), None);
    leader.close(&node, Life(1));
    // The leader before may have granted one up to the election.
    assert_eq!(leader.over_at(&node, L), Some(at(1510)));
    leader.open(&node);
    leader.confirmed(at(900));
    let request = |life| Request { node: node.clone(), life: Life(life), number: 1 };
    leader.ask(at(950), L, &request(1)).expect("a grant");
    leader.close(&node, Life(1));
    leader.confirmed(at(1000));
    assert_eq!(leader.ask(at(1001), L, &request(1)), None);
    assert_eq!(leader.over_at(&node, L), Some(at(1910)));
    assert!(leader.ask(at(1001), L, &request(2)).is_some(), "another life is another matter");
}

proptest! {
    /// Whatever the delays, and clocks half a per cent apart: when the leader (or a later one) says
    /// that the lease is over, it has ended for the holder.
    #[test]
    fn over_is_over(
        round in 0..900_u64, sent in 0..2000_u64, there in 0..700_u64, back in 0..700_u64,
        skew in 0..u64::from(u32::MAX), fast in 995..1006_u64, elected_after in 0..600_u64,
    ) {
        // True time in µs; the holder's clock is off by `skew` and runs at `fast` per mille.
        let true_at = |millis: u64| Instant::from_nanos(millis * 1_000_000);
        let theirs = |millis: u64| Instant::from_nanos(skew + millis * 1000 * fast);
        let mut holder = holder(NoQuorum::Stop);
        let mut leader = leader(0);
        leader.confirmed(true_at(round));
        let request = holder.ask(theirs(sent)).expect("a request");
        let asked = sent + there;
        prop_assume!(asked >= round);
        if let Some(grant) = leader.ask(true_at(asked), L, &request) {
            holder.granted(theirs(asked + back), &grant);
        }
        leader.close(&"h".into(), Life(1));
        let over = leader.over_at(&"h".into(), L).expect("it is closed");
        let mut next = Grantor::default();
        next.lead(true_at(round + elected_after), true);
        next.close(&"h".into(), Life(1));
        let next_over = next.over_at(&"h".into(), L).expect("it is closed");
        for end in [over, next_over] {
            let millis = end.as_nanos() / 1_000_000;
            prop_assert_eq!(holder.ends(theirs(millis)), None, "over at {}", end);
        }
    }
}
