//! Who comes and who goes: the engine's members are the cluster's, and a node leaves in good order.
//!
//! Who takes part is agreed on by the engine, since only it can change its own quorum. The node that
//! leads compares what the engine says with what the replicated state knows, and proposes what is
//! missing: who came is admitted, under an id nobody has; who went is expelled as soon as it is
//! certain that it holds nothing. Until a node is admitted it is granted no lease and given no order.
//!
//! A node that was told to leave begins nothing any more. When it holds nothing it gives back its lease
//! and says that it has left; only then may what it held begin elsewhere.

use core::time::Duration;
use std::collections::BTreeSet;

use base::{Instant, Name};

use super::turn::AGAIN;
use super::{Node, Origin};
use crate::membership::Standing;
use crate::operation::{Operation, Verdict};

/// What could not be put right yet is looked at again after this.
const LATER: Duration = Duration::from_secs(1);

impl Node {
    /// Puts the cluster's members right, on the node that leads.
    pub(super) fn call_roll(&mut self, now: Instant) {
        if self.roll_at.is_none_or(|at| at > now) || !self.is_engines_leader() {
            return;
        }
        let Some(roll) = &self.roll else { return };
        let members = self.state.members();
        let mut wanted = Vec::new();
        let mut ids: BTreeSet<String> = members.iter().map(|(_, it)| it.id.to_string()).collect();
        let configured = nodes(self.state.cib());
        for (node, role) in roll {
            let id = match members.get(node) {
                Some(known) if known.role == *role => continue,
                Some(known) => known.id.clone(),
                None => {
                    let of_old = configured.iter().find(|(_, name)| **name == **node);
                    let of_old = of_old.map(|(id, _)| id.clone()).filter(|id| !ids.contains(id));
                    let taken = |id: &String| {
                        ids.contains(id) || configured.iter().any(|(known, _)| known == id)
                    };
                    let free = || (1_u64..).map(|id| id.to_string()).find(|id| !taken(id));
                    let Some(id) = of_old.or_else(free) else { continue };
                    ids.insert(id.clone());
                    Name::from(id)
                }
            };
            let (node, role, lease) = (node.clone(), *role, self.config.lease);
            wanted.push(Operation::Admit { node, id, role, lease });
        }
        let gone = members.iter().filter(|(node, _)| !roll.contains_key(*node));
        let mut waits = false;
        for (node, member) in gone {
            if member.standing == Standing::Alive || member.in_doubt() {
                waits = true;
            } else {
                wanted.push(Operation::Expel { node: node.clone() });
            }
        }
        self.roll_at = (waits || !wanted.is_empty()).then_some(now + LATER);
        for operation in wanted {
            self.propose(now, operation, Origin::Once);
        }
    }

    /// Whether nothing is held here any more; of what is to be left alone, whether nothing is under way.
    pub(super) fn has_let_go(&self) -> bool {
        self.executor.is_empty()
            || (self.leaving && self.is_left_alone() && self.executor.is_quiet())
    }

    /// Says that this node has left, once it may be said.
    pub(super) fn part(&mut self, now: Instant) {
        let waits = self.part_at.is_some_and(|at| at > now);
        if !self.leaving || self.gone || waits || self.is_over() || !self.has_let_go() {
            return;
        }
        self.part_at = Some(now + AGAIN);
        self.holder.surrender();
        let (node, life, verdict) = (self.config.node.clone(), self.life, Verdict::Left);
        self.propose(now, Operation::Verdict { node, life, verdict }, Origin::Once);
    }
}

/// The nodes a document names: id and name.
fn nodes(cib: &cib::xml::Element) -> Vec<(String, String)> {
    let nodes = cib.child("configuration").and_then(|it| it.child("nodes"));
    let named = nodes.into_iter().flat_map(|it| it.named("node"));
    let pair = |it: &cib::xml::Element| {
        let id = it.id()?.to_owned();
        let name = it.get("uname").map_or_else(|| id.clone(), str::to_owned);
        Some((id, name))
    };
    named.filter_map(pair).collect()
}
