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
///
/// What can be begun is known at any time, and not looked for among all steps: a plan has thousands, and
/// each result asks.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    pub(super) number: u64,
    pub(super) plan: Transition,
    /// No further step is begun.
    pub(super) aborted: bool,
    stands: Vec<Stand>,
    by_id: BTreeMap<u32, usize>,
    /// Of each step its place among those that are ready: what matters more has a lower one.
    ranks: Vec<usize>,
    /// Of each step how many of those that it waits for are not done.
    missing: Vec<usize>,
    /// Of each step those that wait for it.
    followers: Vec<Vec<usize>>,
    /// By rank, what waits for nothing but to be begun.
    ready: BTreeMap<usize, usize>,
    running: BTreeMap<usize, Instant>,
    /// Of what runs, the agents' actions of each node: all, and migrations.
    busy: BTreeMap<Name, (usize, usize)>,
    done: usize,
}

impl Walk {
    pub(super) fn new(number: u64, plan: Transition) -> Self {
        let mut order: Vec<usize> = (0..plan.steps.len()).collect();
        order.sort_by_key(|at| {
            let step = &plan.steps[*at];
            (step.task != Task::Fence, std::cmp::Reverse(step.priority), *at)
        });
        let mut ranks = vec![0; order.len()];
        for (rank, at) in order.iter().enumerate() {
            ranks[*at] = rank;
        }
        let mut followers = vec![Vec::new(); order.len()];
        for (at, step) in plan.steps.iter().enumerate() {
            for input in &step.inputs {
                followers[*input].push(at);
            }
        }
        let missing: Vec<usize> = plan.steps.iter().map(|step| step.inputs.len()).collect();
        let free = order.iter().filter(|at| missing[**at] == 0);
        Self {
            number,
            aborted: false,
            stands: vec![Stand::Waiting; plan.steps.len()],
            by_id: plan.steps.iter().enumerate().map(|(at, step)| (step.id, at)).collect(),
            ready: free.map(|at| (ranks[*at], *at)).collect(),
            ranks,
            missing,
            followers,
            running: BTreeMap::new(),
            busy: BTreeMap::new(),
            done: 0,
            plan,
        }
    }

    pub(super) fn place(&self, id: u32) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn stand(&self, at: usize) -> Stand {
        self.stands[at]
    }

    pub(super) fn stands(&self) -> &[Stand] {
        &self.stands
    }

    /// Where a step stands from now on.
    pub(super) fn set(&mut self, at: usize, stand: Stand) {
        let before = std::mem::replace(&mut self.stands[at], stand);
        self.ready.remove(&self.ranks[at]);
        if matches!(before, Stand::Running(_)) {
            self.running.remove(&at);
            self.count(at, false);
        }
        match stand {
            Stand::Running(until) => {
                self.running.insert(at, until);
                self.count(at, true);
            }
            Stand::Done if before != Stand::Done => {
                self.done += 1;
                for follower in std::mem::take(&mut self.followers[at]) {
                    self.missing[follower] -= 1;
                    if self.missing[follower] == 0 && self.stands[follower] == Stand::Waiting {
                        self.ready.insert(self.ranks[follower], follower);
                    }
                }
            }
            Stand::Waiting | Stand::Done | Stand::Failed => {}
        }
    }

    /// Counts an agent's action in or out.
    fn count(&mut self, at: usize, begins: bool) {
        let step = &self.plan.steps[at];
        let Some(node) = place_of(step).filter(|_| needs_program(step)) else { return };
        let (all, moves) = self.busy.entry(Name::from(node)).or_default();
        let migrates = usize::from(migrates(step));
        if begins {
            (*all, *moves) = (*all + 1, *moves + migrates);
        } else {
            (*all, *moves) = (all.saturating_sub(1), moves.saturating_sub(migrates));
        }
    }

    /// The first step that may be begun now.
    pub(super) fn next(&self, limits: &Limits, may: impl Fn(usize) -> bool) -> Option<usize> {
        if self.aborted {
            return None;
        }
        let under_way = self.busy.values().map(|(all, _)| all).sum();
        let mut ready = self.ready.values().copied();
        ready.find(|at| self.fits(*at, limits, under_way) && may(*at))
    }

    fn fits(&self, at: usize, limits: &Limits, under_way: usize) -> bool {
        let step = &self.plan.steps[at];
        let Some(node) = place_of(step).filter(|_| needs_program(step)) else {
            return true;
        };
        if limits.batch.is_some_and(|most| under_way >= most) {
            return false;
        }
        let node = Name::from(node);
        let (all, moves) = self.busy.get(&node).copied().unwrap_or_default();
        let jobs = limits.jobs.get(&node).copied().unwrap_or(limits.jobs_default);
        all < jobs && !(migrates(step) && limits.migrations.is_some_and(|most| moves >= most))
    }

    pub(super) fn running(&self) -> impl Iterator<Item = (usize, Instant)> {
        self.running.iter().map(|(at, until)| (*at, *until))
    }

    pub(super) fn is_complete(&self) -> bool {
        self.done == self.stands.len()
    }
}

fn migrates(step: &sched::Step) -> bool {
    matches!(step.task, Task::MigrateTo | Task::MigrateFrom)
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
