//! Probes: finding out what is active where nobody has looked yet.

use crate::action::{Flags, Rel};
use crate::constraint::End;
use crate::task::{Key, Task};
use crate::world::{ActionId, Discovery, NodeId, Role, RscId, Variant, World};

impl World<'_> {
    pub(crate) fn schedule_probes(&mut self) {
        for node in self.node_order.clone() {
            if !self[node].online {
                if self.is_failed_remote(node) {
                    self.want_fencing(node, "the connection is unrecoverable", false);
                }
                continue;
            }
            if self[node].unclean || !self[node].discovery || !self.options.probes {
                continue;
            }
            for rsc in self.top.clone() {
                self.probe(rsc, node);
            }
        }
    }

    /// Probes a resource on a node, if that makes sense.
    pub(crate) fn probe(&mut self, rsc: RscId, node: NodeId) -> bool {
        if !self.options.probes {
            return false;
        }
        if self.is_guest_or_remote(node) {
            let it = &self[rsc];
            let holds_guest = it.fillers.iter().any(|filler| self[*filler].is_remote_connection);
            if it.fence_device || it.is_remote_connection || (self.is_guest(node) && holds_guest) {
                return false;
            }
        }
        match self[rsc].variant {
            Variant::Primitive => self.probe_primitive(rsc, node),
            Variant::Group => self.probe_parts(rsc, node),
            Variant::Clone => self.probe_clone(rsc, node),
            Variant::Bundle => self.probe_bundle(rsc, node),
        }
    }

    fn probe_parts(&mut self, rsc: RscId, node: NodeId) -> bool {
        let mut any = false;
        for child in self[rsc].children.clone() {
            any |= self.probe(child, node);
        }
        any
    }

    /// Unique instances are all looked for; of anonymous ones, one look tells about all.
    fn probe_clone(&mut self, clone: RscId, node: NodeId) -> bool {
        if self[clone].exclusive_discover {
            // Nodes that are not asked for are none of its business.
            let entry = self[clone].allowed.get(node);
            if entry.is_none_or(|entry| entry.discovery != Discovery::Exclusive) {
                self[clone].allowed.remove(node);
                return false;
            }
        }
        let mut by_number = self[clone].children.clone();
        by_number.sort_by_key(|child| crate::assign_number(&self[*child].id));
        self[clone].children = by_number;
        if self[clone].unique {
            return self.probe_parts(clone, node);
        }
        let children = self[clone].children.clone();
        // One that is known there, else one that will be there, else any.
        let known = children.iter().copied().find(|child| {
            self.leaves(*child).into_iter().any(|leaf| self[leaf].known_on.contains(&node))
        });
        let here = known.or_else(|| {
            children.iter().copied().find(|child| self.location(*child, false) == Some(node))
        });
        match here.or_else(|| children.first().copied()) {
            Some(child) => self.probe(child, node),
            None => false,
        }
    }

    fn probe_primitive(&mut self, rsc: RscId, node: NodeId) -> bool {
        let top = self.top_of(rsc, false);
        let it = &self[rsc];
        if (it.container.is_some() && !it.is_remote_connection)
            || it.orphan
            || it.known_on.contains(&node)
        {
            return false;
        }
        let entry = it.allowed.get(node).copied();
        if it.exclusive_discover || self[top].exclusive_discover {
            match entry {
                Some(entry) if entry.discovery == Discovery::Exclusive => {}
                _ => return false,
            }
        }
        let mode = entry.map_or(self[node].discovery_mode, |entry| entry.discovery);
        if mode == Discovery::Never {
            return false;
        }
        if self.is_guest(node) {
            if let Some(host) = self[node].remote.and_then(|remote| self[remote].container) {
                if self[host].role == Role::Stopped {
                    self.probe_host_first(host, top);
                    return false;
                }
                if self.host_will_stop(node, host) {
                    self.order(host, Key::STOP, top, Key::START, Rel::ORDERED);
                    return false;
                }
            }
        }
        let probe = self.probe_action(rsc, node);
        let waits = if self[top].variant == Variant::Clone { top } else { rsc };
        let mut rel = Rel::ORDERED;
        if !self[probe].runnable() && self[waits].running_on.is_empty() {
            rel |= Rel::BLOCKS;
        }
        self.order_action_before(probe, waits, Key::START, rel);
        self.order_action_before(probe, waits, Key::op(Task::Reload), Rel::ORDERED);
        true
    }

    fn probe_action(&mut self, rsc: RscId, node: NodeId) -> ActionId {
        let probe = self.act(rsc, Key::PROBE, Some(node), false);
        self[probe].flags.remove(Flags::OPTIONAL);
        self.order_vs_unfencing(rsc, node, probe, Rel::ORDERED);
        if !self[rsc].running_on.contains(&node) {
            self[probe].extra().target_rc = Some(7);
        } else if self[rsc].role == Role::Promoted {
            self[probe].extra().target_rc = Some(8);
        }
        probe
    }

    fn probe_host_first(&mut self, host: RscId, rsc: RscId) {
        if let Some(node) = self[host].assigned {
            if !self[host].known_on.contains(&node) {
                self.order(host, Key::PROBE, rsc, Key::START, Rel::ORDERED);
            }
        }
    }

    fn host_will_stop(&self, node: NodeId, host: RscId) -> bool {
        let it = &self[host];
        self[node].remote_requires_reset
            || self[node].unclean
            || it.failed
            || it.next_role == Role::Stopped
            || (it.role > Role::Stopped
                && it.assigned.is_some_and(|there| !it.running_on.contains(&there)))
    }

    fn probes_of(&self, rsc: RscId) -> Vec<ActionId> {
        self.leaves(rsc)
            .into_iter()
            .flat_map(|leaf| self[leaf].actions.iter().rev().copied().collect::<Vec<_>>())
            .filter(|id| self[*id].key == Key::PROBE && self[*id].task == Task::Monitor)
            .collect()
    }

    /// Orders what depends on what is not known yet after the probes that tell.
    pub(crate) fn order_probes(&mut self) {
        for rsc in self.rsc_ids() {
            if self[rsc].variant == Variant::Primitive {
                self.order_own_probes(rsc);
            }
        }
        self.order_probes_before_stops();
    }

    fn order_own_probes(&mut self, rsc: RscId) {
        // All probes of one resource have the same successors, as a rule; what follows from a
        // successor is found once for all of them.
        let probes: Vec<ActionId> = self
            .find_all(rsc, &Key::PROBE)
            .into_iter()
            .filter(|id| self[*id].task == Task::Monitor)
            .collect();
        let mut walked: Vec<(ActionId, Vec<ActionId>)> = Vec::new();
        for probe in probes {
            let after: Vec<(ActionId, Rel)> = self[probe]
                .after
                .iter()
                .map(|link| (self.links[*link].then, self.links[*link].rel))
                .collect();
            for (then, rel) in after {
                self.order_members_after(probe, then, rel);
                let known = walked.iter().find(|(known, _)| *known == then);
                let targets = match known {
                    Some((_, targets)) => targets.clone(),
                    None => {
                        let targets = self.restarts_after(rsc, then);
                        walked.push((then, targets.clone()));
                        targets
                    }
                };
                for target in targets {
                    self.link(probe, target, Rel::ORDERED);
                }
            }
        }
    }

    /// A probe that cannot be done blocks the start of what is not active.
    fn order_members_after(&mut self, probe: ActionId, then: ActionId, rel: Rel) {
        let (Some(collective), Some(rsc)) = (self[then].rsc, self[probe].rsc) else { return };
        if self[collective].variant < Variant::Clone
            || self[probe].runnable()
            || rel.contains(Rel::BLOCKS)
            || self.top_of(rsc, false) != collective
            || self[then].task != Task::Start
        {
            return;
        }
        let next: Vec<ActionId> =
            self[then].after.iter().map(|link| self.links[*link].then).collect();
        for start in next {
            let Some(member) = self[start].rsc else { continue };
            if self[member].running_on.is_empty()
                && self.top_of(member, false) == collective
                && self[start].task == Task::Start
            {
                self.link(probe, start, Rel::ORDERED | Rel::BLOCKS);
            }
        }
    }

    /// The stops and demotes that would be part of a restart after an action.
    fn restarts_after(&mut self, origin: RscId, after: ActionId) -> Vec<ActionId> {
        let mut targets = Vec::new();
        self.epoch += 1;
        let mark = self.epoch;
        let mut pending = vec![after];
        while let Some(id) = pending.pop() {
            if self[id].mark == mark {
                continue;
            }
            self[id].mark = mark;
            let owner = self[id].rsc;
            if let Some(rsc) = owner {
                if self[rsc].variant == Variant::Primitive && rsc != origin {
                    let down = match self[id].task {
                        Task::Start => Some(Task::Stop),
                        Task::Promote => Some(Task::Demote),
                        _ => None,
                    };
                    for target in
                        down.map(|down| self.tasks_of(rsc, down, None)).unwrap_or_default()
                    {
                        if !self[target].pseudo() {
                            targets.push(target);
                        }
                    }
                }
            }
            let collective = owner.filter(|rsc| self[*rsc].variant >= Variant::Clone);
            let interleave = collective.is_some_and(|rsc| self.meta_true(rsc, "interleave"));
            let mate = collective
                .filter(|_| interleave)
                .and_then(|rsc| self.compatible_instance(origin, rsc, Role::Unknown, false, None));
            for link in self[id].after.clone() {
                let (then, rel) = (self.links[link].then, self.links[link].rel);
                if !rel.contains(Rel::MAKES_THEN) {
                    let Some(rsc) = owner else { continue };
                    let Some(chained) = self[then].rsc else { continue };
                    if self[rsc].variant < Variant::Group
                        || self[origin].parent == Some(rsc)
                        || self[chained].variant > Variant::Group
                        || self[chained].parent != Some(rsc)
                        || (self[rsc].variant > Variant::Group
                            && interleave
                            && mate != Some(chained))
                    {
                        continue;
                    }
                }
                pending.push(then);
            }
        }
        targets
    }

    /// Whatever waits for a stop waits for the probe, too, that might find something to stop.
    fn order_probes_before_stops(&mut self) {
        for at in 0..self.orders.len() {
            let order = self.orders[at].clone();
            if order.rel.is_empty() {
                continue;
            }
            let Some(first) = self.first_of(&order) else { continue };
            if order.then_rsc == Some(first) {
                continue;
            }
            let is_stop = match &order.first {
                End::Action(id) => self[*id].task == Task::Stop,
                End::Keyed(_, key) => *key == Key::STOP,
            };
            if !is_stop {
                continue;
            }
            let then_stop = match &order.then {
                End::Action(id) => self[*id].task == Task::Stop,
                End::Keyed(_, key) => *key == Key::STOP,
            };
            if order.then_rsc.is_some() && self[first].container == order.then_rsc && then_stop {
                continue;
            }
            let mut rel = Rel::ORDERED;
            rel |= order.rel & (Rel::UNMIGRATED_FIRST | Rel::SAME_NODE);
            if order.rel == Rel::AVOID || order.rel == Rel::LOAD {
                rel = order.rel;
            }
            let probes = self.probes_of_order(first);
            if probes.is_empty() {
                continue;
            }
            let thens = match &order.then {
                End::Action(id) => vec![*id],
                End::Keyed(rsc, key) => self.find_all(*rsc, key),
            };
            for probe in probes {
                for then in &thens {
                    if self.probe_matters(probe, *then) {
                        self.link(probe, *then, rel);
                    }
                }
            }
        }
    }

    fn probes_of_order(&self, rsc: RscId) -> Vec<ActionId> {
        if self[rsc].variant == Variant::Primitive {
            return self.probes_and_monitors(rsc);
        }
        // Only what is the resource's own counts; collectives have no probes.
        Vec::new()
    }

    fn probes_and_monitors(&self, rsc: RscId) -> Vec<ActionId> {
        self[rsc]
            .actions
            .iter()
            .rev()
            .copied()
            .filter(|id| self[*id].task == Task::Monitor && self[*id].interval() == 0)
            .collect()
    }

    fn probe_matters(&self, probe: ActionId, then: ActionId) -> bool {
        let (at, there) = (self[probe].node, self[then].node);
        if self[then].task == Task::Fence && at == there {
            let op = self[then].extra.as_ref().and_then(|extra| extra.fence_op.clone());
            if op.is_some_and(|op| op.eq_ignore_ascii_case("on")) {
                return false;
            }
        }
        !(self[then].task == Task::Shutdown && at.is_some() && there.is_some() && at != there)
    }

    /// All probes of a resource and its parts.
    pub(crate) fn all_probes(&self, rsc: RscId) -> Vec<ActionId> {
        self.probes_of(rsc)
    }
}
