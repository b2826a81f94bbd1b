//! Which instance must be looked at next, out of thousands.
//!
//! Instances own their deadlines; this is only an index over them, brought up to date after every
//! input. Nothing here can be stale for longer than one turn.

use std::collections::BTreeSet;

use base::Instant;

use crate::router::Slot;

#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    by_time: BTreeSet<(Instant, Slot)>,
    by_slot: Vec<Option<Instant>>,
}

impl Deadlines {
    /// Notes that `slot` is to be looked at `at`, or not at all.
    pub(crate) fn set(&mut self, slot: Slot, at: Option<Instant>) {
        if self.by_slot.len() <= slot.0 {
            self.by_slot.resize(slot.0 + 1, None);
        }
        let old = core::mem::replace(&mut self.by_slot[slot.0], at);
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.by_time.remove(&(old, slot));
        }
        if let Some(at) = at {
            self.by_time.insert((at, slot));
        }
    }

    pub(crate) fn first(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Those due at `now`, earliest first.
    pub(crate) fn due(&self, now: Instant, into: &mut Vec<Slot>) {
        into.clear();
        into.extend(self.by_time.iter().take_while(|(at, _)| *at <= now).map(|(_, slot)| *slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_a_moved_one_only_once() {
        let at = Instant::from_nanos;
        let mut deadlines = Deadlines::default();
        deadlines.set(Slot(0), Some(at(30)));
        deadlines.set(Slot(1), Some(at(20)));
        deadlines.set(Slot(2), Some(at(10)));
        deadlines.set(Slot(2), Some(at(25)));
        deadlines.set(Slot(0), None);
        assert_eq!(deadlines.first(), Some(at(20)));
        let mut due = vec![];
        deadlines.due(at(24), &mut due);
        assert_eq!(due, [Slot(1)]);
        deadlines.due(at(25), &mut due);
        assert_eq!(due, [Slot(1), Slot(2)]);
    }
}
