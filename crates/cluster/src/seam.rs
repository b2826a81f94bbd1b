//! The seam to the consensus engine: what is asked of one, and what it promises.
//!
//! Nothing here orders events; an engine does (openraft with redb, Corosync, or the simulator's).
//! Everything above knows it by two closed sets of values: an [`Ask`] goes down, a [`Tell`] comes up.
//! An engine that lives in tasks of its own puts a channel behind [`Engine`]; it never calls back.
//!
//! What an engine promises, and what the machines above rely on for *at most one*:
//!
//! 1. **One order.** All nodes are told the same entries at the same indices, rising. Indices may be
//!    skipped (the engine's own entries), and repeated after a restart: what was applied is ignored.
//! 2. **Committed is durable.** An entry is told only when a quorum has it on disk; a vote and its
//!    term are on disk before they leave. What a node has once answered for, it knows after a crash.
//!    If the disk fails, the engine of that node ends rather than go on without it.
//! 3. **One leader a term.** Terms rise. A leader that was cut off may not know that another was
//!    elected; whatever it proposes is not committed.
//! 4. **A leader knows.** [`Tell::Leads`] names *this* node only after everything committed in
//!    earlier terms has been told here, and an entry of the new term has been committed.
//! 5. **Confirmed is a round trip.** [`Tell::Confirmed`] carries the instant, by this node's clock, at
//!    which the engine *began* a round that a quorum of voters has answered since, in this term.
//!    Never the instant of an answer. A voter that has promised itself to a later term answers no
//!    round of an earlier one. From this follows that a new leader was elected after the beginning of
//!    every round an earlier one is confirmed by, which is all that quorum leases need.
//! 6. **Rounds go on.** A leader begins a round at least every quarter of the shortest lease, whether
//!    there is anything to propose or not, without a write to disk.
//! 7. **An answer is final or says that it is not.** Each `Propose` and `Members` is answered once.
//!    [`Failure::Unknown`] may still be committed: who asks again must bear it being done twice.
//! 8. **A snapshot replaces.** [`Tell::Install`] stands for all entries up to its index; the next
//!    entry told is a later one.
//!
//! Failure detection is not asked of it (`liveness`), nor when a resource may start (`lease`).

use std::collections::BTreeMap;

use base::{Instant, Name};
use serde::{Deserialize, Serialize};

use crate::membership::Role;
use crate::operation::Entry;

/// Names a proposal among those of this node's life; chosen by who asks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Ticket(pub u64);

/// What is asked of the engine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// Have this ordered and committed. Any node may ask; who does not lead passes it on.
    Propose(Ticket, Entry),
    /// Make these the members of the engine, and no others: learners are caught up before they vote.
    Members(Ticket, BTreeMap<Name, Role>),
    /// The state after the entry of this index: the log before it may go, and who lacks it is given
    /// this. The answer to [`Tell::Take`].
    Snapshot {
        /// Of the last entry in it.
        index: u64,
        /// As [`State::encode`](crate::State::encode) makes them.
        bytes: Vec<u8>,
    },
}

/// What the engine says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Tell {
    /// This entry is committed and durable at a quorum: apply it.
    Committed {
        /// Its place.
        index: u64,
        /// What.
        entry: Entry,
    },
    /// What came of something asked for: its index if it was committed (and told before this).
    Answered(Ticket, Result<u64, Failure>),
    /// Who leads, as far as this node knows.
    Leads(Leadership),
    /// This node leads, and a quorum has answered the round that it began at this instant.
    Confirmed(Instant),
    /// The engine's members, as committed.
    Members(BTreeMap<Name, Role>),
    /// The log has grown long: give the state.
    Take,
    /// Forget the state, and take this one.
    Install {
        /// Of the last entry in it.
        index: u64,
        /// As [`State::decode`](crate::State::decode) reads them.
        bytes: Vec<u8>,
    },
    /// The engine has ended for good, for instance since its disk failed; why, in words.
    Ended(String),
}

/// Who leads.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Leadership {
    /// In which term.
    pub term: u64,
    /// Who; `None`: nobody is known to.
    pub leader: Option<Name>,
}

/// Why something asked for was not (known to be) committed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Failure {
    /// It is not, and will not be.
    #[error("not proposed: {0}")]
    Refused(String),
    /// Nobody knows: the leader was lost on the way.
    #[error("it is not known whether it was committed: read the state, and repeat if it was not")]
    Unknown,
}

/// A consensus engine, seen from above; of the shape every machine has.
pub trait Engine {
    /// The only way in from above.
    fn ask(&mut self, now: Instant, ask: Ask);
    /// What it says, in order; until there is nothing left.
    fn poll_tell(&mut self) -> Option<Tell>;
}
