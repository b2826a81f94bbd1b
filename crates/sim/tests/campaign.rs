//! What the campaign promises of itself: worlds of a stated size, the same twice, every fault point
//! hit, and no rule broken.
//!
//! A hundred worlds here, so that `cargo test` stays quick; `cargo xtask sim --seeds A..B`
//! runs as many as one likes, in release.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sim::campaign::{Coverage, FaultKind, Outcome, Settings, Situation, run};

/// Runs seeds on all processors.
fn all(seeds: std::ops::Range<u64>) -> Vec<Outcome> {
    let next = AtomicU64::new(seeds.start);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let outcome = run(&Settings::default(), seed);
                    outcomes.lock().expect("no seed panics").push(outcome);
                }
            });
        }
    });
    outcomes.into_inner().expect("no seed panics")
}

/// Kinds that never struck a holder, or never a Backup. Rarer situations are for longer campaigns
/// (`cargo xtask sim --seeds A..B --coverage` tells what they never met).
fn missed(coverage: &Coverage) -> Vec<(FaultKind, Situation)> {
    let common = |situation| matches!(situation, Situation::Active | Situation::Backup);
    coverage.missed().into_iter().filter(|(_, situation)| common(*situation)).collect()
}

#[test]
fn a_hundred_worlds_keep_every_rule_and_meet_every_fault() {
    let outcomes = all(1..101);
    let mut coverage = Coverage::default();
    for outcome in &outcomes {
        if let Some((violation, report)) = &outcome.violation {
            panic!("seed {}: {violation}\n{report}", outcome.seed);
        }
        assert!(outcome.lasted >= Duration::from_secs(600), "ten virtual minutes");
        let (seed, faults) = (outcome.seed, outcome.coverage.faults());
        assert!(faults >= 5, "seed {seed}: {faults} faults struck");
        coverage.merge(&outcome.coverage);
    }
    assert_eq!(outcomes.len(), 100);
    assert_eq!(missed(&coverage), []);
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in [3, 5, 8] {
        let [first, second] = [(); 2].map(|()| run(&Settings::default(), seed));
        assert_eq!(first.sum, second.sum, "seed {seed}");
    }
    assert_ne!(run(&Settings::default(), 3).sum, run(&Settings::default(), 5).sum);
}
