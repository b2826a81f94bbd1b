//! The engine's line to control, which may be away.
//!
//! VRRP goes on without control. What happens meanwhile is kept for the next one, up to a limit:
//! observers never hold the engine up.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use base::Event;
use linux::{Interest, Poll};

use super::CONTROL;
use crate::channel::Channel;
use crate::messages::{FromEngine, ToEngine};

/// Octets of events kept for a control that does not take them.
const BACKLOG: usize = 16 << 20;

/// Octets of events that leave together, if no turn ends before.
const FLUSH_AT: usize = 32 << 10;

/// Events kept while there is no control.
const KEPT: usize = 10_000;

#[derive(Default)]
pub(super) struct Control {
    line: Option<Channel<FromEngine, ToEngine>>,
    kept: VecDeque<Event>,
    /// Events that nobody took in time.
    pub(super) dropped: u64,
}

impl Control {
    /// Speaks with another control from here on.
    pub(super) fn replace(
        &mut self,
        poll: &Poll,
        line: Channel<FromEngine, ToEngine>,
    ) -> io::Result<()> {
        self.lose(poll);
        poll.add(&line, CONTROL, Interest::Read)?;
        self.line = Some(line);
        for event in std::mem::take(&mut self.kept) {
            self.event(event);
        }
        Ok(())
    }

    /// The next thing control asks for. Control that is gone asks for nothing.
    pub(super) fn recv(&mut self, poll: &Poll) -> Option<ToEngine> {
        match self.line.as_mut()?.recv() {
            Ok(message) => message,
            Err(_) => {
                self.lose(poll);
                None
            }
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        match &mut self.line {
            Some(line) if line.backlog() < BACKLOG => {
                let _ = line.queue(&FromEngine::Event(event));
                if line.backlog() > FLUSH_AT {
                    let _ = line.flush();
                }
            }
            None if self.kept.len() < KEPT => self.kept.push_back(event),
            Some(_) | None => self.dropped += 1,
        }
    }

    pub(super) fn send(&mut self, message: FromEngine) {
        if let Some(line) = &mut self.line {
            let _ = line.send(&message);
        }
    }

    pub(super) fn watch(&mut self, poll: &Poll) -> io::Result<()> {
        self.line.as_mut().map_or(Ok(()), |line| line.watch(poll, CONTROL))
    }

    pub(super) fn flush(&mut self) {
        if let Some(line) = &mut self.line {
            // A broken line says so when it is read.
            let _ = line.flush();
        }
    }

    /// Says that the stop is complete, and waits until it is said.
    pub(super) fn part(&mut self, clean: bool) {
        self.send(FromEngine::Settled { clean });
        if let Some(line) = &mut self.line {
            while line.backlog() > 0 && line.flush().is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn lose(&mut self, poll: &Poll) {
        if let Some(line) = self.line.take() {
            let _ = poll.remove(&line);
        }
    }
}
