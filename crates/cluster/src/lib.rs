//! The live half of the cluster: what is agreed on, who is heard, who may hold, and what is done.
//!
//! Nothing here orders events: a consensus engine does, behind a narrow [`seam`]. What it commits
//! are [`Entry`]s ([`operation`]), which every node applies in the same order to the same [`State`];
//! who belongs to the cluster and what is known of each is part of it ([`membership`]).
//!
//! Around that value stand machines of the house's shape (`handle`, `poll_output`, `poll_timeout`,
//! `status`). [`liveness`] hears heartbeats and proposes verdicts; [`lease`] is the quorum lease: by
//! whom it is granted, how long it holds, and what a node does when it ends; [`controller`] walks the
//! DC's plans, [`executor`] does a node's part of them, and [`fencer`] makes sure that a node that
//! is in doubt holds nothing. [`node`] is all of them together, as one machine.

#![forbid(unsafe_code)]

pub mod controller;
pub mod executor;
pub mod fencer;
pub mod lease;
pub mod liveness;
pub mod membership;
pub mod node;
pub mod operation;
pub mod seam;
mod snapshot;
pub mod state;

pub use membership::{Cleared, Member, Members, Role, Standing};
pub use operation::{Entry, Epoch, Life, Operation};
pub use snapshot::SnapshotError;
pub use state::{Outcome, Refusal, State};
