//! Figures: how long things take, told beside what must come about. Beside other tests they say little;
//! alone, with `LAB_LEASE=600` and `--nocapture`, they are what a cluster with default timings does.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use lab::wait_for;

use crate::NODES;
use crate::bench::{Bench, PATIENCE};
use crate::vips::native;

const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(193, 168, 0, 6));
const MANY: u8 = 100;

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
    println!("cold start to the VIP answering: {:?}", began.elapsed());
    drop(probe);
    bench.settled(&NODES);

    let probe = bench.lab.probe(VIP, Duration::from_millis(2)).unwrap();
    let holder = bench.holder("n1", "v");
    let from = wait_for(PATIENCE, || probe.last_answer().is_some_and(|it| *it.node == *holder));
    assert!(from.is_some(), "{}", bench.story());
    bench.ok("n1", &["node", "standby", &holder]);
    let moved = wait_for(PATIENCE, || probe.last_answer().is_some_and(|it| *it.node != *holder));
    assert!(moved.is_some(), "{}", bench.story());
    println!("outage at standby: {:?}", probe.finish().closed_outage());
    bench.ok("n1", &["node", "online", &holder]);

    let vips: String = (1..=MANY).map(|at| native(&format!("v{at}"), address(at))).collect();
    let began = Instant::now();
    bench.replace("n1", "resources", &format!("<resources>{vips}</resources>"));
    let all = wait_for(PATIENCE, || served(&bench) == usize::from(MANY));
    assert!(all.is_some(), "{} served\n{}", served(&bench), bench.story());
    println!("{MANY} VIPs up: {:?}", began.elapsed());

    let holder = bench.lab.holders(address(1))[0].to_owned();
    let began = Instant::now();
    bench.lab.crash(&holder).unwrap();
    let all = wait_for(PATIENCE, || served(&bench) == usize::from(MANY));
    assert!(all.is_some(), "{} served\n{}", served(&bench), bench.story());
    println!("{MANY} VIPs, all served after the crash of {holder}: {:?}", began.elapsed());
}

#[test]
fn a_hundred_resources_of_an_agent() {
    if !lab::requires(&[lab::Need::file("/usr/lib/ocf/resource.d/heartbeat/Dummy")]) {
        return;
    }
    let Some(mut bench) = Bench::new(3) else { return };
    bench.three();
    bench.options("n1", &[("stonith-enabled", "false")]);
    let one = |at| format!("<primitive id='d{at}' class='ocf' provider='heartbeat' type='Dummy'/>");
    let all: String = (1..=MANY).map(one).collect();
    let began = Instant::now();
    bench.replace("n2", "resources", &format!("<resources>{all}</resources>"));
    let states = |bench: &Bench| -> usize {
        let count = |node: &lab::Node| {
            node.run(|| {
                let found =
                    std::fs::read_dir("/run/resource-agents").into_iter().flatten().flatten();
                found.filter(|it| it.file_name().to_string_lossy().starts_with("Dummy-d")).count()
            })
        };
        bench.lab.nodes().iter().map(count).sum()
    };
    let up = wait_for(PATIENCE, || states(&bench) == usize::from(MANY));
    assert!(up.is_some(), "{} are started\n{}", states(&bench), bench.story());
    println!("{MANY} Dummy resources started: {:?}", began.elapsed());
    let began = Instant::now();
    bench.replace("n2", "resources", "<resources/>");
    let gone = wait_for(PATIENCE, || states(&bench) == 0);
    assert!(gone.is_some(), "{} are left\n{}", states(&bench), bench.story());
    println!("{MANY} Dummy resources removed: {:?}", began.elapsed());
}
