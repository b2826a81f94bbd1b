//! What happens to each resource and node, in a person's words.
//!
//! One event for each node that is fenced, then for each resource what it comes to as a
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
        if action.task != Task::Fence {
            return None;
        }
        let op = action.extra.as_ref().and_then(|extra| extra.fence_op.clone());
        let verb = format!("Fence ({})", op.unwrap_or_default());
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
        let here = self.current_node(rsc);
        if !it.managed || (here.is_none() && (it.assigned.is_none() || it.orphan)) {
            return Vec::new();
        }
        let signs = self.signs(rsc, here);
        let fate = FATES.iter().find(|(_, holds)| holds(&signs)).map(|(fate, _)| *fate);
        fate.map(|fate| self.changes_by(rsc, fate, &signs)).unwrap_or_default()
    }

    /// What there is to be seen of a resource that is on a node now.
    fn signs(&self, rsc: RscId, here: Option<NodeId>) -> Signs {
        let it = &self[rsc];
        let next = it.assigned;
        let start = self.find(rsc, &Key::START, next);
        let startable = start.is_some_and(|id| self[id].runnable());
        let anywhere = self.find(rsc, &Key::STOP, None);
        let stop = if startable { self.find(rsc, &Key::STOP, here) } else { anywhere };
        let stop = stop.or(anywhere.filter(|_| it.stop_unexpected));
        let promote = self.find(rsc, &Key::PROMOTE, next);
        let demote = self.find(rsc, &Key::DEMOTE, next);
        let arrival = self.find(rsc, &Key::op(Task::MigrateFrom), next);
        let needed = |id: Option<ActionId>| id.is_some_and(|id| !self[id].optional());
        let role = self.role_shown(rsc);
        let migrates = here.is_some() && arrival.is_some_and(|id| self[id].runnable());
        Signs {
            here,
            next,
            start,
            stop,
            promote,
            demote,
            steady: role == it.next_role,
            role,
            next_role: it.next_role,
            startable,
            hopeless: start.is_some() && !startable,
            anew: needed(start) && !migrates && !it.reload,
            stop_needed: needed(stop),
            repromoted: !needed(start) && needed(demote) && needed(promote),
            moving: here.is_some() && next.is_some() && here != next,
            migrates,
            reload: it.reload,
            failed: it.failed,
            stop_requested: it.stop_requested,
        }
    }

    fn changes_by(&self, rsc: RscId, fate: Fate, signs: &Signs) -> Vec<Change> {
        let Signs { here, next, start, stop, promote, demote, .. } = *signs;
        let one = |verb, to, by, due_to| vec![Change { verb, from: here, to, by, due_to }];
        let end = |from, by: Option<ActionId>| {
            let due_to = by.filter(|id| self[*id].reason.is_some()).or(start);
            Change { verb: "Stop", from, to: None, by, due_to }
        };
        match fate {
            Fate::Ends if signs.steady => vec![end(here, stop)],
            Fate::Ends => {
                let places = self[rsc].running_on.iter();
                places.map(|it| end(Some(*it), self.find(rsc, &Key::STOP, Some(*it)))).collect()
            }
            Fate::Recovers if signs.steady => {
                one("Recover", next.filter(|_| signs.moving), stop, None)
            }
            Fate::Recovers => one("Recover", next, stop, start),
            Fate::Migrates => one("Migrate", next, start, None),
            Fate::Moves => one("Move", next, stop, None),
            Fate::Reloads => one("Reload", next, start, None),
            Fate::Restarts => one("Restart", next, start, None),
            Fate::Repromotes => one("Re-promote", next, promote, demote),
            Fate::Demotes => one("Demote", next, demote, None),
            Fate::Promotes => one("Promote", next, promote, None),
            Fate::Starts => one("Start", next, start, None),
        }
    }
}

/// What can become of a resource.
#[derive(Clone, Copy)]
enum Fate {
    Ends,
    Migrates,
    Recovers,
    Moves,
    Reloads,
    Restarts,
    Repromotes,
    Demotes,
    Promotes,
    Starts,
}

/// Whether a fate shows in the signs.
type Holds = fn(&Signs) -> bool;

/// How each fate shows; the first that does is told, as it says the most.
const FATES: [(Fate, Holds); 10] = [
    (Fate::Ends, Signs::ends),
    (Fate::Migrates, |it| it.steady && it.migrates),
    (Fate::Recovers, Signs::recovers),
    (Fate::Moves, |it| it.moving && (it.anew || !it.steady)),
    (Fate::Reloads, |it| it.reload),
    (Fate::Restarts, |it| if it.steady { it.anew } else { it.stop_needed }),
    (Fate::Repromotes, |it| it.steady && it.repromoted),
    (Fate::Demotes, |it| !it.steady && it.role == Role::Promoted),
    (Fate::Promotes, |it| !it.steady && it.next_role == Role::Promoted),
    (Fate::Starts, |it| !it.steady && it.role == Role::Stopped && it.next_role > Role::Stopped),
];

/// What there is to be seen of a resource: its places, its roles, and which actions it needs.
struct Signs {
    here: Option<NodeId>,
    next: Option<NodeId>,
    start: Option<ActionId>,
    stop: Option<ActionId>,
    promote: Option<ActionId>,
    demote: Option<ActionId>,
    role: Role,
    next_role: Role,
    /// It keeps its role.
    steady: bool,
    startable: bool,
    /// It is to start, but cannot.
    hopeless: bool,
    /// It has to start (again), and neither migration nor reload spares it that.
    anew: bool,
    stop_needed: bool,
    repromoted: bool,
    moving: bool,
    migrates: bool,
    reload: bool,
    failed: bool,
    stop_requested: bool,
}

impl Signs {
    fn ends(&self) -> bool {
        if self.steady {
            return self.anew && !self.startable;
        }
        self.stop.is_some() && (self.next_role == Role::Stopped || self.hopeless)
    }

    fn recovers(&self) -> bool {
        let again =
            if self.steady { self.anew } else { self.stop.is_some() && self.stop_requested };
        self.failed && again
    }
}
