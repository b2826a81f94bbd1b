//! Where all that the engine says comes out: in order, and whoever waits is woken.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};

use base::Name;
use cluster::Role;
use cluster::node::Message;
use cluster::seam::Tell;
use tokio::sync::watch;

/// What comes out of the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Out {
    /// What the seam knows of.
    Tell(Tell),
    /// A peer's own word to this node.
    Message(Name, Message),
    /// Something an administrator should see.
    Event(Event),
}

/// What happened to the cluster's own traffic.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Event {
    /// A peer is reached.
    #[error("{0} is reached")]
    Reached(Name),
    /// It is not, or not any more; told once for each cause.
    #[error("{0} at {1} is not reached: {2}")]
    Unreached(Name, SocketAddr, String),
    /// Somebody was turned away before it could say anything.
    #[error("turned away a caller from {0}: {1}")]
    TurnedAway(SocketAddr, String),
    /// A node was let in by an invitation of this one's.
    #[error("{0} was let in as a {role}", role = role_word(*.1))]
    Joined(Name, Role),
    /// A peer's connection was ended for what came over it.
    #[error("ended the connection of {0}: {1}")]
    Ended(Name, String),
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Voter => "voter",
        Role::Learner => "learner",
        Role::Witness => "witness",
    }
}

/// Wakes whoever reads what comes out.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The way out; clones share it.
#[derive(Clone)]
pub(crate) struct Outlet {
    out: mpsc::Sender<Out>,
    wake: Wake,
    applied: watch::Sender<u64>,
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("applied", &*self.applied.borrow()).finish()
    }
}

impl Outlet {
    pub(crate) fn new(wake: Wake) -> (Self, mpsc::Receiver<Out>) {
        let (out, receiver) = mpsc::channel();
        (Self { out, wake, applied: watch::Sender::new(0) }, receiver)
    }

    fn say(&self, out: Out) {
        // Nobody listens any more when the engine is being ended.
        let _ = self.out.send(out);
        (self.wake)();
    }

    pub(crate) fn tell(&self, tell: Tell) {
        self.say(Out::Tell(tell));
    }

    pub(crate) fn message(&self, from: Name, message: Message) {
        self.say(Out::Message(from, message));
    }

    pub(crate) fn event(&self, event: Event) {
        self.say(Out::Event(event));
    }

    /// All entries up to this index were told.
    pub(crate) fn applied(&self, index: u64) {
        self.applied.send_replace(index);
    }

    /// Up to which index all entries were told.
    pub(crate) fn told(&self) -> u64 {
        *self.applied.borrow()
    }

    /// Waits until all entries up to this index were told.
    pub(crate) async fn reaches(&self, index: u64) {
        // It ends only with the outlet itself.
        let _ = self.applied.subscribe().wait_for(|applied| *applied >= index).await;
    }
}
