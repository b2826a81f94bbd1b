//! VRRP versions 2 and 3 (RFC 3768, RFC 5798, RFC 9568), sans-IO.
//!
//! [`wire`] turns bytes into legal values or a named refusal. An `Instance` is this node's part in
//! one virtual router: the state machine of RFC 9568 §6.4 and nothing else. The [`Router`] is all
//! instances of the node: it finds the one a packet is for, tells each what the kernel's news mean
//! for it, and drives the keeper and the announcer of the `vip` room by what the instances are.
//!
//! The machine has one way in, [`Router::handle`], and one way out, [`Router::poll_output`]. It owns
//! no socket, clock or thread; a driver, a simulation and a test are the same thing to it.

mod config;
mod deadlines;
mod floods;
mod image;
mod instance;
mod links;
mod outbox;
mod refusals;
mod rivals;
mod router;
mod sockets;
mod status;
pub mod timers;
pub mod wire;

pub use config::{Checksum, InstanceConfig, Reach, TrackInterface, Tracked};
pub use image::{Image, InstanceV1, InstanceV2, MarkV2, PeerV1, PhaseV1};
pub use outbox::Output;
pub use router::{Debounce, Filtering, Input, Packet, Router, Statics, TrackGroup, WatchSpec};
pub use sockets::SocketSpec;
pub use status::{
    GroupStatus, HmacStatus, InstanceStatus, PeerStatus, RivalStatus, RouterStatus, Traffic,
};
