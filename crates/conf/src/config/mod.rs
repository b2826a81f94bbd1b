//! What a configuration means, with nothing left to look up.
//!
//! A consumer of these values knows none of keepalived's defaults, inheritance or spellings: version,
//! family, interfaces, announcement bursts and script users are already resolved, and what VRRP
//! cannot express has been refused. Names are the field's own words (Active, Backup, advert,
//! announcement); keepalived's stay in the keyword table.
//!
//! Every value that a later check may want to complain about has a [`Place`] beside it.

mod agent;
mod extras;
mod node;
mod routes;
mod trackers;

pub use agent::AgentAddress;
pub use extras::{
    ExtraAnnounce, Hmac, HmacKey, HmacMode, Ipvlan, OldChecksum, Secret, VipOptions, Vmac,
};
pub use node::{
    AdvertBuffers, BufferPolicy, BufferSize, Buffers, Dbus, Fifo, Fifos, FilePlaces, Firewall,
    Hooks, LinkDelay, LinkRules, Mail, MailServer, Node, Pacing, PolledLink, Reload, Run,
    Scheduling, Snmp,
};
pub use routes::{
    HeldWay, NextHop, Prefix, Route, RouteKind, Rule, RuleAction, StaticAddress, Statics, Table,
};
pub use trackers::{
    ArgumentMatch, BfdSession, InitialValue, SyncGroup, TrackFile, TrackGroup, TrackProcess,
    TrackScript, Tracked, Trackers, Weight,
};

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use base::{Family, Interval, Name, Preempt, Priority, State, TrackEffect, Version, Vip, Vrid};

use serde::Serialize;

use crate::Place;

/// A whole configuration: legal, complete, and consistent in itself.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Config {
    /// What concerns the node as a whole.
    pub globals: Globals,
    /// The instances in the order of the file; names and virtual routers are unique.
    pub instances: Vec<InstanceConfig>,
    /// What else concerns the node.
    pub node: Node,
    /// Sync groups in the order of the file.
    pub groups: Vec<SyncGroup>,
    /// Scripts that are trackers.
    pub scripts: Vec<TrackScript>,
    /// Files that are trackers.
    pub files: Vec<TrackFile>,
    /// Processes that are trackers.
    pub processes: Vec<TrackProcess>,
    /// BFD sessions.
    pub bfd: Vec<BfdSession>,
    /// Addresses, routes and rules that stay.
    pub statics: Statics,
    /// Instances that depend on those.
    pub track_groups: Vec<TrackGroup>,
}

impl Config {
    /// The sync group that `instance` is in.
    #[must_use]
    pub fn group_of(&self, instance: &str) -> Option<&SyncGroup> {
        self.groups.iter().find(|group| group.members.iter().any(|m| **m == *instance))
    }

    /// The instance called `name`.
    #[must_use]
    pub fn instance(&self, name: &str) -> Option<&InstanceConfig> {
        self.instances.iter().find(|i| i.name == *name)
    }
}

/// What concerns the node as a whole (`global_defs` and the lines outside any block).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Globals {
    /// How this node calls itself in mail, SNMP and logs (`router_id`); `None` means its host name.
    /// Never on the wire.
    pub router_id: Option<Name>,
    /// How long to stay Initialize after a start (`vrrp_startup_delay`).
    pub startup_delay: Duration,
    /// The least time between two gratuitous ARPs on one interface (`vrrp_garp_interval`); zero: no
    /// limit beyond the announcer's own.
    pub arp_gap: Duration,
    /// The least time between two unsolicited neighbour advertisements on one interface
    /// (`vrrp_gna_interval`); zero: no limit beyond the announcer's own.
    pub na_gap: Duration,
    /// Refuse a script that runs as root and that somebody else could change
    /// (`enable_script_security`).
    pub script_security: bool,
    /// Whether an interface may be deleted and come back of another type
    /// (`dynamic_interfaces allow_if_changes`). Missing interfaces are always tolerated.
    pub interfaces_may_change: bool,
}

impl Default for Globals {
    fn default() -> Self {
        Self {
            router_id: None,
            startup_delay: Duration::ZERO,
            arp_gap: Duration::ZERO,
            na_gap: Duration::ZERO,
            script_security: false,
            interfaces_may_change: false,
        }
    }
}

/// One instance: this node's part in one virtual router (`vrrp_instance`).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct InstanceConfig {
    /// Its name; unique.
    pub name: Name,
    /// IPv4 or IPv6: what adverts and `vips` are.
    pub family: Family,
    /// The virtual router it takes part in.
    pub vrid: Vrid,
    /// The interface adverts are sent and heard on. `None` only with [`Reach::Unicast`] and a source
    /// address.
    pub interface: Option<Name>,
    /// Base priority, `1..=255`; 255 is the owner.
    pub priority: Priority,
    /// `State::Active` only for an owner that is to start as such (RFC 9568 §6.4.1); all others
    /// start as `State::Backup`.
    pub start: State,
    /// `state MASTER` is what the file says, whether or not that has a meaning.
    #[serde(skip)]
    pub says_master: bool,
    /// The time between adverts, and with it the version of the protocol.
    pub interval: Interval,
    /// How many intervals of silence make the Active node dead, before skew; `1..=100`, RFC 9568: 3.
    pub down_adverts: u8,
    /// Whether to take over from a living node of lower priority.
    pub preempt: Preempt,
    /// The VRRPv2 password; always `None` for VRRPv3.
    #[serde(serialize_with = "hidden")]
    pub password: Option<Password>,
    /// Multicast or unicast, and to whom.
    pub reach: Reach,
    /// The source address of adverts; `None` means the interface's primary (IPv6: link-local)
    /// address.
    pub source: Option<IpAddr>,
    /// Send the VRRPv3/IPv4 checksum over the message only (RFC 9568 §5.2.8), without the
    /// pseudo-header that RFC 5798 implementations add (`v3_checksum_as_v2`).
    pub v3_checksum_as_v2: bool,
    /// The VIPs carried in adverts, all of [`Self::family`], in the order of the file. May be empty.
    pub vips: Vec<Vip>,
    /// More VIPs held with them, of either family, not carried in adverts.
    pub excluded: Vec<Vip>,
    /// Whether the kernel is to silence the VIPs when nobody renews their lease (`lease off` clears
    /// it).
    pub lease: bool,
    /// Whether this instance's own interface must be up (`dont_track_primary` clears it).
    pub track_own_interface: bool,
    /// Other interfaces whose state matters. Never the instance's own. For an owner none has a
    /// priority delta.
    pub tracked_interfaces: Vec<TrackedInterface>,
    /// How often to announce VIPs.
    pub announce: Announce,
    /// While Active, answer an advert of lower priority with an own advert at once
    /// (`lower_prio_no_advert` clears it).
    pub answer_weaker: bool,
    /// While Active, send one more advert before yielding to a higher priority
    /// (`higher_prio_send_advert`).
    pub answer_stronger: bool,
    /// Compare the advert's VIP list with ours only when the sender changes
    /// (`skip_check_adv_addr`).
    pub skip_vip_list_check: bool,
    /// Strict adherence to the RFC was asked for (`vrrp_strict`, `strict_mode`). Never filters a
    /// VIP's traffic.
    pub strict: bool,
    /// Programs to run at transitions.
    pub notify: Notify,
    /// Send mail at transitions.
    pub smtp_alert: bool,
    /// Signed adverts.
    pub hmac: Option<Hmac>,
    /// If not empty: only these are heard by multicast (`allowed_sources`).
    pub allowed_sources: Vec<IpAddr>,
    /// Routes installed while Active.
    pub routes: Vec<Route>,
    /// Rules installed while Active.
    pub rules: Vec<Rule>,
    /// Both by their numbers, in the order of installation.
    #[serde(skip)]
    pub ways: Vec<HeldWay>,
    /// How each of `vips` is held.
    pub vip_options: Vec<VipOptions>,
    /// How each of `excluded` is held.
    pub excluded_options: Vec<VipOptions>,
    /// Keep secondary addresses of the interface when a primary one goes.
    pub promote_secondaries: bool,
    /// Trackers other than interfaces.
    pub trackers: Trackers,
    /// The source address must be there (`track_src_ip`).
    pub track_source: bool,
    /// The interface with the virtual router's MAC, when there is to be one.
    pub vmac: Option<Vmac>,
    /// The ipvlan interface, when there is to be one.
    pub ipvlan: Option<Ipvlan>,
    /// The VRF of an instance without interface.
    pub vrf: Option<Name>,
    /// Whether the VIPs may be reached while Active: only `no_accept` says no.
    pub accept: bool,
    /// Announcements on the VIPs' other interfaces.
    pub extra_announce: Option<ExtraAnnounce>,
    /// The least time between two gratuitous ARPs of this instance alone.
    pub arp_gap: Option<Duration>,
    /// The least time between two neighbour advertisements of this instance alone.
    pub na_gap: Option<Duration>,
    /// An owner does not yield to other owners.
    pub owner_ignores_adverts: bool,
    /// The unicast checksum of old versions.
    pub old_checksum: OldChecksum,
    /// Poll the carrier of its interface.
    pub poll_carrier: bool,
    /// The size of its receive buffer.
    pub receive_buffer: Option<u32>,
    /// Where all this stands in the file.
    #[serde(skip)]
    pub places: InstancePlaces,
}

impl InstanceConfig {
    /// The version of the protocol it speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.interval.version()
    }

    /// What is due to be held while Active: advertised VIPs first, then the excluded ones.
    pub fn all_vips(&self) -> impl Iterator<Item = &Vip> {
        self.vips.iter().chain(&self.excluded)
    }
}

/// Where an instance's settings stand. A setting that was not given points at the instance's name.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct InstancePlaces {
    /// The name.
    pub name: Place,
    /// The value of `interface`.
    pub interface: Place,
    /// The value of `virtual_router_id`.
    pub vrid: Place,
    /// The value of `priority`.
    pub priority: Place,
    /// The value of `state`.
    pub start: Place,
    /// The value of `advert_int`.
    pub interval: Place,
    /// The value of `unicast_src_ip` or `mcast_src_ip`.
    pub source: Place,
    /// One per entry of [`InstanceConfig::vips`].
    pub vips: Vec<Place>,
    /// One per entry of [`InstanceConfig::excluded`].
    pub excluded: Vec<Place>,
    /// The first word after `authentication`'s `auth_pass`.
    pub password: Place,
}

/// A plain-text VRRPv2 password (RFC 2338 §5.3.10): 1..=8 octets, zero-padded. Never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password(pub(crate) [u8; 8]);

impl Password {
    /// `None` when `text` is empty, longer than eight octets, or contains a zero octet.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.contains(&0) {
            return None;
        }
        let mut octets = [0; 8];
        octets.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self(octets))
    }

    /// As it stands in the authentication data of an advert.
    #[must_use]
    pub const fn octets(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(********)")
    }
}

/// That there is a password, not which.
fn hidden<S: serde::Serializer>(password: &Option<Password>, to: S) -> Result<S::Ok, S::Error> {
    match password {
        Some(_) => to.serialize_some("********"),
        None => to.serialize_none(),
    }
}

/// To whom adverts go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum Reach {
    /// To everybody on the link.
    Multicast {
        /// The group, of the instance's family (RFC 9568 §5.1.1.2, §5.1.2.2).
        group: IpAddr,
    },
    /// To these peers one by one.
    Unicast {
        /// At least one, all of the instance's family, no two of one address, none our source.
        peers: Vec<Peer>,
        /// TTL or hop limit of what we send, `1..=255`.
        ttl: u8,
        /// Refuse adverts from anybody not in `peers`. On unless switched off by
        /// `check_unicast_src off`: without it nothing stops an off-link sender.
        check_source: bool,
    },
}

/// Another VRRP speaker of a virtual router.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The least TTL or hop limit its adverts may arrive with; 0 when not given.
    pub min_ttl: u8,
    /// The greatest, not less than `min_ttl`; 255 when not given.
    pub max_ttl: u8,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// The IPv4 group of RFC 9568 §5.1.1.2.
pub const DEFAULT_GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The IPv6 group of RFC 9568 §5.1.2.2.
pub const DEFAULT_GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// An interface whose state matters to an instance, and how.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TrackedInterface {
    /// Its name.
    pub interface: Name,
    /// What its state does.
    pub effect: TrackEffect,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// How often the VIPs are announced, and when again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Announce {
    /// When becoming Active (`garp_master_repeat`, `garp_master_delay`).
    pub takeover: Burst,
    /// When an Active node hears another of lower priority (`garp_lower_prio_*`).
    pub weaker_heard: Burst,
    /// While Active; `None`: not again (`garp_master_refresh*`).
    pub refresh: Option<Refresh>,
}

/// A number of announcements at once, and whether to do it a second time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Burst {
    /// Announcements per VIP, at once. Zero only for [`Announce::weaker_heard`]: none.
    pub repeat: u32,
    /// The second burst comes this much later; `None`: there is none.
    pub again_after: Option<Duration>,
}

/// Periodic announcements of an Active node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Refresh {
    /// The period, not zero.
    pub every: Duration,
    /// Announcements per VIP each time, at least one.
    pub repeat: u32,
}

/// Programs to run at transitions; each runs once per transition it names.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Notify {
    /// On becoming Active (`notify_master`).
    pub active: Option<Command>,
    /// On becoming Backup (`notify_backup`).
    pub backup: Option<Command>,
    /// On becoming unable to take part (`notify_fault`).
    pub fault: Option<Command>,
    /// On stopping (`notify_stop`).
    pub stop: Option<Command>,
    /// On each of these, with four more arguments appended: `INSTANCE`, the name, keepalived's word
    /// for the state, the priority (`notify`).
    pub any: Option<Command>,
    /// When a reload removes the instance; keepalived then says DELETED instead of FAULT
    /// (`notify_deleted`).
    pub deleted: Option<Command>,
    /// Say DELETED, also without a script of its own.
    pub says_deleted: bool,
    /// When an Active node hears a weaker one (`notify_master_rx_lower_pri`).
    pub weaker_heard: Option<Command>,
    /// Tell FIFOs of priorities (`notify_priority_changes`).
    pub priority_changes: bool,
    /// Before a planned move takes the VIPs away (`notify_before_release`).
    pub before_release: Option<Command>,
    /// How long that may take; `None`: as long as is usual (`notify_before_release_timeout`).
    pub before_release_timeout: Option<Duration>,
}

impl Notify {
    /// The scripts, those given.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        let Self {
            active, backup, fault, stop, any, deleted, weaker_heard, before_release, ..
        } = self;
        [active, backup, fault, stop, any, deleted, weaker_heard, before_release]
            .into_iter()
            .flatten()
    }

    /// The same, to be changed.
    pub(crate) fn commands_mut(&mut self) -> impl Iterator<Item = &mut Command> {
        self.slots_mut().into_iter().flatten()
    }

    /// Where each script stands or could stand, to be changed.
    pub fn slots_mut(&mut self) -> [&mut Option<Command>; 8] {
        let Self {
            active, backup, fault, stop, any, deleted, weaker_heard, before_release, ..
        } = self;
        [active, backup, fault, stop, any, deleted, weaker_heard, before_release]
    }
}

/// A program with its arguments, quotes and escapes resolved. It is run as it stands, by no shell.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Command {
    /// The program and its arguments; the program is never missing or empty, no NUL anywhere.
    pub argv: Vec<String>,
    /// The account named for it, or by `script_user`. `None`: the account `keepalived_script` if
    /// there is one, else our own.
    pub run_as: Option<RunAs>,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

impl Command {
    /// The path of the program.
    #[must_use]
    pub fn program(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }
}

/// The account a script runs as; names or numbers, still to be looked up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RunAs {
    /// User.
    pub user: Name,
    /// Group; `None`: the user's own.
    pub group: Option<Name>,
    /// The group comes in addition to those of the user (written `:GROUP`).
    pub supplementary: bool,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_to_eight_octets_and_never_printed() {
        assert_eq!(Password::new(b"1111").map(Password::octets), Some(*b"1111\0\0\0\0"));
        assert_eq!(Password::new(b"testpass").map(Password::octets), Some(*b"testpass"));
        assert_eq!(Password::new(b"ninechars"), None);
        assert_eq!(Password::new(b""), None);
        assert_eq!(Password::new(b"a\0b"), None);
        assert!(!format!("{:?}", Password::new(b"testpass")).contains("test"));
    }

    #[test]
    fn a_tracker_gives_fault_or_a_delta() {
        use TrackEffect as T;
        for (effect, good, bad) in [
            (T::FaultWhileBad, Some(0), None),
            (T::FaultWhileGood, None, Some(0)),
            (T::DeltaWhileGood(20), Some(20), Some(0)),
            (T::DeltaWhileBad(-20), Some(0), Some(-20)),
        ] {
            assert_eq!((effect.verdict(true), effect.verdict(false)), (good, bad), "{effect:?}");
        }
    }
}
