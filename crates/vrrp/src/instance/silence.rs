//! A holder that was silenced, late or asleep: it says nothing until it knows that nobody else holds.

use core::time::Duration;

use base::{EventId, Instant, Reason, State};
use vip::lease::FLOOR;

use super::{Inheritance, Instance, Phase, Turn, Waiting};
use crate::image::PhaseV1;

/// A Backup that is later than this, and than an interval, listens anew.
const LATE: Duration = Duration::from_millis(100);

/// One that is later than this did not run when its wait was over, and its holder perhaps neither: they
/// may be guests of one machine.
const STALLED: Duration = Duration::from_micros(2_500);

/// So long it lets the holder speak then, once. Whoever runs again speaks at once.
const GRACE: Duration = Duration::from_millis(5);

impl Instance {
    /// Its VIPs are silent, or may be.
    pub(crate) fn silence(&mut self) {
        self.silenced = self.state() == State::Active;
    }

    /// Whether it claims nothing because its VIPs may be silent.
    pub(crate) fn is_silenced(&self) -> bool {
        self.silenced
    }

    /// Whether it goes on for an engine that died, if the lease of that one lives, which is not known yet.
    pub(crate) fn is_unproven_heir(&self) -> bool {
        self.silenced && self.sent_at.is_none()
    }

    /// Its VIPs are heard again, and nobody else can have taken them: it claims them at once.
    pub(crate) fn speak_again(&mut self, turn: &mut Turn<'_>) {
        self.silenced = false;
        if self.state() == State::Active {
            self.send(turn, self.priority());
            let advert_at = turn.now + self.config.interval.as_duration();
            self.phase = Phase::Active { advert_at };
        }
    }

    /// Lets go without a word: somebody else may hold by now, and would be contradicted. Listens for
    /// as long as any Backup does.
    pub(crate) fn stand_back(&mut self, turn: &mut Turn<'_>, cause: EventId) {
        if self.state() == State::Active {
            self.wait_for_silence(turn.now, None);
            self.changed(turn, State::Active, Reason::MayBeOvertaken, Some(cause));
        }
    }

    /// Whether a peer that counts from our last advert can have taken over by now: on time it never
    /// can. Lateness of some milliseconds is no evidence, however short the interval.
    pub(crate) fn may_be_overtaken(&self, now: Instant) -> bool {
        let patience = self.sent_at.map(|(_, patience)| patience);
        self.state() == State::Active
            && patience.is_none_or(|patience| self.silence_until(now) >= patience.max(FLOOR))
    }

    /// Whether it last spoke so long ago that a peer can have taken over. Of an heir that does not know
    /// when the engine before it spoke, its lease tells.
    pub(crate) fn is_stalled(&self, now: Instant) -> bool {
        self.sent_at.is_some() && self.may_be_overtaken(now)
    }

    /// How long it has said nothing.
    pub(crate) fn silence_until(&self, now: Instant) -> Duration {
        now.since(self.sent_at.map_or(self.changed_at, |(at, _)| at)).saturating_add(self.slept)
    }

    /// It said so at `now`, and peers wait for as long as was right then.
    pub(super) fn note_sent(&mut self, now: Instant) {
        self.note_voice();
        self.sent_at = Some((now, self.config.lease_terms().patience()));
        self.slept = Duration::ZERO;
    }

    /// The machine slept, and its clock with it. What a Backup waited for may have come meanwhile:
    /// it waits anew.
    pub(crate) fn overslept(&mut self, now: Instant, span: Duration) {
        self.slept = self.slept.saturating_add(span);
        self.mute_overslept(span);
        if let Phase::Backup { preempt_at, .. } = self.phase {
            self.wait_for_silence(now, preempt_at);
        }
    }

    /// Whether its deadline is over for so long that this node did not run, or not enough.
    pub(crate) fn judges_late(&self, now: Instant) -> bool {
        let late = self.active_interval().max(LATE);
        self.deadline().is_some_and(|deadline| now >= deadline + late)
    }

    /// Whether it is so late that it gives the holder another moment, which it does at most once in a
    /// wait. What the holder said meanwhile would lie in the socket, if only this node had not run; it
    /// does not if neither did.
    pub(super) fn grants_grace(&mut self, now: Instant, ran: Instant) -> bool {
        let Some(deadline) = self.deadline() else { return false };
        let Phase::Backup { armed_at, waiting: Waiting::Silence, .. } = &mut self.phase else {
            return false;
        };
        let stalled = ran >= deadline + STALLED && self.peer.is_some();
        if !stalled || self.graced == Some(deadline) {
            return false;
        }
        *armed_at = *armed_at + now.since(deadline) + GRACE;
        self.graced = Some(now + GRACE);
        true
    }

    /// Whether it is to go on with what an engine before this one held, and has not begun to.
    pub(crate) fn inherits(&self) -> bool {
        match &self.inherits {
            Some(Inheritance::Held) => true,
            Some(Inheritance::Image(image)) => {
                matches!(image.base.base.phase, PhaseV1::Active { .. })
            }
            Some(Inheritance::Group) | None => false,
        }
    }

    /// Whether an engine before this one had it running, and it has not taken that up: a tracker that
    /// this engine has not heard of yet keeps it from nothing.
    pub(crate) fn goes_on(&self) -> bool {
        match &self.inherits {
            Some(Inheritance::Held | Inheritance::Group) => true,
            Some(Inheritance::Image(image)) => {
                !matches!(image.base.base.phase, PhaseV1::Initialize)
            }
            None => false,
        }
    }

    /// There is nothing to go on with: its lease has ended.
    pub(crate) fn renounce(&mut self) {
        self.inherits = None;
    }

    pub(super) fn is_leased(&self) -> bool {
        self.config.lease && self.config.all_vips().next().is_some()
    }
}
