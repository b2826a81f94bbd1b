//! Who is told of changes, and in which words: the same story once with keepalived and once with
//! mainstay, on one node each, with a sync group, a tracked script, a tracked file and a tracked
//! process; the lines in the FIFO are the same, in the same order, and so are the calls of notify
//! scripts.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::{Card, CommandLine, Lab, Plan, Process, ProcessSignal, wait_for};

use crate::bench::{PATIENCE, keepalived_here, say};
use crate::mainstay::BINARY;

const KEEPALIVED: &str =
    "/usr/sbin/keepalived -n -l -D -P -p {dir}/pid -r {dir}/vrrp.pid -f {conf}";

/// A node with one daemon, everything it tells, and the things it tracks.
struct Told {
    lab: Lab,
    directory: PathBuf,
    _reader: Option<Process>,
}

impl Told {
    fn start(who: &str, story: &str, conf: impl Fn(&Path) -> String) -> Self {
        let name = format!("mainstay-told-{story}-{who}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let script = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        let at = directory.display();
        script("notify.sh", &format!("echo \"$@\" >> {at}/calls"));
        script("check.sh", &format!("test ! -e {at}/bad"));
        script("read.sh", &format!("exec cat \"$1\" >> {at}/lines"));
        let plan =
            Plan { nodes: vec![("ours".into(), vec![Card::eth0(2)])], client: Card::eth0(100) };
        let mut lab = Lab::build(&plan).unwrap();
        let run = if who == "keepalived" {
            CommandLine::parse(KEEPALIVED)
        } else {
            CommandLine::parse(&format!("{BINARY} run -f {{conf}} --control {{control}}"))
        };
        lab.node_mut("ours").start(&run, &conf(&directory)).unwrap();
        Self { lab, directory, _reader: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn read(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until so many lines have come out of the FIFO in all.
    fn await_lines(&self, n: usize) {
        let waited = wait_for(PATIENCE, || self.read("lines").len() >= n);
        let log = self.lab.node("ours").log();
        assert!(waited.is_some(), "{:#?}\n{log}", self.read("lines"));
        // More would be wrong, and shows itself soon.
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(self.read("lines").len(), n, "{:#?}\n{log}", self.read("lines"));
    }

    /// Waits until the last line is this.
    fn await_last(&self, line: &str) {
        let last = || self.read("lines").last().is_some_and(|last| last == line);
        let waited = wait_for(PATIENCE, last);
        let log = self.lab.node("ours").log();
        assert!(waited.is_some(), "no {line}: {:#?}\n{log}", self.read("lines"));
    }

    /// Ends it, and hands over what it told: lines in their order until it was stopped, those of the
    /// stop, calls in any order.
    fn stop(self) -> (Vec<String>, Vec<String>, Vec<String>) {
        let mut lines = self.read("lines");
        self.lab.node("ours").signal(ProcessSignal::TERM);
        let gone = wait_for(PATIENCE, || {
            self.lab
                .node("ours")
                .daemon()
                .is_none_or(|daemon| daemon.wait(Duration::ZERO).is_some())
        });
        assert!(gone.is_some());
        let mut calls = self.read("calls");
        calls.sort();
        let last = self.read("lines").split_off(lines.len());
        // Which member of a group is told of first depends on whose timer ran out first.
        for run in lines.chunk_by_mut(|a, b| word(a) == word(b)) {
            run.sort();
        }
        (lines, last, calls)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// What an instance has become; groups are on their own.
fn word(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split(' ').collect();
    (words[0] == "INSTANCE").then(|| words[2].to_owned())
}

fn instance(at: &Path, name: &str, vrid: u8, more: &str) -> String {
    let at = at.display();
    format!(
        "vrrp_instance {name} {{\n state BACKUP\n interface eth0\n virtual_router_id {vrid}\n \
         priority 100\n advert_int 0.2\n notify_master \"{at}/notify.sh {name} master\"\n \
         notify_backup \"{at}/notify.sh {name} backup\"\n notify_fault \"{at}/notify.sh {name} \
         fault\"\n notify_stop \"{at}/notify.sh {name} stop\"\n notify \"{at}/notify.sh any\"\n \
         {more}\n virtual_ipaddress {{\n  193.168.0.{vrid}/16\n }}\n}}\n"
    )
}

fn globals(at: &Path) -> String {
    let at = at.display();
    format!(
        "global_defs {{\n vrrp_version 3\n script_user root\n vrrp_notify_fifo {at}/fifo\n \
         vrrp_notify_fifo_script {at}/read.sh\n}}\n"
    )
}

fn check(at: &Path) -> String {
    let at = at.display();
    format!("vrrp_script chk {{\n script {at}/check.sh\n interval 1\n fall 1\n rise 1\n}}\n")
}

fn group(at: &Path) -> String {
    let at = at.display();
    format!(
        "vrrp_sync_group G {{\n group {{\n  VI_1\n  VI_2\n }}\n notify_master \"{at}/notify.sh G \
         master\"\n notify_backup \"{at}/notify.sh G backup\"\n notify_fault \"{at}/notify.sh G \
         fault\"\n notify_stop \"{at}/notify.sh G stop\"\n notify \"{at}/notify.sh any\"\n}}\n"
    )
}

/// Plays a story with both, and compares.
fn both(story: &str, conf: impl Fn(&Path) -> String, play: impl Fn(&Told)) {
    if !keepalived_here() {
        return;
    }
    let tell = |who: &str| {
        let told = Told::start(who, story, &conf);
        play(&told);
        told.stop()
    };
    let theirs = tell("keepalived");
    say(&format!("keepalived tells\n{}\n-\n{}", theirs.0.join("\n"), theirs.2.join("\n")));
    let ours = tell("mainstay");
    assert_eq!(ours.0, theirs.0, "the FIFO's lines, ours first");
    assert_eq!(ours.2, theirs.2, "the calls of scripts, ours first");
    // keepalived ends the reader before it has read these.
    assert!(!ours.1.is_empty() && ours.1.iter().all(|line| line.contains(" STOP ")));
}

#[test]
fn one_instance_with_a_script_is_told_of_alike() {
    let conf = |at: &Path| {
        let track = " track_script {\n  chk\n }";
        [globals(at), check(at), instance(at, "VI_1", 51, track)].concat()
    };
    both("one", conf, |told| {
        told.await_last("INSTANCE \"VI_1\" MASTER 100");
        fs::write(told.path("bad"), "").unwrap();
        told.await_last("INSTANCE \"VI_1\" FAULT 100");
        fs::remove_file(told.path("bad")).unwrap();
        told.await_last("INSTANCE \"VI_1\" MASTER 100");
        told.await_lines(5);
    });
}

#[test]
fn a_sync_group_is_told_of_alike() {
    let conf = |at: &Path| {
        let track = " track_script {\n  chk\n }";
        let instances = [instance(at, "VI_1", 51, track), instance(at, "VI_2", 52, "")].concat();
        [globals(at), check(at), group(at), instances].concat()
    };
    both("group", conf, |told| {
        told.await_last("GROUP \"G\" MASTER 0");
        fs::write(told.path("bad"), "").unwrap();
        told.await_last("GROUP \"G\" FAULT 0");
        fs::remove_file(told.path("bad")).unwrap();
        told.await_last("GROUP \"G\" MASTER 0");
    });
}

#[test]
fn a_tracked_file_is_told_of_alike() {
    let conf = |at: &Path| {
        let file = format!("track_file f {{\n file {}/value\n weight 1\n}}\n", at.display());
        let track = " track_file {\n  f weight 0\n }";
        [globals(at), file, instance(at, "VI_1", 51, track)].concat()
    };
    both("file", conf, |told| {
        told.await_last("INSTANCE \"VI_1\" MASTER 100");
        fs::write(told.path("value"), "1\n").unwrap();
        told.await_last("INSTANCE \"VI_1\" FAULT 100");
        fs::write(told.path("value"), "0\n").unwrap();
        told.await_last("INSTANCE \"VI_1\" MASTER 100");
    });
}

/// In a process namespace of its own the kernel tells nobody of processes: keepalived sees none, we
/// look for them.
#[test]
fn a_process_is_tracked_where_the_kernel_does_not_tell_of_it() {
    if !lab::requires(&[lab::Need::Root]) {
        return;
    }
    let name = format!("ms-told-{}", std::process::id());
    let conf = |at: &Path| {
        let process = format!("vrrp_track_process p {{\n process {name}\n}}\n");
        let track = " track_process {\n  p weight 10\n }\n notify_priority_changes on";
        [globals(at), process, instance(at, "VI_1", 51, track)].concat()
    };
    let told = Told::start("mainstay", "process", conf);
    told.await_last("INSTANCE \"VI_1\" MASTER 100");
    let program = told.path(&name);
    fs::copy("/bin/sleep", &program).unwrap();
    let run = CommandLine::parse(&format!("{} 60", program.display()));
    let _process = told.lab.node("ours").spawn(&run).unwrap();
    told.await_last("INSTANCE \"VI_1\" MASTER_PRIORITY 110");
    told.lab.node("ours").signal_named(&name, ProcessSignal::KILL);
    told.await_last("INSTANCE \"VI_1\" MASTER_PRIORITY 100");
}

#[test]
fn a_new_engine_is_told_all_verdicts_and_nobody_outside_is_told_anything() {
    if !lab::requires(&[lab::Need::Root]) {
        return;
    }
    let conf = |at: &Path| {
        let track = " track_script {\n  chk\n }";
        let alone = instance(at, "VI_2", 52, "");
        // A lease that an heir can outrun on a busy machine.
        [globals(at), check(at), instance(at, "VI_1", 51, track), alone]
            .concat()
            .replace("advert_int 0.2", "advert_int 1")
    };
    let told = Told::start("mainstay", "engine", conf);
    told.await_lines(4);
    fs::write(told.path("bad"), "").unwrap();
    told.await_last("INSTANCE \"VI_1\" FAULT 100");
    let before = told.read("lines").len();
    let node = told.lab.node("ours");
    assert_eq!(node.signal_named("ms:engine", ProcessSignal::KILL), 1);
    // As long as an instance that did not know its script is bad would need to become Active.
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(node.signal_named("ms:engine", ProcessSignal::CONT), 1, "another has come");
    assert!(!node.holds("193.168.0.51".parse().unwrap()), "{}", node.log());
    assert!(node.holds("193.168.0.52".parse().unwrap()), "{}", node.log());
    assert_eq!(told.read("lines").len(), before, "{:#?}\n{}", told.read("lines"), node.log());
    fs::remove_file(told.path("bad")).unwrap();
    told.await_last("INSTANCE \"VI_1\" MASTER 100");
}
