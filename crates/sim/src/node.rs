//! One simulated node: the real router, an imagined kernel.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use base::{
    Centis, Event, Family, IfIndex, Instant, Interval, Name, Neighbour, Preempt, Priority, State,
    Subject, Vip, Vrid, What,
};
use vip::announcer::BurstPolicy;
use vrrp::wire::{Auth, ChecksumRule, GROUP_V4, GROUP_V6};
use vrrp::{Checksum, InstanceConfig, Reach, Router, WatchSpec};

use crate::kernel::{ETH0, Kernel};

/// A node on the [`Lan`](crate::Lan).
#[derive(Debug)]
pub struct Node {
    pub(crate) name: String,
    pub(crate) number: u8,
    pub(crate) router: Router,
    pub(crate) kernel: Kernel,
    /// What it runs, and will run again when it is booted.
    pub(crate) configs: Vec<InstanceConfig>,
    /// Counts its routers: what was meant for an earlier one reaches nobody.
    pub(crate) life: u32,
    /// Whether its cables are in.
    pub(crate) plugged: bool,
    /// Whether its processes run at all.
    pub(crate) alive: bool,
    /// Until when they are held up.
    pub(crate) paused_until: Option<Instant>,
    /// Whether its first instance is Active, as its events tell.
    pub(crate) active: bool,
    pub(crate) events: Vec<Event>,
    pub(crate) adverts_sent: u64,
    /// What its router wants to hear of.
    pub(crate) watched: Vec<WatchSpec>,
}

impl Node {
    pub(crate) fn new(name: &str, number: u8, configs: Vec<InstanceConfig>) -> Self {
        Self {
            name: name.into(),
            number,
            router: Router::new(),
            kernel: Kernel::of(number),
            configs,
            life: 0,
            plugged: true,
            alive: true,
            paused_until: None,
            active: false,
            events: Vec::new(),
            adverts_sent: 0,
            watched: Vec::new(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
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

    /// Whether its first instance is Active.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.alive && self.active
    }

    /// Takes note of what its router says happened.
    pub(crate) fn note(&mut self, event: Event) {
        if let (What::StateChanged { to, .. }, Subject::Instance(name)) =
            (&event.what, &event.subject)
            && self.configs.first().is_some_and(|first| first.name == *name)
        {
            self.active = *to == State::Active;
        }
        self.events.push(event);
    }

    /// Whether it does anything at `now`.
    #[must_use]
    pub fn is_awake(&self, now: Instant) -> bool {
        self.alive && self.paused_until.is_none_or(|until| until <= now)
    }

    /// Whether its kernel would hand this to its router.
    pub(crate) fn looks_out_for(&self, seen: &Neighbour) -> bool {
        let wants =
            |spec: &WatchSpec| spec.index == seen.index && spec.addresses.contains(&seen.address);
        self.is_on(seen.index) && self.watched.iter().any(wants)
    }

    /// Whether anything can go in or out by the interface with this number.
    pub(crate) fn is_on(&self, index: IfIndex) -> bool {
        self.alive && self.plugged && self.kernel.is_running(index)
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
        lease: true,
        strict_sources: false,
    }
}

/// Its sister over IPv6: VI_6, the same VRID, VIPs fe80::6:6/64 and 2001:db8::6/64.
#[must_use]
pub fn config_v6(priority: u8) -> InstanceConfig {
    let vip = |address: Ipv6Addr| Vip::new(IpAddr::V6(address), 64, Name::from(ETH0));
    InstanceConfig {
        name: Name::from("VI_6"),
        family: Family::V6,
        reach: Reach::Multicast { group: IpAddr::V6(GROUP_V6) },
        vips: vec![
            vip(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 6, 6)),
            vip(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 6)),
        ],
        ..config(priority)
    }
}
