//! Many nodes, one seed: a virtual network, kernels and a clock, on which the real machines run.
//!
//! A story that takes minutes on real hosts takes milliseconds here, and the same seed tells it the
//! same way again. The nodes run the very `vrrp::Router` the daemon runs; only what surrounds it is
//! imagined: a [`Kernel`] that carries out batches and reports facts, a [`Lan`] that delays and loses
//! packets as its [`Weather`] says, a [`Client`] that believes gratuitous ARPs. Checks such as
//! [`Overlap`] watch while the story runs.

mod checks;
mod client;
mod faults;
mod kernel;
mod lan;
mod node;
mod random;
mod table;
mod weather;

pub use checks::Overlap;
pub use client::Client;
pub use kernel::{ETH0, ETH1, Kernel};
pub use lan::Lan;
pub use node::{Node, config, config_v6};
pub use random::Random;
pub use table::Table;
pub use weather::Weather;
