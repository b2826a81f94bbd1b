//! The checkers, proven by mutation: every planted bug is found within a stated number of worlds, and
//! some are found only where two kinds of fault meet.
//!
//! Only in a build of its own (`cargo xtask sim --proof` makes it, in release): no product has the
//! feature.

#![cfg(feature = "plant")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::plant::Plant;
use sim::campaign::{FaultKind, Settings, run};

/// In how many worlds, of every kind of fault, each is found.
const WITHIN: &[(Plant, u64)] = &[];

/// What only two kinds reveal together, and in how many worlds that know nothing else; in as many,
/// neither kind alone shows anything.
const PAIRS: &[(Plant, FaultKind, FaultKind, u64)] = &[];

/// The first world in which the bug is found.
fn found(plant: Plant, kinds: &[FaultKind], worlds: u64) -> Option<u64> {
    let settings = Settings { kinds: kinds.to_vec(), plant: Some(plant) };
    (1..=worlds).find(|seed| run(&settings, *seed).violation.is_some())
}

/// Asks for each of these on all processors; what went wrong, in words.
fn each<T: Sync>(all: &[T], ask: impl Fn(&T) -> Option<String> + Sync) -> Vec<String> {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    wrong.lock().expect("no thread panics").extend(ask(one));
                }
            });
        }
    });
    wrong.into_inner().expect("no thread panics")
}

#[test]
fn every_planted_bug_is_found_within_so_many_worlds() {
    let named = |plant: &&Plant| !WITHIN.iter().any(|(of, _)| of == *plant);
    let paired = |plant: &&Plant| !PAIRS.iter().any(|(of, ..)| of == *plant);
    let unproven: Vec<_> = Plant::ALL.iter().filter(named).filter(paired).collect();
    assert_eq!(unproven, Vec::<&Plant>::new(), "planted, and not proven to be found");
    let missed = each(WITHIN, |(plant, worlds)| {
        let none = found(*plant, FaultKind::ALL, *worlds).is_none();
        none.then(|| format!("{} is not found in {worlds} worlds", plant.name()))
    });
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn some_are_found_only_where_two_kinds_of_fault_meet() {
    assert!(PAIRS.len() >= 3);
    let wrong = each(PAIRS, |(plant, one, other, worlds)| {
        let pair = format!("{} by {} and {}", plant.name(), one.name(), other.name());
        if found(*plant, &[*one, *other], *worlds).is_none() {
            return Some(format!("{pair}: not found in {worlds} worlds"));
        }
        let alone = [one, other]
            .into_iter()
            .find_map(|kind| Some((kind, found(*plant, &[*kind], *worlds)?)));
        alone.map(|(kind, seed)| format!("{pair}: {} alone, seed {seed}", kind.name()))
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn without_a_plant_the_same_worlds_are_clean() {
    let most = WITHIN.iter().map(|(_, worlds)| *worlds).max().unwrap_or(0);
    let seeds: Vec<u64> = (1..=most).collect();
    let wrong = each(&seeds, |seed| {
        let settings = Settings { plant: None, ..Settings::default() };
        let (violation, _) = run(&settings, *seed).violation?;
        Some(format!("seed {seed}: {violation}"))
    });
    assert_eq!(wrong, Vec::<String>::new());
}
