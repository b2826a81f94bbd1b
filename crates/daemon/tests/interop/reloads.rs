//! A thousand reloads, each different: an instance that no line of them touches never misses an
//! advert, and the daemon's processes neither keep files open nor grow.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use lab::{CONF, Need, ProcessSignal, Seen, wait_for};
use linux::clock::monotonic;

use crate::bench::{Bench, OURS, PATIENCE, say};
use crate::mainstay::Mainstay;
use crate::mode::{Part, V3_IPV4, VRID};
use crate::speaker::Speaker;

const RELOADS: usize = 1000;
/// After so many everything that is kept for a while is kept.
const SETTLED: usize = 500;
/// What a process may grow by afterwards, in kilobytes: an allocator's noise.
const NOISE: u64 = 3 * 1024;

/// A sequence that is the same every time.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// The untouched instance, and others that have been dealt anew.
fn dealt(part: &Part, dice: &mut Dice) -> String {
    let mut text = part.conf();
    let scripts = dice.roll(3);
    for number in 0..scripts {
        let weight = dice.roll(40);
        let _ = writeln!(
            text,
            "vrrp_script chk{number} {{\n script /bin/true\n interval {}\n weight -{weight}\n}}",
            1 + dice.roll(5)
        );
    }
    let others = dice.roll(4);
    for number in 0..others {
        let vrid = 60 + number;
        let _ = writeln!(
            text,
            "vrrp_instance OTHER_{number} {{\n interface eth0\n virtual_router_id {vrid}\n \
             priority {}\n advert_int {}\n virtual_ipaddress {{",
            1 + dice.roll(254),
            1 + dice.roll(3)
        );
        for host in 0..=dice.roll(4) {
            let _ = writeln!(text, "  10.{vrid}.{}.{}/24", dice.roll(3), host + 1);
        }
        text.push_str(" }\n");
        if dice.roll(2) == 0 {
            let _ = writeln!(
                text,
                " virtual_routes {{\n  10.99.{number}.0/24 dev eth0 metric {}\n }}",
                dice.roll(9)
            );
        }
        if scripts > 0 && dice.roll(2) == 0 {
            text.push_str(" track_script {\n  chk0\n }\n");
        }
        if dice.roll(2) == 0 {
            text.push_str(" notify /bin/true\n");
        }
        text.push_str("}\n");
    }
    if others > 1 && dice.roll(2) == 0 {
        text.push_str("vrrp_sync_group G {\n group {\n  OTHER_0\n  OTHER_1\n }\n}\n");
    }
    if dice.roll(10) == 0 {
        // One in ten cannot be used: nothing comes of it.
        text.push_str("vrrp_instance BROKEN {\n");
    }
    text
}

/// Of each of ours by its name: open files, and kilobytes in memory.
fn measured(bench: &Bench) -> BTreeMap<String, (usize, u64)> {
    let pids = bench.lab.node("ours").container().pids();
    let of = |pid: u32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some((name.trim().to_owned(), (files, kilobytes)))
    };
    let ours = |(name, _): &(String, (usize, u64))| name.starts_with("ms:") || name == "mainstay";
    pids.into_iter().filter_map(of).filter(ours).collect()
}

#[test]
fn a_thousand_reloads_touch_nothing_but_what_they_are_about() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let mode = V3_IPV4.every(Duration::from_millis(500));
    let mut bench = Bench::new(mode, &[OURS]);
    let mut us = Mainstay::on("ours");
    let part = Part::new(mode, 150).before("global_defs {\n script_user root\n}\n");
    us.start(&mut bench, &part);
    bench.sole_holder(&us, &[]);
    let mut dice = Dice(7);
    let begun = monotonic();
    let mut settled = BTreeMap::new();
    // Each is answered in the log, by the configuration in force or by why there is none.
    let answered = |bench: &Bench| {
        let log = bench.lab.node("ours").log();
        log.matches("configuration in force").count() + log.matches("configuration refused").count()
    };
    for number in 1..=RELOADS {
        let conf = dealt(&part, &mut dice);
        let node = bench.lab.node_mut("ours");
        node.write(CONF, conf, 0o644).unwrap();
        node.signal(ProcessSignal::HUP);
        let in_force = wait_for(PATIENCE, || answered(&bench) > number);
        assert!(in_force.is_some(), "reload {number} was not answered\n{}", bench.story());
        if number == SETTLED {
            settled = measured(&bench);
        }
    }
    let took = monotonic().since(begun);
    // What the last of them brought is done.
    std::thread::sleep(Duration::from_secs(1));
    let gap = bench.advert_gaps("ours", begun).max().unwrap();
    let after = measured(&bench);
    say(&format!("{RELOADS} reloads in {took:.1?}, longest gap {gap:.1?}: {settled:?}, {after:?}"));
    assert!(gap < mode.interval * 2, "an advert is missing: {gap:?}");
    let holdings = bench.lab.holdings();
    let moved = holdings.iter().filter(|h| h.at > begun && h.address == mode.vip()).count();
    assert_eq!(moved, 0, "the VIP came or went");
    let resigned = bench.witness().first(
        begun,
        |s| matches!(s.seen, Seen::Advert { vrid: VRID, priority, .. } if priority.get() == 0),
    );
    assert_eq!(resigned, None);
    assert!(settled.len() >= 2, "{settled:?}");
    for (name, (files, kilobytes)) in &settled {
        let Some((files_after, kilobytes_after)) = after.get(name) else { continue };
        // A script or two may be running at either moment.
        assert!(*files_after <= files + 8, "{name} keeps files: {files}, {files_after}");
        assert!(
            *kilobytes_after <= kilobytes + NOISE,
            "{name} grows: {kilobytes} kB, {kilobytes_after} kB"
        );
    }
}
