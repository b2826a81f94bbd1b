//! What every tracker says now, whoever watches it, and who is to be told.
//!
//! Control is where it all comes together: it watches files itself, hears of scripts and processes
//! from the runner, and passes every verdict on to the engine. It keeps them, because an engine that
//! is new must hear all of them before it hears what it is to run.

mod files;

use std::collections::BTreeMap;

use std::time::Duration;

use base::{Instant, ScriptResult, Tracker, Verdict};
use linux::Poll;

use crate::messages::{ToEngine, ToRunner};
use crate::sensors::{Sensors, Watch};
use files::FileSensor;
pub(super) use files::Remark;

/// All trackers.
pub(crate) struct Trackers {
    sensors: Sensors,
    files: FileSensor,
    verdicts: BTreeMap<Tracker, Verdict>,
    /// Since when they say so.
    since: BTreeMap<Tracker, Instant>,
    /// The runs that scripts were last seen by.
    runs: BTreeMap<Tracker, Run>,
}

/// A script's command line, how it ended, how long it took.
pub(crate) type Run = (String, ScriptResult, Duration);

impl Trackers {
    /// None yet; the watch on files will be numbered `token`.
    pub(super) fn new(token: u64) -> Self {
        Self {
            sensors: Sensors::default(),
            files: FileSensor::new(token),
            verdicts: BTreeMap::new(),
            since: BTreeMap::new(),
            runs: BTreeMap::new(),
        }
    }

    /// These from now on. What is the same keeps its verdict; what is not is as if it had never
    /// spoken. `begins`: files are given their first value; not when another control takes over.
    pub(super) fn set(&mut self, now: Instant, poll: &Poll, sensors: Sensors, begins: bool) {
        let before = std::mem::replace(&mut self.sensors, sensors);
        let same_check = |tracker: &Tracker| {
            let ours = self.sensors.checks.iter().find(|check| check.tracker() == *tracker);
            let theirs = before.checks.iter().find(|check| check.tracker() == *tracker);
            ours.is_some() && ours == theirs
        };
        let same_process = |tracker: &Tracker| {
            let ours = self.sensors.processes.iter().find(|one| one.tracker() == *tracker);
            let theirs = before.processes.iter().find(|one| one.tracker() == *tracker);
            ours.is_some() && ours == theirs
        };
        self.verdicts.retain(|tracker, _| same_check(tracker) || same_process(tracker));
        let kept = &self.verdicts;
        let file = |tracker: &Tracker| {
            let still = |of: &Sensors| of.files.iter().any(|file| file.tracker() == *tracker);
            still(&self.sensors) && still(&before)
        };
        self.since.retain(|tracker, _| kept.contains_key(tracker) || file(tracker));
        self.runs.retain(|tracker, _| kept.contains_key(tracker));
        let new = |file: &&crate::sensors::WatchedFile| {
            begins && file.initial.is_some() && !before.files.contains(file)
        };
        let fresh = self.sensors.files.iter().filter(new).cloned().collect();
        let verdicts = self.files.set(now, poll, self.sensors.files.clone(), fresh);
        self.verdicts.extend(verdicts);
        for tracker in self.sensors.trackers() {
            self.since.entry(tracker).or_insert(now);
        }
    }

    /// All of them, what each says, since when, and the run a script was last seen by.
    pub(super) fn each(&self) -> impl Iterator<Item = (Tracker, Verdict, Instant, Option<&Run>)> {
        self.sensors.trackers().map(|tracker| {
            let verdict = self.verdicts.get(&tracker).copied().unwrap_or_default();
            let since = self.since.get(&tracker).copied().unwrap_or(Instant::ZERO);
            let run = self.runs.get(&tracker);
            (tracker, verdict, since, run)
        })
    }

    /// All verdicts there are, for an engine that has heard none.
    pub(super) fn all(&self) -> ToEngine {
        let verdicts = self.verdicts.iter();
        ToEngine::Verdicts(verdicts.map(|(tracker, verdict)| (tracker.clone(), *verdict)).collect())
    }

    /// What the runner is to watch, for one that does not know.
    pub(super) fn watch(&self) -> ToRunner {
        let known = self.verdicts.iter().map(|(tracker, verdict)| (tracker.clone(), *verdict));
        ToRunner::Watch(Watch {
            checks: self.sensors.checks.clone(),
            processes: self.sensors.processes.clone(),
            known: known.collect(),
        })
    }

    /// The files the runner is to write a first value into; asked once.
    pub(super) fn take_unwritten(&mut self) -> Option<ToRunner> {
        let files = self.files.take_unwritten();
        (!files.is_empty()).then_some(ToRunner::Write(files))
    }

    pub(super) fn need_runner(&self) -> bool {
        self.sensors.need_runner()
    }

    /// Takes in what the runner says; what the engine is to hear of it.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        tracker: Tracker,
        verdict: Verdict,
        run: Option<&Run>,
    ) -> Option<ToEngine> {
        // One that a reload has removed may still be on its way.
        if !self.sensors.trackers().any(|known| known == tracker) {
            return None;
        }
        if let Some(run) = run {
            self.runs.insert(tracker.clone(), run.clone());
        }
        let before = self.verdicts.insert(tracker.clone(), verdict);
        if before == Some(verdict) {
            return None;
        }
        self.since.insert(tracker.clone(), now);
        Some(ToEngine::Verdicts(vec![(tracker, verdict)]))
    }

    /// Looks at files that may have changed; what the engine is to hear of them.
    pub(super) fn look(&mut self, now: Instant) -> Option<ToEngine> {
        let changed = self.files.look(now);
        self.verdicts.extend(changed.iter().cloned());
        self.since.extend(changed.iter().map(|(tracker, _)| (tracker.clone(), now)));
        (!changed.is_empty()).then_some(ToEngine::Verdicts(changed))
    }

    /// What is worth saying about files that are not as they should be.
    pub(super) fn take_remarks(&mut self) -> Vec<Remark> {
        self.files.take_remarks()
    }

    /// When [`Trackers::look`] is due at the latest.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.files.poll_timeout()
    }
}
