//! From where each resource is to where it shall be: the actions that take it there.

use crate::action::{Flags, Rel};
use crate::task::{Key, Task};
use crate::world::{MultipleActive, NodeId, Role, RscId, Variant, World};

mod migrate;
mod notify;
mod recurring;

pub(crate) use notify::Notifications;

/// The next role on the way from one to another.
fn step(from: Role, to: Role) -> Role {
    use Role::{Promoted, Started, Stopped, Unknown, Unpromoted};
    match (from, to) {
        (_, Unknown) => Unknown,
        (Unknown, _) => Stopped,
        (Stopped, Promoted) => Unpromoted,
        (Stopped | Started, to) => to,
        (Unpromoted, Stopped | Started) => Stopped,
        (Unpromoted, to) => to,
        (Promoted, Promoted) => Promoted,
        (Promoted, _) => Unpromoted,
    }
}

/// What a restart is about.
#[derive(Clone, Copy, Debug, Default)]
struct Restart {
    running: bool,
}

impl World<'_> {
    pub(crate) fn create_actions(&mut self, rsc: RscId) {
        match self[rsc].variant {
            Variant::Primitive => self.create_primitive(rsc),
            Variant::Group => self.create_group(rsc),
            Variant::Clone => {
                let instances = self[rsc].children.clone();
                self.create_instances(rsc, &instances);
                if self[rsc].promotable {
                    self.create_promotion(rsc, &instances);
                }
            }
            Variant::Bundle => self.create_bundle(rsc),
        }
    }

    fn create_group(&mut self, group: RscId) {
        for member in self[group].children.clone() {
            self.create_actions(member);
        }
        let mut tasks = vec![Task::Start, Task::Running, Task::Stop, Task::Stopped];
        if cib::value::is_true(self.meta(group, "promotable"))
            || self[self.top_of(group, false)].promotable
        {
            tasks.extend([Task::Demote, Task::Demoted, Task::Promote, Task::Promoted]);
        }
        for task in tasks {
            self.milestone(group, task, true, true);
        }
    }

    /// The milestones of a collective, according to what its instances do.
    pub(crate) fn create_instances(&mut self, collective: RscId, instances: &[RscId]) {
        let (mut active, mut starting, mut stopping, mut restarting) = (false, false, false, false);
        for instance in instances {
            self.create_actions(*instance);
            for leaf in self.leaves(*instance) {
                active |= !self[leaf].running_on.is_empty();
                let (mut starts, mut stops) = (false, false);
                for id in &self[leaf].actions {
                    let action = &self[*id];
                    match action.task {
                        Task::Start => starts |= !action.optional() && action.runnable(),
                        Task::Stop => {
                            stops |= !action.optional() && (action.pseudo() || action.runnable());
                        }
                        _ => {}
                    }
                }
                starting |= starts;
                stopping |= stops;
                restarting |= starts && stops;
            }
        }
        let start = self.milestone(collective, Task::Start, !starting, true);
        let running = self.milestone(collective, Task::Running, !starting, false);
        self[running].priority = 1_000_000;
        if active || starting {
            self[running].flags.insert(Flags::RUNNABLE);
        }
        let stop = self.milestone(collective, Task::Stop, !stopping, true);
        let stopped = self.milestone(collective, Task::Stopped, !stopping, true);
        self[stopped].priority = 1_000_000;
        if !restarting {
            self[stop].flags.insert(Flags::MIGRATABLE);
        }
        if self[collective].variant == Variant::Clone {
            self.create_clone_notifications(collective, start, running, stop, stopped);
        }
    }

    pub(crate) fn create_promotion(&mut self, clone: RscId, instances: &[RscId]) {
        let (mut promoting, mut demoting) = (false, false);
        for instance in instances {
            for leaf in self.leaves(*instance) {
                for id in &self[leaf].actions {
                    let action = &self[*id];
                    if !action.optional() {
                        promoting |= action.task == Task::Promote;
                        demoting |= action.task == Task::Demote;
                    }
                }
            }
        }
        let promote = self.milestone(clone, Task::Promote, !promoting, true);
        let promoted = self.milestone(clone, Task::Promoted, !promoting, true);
        self[promoted].priority = 1_000_000;
        self.announce_promotion(clone, promote, promoted);
        let demote = self.milestone(clone, Task::Demote, !demoting, true);
        let demoted = self.milestone(clone, Task::Demoted, !demoting, true);
        self[demoted].priority = 1_000_000;
        self.announce_demotion(clone, demote, demoted);
        for instance in instances {
            self[*instance].priority = self[clone].priority;
        }
    }

    fn create_primitive(&mut self, rsc: RscId) {
        if self[rsc].next_role == Role::Unknown {
            self[rsc].next_role =
                if self[rsc].assigned.is_none() { Role::Stopped } else { Role::Started };
        }
        let running = self[rsc].running_on.clone();
        let clean =
            running.iter().filter(|node| self[**node].online && !self[**node].unclean).count();
        let mut current = self.current_node(rsc);
        for node in self[rsc].dangling.clone() {
            self.stop_dangling(rsc, node);
        }
        let assigned = self[rsc].assigned;
        let mut moving = false;
        let mut migrate = false;
        if let (Some(here), Some(there)) = (current, assigned) {
            moving = here != there && self[rsc].next_role >= Role::Started;
            migrate = self.may_migrate(rsc, here);
        }
        let mut stop = moving;
        let (source, target) = (self[rsc].partial_source, self[rsc].partial_target);
        let mut multiply = if self[rsc].needs_fencing { running.len() > 1 } else { clean > 1 };
        if source.is_some()
            && target.is_some()
            && running.len() == 2
            && current == source
            && assigned == target
            && migrate
        {
            // The migration goes on where it is.
            multiply = false;
        } else if source.is_some() || target.is_some() {
            self[rsc].partial_source = None;
            self[rsc].partial_target = None;
            migrate = false;
        }
        let mut promote = false;
        self[rsc].stop_unexpected = false;
        if multiply {
            match self[rsc].multiple_active {
                MultipleActive::StopStart => stop = true,
                MultipleActive::StopUnexpected => {
                    stop = true;
                    self[rsc].stop_unexpected = true;
                }
                MultipleActive::StopOnly | MultipleActive::Block => {}
            }
        }
        if self[rsc].start_pending
            && let Some(node) = assigned
        {
            let start = self.act(rsc, Key::START, Some(node), true);
            self[start].flags.insert(Flags::PRINT);
        }
        if current.is_none() {
            current = running.first().copied();
        }
        if moving {
            // Whatever else would ask for a restart: it restarts.
        } else if self[rsc].failed {
            if self[rsc].stop_requested {
                stop = true;
            } else if self[rsc].next_role == Role::Promoted {
                promote = true;
            }
        } else if self[rsc].blocked {
            stop = true;
        } else if self[rsc].role > Role::Started && current.is_some() && assigned.is_some() {
            let start = self.act(rsc, Key::START, assigned, true);
            if !self[start].optional() {
                stop = true;
            }
        }
        self.take_down_and_up(rsc, current, stop, promote);
        self.take_to_next_role(rsc);
        self.create_recurring(rsc);
        if migrate && (moving || self[rsc].partial_source.is_some()) {
            self.create_migration(rsc, current);
        }
    }

    fn take_down_and_up(&mut self, rsc: RscId, current: Option<NodeId>, stop: bool, promote: bool) {
        let restart = Restart { running: true };
        let mut role = self[rsc].role;
        while role != Role::Stopped {
            let next = step(role, Role::Stopped);
            self.change_role(rsc, current, role, next, !stop, restart);
            role = next;
        }
        let up = self[rsc].role;
        while up <= self[rsc].next_role && role != up && !self[rsc].blocked {
            let next = step(role, up);
            let required = stop || (next == Role::Promoted && promote);
            let node = self[rsc].assigned;
            self.change_role(rsc, node, role, next, !required, restart);
            if next == role {
                break;
            }
            role = next;
        }
    }

    fn take_to_next_role(&mut self, rsc: RscId) {
        let mut role = self[rsc].role;
        while role != self[rsc].next_role {
            let next = step(role, self[rsc].next_role);
            let node = self[rsc].assigned;
            self.change_role(rsc, node, role, next, false, Restart::default());
            if next == role {
                break;
            }
            role = next;
        }
    }

    fn change_role(
        &mut self,
        rsc: RscId,
        node: Option<NodeId>,
        from: Role,
        to: Role,
        optional: bool,
        restart: Restart,
    ) {
        match (from, to) {
            (Role::Stopped, Role::Started | Role::Unpromoted) => {
                self.start(rsc, node, optional, restart)
            }
            (Role::Started | Role::Unpromoted, Role::Stopped) => self.stop(rsc, optional, restart),
            (Role::Unpromoted, Role::Started) => self.stop(rsc, optional, restart),
            (Role::Started | Role::Unpromoted, Role::Promoted) => {
                self.promote(rsc, node, optional, restart)
            }
            (Role::Promoted, to) if to != Role::Promoted => self.demote(rsc, optional),
            (Role::Unknown, Role::Stopped) => self.stop(rsc, optional, restart),
            _ => {}
        }
    }

    fn start(&mut self, rsc: RscId, node: Option<NodeId>, optional: bool, restart: Restart) {
        let start = self.act(rsc, Key::START, node, true);
        if let Some(node) = node {
            self.order_vs_unfencing(rsc, node, start, Rel::MAKES_THEN);
        }
        if self[start].runnable() && !optional {
            self[start].flags.remove(Flags::OPTIONAL);
        }
        if restart.running && self[rsc].stop_unexpected {
            self[start].flags.insert(Flags::PSEUDO);
        }
    }

    fn stop(&mut self, rsc: RscId, optional: bool, restart: Restart) {
        for node in self[rsc].running_on.clone() {
            let mut optional = optional;
            if self[rsc].stop_unexpected && self[rsc].assigned == Some(node) {
                continue;
            }
            if let Some(target) = self[rsc].partial_target {
                if node == target && self[rsc].assigned == Some(target) {
                    continue;
                }
                optional = false;
            }
            let stop = self.act(rsc, Key::STOP, Some(node), optional);
            if self[rsc].assigned.is_none() {
                self[stop].reason = Some("node availability".into());
            } else if restart.running && self[rsc].stop_unexpected {
                self[stop].reason = Some("being multiply active".into());
            }
            if !self[rsc].managed {
                self[stop].flags.remove(Flags::RUNNABLE);
            }
            if self.options.remove_after_stop {
                self.clean_up(rsc, node, optional);
            }
            if self[rsc].needs_unfencing {
                let unfence = self.fence_op(node, Some("on"), true, "", false);
                self.link(stop, unfence, Rel::MAKES_FIRST);
            }
        }
    }

    fn promote(&mut self, rsc: RscId, node: Option<NodeId>, optional: bool, restart: Restart) {
        let starts = self.tasks_of(rsc, Task::Start, node);
        let runnable = starts.iter().all(|start| self[*start].runnable());
        if runnable {
            let promote = self.act(rsc, Key::PROMOTE, node, optional);
            if restart.running && self[rsc].stop_unexpected {
                self[promote].flags.insert(Flags::PSEUDO);
            }
        } else {
            for promote in self.tasks_of(rsc, Task::Promote, node) {
                self[promote].flags.remove(Flags::RUNNABLE);
            }
        }
    }

    fn demote(&mut self, rsc: RscId, optional: bool) {
        for node in self[rsc].running_on.clone() {
            if self[rsc].stop_unexpected && self[rsc].assigned == Some(node) {
                continue;
            }
            self.act(rsc, Key::DEMOTE, Some(node), optional);
        }
    }

    fn stop_dangling(&mut self, rsc: RscId, node: NodeId) {
        let stop = self.act(rsc, Key::STOP, Some(node), false);
        self.dangling_stops.insert(stop);
        if self.options.remove_after_stop {
            let optional = self[stop].optional();
            self.clean_up(rsc, node, optional);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_through_the_roles_ends() {
        let all = [Role::Unknown, Role::Stopped, Role::Started, Role::Unpromoted, Role::Promoted];
        for from in all {
            for to in &all[1..] {
                let mut role = from;
                for _ in 0..4 {
                    if role == *to {
                        break;
                    }
                    role = step(role, *to);
                }
                assert_eq!(role, *to, "{from:?} to {to:?}");
            }
        }
    }
}
