//! The cluster's other engine: Corosync's ordered messages, and a disk under them.
//!
//! For sites that run Corosync. Its CPG gives one order of messages to all that stay together, its
//! votequorum says whether these are enough; neither remembers anything. What the seam promises beyond
//! that (`cluster::seam`) is made by [`machine`], a machine of the house's shape that knows nothing of
//! sockets, files or clocks. [`words`] is what its members say to each other, [`parts`] how long words
//! travel, [`disk`] what a member remembers.

#![forbid(unsafe_code)]

pub mod disk;
mod log;
pub mod machine;
pub mod parts;
pub mod words;

pub use disk::{Disk, DiskError};
pub use machine::{Config, Input, Machine, Memory, Output, Status, Write};
pub use words::{Id, Members, Packet, Seat, Snapshot, Word};
#[cfg(feature = "live")]
pub mod live;
