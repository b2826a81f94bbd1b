//! What a bystander with eyes everywhere sees: the food of the checkers.
//!
//! Sights are collected only while somebody watches; a story that asks its own questions pays
//! nothing for them. An advert is seen as the few fields that decide anything, read here by hand: the
//! product's decoder must not be its own witness.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use base::{Event, Family, Instant, Mac, State};
use vrrp::Packet;

use crate::kernel::Segment;

/// A virtual router: what the nodes share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Vr {
    /// The link it is on.
    pub segment: Segment,
    /// Whether it is IPv6's.
    pub v6: bool,
    /// Its number there.
    pub vrid: u8,
}

impl Vr {
    /// The virtual router of this number and family on a link.
    #[must_use]
    pub fn new(segment: Segment, family: Family, vrid: u8) -> Self {
        Self { segment, v6: family == Family::V6, vrid }
    }
}

/// An advert, at a glance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Glimpse {
    /// For which virtual router.
    pub vr: Vr,
    /// Priority octet.
    pub priority: u8,
    /// The interval it tells, zero included.
    pub interval: Duration,
    /// Its source.
    pub source: IpAddr,
}

impl Glimpse {
    /// Reads the fields where RFC 9568 §5.2 and RFC 3768 §5.3 put them.
    #[must_use]
    pub fn of(segment: Segment, source: IpAddr, payload: &[u8]) -> Option<Self> {
        let [first, vrid, priority, _, a, b, ..] = payload else { return None };
        let interval = if first >> 4 == 2 {
            Duration::from_secs(u64::from(*b))
        } else {
            Duration::from_millis((u64::from(a & 0x0f) << 8 | u64::from(*b)) * 10)
        };
        let vr = Vr::new(segment, Family::of(&source), *vrid);
        Some(Self { vr, priority: *priority, interval, source })
    }
}

/// One thing seen.
#[derive(Clone, Debug)]
pub enum Sight {
    /// A node's router asked for an advert to be sent.
    Sent {
        /// Who.
        node: usize,
        /// What.
        advert: Glimpse,
    },
    /// An advert has come to a node and was handed to its router at once.
    Handed {
        /// To whom.
        node: usize,
        /// What.
        advert: Glimpse,
        /// Whether the rules of reception let it pass; a forged one may be wrong on purpose.
        valid: bool,
    },
    /// Dice took an advert or a frame on its way.
    Lost {
        /// From whom.
        from: usize,
        /// To whom; `None`: the client.
        to: Option<usize>,
    },
    /// A node said that something happened.
    Event {
        /// Which node.
        node: usize,
        /// What.
        event: Event,
        /// Whether adverts lay unread in its socket at that moment.
        unread: bool,
    },
    /// A node announced an address.
    Announced {
        /// Which node.
        node: usize,
        /// The address.
        address: IpAddr,
        /// What it told its neighbours.
        mac: Mac,
    },
    /// A node's engine has stopped in good order, and says that nothing is left to do.
    Stopped {
        /// Which node.
        node: usize,
    },
    /// The client took an announcement in, or learned where its frames go to now.
    Believed {
        /// From which node.
        node: usize,
        /// The address.
        address: IpAddr,
    },
    /// A router began on a node, with nothing but its configuration.
    Began {
        /// Which node.
        node: usize,
        /// Whether it takes over from an engine before it.
        heir: bool,
    },
    /// Another version takes over from a node's engine, which has said where it stands.
    HandedOver {
        /// Which node.
        node: usize,
    },
    /// It has begun.
    TookOver {
        /// Which node.
        node: usize,
        /// What it takes no part in, as it is now.
        idle: Vec<Vr>,
    },
    /// It is dead, and the engine before goes on.
    WentBack {
        /// Which node.
        node: usize,
        /// As what.
        states: BTreeMap<Vr, State>,
    },
    /// An engine's process has ended.
    EngineEnded {
        /// Which node.
        node: usize,
    },
    /// What that engine held was given up, by its guardian or because that ended too.
    GaveUp {
        /// Which node.
        node: usize,
    },
    /// A guardian says farewell for an engine.
    Farewell {
        /// Which node.
        node: usize,
        /// The VIPs under a lease that the node still answered for at that moment.
        answered: Vec<IpAddr>,
    },
    /// A holder that leaves names who follows.
    Named {
        /// Which node.
        node: usize,
        /// Its VIPs that the node still answered for at that moment.
        answered: Vec<IpAddr>,
    },
    /// Somebody added an address to a node.
    Added {
        /// Which node.
        node: usize,
        /// The address.
        address: IpAddr,
    },
    /// A router is about to be given another configuration.
    Reloaded {
        /// Which node.
        node: usize,
    },
    /// After a reload: what was not changed by it did not stay as it was.
    Touched {
        /// Which node.
        node: usize,
        /// What was different after it.
        difference: String,
    },
    /// A fault began or ended.
    Disturbed,
    /// Addresses went from a node's kernel, and not because its keeper asked for that.
    Deleted {
        /// Which node.
        node: usize,
        /// Which addresses.
        addresses: Vec<IpAddr>,
    },
    /// A lifetime ended in a node's kernel.
    Lapsed {
        /// Which node.
        node: usize,
        /// The addresses whose time was up.
        lapsed: Vec<IpAddr>,
        /// Those, and the ones that went along.
        gone: Vec<IpAddr>,
    },
    /// A node's engine begins a lease where one has ended, and so lets these be heard again.
    Revived {
        /// Which node.
        node: usize,
        /// When that lease ended.
        ended: Instant,
        /// What its kernel has of what was silent with it.
        addresses: Vec<IpAddr>,
    },
    /// A forged advert that the rules of reception refuse changed a router all the same.
    Swayed {
        /// Which node.
        node: usize,
        /// What was different after it.
        difference: String,
    },
}

/// A packet on its way, and whether somebody made it wrong on purpose.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mail {
    /// The packet; its interface is filled in on arrival.
    pub packet: Packet,
    /// The link it travels on.
    pub segment: Segment,
    /// Whether the rules of reception refuse it.
    pub spoiled: bool,
    /// It is no advert but a word about a planned move.
    pub notice: bool,
    /// The virtual MAC it comes from, if from one.
    pub mac: Option<Mac>,
}
