//! Giving back what was needed once: some seconds after the last big thing, for each role.
//!
//! Reading a configuration of thousands of instances, taking thousands of VIPs over, and simply starting
//! need memory and pages of the program that standing watch does not. The C library keeps the one and the
//! kernel the other for the next time; there is rarely one.

use std::time::Duration;

use base::Instant;

/// So long nothing big must have happened: the second burst of announcements, five seconds after a
/// takeover, is over then too.
const CALM: Duration = Duration::from_secs(8);

/// When to tidy up.
#[derive(Debug, Default)]
pub(crate) struct Tidy {
    due: Option<Instant>,
}

impl Tidy {
    /// Something big happens.
    pub(crate) fn stir(&mut self, now: Instant) {
        self.due = Some(now + CALM);
    }

    /// When to be asked again at the latest.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Whether it is calm now for the first time since something big; then it is tidied up when
    /// `first` is done.
    pub(crate) fn look(&mut self, now: Instant, first: impl FnOnce()) {
        if self.due.take_if(|due| *due <= now).is_some() {
            first();
            linux::memory::give_back();
            linux::memory::give_back_stack();
            linux::memory::let_go_of_files();
        }
    }
}
