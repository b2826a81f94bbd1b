//! What one link does to the two actions it links.

use super::Queue;
use super::update::Changed;
use crate::action::{Flags, Rel};
use crate::task::{Key, Task};
use crate::world::{ActionId, Role, World};

impl World<'_> {
    fn weaken(&mut self, id: ActionId, flag: Flags, because: ActionId) {
        if self[id].has(flag) {
            self[id].flags.remove(flag);
            // That it cannot be migrated tells more than whatever was said before.
            let tells = self[id].reason.is_none() || flag == Flags::MIGRATABLE;
            if self[id].rsc != self[because].rsc && tells {
                let word = if flag == Flags::OPTIONAL { "required" } else { "unrunnable" };
                let text = match (self[because].rsc, &self[because].key) {
                    (Some(rsc), _) => format!("{word} {} {}", self[rsc].id, self[because].task),
                    (None, Key::Named(name)) => format!("{word} {name}"),
                    (None, _) => format!("{word} {}", self[because].task),
                };
                self[id].reason = Some(text.into());
            }
        }
    }

    pub(super) fn relate_one(
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
