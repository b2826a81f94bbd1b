//! What calls agents: asked for acts, it tells how they ended, later and from whatever thread.

use std::sync::mpsc::Sender;

use cluster::executor::{Call, CallDone};
use cluster::fencer;
use cluster::operation::OpStatus;

use crate::run::Event;

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
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// An agent's call.
    Done(CallDone),
    /// A fence agent's.
    FenceDone(u64, Result<(), String>),
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
    /// Why it can do nothing, if that is so.
    fn trouble(&self) -> Option<String>;
}

/// Calls no agents, and says so for each call: what is placed on such a node fails there, and is not
/// taken for running anywhere.
#[derive(Debug)]
pub struct Empty {
    back: Back,
    why: String,
}

impl Empty {
    /// It tells by this way, and this is why it is.
    #[must_use]
    pub fn new(back: Back, why: impl Into<String>) -> Self {
        Self { back, why: why.into() }
    }
}

impl Hands for Empty {
    fn act(&mut self, act: Act) {
        match act {
            Act::Call(call) => {
                // Nothing was ever started here: a probe finds nothing, and there is nothing to stop.
                let (rc, status) = match &*call.order.operation {
                    "monitor" if call.order.interval == 0 => (7, OpStatus::Done),
                    "stop" | "demote" => (0, OpStatus::Done),
                    _ => (5, OpStatus::NotInstalled),
                };
                let reason = if rc == 5 { self.why.clone() } else { String::new() };
                let done = CallDone { number: call.number, rc, status, reason };
                self.back.tell(Told::Done(done));
            }
            Act::Fence(call) => self.back.tell(Told::FenceDone(call.number, Err(self.why.clone()))),
            Act::Kill(_) | Act::FenceKill(_) | Act::Reborn => {}
        }
    }

    fn trouble(&self) -> Option<String> {
        Some(self.why.clone())
    }
}
