//! Histories: what was done with each resource on each node, replayed in order.
//!
//! The outcome of the replay is the state everything starts from: where each resource is active,
//! in which role, and what has failed.

use cib::Score;
use cib::model::{History, Kind, NodeState, OpRecord, Resource, Text};
use std::cmp::Ordering;
use std::sync::Arc;

use crate::action::{Flags, OnFail};
use crate::sorting::merge_sorted;
use crate::task::{Key, Task};
use crate::world::{Conf, FailedOp, NodeId, NodeKind, Role, RscId, Variant, World};

mod failure;
mod migration;
mod outcome;

pub(crate) use outcome::Record;

/// Splits `name:3` into its parts.
pub(crate) fn strip_instance(id: &str) -> &str {
    match id.rsplit_once(':') {
        Some((base, number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            base
        }
        _ => id,
    }
}

/// The later of two records of one node.
pub(crate) fn later(a: &OpRecord, b: &OpRecord) -> Ordering {
    if a.id == b.id {
        return Ordering::Equal;
    }
    if a.call_id >= 0 && b.call_id >= 0 {
        if a.call_id != b.call_id {
            return a.call_id.cmp(&b.call_id);
        }
        // One operation recorded twice: its last failure and itself.
        return match (a.last_rc_change, b.last_rc_change) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => Ordering::Equal,
        };
    }
    if a.call_id < 0 && b.call_id < 0 {
        return Ordering::Equal;
    }
    let (Some(a_key), Some(b_key)) = (&a.key, &b.key) else {
        return Ordering::Equal;
    };
    if a_key.uuid != b_key.uuid || a_key.transition == b_key.transition {
        // A pending action is the later one, unless its result is there already.
        return if b.call_id < 0 {
            if a_key.uuid == b_key.uuid && a_key.action == b_key.action {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        } else if a_key.uuid == b_key.uuid && a_key.action == b_key.action {
            Ordering::Less
        } else {
            Ordering::Greater
        };
    }
    a_key.transition.cmp(&b_key.transition)
}

/// The records that tell a state, oldest first, with their places.
pub(crate) fn in_order(records: &[OpRecord]) -> Vec<(usize, &OpRecord)> {
    let told = records.iter().enumerate().filter(|(_, op)| &*op.operation != "notify");
    merge_sorted(told.collect(), &|a: &(usize, &OpRecord), b| later(a.1, b.1))
}

/// Positions of the last start and stop among records in order.
pub(crate) fn active_span(ops: &[&OpRecord]) -> (Option<usize>, Option<usize>) {
    let (mut start, mut stop) = (None, None);
    let (mut implied_monitor, mut implied_start) = (None, None);
    for (at, op) in ops.iter().enumerate() {
        match &*op.operation {
            "stop" if op.status == Some(0) => stop = Some(at),
            "start" | "migrate_from" => start = Some(at),
            // The first that found it after it was stopped last.
            "monitor"
                if implied_monitor
                    .is_none_or(|implied| stop.is_some_and(|stop| implied <= stop))
                    && (op.rc == Some(0) || op.rc == Some(8)) =>
            {
                implied_monitor = Some(at);
            }
            "promote" | "demote" => implied_start = Some(at),
            _ => {}
        }
    }
    if start.is_none() {
        start = implied_start.or(implied_monitor);
    }
    (start, stop)
}

impl<'c> World<'c> {
    pub(crate) fn read_history(&mut self, node: NodeId, index: usize, state: &'c NodeState) {
        for (at, history) in state.history.iter().enumerate() {
            self.read_resource_history(node, index, at, history);
        }
    }

    fn read_resource_history(
        &mut self,
        node: NodeId,
        state: usize,
        at: usize,
        history: &'c History,
    ) {
        let lock = history.shutdown_lock.filter(|_| self.options.shutdown_lock);
        if history.operations.is_empty() && lock.is_none() {
            return;
        }
        let ops = in_order(&history.operations);
        let found = self.resource_of_history(node, &history.id);
        let rsc = match found {
            Some(rsc) => rsc,
            None if history.operations.is_empty() => return,
            None => match self.orphan(node, history) {
                Some(rsc) => rsc,
                None => return,
            },
        };
        if let Some(time) = lock {
            self.take_lock(rsc, node, time);
        }
        let (saved, mut on_fail) = (self[rsc].role, OnFail::Ignore);
        self[rsc].role = Role::Unknown;
        let mut last_failure: Option<usize> = None;
        for (index, op) in &ops {
            let record = Record { rsc, node, op, state, history: at, index: *index };
            self.replay(&record, &mut last_failure, &mut on_fail, history);
        }
        self.remember_monitors(rsc, node, &ops);
        self.conclude(rsc, node, on_fail);
        if let Some(wanted) = self.target_role(rsc)
            && (self[rsc].next_role == Role::Unknown || wanted < self[rsc].next_role)
        {
            self[rsc].next_role = wanted;
        }
        if saved > self[rsc].role {
            self[rsc].role = saved;
        }
    }

    /// Notes which recurring operations are active.
    fn remember_monitors(&mut self, rsc: RscId, node: NodeId, ops: &[(usize, &OpRecord)]) {
        if !self[node].online {
            return;
        }
        let records: Vec<&OpRecord> = ops.iter().map(|(_, op)| *op).collect();
        let (start, stop) = active_span(&records);
        for (at, op) in records.iter().enumerate() {
            let before_stop =
                stop.is_some_and(|stop| start.is_none_or(|start| start < stop) && at <= stop);
            let before_start = start.is_some_and(|start| at < start);
            if before_stop || before_start || op.interval <= 0 || op.status == Some(-1) {
                continue;
            }
            if let Some(task) = Task::parse(&op.operation) {
                self.act(rsc, Key::Op(task, op.interval), Some(node), true);
            }
        }
    }

    fn take_lock(&mut self, rsc: RscId, node: NodeId, time: i64) {
        let limit = self.options.shutdown_lock_limit;
        if limit > 0 && self.now.0 > time + limit {
            // The lock has run out: its history may go.
            let id = self.act(rsc, Key::op(Task::LrmDelete), Some(node), false);
            self[id].flags.insert(Flags::ON_DC | Flags::RUNNABLE);
        } else {
            self[rsc].lock_node = Some(node);
            self[rsc].lock_time = time;
        }
    }

    /// The instance a history belongs to.
    fn resource_of_history(&mut self, node: NodeId, id: &str) -> Option<RscId> {
        let mut rsc = self.find_resource(id);
        if rsc.is_none() {
            let zero = format!("{}:0", strip_instance(id));
            rsc = self.find_resource(&zero).filter(|rsc| !self[*rsc].unique);
        }
        let found = rsc?;
        if self[found].variant != Variant::Primitive {
            return None;
        }
        let parent = self.top_of(found, false);
        let anonymous = self[parent].variant == Variant::Clone && !self[parent].unique;
        let result = if !anonymous {
            Some(found)
        } else if self[parent].parent.is_some_and(|above| self[above].variant == Variant::Bundle) {
            let bundle = self[parent].parent?;
            self.bundle_child_on(bundle, node)
        } else {
            self.anonymous_instance(node, parent, strip_instance(id))
        };
        if let Some(rsc) = result
            && &*self[rsc].id != id
            && self[rsc].history_id.as_deref() != Some(id)
        {
            self[rsc].history_id = Some(id.into());
        }
        result
    }

    /// The part of an instance that comes from a configured id.
    fn part_of(&self, instance: RscId, base: &str) -> Option<RscId> {
        self.family(instance).into_iter().find(|id| &*self[*id].base == base)
    }

    fn anonymous_instance(&mut self, node: NodeId, clone: RscId, base: &str) -> Option<RscId> {
        let (mut found, mut idle, mut skip_idle) = (None, None, false);
        for child in self[clone].children.clone() {
            // Where something is under way with one part of an instance, all of it is.
            let parts = self.leaves(child).into_iter();
            let first = parts
                .filter_map(|part| {
                    self[part].running_on.first().copied().or(self[part].pending_node)
                })
                .next();
            if let Some(first) = first {
                if first == node {
                    let part = self.part_of(child, base);
                    match part {
                        Some(part) if !self[part].running_on.is_empty() => skip_idle = true,
                        Some(part) => {
                            found = Some(part);
                            break;
                        }
                        None => {}
                    }
                }
            } else if !skip_idle && idle.is_none() && !self[child].blocked {
                idle = self.part_of(child, base);
            }
        }
        let mut rsc = found.or(if skip_idle { None } else { idle });
        if let Some(it) = rsc {
            let lost = !self[node].online || self[node].unclean;
            if !self[it].needs_fencing && lost && !self.is_guest(node) {
                let universal = self[clone].instances.max
                    >= i64::try_from(self.cib.nodes.len()).unwrap_or(i64::MAX)
                    && self[clone].instances.node_max <= 1;
                if !universal {
                    rsc = None;
                }
            }
        }
        if rsc.is_none() {
            let extra = self.add_instance(clone)?;
            for id in self.family(extra) {
                self[id].orphan = true;
            }
            rsc = self.part_of(extra, base);
        }
        rsc
    }

    fn orphan(&mut self, node: NodeId, history: &History) -> Option<RscId> {
        let resource = Resource {
            id: history.id.clone(),
            kind: Kind::Primitive {
                class: history.class.clone(),
                provider: history.provider.clone(),
                agent: history.agent.clone(),
            },
            meta: cib::model::AttrSets::default(),
            parameters: cib::model::AttrSets::default(),
            utilization: cib::model::AttrSets::default(),
            operations: Vec::new(),
        };
        if self.by_id.contains_key(&history.id) {
            return None;
        }
        let rsc = self.add_resource(Conf::MadeUp(Arc::new(resource)), None, None)?;
        self.top.push(rsc);
        self[rsc].orphan = true;
        if history.container.is_some() {
            self[rsc].orphan_container_filler = true;
        }
        if self[rsc].is_remote_connection {
            let name = self[rsc].id.clone();
            let remote = match self.node_named(&name) {
                Some(remote) => remote,
                None => self.connection_node(&name, NodeKind::Remote),
            };
            self.connect(rsc, remote);
            self[remote].shutdown = true;
            self.have_remote_nodes = true;
        }
        if !self.options.stop_orphans {
            self[rsc].managed = false;
        } else {
            // It may be stopped, but started nowhere.
            self.ban(rsc, None, "__orphan_do_not_run__");
        }
        let _ = node;
        Some(rsc)
    }

    /// Ends guests whose orphaned remains name the container they are in.
    pub(crate) fn hook_guests(&mut self) {
        let cib = self.cib;
        for state in &cib.node_states {
            for history in &state.history {
                let Some(container) = &history.container else { continue };
                let (Some(rsc), Some(host)) =
                    (self.find_resource(&history.id), self.find_resource(container))
                else {
                    continue;
                };
                if self[rsc].orphan_container_filler && self[rsc].container.is_none() {
                    self[rsc].container = Some(host);
                    self[host].fillers.push(rsc);
                    if self[rsc].is_remote_connection {
                        let guest = self.connection_node(&history.id, NodeKind::Guest);
                        self.connect(rsc, guest);
                    }
                }
            }
        }
    }

    /// Forbids a resource and its parts a node, or all nodes.
    pub(crate) fn ban(&mut self, rsc: RscId, node: Option<NodeId>, why: &str) {
        self.prefer(rsc, node, Score::MINUS_INFINITY, why);
    }

    /// Adds a score to a resource and its parts on a node, or on all nodes.
    pub(crate) fn prefer(&mut self, rsc: RscId, node: Option<NodeId>, score: Score, why: &str) {
        for id in self.family(rsc) {
            let nodes = match node {
                Some(node) => vec![node],
                None => self.node_order.clone(),
            };
            for node in nodes {
                match self[id].allowed.get_mut(node) {
                    Some(entry) => entry.score = entry.score + score,
                    None => {
                        let entry = crate::world::Allowed {
                            score: self[node].score + score,
                            discovery: self[node].discovery_mode,
                            count: 0,
                            spared: false,
                        };
                        self[id].allowed.insert(node, entry);
                    }
                }
                self.reasons.note(id, node, score, || {
                    if why == "stickiness" {
                        crate::reason::Cause::Stickiness
                    } else if why == "__fail_limit__" {
                        crate::reason::Cause::Failures
                    } else if why == "__limit_utilization__" {
                        crate::reason::Cause::Capacity
                    } else {
                        crate::reason::Cause::Other(Text::from(why))
                    }
                });
            }
        }
    }

    /// Forbids a resource all nodes it was allowed.
    pub(crate) fn ban_everywhere(&mut self, rsc: RscId) {
        let mut target = rsc;
        if let Some(parent) = self[rsc].parent {
            let top = self.top_of(rsc, false);
            if self[top].variant == Variant::Clone && !self[top].unique {
                target = top;
            }
            let _ = parent;
        }
        for id in self.family(target) {
            for (_, entry) in self[id].allowed.iter_mut() {
                entry.score = Score::MINUS_INFINITY;
            }
        }
    }

    pub(crate) fn note_failure(&mut self, record: &Record<'_>) {
        let known = self.failed_ops.iter().any(|failed| {
            failed.resource == record.rsc && failed.node == record.node && {
                let cib = self.cib;
                let other =
                    &cib.node_states[failed.state].history[failed.history].operations[failed.op];
                other.operation == record.op.operation && other.interval == record.op.interval
            }
        });
        if !known {
            self.failed_ops.push(FailedOp {
                resource: record.rsc,
                node: record.node,
                state: record.state,
                history: record.history,
                op: record.index,
            });
        }
    }

    /// Says that a resource is active on a node, and sees what that means if it is on others, too.
    pub(crate) fn add_running(&mut self, rsc: RscId, node: NodeId, failed: bool) {
        if self[rsc].running_on.contains(&node) {
            return;
        }
        self[rsc].running_on.push(node);
        if self[rsc].variant == Variant::Primitive {
            self[node].running.push(rsc);
            if self[node].maintenance {
                self[rsc].managed = false;
                self[rsc].maintenance = true;
            }
            let points = self[rsc].priority.max(0);
            self.count_priority(rsc, node, points, failed);
        }
        if !self[rsc].managed {
            self.prefer(rsc, Some(node), Score::INFINITY, "not_managed_default");
            let mut parent = self[rsc].parent;
            while let Some(above) = parent {
                if !self[node].online {
                    break;
                }
                if !self[above].running_on.contains(&node) {
                    self[above].running_on.push(node);
                }
                parent = self[above].parent;
            }
            return;
        }
        if self[rsc].variant == Variant::Primitive && self[rsc].running_on.len() > 1 {
            use crate::world::MultipleActive;
            match self[rsc].multiple_active {
                MultipleActive::StopOnly => {
                    for (_, entry) in self[rsc].allowed.iter_mut() {
                        entry.score = Score::MINUS_INFINITY;
                    }
                }
                MultipleActive::Block => {
                    self[rsc].managed = false;
                    self[rsc].blocked = true;
                    if let Some(parent) = self[rsc].parent {
                        let together =
                            matches!(self[parent].variant, Variant::Group | Variant::Bundle);
                        if together && self[parent].multiple_active == MultipleActive::Block {
                            for child in self[parent].children.clone() {
                                self[child].managed = false;
                                self[child].blocked = true;
                            }
                        }
                    }
                }
                MultipleActive::StopStart | MultipleActive::StopUnexpected => {}
            }
        }
        if let Some(parent) = self[rsc].parent {
            self.add_running(parent, node, false);
        }
    }

    fn count_priority(&mut self, rsc: RscId, node: NodeId, points: i64, failed: bool) {
        if self.options.priority_fencing_delay <= 0 || points == 0 || failed {
            return;
        }
        // A promoted instance counts a little more than one that is not.
        let points = if self[rsc].role == Role::Promoted { points + 1 } else { points };
        self[node].priority += points;
        if self.is_guest(node) {
            let host = self[node].remote.and_then(|remote| self[remote].container);
            let hosts = host.map(|host| self[host].running_on.clone()).unwrap_or_default();
            for host in hosts {
                self[host].priority += points;
            }
        }
    }
}
