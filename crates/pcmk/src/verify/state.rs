//! What is wrong with a cluster as its status tells it.

use cib::value::truth;
use cib::xml::Element;
use sched::{NodeKind, Shape, StepKind, Task, Transition};

use super::finding::{Findings, Weight};
use super::options;

/// Looks at what the plan for a cluster shows.
pub(super) fn check(root: &Element, plan: &Transition, found: &mut Findings) {
    let config = root.child("configuration").and_then(|it| it.child("crm_config"));
    if options::fencing(config) && !plan.resources.iter().any(|it| &*it.class == "stonith") {
        found.error(
            "fencing is asked for and there is no fence device: nothing will be started; configure \
             one, or set stonith-enabled to false and answer for the data yourself"
                .into(),
        );
    }
    let states = root.child("status").into_iter().flat_map(|it| it.named("node_state"));
    for state in states {
        match state.get("uname") {
            None if state.id().is_none_or(|id| !plan.nodes.iter().any(|node| &*node.id == id)) => {
                found.warning("a node_state without uname is ignored".into());
            }
            Some(name) if !plan.nodes.iter().any(|node| &*node.name == name) => {
                found.warning(format!(
                    "the state of node {name} is ignored: no such node is configured"
                ));
            }
            _ => {}
        }
    }
    nodes(plan, found);
    if !options::fencing(config) {
        lost(root, found);
    }
    resources(config, plan, found);
}

fn nodes(plan: &Transition, found: &mut Findings) {
    let on = |step: &sched::Step| {
        let mut all = step.attributes.iter();
        all.any(|(name, value)| &**name == "CRM_meta_stonith_action" && &**value == "on")
    };
    let fenced = |name: &str| {
        plan.steps.iter().any(|step| {
            step.task == Task::Fence
                && step.kind == StepKind::Cluster
                && !on(step)
                && step.node.as_ref().is_some_and(|(node, _)| &**node == name)
        })
    };
    for node in &plan.nodes {
        if fenced(&node.name) {
            found.warning(format!("node {} is to be fenced", node.name));
        } else if node.unclean && node.kind == NodeKind::Member {
            found.warning(format!("node {} is lost and nobody can fence it", node.name));
        }
    }
}

/// Finds members that ought to be there and do not answer, where nobody can make sure of them.
fn lost(root: &Element, found: &mut Findings) {
    let states = root.child("status").into_iter().flat_map(|it| it.named("node_state"));
    for state in states {
        let is = |name: &str, word: &str| state.get(name) == Some(word);
        let there = state.get("in_ccm").and_then(truth) == Some(true);
        if there && !is("crmd", "online") && is("expected", "member") && !is("remote_node", "true")
        {
            let name = state.get("uname").unwrap_or_default();
            found.warning(format!("node {name} is lost and nobody can fence it"));
        }
    }
}

fn resources(config: Option<&Element>, plan: &Transition, found: &mut Findings) {
    let stopped = options::value(config, "stop-orphan-resources").and_then(truth) != Some(false);
    for view in plan.resources.iter().filter(|view| view.shape == Shape::Primitive) {
        for at in view.running_on.iter().filter(|_| view.orphan) {
            let node = &plan.nodes[*at].name;
            found.warning(if stopped {
                format!("{} runs on {node} and is configured no more: it is stopped", view.id)
            } else {
                format!(
                    "{} runs on {node} and is configured no more; stop-orphan-resources is false, so \
                     stop it by hand",
                    view.id
                )
            });
        }
        let places = view.running_on.len();
        let moves = plan.steps.iter().any(|step| {
            step.task == Task::MigrateFrom && step.resource_id.as_ref() == Some(&view.id)
        });
        if places > 1 && !moves {
            found.add(Weight::Trouble, format!("{} is active on {places} nodes", view.id));
        }
    }
}
