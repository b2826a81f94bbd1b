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
mod input;
mod instance;
mod links;
pub mod moves;
mod outbox;
mod refusals;
mod rivals;
mod router;
mod slots;
mod sockets;
mod status;
pub mod timers;
pub mod wire;

pub use config::{Checksum, Fresh, InstanceConfig, Reach, Sentinel, TrackInterface, Tracked};
pub use image::{Image, InstanceV1, InstanceV2, InstanceV3, MarkV2, PeerV1, PhaseV1};
pub use input::{Input, Packet};
pub use outbox::Output;
pub use router::{Debounce, Filtering, Router, Statics, SwitchoverError, TrackGroup, WatchSpec};
pub use sockets::{Beside, SocketSpec};
pub use status::{
    DeviceStatus, GroupStatus, HmacStatus, InstanceStatus, InterfaceStatus, MissingVip, PeerStatus,
    ReadyPeer, RivalStatus, RouterStatus, StayBack, Traffic,
};
