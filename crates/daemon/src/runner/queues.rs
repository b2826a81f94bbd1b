//! Notify scripts: in order, one at a time for each queue, with a time limit.
//!
//! Order is the point: two transitions close together must reach the script as they happened, and the
//! second must not start before the first has ended. Queues do not wait for each other.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use base::{Instant, Name, ScriptResult};
use linux::{
    Child, End, Identity, Interest, Poll, Program, ScriptFile, runs_with_rights_of_root, spawn,
    spawn_checked,
};

use crate::messages::{FromRunner, Script};

/// How long a script may run before it is asked to end.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// How long it may take to end when asked, before it is killed.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// The whole environment of a script. Ours may hold what it should not see.
const PATH: (&str, &str) = ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

/// A script to be run.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Comes back with the result.
    pub(super) id: u64,
    pub(super) script: Script,
    /// Arguments after the script's own.
    pub(super) more: Vec<String>,
    /// How long it may run.
    pub(super) limit: Duration,
}

/// All queues.
#[derive(Default)]
pub(super) struct Queues {
    queues: BTreeMap<Name, Queue>,
    next_token: u64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    running: Option<Running>,
}

struct Running {
    job: Job,
    child: Child,
    started: Instant,
    /// When the next step is taken against it.
    deadline: Instant,
    asked_to_end: bool,
}

impl Queues {
    /// Queues whose descriptors are numbered from `first_token`.
    pub(super) fn new(first_token: u64) -> Self {
        Self { queues: BTreeMap::new(), next_token: first_token }
    }

    /// Puts a script at the end of a queue.
    pub(super) fn push(&mut self, queue: Name, job: Job) {
        self.queues.entry(queue).or_default().waiting.push_back(job);
    }

    /// Takes every step that is possible now: tells what ended, acts against what runs too long,
    /// starts what is next.
    pub(super) fn advance(&mut self, now: Instant, poll: &Poll) -> Vec<FromRunner> {
        let mut done = Vec::new();
        self.queues.retain(|_, queue| {
            while let Some(ended) = queue.step(now, poll, &mut self.next_token) {
                done.push(ended);
            }
            queue.running.is_some()
        });
        done
    }

    /// When [`Queues::advance`] is due at the latest.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.queues.values().filter_map(|queue| Some(queue.running.as_ref()?.deadline)).min()
    }

    /// Whether nothing runs and nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.queues.is_empty()
    }
}

impl Queue {
    /// One step; what it answers has ended. Asked again until it answers nothing.
    fn step(&mut self, now: Instant, poll: &Poll, next_token: &mut u64) -> Option<FromRunner> {
        if let Some(running) = &mut self.running {
            let result = running.judge(now)?;
            let running = self.running.take()?;
            // A closed descriptor leaves the set by itself.
            let _ = poll.remove(&running.child);
            return Some(running.job.done(result, now.since(running.started)));
        }
        let job = self.waiting.pop_front()?;
        let token = *next_token;
        *next_token += 1;
        match start(&job.script, &job.more).and_then(|child| {
            poll.add(&child, token, Interest::Read)?;
            Ok(child)
        }) {
            Ok(child) => {
                let deadline = now + job.limit;
                let asked_to_end = false;
                let running = Running { job, child, started: now, deadline, asked_to_end };
                self.running = Some(running);
                None
            }
            Err(error) => {
                let result = ScriptResult::NotStarted(error.to_string());
                Some(job.done(result, Duration::ZERO))
            }
        }
    }
}

impl Running {
    /// How it ended, if it has; else makes it end when its time is up.
    fn judge(&mut self, now: Instant) -> Option<ScriptResult> {
        match self.child.try_wait() {
            Ok(Some(_)) if self.asked_to_end => return Some(ScriptResult::TimedOut),
            Ok(Some(result)) => return Some(result),
            Ok(None) => {}
            Err(error) => return Some(ScriptResult::NotStarted(format!("lost: {error}"))),
        }
        if now >= self.deadline {
            let end = if self.asked_to_end { End::Kill } else { End::Ask };
            self.asked_to_end = true;
            self.deadline = now + GRACE;
            // It may end by itself at this very moment; the next step will tell.
            let _ = self.child.kill_group(end);
        }
        None
    }
}

/// Starts a script, with these arguments after its own.
pub(super) fn start(script: &Script, more: &[String]) -> io::Result<Child> {
    let (program, arguments) =
        script.argv.split_first().ok_or_else(|| io::Error::other("an empty command"))?;
    let identity = script.account.as_ref().map(|account| Identity {
        uid: account.uid,
        gid: account.gid,
        groups: account.groups.clone(),
    });
    let path = PathBuf::from(program);
    // What was safe when the configuration was read may not be any more.
    let checked = (script.secure && runs_with_rights_of_root(&path, identity.as_ref()))
        .then(|| ScriptFile::open(&path))
        .transpose()
        .map_err(io::Error::other)?;
    let program = Program {
        path,
        arguments: arguments.iter().chain(more).cloned().collect(),
        environment: vec![(PATH.0.into(), PATH.1.into())],
        identity,
        // A service started in the background by a script inherits its output; a pipe of ours
        // would kill it when the script ends.
        keep_output: None,
    };
    match checked {
        Some(file) => spawn_checked(&program, file),
        None => spawn(&program),
    }
    .map_err(io::Error::other)
}

impl Job {
    fn done(self, result: ScriptResult, took: Duration) -> FromRunner {
        FromRunner::Done { job: self.id, result, took }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux::clock;

    fn job(id: u64, script: &str) -> Job {
        let argv = ["/bin/sh", "-c", script].map(String::from).to_vec();
        let script = Script { argv, account: None, secure: false };
        Job { id, script, more: Vec::new(), limit: PATIENCE }
    }

    /// Runs until `n` scripts have ended, or ten seconds are over.
    fn run(scripts: &mut Queues, n: usize) -> Vec<(u64, ScriptResult)> {
        let mut poll = Poll::new().unwrap();
        let begin = clock::monotonic();
        let mut done = Vec::new();
        while done.len() < n && clock::monotonic().since(begin) < Duration::from_secs(10) {
            let ended = scripts.advance(clock::monotonic(), &poll);
            done.extend(ended.into_iter().filter_map(|told| match told {
                FromRunner::Done { job, result, .. } => Some((job, result)),
                _ => None,
            }));
            poll.wait(Some(Duration::from_millis(20))).unwrap().for_each(drop);
        }
        done
    }

    #[test]
    fn scripts_of_one_queue_run_one_after_the_other() {
        let dir = std::env::temp_dir().join(format!("mainstay-scripts-{}", std::process::id()));
        let mut scripts = Queues::new(0);
        for n in 1..=3 {
            // The earlier, the slower: only waiting for each other keeps the order.
            let naps = format!("sleep 0.{}; echo {n} >> {}", 4 - n, dir.display());
            scripts.push("VI_1".into(), job(n, &naps));
        }
        assert_eq!(run(&mut scripts, 3).len(), 3);
        let order = std::fs::read_to_string(&dir).unwrap();
        std::fs::remove_file(&dir).unwrap();
        assert_eq!(order, "1\n2\n3\n");
        assert!(scripts.is_idle());
    }

    #[test]
    fn queues_do_not_wait_for_each_other() {
        let mut scripts = Queues::new(0);
        scripts.push("slow".into(), job(1, "sleep 30"));
        scripts.push("quick".into(), job(2, "exit 3"));
        assert_eq!(run(&mut scripts, 1), [(2, ScriptResult::Exited(3))]);
        assert!(!scripts.is_idle());
    }

    #[test]
    fn a_script_that_runs_too_long_is_ended_and_the_next_one_starts() {
        let mut scripts = Queues::new(0);
        scripts.push("VI_1".into(), job(1, "sleep 30"));
        scripts.push("VI_1".into(), job(2, "true"));
        let poll = Poll::new().unwrap();
        assert!(scripts.advance(clock::monotonic(), &poll).is_empty());
        // A minute later, by the machine's clock.
        let late = clock::monotonic() + PATIENCE;
        assert!(scripts.advance(late, &poll).is_empty());
        drop(poll);
        let done = run(&mut scripts, 2);
        assert_eq!(done, [(1, ScriptResult::TimedOut), (2, ScriptResult::Exited(0))]);
    }

    #[test]
    fn what_cannot_start_says_why_and_does_not_block_the_queue() {
        let mut scripts = Queues::new(0);
        let mut nowhere = job(1, "");
        nowhere.script.argv = vec!["/no/such/script".into()];
        scripts.push("VI_1".into(), nowhere);
        scripts.push("VI_1".into(), job(2, "true"));
        let done = run(&mut scripts, 2);
        assert!(
            matches!(&done[0].1, ScriptResult::NotStarted(why) if why.contains("/no/such/script"))
        );
        assert_eq!(done[1].1, ScriptResult::Exited(0));
    }

    #[test]
    fn a_path_that_became_writable_by_others_is_refused_at_the_start_of_the_script() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("mainstay-script-{}", std::process::id()));
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        let mut scripts = Queues::new(0);
        let argv = vec![path.display().to_string()];
        let script = Script { argv, account: None, secure: true };
        scripts.push("VI_1".into(), Job { id: 1, script, more: Vec::new(), limit: PATIENCE });
        let done = run(&mut scripts, 1);
        std::fs::remove_file(&path).unwrap();
        assert!(
            matches!(&done[0].1, ScriptResult::NotStarted(why) if why.contains("written to")),
            "{done:?}"
        );
    }
}
