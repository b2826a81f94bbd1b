//! Another version takes over without a gap.
//!
//! A pair of the new version, engine and control, is started beside the running pair and gets ready:
//! the configuration read and checked, the node known. Only then the old engine says where it stands
//! and falls still, and the new one goes on from there. It has half the shortest lease to hold again
//! all that was held; then the old pair goes, and at last this process itself becomes the new program
//! ([`super::successor`]). Whatever fails before that, the old engine is told to go on: nothing has
//! changed.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use base::{Instant, Name, Reason, Secret, What};
use linux::{Interest, Scheduling};
use vip::last_will::{Edit, Input};

use super::tuning::Tuner;
use super::{
    CONTROL, CONTROL_LINE, ControlWard, ENGINE, ENGINE_LINE, EngineWard, Guardian, NEXT_CONTROL,
    NEXT_CONTROL_LINE, NEXT_ENGINE, NEXT_ENGINE_LINE, RUNNER, tell_gaps,
};
use crate::channel::Channel;
use crate::messages::{
    ControlToGuardian, EngineToGuardian, FromEngine, GuardianToControl, GuardianToEngine, ToEngine,
};
use crate::role::Part;

/// How long a new pair may take to get ready.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// How long the change itself may take when nothing is held, and so no lease runs.
const NO_LEASE: Duration = Duration::from_secs(1);

/// A pair that gets ready to take over.
pub(super) struct Upgrade {
    binary: PathBuf,
    engine: EngineWard,
    control: ControlWard,
    /// What the new control has in force.
    state: Option<Secret>,
    scheduling: Scheduling,
    stands: bool,
    /// What the new engine holds by now.
    held: BTreeMap<Name, Edit>,
    /// Their routes and rules.
    ways: BTreeMap<Name, Edit>,
    step: Step,
    /// When the present step has failed.
    by: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    GettingReady,
    /// The old engine was asked where it stands.
    Asked,
    /// The new engine was told, and takes over.
    Changing,
}

impl Guardian {
    /// Begins an upgrade. `resume`: with what is in force; else the file is read anew.
    pub(super) fn begin_upgrade(&mut self, now: Instant, binary: Option<PathBuf>, resume: bool) {
        let begun = match self.hindrance() {
            Some(why) => Err(why.to_string()),
            None => {
                let binary = binary.unwrap_or_else(|| self.binary.clone());
                let path = binary.display().to_string();
                self.start_pair(now, binary, resume).map_err(|error| match error.kind() {
                    io::ErrorKind::BrokenPipe => {
                        format!("`{path}` ended as soon as it was started")
                    }
                    _ => format!("`{path}` cannot be started: {error}"),
                })
            }
        };
        match begun {
            Ok(upgrade) => self.upgrade = Some(upgrade),
            Err(why) => self.upgrade_failed(now, why),
        }
    }

    fn hindrance(&self) -> Option<&'static str> {
        if self.upgrade.is_some() {
            Some("another upgrade is under way")
        } else if self.stop_by.is_some() {
            Some("mainstay is being stopped")
        } else if self.engine.is_none() || self.control.is_none() || self.will.legacy().is_none() {
            Some("a process has just been replaced; try again in a moment")
        } else {
            None
        }
    }

    fn start_pair(&self, now: Instant, binary: PathBuf, resume: bool) -> io::Result<Upgrade> {
        let resume = self.state.clone().filter(|_| resume);
        let mut control = self.new_control(Some(&binary), resume)?;
        let mut engine = EngineWard::start(
            Part::Engine,
            Some(&binary),
            self.terms.engine.argument().as_deref(),
        )?;
        let (near, far) = Channel::<ToEngine, FromEngine>::pair()?;
        self.leases.lend(&mut engine.line)?;
        engine.line.send_with(&GuardianToEngine::Control, far.into_fd())?;
        control.line.send_with(&GuardianToControl::Engine, near.into_fd())?;
        self.poll.add(&engine.role, NEXT_ENGINE, Interest::Read)?;
        self.poll.add(&engine.line, NEXT_ENGINE_LINE, Interest::Read)?;
        self.poll.add(&control.role, NEXT_CONTROL, Interest::Read)?;
        self.poll.add(&control.line, NEXT_CONTROL_LINE, Interest::Read)?;
        Ok(Upgrade {
            binary,
            engine,
            control,
            state: None,
            scheduling: Scheduling::default(),
            stands: false,
            held: BTreeMap::new(),
            ways: BTreeMap::new(),
            step: Step::GettingReady,
            by: now + READY_WITHIN,
        })
    }

    /// When the present step of an upgrade has failed.
    pub(super) fn upgrade_timeout(&self) -> Option<Instant> {
        self.upgrade.as_ref().map(|upgrade| upgrade.by)
    }

    /// Takes every step of an upgrade that is possible now.
    pub(super) fn advance_upgrade(&mut self, now: Instant) {
        if self.upgrade.is_none() {
            return;
        }
        match self.step_upgrade(now) {
            Ok(false) => self.watch_upgrade(),
            Ok(true) => self.complete_upgrade(now),
            Err(why) => self.abandon_upgrade(now, why),
        }
    }

    /// Waits for room on the lines where something is to be sent.
    fn watch_upgrade(&self) {
        let Some(upgrade) = &self.upgrade else { return };
        let (engine, control) = (&upgrade.engine.line, &upgrade.control.line);
        let _ = self.poll.modify(engine, NEXT_ENGINE_LINE, super::turn::interest(engine.backlog()));
        let _ =
            self.poll.modify(control, NEXT_CONTROL_LINE, super::turn::interest(control.backlog()));
    }

    /// Whether the new pair has taken over; an error is why it will not.
    fn step_upgrade(&mut self, now: Instant) -> Result<bool, String> {
        let Some(upgrade) = &mut self.upgrade else { return Ok(false) };
        upgrade.hear(&mut self.tuner)?;
        if self.engine.is_none() || self.control.is_none() || self.stop_by.is_some() {
            return Err("mainstay is being stopped, or a process has just ended".into());
        }
        if now >= upgrade.by {
            let what = match upgrade.step {
                Step::GettingReady => "did not get ready",
                Step::Asked => "was not told where things stand",
                Step::Changing => "did not hold all again",
            };
            return Err(format!("the new version {what} in time"));
        }
        let Some(engine) = &mut self.engine else { return Ok(false) };
        match upgrade.step {
            Step::GettingReady if upgrade.stands && upgrade.state.is_some() => {
                engine.line.send(&GuardianToEngine::HandOver).map_err(|e| e.to_string())?;
                let time = self.will.patience().map_or(NO_LEASE, |patience| patience / 2);
                upgrade.step = Step::Asked;
                upgrade.by = now + time;
                Ok(false)
            }
            Step::Changing => Ok(self.will.holders().all(|name| upgrade.held.contains_key(name))),
            Step::GettingReady | Step::Asked => Ok(false),
        }
    }

    /// The old engine has said where it stands; the new one goes on from there.
    pub(super) fn hand_over(&mut self, image: Vec<u8>) {
        let held = self.will.holders().cloned().collect();
        let numbers = self.numbers();
        let Some(upgrade) = self.upgrade.as_mut().filter(|upgrade| upgrade.step == Step::Asked)
        else {
            return;
        };
        upgrade.step = Step::Changing;
        // A broken line says so when it is read.
        let _ = upgrade.engine.line.send(&numbers);
        let adopt = GuardianToEngine::Adopt { held, image: Some(image) };
        let _ = upgrade.engine.line.send(&adopt);
    }

    fn complete_upgrade(&mut self, now: Instant) {
        let Some(upgrade) = self.upgrade.take() else { return };
        let Upgrade { binary, engine, control, state, scheduling, held, ways, .. } = upgrade;
        if let Some(old) = self.engine.take() {
            // Killed and waited for: from here on nothing of it is on its way.
            let _ = (self.poll.remove(&old.role), self.poll.remove(&old.line));
        }
        self.will.handle(now, Input::Replaced);
        for edit in held.into_values().chain(ways.into_values()) {
            self.will.handle(now, Input::Edit(edit));
        }
        if let Some(mut old) = self.control.take() {
            let _ = old.line.send(&GuardianToControl::Replaced);
            let _ = (self.poll.remove(&old.role), self.poll.remove(&old.line));
            // It answers who waits for it, and ends by itself; so does its runner.
            let _ = self.poll.add(&old.role, RUNNER, Interest::Read);
            self.retired.push(old.role);
            self.retired.extend(self.runner.take());
        }
        for (fd, token) in [(&engine.role, ENGINE), (&control.role, CONTROL)] {
            let _ = (self.poll.remove(fd), self.poll.add(fd, token, Interest::Read));
        }
        let _ = self.poll.remove(&engine.line);
        let _ = self.poll.add(&engine.line, ENGINE_LINE, Interest::Read);
        let _ = self.poll.remove(&control.line);
        let _ = self.poll.add(&control.line, CONTROL_LINE, Interest::Read);
        self.engine = Some(engine);
        self.control = Some(control);
        self.state = state;
        self.scheduling = scheduling;
        if self.scheduling != Scheduling::default() {
            self.schedule_engine();
        }
        // Clients of the control socket wait in its queue until here.
        let _ = self.hand_listener();
        self.hand_letters();
        for part in [Part::Control, Part::Engine] {
            self.tell(now, What::RoleTakenOver { role: part.noun() }, Reason::Upgrade);
        }
        self.service.ready();
        self.succeed_by = Some(binary);
    }

    /// All is as before.
    fn abandon_upgrade(&mut self, now: Instant, why: String) {
        let Some(upgrade) = self.upgrade.take() else { return };
        for role in [&upgrade.engine.role, &upgrade.control.role] {
            let _ = self.poll.remove(role);
        }
        let _ = (self.poll.remove(&upgrade.engine.line), self.poll.remove(&upgrade.control.line));
        // The new engine is dead before the old one speaks again.
        drop(upgrade);
        if let Some(engine) = &mut self.engine {
            let _ = engine.line.send(&GuardianToEngine::GoOn);
        }
        self.upgrade_failed(now, why);
    }

    fn upgrade_failed(&mut self, now: Instant, why: String) {
        self.service.ready();
        self.tell(now, What::UpgradeFailed { why: why.clone() }, Reason::Upgrade);
        if let Some(control) = &mut self.control {
            let why = format!("the upgrade was given up, all is as before: {why}");
            let _ = control.line.send(&GuardianToControl::UpgradeFailed { why });
        }
    }
}

impl Upgrade {
    /// Takes in what the new pair says.
    fn hear(&mut self, tuner: &mut Tuner) -> Result<(), String> {
        let gone = |part: Part| format!("the {} of the new version ended", part.name());
        let lost = |part: Part, error: &io::Error| match error.kind() {
            io::ErrorKind::InvalidData => {
                format!("the {} of the new version says what this one does not know", part.name())
            }
            _ => gone(part),
        };
        loop {
            match self.engine.line.recv() {
                Ok(Some(EngineToGuardian::Ready { gaps })) => tell_gaps(Part::Engine, &gaps),
                Ok(Some(EngineToGuardian::Standing)) => self.stands = true,
                Ok(Some(EngineToGuardian::Will(edit))) => {
                    let name = match &edit {
                        Edit::Hold(bequest) => bequest.name.clone(),
                        Edit::Release { name } => name.clone(),
                        // Comes with signs of life, from an engine that is in charge.
                        Edit::Spoke { .. } => continue,
                        Edit::Ways { name, .. } => {
                            self.ways.insert(name.clone(), edit);
                            continue;
                        }
                    };
                    self.held.insert(name, edit);
                }
                Ok(Some(EngineToGuardian::Tune(tuning))) => {
                    tuner.tune(&tuning);
                    let tuned = GuardianToEngine::Tuned { index: tuning.index };
                    self.engine.line.send(&tuned).map_err(|_| gone(Part::Engine))?;
                }
                Ok(Some(EngineToGuardian::Promote(names))) => tuner.promote(&names),
                Ok(Some(
                    EngineToGuardian::Alive
                    | EngineToGuardian::Image(_)
                    | EngineToGuardian::Spoken(_)
                    | EngineToGuardian::Unscheduled { .. },
                )) => {}
                Ok(None) => break,
                Err(error) => return Err(lost(Part::Engine, &error)),
            }
        }
        loop {
            match self.control.line.recv() {
                Ok(Some(ControlToGuardian::InForce { state, gaps })) => {
                    tell_gaps(Part::Control, &gaps);
                    self.state = Some(state);
                }
                Ok(Some(ControlToGuardian::Finished { .. })) => {
                    return Err("the new version refuses the configuration".into());
                }
                Ok(Some(ControlToGuardian::Schedule(scheduling))) => self.scheduling = scheduling,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => return Err(lost(Part::Control, &error)),
            }
        }
        self.engine.line.flush().map_err(|_| gone(Part::Engine))?;
        self.control.line.flush().map_err(|_| gone(Part::Control))?;
        Ok(())
    }
}
