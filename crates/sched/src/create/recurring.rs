//! Recurring monitors, for those that run and for those that must not.

use crate::action::{Flags, Rel};
use crate::operation::enabled;
use crate::task::{Key, Task};
use crate::world::{ActionId, NodeId, Role, RscId, World};

/// A recurring operation as configured.
struct Recurring {
    task: Task,
    interval: i64,
    role: Option<Role>,
}

impl World<'_> {
    fn recurring_ops(&self, rsc: RscId) -> Vec<Recurring> {
        let mut all: Vec<Recurring> = Vec::new();
        let ops = &self[rsc].conf.operations;
        for op in ops {
            let Some(interval) = op.interval.filter(|interval| *interval > 0) else { continue };
            let Some(task) = Task::parse(&op.name) else { continue };
            if !enabled(op)
                || matches!(
                    task,
                    Task::Start | Task::Stop | Task::Promote | Task::Demote | Task::Reload
                        | Task::MigrateTo | Task::MigrateFrom | Task::Notify | Task::Cancel
                )
                // Which of two with one name and interval is meant, nobody can know.
                || ops.iter().filter(|other| other.name == op.name && other.interval == op.interval).count() > 1
            {
                continue;
            }
            let role = op.get("role").and_then(|word| Role::parse(word));
            all.push(Recurring { task, interval, role });
        }
        all
    }

    pub(super) fn create_recurring(&mut self, rsc: RscId) {
        if self[rsc].blocked || self[rsc].maintenance {
            return;
        }
        let node = self[rsc].assigned;
        if node.is_some_and(|node| self[node].maintenance) {
            return;
        }
        let ops = self.recurring_ops(rsc);
        let runs = node.is_some() && (self[rsc].next_role != Role::Stopped || !self[rsc].managed);
        let start = runs.then(|| self.act(rsc, Key::START, node, true));
        for op in &ops {
            if let Some(start) = start {
                self.watch_running(rsc, start, node, op);
            }
            self.watch_stopped(rsc, node, op);
        }
    }

    fn watch_running(&mut self, rsc: RscId, start: ActionId, node: Option<NodeId>, op: &Recurring) {
        if op.role == Some(Role::Stopped) {
            return;
        }
        let key = Key::Op(op.task, op.interval);
        let existing = self.find(rsc, &key, node);
        let optional = match existing {
            None => false,
            Some(id) if self.wanted_anew.contains(&id) => false,
            Some(_) => self[start].optional(),
        };
        let next = self[rsc].next_role;
        let wrong = match op.role {
            None => next == Role::Promoted,
            Some(role) => role != next,
        };
        if wrong {
            if optional {
                self.cancel_before_change(rsc, node, op);
            }
            return;
        }
        let monitor = self.act(rsc, key, node, optional);
        let reachable = node.is_some_and(|node| self[node].online && !self[node].unclean);
        if !self[start].runnable() || !reachable {
            self[monitor].flags.remove(Flags::RUNNABLE);
        }
        if next == Role::Promoted {
            self[monitor].extra().target_rc = Some(8);
        }
        if node.is_none() || self[rsc].managed {
            self.order_action_after(rsc, Key::START, monitor, Rel::MAKES_THEN | Rel::BLOCKS);
            self.order_action_after(
                rsc,
                Key::op(Task::Reload),
                monitor,
                Rel::MAKES_THEN | Rel::BLOCKS,
            );
            if next == Role::Promoted {
                self.order_action_after(rsc, Key::PROMOTE, monitor, Rel::ORDERED | Rel::BLOCKS);
            } else if self[rsc].role == Role::Promoted {
                self.order_action_after(rsc, Key::DEMOTE, monitor, Rel::ORDERED | Rel::BLOCKS);
            }
        }
    }

    fn cancel_before_change(&mut self, rsc: RscId, node: Option<NodeId>, op: &Recurring) {
        let Some(node) = node else { return };
        // What is cancelled is not there any more, whatever would have it done again.
        if let Some(ended) = self.find(rsc, &Key::Op(op.task, op.interval), Some(node)) {
            self[rsc].actions.retain(|id| *id != ended);
            self[ended].node = None;
        }
        let cancel = self.cancel_action(rsc, node, op.task, op.interval);
        let after = match (self[rsc].role, self[rsc].next_role) {
            (Role::Started | Role::Unpromoted, Role::Promoted) => Some(Key::PROMOTE),
            (Role::Started | Role::Unpromoted, Role::Stopped) => Some(Key::STOP),
            (Role::Promoted, Role::Unpromoted) => Some(Key::DEMOTE),
            _ => None,
        };
        if let Some(after) = after {
            self.order_action_before(cancel, rsc, after, Rel::BLOCKS);
        }
    }

    fn watch_stopped(&mut self, rsc: RscId, node: Option<NodeId>, op: &Recurring) {
        // Instances of an anonymous clone are nowhere in particular.
        if op.role != Some(Role::Stopped) || !self[rsc].unique {
            return;
        }
        let key = Key::Op(op.task, op.interval);
        for place in self.node_order.clone() {
            let existing = self.find(rsc, &key, Some(place));
            if node == Some(place) {
                if existing.is_some() {
                    let cancel = self.cancel_action(rsc, place, op.task, op.interval);
                    if matches!(self[rsc].next_role, Role::Started | Role::Unpromoted) {
                        self.order_action_before(cancel, rsc, Key::START, Rel::BLOCKS);
                    }
                }
                continue;
            }
            let optional = existing.is_some_and(|id| !self.wanted_anew.contains(&id));
            let monitor = self.act(rsc, key.clone(), Some(place), optional);
            self[monitor].extra().target_rc = Some(7);
            if self[rsc].managed {
                for probe in self.tasks_of(rsc, Task::Monitor, Some(place)) {
                    if self[probe].interval() == 0 {
                        self.link(probe, monitor, Rel::BLOCKS);
                    }
                }
            }
            for stop in self.tasks_of(rsc, Task::Stop, Some(place)) {
                if !self[stop].optional() {
                    self[monitor].flags.remove(Flags::OPTIONAL);
                }
                if !self[stop].runnable() {
                    self[monitor].flags.remove(Flags::RUNNABLE);
                }
                if self[rsc].managed {
                    self.order_pair(stop, monitor, Rel::MAKES_THEN | Rel::BLOCKS);
                }
            }
            if !self[place].online || self[place].unclean {
                self[monitor].flags.remove(Flags::RUNNABLE);
            }
        }
    }
}
