//! What openraft is about here: which operations, which answers, and how a node is told apart.

use std::io::Cursor;

use serde::{Deserialize, Serialize};

/// A node, to the engine. Never given to another node again: its votes are bound to it.
pub type NodeId = u64;

/// What the membership says of a node: enough to reach it and to know that it is the one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Peer {
    /// Its name in the cluster.
    pub name: String,
    /// Where it listens: address and port.
    pub address: String,
    /// SHA-256 of its public key.
    pub key: [u8; 32],
}

/// What came of an entry; nothing for those of the engine's own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reply(pub Option<cluster::Outcome>);

openraft::declare_raft_types!(
    /// The types the engine is made of.
    pub Types:
        D = cluster::Entry,
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
