//! Whom the client believes, against who holds.
//!
//! The client believes what it last heard (it does not ask by itself, as a real one does every half
//! minute). A holder cannot put right what it cannot know: it must announce when it takes a VIP over,
//! and again after it has heard of another holder. What got lost on the way is not held against it.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use base::{Instant, Mac, State};

use super::Climate;
use super::rule::{Rule, Violation};
use super::since::Spans;
use crate::lan::Lan;
use crate::sight::{Sight, Vr};

#[derive(Debug, Default)]
pub(crate) struct Belief {
    /// When the client last took in an announcement of each address.
    believed_at: BTreeMap<IpAddr, Instant>,
    /// When a frame of each node to the client was last lost.
    lost_at: BTreeMap<usize, Instant>,
    /// When each node last heard a claim to a virtual router, by whom.
    rival_heard: BTreeMap<(usize, Vr, IpAddr), Instant>,
    /// Since when each kernel has had each VIP.
    had: Spans<(usize, IpAddr)>,
    wrong: Spans<IpAddr>,
}

impl Belief {
    /// Whether the client is not misled.
    pub(crate) fn is_calm(&self) -> bool {
        self.wrong.is_empty()
    }

    pub(crate) fn see(&mut self, lan: &Lan, sight: &Sight) {
        let now = lan.now();
        match sight {
            Sight::Believed { address, .. } => drop(self.believed_at.insert(*address, now)),
            Sight::Lost { from, to: None } => drop(self.lost_at.insert(*from, now)),
            Sight::Handed { node, advert, valid: true } if advert.priority > 0 => {
                self.rival_heard.insert((*node, advert.vr, advert.source), now);
            }
            _ => {}
        }
    }

    pub(crate) fn check(&mut self, lan: &Lan, vr: Vr, climate: Climate) -> Result<(), Violation> {
        let now = lan.now();
        let nodes = lan.nodes();
        // A burst against rivals comes once a second or interval; both paths take a delay.
        let within = climate.interval.max(Duration::from_secs(1))
            + climate.interval
            + climate.worst_delay * 3
            + Duration::from_millis(200);
        let is_active = |at: &usize| nodes[*at].state(vr) == State::Active;
        let mut active = (0..nodes.len()).filter(is_active);
        let holder = match (active.next(), active.next()) {
            (Some(one), None) => Some(one),
            _ => None,
        };
        let Some(config) = nodes.iter().find_map(|node| node.config_of(vr)) else { return Ok(()) };
        for vip in &config.vips {
            let address = vip.address;
            for (at, node) in nodes.iter().enumerate() {
                self.had.note((at, address), now, node.kernel().serves(address));
            }
            let believed = lan.client().believes(address);
            let wrong = match (holder, believed) {
                (Some(holder), Some(mac)) if lan.lives_at(mac) != Some(holder) => {
                    self.is_misled(lan, vr, address, holder, mac)
                }
                _ => false,
            };
            if self.wrong.note(address, now, wrong) > within {
                let holder = holder.map_or("nobody", |at| nodes[at].name());
                let evidence =
                    format!("{address} is held by {holder}, the client believes {believed:?}");
                return Err(Violation::new(Rule::ClientMisled, now, evidence));
            }
        }
        Ok(())
    }

    /// Whether the only holder could have put right by now what the client believes of an address.
    fn is_misled(&self, lan: &Lan, vr: Vr, address: IpAddr, holder: usize, mac: Mac) -> bool {
        let nodes = lan.nodes();
        let here = self.had.since(&(holder, address));
        let mut others = (0..nodes.len()).filter(|at| *at != holder);
        let alone = others.all(|at| !nodes[at].kernel().serves(address));
        let told_at = self.believed_at.get(&address).copied().unwrap_or_default();
        let reaches = lan.reaches_client(holder, vr.segment);
        let lost = self.lost_at.get(&holder).is_some_and(|lost| *lost >= told_at);
        let rival = lan.lives_at(mac).map(|at| &nodes[at]);
        let heard = |address| self.rival_heard.get(&(holder, vr, address));
        // Since the client was told last, the holder took it over, or heard the one that told it.
        let knows = here.is_some_and(|here| here > told_at)
            || rival.is_some_and(|rival| {
                let sources = rival.kernel().addresses().map(|fact| fact.address);
                sources.filter_map(heard).any(|heard| *heard > told_at)
            });
        let awake = nodes[holder].is_awake(lan.now());
        here.is_some() && alone && awake && reaches && !lost && knows
    }
}
