//! Which world a seed names: its nodes, its virtual routers, its ordinary weather.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;
use core::time::Duration;

use base::{Centis, Family, Interval, Name, Preempt, Priority, TrackEffect, Version, Vip, Vrid};
use vip::announcer::BurstPolicy;
use vrrp::wire::hmac::{Freshness, Mode};
use vrrp::wire::{GROUP_V4, GROUP_V6, PeerTerms};
use vrrp::{InstanceConfig, Reach, TrackInterface};

use super::rollout;
use super::swarm::FaultKind;
use crate::kernel::{ETH0, ETH1, Segment};
use crate::node::{config, on_device, vr_of};
use crate::random::Random;
use crate::scripts::tracked;
use crate::sight::Vr;
use crate::weather::Weather;

/// A world before anything happens in it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The instances of each node.
    pub nodes: Vec<Vec<InstanceConfig>>,
    /// The virtual routers they share.
    pub routers: Vec<Vr>,
    /// What the link does on a good day.
    pub weather: Weather,
    /// How long the kernel's news takes at most.
    pub news_delay: Duration,
    /// How far each node's monotonic clock is ahead of the world's.
    pub ahead: Vec<Duration>,
}

/// More VIPs than anybody installs in no time.
const MANY: u8 = 66;

/// What all nodes of a virtual router have in common.
#[derive(Clone, Debug)]
struct Shared {
    name: Name,
    segment: Segment,
    family: Family,
    vrid: Vrid,
    v2: bool,
    unicast: bool,
    interval: u16,
    mixed_intervals: bool,
    preempt: PreemptMode,
    equal: bool,
    owner: bool,
    missed: u8,
    track: bool,
    script: bool,
    lifetimes: bool,
    lease: bool,
    signed: Option<Freshness>,
    cap: u8,
    startup_delay: Duration,
    refresh: Duration,
    vips: Vec<Vip>,
    /// How many of a thousand nodes have the VIPs on a macvlan; whether adverts leave by the interface
    /// itself all the same.
    virtual_mac: u16,
    speaks_plainly: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PreemptMode {
    Always,
    Never,
    Later,
    Mixed,
}

impl Scenario {
    /// The world of this random sequence.
    #[must_use]
    pub fn draw(random: &mut Random) -> Self {
        let fast = random.chance(30);
        let count = if fast || random.chance(600) { 3 } else { 4 + pick(random, &[0, 1]) };
        let routers = if fast { 1 } else { pick(random, &[1, 1, 2, 3]) };
        let shared: Vec<Shared> = (0..routers).map(|n| Shared::draw(random, n, fast)).collect();
        // An owner's VIPs count as addresses of its own (RFC 9568 §6.1), which an owner here has
        // beside them: what it sends from must be said, or it sends from a VIP once the other is lost.
        // So must what unicast peers are to know a node by: without it another address of the link
        // would do, and be refused.
        let bound = |vr: &Shared| vr.owner || vr.unicast;
        let named = shared.iter().any(bound) || random.chance(100);
        let nodes: Vec<Vec<InstanceConfig>> = (0..count)
            .map(|node| shared.iter().map(|vr| vr.config(random, node, count, named)).collect())
            .collect();
        let shortest = shared.iter().map(|vr| u64::from(vr.interval) * 10).min().unwrap_or(1000);
        let slow = random.chance(150);
        let delay = Duration::from_micros(100 + random.below(shortest * 100));
        let jitter = Duration::from_micros(random.below(shortest * 50));
        Self {
            routers: nodes
                .iter()
                .flatten()
                .map(vr_of)
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect(),
            ahead: (0..count).map(|_| Duration::from_millis(random.below(10_000_000))).collect(),
            nodes,
            weather: Weather { delay, jitter, ..Weather::default() },
            news_delay: Duration::from_micros(1 + random.below(if slow { 50_000 } else { 3_000 })),
        }
    }
}

impl Scenario {
    /// Whether there is anything in this world that such a fault could strike.
    pub(crate) fn knows(&self, kind: FaultKind) -> bool {
        let mut configs = self.nodes.iter().flatten();
        match kind {
            FaultKind::DeviceDelete | FaultKind::DeviceToggle => {
                configs.any(|config| !config.devices.is_empty())
            }
            FaultKind::ScriptFails | FaultKind::KillRunner => {
                configs.any(|config| !config.trackers.is_empty())
            }
            FaultKind::Rollout => configs.any(|config| config.version() == Version::V3),
            _ => true,
        }
    }
}

impl Shared {
    fn draw(random: &mut Random, number: usize, fast: bool) -> Self {
        let on_eth1 = number == 2;
        let family = if !on_eth1 && random.chance(300) { Family::V6 } else { Family::V4 };
        let v2 = !fast && family == Family::V4 && random.chance(200);
        let interval = match (v2, fast) {
            (true, _) => pick(random, &[100, 100, 200]),
            (false, true) => pick(random, &[1, 2, 5]),
            (false, false) => {
                pick(random, &[10, 20, 30, 50, 50, 100, 100, 100, 100, 150, 150, 200])
            }
        };
        let vrid = u8::try_from(number).unwrap_or(0) + 51;
        let segment = u8::from(on_eth1);
        let mut shared = Self {
            name: Name::from(format!("VI_{vrid}").as_str()),
            segment,
            family,
            vrid: Vrid::new(vrid).expect("51 and what follows are VRIDs"),
            v2,
            unicast: random.chance(250),
            interval,
            mixed_intervals: !v2 && random.chance(150),
            preempt: pick(
                random,
                &[
                    PreemptMode::Always,
                    PreemptMode::Always,
                    PreemptMode::Never,
                    PreemptMode::Later,
                    PreemptMode::Mixed,
                ],
            ),
            equal: random.chance(250),
            owner: random.chance(100),
            missed: pick(random, &[3, 3, 3, 3, 2, 5]),
            track: !on_eth1 && random.chance(200),
            script: random.chance(250),
            lifetimes: random.chance(600),
            lease: random.chance(800),
            signed: (!v2 && random.chance(200)).then(|| freshness(random)),
            cap: pick(random, &[10, 10, 3]),
            startup_delay: if random.chance(150) { Duration::from_secs(5) } else { Duration::ZERO },
            refresh: if random.chance(150) { Duration::from_secs(30) } else { Duration::ZERO },
            vips: vips(random, family, segment, vrid),
            virtual_mac: if random.chance(350) {
                pick(random, &[1000, 1000, 1000, 500])
            } else {
                0
            },
            speaks_plainly: random.chance(200),
        };
        // So many that they wait installed.
        if shared.virtual_mac > 0 && shared.lease && random.chance(40) {
            shared.vips = (1..=MANY).map(|n| vip(family, 1, segment, vrid, n)).collect();
        }
        shared
    }

    fn config(
        &self,
        random: &mut Random,
        node: usize,
        count: usize,
        named: bool,
    ) -> InstanceConfig {
        let interface = if self.segment == 0 { ETH0 } else { ETH1 };
        let factor = if self.mixed_intervals { pick(random, &[1, 1, 2]) } else { 1 };
        let interval = if self.v2 {
            let seconds = u8::try_from(self.interval / 100).unwrap_or(1);
            Interval::V2(NonZeroU8::new(seconds).unwrap_or(NonZeroU8::MIN))
        } else {
            Interval::V3(Centis::new(self.interval * factor).expect("drawn in range"))
        };
        let priority = match (self.owner && node == 0, self.equal) {
            (true, _) => 255,
            (false, true) => 100,
            (false, false) => u8::try_from(50 + random.below(200)).unwrap_or(100),
        };
        let later = Duration::from_secs(2 + random.below(20));
        let preempt = match self.preempt {
            PreemptMode::Always => Preempt::After(Duration::ZERO),
            PreemptMode::Never => Preempt::Never,
            PreemptMode::Later => Preempt::After(later),
            PreemptMode::Mixed => pick(
                random,
                &[Preempt::Never, Preempt::After(later), Preempt::After(Duration::ZERO)],
            ),
        };
        let track = TrackInterface {
            interface: Name::from(ETH1),
            effect: pick(
                random,
                &[
                    TrackEffect::DeltaWhileBad(-60),
                    TrackEffect::DeltaWhileGood(40),
                    TrackEffect::FaultWhileBad,
                ],
            ),
        };
        let effect = pick(
            random,
            &[
                TrackEffect::DeltaWhileBad(-60),
                TrackEffect::DeltaWhileGood(40),
                TrackEffect::FaultWhileBad,
            ],
        );
        let script = tracked(effect, random.chance(300));
        let virtual_mac = random.chance(self.virtual_mac);
        let config = InstanceConfig {
            name: self.name.clone(),
            interface: Some(Name::from(interface)),
            vrid: self.vrid,
            family: self.family,
            interval,
            priority: Priority::new(priority),
            preempt,
            reach: self.reach(node, count),
            source: named.then(|| self.address_of(node)),
            vips: self.vips.clone(),
            burst: BurstPolicy { refresh: self.refresh, ..BurstPolicy::default() },
            track: if self.track && random.chance(500) { vec![track] } else { Vec::new() },
            trackers: if self.script && random.chance(700) { vec![script] } else { Vec::new() },
            missed_adverts: self.missed,
            learned_interval_cap: self.cap,
            startup_delay: self.startup_delay,
            accept: true,
            fresh: None,
            promote_secondaries: false,
            ways: Vec::new(),
            lifetimes: self.lifetimes,
            lease: self.lease,
            hmac: self
                .signed
                .and_then(|freshness| rollout::policy(&[1], 1, freshness, Mode::Enforce)),
            ..config(100)
        };
        if virtual_mac { on_device(config, self.speaks_plainly) } else { config }
    }

    fn reach(&self, node: usize, count: usize) -> Reach {
        if !self.unicast {
            let group = match self.family {
                Family::V4 => IpAddr::V4(GROUP_V4),
                Family::V6 => IpAddr::V6(GROUP_V6),
            };
            return Reach::Multicast { group };
        }
        let others = (0..count).filter(|other| *other != node);
        let terms = |address| PeerTerms { address, min_ttl: 255, max_ttl: 255 };
        let peers = others.map(|other| terms(self.address_of(other))).collect();
        Reach::Unicast { peers, ttl: 255, check_source: true }
    }

    /// The address of a node on this virtual router's link, as its kernel has it.
    fn address_of(&self, node: usize) -> IpAddr {
        let number = u8::try_from(node + 1).unwrap_or(u8::MAX);
        match (self.family, self.segment) {
            (Family::V6, _) => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(number)).into(),
            (Family::V4, 0) => Ipv4Addr::new(193, 168, 1, number).into(),
            (Family::V4, _) => Ipv4Addr::new(10, 0, 0, number).into(),
        }
    }
}

/// How old adverts are told from new ones.
pub(crate) fn freshness(random: &mut Random) -> Freshness {
    let window = Duration::from_secs(5);
    pick(random, &[Freshness::Time { window }, Freshness::Time { window }, Freshness::Monotonic])
}

/// VIPs in the node's own subnet, in one of their own (where the first is primary for the others), or
/// host routes.
fn vips(random: &mut Random, family: Family, segment: Segment, vrid: u8) -> Vec<Vip> {
    let count = u8::try_from(pick(random, &[1_u16, 1, 2, 4])).unwrap_or(1);
    let style = pick(random, &[0_u8, 0, 1, 2]);
    (1..=count).map(|n| vip(family, style, segment, vrid, n)).collect()
}

fn vip(family: Family, style: u8, segment: Segment, vrid: u8, n: u8) -> Vip {
    let interface = Name::from(if segment == 0 { ETH0 } else { ETH1 });
    let (address, prefix): (IpAddr, u8) = match (family, style, segment) {
        (Family::V4, 0, 0) => (Ipv4Addr::new(193, 168, vrid, n).into(), 16),
        (Family::V4, 0, _) => (Ipv4Addr::new(10, 0, 0, 200 + n).into(), 24),
        (Family::V4, 1, _) => (Ipv4Addr::new(172, 20, vrid, n).into(), 24),
        (Family::V4, ..) => (Ipv4Addr::new(172, 21, vrid, n).into(), 32),
        (Family::V6, 0, _) => {
            let v6 = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, u16::from(vrid), u16::from(n));
            (v6.into(), 64)
        }
        (Family::V6, ..) => {
            let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, u16::from(vrid), n.into());
            (v6.into(), if style == 1 { 64 } else { 128 })
        }
    };
    Vip::new(address, prefix, interface)
}

/// One of these.
pub(crate) fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    let bound = u64::try_from(from.len()).unwrap_or(1);
    from[usize::try_from(random.below(bound)).unwrap_or(0)]
}
