//! From the actions to the graph: what is done, and what each waits for.

use std::collections::{BTreeMap, HashMap};

use cib::model::Text;

use crate::action::{Flags, LinkId, Rel};
use crate::task::{Key, Phase, Task};
use crate::transition::{
    Before, Considered, GraphOptions, Step, StepKind, StepResource, Transition,
};
use crate::world::{ActionId, NodeKind, RscId, Variant, World};

mod attributes;
mod circles;
mod events;
mod views;

impl World<'_> {
    /// Whether an action is to be done.
    pub(crate) fn belongs(&self, id: ActionId) -> bool {
        let action = &self[id];
        if !action.runnable() || (action.optional() && !action.has(Flags::PRINT)) {
            return false;
        }
        if let Some(rsc) = action.rsc
            && !self[rsc].managed
            && action.task != Task::Monitor
            && action.interval() == 0
        {
            return false;
        }
        if action.pseudo() || matches!(action.task, Task::Fence | Task::Shutdown) {
            return true;
        }
        let Some(node) = action.node else { return false };
        let node = &self[node];
        if action.has(Flags::ON_DC) || (node.kind == NodeKind::Guest && !node.remote_requires_reset)
        {
            return true;
        }
        node.online && !node.unclean
    }

    /// Whether a link makes the graph wait.
    pub(crate) fn input_counts(&self, then: ActionId, link: LinkId) -> bool {
        self.waits(then, self.links[link].first, self.links[link].rel)
    }

    fn waits(&self, then: ActionId, first: ActionId, rel: Rel) -> bool {
        if rel.is_empty() {
            return false;
        }
        let (a, b) = (&self[first], &self[then]);
        let changes = !(rel - (Rel::SHOWS_FIRST | Rel::SHOWS_THEN | Rel::ORDERED)).is_empty();
        if !a.runnable() && (!changes || rel.intersects(Rel::MIN | Rel::MIGRATABLE_FIRST)) {
            return false;
        }
        if rel.contains(Rel::UNMIGRATED_FIRST) && a.has(Flags::MIGRATABLE) {
            return false;
        }
        let stop = a.key == Key::STOP;
        if rel == Rel::ORDERED && a.has(Flags::MIGRATABLE) && stop {
            return false;
        }
        if rel == Rel::LOAD {
            if b.rsc.is_some() && b.task == Task::MigrateTo {
                let there = b.rsc.and_then(|rsc| self[rsc].assigned);
                return a.node == there && (!a.optional() || self.shown(first));
            }
            return a.node == b.node && !a.optional();
        }
        if rel == Rel::AVOID {
            if let (Some(x), Some(y)) = (a.node, b.node)
                && x != y
            {
                return false;
            }
            return !a.optional();
        }
        let failed_unmanaged = match (a.rsc, b.rsc) {
            (Some(x), Some(y)) if x != y => {
                self[x].failed && !self[x].managed && stop && self[y].variant == Variant::Clone
            }
            _ => false,
        };
        if failed_unmanaged {
            return false;
        }
        !a.optional() || self.shown(first)
    }

    /// Whether two actions belong to the same top-level resource.
    fn shared_top(&self, a: ActionId, b: ActionId) -> bool {
        match (self[a].rsc, self[b].rsc) {
            (Some(a), Some(b)) => self.top_of(a, false) == self.top_of(b, false),
            _ => false,
        }
    }

    fn shown(&self, id: ActionId) -> bool {
        self[id].has(Flags::PRINT) || self[id].in_graph || self.belongs(id)
    }

    /// The finished plan.
    pub(crate) fn finish(&mut self) -> Transition {
        self.add_maintenance_update();
        let mut order: Vec<ActionId> = Vec::new();
        for rsc in &self.top {
            self.in_graph_order(*rsc, &mut order);
        }
        let newest_first = (0..self.actions.len()).rev().map(ActionId::new);
        order.extend(
            newest_first
                .filter(|id| self[*id].rsc.is_none_or(|rsc| self[rsc].variant == Variant::Bundle)),
        );
        let chosen: Vec<ActionId> = order.into_iter().filter(|id| self.belongs(*id)).collect();
        for id in &chosen {
            self[*id].in_graph = true;
        }
        let place: HashMap<ActionId, usize> =
            chosen.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let mut inputs: Vec<circles::Waits> = Vec::with_capacity(chosen.len());
        for id in &chosen {
            let merged = self.merged_inputs(*id).into_iter();
            let waits = merged.filter(|(first, rel)| self.waits(*id, *first, *rel)).filter_map(
                |(first, rel)| {
                    let soft = Rel::ORDERED
                        | Rel::LOAD
                        | Rel::AVOID
                        | Rel::SAME_NODE
                        | Rel::SHOWS_THEN
                        | Rel::SHOWS_FIRST;
                    let hold = if !(rel - soft).is_empty() {
                        circles::Hold::Must
                    } else if self.shared_top(*id, first) {
                        circles::Hold::Own
                    } else {
                        circles::Hold::Wish
                    };
                    Some((place.get(&first).copied()?, hold))
                },
            );
            inputs.push(waits.collect());
        }
        let hopeless = circles::open(&mut inputs);
        // Places move up by the number of those left out before them.
        let mut left_out = 0;
        let moved: Vec<usize> = hopeless
            .iter()
            .enumerate()
            .map(|(at, out)| {
                left_out += usize::from(*out);
                at.saturating_sub(left_out - usize::from(*out))
            })
            .collect();
        let mut steps = Vec::with_capacity(chosen.len());
        for (at, id) in chosen.iter().enumerate() {
            if hopeless[at] {
                self[*id].in_graph = false;
                let key = self.key_text(*id);
                self.warnings.push(format!("{key} waits for itself: orders go in a circle"));
                continue;
            }
            let mut step = self.step(*id);
            step.inputs = inputs[at].iter().map(|(first, _)| moved[*first]).collect();
            steps.push(step);
        }
        let considered = if self.want_considered { self.considered() } else { Vec::new() };
        let mut transition = Transition {
            steps,
            options: GraphOptions {
                cluster_delay: self.options.get("cluster-delay").unwrap_or("60s").into(),
                fencing_timeout: self.options.get("stonith-timeout").unwrap_or("60s").into(),
                start_failure_fatal: self.options.start_failure_fatal,
                batch_limit: self.options.get("batch-limit").unwrap_or("0").into(),
                migration_limit: match self.options.number("migration-limit") {
                    Some(limit) if limit > 0 => limit.to_string().into(),
                    _ => "".into(),
                },
            },
            scores: std::mem::take(&mut self.scores),
            trace: self.told(),
            warnings: std::mem::take(&mut self.warnings),
            quorate: self.options.quorate,
            considered,
            ..Transition::default()
        };
        let seen = self.observed();
        transition.nodes = seen.nodes;
        transition.resources = seen.resources;
        transition.top = seen.top;
        transition.failed = seen.failed;
        transition.before = std::mem::take(&mut self.before);
        transition.events = self.events();
        transition
    }

    /// A resource's own actions, the newest first; a cancellation is as old as what it cancels.
    fn newest_first(&self, rsc: RscId) -> Vec<ActionId> {
        let mut own: Vec<ActionId> = self[rsc].actions.iter().rev().copied().collect();
        let cancels = |id: ActionId| self[id].extra.as_ref().and_then(|extra| extra.cancels);
        let late: Vec<ActionId> = own.iter().copied().filter(|id| cancels(*id).is_some()).collect();
        for cancel in late {
            let Some((task, interval)) = cancels(cancel) else { continue };
            let key = Key::Op(task, interval);
            let is_it = |id: &ActionId| self[*id].key == key && self[*id].node == self[cancel].node;
            if let Some(at) = own.iter().position(is_it) {
                own.insert(at, cancel);
                if let Some(now) = own.iter().position(|id| *id == cancel) {
                    own.remove(now);
                }
            }
        }
        own
    }

    /// The actions of a resource and what is below it, the newest first; of a clone those of the
    /// parts come before its own. A bundle's own come with those of the cluster.
    fn in_graph_order(&self, rsc: RscId, order: &mut Vec<ActionId>) {
        let it = &self[rsc];
        let own = self.newest_first(rsc).into_iter();
        match it.variant {
            Variant::Primitive => order.extend(own),
            Variant::Group => {
                order.extend(own);
                for child in &it.children {
                    self.in_graph_order(*child, order);
                }
            }
            Variant::Clone => {
                for child in &it.children {
                    self.in_graph_order(*child, order);
                }
                order.extend(own);
            }
            Variant::Bundle => {
                let state = it.bundle.as_deref();
                let inside = state.and_then(|state| state.child);
                let replicas = state.into_iter().flat_map(|state| &state.replicas);
                let parts = replicas
                    .flat_map(|replica| [replica.ip, Some(replica.container), replica.remote]);
                for part in inside.into_iter().chain(parts.flatten()) {
                    self.in_graph_order(part, order);
                }
            }
        }
    }

    fn merged_inputs(&self, id: ActionId) -> BTreeMap<ActionId, Rel> {
        let mut merged: BTreeMap<ActionId, Rel> = BTreeMap::new();
        for link in &self[id].before {
            let link = &self.links[*link];
            *merged.entry(link.first).or_default() |= link.rel;
        }
        merged
    }

    fn considered(&self) -> Vec<Considered> {
        let ids = (0..self.actions.len()).map(ActionId::new);
        ids.map(|id| {
            let action = &self[id];
            let before = self.merged_inputs(id).into_iter().filter(|(_, rel)| !rel.is_empty());
            Considered {
                id: number(id),
                name: self.picture_name(id),
                pseudo: action.pseudo(),
                in_graph: action.in_graph,
                runnable: action.runnable(),
                optional: action.optional(),
                print_always: action.has(Flags::PRINT),
                unmanaged: action.rsc.is_some_and(|rsc| !self[rsc].managed),
                before: before
                    .map(|(first, rel)| Before {
                        id: number(first),
                        waits: action.in_graph
                            && self[first].in_graph
                            && self.waits(id, first, rel),
                        load_only: rel == Rel::LOAD,
                    })
                    .collect(),
            }
        })
        .collect()
    }

    /// How a picture names an action.
    fn picture_name(&self, id: ActionId) -> String {
        let action = &self[id];
        let place = match action.node {
            Some(node) => format!(" {}", self[node].name),
            None if action.pseudo() => String::new(),
            None => " <none>".into(),
        };
        if action.task == Task::Fence {
            let op = action.extra.as_ref().and_then(|extra| extra.fence_op.clone());
            return format!("stonith '{}'{place}", op.unwrap_or_default());
        }
        let Some(rsc) = action.rsc else {
            let named = action.node.filter(|_| action.task != Task::Milestone);
            return match named {
                Some(_) => format!("{}{place}", action.task),
                None => format!("{}{place}", self.key_text(id)),
            };
        };
        let prefix = if action.task == Task::Cancel { "Cancel " } else { "" };
        let key = match (&self[rsc].history_id, self.announced(id)) {
            (Some(history), Some((phase, about))) => Key::Notify(phase, about).render(history),
            _ => self.recorded_key(id, rsc).unwrap_or_else(|| self.key_text(id)),
        };
        format!("{prefix}{key}{place}")
    }

    /// What the milestone that sends a notification is about.
    fn announced(&self, id: ActionId) -> Option<(Phase, Task)> {
        let Key::Notify(phase, _) = self[id].key else { return None };
        self[id].before.iter().find_map(|link| match self[self.links[*link].first].key {
            Key::Notify(of, about) if of == phase => Some((of, about)),
            _ => None,
        })
    }

    /// The key of an action inside planning.
    pub(crate) fn key_text(&self, id: ActionId) -> String {
        let action = &self[id];
        match (action.rsc, &action.extra) {
            (Some(rsc), Some(extra)) if extra.cancels.is_some() => {
                let (task, interval) = extra.cancels.unwrap_or((Task::Monitor, 0));
                Key::Op(task, interval).render(&self[rsc].id)
            }
            (Some(rsc), _) => action.key.render(&self[rsc].id),
            (None, _) => action.key.render(""),
        }
    }

    fn recorded_key(&self, id: ActionId, rsc: RscId) -> Option<String> {
        let history = self[rsc].history_id.as_deref()?;
        let action = &self[id];
        Some(match (&action.key, action.extra.as_ref().and_then(|extra| extra.cancels)) {
            (_, Some((task, interval))) => Key::Op(task, interval).render(history),
            // A recorded notification is named by when it was sent and what it was about.
            (Key::Notify(..), None) if action.task == Task::Notified => {
                format!("{history}_notified_0")
            }
            (Key::Notify(phase, about), None) => {
                let about = action.extra.as_ref().and_then(|extra| extra.about).unwrap_or(*about);
                Key::Notify(*phase, about).render(history)
            }
            (key, None) => key.render(history),
        })
    }

    fn step(&mut self, id: ActionId) -> Step {
        let action = &self[id];
        let kind = match action.task {
            Task::Fence if !action.pseudo() => StepKind::Cluster,
            Task::Shutdown | Task::ClearFailCount | Task::LrmDelete => StepKind::Cluster,
            _ if action.pseudo() => StepKind::Pseudo,
            _ => StepKind::Resource,
        };
        let node_counts = kind != StepKind::Pseudo || action.task == Task::Fence;
        let node = action.node.filter(|_| node_counts);
        let router = node.and_then(|_| self.router(id)).map(|router| self[router].name.clone());
        let internal = self.key_text(id);
        let recorded = action.rsc.and_then(|rsc| self.recorded_key(id, rsc));
        let operation: Text = match (&action.key, action.task) {
            (Key::Named(name), Task::Milestone) => name.clone(),
            _ => action.task.word().into(),
        };
        let (key, internal_key) = match recorded {
            Some(recorded) => (recorded, Some(internal)),
            None => (internal, None),
        };
        let mut priority = action.priority;
        let rsc = action.rsc;
        let interval = action.interval();
        let task = action.task;
        let reason = action.reason.clone();
        if let Some(rsc) = rsc {
            priority = priority.max(self[rsc].priority);
        }
        let resource = rsc.filter(|_| !self[id].pseudo()).map(|rsc| self.step_resource(rsc));
        let attributes = self.step_attributes(id, node);
        let downed = if node.is_some() { self.downed(id) } else { Vec::new() };
        let maintenance =
            if task == Task::MaintenanceNodes { self.maintenance_changes() } else { Vec::new() };
        Step {
            id: number(id),
            kind,
            task,
            operation,
            key,
            internal_key,
            node: node.map(|node| (self[node].name.clone(), self[node].id.clone())),
            router,
            cib_only: task == Task::LrmDelete,
            resource,
            resource_id: rsc.map(|rsc| self[rsc].id.clone()),
            interval,
            attributes,
            downed,
            maintenance,
            priority,
            inputs: Vec::new(),
            reason,
        }
    }

    fn step_resource(&self, rsc: RscId) -> StepResource {
        let it = &self[rsc];
        let (id, long_id) = if it.orphan && it.history_id.is_some() {
            (it.history_id.clone().unwrap_or_default(), Some(it.id.clone()))
        } else if !it.unique {
            let long = match &it.history_id {
                Some(history) if *history != it.base => history.clone(),
                _ => it.id.clone(),
            };
            (it.base.clone(), Some(long))
        } else {
            (it.id.clone(), None)
        };
        StepResource {
            id,
            long_id,
            class: it.class.clone(),
            provider: it.provider.clone(),
            agent: it.agent.clone(),
        }
    }

    fn downed(&self, id: ActionId) -> Vec<Text> {
        let action = &self[id];
        let Some(node) = action.node else { return Vec::new() };
        match action.task {
            Task::Shutdown => vec![self[node].id.clone()],
            Task::Fence => {
                let op = action.extra.as_ref().and_then(|extra| extra.fence_op.clone());
                if !op.is_some_and(|op| matches!(&*op, "off" | "reboot" | "poweroff")) {
                    return Vec::new();
                }
                let mut down = vec![self[node].id.clone()];
                for rsc in &self[node].running {
                    for filler in &self[*rsc].fillers {
                        if self[*filler].is_remote_connection {
                            down.push(self[*filler].id.clone());
                        }
                    }
                }
                down
            }
            Task::Stop => {
                let Some(rsc) = action.rsc.filter(|rsc| self[*rsc].is_remote_connection) else {
                    return Vec::new();
                };
                let migrating = action.before.iter().any(|link| {
                    let first = self.links[*link].first;
                    self[first].task == Task::MigrateFrom && self[first].rsc == Some(rsc)
                });
                if migrating { Vec::new() } else { vec![self[rsc].id.clone()] }
            }
            _ => Vec::new(),
        }
    }

    fn maintenance_changes(&self) -> Vec<(Text, bool)> {
        let nodes = self.node_order.iter().map(|node| &self[*node]);
        nodes
            .filter(|node| {
                node.kind != NodeKind::Member && node.maintenance != node.remote_maintenance
            })
            .map(|node| (node.id.clone(), node.maintenance))
            .collect()
    }

    fn add_maintenance_update(&mut self) {
        if !self.maintenance_changes().is_empty() {
            let id = self.cluster_milestone("maintenance_nodes");
            self[id].task = Task::MaintenanceNodes;
            self[id].flags.insert(Flags::PRINT);
        }
    }
}

pub(crate) fn number(id: ActionId) -> u32 {
    u32::try_from(id.index()).unwrap_or(u32::MAX)
}
