//! The nouns of mainstay: instants without a clock, names, MACs, VIPs, kernel facts, events.
//!
//! Nothing here acts. Every other room speaks in these words, so a value made by the configuration
//! can travel through the machines to the kernel and come back in an event without being translated
//! on the way. There is no `Instant::now()` in this crate, and therefore none in the machines built
//! on it: time comes in through the door (ARCHITECTURE.md, "The machine shape").

mod codes;
mod device;
mod event;
mod kernel;
mod lease;
mod name;
mod net;
pub mod plant;
mod rival;
mod secret;
mod time;
mod tracker;
mod transmit;
mod vip;
mod vrrp;
mod way;

pub use device::{Device, DeviceAsk, DeviceDone, DeviceOp, Macvlan, Tuning};
pub use event::{Event, EventId, Origin, Reason, ScriptResult, Subject, What};
pub use kernel::{
    AddressFact, AddressOp, Batch, BatchDone, Errno, KernelFact, LinkFact, OpDone, Ticket,
};
pub use lease::{LeaseAnswer, LeaseAsk, LeaseClass, LeaseDone, LeaseKey, LeaseOp, LeaseTrouble};
pub use name::Name;
pub use net::{Family, IfIndex, Mac};
pub use rival::{Neighbour, Rival, Sight};
pub use secret::Secret;
pub use time::{Centis, Instant, Wall, WallClock};
pub use tracker::{Effect, Tracker, TrackerKind, Verdict, Weighed};
pub use transmit::Transmit;
pub use vip::{Broadcast, Scope, Vip, VipExtras, VipFlags, VipParts};
pub use vrrp::{Interval, Preempt, Priority, State, TrackEffect, Version, Vrid};
pub use way::{Encap, Filter, Hop, Net, Route, Rule, RuleDoes, Way, WayBatch, WayOp, WayTrace};
