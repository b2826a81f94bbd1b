//! Capacity: what nodes have left, and what resources (with those they pull along) need.

use std::cmp::Ordering;
use std::collections::HashMap;

use cib::model::Text;

use crate::action::Rel;
use crate::options::Strategy;
use crate::task::{Key, Task};
use crate::world::{ActionId, NodeId, RscId, Variant, World};

impl World<'_> {
    pub(super) fn consume(&mut self, node: NodeId, rsc: RscId) {
        let needs = self[rsc].utilization.clone();
        for (name, amount) in needs {
            *self[node].capacity.entry(name).or_insert(0) -= amount;
        }
    }

    pub(super) fn release(&mut self, node: NodeId, rsc: RscId) {
        let needs = self[rsc].utilization.clone();
        for (name, amount) in needs {
            *self[node].capacity.entry(name).or_insert(0) += amount;
        }
    }

    /// The node with more left first.
    pub(super) fn compare_room(&self, a: NodeId, b: NodeId) -> Ordering {
        let (x, y) = (&self[a].capacity, &self[b].capacity);
        let mut result: i64 = 0;
        // As a rule all nodes have the same capacities.
        if x.len() == y.len() && x.keys().eq(y.keys()) {
            for (left, right) in x.values().zip(y.values()) {
                match left.cmp(right) {
                    Ordering::Greater => result -= 1,
                    Ordering::Less => result += 1,
                    Ordering::Equal => {}
                }
            }
            return result.cmp(&0);
        }
        for name in x.keys().chain(y.keys().filter(|name| !x.contains_key(*name))) {
            let (left, right) = (x.get(name).unwrap_or(&0), y.get(name).unwrap_or(&0));
            match left.cmp(right) {
                Ordering::Greater => result -= 1,
                Ordering::Less => result += 1,
                Ordering::Equal => {}
            }
        }
        result.cmp(&0)
    }

    fn room(&self, node: NodeId, needs: &HashMap<Text, i64>) -> bool {
        let capacity = &self[node].capacity;
        needs.iter().all(|(name, amount)| *amount <= capacity.get(name).copied().unwrap_or(0))
    }

    /// A resource and all that mandatory colocation ties to it.
    fn tied(&self, rsc: RscId, origin: RscId, all: &mut Vec<RscId>) {
        if all.contains(&rsc) {
            return;
        }
        all.push(rsc);
        if self[rsc].variant == Variant::Group {
            for child in self[rsc].children.clone() {
                self.tied(child, origin, all);
            }
        }
        for coloc in self.this_with(rsc) {
            let coloc = self.coloc(coloc);
            let primary = coloc.primary;
            if primary == origin || !coloc.score.is_always() {
                continue;
            }
            if self.in_flow(rsc, primary, coloc.dependent_role, coloc.primary_role) {
                self.tied(primary, origin, all);
            }
        }
        for coloc in self.with_this(rsc) {
            let coloc = self.coloc(coloc);
            let dependent = coloc.dependent;
            if dependent == origin || !coloc.score.is_always() {
                continue;
            }
            if !(matches!(self[rsc].variant, Variant::Primitive | Variant::Group)
                || matches!(self[dependent].variant, Variant::Primitive | Variant::Group))
            {
                continue;
            }
            if self.in_flow(dependent, rsc, coloc.dependent_role, coloc.primary_role) {
                self.tied(dependent, origin, all);
            }
        }
    }

    fn in_flow(
        &self,
        dependent: RscId,
        primary: RscId,
        dependent_role: crate::world::Role,
        primary_role: crate::world::Role,
    ) -> bool {
        use crate::world::Role;
        let fits = |rsc: RscId, role: Role| role == Role::Unknown || role == self[rsc].next_role;
        let clones = self[primary].variant >= Variant::Clone;
        !clones && fits(dependent, dependent_role) && fits(primary, primary_role)
    }

    fn add_needs(&self, rsc: RscId, all: &[RscId], needs: &mut HashMap<Text, i64>) {
        if !self[rsc].provisional {
            return;
        }
        let mut add = |id: RscId| {
            for (name, amount) in &self[id].utilization {
                *needs.entry(name.clone()).or_insert(0) += amount;
            }
        };
        match self[rsc].variant {
            Variant::Primitive => add(rsc),
            Variant::Group => {
                for child in &self[rsc].children {
                    if !all.contains(child) && self[*child].provisional {
                        add(*child);
                    }
                }
            }
            Variant::Clone => {
                // One instance goes along; the first stands for it.
                let listed = self[rsc].children.iter().any(|child| {
                    all.contains(child)
                        || self[*child].children.iter().any(|part| all.contains(part))
                });
                if !listed && let Some(first) = self[rsc].children.first() {
                    self.add_needs(*first, all, needs);
                }
            }
            Variant::Bundle => {
                if let Some(container) = self.containers(rsc).first() {
                    add(*container);
                }
            }
        }
    }

    /// Bans nodes without room; the node with most room if none has enough for all.
    pub(super) fn ban_insufficient(&mut self, rsc: RscId) -> Option<NodeId> {
        if self.options.strategy == Strategy::Default {
            return None;
        }
        let mut all = Vec::new();
        self.tied(rsc, rsc, &mut all);
        let mut needs = HashMap::new();
        for id in &all {
            self.add_needs(*id, &all, &mut needs);
        }
        let nodes: Vec<NodeId> = self
            .node_order
            .iter()
            .copied()
            .filter(|node| {
                self[rsc].allowed.score(*node).is_some_and(|score| score >= cib::Score::ZERO)
                    && self.node_available(*node, None, false)
            })
            .collect();
        let mut most: Option<NodeId> = None;
        let mut any = false;
        for node in &nodes {
            any |= self.room(*node, &needs);
            if most.is_none_or(|best| self.compare_room(*node, best).is_lt()) {
                most = Some(*node);
            }
        }
        let own = self[rsc].utilization.clone();
        for node in nodes {
            let fits = if any { self.room(node, &needs) } else { self.room(node, &own) };
            if !fits {
                self.ban(rsc, Some(node), "__limit_utilization__");
            }
        }
        if any { None } else { most }
    }

    fn load_stopped(&mut self, node: NodeId) -> ActionId {
        let name = format!("load_stopped_{}", self[node].name);
        let id = self.cluster_milestone(&name);
        if self[id].node.is_none() {
            self[id].node = Some(node);
            self[id].flags.remove(crate::action::Flags::OPTIONAL);
        }
        id
    }

    /// Room is freed before it is used.
    pub(crate) fn order_by_load(&mut self, rsc: RscId, allowed: &[NodeId]) {
        for node in self[rsc].running_on.clone() {
            let stopped = self.load_stopped(node);
            self.order_action_after(rsc, Key::STOP, stopped, Rel::LOAD);
        }
        for node in allowed {
            let stopped = self.load_stopped(*node);
            self.order_action_before(stopped, rsc, Key::START, Rel::LOAD);
            self.order_action_before(stopped, rsc, Key::op(Task::MigrateTo), Rel::LOAD);
        }
    }
}
