//! The column `Backup` of the state table (RFC 9568 §6.4.2).
//!
//! The bench is 192.0.2.5 with priority 100; its down interval is 3 s and 156/256 s.

use base::{KernelFact, Preempt, Reason, State, What};
use vrrp::{Input, InstanceConfig, InstanceStatus};

use crate::bench::{
    Bench, HIGHER, LOWER, VIP, address, centis, config, config_v6, ip, link, millis, nanos, saying,
    secs,
};
use crate::seen::Outs;

const DOWN: u64 = 3_609_375_000;
const SKEW: u64 = 609_375_000;

/// A Backup that was armed a second ago.
fn backup(config: InstanceConfig) -> Bench {
    let mut bench = Bench::new(config);
    bench.pass(secs(1));
    assert_eq!(bench.left(), Some(nanos(DOWN) - secs(1)));
    bench
}

fn timers(one: &InstanceStatus) -> impl PartialEq + core::fmt::Debug + use<> {
    (one.state, one.deadline, one.active_interval, one.skew_time, one.active_down_interval)
}

#[test]
fn vrrp_052_shutdown_is_silent() {
    let mut bench = backup(config(100));
    let outs = bench.feed(Input::Stop);
    assert!(outs.is_quiet(), "{outs:?}");
    assert_eq!(outs.changes(), [(State::Backup, State::Initialize, Reason::Shutdown)]);
    assert_eq!((bench.left(), bench.router.is_settled()), (None, true));
}

#[test]
fn vrrp_053_silence_makes_it_active_and_the_advert_leaves_before_anything_else() {
    let mut bench = backup(config(100));
    bench.pass(nanos(DOWN) - secs(1) - nanos(1));
    assert!(bench.wake().is_empty(), "not a nanosecond early");
    bench.pass(nanos(1));
    let outs = bench.wake();
    assert_eq!(outs.kinds(), ["advert", "will", "batch", "event"]);
    assert_eq!(outs.spoken(), [100]);
    assert_eq!(outs.ops(), ["+192.0.2.100"]);
    assert_eq!(outs.changes(), [(State::Backup, State::Active, Reason::HolderSilent)]);
    assert!(outs.has(&What::PeerSilent { source: None, silence: nanos(DOWN) }));
    assert_eq!(bench.left(), Some(secs(1)));

    // Announced only once the kernel has it.
    let outs = bench.kernel();
    assert_eq!(outs.kinds(), ["frame", "event"]);
    assert_eq!(outs.announced(), [ip(VIP)]);
}

#[test]
fn vrrp_053_every_cause_can_be_followed_back() {
    let mut bench = Bench::new(config(100));
    let heard = bench.hear(saying(HIGHER, 200));
    let outs = bench.sleep();
    let [heard] = heard.events()[..] else { panic!("{heard:?}") };
    let [silent, changed] = outs.events()[..] else { panic!("{outs:?}") };
    let what = What::PeerSilent { source: Some(ip(HIGHER)), silence: nanos(DOWN) };
    assert_eq!((&silent.what, silent.causes.as_slice()), (&what, &[heard.id][..]));
    assert_eq!(changed.causes, [silent.id]);
    let present = bench.kernel();
    assert_eq!(present.events()[0].causes, [changed.id]);
}

#[test]
fn vrrp_054_no_advert_is_ever_due_in_backup() {
    let mut bench = backup(config(100));
    assert!(bench.feed(Input::Wake { drained: false }).is_empty());
    bench.pass(secs(10));
    assert!(bench.feed(Input::Wake { drained: false }).is_empty());
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn vrrp_055_priority_zero_arms_skew_time() {
    let mut bench = backup(config(100));
    bench.hear(saying(HIGHER, 200));
    let outs = bench.hear(saying(HIGHER, 0));
    assert!(outs.is_quiet());
    assert!(outs.has(&What::PeerResigned { source: ip(HIGHER) }));
    assert_eq!((bench.state(), bench.left()), (State::Backup, Some(nanos(SKEW))));
    let outs = bench.sleep();
    assert_eq!(outs.kinds(), ["advert", "will", "batch", "event"]);
    assert_eq!(outs.changes(), [(State::Backup, State::Active, Reason::HolderResigned)]);
}

#[test]
fn vrrp_055_skew_time_is_a_part_of_the_learned_interval() {
    let mut bench = backup(config(100));
    let mut slow = saying(HIGHER, 200);
    slow.interval = centis(400);
    bench.hear(slow);
    bench.hear(saying(HIGHER, 0));
    // Priority 0 teaches nothing: its own interval of 1 s is not what counts.
    assert_eq!(bench.left(), Some(nanos(4 * SKEW)));
}

#[test]
fn vrrp_055_priority_zero_never_makes_the_wait_longer() {
    let mut bench = Bench::new(config(100));
    bench.pass(nanos(DOWN) - millis(100));
    bench.hear(saying(HIGHER, 0));
    assert_eq!(bench.left(), Some(millis(100)));

    // Nor do repeated farewells, however many.
    let mut bench = Bench::new(config(100));
    bench.hear(saying(HIGHER, 0));
    for _ in 0..6 {
        bench.pass(millis(100));
        bench.hear(saying(HIGHER, 0));
    }
    assert_eq!(bench.left(), Some(nanos(SKEW) - millis(600)));
}

#[test]
fn vrrp_055_a_holder_that_comes_back_is_believed_again() {
    let mut bench = backup(config(100));
    bench.hear(saying(HIGHER, 0));
    bench.pass(millis(100));
    bench.hear(saying(LOWER, 150));
    assert_eq!(bench.left(), Some(nanos(DOWN)));
}

#[test]
fn vrrp_056_a_stronger_advert_is_learned_from_and_arms_the_timer_anew() {
    let mut bench = backup(config(100));
    let outs = bench.hear(saying(LOWER, 101));
    let heard = What::PeerHeard {
        source: ip(LOWER),
        priority: base::Priority::new(101),
        interval: secs(1),
    };
    assert_eq!(outs.happened(), [&heard]);
    assert_eq!((bench.state(), bench.left()), (State::Backup, Some(nanos(DOWN))));

    let mut slow = saying(LOWER, 101);
    slow.interval = centis(200);
    bench.pass(secs(1));
    bench.hear(slow);
    assert_eq!(bench.left(), Some(nanos(2 * DOWN)));
    assert_eq!(bench.only().skew_time, nanos(2 * SKEW));
}

#[test]
fn vrrp_057_vrrp_058_an_equal_priority_is_respected_whatever_the_address() {
    for source in [HIGHER, LOWER] {
        for preempt in [Preempt::After(secs(0)), Preempt::Never] {
            let mut bench = backup(InstanceConfig { preempt, ..config(100) });
            let mut equal = saying(source, 100);
            equal.interval = centis(50);
            bench.hear(equal);
            let down = nanos(DOWN / 2);
            assert_eq!((bench.left(), bench.only().active_interval), (Some(down), millis(500)));
        }
    }
}

#[test]
fn vrrp_059_a_weaker_advert_is_let_go_by_while_the_timer_runs() {
    let mut bench = backup(config(100));
    let before = timers(&bench.only());
    for priority in [1, 50, 99] {
        let mut weaker = saying(HIGHER, priority);
        weaker.interval = centis(300);
        assert!(bench.hear(weaker).is_quiet());
        assert_eq!(timers(&bench.only()), before);
    }
    let outs = bench.sleep();
    assert_eq!(outs.changes(), [(State::Backup, State::Active, Reason::WeakerHolder)]);
    assert_eq!(outs.kinds(), ["advert", "will", "batch", "event"]);
}

#[test]
fn vrrp_060_without_preemption_a_weaker_advert_is_respected() {
    let mut bench = backup(InstanceConfig { preempt: Preempt::Never, ..config(100) });
    let mut weaker = saying(HIGHER, 1);
    weaker.interval = centis(300);
    assert!(bench.hear(weaker).is_quiet());
    assert_eq!((bench.left(), bench.only().active_interval), (Some(nanos(3 * DOWN)), secs(3)));
}

#[test]
fn vrrp_061_a_dropped_packet_changes_nothing() {
    let mut bench = backup(config(100));
    let before = timers(&bench.only());
    let mut bad = saying(HIGHER, 200);
    bad.ttl = 254;
    assert!(bench.hear(bad).is_quiet());
    assert_eq!(timers(&bench.only()), before);
    assert_eq!(bench.only().traffic.received, 0);
}

#[test]
fn vrrp_062_a_lost_link_or_address_ends_it_silently() {
    type Trouble = fn(&mut Bench) -> Outs;
    let trials: [(Trouble, Reason); 3] = [
        (|bench| bench.link_down(), Reason::LinkDown),
        (|bench| bench.fact(KernelFact::LinkGone(crate::bench::index(2))), Reason::LinkMissing),
        (|bench| bench.taken(crate::bench::OWN), Reason::NoSourceAddress),
    ];
    for (trouble, reason) in trials {
        let mut bench = backup(config(100));
        let outs = trouble(&mut bench);
        assert!(outs.adverts().is_empty() && outs.ops().is_empty(), "{outs:?}");
        assert_eq!(outs.changes(), [(State::Backup, State::Initialize, reason)]);
        assert_eq!((bench.left(), bench.only().fault), (None, Some(reason)));
    }
}

#[test]
fn vrrp_063_addresses_compare_as_unsigned_numbers() {
    // As signed octets, or as text, the other way round.
    for (ours, theirs) in [("10.0.0.9", "10.0.0.10"), ("10.0.0.1", "10.0.0.200")] {
        for (own, peer, yields) in [(ours, theirs, true), (theirs, ours, false)] {
            let (mut bench, _) = Bench::silent(vec![config(100)]);
            bench.addresses = vec![address(2, own)];
            bench.snapshot(vec![link(2, "eth0")]);
            bench.sleep();
            bench.hear(saying(peer, 100));
            let want = if yields { State::Backup } else { State::Active };
            assert_eq!(bench.state(), want, "{own} hears {peer}");
        }
    }
    for (own, peer, yields) in
        [("fe80::9", "fe80::10", true), ("fe80::8000:0:0:1", "fe80::1", false)]
    {
        let (mut bench, _) = Bench::silent(vec![config_v6(100)]);
        bench.addresses = vec![address(2, own)];
        bench.snapshot(vec![link(2, "eth0")]);
        bench.sleep();
        bench.hear(saying(peer, 100));
        let want = if yields { State::Backup } else { State::Active };
        assert_eq!(bench.state(), want, "{own} hears {peer}");
    }
}

#[test]
fn vrrp_067_a_vip_found_in_backup_is_removed_and_told() {
    let (mut bench, _) = Bench::silent(vec![config(100)]);
    bench.addresses.push(address(2, VIP));
    let outs = bench.snapshot(vec![link(2, "eth0")]);
    assert_eq!(outs.ops(), ["-192.0.2.100"]);
    assert!(outs.has(&What::VipLeftOver { vip: ip(VIP) }));
    assert!(bench.kernel().adverts().is_empty());
    assert!(!bench.has(VIP));
    assert_eq!((bench.state(), bench.left()), (State::Backup, Some(nanos(DOWN))));

    // The same when somebody adds it later.
    let fact = address(2, VIP);
    bench.addresses.push(fact);
    let outs = bench.fact(KernelFact::Address(fact));
    assert_eq!(outs.ops(), ["-192.0.2.100"]);
    assert_eq!(bench.left(), Some(nanos(DOWN)));
}

#[test]
fn vrrp_073_a_backup_waits_by_the_learned_interval() {
    let mut bench = Bench::new(InstanceConfig { interval: centis(20), ..config(100) });
    let mut slow = saying(HIGHER, 200);
    slow.interval = centis(100);
    bench.hear(slow);
    assert_eq!(bench.left(), Some(nanos(DOWN)));
    // And speaks by its own when it holds.
    let outs = bench.sleep();
    assert_eq!(outs.advert().interval, centis(20));
    assert_eq!(bench.left(), Some(millis(200)));
}
