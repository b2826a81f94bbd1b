//! What changed in the configuration since things were started: what must restart, reload, be
//! monitored anew, cancelled or cleaned up.

use cib::model::{History, OpRecord};

use crate::action::{Flags, Rel};
use crate::digest::Change;
use crate::history::{active_span, in_order, strip_instance};
use crate::task::{Key, Task};
use crate::world::{NodeId, RscId, Variant, World};

impl<'c> World<'c> {
    pub(crate) fn handle_changes(&mut self) {
        let cib = self.cib;
        for node in self.node_order.clone() {
            if !(self[node].maintenance || self.node_available(node, None, false)) {
                continue;
            }
            let Some(index) = self[node].state else { continue };
            for (at, history) in cib.node_states[index].history.iter().enumerate() {
                if history.operations.is_empty() {
                    continue;
                }
                for rsc in self.resources_of_history(&history.id) {
                    self.check_history(rsc, node, index, at, history);
                }
            }
        }
    }

    fn resources_of_history(&self, id: &str) -> Vec<RscId> {
        let mut all: Vec<RscId> = self.find_resource(id).into_iter().collect();
        if all.iter().any(|rsc| self[*rsc].variant == Variant::Primitive && self[*rsc].unique) {
            return all;
        }
        // Anonymous instances go by several names.
        let base = strip_instance(id);
        let zero = self.find_resource(&format!("{base}:0"));
        if let Some(zero) = zero {
            let top = self.top_of(zero, true);
            for rsc in self.leaves(top) {
                let it = &self[rsc];
                let by_history = it.history_id.as_deref() == Some(id);
                if (by_history || (*it.id == *id)) && !all.contains(&rsc) {
                    all.push(rsc);
                }
            }
        }
        all
    }

    fn check_history(
        &mut self,
        rsc: RscId,
        node: NodeId,
        state: usize,
        at: usize,
        history: &'c History,
    ) {
        if self[rsc].variant != Variant::Primitive {
            return;
        }
        if self[rsc].orphan {
            let top = self.top_of(rsc, false);
            let anonymous = self[top].variant == Variant::Clone && !self[top].unique;
            if !anonymous {
                self.clean_up(rsc, node, false);
            }
            return;
        }
        let changed = history.class != self[rsc].class
            || history.provider != self[rsc].provider
            || history.agent != self[rsc].agent;
        if !self[rsc].running_on.contains(&node) {
            if changed {
                self.clean_up(rsc, node, false);
            }
            return;
        }
        if changed {
            self.act(rsc, Key::STOP, Some(node), false);
            self.clean_up(rsc, node, false);
        }
        let ops = in_order(&history.operations);
        let records: Vec<&OpRecord> = ops.iter().map(|(_, op)| *op).collect();
        let (start, stop) = active_span(&records);
        let first = start.map_or(0, |at| at);
        if stop.is_some_and(|stop| start.is_none_or(|start| start < stop)) {
            return;
        }
        for (index, op) in ops.into_iter().skip(first) {
            let maintained = self[rsc].maintenance || self[node].maintenance;
            if op.interval > 0 && maintained {
                self.cancel(rsc, node, op, true);
            } else if op.interval > 0
                || matches!(&*op.operation, "monitor" | "start" | "promote" | "migrate_from")
            {
                if self.needs_replaced_address(rsc) {
                    self.param_checks.push(crate::world::ParamCheck {
                        resource: rsc,
                        node,
                        state,
                        history: at,
                        op: index,
                        active: true,
                    });
                } else if self.check_op(rsc, node, op, (state, at, index))
                    && self.fail_count(rsc, node, true, false, None).0 > 0
                {
                    self.clear_fail_count(rsc, node);
                }
            }
        }
    }

    /// Checks one record; whether its definition changed.
    pub(crate) fn check_op(
        &mut self,
        rsc: RscId,
        node: NodeId,
        op: &OpRecord,
        place: (usize, usize, usize),
    ) -> bool {
        if op.interval > 0 && self.configured_op(rsc, &op.operation, op.interval).is_none() {
            if self.options.stop_orphan_actions {
                self.cancel(rsc, node, op, true);
            }
            return true;
        }
        let mut task = Task::parse(&op.operation).unwrap_or(Task::Monitor);
        if op.interval == 0 && matches!(task, Task::Monitor | Task::MigrateFrom | Task::Promote) {
            task = Task::Start;
        }
        let expired = self.expired_monitors.contains(&(rsc, node, place.0, place.1, place.2));
        match self.compare(rsc, node, op, task, expired) {
            Change::Same | Change::PrivateOnly => false,
            Change::Restart => {
                self.force_restart(rsc, task, op.interval);
                self.unfence_again(rsc, node);
                true
            }
            Change::Unknown | Change::Reloadable => {
                if op.interval > 0 {
                    self.reschedule(rsc, node, task, op.interval);
                } else if op.restart_digest.is_some() {
                    self.unfence_again(rsc, node);
                    self.schedule_reload(rsc, node);
                } else {
                    self.force_restart(rsc, task, op.interval);
                    self.unfence_again(rsc, node);
                }
                true
            }
        }
    }

    fn force_restart(&mut self, rsc: RscId, task: Task, interval: i64) {
        let id = self.act(rsc, Key::Op(task, interval), None, false);
        self[id].reason = Some("resource definition change".into());
    }

    fn reschedule(&mut self, rsc: RscId, node: NodeId, task: Task, interval: i64) {
        let id = self.act(rsc, Key::Op(task, interval), Some(node), true);
        self[id].reason = Some("reschedule".into());
        self.wanted_anew.insert(id);
    }

    fn schedule_reload(&mut self, rsc: RscId, node: NodeId) {
        if !self[rsc].managed || self[rsc].failed {
            return;
        }
        if self[rsc].start_pending {
            self.act(rsc, Key::STOP, Some(node), false);
            return;
        }
        self[rsc].reload = true;
        let id = self.act(rsc, Key::op(Task::Reload), Some(node), false);
        self[id].reason = Some("resource definition change".into());
        self.order_action_before(id, rsc, Key::STOP, Rel::ORDERED | Rel::CANCELS_FIRST);
        self.order_action_before(id, rsc, Key::DEMOTE, Rel::ORDERED | Rel::CANCELS_FIRST);
    }

    /// Cancels a recurring operation.
    pub(crate) fn cancel(&mut self, rsc: RscId, node: NodeId, op: &OpRecord, ordered_first: bool) {
        let task = Task::parse(&op.operation).unwrap_or(Task::Monitor);
        let id = self.cancel_action(rsc, node, task, op.interval);
        if ordered_first {
            self.order_action_after(rsc, Key::STOP, id, Rel::ORDERED);
        }
        if op.call_id >= 0 {
            self[id].extra().meta.push(("call_id".into(), op.call_id.to_string().into()));
        }
    }

    /// The cancellation of a recurring operation.
    pub(crate) fn cancel_action(
        &mut self,
        rsc: RscId,
        node: NodeId,
        task: Task,
        interval: i64,
    ) -> crate::world::ActionId {
        // Its key is that of what it cancels, so it is told from it by its name.
        let key =
            Key::Named(format!("cancel:{}", Key::Op(task, interval).render(&self[rsc].id)).into());
        let id = self.act(rsc, key, Some(node), false);
        self[id].task = Task::Cancel;
        self[id].flags.remove(Flags::OPTIONAL);
        self[id].extra().cancels = Some((task, interval));
        id
    }

    /// Removes a resource's history from a node (and the node's executor).
    pub(crate) fn clean_up(&mut self, rsc: RscId, node: NodeId, optional: bool) {
        let at = &self[node];
        if self[rsc].failed || !at.online || at.unclean {
            return;
        }
        let id = self.act(rsc, Key::op(Task::Delete), Some(node), optional);
        let stop_first = if optional { Rel::MAKES_THEN } else { Rel::ORDERED };
        self.order_action_after(rsc, Key::STOP, id, stop_first);
        let start_then = if optional { Rel::MAKES_THEN } else { Rel::ORDERED };
        self.order_action_before(id, rsc, Key::START, start_then);
    }

    /// If a fence device's definition changed, what it unfences has to be unfenced anew.
    fn unfence_again(&mut self, rsc: RscId, node: NodeId) {
        if !self.options.unfencing || !self[rsc].fence_device {
            return;
        }
        let at = &self[node];
        if at.online && !at.unclean && !at.shutdown {
            let id = self.fence_op(node, Some("on"), false, "Device parameters changed", false);
            self[id].reason = Some("Device parameters changed".into());
        }
    }
}
