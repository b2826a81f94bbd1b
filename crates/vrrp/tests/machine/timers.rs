//! Timers (RFC 9568 §6.1): exact to the nanosecond, on no clock but the one that is handed in, and
//! judged only when nothing is left to read.

use core::time::Duration;

use base::{Centis, Interval, Reason, State};
use vrrp::{Input, InstanceConfig};

use crate::bench::{
    Bench, HIGHER, LOWER, centis, config, config_v6, millis, nanos, saying, secs, v2,
};

#[test]
fn vrrp_072_the_down_interval_is_exact_for_every_priority_and_interval() {
    for (interval, span) in [
        (centis(1), 10_000_000),
        (centis(3), 30_000_000),
        (centis(100), 1_000_000_000),
        (centis(4095), 40_950_000_000),
    ] {
        for priority in 1..=254_u8 {
            let bench = Bench::new(InstanceConfig { interval, ..config(priority) });
            let skew = span * (256 - u64::from(priority)) / 256;
            assert_eq!(bench.only().skew_time, nanos(skew));
            assert_eq!(bench.left(), Some(nanos(3 * span + skew)), "{interval:?} {priority}");
        }
    }
}

#[test]
fn vrrp_072_in_v2_the_skew_is_a_part_of_a_second() {
    for seconds in [1, 2, 255_u8] {
        let bench = Bench::new(InstanceConfig { interval: v2(seconds), ..config(100) });
        let down = secs(u64::from(seconds)) * 3 + nanos(609_375_000);
        assert_eq!(bench.left(), Some(down));
    }
}

#[test]
fn vrrp_072_the_number_of_missed_adverts_can_be_chosen() {
    for missed in [1, 2, 3, 100_u8] {
        let bench = Bench::new(InstanceConfig { missed_adverts: missed, ..config(100) });
        assert_eq!(bench.left(), Some(secs(u64::from(missed)) + nanos(609_375_000)));
    }
}

/// Everything that came out, and when, counted from the beginning.
fn story(begin: Duration) -> Vec<(Duration, String)> {
    let mut bench = Bench::silent(vec![InstanceConfig { interval: centis(20), ..config(100) }]).0;
    bench.now = base::Instant::ZERO + begin;
    bench.router = vrrp::Router::new();
    bench.feed(Input::Configure(vec![InstanceConfig { interval: centis(20), ..config(100) }]));
    let mut told = Vec::new();
    let mut tell = |bench: &Bench, outs: crate::seen::Outs| {
        let at = bench.now.since(base::Instant::ZERO + begin);
        told.extend(outs.adverts().iter().map(|sent| (at, format!("{sent:?}"))));
        told.extend(outs.changes().iter().map(|change| (at, format!("{change:?}"))));
    };
    let outs = bench.snapshot(vec![crate::bench::link(2, "eth0")]);
    tell(&bench, outs);
    for turn in 0..50 {
        let outs = if turn % 20 == 10 { bench.hear(saying(HIGHER, 200)) } else { bench.sleep() };
        tell(&bench, outs);
        bench.kernel();
    }
    told
}

#[test]
fn vrrp_076_only_differences_of_the_monotonic_clock_count() {
    // There is no other clock to step: instants come in by the door, and `Instant` has no `now`.
    let story_of = |days: u64| story(secs(days * 86_400));
    assert!(story_of(0).len() > 20);
    assert_eq!(story_of(0), story_of(40_000));
}

#[test]
fn vrrp_077_a_late_loop_sends_before_it_reads() {
    let mut bench = Bench::active(config(100));
    bench.pass(millis(1300));
    let outs = bench.feed(Input::Wake { drained: false });
    assert_eq!(outs.spoken(), [100]);
    assert_eq!(bench.left(), Some(millis(700)));
    // What is read then is judged by what has been sent.
    assert!(bench.feed(Input::Wake { drained: true }).is_empty());
}

#[test]
fn vrrp_077_adverts_of_all_instances_leave_before_any_address_is_touched() {
    let configs: Vec<InstanceConfig> = (1..=200_u8)
        .map(|n| InstanceConfig {
            name: format!("VI_{n}").as_str().into(),
            vrid: base::Vrid::new(n).unwrap(),
            vips: vec![crate::bench::vip(&format!("192.0.2.{}", u16::from(n) + 20))],
            ..config(100)
        })
        .collect();
    let mut bench = Bench::of(configs);
    let outs = bench.sleep();
    assert_eq!(outs.adverts().len(), 200);
    assert_eq!(outs.kinds(), ["advert", "will", "batch", "event"]);
    assert_eq!(outs.ops().len(), 200);
    let beat = bench.now + secs(1);
    let mut announced = bench.kernel().announced().len();
    // Announcements are paced, and all are out before the next beat.
    while announced < 200 {
        let outs = bench.sleep();
        assert!(outs.adverts().is_empty() && bench.now < beat);
        announced += outs.announced().len();
    }
    let outs = bench.sleep();
    assert_eq!((outs.adverts().len(), outs.kinds()), (200, vec!["advert"]));
    assert_eq!(bench.now, beat);
}

#[test]
fn vrrp_077_a_long_pause_is_not_made_up_for_by_a_burst() {
    let mut bench = Bench::active(InstanceConfig { interval: centis(1), ..config(100) });
    bench.pass(millis(55));
    assert_eq!(bench.wake().spoken(), [100]);
    assert_eq!(bench.left(), Some(millis(10)));
    // After a longer one others may hold.
    bench.pass(secs(30));
    assert!(bench.wake().spoken().is_empty());
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn vrrp_078_a_farewell_leaves_skew_time_and_silence_the_down_interval() {
    for (version, interval) in [("v3", centis(100)), ("v2", v2(1))] {
        let mut bench = Bench::new(InstanceConfig { interval, ..config(100) });
        let mut farewell = saying(HIGHER, 0);
        farewell.interval = interval;
        bench.hear(farewell);
        assert_eq!(bench.left(), Some(nanos(609_375_000)), "{version}");
        bench.sleep();
        assert_eq!(bench.state(), State::Active);
    }
}

#[test]
fn vrrp_079_silence_is_judged_only_when_nothing_is_left_to_read() {
    let mut bench = Bench::new(config(100));
    // The node was held up for a minute, while the holder's adverts queued up.
    bench.pass(secs(60));
    assert!(bench.feed(Input::Wake { drained: false }).is_empty());
    for _ in 0..60 {
        let outs = bench.hear(saying(LOWER, 200));
        assert!(outs.is_quiet() && outs.changes().is_empty());
    }
    assert!(bench.feed(Input::Wake { drained: true }).is_empty());
    assert_eq!((bench.state(), bench.left()), (State::Backup, Some(nanos(3_609_375_000))));
}

#[test]
fn vrrp_079_neither_a_packet_nor_news_of_the_kernel_promotes_a_stale_backup() {
    let mut bench = Bench::new(config(100));
    bench.pass(secs(60));
    assert!(bench.hear(saying(HIGHER, 50)).is_quiet());
    assert!(bench.link_up().is_empty());
    let changed = InstanceConfig { missed_adverts: 4, ..config(100) };
    assert!(bench.feed(Input::Configure(vec![changed])).is_quiet());
    assert_eq!(bench.state(), State::Backup);
    // It has not listened for as long as it seems, and does so now.
    assert!(bench.wake().spoken().is_empty());
    assert_eq!(bench.left(), Some(nanos(4_609_375_000)));
    assert_eq!(bench.sleep().spoken(), [100]);
}

#[test]
fn a_wake_up_too_early_or_for_nothing_does_no_harm() {
    for config in [config(100), config_v6(100)] {
        let mut often = Bench::new(config.clone());
        let mut once = Bench::new(config);
        for _ in 0..10_000 {
            often.pass(millis(1));
            often.wake();
            often.kernel();
        }
        while once.left().is_some_and(|left| once.now + left <= often.now) {
            once.sleep();
            once.kernel();
        }
        // The same state; the deadline differs by less than the millisecond they looked late.
        assert_eq!(often.only().traffic, once.only().traffic);
        assert_eq!(often.state(), State::Active);
        let late = often.only().deadline.unwrap().since(once.only().deadline.unwrap());
        assert!(late < millis(1), "{late:?}");
    }
}

#[test]
fn intervals_of_both_versions_are_what_they_say() {
    assert_eq!(Interval::V3(Centis::MAX).as_duration(), millis(40_950));
    let mut bench = Bench::new(InstanceConfig { interval: v2(255), ..config(255) });
    assert_eq!(bench.left(), Some(secs(255)));
    assert_eq!(bench.sleep().advert().interval, v2(255));
}

#[test]
fn vrrp_079_who_did_not_run_when_its_wait_was_over_grants_one_moment_and_not_two() {
    let mut bench = Bench::new(config(100));
    bench.hear(saying(HIGHER, 200));
    let deadline = bench.only().deadline.unwrap();
    bench.now = deadline + millis(20);
    assert!(bench.feed(Input::Wake { drained: true }).changes().is_empty());
    // The holder ran no more than we did, and speaks again.
    bench.now = bench.now + millis(1);
    bench.hear(saying(HIGHER, 200));
    let deadline = bench.only().deadline.unwrap();
    bench.now = deadline + millis(20);
    assert!(bench.feed(Input::Wake { drained: true }).changes().is_empty());
    bench.now = bench.now + millis(20);
    let outs = bench.feed(Input::Wake { drained: true });
    assert_eq!(outs.changes(), [(State::Backup, State::Active, Reason::HolderSilent)]);
    // On time, there is nothing to grant.
    let mut bench = Bench::new(config(100));
    bench.hear(saying(HIGHER, 200));
    bench.now = bench.only().deadline.unwrap() + millis(2);
    assert_eq!(bench.feed(Input::Wake { drained: true }).changes().len(), 1);
}
