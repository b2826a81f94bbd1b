//! The column `Active` of the state table (RFC 9568 §6.4.3).
//!
//! The bench is 192.0.2.5 with priority 100, holds 192.0.2.100, and has spoken just now.

use base::{KernelFact, Preempt, Priority, Reason, State, What};
use vrrp::{Input, InstanceConfig};

use crate::bench::{
    Bench, HIGHER, LOWER, VIP, centis, config, index, ip, millis, nanos, saying, secs, vip,
};

const DOWN: u64 = 3_609_375_000;

#[test]
fn vrrp_052_shutdown_resigns_and_then_removes() {
    let mut bench = Bench::active(config(100));
    let outs = bench.feed(Input::Stop);
    assert_eq!(outs.kinds(), ["advert", "will", "batch", "event"]);
    assert_eq!(outs.spoken(), [0]);
    assert_eq!(outs.advert().addresses, [ip(VIP)]);
    assert_eq!(outs.ops(), ["-192.0.2.100"]);
    assert_eq!(outs.changes(), [(State::Active, State::Initialize, Reason::Shutdown)]);
    assert!(outs.has(&What::Resigned));
    assert!(!bench.router.is_settled(), "the address is still there");
    let outs = bench.kernel();
    assert!(outs.has(&What::VipsGone { vips: vec![ip(VIP)] }));
    assert!(bench.router.is_settled());
    assert_eq!(bench.left(), None);
    // Twice is once.
    assert!(bench.feed(Input::Stop).is_empty());
}

#[test]
fn vrrp_053_silence_of_others_is_what_an_active_node_expects() {
    let mut bench = Bench::active(config(100));
    for _ in 0..20 {
        let outs = bench.sleep();
        assert_eq!(outs.kinds(), ["advert"]);
    }
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn vrrp_054_adverts_leave_on_the_beat_without_drift() {
    let mut bench = Bench::active(config(100));
    let begin = bench.now;
    for beat in 1..=100 {
        // Every wake-up is late, each by another while; the beat does not move.
        bench.now = bench.router.poll_timeout().unwrap() + millis(u64::from(beat) % 50);
        let outs = bench.wake();
        assert_eq!(outs.spoken(), [100]);
        assert_eq!(outs.advert().interval, centis(100));
        assert_eq!(bench.only().deadline, Some(begin + secs(1) * (beat + 1)));
    }
}

#[test]
fn vrrp_054_an_early_or_repeated_wake_up_sends_nothing() {
    let mut bench = Bench::active(config(100));
    bench.pass(secs(1) - nanos(1));
    assert!(bench.wake().is_empty());
    bench.pass(nanos(1));
    assert_eq!(bench.wake().spoken(), [100]);
    assert!(bench.wake().is_empty());
}

#[test]
fn vrrp_055_priority_zero_is_answered_and_the_beat_starts_anew() {
    let mut bench = Bench::active(config(100));
    bench.pass(millis(300));
    let outs = bench.hear(saying(HIGHER, 0));
    assert_eq!(outs.kinds(), ["advert"]);
    assert_eq!(outs.spoken(), [100]);
    assert_eq!((bench.state(), bench.left()), (State::Active, Some(secs(1))));
}

#[test]
fn vrrp_056_a_stronger_advert_makes_it_yield() {
    let mut bench = Bench::active(config(100));
    bench.pass(millis(300));
    let mut slow = saying(LOWER, 101);
    slow.interval = centis(200);
    let outs = bench.hear(slow);
    assert_eq!(outs.kinds(), ["advert", "will", "batch", "event"]);
    assert_eq!(outs.spoken(), [100], "one last advert, so that the winner knows of us");
    assert_eq!(outs.ops(), ["-192.0.2.100"]);
    assert_eq!(outs.changes(), [(State::Active, State::Backup, Reason::StrongerPeer)]);
    assert_eq!((bench.left(), bench.only().active_interval), (Some(nanos(2 * DOWN)), secs(2)));
    bench.kernel();
    assert!(!bench.has(VIP));
}

#[test]
fn vrrp_056_the_last_advert_can_be_switched_off() {
    let mut bench = Bench::active(InstanceConfig { parting_advert: false, ..config(100) });
    let outs = bench.hear(saying(LOWER, 101));
    assert_eq!(outs.kinds(), ["will", "batch", "event"]);
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn vrrp_056_yielding_takes_back_what_the_kernel_has_not_done_yet() {
    let mut bench = Bench::new(config(100));
    let outs = bench.sleep();
    assert_eq!(outs.ops(), ["+192.0.2.100"]);
    let outs = bench.hear(saying(HIGHER, 200));
    assert_eq!(outs.changes().len(), 1);
    let outs = bench.kernel();
    assert!(outs.announced().is_empty(), "never announced, though it was there for a moment");
    assert!(!bench.has(VIP));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn vrrp_057_an_equal_priority_with_a_higher_address_makes_it_yield() {
    for preempt in [Preempt::After(secs(0)), Preempt::Never] {
        let mut bench = Bench::active(InstanceConfig { preempt, ..config(100) });
        let outs = bench.hear(saying(HIGHER, 100));
        let changes = [(State::Active, State::Backup, Reason::EqualPeerHigherAddress)];
        assert_eq!(outs.changes(), changes);
        assert_eq!(bench.left(), Some(nanos(DOWN)));
    }
}

#[test]
fn vrrp_058_vrrp_059_vrrp_060_whoever_is_weaker_is_answered_whatever_preemption_says() {
    for preempt in [Preempt::After(secs(0)), Preempt::After(secs(60)), Preempt::Never] {
        for (source, priority) in [(LOWER, 100), (LOWER, 99), (HIGHER, 99), (HIGHER, 1)] {
            let mut bench = Bench::active(InstanceConfig { preempt, ..config(100) });
            bench.pass(millis(300));
            let mut weaker = saying(source, priority);
            weaker.interval = centis(300);
            let outs = bench.hear(weaker);
            assert_eq!(outs.spoken(), [100]);
            assert!(outs.changes().is_empty() && outs.ops().is_empty());
            let rival = What::RivalHeard { source: ip(source), priority: Priority::new(priority) };
            assert!(outs.has(&rival));
            // Adver_Timer runs on, and nothing is learned.
            assert_eq!(bench.left(), Some(millis(700)));
            assert_eq!(bench.only().active_interval, secs(1));
        }
    }
}

/// Decision 0005: a holder that gives way sends one last advert, so that we announce again.
#[test]
fn the_last_advert_of_a_holder_that_gives_way_is_no_rival_and_one_an_interval_later_is() {
    let rival = What::RivalHeard { source: ip(LOWER), priority: Priority::new(50) };
    let mut bench = Bench::new(config(100));
    bench.hear(saying(LOWER, 50));
    bench.sleep();
    assert_eq!(bench.state(), State::Active);
    let outs = bench.hear(saying(LOWER, 50));
    assert_eq!(outs.spoken(), [100]);
    assert!(!outs.has(&rival));
    bench.pass(millis(999));
    assert!(!bench.hear(saying(LOWER, 50)).has(&rival));
    bench.pass(millis(1));
    assert!(bench.hear(saying(LOWER, 50)).has(&rival));
}

#[test]
fn vrrp_059_the_answer_can_be_switched_off() {
    let mut bench = Bench::active(InstanceConfig { answer_rivals: false, ..config(100) });
    bench.pass(millis(300));
    let outs = bench.hear(saying(HIGHER, 99));
    assert!(outs.adverts().is_empty());
    assert_eq!((bench.state(), bench.left()), (State::Active, Some(millis(700))));
}

#[test]
fn vrrp_061_a_dropped_packet_changes_nothing() {
    let mut bench = Bench::active(config(100));
    bench.pass(millis(300));
    for mut bad in [saying(HIGHER, 200), saying(HIGHER, 0), saying(LOWER, 1)] {
        bad.ttl = 1;
        let outs = bench.hear(bad);
        assert!(outs.is_quiet(), "{outs:?}");
    }
    assert_eq!((bench.state(), bench.left()), (State::Active, Some(millis(700))));
}

#[test]
fn vrrp_062_a_link_that_goes_down_frees_the_vip_without_a_word_that_nobody_would_hear() {
    let mut bench = Bench::active(config(100));
    let outs = bench.link_down();
    assert!(outs.adverts().is_empty());
    assert_eq!(outs.ops(), ["-192.0.2.100"]);
    assert_eq!(outs.changes(), [(State::Active, State::Initialize, Reason::LinkDown)]);
    assert_eq!(bench.only().fault, Some(Reason::LinkDown));
    bench.kernel();
    assert!(!bench.has(VIP));
    assert_eq!(bench.left(), None);
}

#[test]
fn vrrp_062_a_lost_own_address_ends_it_too() {
    let mut bench = Bench::active(config(100));
    let outs = bench.taken(crate::bench::OWN);
    assert_eq!(outs.kinds(), ["advert", "will", "batch", "event"]);
    assert_eq!(outs.spoken(), [0]);
    assert!(outs.has(&What::SourceLost));
    assert_eq!(outs.changes(), [(State::Active, State::Initialize, Reason::NoSourceAddress)]);
    bench.kernel();
    assert!(!bench.has(VIP));
}

#[test]
fn vrrp_062_an_interface_that_is_gone_took_the_vip_with_it() {
    let mut bench = Bench::active(config(100));
    bench.addresses.clear();
    let outs = bench.fact(KernelFact::LinkGone(index(2)));
    assert_eq!(outs.changes(), [(State::Active, State::Initialize, Reason::LinkMissing)]);
    assert!(outs.ops().is_empty(), "there is nothing to remove it from");
    assert!(bench.only().present.is_empty());
    assert!(outs.has(&What::VipsGone { vips: vec![ip(VIP)] }));
}

#[test]
fn vrrp_067_a_vip_taken_away_is_put_back_at_once_without_an_election() {
    let mut bench = Bench::active(config(100));
    bench.pass(millis(300));
    let outs = bench.taken(VIP);
    assert_eq!(outs.ops(), ["+192.0.2.100"]);
    assert!(outs.has(&What::VipTaken { vip: ip(VIP) }));
    assert!(outs.adverts().is_empty() && outs.changes().is_empty());
    let taken = outs.events()[0].id;
    let outs = bench.kernel();
    assert_eq!(outs.announced(), [ip(VIP)]);
    let present = outs.events()[0];
    assert_eq!((present.reason, present.causes.as_slice()), (Reason::ForeignChange, &[taken][..]));
    assert!(bench.has(VIP));
    assert_eq!((bench.state(), bench.left()), (State::Active, Some(millis(700))));
}

#[test]
fn vrrp_067_only_the_one_that_was_taken_is_announced_again() {
    let two = InstanceConfig { vips: vec![vip(VIP), vip("192.0.2.101")], ..config(100) };
    let mut bench = Bench::active(two);
    bench.taken("192.0.2.101");
    let outs = bench.kernel();
    assert_eq!(outs.announced(), [ip("192.0.2.101")]);
}
