//! A cluster node as a process: everything around the machines that waits, remembers or is asked.
//!
//! [`home`] is the directory by which a node is the one it is: key, who it is, the engine's memory.
//! [`join`] makes one, for the first node of a cluster and for those that are invited. [`run`] is the
//! process: it carries what `cluster::node` wants to the [`engine`] (`raft`, or Corosync), to the planner, and to the
//! [`hands`] that call agents, and what these say back; [`serve`] answers those who ask over the
//! control socket, in the words of `ui::cluster`.
//!
//! Nothing is decided here that the machines could decide.

#![forbid(unsafe_code)]

mod ailing;
mod answer;
pub mod engine;
pub mod hands;
pub mod home;
pub mod join;
mod part;
mod planner;
mod report;
pub mod run;
mod serve;
