//! By seed: partitions, holes, crashes in the midst of anything, restarts; and what must hold.

use cluster::Role;

use crate::world::World;

fn run(seed: u64, roles: &[Role], steps: usize) -> World {
    let mut world = World::new(seed, roles);
    for at in 0..roles.len() {
        world.start(at);
    }
    if !seed.is_multiple_of(3) {
        world.until("a cluster begins", World::calm);
    }
    world.frail = if seed.is_multiple_of(2) { 0 } else { 400 };
    for _ in 0..steps {
        world.step();
        match world.random.below(400) {
            0..=4 => {
                let at = world.random.below(roles.len());
                world.propose(at);
            }
            12 => {
                let at = world.random.below(roles.len());
                world.crash(at);
            }
            13 | 14 => {
                let at = world.random.below(roles.len());
                world.start(at);
            }
            15 if world.random.below(3) == 0 => {
                let parts: Vec<usize> = roles.iter().map(|_| world.random.below(2)).collect();
                world.split(&parts);
            }
            16 if world.random.below(2) == 0 => world.split(&vec![0; roles.len()]),
            _ => {}
        }
    }
    world.judge();
    world
}

fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let first = number("SEED").unwrap_or(1);
    first..first + number("SEEDS").unwrap_or(default)
}

#[test]
fn what_was_acknowledged_is_never_lost_and_all_members_are_equal() {
    let (mut done, mut refused, mut unknown, mut confirmed) = (0, 0, 0, 0);
    for seed in seeds(120) {
        let roles = match seed % 4 {
            0 => vec![Role::Voter; 5],
            1 => vec![Role::Voter, Role::Voter, Role::Witness],
            2 => vec![Role::Voter, Role::Voter, Role::Voter, Role::Learner],
            _ => vec![Role::Voter; 3],
        };
        eprintln!("seed {seed}");
        let world = run(seed, &roles, 6_000);
        done += world.acknowledged.len();
        refused += world.refused.len();
        unknown += world.unknown;
        confirmed += world.confirmed;
    }
    println!("acknowledged {done}, refused {refused}, unknown {unknown}, rounds {confirmed}");
    assert!(done > refused / 10 && refused > 0 && unknown > 0 && confirmed > 0);
}
