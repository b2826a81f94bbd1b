//! How many instances of a clone may be on one node: nothing starts beside one too many.
//!
//! Instances of an anonymous clone are one agent with one history on a node, so a second one there
//! is not a second service, but the same one started twice. Room is made by a stop, and only for
//! what waits for it.

use std::collections::HashMap;

use crate::task::Task;
use crate::transition::{ResourceView, Shape, StepKind, Transition};

/// Starts of an instance on a node that has its fill.
pub(super) fn check(transition: &Transition) -> Vec<String> {
    let resources = &transition.resources;
    let by_id: HashMap<&str, usize> =
        resources.iter().enumerate().map(|(at, view)| (&*view.id, at)).collect();
    let node_at: HashMap<&str, usize> =
        transition.nodes.iter().enumerate().map(|(at, node)| (&*node.name, at)).collect();
    let mut kin: HashMap<(usize, &str), Vec<usize>> = HashMap::new();
    for (at, view) in resources.iter().enumerate() {
        if let Some(clone) = clone_of(resources, view) {
            kin.entry((clone, &*view.base)).or_default().push(at);
        }
    }
    // Who is taken down where, and who is brought up: (resource, node) and the step.
    let (mut down, mut up) = (HashMap::new(), HashMap::new());
    for (at, step) in transition.steps.iter().enumerate() {
        let rsc = step.resource_id.as_deref().and_then(|id| by_id.get(id));
        let node = step.node.as_ref().and_then(|(name, _)| node_at.get(&**name));
        let (Some(rsc), Some(node)) = (rsc, node) else { continue };
        match step.task {
            Task::Stop if step.kind != StepKind::Cluster => drop(down.insert((*rsc, *node), at)),
            Task::Start | Task::MigrateFrom if step.kind == StepKind::Resource => {
                up.insert((*rsc, *node), at);
            }
            _ => {}
        }
    }
    let mut findings = Vec::new();
    for ((rsc, node), at) in &up {
        let view = &resources[*rsc];
        let Some(clone) = clone_of(resources, view) else { continue };
        let before = super::ancestors(transition, *at);
        let others = kin[&(clone, &*view.base)].iter().filter(|other| {
            let there = resources[**other].running_on.contains(node);
            let gone = down.get(&(**other, *node)).is_some_and(|stop| before[*stop]);
            *other != rsc && (up.contains_key(&(**other, *node)) || (there && !gone))
        });
        let others: Vec<&str> = others.map(|other| &*resources[*other].id).collect();
        let limit = usize::try_from(resources[clone].copies_on_node).unwrap_or(1);
        if others.len() >= limit {
            findings.push(format!(
                "{} on {} beside {}",
                transition.steps[*at].key,
                transition.nodes[*node].name,
                others.join(", ")
            ));
        }
    }
    findings.sort();
    findings
}

/// The anonymous clone of which a resource is an instance, or a part of one.
fn clone_of(resources: &[ResourceView], view: &ResourceView) -> Option<usize> {
    if view.shape != Shape::Primitive || view.unique || view.orphan {
        return None;
    }
    let mut at = view.parent?;
    while resources[at].shape == Shape::Group {
        at = resources[at].parent?;
    }
    (resources[at].shape == Shape::Clone).then_some(at)
}
