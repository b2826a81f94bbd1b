//! What the service manager is told (sd_notify(3)): ready, reloading, stopping, and that the guardian
//! lives.
//!
//! Told by the guardian alone, whose process is the service from the first minute through every
//! upgrade. Where there is no service manager, nothing is said and nothing is missing.

use std::time::Duration;

use base::Instant;
use linux::clock;
use sd_notify::NotifyState;

/// The line to the service manager.
pub(super) struct Service {
    /// How often it wants to hear that we live; a third of what it asks.
    rhythm: Option<Duration>,
    next: Option<Instant>,
}

impl Service {
    pub(super) fn new(now: Instant) -> Self {
        let rhythm = sd_notify::watchdog_enabled().map(|patience| patience / 3);
        Self { rhythm, next: rhythm.map(|_| now) }
    }

    /// An engine takes part.
    pub(super) fn ready(&self) {
        say(&[NotifyState::Ready]);
    }

    /// A reload was asked for; [`Service::ready`] ends it.
    pub(super) fn reloading(&self) {
        // The manager compares this with its own clock (`Type=notify-reload`).
        let micros = i128::from(clock::monotonic().as_nanos() / 1_000);
        say(&[NotifyState::Reloading, NotifyState::MonotonicUsec(micros)]);
    }

    pub(super) fn stopping(&self) {
        say(&[NotifyState::Stopping]);
    }

    /// Says that we live, if it is time to.
    pub(super) fn sign_of_life(&mut self, now: Instant) {
        if let (Some(rhythm), Some(next)) = (self.rhythm, self.next)
            && now >= next
        {
            self.next = Some(now + rhythm);
            say(&[NotifyState::Watchdog]);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

/// A manager that does not listen is its own problem.
fn say(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}
