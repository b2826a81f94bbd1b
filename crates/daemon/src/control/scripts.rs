//! Notify scripts: in order, one at a time for each instance, with a time limit, their results kept.
//!
//! Order is the point: two transitions close together must reach the script as they happened, and the
//! second must not start before the first has ended. Instances do not wait for each other.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use base::{EventId, Instant, Name, ScriptResult};
use linux::Identity;
use linux::{Child, End, Program, spawn};
use linux::{Interest, Poll};
use ui::protocol::ScriptReport;

/// How long a script may run before it is asked to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it may take to end when asked, before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// Results kept for each instance.
const KEPT: usize = 16;

/// The whole environment of a script. Ours may hold what it should not see.
const PATH: (&str, &str) = ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

/// A script to be run.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Program and arguments.
    pub(crate) argv: Vec<String>,
    /// As whom; `None`: as we are.
    pub(crate) identity: Option<Identity>,
    /// The event it is run for.
    pub(crate) cause: EventId,
}

/// A script that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) instance: Name,
    pub(crate) command: String,
    pub(crate) result: ScriptResult,
    pub(crate) took: Duration,
    pub(crate) cause: EventId,
}

/// All queues.
#[derive(Default)]
pub(crate) struct Scripts {
    queues: BTreeMap<Name, Queue>,
    next_token: u64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    running: Option<Running>,
    reports: VecDeque<ScriptReport>,
}

struct Running {
    job: Job,
    child: Child,
    started: Instant,
    /// When the next step is taken against it.
    deadline: Instant,
    asked_to_end: bool,
}

impl Scripts {
    /// Queues whose descriptors are numbered from `first_token`.
    pub(crate) fn new(first_token: u64) -> Self {
        Self { queues: BTreeMap::new(), next_token: first_token }
    }

    /// Puts a script at the end of its instance's queue.
    pub(crate) fn push(&mut self, instance: Name, job: Job) {
        self.queues.entry(instance).or_default().waiting.push_back(job);
    }

    /// Takes every step that is possible now: tells what ended, acts against what runs too long,
    /// starts what is next.
    pub(crate) fn advance(&mut self, now: Instant, poll: &Poll) -> Vec<Done> {
        let mut done = Vec::new();
        for (instance, queue) in &mut self.queues {
            while let Some(ended) = queue.step(now, poll, &mut self.next_token) {
                queue.keep(&ended);
                done.push(Done { instance: instance.clone(), ..ended });
            }
        }
        done
    }

    /// When [`Scripts::advance`] is due at the latest.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.queues.values().filter_map(|queue| Some(queue.running.as_ref()?.deadline)).min()
    }

    /// Whether nothing runs and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.queues.values().all(|queue| queue.running.is_none() && queue.waiting.is_empty())
    }

    /// What ran last for an instance, and how many scripts are still to come.
    pub(crate) fn report(&self, instance: &Name) -> (Vec<ScriptReport>, usize) {
        self.queues.get(instance).map_or((Vec::new(), 0), |queue| {
            let waiting = queue.waiting.len() + usize::from(queue.running.is_some());
            (queue.reports.iter().cloned().collect(), waiting)
        })
    }
}

impl Queue {
    /// One step; what it answers has ended. Asked again until it answers nothing.
    fn step(&mut self, now: Instant, poll: &Poll, next_token: &mut u64) -> Option<Done> {
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
        match job.start().and_then(|child| {
            poll.add(&child, token, Interest::Read)?;
            Ok(child)
        }) {
            Ok(child) => {
                let deadline = now + PATIENCE;
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

    fn keep(&mut self, done: &Done) {
        if self.reports.len() == KEPT {
            self.reports.pop_front();
        }
        self.reports.push_back(ScriptReport {
            command: done.command.clone(),
            result: done.result.clone(),
            took_ms: u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX),
            cause: done.cause,
        });
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

impl Job {
    fn start(&self) -> io::Result<Child> {
        let (program, arguments) =
            self.argv.split_first().ok_or_else(|| io::Error::other("an empty command"))?;
        let program = Program {
            path: program.into(),
            arguments: arguments.to_vec(),
            environment: vec![(PATH.0.into(), PATH.1.into())],
            identity: self.identity.clone(),
            // A service started in the background by a script inherits its output; a pipe of ours
            // would kill it when the script ends.
            keep_output: None,
        };
        spawn(&program).map_err(io::Error::other)
    }

    fn done(self, result: ScriptResult, took: Duration) -> Done {
        let instance = Name::from("");
        Done { instance, command: self.argv.join(" "), result, took, cause: self.cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Origin;
    use linux::clock;

    fn job(script: &str) -> Job {
        let argv = ["/bin/sh", "-c", script].map(String::from).to_vec();
        Job { argv, identity: None, cause: EventId { origin: Origin::Engine, number: 1 } }
    }

    /// Runs until `n` scripts have ended, or ten seconds are over.
    fn run(scripts: &mut Scripts, n: usize) -> Vec<Done> {
        let mut poll = Poll::new().unwrap();
        let begin = clock::monotonic();
        let mut done = Vec::new();
        while done.len() < n && clock::monotonic().since(begin) < Duration::from_secs(10) {
            done.extend(scripts.advance(clock::monotonic(), &poll));
            poll.wait(Some(Duration::from_millis(20))).unwrap().for_each(drop);
        }
        done
    }

    #[test]
    fn scripts_of_one_instance_run_one_after_the_other() {
        let dir = std::env::temp_dir().join(format!("mainstay-scripts-{}", std::process::id()));
        let mut scripts = Scripts::new(0);
        for n in ["1", "2", "3"] {
            // The earlier, the slower: only waiting for each other keeps the order.
            let naps =
                format!("sleep 0.{}; echo {n} >> {}", 4 - n.parse::<u8>().unwrap(), dir.display());
            scripts.push("VI_1".into(), job(&naps));
        }
        assert_eq!(run(&mut scripts, 3).len(), 3);
        let order = std::fs::read_to_string(&dir).unwrap();
        std::fs::remove_file(&dir).unwrap();
        assert_eq!(order, "1\n2\n3\n");
        assert!(scripts.is_idle());
        assert_eq!(scripts.report(&"VI_1".into()).0.len(), 3);
    }

    #[test]
    fn instances_do_not_wait_for_each_other() {
        let mut scripts = Scripts::new(0);
        scripts.push("slow".into(), job("sleep 30"));
        scripts.push("quick".into(), job("exit 3"));
        let done = run(&mut scripts, 1);
        assert_eq!(done[0].instance, "quick");
        assert_eq!(done[0].result, ScriptResult::Exited(3));
        assert_eq!(scripts.report(&"slow".into()).1, 1);
    }

    #[test]
    fn a_script_that_runs_too_long_is_ended_and_the_next_one_starts() {
        let mut scripts = Scripts::new(0);
        scripts.push("VI_1".into(), job("sleep 30"));
        scripts.push("VI_1".into(), job("true"));
        let poll = Poll::new().unwrap();
        assert!(scripts.advance(clock::monotonic(), &poll).is_empty());
        // A minute later, by the machine's clock.
        let late = clock::monotonic() + PATIENCE;
        assert!(scripts.advance(late, &poll).is_empty());
        drop(poll);
        let done = run(&mut scripts, 2);
        assert_eq!(done[0].result, ScriptResult::TimedOut);
        assert_eq!(done[1].result, ScriptResult::Exited(0));
    }

    #[test]
    fn what_cannot_start_says_why_and_does_not_block_the_queue() {
        let mut scripts = Scripts::new(0);
        let nowhere = Job { argv: vec!["/no/such/script".into()], ..job("") };
        scripts.push("VI_1".into(), nowhere);
        scripts.push("VI_1".into(), job("true"));
        let done = run(&mut scripts, 2);
        assert!(
            matches!(&done[0].result, ScriptResult::NotStarted(why) if why.contains("/no/such/script"))
        );
        assert_eq!(done[1].result, ScriptResult::Exited(0));
    }
}
