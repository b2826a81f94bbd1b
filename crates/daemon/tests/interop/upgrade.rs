//! `mainstay upgrade`: another program takes over under the client's eyes, or nothing changes.

use std::path::PathBuf;
use std::time::Duration;

use base::State;
use lab::{CommandLine, ProcessSignal, wait_for};
use linux::clock::monotonic;

use crate::bench::{Bench, PATIENCE};
use crate::mainstay::BINARY;
use crate::mode::{Part, V3_IPV4};
use crate::pairs::{pair, plain_pair};

/// A file that goes away.
struct File(PathBuf);

impl File {
    fn new(name: &str, fill: impl FnOnce(&PathBuf)) -> Self {
        let name = format!("mainstay-{name}-{}", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        fill(&file.0);
        file
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A program of another version, as far as this script makes it one: it has the role's name in `$2`.
fn script(name: &str, text: &str) -> File {
    File::new(name, |path| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(path, format!("#!/bin/sh\n{text}")).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    })
}

/// Which program the daemon's first process runs.
fn program(bench: &Bench, node: &str) -> PathBuf {
    let pid = bench.lab.node(node).daemon().expect("it runs").pid();
    std::fs::read_link(format!("/proc/{pid}/exe")).unwrap()
}

fn upgrade(bench: &Bench, node: &str, binary: &str) -> Option<String> {
    let line = format!("{BINARY} upgrade --control {{control}} --binary {binary}");
    bench.lab.node(node).output(&CommandLine::parse(&line), PATIENCE).unwrap()
}

#[test]
fn a_new_version_takes_over_from_a_holder_and_from_a_backup_without_a_gap() {
    let Some((bench, us, peer)) = plain_pair(V3_IPV4) else { return };
    let new = File::new("new", |path| {
        std::fs::copy(BINARY, path).unwrap();
    });
    let begin = monotonic();
    for (node, who, state) in [("ours", &us, State::Active), ("peer", &peer, State::Backup)] {
        let since = who.instance(&bench).since_s;
        let answer = upgrade(&bench, node, &new.0.display().to_string());
        assert!(answer.is_some_and(|text| text.contains("has taken over")), "{}", bench.story());
        let same = || program(&bench, node) == new.0;
        assert!(wait_for(PATIENCE, same).is_some(), "{:?}", program(&bench, node));
        let instance = who.instance(&bench);
        assert_eq!(instance.state, state, "{}", bench.story());
        assert!(instance.since_s > since, "its state is as old as it was");
    }
    bench.sole_holder(&us, &[&peer]);
    assert_eq!(bench.adverts("peer", begin), 0, "{}", bench.story());
    let gaps = bench.advert_gaps("ours", begin);
    let longest = gaps.max().unwrap();
    // One interval, as always, and what a machine that runs other tests adds to anything.
    assert!(longest < V3_IPV4.interval + Duration::from_millis(150), "{longest:?}");
    let (outcome, _lab) = bench.outcome();
    assert_eq!((outcome.lost_since(begin), outcome.switches_since(begin)), (0, 0));
}

#[test]
fn a_holder_with_routes_is_taken_over_and_takes_them_along_in_the_end() {
    let part =
        |priority| Part::new(V3_IPV4, priority).with("virtual_routes {\n blackhole 10.8.0.0/16\n}");
    let Some((bench, us, peer)) = pair(V3_IPV4, part) else { return };
    let route = || {
        let line = CommandLine::parse("ip route show type blackhole");
        let told = bench.lab.node("ours").output(&line, PATIENCE).unwrap();
        told.is_some_and(|text| text.contains("10.8.0.0/16"))
    };
    assert!(wait_for(PATIENCE, route).is_some(), "the route goes with the VIP");
    let new = File::new("ways", |path| {
        std::fs::copy(BINARY, path).unwrap();
    });
    assert!(upgrade(&bench, "ours", &new.0.display().to_string()).is_some(), "{}", bench.story());
    let same = || program(&bench, "ours") == new.0;
    assert!(wait_for(PATIENCE, same).is_some(), "{:?}", program(&bench, "ours"));
    assert!(route());
    us.signal_role(&bench, "engine", ProcessSignal::STOP);
    peer.wait(&bench, |instance| instance.state == State::Active);
    assert!(wait_for(PATIENCE, || !route()).is_some(), "it stays behind: {}", bench.story());
}

#[test]
fn a_version_that_does_not_get_ready_changes_nothing() {
    let Some((bench, us, peer)) = plain_pair(V3_IPV4) else { return };
    let before = program(&bench, "ours");
    let begin = monotonic();
    let ends = script("ends", "sleep 0.2\n");
    for binary in ["/bin/false", "/nowhere", &ends.0.display().to_string()] {
        assert_eq!(upgrade(&bench, "ours", binary), None, "it says that it failed");
    }
    assert_eq!(program(&bench, "ours"), before);
    bench.sole_holder(&us, &[&peer]);
    assert_eq!(bench.adverts("peer", begin), 0, "{}", bench.story());
    let (outcome, _lab) = bench.outcome();
    assert_eq!((outcome.lost_since(begin), outcome.switches_since(begin)), (0, 0));
}

/// A version that does not understand what the guardian has to leave is worked with all the same: the
/// guardian stays what it is.
#[test]
fn a_version_that_does_not_understand_the_guardian_gets_its_roles_and_no_more() {
    let Some((bench, us, peer)) = plain_pair(V3_IPV4) else { return };
    let before = program(&bench, "ours");
    let begin = monotonic();
    let other = script("other", &format!("[ \"$2\" = reader ] && exit 3\nexec {BINARY} \"$@\"\n"));
    let answer = upgrade(&bench, "ours", &other.0.display().to_string());
    assert!(answer.is_some_and(|text| text.contains("has taken over")), "{}", bench.story());
    let said = || bench.lab.node("ours").log().contains("the guardian stays at version");
    assert!(wait_for(PATIENCE, said).is_some(), "{}", bench.story());
    assert_eq!(program(&bench, "ours"), before);
    bench.sole_holder(&us, &[&peer]);
    assert_eq!(bench.adverts("peer", begin), 0, "{}", bench.story());
    // Whose engine it is by now, and that its will is kept.
    us.signal_role(&bench, "engine", ProcessSignal::KILL);
    let adopted = || bench.lab.node("ours").log().matches("another engine has taken over").count();
    assert!(wait_for(PATIENCE, || adopted() == 2).is_some(), "{}", bench.story());
    let (outcome, _lab) = bench.outcome();
    assert_eq!((outcome.lost_since(begin), outcome.switches_since(begin)), (0, 0));
}

/// What the engine before saw is told, however late its control comes to it.
#[test]
fn no_event_of_the_engine_before_is_lost() {
    let Some((bench, us, _peer)) = plain_pair(V3_IPV4) else { return };
    let ours = || bench.lab.node("ours");
    let slow = script(
        "slow",
        &format!("case \"$2\" in engine|control) sleep 3;; esac\nexec {BINARY} \"$@\"\n"),
    );
    let name: String = slow.0.file_name().unwrap().to_str().unwrap().chars().take(15).collect();
    let binary = slow.0.display();
    let line = format!("{BINARY} upgrade --control {{control}} --binary {binary}");
    let client = ours().spawn(&CommandLine::parse(&line)).unwrap();
    let begun = || ours().signal_named(&name, ProcessSignal::CONT) > 0;
    assert!(wait_for(PATIENCE, begun).is_some(), "{}", bench.story());
    us.signal_role(&bench, "control", ProcessSignal::STOP);
    let told = || ours().log().matches("somebody removed").count();
    let before = told();
    let removal = CommandLine::parse(&format!("ip address del {}/16 dev eth0", V3_IPV4.vip()));
    assert!(ours().output(&removal, PATIENCE).unwrap().is_some(), "{}", bench.story());
    let over = || ours().log().contains("another engine has taken over");
    assert!(wait_for(PATIENCE, over).is_some(), "{}", bench.story());
    // The one that is stopped is the one that goes.
    ours().signal_named("ms:control", ProcessSignal::CONT);
    assert!(wait_for(PATIENCE, || told() > before).is_some(), "{}", bench.story());
    assert!(client.wait(PATIENCE).is_some_and(|status| status.success()), "{}", bench.story());
}
