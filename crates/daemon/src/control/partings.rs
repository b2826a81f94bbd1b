//! Scripts that run before a planned move takes VIPs off this node (`notify_before_release`).
//!
//! A stop, a switch-over and a reload that removes an instance begin with what was asked for them;
//! the engine is told when the scripts have ended or their time is up, and until then knows nothing:
//! it serves, renews its leases and advertises as ever. What is not planned waits for nobody.

use std::collections::BTreeSet;
use std::time::Duration;

use base::{EventId, Instant, Name, Reason, Subject, What};
use ui::protocol::Response;
use vrrp::InstanceConfig;

use super::files::Loaded;
use super::hooks::Hook;
use super::scripts::Job;
use super::server::ClientId;
use super::{Control, Stage};
use crate::messages::{ControlToGuardian, ToEngine};

/// So long after its time a script is not waited for, whatever has become of it.
const GRACE: Duration = Duration::from_secs(2);

/// What takes VIPs off this node.
pub(super) enum Move {
    Stop,
    Reload(Box<Loaded>),
    Switchover(Switchover),
}

/// A switch-over that somebody has asked for.
pub(super) struct Switchover {
    client: ClientId,
    instance: Name,
    lasts: Option<Duration>,
}

/// A move that waits for its scripts.
struct Waiting {
    then: Move,
    /// The scripts under way, by the events they are run for.
    runs: BTreeSet<EventId>,
    until: Instant,
}

/// What is about to leave.
#[derive(Default)]
pub(super) struct Partings {
    waiting: Option<Waiting>,
    /// A switch-over that the engine is asked about, by the number of the question.
    asked: Option<(u64, Switchover)>,
    /// Who waits for a reload.
    pub(super) reloaders: Vec<ClientId>,
}

impl Partings {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let waiting = self.waiting.as_ref()?;
        Some(if waiting.runs.is_empty() { Instant::ZERO } else { waiting.until })
    }

    /// Whether the engine is to be told of a stop later.
    pub(super) fn hold_up_stop(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| matches!(waiting.then, Move::Stop))
    }

    /// A script has ended.
    pub(super) fn ended(&mut self, cause: EventId) {
        if let Some(waiting) = &mut self.waiting {
            waiting.runs.remove(&cause);
        }
    }
}

impl Control {
    /// The daemon is to stop.
    pub(super) fn begin_stop(&mut self, now: Instant) {
        self.stage = Stage::Stopping;
        let all: Vec<Subject> = self.told.keys().cloned().collect();
        if self.wait_before(now, &all, Move::Stop).is_some() {
            self.stop_engine();
        }
    }

    /// Whoever asks twice does not want to wait for scripts.
    pub(super) fn hasten_stop(&mut self) {
        if let Some(waiting) = &mut self.partings.waiting {
            waiting.runs.clear();
        }
    }

    /// A client asks for a switch-over.
    pub(super) fn begin_switchover(
        &mut self,
        client: ClientId,
        instance: Name,
        lasts: Option<Duration>,
    ) {
        let wanted = Switchover { client, instance, lasts };
        if self.hooks(&self.company(&wanted.instance)).is_empty() {
            return self.switch_over(wanted);
        }
        if self.partings.waiting.is_some() || self.partings.asked.is_some() {
            let text = "another planned move waits for its scripts; ask again in a moment";
            return self.answer(client, &Response::Error(text.into()));
        }
        // Nothing is stopped for a move that cannot be.
        self.asks += 1;
        let (ask, instance) = (self.asks, wanted.instance.clone());
        match &mut self.engine {
            Some(engine) => {
                let _ = engine.send(&ToEngine::MaySwitchOver { ask, instance });
                self.partings.asked = Some((ask, wanted));
            }
            None => self.switch_over(wanted),
        }
    }

    /// The engine has said whether a switch-over could be; whether it was asked for that.
    pub(super) fn may_switch_over(
        &mut self,
        now: Instant,
        ask: u64,
        outcome: &Result<Vec<(Name, std::net::IpAddr)>, String>,
    ) -> bool {
        let Some((_, wanted)) = self.partings.asked.take_if(|(asked, _)| *asked == ask) else {
            return false;
        };
        if let Err(why) = outcome {
            self.answer(wanted.client, &Response::Error(why.clone()));
            return true;
        }
        let leaving = self.company(&wanted.instance);
        if let Some(Move::Switchover(wanted)) =
            self.wait_before(now, &leaving, Move::Switchover(wanted))
        {
            self.switch_over(wanted);
        }
        true
    }

    /// The engine has ended: what it was asked is not answered.
    pub(super) fn forget_question(&mut self) {
        if let Some((_, wanted)) = self.partings.asked.take() {
            let text = "the engine has just ended; ask again in a moment";
            self.answer(wanted.client, &Response::Error(text.into()));
        }
    }

    /// A new configuration is to take force: it comes back if nothing is to be waited for.
    pub(super) fn reload_after(&mut self, now: Instant, loaded: Loaded) -> Option<Loaded> {
        let leaving = self.removed_by(&loaded.instances);
        match self.wait_before(now, &leaving, Move::Reload(Box::new(loaded))) {
            Some(Move::Reload(loaded)) => Some(*loaded),
            _ => None,
        }
    }

    /// A reload has ended: who waits for it is told.
    pub(super) fn tell_reloaders(&mut self, response: &Response) {
        for client in std::mem::take(&mut self.partings.reloaders) {
            self.answer(client, response);
        }
    }

    /// Begins the move whose scripts have ended, or are waited for no longer.
    pub(super) fn move_on(&mut self, now: Instant) -> std::io::Result<()> {
        let due = |waiting: &mut Waiting| waiting.runs.is_empty() || waiting.until <= now;
        let Some(waiting) = self.partings.waiting.take_if(due) else { return Ok(()) };
        if !waiting.runs.is_empty() {
            let text = "a script ahead of a planned move is not waited for any longer".into();
            let reason = Reason::StateScript;
            self.events.tell(now, Subject::Node, What::Notice { text }, reason, Vec::new());
        }
        match waiting.then {
            Move::Stop => self.stop_engine(),
            Move::Switchover(wanted) => self.switch_over(wanted),
            Move::Reload(loaded) => {
                self.apply(*loaded, true)?;
                self.tell_reloaders(&Response::Reloaded);
            }
        }
        Ok(())
    }

    fn switch_over(&mut self, wanted: Switchover) {
        let Switchover { client, instance, lasts } = wanted;
        self.ask(client, |ask| ToEngine::Switchover { ask, instance, lasts });
    }

    /// Has the scripts run that these holders want before they release; the move comes back if there
    /// are none.
    fn wait_before(&mut self, now: Instant, leaving: &[Subject], then: Move) -> Option<Move> {
        let hooks = self.hooks(leaving);
        let before = self.partings.waiting.take();
        if hooks.is_empty() && before.is_none() {
            return Some(then);
        }
        let longest = hooks.iter().map(|(_, hook)| hook.limit).max().unwrap_or_default();
        let mut until = now + longest + GRACE;
        let mut runs = BTreeSet::new();
        if let Some(before) = before {
            until = until.max(before.until);
            runs = before.runs;
            match before.then {
                Move::Switchover(wanted) => {
                    let text = "a stop or reload came in between";
                    self.answer(wanted.client, &Response::Error(text.into()));
                }
                Move::Reload(_) if matches!(then, Move::Stop) => {
                    self.tell_reloaders(&Response::Error("the daemon stops".into()));
                }
                Move::Reload(_) | Move::Stop => {}
            }
        }
        for (subject, hook) in hooks {
            runs.insert(self.run_before(now, subject, hook));
        }
        if matches!(then, Move::Stop) {
            // A guardian that is gone ends us anyway.
            let _ = self.guardian.send(&ControlToGuardian::StopTakes { more: until.since(now) });
        }
        self.partings.waiting = Some(Waiting { then, runs, until });
        None
    }

    fn run_before(&mut self, now: Instant, subject: Subject, hook: Hook) -> EventId {
        let Hook { script, limit } = hook;
        let text = format!("`{}` is run before the VIPs are released", script.argv.join(" "));
        let queue = match &subject {
            Subject::Instance(name) => name.clone(),
            other => Name::from(other.to_string().as_str()),
        };
        let what = What::Notice { text };
        let cause = self.events.tell(now, subject, what, Reason::StateScript, Vec::new());
        let need =
            self.scripts.push(queue, Job { script, more: Vec::new(), cause, limit: Some(limit) });
        self.ask_for_runner(need);
        cause
    }

    /// What is to be run for those of `leaving` that hold.
    fn hooks(&self, leaving: &[Subject]) -> Vec<(Subject, Hook)> {
        let holds = |subject: &&Subject| {
            let last = self.told.get(*subject);
            last.is_some_and(|last| last.word == "MASTER") && self.is_configured(subject)
        };
        let hook = |subject: &Subject| {
            Some((subject.clone(), self.notify_of(subject)?.before_release.clone()?))
        };
        leaving.iter().filter(holds).filter_map(hook).collect()
    }

    /// What is in force.
    fn instances(&self) -> Vec<InstanceConfig> {
        self.packed.all().unwrap_or_default()
    }

    /// An instance with its group and all who are in that.
    fn company(&self, name: &Name) -> Vec<Subject> {
        let all = self.instances();
        let group = all.iter().find(|one| one.name == *name).and_then(|one| one.group.clone());
        let with = |one: &&InstanceConfig| {
            one.name == *name || group.is_some() && one.group.as_ref() == group.as_ref()
        };
        let members = all.iter().filter(with).map(|one| Subject::Instance(one.name.clone()));
        members.chain(group.clone().map(Subject::Group)).collect()
    }

    /// The instances that `next` does not go on with, and the groups of which it leaves nothing.
    fn removed_by(&self, next: &[InstanceConfig]) -> Vec<Subject> {
        let all = self.instances();
        let stays = |one: &InstanceConfig| next.iter().any(|other| one.is_same_router(other));
        let gone: Vec<&InstanceConfig> = all.iter().filter(|one| !stays(one)).collect();
        let mut groups: BTreeSet<&Name> = gone.iter().filter_map(|o| o.group.as_ref()).collect();
        for one in all.iter().filter(|one| stays(one)) {
            groups.retain(|name| Some(*name) != one.group.as_ref());
        }
        let gone = gone.iter().map(|one| Subject::Instance(one.name.clone()));
        gone.chain(groups.into_iter().cloned().map(Subject::Group)).collect()
    }
}
