//! Random cluster worlds by seed: nothing is active twice, and all is started after the heal.

#[test]
fn no_resource_is_active_on_two_nodes_and_all_are_in_the_end() {
    let seeds: u64 = std::env::var("SEEDS").ok().and_then(|it| it.parse().ok()).unwrap_or(6);
    let mut bad = 0;
    for nodes in [3, 1, 5] {
        for seed in 0..seeds {
            let outcome = sim::cluster::run(nodes, seed);
            if let Some(violation) = outcome.violation {
                bad += 1;
                println!("{nodes} nodes, seed {seed}: {violation}");
            }
        }
    }
    assert_eq!(bad, 0);
}
