//! One seed, one world: what is drawn from it, what goes wrong in it, and what is found.
//!
//! A seed is at least three nodes, ten virtual minutes and five faults. *Swarm* testing (Groce et
//! al. 2012): each seed first draws which kinds of fault exist for it at all and how often each comes,
//! so that a rare pair meets undisturbed in some world. While faults come, safety is watched; then
//! everything is healed, and there must be life: exactly one holder of everything, and the client
//! knows it.

mod coverage;
mod inject;
mod rollout;
mod run;
mod scenario;
mod swarm;

pub use coverage::{Coverage, Situation};
pub use run::{Outcome, Settings, run};
pub use scenario::Scenario;
pub(crate) use scenario::pick;
pub use swarm::{Fault, FaultKind, Plan};
