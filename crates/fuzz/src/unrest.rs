//! Why a cluster does not come to rest: what its last plan comes to.
//!
//! Instances of an anonymous clone are told apart by the planner only, so what counts is what the
//! agents on a node see: which resource stops there, which starts there.

use std::collections::{BTreeMap, BTreeSet};

use sched::{Step, StepKind, Task, Transition};

/// What a plan of a cluster that does not rest comes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Unrest {
    /// Nothing is done: something is announced.
    Announces,
    /// Everything is looked at or stopped and started again where it is.
    Restarts,
    /// Instances change places; afterwards the same resources run on the same nodes.
    Exchanges,
    /// The same resources run on the same nodes, and others are promoted.
    Promotes,
    /// Something runs elsewhere afterwards; what does is a clone's.
    MovesInstances,
    /// Something runs elsewhere afterwards that is no clone's.
    MovesSingles,
}

impl Unrest {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Announces,
        Self::Restarts,
        Self::Exchanges,
        Self::Promotes,
        Self::MovesInstances,
        Self::MovesSingles,
    ];

    /// In words.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            Self::Announces => "announces, and does nothing",
            Self::Restarts => "restarts, or looks, where it is",
            Self::Exchanges => "alike instances change places",
            Self::Promotes => "another instance is promoted",
            Self::MovesInstances => "instances move",
            Self::MovesSingles => "what is not cloned moves",
        }
    }

    /// What a plan comes to.
    #[must_use]
    pub fn of(plan: &Transition) -> Self {
        let steps = || plan.steps.iter().filter(|step| step.kind == StepKind::Resource);
        if steps().all(|step| step.task == Task::Notify) {
            return Self::Announces;
        }
        let (starts, stops) = (places(plan, Task::Start), places(plan, Task::Stop));
        let (promotes, demotes) = (places(plan, Task::Promote), places(plan, Task::Demote));
        let moved: Vec<&str> = starts
            .keys()
            .chain(stops.keys())
            .filter(|id| starts.get(*id) != stops.get(*id))
            .copied()
            .collect();
        let migrates = steps().any(|step| step.task == Task::MigrateTo);
        if !moved.is_empty() || migrates {
            let cloned = |id: &&str| steps().any(|it| cloned(it, id));
            let only = !migrates && moved.iter().all(cloned);
            return if only { Self::MovesInstances } else { Self::MovesSingles };
        }
        if promotes != demotes {
            return Self::Promotes;
        }
        if instances(plan, Task::Start) == instances(plan, Task::Stop) {
            Self::Restarts
        } else {
            Self::Exchanges
        }
    }
}

fn cloned(step: &Step, id: &str) -> bool {
    step.resource.as_ref().is_some_and(|it| &*it.id == id && it.long_id.is_some())
}

/// Where a task is done, by resource.
fn places(plan: &Transition, task: Task) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for step in plan.steps.iter().filter(|it| it.task == task && it.kind == StepKind::Resource) {
        if let (Some(resource), Some((node, _))) = (&step.resource, &step.node) {
            all.entry(&resource.id).or_default().insert(node);
        }
    }
    all
}

/// The same, by instance.
fn instances(plan: &Transition, task: Task) -> BTreeSet<(&str, &str)> {
    let of = plan.steps.iter().filter(|it| it.task == task && it.kind == StepKind::Resource);
    of.filter_map(|step| Some((&**step.resource_id.as_ref()?, &*step.node.as_ref()?.0))).collect()
}
