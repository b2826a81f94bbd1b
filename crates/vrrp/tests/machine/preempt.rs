//! When a stronger Backup pushes a living holder aside, and when it does not (RFC 9568 §6.1
//! Preempt_Mode, RFC 8347 hold-time).

use base::{Preempt, Reason, State};
use vrrp::{Input, InstanceConfig};

use crate::bench::{Bench, HIGHER, config, millis, nanos, saying, secs};

const DOWN: u64 = 3_609_375_000;

fn never(priority: u8) -> InstanceConfig {
    InstanceConfig { preempt: Preempt::Never, ..config(priority) }
}

fn after(delay: u64) -> InstanceConfig {
    InstanceConfig { preempt: Preempt::After(secs(delay)), ..config(100) }
}

/// A weaker holder speaks every second; how long until it is pushed aside.
fn preempts_after(bench: &mut Bench, limit: u64) -> Option<core::time::Duration> {
    let begin = bench.now;
    for beat in 0..limit {
        let next = begin + secs(beat);
        while bench.router.poll_timeout().is_some_and(|at| at <= next) {
            bench.sleep();
            if bench.state() == State::Active {
                return Some(bench.now.since(begin));
            }
        }
        bench.now = next;
        bench.hear(saying(HIGHER, 50));
    }
    None
}

#[test]
fn vrrp_059_preemption_takes_one_down_interval() {
    let mut bench = Bench::new(config(100));
    assert_eq!(preempts_after(&mut bench, 10), Some(nanos(DOWN)));
}

#[test]
fn vrrp_060_without_preemption_it_waits_for_ever() {
    let mut bench = Bench::new(never(100));
    assert_eq!(preempts_after(&mut bench, 1000), None);
    // But not longer: silence is silence.
    let outs = bench.sleep();
    assert_eq!(outs.changes(), [(State::Backup, State::Active, Reason::HolderSilent)]);
}

#[test]
fn vrrp_060_without_preemption_it_listens_anew_whenever_its_link_comes_up() {
    // A node that was deaf knows nothing of a holder: it must not claim before it has listened.
    let mut bench = Bench::new(never(200));
    for _ in 0..3 {
        bench.link_down();
        assert_eq!(bench.state(), State::Initialize);
        bench.pass(secs(60));
        let outs = bench.link_up();
        assert!(outs.adverts().is_empty(), "not a word before it has listened");
        assert_eq!(outs.changes(), [(State::Initialize, State::Backup, Reason::FaultCleared)]);
        assert_eq!(bench.left(), Some(bench.only().active_down_interval), "for its whole time");
        assert_eq!(preempts_after(&mut bench, 60), None, "and a weaker holder is left alone");
    }
    assert_eq!(bench.only().traffic.became_active, 0);
}

#[test]
fn vrrp_068_nopreempt_shields_the_weaker_only() {
    let mut bench = Bench::active(never(100));
    assert_eq!(bench.hear(saying(HIGHER, 99)).spoken(), [100]);
    assert_eq!(bench.state(), State::Active);
    bench.hear(saying(HIGHER, 101));
    assert_eq!(bench.state(), State::Backup, "it yields to a stronger one like anybody");
}

#[test]
fn vrrp_069_the_delay_starts_with_the_first_weaker_advert() {
    // Ten seconds of respect, then the last respected advert's down interval runs out.
    let mut bench = Bench::new(after(10));
    assert_eq!(preempts_after(&mut bench, 30), Some(secs(9) + nanos(DOWN)));

    let mut bench = Bench::new(after(10));
    bench.pass(secs(3));
    assert_eq!(preempts_after(&mut bench, 30), Some(secs(9) + nanos(DOWN)));
}

#[test]
fn vrrp_069_while_the_delay_runs_the_weaker_holder_is_learned_from() {
    let mut bench = Bench::new(after(10));
    let mut slow = saying(HIGHER, 50);
    slow.interval = crate::bench::centis(300);
    bench.hear(slow);
    assert_eq!((bench.only().active_interval, bench.left()), (secs(3), Some(nanos(3 * DOWN))));
}

#[test]
fn vrrp_069_a_stronger_advert_starts_the_delay_over() {
    let mut bench = Bench::new(after(10));
    for _ in 0..8 {
        bench.hear(saying(HIGHER, 50));
        bench.pass(secs(1));
    }
    bench.hear(saying(HIGHER, 200));
    assert_eq!(preempts_after(&mut bench, 30), Some(secs(9) + nanos(DOWN)));
}

#[test]
fn vrrp_069_the_delay_does_not_hold_up_a_take_over_after_silence_or_a_farewell() {
    let mut bench = Bench::new(after(300));
    bench.hear(saying(HIGHER, 50));
    assert_eq!(bench.left(), Some(nanos(DOWN)));
    bench.hear(saying(HIGHER, 0));
    assert_eq!(bench.left(), Some(nanos(609_375_000)));
    let outs = bench.sleep();
    assert_eq!(outs.changes(), [(State::Backup, State::Active, Reason::HolderResigned)]);
}

#[test]
fn vrrp_060_vrrp_066_preemption_can_be_switched_in_mid_wait() {
    let mut bench = Bench::new(never(100));
    bench.hear(saying(HIGHER, 50));
    bench.pass(millis(500));
    bench.feed(Input::Configure(vec![config(100)]));
    bench.hear(saying(HIGHER, 50));
    assert_eq!(bench.left(), Some(nanos(DOWN) - millis(500)));

    bench.feed(Input::Configure(vec![never(100)]));
    bench.hear(saying(HIGHER, 50));
    assert_eq!(bench.left(), Some(nanos(DOWN)));
}
