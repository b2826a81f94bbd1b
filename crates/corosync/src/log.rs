//! The log of one member, as it is in memory: what is on disk, but for what is about to be written.
//!
//! It begins after a *base*, the place up to which a snapshot stands for it. Every place has the term
//! of the leader that put it there, and a leader puts one thing at a place: two logs that have the same
//! term at the same index are the same up to there.

use std::collections::VecDeque;

use crate::words::{Members, Place, Slot, What};

/// What a member remembers: the same after a crash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    base: Place,
    /// The members as of the base.
    founders: Members,
    slots: VecDeque<Slot>,
    /// Where the slots are that name members.
    named: Vec<u64>,
}

impl Log {
    pub(crate) fn new(base: Place, founders: Members, slots: Vec<Slot>) -> Self {
        let mut log = Self { base, founders, ..Self::default() };
        for slot in slots {
            log.push(slot);
        }
        log
    }

    pub(crate) fn base(&self) -> Place {
        self.base
    }

    /// The place of the last entry.
    pub(crate) fn last(&self) -> Place {
        let index = self.base.index + count(self.slots.len());
        Place { term: self.slots.back().map_or(self.base.term, |it| it.term), index }
    }

    fn at(&self, index: u64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.base.index + 1)?).ok()
    }

    pub(crate) fn get(&self, index: u64) -> Option<&Slot> {
        self.slots.get(self.at(index)?)
    }

    /// The term at an index, if it is known: that of the base is.
    pub(crate) fn term(&self, index: u64) -> Option<u64> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.get(index).map(|it| it.term)
    }

    pub(crate) fn push(&mut self, slot: Slot) -> u64 {
        let index = self.last().index + 1;
        if matches!(slot.what, What::Members(_)) {
            self.named.push(index);
        }
        self.slots.push_back(slot);
        index
    }

    /// The entry of this index and all after it go.
    pub(crate) fn cut(&mut self, from: u64) {
        if let Some(at) = self.at(from) {
            self.slots.truncate(at);
        }
        self.named.retain(|index| *index < from);
    }

    /// The members as of an index.
    pub(crate) fn members(&self, index: u64) -> &Members {
        let named = self.named.iter().rev().find(|it| **it <= index);
        match named.and_then(|at| self.get(*at)).map(|it| &it.what) {
            Some(What::Members(members)) => members,
            _ => &self.founders,
        }
    }

    /// The index of the last entry that names members, after the base.
    pub(crate) fn named(&self) -> Option<u64> {
        self.named.last().copied()
    }

    /// What comes before and at this index goes, since a snapshot stands for it.
    pub(crate) fn trim(&mut self, index: u64) {
        let Some(term) = self.term(index) else { return };
        self.founders = self.members(index).clone();
        while self.base.index < index && self.slots.pop_front().is_some() {
            self.base.index += 1;
        }
        self.base.term = term;
        self.named.retain(|it| *it > index);
    }

    /// Some entries after a place, but not more than so many octets (one at least).
    pub(crate) fn some(&self, after: u64, most: usize, octets: usize) -> Vec<Slot> {
        let Some(from) = self.at(after + 1) else { return Vec::new() };
        let (mut slots, mut size) = (Vec::new(), 0);
        for slot in self.slots.iter().skip(from).take(most) {
            size += weight(slot);
            if size > octets && !slots.is_empty() {
                break;
            }
            slots.push(slot.clone());
        }
        slots
    }

    /// Its terms: for each, the place of the last entry.
    pub(crate) fn runs(&self) -> Vec<Place> {
        let mut runs: Vec<Place> = Vec::new();
        for (slot, index) in self.slots.iter().zip(self.base.index + 1..) {
            match runs.last_mut() {
                Some(run) if run.term == slot.term => run.index = index,
                _ => runs.push(Place { term: slot.term, index }),
            }
        }
        runs
    }

    /// The last index up to which another log, told by its base and runs, is the same as this one; none
    /// if that is before this one begins.
    pub(crate) fn common(&self, base: Place, runs: &[Place]) -> Option<u64> {
        let mut begins = base.index;
        let mut common = self.agrees(base).then_some(base.index);
        for run in runs {
            // A run is the same up to the shorter of both.
            let own = self.runs().into_iter().find(|own| own.term == run.term);
            let last = own.unwrap_or(self.base).index.min(run.index);
            if last > begins && self.term(last) == Some(run.term) {
                common = common.max(Some(last));
            }
            begins = run.index;
        }
        common
    }

    /// Whether this place is one of this log's.
    pub(crate) fn agrees(&self, place: Place) -> bool {
        self.term(place.index) == Some(place.term)
    }
}

pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// About how many octets a slot takes.
pub(crate) fn weight(slot: &Slot) -> usize {
    match &slot.what {
        What::Blank => 16,
        What::Members(members) => 32 * (members.all.len() + members.gone.len()),
        What::Entry(entry) => postcard::experimental::serialized_size(entry).unwrap_or(usize::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(term: u64) -> Slot {
        Slot { term, mark: None, what: What::Blank }
    }

    fn log(terms: &[u64]) -> Log {
        Log::new(Place::default(), Members::default(), terms.iter().map(|it| slot(*it)).collect())
    }

    #[test]
    fn what_two_logs_have_in_common_is_found_by_their_runs() {
        let table: [(&[u64], &[u64], u64); 7] = [
            (&[1, 1, 2], &[1, 1, 2], 3),
            (&[1, 1, 2, 2], &[1, 1, 2], 3),
            (&[1, 1], &[1, 1, 2], 2),
            (&[1, 1, 3], &[1, 1, 2, 2], 2),
            (&[1, 3, 3], &[1, 1, 1], 1),
            (&[2], &[1], 0),
            (&[], &[1], 0),
        ];
        for (one, other, common) in table {
            let (one, other) = (log(one), log(other));
            assert_eq!(one.common(other.base(), &other.runs()), Some(common), "{one:?} {other:?}");
            assert_eq!(other.common(one.base(), &one.runs()), Some(common), "{other:?} {one:?}");
        }
    }

    #[test]
    fn a_log_whose_beginning_is_gone_says_what_it_still_knows() {
        let mut long = log(&[1, 1, 2, 2, 3]);
        long.trim(3);
        assert_eq!((long.base(), long.last().index), (Place { term: 2, index: 3 }, 5));
        assert_eq!((long.term(3), long.term(2), long.term(6)), (Some(2), None, None));
        let short = log(&[1, 1, 2]);
        assert_eq!(long.common(short.base(), &short.runs()), Some(3), "its base is enough");
        let shorter = log(&[1, 1]);
        assert_eq!(long.common(shorter.base(), &shorter.runs()), None, "a snapshot is needed");
        let mut later = log(&[1, 1, 2, 2, 3]);
        later.trim(4);
        assert_eq!(long.common(later.base(), &later.runs()), Some(5));
    }

    #[test]
    fn members_are_those_named_last_and_what_is_cut_is_forgotten() {
        let of = |id| {
            let mut members = Members::default();
            members.gone.insert(crate::words::Id(id));
            members
        };
        let named = |id| Slot { term: 1, mark: None, what: What::Members(of(id)) };
        let mut log = log(&[1]);
        log.push(named(2));
        log.push(slot(1));
        log.push(named(4));
        assert_eq!((log.members(1), log.members(3)), (&Members::default(), &of(2)));
        assert_eq!((log.members(4), log.named()), (&of(4), Some(4)));
        log.cut(4);
        assert_eq!((log.members(9), log.last().index), (&of(2), 3));
        log.trim(3);
        assert_eq!((log.members(3), log.named()), (&of(2), None));
    }
}
