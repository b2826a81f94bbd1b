//! The scripts that were asked for: which are under way, and how the last ones ended.
//!
//! The runner runs them and keeps their order; here is what was asked of it. A runner that ends takes
//! what it had not finished with it, and that is said; the next script gets another runner.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use base::{EventId, Instant, Name, ScriptResult, Tracker, Verdict};
use linux::{Interest, Poll};
use ui::protocol::ScriptReport;

use crate::channel::Channel;
use crate::mail::Delivery;
use crate::messages::{FromRunner, Script, ToRunner};

/// Results kept for each instance.
const KEPT: usize = 16;

/// A script to be run.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) script: Script,
    /// Arguments after its own.
    pub(crate) more: Vec<String>,
    /// The event it is run for.
    pub(crate) cause: EventId,
}

impl Job {
    fn command(&self) -> String {
        let words: Vec<&str> = self.script.argv.iter().chain(&self.more).map(|s| &**s).collect();
        words.join(" ")
    }
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

/// What a runner has said.
#[derive(Debug)]
pub(crate) enum Said {
    /// A script has ended.
    Done(Done),
    /// A tracker says this.
    Verdict(Tracker, Verdict, Option<(String, ScriptResult, Duration)>),
    /// Something that people should know.
    Notice(String),
    /// How scripts and processes stand, for who asked with this number.
    Standing(u64, compat::Standing),
    /// The runner has ended: what it was asked is not answered.
    Lost,
    /// What became of an attempt to deliver a mail.
    Posted(u64, Delivery),
}

/// How long after a runner's end another one is asked for.
const AGAIN: Duration = Duration::from_secs(1);

/// All of them.
#[derive(Default)]
pub(crate) struct Scripts {
    token: u64,
    line: Option<Channel<ToRunner, FromRunner>>,
    /// A runner was asked for and has not come.
    awaited: bool,
    allowed: Vec<Script>,
    /// What may run from the configuration before; its instances' last events may still come.
    allowed_before: Vec<Script>,
    pending: BTreeMap<u64, (Name, Job)>,
    jobs: u64,
    reports: BTreeMap<Name, VecDeque<ScriptReport>>,
    /// Lines for the pipes that no runner has been told yet.
    lines: VecDeque<String>,
    /// The pipes are being closed.
    closing: bool,
    /// When the last runner ended.
    lost_at: Option<Instant>,
}

impl Scripts {
    /// No scripts yet; a runner's line will be waited on under this number.
    pub(crate) fn new(token: u64) -> Self {
        Self { token, ..Self::default() }
    }

    /// These may be run from now on.
    pub(crate) fn allow(&mut self, scripts: Vec<Script>) {
        self.allowed_before = std::mem::replace(&mut self.allowed, scripts);
        if let Some(line) = &mut self.line {
            let _ = line.send(&ToRunner::Allow(self.allowed.clone()));
        }
    }

    /// Has a script run after the others of its instance. Whether a runner is needed first.
    pub(crate) fn push(&mut self, instance: Name, job: Job) -> bool {
        self.jobs += 1;
        if let Some(line) = &mut self.line {
            let _ = line.send(&run(self.jobs, &instance, &job));
        }
        self.pending.insert(self.jobs, (instance, job));
        self.wanted()
    }

    /// Tells the pipes. Whether a runner is needed first.
    pub(crate) fn say(&mut self, line: String) -> bool {
        match &mut self.line {
            Some(runner) => {
                let _ = runner.send(&ToRunner::Say(line));
            }
            None => self.lines.push_back(line),
        }
        self.wanted()
    }

    /// Passes an order on to a runner that is there; one that comes later is given its orders when it
    /// comes.
    pub(crate) fn order(&mut self, order: &ToRunner) {
        if let Some(line) = &mut self.line {
            let _ = line.send(order);
        }
    }

    /// Whether there is a runner to ask.
    pub(crate) fn is_there(&self) -> bool {
        self.line.is_some()
    }

    /// Has all pipes closed; it is not idle until nobody reads any more.
    pub(crate) fn close_pipes(&mut self) {
        self.closing = self.line.is_some();
        self.order(&ToRunner::Pipes(Vec::new()));
    }

    /// A runner is to be there from now on. Whether one is needed for that now.
    pub(crate) fn keep_runner(&mut self, now: Instant) -> bool {
        self.lost_at.is_none_or(|lost| lost + AGAIN <= now) && self.wanted()
    }

    /// When [`Scripts::keep_runner`] is to be asked again.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let missing = self.line.is_none() && !self.awaited;
        self.lost_at.filter(|_| missing).map(|lost| lost + AGAIN)
    }

    /// Whether a runner is to be asked for, since there is none and one is needed.
    pub(crate) fn wanted(&mut self) -> bool {
        self.line.is_none() && !std::mem::replace(&mut self.awaited, true)
    }

    /// A runner has come.
    pub(crate) fn meet(
        &mut self,
        poll: &Poll,
        mut line: Channel<ToRunner, FromRunner>,
        orders: &[ToRunner],
    ) -> io::Result<()> {
        poll.add(&line, self.token, Interest::Read)?;
        self.awaited = false;
        // A broken line says so when it is read.
        let _ = line.send(&ToRunner::Allow(self.allowed_before.clone()));
        let _ = line.send(&ToRunner::Allow(self.allowed.clone()));
        for order in orders {
            let _ = line.send(order);
        }
        for (id, (instance, job)) in &self.pending {
            let _ = line.send(&run(*id, instance, job));
        }
        for text in self.lines.drain(..) {
            let _ = line.send(&ToRunner::Say(text));
        }
        self.line = Some(line);
        Ok(())
    }

    /// What was said since this was last asked.
    pub(crate) fn said(&mut self, now: Instant, poll: &Poll) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some(line) = &mut self.line {
            match line.recv() {
                Ok(Some(FromRunner::Done { job, result, took })) => {
                    said.extend(self.settle(job, result, took).map(Said::Done));
                }
                Ok(Some(FromRunner::Verdict { tracker, verdict, run })) => {
                    said.push(Said::Verdict(tracker, verdict, run));
                }
                Ok(Some(FromRunner::PipesClosed)) => self.closing = false,
                Ok(Some(FromRunner::Posted { job, delivery })) => {
                    said.push(Said::Posted(job, delivery));
                }
                Ok(Some(FromRunner::Standing { ask, standing })) => {
                    said.push(Said::Standing(ask, standing));
                }
                Ok(Some(FromRunner::Notice(text))) => said.push(Said::Notice(text)),
                Ok(None) => break,
                Err(_) => {
                    let _ = poll.remove(line);
                    self.line = None;
                    self.lost_at = Some(now);
                    self.closing = false;
                    said.push(Said::Lost);
                    let lost: Vec<u64> = self.pending.keys().copied().collect();
                    for job in lost {
                        let why = "the runner ended before the script did".into();
                        let result = ScriptResult::NotStarted(why);
                        said.extend(self.settle(job, result, Duration::ZERO).map(Said::Done));
                    }
                }
            }
        }
        said
    }

    /// Waits for room on the line, if there is something to be sent.
    pub(crate) fn watch(&mut self, poll: &Poll) -> io::Result<()> {
        let Some(line) = &mut self.line else { return Ok(()) };
        let _ = line.flush();
        let interest = if line.backlog() > 0 { Interest::Both } else { Interest::Read };
        poll.modify(&*line, self.token, interest)
    }

    /// Whether nothing runs and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty() && !self.closing && self.lines.is_empty()
    }

    /// What ran last for an instance, and how many scripts are still to come.
    pub(crate) fn report(&self, instance: &Name) -> (Vec<ScriptReport>, usize) {
        let reports = self.reports.get(instance).into_iter().flatten().cloned().collect();
        (reports, self.pending.values().filter(|(of, _)| of == instance).count())
    }

    fn settle(&mut self, job: u64, result: ScriptResult, took: Duration) -> Option<Done> {
        let (instance, job) = self.pending.remove(&job)?;
        let command = job.command();
        let reports = self.reports.entry(instance.clone()).or_default();
        if reports.len() == KEPT {
            reports.pop_front();
        }
        reports.push_back(ScriptReport {
            command: command.clone(),
            result: result.clone(),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            cause: job.cause,
        });
        Some(Done { instance, command, result, took, cause: job.cause })
    }
}

fn run(id: u64, instance: &Name, job: &Job) -> ToRunner {
    let Job { script, more, cause: _ } = job.clone();
    ToRunner::Run { job: id, queue: instance.clone(), script, more }
}
