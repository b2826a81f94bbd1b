//! What happens to each resource and node, in a person's words.

use crate::action::Flags;
use crate::task::Task;
use crate::transition::Event;
use crate::world::{ActionId, NodeId, Role, RscId, Variant, World};

impl World<'_> {
    pub(super) fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for at in (0..self.actions.len()).rev() {
            let id = ActionId::new(at);
            let action = &self[id];
            let Some(node) = action.node else { continue };
            if action.task == Task::Fence && action.in_graph {
                let op = action
                    .extra
                    .as_ref()
                    .and_then(|extra| extra.fence_op.clone())
                    .unwrap_or_default();
                let container = self[node].remote.and_then(|remote| self[remote].container);
                let place =
                    container.map(|it| format!(" (resource: {})", self[it].id)).unwrap_or_default();
                let reason = action.reason.clone().unwrap_or_default();
                let detail = format!("{place} '{reason}'");
                events.push(self.event(&format!("Fence ({op})"), &self[node].name, detail, None));
            }
        }
        for rsc in &self.top {
            self.events_below(*rsc, &mut events);
        }
        events
    }

    fn event(&self, verb: &str, subject: &str, detail: String, because: Option<ActionId>) -> Event {
        let reason = because.and_then(|id| self[id].reason.clone());
        Event { verb: verb.into(), subject: subject.into(), detail, reason, blocked: false }
    }

    fn events_below(&self, rsc: RscId, events: &mut Vec<Event>) {
        match self[rsc].variant {
            Variant::Primitive => events.extend(self.event_of(rsc)),
            Variant::Bundle => {
                for replica in self[rsc].bundle.iter().flat_map(|state| &state.replicas) {
                    let parts =
                        [replica.ip, Some(replica.container), replica.remote, replica.child];
                    for part in parts.into_iter().flatten() {
                        self.events_below(part, events);
                    }
                }
            }
            _ => {
                for child in &self[rsc].children {
                    self.events_below(*child, events);
                }
            }
        }
    }

    fn place(&self, role: Role, node: NodeId) -> String {
        let name = &self[node].name;
        match role {
            Role::Promoted | Role::Unpromoted => format!("{} {name}", role.word()),
            _ => name.to_string(),
        }
    }

    fn event_of(&self, rsc: RscId) -> Vec<Event> {
        let it = &self[rsc];
        let (current, next) = (self.current_node(rsc), it.assigned);
        let required = |task: Task, node: Option<NodeId>| {
            let actions = self.tasks_of(rsc, task, node).into_iter();
            actions.clone().find(|id| !self[*id].optional() || self[*id].has(Flags::PRINT))
        };
        let name = &it.id;
        if current.is_none() && next.is_none() {
            return Vec::new();
        }
        let start = required(Task::Start, next).filter(|_| next.is_some());
        let stop = required(Task::Stop, None);
        let bracket = |text: String| format!("( {text} )");
        if !it.managed {
            return Vec::new();
        }
        if let (Some(from), Some(to)) = (current, next) {
            let migrate = self.tasks_of(rsc, Task::MigrateFrom, Some(to)).into_iter();
            if let Some(id) = migrate.clone().find(|id| self[*id].in_graph) {
                let detail = bracket(format!("{} -> {}", self[from].name, self[to].name));
                return vec![self.event("Migrate", name, detail, Some(id))];
            }
            let impossible = start.is_some_and(|id| !self[id].runnable());
            if let (Some(start), false, true) = (start, impossible, stop.is_some()) {
                let (verb, detail) = if from != to {
                    let text = if it.role == it.next_role {
                        format!("{} -> {}", self.place(it.role, from), self[to].name)
                    } else {
                        format!("{} -> {}", self.place(it.role, from), self.place(it.next_role, to))
                    };
                    (if it.failed { "Recover" } else { "Move" }, text)
                } else {
                    (if it.failed { "Recover" } else { "Restart" }, self.place(it.role, to))
                };
                return vec![self.event(verb, name, bracket(detail), Some(start))];
            }
            if impossible && stop.is_some() {
                let detail = bracket(self.place(it.role, from));
                return vec![self.event("Stop", name, detail, start)];
            }
            if required(Task::Reload, Some(to)).is_some_and(|id| self[id].in_graph) {
                return vec![self.event("Reload", name, bracket(self[to].name.to_string()), None)];
            }
            let promote = required(Task::Promote, Some(to)).filter(|id| self[*id].in_graph);
            let demote = required(Task::Demote, None).filter(|id| self[*id].in_graph);
            let roles =
                || format!("{} -> {} {}", it.role.word(), it.next_role.word(), self[to].name);
            return match (promote, demote) {
                (Some(id), None) => vec![self.event("Promote", name, bracket(roles()), Some(id))],
                (Some(id), Some(_)) => {
                    vec![self.event("Re-promote", name, bracket(self.place(it.role, to)), Some(id))]
                }
                (None, Some(id)) => vec![self.event("Demote", name, bracket(roles()), Some(id))],
                (None, None) => Vec::new(),
            };
        }
        if let (None, Some(to), Some(start)) = (current, next, start) {
            let place = match it.next_role {
                Role::Promoted => format!("Stopped -> Promoted {}", self[to].name),
                _ => self[to].name.to_string(),
            };
            let verb = if it.next_role == Role::Promoted { "Promote" } else { "Start" };
            let mut event = self.event(verb, name, bracket(place), Some(start));
            event.blocked = !self[start].runnable();
            return vec![event];
        }
        let stops = it.running_on.iter().map(|node| {
            let stop = required(Task::Stop, Some(*node));
            let mut event = self.event("Stop", name, bracket(self.place(it.role, *node)), stop);
            if event.reason.is_none() {
                event.reason = Some("node availability".into());
            }
            event
        });
        stops.collect()
    }
}
