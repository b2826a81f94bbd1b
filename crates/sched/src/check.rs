//! What must hold of every plan, whatever the cluster.

use std::collections::HashMap;

use crate::task::Task;
use crate::transition::{StepKind, Transition};

/// Everything that is wrong with a plan; nothing, as a rule.
///
/// Each action can be reached (so there is no circle), and nothing starts before its own stops
/// elsewhere, nor on a node before that node's fencing.
#[must_use]
pub fn check(transition: &Transition) -> Vec<String> {
    let steps = &transition.steps;
    let mut findings = Vec::new();
    let mut waiting: Vec<usize> = steps.iter().map(|step| step.inputs.len()).collect();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (at, step) in steps.iter().enumerate() {
        for input in &step.inputs {
            match followers.get_mut(*input) {
                Some(list) => list.push(at),
                None => findings.push(format!("{} waits for nothing that exists", step.key)),
            }
        }
    }
    let mut order: Vec<usize> = (0..steps.len()).filter(|at| waiting[*at] == 0).collect();
    let mut next = 0;
    while next < order.len() {
        let done = order[next];
        next += 1;
        for follower in followers[done].clone() {
            waiting[follower] -= 1;
            if waiting[follower] == 0 {
                order.push(follower);
            }
        }
    }
    for (at, step) in steps.iter().enumerate() {
        if waiting[at] > 0 {
            findings.push(format!("{} is never reached", step.key));
        }
    }
    if !findings.is_empty() {
        return findings;
    }
    let mut stops: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, step) in steps.iter().enumerate() {
        if step.task == Task::Stop
            && step.kind != StepKind::Cluster
            && let Some(rsc) = &step.resource_id
        {
            stops.entry(rsc).or_default().push(at);
        }
    }
    for (at, step) in steps.iter().enumerate() {
        if step.task != Task::Start || step.kind != StepKind::Resource {
            continue;
        }
        let own = step.resource_id.as_deref().and_then(|rsc| stops.get(rsc));
        let before = ancestors(transition, at);
        for stop in own.into_iter().flatten().filter(|stop| !before[**stop]) {
            findings.push(format!("{} does not wait for {}", step.key, steps[*stop].key));
        }
    }
    findings
}

fn ancestors(transition: &Transition, of: usize) -> Vec<bool> {
    let mut seen = vec![false; transition.steps.len()];
    let mut pending = transition.steps[of].inputs.clone();
    while let Some(at) = pending.pop() {
        if !std::mem::replace(&mut seen[at], true) {
            pending.extend(&transition.steps[at].inputs);
        }
    }
    seen
}
