//! Many nodes, one seed: a virtual network, kernels and a clock, on which the real machines run.
//!
//! A story that takes minutes on real hosts takes milliseconds here, and the same seed tells it the
//! same way again. The nodes run the very `vrrp::Router` the daemon runs; only what surrounds it is
//! imagined: a [`Kernel`] that carries out batches and reports facts, a [`Lan`] that delays and loses
//! packets, a [`Client`] that believes gratuitous ARPs.

mod client;
mod kernel;
mod lan;
mod node;
mod random;

pub use client::Client;
pub use kernel::Kernel;
pub use lan::{Lan, Weather};
pub use node::{Node, config};
pub use random::Random;
