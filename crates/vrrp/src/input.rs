//! Everything that can happen to the router: its one way in.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use base::{
    BatchDone, DeviceDone, Errno, IfIndex, KernelFact, LeaseDone, Name, Neighbour, Tracker,
    Verdict, Wall, WayTrace,
};
use serde::{Deserialize, Serialize};

use crate::config::InstanceConfig;
use crate::image::Image;
use crate::router::{Debounce, Statics};

/// Everything that can happen to the machine.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Input {
    /// These addresses, routes and rules stay until the stop. Comes before the configuration.
    Statics(Statics),
    /// These instances, and no others, are to run; those that are the same stay untouched.
    Configure(Vec<InstanceConfig>),
    /// A VRRP packet arrived.
    Packet(Packet),
    /// A frame of another machine says that an address lives there; see [`crate::Output::Watch`].
    Neighbour(Neighbour),
    /// A datagram arrived at the port of planned moves ([`crate::moves::PORT`]).
    Notice(Packet),
    /// Chance, for numbers that nobody else may guess. To be told first.
    Seed(u64),
    /// The kernel said something.
    Fact(KernelFact),
    /// How long news of these interfaces must last before they count. Holds until it is said again.
    Debounce(BTreeMap<Name, Debounce>),
    /// A tracker says this. May come before the configuration that uses it.
    Verdict {
        /// Which.
        tracker: Tracker,
        /// What.
        verdict: Verdict,
    },
    /// A batch of kernel operations is through.
    Done(BatchDone),
    /// An operation on a device is through.
    DeviceDone(DeviceDone),
    /// The switches of the device with this number were set, as far as possible.
    Tuned {
        /// Which.
        index: IfIndex,
    },
    /// A batch of routes and rules is through.
    WaysDone(BatchDone),
    /// The filter of VIPs that take no traffic was made, or refused.
    Filtered(Option<Errno>),
    /// Somebody asks for the VIPs of this instance to be announced once more, if it holds them.
    AnnounceAgain(Name),
    /// A route or rule like this went.
    WayGone(WayTrace),
    /// A lease operation is through; see [`crate::Output::Lease`].
    LeaseDone(LeaseDone),
    /// The clock of `now` stood still for so long while the world went on (the machine was
    /// suspended). To be told before the wake-up that follows.
    Slept {
        /// How long.
        span: Duration,
    },
    /// Time has passed. A driver wakes the machine twice: first with `drained: false`, before it
    /// reads its sockets, so that due adverts leave first (VRRP-077); then with `drained: true` when
    /// nothing is left to read, since only then can silence be judged (VRRP-079).
    Wake {
        /// Whether every packet that had arrived by now has been handed in.
        drained: bool,
    },
    /// Another engine of this node has ended: the instances that are configured next go on where it
    /// left them.
    Adopt {
        /// Where it left them, if it could say: after a hand-over.
        image: Option<Image>,
        /// Those it held for when it died, and whose VIPs are still here.
        held: Vec<Name>,
        /// The last number it gave to an event.
        events: u64,
    },
    /// The wall clock says this now. Told at the beginning and whenever it was stepped; only signed
    /// adverts ask for it, and no deadline does.
    Wall(Wall),
    /// Adverts of these instances were signed on this node up to these numbers: go on behind them.
    Spoken(Vec<(Name, u64)>),
    /// Resign everywhere and release everything; see [`crate::Router::is_settled`].
    Stop,
}

/// A VRRP packet as it arrived.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Packet {
    /// Through which interface.
    pub index: IfIndex,
    /// Who sent it.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// TTL or hop limit as it arrived.
    pub ttl: u8,
    /// The VRRP message.
    pub payload: Vec<u8>,
}
