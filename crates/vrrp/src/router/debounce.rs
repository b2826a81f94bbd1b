//! Interfaces that flap: news of one that went down or came up are believed only when they have
//! lasted (keepalived: `interface_up_down_delays`).
//!
//! What is held back is only whether the interface is usable. That it is gone, renamed or has another
//! MAC is believed at once.

use core::time::Duration;
use std::collections::BTreeMap;

use base::{IfIndex, Instant, KernelFact, LinkFact, Name};
use serde::{Deserialize, Serialize};

/// How long news of an interface must last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Debounce {
    /// That it is down.
    pub down: Duration,
    /// That it is up.
    pub up: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Debouncer {
    rules: BTreeMap<Name, Debounce>,
    links: BTreeMap<IfIndex, Held>,
}

/// An interface with a rule.
#[derive(Debug)]
struct Held {
    /// As the kernel describes it.
    fact: LinkFact,
    /// What we go by.
    believed: bool,
    /// When the kernel's word is believed, if it is another.
    at: Option<Instant>,
}

impl Debouncer {
    /// These rules from now on, about links of which this is `known` and believed. What is held back
    /// under a rule that is gone is believed at once.
    pub(super) fn rule(
        &mut self,
        rules: BTreeMap<Name, Debounce>,
        known: Vec<LinkFact>,
    ) -> Vec<KernelFact> {
        self.rules = rules;
        let (rules, mut released) = (&self.rules, Vec::new());
        self.links.retain(|_, held| {
            let ruled = rules.contains_key(&held.fact.name);
            if !ruled && held.at.is_some() {
                released.push(KernelFact::Link(held.fact.clone()));
            }
            ruled
        });
        for fact in known {
            let held = Held { believed: fact.running, at: None, fact };
            self.links.entry(held.fact.index).or_insert(held);
        }
        released
    }

    /// What to believe of the kernel's news; `None`: all of it, as it is.
    pub(super) fn filter(&mut self, now: Instant, fact: &KernelFact) -> Option<KernelFact> {
        if self.rules.is_empty() {
            return None;
        }
        match fact {
            KernelFact::Link(link) => self.hold(now, link).map(KernelFact::Link),
            KernelFact::LinkGone(index) => {
                self.links.remove(index);
                None
            }
            KernelFact::Snapshot { links, addresses } => {
                self.links.retain(|index, _| links.iter().any(|link| link.index == *index));
                let links =
                    links.iter().map(|link| self.hold(now, link).unwrap_or_else(|| link.clone()));
                Some(KernelFact::Snapshot { links: links.collect(), addresses: addresses.clone() })
            }
            KernelFact::Address(_) | KernelFact::AddressGone(_) => None,
        }
    }

    fn hold(&mut self, now: Instant, link: &LinkFact) -> Option<LinkFact> {
        let Some(rule) = self.rules.get(&link.name) else {
            self.links.remove(&link.index);
            return None;
        };
        let fact = link.clone();
        let held = self.links.entry(link.index).or_insert(Held {
            // The first thing that is heard of it is believed.
            believed: link.running,
            fact: fact.clone(),
            at: None,
        });
        held.fact = fact;
        if link.running == held.believed {
            held.at = None;
            return None;
        }
        let wait = if link.running { rule.up } else { rule.down };
        let at = *held.at.get_or_insert(now + wait);
        if at <= now {
            held.believed = link.running;
            held.at = None;
            return None;
        }
        Some(LinkFact { running: held.believed, ..link.clone() })
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.links.values().filter_map(|held| held.at).min()
    }

    /// News that have lasted.
    pub(super) fn due(&mut self, now: Instant) -> Vec<KernelFact> {
        let due = self.links.values_mut().filter(|held| held.at.is_some_and(|at| at <= now));
        due.map(|held| {
            held.believed = held.fact.running;
            held.at = None;
            KernelFact::Link(held.fact.clone())
        })
        .collect()
    }
}
