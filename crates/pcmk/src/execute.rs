//! Carrying out a plan on paper: what the CIB would say if every action came to what is expected.
//!
//! Steps are done round after round ([`order`]). What leaves a trace are the results of agents,
//! each a record in the history of its resource ([`record`]), and fencing, after which a node is
//! offline and its history gone, and the deletion of a history. Everything else is only told.
//! What the trace is left on is a [`Paper`].

use std::collections::HashSet;

use cib::model::Text;
use sched::{Step, StepKind, Task, Transition};

use crate::paper::{Entry, Paper};

/// The steps in the order in which they are done: round after round, in each whatever is ready
/// when its turn comes.
#[must_use]
pub fn order(transition: &Transition) -> Vec<usize> {
    let steps = &transition.steps;
    let mut done = vec![false; steps.len()];
    let mut order = Vec::with_capacity(steps.len());
    let mut waiting: Vec<usize> = (0..steps.len()).collect();
    loop {
        let before = order.len();
        waiting.retain(|at| {
            let ready = steps[*at].inputs.iter().all(|input| done[*input]);
            if ready {
                done[*at] = true;
                order.push(*at);
            }
            !ready
        });
        if order.len() == before {
            return order;
        }
    }
}

/// What an operation came to.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The exit code; what was expected, if none.
    pub rc: Option<i64>,
    /// When, in seconds since the epoch.
    pub at: i64,
}

/// Writes into a CIB what a step leaves behind.
pub fn apply(paper: &mut impl Paper, step: &Step, known: &HashSet<String>, outcome: Outcome) {
    match (step.kind, step.task) {
        (StepKind::Cluster, Task::Fence) => fence(paper, step),
        (StepKind::Resource, Task::Delete) => {
            if let (Some((node, id)), Some(resource)) = (&step.node, &step.resource) {
                paper.forget(node, id, &resource.id);
            }
        }
        (StepKind::Resource, _) => record(paper, step, &shown_name(step, known), outcome),
        _ => {}
    }
}

fn fence(paper: &mut impl Paper, step: &Step) {
    let Some((name, id)) = &step.node else { return };
    let op = step.attributes.iter().find(|(key, _)| &**key == "CRM_meta_stonith_action");
    if op.is_none_or(|(_, value)| &**value != "on") {
        paper.lose(name, id);
    }
}

/// The name under which an agent's step is told and recorded: that of the resource where it is one
/// itself, else that of the instance.
#[must_use]
pub fn shown_name(step: &Step, known: &HashSet<String>) -> String {
    let Some(resource) = &step.resource else {
        return step.resource_id.as_deref().unwrap_or_default().to_owned();
    };
    let long = resource.long_id.as_deref().filter(|long| known.contains(*long));
    match long {
        Some(long) if !known.contains(&*resource.id) => long.to_owned(),
        _ => resource.id.to_string(),
    }
}

/// Records the result of a step under a name, or under that of all instances if it has none yet.
pub fn record(paper: &mut impl Paper, step: &Step, name: &str, outcome: Outcome) {
    let (Some((node, node_id)), Some(resource)) = (&step.node, &step.resource) else { return };
    let meta = |name: &str| {
        let known = |key: &str| key.strip_prefix("CRM_meta_") == Some(name);
        step.attributes.iter().find(|(key, _)| known(key)).map(|(_, value)| value)
    };
    let target = meta("op_target_rc").and_then(|rc| rc.parse().ok()).unwrap_or(0);
    let rc = outcome.rc.unwrap_or(target);
    let place = paper.history(node, node_id, [name, &resource.id], resource);
    let name = paper.name(place);
    let call = paper.last_call(place).max(0) + 1;
    let failed = rc != target && step.task != Task::Notify;
    let last = || format!("{name}_last_0");
    let ids = match (&*step.operation, failed, step.interval) {
        ("notify", _, _) => {
            let word = |name| meta(name).map(|word| &**word).unwrap_or_default();
            let (kind, about) = (word("notify_type"), word("notify_operation"));
            vec![format!("{name}_{kind}_notify_{about}_0")]
        }
        (_, true, 0) => vec![format!("{name}_last_failure_0"), last()],
        (_, true, _) => vec![format!("{name}_last_failure_0")],
        (_, false, 0) => vec![last()],
        (operation, false, interval) => vec![format!("{name}_{operation}_{interval}")],
    };
    let entry = Entry {
        name: name.clone(),
        operation: step.operation.clone(),
        interval: step.interval,
        call,
        rc,
        target,
        failed,
        at: outcome.at,
        digest: digest(step),
        migrate_source: meta("migrate_source").cloned(),
        migrate_target: meta("migrate_target").cloned(),
    };
    for id in ids {
        paper.write(place, &id, &entry);
    }
}

fn digest(step: &Step) -> Text {
    let parameters = step.attributes.iter().filter(|(name, _)| {
        !name.starts_with("CRM_meta_") || (step.interval > 0 && &**name == "CRM_meta_timeout")
    });
    sched::parameter_digest(parameters.map(|(name, value)| (&**name, &**value)))
}
