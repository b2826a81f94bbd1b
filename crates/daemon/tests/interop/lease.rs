//! A node whose processes all stop at once is silent before another answers, and stays silent when
//! they go on (DESIGN §4, the lease). Seen by somebody who keeps asking where the VIP lives.

use std::thread::sleep;
use std::time::Duration;

use base::{Instant, Mac, State, What};
use lab::{Asker, CommandLine, Need, ProcessSignal, wait_for};
use linux::clock::monotonic;

use crate::bench::{Bench, OURS, PATIENCE, PEER, say};
use crate::mainstay::Mainstay;
use crate::mode::{Mode, Part, V3_IPV4, V3_IPV6};
use crate::pairs::plain_pair;
use crate::speaker::Speaker;

/// The promise is 20 ms; the rest is for a machine that runs other tests at the same time.
const LATE: Duration = Duration::from_millis(20 + 60);

const SECOND: Duration = Duration::from_secs(1);

struct Scene {
    bench: Bench,
    us: Mainstay,
    peer: Mainstay,
    asker: Asker,
    ours: Mac,
    theirs: Mac,
}

/// Two nodes of ours; the first holds, and somebody asks for it.
fn scene(mode: Mode) -> Option<Scene> {
    plain_pair(mode).map(|(bench, us, peer)| {
        let asker = bench.lab.asker(mode.vip(), Duration::from_millis(3)).unwrap();
        let mac = |node: &str| bench.lab.node(node).mac().unwrap();
        let (ours, theirs) = (mac("ours"), mac("peer"));
        let scene = Scene { ours, theirs, asker, bench, us, peer };
        let begin = monotonic();
        assert!(wait_for(PATIENCE, || scene.asker.first(ours, begin).is_some()).is_some());
        scene
    })
}

/// Two thirds of the interval.
fn lease(mode: Mode) -> Duration {
    (mode.interval * 2 / 3).max(Duration::from_millis(60))
}

impl Scene {
    /// Asserts that after `stop` the node fell silent in time, and its peer answered only then.
    fn silent_before_the_peer(&self, what: &str, stop: Instant) {
        let taken = || self.asker.first(self.theirs, stop);
        assert!(wait_for(PATIENCE, || taken().is_some()).is_some(), "{}", self.bench.story());
        let taken = taken().unwrap();
        let last = self.asker.last(self.ours, stop, monotonic()).unwrap_or(stop);
        let lease = lease(self.bench.mode);
        say(&format!(
            "{what}: silent {:.1?} after, by its lease {lease:.1?}; the peer answers {:.1?} after",
            last.since(stop),
            taken.since(stop)
        ));
        assert!(last < taken, "two answered\n{}", self.bench.story());
        assert!(last.since(stop) <= lease + LATE, "{:?}", last.since(stop));
    }
}

#[test]
fn a_frozen_node_is_silent_before_its_peer_answers_and_when_it_wakes() {
    let modes =
        [V3_IPV4.every(SECOND), V3_IPV4.every(Duration::from_millis(100)), V3_IPV6.every(SECOND)];
    for mode in modes {
        let Some(scene) = scene(mode) else { return };
        let stop = monotonic();
        scene.us.freeze(&scene.bench);
        let what = format!("{:?} every {:?}, frozen", mode.family, mode.interval);
        scene.silent_before_the_peer(&what, stop);
        sleep(mode.interval * 3);
        let wake = monotonic();
        scene.us.thaw(&scene.bench);
        // It is the stronger one, and wins the VIP back as any Backup would.
        let back = || scene.asker.first(scene.ours, wake);
        assert!(wait_for(PATIENCE, || back().is_some()).is_some(), "{}", scene.bench.story());
        let waited = back().unwrap().since(wake);
        assert!(waited >= mode.interval * 2, "it answered {waited:?} after it woke");
        scene.bench.sole_holder(&scene.us, &[&scene.peer]);
        let overlap = scene.asker.longest_overlap(stop);
        assert!(overlap <= LATE, "two answered for {overlap:?}\n{}", scene.bench.story());
        let states = scene.us.states(&scene.bench);
        assert_eq!(states, [State::Backup, State::Active, State::Backup, State::Active]);
    }
}

#[test]
fn a_node_that_slept_too_short_for_anybody_to_notice_goes_on() {
    let mode = V3_IPV4.every(SECOND);
    let Some(scene) = scene(mode) else { return };
    for nap in [300, 1_200] {
        let stop = monotonic();
        scene.us.freeze(&scene.bench);
        sleep(Duration::from_millis(nap));
        scene.us.thaw(&scene.bench);
        scene.bench.sole_holder(&scene.us, &[&scene.peer]);
        assert_eq!(scene.asker.first(scene.theirs, stop), None, "{}", scene.bench.story());
        assert_eq!(scene.us.states(&scene.bench), [State::Backup, State::Active], "{nap} ms");
        let lapsed = scene.us.told(&scene.bench, |what| matches!(what, What::LeaseLapsed { .. }));
        assert_eq!(lapsed, nap > 666, "a nap of {nap} ms");
    }
}

#[test]
fn a_node_whose_processes_are_all_killed_is_silent_and_then_loses_the_address() {
    let mode = V3_IPV4.every(SECOND);
    let Some(mut scene) = scene(mode) else { return };
    let death = monotonic();
    scene.us.kill(&scene.bench);
    scene.silent_before_the_peer("killed", death);
    let gone = wait_for(PATIENCE, || !scene.bench.has_vip("ours"));
    assert!(gone.is_some() && monotonic().since(death) < Duration::from_secs(5));
    // What it left is found and used by the next.
    scene.us.start(&mut scene.bench, &Part::new(mode, 150));
    scene.bench.sole_holder(&scene.us, &[&scene.peer]);
    scene.bench.served_by("ours");
    let overlap = scene.asker.longest_overlap(death);
    assert!(overlap <= LATE, "two answered for {overlap:?}");
    assert_eq!(tables(&scene, "ours").len(), 1, "its predecessor's");
}

/// The lease tables nft finds on a node.
fn tables(scene: &Scene, node: &str) -> Vec<String> {
    let list = CommandLine::parse("/usr/sbin/nft list tables");
    let listed = scene.bench.lab.node(node).output(&list, PATIENCE).unwrap().unwrap_or_default();
    let ours = listed.lines().filter(|line| line.contains("netdev mainstay"));
    ours.map(str::to_owned).collect()
}

#[test]
fn a_flushed_ruleset_takes_no_lease_away() {
    let mode = V3_IPV4;
    let Some(scene) = scene(mode) else { return };
    let before = monotonic();
    let node = scene.bench.lab.node("ours");
    for _ in 0..10 {
        let _ = node.output(&CommandLine::parse("/usr/sbin/nft flush ruleset"), PATIENCE);
        sleep(Duration::from_millis(50));
    }
    assert_eq!(tables(&scene, "ours").len(), 1);
    assert_eq!(scene.bench.adverts("peer", before), 0);
    assert_eq!(scene.us.states(&scene.bench), [State::Backup, State::Active]);
    // And it works: nobody renews from here on.
    let stop = monotonic();
    scene.us.freeze(&scene.bench);
    scene.silent_before_the_peer("frozen after a flush", stop);
    scene.us.thaw(&scene.bench);
    let gap = scene.asker.last(scene.ours, before, stop).map(|last| stop.since(last));
    assert!(gap.is_some_and(|gap| gap < Duration::from_millis(60)), "{gap:?}");
}

#[test]
fn a_daemon_that_stops_leaves_no_table() {
    let Some(mut scene) = scene(V3_IPV4) else { return };
    assert_eq!(tables(&scene, "ours").len(), 1);
    scene.us.resign(&scene.bench);
    let gone = wait_for(PATIENCE, || tables(&scene, "ours").is_empty());
    assert!(gone.is_some(), "{}", scene.bench.story());
}

#[test]
fn without_a_lease_a_frozen_node_goes_on_answering() {
    let mode = V3_IPV4;
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let mut bench = Bench::new(mode, &[OURS, PEER]);
    let (mut us, mut peer) = (Mainstay::on("ours"), Mainstay::on("peer"));
    us.start(&mut bench, &Part::new(mode, 150).with("lease off"));
    peer.start(&mut bench, &Part::new(mode, 100));
    bench.sole_holder(&us, &[&peer]);
    let asker = bench.lab.asker(mode.vip(), Duration::from_millis(3)).unwrap();
    let stop = monotonic();
    bench.lab.node("ours").signal_all(ProcessSignal::STOP);
    sleep(mode.active_down(100) + Duration::from_millis(700));
    assert!(asker.longest_overlap(stop) > Duration::from_millis(200), "or nothing is proven");
    us.thaw(&bench);
}
