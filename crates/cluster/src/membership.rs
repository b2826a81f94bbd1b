//! Who belongs to the cluster, what each is to the engine, and how many make a quorum: values only.
//!
//! A *voter* counts; a *learner* follows and may run resources; a *witness* counts, stores votes and
//! log, and never runs any. Whether a member is heard is its [`Standing`], which only committed
//! verdicts change; whenever it is back (or gone in good order) a new [`Epoch`] begins, so that what
//! was decided about the node before is recognised as stale.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use base::Name;
use serde::{Deserialize, Serialize};

use crate::operation::{Epoch, Life};

/// What a member is to the engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Votes and runs resources.
    Voter,
    /// Follows and runs resources.
    Learner,
    /// Votes and runs none.
    Witness,
}

/// What the cluster has agreed to know of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Standing {
    /// It was never heard, or left in good order: it holds nothing.
    Absent,
    /// It takes part.
    Alive,
    /// It is not heard; what it does is not known until it is cleared.
    Lost(Cleared),
}

/// Why nothing needs to be feared any more of a member that was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Cleared {
    /// It is to be feared.
    No,
    /// Its quorum lease has ended: it serves no VIP.
    LeaseOver,
    /// It was fenced: it runs nothing.
    Fenced,
}

/// One member.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Its id in the document.
    pub id: Name,
    /// What it is to the engine.
    pub role: Role,
    /// How long its quorum leases are.
    pub lease: Duration,
    /// What is known of it.
    pub standing: Standing,
    /// The life in which it was heard last.
    pub life: Life,
    /// How often that changed.
    pub epoch: Epoch,
    /// The index of the entry that said so last: what was ordered before it does not count any more.
    pub since: u64,
}

impl Member {
    /// Whether it may hold something that nobody else may start.
    #[must_use]
    pub fn in_doubt(&self) -> bool {
        self.role != Role::Witness && self.standing == Standing::Lost(Cleared::No)
    }

    /// Whether it takes part and runs resources.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.role != Role::Witness && self.standing == Standing::Alive
    }

    pub(crate) fn turn(&mut self, standing: Standing, life: Life, index: u64) -> bool {
        if self.standing == standing && self.life == life {
            return false;
        }
        // Being lost and being cleared answer questions of this epoch (somebody who is to be fenced
        // anyhow may fall silent first); being back, or gone in good order, begins the next.
        if !matches!(standing, Standing::Lost(_)) || self.life != life {
            self.epoch = self.epoch.next();
        }
        (self.standing, self.life, self.since) = (standing, life, index);
        true
    }
}

/// All members, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Members(pub(crate) BTreeMap<Name, Member>);

impl Members {
    /// One of them.
    #[must_use]
    pub fn get(&self, node: &Name) -> Option<&Member> {
        self.0.get(node)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Member)> {
        self.0.iter()
    }

    /// Those that vote.
    pub fn voters(&self) -> impl Iterator<Item = &Name> {
        self.0.iter().filter(|(_, it)| it.role != Role::Learner).map(|(name, _)| name)
    }

    /// How many votes decide; none if nobody votes.
    #[must_use]
    pub fn quorum(&self) -> Option<usize> {
        let voters = self.voters().count();
        (voters > 0).then(|| majority(voters))
    }

    /// Whether these together may decide.
    #[must_use]
    pub fn is_quorum(&self, these: &BTreeSet<Name>) -> bool {
        let votes = self.voters().filter(|voter| these.contains(*voter)).count();
        self.quorum().is_some_and(|needed| votes >= needed)
    }

    /// Those of whom nobody knows what they hold.
    pub fn in_doubt(&self) -> impl Iterator<Item = (&Name, &Member)> {
        self.0.iter().filter(|(_, it)| it.in_doubt())
    }
}

/// More than half.
#[must_use]
pub const fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(role: Role) -> Member {
        Member {
            id: "1".into(),
            role,
            lease: Duration::from_secs(1),
            standing: Standing::Absent,
            life: Life(0),
            epoch: Epoch(0),
            since: 0,
        }
    }

    #[test]
    fn a_witness_votes_and_a_learner_does_not() {
        let mut all = Members::default();
        assert_eq!(all.quorum(), None);
        for (name, role) in [("a", Role::Voter), ("b", Role::Voter), ("l", Role::Learner)] {
            all.0.insert(name.into(), member(role));
        }
        assert_eq!(all.quorum(), Some(2), "two nodes need both");
        all.0.insert("w".into(), member(Role::Witness));
        assert_eq!(all.quorum(), Some(2), "the witness replaces one of them");
        let these = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect();
        assert!(all.is_quorum(&these(&["a", "w"])));
        assert!(!all.is_quorum(&these(&["a", "l"])));
    }

    #[test]
    fn any_two_quorums_meet() {
        for voters in 1..=9_usize {
            assert!(2 * majority(voters) > voters, "{voters}");
            assert!(2 * (majority(voters) - 1) <= voters, "{voters}");
        }
    }

    #[test]
    fn an_epoch_ends_when_a_node_is_back_and_not_when_it_is_lost_or_cleared() {
        let mut it = member(Role::Voter);
        assert!(it.turn(Standing::Alive, Life(1), 1));
        assert!(!it.turn(Standing::Alive, Life(1), 2));
        let epochs = [
            (Standing::Lost(Cleared::No), 1),
            (Standing::Lost(Cleared::LeaseOver), 1),
            (Standing::Lost(Cleared::Fenced), 1),
            (Standing::Alive, 2),
        ];
        for (standing, epoch) in epochs {
            assert!(it.turn(standing, Life(1), 3));
            assert_eq!(it.epoch, Epoch(epoch), "{standing:?}");
        }
        assert!(it.turn(Standing::Alive, Life(2), 4));
        assert_eq!(it.epoch, Epoch(3), "another life");
    }
}
