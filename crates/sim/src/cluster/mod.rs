//! Clusters by seed: the live half of a node ([`cluster::node`]) on a small Raft, with agents, fence
//! devices and a kernel that serves until the quorum lease ends.
//!
//! A seed is a cluster of one to five nodes, forty seconds of trouble and faults, with a rest in which all
//! must be well again. What must hold, at every instant: no resource is active on two nodes; who hears
//! nobody holds no lease for longer than one; in the end everything is served, there is one DC, all
//! documents are equal, and no change that was acknowledged is missing.
//!
//! Half of the clusters have fencing. There one of the resources knows nothing of leases, as a database
//! does: it is active until it is stopped or its host is off.

mod document;
mod engine;
mod fault;
mod seat;
mod world;

pub use fault::{Coverage, FaultKind};
pub use world::{Hosts, Outcome, Settings, run};
