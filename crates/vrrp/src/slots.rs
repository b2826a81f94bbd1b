//! Instances by their slot: a slot is a number that begins at zero, so whatever is known of slots is
//! kept in rows and not in trees.
//!
//! Every packet and every advert asks here, so an answer costs one step, and neither asking nor
//! answering needs memory.

use crate::router::Slot;

/// Values by slot, in the order of the slots.
#[derive(Debug)]
pub(crate) struct SlotMap<T> {
    /// Boxed: most slots were never vacated, but a reload may leave thousands that were.
    row: Vec<Option<Box<T>>>,
}

impl<T> Default for SlotMap<T> {
    fn default() -> Self {
        Self { row: Vec::new() }
    }
}

impl<T> SlotMap<T> {
    pub(crate) fn get(&self, slot: &Slot) -> Option<&T> {
        self.row.get(slot.0)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, slot: &Slot) -> Option<&mut T> {
        self.row.get_mut(slot.0)?.as_deref_mut()
    }

    pub(crate) fn insert(&mut self, slot: Slot, value: T) {
        if self.row.len() <= slot.0 {
            self.row.resize_with(slot.0 + 1, || None);
        }
        self.row[slot.0] = Some(Box::new(value));
    }

    pub(crate) fn remove(&mut self, slot: &Slot) -> Option<T> {
        self.row.get_mut(slot.0)?.take().map(|value| *value)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Slot> {
        self.iter().map(|(slot, _)| slot)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> + Clone {
        self.row.iter().filter_map(Option::as_deref)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.row.iter_mut().filter_map(Option::as_deref_mut)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        let all = self.row.iter().enumerate();
        all.filter_map(|(slot, value)| Some((Slot(slot), value.as_deref()?)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Slot, &mut T)> {
        let all = self.row.iter_mut().enumerate();
        all.filter_map(|(slot, value)| Some((Slot(slot), value.as_deref_mut()?)))
    }
}

const BITS: usize = 64;

/// A set of slots.
#[derive(Debug, Default)]
pub(crate) struct SlotSet {
    words: Vec<u64>,
    /// No word before this one has a member.
    first: usize,
    count: usize,
}

impl SlotSet {
    /// Whether it was new.
    pub(crate) fn insert(&mut self, slot: Slot) -> bool {
        let (word, bit) = (slot.0 / BITS, 1 << (slot.0 % BITS));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.first = self.first.min(word);
        self.count += usize::from(new);
        new
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, slot: Slot) -> bool {
        let was = self.contains(slot);
        if was {
            self.words[slot.0 / BITS] &= !(1 << (slot.0 % BITS));
            self.count -= 1;
        }
        was
    }

    pub(crate) fn contains(&self, slot: Slot) -> bool {
        let word = self.words.get(slot.0 / BITS).copied().unwrap_or(0);
        word & (1 << (slot.0 % BITS)) != 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The lowest.
    pub(crate) fn first(&self) -> Option<Slot> {
        self.iter().next()
    }

    /// Takes the lowest out.
    pub(crate) fn pop_first(&mut self) -> Option<Slot> {
        if self.is_empty() {
            return None;
        }
        while self.words[self.first] == 0 {
            self.first += 1;
        }
        let word = self.words[self.first];
        self.words[self.first] &= word - 1;
        self.count -= 1;
        let bit = usize::try_from(word.trailing_zeros()).unwrap_or(0);
        let slot = Slot(self.first * BITS + bit);
        if self.is_empty() {
            self.first = self.words.len();
        }
        Some(slot)
    }

    pub(crate) fn extend(&mut self, slots: impl IntoIterator<Item = Slot>) {
        for slot in slots {
            self.insert(slot);
        }
    }

    /// Its members, lowest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> {
        let words = if self.is_empty() { &[][..] } else { &self.words[self.first..] };
        let bits = |word: u64| (0..BITS).filter(move |bit| word & (1 << bit) != 0);
        let first = self.first;
        let busy = words.iter().enumerate().filter(|(_, word)| **word != 0);
        busy.flat_map(move |(n, word)| bits(*word).map(move |bit| Slot((first + n) * BITS + bit)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn a_set_of_slots_is_a_set() {
        let (mut set, mut model) = (SlotSet::default(), BTreeSet::new());
        // A walk that visits each of 331 slots, in no order, and takes some out again.
        for n in 0..3000_usize {
            let slot = Slot(n * 97 % 331);
            match n % 5 {
                0..3 => assert_eq!(set.insert(slot), model.insert(slot), "{n}"),
                3 => assert_eq!(set.remove(slot), model.remove(&slot), "{n}"),
                _ => assert_eq!(set.pop_first(), model.pop_first(), "{n}"),
            }
            assert_eq!(set.contains(slot), model.contains(&slot));
            assert_eq!(set.is_empty(), model.is_empty());
            assert_eq!((set.count(), set.first()), (model.len(), model.first().copied()));
            assert!(set.iter().eq(model.iter().copied()), "{n}");
        }
        while let Some(slot) = model.pop_first() {
            assert_eq!(set.pop_first(), Some(slot));
        }
        assert_eq!(set.pop_first(), None);
        assert!(set.insert(Slot(3)) && set.pop_first() == Some(Slot(3)));
    }

    #[test]
    fn a_map_of_slots_is_a_map() {
        let (mut map, mut model) = (SlotMap::default(), BTreeMap::new());
        for n in 0..500_usize {
            let slot = Slot(n * 31 % 101);
            if n % 3 == 2 {
                assert_eq!(map.remove(&slot), model.remove(&slot));
            } else {
                map.insert(slot, n);
                model.insert(slot, n);
            }
            assert_eq!(map.get(&slot), model.get(&slot));
        }
        assert!(map.iter().eq(model.iter().map(|(slot, value)| (*slot, value))));
        assert!(map.keys().eq(model.keys().copied()));
        for (_, value) in map.iter_mut() {
            *value += 1;
        }
        assert!(map.values().eq(model.values().map(|v| *v + 1).collect::<Vec<_>>().iter()));
        assert_eq!(map.get_mut(&Slot(1000)), None);
    }
}
