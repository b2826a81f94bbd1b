//! What calls agents: asked for acts, it tells how they ended, later and from whatever thread.
//!
//! Whoever can do both is [`Hands`]: programs and units by the room `agents`, VIPs by a keeper of this
//! process' own ([`vips`]), which also ends them when the quorum lease does.

mod here;
mod reset;
mod silence;
mod vips;

use std::sync::mpsc::Sender;

use base::Instant;
use cluster::executor::{self, Call, CallDone};
use cluster::fencer;

use crate::run::Event;

pub use here::{Here, Places, SOCKET};

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// Call an agent; told as [`Told::Done`].
    Call(Call),
    /// End that call, and everything it started.
    Kill(u64),
    /// Call a fence agent; told as [`Told::FenceDone`].
    Fence(fencer::Call),
    /// End that.
    FenceKill(u64),
    /// Another life has begun: end all calls of agents, and tell nothing of them.
    Reborn,
    /// The quorum lease ends then; what is held under it is not heard from then on.
    Lease(Lease),
    /// Until the next word of this the machine is safe with what it does: the watchdog waits anew.
    Safe,
    /// Nothing is held here, and the process is about to end: the watchdog is put away.
    Rest,
}

/// Until when what is held here may be heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lease {
    /// The quorum lease ends then.
    Until(Instant),
    /// There is none: nothing may be heard.
    None,
    /// The cluster's policy is to go on without one.
    Needless,
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// An agent's call.
    Done(CallDone),
    /// A fence agent's.
    FenceDone(u64, Result<(), String>),
    /// What an agent says of itself.
    Agent(executor::Agent),
    /// Something that belongs into the log.
    Note(String),
}

/// The way back; clones share it.
#[derive(Clone, Debug)]
pub struct Back(pub(crate) Sender<Event>);

impl Back {
    /// Tells how something ended.
    pub fn tell(&self, told: Told) {
        // Nobody listens any more when the process ends.
        let _ = self.0.send(Event::Told(told));
    }
}

/// Calls agents.
pub trait Hands: Send {
    /// Begins an act, and does not wait for it.
    fn act(&mut self, act: Act);
    /// What it cannot do here, if there is such a thing.
    fn trouble(&self) -> Option<String>;
}
