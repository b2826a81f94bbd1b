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
use vip::last_will::Edit;

use super::GUARDIAN;
use crate::channel::Channel;
use crate::messages::{EngineToGuardian, GuardianToEngine};

pub(super) struct Guardian {
    pub(super) line: Channel<EngineToGuardian, GuardianToEngine>,
    /// The lease of each instance that holds.
    leases: BTreeMap<Name, Duration>,
    /// How many of them are how long.
    lengths: BTreeMap<Duration, usize>,
    next: Option<Instant>,
    gone: bool,
}

impl Guardian {
    pub(super) fn new(line: Channel<EngineToGuardian, GuardianToEngine>) -> Self {
        let (leases, lengths) = (BTreeMap::new(), BTreeMap::new());
        Self { line, leases, lengths, next: None, gone: false }
    }

    /// Passes a change of the will on.
    pub(super) fn will(&mut self, edit: Edit) {
        match &edit {
            Edit::Hold(bequest) => {
                let before = self.leases.insert(bequest.name.clone(), bequest.patience);
                self.forget(before);
                *self.lengths.entry(bequest.patience).or_default() += 1;
            }
            Edit::Release { name } => {
                let before = self.leases.remove(name);
                self.forget(before);
            }
        }
        if !self.gone {
            // It leaves before anything is done that it is about: see `Engine::drain`.
            let _ = self.line.queue(&EngineToGuardian::Will(edit));
        }
    }

    fn forget(&mut self, lease: Option<Duration>) {
        let Some(lease) = lease else { return };
        if let Some(count) = self.lengths.get_mut(&lease) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&lease);
            }
        }
    }

    /// A third of the shortest lease.
    fn rhythm(&self) -> Option<Duration> {
        self.lengths.keys().next().map(|lease| *lease / 3)
    }

    /// Gives a sign of life, if it is time to.
    pub(super) fn sign_of_life(&mut self, now: Instant) {
        let Some(rhythm) = self.rhythm() else {
            self.next = None;
            return;
        };
        if self.next.is_none_or(|next| now >= next) {
            self.next = Some(now + rhythm);
            self.tell(&EngineToGuardian::Alive);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next.filter(|_| !self.lengths.is_empty())
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
