//! The engine with real Corosyncs, each on a node of its own: what it was proven to do on an imagined CPG
//! it does on this one as well.
//!
//! A node's engine is this test's own binary, started again in the node's namespaces (threads cannot
//! leave a container), and asked over a socket there, a line each.

#![cfg(feature = "live")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod bench;
mod member;

use std::time::{Duration, Instant};

use bench::{Bench, PATIENCE};
use lab::wait_for;

/// The engine of a node; does nothing unless it is started as one.
#[test]
fn member() {
    if let Ok(name) = std::env::var(member::NAME) {
        member::run(&name);
    }
}

#[test]
fn three_nodes_lose_a_process_a_corosync_a_cable_and_all_power_and_no_acknowledged_change() {
    let Some(mut bench) = Bench::new(3) else { return };
    for node in ["n1", "n2"] {
        bench.corosync(node);
        bench.begin(node);
    }
    // Corosync has quorum, but a cluster begins when all are there that it expects.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(bench.leader(&["n1", "n2"]), None);
    bench.corosync("n3");
    bench.begin("n3");
    let all = ["n1", "n2", "n3"];
    assert_eq!(bench.led(&all), "n1", "of equals the lowest");

    // Changes by all at once, many under way.
    let began = Instant::now();
    let done: usize = all.map(|node| bench.propose(node, 300)).iter().sum();
    assert_eq!(done, 900, "{}", bench.story());
    println!("900 changes by three nodes in {:?}", began.elapsed());
    bench.equal(&all);

    // One under way at a time: what a change costs.
    let began = Instant::now();
    for _ in 0..50 {
        assert_eq!(bench.propose("n2", 1), 1);
    }
    println!("a change, alone, not by the leader: {:?}", began.elapsed() / 50);

    // The leader's process is killed: CPG tells at once, another leads, and it comes back by its disk.
    let began = Instant::now();
    bench.kill("n1");
    let next = bench.led(&["n2", "n3"]);
    println!("another led {:?} after kill -9 of the leader", began.elapsed());
    assert_eq!(bench.propose(&next, 20), 20);
    bench.begin("n1");
    assert_eq!(bench.led(&all), next, "who comes back follows");
    bench.equal(&all);

    // Its Corosync is killed: then its engine ends, and the others go on.
    bench.kill_corosync("n1");
    let ended = wait_for(PATIENCE, || bench.process("n1").ended().is_some());
    assert!(ended.is_some(), "{}", bench.story());
    assert_eq!(bench.propose(&next, 20), 20);
    bench.corosync("n1");
    bench.begin("n1");
    bench.led(&all);

    // The leader is cut off while changes are under way: it is confirmed no more, and what it had alone
    // is gone when it comes back. A heal elects nobody.
    let rest: Vec<&str> = all.into_iter().filter(|it| *it != next).collect();
    let began = Instant::now();
    bench.lab.cut(&next).unwrap();
    bench.attempt(&next, 30);
    let other = bench.led(&rest);
    println!("another led {:?} after the leader was cut off", began.elapsed());
    assert_eq!(bench.propose(rest[0], 50), 50);
    assert_eq!(bench.leader(&[&next]), None, "{}", bench.story());
    bench.lab.mend(&next).unwrap();
    assert_eq!(bench.led(&all), other, "a heal elects nobody\n{}", bench.story());
    bench.equal(&all);

    // Nobody has quorum: nothing is acknowledged, by anybody.
    bench.lab.cut("n1").unwrap();
    bench.lab.cut("n2").unwrap();
    let alone = wait_for(PATIENCE, || all.iter().all(|it| bench.leader(&[it]).is_none()));
    assert!(alone.is_some(), "{}", bench.story());
    assert!(all.map(|node| bench.propose(node, 1)).iter().all(|done| *done == 0));
    bench.lab.mend("n1").unwrap();
    bench.lab.mend("n2").unwrap();
    bench.led(&all);

    // All lose their power in the midst of changes.
    bench.attempt("n3", 200);
    for node in all {
        bench.kill(node);
    }
    for node in all {
        bench.begin(node);
    }
    bench.led(&all);
    assert_eq!(bench.propose("n3", 1), 1);
    bench.equal(&all);

    // The leader leaves for good; two are a cluster of two.
    let leader = bench.led(&all);
    let rest: Vec<&str> = all.into_iter().filter(|it| *it != leader).collect();
    assert_eq!(bench.ask(rest[0], &format!("expel {leader}")), "done");
    bench.kill(&leader);
    bench.led(&rest);
    assert_eq!(bench.propose(rest[1], 5), 5);
    bench.equal(&rest);
}
