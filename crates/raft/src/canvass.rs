//! Whether a node may stand for election: asked of the others first, so that a heal costs nothing.
//!
//! The engine's Raft has no pre-vote: a node that was cut off would raise its term again and again,
//! and with that term, when it comes back, take the leadership of a leader that everybody else
//! hears. Here each node tells the others with every sign of life whether it hears a leader and how
//! far its log goes. A node may stand only while a quorum of voters is in reach, hears no leader,
//! and has no more in its log than the node itself: those who would vote for it. Only when to stand
//! is decided here, never who is elected; a word that is wrong or late costs time, not safety.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::types::{LogId, NodeId};

/// What a node says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Hears {
    /// Whether it heard a leader of late, or leads and was heard by a quorum.
    pub leader: bool,
    /// The last entry of its log.
    pub last: Option<LogId>,
}

/// A bug put in on purpose, to prove that the tests of a heal find it: everybody stands as plain Raft has
/// it. No product is built with the feature.
#[cfg(feature = "plant")]
pub static PLAIN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Whether elections are plain; `false`, and nothing else, without the feature `plant`.
pub(crate) fn is_plain() -> bool {
    #[cfg(feature = "plant")]
    return PLAIN.load(std::sync::atomic::Ordering::Relaxed);
    #[cfg(not(feature = "plant"))]
    false
}

/// Whether `me` may stand. There may be two sets of voters, while they change; it needs both.
#[must_use]
pub fn may_stand(
    me: NodeId,
    own: Hears,
    voters: &[BTreeSet<NodeId>],
    heard: &BTreeMap<NodeId, Hears>,
) -> bool {
    let willing = |id: &NodeId| {
        let hears = if *id == me { Some(&own) } else { heard.get(id) };
        hears.is_some_and(|it| !it.leader && it.last <= own.last)
    };
    !voters.is_empty()
        && voters.iter().all(|set| set.iter().filter(|id| willing(id)).count() > set.len() / 2)
}

#[cfg(test)]
mod tests {
    use openraft::CommittedLeaderId;

    use super::*;

    fn hears(leader: bool, last: u64) -> Hears {
        Hears { leader, last: Some(LogId::new(CommittedLeaderId::new(1, 1), last)) }
    }

    fn may(own: Hears, voters: &[&[NodeId]], heard: &[(NodeId, Hears)]) -> bool {
        let voters: Vec<BTreeSet<_>> =
            voters.iter().map(|it| it.iter().copied().collect()).collect();
        may_stand(1, own, &voters, &heard.iter().copied().collect())
    }

    #[test]
    fn only_who_would_be_elected_stands() {
        let (free, bound) = (hears(false, 5), hears(true, 5));
        let three: &[&[NodeId]] = &[&[1, 2, 3]];
        // One alone is its own quorum; one of three is none.
        assert!(may(free, &[&[1]], &[]));
        assert!(!may(free, three, &[]));
        assert!(!may(free, &[], &[]));
        // Two that hear no leader are a quorum, whatever the third says.
        assert!(may(free, three, &[(2, free)]));
        assert!(may(free, three, &[(2, free), (3, bound)]));
        // Cut off from the leader alone: the others hear it, and so nobody stands.
        assert!(!may(free, three, &[(2, bound)]));
        assert!(!may(bound, three, &[(2, free)]));
        // Who has more in its log would not vote for this one.
        assert!(!may(free, three, &[(2, hears(false, 6))]));
        assert!(may(free, three, &[(2, hears(false, 6)), (3, hears(false, 4))]));
        // A learner's word counts for nothing.
        assert!(!may(free, three, &[(4, free), (5, free)]));
        // While voters change, both sets have to be willing.
        let joint: &[&[NodeId]] = &[&[1, 2, 3], &[3, 4, 5]];
        assert!(!may(free, joint, &[(2, free), (3, free)]));
        assert!(may(free, joint, &[(2, free), (3, free), (4, free)]));
    }
}
