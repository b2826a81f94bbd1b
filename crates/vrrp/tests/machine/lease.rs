//! What a lease, its lapse and a pause mean for an instance (DESIGN §4).

use ::vip::last_will::Edit;
use base::{Event, KernelFact, LeaseOp, Name, Reason, State, What};
use vrrp::{Input, InstanceConfig};

use crate::bench::{Bench, HIGHER, LOWER, VIP, address, config, link, millis, saying, secs, vip};
use crate::seen::{Outs, Seen};

fn leased(priority: u8) -> InstanceConfig {
    InstanceConfig { lease: true, ..config(priority) }
}

fn events(outs: &Outs) -> Vec<&Event> {
    outs.0
        .iter()
        .filter_map(|seen| match seen {
            Seen::Event(event) => Some(event),
            _ => None,
        })
        .collect()
}

fn told(outs: &Outs, is: impl Fn(&What) -> bool) -> bool {
    events(outs).iter().any(|event| is(&event.what))
}

/// What leaves, in its order, without events.
fn order(outs: &Outs) -> Vec<String> {
    outs.0
        .iter()
        .filter_map(|seen| match seen {
            Seen::Advert(sent) => Some(format!("advert {}", sent.priority)),
            Seen::Lease(LeaseOp::Build) => Some("build".into()),
            Seen::Lease(LeaseOp::Cover { interface }) => Some(format!("cover {interface}")),
            Seen::Lease(LeaseOp::List { class, keys }) => {
                Some(format!("list {} {class}", keys.len()))
            }
            Seen::Lease(LeaseOp::Unlist { keys }) => Some(format!("unlist {}", keys.len())),
            Seen::Lease(LeaseOp::Arm { class }) => Some(format!("arm {class}")),
            Seen::Lease(LeaseOp::Renew { class }) => Some(format!("renew {class}")),
            Seen::Lease(LeaseOp::Drop { class }) => Some(format!("drop {class}")),
            Seen::Lease(LeaseOp::Destroy) => Some("destroy".into()),
            Seen::Filter(_) => Some("filter".into()),
            Seen::Ways(ops) => Some(format!("ways {}", ops.len())),
            Seen::Batch(ops) => Some(format!("batch {}", ops.len())),
            Seen::Frame { .. } => Some("frame".into()),
            Seen::Device(_) => Some("device".into()),
            Seen::Sockets(_)
            | Seen::Will(_)
            | Seen::Tune(_)
            | Seen::Promote(_)
            | Seen::Event(_) => None,
        })
        .collect()
}

fn silent(bench: &Bench) -> bool {
    !bench.table.passes(VIP, bench.now)
}

/// Lets so much time pass, waking the router when it wants to be.
fn run(bench: &mut Bench, span: core::time::Duration) -> Outs {
    let end = bench.now + span;
    let mut outs = Outs::default();
    while bench.router.poll_timeout().is_some_and(|at| at <= end) {
        outs.0.extend(bench.sleep().0);
    }
    bench.now = end;
    outs
}

/// Nobody is awake for so long.
fn freeze(bench: &mut Bench, span: core::time::Duration) -> Outs {
    bench.pass(span);
    bench.wake()
}

#[test]
fn the_lease_is_taken_after_the_first_advert_and_before_the_vip_is_installed() {
    let mut bench = Bench::new(leased(100));
    let outs = run(&mut bench, millis(3610));
    let expected = ["advert 100", "arm 666 ms", "list 1 666 ms", "batch 1"];
    assert_eq!(order(&outs), expected);
    bench.kernel();
    assert!(bench.has(VIP) && !silent(&bench));
    let lease = bench.only().lease.unwrap();
    assert_eq!((lease.length, lease.excess, lease.silenced), (millis(666), millis(0), false));
}

#[test]
fn it_is_renewed_apart_from_the_adverts_and_before_one_that_is_due_with_it() {
    let mut bench = Bench::active(leased(100));
    let outs = run(&mut bench, secs(10));
    let renewals = order(&outs).iter().filter(|one| *one == "renew 666 ms").count();
    assert!((44..=46).contains(&renewals), "{renewals}");
    assert_eq!(outs.adverts().len(), 10);
    // Both are due at once.
    let rest = bench.only().deadline.unwrap().since(bench.now);
    run(&mut bench, rest - millis(1));
    let outs = freeze(&mut bench, millis(230));
    assert_eq!(order(&outs), ["renew 666 ms", "advert 100"]);
}

#[test]
fn a_resigning_holder_is_silent_first_and_unlisted_last() {
    let mut bench = Bench::active(leased(100));
    let outs = bench.hear(saying(HIGHER, 200));
    let expected = ["advert 100", "list 1 silent", "batch 1", "drop 666 ms"];
    let mut got = order(&outs);
    got.sort_by_key(|one| expected.iter().position(|e| e == one));
    assert_eq!(got, expected);
    assert!(silent(&bench) && bench.has(VIP));
    let outs = bench.kernel();
    assert_eq!(order(&outs), ["unlist 1"]);
    assert!(!silent(&bench), "it is the peer's");
}

#[test]
fn a_frozen_holder_that_no_peer_can_have_replaced_goes_on_without_an_election() {
    let mut bench = Bench::active(leased(100));
    let outs = freeze(&mut bench, millis(1500));
    assert!(told(&outs, |what| matches!(what, What::LeaseLapsed { .. })));
    assert!(told(&outs, |what| matches!(what, What::LeaseResumed)));
    assert_eq!(bench.state(), State::Active);
    assert_eq!(outs.adverts().len(), 1, "it says so at once");
    let order = order(&outs);
    let at = |what: &str| order.iter().position(|one| one == what).unwrap();
    assert!(at("renew 666 ms") < at("arm 666 ms") && at("arm 666 ms") < at("advert 100"));
    assert!(order.contains(&"frame".into()), "and announces again: {order:?}");
    assert!(!silent(&bench));
}

#[test]
fn a_frozen_holder_that_may_have_been_replaced_lets_go_without_a_word_and_listens() {
    let mut bench = Bench::active(leased(100));
    let outs = freeze(&mut bench, millis(3100));
    assert!(outs.adverts().is_empty(), "not even a farewell: {:?}", order(&outs));
    assert_eq!(outs.changes(), [(State::Active, State::Backup, Reason::MayBeOvertaken)]);
    assert!(silent(&bench), "until it is removed");
    bench.kernel();
    assert!(!bench.has(VIP));
    // Nobody else is there: it holds again when any Backup would.
    let outs = run(&mut bench, millis(3610));
    assert_eq!(outs.changes().len(), 1);
    bench.kernel();
    assert!(bench.has(VIP) && !silent(&bench));
}

#[test]
fn what_was_waiting_in_the_sockets_is_heard_before_anything_is_decided() {
    // Frozen for a short time only, but a stronger peer has spoken meanwhile.
    let mut bench = Bench::active(leased(100));
    bench.pass(millis(1500));
    let outs = bench.feed(Input::Wake { drained: false });
    assert!(outs.adverts().is_empty() && silent(&bench));
    assert_eq!(bench.state(), State::Active);
    let outs = bench.hear(saying(HIGHER, 200));
    assert!(outs.adverts().is_empty(), "no parting word from the silenced");
    assert_eq!(bench.state(), State::Backup);
    let outs = bench.feed(Input::Wake { drained: true });
    assert!(outs.adverts().is_empty());
    assert!(silent(&bench));
    bench.kernel();
    assert!(!bench.has(VIP));
}

#[test]
fn a_silenced_holder_does_not_contradict_a_weaker_one() {
    let mut bench = Bench::active(leased(100));
    bench.pass(millis(3100));
    bench.feed(Input::Wake { drained: false });
    let outs = bench.hear(saying(LOWER, 50));
    assert!(outs.adverts().is_empty());
    bench.feed(Input::Wake { drained: true });
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn a_lease_ended_by_somebody_else_ends_the_holding_however_early() {
    let mut bench = Bench::active(leased(100));
    bench.table.alive.clear();
    let outs = run(&mut bench, millis(230));
    assert_eq!(outs.changes(), [(State::Active, State::Backup, Reason::MayBeOvertaken)]);
    assert!(outs.adverts().is_empty());
}

#[test]
fn a_removed_table_is_put_back_without_an_election() {
    let mut bench = Bench::active(leased(100));
    bench.table = crate::table::Table::default();
    let outs = run(&mut bench, millis(230));
    assert!(outs.changes().is_empty());
    assert!(told(&outs, |what| matches!(what, What::LeaseRebuilt)));
    assert!(bench.table.listed.len() == 1 && !silent(&bench));
}

#[test]
fn of_two_instances_under_one_lease_each_decides_for_itself() {
    let other = InstanceConfig {
        name: "VI2".into(),
        vrid: base::Vrid::new(52).unwrap(),
        vips: vec![vip("192.0.2.101")],
        ..leased(100)
    };
    let mut bench = Bench::of(vec![leased(100), other]);
    run(&mut bench, millis(3700));
    bench.kernel();
    bench.pass(millis(1200));
    bench.feed(Input::Wake { drained: false });
    bench.hear(saying(HIGHER, 200));
    let outs = bench.feed(Input::Wake { drained: true });
    assert_eq!(bench.one("VI").state, State::Backup);
    assert_eq!(bench.one("VI2").state, State::Active);
    assert_eq!(outs.adverts().len(), 1);
    assert!(silent(&bench) && bench.has(VIP), "still installed, and silent all the time");
    assert!(bench.table.passes("192.0.2.101", bench.now));
}

#[test]
fn after_a_sleep_everybody_is_silent_and_whoever_slept_too_long_lets_go() {
    for lease in [true, false] {
        let one = || InstanceConfig { lease, ..config(100) };
        let mut bench = Bench::active(one());
        let outs = bench.feed(Input::Slept { span: millis(500) });
        assert!(told(&outs, |what| matches!(what, What::Slept { .. })));
        assert_eq!(silent(&bench), lease);
        let outs = bench.wake();
        assert_eq!(bench.state(), State::Active, "too short for anybody");
        assert!(!silent(&bench) && outs.adverts().len() == 1);

        let mut bench = Bench::active(one());
        bench.feed(Input::Slept { span: secs(3600) });
        let outs = bench.wake();
        assert!(outs.adverts().is_empty());
        assert_eq!(bench.state(), State::Backup);
    }
}

#[test]
fn a_backup_that_slept_listens_for_its_whole_time() {
    let mut bench = Bench::new(leased(100));
    run(&mut bench, millis(3600));
    assert_eq!(bench.state(), State::Backup);
    bench.feed(Input::Slept { span: secs(60) });
    let outs = run(&mut bench, millis(3600));
    assert!(outs.adverts().is_empty());
    run(&mut bench, millis(10));
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn a_holder_without_a_lease_that_was_late_listens_too() {
    let mut bench = Bench::active(config(100));
    bench.pass(millis(2999));
    assert_eq!(bench.wake().adverts().len(), 1, "late, but nobody can have taken over");
    bench.pass(millis(3001));
    let outs = bench.feed(Input::Wake { drained: false });
    assert!(outs.adverts().is_empty());
    // From here on it contradicts nobody; what it does is decided when it has heard everything.
    assert!(told(&outs, |what| matches!(what, What::Stalled { .. })));
    assert_eq!(bench.state(), State::Active);
    bench.feed(Input::Wake { drained: true });
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn without_nf_tables_it_holds_as_before_and_says_so() {
    let (mut bench, _) = Bench::silent(vec![]);
    bench.table.missing = true;
    let outs = bench.feed(Input::Configure(vec![leased(100)]));
    assert!(told(&outs, |what| matches!(what, What::LeaseUnavailable { .. })));
    bench.snapshot(vec![link(2, "eth0")]);
    run(&mut bench, millis(3700));
    bench.kernel();
    assert!(bench.has(VIP));
    assert_eq!(run(&mut bench, secs(5)).adverts().len(), 5);
    assert!(matches!(bench.status().leases.table, ::vip::lease::TableStatus::Unavailable(_)));
}

/// An engine that takes over from one which held, whose lease was last renewed so long ago.
fn heir(age: core::time::Duration, configured_first: bool) -> (Bench, Outs) {
    let mut old = Bench::active(leased(100));
    run(&mut old, millis(222));
    let (mut bench, _) = Bench::silent(Vec::new());
    bench.now = old.now + age;
    bench.table = std::mem::take(&mut old.table);
    bench.addresses.push(address(2, VIP));
    let names = vec![Name::from("VI")];
    bench.feed(Input::Adopt { image: None, held: names, events: 100 });
    let mut outs = Outs::default();
    for configures in [configured_first, !configured_first] {
        outs.0.extend(if configures {
            bench.feed(Input::Configure(vec![leased(100)])).0
        } else {
            bench.snapshot(vec![link(2, "eth0")]).0
        });
    }
    outs.0.extend(bench.wake().0);
    (bench, outs)
}

#[test]
fn an_heir_goes_on_with_a_lease_that_lives_without_a_moment_of_silence() {
    for configured_first in [true, false] {
        let (mut bench, outs) = heir(millis(300), configured_first);
        assert_eq!(bench.state(), State::Active);
        assert!(!silent(&bench));
        let order = order(&outs);
        let touched = |one: &String| {
            one.starts_with("arm") || one.starts_with("batch") || one.contains("silent")
        };
        assert!(!order.iter().any(touched), "{order:?}");
        assert_eq!(outs.adverts().len(), 1);
        assert!(matches!(outs.wills()[..], [Edit::Hold(_)]), "{:?}", outs.wills());
        let outs = run(&mut bench, secs(2));
        assert_eq!((outs.adverts().len(), outs.changes().len()), (2, 0));
    }
}

#[test]
fn an_heir_whose_lease_has_ended_holds_nothing_and_says_nothing() {
    for configured_first in [true, false] {
        let (mut bench, outs) = heir(millis(700), configured_first);
        assert!(outs.adverts().is_empty(), "{:?}", order(&outs));
        // Seen in the lab: it said that it holds, the guardian was content, and peers heard no farewell.
        assert!(outs.wills().is_empty(), "the will of the one before stands: {:?}", outs.wills());
        assert_eq!(bench.state(), State::Backup);
        assert!(silent(&bench));
        bench.kernel();
        assert!(!bench.has(VIP) && !silent(&bench));
        run(&mut bench, millis(3610));
        bench.kernel();
        assert!(bench.has(VIP) && !silent(&bench));
    }
}

#[test]
fn a_stop_leaves_no_table_behind() {
    let mut bench = Bench::active(leased(100));
    let outs = bench.feed(Input::Stop);
    assert_eq!(outs.advert().priority, 0);
    assert!(!bench.router.is_settled());
    bench.kernel();
    assert!(bench.router.is_settled() && !bench.table.exists && !bench.has(VIP));
}

#[test]
fn lease_off_and_on_by_reload_moves_nothing() {
    let mut bench = Bench::active(leased(100));
    let outs = bench.feed(Input::Configure(vec![config(100)]));
    assert!(outs.changes().is_empty());
    run(&mut bench, secs(3));
    assert!(!silent(&bench) && bench.has(VIP) && bench.only().lease.is_none());
    let outs = bench.feed(Input::Configure(vec![leased(100)]));
    assert!(outs.changes().is_empty());
    assert!(!silent(&bench) && bench.table.listed.len() == 1);
}

#[test]
fn an_instance_that_is_configured_away_stays_silent_until_its_vip_is_gone() {
    let mut bench = Bench::active(leased(100));
    bench.feed(Input::Configure(vec![]));
    assert!(bench.has(VIP) && silent(&bench));
    bench.kernel();
    assert!(!bench.has(VIP) && !silent(&bench));
}

#[test]
fn an_interface_that_is_another_by_now_is_covered_again() {
    let mut bench = Bench::active(leased(100));
    bench.fact(KernelFact::LinkGone(crate::bench::index(2)));
    let outs = bench.link_is(link(7, "eth0"));
    assert!(order(&outs).contains(&"cover eth0".to_owned()), "{:?}", order(&outs));
}

#[test]
fn a_hand_over_goes_on_with_the_lease_without_a_moment_of_silence() {
    let mut old = Bench::active(leased(100));
    run(&mut old, millis(222));
    let image = old.router.image();
    let (mut bench, _) = Bench::silent(Vec::new());
    bench.now = old.now + millis(20);
    bench.table = std::mem::take(&mut old.table);
    bench.addresses.push(address(2, VIP));
    bench.snapshot(vec![link(2, "eth0")]);
    bench.feed(Input::Adopt { image: Some(image), held: Vec::new(), events: 100 });
    let mut outs = bench.feed(Input::Configure(vec![leased(100)]));
    outs.0.extend(bench.wake().0);
    assert_eq!(bench.state(), State::Active);
    assert!(!silent(&bench));
    assert_eq!(outs.ops(), [""; 0]);
    assert!(!order(&outs).iter().any(|one| one.starts_with("arm") || one.contains("silent")));
    let outs = run(&mut bench, secs(2));
    assert_eq!(outs.changes().len(), 0);
    assert!(outs.adverts().len() >= 2);
}

/// The engine after this one, which is handed over so long after its last turn; before anything is read.
fn successor(
    old: &mut Bench,
    config: InstanceConfig,
    after: core::time::Duration,
) -> (Bench, Outs) {
    let image = old.router.image();
    let (mut bench, _) = Bench::silent(Vec::new());
    bench.now = old.now + after;
    bench.table = std::mem::take(&mut old.table);
    bench.addresses.push(address(2, VIP));
    bench.snapshot(vec![link(2, "eth0")]);
    bench.feed(Input::Adopt { image: Some(image), held: Vec::new(), events: 100 });
    let outs = bench.feed(Input::Configure(vec![config]));
    (bench, outs)
}

/// Found by the simulator (seeds 6113, 16543, 18545, 20868): asked where it stood in the very turn in
/// which it ran again, and the heir spoke as soon as its lease was granted.
#[test]
fn an_heir_of_one_that_stalled_hears_what_has_arrived_before_it_claims_anything() {
    for config in [config(100), leased(100)] {
        let mut old = Bench::active(config.clone());
        let (mut bench, mut outs) = successor(&mut old, config, secs(13));
        outs.0.extend(bench.feed(Input::Wake { drained: false }).0);
        assert_eq!(bench.state(), State::Active);
        assert!(outs.adverts().is_empty(), "{:?}", order(&outs));
        assert!(!order(&outs).contains(&"frame".to_owned()), "{:?}", order(&outs));
        outs.0.extend(bench.feed(Input::Wake { drained: true }).0);
        assert!(outs.adverts().is_empty(), "{:?}", order(&outs));
        assert_eq!(bench.state(), State::Backup);
    }
}

/// Seed 5516: the machine slept, its clock with it, and the heir counted by that clock.
#[test]
fn what_an_engine_slept_is_not_forgotten_by_its_heir() {
    let mut old = Bench::active(leased(100));
    old.feed(Input::Slept { span: secs(18) });
    let (mut bench, mut outs) = successor(&mut old, leased(100), millis(1));
    outs.0.extend(bench.wake().0);
    assert!(outs.adverts().is_empty(), "{:?}", order(&outs));
    assert_eq!(bench.state(), State::Backup);
}
