//! Carries a planned fault out, and puts it right again when its time is up.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use base::{DeviceOp, Instant, Preempt, Priority, TrackEffect, Vip};
use vrrp::InstanceConfig;

use super::coverage::{Coverage, Situation};
use super::rollout::Rollouts;
use super::scenario::pick;
use super::swarm::{Fault, FaultKind};
use crate::forge;
use crate::kernel::Segment;
use crate::lan::Lan;
use crate::node::{off_device, on_device, vr_of};
use crate::random::Random;
use crate::scripts::tracked;
use crate::sight::{Sight, Vr};
use crate::weather::Weather;

/// How to put a fault right.
#[derive(Clone, Debug)]
enum Undo {
    Weather(u64),
    Mend(Vec<(usize, Option<usize>)>),
    Restart(usize),
    Load(usize),
    Boot(usize),
    Carrier(usize, Segment, bool),
    Raise(usize, Segment),
    Make(usize, Segment),
    NameBack(usize, Segment),
    Own(usize, Segment),
    Delete(usize, IpAddr),
    Roll(Vr),
    File(usize),
    Runner(usize),
    Script(usize),
    /// Nothing but that it is over.
    Over,
}

/// Faults under way.
#[derive(Debug)]
pub(crate) struct Injector {
    fair: Weather,
    weathers: BTreeMap<u64, (FaultKind, u64)>,
    ends: BTreeMap<(Instant, u64), Undo>,
    sequence: u64,
    /// What each node was configured with at first.
    original: Vec<Vec<InstanceConfig>>,
    rollouts: Rollouts,
    /// How often each node's file is broken at the moment.
    broken: BTreeMap<usize, u32>,
    /// How many faults make each node's script fail at the moment.
    failing: BTreeMap<usize, u32>,
}

const NAMES: [&str; 2] = [crate::kernel::ETH0, crate::kernel::ETH1];

impl Injector {
    pub(crate) fn new(fair: Weather, original: Vec<Vec<InstanceConfig>>) -> Self {
        Self {
            fair,
            weathers: BTreeMap::new(),
            ends: BTreeMap::new(),
            sequence: 0,
            rollouts: Rollouts::new(&original),
            broken: BTreeMap::new(),
            failing: BTreeMap::new(),
            original,
        }
    }

    /// When the next of them ends.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.ends.first_key_value().map(|((at, _), _)| *at)
    }

    /// Ends those whose time is up.
    pub(crate) fn mend(&mut self, lan: &mut Lan) {
        while let Some(entry) = self.ends.first_entry().filter(|entry| entry.key().0 <= lan.now()) {
            let undo = entry.remove();
            self.undo(lan, undo);
            lan.see_that(Sight::Disturbed);
        }
    }

    fn later(&mut self, lan: &Lan, after: Duration, undo: Undo) -> u64 {
        self.sequence += 1;
        self.ends.insert((lan.now() + after, self.sequence), undo);
        self.sequence
    }

    fn undo(&mut self, lan: &mut Lan, undo: Undo) {
        let now = lan.now();
        match undo {
            Undo::Weather(number) => {
                self.weathers.remove(&number);
                self.blow(lan);
            }
            Undo::Mend(ways) => ways.iter().for_each(|(from, to)| lan.cuts.mend(*from, *to)),
            // Nobody starts anything on a machine that stands still.
            Undo::Restart(at) if lan.nodes[at].frozen_until > now => {
                let wait = lan.nodes[at].frozen_until.since(now);
                self.later(lan, wait, Undo::Restart(at));
            }
            // The service manager tries again and again.
            Undo::Restart(at) | Undo::Boot(at) if self.broken.contains_key(&at) => {
                self.later(lan, Duration::from_millis(500), undo);
            }
            Undo::File(at) => {
                if let Some(count) = self.broken.get_mut(&at) {
                    *count -= 1;
                }
                self.broken.retain(|_, count| *count > 0);
            }
            Undo::Roll(vr) => {
                if let Some(pace) = self.rollouts.step(lan, vr) {
                    self.later(lan, pace, Undo::Roll(vr));
                }
            }
            Undo::Restart(at) if lan.nodes[at].alive => lan.begin(at),
            Undo::Boot(at) if !lan.nodes[at].alive => {
                let name = lan.nodes[at].name.clone();
                lan.boot(&name);
            }
            Undo::Carrier(at, segment, on) => lan.meddle(at, |k| k.set_carrier(segment, on)),
            Undo::Raise(at, segment) => lan.meddle(at, |kernel| {
                kernel.raise(segment);
                kernel.configure_own(now, segment);
            }),
            Undo::Make(at, segment) => lan.meddle(at, |kernel| {
                if kernel.on_segment(segment).is_none() {
                    kernel.make_link(segment, NAMES[usize::from(segment)]);
                    kernel.raise(segment);
                    kernel.configure_own(now, segment);
                }
            }),
            Undo::NameBack(at, segment) => {
                lan.meddle(at, |kernel| kernel.rename(segment, NAMES[usize::from(segment)]));
            }
            Undo::Own(at, segment) => lan.meddle(at, |k| k.configure_own(now, segment)),
            Undo::Delete(at, address) => {
                lan.meddle(at, |kernel| {
                    kernel.remove(address);
                });
            }
            Undo::Load(at) if lan.nodes[at].is_awake(now) => {
                let configs = lan.nodes[at].configs().to_vec();
                lan.reconfigure(at, configs);
                lan.begin_runner(at);
            }
            Undo::Runner(at) if lan.nodes[at].is_awake(now) => lan.begin_runner(at),
            Undo::Script(at) => {
                if let Some(failures) = self.failing.get_mut(&at) {
                    *failures -= 1;
                }
                self.failing.retain(|_, failures| *failures > 0);
                lan.nodes[at].script.fails = self.failing.contains_key(&at);
            }
            // Control asks for one again and again.
            Undo::Runner(_) | Undo::Load(_) => {
                self.later(lan, Duration::from_millis(500), undo);
            }
            Undo::Restart(_) | Undo::Boot(_) | Undo::Over => {}
        }
    }

    /// Makes the weather what the weather faults under way make it.
    fn blow(&self, lan: &mut Lan) {
        let mut weather = self.fair;
        for (kind, dice) in self.weathers.values() {
            let mut random = Random::new(*dice);
            let share = |random: &mut Random, of: Duration| of * pick(random, &[1, 2, 4, 8]);
            match kind {
                FaultKind::Loss => weather.loss += pick(&mut random, &[20, 100, 300, 700]),
                FaultKind::Duplication => weather.duplicates += pick(&mut random, &[50, 300, 900]),
                FaultKind::Delay => weather.delay += share(&mut random, self.fair.delay),
                _ => weather.jitter += share(&mut random, self.fair.delay),
            }
        }
        weather.loss = weather.loss.min(900);
        lan.set_weather(weather);
    }

    fn cut(&mut self, lan: &mut Lan, lasts: Duration, ways: Vec<(usize, Option<usize>)>) {
        ways.iter().for_each(|(from, to)| lan.cuts.cut(*from, *to));
        self.later(lan, lasts, Undo::Mend(ways));
    }

    /// Carries a fault out. What makes no sense where it strikes (to pause a dead process) strikes
    /// the next node instead; where it makes no sense anywhere, nothing is done or counted.
    pub(crate) fn strike(&mut self, lan: &mut Lan, fault: &Fault, coverage: &mut Coverage) {
        let Fault { kind, lasts, dice, .. } = *fault;
        lan.touch();
        let count = lan.nodes.len();
        for node in (fault.node..count).chain(0..fault.node) {
            let mut random = Random::new(dice);
            let situation = Situation::of(lan, node);
            if self.act(lan, kind, node, lasts, &mut random) {
                coverage.count(kind, situation);
                lan.see_that(Sight::Disturbed);
                // What ends by itself is over then.
                self.later(lan, lasts, Undo::Over);
                return;
            }
        }
    }

    fn act(
        &mut self,
        lan: &mut Lan,
        kind: FaultKind,
        node: usize,
        lasts: Duration,
        random: &mut Random,
    ) -> bool {
        let count = lan.nodes.len();
        let name = lan.nodes[node].name.clone();
        let awake = lan.nodes[node].is_awake(lan.now());
        let frozen = lan.nodes[node].frozen_until > lan.now();
        let segment: Segment = pick(random, &[0, 0, 1]);
        match kind {
            FaultKind::Loss | FaultKind::Duplication | FaultKind::Delay | FaultKind::Reordering => {
                let number = self.sequence + 1;
                self.later(lan, lasts, Undo::Weather(number));
                self.weathers.insert(number, (kind, random.draw()));
                self.blow(lan);
            }
            FaultKind::OneWay => {
                let to = (node + 1 + below(random, count - 1)) % count;
                self.cut(lan, lasts, vec![(node, Some(to))]);
            }
            FaultKind::DeafMute => {
                let others = (0..count).filter(|other| *other != node);
                let ways = if random.chance(500) {
                    others.map(|other| (node, Some(other))).chain([(node, None)]).collect()
                } else {
                    others.map(|other| (other, Some(node))).collect()
                };
                self.cut(lan, lasts, ways);
            }
            FaultKind::Partition => {
                let island: Vec<bool> =
                    (0..count).map(|n| n == node || random.chance(300)).collect();
                let client = random.chance(500);
                let side = |to: Option<usize>| to.map_or(client, |to| island[to]);
                let ends = || (0..count).map(Some).chain([None]);
                let ways = (0..count)
                    .flat_map(|from| ends().map(move |to| (from, to)))
                    .filter(|(from, to)| island[*from] != side(*to))
                    .collect();
                self.cut(lan, lasts, ways);
            }
            FaultKind::Pause if awake => lan.pause(&name, lasts),
            FaultKind::PauseEngine if awake => lan.pause_engine(node, lasts),
            FaultKind::KillEngine if lan.nodes[node].running && !frozen => {
                lan.kill_engine(&name);
            }
            FaultKind::KillGuardian if awake && lan.nodes[node].guard.is_some() => {
                lan.kill_guardian(node);
                self.later(lan, lasts, Undo::Restart(node));
            }
            // The new version reads the file, and refuses a broken one before anybody is asked.
            FaultKind::Upgrade if awake && self.broken.contains_key(&node) => {}
            FaultKind::Upgrade if awake => return lan.upgrade(node, random),
            FaultKind::KillControl if awake => {
                lan.kill_control(node);
                self.later(lan, lasts, Undo::Load(node));
            }
            FaultKind::KillRunner if awake => {
                lan.kill_runner(node);
                self.later(lan, lasts, Undo::Runner(node));
            }
            FaultKind::ScriptFails => {
                let failures = self.failing.entry(node).or_default();
                *failures += 1;
                lan.nodes[node].script.fails = true;
                self.later(lan, lasts, Undo::Script(node));
            }
            FaultKind::Freeze if lan.nodes[node].alive => lan.freeze(&name, lasts),
            FaultKind::Kill if lan.nodes[node].running && !frozen => {
                lan.kill(&name);
                self.later(lan, lasts, Undo::Restart(node));
            }
            FaultKind::Crash if lan.nodes[node].alive => {
                lan.crash(&name);
                self.later(lan, lasts, Undo::Boot(node));
            }
            FaultKind::ClockStep => {
                let now = lan.nodes[node].wall_offset;
                // Where numbers are times, a clock that is wrong by more than the window, or set back
                // while its node forgets what it has said, makes two holders: that is what a clock in
                // a signature costs, and has stories of its own.
                let ahead = if self.rollouts.any() {
                    (now + i64::try_from(random.below(200)).unwrap_or(0)).min(2_000)
                } else {
                    now + i64::try_from(random.below(7_200_000)).unwrap_or(0) - 3_600_000
                };
                lan.step_clock(node, ahead);
            }
            FaultKind::Rollout if awake => {
                let configs = lan.nodes[node].configs();
                let Some(vr) = configs.get(below(random, configs.len())).map(vr_of) else {
                    return false;
                };
                let Some(pace) = self.rollouts.begin(lan, vr, lasts, random) else { return false };
                self.later(lan, pace, Undo::Roll(vr));
            }
            FaultKind::BrokenFile => {
                *self.broken.entry(node).or_default() += 1;
                self.later(lan, lasts, Undo::File(node));
            }
            FaultKind::StopStart if awake => {
                lan.stop(&name);
                self.later(lan, lasts, Undo::Restart(node));
            }
            // Whoever edits a broken file mends it, or is refused.
            FaultKind::Reload if awake && self.broken.contains_key(&node) => {}
            FaultKind::Reload if awake => {
                let configs = self.vary(lan.nodes[node].configs().to_vec(), node, random);
                lan.reconfigure(node, configs);
            }
            FaultKind::ReloadNothing if awake => {
                let configs = lan.nodes[node].configs().to_vec();
                lan.reconfigure(node, configs);
            }
            FaultKind::SpoofLong
            | FaultKind::SpoofInvalid
            | FaultKind::SpoofResign
            | FaultKind::SpoofReplay => return forge::send(lan, kind, node, random),
            _ if !lan.nodes[node].alive || frozen => return false,
            _ => return self.act_on_kernel(lan, kind, node, segment, lasts, random),
        }
        true
    }

    fn act_on_kernel(
        &mut self,
        lan: &mut Lan,
        kind: FaultKind,
        node: usize,
        segment: Segment,
        lasts: Duration,
        random: &mut Random,
    ) -> bool {
        match kind {
            FaultKind::Carrier => {
                lan.meddle(node, |kernel| kernel.set_carrier(segment, false));
                self.later(lan, lasts, Undo::Carrier(node, segment, true));
            }
            FaultKind::Flap => {
                let period = Duration::from_millis(pick(random, &[20, 100, 300, 600]));
                for flap in 0..20 {
                    let on = flap % 2 == 1;
                    self.later(lan, period * flap, Undo::Carrier(node, segment, on));
                }
            }
            FaultKind::LinkDown => {
                lan.meddle(node, |kernel| kernel.lower(segment));
                self.later(lan, lasts, Undo::Raise(node, segment));
            }
            FaultKind::LinkRecreate => {
                lan.meddle(node, |kernel| kernel.delete_link(segment));
                self.later(lan, lasts, Undo::Make(node, segment));
            }
            FaultKind::DeviceDelete | FaultKind::DeviceToggle => {
                let devices: Vec<_> = lan.nodes[node].kernel.devices().collect();
                if devices.is_empty() {
                    return false;
                }
                let device = devices[below(random, devices.len())];
                let (index, up) = (device.index, device.macvlan.is_some_and(|macvlan| macvlan.up));
                let op = match kind {
                    FaultKind::DeviceDelete => DeviceOp::Remove { index },
                    _ if up => DeviceOp::Lower { index },
                    _ => DeviceOp::Raise { index },
                };
                lan.meddle(node, |kernel| {
                    let _ = kernel.execute_device(&op);
                });
            }
            FaultKind::LinkRename => {
                lan.meddle(node, |kernel| kernel.rename(segment, "lan7"));
                self.later(lan, lasts, Undo::NameBack(node, segment));
            }
            FaultKind::ForeignDelete | FaultKind::ForeignFight => {
                let Some(vip) = any_vip(lan, node, random) else { return false };
                let times = if kind == FaultKind::ForeignFight { 12 } else { 1 };
                let pause = Duration::from_millis(pick(random, &[5, 50, 200]));
                for time in 0..times {
                    self.later(lan, pause * time, Undo::Delete(node, vip.address));
                }
            }
            FaultKind::ForeignAdd => {
                let Some(mut vip) = any_vip(lan, node, random) else { return false };
                let Some(index) =
                    lan.nodes[node].kernel.named(vip.interface.as_str()).map(|link| link.index)
                else {
                    return false;
                };
                vip.address = match vip.address {
                    IpAddr::V4(a) => IpAddr::from((a.to_bits() | 0x63).to_be_bytes()),
                    IpAddr::V6(a) => IpAddr::from((a.to_bits() | 0x63).to_be_bytes()),
                };
                let now = lan.now();
                lan.meddle(node, |kernel| {
                    let _ = kernel.put(now, index, &vip);
                });
                lan.see_that(Sight::Added { node, address: vip.address });
                self.later(lan, lasts, Undo::Delete(node, vip.address));
            }
            FaultKind::OwnAddress => {
                let own = lan.nodes[node].kernel.own_addresses(segment);
                let (address, _) = pick(random, &own);
                lan.meddle(node, |kernel| {
                    kernel.remove(address);
                });
                self.later(lan, lasts, Undo::Own(node, segment));
            }
            // Nobody but its owner can, in truth. A Backup has nothing to renew in it by which it
            // could notice, and what waits installed is silent by nothing else.
            FaultKind::TableGone
                if lan.nodes[node].configs().iter().any(InstanceConfig::stages) =>
            {
                return false;
            }
            FaultKind::TableGone => lan.nodes[node].kernel.table.remove(),
            FaultKind::Overrun => {
                let span = lasts.min(Duration::from_millis(1 + random.below(500)));
                let until = lan.now() + span;
                let netlink = &mut lan.nodes[node].netlink;
                netlink.overrun();
                netlink.blocked_until = netlink.blocked_until.max(until);
                lan.look_soon(node, span);
                // What makes it overflow is a flood of changes; a VIP may be among them.
                if let Some(vip) = any_vip(lan, node, random).filter(|_| random.chance(500)) {
                    let at = u64::try_from(span.as_micros()).unwrap_or(0);
                    let at = Duration::from_micros(random.below(at));
                    self.later(lan, at, Undo::Delete(node, vip.address));
                }
            }
            _ => return false,
        }
        true
    }

    /// Another configuration than before, by one difference or two.
    fn vary(
        &self,
        mut configs: Vec<InstanceConfig>,
        node: usize,
        random: &mut Random,
    ) -> Vec<InstanceConfig> {
        for _ in 0..pick(random, &[1, 1, 2]) {
            if configs.is_empty() || random.chance(150) {
                configs.clone_from(&self.original[node]);
                continue;
            }
            let which = below(random, configs.len());
            if random.chance(100) {
                configs.remove(which);
            } else {
                vary_one(&mut configs[which], random);
            }
        }
        self.rollouts.apply(node, &mut configs);
        configs
    }
}

fn vary_one(config: &mut InstanceConfig, random: &mut Random) {
    match random.below(9) {
        0 if !config.priority.is_owner() => {
            let priority = u8::try_from(1 + random.below(254)).unwrap_or(100);
            config.priority = Priority::new(priority);
        }
        1 => {
            if let base::Interval::V3(centis) = config.interval {
                let other = centis.get() * 2 / pick(random, &[1, 4]);
                let other = base::Centis::new(other.clamp(1, 200)).unwrap_or(centis);
                config.interval = base::Interval::V3(other);
            }
        }
        2 => {
            let later = Duration::from_secs(3);
            config.preempt = pick(
                random,
                &[Preempt::Never, Preempt::After(Duration::ZERO), Preempt::After(later)],
            );
        }
        3 if config.vips.len() > 1 => drop(config.vips.pop()),
        4 => {
            if let Some(first) = config.vips.first() {
                let address = match first.address {
                    IpAddr::V4(a) => IpAddr::from((a.to_bits() ^ 0x20).to_be_bytes()),
                    IpAddr::V6(a) => IpAddr::from((a.to_bits() ^ 0x20).to_be_bytes()),
                };
                let vip = Vip::new(address, first.prefix, first.interface.clone());
                if !config.vips.contains(&vip) {
                    config.vips.push(vip);
                }
            }
        }
        5 => {
            let renamed = format!("{}_", config.name);
            let short = renamed.replace("___", "");
            config.name = short.as_str().into();
        }
        // To a virtual MAC and back, both without a stop.
        6 if config.devices.is_empty() => *config = on_device(config.clone(), random.chance(200)),
        6 => *config = off_device(config.clone()),
        // What it is told by is looked at from now on, or no more.
        7 if config.trackers.is_empty() => {
            config.trackers.push(tracked(TrackEffect::DeltaWhileBad(-40), random.chance(300)));
        }
        7 => config.trackers.clear(),
        _ => config.burst.repeat = pick(random, &[1, 3, 5]),
    }
}

fn any_vip(lan: &Lan, node: usize, random: &mut Random) -> Option<Vip> {
    let node = &lan.nodes[node];
    let vips: Vec<&Vip> = node.configs().iter().flat_map(InstanceConfig::all_vips).collect();
    (!vips.is_empty()).then(|| vips[below(random, vips.len())].clone())
}

fn below(random: &mut Random, bound: usize) -> usize {
    let bound = u64::try_from(bound).unwrap_or(1);
    usize::try_from(random.below(bound)).unwrap_or(0)
}
