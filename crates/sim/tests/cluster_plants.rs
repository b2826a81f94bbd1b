//! The checkers of clusters, proven by mutation: every planted bug is found within a stated number of
//! seeds. Only in a build of its own (`cargo xtask sim --proof`).

#![cfg(feature = "plant")]

use base::plant::Plant;
use sim::cluster::FaultKind::{self, *};
use sim::cluster::{Settings, run};

/// In how many clusters each is found, where only these kinds of fault are.
const WITHIN: &[(Plant, &[FaultKind], u64)] = &[
    (Plant::EndedSession, FaultKind::ALL, 200),
    (Plant::LeaseFromGrant, FaultKind::ALL, 300),
    (Plant::LeaseNotWaitedFor, FaultKind::ALL, 50),
    (Plant::LeftoversServe, FaultKind::ALL, 50),
    (Plant::StartBeforeFenced, FaultKind::ALL, 100),
    (Plant::OldLifeCounts, &[ProcessKill, Delay, SlowDisk], 200),
    (Plant::UnsyncedEntry, FaultKind::ALL, 150),
    (Plant::ConfirmedAtAnswer, &[Isolation, OneWay, Loss, Delay], 100),
    (Plant::OldResultCounts, &[ProcessKill, Isolation, OneWay, Loss, Delay], 100),
    (Plant::NoBarrier, &[OneWay, Delay, Beats, Isolation], 300),
];

#[test]
fn every_planted_bug_is_found_within_so_many_clusters() {
    let of_clusters = Plant::ALL.iter().filter(|plant| plant.is_of_clusters());
    let unproven: Vec<_> =
        of_clusters.filter(|plant| !WITHIN.iter().any(|(of, ..)| of == *plant)).collect();
    assert_eq!(unproven, Vec::<&Plant>::new(), "planted, and not proven to be found");
    let mut missed = Vec::new();
    for (plant, kinds, clusters) in WITHIN {
        let settings =
            Settings { plant: Some(*plant), kinds: kinds.to_vec(), ..Settings::default() };
        let found = (1..=*clusters).find_map(|seed| Some((seed, run(&settings, seed).violation?)));
        match found {
            Some((seed, what)) => {
                println!("{}: seed {seed}, {}", plant.name(), what.lines().next().unwrap_or(""));
                let sound = run(&Settings { plant: None, ..settings }, seed);
                assert_eq!(sound.violation, None, "seed {seed} without {}", plant.name());
            }
            None => missed.push(plant.name()),
        }
    }
    assert_eq!(missed, Vec::<&str>::new(), "planted, and not found");
}
