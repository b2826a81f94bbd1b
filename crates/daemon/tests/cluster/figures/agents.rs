//! Resources whose agents are programs: a hundred, and five hundred, of the one that does the least.

use std::time::Instant;

use lab::wait_for;

use super::tell;
use crate::bench::{Bench, PATIENCE};

/// How many Dummies have left their mark.
fn started(bench: &Bench) -> usize {
    let count = |node: &lab::Node| {
        node.run(|| {
            let found = std::fs::read_dir("/run/resource-agents").into_iter().flatten().flatten();
            found.filter(|it| it.file_name().to_string_lossy().starts_with("Dummy-d")).count()
        })
    };
    bench.lab.nodes().iter().map(count).sum()
}

fn come_and_go(many: usize) {
    if !lab::requires(&[lab::Need::file("/usr/lib/ocf/resource.d/heartbeat/Dummy")]) {
        return;
    }
    let Some(mut bench) = Bench::new(3) else { return };
    bench.three();
    bench.options("n1", &[("stonith-enabled", "false")]);
    let one = |at| format!("<primitive id='d{at}' class='ocf' provider='heartbeat' type='Dummy'/>");
    let all: String = (1..=many).map(one).collect();
    let began = Instant::now();
    bench.replace("n2", "resources", &format!("<resources>{all}</resources>"));
    let up = wait_for(PATIENCE, || started(&bench) == many);
    assert!(up.is_some(), "{} are started\n{}", started(&bench), bench.story());
    tell(&format!("{many} Dummies started"), began.elapsed());
    let began = Instant::now();
    bench.replace("n2", "resources", "<resources/>");
    let gone = wait_for(PATIENCE, || started(&bench) == 0);
    assert!(gone.is_some(), "{} are left\n{}", started(&bench), bench.story());
    tell(&format!("{many} Dummies removed"), began.elapsed());
}

#[test]
fn a_hundred_resources_of_an_agent() {
    come_and_go(100);
}

#[test]
#[ignore = "a measurement of many seconds: cargo xtask bench cluster"]
fn five_hundred_resources_of_an_agent() {
    come_and_go(500);
}
