//! Instances that stay where they are, although somewhere else is better.
//!
//! Instances of a clone are alike: which of them is on a node is nobody's concern. If one would go
//! to a node that others of them fill already, and may go on to fill, nothing is gained by it: that
//! place is left to them, in thought, and it chooses again, until it chooses to stay or a node
//! where there is room. Otherwise two instances that each prefer the other's node exchange them,
//! plan after plan.
//!
//! The trying leaves no mark in the tables: scores are those the choice is made by.

use cib::Score;

use super::inherit::Inherited;
use crate::action::Flags;
use crate::reason::Reasons;
use crate::world::{ActionId, NodeId, Role, RscId, Table, World};

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
pub(super) struct Mark {
    resource: RscId,
    allowed: Table,
    next_role: Role,
    flags: Vec<(ActionId, Flags)>,
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

    /// Closes the nodes that those who stay fill; whether there are any.
    pub(super) fn close_filled(
        &mut self,
        instance: RscId,
        staying: &Staying,
        per_node: i64,
    ) -> bool {
        let places: Vec<NodeId> = staying.nodes().collect();
        let full = self.filled(instance, &places, per_node);
        self.close(instance, &full);
        !full.is_empty()
    }

    /// Closes all nodes but one.
    pub(super) fn close_others(&mut self, instance: RscId, node: NodeId) {
        let others: Vec<NodeId> =
            self.node_order.iter().copied().filter(|it| *it != node).collect();
        self.close(instance, &others);
    }

    /// Whether an instance that would rather go to `better` stays on its node when those of the others
    /// that may stay (`seats`) do, as far as so many are wanted (`left`).
    pub(super) fn stays_beside(
        &mut self,
        instance: RscId,
        (node, better): (NodeId, NodeId),
        (mut seats, left): (Vec<NodeId>, i64),
        (staying, per_node): (&Staying, i64),
    ) -> bool {
        let mut places: Vec<NodeId> = staying.nodes().collect();
        if !take_seat(&mut seats, better) {
            return false;
        }
        places.push(better);
        let shown = std::mem::replace(&mut self.show_scores, false);
        let reasons = std::mem::replace(&mut self.reasons, Reasons::new(false));
        let marks = self.marks(instance);
        let inherited = self.colocations_of(instance);
        let mut stays = false;
        for _ in 0..left {
            let full = self.filled(instance, &places, per_node);
            self.close(instance, &full);
            let chosen = self.assign(instance, Some(node));
            self.unassign(instance);
            self.restore_colocations(inherited.clone());
            self.go_back(&marks);
            match chosen {
                Some(chosen) if chosen == node => {
                    stays = true;
                    break;
                }
                Some(chosen) if take_seat(&mut seats, chosen) => places.push(chosen),
                _ => break,
            }
        }
        self.close(instance, &[]);
        self.show_scores = shown;
        self.reasons = reasons;
        stays
    }

    /// As if no node had been chosen.
    pub(super) fn go_back(&mut self, marks: &[Mark]) {
        for mark in marks {
            let it = &mut self[mark.resource];
            it.allowed = mark.allowed.clone();
            it.next_role = mark.next_role;
            it.provisional = true;
            for (action, flags) in &mark.flags {
                self[*action].flags = *flags;
            }
        }
    }

    pub(super) fn marks(&self, instance: RscId) -> Vec<Mark> {
        let mark = |resource: RscId| Mark {
            resource,
            allowed: self[resource].allowed.clone(),
            next_role: self[resource].next_role,
            flags: self[resource].actions.iter().map(|id| (*id, self[*id].flags)).collect(),
        };
        self.family(instance).into_iter().map(mark).collect()
    }

    /// Where instances are that are not decided upon, and may stay.
    pub(super) fn seats(
        &self,
        instance: RscId,
        instances: &[RscId],
        staying: &Staying,
    ) -> Vec<NodeId> {
        let others = instances.iter().filter(|other| {
            **other != instance
                && self[**other].provisional
                && !self[**other].orphan
                && !staying.contains(**other)
        });
        let place = |other: &RscId| {
            let node = self.preferred_place(*other, i64::MAX)?;
            let score = self[*other].allowed.score(node)?;
            (score >= Score::ZERO).then_some(node)
        };
        others.filter_map(place).collect()
    }
}

fn take_seat(seats: &mut Vec<NodeId>, node: NodeId) -> bool {
    let Some(at) = seats.iter().position(|seat| *seat == node) else { return false };
    seats.swap_remove(at);
    true
}
