//! The consensus engine of a node: one of those there are, behind what this room asks of any.
//!
//! What the seam knows of (`cluster::seam`) is the same for all. Beside it a node sends words to peers,
//! has members let go, and tells people how things stand; who comes in is each engine's own matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base::{Instant, Name};
use cluster::Role;
use cluster::node::Message;
use cluster::seam::{Ask, Engine as _, Leadership, Tell, Ticket};
use raft::{Secret, Timing};

use crate::home::{EngineKind, Home};

/// What comes out of one.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Out {
    /// What the seam knows of.
    Tell(Tell),
    /// A peer's own word to this node.
    Message(Name, Message),
    /// Something an administrator should see.
    Event(String),
}

/// One, for people.
pub(crate) struct Status {
    pub(crate) leadership: Leadership,
    /// Each member but this node, and whether it is in touch.
    pub(crate) peers: BTreeMap<Name, bool>,
    pub(crate) voters: BTreeSet<Name>,
    /// Where each member is, and by what it is known.
    pub(crate) addresses: BTreeMap<Name, (String, String)>,
}

/// Why one does not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The embedded one.
    #[error(transparent)]
    Raft(#[from] raft::StartError),
    /// Corosync.
    #[cfg(feature = "corosync")]
    #[error(transparent)]
    Corosync(#[from] corosync::live::StartError),
    /// It was left out.
    #[error(
        "this node's cluster runs on Corosync, and this mainstay was built without it: use one built with \
         the feature `corosync`"
    )]
    LeftOut,
}

impl EngineError {
    /// Whether the disk is at fault, which may be well again later.
    pub(crate) fn is_of_disk(&self) -> bool {
        matches!(self, Self::Raft(raft::StartError::Disk(raft::DiskError::Failed { .. })))
    }
}

/// One of them.
pub(crate) enum Engine {
    Raft(Box<raft::Engine>),
    #[cfg(feature = "corosync")]
    Corosync(Box<corosync::live::Engine>),
}

/// Wakes whoever reads what comes out.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;

impl Engine {
    /// Starts the one a home says. `compact`: after so many writes the embedded one keeps the state
    /// they led to instead of them.
    pub(crate) fn start(
        home: &Home,
        compact: u64,
        clock: fn() -> Instant,
        wake: Wake,
        log: &dyn Fn(&str),
    ) -> Result<Self, EngineError> {
        match home.identity.engine {
            EngineKind::Raft => Self::raft(home, compact, clock, wake, log),
            #[cfg(feature = "corosync")]
            EngineKind::Corosync => Self::corosync(home, clock, wake),
            #[cfg(not(feature = "corosync"))]
            EngineKind::Corosync => Err(EngineError::LeftOut),
        }
    }

    fn raft(
        home: &Home,
        compact: u64,
        clock: fn() -> Instant,
        wake: Wake,
        log: &dyn Fn(&str),
    ) -> Result<Self, EngineError> {
        let identity = &home.identity;
        let lease = identity.founding.lease;
        let birth = identity.founding.birth();
        let birth = birth.map_err(|why| raft::StartError::Begin(why.clone()))?;
        let engine = raft::Engine::start(raft::Config {
            dir: home.dir.clone(),
            key: home.key.clone(),
            name: identity.name.clone(),
            listen: identity.address,
            address: identity.address,
            role: identity.role,
            known: identity.peers.clone(),
            birth,
            dowry: serde_json::to_vec(&identity.founding).unwrap_or_default(),
            timing: Timing {
                heartbeat: lease / 6,
                election: (lease / 4, lease / 2),
                round: lease / 6,
                sign: lease / 12,
                snapshot_after: compact,
            },
            clock: Arc::new(clock),
            wake,
        })?;
        if home.is_first() && engine.status().last.is_none() {
            // Refused when there is a log already, which is what is wanted then.
            if let Err(why) = engine.init() {
                log(&format!("the cluster was begun before: {why}"));
            }
        }
        Ok(Self::Raft(Box::new(engine)))
    }

    #[cfg(feature = "corosync")]
    fn corosync(home: &Home, clock: fn() -> Instant, wake: Wake) -> Result<Self, EngineError> {
        let identity = &home.identity;
        Ok(Self::Corosync(Box::new(corosync::live::Engine::start(corosync::live::Config {
            dir: home.dir.clone(),
            id: home.corosync_id(),
            name: identity.name.clone(),
            role: identity.role,
            founding: identity.founding.digest(),
            chance: linux::clock::chance(),
            lease: identity.founding.lease,
            clock: Arc::new(clock),
            wake,
        })?)))
    }

    pub(crate) fn ask(&mut self, now: Instant, ask: Ask) {
        match self {
            Self::Raft(it) => it.ask(now, ask),
            #[cfg(feature = "corosync")]
            Self::Corosync(it) => it.ask(now, ask),
        }
    }

    pub(crate) fn send(&self, to: Name, message: Message) {
        match self {
            Self::Raft(it) => it.send(to, message),
            #[cfg(feature = "corosync")]
            Self::Corosync(it) => it.send(to, message),
        }
    }

    pub(crate) fn poll_out(&mut self) -> Option<Out> {
        Some(match self {
            Self::Raft(it) => match it.poll_out()? {
                raft::Out::Tell(tell) => Out::Tell(tell),
                raft::Out::Message(from, message) => Out::Message(from, message),
                raft::Out::Event(event) => Out::Event(event.to_string()),
            },
            #[cfg(feature = "corosync")]
            Self::Corosync(it) => match it.poll_out()? {
                corosync::live::Out::Tell(tell) => Out::Tell(tell),
                corosync::live::Out::Message(from, message) => Out::Message(from, message),
                corosync::live::Out::Event(event) => Out::Event(event),
            },
        })
    }

    pub(crate) fn expel(&self, ticket: Ticket, node: Name) {
        match self {
            Self::Raft(it) => it.expel(ticket, node),
            #[cfg(feature = "corosync")]
            Self::Corosync(it) => it.expel(ticket, node),
        }
    }

    /// Makes an invitation, where nodes come by those.
    pub(crate) fn invite(&self, role: Role, lifetime: Duration) -> Result<Secret, String> {
        match self {
            Self::Raft(it) => it.invite(role, lifetime).map_err(|error| error.to_string()),
            #[cfg(feature = "corosync")]
            Self::Corosync(_) => Err(
                "nobody is invited into a cluster that runs on Corosync: add the node to the nodelist of \
                 corosync.conf on all nodes, then `mainstay cluster init --engine corosync` and `mainstay \
                 cluster run` on it"
                    .into(),
            ),
        }
    }

    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Raft(it) => {
                let status = it.status();
                let place =
                    |(name, (address, key)): (Name, (std::net::SocketAddr, raft::Print))| {
                        (name, (address.to_string(), key.to_string()))
                    };
                Status {
                    leadership: status.leadership,
                    peers: status.peers.into_iter().map(|(name, it)| (name, it.0)).collect(),
                    voters: status.voters,
                    addresses: status.addresses.into_iter().map(place).collect(),
                }
            }
            #[cfg(feature = "corosync")]
            Self::Corosync(it) => {
                let status = it.status();
                let place = |(name, (seat, id)): (Name, (Option<corosync::Seat>, corosync::Id))| {
                    let seat = seat.map_or_else(
                        || "not in the group".into(),
                        |seat| format!("corosync's node {}", seat.node),
                    );
                    (name, (seat, format!("{:016x}", id.0)))
                };
                // Corosync's word counts as well as our own count of votes.
                let peers = status.peers.into_iter();
                Status {
                    leadership: status.leadership,
                    peers: peers.map(|(name, it)| (name, it.0 && status.quorate)).collect(),
                    voters: status.voters,
                    addresses: status.seats.into_iter().map(place).collect(),
                }
            }
        }
    }
}
