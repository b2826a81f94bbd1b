//! Migrations that are under way, broken off, or half cleaned up.

use cib::model::{History, OpRecord, Text};

use super::{Record, later};
use crate::world::{NodeId, Role, RscId, World};

impl<'c> World<'c> {
    fn history_on(&self, rsc: RscId, node: &str) -> Option<&'c History> {
        let cib = self.cib;
        let state = cib.node_states.iter().find(|state| state.name.eq_ignore_ascii_case(node))?;
        state.history.iter().find(|history| history.id == self[rsc].id)
    }

    /// Whether one record is newer than another, which may be of another node.
    fn newer(a: &OpRecord, b: &OpRecord, one_node: bool) -> bool {
        let one_node = match (&a.on_node, &b.on_node) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            _ => one_node,
        };
        if one_node || a.call_id < 0 || b.call_id < 0 {
            return later(a, b).is_gt();
        }
        match (a.last_rc_change, b.last_rc_change) {
            (Some(a), Some(b)) => a > b,
            // When something happened is not always known.
            _ => false,
        }
    }

    fn acted_after(&self, rsc: RscId, node: &str, than: &OpRecord, one_node: bool) -> bool {
        let history = self.history_on(rsc, node);
        history.into_iter().flat_map(|history| &history.operations).any(|op| {
            !std::ptr::eq(op, than)
                && matches!(&*op.operation, "start" | "stop" | "migrate_to" | "migrate_from")
                && Self::newer(op, than, one_node)
        })
    }

    fn found_stopped_after(&self, rsc: RscId, node: &str, than: &OpRecord, one_node: bool) -> bool {
        let history = self.history_on(rsc, node);
        history.into_iter().flat_map(|history| &history.operations).any(|op| {
            &*op.operation == "monitor"
                && op.rc == Some(7)
                && op.status == Some(0)
                && Self::newer(op, than, one_node)
        })
    }

    fn newer_state(
        &self,
        rsc: RscId,
        node: &str,
        to: Option<&OpRecord>,
        from: Option<&OpRecord>,
    ) -> bool {
        let Some(mut than) = from.or(to) else { return false };
        let source = than.migrate_source.clone().unwrap_or_default();
        let mut recorded_at_target = from.is_some();
        if let (Some(to), Some(_)) = (to, from) {
            if source.eq_ignore_ascii_case(node) {
                than = to;
                recorded_at_target = false;
            }
        }
        let target = than.migrate_target.clone().unwrap_or_default();
        let one_node = if recorded_at_target {
            target.eq_ignore_ascii_case(node)
        } else {
            source.eq_ignore_ascii_case(node)
        };
        self.acted_after(rsc, node, than, one_node)
            || self.found_stopped_after(rsc, node, than, one_node)
    }

    fn unknown_on(&self, rsc: RscId, node: &str) -> bool {
        let history = self.history_on(rsc, node);
        !history.into_iter().flat_map(|history| &history.operations).any(|op| op.rc != Some(193))
    }

    fn find_op(
        &self,
        rsc: RscId,
        task: &str,
        node: &str,
        peer: &str,
        succeeded: bool,
    ) -> Option<&'c OpRecord> {
        let mut ops = self.history_on(rsc, node)?.operations.iter();
        let op = ops.find(|op| {
            let end = if task == "migrate_to" { &op.migrate_target } else { &op.migrate_source };
            &*op.operation == task && end.as_deref().is_some_and(|end| end == peer)
        })?;
        (!succeeded || (op.rc == Some(0) && op.status == Some(0))).then_some(op)
    }

    fn ends(op: &OpRecord) -> Option<(Text, Text)> {
        Some((op.migrate_source.clone()?, op.migrate_target.clone()?))
    }

    pub(super) fn migrated_away(&mut self, record: &Record<'c>) {
        let rsc = record.rsc;
        let Some((source, target)) = Self::ends(record.op) else { return };
        let source_newer = self.acted_after(rsc, &source, record.op, true);
        let from = self.find_op(rsc, "migrate_from", &target, &source, false);
        if from.is_some() && source_newer {
            return;
        }
        let target_newer = self.newer_state(rsc, &target, Some(record.op), from);
        if source_newer && target_newer {
            return;
        }
        let from_pending = from.is_none_or(|op| op.status == Some(-1));
        if from.is_some_and(|op| op.rc == Some(0) && op.status == Some(0)) {
            // It arrived, but was not stopped where it came from.
            self[rsc].role = Role::Stopped;
            self[rsc].dangling.push(record.node);
            return;
        }
        self[rsc].role = Role::Started;
        let target_node = self.node_named(&target);
        let online = target_node.filter(|node| self[*node].online);
        let active_there = online.filter(|_| !target_newer);
        if !from_pending {
            match active_there {
                Some(node) => self.add_running(rsc, node, true),
                None => self.cannot_migrate(rsc),
            }
            return;
        }
        if online.is_some() && self.unknown_on(rsc, &target) {
            return;
        }
        match active_there {
            Some(node) => {
                self.add_running(rsc, node, false);
                let source_node = self.node_named(&source).filter(|node| self[*node].online);
                if source_node.is_some() {
                    self[rsc].partial_target = Some(node);
                    self[rsc].partial_source = source_node;
                }
            }
            None if !source_newer => self.cannot_migrate(rsc),
            None => {}
        }
    }

    fn cannot_migrate(&mut self, rsc: RscId) {
        self[rsc].failed = true;
        self[rsc].stop_requested = true;
        self[rsc].allow_migrate = false;
    }

    pub(super) fn migrate_to_failed(&mut self, record: &Record<'c>) {
        let rsc = record.rsc;
        let Some((source, target)) = Self::ends(record.op) else { return };
        self[rsc].role = Role::Started;
        let from = self.find_op(rsc, "migrate_from", &target, &source, true);
        if !self.unknown_on(rsc, &target) && !self.newer_state(rsc, &target, Some(record.op), from)
        {
            self.run_if_online(rsc, &target, false);
        } else if !self.acted_after(rsc, &source, record.op, true) {
            self[rsc].dangling.push(record.node);
        }
    }

    pub(super) fn migrate_from_failed(&mut self, record: &Record<'c>) {
        let rsc = record.rsc;
        let Some((source, target)) = Self::ends(record.op) else { return };
        self[rsc].role = Role::Started;
        let to = self.find_op(rsc, "migrate_to", &source, &target, true);
        if !self.unknown_on(rsc, &source) && !self.newer_state(rsc, &source, to, Some(record.op)) {
            self.run_if_online(rsc, &source, true);
        }
    }

    fn run_if_online(&mut self, rsc: RscId, name: &str, failed: bool) {
        let node: Option<NodeId> = self.node_named(name).filter(|node| self[*node].online);
        if let Some(node) = node {
            self.add_running(rsc, node, failed);
        }
    }
}
