//! What is wrong stays where it is: a file with errors changes nothing that runs, and an instance that
//! cannot run, or stops being able to, does not touch the others.

use std::time::Duration;

use base::State;
use lab::{CONF, CommandLine, Need, ProcessSignal, wait_for};
use linux::clock::monotonic;
use ui::protocol::InstanceReport;

use crate::bench::{Bench, OURS, PATIENCE};
use crate::mainstay::{BINARY, Mainstay};
use crate::mode::{Mode, Part, V3_IPV4};
use crate::pairs::plain_pair;
use crate::speaker::Speaker;

/// Slow enough for an advert to be on time on a busy machine.
fn mode() -> Mode {
    V3_IPV4.every(Duration::from_millis(500))
}

/// Each is wrong in another way, and would change much if any of it were in force.
fn broken() -> Vec<String> {
    let other = Part::new(mode(), 10).holding(&["193.168.0.77/16"]).conf();
    vec![
        format!("{other}vrrp_instance UNFINISHED {{\n interface eth0\n"),
        other.replace(" priority 10", " priorty 10"),
        other.replace(" priority 10", " priority 999"),
        other.replace(" virtual_router_id 51\n", ""),
        format!("{other}\0\n"),
    ]
}

fn run(bench: &Bench, line: &str) -> Option<String> {
    bench.lab.node("ours").output(&CommandLine::parse(line), PATIENCE).unwrap()
}

fn reload(bench: &Bench) -> Option<String> {
    run(bench, &format!("{BINARY} reload --control {{control}}"))
}

/// How often a file was refused so far.
fn refusals(bench: &Bench) -> usize {
    bench.lab.node("ours").log().matches("configuration refused").count()
}

#[test]
fn a_bad_file_on_reload_changes_nothing() {
    let Some((mut bench, us, peer)) = plain_pair(mode()) else { return };
    let begun = monotonic();
    for (n, text) in broken().into_iter().enumerate() {
        bench.lab.node_mut("ours").write(CONF, text, 0o644).unwrap();
        bench.lab.node("ours").signal(ProcessSignal::HUP);
        let refused = wait_for(PATIENCE, || refusals(&bench) == 2 * n + 1);
        assert!(refused.is_some(), "file {n} is not refused\n{}", bench.story());
        let why = us.status(&bench).config_refused.unwrap_or_default();
        assert!(why.contains("error[C"), "file {n}: {why}");
        assert_eq!(reload(&bench), None, "file {n} by command");
        assert_eq!(refusals(&bench), 2 * n + 2);
    }
    let asked = us.ask_for(&bench, "status");
    assert!(asked.contains("the last reload was refused"), "{asked}");
    let instance = us.instance(&bench);
    assert_eq!((instance.priority, instance.state), (150, State::Active));
    bench.sole_holder(&us, &[&peer]);
    bench.served_by("ours");
    let gap = bench.advert_gaps("ours", begun).max().unwrap();
    assert!(gap < mode().interval * 2, "an advert is missing: {gap:?}\n{}", bench.story());
    let holdings = bench.lab.holdings();
    let moved = holdings.iter().filter(|one| one.at > begun).count();
    assert_eq!(moved, 0, "an address came or went\n{}", bench.story());
    assert_eq!(us.states(&bench), [State::Backup, State::Active]);
    assert_eq!(peer.states(&bench), [State::Backup]);
    // What is right again is in force, and nothing is left of the refusal.
    let good = Part::new(mode(), 140).conf();
    bench.lab.node_mut("ours").write(CONF, good, 0o644).unwrap();
    assert!(reload(&bench).is_some(), "{}", bench.story());
    us.wait(&bench, |instance| instance.priority == 140);
    assert_eq!(us.status(&bench).config_refused, None);
}

#[test]
fn one_bad_instance_never_stops_the_others() {
    if !lab::requires(&[Need::Root, Need::program("/usr/sbin/nft")]) {
        return;
    }
    let mut bench = Bench::new(mode(), &[OURS]);
    let mut us = Mainstay::on("ours");
    let instance = |name: &str, vrid: u8, interface: &str, more: &str| {
        format!(
            "vrrp_instance {name} {{\n interface {interface}\n virtual_router_id {vrid}\n \
             advert_int 0.5\n virtual_ipaddress {{\n  10.{vrid}.0.9/24\n }}\n{more}}}\n"
        )
    };
    let bad = [
        "vrrp_script never {\n script /bin/false\n interval 1\n}\n".to_owned(),
        instance("LATE", 61, "late0", ""),
        instance("SICK", 62, "eth0", " track_script {\n  never\n }\n"),
        instance("LOUD", 63, "eth0", " notify_master /bin/false\n notify_backup /bin/false\n"),
    ];
    let bad = format!("global_defs {{\n script_user root\n}}\n{}", bad.concat());
    us.start(&mut bench, &Part::new(mode(), 150).before(&bad));
    bench.sole_holder(&us, &[]);
    let begun = monotonic();
    let is = |name: &str, wanted: &dyn Fn(&InstanceReport) -> bool| {
        let found = || us.status(&bench).instances.into_iter().find(|one| *one.name == *name);
        let found = wait_for(PATIENCE, || found().is_some_and(|one| wanted(&one)));
        assert!(found.is_some(), "{name}: {:#?}\n{}", us.status(&bench), bench.story());
    };
    let faulty = |one: &InstanceReport| one.fault.is_some();
    let active = |one: &InstanceReport| one.state == State::Active && !one.vips.is_empty();
    is("LATE", &faulty);
    is("SICK", &faulty);
    is("LOUD", &active);
    for round in 0..2 {
        let made = run(&bench, "ip link add late0 type veth peer name late1");
        assert!(made.is_some(), "round {round}");
        for line in ["link set late1 up", "link set late0 up", "address add 10.9.9.1/24 dev late0"]
        {
            assert!(run(&bench, &format!("ip {line}")).is_some(), "{line}");
        }
        is("LATE", &active);
        assert!(run(&bench, "ip link delete late0").is_some());
        is("LATE", &faulty);
    }
    let gap = bench.advert_gaps("ours", begun).max().unwrap();
    assert!(gap < mode().interval * 2, "an advert is missing: {gap:?}\n{}", bench.story());
    is("VI_1", &active);
    is("SICK", &faulty);
    bench.served_by("ours");
    let changes = us.events(&bench).into_iter().filter(|one| {
        one.event.at > begun
            && one.event.subject == base::Subject::Instance("VI_1".into())
            && matches!(one.event.what, base::What::StateChanged { .. })
    });
    assert_eq!(changes.count(), 0, "{}", bench.story());
}
