//! How long a stop waits for its scripts: `child_wait_time`, five seconds where nothing is said.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use lab::{Need, wait_for};

use crate::bench::{Bench, OURS, PATIENCE};
use crate::mainstay::Mainstay;
use crate::mode::{Part, V3_IPV4};
use crate::speaker::Speaker;

/// What a script that takes `takes` seconds has said when the daemon has ended, given this line.
fn told(story: &str, line: &str, takes: u32) -> String {
    let name = format!("mainstay-last-{story}-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    let at = directory.display();
    let script = directory.join("stop.sh");
    let text =
        format!("#!/bin/sh\necho begun > {at}/notes\nsleep {takes}\necho over >> {at}/notes\n");
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let mut bench = Bench::new(V3_IPV4, &[OURS]);
    let mut us = Mainstay::on("ours");
    let before = format!("global_defs {{\n script_user root\n}}\n{line}\n");
    let part = Part::new(V3_IPV4, 150).before(&before).with(format!("notify_stop {at}/stop.sh"));
    us.start(&mut bench, &part);
    bench.sole_holder(&us, &[]);
    us.resign(&bench);
    let ended = wait_for(PATIENCE, || {
        let daemon = bench.lab.node("ours").daemon();
        daemon.is_none_or(|daemon| daemon.wait(Duration::ZERO).is_some())
    });
    assert!(ended.is_some(), "it does not end\n{}", bench.story());
    let notes = fs::read_to_string(directory.join("notes")).unwrap_or_default();
    let _ = fs::remove_dir_all(&directory);
    notes.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_stop_waits_for_its_scripts_as_long_as_child_wait_time_says() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    // Longer than is usual, and as long as was asked for.
    assert_eq!(told("long", "child_wait_time 12", 6), "begun over");
    assert_eq!(told("short", "child_wait_time 1", 60), "begun");
}
