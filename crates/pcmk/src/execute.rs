//! Carrying out a plan on paper: what the CIB would say if every action came to what is expected.
//!
//! Steps are done round after round ([`order`]). What leaves a trace are the results of agents,
//! each a record in the history of its resource ([`record`]), and fencing, after which a node is
//! offline and its history gone, and the deletion of a history. Everything else is only told.

use std::collections::HashSet;

use cib::xml::Element;
use sched::{Step, StepKind, Task, Transition};

/// Who is said to have planned and executed.
const UUID: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
/// The version of the records that are written.
const FEATURES: &str = "3.16.1";

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
pub fn apply(cib: &mut Element, step: &Step, known: &HashSet<String>, outcome: Outcome) {
    match (step.kind, step.task) {
        (StepKind::Cluster, Task::Fence) => fence(cib, step),
        (StepKind::Resource, Task::Delete) => forget(cib, step),
        (StepKind::Resource, _) => record(cib, step, &shown_name(step, known), outcome),
        _ => {}
    }
}

/// The state of a node, made if it is not there.
pub fn node_state<'a>(cib: &'a mut Element, name: &str, id: &str) -> &'a mut Element {
    let status = cib.child_or_new("status");
    let fits = |state: &Element| {
        state.name() == "node_state" && (state.get("uname") == Some(name) || state.id() == Some(id))
    };
    if !status.elements().any(fits) {
        status.push(Element::new("node_state").with("id", id).with("uname", name));
    }
    let mut states = status.elements_mut().filter(|state| fits(state));
    match states.next() {
        Some(state) => state,
        None => unreachable!("it was added if it was missing"),
    }
}

/// Says whether a node is up, in the words of its state.
pub fn set_node(state: &mut Element, up: bool) {
    let words = if up {
        [("in_ccm", "true"), ("crmd", "online"), ("join", "member"), ("expected", "member")]
    } else {
        [("in_ccm", "false"), ("crmd", "offline"), ("join", "down"), ("expected", "down")]
    };
    for (name, word) in words {
        state.set(name, word);
    }
    state.set("crm-debug-origin", "crm_simulate");
}

fn fence(cib: &mut Element, step: &Step) {
    let Some((name, id)) = &step.node else { return };
    let op = step.attributes.iter().find(|(key, _)| &**key == "CRM_meta_stonith_action");
    if op.is_some_and(|(_, value)| &**value == "on") {
        return;
    }
    let state = node_state(cib, name, id);
    set_node(state, false);
    state.retain(|child| !matches!(child.name(), "lrm" | "transient_attributes"));
}

/// Drops the history of a resource on a node.
fn forget(cib: &mut Element, step: &Step) {
    let (Some((node, node_id)), Some(resource)) = (&step.node, &step.resource) else { return };
    let state = node_state(cib, node, node_id);
    let lists = state.elements_mut().filter(|it| it.name() == "lrm");
    for list in lists.flat_map(Element::elements_mut) {
        list.retain(|it| it.id() != Some(&*resource.id));
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
pub fn record(cib: &mut Element, step: &Step, name: &str, outcome: Outcome) {
    let (Some((node, node_id)), Some(resource)) = (&step.node, &step.resource) else { return };
    let meta = |name: &str| {
        let key = format!("CRM_meta_{name}");
        step.attributes.iter().find(|(known, _)| **known == *key).map(|(_, value)| &**value)
    };
    let target = meta("op_target_rc").and_then(|rc| rc.parse().ok()).unwrap_or(0);
    let rc = outcome.rc.unwrap_or(target);
    let names = [name, &*resource.id];
    let state = node_state(cib, node, node_id);
    let lrm = state.child_or_new("lrm");
    if lrm.id().is_none() {
        lrm.set("id", node_id);
    }
    let list = lrm.child_or_new("lrm_resources");
    let known = names.iter().find(|name| list.elements().any(|it| it.id() == Some(*name)));
    let name = known.copied().unwrap_or(&resource.id).to_owned();
    if known.is_none() {
        let mut fresh =
            Element::new("lrm_resource").with("id", &name).with("class", &resource.class);
        if !resource.provider.is_empty() {
            fresh.set("provider", &resource.provider);
        }
        fresh.set("type", &resource.agent);
        list.push(fresh);
    }
    let Some(history) = list.elements_mut().find(|it| it.id() == Some(&name)) else { return };
    let calls = history.elements().filter_map(|op| op.get("call-id")?.parse::<i64>().ok());
    let call = calls.max().unwrap_or(0).max(0) + 1;
    let failed = rc != target && step.task != Task::Notify;
    let last = format!("{name}_last_0");
    let ids = match (&*step.operation, failed, step.interval) {
        ("notify", _, _) => {
            let about = (meta("notify_type"), meta("notify_operation"));
            vec![format!(
                "{name}_{}_notify_{}_0",
                about.0.unwrap_or_default(),
                about.1.unwrap_or_default()
            )]
        }
        (_, true, 0) => vec![format!("{name}_last_failure_0"), last],
        (_, true, _) => vec![format!("{name}_last_failure_0")],
        (_, false, 0) => vec![last],
        (operation, false, interval) => vec![format!("{name}_{operation}_{interval}")],
    };
    let key = format!("{call}:-1:{target}:{UUID}");
    let attributes = [
        ("operation_key", format!("{name}_{}_{}", step.operation, step.interval)),
        ("operation", step.operation.to_string()),
        ("crm-debug-origin", "crm_simulate".into()),
        ("crm_feature_set", FEATURES.into()),
        ("transition-magic", format!("0:{rc};{key}")),
        ("transition-key", key),
        ("exit-reason", if failed { "User-injected result".into() } else { String::new() }),
        ("call-id", call.to_string()),
        ("rc-code", rc.to_string()),
        ("op-status", "0".into()),
        ("interval", step.interval.to_string()),
        ("last-rc-change", outcome.at.to_string()),
        ("exec-time", "0".into()),
        ("queue-time", "0".into()),
        ("op-digest", digest(step)),
    ];
    for id in ids {
        if !history.elements().any(|op| op.id() == Some(&id)) {
            history.push(Element::new("lrm_rsc_op").with("id", &id));
        }
        let Some(op) = history.elements_mut().find(|op| op.id() == Some(&id)) else { continue };
        for (name, value) in &attributes {
            op.set(name, value);
        }
        for place in ["migrate_source", "migrate_target"] {
            if let Some(node) = meta(place) {
                op.set(place, node);
            }
        }
    }
}

fn digest(step: &Step) -> String {
    let parameters = step.attributes.iter().filter(|(name, _)| {
        !name.starts_with("CRM_meta_") || (step.interval > 0 && &**name == "CRM_meta_timeout")
    });
    sched::parameter_digest(parameters.map(|(name, value)| (&**name, &**value))).to_string()
}
