//! What members of the group say to each other, and what a log is made of: values only.
//!
//! Everything travels by Corosync's closed process group (CPG), to all members in one order. Who says
//! it is known twice: by its [`Seat`] (the process, as CPG names it) and by its [`Id`], which belongs
//! to a home: whoever lost its disk comes back as another, for what it promised is not known any more.

use std::collections::{BTreeMap, BTreeSet};

use base::Name;
use cluster::node::Message;
use cluster::{Entry, Role};
use serde::{Deserialize, Serialize};

/// A process of the group: Corosync's number of the node, and of the process on it.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Seat {
    /// The node.
    pub node: u32,
    /// The process.
    pub process: u32,
}

/// A home, drawn when it is made; never given to another.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Id(pub u64);

/// One of the engine's members.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// What it is called.
    pub name: Name,
    /// What it is to the engine.
    pub role: Role,
}

/// All of them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Members {
    /// Those that belong.
    pub all: BTreeMap<Id, Peer>,
    /// Those that did: they are not let in again under this id.
    pub gone: BTreeSet<Id>,
}

impl Members {
    /// Those that vote.
    pub fn voters(&self) -> impl Iterator<Item = Id> {
        self.all.iter().filter(|(_, it)| it.role != Role::Learner).map(|(id, _)| *id)
    }

    /// Whether somebody votes.
    #[must_use]
    pub fn is_voter(&self, id: Id) -> bool {
        self.all.get(&id).is_some_and(|it| it.role != Role::Learner)
    }

    /// Whether these together may decide.
    pub fn is_quorum(&self, mut these: impl FnMut(Id) -> bool) -> bool {
        let (all, with) = self
            .voters()
            .fold((0_usize, 0_usize), |(all, with), id| (all + 1, with + usize::from(these(id))));
        all > 0 && with >= cluster::membership::majority(all)
    }

    /// Of the figures of all voters, the highest that a quorum has reached; who has none has zero.
    pub fn reached(&self, figure: impl Fn(Id) -> u64) -> u64 {
        let mut all: Vec<u64> = self.voters().map(figure).collect();
        all.sort_unstable_by(|one, other| other.cmp(one));
        let needed = cluster::membership::majority(all.len());
        all.get(needed - 1).copied().unwrap_or(0)
    }
}

/// By whom an entry was asked for: whoever it was, in which life, under which ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mark {
    /// Its home.
    pub id: Id,
    /// Its process.
    pub life: u64,
    /// Its ticket.
    pub ticket: u64,
}

/// What a place of the log holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)]
pub enum What {
    /// Nothing: with it a leader begins.
    Blank,
    /// These are the members from here on.
    Members(Members),
    /// An entry, as the seam knows them.
    Entry(Entry),
}

/// A place of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Slot {
    /// The term whose leader put it there.
    pub term: u64,
    /// Who waits for it.
    pub mark: Option<Mark>,
    /// What it is.
    pub what: What,
}

/// Where a log ends, or a place of it: index and term.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Place {
    /// The term of the entry there.
    pub term: u64,
    /// Its index; zero is before the first.
    pub index: u64,
}

/// The state after a place, as bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Of the last entry in it.
    pub at: Place,
    /// Who belonged then.
    pub members: Members,
    /// As the seam's snapshots are.
    pub bytes: Vec<u8>,
}

/// What somebody says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// What it is called.
    pub name: Name,
    /// What it is to be, if it is let in.
    pub role: Role,
    /// The term it is in.
    pub term: u64,
    /// Where its log ends; nowhere, and it has never belonged to a cluster.
    pub last: Place,
    /// A digest of what its cluster began with, which has to be everybody's.
    pub founding: u64,
    /// How many votes Corosync expects, as it is told there.
    pub expected: u32,
    /// Whether it wants to hear the same of everybody.
    pub asks: bool,
    /// A digest of who is in the group, as it knows: by that it is known from what was said before.
    pub seats: u64,
}

/// What somebody says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)]
pub enum Word {
    /// This is me.
    Hello(Hello),
    /// Nobody has been anything before: these are the first members, of a cluster of this number.
    Found(u64, Members),
    /// I stand for this term, and my log ends there.
    Stand(u64, Place),
    /// My vote in this term is that one's.
    Promise(u64, Id),
    /// I lead this term; after this place come these; and my log ends at this index.
    Append {
        /// The leader's.
        term: u64,
        /// After which place.
        before: Place,
        /// What comes there.
        slots: Vec<Slot>,
        /// The index of the leader's last.
        last: u64,
    },
    /// My log is this term's leader's up to this index, and on disk.
    Have(u64, u64),
    /// I cannot follow the leader of this term: my log begins after a place and has these runs of terms,
    /// each with the index of its last entry.
    Lack {
        /// The term.
        term: u64,
        /// What came before the log.
        base: Place,
        /// Its runs.
        runs: Vec<Place>,
    },
    /// I lead this term, and your log is too old to be continued: take this.
    Install(u64, Snapshot),
    /// I lead this term: do you follow? With a number, and the index of my last.
    Round(u64, u64, u64),
    /// I follow in this term; the round's number, and what I have.
    Here(u64, u64, u64),
    /// You lead this term: have these committed.
    Propose {
        /// The term.
        term: u64,
        /// Who leads it.
        to: Id,
        /// In which life of who asks.
        life: u64,
        /// Under which tickets.
        entries: Vec<(u64, Entry)>,
    },
    /// You lead this term: let a member go.
    Expel {
        /// The term.
        term: u64,
        /// Who leads it.
        to: Id,
        /// By whom.
        mark: Mark,
        /// Whom.
        name: Name,
    },
    /// For one of us only, and lost if it is.
    Note(Name, Message),
}

/// A word, and who says it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Packet {
    /// The number of its cluster; zero: it has none yet.
    pub cluster: u64,
    /// Who.
    pub from: Id,
    /// What.
    pub word: Word,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(roles: &[Role]) -> Members {
        let peer = |role: &Role| Peer { name: "x".into(), role: *role };
        let all = roles.iter().zip(1..).map(|(role, id)| (Id(id), peer(role))).collect();
        Members { all, gone: BTreeSet::new() }
    }

    #[test]
    fn more_than_half_of_the_voters_decide_and_learners_do_not_count() {
        let three = members(&[Role::Voter, Role::Witness, Role::Voter, Role::Learner]);
        assert!(three.is_quorum(|id| id == Id(1) || id == Id(2)));
        assert!(!three.is_quorum(|id| id == Id(1) || id == Id(4)));
        assert!(!Members::default().is_quorum(|_| true), "nobody decides nothing");
        assert_eq!(Members::default().reached(|_| 9), 0);
        let figures = [0, 5, 7, 3, 9];
        let figure = |id: Id| figures[usize::try_from(id.0).expect("small")];
        assert_eq!(three.reached(figure), 5, "two of three have five");
        let four = members(&[Role::Voter; 4]);
        assert_eq!(four.reached(figure), 5, "three of four have it");
    }
}
