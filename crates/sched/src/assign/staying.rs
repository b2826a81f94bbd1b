//! Instances that stay where they are, although somewhere else is better.
//!
//! Instances of a clone are alike: which of them is on a node is nobody's concern. So an
//! instance is not asked whether its node is the best, but whether it is one of those the clone will
//! fill. If it would go elsewhere, that place is given up to one of the others, in thought, and it
//! chooses again, until it chooses to stay or nobody is left to take the better places. Otherwise
//! two instances that each prefer the other's node exchange them, plan after plan.
//!
//! The trying leaves no mark in the tables: scores are those the choice is made by.

use cib::Score;

use super::inherit::Inherited;
use crate::reason::Reasons;
use crate::world::{NodeId, Role, RscId, Table, World};

/// Instances that will stay, each with its node and what it is colocated with.
#[derive(Default)]
pub(super) struct Staying(Vec<(RscId, NodeId, Inherited)>);

impl Staying {
    pub(super) fn len(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }

    pub(super) fn take(&mut self, instance: RscId) -> Option<(NodeId, Inherited)> {
        let at = self.0.iter().position(|(other, ..)| *other == instance)?;
        let (_, node, inherited) = self.0.remove(at);
        Some((node, inherited))
    }

    pub(super) fn contains(&self, instance: RscId) -> bool {
        self.0.iter().any(|(other, ..)| *other == instance)
    }

    pub(super) fn add(&mut self, instance: RscId, node: NodeId, inherited: Inherited) {
        self.0.push((instance, node, inherited));
    }

    fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.0.iter().map(|(_, node, _)| *node)
    }
}

/// What choosing a node changes of a resource.
struct Mark {
    resource: RscId,
    allowed: Table,
    next_role: Role,
}

impl World<'_> {
    /// Nodes that are full when each of `places` takes one more instance.
    fn filled(&self, instance: RscId, places: &[NodeId], per_node: i64) -> Vec<NodeId> {
        let mut full = Vec::new();
        for node in places {
            let more = places.iter().filter(|other| *other == node).count();
            let more = i64::try_from(more).unwrap_or(i64::MAX);
            let there = self.top_allowed(instance, *node).map_or(0, |entry| entry.count);
            if there.saturating_add(more) >= per_node && !full.contains(node) {
                full.push(*node);
            }
        }
        full
    }

    /// Closes nodes to an instance: it will not choose them.
    fn close(&mut self, instance: RscId, nodes: &[NodeId]) {
        for id in self.family(instance) {
            self[id].closed = nodes.to_vec();
        }
    }

    /// Closes the nodes that those who stay fill.
    pub(super) fn close_filled(&mut self, instance: RscId, staying: &Staying, per_node: i64) {
        let places: Vec<NodeId> = staying.nodes().collect();
        let full = self.filled(instance, &places, per_node);
        self.close(instance, &full);
    }

    /// Closes all nodes but one.
    pub(super) fn close_others(&mut self, instance: RscId, node: NodeId) {
        let others: Vec<NodeId> =
            self.node_order.iter().copied().filter(|it| *it != node).collect();
        self.close(instance, &others);
    }

    /// Whether an instance that would rather go to `better` stays on its node when others, `spare`
    /// at most, take the places it would rather have.
    pub(super) fn stays_beside(
        &mut self,
        instance: RscId,
        (node, better): (NodeId, NodeId),
        spare: i64,
        (staying, per_node): (&Staying, i64),
    ) -> bool {
        let shown = std::mem::replace(&mut self.show_scores, false);
        let reasons = std::mem::replace(&mut self.reasons, Reasons::new(false));
        let marks: Vec<Mark> = self.marks(instance);
        let inherited = self.colocations_of(instance);
        let mut places: Vec<NodeId> = staying.nodes().collect();
        places.push(better);
        let mut stays = false;
        for _ in 0..spare {
            let full = self.filled(instance, &places, per_node);
            self.close(instance, &full);
            let chosen = self.assign(instance, Some(node));
            self.unassign(instance);
            self.restore_colocations(inherited.clone());
            for mark in &marks {
                let it = &mut self[mark.resource];
                it.allowed = mark.allowed.clone();
                it.next_role = mark.next_role;
                it.provisional = true;
            }
            match chosen {
                Some(chosen) if chosen == node => {
                    stays = true;
                    break;
                }
                Some(chosen) => places.push(chosen),
                None => break,
            }
        }
        self.close(instance, &[]);
        self.show_scores = shown;
        self.reasons = reasons;
        stays
    }

    fn marks(&self, instance: RscId) -> Vec<Mark> {
        let mark = |resource: RscId| Mark {
            resource,
            allowed: self[resource].allowed.clone(),
            next_role: self[resource].next_role,
        };
        self.family(instance).into_iter().map(mark).collect()
    }

    /// How many instances may yet go anywhere.
    pub(super) fn undecided(&self, instances: &[RscId], staying: &Staying) -> i64 {
        let free = instances.iter().filter(|instance| {
            self[**instance].provisional
                && !staying.contains(**instance)
                && self.family(**instance).iter().all(|id| self[*id].managed)
                && self[**instance].allowed.iter().any(|(_, entry)| entry.score >= Score::ZERO)
        });
        i64::try_from(free.count()).unwrap_or(i64::MAX)
    }
}
