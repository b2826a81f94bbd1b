//! What an instance does because its sync group does it.
//!
//! It still waits, hears and speaks for itself; when its wait is over it says so instead of acting,
//! and the group acts for all of its members in one turn (`router/groups.rs`).

use core::time::Duration;

use base::{EventId, Instant, Priority, Reason, State, What};

use super::{Inheritance, Instance, Phase, Turn};

/// How many intervals a rival that has fallen silent still counts as one.
const RIVAL_FOR: u32 = 3;

impl Instance {
    /// Whether it would take over by itself, were it alone. Only to be asked when nothing is left to
    /// read.
    pub(crate) fn is_ripe(&self, now: Instant) -> bool {
        matches!(self.phase, Phase::Backup { .. })
            && self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Whether it holds while a weaker router claims to hold too.
    pub(crate) fn is_contested(&self, now: Instant) -> bool {
        let span: Duration = self.config.interval.as_duration() * RIVAL_FOR;
        let at = self.troubles.get().and_then(|troubles| troubles.contested_at);
        self.state() == State::Active && at.is_some_and(|at| now < at + span)
    }

    /// It is to begin as Active, since its group holds.
    pub(crate) fn enter_active(&mut self, now: Instant) {
        if self.state() == State::Initialize {
            self.inherits = Some(Inheritance::Group);
            self.not_before = now;
        }
    }

    /// Whether it begins as Backup when nothing is in its way any more.
    pub(crate) fn begins_as_backup(&self, now: Instant) -> bool {
        self.state() == State::Initialize && self.inherits.is_none() && now >= self.not_before
    }

    /// It does not wait longer than the group it joins.
    pub(crate) fn start_with_others(&mut self, now: Instant) {
        self.not_before = now;
    }

    /// Backup to Active, because the group holds.
    pub(crate) fn step_up(&mut self, turn: &mut Turn<'_>, cause: Option<EventId>) {
        if self.state() == State::Backup {
            self.become_active(turn, Reason::SyncGroup, cause);
        }
    }

    /// Active to Backup, because another member yielded. It resigns, so that whoever is to hold need
    /// not wait until it is missed.
    pub(crate) fn step_back(&mut self, turn: &mut Turn<'_>, cause: Option<EventId>) {
        if self.state() != State::Active {
            return;
        }
        self.choose_nominee(turn.now);
        self.send(turn, Priority::RESIGN);
        self.traffic.resignations_sent += 1;
        turn.out.event(turn.now, self.subject(), What::Resigned, Reason::SyncGroup, cause);
        self.wait_for_silence(turn.now, None);
        self.changed(turn, State::Active, Reason::SyncGroup, cause);
    }
}
