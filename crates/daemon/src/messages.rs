//! What the roles say to each other.
//!
//! Engine, keeper and control run as threads of one process today and as processes tomorrow
//! (docs/decisions/0003). They share nothing but these messages, which travel as bytes even now, so
//! that nobody can come to depend on more.

use std::collections::BTreeMap;

use base::{Batch, BatchDone, Event, Instant, KernelFact};
use serde::{Deserialize, Serialize};
use vrrp::{InstanceConfig, RouterStatus};

/// From control to the engine.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum ToEngine {
    /// Run these instances and no others.
    Configure(Vec<InstanceConfig>),
    /// Say how things are.
    Status {
        /// Comes back with the answer.
        ask: u64,
    },
    /// Resign everywhere, release everything, then say [`FromEngine::Settled`] and end.
    Stop,
}

/// From the engine to control.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum FromEngine {
    /// Something happened.
    Event(Event),
    /// The answer to [`ToEngine::Status`].
    Status {
        /// The question's number.
        ask: u64,
        /// The engine's clock.
        at: Instant,
        /// All instances.
        status: RouterStatus,
        /// What the engine itself has counted.
        counts: BTreeMap<String, u64>,
    },
    /// The stop is complete.
    Settled {
        /// Whether every VIP is off this node.
        clean: bool,
    },
}

/// From the protocol thread to the keeper thread.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum ToKeeper {
    /// Have the kernel do this.
    Batch(Batch),
}

/// From the keeper thread to the protocol thread.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum FromKeeper {
    /// The kernel said so.
    Fact(KernelFact),
    /// A batch is through.
    Done(BatchDone),
}
