//! Runs what a cluster runs: resource agents (OCF 1.0 and 1.1), systemd units, init scripts, and fence
//! agents; many at once, none of them trusted to end, to keep its output short or to tell the truth.
//!
//! What is to be run is decided elsewhere (`cluster::executor`, `cluster::fencer`) and comes in as an
//! [`Ask`]; what came of it goes out as a [`Told`]. In between stands the [`Driver`]: one thread, one
//! set of descriptors, which never waits for a program and can itself be waited on beside others. So
//! it can live inside the process that is allowed to start programs (the runner), or, with
//! [`Host`], on a thread of its own.
//!
//! What agents are told is in [`environment`]; what their endings mean in [`exit`]; what they say of
//! themselves in [`metadata`]; where they are found in [`places`].

#![forbid(unsafe_code)]

mod driver;
pub mod environment;
pub mod exit;
mod fence;
mod heard;
mod host;
pub mod metadata;
pub mod native;
pub mod places;
mod program;
mod systemd;

use base::Name;
use cluster::executor::{Call, CallDone};
use cluster::{executor, fencer, node};
use serde::{Deserialize, Serialize};

pub use driver::Driver;
pub use host::Host;
pub use metadata::Metadata;
pub use places::{AgentId, Settings};

/// What is asked of the driver.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// An action of a resource; answered by [`Told::Done`].
    Call(Call),
    /// End that, and everything it started.
    Kill(u64),
    /// Call a fence agent; answered by [`Told::FenceDone`].
    Fence(fencer::Call),
    /// End that.
    FenceKill(u64),
    /// What does an agent say of itself? Answered by [`Told::Metadata`] under the same number.
    Metadata(u64, AgentId),
    /// Would an agent take these parameters? Answered by [`Told::Validated`] under the same number.
    Validate(u64, AgentId, Vec<(String, String)>),
    /// Another life has begun, which knows nothing of what was asked for before: end all actions of
    /// resources and tell nobody; what fence agents do goes on.
    Reborn,
}

impl Ask {
    /// What a node's machine wants of the driver.
    ///
    /// # Errors
    /// Gives back what is for somebody else.
    #[allow(clippy::result_large_err)]
    pub fn of(output: node::Output) -> Result<Self, node::Output> {
        Ok(match output {
            node::Output::Call(call) => Self::Call(call),
            node::Output::Kill(number) => Self::Kill(number),
            node::Output::FenceCall(call) => Self::Fence(call),
            node::Output::FenceKill(number) => Self::FenceKill(number),
            other => return Err(other),
        })
    }
}

impl Told {
    /// What a node's machine is told.
    ///
    /// # Errors
    /// Gives back what is for somebody else.
    #[allow(clippy::result_large_err)]
    pub fn input(self) -> Result<node::Input, Self> {
        Ok(match self {
            Self::Done(done) => node::Input::Done(done),
            Self::FenceDone(number, result) => node::Input::FenceDone(number, result),
            Self::Learned(agent) => node::Input::Agent(agent),
            other => return Err(other),
        })
    }
}

/// What the driver tells.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Told {
    /// An action has ended.
    Done(CallDone),
    /// A fence agent has ended: whether it did it, and what it said.
    FenceDone(u64, Result<(), String>),
    /// What an agent says of itself, or why that is not known.
    Metadata(u64, Result<Metadata, String>),
    /// Whether an agent would take those parameters.
    Validated(u64, Validation),
    /// What an action wrote that belongs into a log: the resource, the action, the last lines.
    Wrote(Name, Name, Vec<String>),
    /// What an agent that is about to be called can do ([`Settings::learn`]).
    Learned(executor::Agent),
}

/// What came of a check of parameters.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Validation {
    /// The agent's exit code, if it came to one.
    pub rc: Option<i32>,
    /// Its reason, or why it could not be asked.
    pub reason: String,
    /// What its metadata has against them.
    pub complaints: Vec<String>,
}
