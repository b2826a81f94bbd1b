//! What happens to each resource and node, in a person's words.
//!
//! One event for each node that is fenced or leaves, then for each resource what it comes to as a
//! whole: of the many actions on a resource, a person wants to hear whether it moves, restarts or
//! stops, from where to where, and what made it so.

use crate::task::{Key, Task};
use crate::transition::Event;
use crate::world::{ActionId, NodeId, Role, RscId, Variant, World};

/// What is done with a resource, between which nodes, by which action, and what it is due to.
struct Change {
    verb: &'static str,
    from: Option<NodeId>,
    to: Option<NodeId>,
    by: Option<ActionId>,
    due_to: Option<ActionId>,
}

impl World<'_> {
    pub(super) fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for at in (0..self.actions.len()).rev() {
            events.extend(self.node_event(ActionId::new(at)));
        }
        for rsc in &self.top {
            self.events_below(*rsc, &mut events);
        }
        events
    }

    fn node_event(&self, id: ActionId) -> Option<Event> {
        let action = &self[id];
        let node = action.node?;
        if action.rsc.is_some() || action.optional() {
            return None;
        }
        let verb = match action.task {
            Task::Shutdown => "Shutdown".to_owned(),
            Task::Fence => {
                let op = action.extra.as_ref().and_then(|extra| extra.fence_op.clone());
                format!("Fence ({})", op.unwrap_or_default())
            }
            _ => return None,
        };
        let container = self[node].remote.and_then(|remote| self[remote].container);
        let place = container.map(|it| format!(" (resource: {})", self[it].id)).unwrap_or_default();
        let reason = action.reason.as_ref().map(|reason| format!(" '{reason}'"));
        Some(Event {
            verb: verb.into(),
            subject: self[node].name.clone(),
            detail: format!("{place}{}", reason.unwrap_or_default()),
            reason: None,
            blocked: false,
        })
    }

    fn events_below(&self, rsc: RscId, events: &mut Vec<Event>) {
        match self[rsc].variant {
            Variant::Primitive => {
                let changes = self.changes_of(rsc);
                events.extend(changes.iter().map(|change| self.event(rsc, change)));
            }
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

    fn event(&self, rsc: RscId, change: &Change) -> Event {
        let source = change.due_to.or(change.by);
        Event {
            verb: change.verb.into(),
            subject: self[rsc].id.clone(),
            detail: format!("( {} )", self.whence_and_whither(rsc, change)),
            reason: source.and_then(|id| self[id].reason.clone()),
            blocked: change.by.is_some_and(|id| !self[id].runnable()),
        }
    }

    fn whence_and_whither(&self, rsc: RscId, change: &Change) -> String {
        let (role, next) = (self.role_shown(rsc), self[rsc].next_role);
        let roles_matter = role > Role::Started || next > Role::Unpromoted;
        let name = |node: NodeId| &self[node].name;
        match (change.from, change.to) {
            (None, None) => String::new(),
            (None, Some(to)) if roles_matter => {
                format!("{} -> {} {}", role.word(), next.word(), name(to))
            }
            (None, Some(to)) => name(to).to_string(),
            (Some(from), None) if roles_matter => format!("{} {}", role.word(), name(from)),
            (Some(from), None) => name(from).to_string(),
            (Some(from), Some(to)) => match (roles_matter, role == next, from == to) {
                (true, true, true) => format!("{} {}", role.word(), name(from)),
                (false, true, true) => name(from).to_string(),
                (true, true, false) => {
                    format!("{} -> {} {}", name(from), name(to), role.word())
                }
                (false, true, false) => format!("{} -> {}", name(from), name(to)),
                (_, false, true) => format!("{} -> {} {}", role.word(), next.word(), name(from)),
                (_, false, false) => {
                    format!("{} {} -> {} {}", role.word(), name(from), next.word(), name(to))
                }
            },
        }
    }

    /// What runs somewhere has a role, whatever became of it on the way.
    fn role_shown(&self, rsc: RscId) -> Role {
        let it = &self[rsc];
        if it.role == Role::Stopped && !it.running_on.is_empty() { Role::Started } else { it.role }
    }

    fn changes_of(&self, rsc: RscId) -> Vec<Change> {
        let it = &self[rsc];
        let (current, next) = (self.current_node(rsc), it.assigned);
        if !it.managed || (current.is_none() && (next.is_none() || it.orphan)) {
            return Vec::new();
        }
        let start = self.find(rsc, &Key::START, next);
        let possible = start.is_some_and(|id| self[id].runnable());
        let mut stop = self.find(rsc, &Key::STOP, if possible { current } else { None });
        if stop.is_none() && it.stop_unexpected {
            stop = self.find(rsc, &Key::STOP, None);
        }
        let acts = Acts {
            start,
            stop,
            promote: self.find(rsc, &Key::PROMOTE, next),
            demote: self.find(rsc, &Key::DEMOTE, next),
        };
        if self.role_shown(rsc) == it.next_role {
            self.stays_in_role(rsc, current, next, &acts).into_iter().collect()
        } else {
            self.changes_role(rsc, current, next, &acts)
        }
    }

    fn stays_in_role(
        &self,
        rsc: RscId,
        current: Option<NodeId>,
        next: Option<NodeId>,
        acts: &Acts,
    ) -> Option<Change> {
        let it = &self[rsc];
        let change = |verb, from, to, by, due_to| Some(Change { verb, from, to, by, due_to });
        let moving = current.is_some() && next.is_some() && current != next;
        let needed = |id: Option<ActionId>| id.is_some_and(|id| !self[id].optional());
        let migrate = self.find(rsc, &Key::op(Task::MigrateFrom), next);
        if migrate.is_some_and(|id| self[id].runnable()) && current.is_some() {
            return change("Migrate", current, next, acts.start, None);
        }
        if it.reload {
            return change("Reload", current, next, acts.start, None);
        }
        if !needed(acts.start) {
            if needed(acts.demote) && needed(acts.promote) {
                return change("Re-promote", current, next, acts.promote, acts.demote);
            }
            return None;
        }
        if !acts.start.is_some_and(|id| self[id].runnable()) {
            let due_to = acts.stop.filter(|id| self[*id].reason.is_some()).or(acts.start);
            return change("Stop", current, None, acts.stop, due_to);
        }
        let verb = if it.failed { "Recover" } else { "Move" };
        if moving {
            return change(verb, current, next, acts.stop, None);
        }
        if it.failed {
            return change(verb, current, None, acts.stop, None);
        }
        change("Restart", current, next, acts.start, None)
    }

    fn changes_role(
        &self,
        rsc: RscId,
        current: Option<NodeId>,
        next: Option<NodeId>,
        acts: &Acts,
    ) -> Vec<Change> {
        let it = &self[rsc];
        let role = self.role_shown(rsc);
        let moving = current.is_some() && next.is_some() && current != next;
        let one = |verb, by, due_to| vec![Change { verb, from: current, to: next, by, due_to }];
        let hopeless = acts.start.is_some_and(|id| !self[id].runnable());
        if acts.stop.is_some() && (it.next_role == Role::Stopped || hopeless) {
            let stops = it.running_on.iter().map(|node| {
                let stop = self.find(rsc, &Key::STOP, Some(*node));
                let due_to = stop.filter(|id| self[*id].reason.is_some()).or(acts.start);
                Change { verb: "Stop", from: Some(*node), to: None, by: stop, due_to }
            });
            return stops.collect();
        }
        if acts.stop.is_some() && it.failed && it.stop_requested {
            return one("Recover", acts.stop, acts.start);
        }
        if moving {
            return one("Move", acts.stop, None);
        }
        if it.reload {
            return one("Reload", acts.start, None);
        }
        if acts.stop.is_some_and(|id| !self[id].optional()) {
            return one("Restart", acts.start, None);
        }
        if role == Role::Promoted {
            return one("Demote", acts.demote, None);
        }
        if it.next_role == Role::Promoted {
            return one("Promote", acts.promote, None);
        }
        if role == Role::Stopped && it.next_role > Role::Stopped {
            return one("Start", acts.start, None);
        }
        Vec::new()
    }
}

/// The actions that tell what becomes of a resource.
struct Acts {
    start: Option<ActionId>,
    stop: Option<ActionId>,
    promote: Option<ActionId>,
    demote: Option<ActionId>,
}
