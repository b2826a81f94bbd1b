//! Live migration: instead of a stop here and a start there.

use crate::action::{Flags, Rel};
use crate::task::{Key, Task};
use crate::world::{NodeId, RscId, World};

impl World<'_> {
    /// Whether a resource may be migrated away from a node.
    pub(super) fn may_migrate(&self, rsc: RscId, current: NodeId) -> bool {
        let it = &self[rsc];
        it.allow_migrate
            && it.managed
            && !it.failed
            && !it.start_pending
            && !self[current].unclean
            && it.assigned.is_some_and(|node| !self[node].unclean)
    }

    pub(super) fn create_migration(&mut self, rsc: RscId, current: Option<NodeId>) {
        let (Some(current), Some(target)) = (current, self[rsc].assigned) else { return };
        let start = self.act(rsc, Key::START, Some(target), true);
        let stop = self.act(rsc, Key::STOP, Some(current), true);
        let partial = self[rsc].partial_target.is_some();
        let to = (!partial).then(|| self.act(rsc, Key::op(Task::MigrateTo), Some(current), true));
        let from = self.act(rsc, Key::op(Task::MigrateFrom), Some(target), true);
        self[start].flags.insert(Flags::MIGRATABLE | Flags::PSEUDO);
        self[stop].flags.insert(Flags::MIGRATABLE);
        let needs = self[start].needs;
        self[from].flags.insert(Flags::MIGRATABLE);
        self[from].extra().migration = Some((current, target));
        let hold = Rel::ORDERED | Rel::MIGRATABLE_FIRST;
        if let Some(to) = to {
            self[to].flags.insert(Flags::MIGRATABLE);
            self[to].needs = needs;
            self[to].extra().migration = Some((current, target));
            self.order(rsc, Key::PROBE, rsc, Key::op(Task::MigrateTo), Rel::ORDERED);
            self.order(rsc, Key::op(Task::MigrateTo), rsc, Key::op(Task::MigrateFrom), hold);
        } else {
            self[from].needs = needs;
            self.order(rsc, Key::PROBE, rsc, Key::op(Task::MigrateFrom), Rel::ORDERED);
        }
        self.order(rsc, Key::op(Task::MigrateFrom), rsc, Key::STOP, hold);
        self.order(rsc, Key::op(Task::MigrateFrom), rsc, Key::START, hold | Rel::ELSE);
    }
}
