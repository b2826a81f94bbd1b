//! Fail counts: what is left of them, and what they forbid.

use cib::model::{OpRecord, Text};
use cib::value::leading_integer;

use super::{Record, strip_instance};
use crate::action::Flags;
use crate::task::{Key, Task};
use crate::world::{ActionId, NodeId, RscId, Variant, World};

impl World<'_> {
    /// How often a resource has failed on a node, and when last. `effective` leaves out what has
    /// expired.
    pub(crate) fn fail_count(
        &mut self,
        rsc: RscId,
        node: NodeId,
        effective: bool,
        with_fillers: bool,
        op: Option<&OpRecord>,
    ) -> (i64, i64) {
        if self[node].attrs.len() < 4 && self[rsc].fillers.is_empty() {
            return (0, 0);
        }
        let name = self[rsc].history_id.clone().unwrap_or_else(|| self[rsc].id.clone());
        let name: Text = if self[rsc].unique { name } else { strip_instance(&name).into() };
        let unique = self[rsc].unique;
        let (mut count, mut last): (i64, i64) = (0, 0);
        for (attribute, value) in &self[node].attrs {
            let (counts, rest) = if let Some(rest) = attribute.strip_prefix("fail-count-") {
                (true, rest)
            } else if let Some(rest) = attribute.strip_prefix("last-failure-") {
                (false, rest)
            } else {
                continue;
            };
            let whose = rest.split('#').next().unwrap_or_default();
            if whose != &*name && (unique || strip_instance(whose) != &*name) {
                continue;
            }
            if counts {
                let number = cib::Score::parse(value).map_or(0, |score| i64::from(score.get()));
                count = (count + number).min(1_000_000);
            } else {
                last = last.max(leading_integer(value).unwrap_or(0));
            }
        }
        if count > 0 && self[rsc].failure_timeout > 0 && self.blocks_on_failure(rsc, node, op) {
            self[rsc].failure_timeout = 0;
        }
        let timeout = self[rsc].failure_timeout;
        if effective && count > 0 && last > 0 && timeout > 0 && self.now.0 > last + timeout {
            count = 0;
        }
        if with_fillers && !self[rsc].fillers.is_empty() && !self.in_bundle(rsc) {
            for filler in self[rsc].fillers.clone() {
                let (more, when) = self.fail_count(filler, node, effective, false, None);
                if more > 0 {
                    count = (count + more).min(1_000_000);
                    last = last.max(when);
                }
            }
        }
        (count, if count > 0 { last } else { 0 })
    }

    /// Whether a failure of it blocks it, so that it must not expire.
    fn blocks_on_failure(&self, rsc: RscId, node: NodeId, op: Option<&OpRecord>) -> bool {
        let base = strip_instance(&self[rsc].id).to_owned();
        let cib = self.cib;
        let blocking = self[rsc].conf.operations.iter();
        let mut blocking =
            blocking.filter(|op| op.get("on-fail").is_some_and(|word| &**word == "block"));
        let matches = |configured: &cib::model::Operation, op: &OpRecord| {
            let interval = configured.interval.unwrap_or(0);
            let same = configured.name == op.operation && interval == op.interval;
            let expected = op.key.as_ref().map_or(-1, |key| key.target_rc);
            same && (op.id.ends_with("_last_failure_0")
                || (op.rc != Some(expected) && op.status != Some(-1)))
        };
        blocking.any(|configured| match op {
            Some(op) => matches(configured, op),
            None => {
                let state = self[node].state.map(|at| &cib.node_states[at]);
                let histories = state.into_iter().flat_map(|state| &state.history);
                let own = histories.filter(|history| *history.id == *base);
                own.flat_map(|history| &history.operations).any(|op| matches(configured, op))
            }
        })
    }

    /// Whether a record's failure has expired; plans the clearing of fail counts that have.
    pub(super) fn expired(&mut self, record: &Record<'_>) -> bool {
        let (rsc, node, op) = (record.rsc, record.node, record.op);
        if op.status == Some(7) {
            return false;
        }
        let last_failure = op.id.ends_with("_last_failure_0");
        let timeout = self[rsc].failure_timeout;
        let (mut expired, mut unexpired) = (false, 0);
        let mut clear = false;
        if let (true, Some(when)) = (timeout > 0, op.last_rc_change) {
            let wait = self[rsc].reconnect != 0 && self.options.fencing && op.interval != 0 && {
                let name = self[rsc].id.clone();
                let remote = self.node_named(&name);
                &*op.operation == "monitor"
                    && remote.is_some_and(|remote| !self[remote].remote_was_fenced)
            };
            expired = self.now.0 >= when + timeout && !wait;
            unexpired = self.fail_count(rsc, node, true, false, Some(op)).0;
        }
        if expired {
            if self.fail_count(rsc, node, false, false, Some(op)).0 > 0 {
                if unexpired == 0 {
                    clear = true;
                } else {
                    expired = false;
                }
            } else if last_failure && self[rsc].reconnect != 0 {
                clear = true;
            }
        }
        if !expired && last_failure && matches!(&*op.operation, "start" | "monitor") {
            if self.needs_replaced_address(rsc) {
                self.param_checks.push(crate::world::ParamCheck {
                    resource: rsc,
                    node,
                    state: record.state,
                    history: record.history,
                    op: record.index,
                    active: false,
                });
            } else if self.parameters_changed(rsc, node, op) {
                clear = true;
            }
        }
        if clear {
            let action = self.clear_fail_count(rsc, node);
            if self.options.fencing && self[rsc].reconnect != 0 {
                self.after_fencing_of_remote(action, rsc);
            }
        }
        let settled = matches!(op.rc, Some(0 | 7 | 8 | 190 | 191));
        expired && !(record.probe() && settled)
    }

    fn after_fencing_of_remote(&mut self, action: ActionId, rsc: RscId) {
        let name = self[rsc].id.clone();
        if let Some(remote) = self.node_named(&name) {
            let fence = self.fence_op(remote, None, true, "", false);
            self.order_actions(fence, action, crate::action::Rel::MAKES_THEN);
        }
    }

    /// The clearing of a resource's fail counts on a node.
    pub(crate) fn clear_fail_count(&mut self, rsc: RscId, node: NodeId) -> ActionId {
        let id = self.act(rsc, Key::op(Task::ClearFailCount), Some(node), false);
        self[id].flags.insert(Flags::ON_DC | Flags::RUNNABLE);
        self[id].flags.remove(Flags::OPTIONAL);
        id
    }

    /// Forbids nodes on which a resource has failed too often.
    pub(crate) fn apply_thresholds(&mut self, rsc: RscId, node: NodeId) {
        if self[rsc].variant != Variant::Primitive {
            for child in self[rsc].children.clone() {
                self.apply_thresholds(child, node);
            }
            return;
        }
        // What is about to be forgotten (failures with other parameters) forbids nothing.
        if self.find(rsc, &Key::op(Task::ClearFailCount), Some(node)).is_some() {
            return;
        }
        if let Some(banned) = self.threshold_reached(rsc, node) {
            self.ban(banned, Some(node), "__fail_limit__");
        }
    }

    /// What has to leave a node for its failures, if anything.
    pub(crate) fn threshold_reached(&mut self, rsc: RscId, node: NodeId) -> Option<RscId> {
        if self[rsc].threshold == 0 || !self[rsc].managed || self[rsc].failure_ignored {
            return None;
        }
        let (count, _) = self.fail_count(rsc, node, true, true, None);
        if count <= 0 {
            return None;
        }
        let target = if self[rsc].unique { rsc } else { self.top_of(rsc, false) };
        (count >= self[rsc].threshold).then_some(target)
    }
}
