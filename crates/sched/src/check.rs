//! What must hold of every plan, whatever the cluster.

use std::collections::HashMap;

use crate::task::Task;
use crate::transition::{ResourceView, StepKind, Transition};
use crate::world::NodeKind;

mod crowd;

/// Everything that is wrong with a plan; nothing, as a rule.
///
/// Each action can be reached (so there is no circle); nothing starts before its own stops, nor on
/// a member that is not there or is to be fenced; what may only live once does not start while it
/// may still live on a node that is to be fenced; and no node gets more instances of an anonymous
/// clone than may be there.
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
    let mut fences: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, step) in steps.iter().enumerate() {
        let on = |(name, value): &(_, cib::model::Text)| {
            let name: &cib::model::Text = name;
            &**name == "CRM_meta_stonith_action" && &**value == "on"
        };
        if step.task == Task::Fence
            && !step.attributes.iter().any(on)
            && let Some((node, _)) = &step.node
        {
            fences.entry(node).or_default().push(at);
        }
    }
    let views: HashMap<&str, &ResourceView> =
        transition.resources.iter().map(|view| (&*view.id, view)).collect();
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
        let place = step.node.as_ref().map(|(name, _)| &**name).unwrap_or_default();
        let node = transition.nodes.iter().find(|node| &*node.name == place);
        if node.is_some_and(|node| node.kind == NodeKind::Member && (!node.online || node.unclean))
        {
            findings.push(format!("{} on {place}, which cannot do anything", step.key));
        }
        let view = step.resource_id.as_deref().and_then(|id| views.get(id));
        // A fencing device may be used by several, and what needs no fencing does not wait for it.
        let Some(view) = view.filter(|view| view.needs_fencing && view.class != "stonith".into())
        else {
            continue;
        };
        for lost in &view.running_on {
            let name = &*transition.nodes[*lost].name;
            let member = transition.nodes[*lost].kind == NodeKind::Member;
            for fence in fences.get(name).into_iter().flatten().filter(|_| member) {
                if !before[*fence] {
                    findings.push(format!("{} does not wait for the fencing of {name}", step.key));
                }
            }
        }
    }
    findings.extend(crowd::check(transition));
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
