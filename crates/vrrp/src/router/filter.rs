//! Which VIPs take no traffic (`no_accept`): those of instances that say so, from before they are
//! installed until they are off the node.
//!
//! Derived like everything else: the whole list is formed anew and told when it differs from what was
//! told last. Nodes have none of these or a few.

use core::time::Duration;

use base::{Errno, Filter, Instant, Name, Reason, Subject, What};
use serde::{Deserialize, Serialize};

use super::{Router, Slot};

/// How long after a refusal it is asked again.
const RETRY: Duration = Duration::from_secs(2);

/// How filters are made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Filtering {
    /// The nftables table.
    pub table: Name,
    /// The priority of its chains.
    pub priority: i32,
    /// Count what is dropped.
    pub counters: bool,
}

impl Default for Filtering {
    fn default() -> Self {
        Self { table: Name::from("keepalived"), priority: -1, counters: false }
    }
}

/// What the router knows of the filter.
#[derive(Debug, Default)]
pub(super) struct FilterState {
    pub(super) how: Filtering,
    /// What the kernel was last told to filter.
    told: Option<Filter>,
    /// Its answer is still to come.
    waits: bool,
    /// When to ask again what was refused.
    retry_at: Option<Instant>,
    /// Instances whose VIPs are filtered.
    slots: std::collections::BTreeSet<Slot>,
}

impl FilterState {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Nothing is filtered any more, and the kernel has said so.
    pub(super) fn is_settled(&self) -> bool {
        !self.waits && self.slots.is_empty()
    }

    /// This instance is about to install its VIPs.
    pub(super) fn begin(&mut self, slot: Slot) {
        self.slots.insert(slot);
    }
}

impl Router {
    /// Tells the kernel what is to be filtered, if that has changed. Comes before addresses are
    /// installed, and again when they are gone.
    pub(super) fn filter(&mut self, now: Instant) {
        let state = &self.filter;
        if state.slots.is_empty() && state.told.as_ref().is_none_or(|told| told.vips.is_empty()) {
            return;
        }
        let stays = |slot: &Slot| {
            let seat = self.seats.get(slot);
            let holding = seat.is_some_and(|s| s.holding && !s.instance.config().accept);
            holding || self.keeper.leaves_traces(slot.holder())
        };
        let slots = state.slots.iter().copied().filter(stays).collect();
        let mut vips = Vec::new();
        for slot in &slots {
            let Some(seat) = self.seats.get(slot) else { continue };
            let place =
                |vip: &base::Vip| Some((vip.address, self.links.named(&vip.interface)?.index));
            vips.extend(seat.instance.config().all_vips().filter_map(place));
        }
        vips.sort_unstable();
        vips.dedup();
        let Filtering { table, priority, counters } = state.how.clone();
        let wanted = Filter { table, priority, counters, vips };
        self.filter.slots = slots;
        let again = self.filter.retry_at.is_some_and(|at| at <= now);
        if !again && self.filter.told.as_ref() == Some(&wanted) {
            return;
        }
        self.filter.retry_at = None;
        self.filter.waits = true;
        self.filter.told = Some(wanted.clone());
        self.out.filter(wanted);
    }

    /// The kernel's answer.
    pub(super) fn filtered(&mut self, now: Instant, refused: Option<Errno>) {
        self.filter.waits = false;
        if let Some(errno) = refused {
            self.filter.retry_at = Some(now + RETRY);
            let what = What::FilterRefused { errno };
            self.out.event(now, Subject::Node, what, Reason::Kernel, []);
        }
    }
}
