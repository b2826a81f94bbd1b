//! How many processes of a kind run, and whether that is enough. Owns no clock and asks nobody: it is
//! told of processes one by one, or of all of them.

use std::collections::{BTreeMap, BTreeSet};

use base::{Instant, Name, Tracker, Verdict};
use linux::ProcessEntry;

use crate::sensors::{Matching, WatchedProcess};

/// What the kernel keeps of a process's name.
const NAME: usize = 15;

/// All kinds that are watched.
#[derive(Default)]
pub(super) struct Census {
    kinds: Vec<Kind>,
}

struct Kind {
    watched: WatchedProcess,
    pids: BTreeSet<u32>,
    good: Option<bool>,
    /// How many there were when that was last settled.
    settled: usize,
    /// When a change counts, if it lasts.
    at: Option<Instant>,
}

impl Census {
    /// These from now on; one that is the same keeps its verdict. The processes are to be told anew.
    pub(super) fn set(&mut self, watched: Vec<WatchedProcess>, known: &[(Tracker, Verdict)]) {
        let mut before = std::mem::take(&mut self.kinds);
        let kind = |watched: WatchedProcess| {
            if let Some(same) = before.iter().position(|kind| kind.watched == watched) {
                return before.swap_remove(same);
            }
            let tracker = watched.tracker();
            let verdict = known.iter().find(|(known, _)| *known == tracker);
            let good = match verdict.map(|(_, verdict)| *verdict) {
                Some(Verdict::Good) => Some(true),
                Some(Verdict::Bad) => Some(false),
                Some(Verdict::Unknown | Verdict::Number(_)) | None => None,
            };
            Kind { watched, pids: BTreeSet::new(), good, settled: 0, at: None }
        };
        self.kinds = watched.into_iter().map(kind).collect();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Whether command lines are needed to tell processes apart.
    pub(super) fn wants_commands(&self) -> bool {
        self.kinds.iter().any(|kind| by_command(&kind.watched))
    }

    /// These are all processes there are.
    pub(super) fn all(&mut self, entries: &[ProcessEntry]) {
        for kind in &mut self.kinds {
            let matching = entries.iter().filter(|entry| matches(&kind.watched, entry));
            kind.pids = matching.map(|entry| entry.pid).collect();
        }
    }

    /// This process is so now; `None`: it has ended.
    pub(super) fn one(&mut self, pid: u32, entry: Option<&ProcessEntry>) {
        for kind in &mut self.kinds {
            if entry.is_some_and(|entry| matches(&kind.watched, entry)) {
                kind.pids.insert(pid);
            } else {
                kind.pids.remove(&pid);
            }
        }
    }

    /// How many of each kind there are.
    pub(super) fn counts(&self) -> BTreeMap<Name, u32> {
        let count = |kind: &Kind| u32::try_from(kind.pids.len()).unwrap_or(u32::MAX);
        self.kinds.iter().map(|kind| (kind.watched.name.clone(), count(kind))).collect()
    }

    /// The verdicts that are others than before, now.
    pub(super) fn settle(&mut self, now: Instant) -> Vec<(Tracker, Verdict)> {
        let mut verdicts = Vec::new();
        for kind in &mut self.kinds {
            if let Some(good) = kind.settle(now) {
                let verdict = if good { Verdict::Good } else { Verdict::Bad };
                verdicts.push((kind.watched.tracker(), verdict));
            }
        }
        verdicts
    }

    /// When [`Census::settle`] is due at the latest.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.kinds.iter().filter_map(|kind| kind.at).min()
    }
}

impl Kind {
    fn settle(&mut self, now: Instant) -> Option<bool> {
        let count = self.pids.len();
        let number = u32::try_from(count).unwrap_or(u32::MAX);
        let good =
            number >= self.watched.least && self.watched.most.is_none_or(|most| number <= most);
        if self.good == Some(good) {
            (self.at, self.settled) = (None, count);
            return None;
        }
        if self.good.is_some() {
            // A fork may be followed by an exec, an end by another start.
            let (up, down) = (self.watched.up_delay, self.watched.down_delay);
            let delay = if count > self.settled { up } else { down };
            let at = *self.at.get_or_insert(now + delay);
            if now < at {
                return None;
            }
        }
        (self.good, self.at, self.settled) = (Some(good), None, count);
        Some(good)
    }
}

fn by_command(watched: &WatchedProcess) -> bool {
    watched.full_command || !watched.arguments.is_empty() || watched.matching != Matching::Exact
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn matches(watched: &WatchedProcess, entry: &ProcessEntry) -> bool {
    if !by_command(watched) {
        let name = last_part(&watched.command);
        let mut end = name.len().min(NAME);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        return entry.name == name[..end];
    }
    let Some((program, arguments)) = entry.command.split_first() else { return false };
    let same = *program == watched.command
        || (!watched.command.contains('/') && last_part(program) == watched.command);
    let wanted = &watched.arguments;
    same && match (watched.matching, wanted.split_last()) {
        (Matching::Exact, None) if !watched.full_command => true,
        (Matching::Exact, _) | (_, None) => arguments == wanted.as_slice(),
        (Matching::First, _) => arguments.starts_with(wanted),
        (Matching::Initial, Some((last, before))) => {
            arguments.starts_with(before)
                && arguments.get(before.len()).is_some_and(|given| given.starts_with(&**last))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn watched(command: &str, arguments: &[&str]) -> WatchedProcess {
        WatchedProcess {
            name: "p".into(),
            command: command.into(),
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            matching: Matching::Exact,
            full_command: false,
            least: 1,
            most: None,
            up_delay: Duration::ZERO,
            down_delay: Duration::ZERO,
        }
    }

    fn entry(pid: u32, name: &str, line: &str) -> ProcessEntry {
        let command = line.split_whitespace().map(String::from).collect();
        ProcessEntry { pid, name: name.into(), command }
    }

    #[test]
    fn processes_are_told_apart_by_name_or_by_what_they_were_started_with() {
        let sshd = entry(1, "sshd", "/usr/sbin/sshd -D -p 22");
        let with = |matching, arguments: &[&str]| WatchedProcess {
            matching,
            ..watched("/usr/sbin/sshd", arguments)
        };
        for (rule, expected) in [
            (watched("sshd", &[]), true),
            (watched("ssh", &[]), false),
            (watched("/usr/sbin/sshd", &[]), true),
            (watched("/usr/sbin/sshd", &["-D"]), false),
            (watched("/usr/sbin/sshd", &["-D", "-p", "22"]), true),
            (watched("sshd", &["-D", "-p", "22"]), true),
            (watched("/bin/sshd", &["-D", "-p", "22"]), false),
            (with(Matching::First, &["-D"]), true),
            (with(Matching::First, &["-p"]), false),
            (with(Matching::First, &[]), false),
            (with(Matching::Initial, &["-D", "-p", "2"]), true),
            (with(Matching::First, &["-D", "-p", "2"]), false),
            (WatchedProcess { full_command: true, ..watched("/usr/sbin/sshd", &[]) }, false),
        ] {
            assert_eq!(matches(&rule, &sshd), expected, "{rule:?}");
        }
        // The kernel keeps fifteen octets of a name.
        let long = entry(2, "a-very-long-nam", "/a-very-long-name");
        assert!(matches(&watched("a-very-long-name", &[]), &long));
        // A kernel thread has no command line.
        let thread = entry(3, "kworker/0:0", "");
        assert!(!matches(&with(Matching::First, &[]), &thread));
    }

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    fn verdicts(census: &mut Census, millis: u64) -> Vec<Verdict> {
        census.settle(at(millis)).into_iter().map(|(_, verdict)| verdict).collect()
    }

    #[test]
    fn between_quorum_and_its_maximum_it_is_good() {
        let mut census = Census::default();
        census.set(vec![WatchedProcess { least: 2, most: Some(3), ..watched("p", &[]) }], &[]);
        let mut expect = |n: u32, expected: &[Verdict]| {
            let entries: Vec<_> = (0..n).map(|pid| entry(pid, "p", "p")).collect();
            census.all(&entries);
            assert_eq!(verdicts(&mut census, 0), expected, "{n}");
        };
        expect(1, &[Verdict::Bad]);
        expect(1, &[]);
        expect(2, &[Verdict::Good]);
        expect(3, &[]);
        expect(4, &[Verdict::Bad]);
        expect(0, &[]);
        expect(3, &[Verdict::Good]);
    }

    #[test]
    fn quorum_none_with_a_maximum_of_none_means_that_it_must_not_run() {
        let mut census = Census::default();
        census.set(vec![WatchedProcess { least: 0, most: Some(0), ..watched("p", &[]) }], &[]);
        census.all(&[]);
        assert_eq!(verdicts(&mut census, 0), [Verdict::Good]);
        census.one(7, Some(&entry(7, "p", "p")));
        assert_eq!(verdicts(&mut census, 0), [Verdict::Bad]);
    }

    #[test]
    fn a_change_counts_when_it_has_lasted() {
        let (up_delay, down_delay) = (Duration::from_millis(300), Duration::from_millis(100));
        let mut census = Census::default();
        census.set(vec![WatchedProcess { up_delay, down_delay, ..watched("p", &[]) }], &[]);
        let one = entry(7, "p", "p");
        census.one(7, Some(&one));
        assert_eq!(verdicts(&mut census, 0), [Verdict::Good], "the first verdict is not put off");
        // A restart within the delay was none.
        census.one(7, None);
        assert!(verdicts(&mut census, 10).is_empty());
        assert_eq!(census.poll_timeout(), Some(at(110)));
        census.one(8, Some(&one));
        assert!(verdicts(&mut census, 50).is_empty());
        assert_eq!(census.poll_timeout(), None);
        census.one(8, None);
        assert!(verdicts(&mut census, 200).is_empty());
        assert_eq!(verdicts(&mut census, 300), [Verdict::Bad]);
        // A fork that turns into something else at once was none either.
        census.one(9, Some(&one));
        assert!(verdicts(&mut census, 400).is_empty());
        census.one(9, Some(&entry(9, "other", "other")));
        assert!(verdicts(&mut census, 401).is_empty());
        census.one(9, Some(&one));
        assert!(verdicts(&mut census, 500).is_empty());
        assert_eq!(verdicts(&mut census, 800), [Verdict::Good]);
    }

    #[test]
    fn what_is_the_same_after_a_reload_keeps_its_verdict() {
        let mut census = Census::default();
        census.set(vec![watched("p", &[])], &[]);
        census.all(&[]);
        assert_eq!(verdicts(&mut census, 0), [Verdict::Bad]);
        census.set(vec![watched("p", &[])], &[]);
        assert!(verdicts(&mut census, 0).is_empty());
        let other = WatchedProcess { name: "q".into(), ..watched("q", &[]) };
        let known = [(other.tracker(), Verdict::Bad)];
        census.set(vec![other], &known);
        assert!(verdicts(&mut census, 0).is_empty(), "another runner has said so already");
    }
}
