//! The checkers of clusters, proven by mutation: every planted bug is found within a stated number of
//! seeds. Only in a build of its own (`cargo xtask sim --proof`).

#![cfg(feature = "plant")]

use base::plant::Plant;
use sim::cluster::{Settings, run};

/// In how many clusters each is found.
const WITHIN: &[(Plant, u64)] = &[
    (Plant::EndedSession, 100),
    (Plant::NoBarrier, 100),
    (Plant::ConfirmedAtAnswer, 100),
    (Plant::LeaseFromGrant, 100),
    (Plant::LeaseNotWaitedFor, 100),
    (Plant::LeftoversServe, 100),
    (Plant::StaleVerdict, 100),
    (Plant::StartBeforeFenced, 100),
    (Plant::OldLifeCounts, 100),
    (Plant::OldResultCounts, 100),
    (Plant::UnsyncedVote, 100),
    (Plant::UnsyncedEntry, 100),
];

#[test]
fn every_planted_bug_is_found_within_so_many_clusters() {
    let of_clusters = Plant::ALL.iter().filter(|plant| plant.is_of_clusters());
    let unproven: Vec<_> =
        of_clusters.filter(|plant| !WITHIN.iter().any(|(of, _)| of == *plant)).collect();
    assert_eq!(unproven, Vec::<&Plant>::new(), "planted, and not proven to be found");
    let mut missed = Vec::new();
    for (plant, clusters) in WITHIN {
        let settings = Settings { plant: Some(*plant), ..Settings::default() };
        let found = (1..=*clusters).find_map(|seed| Some((seed, run(&settings, seed).violation?)));
        match found {
            Some((seed, what)) => {
                println!("{}: seed {seed}, {}", plant.name(), what.lines().next().unwrap_or(""));
            }
            None => missed.push(plant.name()),
        }
    }
    assert_eq!(missed, Vec::<&str>::new(), "planted, and not found");
}
