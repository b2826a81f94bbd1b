//! What follows from where the engine is: who leads, who the members are, whether it may stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::Name;
use cluster::Role;
use cluster::seam::{Leadership, Tell};
use tokio::time::{MissedTickBehavior, interval};

use crate::core::{Core, Metrics, lock};
use crate::engine::Status;
use crate::members;
use crate::types::LogId;

/// Looks again and again, and says what is new.
pub(crate) struct Watch {
    core: Arc<Core>,
    status: Arc<Mutex<Status>>,
    leadership: Option<Leadership>,
    /// The membership by which peers were chosen last.
    met: Option<Option<LogId>>,
    members: Option<BTreeMap<Name, Role>>,
}

impl Watch {
    pub(crate) fn new(core: Arc<Core>, status: Arc<Mutex<Status>>) -> Self {
        Self { core, status, leadership: None, met: None, members: None }
    }

    /// Goes on until the engine has ended for good; then it has been told.
    pub(crate) async fn keep(mut self, every: Duration) {
        let mut changes = self.core.raft.metrics();
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    self.core.canvass();
                    members::promote(&self.core);
                }
                changed = changes.changed() => if changed.is_err() { return },
            }
            if !self.look() {
                return;
            }
        }
    }

    /// Whether the engine still runs.
    pub(crate) fn look(&mut self) -> bool {
        let metrics = self.core.metrics();
        if let Err(fatal) = &metrics.running_state {
            self.core.outlet.tell(Tell::Ended(fatal.to_string()));
            return false;
        }
        let effective = *metrics.membership_config.log_id();
        if self.met != Some(effective) {
            self.met = Some(effective);
            self.core.meet();
        }
        if effective.is_some() && effective <= metrics.last_applied {
            let nodes = metrics.membership_config.membership().nodes();
            let members = nodes.map(|(_, peer)| (peer.name.clone(), peer.role)).collect();
            if self.members.as_ref() != Some(&members) {
                self.core.outlet.tell(Tell::Members(members.clone()));
                self.members = Some(members);
            }
        }
        let leadership = self.leadership(&metrics);
        if self.leadership.as_ref() != Some(&leadership) {
            self.core.leads(
                self.core
                    .is_leader(&metrics)
                    .then_some(leadership.term)
                    .filter(|_| leadership.leader.is_some()),
            );
            self.core.outlet.tell(Tell::Leads(leadership.clone()));
            self.leadership = Some(leadership.clone());
        }
        let heard = self.core.mesh.heard();
        let nodes = metrics.membership_config.membership().nodes();
        let peers = nodes
            .filter(|(id, _)| **id != self.core.id)
            .map(|(id, peer)| (peer.name.clone(), (heard.contains_key(id), peer.role)))
            .collect();
        let membership = metrics.membership_config.membership();
        let votes: BTreeSet<_> = membership.voter_ids().collect();
        let voters = membership.nodes().filter(|(id, _)| votes.contains(id));
        let voters = voters.map(|(_, peer)| peer.name.clone()).collect();
        let addresses =
            membership.nodes().map(|(_, it)| (it.name.clone(), (it.address, it.key))).collect();
        *lock(&self.status) = Status {
            voters,
            addresses,
            leadership,
            applied: self.core.outlet.told(),
            last: metrics.last_log_index,
            peers,
            may_stand: self.core.may_stand(),
        };
        true
    }

    /// Who leads. This node is said to only when all of earlier terms, and an entry of this one, is
    /// applied, and so was told.
    fn leadership(&self, metrics: &Metrics) -> Leadership {
        let term = metrics.current_term;
        let leads = self.core.is_leader(metrics);
        let ready = metrics.last_applied.is_some_and(|it| it.leader_id.term == term);
        let leader = metrics.current_leader.filter(|id| *id != self.core.id || leads && ready);
        Leadership { term, leader: leader.map(|id| self.core.name(id)) }
    }
}
