//! When an engine owes its guardian a sign of life: three times within its shortest lease, and at once
//! when a shorter one comes to be.

use core::time::Duration;
use std::collections::BTreeMap;

use base::{Instant, Name};

use super::Edit;

/// Signs of life within one lease.
const SIGNS: u32 = 3;

/// The engine's side of the last will's clock.
#[derive(Debug, Default)]
pub struct Signs {
    /// The lease of each instance that holds, and how many have which.
    leases: BTreeMap<Name, Duration>,
    lengths: BTreeMap<Duration, usize>,
    /// When the next is due; `None` while something is held: now.
    next: Option<Instant>,
}

impl Signs {
    /// Takes in a change of the will on its way to the guardian.
    pub fn edit(&mut self, edit: &Edit) {
        match edit {
            Edit::Hold(bequest) => {
                let before = self.leases.insert(bequest.name.clone(), bequest.patience);
                *self.lengths.entry(bequest.patience).or_default() += 1;
                self.forget(before);
                // What was due by a longer lease may be too late by this one.
                if !base::planted!(SignsByTheOldLease) || self.leases.len() == 1 {
                    self.next = None;
                }
            }
            Edit::Release { name } => {
                let before = self.leases.remove(name);
                self.forget(before);
            }
            Edit::Spoke { .. } | Edit::Ways { .. } => {}
        }
    }

    fn forget(&mut self, length: Option<Duration>) {
        let Some(length) = length else { return };
        if let Some(count) = self.lengths.get_mut(&length) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&length);
            }
        }
    }

    /// Whether one is to be given now; to be asked at the end of every turn.
    pub fn give(&mut self, now: Instant) -> bool {
        let Some(lease) = self.lengths.keys().next() else {
            self.next = None;
            return false;
        };
        let due = self.next.is_none_or(|next| now >= next);
        if due {
            self.next = Some(now + *lease / SIGNS);
        }
        due
    }

    /// When to ask again at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next.filter(|_| !self.leases.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::last_will::Bequest;

    fn hold(name: &str, patience: u64) -> Edit {
        Edit::Hold(Bequest {
            name: name.into(),
            farewells: vec![],
            vips: vec![],
            patience: Duration::from_millis(patience),
            seal: None,
        })
    }

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    #[test]
    fn three_signs_in_the_shortest_lease_while_something_is_held() {
        let mut signs = Signs::default();
        assert!(!signs.give(at(0)) && signs.poll_timeout().is_none());
        signs.edit(&hold("a", 600));
        assert!(signs.give(at(10)));
        assert_eq!(signs.poll_timeout(), Some(at(210)));
        assert!(!signs.give(at(209)) && signs.give(at(210)));
        signs.edit(&Edit::Release { name: "a".into() });
        assert!(!signs.give(at(500)) && signs.poll_timeout().is_none());
    }

    #[test]
    fn a_shorter_lease_is_not_kept_waiting_for_the_rhythm_of_a_longer_one() {
        // Found by simulation: the guardian killed a sound engine 60 ms after its second instance
        // had become the holder, because the first one's rhythm was 220 ms.
        let mut signs = Signs::default();
        signs.edit(&hold("slow", 660));
        assert!(signs.give(at(0)));
        signs.edit(&hold("fast", 60));
        assert!(signs.give(at(5)));
        assert_eq!(signs.poll_timeout(), Some(at(25)));
    }
}
