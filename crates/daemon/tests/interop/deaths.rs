//! What becomes of the VIP when one role of the daemon dies or stands still (DESIGN §4): no move at
//! all, or one that peers are told of, and never two that answer.

use std::thread::sleep;
use std::time::Duration;

use base::What;
use lab::{ProcessSignal, longest_overlap, wait_for};
use linux::clock::monotonic;

use crate::bench::{Bench, LATE, PATIENCE, say};
use crate::mode::{Part, V3_IPV4};
use crate::pairs::{pair, plain_pair};
use crate::speaker::Speaker;

/// For how long the kernels of both had the VIP.
fn overlap(bench: &Bench) -> Duration {
    longest_overlap(&bench.lab.holdings(), bench.mode.vip(), monotonic())
}

/// What `/proc/PID/status` says of a role of our node: user, rights, whether it can ever gain any,
/// whether its system calls are filtered.
fn rights(bench: &Bench, role: &str) -> [String; 4] {
    let name = format!("Name:\tms:{role}\n");
    bench.lab.node("ours").run(move || {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let texts = entries.filter_map(|it| std::fs::read_to_string(it.path().join("status")).ok());
        let text = texts.into_iter().find(|text| text.starts_with(&name)).unwrap_or_default();
        ["Uid:", "CapEff:", "NoNewPrivs:", "Seccomp:"].map(|field| {
            let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
            line.split_whitespace().next().unwrap_or_default().to_owned()
        })
    })
}

/// The engine may change the network and send raw packets, control read any file.
fn confined(bench: &Bench) {
    let of = |bits: &[u32]| format!("{:016x}", bits.iter().fold(0, |set, bit| set | 1_u64 << bit));
    let [_, rights_of_engine, no_new, filter] = rights(bench, "engine");
    assert_eq!([rights_of_engine, no_new, filter], [of(&[12, 13]), "1".into(), "2".into()]);
    let [user, rights_of_control, no_new, _] = rights(bench, "control");
    assert_eq!([rights_of_control, no_new], [of(&[2]), "1".into()]);
    assert_ne!(user, "0", "control runs as root");
}

#[test]
fn a_killed_engine_is_replaced_and_nobody_notices() {
    let mode = V3_IPV4.every(Duration::from_secs(1));
    let Some((bench, us, peer)) = plain_pair(mode) else { return };
    confined(&bench);
    let before = monotonic();
    us.signal_role(&bench, "engine", ProcessSignal::KILL);
    let told = |what: &What| matches!(what, What::RoleTakenOver { role } if role == "engine");
    assert!(wait_for(PATIENCE, || us.told(&bench, told)).is_some(), "{}", bench.story());
    bench.sole_holder(&us, &[&peer]);
    confined(&bench);
    assert_eq!(bench.adverts("peer", before), 0, "{}", bench.story());
    let holdings = bench.lab.holdings();
    let moved = holdings.iter().filter(|h| h.at > before && h.address == mode.vip());
    assert_eq!(moved.count(), 0, "{}", bench.story());
    let (outcome, _lab) = bench.outcome();
    assert_eq!(outcome.switches_since(before), 0);
    assert_eq!(outcome.lost_since(before), 0);
}

#[test]
fn an_engine_that_stands_still_is_ended_and_its_peers_are_told() {
    let mode = V3_IPV4.every(Duration::from_secs(1));
    let Some((bench, us, peer)) = plain_pair(mode) else { return };
    let stall = monotonic();
    us.signal_role(&bench, "engine", ProcessSignal::STOP);
    let resigned = bench.resignation("ours", stall).at;
    // Its lease is two thirds of a second.
    assert!(resigned.since(stall) < Duration::from_millis(667) + LATE, "{}", bench.story());
    let taken = bench.advert("peer", resigned).at;
    bench.took_over("peer takes over from an engine that hangs", resigned, taken, mode.skew(100));
    assert!(overlap(&bench) < Duration::from_millis(20), "{}", bench.story());
    // Its successor waits like anybody, and holds again.
    bench.sole_holder(&us, &[&peer]);
    let told = |what: &What| matches!(what, What::WillCarriedOut { .. });
    assert!(us.told(&bench, told), "{}", bench.story());
}

#[test]
fn without_control_vrrp_goes_on_and_the_next_one_knows_what_is_in_force() {
    let Some((bench, us, peer)) = plain_pair(V3_IPV4) else { return };
    let before = monotonic();
    us.signal_role(&bench, "control", ProcessSignal::KILL);
    sleep(V3_IPV4.interval * 10);
    // What is in force is not read again: the file may be anything by now.
    us.wait(&bench, |instance| instance.state == base::State::Active && instance.priority == 150);
    bench.sole_holder(&us, &[&peer]);
    assert_eq!(bench.adverts("peer", before), 0, "{}", bench.story());
    let (outcome, _lab) = bench.outcome();
    assert_eq!((outcome.switches_since(before), outcome.lost_since(before)), (0, 0));
}

/// The runner is there while there is something to run: here for a script that decides whether the VIP
/// may be held.
#[test]
fn a_killed_runner_is_replaced_and_what_it_ran_for_goes_on() {
    let mode = V3_IPV4;
    let part = |priority| {
        Part::new(mode, priority)
            .before("global_defs {\n script_user root\n}\n")
            .before("vrrp_script chk {\n script /usr/bin/true\n interval 1\n}\n")
            .with("track_script {\n chk\n}")
    };
    let Some((bench, us, peer)) = pair(mode, part) else { return };
    let runner = |signal| bench.lab.node("ours").signal_named("ms:runner", signal);
    assert!(wait_for(PATIENCE, || runner(ProcessSignal::CONT) == 1).is_some());
    let before = monotonic();
    for _ in 0..3 {
        us.signal_role(&bench, "runner", ProcessSignal::KILL);
        // The dead one is counted until it is reaped.
        sleep(mode.interval);
        let again = || runner(ProcessSignal::CONT) == 1;
        assert!(wait_for(PATIENCE, again).is_some(), "{}", bench.story());
        sleep(mode.interval * 5);
    }
    bench.sole_holder(&us, &[&peer]);
    assert_eq!(bench.adverts("peer", before), 0, "{}", bench.story());
    let (outcome, _lab) = bench.outcome();
    assert_eq!(outcome.lost_since(before), 0);
}

#[test]
fn a_killed_guardian_takes_the_others_along_and_the_engine_resigns_first() {
    // An engine that gets no time for a lease is taken for a stalled one, before its guardian dies or
    // after: on a busy machine that must take longer than its neighbours keep it waiting.
    let mode = V3_IPV4.every(Duration::from_secs(1));
    let Some((bench, _us, peer)) = plain_pair(mode) else { return };
    let death = monotonic();
    bench.lab.node("ours").signal(ProcessSignal::KILL);
    let resigned = bench.resignation("ours", death).at;
    // Long before a peer would miss an advert; tens of milliseconds on a machine with nothing to do.
    assert!(resigned.since(death) < mode.interval, "{}", bench.story());
    let taken = bench.advert("peer", resigned).at;
    // At once, if its VIPs were off in time for the engine to name its follower (decision 0019).
    say(&format!(
        "the engine of a killed guardian resigns {:.1?} after, the peer holds {:.1?} after; two had the \
         address for {:.1?}",
        resigned.since(death),
        taken.since(death),
        overlap(&bench),
    ));
    // The bound is skew and 50 ms from the death on; the rest is what a busy machine adds.
    let bound = mode.skew(100) + Duration::from_millis(50);
    assert!(taken.since(death) <= bound + LATE, "{}", bench.story());
    bench.served_by("peer");
    for role in ["engine", "control", "runner"] {
        let name = format!("ms:{role}");
        let gone = || bench.lab.node("ours").signal_named(&name, ProcessSignal::CONT) == 0;
        assert!(wait_for(PATIENCE, gone).is_some(), "the {role} outlives its guardian");
    }
    assert!(!bench.has_vip("ours"), "{}", bench.story());
    assert!(overlap(&bench) < Duration::from_millis(20), "{}", bench.story());
    assert!(peer.holds(&bench));
}

#[test]
fn an_engine_that_dies_again_and_again_gives_up_what_it_holds() {
    let mode = V3_IPV4.every(Duration::from_secs(1));
    let Some((bench, us, peer)) = plain_pair(mode) else { return };
    let begin = monotonic();
    // Each successor holds on until it dies as well; one of them dies before it could.
    while !peer.holds(&bench) && monotonic().since(begin) < PATIENCE {
        let _ = bench.lab.node("ours").signal_named("ms:engine", ProcessSignal::KILL);
        sleep(Duration::from_millis(1));
    }
    assert!(peer.holds(&bench), "{}", bench.story());
    assert!(!bench.has_vip("ours"), "{}", bench.story());
    bench.served_by("peer");
    bench.sole_holder(&us, &[&peer]);
    assert!(overlap(&bench) < Duration::from_millis(20), "{}", bench.story());
}
