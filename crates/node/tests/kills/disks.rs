//! A disk that is full, one that turns read-only under a node, and a node that was away for so long that
//! the others' logs begin behind what it knows.
//!
//! The node's home is a file system of its own in a mount namespace of its own.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, PATIENCE};
use crate::ledger::judge;
use crate::paper::COMPACT;
use crate::writers::{Writers, addition};

const LEASE: Duration = Duration::from_secs(2);
/// Whose disk it is.
const N3: usize = 2;

/// Starts n3 with its home on what `mount` mounts on it; none: that cannot be had here.
fn start_on(cluster: &mut Cluster, mount: &str) -> Option<u32> {
    cluster.running[N3] = None;
    let dir = cluster.base.join("n3");
    let (copy, told) = (cluster.base.join("n3.copy"), cluster.base.join("n3.mounted"));
    let script = format!(
        "cp -a '{dir}' '{copy}' && {mount} '{dir}' && cp -a '{copy}/.' '{dir}' && sync -f '{dir}' && : >'{told}' && \
         exec \"$@\"",
        dir = dir.display(),
        copy = copy.display(),
        told = told.display()
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(std::env::current_exe().unwrap());
    cluster.start_by(N3, &mut command);
    let end = Instant::now() + PATIENCE;
    loop {
        let child = &mut cluster.running[N3].as_mut().unwrap().child;
        if told.exists() {
            return Some(child.id());
        }
        if child.try_wait().unwrap().is_some() {
            eprintln!("skipped: no file system can be mounted here ({mount})");
            return None;
        }
        assert!(Instant::now() < end, "{mount}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a command where that process sees its files, until it succeeds.
fn within(pid: u32, script: &str) {
    let end = Instant::now() + PATIENCE;
    let run = || {
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid.to_string(), "--mount", "sh", "-c", script]).status()
    };
    while !run().is_ok_and(|status| status.success()) {
        assert!(Instant::now() < end, "{script}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Changes go on while the disk of n3 fails, and when it is whole again.
fn fails(cluster: &mut Cluster, word: &str, fail: impl Fn(), mend: impl Fn()) {
    cluster.until("n3 takes part", Cluster::rests);
    let writers = Writers::start(&cluster.sockets[..N3]);
    writers.go_on();
    let more = |than: usize| {
        let end = Instant::now() + PATIENCE;
        while writers.acknowledged() <= than {
            assert!(Instant::now() < end, "nothing is acknowledged any more");
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    more(20);
    fail();
    let began = Instant::now();
    cluster.until("it says so", |it| it.log(N3).contains("engine has ended, and nothing"));
    let said = began.elapsed();
    cluster.until("nothing runs there any more", |it| {
        it.log(N3).contains("nothing runs here any more")
            || it.log(N3).contains("another life begins")
    });
    let empty = began.elapsed();
    let log = cluster.log(N3);
    assert!(log.contains(word) && log.contains("make room or make it writable"), "{log}");
    // The others go on, and who asks this one is told why nothing comes of it.
    let others = [0, 1];
    cluster.until("the others serve all", |it| {
        others.iter().any(|at| it.status(*at).is_some_and(|it| it.settled == Some(true)))
    });
    more(writers.acknowledged() + 20);
    let refused = cluster.ask(N3, &addition("refused")).unwrap_err();
    assert!(refused.contains(word) && refused.contains("engine has ended"), "{refused}");
    mend();
    cluster.until("it is back", Cluster::rests);
    cluster.until("all is answered", |_| writers.pause());
    let changes = writers.take();
    let wrong = judge(&cluster.agreed(), &changes, &BTreeSet::new());
    assert!(wrong.is_empty(), "{wrong:?}");
    cluster.listen();
    eprintln!(
        "{word}: said after {said:?}, nothing runs there after {empty:?}; {} acknowledged, 0 lost, \
         overlap 0",
        changes.iter().filter(|it| it.acknowledged.is_some()).count()
    );
}

#[test]
fn a_full_disk_takes_its_node_out_of_service_in_order_until_there_is_room() {
    let mut cluster = Cluster::new(LEASE);
    let Some(pid) = start_on(&mut cluster, "mount -t tmpfs -o size=16m tmpfs") else { return };
    let dir = cluster.base.join("n3");
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let ballast = root.join(dir.strip_prefix("/").unwrap()).join("ballast");
    let fill = || {
        let mut file = fs::File::create(&ballast).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
    };
    let mend = || fs::remove_file(&ballast).unwrap();
    fails(&mut cluster, "No space left", fill, mend);
}

#[test]
fn a_disk_that_turns_read_only_takes_its_node_out_of_service_until_it_is_mounted_anew() {
    let mut cluster = Cluster::new(LEASE);
    let image = cluster.base.join("n3.img");
    let made = fs::File::create(&image).unwrap().set_len(32 << 20).is_ok()
        && Command::new("mkfs.ext4")
            .args(["-q", "-O", "^has_journal"])
            .arg(&image)
            .status()
            .is_ok_and(|it| it.success());
    if !made {
        eprintln!("skipped: no ext4 can be made here");
        return;
    }
    let mount = format!("mount -o loop,errors=remount-ro '{}'", image.display());
    let Some(pid) = start_on(&mut cluster, &mount) else { return };
    let dir = cluster.base.join("n3");
    let dir: &Path = &dir;
    let error = format!(
        "d=$(findmnt --noheadings --output SOURCE '{0}') && echo x >/sys/fs/ext4/${{d##*/}}/trigger_fs_error",
        dir.display()
    );
    let again = format!("umount '{0}' && {mount} '{0}'", dir.display());
    fails(&mut cluster, "os error", || within(pid, &error), || within(pid, &again));
}

#[test]
fn who_was_away_until_the_log_is_gone_is_given_the_state_and_costs_no_leader() {
    let mut cluster = Cluster::new(LEASE);
    cluster.running[N3] = None;
    let before = cluster.status(0).unwrap().term;
    let writers = Writers::start(&cluster.sockets[..N3]);
    writers.go_on();
    let end = Instant::now() + PATIENCE;
    // By then the log begins behind what n3 knows.
    while writers.acknowledged() < usize::try_from(4 * COMPACT).unwrap() {
        assert!(Instant::now() < end, "only {}", writers.acknowledged());
        std::thread::sleep(Duration::from_millis(5));
    }
    let led = cluster.status(0).unwrap();
    cluster.start(N3);
    cluster.until("it is back", Cluster::rests);
    cluster.until("all is answered", |_| writers.pause());
    let wrong = judge(&cluster.agreed(), &writers.take(), &BTreeSet::new());
    assert!(wrong.is_empty(), "{wrong:?}");
    let now = cluster.status(0).unwrap();
    assert_eq!((now.term, &now.dc), (led.term, &led.dc), "{before} before");
    let log = cluster.log(N3);
    assert!(log.contains("from a snapshot"), "{log}");
    cluster.listen();
}
