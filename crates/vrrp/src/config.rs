//! What one instance is told to be. Values only: whoever reads the configuration file has already
//! checked them and resolved every default.

use core::net::IpAddr;
use core::ops::Deref;
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use base::{
    Device, Effect, Family, Interval, Mac, Name, Preempt, Priority, TrackEffect, Tracker,
    TrackerKind, Version, Vip, Vrid,
};
use serde::{Deserialize, Serialize};
use vip::announcer::{BurstPolicy, KeepFresh};
use vip::lease::Terms;
use vip::ways::Managed;

use crate::wire::{self, Auth, ChecksumForm, ChecksumRule, PeerTerms, hmac};

/// So many VIPs of an instance, and they wait installed on its devices.
const STAGED_FROM: usize = 64;

macro_rules! config {
    (
        own { $($(#[$of:meta])* $own:ident: $own_type:ty,)* }
        alike { $($(#[$af:meta])* $alike:ident: $alike_type:ty,)* }
    ) => {
        /// One virtual router as this node is to take part in it.
        #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
        pub struct InstanceConfig {
            $($(#[$of])* pub $own: $own_type,)*
            $($(#[$af])* pub $alike: $alike_type,)*
        }

        /// The same as an instance keeps it. One of thousands has little of its own.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub(crate) struct Config {
            $($(#[$of])* pub(crate) $own: $own_type,)*
            /// What others have as well: read as if it were its own.
            pub(crate) alike: Arc<Alike>,
        }

        /// What instances have in common, as a rule.
        #[derive(PartialEq, Eq, Debug)]
        pub(crate) struct Alike {
            $($(#[$af])* pub(crate) $alike: $alike_type,)*
        }

        impl Sharing {
            /// Keeps one configuration.
            pub(crate) fn keep(&mut self, config: InstanceConfig) -> Config {
                let InstanceConfig { $($own,)* $($alike,)* } = config;
                let alike = self.share(Alike { $($alike,)* });
                let mut config = Config { $($own,)* alike };
                self.share_names(&mut config);
                config
            }
        }
    };
}

config! {
    own {
        /// The name people gave it.
        name: Name,
        /// The interface its adverts travel on; `None`: whichever carries `source` (unicast only).
        interface: Option<Name>,
        /// Which virtual router.
        vrid: Vrid,
        /// Of which family.
        family: Family,
        /// Source of adverts; `None`: the interface's first address of the family.
        source: Option<IpAddr>,
        /// VIPs that adverts name.
        vips: Vec<Vip>,
        /// VIPs held with the others, but not named in adverts.
        excluded: Vec<Vip>,
        /// The interfaces with a virtual MAC that its VIPs are on, where they are.
        devices: Vec<Device>,
        /// Adverts come from this MAC: the virtual router's. `None`: from the interface's own.
        speaks_as: Option<Mac>,
    }
    alike {
        /// The protocol's version and the advertisement interval it allows.
        interval: Interval,
        /// Base priority; 255 makes this node the owner.
        priority: Priority,
        /// What to do about a weaker node that holds the VIPs.
        preempt: Preempt,
        /// Whom adverts go to and come from.
        reach: Reach,
        /// VRRPv2 authentication.
        auth: Auth,
        /// Signing of adverts, if they are to be signed or signatures to be looked at.
        hmac: Option<hmac::Policy>,
        /// If not empty: only these sources are heard, where `reach` is multicast.
        allowed_sources: Vec<IpAddr>,
        /// Which checksum to send and accept (VRRPv3 over IPv4 only).
        checksum: Checksum,
        /// Whether the VIPs take traffic (`no_accept` clears it).
        accept: bool,
        /// Routes and rules held with them, in the order of installation.
        ways: Vec<Managed>,
        /// How VIPs are announced.
        burst: BurstPolicy,
        /// How switches are kept informed of VIPs beside the adverts.
        fresh: Option<Fresh>,
        /// On its interface, the next address takes the place of a primary one that goes.
        promote_secondaries: bool,
        /// Interfaces whose state matters.
        track: Vec<TrackInterface>,
        /// Scripts, files, processes and sessions whose verdicts matter.
        trackers: Vec<Tracked>,
        /// BFD sessions whose failure ends the wait for a holder that is their neighbor.
        sentinels: Vec<Sentinel>,
        /// The sync group it moves with. Whatever a group tracks stands in `track` and `trackers` of
        /// each member.
        group: Option<Name>,
        /// Whether the instance's own interface must be up.
        track_own_interface: bool,
        /// Adverts to miss before taking over: `1..=100`, 3 in the RFC.
        missed_adverts: u8,
        /// While Active, answer a weaker node's advert at once (RFC 9568 §6.4.3).
        answer_rivals: bool,
        /// An owner that holds does not yield to another owner, whatever its address
        /// (keepalived: `owner_ignore_adverts`).
        owner_ignores_owners: bool,
        /// When yielding to a stronger node, send one more advert, so that it sees there were two
        /// holders and announces again.
        parting_advert: bool,
        /// A peer's interval is believed up to this many times our own (VRRP-075); of a peer heard only
        /// once, up to three times.
        learned_interval_cap: u8,
        /// How long after start to wait before taking part (keepalived: `vrrp_startup_delay`).
        startup_delay: Duration,
        /// Have the kernel drop held VIPs that we no longer renew ([`vip::lifetime`]).
        lifetimes: bool,
        /// Have the kernel silence held VIPs that we no longer renew ([`vip::lease`]).
        lease: bool,
        /// Refuse what is only suspicious: sources outside the link's prefix, IPv6 lists without a
        /// link-local address first.
        strict_sources: bool,
    }
}

impl Deref for Config {
    type Target = Alike;

    fn deref(&self) -> &Alike {
        &self.alike
    }
}

/// So many different settings are looked through for equal ones. Who has more than these in turns has
/// no thousands of each.
const COMPARED: usize = 16;

/// Finds what configurations have in common, so that it is kept once.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    alike: Vec<Arc<Alike>>,
    names: BTreeSet<Name>,
}

impl Sharing {
    /// One that has seen these already.
    pub(crate) fn among<'a>(known: impl Iterator<Item = &'a Config>) -> Self {
        let mut sharing = Self::default();
        for config in known {
            if !sharing.alike.iter().rev().take(COMPARED).any(|it| Arc::ptr_eq(it, &config.alike)) {
                sharing.alike.push(Arc::clone(&config.alike));
            }
        }
        sharing
    }

    fn share(&mut self, alike: Alike) -> Arc<Alike> {
        if let Some(known) = self.alike.iter().rev().take(COMPARED).find(|it| ***it == alike) {
            return Arc::clone(known);
        }
        let alike = Arc::new(alike);
        self.alike.push(Arc::clone(&alike));
        alike
    }

    /// Thousands of VIPs are on few interfaces.
    fn share_names(&mut self, config: &mut Config) {
        config.interface = config.interface.take().map(|name| self.name(&name));
        for vip in config.vips.iter_mut().chain(&mut config.excluded) {
            let name = self.name(&vip.interface);
            if !name.is_one_with(&vip.interface) {
                vip.interface = name;
            }
        }
        config.vips.shrink_to_fit();
        config.excluded.shrink_to_fit();
    }

    fn name(&mut self, name: &Name) -> Name {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        self.names.insert(name.clone());
        name.clone()
    }
}

/// What is asked of both.
macro_rules! questions {
    ($type:ty, $vis:vis) => {
        impl $type {
            /// The version its interval belongs to.
            #[must_use]
            $vis fn version(&self) -> Version {
                self.interval.version()
            }

            /// Whether `other` describes the same virtual router, so that it can be taken over in
            /// place.
            #[must_use]
            $vis fn is_same_router(&self, other: &Self) -> bool {
                let key = |c: &Self| (c.vrid, c.family, c.version(), c.interface.clone());
                key(self) == key(other)
            }

            /// What bounds its lease.
            #[must_use]
            $vis fn lease_terms(&self) -> Terms {
                // The other nodes watch us as we watch them.
                let sooner = self.sentinels.iter().map(Sentinel::bound).min();
                Terms { interval: self.interval.as_duration(), missed: self.missed_adverts, sooner }
            }

            /// All VIPs it holds when Active, advertised ones first.
            $vis fn all_vips(&self) -> impl Iterator<Item = &Vip> {
                self.vips.iter().chain(&self.excluded)
            }

            /// The interface that one of its VIPs is reached through: the parent, if it is on a device.
            $vis fn below<'a>(&'a self, interface: &'a Name) -> &'a Name {
                self.device(interface).map_or(interface, |device| &device.parent)
            }

            /// Whether its VIPs wait installed while it does not hold: on a device that is down they harm
            /// nobody as long as a lease keeps them silent, and taking over is then one step. Below some
            /// dozens installing them costs nothing that anybody would notice; and a VIP that waits is an
            /// address of the node itself, so that its own programs no longer reach the holder by it.
            $vis fn stages(&self) -> bool {
                self.lease
                    && self.all_vips().count() >= STAGED_FROM
                    && self.all_vips().all(|vip| self.device(&vip.interface).is_some())
            }

            /// Its device of that name.
            $vis fn device(&self, name: &Name) -> Option<&Device> {
                self.devices.iter().find(|device| device.name == *name)
            }

            /// Where switches learn of VIPs by no advert and are to be kept informed: the VIPs'
            /// interfaces but its own, only those with a virtual MAC unless all are asked for.
            $vis fn keep_fresh(&self) -> KeepFresh {
                let Some(Fresh { all, every }) = self.fresh else { return KeepFresh::default() };
                let told_by_adverts = |name: &Name| match self.device(name) {
                    Some(device) => {
                        Some(&device.parent) == self.interface.as_ref()
                            && self.speaks_as == Some(device.mac)
                    }
                    None => Some(name) == self.interface.as_ref(),
                };
                let wanted =
                    |name: &&Name| (all || self.device(name).is_some()) && !told_by_adverts(name);
                let mut interfaces: Vec<Name> =
                    self.all_vips().map(|vip| &vip.interface).filter(wanted).cloned().collect();
                interfaces.sort();
                interfaces.dedup();
                KeepFresh { every, interfaces }
            }
        }
    };
}

questions!(InstanceConfig, pub);
questions!(Config, pub(crate));

impl Config {
    /// Which of its sentinels this tracker is, if any.
    pub(crate) fn sentinel(&self, tracker: &Tracker) -> Option<&Sentinel> {
        let is_it = |sentinel: &&Sentinel| {
            tracker.kind == TrackerKind::Bfd && sentinel.session == tracker.name
        };
        self.sentinels.iter().find(is_it)
    }
}

/// How switches are kept informed (keepalived: `garp_extra_if`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fresh {
    /// On all interfaces of VIPs, not only on those with a virtual MAC.
    pub all: bool,
    /// How often.
    pub every: Duration,
}

/// A BFD session with a node that may hold: its failure is taken for the holder's silence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sentinel {
    /// The session's name.
    pub session: Name,
    /// The other end, as its adverts' source.
    pub neighbor: IpAddr,
    /// The interval of its packets.
    pub interval: Duration,
    /// How many of them are missed before it fails.
    pub missed: u8,
}

impl Sentinel {
    /// From the moment its neighbor freezes to the earliest moment at which the session fails: the
    /// last packet may have been sent an interval before.
    #[must_use]
    pub fn bound(&self) -> Duration {
        self.interval * u32::from(self.missed.saturating_sub(1))
    }
}

/// Whom adverts go to and come from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reach {
    /// The group of everybody on the link: 224.0.0.18 or ff02::12.
    Multicast {
        /// That group.
        group: IpAddr,
    },
    /// These peers, one datagram each.
    Unicast {
        /// Who they are and which TTLs are believed.
        peers: Vec<PeerTerms>,
        /// TTL or hop limit to send with.
        ttl: u8,
        /// Refuse adverts from anybody else.
        check_source: bool,
    },
}

impl Reach {
    /// The same as a demand on arriving packets.
    pub(crate) fn terms(&self) -> wire::Reach<'_> {
        match self {
            Reach::Multicast { group } => wire::Reach::Multicast { group: *group },
            Reach::Unicast { peers, check_source, .. } => {
                wire::Reach::Unicast { peers, check_source: *check_source }
            }
        }
    }
}

/// Checksum forms of VRRPv3 over IPv4 (DESIGN: "v3/IPv4 checksum").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Checksum {
    /// What to send; `None`: the form the holder was last heard with, RFC 5798's until then.
    pub send: Option<ChecksumForm>,
    /// What to accept.
    pub accept: ChecksumRule,
}

/// A tracker whose verdict matters to the instance. Several instances may use one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tracked {
    /// Which.
    pub tracker: Tracker,
    /// What its verdict does here.
    pub effect: Effect,
    /// Until it is known it is taken to be bad (`init_fail`). Otherwise it weighs nothing, and an
    /// instance that it could keep from running waits for it before it starts.
    pub assume_bad: bool,
}

/// An interface whose state matters to the instance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackInterface {
    /// Which.
    pub interface: Name,
    /// What its state does.
    pub effect: TrackEffect,
}
