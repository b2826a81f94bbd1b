//! A holder whose failure is known before its adverts are missed: a BFD session with it has failed,
//! and the configuration says that this ends the wait (decision 0018).
//!
//! The session takes the place of the adverts, and its interval that of theirs in Skew_Time: several
//! Backups still follow each other in the order of their priorities. Any advert of a holder before
//! that ends it, as it would end any wait.

use base::{EventId, Instant, Tracker};

use super::{Instance, Phase, Standing, Waiting};
use crate::timers;

impl Instance {
    /// The session `tracker` has failed, as `event` says.
    pub(crate) fn unreachable(&mut self, now: Instant, tracker: &Tracker, event: EventId) {
        let Some(sentinel) = self.config.sentinel(tracker) else { return };
        let Phase::Backup { waiting: Waiting::Silence | Waiting::Preempting, preempt_at, .. } =
            self.phase
        else {
            return;
        };
        let holds = |peer: &super::Peer| {
            peer.source == sentinel.neighbor && peer.standing != Standing::Past
        };
        if !self.peer.as_ref().is_some_and(holds) {
            return;
        }
        let version = self.config.version();
        let skew = timers::skew_time(version, self.priority(), sentinel.interval);
        // Never later than without the session.
        if self.deadline().is_some_and(|at| at <= now + skew) {
            return;
        }
        let waiting = Waiting::Unreachable(event, skew);
        self.phase = Phase::Backup { armed_at: now, waiting, preempt_at };
    }
}
