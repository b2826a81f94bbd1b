//! Ends everything that a started program has started in its turn.
//!
//! A process group is not enough: whoever forks, makes a session of its own and lets its parent end
//! is in no group of ours and nobody's child. So three things tell descendants: the session of the
//! program (it leads one), whose child they are, and a variable in their environment, which is
//! inherited by whatever is started without being told otherwise. Who leaves the session, outlives
//! its parent *and* has emptied its environment is not found.
//!
//! A process may start another between the look and the signal; so it is looked again until nothing
//! is found. Each is signalled by a descriptor that was opened before the look (`pidfd_open(2)`): a
//! number that was given to another process meanwhile hits nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Looks at most; every one but the last has ended something.
const LOOKS: usize = 32;

/// What is known of a process.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    parent: u32,
    session: u32,
    began: u64,
}

/// Kills (`SIGKILL`) a program that was started here and is not reaped yet, and what it has started,
/// told by `mark` (`NAME=value`, as it stands in their environment). How many processes were.
pub fn kill_offspring(root: u32, mark: &str) -> usize {
    let mut killed = BTreeSet::new();
    for _ in 0..LOOKS {
        let before = killed.len();
        for (pid, known) in found(root, mark) {
            if !killed.contains(&(pid, known.began)) && kill(pid, known) {
                killed.insert((pid, known.began));
            }
        }
        if killed.len() == before {
            break;
        }
    }
    killed.len()
}

fn found(root: u32, mark: &str) -> BTreeMap<u32, Known> {
    let us = std::process::id();
    let all: BTreeMap<u32, Known> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, look(pid)?)))
        .collect();
    let mut found: BTreeMap<u32, Known> = all
        .iter()
        .filter(|(pid, it)| **pid == root || it.session == root || is_marked(**pid, mark))
        .map(|(pid, it)| (*pid, *it))
        .collect();
    loop {
        let more: Vec<(u32, Known)> = all
            .iter()
            .filter(|(pid, it)| !found.contains_key(pid) && found.contains_key(&it.parent))
            .map(|(pid, it)| (*pid, *it))
            .collect();
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    found.remove(&us);
    found
}

/// `None`: it is gone, or a zombie.
fn look(pid: u32) -> Option<Known> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Known {
        parent: u32::try_from(number(1)?).ok()?,
        session: u32::try_from(number(3)?).ok()?,
        began: number(19)?,
    })
}

fn is_marked(pid: u32, mark: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|octet| *octet == 0).any(|variable| variable == mark.as_bytes())
}

fn kill(pid: u32, known: Known) -> bool {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(Ok(fd)) = number.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else { return false };
    look(pid).is_some_and(|now| now.began == known.began)
        && pidfd_send_signal(&fd, Signal::KILL).is_ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn whoever_left_the_session_and_lost_its_parent_is_found_by_the_mark() {
        let mark = format!("MAINSTAY_TEST_MARK={}", std::process::id());
        let (name, value) = mark.split_once('=').unwrap();
        // A child, a daemon in a session of its own, and one that forgot its environment, but not
        // its parent.
        let script = "sleep 1000 & setsid sh -c 'sleep 1000 & sleep 1000 & exit' & \
                      env -i /bin/sleep 1000 & wait";
        // Not at our outputs: what outlives a failure would keep their reader waiting.
        let quiet =
            |program: &mut Command| program.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut root = quiet(Command::new("sh").args(["-c", script]).env(name, value)).unwrap();
        let begun = Instant::now();
        while found(root.id(), &mark).len() < 5 {
            assert!(begun.elapsed() < Duration::from_secs(20), "not all of them are up");
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut bystander = quiet(Command::new("sleep").arg("1000")).unwrap();
        assert!(kill_offspring(root.id(), &mark) >= 5);
        root.wait().unwrap();
        // Who is killed is gone when the kernel gets to it.
        let begun = Instant::now();
        while !found(root.id(), &mark).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(20), "not all of them are gone");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(bystander.try_wait().unwrap().is_none(), "it was none of theirs");
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    }
}
