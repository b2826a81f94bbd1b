//! What the kernels have, against what their nodes are: the keeper's and the announcer's work, and what
//! happens when nobody is left to do it.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use base::{Instant, State, Subject, Vip, What};

use super::rule::{Rule, Violation};
use super::shadow::Shadows;
use super::since::Since;
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
/// D2: two seconds, what the kernel's clockwork adds, and one renewal that may be under way.
const LAPSED_WITHIN: Duration = Duration::from_millis(2_700);

/// How often the world is looked at, at the least.
const LEASE_LATE: Duration = Duration::from_millis(25);
/// What a guardian may take beyond the time the peers wait.
const GUARDED: Duration = Duration::from_millis(150);

#[derive(Debug, Default)]
pub(crate) struct Hands {
    stray: BTreeMap<(usize, IpAddr), Since>,
    missing: BTreeMap<(usize, IpAddr), Since>,
    behind: BTreeMap<(usize, IpAddr), Since>,
    guarded: BTreeMap<(usize, IpAddr), Since>,
    unled: BTreeMap<(usize, IpAddr), Since>,
    /// What somebody deleted and the node has not complained about yet; and when, of late.
    deleted: BTreeMap<(usize, IpAddr), u32>,
    fights: BTreeMap<(usize, IpAddr), Vec<Instant>>,
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
                if let Some(victim) = gone.iter().find(|a| !lapsed.contains(a) && !is_vip(a)) {
                    let evidence = format!("{victim} went with {lapsed:?}");
                    return Err(violation(lan, Rule::Collateral, *node, evidence));
                }
            }
            Sight::Farewell { node } => {
                let this = &lan.nodes()[*node];
                let vips = this.configs().iter().filter(|config| config.lease);
                let mut vips = vips.flat_map(|config| config.all_vips());
                if let Some(vip) = vips.find(|vip| this.kernel().answers(vip.address, now)) {
                    let evidence = format!("farewell, and {vip} is answered for");
                    return Err(violation(lan, Rule::FarewellFirst, *node, evidence));
                }
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

    fn note_gone(&mut self, now: Instant, node: usize, addresses: &[IpAddr]) {
        for address in addresses {
            *self.deleted.entry((node, *address)).or_default() += 1;
            let fights = self.fights.entry((node, *address)).or_default();
            fights.retain(|at| now.since(*at) < FIGHT);
            fights.push(now);
        }
    }

    pub(crate) fn check(&mut self, lan: &Lan, vr: Vr) -> Result<(), Violation> {
        let now = lan.now();
        for (at, node) in lan.nodes().iter().enumerate() {
            let Some(config) = node.config_of(vr) else { continue };
            for vip in config.all_vips() {
                let key = (at, vip.address);
                let has = has(node, vip);
                let able = node.is_awake(now) && node.is_informed();
                let holds = node.state(vr) == State::Active;

                let stray = has && able && !holds;
                if self.stray.entry(key).or_default().note_kindly(now, stray) > REMOVED_WITHIN {
                    let evidence = format!("{vip} is there, and {vr:?} is {:?}", node.state(vr));
                    return Err(violation(lan, Rule::Stray, at, evidence));
                }
                let fought = self.fights.get(&key).is_some_and(|fights| {
                    fights.iter().filter(|at| now.since(**at) < FIGHT).count() > 4
                });
                let within = if fought { BACK_WITHIN_IN_A_FIGHT } else { BACK_WITHIN };
                let missing = !has && able && holds && runs(node, vip);
                if self.missing.entry(key).or_default().note_kindly(now, missing) > within {
                    let evidence = format!("{vip} is not there, and {vr:?} is Active");
                    return Err(violation(lan, Rule::Missing, at, evidence));
                }
                let stands = node.frozen_until > now;
                let dead = node.alive && !node.is_awake(now) && !stands;
                let behind = has && dead && config.lifetimes && may_lapse(node, vip);
                let guarded = has && node.is_guarded(now) && !node.is_awake(now) && !stands;
                let down = config.interval.as_duration() * config.missed_adverts.into();
                if self.guarded.entry(key).or_default().note_kindly(now, guarded) > down + GUARDED {
                    let evidence = format!("{vip} is still there, and its guardian lives");
                    return Err(violation(lan, Rule::NotGivenUp, at, evidence));
                }
                let unled = config.lease
                    && node.alive
                    && !node.is_awake(now)
                    && !stands
                    && node.kernel().answers(vip.address, now);
                let longest = lease(config) + LEASE_LATE;
                if self.unled.entry(key).or_default().note_kindly(now, unled) > longest {
                    let evidence = format!("{vip} is answered for, longer than {longest:?}");
                    return Err(violation(lan, Rule::AnswersUnled, at, evidence));
                }
                if self.behind.entry(key).or_default().note_kindly(now, behind) > LAPSED_WITHIN {
                    let evidence = format!("{vip} is still there");
                    return Err(violation(lan, Rule::LeftBehind, at, evidence));
                }
            }
        }
        Ok(())
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

fn runs(node: &Node, vip: &Vip) -> bool {
    node.kernel().named(vip.interface.as_str()).is_some_and(|link| link.running)
}

/// Whether it is secondary: an address before it has its prefix. Those are promised to go.
fn may_lapse(node: &Node, vip: &Vip) -> bool {
    let IpAddr::V4(own) = vip.address else { return false };
    let mask = u32::MAX.checked_shl(32 - u32::from(vip.prefix.min(32))).unwrap_or(0);
    let first = node.kernel().addresses().find(|fact| match fact.address {
        IpAddr::V4(other) => {
            fact.prefix == vip.prefix && (own.to_bits() ^ other.to_bits()) & mask == 0
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
