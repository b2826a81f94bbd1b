//! One turn of the guardian's loop, and what each thing it can see means.

use std::io;
use std::time::Duration;

use base::{Instant, Reason, What};
use linux::{Interest, Ready, Signal, clock};
use vip::last_will::{Death, Edit, Input, Output};

use super::{
    CONTROL, CONTROL_LINE, ENGINE, ENGINE_LINE, Guardian, RUNNER, SIGNALS, tell_gaps, tell_unknown,
};
use crate::exit::Exit;
use crate::messages::{
    ControlToGuardian, Dump, DumpFile, EngineToGuardian, GuardianToControl, GuardianToEngine, Order,
};
use crate::role::Part;

/// How long an orderly stop may take: the engine's time, the last scripts' time, and some.
const STOP_WITHIN: Duration = Duration::from_secs(12);

/// A control that ended sooner than this is not replaced at once.
const SHORT_LIFE: Duration = Duration::from_secs(5);

/// How long its replacement waits.
const CONTROL_DELAY: Duration = Duration::from_secs(1);

impl Guardian {
    pub(super) fn turn(&mut self) -> io::Result<Option<Exit>> {
        self.sleep()?;
        let now = clock::monotonic();
        let ready: Vec<Ready> = self.poll.wait(Some(Duration::ZERO))?.collect();
        // Whatever an engine still said is part of its will, so lines come before ends.
        for one in &ready {
            match one.token {
                SIGNALS => self.signalled(now)?,
                ENGINE_LINE => self.hear_engine(now),
                CONTROL_LINE => {
                    if let Some(exit) = self.hear_control(now)? {
                        return Ok(Some(self.finish(now, exit)?));
                    }
                }
                _ => {}
            }
        }
        for one in &ready {
            match one.token {
                ENGINE => {
                    if let Some(exit) = self.engine_ended(now)? {
                        return Ok(Some(exit));
                    }
                }
                CONTROL => self.control_ended(now)?,
                RUNNER => self.reap_runners()?,
                _ => {}
            }
        }
        if self.control_at.is_some_and(|at| now >= at) {
            self.replace_control(now)?;
        }
        self.service.sign_of_life(now);
        self.advance_upgrade(now);
        self.will.handle(now, Input::Wake);
        self.carry_out(now)?;
        self.succeed();
        self.tidy.look(now, || self.will.pack());
        if self.stop_by.is_some_and(|by| now >= by) {
            eprintln!("error: the stop took too long");
            return Ok(Some(self.finish(now, Exit::Fatal)?));
        }
        Ok(None)
    }

    fn sleep(&mut self) -> io::Result<()> {
        let deadlines = [
            self.will.poll_timeout(),
            self.control_at,
            self.stop_by,
            self.upgrade_timeout(),
            self.service.poll_timeout(),
            self.tidy.poll_timeout(),
        ];
        self.timer.set(deadlines.into_iter().flatten().min())?;
        if let Some(engine) = self.engine.as_mut().filter(|engine| !engine.mute) {
            let _ = engine.line.flush();
            let interest = interest(engine.line.backlog());
            self.poll.modify(&engine.line, ENGINE_LINE, interest)?;
        }
        if let Some(control) = self.control.as_mut().filter(|control| !control.mute) {
            let _ = control.line.flush();
            let interest = interest(control.line.backlog());
            self.poll.modify(&control.line, CONTROL_LINE, interest)?;
        }
        self.poll.wait(None)?.for_each(drop);
        Ok(())
    }

    // ---- signals --------------------------------------------------------------------------------

    fn signalled(&mut self, now: Instant) -> io::Result<()> {
        while let Some(signal) = self.signals.read()? {
            match signal {
                Signal::Terminate | Signal::Interrupt => {
                    self.service.stopping();
                    self.stop_by.get_or_insert(now + STOP_WITHIN);
                    self.will.handle(now, Input::Stop);
                    self.order(Order::Stop);
                }
                // `systemctl reload` after the package was replaced.
                Signal::HangUp if super::identity(&self.binary) != self.file_of_binary => {
                    self.service.reloading();
                    self.begin_upgrade(now, None, false);
                }
                Signal::HangUp => self.reload(),
                Signal::User1 => self.ask_for_dump(Dump::Data),
                Signal::User2 => self.ask_for_dump(Dump::Stats),
                Signal::StatsClear => self.ask_for_dump(Dump::StatsClear),
                Signal::Json => self.ask_for_dump(Dump::Json),
                Signal::Child => {}
            }
        }
        Ok(())
    }

    /// Has the configuration read again; whoever changes it now sees that it is being read.
    fn reload(&mut self) {
        self.service.reloading();
        self.texts_due = 1;
        if let Some(marker) = &self.terms.marker
            && let Err(error) = linux::replace_file(marker, b"", 0o644)
        {
            eprintln!("warning: cannot write {}: {error}", marker.display());
        }
        self.order(Order::Reload);
    }

    /// It has been read, whatever came of it.
    fn reloaded(&mut self) {
        self.service.ready();
        if let Some(marker) = &self.terms.marker {
            let _ = linux::remove_file(marker);
        }
    }

    fn ask_for_dump(&mut self, dump: Dump) {
        self.dumps_due = self.dumps_due.saturating_add(1);
        self.order(Order::Dump(dump));
    }

    /// Control may not write files; what it may have written is what a signal has asked for, in the
    /// place of a file or of nothing.
    fn write_dump(&mut self, files: &[DumpFile]) {
        let Some(due) = self.dumps_due.checked_sub(1) else { return };
        self.dumps_due = due;
        for DumpFile { path, text, mode } in files {
            if let Err(error) = linux::replace_file(path, text.as_bytes(), *mode) {
                eprintln!("warning: cannot write {}: {error}", path.display());
            }
        }
    }

    /// The same for the text of a configuration, once for each time that one was to be read.
    pub(super) fn keep_text(&mut self, file: &DumpFile) {
        let Some(due) = self.texts_due.checked_sub(1) else { return };
        self.texts_due = due;
        if let Err(error) = linux::replace_file(&file.path, file.text.as_bytes(), file.mode) {
            eprintln!("warning: cannot write {}: {error}", file.path.display());
        }
    }

    pub(super) fn order(&mut self, order: Order) {
        match (&mut self.control, &mut self.engine) {
            (Some(control), _) if !control.mute => {
                let _ = control.line.send(&GuardianToControl::Order(order));
            }
            (_, Some(engine)) if order == Order::Stop => {
                let _ = engine.line.send(&GuardianToEngine::Stop);
            }
            _ => {}
        }
    }

    // ---- the engine -----------------------------------------------------------------------------

    pub(super) fn hear_engine(&mut self, now: Instant) {
        loop {
            let Some(engine) = self.engine.as_mut().filter(|engine| !engine.mute) else { return };
            match engine.line.recv() {
                Ok(Some(EngineToGuardian::Ready { gaps })) => {
                    tell_gaps(Part::Engine, &gaps);
                    if !std::mem::replace(&mut self.engine_stood, true) {
                        self.service.ready();
                    }
                }
                Ok(Some(EngineToGuardian::Will(edit))) => {
                    if matches!(edit, Edit::Hold(_) | Edit::Release { .. }) {
                        self.tidy.stir(now);
                    }
                    self.will.handle(now, Input::Edit(edit));
                }
                Ok(Some(EngineToGuardian::Spoken(spoken))) => {
                    for (name, last) in spoken {
                        self.will.handle(now, Input::Edit(Edit::Spoke { name, last }));
                    }
                }
                Ok(Some(EngineToGuardian::Alive)) => self.will.handle(now, Input::Alive),
                Ok(Some(EngineToGuardian::Image(image))) => self.hand_over(image),
                Ok(Some(EngineToGuardian::Standing)) => {}
                Ok(Some(EngineToGuardian::Unscheduled { troubles })) => self.unscheduled(troubles),
                Ok(Some(EngineToGuardian::Tune(tuning))) => {
                    self.tuner.tune(&tuning);
                    let tuned = GuardianToEngine::Tuned { index: tuning.index };
                    // A broken line says so when it is read.
                    let _ = engine.line.send(&tuned);
                }
                Ok(Some(EngineToGuardian::Promote(names))) => self.tuner.promote(&names),
                Ok(None) => return,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    tell_unknown(Part::Engine);
                }
                Err(_) => {
                    engine.mute = true;
                    let _ = self.poll.remove(&engine.line);
                    return;
                }
            }
        }
    }

    fn engine_ended(&mut self, now: Instant) -> io::Result<Option<Exit>> {
        self.hear_engine(now);
        let Some(engine) = &mut self.engine else { return Ok(None) };
        let Some((how, status)) = engine.role.ended()? else { return Ok(None) };
        let _ = self.poll.remove(&engine.role);
        self.engine = None;
        if !self.engine_stood {
            // It said itself why; another would fare no better.
            let status = status.and_then(|status| u8::try_from(status).ok()).unwrap_or(1);
            return Ok(Some(Exit::Status(status)));
        }
        let held = self.will.holders().next().is_some();
        if self.stop_by.is_none() {
            self.tell(now, What::RoleEnded { role: Part::Engine.noun(), how }, Reason::RoleDied);
        }
        self.will.handle(now, Input::Ended);
        self.carry_out(now)?;
        if self.stop_by.is_some()
            && let Some(control) = &mut self.control
        {
            let _ = control.line.send(&GuardianToControl::EngineIsOver { clean: !held });
        }
        if self.stop_by.is_some() && self.control.is_none() {
            return Ok(Some(if held { Exit::Fatal } else { Exit::Ok }));
        }
        Ok(None)
    }

    /// Does what the will says, in its order.
    fn carry_out(&mut self, now: Instant) -> io::Result<()> {
        while let Some(output) = self.will.poll_output() {
            match output {
                Output::Start { adopt } => self.start_engine(adopt)?,
                Output::Kill => {
                    if let Some(engine) = &self.engine {
                        engine.role.kill()?;
                    }
                }
                Output::Silence => {
                    if let Err(error) = self.leases.silence() {
                        eprintln!("error: VIPs could not be silenced: {error}");
                    }
                }
                Output::Farewell { transmit, seal } => {
                    if let Err(error) = self.hands.farewell(transmit, seal.as_ref()) {
                        eprintln!("warning: a farewell could not be sent: {error}");
                    }
                }
                Output::RemoveWays(ops) => {
                    if let Err(error) = self.hands.remove_ways(ops) {
                        eprintln!("error: routes and rules could not be removed: {error}");
                    }
                }
                Output::Remove(ops) => {
                    if let Err(error) = self.hands.remove(ops) {
                        eprintln!("error: addresses could not be removed: {error}");
                    }
                }
                Output::CarriedOut { names, death } => {
                    self.hands.rest();
                    let reason = match death {
                        Death::Ended => Reason::RoleDied,
                        Death::Stalled => Reason::RoleStalled,
                    };
                    self.tell(now, What::WillCarriedOut { instances: names }, reason);
                }
                Output::Adopted => {
                    let role = Part::Engine.noun();
                    self.tell(now, What::RoleTakenOver { role }, Reason::Adopted);
                }
            }
        }
        Ok(())
    }

    // ---- control --------------------------------------------------------------------------------

    pub(super) fn hear_control(&mut self, now: Instant) -> io::Result<Option<Exit>> {
        loop {
            let Some(control) = self.control.as_mut().filter(|control| !control.mute) else {
                return Ok(None);
            };
            match control.line.recv() {
                Ok(Some(ControlToGuardian::InForce { state, gaps })) => {
                    tell_gaps(Part::Control, &gaps);
                    self.state = Some(state);
                    self.tidy.stir(now);
                    self.reloaded();
                }
                Ok(Some(ControlToGuardian::ReloadRefused)) => self.reloaded(),
                Ok(Some(ControlToGuardian::StopTakes { more })) => {
                    self.stop_by = Some(now + more + STOP_WITHIN);
                }
                Ok(Some(ControlToGuardian::ReloadDue { remove })) => {
                    if let Some(file) = remove {
                        let _ = linux::remove_file(&file);
                    }
                    self.reload();
                }
                Ok(Some(ControlToGuardian::Schedule(scheduling))) => {
                    self.scheduling = scheduling;
                    self.schedule_engine();
                }
                Ok(Some(ControlToGuardian::Dump(files))) => self.write_dump(&files),
                Ok(Some(ControlToGuardian::Terms(terms))) => self.agree(terms),
                Ok(Some(ControlToGuardian::Letter { job, letter })) => {
                    self.keep_letter(job, letter);
                }
                Ok(Some(ControlToGuardian::DumpDue(dump))) => self.ask_for_dump(dump),
                Ok(Some(ControlToGuardian::Keep(file))) => self.keep_text(&file),
                Ok(Some(ControlToGuardian::NeedRunner)) => self.start_runner()?,
                Ok(Some(ControlToGuardian::NeedAgent(place))) => self.call_agent(&place),
                Ok(Some(ControlToGuardian::Upgrade { binary })) => {
                    self.begin_upgrade(now, binary, true);
                }
                Ok(Some(ControlToGuardian::Finished { status })) => {
                    self.stop_by.get_or_insert(now + STOP_WITHIN);
                    return Ok(Some(Exit::Status(status)));
                }
                Ok(None) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    tell_unknown(Part::Control);
                }
                Err(_) => {
                    control.mute = true;
                    let _ = self.poll.remove(&control.line);
                    return Ok(None);
                }
            }
        }
    }

    /// VRRP goes on without control (DESIGN §4); another takes up what it had in force.
    fn control_ended(&mut self, now: Instant) -> io::Result<()> {
        let Some(control) = &mut self.control else { return Ok(()) };
        let Some((how, _)) = control.role.ended()? else { return Ok(()) };
        let _ = self.poll.remove(&control.role);
        if !control.mute {
            let _ = self.poll.remove(&control.line);
        }
        let short = now.since(control.born_at) < SHORT_LIFE;
        self.control = None;
        // The runner finishes what it was given; its line has ended, and it ends by itself.
        self.retired.extend(self.runner.take());
        self.tell(now, What::RoleEnded { role: Part::Control.noun(), how }, Reason::RoleDied);
        if self.stop_by.is_some() {
            self.order(Order::Stop);
        } else {
            self.control_at = Some(if short { now + CONTROL_DELAY } else { now });
        }
        Ok(())
    }

    fn replace_control(&mut self, now: Instant) -> io::Result<()> {
        self.start_control()?;
        self.hand_letters();
        self.hand_listener()?;
        self.introduce()?;
        let role = Part::Control.noun();
        self.tell(now, What::RoleTakenOver { role }, Reason::RoleDied);
        Ok(())
    }

    // ---- the runner -----------------------------------------------------------------------------

    /// Control sees the line to a runner end, and asks for another when it needs one.
    fn reap_runners(&mut self) -> io::Result<()> {
        if let Some(runner) = &mut self.runner
            && runner.ended()?.is_some()
        {
            let _ = self.poll.remove(&*runner);
            self.runner = None;
        }
        let mut kept = Vec::new();
        for mut runner in self.retired.drain(..) {
            if runner.ended()?.is_none() {
                kept.push(runner);
            } else {
                let _ = self.poll.remove(&runner);
            }
        }
        self.retired = kept;
        Ok(())
    }

    // ---- the end --------------------------------------------------------------------------------

    /// Whatever an engine still holds is given up before the guardian ends.
    pub(super) fn finish(&mut self, now: Instant, exit: Exit) -> io::Result<Exit> {
        self.hear_engine(now);
        self.will.handle(now, Input::Stop);
        self.engine = None;
        self.will.handle(now, Input::Ended);
        self.carry_out(now)?;
        // No engine is left; what it listed has been removed.
        let _ = self.leases.destroy();
        self.tuner.restore();
        Ok(exit)
    }
}

pub(super) fn interest(backlog: usize) -> Interest {
    if backlog > 0 { Interest::Both } else { Interest::Read }
}
