//! The checkers, proven by mutation: every planted bug is found within a stated number of worlds, and
//! some are found only where two kinds of fault meet.
//!
//! Only in a build of its own (`cargo xtask sim --proof` makes it, in release): no product has the
//! feature.

#![cfg(feature = "plant")]

#[path = "directed/mod.rs"]
mod directed;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::plant::Plant;
use sim::campaign::{FaultKind, Settings, run};

/// In how many worlds, of every kind of fault, each is found.
const WITHIN: &[(Plant, u64)] = &[
    (Plant::NoSkew, 20),
    (Plant::SkewOfOwnInterval, 100),
    (Plant::StaleTimer, 20),
    (Plant::ForgottenOnLinkDown, 20),
    (Plant::NotPutBack, 20),
    (Plant::UncappedInterval, 100),
    (Plant::JudgedBeforeDrained, 50),
    (Plant::TieNeverYields, 20),
    (Plant::NoPartingAdvert, 20),
    (Plant::NoReassert, 20),
    (Plant::PreemptsAnyway, 50),
    (Plant::PreemptsAtOnce, 20),
    (Plant::ResignRearms, 50),
    (Plant::ReloadRestarts, 50),
    (Plant::AnyTtl, 50),
    (Plant::ZeroInterval, 20),
    (Plant::SnapshotIgnored, 50),
    (Plant::OldIndexKept, 50),
    (Plant::FightNeverEnds, 100),
    (Plant::AnnouncesOn, 20),
    (Plant::RepairedForGood, 200),
    (Plant::LeaseRevived, 200),
    (Plant::LeaseTooLong, 50),
    (Plant::FarewellFirst, 50),
    (Plant::NamedTooSoon, 50),
    (Plant::LapseIsNoDoubt, 50),
    (Plant::BackWhenever, 50),
    (Plant::LapsedRepaired, 50),
    (Plant::SleepUnnoticed, 50),
    (Plant::LeftOverKept, 50),
    (Plant::SourceLostForGood, 20),
    (Plant::TrackerSticks, 50),
    (Plant::AdvertForgotten, 200),
    (Plant::EchoAwaited, 50),
    (Plant::DeviceLeftUp, 50),
];

/// What takes so particular a turn that it is looked for in worlds that know these kinds alone.
const AMONG: &[(Plant, &[FaultKind], u64)] = &[
    (
        Plant::LearnedSurvivesStart,
        &[FaultKind::SpoofLong, FaultKind::Carrier, FaultKind::Flap, FaultKind::LinkDown],
        60,
    ),
    (Plant::ReloadKeepsOldDeadline, &[FaultKind::Reload], 100),
];

/// What only two kinds reveal together, and in how many worlds that know nothing else; in as many,
/// neither kind alone shows anything.
const PAIRS: &[(Plant, FaultKind, FaultKind, u64)] = &[
    (Plant::PrimaryLapses, FaultKind::Pause, FaultKind::ForeignAdd, 400),
    (Plant::PrimaryLapses, FaultKind::Kill, FaultKind::ForeignAdd, 400),
    (Plant::AdoptedIsNotOurs, FaultKind::KillEngine, FaultKind::LinkRename, 100),
    (Plant::HeirBeginsALease, FaultKind::KillEngine, FaultKind::Pause, 100),
    (Plant::RepairedForGood, FaultKind::ForeignDelete, FaultKind::Kill, 50),
];

/// What a story reveals that is told for it: worlds drawn from a seed seldom have one node that holds
/// at intervals so far apart, one of them from a moment that must be right to some milliseconds.
const DIRECTED: &[(Plant, fn() -> usize)] = &[
    (Plant::SignsByTheOldLease, directed::killed_for_a_shorter_lease),
    (Plant::YieldUntold, directed::held_on_to_after_yielding),
];

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
    let told = |plant: &&Plant| !DIRECTED.iter().any(|(of, _)| of == *plant);
    let among = |plant: &&Plant| !AMONG.iter().any(|(of, ..)| of == *plant);
    // Clusters are proven in `cluster_plants.rs`.
    let lan = Plant::ALL.iter().filter(|plant| !plant.is_of_clusters());
    let unproven: Vec<_> = lan.filter(named).filter(among).filter(paired).filter(told).collect();
    assert_eq!(unproven, Vec::<&Plant>::new(), "planted, and not proven to be found");
    let missed = each(WITHIN, |(plant, worlds)| {
        let none = found(*plant, FaultKind::ALL, *worlds).is_none();
        none.then(|| format!("{} is not found in {worlds} worlds", plant.name()))
    });
    assert_eq!(missed, Vec::<String>::new());
    let missed = each(AMONG, |(plant, kinds, worlds)| {
        let none = found(*plant, kinds, *worlds).is_none();
        none.then(|| format!("{} is not found in {worlds} worlds", plant.name()))
    });
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn some_are_found_by_a_story_told_for_them() {
    for (plant, story) in DIRECTED {
        assert_eq!(story(), 0, "without {}", plant.name());
        base::plant::plant(Some(*plant));
        let found = story();
        base::plant::plant(None);
        assert!(found > 0, "{} is not found", plant.name());
    }
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
