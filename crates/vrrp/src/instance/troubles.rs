//! What an instance remembers only once something went wrong: refused packets, rivals, differences that
//! were told. Most of thousands of instances never have any of it, so it takes no room until then.

use core::net::IpAddr;
use core::time::Duration;

use base::{EventId, Instant, Mac};

use super::contest::Reassert;
use crate::refusals::{Refusals, Told};
use crate::wire::Counters;

/// The memory itself.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    pub(super) refusals: Refusals,
    /// What was reported once and is not to be repeated: an interval, a VIP list, a rival.
    pub(super) told_interval: Option<(IpAddr, Duration)>,
    pub(super) told_list: Option<(IpAddr, Vec<IpAddr>)>,
    pub(super) told_rival: Option<(IpAddr, Instant, EventId)>,
    pub(super) told_cap: Option<(IpAddr, Duration)>,
    pub(super) told_unsigned: Told,
    pub(super) told_skew: Told,
    pub(super) told_mac: Option<(Mac, Instant, EventId)>,
    /// When a weaker router was last heard to hold while we do.
    pub(super) contested_at: Option<Instant>,
    pub(super) reassert: Option<Reassert>,
    pub(super) reasserted_at: Option<Instant>,
    pub(super) answered_at: Option<Instant>,
}

/// Nothing, or a memory from the first time on that there is something to remember.
#[derive(Debug, Default)]
pub(super) struct Seldom(Option<Box<Troubles>>);

impl Seldom {
    /// What there is to read.
    pub(super) fn get(&self) -> Option<&Troubles> {
        self.0.as_deref()
    }

    /// What there is to forget.
    pub(super) fn known(&mut self) -> Option<&mut Troubles> {
        self.0.as_deref_mut()
    }

    /// To remember something.
    pub(super) fn note(&mut self) -> &mut Troubles {
        self.0.get_or_insert_default()
    }

    pub(super) fn counters(&self) -> Counters {
        self.get().map(|troubles| *troubles.refusals.counters()).unwrap_or_default()
    }

    /// What was told of a rival was told in another state.
    pub(super) fn forget_rivals(&mut self) {
        if let Some(troubles) = self.known() {
            troubles.told_rival = None;
            troubles.contested_at = None;
            troubles.told_mac = None;
            troubles.reassert = None;
        }
    }
}
