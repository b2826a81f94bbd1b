//! Scripts that are run again and again: which of them say that this node is fit.
//!
//! The first run decides by itself; after that it takes `rise` successes or `fall` failures in a row.
//! A run that takes too long is a failure at that moment, is asked to end, then made to. While one
//! still runs, no second one of the same script is started: the turn is left out, and if the run has
//! already failed, that counts as another failure.
//!
//! A script written `</path` is no program but a file, good while it can be opened. It is opened in a
//! process of its own all the same: with the rights of the check's user, and with an end when the file is
//! a pipe that nobody writes to.
//!
//! What a script writes goes nowhere, so it cannot fill anything; what it leaves running is its own
//! business unless its time was up, for scripts that restart a service leave that service running.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{Instant, Name, ScriptResult, Tracker, Verdict};
use compat::{Phase, ScriptStanding};
use linux::{Child, End, Interest, Poll};

use super::queues::{GRACE, start};
use crate::messages::{FromRunner, Script};
use crate::sensors::Check;

/// All of them.
pub(super) struct Checks {
    by_name: BTreeMap<Name, Watched>,
    next_token: u64,
}

struct Watched {
    check: Check,
    good: Option<bool>,
    /// Results in a row that say otherwise.
    contrary: u32,
    last: Option<ScriptResult>,
    next: Instant,
    running: Option<Run>,
}

struct Run {
    child: Child,
    started: Instant,
    /// When the next step is taken against it.
    deadline: Instant,
    failed: bool,
    killed: bool,
}

impl Checks {
    /// None yet; descriptors are numbered from `first_token`.
    pub(super) fn new(first_token: u64) -> Self {
        Self { by_name: BTreeMap::new(), next_token: first_token }
    }

    /// These from now on. One that is the same goes on as it was, others begin anew; `known` is what
    /// was said of them to somebody who still believes it.
    pub(super) fn set(&mut self, now: Instant, checks: Vec<Check>, known: &[(Tracker, Verdict)]) {
        let mut before = std::mem::take(&mut self.by_name);
        for check in checks {
            let same = before.remove(&check.name).filter(|watched| watched.check == check);
            let watched = same.unwrap_or_else(|| {
                let tracker = check.tracker();
                let verdict = known.iter().find(|(known, _)| *known == tracker);
                let good = match verdict.map(|(_, verdict)| *verdict) {
                    Some(Verdict::Good) => Some(true),
                    Some(Verdict::Bad) => Some(false),
                    Some(Verdict::Unknown | Verdict::Number(_)) | None => None,
                };
                Watched { check, good, contrary: 0, last: None, next: now, running: None }
            });
            self.by_name.insert(watched.check.name.clone(), watched);
        }
    }

    /// Takes every step that is possible now; answers with what is worth telling.
    pub(super) fn advance(&mut self, now: Instant, poll: &Poll) -> Vec<FromRunner> {
        let mut told = Vec::new();
        for watched in self.by_name.values_mut() {
            watched.step(now, poll, &mut self.next_token, &mut told);
        }
        told
    }

    /// How each of them stands, for those who ask.
    pub(super) fn standing(&self) -> BTreeMap<Name, ScriptStanding> {
        let standing = |watched: &Watched| ScriptStanding {
            phase: match &watched.running {
                None => Phase::Idle,
                Some(run) if run.killed => Phase::Forced,
                Some(run) if run.failed => Phase::Asked,
                Some(_) => Phase::Running,
            },
            contrary: watched.contrary,
        };
        self.by_name.iter().map(|(name, watched)| (name.clone(), standing(watched))).collect()
    }

    /// When [`Checks::advance`] is due at the latest.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let times = |watched: &Watched| {
            let deadline = watched.running.as_ref().map_or(watched.next, |run| run.deadline);
            deadline.min(watched.next)
        };
        self.by_name.values().map(times).min()
    }
}

impl Watched {
    fn step(&mut self, now: Instant, poll: &Poll, next: &mut u64, told: &mut Vec<FromRunner>) {
        if let Some(run) = &mut self.running {
            let took = now.since(run.started);
            match run.child.try_wait() {
                Ok(Some(result)) => {
                    let failed = run.failed;
                    let _ = poll.remove(&run.child);
                    self.running = None;
                    if !failed {
                        self.count(result, took, told);
                    }
                }
                Ok(None) if now >= run.deadline => {
                    let end = if run.failed { End::Kill } else { End::Ask };
                    let first = !std::mem::replace(&mut run.failed, true);
                    run.killed = !first;
                    run.deadline = now + GRACE;
                    // It may end by itself at this very moment; the next step will tell.
                    let _ = run.child.kill_group(end);
                    if first {
                        self.count(ScriptResult::TimedOut, took, told);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    self.running = None;
                    let why = format!("lost: {error}");
                    self.count(ScriptResult::NotStarted(why), took, told);
                }
            }
        }
        if now < self.next {
            return;
        }
        // In its rhythm, however late we are; but turns that were missed are not made up for.
        let next_turn = self.next + self.check.interval;
        self.next = if next_turn <= now { now + self.check.interval } else { next_turn };
        match &self.running {
            Some(run) if run.failed => self.count(ScriptResult::TimedOut, Duration::ZERO, told),
            Some(_) => {}
            None => self.start(now, poll, next, told),
        }
    }

    fn start(&mut self, now: Instant, poll: &Poll, next: &mut u64, told: &mut Vec<FromRunner>) {
        let token = *next;
        *next += 1;
        let opener = opener(&self.check.script);
        let started = start(opener.as_ref().unwrap_or(&self.check.script), &[]).and_then(|child| {
            poll.add(&child, token, Interest::Read)?;
            Ok(child)
        });
        match started {
            Ok(child) => {
                let deadline = now + self.check.timeout;
                self.running =
                    Some(Run { child, started: now, deadline, failed: false, killed: false });
            }
            Err(error) => {
                self.count(ScriptResult::NotStarted(error.to_string()), Duration::ZERO, told);
            }
        }
    }

    /// Takes a result into account; tells when it changes the verdict, or is another than the last.
    fn count(&mut self, result: ScriptResult, took: Duration, told: &mut Vec<FromRunner>) {
        let good = result == ScriptResult::Exited(0);
        let before = self.good;
        match before {
            None => self.good = Some(good),
            Some(is) if is == good => self.contrary = 0,
            Some(_) => {
                self.contrary += 1;
                let enough = if good { self.check.rise } else { self.check.fall };
                if self.contrary >= enough {
                    self.good = Some(good);
                    self.contrary = 0;
                }
            }
        }
        let news = self.last.as_ref() != Some(&result);
        if news || self.good != before {
            let verdict = if self.good == Some(true) { Verdict::Good } else { Verdict::Bad };
            let (tracker, command) = (self.check.tracker(), self.check.script.argv.join(" "));
            let run = Some((command, result.clone(), took));
            told.push(FromRunner::Verdict { tracker, verdict, run });
        }
        self.last = Some(result);
    }
}

/// What opens the file of a check that is only that. The name is an argument, so the shell reads it as a
/// name and nothing else.
fn opener(script: &Script) -> Option<Script> {
    let path = script.argv.first()?.strip_prefix('<')?;
    let argv = ["/bin/sh", "-c", "<\"$1\"", "sh", path].map(String::from).to_vec();
    Some(Script { argv, ..script.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux::clock;

    fn check(name: &str, script: &str, rise: u32, fall: u32) -> Check {
        let argv = ["/bin/sh", "-c", script].map(String::from).to_vec();
        Check {
            name: name.into(),
            script: Script { argv, account: None, secure: false },
            interval: Duration::from_millis(50),
            timeout: Duration::from_millis(400),
            rise,
            fall,
        }
    }

    struct Bench {
        checks: Checks,
        poll: Poll,
        told: Vec<(String, Verdict, ScriptResult)>,
    }

    impl Bench {
        fn new(checks: Vec<Check>) -> Self {
            let mut bench =
                Bench { checks: Checks::new(1), poll: Poll::new().unwrap(), told: Vec::new() };
            bench.checks.set(clock::monotonic(), checks, &[]);
            bench
        }

        /// Runs until so many verdicts were told, or ten seconds are over.
        fn until(&mut self, n: usize) {
            let begin = clock::monotonic();
            while self.told.len() < n && clock::monotonic().since(begin) < Duration::from_secs(10) {
                self.turn();
            }
            assert_eq!(self.told.len(), n, "{:?}", self.told);
        }

        fn turn(&mut self) {
            for told in self.checks.advance(clock::monotonic(), &self.poll) {
                if let FromRunner::Verdict { tracker, verdict, run: Some((_, result, _)) } = told {
                    self.told.push((tracker.name.to_string(), verdict, result));
                }
            }
            self.poll.wait(Some(Duration::from_millis(5))).unwrap().for_each(drop);
        }
    }

    fn file(name: &str) -> String {
        let path =
            std::env::temp_dir().join(format!("mainstay-check-{name}-{}", std::process::id()));
        path.display().to_string()
    }

    #[test]
    fn the_first_run_decides_and_then_rise_and_fall_do() {
        let flag = file("flag");
        let count = file("count");
        let script = format!("echo . >> {count}; test -e {flag}");
        let mut bench = Bench::new(vec![check("chk", &script, 3, 2)]);
        let runs = || std::fs::read_to_string(&count).unwrap_or_default().len() / 2;
        bench.until(1);
        assert_eq!(bench.told[0], ("chk".into(), Verdict::Bad, ScriptResult::Exited(1)));
        std::fs::write(&flag, "").unwrap();
        let before = runs();
        // The first success is told as another result, with the verdict as it was.
        bench.until(3);
        assert_eq!(bench.told[1], ("chk".into(), Verdict::Bad, ScriptResult::Exited(0)));
        assert_eq!(bench.told[2], ("chk".into(), Verdict::Good, ScriptResult::Exited(0)));
        assert!(runs() - before >= 3);
        std::fs::remove_file(&flag).unwrap();
        bench.until(5);
        assert_eq!((bench.told[3].1, bench.told[4].1), (Verdict::Good, Verdict::Bad));
        let _ = std::fs::remove_file(&count);
    }

    #[test]
    fn a_script_that_hangs_has_failed_when_its_time_is_up_and_is_killed_with_what_it_started() {
        let pid = file("pid");
        // It does not listen to being asked, and neither does what it starts.
        let script =
            format!("trap '' TERM; (trap '' TERM; sleep 60) & echo $! > {pid}; wait; wait");
        let mut bench = Bench::new(vec![check("chk", &script, 1, 1)]);
        bench.until(1);
        assert_eq!(bench.told[0], ("chk".into(), Verdict::Bad, ScriptResult::TimedOut));
        let child: u32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        assert!(linux::process(child, false).is_some());
        let begin = clock::monotonic();
        while linux::process(child, false).is_some() {
            assert!(clock::monotonic().since(begin) < Duration::from_secs(8), "it lives on");
            bench.turn();
        }
        let _ = std::fs::remove_file(&pid);
    }

    #[test]
    fn one_that_floods_its_output_and_one_that_leaves_something_running_succeed() {
        let pid = file("left");
        let mut bench = Bench::new(vec![
            check("flood", "head -c 50000000 /dev/zero; exit 0", 1, 1),
            check("fork", &format!("sleep 3 & echo $! > {pid}; exit 0"), 1, 1),
        ]);
        bench.checks.by_name.values_mut().for_each(|w| w.check.timeout = Duration::from_secs(9));
        bench.until(2);
        assert!(bench.told.iter().all(|(_, verdict, _)| *verdict == Verdict::Good));
        let child: u32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        assert!(linux::process(child, false).is_some(), "it may stay");
        let _ = std::fs::remove_file(&pid);
    }

    #[test]
    fn a_reload_keeps_what_is_the_same_and_begins_anew_with_what_is_not() {
        let mut bench =
            Bench::new(vec![check("same", "exit 0", 1, 3), check("other", "exit 0", 1, 3)]);
        bench.until(2);
        let changed = check("other", "exit 1", 1, 3);
        bench.checks.set(clock::monotonic(), vec![check("same", "exit 0", 1, 3), changed], &[]);
        assert_eq!(bench.checks.by_name[&Name::from("same")].good, Some(true));
        assert_eq!(bench.checks.by_name[&Name::from("other")].good, None);
        bench.until(3);
        assert_eq!(bench.told[2].1, Verdict::Bad, "the first run of a changed script decides");
        // Another runner takes over what was known: thresholds hold.
        let known = [(check("same", "", 1, 1).tracker(), Verdict::Good)];
        let mut heir = Bench::new(Vec::new());
        heir.checks.set(clock::monotonic(), vec![check("same", "exit 1", 1, 3)], &known);
        heir.until(2);
        assert_eq!((heir.told[0].1, heir.told[1].1), (Verdict::Good, Verdict::Bad));
    }

    #[test]
    fn what_cannot_be_started_is_a_failure_that_says_why() {
        let mut nowhere = check("chk", "", 1, 1);
        nowhere.script.argv = vec!["relative/path".into()];
        let mut bench = Bench::new(vec![nowhere]);
        bench.until(1);
        assert!(
            matches!(&bench.told[0].2, ScriptResult::NotStarted(why) if why.contains("absolute"))
        );
    }

    #[test]
    fn a_file_alone_is_good_while_it_can_be_opened_and_its_name_is_no_shell_s() {
        // A name that a shell would take apart.
        let flag = file("open me; exit 0 #");
        let opened = |limit| {
            let mut check = check("chk", "", 1, 1);
            check.script.argv = vec![format!("<{flag}")];
            check.timeout = Duration::from_millis(limit);
            check
        };
        let mut bench = Bench::new(vec![opened(9_000)]);
        bench.until(1);
        assert!(matches!(bench.told[0].2, ScriptResult::Exited(1..)), "{:?}", bench.told);
        std::fs::write(&flag, "").unwrap();
        bench.until(2);
        assert_eq!(bench.told[1], ("chk".into(), Verdict::Good, ScriptResult::Exited(0)));
        std::fs::remove_file(&flag).unwrap();
        bench.until(3);
        assert_eq!(bench.told[2].1, Verdict::Bad);
        // A pipe nobody writes to is never open.
        assert!(std::process::Command::new("mkfifo").arg(&flag).status().unwrap().success());
        let mut bench = Bench::new(vec![opened(100)]);
        bench.until(1);
        assert_eq!(bench.told[0], ("chk".into(), Verdict::Bad, ScriptResult::TimedOut));
        std::fs::remove_file(&flag).unwrap();
    }
}
