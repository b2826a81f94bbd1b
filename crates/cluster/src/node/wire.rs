//! What a node is told and what it wants done: the values its driver carries.

use core::time::Duration;

use base::{Instant, Name, Wall};
use cib::xml::Element;
use sched::Transition;
use serde::{Deserialize, Serialize};

use super::courier::Parcel;
use crate::executor::{self, CallDone};
use crate::lease::{Grant, Request};
use crate::liveness::{self, Heartbeat, Link};
use crate::operation::{FenceAction, Life, Operation};
use crate::seam::{Ask, Failure, Tell};
use crate::state::Outcome;
use crate::{controller, fencer};

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name.
    pub node: Name,
    /// All that is random comes from this: lives, above all. Never the same twice.
    pub seed: u64,
    /// How long its quorum leases are.
    pub lease: Duration,
    /// How silence is judged.
    pub liveness: liveness::Config,
    /// How many links there are to each peer.
    pub links: u8,
    /// The document a cluster begins with; the same on all nodes.
    pub blank: Element,
}

/// What nodes tell each other, beside what the engine does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)]
pub enum Message {
    /// I live.
    Heartbeat(Link, Heartbeat),
    /// I want to hold.
    Request(Request),
    /// You may.
    Grant(Grant),
    /// Do this.
    Order(Parcel),
    /// That order was taken: walker, transition, step.
    Taken(Name, u64, u32),
    /// You may leave; of itself, for it knows which life that is.
    Leave,
    /// You may leave, who are in this life. Another has begun since, perhaps, and wants to stay.
    LeaveLife(Life),
    /// Somebody wants a node fenced, or swears that it is down.
    ByHand(ByHand),
}

/// What somebody wants about the power of a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ByHand {
    /// Of which.
    pub node: Name,
    /// What a device is to do; `None`: nothing, it is sworn that the node is down.
    pub action: Option<FenceAction>,
    /// How long each device may take, unless it says otherwise.
    pub timeout: Duration,
    /// On which node it was asked for.
    pub by: Name,
}

/// What a node is told.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Input {
    /// Time passed.
    Tick,
    /// The engine says something.
    Engine(Tell),
    /// A peer does.
    Message(Name, Message),
    /// The plan that was asked for under this number.
    Planned(u64, Box<Transition>),
    /// An agent's call has ended.
    Done(CallDone),
    /// A fence agent's has.
    FenceDone(u64, Result<(), String>),
    /// What the wall clock says.
    Wall(Wall),
    /// Somebody wants this; what came of it is answered under the number.
    Submit(u64, Operation),
    /// What an agent says of itself.
    Agent(executor::Agent),
    /// Somebody here wants that about a node's power; what came of it is among the fencings.
    ByHand(ByHand),
}

/// What a node wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Output {
    /// Ask the engine.
    Ask(Ask),
    /// Send this to a peer.
    Send(Name, Message),
    /// Make a plan of the state as it is now.
    Plan(u64),
    /// Call an agent.
    Call(executor::Call),
    /// End a call.
    Kill(u64),
    /// Call a fence agent.
    FenceCall(fencer::Call),
    /// End that.
    FenceKill(u64),
    /// The quorum lease ends then: the kernel shall silence what is held. `None`: at once. It covers
    /// what was begun in this life: a driver silences what an earlier one left before it passes on the
    /// first lease, and what is silent is answered as not running.
    Lease(Option<Instant>),
    /// What came of something submitted.
    Answer(u64, Result<Outcome, Failure>),
    /// Another life has begun: nothing of the one before is held.
    Reborn,
    /// This node has left in good order, or nothing is left here since its engine ended.
    Left,
}

/// A node's state, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Whether this node is the DC, and begins things.
    pub directing: bool,
    /// What the engine knows.
    pub term: u64,
    /// Of it, who leads.
    pub leader: Option<Name>,
    /// The controller's.
    pub controller: controller::Status,
    /// The executor's.
    pub executor: executor::Status,
    /// When the quorum lease ends.
    pub lease: Option<Instant>,
    /// Members that have not said yet that they obey.
    pub unsettled: Vec<Name>,
    /// Orders refused, for they were void.
    pub void: u64,
}
