//! Orders become links, and links make actions required, impossible, or shown, until nothing
//! changes any more.

use std::collections::VecDeque;

mod beside;
mod relate;
mod restarts;
mod update;

use crate::action::Rel;
use crate::constraint::{End, OrderSpec};
use crate::task::{Key, Task};
use crate::world::{ActionId, Role, RscId, Variant, World};

use crate::action::Flags;

/// Actions whose links have to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pending: VecDeque<ActionId>,
    waiting: Vec<bool>,
}

impl Queue {
    pub(crate) fn push(&mut self, id: ActionId) {
        if self.waiting.len() <= id.index() {
            self.waiting.resize(id.index() + 1, false);
        }
        if !self.waiting[id.index()] {
            self.waiting[id.index()] = true;
            self.pending.push_back(id);
        }
    }

    fn pop(&mut self) -> Option<ActionId> {
        let id = self.pending.pop_front()?;
        self.waiting[id.index()] = false;
        Some(id)
    }
}

impl World<'_> {
    pub(crate) fn apply_orders(&mut self) {
        for at in 0..self.orders.len() {
            let order = self.orders[at].clone();
            self.apply_order(&order);
        }
        let mut queue = Queue::default();
        for at in (0..self.actions.len()).rev() {
            self.block_dependents(ActionId::new(at), &mut queue);
        }
        self.order_probes();
        for at in (0..self.actions.len()).rev() {
            queue.push(ActionId::new(at));
        }
        self.update_all(&mut queue);
        while self.hold_migrations(&mut queue) | self.block_starts_beside(&mut queue) {
            self.update_all(&mut queue);
        }
        self.drop_invalid_links();
        self.hide_idle_starts();
    }

    /// Follows what each action means for those after it, until nothing changes.
    fn update_all(&mut self, queue: &mut Queue) {
        // Requirements only grow and possibilities only shrink, so this ends by itself; the bound
        // is there because a mistake here must not hang a cluster.
        let mut budget = self.actions.len().saturating_mul(400).saturating_add(100_000);
        while let Some(id) = queue.pop() {
            if budget == 0 {
                self.warnings.push("the orders of actions do not come to rest".into());
                break;
            }
            budget -= 1;
            self.update(id, queue);
            for changed in std::mem::take(&mut self.dirty) {
                queue.push(changed);
                self.push_followers(changed, queue);
            }
        }
    }

    fn apply_order(&mut self, order: &OrderSpec) {
        let firsts = match &order.first {
            End::Action(id) => vec![*id],
            End::Keyed(rsc, key) => {
                let found = self.find_all(*rsc, key);
                if found.is_empty() && order.then_rsc != Some(*rsc) {
                    self.missing_first(*rsc, key).into_iter().collect()
                } else {
                    found
                }
            }
        };
        for first in firsts {
            self.link_after(first, order);
        }
    }

    /// What never has to be done stands in for what nobody has created.
    fn missing_first(&mut self, rsc: RscId, key: &Key) -> Option<ActionId> {
        let role = self.state(rsc, true);
        match key {
            Key::Op(Task::Stop, _) if role == Role::Stopped => None,
            Key::Op(Task::Demote, _) if role == Role::Unpromoted => None,
            _ => Some(self.act(rsc, key.clone(), None, true)),
        }
    }

    fn link_after(&mut self, first: ActionId, order: &OrderSpec) {
        let thens = match &order.then {
            End::Action(id) => vec![*id],
            End::Keyed(rsc, key) => self.find_all(*rsc, key),
        };
        let mut rel = order.rel;
        if self.dangling_stops.contains(&first) && self[first].rsc == order.then_rsc {
            rel.remove(Rel::MAKES_THEN);
        }
        for then in thens {
            self.link(first, then, rel);
        }
    }

    /// What must be with something that cannot start cannot start, either.
    pub(crate) fn block_dependents(&mut self, id: ActionId, queue: &mut Queue) {
        let action = &self[id];
        if action.runnable() || !matches!(action.task, Task::Start | Task::Promote) {
            return;
        }
        let (Some(own), task) = (action.rsc, action.task) else { return };
        let starts = task == Task::Start;
        let mut rsc = self.top_of(own, false);
        if let Some(parent) = self[rsc].parent {
            rsc = parent;
        }
        for child in self[rsc].children.clone() {
            match self.first_task(child, task, None) {
                Some(action) if !self[action].runnable() => {}
                _ => return,
            }
        }
        for coloc in self.with_this(rsc) {
            let coloc = self.coloc(coloc).clone();
            if !coloc.score.is_always() || (!starts && coloc.primary_role != Role::Promoted) {
                continue;
            }
            let blocked =
                if coloc.dependent_role == Role::Promoted { Task::Promote } else { Task::Start };
            self.block_task(coloc.dependent, blocked, own, queue);
        }
    }

    fn block_task(&mut self, rsc: RscId, task: Task, reason: RscId, queue: &mut Queue) {
        for id in self[rsc].actions.clone() {
            if self[id].task == task && self[id].runnable() {
                self[id].flags.remove(Flags::RUNNABLE);
                if self[id].reason.is_none() {
                    self[id].reason = Some(format!("colocation with {}", self[reason].id).into());
                }
                self.block_dependents(id, queue);
                queue.push(id);
                self.push_followers(id, queue);
            }
        }
        for child in self[rsc].children.clone() {
            self.block_task(child, task, reason, queue);
        }
    }

    pub(crate) fn push_followers(&mut self, id: ActionId, queue: &mut Queue) {
        for link in &self[id].after {
            queue.push(self.links[*link].then);
        }
    }

    /// The resource whose container a node is, if the node is a guest.
    pub(crate) fn container_of(&self, node: crate::world::NodeId) -> Option<RscId> {
        self[node].remote.and_then(|remote| self[remote].container)
    }

    /// Which link of a circle is dropped depends on where one begins; the latest goes first.
    fn drop_invalid_links(&mut self) {
        for action in (0..self.actions.len()).rev().map(ActionId::new) {
            for at in self[action].before.clone().into_iter().rev() {
                self.drop_if_invalid(at);
            }
        }
    }

    fn drop_if_invalid(&mut self, at: usize) {
        let link = self.links[at];
        let (first, then) = (&self[link.first], &self[link.then]);
        // Nothing inside a guest can wait for its own container.
        let nested = !link.rel.contains(Rel::PRESERVE)
            && first.rsc.is_some()
            && then.rsc.is_some()
            && first.node.and_then(|node| self.container_of(node)) == then.rsc;
        let circular = link.rel == Rel::LOAD
            && then.rsc.is_some()
            && then.task == Task::MigrateTo
            && self.leads_to(link.then, at);
        if nested || circular {
            self.links[at].rel = Rel::empty();
        }
    }

    /// Whether the first of a link waits for `target`, over links that would be in the graph.
    fn leads_to(&mut self, target: ActionId, link: usize) -> bool {
        self.epoch += 1;
        let mark = self.epoch;
        let mut pending = vec![link];
        while let Some(at) = pending.pop() {
            let (first, then) = (self.links[at].first, self.links[at].then);
            if self[first].mark == mark || !self.input_counts(then, at) {
                continue;
            }
            if first == target {
                return true;
            }
            self[first].mark = mark;
            pending.extend(self[first].before.iter().copied());
        }
        false
    }

    pub(crate) fn is_collective(&self, rsc: RscId) -> bool {
        self[rsc].variant >= Variant::Clone
    }
}
