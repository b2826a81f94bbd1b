//! `mainstay metrics` against a daemon: what it counts has a metric, and the page can be had as a file.

use std::collections::BTreeSet;
use std::fs;

use lab::{Need, wait_for};

use crate::bench::{Bench, OURS, PATIENCE};
use crate::mainstay::Mainstay;
use crate::mode::{Part, V3_IPV4};
use crate::speaker::Speaker;

fn value(page: &str, sample: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(sample))?;
    line.trim().parse().ok()
}

#[test]
fn everything_the_daemon_counts_is_on_the_page_of_metrics() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let mut bench = Bench::new(V3_IPV4, &[OURS]);
    let mut us = Mainstay::on("ours");
    us.start(&mut bench, &Part::new(V3_IPV4, 150));
    bench.sole_holder(&us, &[]);
    let sent =
        |page: &str| value(page, "mainstay_instance_adverts_sent_total{vrrp_instance=\"VI_1\"}");
    let two = wait_for(PATIENCE, || sent(&us.ask_for(&bench, "metrics")).is_some_and(|n| n >= 2.0));
    assert!(two.is_some(), "{}", us.ask_for(&bench, "metrics"));

    let status = us.status(&bench);
    let unknown: BTreeSet<&String> =
        status.engine.keys().filter(|count| !ui::metrics::knows(count)).collect();
    assert_eq!(unknown, BTreeSet::new(), "counted, and no metric of");

    let page = us.ask_for(&bench, "metrics");
    let active = "mainstay_instance_state{vrrp_instance=\"VI_1\",state=\"Active\"}";
    assert_eq!(value(&page, active), Some(1.0), "{page}");
    let became = "mainstay_instance_transitions_total{vrrp_instance=\"VI_1\",to=\"Active\"}";
    assert_eq!(value(&page, became), Some(1.0), "{page}");
    assert!(value(&page, "mainstay_timer_wakes_total").is_some_and(|n| n > 0.0), "{page}");
    let families = ui::metrics::FAMILIES.iter().map(|family| family.sample_name());
    // What depends on others, or on what has gone wrong, is not there on a node that is alone.
    let absent: Vec<String> = families
        .filter(|name| !page.lines().any(|line| line.starts_with(&**name)))
        .filter(|name| !name.contains("_peer_") && !name.contains("_bfd_"))
        .collect();
    assert_eq!(absent, Vec::<String>::new(), "{page}");

    let file = std::env::temp_dir().join(format!("mainstay-metrics-{}.prom", std::process::id()));
    us.ask_for(&bench, &format!("metrics --openmetrics --output {}", file.display()));
    let written = fs::read_to_string(&file);
    let _ = fs::remove_file(&file);
    let written = written.expect("the file is there");
    assert!(written.ends_with("# EOF\n") && sent(&written).is_some(), "{written}");
}
