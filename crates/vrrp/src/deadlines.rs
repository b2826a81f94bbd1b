//! Which instance must be looked at next, out of thousands.
//!
//! Instances own their deadlines; this is only an index over them, brought up to date after every
//! input. Nothing here can be stale for longer than one turn.
//!
//! It is a heap whose entries know their places: a deadline that moves, and with every advert one
//! does, takes its entry a few steps up or down and needs no memory. Four below each, since an entry
//! rather moves down than up and four neighbours are read at once.

use base::Instant;

use crate::router::Slot;

/// Entries below one entry.
const BELOW: usize = 4;

/// Not in the heap.
const NOWHERE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    /// Each not later than those below it.
    heap: Vec<(Instant, Slot)>,
    /// Where a slot's entry is.
    places: Vec<u32>,
    /// For [`Deadlines::due`]: kept for its room.
    open: Vec<usize>,
}

impl Deadlines {
    /// Notes that `slot` is to be looked at `at`, or not at all.
    pub(crate) fn set(&mut self, slot: Slot, at: Option<Instant>) {
        if self.places.len() <= slot.0 {
            self.places.resize(slot.0 + 1, NOWHERE);
        }
        let place = usize::try_from(self.places[slot.0]).unwrap_or(usize::MAX);
        match (self.heap.get(place).copied(), at) {
            (None, None) => {}
            (Some((old, _)), Some(at)) if old == at => {}
            (Some(_), Some(at)) => self.settle(place, (at, slot)),
            (None, Some(at)) => {
                self.heap.push((at, slot));
                self.settle(self.heap.len() - 1, (at, slot));
            }
            (Some(_), None) => {
                self.places[slot.0] = NOWHERE;
                let last = self.heap.pop();
                if let Some(last) = last.filter(|(_, last)| *last != slot) {
                    self.settle(place, last);
                }
            }
        }
    }

    pub(crate) fn first(&self) -> Option<Instant> {
        self.heap.first().map(|(at, _)| *at)
    }

    /// Those due at `now`, earliest first.
    pub(crate) fn due(&mut self, now: Instant, into: &mut Vec<Slot>) {
        into.clear();
        if self.first().is_none_or(|at| at > now) {
            return;
        }
        self.open.clear();
        self.open.push(0);
        while let Some(place) = self.open.pop() {
            if let Some((at, slot)) = self.heap.get(place)
                && *at <= now
            {
                into.push(*slot);
                self.open.extend(place * BELOW + 1..=place * BELOW + BELOW);
            }
        }
        let at = |slot: &Slot| {
            let place = self.places.get(slot.0).copied().unwrap_or(NOWHERE);
            self.heap.get(usize::try_from(place).unwrap_or(usize::MAX)).copied()
        };
        into.sort_unstable_by_key(at);
    }

    /// Puts an entry where it belongs, beginning at `place`, whose entry has become void.
    fn settle(&mut self, mut place: usize, entry: (Instant, Slot)) {
        while place > 0 {
            let above = (place - 1) / BELOW;
            if self.heap[above] <= entry {
                break;
            }
            self.put(place, self.heap[above]);
            place = above;
        }
        loop {
            let below = place * BELOW + 1..(place * BELOW + BELOW + 1).min(self.heap.len());
            let Some(least) = below.min_by_key(|below| self.heap[*below]) else { break };
            if self.heap[least] >= entry {
                break;
            }
            self.put(place, self.heap[least]);
            place = least;
        }
        self.put(place, entry);
    }

    fn put(&mut self, place: usize, entry: (Instant, Slot)) {
        self.heap[place] = entry;
        self.places[entry.1.0] = u32::try_from(place).unwrap_or(NOWHERE);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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

    #[test]
    fn whatever_moves_the_order_is_that_of_a_sorted_set() {
        let mut deadlines = Deadlines::default();
        let mut model: BTreeSet<(Instant, Slot)> = BTreeSet::new();
        let mut due = vec![];
        let mut random = 7_u64;
        for _ in 0..20_000 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let slot = Slot(usize::try_from(random >> 40).unwrap() % 200);
            let at = Instant::from_nanos((random >> 8) % 1000);
            let at = Some(at).filter(|_| random >> 60 > 2);
            model.retain(|(_, known)| *known != slot);
            model.extend(at.map(|at| (at, slot)));
            deadlines.set(slot, at);
            assert_eq!(deadlines.first(), model.first().map(|(at, _)| *at));
            let now = Instant::from_nanos((random >> 20) % 1000);
            deadlines.due(now, &mut due);
            let want = model.iter().take_while(|(at, _)| *at <= now).map(|(_, slot)| *slot);
            assert!(due.iter().copied().eq(want));
        }
    }
}
