//! VIPs without a program: a cold start, moves, a hundred of them, and what a client sees of it.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use lab::wait_for;

use super::tell;
use crate::NODES;
use crate::bench::{Bench, PATIENCE};
use crate::vips::native;

const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(193, 168, 0, 6));
const MANY: u8 = 100;
/// As many as stand in one group.
const GROUP: u8 = 21;

fn address(at: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(193, 168, 1, at))
}

/// How many of these have exactly one holder.
fn served(bench: &Bench) -> usize {
    let mut count = [0_u32; 256];
    for node in bench.lab.nodes().iter().filter(|it| it.has_power()) {
        for entry in node.addresses() {
            if let IpAddr::V4(it) = entry.address
                && it.octets()[2] == 1
            {
                count[usize::from(it.octets()[3])] += 1;
            }
        }
    }
    count.iter().filter(|it| **it == 1).count()
}

/// How long the last of a resource's VIPs was with nobody while it is sent elsewhere, as a client sees it.
fn sent_away(bench: &Bench, resource: &str, vip: IpAddr, send: impl Fn(&Bench, &str)) -> Duration {
    let probe = bench.lab.probe(vip, Duration::from_millis(2)).unwrap();
    let holder = bench.holder("n1", resource);
    let from = wait_for(PATIENCE, || probe.last_answer().is_some_and(|it| *it.node == *holder));
    assert!(from.is_some(), "{}", bench.story());
    send(bench, &holder);
    let moved = wait_for(PATIENCE, || probe.last_answer().is_some_and(|it| *it.node != *holder));
    assert!(moved.is_some(), "{}", bench.story());
    probe.finish().closed_outage().unwrap()
}

#[test]
fn a_cold_start_a_move_a_hundred_vips_and_a_cut_holder() {
    let Some(mut bench) = Bench::new(3) else { return };
    bench.three();
    bench.options("n1", &[("stonith-enabled", "false")]);
    bench.replace("n1", "resources", &format!("<resources>{}</resources>", native("v", VIP)));
    bench.holder("n1", "v");

    // All are stopped, and begin at once.
    for node in NODES {
        bench.kill(node);
    }
    let probe = bench.lab.probe(VIP, Duration::from_millis(2)).unwrap();
    let quiet = wait_for(PATIENCE, || {
        let before = probe.last_answer();
        std::thread::sleep(Duration::from_millis(100));
        probe.last_answer() == before
    });
    assert!(quiet.is_some(), "it is silent from the end of the lease on");
    let before = probe.last_answer();
    let began = Instant::now();
    bench.begin(&NODES);
    let up = wait_for(PATIENCE, || probe.last_answer() != before);
    assert!(up.is_some(), "{}", bench.story());
    tell("cold start", began.elapsed());
    drop(probe);
    bench.settled(&NODES);

    let standby = |bench: &Bench, node: &str| {
        bench.ok("n1", &["node", "standby", node]);
    };
    let holder = bench.holder("n1", "v");
    tell("standby", sent_away(&bench, "v", VIP, standby));
    bench.ok("n1", &["node", "online", &holder]);
    let elsewhere = |bench: &Bench, node: &str| {
        let other = NODES.into_iter().find(|it| *it != node).unwrap();
        bench.ok("n1", &["resource", "move", "v", other]);
    };
    tell("move", sent_away(&bench, "v", VIP, elsewhere));
    bench.ok("n1", &["resource", "clear", "v"]);

    // The last of a group waits for all others to stop and to start. Its outage is the group's.
    let vips: String = (1..=GROUP).map(|at| native(&format!("g{at}"), address(at))).collect();
    let group = format!("<resources><group id='all'>{vips}</group></resources>");
    bench.replace("n1", "resources", &group);
    let all = wait_for(PATIENCE, || served(&bench) == usize::from(GROUP));
    assert!(all.is_some(), "{} served\n{}", served(&bench), bench.story());
    let last = format!("g{GROUP}");
    tell("group of 21", sent_away(&bench, &last, address(GROUP), standby));
    for node in NODES {
        bench.ok("n1", &["node", "online", node]);
    }

    let vips: String = (1..=MANY).map(|at| native(&format!("v{at}"), address(at))).collect();
    bench.replace("n1", "resources", "<resources/>");
    let none = wait_for(PATIENCE, || served(&bench) == 0);
    assert!(none.is_some(), "{}", bench.story());
    let began = Instant::now();
    bench.replace("n1", "resources", &format!("<resources>{vips}</resources>"));
    let all = wait_for(PATIENCE, || served(&bench) == usize::from(MANY));
    assert!(all.is_some(), "{} served\n{}", served(&bench), bench.story());
    tell("100 VIPs up", began.elapsed());

    // Every other node stays: whoever holds the first loses its power.
    let holder = bench.lab.holders(address(1))[0].to_owned();
    let began = Instant::now();
    bench.lab.crash(&holder).unwrap();
    let all = wait_for(PATIENCE, || served(&bench) == usize::from(MANY));
    assert!(all.is_some(), "{} served\n{}", served(&bench), bench.story());
    tell("100 VIPs, crash", began.elapsed());
}
