//! The engine's line to its guardian: the will, and signs of life.
//!
//! The guardian hears nothing of adverts and VIPs; it only has to know whether this engine is alive
//! and what to do if it is not. While something is held, a sign of life leaves at least three times
//! within the shortest lease.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use base::{Instant, Name};
use linux::Poll;
use vip::last_will::{Edit, Signs};

use super::GUARDIAN;
use crate::channel::Channel;
use crate::messages::{EngineToGuardian, GuardianToEngine};

pub(super) struct Guardian {
    pub(super) line: Channel<EngineToGuardian, GuardianToEngine>,
    signs: Signs,
    /// The numbers of signed adverts since the last sign of life.
    spoken: BTreeMap<Name, u64>,
    gone: bool,
}

impl Guardian {
    pub(super) fn new(line: Channel<EngineToGuardian, GuardianToEngine>) -> Self {
        Self { line, signs: Signs::default(), spoken: BTreeMap::new(), gone: false }
    }

    /// Passes a change of the will on.
    pub(super) fn will(&mut self, edit: Edit) {
        if let Edit::Spoke { name, last } = &edit {
            // Comes with every advert; the guardian only has to know in time.
            self.spoken.insert(name.clone(), *last);
            return;
        }
        self.signs.edit(&edit);
        if !self.gone {
            // It leaves before anything is done that it is about: see `Engine::drain`.
            let _ = self.line.queue(&EngineToGuardian::Will(edit));
        }
    }

    /// Gives a sign of life, if it is time to.
    pub(super) fn sign_of_life(&mut self, now: Instant) {
        if self.signs.give(now) {
            if !self.spoken.is_empty() {
                let spoken = std::mem::take(&mut self.spoken).into_iter().collect();
                self.tell(&EngineToGuardian::Spoken(spoken));
            }
            self.tell(&EngineToGuardian::Alive);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.signs.poll_timeout()
    }

    /// Waits for room on the line, if there is something to be sent.
    pub(super) fn watch(&mut self, poll: &Poll) -> io::Result<()> {
        if self.gone { Ok(()) } else { self.line.watch(poll, GUARDIAN) }
    }

    pub(super) fn flush(&mut self) {
        // A broken line says so when it is read.
        let _ = self.line.flush();
    }

    /// The guardian is gone.
    pub(super) fn lost(&mut self, poll: &Poll) {
        self.gone = true;
        let _ = poll.remove(&self.line);
    }

    /// Sends what is left to be sent, since the process ends.
    pub(super) fn part(&mut self) {
        while !self.gone && self.line.backlog() > 0 && self.line.flush().is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Tells the guardian something.
    pub(super) fn tell(&mut self, message: &EngineToGuardian) {
        if !self.gone {
            let _ = self.line.send(message);
        }
    }
}
