//! Scenarios in the simulator: random steps by seed, the audits after each. `cargo xtask scenarios --sim
//! --seeds A..B --steps N` plays as many as one likes.

use std::collections::BTreeMap;

use sim::cluster::Hosts;
use sim::scenario::{Play, Step};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn random_scenarios_keep_every_audit() {
    let (from, seeds, steps) = (number("FROM", 1), number("SEEDS", 4), number("STEPS", 8));
    let mut count: BTreeMap<Step, usize> = BTreeMap::new();
    let mut bad = Vec::new();
    let mut millis = 0;
    for seed in from..from + seeds {
        let mut hosts = Hosts::new(seed);
        match Play::new(&mut hosts, seed).run(usize::try_from(steps).unwrap()) {
            Ok(played) => played.into_iter().for_each(|(it, n)| *count.entry(it).or_default() += n),
            Err(what) => bad.push(what),
        }
        millis += hosts.millis();
    }
    println!("{} s of clusters; {count:?}", millis / 1000);
    assert!(bad.is_empty(), "{} of {seeds} seeds\n{}", bad.len(), bad.join("\n"));
}

fn play(step: Step) -> u64 {
    let mut hosts = Hosts::new(7);
    let mut play = Play::new(&mut hosts, 7);
    let played = play.settle("the beginning").and_then(|()| play.step(step));
    played.unwrap_or_else(|what| panic!("{what}"));
    hosts.sum()
}

/// By this, seed 7, a node that had been told to leave and had begun anew was sent away in its new life,
/// and the cluster waited for its leaving for twenty minutes (`start-all`); a node in maintenance never
/// ended (`reattach`).
#[test]
fn each_step_can_be_played() {
    for step in Step::ALL {
        play(*step);
    }
}

#[test]
fn the_same_seed_is_the_same_play() {
    for step in [Step::SplitBrain, Step::Trouble] {
        assert_eq!(play(step), play(step), "{}", step.name());
    }
}
