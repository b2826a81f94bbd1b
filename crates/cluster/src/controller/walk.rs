//! Walking a plan's graph: which steps may be begun now, and what became of the others.
//!
//! A step is ready when all it waits for are done. Fencing goes before everything else that is
//! ready, then whatever matters more. Limits bound what is under way: of the cluster
//! (`batch-limit`), of each node (what its load allows), and of a node's migrations.

use std::collections::BTreeMap;

use base::{Instant, Name};
use sched::{StepKind, Task, Transition};

/// Where a step stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stand {
    /// It was not begun.
    Waiting,
    /// It is under way, and must have ended by then.
    Running(Instant),
    /// It came to what was hoped for.
    Done,
    /// It did not; nothing that waits for it is ever begun.
    Failed,
}

/// How much may be under way at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    /// Actions in the cluster.
    pub(super) batch: Option<usize>,
    /// Migrations of a node.
    pub(super) migrations: Option<usize>,
    /// Actions on each node, and on one that has told nothing of its load.
    pub(super) jobs: BTreeMap<Name, usize>,
    pub(super) jobs_default: usize,
}

/// A plan on its way.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    pub(super) number: u64,
    pub(super) plan: Transition,
    pub(super) stands: Vec<Stand>,
    /// No further step is begun.
    pub(super) aborted: bool,
    by_id: BTreeMap<u32, usize>,
    order: Vec<usize>,
}

impl Walk {
    pub(super) fn new(number: u64, plan: Transition) -> Self {
        let mut order: Vec<usize> = (0..plan.steps.len()).collect();
        order.sort_by_key(|at| {
            let step = &plan.steps[*at];
            (step.task != Task::Fence, std::cmp::Reverse(step.priority), *at)
        });
        Self {
            number,
            stands: vec![Stand::Waiting; plan.steps.len()],
            by_id: plan.steps.iter().enumerate().map(|(at, step)| (step.id, at)).collect(),
            order,
            plan,
            aborted: false,
        }
    }

    pub(super) fn place(&self, id: u32) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn is_ready(&self, at: usize) -> bool {
        self.stands[at] == Stand::Waiting
            && self.plan.steps[at].inputs.iter().all(|it| self.stands[*it] == Stand::Done)
    }

    /// The first step that may be begun now.
    pub(super) fn next(&self, limits: &Limits, may: impl Fn(usize) -> bool) -> Option<usize> {
        if self.aborted {
            return None;
        }
        let busy = self.busy();
        self.order
            .iter()
            .copied()
            .find(|at| self.is_ready(*at) && self.fits(*at, limits, &busy) && may(*at))
    }

    /// Agents' actions under way, by node.
    fn busy(&self) -> BTreeMap<&str, usize> {
        let mut busy = BTreeMap::new();
        for (at, step) in self.plan.steps.iter().enumerate() {
            if let (Stand::Running(_), true, Some(node)) =
                (self.stands[at], needs_program(step), place_of(step))
            {
                *busy.entry(node).or_insert(0) += 1;
            }
        }
        busy
    }

    fn fits(&self, at: usize, limits: &Limits, busy: &BTreeMap<&str, usize>) -> bool {
        let step = &self.plan.steps[at];
        let Some(node) = place_of(step).filter(|_| needs_program(step)) else {
            return true;
        };
        if limits.batch.is_some_and(|most| busy.values().sum::<usize>() >= most) {
            return false;
        }
        let jobs = limits.jobs.get(&Name::from(node)).copied().unwrap_or(limits.jobs_default);
        if busy.get(node).copied().unwrap_or(0) >= jobs {
            return false;
        }
        let migrates = |task| matches!(task, Task::MigrateTo | Task::MigrateFrom);
        if let (true, Some(most)) = (migrates(step.task), limits.migrations) {
            let under_way = self.plan.steps.iter().zip(&self.stands).filter(|(it, stand)| {
                migrates(it.task)
                    && matches!(stand, Stand::Running(_))
                    && place_of(it) == Some(node)
            });
            return under_way.count() < most;
        }
        true
    }

    pub(super) fn running(&self) -> impl Iterator<Item = (usize, Instant)> {
        self.stands.iter().enumerate().filter_map(|(at, stand)| match stand {
            Stand::Running(until) => Some((at, *until)),
            _ => None,
        })
    }

    pub(super) fn is_complete(&self) -> bool {
        self.stands.iter().all(|stand| *stand == Stand::Done)
    }
}

/// Whether a program is started for it. What needs none costs a node next to nothing, however many
/// there are: the VIPs of a whole node are put up in one batch.
fn needs_program(step: &sched::Step) -> bool {
    let native = step.resource.as_ref().is_some_and(|it| &*it.provider == "mainstay");
    step.kind == StepKind::Resource && !native
}

/// The node whose executor has the work.
pub(super) fn place_of(step: &sched::Step) -> Option<&str> {
    step.router.as_deref().or_else(|| step.node.as_ref().map(|(name, _)| &**name))
}
