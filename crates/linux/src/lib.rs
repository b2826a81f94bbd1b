//! The hands: sockets, netlink, timers, processes, files. The only room where `unsafe` may stand.
//!
//! Nothing here decides anything. Each file wraps one facility of the kernel in the project's nouns
//! (`base`), says exactly which errors can come, and leaves retries, timing and policy to whoever
//! calls. Everything is synchronous and nonblocking where a loop might wait on it; loops wait in
//! one place, [`Poll`].

mod clock;
mod container;
mod inventory;
mod link;
mod netlink;
mod netns;
mod sysctl;
mod tap;
#[cfg(test)]
mod testing;
mod udp;

pub use clock::{boottime, monotonic, wall};
pub use container::{Container, Process};
pub use inventory::{AddressEntry, Inventory, LinkEntry, Neighbour};
pub use link::{FarEnd, Links};
pub use netlink::{MAX_PER_SEND, NO_ANSWER, NetlinkError, Refusal, Request, RouteSocket};
pub use netns::{PRIVATE_DIR, Separations, become_root};
pub use rustix::process::Signal;
pub use sysctl::Sysctl;
pub use tap::{Hear, Heard, Tap};
pub use udp::{Asked, UdpAnswerer};
