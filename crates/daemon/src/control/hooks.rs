//! Scripts around the whole daemon: one before any instance takes part, one when all is over.
//!
//! The engine is told of no instance before the first has ended or its time was up; the daemon does
//! not end before the second has. What became of them is told, and changes nothing.

use std::time::Duration;

use base::{EventId, Instant, Name, Reason, Subject, What};
use serde::{Deserialize, Serialize};

use super::scripts::Job;
use super::{Control, Stage};
use crate::messages::{ControlToGuardian, Script};

/// The queue of both.
const QUEUE: &str = "startup and shutdown";

/// A script that has not ended this long after it was to be killed is not waited for.
const GRACE: Duration = Duration::from_secs(4);

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Hook {
    pub(crate) script: Script,
    /// How long it may run.
    pub(crate) limit: Duration,
}

/// Both.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Hooks {
    pub(crate) startup: Option<Hook>,
    pub(crate) shutdown: Option<Hook>,
    /// How long the scripts of a stop may take altogether (`child_wait_time`).
    pub(crate) last_scripts: Duration,
}

impl Hooks {
    pub(crate) fn scripts(&self) -> impl Iterator<Item = &Script> {
        [&self.startup, &self.shutdown].into_iter().flatten().map(|hook| &hook.script)
    }
}

impl Control {
    /// Before the first configuration reaches the engine.
    pub(super) fn begin_startup(&mut self, now: Instant) {
        let hook = self.loaded.as_ref().and_then(|loaded| loaded.hooks.startup.clone());
        self.startup_until = hook.map(|hook| self.run_hook(now, hook));
    }

    /// A script has ended: perhaps the one that everything waits for.
    pub(super) fn hook_ended(&mut self, queue: &Name) {
        if &**queue == QUEUE && self.startup_until.take().is_some() {
            self.configure();
        }
    }

    /// Goes on without a script that does not end.
    pub(super) fn hook_overdue(&mut self, now: Instant) {
        if self.startup_until.is_some_and(|until| until <= now) {
            self.startup_until = None;
            self.configure();
        }
    }

    /// Everything is over but the script that is to run then: until when to wait for it.
    pub(super) fn begin_shutdown(&mut self, now: Instant, clean: bool) -> bool {
        let hook = self.loaded.as_ref().and_then(|loaded| loaded.hooks.shutdown.clone());
        let Some(hook) = hook else { return false };
        let more = hook.limit + GRACE;
        let until = self.run_hook(now, hook);
        // A guardian that is gone ends us anyway.
        let _ = self.guardian.send(&ControlToGuardian::StopTakes { more });
        self.stage = Stage::Shutdown { until, clean };
        true
    }

    fn run_hook(&mut self, now: Instant, hook: Hook) -> Instant {
        let text = format!("`{}` is run", hook.script.argv.join(" "));
        let cause: EventId = self.events.tell(
            now,
            Subject::Node,
            What::Notice { text },
            Reason::StateScript,
            Vec::new(),
        );
        let until = now + hook.limit + GRACE;
        let job = Job { script: hook.script, more: Vec::new(), cause, limit: Some(hook.limit) };
        let need = self.scripts.push(Name::from(QUEUE), job);
        self.ask_for_runner(need);
        until
    }
}
