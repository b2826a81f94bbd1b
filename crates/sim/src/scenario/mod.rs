//! Scenarios: what administrators and accidents do to a cluster, one step after the other, and the audits
//! that must hold after each.
//!
//! The steps ([`Step`]) and the audits ([`audit()`]) are written once. They know a cluster by what anybody
//! can see of it ([`Picture`]) and act on it by what anybody can do ([`Act`]); who offers both is a
//! [`Stage`]. There are two: the simulator's (`sim::cluster::scenario`), where a step takes
//! milliseconds and disks and clocks fail as well, and the lab's (`crates/daemon/tests/scenarios`), with real
//! kernels, agents and a power switch.
//!
//! A [`Play`] draws its steps from a seed. It keeps a [`Wish`], which is what is to be so; a step changes
//! the wish and the world, and then all audits must come to hold, and go on holding for a while.

mod audit;
mod picture;
mod play;
mod scene;
mod step;

pub use audit::audit;
pub use picture::{Active, Picture, Says, Seen, Wanted, Wish};
pub use play::{Act, Play, Stage};
pub use scene::Scene;
pub use step::Step;
