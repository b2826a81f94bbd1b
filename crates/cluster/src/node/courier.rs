//! Orders on their way to executors: offered again until they are taken, and never once they are void.
//!
//! An order names the life it is meant for and the *mark*: up to which entry its leader had applied
//! the log. A node refuses what was ordered before the last decision about itself, and the leader
//! begins nothing until each member has said that it obeys that decision (`knows` in its
//! heartbeats). So an order that waited in some buffer while its node was given up, found back and
//! left out of the next plan is recognised, however late it comes (decision 0024).

use core::time::Duration;
use std::collections::BTreeMap;

use base::Instant;
use serde::{Deserialize, Serialize};

use crate::controller::Order;
use crate::membership::Standing;
use crate::operation::Life;
use crate::state::State;

/// After this an order nobody has taken is sent again.
const AGAIN: Duration = Duration::from_millis(100);

/// An order, addressed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Parcel {
    /// For which life of the node.
    pub life: Life,
    /// What the leader had applied.
    pub mark: u64,
    /// What to do.
    pub order: Order,
}

/// The leader's orders that nobody has taken yet, by transition and step.
#[derive(Clone, Debug, Default)]
pub(super) struct Courier {
    waiting: BTreeMap<(u64, u32), (Parcel, Instant)>,
}

impl Courier {
    /// Takes an order; what is to be sent at once.
    pub(super) fn send(&mut self, now: Instant, state: &State, order: Order) -> Option<Parcel> {
        let life = state.members().get(&order.via)?.life;
        let at = (order.key.transition, order.key.step);
        let parcel = Parcel { life, mark: state.applied(), order };
        self.waiting.insert(at, (parcel.clone(), now + AGAIN));
        Some(parcel)
    }

    /// It was taken.
    pub(super) fn taken(&mut self, transition: u64, step: u32) {
        self.waiting.remove(&(transition, step));
    }

    /// Nobody waits for any of them: this node does not lead any more.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// What is to be sent again.
    pub(super) fn due(&mut self, now: Instant, state: &State) -> Vec<Parcel> {
        // Void is what the node has to refuse: the controller counts it as failed already.
        self.waiting.retain(|_, (parcel, _)| !is_void(state, parcel));
        let mut due = Vec::new();
        for (parcel, again) in self.waiting.values_mut() {
            if *again <= now {
                *again = now + AGAIN;
                due.push(parcel.clone());
            }
        }
        due
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.values().map(|(_, again)| *again).min()
    }
}

/// Whether a node has to refuse an order, by what is known here of it.
pub(super) fn is_void(state: &State, parcel: &Parcel) -> bool {
    if base::planted!(EndedSession) {
        return false;
    }
    state.members().get(&parcel.order.via).is_none_or(|member| {
        member.standing != Standing::Alive
            || member.life != parcel.life
            || parcel.mark < member.since
    })
}
