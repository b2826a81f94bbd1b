//! The cluster's embedded engine: openraft, which orders, over redb, which remembers.
//!
//! Nothing home-made orders events (`cluster::seam`); this room gives openraft what it cannot have of
//! itself. Its memory: [`disk`] is the one file and what may be believed of it, [`journal`] is vote
//! and log as openraft asks for them, [`machine`] the replicated [`State`](cluster::State) with its
//! snapshots. Its voice: [`key`] says who is who, [`frame`] what travels, `link` and `door` call and
//! are called, `mesh` is all of them, [`join`] lets in who was invited. Its manners: [`canvass`] lets it stand for election only when
//! others would vote. [`engine`] is the whole of it behind the seam.
//!
//! Two promises of the seam are kept here, and everything above rests on them. A vote is on disk
//! before it is answered, and an entry before it is acknowledged. And a disk that has failed once is
//! not asked again: what it holds is not known any more, so this node's engine ends.

#![forbid(unsafe_code)]

pub mod canvass;
mod core;
pub mod disk;
mod door;
pub mod engine;
pub mod frame;
pub mod join;
pub mod journal;
pub mod key;
mod link;
pub mod machine;
mod members;
mod mesh;
pub mod outlet;
pub mod types;
mod watch;

use std::path::Path;
use std::sync::Arc;

use cluster::State;

pub use disk::{Disk, DiskError};
pub use engine::{Config, Engine, StartError, Timing};
pub use join::{JoinError, Secret, Token, Welcome};
pub use journal::Journal;
pub use key::{Key, KeyError, Print};
pub use machine::Machine;
pub use outlet::{Event, Out};
pub use types::{Batch, NodeId, Peer, Reply, Types};

/// Opens what node `id` remembers in the directory `dir`, or begins it there.
///
/// `birth` is the state before the first entry, and has to be the same on every node.
///
/// # Errors
/// When the file is damaged, another node's, in use, or cannot be written; it is left as it is.
pub fn open(dir: &Path, id: NodeId, birth: State) -> Result<(Journal, Machine), DiskError> {
    let disk = Arc::new(Disk::open(dir, id)?);
    let machine = Machine::new(Arc::clone(&disk), birth)?;
    Ok((Journal::new(disk), machine))
}
