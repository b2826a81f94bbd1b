//! What openraft is about here: which operations, which answers, and how a node is told apart.

use std::io::Cursor;
use std::net::SocketAddr;

use base::Name;
use cluster::Role;
use serde::{Deserialize, Serialize};

use crate::key::Print;

/// A node, to the engine. Never given to another node again: its votes are bound to it.
pub type NodeId = u64;

/// What the membership says of a node: enough to reach it and to know that it is the one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// Its name in the cluster.
    pub name: Name,
    /// Where it listens: address and port.
    pub address: SocketAddr,
    /// Of its public key.
    pub key: Print,
    /// What it is to the engine.
    pub role: Role,
}

impl Default for Peer {
    /// Nobody; openraft wants one to be there.
    fn default() -> Self {
        Self {
            name: "".into(),
            address: SocketAddr::from(([0; 4], 0)),
            key: Print::default(),
            role: Role::Learner,
        }
    }
}

/// Entries that are committed together: one write to each disk for all of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Batch(pub Vec<cluster::Entry>);

/// The index, as the seam counts, of the last entry applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reply(pub u64);

openraft::declare_raft_types!(
    /// The types the engine is made of.
    pub Types:
        D = Batch,
        R = Reply,
        NodeId = NodeId,
        Node = Peer,
        Entry = openraft::Entry<Types>,
        SnapshotData = Cursor<Vec<u8>>,
);

/// Names an entry: term, leader, index.
pub type LogId = openraft::LogId<NodeId>;
/// One entry of the log.
pub type Logged = openraft::Entry<Types>;
/// What a node has promised, and to whom.
pub type Vote = openraft::Vote<NodeId>;
/// What is known of a snapshot.
pub type SnapshotMeta = openraft::SnapshotMeta<NodeId, Peer>;
/// The engine's members.
pub type Membership = openraft::StoredMembership<NodeId, Peer>;
/// A failure, as openraft is told of it.
pub type StorageError = openraft::StorageError<NodeId>;
