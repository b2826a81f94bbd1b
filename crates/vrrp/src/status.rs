//! What the machine tells of itself: values for the command line, metrics and tests.

use core::net::IpAddr;
use core::time::Duration;

use base::{
    Errno, EventId, Family, Instant, Mac, Name, Priority, Reason, Rival, State, Version, Vip, Vrid,
};
use serde::{Deserialize, Serialize};

use crate::wire::Counters;
use crate::wire::hmac::{Freshness, Mode};

/// All instances of this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterStatus {
    /// In the order of the configuration.
    pub instances: Vec<InstanceStatus>,
    /// By name.
    pub groups: Vec<GroupStatus>,
    /// Packets refused before any instance could be asked.
    pub discards: Counters,
    /// Packets that arrived, whatever became of them.
    pub packets: u64,
    /// How often a source was found to send more than a whole group has reason to.
    pub floods: u64,
    /// Words about planned moves that were for nobody, or were not believed.
    pub refused_notices: u64,
    /// The leases of all.
    pub leases: vip::lease::Status,
    /// The interfaces that instances look at, by name.
    pub interfaces: Vec<InterfaceStatus>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: Name,
    /// Whether it can be used; `None`: there is none of that name.
    pub up: Option<bool>,
}

/// One sync group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Its name.
    pub name: Name,
    /// What all its members are.
    pub state: State,
    /// Those that move together; a member that has not yet been able to run is not among them.
    pub members: Vec<Name>,
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its configured name.
    pub name: Name,
    /// Its configured interface.
    pub interface: Option<Name>,
    /// Which virtual router.
    pub vrid: Vrid,
    /// Of which family.
    pub family: Family,
    /// In which version.
    pub version: Version,
    /// What this node is for it.
    pub state: State,
    /// Why it is in Initialize, when something is missing.
    pub fault: Option<Reason>,
    /// Since when it is in this state.
    pub since: Instant,
    /// The event that brought it there.
    pub because: Option<EventId>,
    /// Configured priority.
    pub base_priority: Priority,
    /// Priority after trackers.
    pub priority: Priority,
    /// Where its adverts come from.
    pub source: Option<IpAddr>,
    /// Its own advertisement interval.
    pub interval: Duration,
    /// The holder's, as learned.
    pub active_interval: Duration,
    /// Skew_Time now.
    pub skew_time: Duration,
    /// Active_Down_Interval now.
    pub active_down_interval: Duration,
    /// When it will next act by itself.
    pub deadline: Option<Instant>,
    /// The other holder it last heard.
    pub peer: Option<PeerStatus>,
    /// Backups that have said that they are ready to follow.
    pub ready: Vec<ReadyPeer>,
    /// It was switched over and does not preempt until then.
    pub stays_back: Option<StayBack>,
    /// The VIP for which it stands back, since the kernel refuses it.
    pub missing: Option<MissingVip>,
    /// The VIPs it holds when Active.
    pub vips: Vec<Vip>,
    /// Those of them that the kernel has now.
    pub present: Vec<IpAddr>,
    /// How adverts are signed, if they are.
    pub hmac: Option<HmacStatus>,
    /// The second holder, while there are two.
    pub rival: Option<RivalStatus>,
    /// The lease it holds under, if it wants one.
    pub lease: Option<LeaseStatus>,
    /// Its interfaces with a virtual MAC.
    pub devices: Vec<DeviceStatus>,
    /// Adverts and changes counted.
    pub traffic: Traffic,
    /// Refused packets, by cause.
    pub discards: Counters,
}

/// A Backup that is ready to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyPeer {
    /// Its address.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// When it said so.
    pub told_at: Instant,
}

/// After a switch-over an instance does not preempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StayBack {
    /// Until then; `None`: until it is ended.
    pub until: Option<Instant>,
}

/// A VIP that cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MissingVip {
    /// Which.
    pub vip: IpAddr,
    /// What the kernel answers.
    pub errno: Errno,
    /// The event that told of it.
    pub because: EventId,
}

/// The lease of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// How long it lives without being renewed.
    pub length: Duration,
    /// By how much that is too long for the interval: a frozen holder may be heard that much longer
    /// than until a peer takes over.
    pub excess: Duration,
    /// Whether its VIPs are silenced now, or may be.
    pub silenced: bool,
}

/// An interface with a virtual MAC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// Its name.
    pub name: Name,
    /// The interface it lies on.
    pub parent: Name,
    /// Its MAC.
    pub mac: Mac,
    /// Whether it is there, and if so whether it is up.
    pub up: Option<bool>,
    /// Whether VIPs wait on it while this node does not hold them.
    pub staged: bool,
    /// Why it is not as it should be, if the kernel refuses.
    pub refused: Option<Errno>,
}

/// A holder as last heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its address.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// Its interval.
    pub interval: Duration,
    /// When it last spoke.
    pub last_heard: Instant,
}

/// Signing of adverts as it is in force; no key is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HmacStatus {
    /// Which adverts are sent signed, and which are heard.
    pub mode: Mode,
    /// The number of the key to sign with.
    pub active_key: u8,
    /// The numbers of all keys.
    pub keys: Vec<u8>,
    /// How old adverts are told from new ones.
    pub freshness: Freshness,
}

/// A second holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RivalStatus {
    /// What is known of it.
    pub rival: Rival,
    /// When it was first seen.
    pub first: Instant,
    /// When it was last seen.
    pub last: Instant,
    /// The event that told of it.
    pub because: Option<EventId>,
}

/// What an instance has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Adverts sent (one for all peers).
    pub sent: u64,
    /// Valid adverts received.
    pub received: u64,
    /// Adverts with priority 0 sent.
    pub resignations_sent: u64,
    /// Adverts with priority 0 received.
    pub resignations_received: u64,
    /// Unsigned adverts received and believed although signatures are configured.
    pub unsigned_received: u64,
    /// How often it became Active.
    pub became_active: u64,
    /// How often it became Backup.
    pub became_backup: u64,
    /// How often it became Initialize.
    pub became_initialize: u64,
}
