//! Those outside who are told of changes, and those outside who say something: scripts, FIFOs,
//! trackers.
//!
//! Everything here goes through the runner. Whoever is told is told in the order of the events.

use std::sync::Arc;

use base::{Event, Instant, Name, Reason, Subject, What};

use super::Control;
use super::notify::{Last, Notify, Told, line};
use super::scripts::Said;
use crate::messages::{ControlToGuardian, FromEngine, ToRunner};

impl Control {
    /// Scripts and FIFOs are told of an event of the engine's.
    pub(super) fn call_scripts(&mut self, event: &Event) {
        let Some(notify) = self.notify_of(&event.subject) else { return };
        let mut last = self.told.get(&event.subject).copied();
        let told = notify.tell(event, &mut last);
        self.keep(&event.subject, last);
        self.pass_on(&event.subject, told);
    }

    /// Who has not been told of the stop is told now: what could not run stops as well.
    pub(super) fn tell_rest_of_stop(&mut self, now: Instant) {
        let untold = self.told.iter().filter(|(_, last)| last.word != "STOP");
        let subjects: Vec<Subject> =
            untold.map(|(subject, _)| subject.clone()).filter(|s| self.is_configured(s)).collect();
        if subjects.is_empty() {
            return;
        }
        let id = self.events.tell(now, Subject::Node, What::Stopping, Reason::Shutdown, Vec::new());
        for subject in subjects {
            let Some(notify) = self.notify_of(&subject) else { continue };
            let event = Event {
                id,
                at: now,
                subject: subject.clone(),
                what: What::Stopping,
                reason: Reason::Shutdown,
                causes: Vec::new(),
            };
            let mut last = self.told.get(&subject).copied();
            let told = notify.stopped(&event, &mut last);
            self.keep(&subject, last);
            self.pass_on(&subject, told);
        }
    }

    /// Tells FIFOs all states again (`fifo_write_vrrp_states_on_reload`).
    pub(super) fn tell_states(&mut self) {
        let lines: Vec<String> = self
            .told
            .iter()
            .filter(|(subject, _)| self.is_configured(subject))
            .filter_map(|(subject, last)| line(subject, last.word, last.priority))
            .collect();
        for line in lines {
            self.pass_on(&Subject::Node, Told { line: Some(line), ..Told::default() });
        }
    }

    pub(super) fn is_configured(&self, subject: &Subject) -> bool {
        self.loaded.as_ref().is_some_and(|loaded| match subject {
            Subject::Instance(name) => loaded.notify.contains_key(name),
            Subject::Group(name) => loaded.groups.contains_key(name),
            _ => false,
        })
    }

    /// The last events of what a reload removed may still be on their way.
    pub(super) fn notify_of(&self, subject: &Subject) -> Option<Arc<Notify>> {
        let loaded = self.loaded.as_ref()?;
        let found = match subject {
            Subject::Instance(name) => {
                loaded.notify.get(name).or_else(|| self.notify_before.0.get(name))
            }
            Subject::Group(name) => {
                loaded.groups.get(name).or_else(|| self.notify_before.1.get(name))
            }
            Subject::Node | Subject::Interface(_) | Subject::Tracker(_) => None,
        };
        found.cloned()
    }

    fn keep(&mut self, subject: &Subject, last: Option<Last>) {
        if let Some(last) = last {
            let before = self.told.insert(subject.clone(), last);
            if let (Some(bus), Subject::Instance(name)) = (&self.bus, subject)
                && before.is_none_or(|before| before.word != last.word)
            {
                bus.state(name, last.word);
            }
        }
    }

    fn pass_on(&mut self, subject: &Subject, told: Told) {
        // A group may have the name of an instance; its scripts have a queue of their own.
        let queue = match subject {
            Subject::Instance(name) => name.clone(),
            other => Name::from(other.to_string().as_str()),
        };
        if let Some(word) = told.word {
            self.tell_agent(subject, word);
            self.write_mail(subject, word);
        }
        let mut need = false;
        for job in told.jobs {
            need |= self.scripts.push(queue.clone(), job);
        }
        let piped = self.loaded.as_ref().is_some_and(|loaded| !loaded.pipes.is_empty());
        if let Some(line) = told.line.filter(|_| piped) {
            need |= self.scripts.say(line);
        }
        self.ask_for_runner(need);
    }

    pub(super) fn ask_for_runner(&mut self, need: bool) {
        if need {
            // A guardian that is gone ends us anyway.
            let _ = self.guardian.send(&ControlToGuardian::NeedRunner);
        }
    }

    /// What a runner that has just come is to do beside running scripts.
    pub(super) fn standing_orders(&mut self) -> Vec<ToRunner> {
        let pipes = self.loaded.as_ref().map(|loaded| loaded.pipes.clone()).unwrap_or_default();
        let mut orders = vec![ToRunner::Pipes(pipes), self.trackers.watch()];
        orders.extend(self.trackers.take_unwritten());
        orders.extend(self.outbox.orders());
        orders
    }

    /// Takes in what the runner and the files say.
    pub(super) fn hear_outside(&mut self, now: Instant) {
        for said in self.scripts.said(now, &self.poll) {
            match said {
                Said::Done(done) => {
                    self.hook_ended(&done.instance);
                    self.partings.ended(done.cause);
                    let (result, took) = (done.result, done.took);
                    let what = What::ScriptDone { command: done.command, result, took };
                    let subject = Subject::Instance(done.instance);
                    self.events.tell(now, subject, what, Reason::StateScript, vec![done.cause]);
                }
                Said::Verdict(tracker, verdict, run) => {
                    let verdicts = self.trackers.hear(now, tracker.clone(), verdict, run.as_ref());
                    if let Some((command, result, took)) = run {
                        let what = What::ScriptDone { command, result, took };
                        let subject = Subject::Tracker(tracker);
                        self.events.tell(now, subject, what, Reason::Watched, Vec::new());
                    }
                    if let Some(verdicts) = verdicts
                        && let Some(engine) = &mut self.engine
                    {
                        let _ = engine.send(&verdicts);
                    }
                }
                Said::Standing(ask, standing) => self.runner_stands(ask, standing),
                Said::Posted(job, delivery) => self.posted(now, job, delivery),
                Said::Lost => self.runner_lost(),
                Said::Notice(text) => {
                    let what = What::Notice { text };
                    self.events.tell(now, Subject::Node, what, Reason::Kernel, Vec::new());
                }
            }
        }
        if let Some(verdicts) = self.trackers.look(now)
            && let Some(engine) = &mut self.engine
        {
            let _ = engine.send(&verdicts);
        }
        for remark in self.trackers.take_remarks() {
            let (subject, what) =
                (Subject::Tracker(remark.tracker), What::Notice { text: remark.text });
            self.events.tell(now, subject, what, Reason::Watched, Vec::new());
        }
        let pipes = self.loaded.as_ref().is_some_and(|loaded| !loaded.pipes.is_empty());
        let standing = pipes || self.trackers.need_runner() || self.outbox.needs_runner();
        if standing && self.is_running() {
            let need = self.scripts.keep_runner(now);
            self.ask_for_runner(need);
        }
    }

    /// What the engine says, as far as others are to be told.
    pub(super) fn note(&mut self, message: FromEngine) -> Option<FromEngine> {
        match message {
            FromEngine::Event(event) => {
                self.note_for_agent(&event);
                self.call_scripts(&event);
                self.watched.note(&event);
                self.events.record(event);
                None
            }
            other => Some(other),
        }
    }
}
