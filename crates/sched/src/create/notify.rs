//! Notifications: telling the instances of a clone what is going to happen and what has happened.

use crate::action::{Flags, Rel};
use crate::task::{Key, Phase, Task};
use crate::world::{ActionId, NodeId, Role, RscId, World};

/// The milestones of the notifications about one task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notice {
    task: Task,
    pre: Option<ActionId>,
    pre_done: Option<ActionId>,
    post: Option<ActionId>,
    post_done: Option<ActionId>,
}

/// All notifications of a clone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notifications {
    start: Option<Notice>,
    stop: Option<Notice>,
    promote: Option<Notice>,
    demote: Option<Notice>,
}

impl World<'_> {
    fn notice_milestone(
        &mut self,
        rsc: RscId,
        about: ActionId,
        task: Task,
        phase: Phase,
        notice: Task,
    ) -> ActionId {
        let key = Key::Notify(phase, self[about].task);
        let optional = self[about].optional();
        let id = self.act(rsc, key, None, optional);
        self[id].task = task;
        self[id].extra().about = Some(notice);
        self[id].flags.insert(Flags::PSEUDO);
        id
    }

    fn notice(
        &mut self,
        rsc: RscId,
        task: Task,
        action: Option<ActionId>,
        complete: Option<ActionId>,
    ) -> Option<Notice> {
        if !self[rsc].notify {
            return None;
        }
        let mut notice = Notice { task, pre: None, pre_done: None, post: None, post_done: None };
        if let Some(action) = action {
            let pre = self.notice_milestone(rsc, action, Task::Notify, Phase::Pre, task);
            let done =
                self.notice_milestone(rsc, action, Task::Notified, Phase::ConfirmedPre, task);
            self[pre].flags.insert(Flags::RUNNABLE);
            self[done].flags.insert(Flags::RUNNABLE);
            self.link(pre, done, Rel::ORDERED);
            self.link(done, action, Rel::ORDERED);
            notice.pre = Some(pre);
            notice.pre_done = Some(done);
        }
        if let Some(complete) = complete {
            let runnable = self[complete].runnable();
            let post = self.notice_milestone(rsc, complete, Task::Notify, Phase::Post, task);
            let done =
                self.notice_milestone(rsc, complete, Task::Notified, Phase::ConfirmedPost, task);
            for id in [post, done] {
                self[id].priority = 1_000_000;
                self[id].flags.set(Flags::RUNNABLE, runnable);
            }
            self.link(complete, post, Rel::MAKES_THEN);
            self.link(post, done, Rel::MAKES_THEN);
            notice.post = Some(post);
            notice.post_done = Some(done);
        }
        if let (Some(pre_done), Some(post)) = (notice.pre_done, notice.post) {
            self.link(pre_done, post, Rel::ORDERED);
        }
        Some(notice)
    }

    pub(super) fn create_clone_notifications(
        &mut self,
        clone: RscId,
        start: ActionId,
        running: ActionId,
        stop: ActionId,
        stopped: ActionId,
    ) {
        let start = self.notice(clone, Task::Start, Some(start), Some(running));
        let stop = self.notice(clone, Task::Stop, Some(stop), Some(stopped));
        if let (Some(start), Some(stop)) = (&start, &stop)
            && let (Some(done), Some(pre)) = (stop.post_done, start.pre)
        {
            self.link(done, pre, Rel::ORDERED);
        }
        let all = self.notifications.entry(clone).or_default();
        all.start = start;
        all.stop = stop;
    }

    pub(super) fn announce_promotion(&mut self, clone: RscId, first: ActionId, done: ActionId) {
        let promote = self.notice(clone, Task::Promote, Some(first), Some(done));
        self.notifications.entry(clone).or_default().promote = promote;
    }

    /// Announces demotions, the promotions having been announced.
    pub(super) fn announce_demotion(&mut self, clone: RscId, first: ActionId, done: ActionId) {
        let demote = self.notice(clone, Task::Demote, Some(first), Some(done));
        let all = self.notifications.entry(clone).or_default();
        all.demote = demote;
        let all = *all;
        let pairs = [
            (all.stop, all.promote),
            (all.start, all.promote),
            (all.demote, all.promote),
            (all.demote, all.start),
            (all.demote, all.stop),
        ];
        for (first, then) in pairs {
            if let (Some(first), Some(then)) = (first, then)
                && let (Some(done), Some(pre)) = (first.post_done, then.pre)
            {
                self.link(done, pre, Rel::ORDERED);
            }
        }
    }

    /// The notifications themselves, once it is known what will be done.
    pub(crate) fn create_notifications(&mut self) {
        for clone in self.rsc_ids() {
            let Some(all) = self.notifications.get(&clone).copied() else { continue };
            for notice in [all.start, all.stop, all.promote, all.demote].into_iter().flatten() {
                self.notify_instances(clone, &notice);
            }
        }
    }

    fn any_required(&self, clone: RscId, task: Task) -> bool {
        self.leaves(clone).into_iter().filter(|leaf| self[*leaf].managed).any(|leaf| {
            self[leaf].actions.iter().any(|id| {
                let action = &self[*id];
                let lost = action.node.is_some_and(|node| task == Task::Stop && self[node].unclean);
                let happens = action.node.is_some() && (lost || action.runnable());
                action.task == task && !action.optional() && happens
            })
        })
    }

    /// Whether something ought to stop that must not, and nothing else stops.
    fn stops_are_stuck(&self, clone: RscId) -> bool {
        let mut stops = self.leaves(clone).into_iter().flat_map(|leaf| {
            let stops = self.tasks_of(leaf, Task::Stop, None).into_iter();
            stops.filter(|stop| !self[*stop].optional())
        });
        let stuck = |stop: ActionId| {
            let action = &self[stop];
            let left_alone = action.rsc.is_some_and(|rsc| !self[rsc].managed);
            !action.pseudo()
                && (left_alone || !action.runnable())
                && action.node.is_some_and(|node| !self[node].remote_requires_reset)
        };
        let first = stops.next();
        first.is_some_and(stuck) && stops.all(stuck)
    }

    fn notify_instances(&mut self, clone: RscId, notice: &Notice) {
        if self.any_required(clone, notice.task) {
            for id in
                [notice.pre, notice.pre_done, notice.post, notice.post_done].into_iter().flatten()
            {
                self[id].flags.remove(Flags::OPTIONAL);
            }
        } else if notice.task != Task::Stop {
            // A stop may be implied by fencing; everything else is then not done at all.
            return;
        } else if self.stops_are_stuck(clone) {
            // What is announced and never comes would be announced again in each plan.
            for id in
                [notice.pre, notice.pre_done, notice.post, notice.post_done].into_iter().flatten()
            {
                self[id].flags.insert(Flags::OPTIONAL);
            }
            return;
        }
        for leaf in self.leaves(clone) {
            self.notify_leaf(leaf, notice);
        }
    }

    fn notify_leaf(&mut self, rsc: RscId, notice: &Notice) {
        let down = matches!(notice.task, Task::Stop | Task::Demote);
        if down && self[rsc].role != Role::Stopped {
            let stop = self.first_task(rsc, Task::Stop, None);
            for node in self[rsc].running_on.clone() {
                let implied = stop.is_some_and(|stop| self[stop].pseudo());
                if implied && (self[node].unclean || self[node].remote_requires_reset) {
                    continue;
                }
                self.notify_one(rsc, node, notice.pre, notice.pre_done, notice.task, Phase::Pre);
                if notice.task == Task::Demote || stop.is_none_or(|stop| self[stop].optional()) {
                    self.notify_after(rsc, node, notice);
                }
            }
        }
        if !down && self[rsc].next_role != Role::Stopped {
            let start = self.first_task(rsc, Task::Start, None);
            if start.is_some_and(|start| self.connection_cannot_start(start)) {
                return;
            }
            let Some(node) = self[rsc].assigned else { return };
            if notice.task != Task::Start || start.is_none_or(|start| self[start].optional()) {
                self.notify_one(rsc, node, notice.pre, notice.pre_done, notice.task, Phase::Pre);
            }
            self.notify_after(rsc, node, notice);
        }
    }

    /// Whether an action waits for a connection that cannot be made.
    fn connection_cannot_start(&self, action: ActionId) -> bool {
        let connection = self[action].node.and_then(|node| self[node].remote);
        let start = connection.and_then(|rsc| self.first_task(rsc, Task::Start, None));
        start.is_some_and(|start| !self[start].runnable())
    }

    fn notify_one(
        &mut self,
        rsc: RscId,
        node: NodeId,
        about: Option<ActionId>,
        done: Option<ActionId>,
        task: Task,
        phase: Phase,
    ) -> Option<ActionId> {
        let (about, done) = (about?, done?);
        if !self[node].online || !self[about].runnable() {
            return None;
        }
        let optional = self[about].optional();
        let id = self.act(rsc, Key::Notify(phase, task), Some(node), optional);
        self.link(about, id, Rel::ORDERED);
        self.link(id, done, Rel::ORDERED);
        Some(id)
    }

    fn notify_after(&mut self, rsc: RscId, node: NodeId, notice: &Notice) {
        let id =
            self.notify_one(rsc, node, notice.post, notice.post_done, notice.task, Phase::Post);
        if let Some(id) = id {
            self[id].priority = 1_000_000;
        }
        let Some(done) = notice.post_done else { return };
        for monitor in self[rsc].actions.clone() {
            if self[monitor].interval() > 0 && self[monitor].task != Task::Cancel {
                self.link(done, monitor, Rel::ORDERED);
            }
        }
    }

    /// What has stopped because its node was fenced is told to the others, too.
    pub(crate) fn notify_after_fencing(&mut self, rsc: RscId, fencing: ActionId) {
        if let Some(notice) = self.notice(rsc, Task::Stop, None, Some(fencing)) {
            let top = self.top_of(rsc, false);
            for leaf in self.leaves(top) {
                self.notify_leaf(leaf, &notice);
            }
        }
    }
}
