//! What the kernels have, against what their nodes are: the keeper's and the announcer's work, and what
//! happens when nobody is left to do it.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use base::{Instant, Name, State, Subject, Vip, What};

use super::rule::{Rule, Violation};
use super::shadow::Shadows;
use super::since::Spans;
use crate::lan::Lan;
use crate::node::Node;
use crate::sight::{Sight, Vr};
use vrrp::InstanceConfig;

/// VRRP-067.
const REMOVED_WITHIN: Duration = Duration::from_millis(150);
const BACK_WITHIN: Duration = Duration::from_millis(100);
/// Against somebody who removes it again and again, the keeper takes its time.
const BACK_WITHIN_IN_A_FIGHT: Duration = Duration::from_millis(1_200);
const FIGHT: Duration = Duration::from_secs(12);
/// A macvlan takes some steps more, each of which waits for what the kernel tells of the one before.
const STEPS: u32 = 5;
const DEVICE_LATE: Duration = Duration::from_millis(250);
/// D2: two seconds, what the kernel's clockwork adds, and one renewal that may be under way.
const LAPSED_WITHIN: Duration = Duration::from_millis(2_700);

/// How often the world is looked at, at the least.
const LEASE_LATE: Duration = Duration::from_millis(25);
/// What a guardian may take beyond the time the peers wait.
const GUARDED: Duration = Duration::from_millis(150);

#[derive(Debug, Default)]
pub(crate) struct Hands {
    stray: Spans<(usize, IpAddr)>,
    missing: Spans<(usize, IpAddr)>,
    behind: Spans<(usize, IpAddr)>,
    guarded: Spans<(usize, IpAddr)>,
    unled: Spans<(usize, IpAddr)>,
    raised: Spans<(usize, Vr)>,
    /// What somebody deleted and the node has not complained about yet; and when, of late.
    deleted: BTreeMap<(usize, IpAddr), u32>,
    fights: BTreeMap<(usize, IpAddr), (u32, Instant)>,
    /// When somebody added an address of his own.
    added: BTreeMap<(usize, IpAddr), Instant>,
}

impl Hands {
    pub(crate) fn see(
        &mut self,
        lan: &Lan,
        shadows: &Shadows,
        sight: &Sight,
    ) -> Result<(), Violation> {
        let now = lan.now();
        match sight {
            Sight::Deleted { node, addresses } => self.note_gone(now, *node, addresses),
            Sight::Lapsed { node, lapsed, gone } => {
                self.note_gone(now, *node, gone);
                let is_vip = |address: &IpAddr| vip_of(&lan.nodes()[*node], *address).is_some();
                // What was added when nobody could take the lifetime back any more goes along.
                let settled = |address: &IpAddr| {
                    let added = self.added.get(&(*node, *address));
                    added.is_none_or(|at| now.since(*at) > LAPSED_WITHIN)
                };
                let victim = |a: &&IpAddr| !lapsed.contains(a) && !is_vip(a) && settled(a);
                if let Some(victim) = gone.iter().find(victim) {
                    let evidence = format!("{victim} went with {lapsed:?}");
                    return Err(violation(lan, Rule::Collateral, *node, evidence));
                }
            }
            Sight::Farewell { node, answered } if !answered.is_empty() => {
                let evidence = format!("farewell, and {answered:?} are answered for");
                return Err(violation(lan, Rule::FarewellFirst, *node, evidence));
            }
            Sight::Named { node, answered } if !answered.is_empty() => {
                let evidence = format!("names who follows, and {answered:?} are answered for");
                return Err(violation(lan, Rule::NamedFirst, *node, evidence));
            }
            Sight::Stopped { node } => {
                let ours = |link: &base::LinkFact| link.mac.is_some_and(|m| m.is_virtual_router());
                let mut devices = lan.nodes()[*node].kernel().devices();
                if let Some(device) = devices.find(|link| ours(link)) {
                    let evidence = format!("{} is there still", device.name);
                    return Err(violation(lan, Rule::DeviceLeft, *node, evidence));
                }
            }
            // What the engine that did not take over has removed, the one before it takes for
            // somebody else's doing.
            Sight::WentBack { node, .. } => {
                let this = &lan.nodes()[*node];
                let vips = this.configs().iter().flat_map(InstanceConfig::all_vips);
                for vip in vips.filter(|vip| !has(this, vip)) {
                    *self.deleted.entry((*node, vip.address)).or_default() += 1;
                }
            }
            Sight::Added { node, address } => {
                self.added.insert((*node, *address), now);
            }
            Sight::Announced { node, address, .. } => {
                let Some((vr, _)) = vip_of(&lan.nodes()[*node], *address) else { return Ok(()) };
                // Frames are told before the events of the same turn.
                let before = shadows.state(*node, vr);
                let after = lan.nodes()[*node].state(vr);
                if before != State::Active && after != State::Active {
                    let evidence = format!("{address} announced by a node that does not hold it");
                    return Err(violation(lan, Rule::WrongAnnouncement, *node, evidence));
                }
            }
            Sight::Event { node, event, .. } => {
                if let (What::VipTaken { vip }, Subject::Instance(_)) =
                    (&event.what, &event.subject)
                {
                    let count = self.deleted.entry((*node, *vip)).or_default();
                    if *count == 0 {
                        let evidence = format!("{vip} is said to have been taken");
                        return Err(violation(lan, Rule::FalseAlarm, *node, evidence));
                    }
                    *count -= 1;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether nothing that may not last is so.
    pub(crate) fn is_calm(&self) -> bool {
        [&self.stray, &self.missing, &self.behind, &self.guarded, &self.unled]
            .iter()
            .all(|spans| spans.is_empty())
            && self.raised.is_empty()
    }

    fn note_gone(&mut self, now: Instant, node: usize, addresses: &[IpAddr]) {
        for address in addresses {
            *self.deleted.entry((node, *address)).or_default() += 1;
            // However long it lasts, it is one fight as long as no pause is that long.
            let (rounds, last) = self.fights.entry((node, *address)).or_default();
            *rounds = if now.since(*last) < FIGHT { *rounds + 1 } else { 1 };
            *last = now;
        }
    }

    pub(crate) fn check(&mut self, lan: &Lan, vr: Vr) -> Result<(), Violation> {
        let now = lan.now();
        for (at, node) in lan.nodes().iter().enumerate() {
            let Some(config) = node.config_of(vr) else { continue };
            let awake = node.is_awake(now);
            let able = awake && node.is_informed();
            let away = !awake && node.frozen_until <= now;
            let (dead, ward) = (away && node.alive, away && node.is_guarded(now));
            let holds = node.state(vr) == State::Active;
            let up = config.devices.iter().any(|device| {
                let link = node.kernel().named(device.name.as_str());
                link.and_then(|link| link.macvlan).is_some_and(|macvlan| macvlan.up)
            });
            let late = DEVICE_LATE + lan.news_delay * STEPS;
            if self.raised.note((at, vr), now, up && able && !holds) > late {
                let evidence = format!("{vr:?} is {:?}, and its device is up", node.state(vr));
                return Err(violation(lan, Rule::DeviceUp, at, evidence));
            }
            let (stages, virtual_mac) = (config.stages(), !config.devices.is_empty());
            for vip in config.all_vips() {
                let key = (at, vip.address);
                let has = has(node, vip);
                let device = config.device(&vip.interface).is_some();

                // What waits on a device that is down is silent.
                let waits = stages && !runs(node, &vip.interface);
                let stray = has && !waits;
                if self.stray.note(key, now, stray && able && !holds) > REMOVED_WITHIN {
                    let evidence = format!("{vip} is there, and {vr:?} is {:?}", node.state(vr));
                    return Err(violation(lan, Rule::Stray, at, evidence));
                }
                let there = has && (!device || runs(node, &vip.interface));
                let below = runs(node, config.below(&vip.interface));
                let span = self.missing.note(key, now, !there && able && holds && below);
                let within = if virtual_mac { late } else { BACK_WITHIN };
                if span > within && span > self.back_within(now, key) {
                    let evidence = format!("{vip} is not there, and {vr:?} is Active");
                    return Err(violation(lan, Rule::Missing, at, evidence));
                }
                let span = self.guarded.note(key, now, stray && ward);
                let down = || config.interval.as_duration() * config.missed_adverts.into();
                if span > GUARDED && span > down() + GUARDED {
                    let evidence = format!("{vip} is still there, and its guardian lives");
                    return Err(violation(lan, Rule::NotGivenUp, at, evidence));
                }
                // Who has lost the table while it was away is heard until it wakes.
                let leased = config.lease && node.kernel().leases();
                let unled = leased && dead && node.kernel().answers(vip.address, now);
                let span = self.unled.note(key, now, unled);
                if span > LEASE_LATE && span > lease(config) + LEASE_LATE {
                    let longest = lease(config) + LEASE_LATE;
                    let evidence = format!("{vip} is answered for, longer than {longest:?}");
                    return Err(violation(lan, Rule::AnswersUnled, at, evidence));
                }
                let limited = config.lifetimes && !stages;
                let behind = has && dead && limited && may_lapse(node, vip);
                if self.behind.note(key, now, behind) > LAPSED_WITHIN {
                    let evidence = format!("{vip} is still there");
                    return Err(violation(lan, Rule::LeftBehind, at, evidence));
                }
            }
        }
        Ok(())
    }

    /// How soon a VIP that somebody removed is to be back.
    fn back_within(&self, now: Instant, key: (usize, IpAddr)) -> Duration {
        let fight = |(rounds, last): &(u32, Instant)| *rounds > 4 && now.since(*last) < FIGHT;
        let fought = self.fights.get(&key).is_some_and(fight);
        if fought { BACK_WITHIN_IN_A_FIGHT } else { BACK_WITHIN }
    }
}

/// The longest a lease may be (DESIGN §4): two thirds of `(D − 1 − k) · I` with one lost advert where
/// there is room for it, and the floor.
fn lease(config: &InstanceConfig) -> Duration {
    let missed = u32::from(config.missed_adverts.min(3));
    let tolerated = missed.saturating_sub(2).min(1);
    let bound = config.interval.as_duration() * missed.saturating_sub(1 + tolerated);
    (bound * 2 / 3).max(Duration::from_millis(60))
}

/// Whether the kernel has it where it belongs.
fn has(node: &Node, vip: &Vip) -> bool {
    let Some(link) = node.kernel().named(vip.interface.as_str()) else { return false };
    node.kernel().addresses().any(|fact| fact.index == link.index && fact.address == vip.address)
}

fn runs(node: &Node, interface: &Name) -> bool {
    node.kernel().named(interface.as_str()).is_some_and(|link| link.running)
}

/// Whether it is secondary: an address before it has its prefix. Those are promised to go.
fn may_lapse(node: &Node, vip: &Vip) -> bool {
    let IpAddr::V4(own) = vip.address else { return false };
    let mask = u32::MAX.checked_shl(32 - u32::from(vip.prefix.min(32))).unwrap_or(0);
    let Some(link) = node.kernel().named(vip.interface.as_str()) else { return false };
    let first = node.kernel().addresses().find(|fact| match fact.address {
        IpAddr::V4(other) => {
            fact.index == link.index
                && fact.prefix == vip.prefix
                && (own.to_bits() ^ other.to_bits()) & mask == 0
        }
        IpAddr::V6(_) => false,
    });
    first.is_some_and(|first| first.address != vip.address)
}

/// The virtual router whose VIP an address is on a node.
fn vip_of(node: &Node, address: IpAddr) -> Option<(Vr, &Vip)> {
    node.configs().iter().find_map(|config| {
        let vip = config.all_vips().find(|vip| vip.address == address)?;
        Some((crate::node::vr_of(config), vip))
    })
}

fn violation(lan: &Lan, rule: Rule, node: usize, evidence: String) -> Violation {
    let name = lan.nodes()[node].name();
    Violation::new(rule, lan.now(), format!("{name}: {evidence}"))
}
