//! Debian's resource agents, unmodified.

use std::path::Path;
use std::process::Command;

use agents::Settings;
use cluster::operation::OpStatus;
use lab::{Need, requires};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use crate::bench::{Bench, Directory, eventually, order};

const AGENTS: &str = "/usr/lib/ocf/resource.d";

fn here(agents: &[&str]) -> bool {
    let mut needs = vec![Need::Root];
    needs.extend(agents.iter().map(|agent| Need::file(Path::new(AGENTS).join(agent))));
    requires(&needs)
}

/// Debian's agents, with what they keep in a directory of the test's.
fn real(directory: &Directory) -> Settings {
    Settings { run: directory.join("rsctmp"), ..Settings::default() }
}

/// A thread with a network and mounts of its own, `/run` and all, that vanish with it.
fn apart(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        mount("tmpfs", "/run", "tmpfs", MountFlags::NOSUID, c"mode=0755").unwrap();
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn dummy_lives_a_whole_life() {
    if !here(&["heartbeat/Dummy"]) {
        return;
    }
    let directory = Directory::new();
    let mut bench = Bench::new(real(&directory));
    let agent = "ocf:heartbeat:Dummy";
    let state = directory.join("state").display().to_string();
    let given = &[("state", &*state), ("crm_feature_set", "3.16.2")];
    let read = bench.metadata(agent).unwrap();
    assert_eq!((&*read.name, &*read.standard), ("Dummy", "1.0"));
    assert!(read.complaints.is_empty() && read.can("reload"), "{read:?}");
    let reloadable: Vec<_> = read.parameters.iter().map(|it| (&*it.name, it.reloadable)).collect();
    assert_eq!(reloadable, [("state", false), ("fake", true)]);
    let told: Vec<i32> =
        ["monitor", "start", "monitor", "reload-agent", "migrate_to", "monitor", "stop", "stop"]
            .iter()
            .map(|operation| bench.rc(agent, operation, given))
            .collect();
    // It migrates away by stopping.
    assert_eq!(told, [7, 0, 0, 0, 0, 7, 0, 0]);
    let valid = bench.validate(agent, given);
    assert_eq!((valid.rc, valid.complaints), (Some(0), Vec::new()));
    let wrong = bench.validate(agent, &[("state", "/no/such/dir/state"), ("stat", "x")]);
    assert_ne!(wrong.rc, Some(0));
    assert_eq!(wrong.complaints, ["there is no parameter `stat`"]);
    let done = bench.act(agent, "fly", given);
    assert_eq!((done.rc, done.status), (3, OpStatus::Done));
}

#[test]
fn pacemakers_dummy_reloads_by_its_new_word_and_fails_where_it_is_told_to() {
    if !here(&["pacemaker/Dummy"]) {
        return;
    }
    let directory = Directory::new();
    let mut bench = Bench::new(real(&directory));
    let agent = "ocf:pacemaker:Dummy";
    let state = directory.join("state").display().to_string();
    let given = &[("state", &*state)];
    let read = bench.metadata(agent).unwrap();
    assert_eq!(read.standard, "1.1");
    let of = |name: &str| read.parameters.iter().find(|it| it.name == name).unwrap().clone();
    assert!(of("fake").reloadable && !of("state").reloadable);
    assert_eq!(of("state").unique.as_deref(), Some("state"));
    assert_eq!(bench.rc(agent, "start", given), 0);
    assert_eq!(bench.rc(agent, "reload-agent", given), 0);
    assert_eq!(bench.rc(agent, "monitor", given), 0);
    // One that takes longer than it may.
    let mut slow = order(agent, "monitor", &[("state", &*state), ("op_sleep", "1000")]);
    slow.timeout = std::time::Duration::from_millis(300);
    let number = bench.call(slow);
    assert_eq!(bench.done(number).status, OpStatus::TimedOut);
    assert_eq!(bench.rc(agent, "stop", given), 0);
}

#[test]
fn stateful_is_promoted_and_finds_our_tools_by_their_names() {
    if !here(&["pacemaker/Stateful"]) {
        return;
    }
    let directory = Directory::new();
    let dir = directory.path().display();
    for tool in ["crm_master", "crm_attribute"] {
        let text = format!("#!/bin/sh\necho {tool} $OCF_RESOURCE_INSTANCE \"$@\" >>{dir}/asked\n");
        directory.program(&format!("tools/{tool}"), &text);
    }
    let tools = Some(directory.join("tools"));
    let mut bench = Bench::new(Settings { tools, ..real(&directory) });
    let agent = "ocf:pacemaker:Stateful";
    let state = directory.join("state").display().to_string();
    let given = &[("state", &*state), ("crm_feature_set", "3.16.2")];
    let told: Vec<i32> = ["start", "monitor", "promote", "monitor", "demote", "monitor", "stop"]
        .iter()
        .map(|operation| bench.rc(agent, operation, given))
        .collect();
    assert_eq!(told, [0, 0, 0, 8, 0, 0, 0]);
    let asked = directory.read("asked");
    assert!(asked.lines().count() >= 3, "{asked}");
    assert!(asked.lines().all(|line| line.split(' ').nth(1) == Some("it")), "{asked}");
}

#[test]
fn ipaddr2_gives_a_node_its_address_and_takes_it_away() {
    if !here(&["heartbeat/IPaddr2"]) {
        return;
    }
    apart(|| {
        ip("link add eth0 type veth peer name far");
        ip("link set far up");
        ip("link set lo up");
        ip("link set eth0 up");
        ip("address add 193.168.0.2/16 dev eth0");
        // What it sends with it keeps on a /run that is empty.
        let mut bench = Bench::new(Settings::default());
        let agent = "ocf:heartbeat:IPaddr2";
        let given = &[
            ("ip", "193.168.0.6"),
            ("cidr_netmask", "16"),
            ("nic", "eth0"),
            ("iflabel", "vip"),
            ("arp_count", "1"),
            ("arp_interval", "1"),
        ];
        assert_eq!(bench.rc(agent, "monitor", given), 7);
        assert_eq!(bench.rc(agent, "start", given), 0);
        let shown = ip("-o address show dev eth0");
        assert!(shown.contains("193.168.0.6/16") && shown.contains("eth0:vip"), "{shown}");
        assert_eq!(bench.rc(agent, "monitor", given), 0);
        assert_eq!(bench.rc(agent, "stop", given), 0);
        assert!(!ip("-o address show dev eth0").contains("193.168.0.6"));
        assert_eq!(bench.rc(agent, "monitor", given), 7);
        let done = bench.act(agent, "start", &[("nic", "eth0")]);
        assert_eq!((done.rc, done.status), (6, OpStatus::Done));
        assert_eq!(done.reason, "IP address (the ip parameter) is mandatory");
    });
}

#[test]
fn filesystem_mounts_and_unmounts() {
    if !here(&["heartbeat/Filesystem"]) {
        return;
    }
    apart(|| {
        let directory = Directory::new();
        let place = directory.join("mounted");
        std::fs::create_dir(&place).unwrap();
        let place = place.display().to_string();
        let mut bench = Bench::new(Settings::default());
        let agent = "ocf:heartbeat:Filesystem";
        let given = &[("device", "tmpfs"), ("directory", &*place), ("fstype", "tmpfs")];
        let mounted = || std::fs::read_to_string("/proc/thread-self/mounts").unwrap();
        assert_eq!(bench.rc(agent, "monitor", given), 7);
        assert_eq!(bench.rc(agent, "start", given), 0);
        assert!(mounted().contains(&place));
        assert_eq!(bench.rc(agent, "monitor", given), 0);
        assert_eq!(bench.rc(agent, "stop", given), 0);
        eventually("it is still mounted", || !mounted().contains(&place));
        assert_eq!(bench.rc(agent, "monitor", given), 7);
    });
}
