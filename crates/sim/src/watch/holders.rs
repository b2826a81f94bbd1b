//! How many hold: at most one among those that hear each other, and after the heal exactly one.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use base::{Instant, State, Subject, Vip, What};
use vrrp::InstanceConfig;

use super::Climate;
use super::rule::{Rule, Violation};
use super::since::Spans;
use crate::lan::Lan;
use crate::node::{Node, vr_of};
use crate::sight::{Sight, Vr};

/// S1: what a takeover's overlap may take beyond an interval and two delays.
const SLACK: Duration = Duration::from_millis(50);
/// What a kernel may take on top of it.
const KERNEL: Duration = Duration::from_millis(110);
/// L2: changes of state of one node, left alone. A node that boots beside an equal one goes through
/// four; one that preempts later adds two.
const CHANGES: u32 = 6;

#[derive(Debug, Default)]
pub(crate) struct Holders {
    active: Spans<(usize, usize, Vr)>,
    held: Spans<(usize, usize, Vr)>,
    lost: BTreeMap<(usize, usize), Instant>,
    changes: BTreeMap<(usize, Vr), u32>,
    /// What began beside VIPs without a lease on an interface that it is not told of: nothing says
    /// whose they are (`docs/known-failures.md`).
    strays: BTreeSet<(usize, Vr)>,
    longest: Duration,
}

impl Holders {
    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }

    /// Whether nobody holds beside another.
    pub(crate) fn is_calm(&self) -> bool {
        self.active.is_empty() && self.held.is_empty()
    }

    pub(crate) fn see(&mut self, lan: &Lan, sight: &Sight) {
        match sight {
            Sight::Lost { from, to: Some(to) } => {
                self.lost.insert((*from, *to), lan.now());
                self.changes.clear();
            }
            Sight::Disturbed | Sight::Lost { .. } => self.changes.clear(),
            Sight::Began { node, .. } => {
                self.strays.retain(|(of, _)| of != node);
                let this = &lan.nodes()[*node];
                let stray = |config: &&InstanceConfig| {
                    !config.lease && config.all_vips().any(|vip| is_astray(this, config, vip))
                };
                let found = this.configs().iter().filter(stray);
                self.strays.extend(found.map(|config| (*node, vr_of(config))));
            }
            Sight::Event { node, event, .. } => {
                if let (What::StateChanged { .. }, Subject::Instance(name)) =
                    (&event.what, &event.subject)
                    && let Some(vr) = lan.nodes()[*node].vr_named(name)
                {
                    *self.changes.entry((*node, vr)).or_default() += 1;
                }
            }
            _ => {}
        }
    }

    pub(crate) fn check(&mut self, lan: &Lan, vr: Vr, climate: Climate) -> Result<(), Violation> {
        let now = lan.now();
        let nodes = lan.nodes();
        let vip = nodes.iter().find_map(|node| node.config_of(vr)?.vips.first());
        let allowed = climate.interval + climate.worst_delay * 2 + SLACK;
        // Frozen and dead ones count, as long as their kernels answer.
        let has: Vec<bool> = nodes
            .iter()
            .map(|node| {
                node.alive && vip.is_some_and(|vip| node.kernel().answers(vip.address, now))
            })
            .collect();
        for one in 0..nodes.len() {
            for other in one + 1..nodes.len() {
                let lost = |a, b| self.lost.get(&(a, b)) == Some(&now);
                let together = || {
                    lan.are_together(one, other, vr.segment)
                        && !lost(one, other)
                        && !lost(other, one)
                };
                let is_active = |at: usize| nodes[at].state(vr) == State::Active;
                let both = is_active(one) && is_active(other) && together();
                let linked = || {
                    lan.are_linked(one, other, vr.segment) && !lost(one, other) && !lost(other, one)
                };
                let astray = |at: usize| {
                    self.strays.contains(&(at, vr))
                        && nodes[at]
                            .config_of(vr)
                            .zip(vip)
                            .is_some_and(|(config, vip)| is_astray(&nodes[at], config, vip))
                };
                let leased = |at: usize| {
                    (nodes[at].config_of(vr).is_none_or(|config| config.lease)
                        && nodes[at].kernel().leases())
                        || nodes[at].is_awake(now) && !astray(at)
                };
                let both_have = has[one] && has[other] && linked() && leased(one) && leased(other);

                let names =
                    || format!("{} and {} ({vr:?})", nodes[one].name(), nodes[other].name());
                let span = self.active.note((one, other, vr), now, both);
                self.longest = self.longest.max(span);
                if span > allowed {
                    let evidence = format!("{} both Active for {span:?} > {allowed:?}", names());
                    return Err(Violation::new(Rule::TwoActives, now, evidence));
                }
                let span = self.held.note((one, other, vr), now, both_have);
                if span > allowed + KERNEL {
                    let evidence = format!("{} both have it for {span:?}", names());
                    return Err(Violation::new(Rule::TwoHolders, now, evidence));
                }
            }
        }
        for (at, node) in nodes.iter().enumerate() {
            // What piled up while it was away is no storm.
            if !node.is_awake(now) || !node.is_informed() || node.awake_since() == now {
                self.changes.remove(&(at, vr));
            }
            let changes = self.changes.get(&(at, vr)).copied().unwrap_or(0);
            // An election at every jitter is nobody's fault but the weather's.
            let calm = lan.weather_now().jitter * 2 < climate.interval;
            if changes > CHANGES && calm {
                let since = climate.undisturbed_since;
                let evidence =
                    format!("{}: {changes} changes of {vr:?} since {since}", node.name());
                return Err(Violation::new(Rule::Storm, now, evidence));
            }
        }
        Ok(())
    }
}

/// Whether a node has a VIP, and nowhere but where its configuration has none.
fn is_astray(node: &Node, config: &InstanceConfig, vip: &Vip) -> bool {
    let kernel = node.kernel();
    let place = kernel.named(config.below(&vip.interface).as_str()).map(|link| link.index);
    let device = kernel.named(vip.interface.as_str()).map(|link| link.index);
    let mut there = kernel.addresses().filter(|fact| fact.address == vip.address).peekable();
    there.peek().is_some()
        && there.all(|fact| Some(fact.index) != place && Some(fact.index) != device)
}

/// Exactly one node is Active, its kernel has every VIP, and nobody else's has one.
pub(crate) fn one_holder(lan: &Lan, vr: Vr) -> Result<(), Violation> {
    let now = lan.now();
    let nodes = lan.nodes();
    let takes_part = |at: &usize| nodes[*at].config_of(vr).is_some();
    let all: Vec<usize> = (0..nodes.len()).filter(takes_part).collect();
    if all.is_empty() {
        return Ok(());
    }
    let states = || {
        let state = |at: &usize| format!("{} {:?}", nodes[*at].name(), nodes[*at].state(vr));
        all.iter().map(state).collect::<Vec<_>>().join(", ")
    };
    let active: Vec<usize> =
        all.iter().copied().filter(|at| nodes[*at].state(vr) == State::Active).collect();
    let [holder] = active[..] else {
        let rule = if active.is_empty() { Rule::NobodyHolds } else { Rule::SeveralHold };
        return Err(Violation::new(rule, now, format!("{vr:?}: {}", states())));
    };
    for (at, node) in nodes.iter().enumerate() {
        let Some(config) = node.config_of(vr) else { continue };
        for vip in config.all_vips() {
            if node.kernel().serves(vip.address) != (at == holder) {
                let evidence = format!("{vr:?}: {vip} on {}: {}", node.name(), states());
                return Err(Violation::new(Rule::SeveralHold, now, evidence));
            }
        }
    }
    Ok(())
}
