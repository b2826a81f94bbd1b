//! What one action's predecessors (and its own state) make of it, and it of them.

use super::Queue;
use crate::action::{Flags, LinkId, Rel};
use crate::task::{Key, Phase, Task};
use crate::world::{ActionId, NodeId, Role, RscId, Variant, World};

/// Which side of a link changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Changed {
    first: bool,
    then: bool,
}

impl Changed {
    fn join(&mut self, other: Changed) {
        self.first |= other.first;
        self.then |= other.then;
    }
}

impl World<'_> {
    /// Looks at everything that precedes an action.
    pub(super) fn update(&mut self, then: ActionId, queue: &mut Queue) {
        let before = self[then].flags;
        let mut changed = Changed::default();
        if self[then].required_runnable > 0 {
            self[then].runnable_before = 0;
            self[then].flags.remove(Flags::RUNNABLE);
        }
        let mut at = 0;
        while at < self[then].before.len() {
            let link = self[then].before[at];
            at += 1;
            let one = self.look_at(link, then, queue);
            changed.then |= one.then;
            if one.first {
                let first = self.links[link].first;
                self.push_followers(first, queue);
                queue.push(first);
            }
        }
        if self[then].required_runnable > 0 {
            changed.then = self[then].flags != before;
        }
        if changed.then {
            if before.contains(Flags::RUNNABLE) && !self[then].runnable() {
                self.block_dependents(then, queue);
            }
            queue.push(then);
            self.push_followers(then, queue);
        }
    }

    fn look_at(&mut self, link: LinkId, then: ActionId, queue: &mut Queue) -> Changed {
        let first = self.links[link].first;
        let rel = self.links[link].rel;
        let mut changed = Changed::default();
        let group_place = |world: &Self, id: ActionId| {
            let group = world[id].rsc.filter(|rsc| world[*rsc].variant == Variant::Group);
            let starts = world[id].task == Task::Start;
            let place = group.filter(|_| starts).and_then(|group| world.location(group, false));
            place.or(world[id].node)
        };
        let (first_node, then_node) = (group_place(self, first), group_place(self, then));
        if rel.contains(Rel::SAME_NODE) {
            if let (Some(a), Some(b)) = (first_node, then_node) {
                if a != b {
                    self.links[link].rel = Rel::empty();
                    return changed;
                }
            }
        }
        if rel.contains(Rel::CANCELS_FIRST) && self[first].rsc.is_some() && !self[then].optional() {
            self[first].flags.insert(Flags::OPTIONAL);
            if self[first].task == Task::Reload {
                if let Some(rsc) = self[first].rsc {
                    self[rsc].reload = false;
                }
            }
        }
        if let (Some(a), Some(b)) = (self[first].rsc, self[then].rsc) {
            if a != b && !self.contains(a, b) {
                // For others, a collective has started when all of it has.
                let stand_in = self.stand_in(first);
                if stand_in != first {
                    if self.link(stand_in, then, rel) {
                        changed.then = true;
                        self.links[link].rel = Rel::empty();
                    }
                    return changed;
                }
            }
        }
        let first_flags = self.flags_for(first, then_node);
        let then_flags = self.flags_for(then, first_node);
        changed.join(self.apply_link(link, first_flags, then_flags, queue));
        changed
    }

    fn stand_in(&self, id: ActionId) -> ActionId {
        let Some(rsc) = self[id].rsc else { return id };
        if self[rsc].variant < Variant::Group {
            return id;
        }
        let Key::Op(task, 0) = self[id].key else { return id };
        let done = task.done();
        if !matches!(done, Task::Running | Task::Stopped | Task::Promoted | Task::Demoted) {
            return id;
        }
        let notifies =
            self[rsc].notify && (self[rsc].variant == Variant::Clone || self.in_bundle(rsc));
        let key = if notifies { Key::Notify(Phase::ConfirmedPost, done) } else { Key::op(done) };
        self.find(rsc, &key, None).unwrap_or(id)
    }

    /// The flags of an action as a partner on a node sees them.
    fn flags_for(&mut self, id: ActionId, node: Option<NodeId>) -> Flags {
        let Some(rsc) = self[id].rsc else { return self[id].flags };
        let flags = self.own_flags(id, None);
        if node.is_none() || self[rsc].variant != Variant::Clone {
            return flags;
        }
        let there = self.own_flags(id, node);
        if flags.contains(Flags::RUNNABLE) { there | Flags::RUNNABLE } else { there }
    }

    /// The flags of an action; those of a collective follow from its parts.
    pub(crate) fn own_flags(&mut self, id: ActionId, node: Option<NodeId>) -> Flags {
        let Some(rsc) = self[id].rsc else { return self[id].flags };
        match self[rsc].variant {
            Variant::Primitive => self[id].flags,
            Variant::Group => self.group_flags(id, rsc, node),
            Variant::Clone => {
                let instances = self[rsc].children.clone();
                self.collective_flags(id, &instances, node)
            }
            Variant::Bundle => self.bundle_flags(id, rsc, node),
        }
    }

    fn member_task(&self, id: ActionId, member: RscId) -> Task {
        let task = match self[id].key {
            Key::Notify(_, about) => about,
            _ => self[id].task,
        };
        // Members that are collectives have milestones of their own.
        if self[member].variant == Variant::Primitive { task.undone() } else { task }
    }

    fn lose(&mut self, id: ActionId, flag: Flags) {
        if self[id].has(flag) {
            self[id].flags.remove(flag);
            self.dirty.push(id);
        }
    }

    fn group_flags(&mut self, id: ActionId, group: RscId, node: Option<NodeId>) -> Flags {
        let mut flags = Flags::OPTIONAL | Flags::RUNNABLE | Flags::PSEUDO;
        let own = self[id].task;
        for member in self[group].children.clone() {
            let task = own.undone();
            match self.first_task(member, task, node) {
                Some(action) => {
                    let theirs = self.own_flags(action, node);
                    if flags.contains(Flags::OPTIONAL) && !theirs.contains(Flags::OPTIONAL) {
                        flags.remove(Flags::OPTIONAL);
                        self.lose(id, Flags::OPTIONAL);
                    }
                    if task != own
                        && flags.contains(Flags::RUNNABLE)
                        && !theirs.contains(Flags::RUNNABLE)
                    {
                        flags.remove(Flags::RUNNABLE);
                        self.lose(id, Flags::RUNNABLE);
                    }
                }
                None if !matches!(task, Task::Stop | Task::Demote) => flags.remove(Flags::RUNNABLE),
                None => {}
            }
        }
        flags
    }

    pub(crate) fn collective_flags(
        &mut self,
        id: ActionId,
        instances: &[RscId],
        node: Option<NodeId>,
    ) -> Flags {
        let mut flags = Flags::OPTIONAL | Flags::RUNNABLE | Flags::PSEUDO;
        let mut any = false;
        for instance in instances {
            let task = self.member_task(id, *instance);
            let there = if self[*instance].variant == Variant::Primitive { node } else { None };
            let Some(action) = self.first_task(*instance, task, there) else { continue };
            let theirs = self.own_flags(action, node);
            if flags.contains(Flags::OPTIONAL) && !theirs.contains(Flags::OPTIONAL) {
                flags.remove(Flags::OPTIONAL);
                self.lose(id, Flags::OPTIONAL);
            }
            any |= theirs.contains(Flags::RUNNABLE);
        }
        if !any {
            flags.remove(Flags::RUNNABLE);
            if node.is_none() {
                self.lose(id, Flags::RUNNABLE);
            }
        }
        flags
    }

    fn apply_link(
        &mut self,
        link: LinkId,
        first_flags: Flags,
        then_flags: Flags,
        queue: &mut Queue,
    ) -> Changed {
        let (first, then) = (self.links[link].first, self.links[link].then);
        let mut changed = Changed::default();
        let mut node = self[then].node;
        if self.links[link].rel.contains(Rel::MAKES_THEN_ON_NODE) {
            self.links[link].rel.remove(Rel::MAKES_THEN_ON_NODE);
            self.links[link].rel.insert(Rel::MAKES_THEN);
            node = self[first].node;
        }
        let rel = self.links[link].rel;
        let (first_rsc, then_rsc) = (self[first].rsc, self[then].rsc);
        let mut ask =
            |world: &mut Self, on: Option<RscId>, flags: Flags, filter: Flags, rel: Rel| {
                if let Some(on) = on {
                    changed.join(world.relate(on, first, then, node, flags, filter, rel, queue));
                    true
                } else {
                    false
                }
            };
        let optional_only = first_flags & Flags::OPTIONAL;
        let mut direct = Changed::default();
        if rel.contains(Rel::MAKES_THEN)
            && !ask(self, then_rsc, optional_only, Flags::OPTIONAL, Rel::MAKES_THEN)
            && !first_flags.contains(Flags::OPTIONAL)
            && self[then].optional()
        {
            self[then].flags.remove(Flags::OPTIONAL);
            direct.then = true;
        }
        if rel.contains(Rel::RESTART) {
            ask(self, then_rsc, first_flags, Flags::OPTIONAL | Flags::RUNNABLE, Rel::RESTART);
        }
        if rel.contains(Rel::MAKES_FIRST)
            && !ask(self, first_rsc, first_flags, Flags::OPTIONAL, Rel::MAKES_FIRST)
            && !first_flags.contains(Flags::OPTIONAL)
            && self[first].runnable()
        {
            self[first].flags.remove(Flags::RUNNABLE);
            direct.first = true;
        }
        if rel.contains(Rel::MAKES_FIRST_PROMOTED) {
            ask(self, then_rsc, optional_only, Flags::OPTIONAL, Rel::MAKES_FIRST_PROMOTED);
        }
        if rel.contains(Rel::MIN)
            && !ask(self, then_rsc, first_flags, Flags::RUNNABLE, Rel::MIN)
            && first_flags.contains(Flags::RUNNABLE)
        {
            self[then].runnable_before += 1;
            if self[then].runnable_before >= self[then].required_runnable && !self[then].runnable()
            {
                self[then].flags.insert(Flags::RUNNABLE);
                direct.then = true;
            }
        }
        if rel.contains(Rel::NESTED_PROBE) && then_rsc.is_some() {
            let active = first_rsc.is_some_and(|rsc| !self[rsc].running_on.is_empty());
            if !first_flags.contains(Flags::RUNNABLE) && active {
                self.links[link].rel = Rel::empty();
            } else {
                ask(self, then_rsc, first_flags, Flags::RUNNABLE, Rel::BLOCKS);
            }
        }
        if rel.contains(Rel::BLOCKS)
            && !ask(self, then_rsc, first_flags, Flags::RUNNABLE, Rel::BLOCKS)
            && !first_flags.contains(Flags::RUNNABLE)
            && self[then].runnable()
        {
            self[then].flags.remove(Flags::RUNNABLE);
            direct.then = true;
        }
        if rel.contains(Rel::MIGRATABLE_FIRST) {
            ask(self, then_rsc, first_flags, Flags::OPTIONAL, Rel::MIGRATABLE_FIRST);
        }
        if rel.contains(Rel::ELSE) {
            ask(self, then_rsc, first_flags, Flags::OPTIONAL, Rel::ELSE);
        }
        if rel.contains(Rel::ORDERED) {
            ask(self, then_rsc, first_flags, Flags::RUNNABLE, Rel::ORDERED);
        }
        if rel.contains(Rel::ASYMMETRIC) {
            ask(self, then_rsc, first_flags, Flags::RUNNABLE, Rel::ASYMMETRIC);
        }
        changed.join(direct);
        if self[first].runnable()
            && rel.contains(Rel::SHOWS_THEN)
            && !first_flags.contains(Flags::OPTIONAL)
        {
            self[then].flags.insert(Flags::PRINT);
        }
        if rel.contains(Rel::SHOWS_FIRST) && !then_flags.contains(Flags::OPTIONAL) {
            self[first].flags.insert(Flags::PRINT);
        }
        let binding = rel.intersects(Rel::MAKES_THEN | Rel::MAKES_FIRST | Rel::RESTART);
        let stuck = first_rsc.is_some_and(|rsc| !self[rsc].managed && self[rsc].blocked);
        if binding
            && stuck
            && !self[first].runnable()
            && self[first].task == Task::Stop
            && self[then].runnable()
        {
            self[then].flags.remove(Flags::RUNNABLE);
            changed.then = true;
        }
        changed
    }

    #[allow(clippy::too_many_arguments)]
    fn relate(
        &mut self,
        on: RscId,
        first: ActionId,
        then: ActionId,
        node: Option<NodeId>,
        flags: Flags,
        filter: Flags,
        rel: Rel,
        queue: &mut Queue,
    ) -> Changed {
        let then_rsc = self[then].rsc;
        match self[on].variant {
            Variant::Primitive => self.relate_one(first, then, flags, filter, rel, queue),
            Variant::Group => {
                let mut changed = self.relate_one(first, then, flags, filter, rel, queue);
                let Some(group) = then_rsc else { return changed };
                let task = self[then].task;
                for member in self[group].children.clone() {
                    if let Some(action) = self.first_task(member, task, node) {
                        changed.join(
                            self.relate(member, first, action, node, flags, filter, rel, queue),
                        );
                    }
                }
                changed
            }
            Variant::Clone | Variant::Bundle => {
                let Some(collective) = then_rsc else { return Changed::default() };
                if self.interleaves(first, then) {
                    return self.relate_interleaved(first, then, node, filter, rel, queue);
                }
                let mut changed = self.relate_one(first, then, flags, filter, rel, queue);
                let task = self[then].task;
                for instance in self.instance_list(collective) {
                    let Some(action) = self.first_task(instance, task, node) else { continue };
                    if !self.own_flags(action, node).contains(Flags::RUNNABLE) {
                        continue;
                    }
                    let one = self.relate(instance, first, action, node, flags, filter, rel, queue);
                    if one.then {
                        self.push_followers(action, queue);
                    }
                    changed.join(one);
                }
                changed
            }
        }
    }

    fn interleaves(&self, first: ActionId, then: ActionId) -> bool {
        let (Some(a), Some(b)) = (self[first].rsc, self[then].rsc) else { return false };
        if a == b || !self.is_collective(a) || !self.is_collective(b) {
            return false;
        }
        let down = matches!(self[then].key, Key::Op(Task::Stop | Task::Demote, _));
        self.meta_true(if down { a } else { b }, "interleave")
    }

    fn relate_interleaved(
        &mut self,
        first: ActionId,
        then: ActionId,
        node: Option<NodeId>,
        filter: Flags,
        rel: Rel,
        queue: &mut Queue,
    ) -> Changed {
        let mut changed = Changed::default();
        let (Some(a), Some(b)) = (self[first].rsc, self[then].rsc) else { return changed };
        let Some(example) = self.instance_list(a).first().copied() else { return changed };
        let task = self.member_task(first, example);
        let current = matches!(self[first].key, Key::Op(Task::Stopped | Task::Demoted, _));
        for then_instance in self.instance_list(b) {
            let mate = self.compatible_instance(then_instance, a, Role::Unknown, current, None);
            let Some(mate) = mate else {
                if !current && rel.intersects(Rel::BLOCKS | Rel::MAKES_THEN) {
                    changed.then |= self.settle_on(then_instance, None, true);
                    for part in self.family(then_instance) {
                        for action in self[part].actions.clone() {
                            queue.push(action);
                            self.push_followers(action, queue);
                        }
                    }
                }
                continue;
            };
            let Some(first_action) = self.instance_action(first, mate, task, node, true) else {
                continue;
            };
            let then_task = self[then].task;
            let Some(then_action) =
                self.instance_action(then, then_instance, then_task, node, false)
            else {
                continue;
            };
            if self.link(first_action, then_action, rel) {
                changed.join(Changed { first: true, then: true });
                queue.push(then_action);
            }
            let flags = self.own_flags(first_action, node);
            let one = self.relate(
                then_instance,
                first_action,
                then_action,
                node,
                flags,
                filter,
                rel,
                queue,
            );
            if one.then {
                queue.push(then_action);
                self.push_followers(then_action, queue);
            }
            if one.first {
                queue.push(first_action);
                self.push_followers(first_action, queue);
            }
            changed.join(one);
        }
        changed
    }

    fn instance_action(
        &self,
        action: ActionId,
        instance: RscId,
        task: Task,
        node: Option<NodeId>,
        for_first: bool,
    ) -> Option<ActionId> {
        let own = self[action].task;
        let inside = if for_first {
            !matches!(own, Task::Stop | Task::Stopped)
        } else {
            matches!(own, Task::Promote | Task::Promoted | Task::Demote | Task::Demoted)
        };
        let contained = if inside { self.contained_in(instance) } else { None };
        match contained {
            Some(rsc) => self.first_task(rsc, task, None),
            None => self.first_task(instance, task, node),
        }
    }

    fn weaken(&mut self, id: ActionId, flag: Flags, because: ActionId) {
        if self[id].has(flag) {
            self[id].flags.remove(flag);
            if self[id].rsc != self[because].rsc && self[id].reason.is_none() {
                let owner = self[because].rsc.map_or("cluster".into(), |rsc| self[rsc].id.clone());
                let word = if flag == Flags::RUNNABLE { "unrunnable" } else { "required" };
                self[id].reason = Some(format!("{word} {owner} {}", self[because].task).into());
            }
        }
    }

    fn relate_one(
        &mut self,
        first: ActionId,
        then: ActionId,
        flags: Flags,
        filter: Flags,
        rel: Rel,
        queue: &mut Queue,
    ) -> Changed {
        let (first_before, then_before) = (self[first].flags, self[then].flags);
        let by_need = filter.contains(Flags::OPTIONAL);
        if rel.contains(Rel::ASYMMETRIC) {
            self.relate_asymmetric(first, then);
        }
        if rel.contains(Rel::MAKES_FIRST) && !then_before.contains(Flags::OPTIONAL) {
            // What is optional as a whole may be required where its partner looks.
            if by_need && self[first].optional() && !flags.contains(Flags::OPTIONAL) {
                self.weaken(first, Flags::OPTIONAL, then);
            }
            if flags.contains(Flags::MIGRATABLE) && !self[then].has(Flags::MIGRATABLE) {
                self.weaken(first, Flags::MIGRATABLE, then);
            }
        }
        if rel.contains(Rel::MAKES_FIRST_PROMOTED)
            && self[then].rsc.is_some_and(|rsc| self[rsc].role == Role::Promoted)
            && by_need
            && !self[then].optional()
        {
            self.weaken(first, Flags::OPTIONAL, then);
            if self[first].has(Flags::MIGRATABLE) && !self[then].has(Flags::MIGRATABLE) {
                self.weaken(first, Flags::MIGRATABLE, then);
            }
        }
        if rel.contains(Rel::MIGRATABLE_FIRST) && by_need {
            if !self[then].has(Flags::MIGRATABLE | Flags::RUNNABLE) {
                self.weaken(first, Flags::RUNNABLE, then);
            }
            if !self[then].optional() {
                self.weaken(first, Flags::OPTIONAL, then);
            }
        }
        if rel.contains(Rel::ELSE) && by_need && !self[first].runnable() {
            self.weaken(then, Flags::MIGRATABLE, first);
            self[then].flags.remove(Flags::PSEUDO);
        }
        if rel.contains(Rel::BLOCKS)
            && filter.contains(Flags::RUNNABLE)
            && self[then].runnable()
            && !flags.contains(Flags::RUNNABLE)
        {
            self.weaken(then, Flags::RUNNABLE, first);
            self.weaken(then, Flags::MIGRATABLE, first);
        }
        if rel.contains(Rel::MAKES_THEN)
            && by_need
            && self[then].optional()
            && !flags.contains(Flags::OPTIONAL)
            && !self[first].has(Flags::MIGRATABLE)
        {
            self.weaken(then, Flags::OPTIONAL, first);
        }
        if rel.contains(Rel::RESTART) {
            self.relate_restart(first, then, filter);
        }
        let changed = Changed {
            first: self[first].flags != first_before,
            then: self[then].flags != then_before,
        };
        if changed.then {
            queue.push(then);
            self.push_followers(then, queue);
        }
        if changed.first {
            queue.push(first);
            self.push_followers(first, queue);
        }
        changed
    }

    fn relate_asymmetric(&mut self, first: ActionId, then: ActionId) {
        let Some(rsc) = self[then].rsc else { return };
        if self[first].runnable() {
            return;
        }
        if self[then].optional() {
            let role = self.state(rsc, true);
            let only_there = match (self[rsc].running_on.as_slice(), self[then].node) {
                ([one], Some(node)) => *one == node,
                _ => false,
            };
            let stopped = role == Role::Stopped && self[then].task == Task::Stop;
            let started = role >= Role::Started && self[then].task == Task::Start && only_there;
            if stopped || started {
                return;
            }
        }
        self.weaken(then, Flags::OPTIONAL, first);
        self.weaken(then, Flags::RUNNABLE, first);
    }

    fn relate_restart(&mut self, first: ActionId, then: ActionId, filter: Flags) {
        let required = filter.contains(Flags::OPTIONAL) && !self[then].optional();
        let managed = self[then].rsc.is_some_and(|rsc| self[rsc].managed);
        let impossible = filter.contains(Flags::RUNNABLE)
            && !self[then].runnable()
            && managed
            && self[first].rsc == self[then].rsc;
        if !required && !impossible {
            return;
        }
        if self[first].runnable() {
            self.weaken(first, Flags::OPTIONAL, then);
        }
        if !self[then].optional() {
            self.weaken(first, Flags::OPTIONAL, then);
        }
        if !self[then].has(Flags::MIGRATABLE) {
            self.weaken(first, Flags::MIGRATABLE, then);
        }
        if !self[first].optional() && !self[first].runnable() {
            self.weaken(then, Flags::RUNNABLE, first);
        }
    }
}
