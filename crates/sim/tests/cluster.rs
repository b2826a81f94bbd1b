//! Random clusters by seed: nothing is active twice, nothing acknowledged is lost, and all is well after
//! the heal. `cargo xtask sim --clusters --seeds A..B` runs as many as one likes.

use sim::cluster::{Coverage, Outcome, Settings, run};

fn all(settings: &Settings, seeds: core::ops::Range<u64>) -> (Coverage, u64) {
    let (mut coverage, mut fenced) = (Coverage::default(), 0);
    let mut bad = Vec::new();
    for seed in seeds {
        let Outcome { coverage: met, violation, fenced: shot, .. } = run(settings, seed);
        coverage.merge(&met);
        fenced += shot;
        bad.extend(violation.map(|it| format!("seed {seed}: {it}")));
    }
    assert!(bad.is_empty(), "{} seeds\n{}", bad.len(), bad.join("\n"));
    (coverage, fenced)
}

#[test]
fn random_clusters_keep_every_rule() {
    let seeds: u64 = std::env::var("SEEDS").ok().and_then(|it| it.parse().ok()).unwrap_or(40);
    let (coverage, fenced) = all(&Settings::default(), 1..seeds + 1);
    println!("{coverage}fenced {fenced}");
    assert_eq!(coverage.missed(), []);
    assert!(fenced > 0);
}

#[test]
fn the_same_seed_is_the_same_cluster() {
    for seed in [2, 3] {
        let [first, second] = [(); 2].map(|()| run(&Settings::default(), seed));
        assert_eq!(first.sum, second.sum, "seed {seed}");
    }
}
