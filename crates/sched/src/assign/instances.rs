//! Clones: which instance gets which node.

use std::cmp::Ordering;

use cib::Score;

use super::held::Held;
use super::inherit::Inherited;
use super::staying::Staying;
use crate::world::{Allowed, NodeId, RscId, Variant, World};

impl World<'_> {
    pub(super) fn assign_clone(&mut self, rsc: RscId) {
        if !self[rsc].provisional || self[rsc].allocating {
            return;
        }
        self[rsc].allocating = true;
        if self[rsc].promotable {
            self.add_promotion_scores(rsc);
        }
        for coloc in self.this_with(rsc) {
            let primary = self.coloc(coloc).primary;
            self.assign(primary, None);
        }
        for coloc in self.with_this(rsc) {
            self.mix_dependent(coloc, rsc);
        }
        self.show("clone_allocate", rsc);
        self.sort_instances(rsc);
        let (max, node_max) = (self[rsc].instances.max, self[rsc].instances.node_max);
        let instances = self[rsc].children.clone();
        self.assign_instances(rsc, &instances, max, node_max);
        if self[rsc].promotable {
            self.choose_promoted(rsc);
        }
        self[rsc].provisional = false;
        self[rsc].allocating = false;
    }

    pub(crate) fn sort_by_instance(&mut self, list: &mut [RscId]) {
        self.sort_rscs(list, |world, a, b| world.compare_instances(a, b));
    }

    fn sort_instances(&mut self, rsc: RscId) {
        let mut instances = self[rsc].children.clone();
        self.sort_rscs(&mut instances, |world, a, b| world.compare_instances(a, b));
        self[rsc].children = instances;
    }

    /// A stable sort by a comparison that may have to compute.
    pub(super) fn sort_rscs(
        &mut self,
        list: &mut [RscId],
        mut compare: impl FnMut(&mut Self, RscId, RscId) -> Ordering,
    ) {
        // Merge sort: few comparisons, and no assumption that the order is total.
        let length = list.len();
        if length < 2 {
            return;
        }
        let (left, right) = list.split_at_mut(length / 2);
        self.sort_half(left, &mut compare);
        self.sort_half(right, &mut compare);
        let (left, right) = (left.to_vec(), right.to_vec());
        let (mut l, mut r) = (left.into_iter().peekable(), right.into_iter().peekable());
        for slot in list {
            let take_right = match (l.peek(), r.peek()) {
                (Some(a), Some(b)) => compare(self, *a, *b).is_gt(),
                (None, _) => true,
                (_, None) => false,
            };
            let next = if take_right { r.next() } else { l.next() };
            if let Some(next) = next {
                *slot = next;
            }
        }
    }

    fn sort_half(
        &mut self,
        list: &mut [RscId],
        compare: &mut dyn FnMut(&mut Self, RscId, RscId) -> Ordering,
    ) {
        self.sort_rscs(list, |world, a, b| compare(world, a, b));
    }

    fn failed_any(&self, rsc: RscId) -> bool {
        self.family(rsc).into_iter().any(|id| self[id].failed)
    }

    /// What a clone thinks of an instance's node.
    pub(crate) fn top_allowed(&self, instance: RscId, node: NodeId) -> Option<&Allowed> {
        let above = self[instance].parent.unwrap_or(instance);
        self[above].allowed.get(node)
    }

    pub(super) fn compare_instances(&mut self, a: RscId, b: RscId) -> Ordering {
        let (places_a, places_b) = (self.nodes_of(a, true), self.nodes_of(b, true));
        if !places_a.is_empty() && !places_b.is_empty() && places_a.len() != places_b.len() {
            return places_a.len().cmp(&places_b.len());
        }
        let (mut node_a, mut node_b) = (self.current_node(a), self.current_node(b));
        let allowed = |world: &Self, rsc: RscId, node: &mut Option<NodeId>| {
            let Some(here) = *node else { return true };
            let fits = world[rsc].allowed.score(here).is_some_and(|score| score >= Score::ZERO);
            if !fits {
                *node = None;
            }
            fits
        };
        let (can_a, can_b) = (allowed(self, a, &mut node_a), allowed(self, b, &mut node_b));
        if can_a != can_b {
            return can_b.cmp(&can_a);
        }
        if self[a].priority != self[b].priority {
            return self[b].priority.cmp(&self[a].priority);
        }
        let (node_a, node_b) = match (node_a, node_b) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Greater,
            (Some(_), None) => return Ordering::Less,
            (Some(x), Some(y)) => (x, y),
        };
        let fit = |node| self.node_available(node, None, false);
        if fit(node_a) != fit(node_b) {
            return fit(node_b).cmp(&fit(node_a));
        }
        match (self.top_allowed(a, node_a), self.top_allowed(b, node_b)) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Greater,
            (Some(_), None) => return Ordering::Less,
            (Some(x), Some(y)) if x.count != y.count => return x.count.cmp(&y.count),
            _ => {}
        }
        let (bad_a, bad_b) = (self.failed_any(a), self.failed_any(b));
        if bad_a != bad_b {
            return bad_a.cmp(&bad_b);
        }
        let (here_a, here_b) = (self.current_node(a), self.current_node(b));
        if let (Some(x), Some(y)) = (here_a, here_b) {
            let mut table_a = self.one_node(a, x);
            let mut table_b = self.one_node(b, y);
            self.mix_parent_colocations(a, &mut table_a);
            self.mix_parent_colocations(b, &mut table_b);
            let order = table_b.score(y).cmp(&table_a.score(x));
            if order.is_ne() {
                return order;
            }
        }
        instance_number(&self[a].id).cmp(&instance_number(&self[b].id))
    }

    pub(crate) fn assign_instances(
        &mut self,
        collective: RscId,
        instances: &[RscId],
        max: i64,
        per_node: i64,
    ) {
        let mut usable: i64 = 0;
        let nodes: Vec<NodeId> = self[collective].allowed.iter().map(|(node, _)| node).collect();
        for node in nodes {
            if self.node_available(node, None, false) {
                usable += 1;
            }
            if let Some(entry) = self[collective].allowed.get_mut(node) {
                entry.count = 0;
            }
        }
        self[collective].instances.roomy = max < usable;
        let optimal = if usable > 0 { (max / usable).max(1) } else { 1 };
        let held = self.hold_instances(instances);
        let mut staying = Staying::default();
        let mut assigned = 0;
        // First those that may stay where they are …
        for instance in instances {
            if assigned + staying.len() >= max {
                break;
            }
            if !self[*instance].provisional {
                continue;
            }
            let Some(node) = self.preferred_place(*instance, optimal) else { continue };
            let left = max - assigned - staying.len();
            let others = (instances, left - 1, &mut staying);
            if self.assign_early(*instance, node, (per_node, &held), others) {
                assigned += 1;
            }
        }
        // … then the others.
        for instance in instances {
            if !self[*instance].provisional {
                continue;
            }
            let chosen = match staying.take(*instance) {
                Some((node, inherited)) => {
                    self.assign_staying(*instance, node, inherited, (per_node, &held), &staying)
                }
                None if assigned + staying.len() >= max => {
                    self.ban(*instance, None, "collective_limit_reached");
                    None
                }
                None => self.assign_instance(*instance, (per_node, &held), &staying),
            };
            assigned += i64::from(chosen.is_some());
        }
        self[collective].instances.allocated = assigned;
    }

    pub(super) fn preferred_place(&self, instance: RscId, optimal: i64) -> Option<NodeId> {
        if self.nodes_of(instance, true).is_empty() || self[instance].failed {
            return None;
        }
        let node = self.current_node(instance)?;
        if !self.node_available(node, None, false) {
            return None;
        }
        match self.top_allowed(instance, node) {
            Some(entry) if entry.count >= optimal => None,
            _ => Some(node),
        }
    }

    fn can_run(&self, instance: RscId, node: NodeId, per_node: i64, held: &Held) -> bool {
        if self[instance].orphan || !self.node_available(node, None, false) {
            return false;
        }
        let allowed = self.top_allowed(instance, node);
        let room = per_node.saturating_sub(self.held_by_others(held, instance, node));
        allowed.is_some_and(|entry| entry.score >= Score::ZERO && entry.count < room)
    }

    fn ban_full_nodes(&mut self, instance: RscId, per_node: i64, held: &Held) {
        let nodes: Vec<NodeId> = self[instance].allowed.iter().map(|(node, _)| node).collect();
        for node in nodes {
            if self.can_run(instance, node, per_node, held) {
                continue;
            }
            let mut family = vec![instance];
            family.extend(self[instance].children.iter().copied());
            for id in family {
                if let Some(entry) = self[id].allowed.get_mut(node) {
                    entry.score = Score::MINUS_INFINITY;
                    let cause = || crate::reason::Cause::Instances;
                    self.reasons.note(id, node, Score::MINUS_INFINITY, cause);
                }
            }
        }
    }

    fn assign_instance(
        &mut self,
        instance: RscId,
        (per_node, held): (i64, &Held),
        staying: &Staying,
    ) -> Option<NodeId> {
        if self[instance].allocating {
            return None;
        }
        self.inherit_from_collective(instance);
        self.ban_full_nodes(instance, per_node, held);
        self.close_filled(instance, staying, per_node);
        let chosen = self.assign(instance, None);
        self.count_instance(instance, chosen);
        chosen
    }

    /// Gives an instance the node that it was found to keep.
    fn assign_staying(
        &mut self,
        instance: RscId,
        node: NodeId,
        inherited: Inherited,
        (per_node, held): (i64, &Held),
        staying: &Staying,
    ) -> Option<NodeId> {
        let (before, marks) = (self.colocations_of(instance), self.marks(instance));
        self.restore_colocations(inherited);
        self.ban_full_nodes(instance, per_node, held);
        self.close_others(instance, node);
        let chosen = self.assign(instance, Some(node));
        if chosen.is_none() && !self[instance].allocating {
            // What was placed meanwhile took it away.
            self.restore_colocations(before);
            self.go_back(&marks);
            return self.assign_instance(instance, (per_node, held), staying);
        }
        self.count_instance(instance, chosen);
        chosen
    }

    fn count_instance(&mut self, instance: RscId, node: Option<NodeId>) {
        let Some(node) = node else { return };
        let above = self[instance].parent.unwrap_or(instance);
        if let Some(entry) = self[above].allowed.get_mut(node) {
            entry.count += 1;
        }
    }

    /// Lets an instance stay where it is, unless somewhere else is better; or finds that it will.
    fn assign_early(
        &mut self,
        instance: RscId,
        node: NodeId,
        (per_node, held): (i64, &Held),
        (instances, left, staying): (&[RscId], i64, &mut Staying),
    ) -> bool {
        if self[instance].allocating {
            return false;
        }
        let colocations = self.colocations_of(instance);
        self.inherit_from_collective(instance);
        if self[instance].allowed.score(node).is_none_or(|score| score < Score::ZERO) {
            return false;
        }
        self.ban_full_nodes(instance, per_node, held);
        let (marks, inherited) = (self.marks(instance), self.colocations_of(instance));
        let closed = self.close_filled(instance, staying, per_node);
        match self.assign(instance, Some(node)) {
            Some(chosen) if chosen == node => {
                self.count_instance(instance, Some(node));
                true
            }
            None if !closed => false,
            // Nowhere, while the places of those who stay are closed: it is asked again with the others.
            chosen => {
                self.unassign(instance);
                self.go_back(&marks);
                self.restore_colocations(inherited.clone());
                let seats = self.seats(instance, instances, staying);
                if let Some(better) = chosen
                    && self.stays_beside(
                        instance,
                        (node, better),
                        (seats, left),
                        (staying, per_node),
                    )
                {
                    staying.add(instance, node, inherited);
                }
                if self[instance].variant == Variant::Group {
                    self.restore_colocations(colocations);
                }
                false
            }
        }
    }

    /// The instances of a collective: of a clone its children, of a bundle its containers.
    pub(crate) fn instance_list(&self, rsc: RscId) -> Vec<RscId> {
        match self[rsc].variant {
            Variant::Bundle => self.containers(rsc),
            _ => self[rsc].children.clone(),
        }
    }
}

/// The number of an instance, from its id.
pub(crate) fn instance_number(id: &str) -> i64 {
    id.rsplit_once(':').and_then(|(_, number)| number.parse().ok()).unwrap_or(-1)
}
