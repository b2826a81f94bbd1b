//! Many nodes, one seed: a virtual network, kernels and a clock, on which the real machines run.
//!
//! A story that takes minutes on real hosts takes milliseconds here, and the same seed tells it the
//! same way again. The nodes run the very `vrrp::Router` the daemon runs; only what surrounds it is
//! imagined: a [`Kernel`] that carries out batches and reports facts, a [`Lan`] that delays and loses
//! packets as its [`Weather`] says, a [`Client`] that believes gratuitous ARPs.
//!
//! *Stories* (`tests/stories`) say what happens and what must come of it. A [`campaign`] draws both the
//! world and its misfortunes from a seed, and lets [`watch`] find what must never be.

pub mod campaign;
mod checks;
mod client;
pub mod cluster;
mod cuts;
mod faults;
mod forge;
mod guard;
mod kernel;
mod lan;
mod node;
mod operations;
mod random;
pub mod scenario;
mod scripts;
mod sight;
mod signing;
mod table;
mod tape;
mod traffic;
mod upgrade;
pub mod watch;
mod weather;

pub use checks::Overlap;
pub use client::Client;
pub use cuts::Cuts;
pub use kernel::{ETH0, ETH1, Kernel, Segment};
pub use lan::Lan;
pub use node::{Node, config, config_v6, off_device, on_device, vr_of};
pub use random::Random;
pub use sight::{Glimpse, Mail, Sight, Vr};
pub use table::Table;
pub use tape::Tape;
pub use weather::Weather;
