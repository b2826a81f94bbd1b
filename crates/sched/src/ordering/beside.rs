//! No instance of an anonymous clone starts where another one ought to stop and cannot.
//!
//! Placement gives a node to one instance because another leaves it. Whether that one can leave is
//! known only when all orders have been followed: its stop may wait for one that is blocked. Until
//! then the node has its fill.

use super::Queue;
use crate::action::Flags;
use crate::task::Task;
use crate::world::{ActionId, RscId, Variant, World};

impl World<'_> {
    /// Blocks such starts; whether there were any.
    pub(super) fn block_starts_beside(&mut self, queue: &mut Queue) -> bool {
        let mut any = false;
        for clone in self.rsc_ids() {
            if self[clone].variant != Variant::Clone || self[clone].unique {
                continue;
            }
            let leaves = self.leaves(clone);
            let stuck: Vec<(RscId, ActionId)> =
                leaves.iter().flat_map(|leaf| self.stuck_stops(*leaf)).collect();
            for (there, stop) in stuck {
                let same = |leaf: &&RscId| **leaf != there && self[**leaf].base == self[there].base;
                let starts = leaves.iter().filter(same).flat_map(|leaf| &self[*leaf].actions);
                let starts: Vec<ActionId> = starts
                    .copied()
                    .filter(|id| {
                        let start = &self[*id];
                        start.task == Task::Start
                            && start.runnable()
                            && start.node == self[stop].node
                    })
                    .collect();
                for start in starts {
                    self.block_start(start, there, queue);
                    any = true;
                }
            }
        }
        any
    }

    /// The stops that are due where a resource is, and cannot be.
    fn stuck_stops(&self, rsc: RscId) -> Vec<(RscId, ActionId)> {
        let stuck = |id: &ActionId| {
            let it = &self[*id];
            it.task == Task::Stop
                && !it.optional()
                && !it.runnable()
                && it.node.is_some_and(|node| self[rsc].running_on.contains(&node))
        };
        self[rsc].actions.iter().copied().filter(stuck).map(|id| (rsc, id)).collect()
    }

    fn block_start(&mut self, start: ActionId, there: RscId, queue: &mut Queue) {
        self[start].flags.remove(Flags::RUNNABLE);
        if self[start].reason.is_none() {
            self[start].reason = Some(format!("unrunnable {} stop", self[there].id).into());
        }
        self.block_dependents(start, queue);
        queue.push(start);
        self.push_followers(start, queue);
    }
}
