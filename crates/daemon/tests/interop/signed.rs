//! Signed adverts between two nodes of ours, under a client that asks all the time: introduced node by
//! node without a gap, keys changed, farewells of the dead believed, and no key in anything that can
//! be read.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use base::What;
use lab::{CONF, Need, ProcessSignal, wait_for};
use linux::clock::monotonic;

use crate::bench::{Bench, OURS, PATIENCE, PEER, say};
use crate::mainstay::Mainstay;
use crate::mode::{Mode, Part, V3_IPV4, V3_IPV6};
use crate::pairs::pair;
use crate::speaker::Speaker;

/// A key that would be recognised wherever it turned up.
const CANARY: &str = "canary-canary-canary-canary-canary";
const SECOND: &str = "hex:c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ff";

/// A part that signs in this mode; without one, it knows nothing of signatures.
fn part(mode: Mode, priority: u8, step: Option<&str>) -> Part {
    let part = Part::new(mode, priority);
    match step {
        None => part,
        Some(step) => keyed(part, &[(1, CANARY)], 1, step),
    }
}

fn keyed(mut part: Part, keys: &[(u8, &str)], active: u8, mode: &str) -> Part {
    part = part.with("auth_hmac {");
    for (id, key) in keys {
        part = part.with(format!(" key {id} {key}"));
    }
    part.with(format!(" active_key {active}")).with(format!(" mode {mode}")).with("}")
}

/// Gives a node another configuration by SIGHUP and waits until it is in force there.
fn reload(bench: &mut Bench, who: &Mainstay, part: &Part, seen: impl Fn(&str, u8) -> bool) {
    let node = who.node();
    bench.lab.node_mut(node).write(CONF, part.conf(), 0o600).unwrap();
    bench.lab.node(node).signal(ProcessSignal::HUP);
    who.wait(bench, |instance| {
        instance.auth_hmac.as_ref().is_some_and(|hmac| seen(&hmac.mode, hmac.active_key))
    });
}

/// Between two adverts: a machine that stands still for a moment is not to let go of the VIP meanwhile.
const CALM: Duration = Duration::from_millis(500);

fn roll_out(mode: Mode) {
    let Some((mut bench, us, peer)) = pair(mode, |priority| part(mode, priority, None)) else {
        return;
    };
    let before = monotonic();
    for step in ["receive-only", "permissive", "enforce"] {
        for (who, priority) in [(&us, 150), (&peer, 100)] {
            reload(&mut bench, who, &part(mode, priority, Some(step)), |now, _| now == step);
            sleep(mode.interval * 4);
        }
    }
    // And a change of keys, in three steps as well.
    for (keys, active) in [
        (&[(1, CANARY), (2, SECOND)][..], 1),
        (&[(1, CANARY), (2, SECOND)], 2),
        (&[(2, SECOND)], 2),
    ] {
        for (who, priority) in [(&us, 150), (&peer, 100)] {
            let part = keyed(Part::new(mode, priority), keys, active, "enforce");
            let known = keys.len();
            reload(&mut bench, who, &part, |now, id| now == "enforce" && id == active);
            who.wait(&bench, |one| one.auth_hmac.as_ref().is_some_and(|h| h.keys.len() == known));
            sleep(mode.interval * 4);
        }
    }
    bench.sole_holder(&us, &[&peer]);
    assert_eq!(bench.adverts("peer", before), 0, "{}", bench.story());
    // In the first steps it heard unsigned adverts, and after that nothing was wrong.
    let refused = peer.refused(&bench);
    let of = |name: &str| refused.get(name).copied().unwrap_or_default();
    let unsigned = peer.instance(&bench).traffic["unsigned-received"];
    assert!(unsigned > 0 && of("auth-ext-missing") == unsigned, "{refused:?}");
    assert_eq!(refused.len(), 1, "{refused:?}");
    nothing_tells_a_key(&bench, &[&us, &peer]);
    let (outcome, lab) = bench.outcome();
    assert_eq!((outcome.switches_since(before), outcome.lost_since(before)), (0, 0));
    no_text_is_left(lab.node("ours"));
}

/// What the processes of a node have in memory is no text of a key: the key itself is other octets.
fn no_text_is_left(node: &lab::Node) {
    let written = SECOND.trim_start_matches("hex:").as_bytes();
    let found = node.run(move || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let mut found = Vec::new();
        for pid in processes {
            let name = std::fs::read_to_string(pid.join("comm")).unwrap_or_default();
            let name = name.trim().to_owned();
            if !name.starts_with("ms:") && name != "mainstay" {
                continue;
            }
            let memory = writable_memory(&pid);
            let has = |text: &[u8]| memory.windows(text.len()).any(|window| window == text);
            // The octets of the key are somewhere, or this looks at nothing.
            found.push((name, has(&[0xc0, 0xff, 0xee, 0xc0, 0xff, 0xee]), has(written)));
        }
        found
    });
    let of = |name: &str| found.iter().find(|(found, ..)| found == name);
    let keyed = ["ms:engine", "ms:control", "mainstay"].map(|name| of(name).map(|of| of.1));
    assert_eq!(keyed, [Some(true); 3], "{found:?}");
    assert!(found.iter().all(|(.., text)| !text), "{found:?}");
}

/// What a process can write to, one area behind the other.
fn writable_memory(pid: &Path) -> Vec<u8> {
    let maps = std::fs::read_to_string(pid.join("maps")).unwrap_or_default();
    let mut memory = File::open(pid.join("mem")).unwrap();
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let area = line.split(' ').next().and_then(|area| area.split_once('-')).unwrap();
        let [begin, end] = [area.0, area.1].map(|at| u64::from_str_radix(at, 16).unwrap());
        let mut octets = vec![0; usize::try_from(end - begin).unwrap()];
        memory.seek(SeekFrom::Start(begin)).unwrap();
        if memory.read_exact(&mut octets).is_ok() {
            all.extend(octets);
        }
    }
    all
}

/// Looks through everything that can be read of the daemons from outside.
fn nothing_tells_a_key(bench: &Bench, who: &[&Mainstay]) {
    for mainstay in who {
        let status = format!("{:?}", mainstay.status(bench));
        let events = format!("{:?}", mainstay.events(bench));
        let node = bench.lab.node(mainstay.node());
        let seen = node.run(|| {
            let read = |pid: &Path, file: &str| {
                std::fs::read(pid.join(file))
                    .map(|text| String::from_utf8_lossy(&text).into_owned())
            };
            let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
            processes
                .flat_map(|pid| [read(&pid, "cmdline"), read(&pid, "environ"), read(&pid, "comm")])
                .flatten()
                .collect::<Vec<String>>()
                .join("\n")
        });
        for text in [status, events, seen, node.log()] {
            assert!(!text.contains("canary") && !text.contains("c0ffee"), "a key is in: {text}");
        }
    }
}

#[test]
fn vrrp_118_signatures_are_introduced_node_by_node_and_no_probe_is_lost() {
    roll_out(V3_IPV4.every(CALM));
}

#[test]
fn vrrp_118_signatures_are_introduced_over_ipv6_as_well() {
    roll_out(V3_IPV6.every(CALM));
}

#[test]
fn a_killed_engine_s_heir_signs_on_and_its_peer_believes_it() {
    let mode = V3_IPV4.every(Duration::from_secs(1));
    let Some((bench, us, peer)) = pair(mode, |priority| part(mode, priority, Some("enforce")))
    else {
        return;
    };
    let before = monotonic();
    us.signal_role(&bench, "engine", ProcessSignal::KILL);
    let told = |what: &What| matches!(what, What::RoleTakenOver { role } if role == "engine");
    assert!(wait_for(PATIENCE, || us.told(&bench, told)).is_some(), "{}", bench.story());
    bench.sole_holder(&us, &[&peer]);
    assert_eq!(bench.adverts("peer", before), 0, "{}", bench.story());
    assert!(peer.refused(&bench).is_empty(), "{:?}", peer.refused(&bench));
    nothing_tells_a_key(&bench, &[&us, &peer]);
    let (outcome, _lab) = bench.outcome();
    assert_eq!((outcome.switches_since(before), outcome.lost_since(before)), (0, 0));
}

#[test]
fn the_guardian_s_farewells_are_signed_and_believed() {
    let mode = V3_IPV4.every(Duration::from_secs(1));
    let Some((bench, us, peer)) = pair(mode, |priority| part(mode, priority, Some("enforce")))
    else {
        return;
    };
    let stall = monotonic();
    us.signal_role(&bench, "engine", ProcessSignal::STOP);
    let resigned = bench.resignation("ours", stall).at;
    let taken = bench.advert("peer", resigned).at;
    // Not believed, it would be the whole down interval: 3.6 s.
    bench.took_over("peer believes a signed farewell", resigned, taken, mode.skew(100));
    assert!(peer.refused(&bench).is_empty(), "{:?}", peer.refused(&bench));
    // Its successor comes back, and is believed again.
    bench.sole_holder(&us, &[&peer]);
    assert!(peer.refused(&bench).is_empty(), "{:?}", peer.refused(&bench));
}

#[test]
fn nobody_without_the_key_takes_anything_over() {
    if !lab::requires(&[Need::Root]) {
        return;
    }
    let mode = V3_IPV4;
    let mut bench = Bench::new(mode, &[OURS, PEER, ("other", 4)]);
    let (mut us, mut peer) = (Mainstay::on("ours"), Mainstay::on("peer"));
    us.start(&mut bench, &part(mode, 150, Some("enforce")));
    peer.start(&mut bench, &part(mode, 100, Some("enforce")));
    bench.sole_holder(&us, &[&peer]);
    let mut other = Mainstay::on("other");
    let stranger = keyed(Part::new(mode, 254), &[(1, SECOND)], 1, "enforce");
    other.start(&mut bench, &stranger.holding(&["193.168.0.7/16"]));
    bench.advert("other", monotonic());
    sleep(mode.interval * 10);
    bench.served_by("ours");
    for who in [&us, &peer] {
        let refused = who.refused(&bench);
        assert!(refused.get("auth-ext-invalid-hmac").is_some_and(|n| *n >= 8), "{refused:?}");
        assert_eq!(refused.len(), 1, "{refused:?}");
    }
    say(&format!("a stranger with priority 254 and another key: {:?}", us.refused(&bench)));
}
