//! Nothing migrates across the restart of a clone it depends on.
//!
//! While a clone merely loses or gains instances, what is ordered after it may be migrated away
//! first. An instance that stops and starts again is another matter: its dependent would have to
//! wait for the start before it leaves, and leave before the stop. That a clone restarts may
//! follow only from orders, long after its milestones were made.

use super::Queue;
use crate::action::Flags;
use crate::task::{Key, Task};
use crate::world::{RscId, Variant, World};

impl World<'_> {
    /// Takes back the leave to migrate; whether any was taken.
    pub(super) fn hold_migrations(&mut self, queue: &mut Queue) -> bool {
        let mut any = false;
        for clone in self.rsc_ids() {
            if self[clone].variant != Variant::Clone {
                continue;
            }
            let Some(stop) = self.find(clone, &Key::STOP, None) else { continue };
            if self[stop].has(Flags::MIGRATABLE)
                && self.leaves(clone).into_iter().any(|leaf| self.restarts(leaf))
            {
                self[stop].flags.remove(Flags::MIGRATABLE);
                queue.push(stop);
                any = true;
            }
        }
        any
    }

    fn restarts(&self, rsc: RscId) -> bool {
        let due = |task: Task| {
            self[rsc].actions.iter().any(|id| {
                let it = &self[*id];
                it.task == task && !it.optional() && (it.runnable() || it.pseudo())
            })
        };
        due(Task::Stop) && due(Task::Start)
    }
}
