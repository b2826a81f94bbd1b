//! Scenarios in the lab: the steps and audits of `sim::scenario`, on real kernels, with programs that are
//! started, a VIP, a power switch, and disks that survive a loss of power.
//!
//! Here a few steps; `cargo xtask scenarios --seed N --steps 250` plays as many as one likes.

mod stage;

use lab::{Need, requires};
use sim::scenario::{Play, Step};

use stage::Machines;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|it| it.parse().ok())
}

#[test]
fn scenarios_keep_every_audit() {
    if !requires(&[Need::Root, Need::program("/usr/sbin/nft")]) {
        return;
    }
    let seed = number("SCENARIO_SEED").unwrap_or(1);
    let Some(mut machines) = Machines::new(number("SCENARIO_NODES").unwrap_or(3)) else { return };
    let mut play = Play::new(&mut machines, seed);
    let played = match number("SCENARIO_STEPS") {
        Some(steps) => play.run(usize::try_from(steps).unwrap()),
        // What needs no waiting for others than the cluster; each is there for an audit.
        None => play
            .settle("the beginning")
            .and_then(|()| play.step(Step::ResourceRecover))
            .and_then(|()| play.step(Step::SplitBrain))
            .and_then(|()| play.step(Step::Maintenance))
            .map(|()| Default::default()),
    };
    match played {
        Ok(count) => println!("seed {seed}: {count:?}; {}", machines.figures()),
        Err(what) => panic!("{what}"),
    }
}
