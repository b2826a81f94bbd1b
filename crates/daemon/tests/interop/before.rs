//! Scripts that run before a planned move takes the VIPs away (`notify_before_release`): a stop, a
//! switch-over and a reload wait for them while the VIPs are served; nothing else runs them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use base::Instant;
use lab::{CONF, CommandLine, Need, ProcessSignal, wait_for};
use linux::clock::monotonic;

use crate::bench::{Bench, OURS, PATIENCE, PEER};
use crate::mainstay::{BINARY, Mainstay};
use crate::mode::{Part, V3_IPV4};
use crate::speaker::Speaker;

/// What the script takes.
const TAKES: Duration = Duration::from_secs(1);

/// A script and what it has written down.
struct Hook(PathBuf);

impl Hook {
    /// It notes at its beginning and at its end whether the node has the VIP, `takes` seconds apart.
    fn new(story: &str, takes: &str) -> Self {
        let name = format!("mainstay-before-{story}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let at = directory.display();
        let note = format!("ip -o address | grep -c '193.168.0.6/' >> {at}/notes");
        let script = directory.join("before.sh");
        fs::write(&script, format!("#!/bin/sh\n{note}\nsleep {takes}\n{note}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        Self(directory)
    }

    fn notes(&self) -> String {
        let text = fs::read_to_string(self.0.join("notes")).unwrap_or_default();
        text.split_whitespace().collect()
    }

    fn part(&self, priority: u8) -> Part {
        let line = format!("notify_before_release {}/before.sh", self.0.display());
        Part::new(V3_IPV4, priority).before("global_defs {\n script_user root\n}\n").with(line)
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn order(bench: &Bench, line: &str) -> Option<String> {
    let line = format!("{BINARY} {line} --control {{control}}");
    bench.lab.node("ours").output(&CommandLine::parse(&line), PATIENCE).unwrap()
}

/// We hold with this part; a peer of ours is ready to follow.
fn pair(part: &Part) -> Option<(Bench, Mainstay, Mainstay)> {
    lab::requires(&[Need::Root, Need::program("/usr/sbin/nft")]).then(|| {
        let mut bench = Bench::new(V3_IPV4, &[OURS, PEER]);
        let (mut us, mut peer) = (Mainstay::on("ours"), Mainstay::on("peer"));
        us.start(&mut bench, part);
        peer.start(&mut bench, &Part::new(V3_IPV4, 100));
        bench.sole_holder(&us, &[&peer]);
        us.wait(&bench, |instance| !instance.ready.is_empty());
        (bench, us, peer)
    })
}

/// Whether the node resigned only after the script, and spoke until then.
fn waited(bench: &Bench, hook: &Hook, since: Instant) {
    let resigned = bench.resignation("ours", since).at;
    assert!(resigned.since(since) >= TAKES, "{:?}\n{}", resigned.since(since), bench.story());
    assert!(bench.adverts("ours", since) >= 3, "{}", bench.story());
    assert_eq!(hook.notes(), "11", "the VIP was there all the time\n{}", bench.story());
    bench.served_by_within("peer", PATIENCE);
}

#[test]
fn a_stop_waits_for_its_script() {
    let hook = Hook::new("stop", "1");
    let Some((bench, mut us, peer)) = pair(&hook.part(150)) else { return };
    let begun = monotonic();
    us.resign(&bench);
    waited(&bench, &hook, begun);
    bench.sole_holder(&peer, &[&us]);
}

#[test]
fn a_switch_over_waits_and_one_that_cannot_be_stops_nothing() {
    let hook = Hook::new("switchover", "1");
    if !lab::requires(&[Need::Root, Need::program("/usr/sbin/nft")]) {
        return;
    }
    let mut bench = Bench::new(V3_IPV4, &[OURS, PEER]);
    let (mut us, mut peer) = (Mainstay::on("ours"), Mainstay::on("peer"));
    us.start(&mut bench, &hook.part(150));
    bench.sole_holder(&us, &[]);
    assert_eq!(order(&bench, "switchover VI_1"), None, "nobody is ready");
    assert_eq!(hook.notes(), "");
    peer.start(&mut bench, &Part::new(V3_IPV4, 100));
    us.wait(&bench, |instance| !instance.ready.is_empty());
    let begun = monotonic();
    let said = order(&bench, "switchover VI_1 --for 1").expect("it is begun");
    assert!(said.contains("193.168.0.3"), "{said}");
    waited(&bench, &hook, begun);
    // Somebody stronger takes over: nothing is run for that.
    let back = wait_for(PATIENCE, || us.holds(&bench) && !peer.holds(&bench));
    assert!(back.is_some(), "{}", bench.story());
    bench.lab.node_mut("peer").write(CONF, Part::new(V3_IPV4, 200).conf(), 0o644).unwrap();
    bench.lab.node("peer").signal(ProcessSignal::HUP);
    let lost = wait_for(PATIENCE, || peer.holds(&bench) && !us.holds(&bench));
    assert!(lost.is_some(), "{}", bench.story());
    assert_eq!(hook.notes(), "11", "{}", bench.story());
}

#[test]
fn a_reload_waits_for_what_it_removes_but_not_for_ever() {
    let hook = Hook::new("reload", "60");
    let part = hook.part(150).with("notify_before_release_timeout 1");
    let Some((mut bench, us, peer)) = pair(&part) else { return };
    let other = part.conf().replace("virtual_router_id 51", "virtual_router_id 52");
    let other = other.replace("193.168.0.6/16", "193.168.0.7/16");
    bench.lab.node_mut("ours").write(CONF, other, 0o644).unwrap();
    let begun = monotonic();
    let said = order(&bench, "reload").expect("it is in force in the end");
    assert!(said.contains("in force"), "{said}");
    let resigned = bench.resignation("ours", begun).at;
    assert!(resigned.since(begun) >= TAKES, "{}", bench.story());
    assert_eq!(hook.notes(), "1", "its time was up");
    bench.sole_holder(&peer, &[&us]);
}
