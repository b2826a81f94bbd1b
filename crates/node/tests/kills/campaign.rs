//! The campaign: kills, and looks whether everything is as it was promised.
//!
//! It goes in batches. In each, nodes are killed and started again while changes are made, often before
//! anybody leads again; then all is let come to rest, and every node has to have every change that was
//! acknowledged, in the same order. A loss would last, so nothing is missed between two looks.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, NODES, PATIENCE};
use crate::ledger::judge;
use crate::writers::Writers;

/// A batch has so many kills, or so many changes.
const BATCH: (u64, usize) = (15, 600);

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

#[derive(Default)]
struct Tally {
    kills: u64,
    processes: usize,
    all: u64,
    amid: u64,
    acknowledged: usize,
    unknown: usize,
    there: usize,
}

fn strike(cluster: &mut Cluster, writers: &Writers, dice: &mut Dice, tally: &mut Tally) {
    // Two times in three something is acknowledged first; else it comes amid the recovery.
    let (before, end) = (writers.acknowledged(), Instant::now() + PATIENCE);
    let waits = dice.below(3) > 0;
    while waits && writers.acknowledged() == before {
        assert!(Instant::now() < end, "nothing is acknowledged any more");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(dice.below(100)));
    let first = usize::try_from(dice.below(3)).unwrap();
    let victims: Vec<usize> = match dice.below(10) {
        0..=6 => vec![first],
        7 => vec![first, (first + 1) % NODES],
        _ => vec![first, (first + 1) % NODES, (first + 2) % NODES],
    };
    tally.amid += u64::from(writers.under_way() > 0);
    // All are dead before one of them is waited for.
    for at in &victims {
        if let Some(running) = &mut cluster.running[*at] {
            let _ = running.child.kill();
        }
    }
    for at in &victims {
        cluster.running[*at] = None;
    }
    tally.kills += 1;
    tally.processes += victims.len();
    tally.all += u64::from(victims.len() == NODES);
    // One time in six they are away for long enough to be taken for lost.
    let away = if dice.below(6) == 0 { 1_500 } else { 30 };
    for at in victims {
        std::thread::sleep(Duration::from_millis(dice.below(away)));
        cluster.start(at);
    }
    cluster.listen();
}

#[test]
fn kill_9_of_one_or_all_loses_nothing_acknowledged_and_makes_no_second_holder() {
    let (times, seed) = (setting("MAINSTAY_KILLS", 8), setting("MAINSTAY_KILLS_SEED", 1));
    let lease = Duration::from_millis(setting("MAINSTAY_KILLS_LEASE", 600));
    let began = Instant::now();
    let mut cluster = Cluster::new(lease);
    let settled = |it: &Cluster, at| it.status(at).is_some_and(|it| it.settled == Some(true));
    cluster.until("all is held", |it| (0..NODES).any(|at| settled(it, at)));
    let writers = Writers::start(&cluster.sockets);
    let (mut dice, mut tally) = (Dice(seed), Tally::default());
    let mut earlier = BTreeSet::new();
    while tally.kills < times {
        writers.go_on();
        let end = tally.kills + BATCH.0;
        while tally.kills < times.min(end) && writers.acknowledged() < BATCH.1 {
            strike(&mut cluster, &writers, &mut dice, &mut tally);
        }
        cluster.until("all is answered", |_| writers.pause());
        cluster.until("all are back", Cluster::rests);
        // Something is to be held before the next is killed; a machine that is in a hurry need not wait.
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end && !(0..NODES).any(|at| settled(&cluster, at)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let changes = writers.take();
        let there = cluster.agreed();
        let wrong = judge(&there, &changes, &earlier);
        assert!(wrong.is_empty(), "after {} kills (seed {seed}): {wrong:?}", tally.kills);
        cluster.listen();
        let acknowledged = changes.iter().filter(|it| it.acknowledged.is_some()).count();
        tally.acknowledged += acknowledged;
        tally.unknown += changes.len() - acknowledged;
        tally.there += there.len() - acknowledged;
        earlier.extend(changes.into_iter().filter(|it| it.acknowledged.is_none()).map(|it| it.id));
        cluster.clear();
        let (holds, moves) = cluster.holdings.spells();
        eprintln!(
            "{} kills, {} of all at once, {} while changes were under way ({} processes): {} \
             acknowledged, 0 lost; {} unknown, {} of them there; held {holds} times, {moves} moves, \
             overlap 0; {:?}",
            tally.kills,
            tally.all,
            tally.amid,
            tally.processes,
            tally.acknowledged,
            tally.unknown,
            tally.there,
            began.elapsed()
        );
    }
    assert!(tally.acknowledged > 0 && tally.amid > 0);
    assert!(cluster.holdings.spells().0 >= NODES, "something was held");
}
