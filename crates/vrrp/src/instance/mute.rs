//! A holder whose own link does not run: what it says goes nowhere.
//!
//! It lets go at once, as VRRP-062 asks, and says no farewell: nobody would hear it, and a word that
//! leaves after all, because the link is back before the kernel's news of its loss are read, would
//! call an election that nobody needs. So its peers go on waiting for its next advert. If its link is
//! back before any of them can have lost patience, nobody else holds, and it goes on at once instead
//! of listening for a whole down time that would leave the VIPs on no node.
//!
//! A link that flaps is not to keep its VIPs for ever in this way: only who has held for as long as
//! its peers wait goes on like that, the next time they take over. Nor does a member of a sync group,
//! whose others have resigned on links that run, or a node whose peers watch it by BFD and have not
//! waited.

use core::time::Duration;

use base::{EventId, Instant, Reason, State};

use super::{Instance, Phase, Turn};

/// Whether what an instance says leaves the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Mute {
    /// As far as is known.
    #[default]
    No,
    /// It held when its link stopped running; until then nobody can have taken over.
    Yes(Instant),
    /// Its link runs again, and nothing has been said since.
    Over(Instant),
}

impl Instance {
    /// The kernel says that its link does not run, which may be believed later or never. `read`: when
    /// everything that had arrived was last read, so that the link ran until then.
    pub(crate) fn link_stopped(&mut self, now: Instant, read: Instant) {
        self.mute = match self.mute {
            Mute::Over(until) | Mute::Yes(until) => Mute::Yes(until),
            Mute::No if self.state() == State::Active => {
                Mute::Yes(self.unrivalled_until(now, read))
            }
            Mute::No => Mute::No,
        };
    }

    /// The kernel says that it runs.
    pub(crate) fn link_runs(&mut self) {
        self.mute = match self.mute {
            Mute::Yes(until) => Mute::Over(until),
            // It claimed to hold while nobody can have heard it.
            Mute::No if self.state() == State::Active => Mute::Over(Instant::ZERO),
            other => other,
        };
    }

    /// Until when every peer that has heard its adverts waits for the next one.
    fn unrivalled_until(&self, now: Instant, read: Instant) -> Instant {
        let Some((said_at, patience)) = self.sent_at else { return Instant::ZERO };
        if self.silenced || now.since(self.changed_at) < patience {
            return Instant::ZERO;
        }
        // What was said since then may have met a link that was down already.
        let unsure = said_at > read;
        let lost = if unsure { self.config.interval.as_duration() } else { Duration::ZERO };
        said_at + patience.saturating_sub(self.slept).saturating_sub(lost)
    }

    /// It has said something.
    pub(super) fn note_voice(&mut self) {
        if matches!(self.mute, Mute::Over(_)) {
            self.mute = Mute::No;
        }
    }

    /// The machine slept, and its peers counted.
    pub(super) fn mute_overslept(&mut self, span: Duration) {
        if let Mute::Yes(until) | Mute::Over(until) = &mut self.mute {
            *until = *until - span;
        }
    }

    /// Whether a farewell would be said into nothing.
    pub(super) fn is_unheard(&self, reason: Reason) -> bool {
        matches!(self.mute, Mute::Yes(_))
            && matches!(reason, Reason::LinkDown | Reason::LinkMissing)
            && self.state() == State::Active
    }

    /// It cannot run and cannot say so.
    pub(super) fn fall_silent(
        &mut self,
        turn: &mut Turn<'_>,
        reason: Reason,
        cause: Option<EventId>,
    ) {
        self.phase = Phase::Initialize;
        self.changed(turn, State::Active, reason, cause);
    }

    /// Whether nobody can have taken over since it fell silent. To be asked once.
    pub(super) fn take_unrivalled(&mut self, now: Instant) -> bool {
        let (Mute::Yes(until) | Mute::Over(until)) = core::mem::take(&mut self.mute) else {
            return false;
        };
        let alone = self.config.group.is_none() && self.config.sentinels.is_empty();
        let able = alone && !self.around.hindered && !self.stays_back(now);
        able && (now < until || base::planted!(BackWhenever))
    }
}
