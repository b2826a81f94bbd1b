//! Which VIPs take no traffic (`no_accept`): those of instances that say so, from before they are
//! installed until they are off the node.
//!
//! Derived like everything else: the whole list is formed anew and told when it differs from what was
//! told last. Nodes have none of these or a few.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use base::{Errno, Filter, IfIndex, Instant, Name, Reason, Subject, Vip, What};
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
    how: Filtering,
    /// Nothing was told yet, and what is known is enough to tell it.
    fresh: bool,
    /// What the kernel was last told to filter.
    told: Option<Filter>,
    /// Its answer is still to come.
    waits: bool,
    /// When to ask again what was refused.
    retry_at: Option<Instant>,
    /// Instances whose VIPs are filtered, and these.
    covered: BTreeMap<Slot, Vec<(IpAddr, IfIndex)>>,
}

impl FilterState {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Nothing is filtered any more, and the kernel has said so.
    pub(super) fn is_settled(&self) -> bool {
        !self.waits && self.covered.is_empty()
    }

    /// How to filter from now on.
    pub(super) fn set(&mut self, how: Filtering) {
        self.how = how;
    }

    /// All instances are known. An engine before this one may have left a filter: the kernel is told
    /// for the first time, even if that there is nothing to filter.
    pub(super) fn configured(&mut self) {
        self.fresh |= self.told.is_none();
    }

    /// This instance is about to install its VIPs.
    pub(super) fn begin(&mut self, slot: Slot) {
        self.covered.entry(slot).or_default();
    }
}

impl Router {
    /// Tells the kernel what is to be filtered, if that has changed. Comes before addresses are
    /// installed, and again when they are gone.
    pub(super) fn filter(&mut self, now: Instant) {
        let nothing = self.filter.told.as_ref().is_none_or(|told| told.vips.is_empty());
        if self.filter.covered.is_empty() && nothing && !self.filter.fresh {
            return;
        }
        let mut covered = core::mem::take(&mut self.filter.covered);
        covered.retain(|slot, vips| {
            let Some(seat) = self.seats.get(slot) else {
                // What it left is listed until it is off the node.
                return self.keeper.leaves_traces(slot.holder());
            };
            let config = seat.instance.config();
            let place = |vip: &Vip| Some((vip.address, self.links.named(&vip.interface)?.index));
            // What a reload took out of the list is on the node for a moment still.
            vips.retain(|(address, index)| self.keeper.lingers(*address, *index));
            vips.extend(config.all_vips().filter_map(place));
            !config.accept && (seat.holding || self.keeper.leaves_traces(slot.holder()))
        });
        let mut vips: Vec<_> = covered.values().flatten().copied().collect();
        self.filter.covered = covered;
        vips.sort_unstable();
        vips.dedup();
        let Filtering { table, priority, counters } = self.filter.how.clone();
        let wanted = Filter { table, priority, counters, vips };
        let again = self.filter.retry_at.is_some_and(|at| at <= now);
        if !again && self.filter.told.as_ref() == Some(&wanted) {
            return;
        }
        self.filter.fresh = false;
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
