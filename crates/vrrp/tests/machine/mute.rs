//! A holder whose own link is away: it says nothing into nothing, and goes on where nobody can have
//! taken over meanwhile.

use core::time::Duration;
use std::collections::BTreeMap;

use base::{KernelFact, LinkFact, Reason, State};
use vrrp::{Debounce, Input, InstanceConfig};

use crate::bench::{
    Bench, HIGHER, LOWER, OWN, VIP, address, config, index, ip, link, millis, saying, secs,
};

/// One that has held for longer than its peers wait, and has just said so.
fn settled(config: InstanceConfig) -> Bench {
    let mut bench = Bench::active(config);
    says(&mut bench, 4);
    bench
}

/// Runs until it has said so many adverts.
fn says(bench: &mut Bench, mut adverts: usize) {
    while adverts > 0 {
        adverts -= bench.sleep().adverts().len();
    }
}

/// Runs for so many milliseconds.
fn wait(bench: &mut Bench, span: u64) {
    let end = bench.now + millis(span);
    while bench.router.poll_timeout().is_some_and(|at| at <= end) {
        bench.sleep();
    }
    bench.now = end;
}

/// Its link is away from `after` its last advert until `back` after it; what it becomes then.
fn away(bench: &mut Bench, after: Duration, back: Duration) -> State {
    bench.pass(after);
    assert!(bench.link_down().adverts().is_empty(), "nobody would hear it");
    assert_eq!(bench.state(), State::Initialize);
    bench.kernel();
    assert!(!bench.has(VIP));
    bench.pass(back - after);
    bench.link_up();
    bench.state()
}

const GOES_ON: [(State, State, Reason); 1] =
    [(State::Initialize, State::Active, Reason::NobodyElse)];
const LISTENS: [(State, State, Reason); 1] =
    [(State::Initialize, State::Backup, Reason::FaultCleared)];

#[test]
fn a_holder_whose_link_is_back_before_anybody_can_have_lost_patience_goes_on_at_once() {
    let mut bench = settled(config(100));
    bench.pass(millis(300));
    let outs = bench.link_down();
    assert!(outs.adverts().is_empty(), "nobody would hear it");
    assert_eq!(outs.ops(), ["-192.0.2.100"]);
    assert_eq!(outs.changes(), [(State::Active, State::Initialize, Reason::LinkDown)]);
    assert_eq!(bench.only().traffic.resignations_sent, 0);
    bench.kernel();
    bench.pass(millis(200));
    let outs = bench.link_up();
    assert_eq!(outs.changes(), GOES_ON);
    assert_eq!((outs.spoken(), outs.ops()), (vec![100], vec!["+192.0.2.100".into()]));
    assert_eq!(bench.kernel().announced(), [ip(VIP)]);
    assert_eq!(bench.left(), Some(secs(1)), "its next advert");
}

#[test]
fn it_counts_as_its_peers_do_from_its_last_advert() {
    for (after, back, is) in [
        (0, 1, State::Active),
        (999, 1_000, State::Active),
        (500, 2_999, State::Active),
        (500, 3_000, State::Backup),
        (999, 3_001, State::Backup),
        (10, 60_000, State::Backup),
    ] {
        let mut bench = settled(config(100));
        assert_eq!(away(&mut bench, millis(after), millis(back)), is, "{after} {back}");
    }
    // A peer may have the RFC's three, however many we allow to be missed.
    let patient = || InstanceConfig { missed_adverts: 6, ..config(100) };
    assert_eq!(away(&mut settled(patient()), millis(10), millis(2_900)), State::Active);
    assert_eq!(away(&mut settled(patient()), millis(10), millis(3_100)), State::Backup);
    let hasty = || InstanceConfig { missed_adverts: 1, ..config(100) };
    assert_eq!(away(&mut settled(hasty()), millis(10), millis(1_100)), State::Backup);
}

#[test]
fn once_it_has_listened_or_been_away_for_long_there_is_nothing_to_go_on_with() {
    let mut bench = settled(config(100));
    assert_eq!(away(&mut bench, millis(10), secs(10)), State::Backup);
    bench.link_down();
    assert_eq!(bench.link_up().changes(), LISTENS);
}

#[test]
fn a_link_that_flaps_moves_the_vips_to_a_better_one() {
    let mut bench = settled(config(100));
    assert_eq!(away(&mut bench, millis(100), millis(200)), State::Active);
    bench.kernel();
    bench.sleep();
    // It has not held for as long as its peers wait: they are to have their turn.
    assert_eq!(away(&mut bench, millis(100), millis(200)), State::Backup);

    let mut bench = settled(config(100));
    assert_eq!(away(&mut bench, millis(100), millis(200)), State::Active);
    bench.kernel();
    says(&mut bench, 3);
    assert_eq!(away(&mut bench, millis(100), millis(200)), State::Active);
}

#[test]
fn whoever_is_heard_meanwhile_counts() {
    for said in [saying(HIGHER, 50), saying(LOWER, 200), saying(LOWER, 0)] {
        let mut bench = settled(config(100));
        bench.link_down();
        bench.kernel();
        bench.hear(said);
        assert_eq!(bench.link_up().changes(), LISTENS);
    }
}

#[test]
fn what_was_said_since_the_last_reading_may_have_met_a_link_that_was_down() {
    // The advert at 1 s and the loss of the link are read in one go: who knows which was first.
    for (back, is) in [(1_990, State::Active), (2_010, State::Backup)] {
        let mut bench = settled(config(100));
        bench.pass(secs(1));
        assert_eq!(bench.feed(Input::Wake { drained: false }).spoken(), [100]);
        assert_eq!(away(&mut bench, Duration::ZERO, millis(back)), is, "{back}");
    }
}

#[test]
fn what_was_said_while_nobody_believed_that_the_link_is_down_was_not_heard() {
    let debounced = || {
        let mut bench = settled(config(100));
        let rule = Debounce { down: millis(2_500), up: Duration::ZERO };
        bench.feed(Input::Debounce(BTreeMap::from([("eth0".into(), rule)])));
        bench.pass(millis(100));
        bench.link_down();
        bench
    };
    let mut bench = debounced();
    wait(&mut bench, 2_500);
    assert_eq!(bench.state(), State::Initialize);
    bench.pass(millis(300));
    bench.link_up();
    assert_eq!(bench.state(), State::Active, "2.9 s after what was heard of it");

    let mut bench = debounced();
    wait(&mut bench, 2_500);
    bench.pass(millis(500));
    bench.link_up();
    assert_eq!(bench.state(), State::Backup, "3.1 s after, though it spoke 1.1 s ago");

    // Nor was it heard while its link was away for less than the delay and nobody said so.
    let mut bench = debounced();
    says(&mut bench, 2);
    bench.link_up();
    bench.link_down();
    wait(&mut bench, 2_500);
    assert_eq!(bench.state(), State::Initialize);
    bench.link_up();
    assert_eq!(bench.state(), State::Backup);
    // But what it says afterwards is.
    let mut bench = debounced();
    says(&mut bench, 1);
    bench.link_up();
    says(&mut bench, 4);
    bench.feed(Input::Debounce(BTreeMap::new()));
    assert_eq!(away(&mut bench, millis(100), millis(2_900)), State::Active);
}

#[test]
fn an_interface_made_anew_is_as_good_as_one_that_comes_back() {
    let mut bench = settled(config(100));
    bench.addresses.clear();
    let outs = bench.fact(KernelFact::LinkGone(index(2)));
    assert!(outs.adverts().is_empty(), "there is nothing to say it by");
    bench.pass(millis(500));
    bench.link_is(LinkFact { index: index(12), ..link(2, "eth0") });
    let outs = bench.fact(KernelFact::Address(address(12, OWN)));
    assert_eq!(outs.changes(), GOES_ON);
    assert_eq!(outs.advert().index, index(12));
}

#[test]
fn a_loss_that_was_not_told_counts_like_one_that_was() {
    let mut bench = settled(config(100));
    bench.snapshot(vec![LinkFact { running: false, ..link(2, "eth0") }]);
    bench.kernel();
    bench.pass(millis(2_900));
    assert_eq!(bench.snapshot(vec![link(2, "eth0")]).changes(), GOES_ON);
}

#[test]
fn the_time_in_which_the_machine_slept_counts() {
    for (slept, is) in [(2_800, State::Active), (3_100, State::Backup)] {
        let mut bench = settled(config(100));
        bench.link_down();
        bench.kernel();
        bench.feed(Input::Slept { span: millis(slept) });
        bench.link_up();
        assert_eq!(bench.state(), is, "{slept}");
    }
}

#[test]
fn a_member_of_a_group_listens_for_its_others_have_resigned() {
    let mut bench = settled(InstanceConfig { group: Some("G".into()), ..config(100) });
    assert_eq!(away(&mut bench, millis(100), millis(200)), State::Backup);
}

#[test]
fn what_takes_it_down_beside_a_link_that_runs_is_told_as_ever() {
    let mut bench = settled(config(100));
    assert_eq!(bench.taken(OWN).spoken(), [0]);
    bench.kernel();
    let outs = bench.fact(KernelFact::Address(address(2, OWN)));
    assert_eq!(outs.changes(), LISTENS, "its peers are on their way");
}
