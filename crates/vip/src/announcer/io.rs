//! What goes into the announcer and what comes out of it.

use core::time::Duration;

use base::{EventId, IfIndex, KernelFact, Mac, Reason, Vip};
use serde::{Deserialize, Serialize};

use crate::HolderId;
use crate::announcer::{KeepFresh, Pace};
use crate::arp::TargetMac;

/// What the announcer can be told. Facts are lent, not given: several machines read the same one.
#[derive(Debug)]
pub enum Input<'a> {
    /// How this holder announces; holds from the next burst on. Before it,
    /// [`BurstPolicy::default`] does.
    Policy {
        /// Who.
        holder: HolderId,
        /// How.
        policy: BurstPolicy,
    },
    /// These interfaces have a pace together; holds until it is said again.
    Paces(Vec<Pace>),
    /// On these interfaces one VIP of this holder is announced again and again while it holds.
    KeepFresh {
        /// Whose.
        holder: HolderId,
        /// Where, and how often.
        fresh: KeepFresh,
    },
    /// Announce these VIPs, which are present, now. With [`Reason::RivalSeen`] the burst follows
    /// the policy's `lower_prio_*`, otherwise `repeat` and `delay`.
    Announce {
        /// Whose.
        holder: HolderId,
        /// Which: those just become present, or all of them.
        vips: Vec<Vip>,
        /// Why.
        reason: Reason,
        /// The event it follows from; comes back in [`Output::Announced`].
        cause: EventId,
    },
    /// These VIPs are no longer present: no further frame for them.
    Gone {
        /// Whose.
        holder: HolderId,
        /// Which.
        vips: Vec<Vip>,
    },
    /// The holder released: no further frame for any VIP of it. Its policy stays.
    Withdraw {
        /// Who.
        holder: HolderId,
    },
    /// The holder is no more: withdraw, and forget the policy too.
    Forget {
        /// Who.
        holder: HolderId,
    },
    /// The kernel said something; of interest are indices, MACs and whether links run.
    Fact(&'a KernelFact),
    /// Look at the clock again.
    Wake,
}

/// What the announcer asks for and tells.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Output {
    /// Send this Ethernet frame.
    Frame {
        /// Out of this interface.
        index: IfIndex,
        /// The whole frame from destination MAC on, without padding or checksum.
        bytes: Vec<u8>,
    },
    /// A burst is out: every frame of it was handed over. One for each MAC that was told.
    Announced {
        /// Whose VIPs.
        holder: HolderId,
        /// How many VIPs.
        vips: u32,
        /// The MAC the neighbours were told.
        mac: Mac,
        /// Why.
        reason: Reason,
        /// The event it followed from.
        cause: EventId,
    },
}

/// How one holder announces its VIPs. The default is keepalived's: five at once, five again after
/// five seconds, nothing periodic, no pauses (keepalived.conf(5), `vrrp_garp_master_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BurstPolicy {
    /// Announcements of each VIP in one burst; zero sends none.
    pub repeat: u32,
    /// From the first burst to the second; zero means no second burst.
    pub delay: Duration,
    /// Period of the refresh while held; zero means none.
    pub refresh: Duration,
    /// Announcements of each VIP in one refresh.
    pub refresh_repeat: u32,
    /// As `repeat`, after a weaker router claimed to hold.
    pub lower_prio_repeat: u32,
    /// As `delay`, after a weaker router claimed to hold.
    pub lower_prio_delay: Duration,
    /// Least time between two gratuitous ARPs on one interface; zero means no such limit.
    pub arp_interval: Duration,
    /// Least time between two unsolicited neighbour advertisements on one interface.
    pub na_interval: Duration,
    /// The R flag of neighbour advertisements (RFC 4861 §4.4): set for a virtual router that routes
    /// (RFC 9568 §6.4.2), clear for a node that only serves.
    pub router_flag: bool,
    /// What gratuitous ARPs carry as target MAC.
    pub target_mac: TargetMac,
    /// Told instead of the interface's own MAC: a virtual router MAC (RFC 9568 §7.3).
    pub virtual_mac: Option<Mac>,
}

impl Default for BurstPolicy {
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_prio_repeat: 5,
            lower_prio_delay: Duration::from_secs(5),
            arp_interval: Duration::ZERO,
            na_interval: Duration::ZERO,
            router_flag: false,
            target_mac: TargetMac::Broadcast,
            virtual_mac: None,
        }
    }
}

/// The announcer as a value.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Holders with VIPs to announce.
    pub holders: u32,
    /// VIPs told present and not withdrawn.
    pub vips: u32,
    /// Bursts begun or waiting for their time, second bursts included.
    pub bursts: u32,
    /// Frames handed over since the start.
    pub frames: u64,
    /// Announcements left out because the interface was missing, down or without a MAC.
    pub skipped: u64,
}
