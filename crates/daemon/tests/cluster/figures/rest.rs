//! What a node costs while nothing happens: memory, and processor time.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use ui::cluster::{Change, Client, DEFAULT_SOCKET, Request, Response};

use super::{tell, tell_number};
use crate::NODES;
use crate::bench::{Bench, PATIENCE};
use crate::vips::native;

/// How long processor time is counted.
const WATCHED: Duration = Duration::from_secs(60);
/// Changes to be counted.
const CHANGES: u32 = 2_000;

/// Octets that are this process' own, and its share of what it has with others; thousandths of a MB.
fn memory(pid: u32) -> u128 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find(|it| it.starts_with("Pss:")).unwrap();
    let kb: u128 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kb * 1024 / 1000
}

/// Processor time of all its threads.
fn processor(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let one = |task: std::fs::DirEntry| -> u64 {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0)
    };
    Duration::from_nanos(tasks.map(one).sum())
}

/// Changes a second of one client that has so many under way, durable at a quorum.
fn changes(bench: &Bench, under_way: u32) -> u128 {
    bench.lab.node("n1").run(move || {
        let mut client = Client::connect(DEFAULT_SOCKET.as_ref()).unwrap();
        let change = |at: u32| Request::Change {
            expect: None,
            change: Change::Modify {
                scope: "crm_config".into(),
                xml: format!(
                    "<cluster_property_set id='o'><nvpair id='o-m' name='mark' value='{at}'/>\
                     </cluster_property_set>"
                ),
                allow_create: true,
            },
        };
        let began = Instant::now();
        for at in 0..CHANGES + under_way {
            if at < CHANGES {
                client.send(&change(at)).unwrap();
            }
            if at >= under_way {
                assert!(matches!(client.receive().unwrap(), Response::Done(_)));
            }
        }
        u128::from(CHANGES) * 1_000_000_000 / began.elapsed().as_micros()
    })
}

#[test]
#[ignore = "a measurement of more than a minute: cargo xtask bench cluster"]
fn what_a_node_costs_while_nothing_happens() {
    let Some(mut bench) = Bench::new(3) else { return };
    bench.three();
    bench.options("n1", &[("stonith-enabled", "false")]);
    let vip = native("v", IpAddr::V4(Ipv4Addr::new(193, 168, 0, 6)));
    bench.replace("n1", "resources", &format!("<resources>{vip}</resources>"));
    bench.holder("n1", "v");
    std::thread::sleep(Duration::from_secs(3));
    let pids = NODES.map(|node| bench.process(node).pid());
    for pid in pids {
        tell_number("memory, idle", memory(pid));
    }
    let before = pids.map(processor);
    std::thread::sleep(WATCHED);
    for (pid, before) in pids.into_iter().zip(before) {
        tell("processor, 60 s", processor(pid).saturating_sub(before));
    }
    for under_way in [1, 16, 64] {
        tell_number(&format!("changes, {under_way} under way"), changes(&bench, under_way));
    }
    let address = |at| IpAddr::V4(Ipv4Addr::new(193, 168, 1, at));
    let vips: String = (1..=100).map(|at| native(&format!("v{at}"), address(at))).collect();
    bench.replace("n1", "resources", &format!("<resources>{vips}</resources>"));
    let all =
        lab::wait_for(PATIENCE, || (1..=100).all(|at| bench.lab.holders(address(at)).len() == 1));
    assert!(all.is_some(), "{}", bench.story());
    std::thread::sleep(Duration::from_secs(3));
    for pid in pids {
        tell_number("memory, 100 resources", memory(pid));
    }
}
