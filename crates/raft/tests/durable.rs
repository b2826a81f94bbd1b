//! What the file promises: nothing acknowledged is lost, and what is damaged says so.
//!
//! The writers are this test's own binary, started again: only another process can be killed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base::Wall;
use cluster::{Entry, Operation, State};
use openraft::storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine};
use openraft::{CommittedLeaderId, EntryPayload, RaftSnapshotBuilder};
use raft::types::{LogId, Logged, Vote};
use raft::{Batch, Disk, DiskError, Journal, Machine};

const PLACE: &str = "MAINSTAY_RAFT_WRITER";
/// After so many entries a snapshot is kept in their place.
const COMPACT: u64 = 150;
const WEIGHT: &str = "MAINSTAY_RAFT_WEIGHT";

struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("mainstay-raft-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("raft.redb")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn birth() -> State {
    State::new(cib::xml::parse("<cib/>").expect("a CIB").root)
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term, 1), index)
}

fn logged(term: u64, index: u64, weight: usize) -> Logged {
    Logged {
        log_id: id(term, index),
        payload: EntryPayload::Normal(Batch(vec![Entry {
            at: Wall::new(index, 0),
            by: "a".into(),
            operation: Operation::Attribute {
                node: "a".into(),
                name: format!("n{index}").as_str().into(),
                value: Some("x".repeat(weight)),
                dampen: Duration::ZERO,
            },
        }])),
    }
}

/// Writes and says so, until it is killed or the disk fails; then says how it failed.
#[test]
fn writer() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let place = Path::new(&place);
    let mut out = std::io::stdout();
    let weight = std::env::var(WEIGHT).ok().and_then(|it| it.parse().ok()).unwrap_or(300);
    let disk = match Disk::open(place, 1) {
        Ok(disk) => Arc::new(disk),
        Err(error) => return writeln!(out, "shut {error}").expect("heard"),
    };
    let mut journal = Journal::new(Arc::clone(&disk));
    let next = disk.extent().expect("readable").map_or(1, |it| it.index + 1);
    let mut machine = Machine::new(Arc::clone(&disk), birth()).expect("readable");
    let (applied, _) = wait(machine.applied_state()).expect("known");
    let rest = disk.entries(applied.map_or(0, |it| it.index + 1)..).expect("readable");
    wait(machine.apply(rest)).expect("applied");
    let term = disk.vote().expect("readable").map_or(1, |it| it.leader_id.term + 1);
    let failure = wait(async {
        let mut term = term;
        for index in next.. {
            if index % 5 == 0 {
                if let Err(error) = journal.save_vote(&Vote::new(term, 1)).await {
                    return error;
                }
                writeln!(out, "vote {term}").expect("heard");
                term += 1;
            }
            let entry = logged(1, index, weight);
            if let Err(error) = journal.blocking_append([entry.clone()]).await {
                return error;
            }
            writeln!(out, "entry {index}").expect("heard");
            // Now and then what led to the state goes, and the state itself is kept.
            machine.apply([entry]).await.expect("applied");
            if index % COMPACT == 0 {
                let kept = machine.build_snapshot().await.map(drop);
                let done = match kept {
                    Ok(()) => journal.purge(id(1, index)).await,
                    error => error,
                };
                if let Err(error) = done {
                    return error;
                }
            }
        }
        unreachable!("it goes on until something fails")
    });
    writeln!(out, "failed {failure}").expect("heard");
    let again = wait(journal.save_vote(&Vote::new(u64::MAX, 1)));
    writeln!(out, "then {again:?}").expect("heard");
    writeln!(out, "read {:?}", disk.vote()).expect("heard");
    drop((journal, disk));
    match Disk::open(place, 1) {
        Ok(disk) => {
            let last = disk.extent().expect("readable").map_or(0, |it| it.index);
            writeln!(out, "reopened {last}").expect("heard");
        }
        Err(error) => writeln!(out, "shut {error}").expect("heard"),
    }
}

fn said(line: &str, what: &str) -> Option<u64> {
    line.strip_prefix(what)?.trim().parse().ok()
}

fn this_binary() -> PathBuf {
    std::env::current_exe().expect("this binary")
}

#[test]
fn kill_9_at_any_moment_loses_nothing_that_was_acknowledged() {
    let dir = Dir::new();
    let (mut entries, mut votes) = (0, 0);
    let rounds =
        std::env::var("MAINSTAY_KILLS").ok().map_or(40_u64, |it| it.parse().expect("a number"));
    for round in 0..rounds {
        let mut child = Command::new(this_binary())
            .args(["--exact", "writer", "--nocapture"])
            .env(PLACE, &dir.0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the writer starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let heard = std::thread::spawn(move || {
            lines.map_while(Result::ok).fold((0, 0), |(entry, vote), line| {
                (said(&line, "entry ").unwrap_or(entry), said(&line, "vote ").unwrap_or(vote))
            })
        });
        // Moments spread without a seed to draw from: 0 to 112 ms, in steps that do not repeat.
        std::thread::sleep(Duration::from_micros(round * 7_919 % 113 * 1_000));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        let (entry, vote) = heard.join().expect("its words");
        (entries, votes) = (entry.max(entries), vote.max(votes));
        let disk = Disk::open(&dir.0, 1).unwrap_or_else(|error| panic!("round {round}: {error}"));
        let last = disk.extent().expect("readable").map_or(0, |it| it.index);
        let voted = disk.vote().expect("readable").map_or(0, |it| it.leader_id.term);
        assert!(last >= entries, "round {round}: entry {entries} was told, {last} is the last");
        assert!(voted >= votes, "round {round}: vote {votes} was told, {voted} is there");
    }
    eprintln!("{rounds} kills: {entries} entries, {votes} votes acknowledged, none lost");
    assert!(
        entries > 100 && votes > 10,
        "too little was written: {entries} entries, {votes} votes"
    );
}

/// What the writer says after `mounts` in a mount namespace of its own; `None` if there is none to be
/// had here.
fn written_after(mounts: &str, dir: &Dir) -> Option<String> {
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &format!("{mounts} && echo mounted && exec \"$@\""), "sh"])
        .arg(this_binary())
        .args(["--exact", "writer", "--nocapture"])
        .env(PLACE, &dir.0)
        .env(WEIGHT, "20000")
        .output();
    let text = output.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    let text = text.ok().filter(|text| text.contains("mounted"));
    if text.is_none() {
        eprintln!("skipped: a mount namespace of its own cannot be had here");
    }
    text
}

#[test]
fn a_full_disk_ends_the_engine_and_keeps_what_was_acknowledged() {
    let dir = Dir::new();
    let mounts = format!("mount -t tmpfs -o size=3m tmpfs '{}'", dir.0.display());
    let Some(text) = written_after(&mounts, &dir) else { return };
    let last = text.lines().filter_map(|line| said(line, "entry ")).max().unwrap_or_default();
    assert!(last > 0, "nothing was written: {text}");
    // What failed first is what is told ever after: nothing is asked of that disk again.
    for word in ["failed ", "then ", "read "] {
        let line = text.lines().find(|line| line.starts_with(word)).unwrap_or_default();
        assert!(line.contains("No space left"), "what the system says is told: {text}");
    }
    assert!(text.contains("make room"), "and what to do: {text}");
    match text.lines().find_map(|line| said(line, "reopened ")) {
        Some(reopened) => assert!(reopened >= last, "{last} was told, {reopened} is there"),
        // Opening may need room itself; it must say so, and never begin anew.
        None => assert!(text.contains("shut ") && text.contains("No space left"), "{text}"),
    }
}

#[test]
fn a_read_only_disk_is_refused_and_left_as_it_is() {
    let dir = filled();
    let whole = fs::read(dir.file()).expect("the file");
    let place = dir.0.display();
    let mounts = format!("mount --bind '{place}' '{place}' && mount -o remount,bind,ro '{place}'");
    let Some(text) = written_after(&mounts, &dir) else { return };
    assert!(text.contains("shut ") && text.contains("Read-only file system"), "{text}");
    assert!(text.contains("make it writable"), "{text}");
    assert!(fs::read(dir.file()).expect("the file") == whole, "it was touched");

    let empty = Dir::new();
    let mounts = format!("mount -t tmpfs -o ro tmpfs '{}'", empty.0.display());
    let Some(text) = written_after(&mounts, &empty) else { return };
    assert!(text.contains("shut ") && text.contains("Read-only file system"), "{text}");
}

#[test]
fn a_file_that_was_written_anew_is_another_and_says_the_same() {
    let dir = filled();
    let inode = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(dir.file()).expect("there"));
    let (before, whole) = (inode(), fs::read(dir.file()).expect("the file"));
    raft::disk::renew(&dir.0).expect("written");
    assert_ne!(inode(), before, "what the kernel believed of the old one is gone with it");
    assert!(fs::read(dir.file()).expect("the file") == whole);
    assert_eq!(Disk::open(&dir.0, 1).expect("whole").last().expect("readable"), Some(id(1, 200)));
    assert_eq!(fs::read_dir(&dir.0).expect("there").count(), 1, "nothing is left beside it");
    let empty = Dir::new();
    let error = raft::disk::renew(&empty.0).expect_err("nothing is there").to_string();
    assert!(error.contains("raft.redb") && !empty.file().exists(), "{error}");
}

fn filled() -> Dir {
    let dir = Dir::new();
    let disk = Arc::new(Disk::open(&dir.0, 1).expect("new"));
    let mut journal = Journal::new(disk);
    wait(async {
        journal.save_vote(&Vote::new(3, 1)).await.expect("written");
        let entries = (1..=200).map(|index| logged(1, index, 100));
        journal.blocking_append(entries).await.expect("written");
    });
    dir
}

#[test]
fn an_empty_torn_or_foreign_file_is_never_taken_for_a_new_node() {
    let dir = filled();
    let whole = fs::read(dir.file()).expect("the file");
    let tears = [0, 1, 100, 4_096, whole.len() / 2, whole.len() - 4_096];
    for length in tears {
        fs::write(dir.file(), &whole[..length]).expect("torn");
        match Disk::open(&dir.0, 1) {
            Err(error @ (DiskError::Damaged { .. } | DiskError::Failed { .. })) => {
                assert!(error.to_string().contains("raft.redb"), "{error}");
            }
            // What was cut off may have been free space.
            Ok(disk) => assert_eq!(disk.last().expect("readable"), Some(id(1, 200)), "{length}"),
            Err(error) => panic!("{length}: {error}"),
        }
    }
    fs::write(dir.file(), b"<cib/>").expect("foreign");
    assert!(Disk::open(&dir.0, 1).is_err());
    fs::write(dir.file(), &whole).expect("whole again");
    assert_eq!(Disk::open(&dir.0, 1).expect("whole").last().expect("readable"), Some(id(1, 200)));
}

#[test]
fn a_changed_byte_is_found_or_did_not_matter() {
    let dir = filled();
    let whole = fs::read(dir.file()).expect("the file");
    let mut found = 0;
    for at in (0..whole.len()).step_by(whole.len() / 97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        fs::write(dir.file(), &bytes).expect("changed");
        match Disk::open(&dir.0, 1) {
            Err(_) => found += 1,
            Ok(disk) => {
                assert_eq!(disk.vote().expect("readable"), Some(Vote::new(3, 1)), "byte {at}");
                let entries = disk.entries(..).expect("readable");
                assert_eq!(entries.len(), 200, "byte {at}");
                for (entry, index) in entries.iter().zip(1..) {
                    assert_eq!(*entry, logged(1, index, 100), "byte {at}");
                }
            }
        }
    }
    assert!(found > 0, "no byte that was changed mattered");
}

#[test]
fn one_file_has_one_owner_and_one_user() {
    let dir = filled();
    let error = Disk::open(&dir.0, 2).expect_err("another's");
    assert!(matches!(error, DiskError::OtherNode { have: 1, asked: 2, .. }), "{error}");
    let _open = Disk::open(&dir.0, 1).expect("its own");
    let error = Disk::open(&dir.0, 1).expect_err("twice");
    assert!(matches!(error, DiskError::Busy(_)), "{error}");
}

#[test]
fn the_state_is_what_snapshot_and_log_make_of_it_after_a_restart() {
    let dir = Dir::new();
    let before = {
        let (mut journal, mut machine) = raft::open(&dir.0, 1, birth()).expect("new");
        wait(async {
            let entries: Vec<_> = (1..=10).map(|index| logged(1, index, 10)).collect();
            journal.blocking_append(entries.clone()).await.expect("written");
            machine.apply(entries[..6].to_vec()).await.expect("applied");
            machine.build_snapshot().await.expect("built");
            journal.purge(id(1, 6)).await.expect("purged");
            machine.apply(entries[6..].to_vec()).await.expect("applied");
        });
        machine.look(Clone::clone)
    };
    let (_, mut machine) = raft::open(&dir.0, 1, birth()).expect("there");
    let (applied, _) = wait(machine.applied_state()).expect("known");
    assert_eq!(applied, Some(id(1, 6)));
    let rest = Disk::open(&dir.0, 1);
    assert!(matches!(rest, Err(DiskError::Busy(_))), "it is in use");
    drop((machine, rest));
    let disk = Arc::new(Disk::open(&dir.0, 1).expect("there"));
    let mut machine = Machine::new(Arc::clone(&disk), birth()).expect("there");
    wait(machine.apply(disk.entries(7..).expect("readable"))).expect("applied");
    assert_eq!(machine.look(Clone::clone), before);
}

/// A snapshot that a leader has sent is written by another task than the one that has entries go. Killed
/// in between, a node must find one of the two.
#[test]
fn entries_go_only_when_the_snapshot_that_holds_them_is_on_disk() {
    let dir = Dir::new();
    let (mut journal, mut machine) = raft::open(&dir.0, 1, birth()).expect("new");
    wait(async {
        let entries: Vec<_> = (1..=10).map(|index| logged(1, index, 10)).collect();
        journal.blocking_append(entries.clone()).await.expect("written");
        machine.apply(entries).await.expect("applied");
        let mut purging = journal.clone();
        let purge = tokio::spawn(async move { purging.purge(id(1, 10)).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!purge.is_finished(), "nothing holds them yet");
        assert_eq!(journal.disk().entries(..).expect("readable").len(), 10);
        machine.build_snapshot().await.expect("built");
        purge.await.expect("no panic").expect("purged");
        assert_eq!(journal.disk().entries(..).expect("readable"), []);
    });
    drop((journal, machine));
    let disk = Disk::open(&dir.0, 1).expect("whole");
    assert_eq!(disk.extent().expect("readable"), Some(id(1, 10)));
}
