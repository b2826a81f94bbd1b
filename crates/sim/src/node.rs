//! One simulated node: the real router, an imagined kernel.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use base::{Centis, Event, Family, Instant, Interval, Mac, Name, Preempt, Priority, Vip, Vrid};
use vip::announcer::BurstPolicy;
use vrrp::wire::{Auth, ChecksumRule, GROUP_V4};
use vrrp::{Checksum, InstanceConfig, Reach, Router};

use crate::kernel::{ETH0, Kernel};

/// A node on the [`Lan`](crate::Lan).
#[derive(Debug)]
pub struct Node {
    pub(crate) name: String,
    pub(crate) router: Router,
    pub(crate) kernel: Kernel,
    /// Whether its cable is in.
    pub(crate) plugged: bool,
    /// Whether its processes run at all.
    pub(crate) alive: bool,
    /// Until when they are held up.
    pub(crate) paused_until: Option<Instant>,
    pub(crate) events: Vec<Event>,
    pub(crate) adverts_sent: u64,
}

impl Node {
    pub(crate) fn new(name: &str, number: u8) -> Self {
        let own = IpAddr::V4(Ipv4Addr::new(193, 168, 0, 1 + number));
        let kernel = Kernel::new(Mac([2, 0, 0, 0, 0, number]), &[(own, 16)]);
        Self {
            name: name.into(),
            router: Router::new(),
            kernel,
            plugged: true,
            alive: true,
            paused_until: None,
            events: Vec::new(),
            adverts_sent: 0,
        }
    }

    /// Its kernel.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Its router.
    #[must_use]
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// Everything it said happened, in order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Adverts it has put on the wire.
    #[must_use]
    pub fn adverts_sent(&self) -> u64 {
        self.adverts_sent
    }

    /// Whether it does anything at `now`.
    pub(crate) fn is_awake(&self, now: Instant) -> bool {
        self.alive && self.paused_until.is_none_or(|until| until <= now)
    }
}

/// The article's instance: VI_1 on `eth0`, VRID 51, VIP 193.168.0.6/16, VRRPv3 every second.
#[must_use]
pub fn config(priority: u8) -> InstanceConfig {
    let vip = Vip::new(IpAddr::V4(Ipv4Addr::new(193, 168, 0, 6)), 16, Name::from(ETH0));
    InstanceConfig {
        name: Name::from("VI_1"),
        interface: Some(Name::from(ETH0)),
        vrid: Vrid::new(51).expect("51 is a VRID"),
        family: Family::V4,
        interval: Interval::V3(Centis::new(100).expect("100 is an interval")),
        priority: Priority::new(priority),
        preempt: Preempt::After(Duration::ZERO),
        reach: Reach::Multicast { group: IpAddr::V4(GROUP_V4) },
        source: None,
        auth: Auth::None,
        checksum: Checksum { send: None, accept: ChecksumRule::Either },
        vips: vec![vip],
        excluded: Vec::new(),
        burst: BurstPolicy::default(),
        track: Vec::new(),
        track_own_interface: true,
        missed_adverts: 3,
        answer_rivals: true,
        parting_advert: true,
        learned_interval_cap: 10,
        startup_delay: Duration::ZERO,
        lifetimes: false,
        strict_sources: false,
    }
}
