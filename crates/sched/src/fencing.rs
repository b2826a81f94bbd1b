//! Fencing and shutdown: what is ordered before and after them, and in which order they come.

use crate::action::{Flags, Needs, Rel};
use crate::task::{Key, Task};
use crate::world::{ActionId, NodeId, RscId, Variant, World};

impl World<'_> {
    pub(crate) fn schedule_fencing_and_shutdowns(&mut self) {
        let managed = self.top.iter().any(|rsc| {
            self[*rsc].managed || self.family(*rsc).into_iter().any(|id| self[id].managed)
        });
        let mut dc_down: Option<ActionId> = None;
        let (mut fencings, mut shutdowns): (Vec<ActionId>, Vec<ActionId>) =
            (Vec::new(), Vec::new());
        for node in self.node_order.clone() {
            let is_dc = self.dc == Some(node);
            if self.is_guest(node) {
                if self[node].remote_requires_reset && managed && self.can_fence(node) {
                    self.fence_guest(node);
                }
                continue;
            }
            if managed && self[node].unclean && self.can_fence(node) {
                let fence = self.fence_op(node, None, false, "node is unclean", false);
                self.order_vs_fencing(fence, node);
                if is_dc {
                    dc_down = Some(fence);
                } else {
                    if !self.options.concurrent_fencing {
                        if let Some(last) = fencings.last().copied() {
                            self.link(last, fence, Rel::ORDERED);
                        }
                    }
                    fencings.push(fence);
                }
            } else if self[node].online && self[node].shutdown && self.is_member(node) {
                let down = self.shutdown(node);
                if is_dc {
                    dc_down = Some(down);
                } else {
                    shutdowns.push(down);
                }
            }
        }
        let Some(dc_down) = dc_down else { return };
        if self[dc_down].task == Task::Shutdown {
            for down in shutdowns {
                self.link(down, dc_down, Rel::ORDERED);
            }
        }
        if self.options.concurrent_fencing {
            for fence in fencings {
                self.link(fence, dc_down, Rel::ORDERED);
            }
        } else if let Some(last) = fencings.last().copied() {
            self.link(last, dc_down, Rel::ORDERED);
        }
    }

    fn shutdown(&mut self, node: NodeId) -> ActionId {
        let name = format!("do_shutdown-{}", self[node].name);
        let down = self.cluster_action(&name, Task::Shutdown, node, false);
        for at in 0..self.actions.len() {
            let id = ActionId::new(at);
            if self[id].node != Some(node) || self[id].task != Task::Stop {
                continue;
            }
            let Some(rsc) = self[id].rsc else { continue };
            if self[rsc].maintenance
                || self[node].maintenance
                || !(self[rsc].managed || self[rsc].blocked)
            {
                continue;
            }
            self[id].flags.remove(Flags::OPTIONAL);
            self.order_pair(id, down, Rel::ORDERED | Rel::BLOCKS);
        }
        down
    }

    fn order_vs_fencing(&mut self, fence: ActionId, node: NodeId) {
        for rsc in self.top.clone() {
            for leaf in self.leaves(rsc) {
                if self[leaf].managed {
                    self.order_starts_vs(leaf, fence, node);
                    self.order_stops_vs(leaf, fence, node);
                }
            }
        }
    }

    fn order_starts_vs(&mut self, rsc: RscId, fence: ActionId, node: NodeId) {
        for id in self[rsc].actions.clone() {
            match self[id].needs {
                Needs::Nothing => {}
                Needs::Fencing => {
                    self.link(fence, id, Rel::ORDERED);
                }
                Needs::Quorum => {
                    let known = self[rsc].known_on.contains(&node)
                        || self[rsc].parent.is_some_and(|parent| {
                            self[parent].variant == Variant::Clone
                                && !self[parent].unique
                                && self[parent].known_on.contains(&node)
                        });
                    if self[id].task == Task::Start
                        && self[rsc].allowed.get(node).is_some()
                        && !known
                    {
                        self.link(fence, id, Rel::ORDERED | Rel::BLOCKS);
                    }
                }
            }
        }
    }

    fn order_stops_vs(&mut self, rsc: RscId, fence: ActionId, node: NodeId) {
        let stops = self.tasks_of(rsc, Task::Stop, Some(node));
        let implicit = self[rsc].needs_fencing || self.is_guest(node);
        let bundled = self.in_bundle(rsc);
        let top = self.top_of(rsc, false);
        let parent_stop = if implicit { self.first_task(top, Task::Stop, None) } else { None };
        for stop in stops {
            // The fencing does it.
            self[stop].flags.insert(Flags::PSEUDO | Flags::RUNNABLE);
            if implicit {
                if !bundled {
                    self.link(fence, stop, Rel::PRESERVE);
                }
                if let Some(parent_stop) = parent_stop {
                    self.link(fence, parent_stop, Rel::PRESERVE);
                }
            }
            if self[rsc].notify {
                self.notify_after_fencing(rsc, fence);
            }
        }
        for demote in self.tasks_of(rsc, Task::Demote, Some(node)) {
            if !self[node].online || self[node].unclean || self[rsc].failed {
                self[demote].flags.insert(Flags::PSEUDO | Flags::RUNNABLE);
                if implicit && !bundled {
                    self.link(fence, demote, Rel::PRESERVE | Rel::ORDERED);
                }
            }
        }
    }

    fn fence_guest(&mut self, node: NodeId) {
        let connection = self[node].remote;
        let container = connection.and_then(|rsc| self[rsc].container);
        let mut stop = container.and_then(|rsc| self.first_task(rsc, Task::Stop, None));
        let start = container.and_then(|rsc| self.first_task(rsc, Task::Start, None));
        let op = if start.is_some() { "reboot" } else { "off" };
        let fence = self.fence_op(node, Some(op), false, "guest is unclean", false);
        self[fence].flags.remove(Flags::OPTIONAL);
        self[fence].flags.insert(Flags::PSEUDO | Flags::RUNNABLE);
        match stop {
            Some(stop) if self[stop].pseudo() => {
                if let Some(host) = self[stop].node {
                    let parent = self.fence_op(host, None, false, "", false);
                    self.link(parent, fence, Rel::BLOCKS | Rel::MAKES_THEN);
                }
            }
            Some(stop) => {
                self.link(stop, fence, Rel::BLOCKS | Rel::MAKES_THEN);
            }
            None => {
                stop = connection.and_then(|rsc| self.first_task(rsc, Task::Stop, None));
                if let Some(stop) = stop {
                    self.link(stop, fence, Rel::ORDERED);
                }
            }
        }
        self.order_vs_fencing(fence, node);
        let _ = Key::STOP;
    }
}
