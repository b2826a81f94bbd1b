//! The script by which a node tells whether it is fit: the runner that runs it again and again, and
//! control, which passes on to the engine what came of it.
//!
//! As in the daemon: whatever an engine is told once it knows until it hears otherwise; one that begins
//! is told what control knows; and nobody hears of a script while its runner, or control, is dead.

use core::time::Duration;
use std::collections::BTreeMap;

use base::{Effect, Name, TrackEffect, Tracker, TrackerKind, Verdict, Weighed};
use vrrp::{Input, InstanceConfig, Tracked};

use crate::lan::{Coming, Lan};
use crate::node::Node;

/// From one run to the next.
const INTERVAL: Duration = Duration::from_secs(1);
/// What passes between two processes takes so long at most, microseconds.
const HOP: u64 = 3_000;

/// What becomes of a node's script.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    /// Whether it fails.
    pub(crate) fails: bool,
    /// Counts its runners: what an earlier one would have run, nobody runs.
    pub(crate) runner: u32,
    /// What control was last told.
    known: Verdict,
    /// What engines were last told, each in its life: one may go on that stood still for another.
    told: BTreeMap<u32, Verdict>,
}

/// The script, as configurations name it.
pub(crate) fn tracker() -> Tracker {
    Tracker { kind: TrackerKind::Script, name: Name::from("fit") }
}

/// What it means for an instance.
pub(crate) fn tracked(effect: TrackEffect, assume_bad: bool) -> Tracked {
    Tracked { tracker: tracker(), effect: Effect::Of(effect), assume_bad }
}

impl Node {
    /// What its engine was last told about the script.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.script.told.get(&self.life).copied().unwrap_or_default()
    }

    /// What the script means for an instance of this configuration, as its engine knows.
    pub(crate) fn weighed(&self, config: &InstanceConfig) -> Option<Weighed> {
        let of = config.trackers.iter().find(|tracked| tracked.tracker == tracker())?;
        Some(of.effect.weigh(self.verdict(), of.assume_bad))
    }
}

impl Lan {
    /// Another runner begins, and knows nothing.
    pub(crate) fn begin_runner(&mut self, at: usize) {
        let script = &mut self.nodes[at].script;
        script.runner += 1;
        let runner = script.runner;
        let soon = self.hop();
        self.put(soon, Coming::Script(at, runner));
    }

    /// The runner dies: what it has told stands.
    pub(crate) fn kill_runner(&mut self, at: usize) {
        self.nodes[at].script.runner += 1;
    }

    /// Control dies, and its runner with it: what control knew is lost.
    pub(crate) fn kill_control(&mut self, at: usize) {
        self.kill_runner(at);
        self.nodes[at].script.known = Verdict::Unknown;
    }

    /// The script is run, by the runner with this number.
    pub(crate) fn run_script(&mut self, at: usize, runner: u32) {
        let now = self.now;
        let node = &self.nodes[at];
        if node.script.runner != runner || !node.alive || node.guard.is_none() {
            return;
        }
        // Held up like everything else of its machine or of ours.
        let held_up = node.frozen_until.max(node.guard_paused_until);
        if held_up > now {
            return self.put(held_up.since(now), Coming::Script(at, runner));
        }
        let script = &mut self.nodes[at].script;
        let verdict = if script.fails { Verdict::Bad } else { Verdict::Good };
        let news = core::mem::replace(&mut script.known, verdict) != verdict;
        if news {
            self.tell_verdict(at);
        }
        self.put(INTERVAL, Coming::Script(at, runner));
    }

    /// Control tells the engine of a node what it knows.
    pub(crate) fn tell_verdict(&mut self, at: usize) {
        let node = &self.nodes[at];
        let (life, known) = (node.life, node.script.known);
        if known != Verdict::Unknown {
            let soon = self.hop();
            self.put(soon, Coming::Verdict(at, life, known));
        }
    }

    /// The engine of that life is told, if it can listen.
    pub(crate) fn hear_verdict(&mut self, at: usize, life: u32, verdict: Verdict) {
        let node = &mut self.nodes[at];
        if node.life != life || !node.alive || !node.running {
            return;
        }
        if let Some(until) = self.postponed(at) {
            return self.put(until, Coming::Verdict(at, life, verdict));
        }
        if self.nodes[at].script.told.insert(life, verdict) == Some(verdict) {
            return;
        }
        self.tape.mark(self.now, at, 11);
        self.handle(at, Input::Verdict { tracker: tracker(), verdict });
    }

    fn hop(&mut self) -> Duration {
        Duration::from_micros(100 + self.random.below(HOP))
    }
}
