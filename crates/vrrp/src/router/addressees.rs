//! For whom a packet may be: who listens on an interface for a family and a VRID.
//!
//! One row, sorted, each key a number: every packet is looked up here, and a node may have thousands
//! of instances.

use base::{Family, IfIndex, Vrid};

use super::Slot;

/// What tells packets for different instances apart.
pub(super) type Key = (IfIndex, Family, Vrid);

/// Several unicast instances may share a key; they stand in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Addressees(Vec<(u64, Slot)>);

impl Addressees {
    /// Those that listen for this.
    pub(super) fn of(&self, key: Key) -> impl Iterator<Item = Slot> {
        let key = number(key);
        let first = self.0.partition_point(|(known, _)| *known < key);
        let here = self.0[first..].iter().take_while(move |(known, _)| *known == key);
        here.map(|(_, slot)| *slot)
    }

    pub(super) fn list(&mut self, key: Key, slot: Slot) {
        let key = number(key);
        let place = self.0.partition_point(|(known, _)| *known <= key);
        self.0.insert(place, (key, slot));
    }

    pub(super) fn unlist(&mut self, key: Key, slot: Slot) {
        let key = number(key);
        let first = self.0.partition_point(|(known, _)| *known < key);
        let mut here = self.0[first..].iter().take_while(|(known, _)| *known == key);
        if let Some(place) = here.position(|(_, listed)| *listed == slot) {
            self.0.remove(first + place);
        }
    }
}

fn number((index, family, vrid): Key) -> u64 {
    let family = match family {
        Family::V4 => 4,
        Family::V6 => 6,
    };
    u64::from(index.get()) << 16 | family << 8 | u64::from(vrid.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_shares_a_key_stands_in_the_order_of_coming() {
        let key =
            |index, vrid| (IfIndex::new(index).unwrap(), Family::V4, Vrid::new(vrid).unwrap());
        let mut all = Addressees::default();
        for (slot, index, vrid) in [(0, 3, 7), (1, 2, 7), (2, 3, 7), (3, 3, 6), (4, 3, 7)] {
            all.list(key(index, vrid), Slot(slot));
        }
        let at = |all: &Addressees, index, vrid| -> Vec<usize> {
            all.of(key(index, vrid)).map(|slot| slot.0).collect()
        };
        assert_eq!(at(&all, 3, 7), [0, 2, 4]);
        assert_eq!((at(&all, 2, 7), at(&all, 3, 6), at(&all, 2, 6)), (vec![1], vec![3], vec![]));
        all.unlist(key(3, 7), Slot(2));
        all.unlist(key(3, 6), Slot(2));
        assert_eq!((at(&all, 3, 7), at(&all, 3, 6)), (vec![0, 4], vec![3]));
        let other = (IfIndex::new(3).unwrap(), Family::V6, Vrid::new(7).unwrap());
        assert_eq!(all.of(other).count(), 0);
    }
}
