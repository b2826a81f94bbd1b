//! One simulated node: the real router, an imagined kernel, and the sockets between them.
//!
//! What comes while the processes are held up waits in the sockets, as far as they have room: adverts
//! in one, news of the kernel in another that tells of everything anew once it has overflowed.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::{
    Centis, Device, Event, Family, IfIndex, Instant, Interval, KernelFact, Mac, Name, Neighbour,
    Preempt, Priority, State, Subject, Vip, Vrid, What,
};
use vip::announcer::BurstPolicy;
use vrrp::wire::{Auth, ChecksumRule, GROUP_V4, GROUP_V6};
use vrrp::{Checksum, InstanceConfig, Reach, Router, SocketSpec, WatchSpec};

use crate::guard::Guard;
use crate::kernel::{ETH0, ETH1, Kernel};
use crate::scripts::Script;
use crate::sight::{Mail, Vr};
use crate::upgrade::Former;

/// As many adverts as the receive buffer of a raw socket holds by default (208 KiB, 768 octets each).
const SOCKET_ROOM: usize = 277;
/// As many messages as a netlink socket holds by default.
const NETLINK_ROOM: usize = 250;

/// A node on the [`Lan`](crate::Lan).
#[derive(Debug)]
pub struct Node {
    pub(crate) name: String,
    pub(crate) number: u8,
    pub(crate) router: Router,
    pub(crate) kernel: Kernel,
    /// What it runs, and will run again when it is booted; and the virtual router of each.
    configs: Vec<InstanceConfig>,
    vrs: Vec<Vr>,
    /// Every name an instance of it ever had, for what its events are about.
    pub(crate) known_as: BTreeMap<Name, Vr>,
    /// Counts its routers: what was meant for an earlier one reaches nobody.
    pub(crate) life: u32,
    pub(crate) lives: u32,
    /// Whether its cables are in.
    pub(crate) plugged: bool,
    /// Whether the machine has power.
    pub(crate) alive: bool,
    /// Whether mainstay runs on it.
    pub(crate) running: bool,
    /// Whether it was told to stop.
    pub(crate) stopping: bool,
    /// Its guardian, while that lives; how many there were; until when it is held up.
    pub(crate) guard: Option<Guard>,
    pub(crate) guard_life: u32,
    pub(crate) guard_paused_until: Instant,
    /// The engine before, while another version takes over from it.
    pub(crate) former: Option<Former>,
    /// Until when its engine is held up.
    pub(crate) paused_until: Option<Instant>,
    /// Until when the whole machine stands still.
    pub(crate) frozen_until: Instant,
    /// Since when it has been running without a gap.
    pub(crate) awake_since: Instant,
    /// The same by its own clock, as it was then.
    pub(crate) awake_clock: Instant,
    /// How far its monotonic clock is ahead of ours, and behind, by the time it stood still.
    pub(crate) ahead: Duration,
    pub(crate) behind: Duration,
    /// What of that its engine has not been told yet.
    pub(crate) slept: Duration,
    /// How far its wall clock is ahead of the world's, milliseconds. Only signed adverts ask for it.
    pub(crate) wall_offset: i64,
    /// Whether its first instance is Active, as its events tell.
    pub(crate) active: bool,
    /// The same for each.
    pub(crate) states: BTreeMap<Vr, State>,
    pub(crate) sockets: Vec<SocketSpec>,
    pub(crate) inbox: VecDeque<Mail>,
    pub(crate) netlink: Netlink,
    pub(crate) events: Vec<Event>,
    pub(crate) adverts_sent: u64,
    /// What its router wants to hear of.
    pub(crate) watched: Vec<WatchSpec>,
    /// How its script fares.
    pub(crate) script: Script,
}

/// The socket on which the kernel tells its news.
#[derive(Debug, Default)]
pub(crate) struct Netlink {
    queue: VecDeque<(Instant, KernelFact)>,
    overrun: bool,
    /// Nobody reads it until then.
    pub(crate) blocked_until: Instant,
}

impl Netlink {
    /// News that can be read from `ready` on.
    pub(crate) fn push(&mut self, ready: Instant, fact: KernelFact) {
        if self.queue.len() >= NETLINK_ROOM {
            self.overrun();
        }
        if !self.overrun {
            let last = self.queue.back().map_or(ready, |(at, _)| ready.max(*at));
            self.queue.push_back((last, fact));
        }
    }

    /// Loses all it holds; whoever reads next must ask for everything anew.
    pub(crate) fn overrun(&mut self) {
        self.queue.clear();
        self.overrun = true;
    }

    /// What can be read at `now`, given what the kernel looks like.
    pub(crate) fn pop(&mut self, now: Instant, kernel: &mut Kernel) -> Option<KernelFact> {
        if now < self.blocked_until {
            return None;
        }
        if core::mem::take(&mut self.overrun) {
            kernel.take_news();
            self.queue.clear();
            return Some(kernel.snapshot());
        }
        let ready = self.queue.front().is_some_and(|(at, _)| *at <= now);
        if ready { self.queue.pop_front().map(|(_, fact)| fact) } else { None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && !self.overrun
    }
}

impl Node {
    pub(crate) fn new(name: &str, number: u8, configs: Vec<InstanceConfig>) -> Self {
        Self {
            name: name.into(),
            number,
            router: Router::new(),
            kernel: Kernel::of(number),
            vrs: configs.iter().map(vr_of).collect(),
            configs,
            known_as: BTreeMap::new(),
            life: 0,
            lives: 0,
            plugged: true,
            alive: true,
            running: false,
            stopping: false,
            guard: None,
            guard_life: 0,
            guard_paused_until: Instant::ZERO,
            former: None,
            paused_until: None,
            frozen_until: Instant::ZERO,
            awake_since: Instant::ZERO,
            awake_clock: Instant::ZERO,
            ahead: Duration::ZERO,
            behind: Duration::ZERO,
            slept: Duration::ZERO,
            wall_offset: 0,
            active: false,
            states: BTreeMap::new(),
            sockets: Vec::new(),
            inbox: VecDeque::new(),
            netlink: Netlink::default(),
            events: Vec::new(),
            adverts_sent: 0,
            watched: Vec::new(),
            script: Script::default(),
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

    /// What it was last told to run.
    #[must_use]
    pub fn configs(&self) -> &[InstanceConfig] {
        &self.configs
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
        self.alive && self.running && self.active
    }

    /// What it is for a virtual router, as its events tell.
    #[must_use]
    pub fn state(&self, vr: Vr) -> State {
        let state = self.states.get(&vr).copied().unwrap_or(State::Initialize);
        if self.alive && self.running { state } else { State::Initialize }
    }

    /// Its configuration of a virtual router.
    #[must_use]
    pub fn config_of(&self, vr: Vr) -> Option<&InstanceConfig> {
        let at = self.vrs.iter().position(|known| *known == vr)?;
        self.configs.get(at)
    }

    /// From now on it is to run these; answers with those before.
    pub(crate) fn set_configs(&mut self, configs: Vec<InstanceConfig>) -> Vec<InstanceConfig> {
        self.vrs = configs.iter().map(vr_of).collect();
        core::mem::replace(&mut self.configs, configs)
    }

    /// The virtual router that one of its instances, by name, is or was about.
    #[must_use]
    pub fn vr_named(&self, name: &Name) -> Option<Vr> {
        self.known_as.get(name).copied()
    }

    /// Takes note of the names a configuration uses.
    pub(crate) fn learn_names(&mut self) {
        for config in &self.configs {
            self.known_as.insert(config.name.clone(), vr_of(config));
        }
    }

    /// Takes note of what its router says happened.
    pub(crate) fn note(&mut self, event: Event) {
        if let (What::StateChanged { to, .. }, Subject::Instance(name)) =
            (&event.what, &event.subject)
        {
            if self.configs.first().is_some_and(|first| first.name == *name) {
                self.active = *to == State::Active;
            }
            if let Some(vr) = self.known_as.get(name) {
                self.states.insert(*vr, *to);
            }
        }
        if let Some(guard) = &mut self.guard {
            guard.events = guard.events.max(event.id.number);
        }
        self.events.push(event);
    }

    /// Whether it does anything at `now`.
    #[must_use]
    pub fn is_awake(&self, now: Instant) -> bool {
        self.alive && self.running && self.paused_until.is_none_or(|until| until <= now)
    }

    /// Since when it has been running without a gap.
    #[must_use]
    pub fn awake_since(&self) -> Instant {
        self.awake_since
    }

    /// The same by its own clock: that may have stood still since.
    pub(crate) fn awake_clock(&self) -> Instant {
        self.awake_clock
    }

    /// It runs again from now on.
    pub(crate) fn awake(&mut self, now: Instant) {
        self.awake_since = now;
        self.awake_clock = self.clock(now);
    }

    /// Whether everything its kernel told was read.
    #[must_use]
    pub fn is_informed(&self) -> bool {
        self.netlink.is_empty()
    }

    /// Whether its router wants to hear of this.
    pub(crate) fn looks_out_for(&self, seen: &Neighbour) -> bool {
        let wants =
            |spec: &WatchSpec| spec.index == seen.index && spec.addresses.contains(&seen.address);
        self.watched.iter().any(wants)
    }

    /// Whether anything can go in or out by the interface with this number.
    pub(crate) fn is_on(&self, now: Instant, index: IfIndex) -> bool {
        self.alive && self.plugged && self.frozen_until <= now && self.kernel.is_running(index)
    }

    /// Whether it has a socket that takes this packet off its link. What comes from the MAC of a
    /// macvlan that is up is taken by that macvlan, and heard only by who listens there.
    pub(crate) fn listens(&self, mail: &Mail) -> bool {
        let packet = &mail.packet;
        let family = Family::of(&packet.source);
        let index = match mail.mac {
            Some(_) => self.kernel.taker(mail.segment, mail.mac).unwrap_or(packet.index),
            None => packet.index,
        };
        let socket = |spec: &&SocketSpec| {
            spec.index == index
                && spec.family == family
                && spec.beside.is_none_or(|beside| Some(beside.mac) == mail.mac)
        };
        let Some(spec) = self.sockets.iter().find(socket) else { return false };
        if packet.destination.is_multicast() {
            spec.groups.contains(&packet.destination)
        } else {
            self.kernel.has(packet.destination)
        }
    }

    /// Puts an advert where the router will find it when it wakes.
    pub(crate) fn keep(&mut self, mail: Mail) {
        if self.inbox.len() < SOCKET_ROOM {
            self.inbox.push_back(mail);
        }
    }

    /// Its monotonic clock when ours shows `now`.
    pub(crate) fn clock(&self, now: Instant) -> Instant {
        now + self.ahead - self.behind
    }

    /// What our clock shows when its shows `at`.
    pub(crate) fn world(&self, at: Instant) -> Instant {
        at + self.behind - self.ahead
    }
}

/// The virtual router a configuration is about.
#[must_use]
pub fn vr_of(config: &InstanceConfig) -> Vr {
    let on_eth1 = config.interface.as_ref().is_some_and(|name| name.as_str() == ETH1);
    Vr::new(u8::from(on_eth1), config.family, config.vrid.get())
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
        hmac: None,
        allowed_sources: Vec::new(),
        checksum: Checksum { send: None, accept: ChecksumRule::Either },
        vips: vec![vip],
        excluded: Vec::new(),
        burst: BurstPolicy::default(),
        devices: Vec::new(),
        speaks_as: None,
        track: Vec::new(),
        trackers: Vec::new(),
        sentinels: Vec::new(),
        group: None,
        track_own_interface: true,
        missed_adverts: 3,
        answer_rivals: true,
        owner_ignores_owners: false,
        parting_advert: true,
        learned_interval_cap: 10,
        startup_delay: Duration::ZERO,
        accept: true,
        fresh: None,
        promote_secondaries: false,
        ways: Vec::new(),
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

/// The same, with its VIPs on a macvlan with the virtual MAC; as the daemon makes it of `use_vmac`, and
/// of `vmac_xmit_base` if it is to speak by the interface itself.
#[must_use]
pub fn on_device(config: InstanceConfig, plainly: bool) -> InstanceConfig {
    let Some(parent) = config.interface.clone().filter(|_| config.devices.is_empty()) else {
        return config;
    };
    let mac = Mac::virtual_router(config.family, config.vrid);
    let name = Name::from(format!("vrrp.{}", config.vrid).as_str());
    let ipv6 = config.family == Family::V6;
    let device = Device { name: name.clone(), parent, mac, group: None, ipv6, local_igmp: true };
    let multicast = matches!(config.reach, Reach::Multicast { .. });
    InstanceConfig {
        speaks_as: Some(mac).filter(|_| multicast && !plainly),
        vips: moved(&config.vips, &name),
        excluded: moved(&config.excluded, &name),
        devices: vec![device],
        ..config
    }
}

/// The same without one.
#[must_use]
pub fn off_device(config: InstanceConfig) -> InstanceConfig {
    let Some(parent) = config.interface.clone() else { return config };
    InstanceConfig {
        speaks_as: None,
        vips: moved(&config.vips, &parent),
        excluded: moved(&config.excluded, &parent),
        devices: Vec::new(),
        ..config
    }
}

fn moved(vips: &[Vip], to: &Name) -> Vec<Vip> {
    let mut vips = vips.to_vec();
    vips.iter_mut().for_each(|vip| vip.interface = to.clone());
    vips
}
