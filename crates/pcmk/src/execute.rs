//! Carrying out a plan on paper: what the CIB would say afterwards if every action succeeded.

use cib::xml::Element;
use sched::{Step, StepKind, Task, Transition};

/// Who is said to have planned and executed.
const UUID: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

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

/// Writes into a CIB what its execution would.
pub fn apply(cib: &mut Element, transition: &Transition) {
    for at in order(transition) {
        let step = &transition.steps[at];
        match (step.kind, step.task) {
            (_, Task::Fence) => fence(cib, step),
            (StepKind::Cluster, Task::ClearFailCount) => clear_failures(cib, step),
            (StepKind::Cluster, Task::LrmDelete) | (_, Task::Delete) => delete(cib, step),
            (StepKind::Resource, Task::Cancel) => cancel(cib, step),
            (StepKind::Resource, Task::Notify) => {}
            (StepKind::Resource, _) => record(cib, step, None, 0),
            _ => {}
        }
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

fn fence(cib: &mut Element, step: &Step) {
    let Some((name, id)) = &step.node else { return };
    let op = step.attributes.iter().find(|(key, _)| &**key == "CRM_meta_stonith_action");
    let on = op.is_some_and(|(_, value)| &**value == "on");
    let state = node_state(cib, name, id);
    if on {
        let set = state.child_or_new("transient_attributes");
        if set.id().is_none() {
            set.set("id", id);
        }
        set_attribute(state, "#node-unfenced", "1");
        return;
    }
    let remote = state.get("remote_node").is_some();
    if step.kind == StepKind::Pseudo || remote {
        state.set("node_fenced", "1");
    } else {
        state.set("in_ccm", "false");
        state.set("crmd", "offline");
        state.set("join", "down");
        state.set("expected", "down");
    }
    state.retain(|child| !matches!(child.name(), "lrm" | "transient_attributes"));
}

/// Sets a transient attribute.
pub fn set_attribute(state: &mut Element, name: &str, value: &str) {
    let id = state.id().unwrap_or_default().to_owned();
    let section = state.child_or_new("transient_attributes");
    if section.id().is_none() {
        section.set("id", &id);
    }
    let set = section.child_or_new("instance_attributes");
    if set.id().is_none() {
        set.set("id", &format!("status-{id}"));
    }
    set.retain(|pair| pair.get("name") != Some(name));
    set.push(
        Element::new("nvpair")
            .with("id", &format!("status-{id}-{name}"))
            .with("name", name)
            .with("value", value),
    );
}

fn clear_failures(cib: &mut Element, step: &Step) {
    let (Some((name, id)), Some(rsc)) = (&step.node, &step.resource_id) else { return };
    let base = rsc.split(':').next().unwrap_or(rsc);
    let state = node_state(cib, name, id);
    let ours = |attribute: &str| {
        let rest =
            attribute.strip_prefix("fail-count-").or(attribute.strip_prefix("last-failure-"));
        rest.is_some_and(|rest| {
            let whose = rest.split('#').next().unwrap_or_default();
            whose == &**rsc || whose.split(':').next() == Some(base)
        })
    };
    for section in state.elements_mut().filter(|child| child.name() == "transient_attributes") {
        for set in section.elements_mut() {
            set.retain(|pair| !pair.get("name").is_some_and(ours));
        }
    }
    if let Some(history) = history(state, rsc) {
        history.retain(|op| !op.id().is_some_and(|id| id.ends_with("_last_failure_0")));
    }
}

fn history<'a>(state: &'a mut Element, rsc: &str) -> Option<&'a mut Element> {
    let list = state.child_mut("lrm")?.child_mut("lrm_resources")?;
    list.elements_mut().find(|resource| resource.id() == Some(rsc))
}

fn delete(cib: &mut Element, step: &Step) {
    let Some((name, id)) = &step.node else { return };
    let names = recorded_names(step);
    let state = node_state(cib, name, id);
    if let Some(list) = state.child_mut("lrm").and_then(|lrm| lrm.child_mut("lrm_resources")) {
        list.retain(|resource| {
            !resource.id().is_some_and(|id| names.iter().any(|name| name == id))
        });
    }
}

fn cancel(cib: &mut Element, step: &Step) {
    let Some((name, id)) = &step.node else { return };
    let names = recorded_names(step);
    let state = node_state(cib, name, id);
    for name in names {
        if let Some(history) = history(state, &name) {
            history.retain(|op| op.id() != Some(&step.key));
        }
    }
}

/// The names a resource's history may go by, the likeliest first.
fn recorded_names(step: &Step) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(resource) = &step.resource {
        if resource.long_id.is_some() {
            names.extend(resource.long_id.iter().map(ToString::to_string));
        }
        names.push(resource.id.to_string());
    }
    names.extend(step.resource_id.iter().map(ToString::to_string));
    names
}

/// Records the result of a step; `rc` is what it came to, where that is not what was expected.
pub fn record(cib: &mut Element, step: &Step, rc: Option<i64>, failures: i64) {
    let (Some((node, node_id)), Some(resource)) = (&step.node, &step.resource) else { return };
    let meta = |name: &str| {
        step.attributes.iter().find(|(key, _)| &**key == name).map(|(_, value)| value.to_string())
    };
    let target = meta("CRM_meta_op_target_rc").and_then(|rc| rc.parse().ok()).unwrap_or(0);
    let rc = rc.unwrap_or(target);
    let names = recorded_names(step);
    let state = node_state(cib, node, node_id);
    let lrm = state.child_or_new("lrm");
    if lrm.id().is_none() {
        lrm.set("id", node_id);
    }
    let list = lrm.child_or_new("lrm_resources");
    let known = names.iter().find(|name| list.elements().any(|it| it.id() == Some(name)));
    let name = known.or(names.first()).cloned().unwrap_or_default();
    if !list.elements().any(|it| it.id() == Some(&name)) {
        let mut fresh = Element::new("lrm_resource")
            .with("id", &name)
            .with("class", &resource.class)
            .with("type", &resource.agent);
        if !resource.provider.is_empty() {
            fresh.set("provider", &resource.provider);
        }
        list.push(fresh);
    }
    let call = list
        .descend()
        .filter_map(|op| op.get("call-id").and_then(|id| id.parse::<i64>().ok()))
        .max()
        .unwrap_or(0)
        + 1;
    let Some(history) = list.elements_mut().find(|it| it.id() == Some(&name)) else { return };
    let id = if failures > 0 {
        format!("{name}_last_failure_0")
    } else if step.interval == 0 {
        format!("{name}_last_0")
    } else {
        format!("{name}_{}_{}", step.operation, step.interval)
    };
    let key = format!("{}:-1:{target}:{UUID}", step.id);
    let mut op = Element::new("lrm_rsc_op")
        .with("id", &id)
        .with("operation_key", &format!("{name}_{}_{}", step.operation, step.interval))
        .with("operation", &step.operation)
        .with("crm-debug-origin", "mainstay")
        .with("crm_feature_set", "3.16.2")
        .with("transition-key", &key)
        .with("transition-magic", &format!("0:{rc};{key}"))
        .with("call-id", &call.to_string())
        .with("rc-code", &rc.to_string())
        .with("op-status", "0")
        .with("interval", &step.interval.to_string())
        .with("on_node", node)
        .with("op-digest", &digest(step));
    for (attribute, meta_name) in [
        ("migrate_source", "CRM_meta_migrate_source"),
        ("migrate_target", "CRM_meta_migrate_target"),
    ] {
        if let Some(value) = meta(meta_name) {
            op.set(attribute, &value);
        }
    }
    history.retain(|other| other.id() != Some(&id));
    history.push(op);
    if step.task == Task::Stop && rc == 0 {
        // What was monitored is not any more.
        history.retain(|other| {
            other.get("interval").is_none_or(|interval| interval == "0") || other.id() == Some(&id)
        });
    }
}

fn digest(step: &Step) -> String {
    let parameters = step.attributes.iter().filter(|(name, _)| {
        !name.starts_with("CRM_meta_") || (step.interval > 0 && &**name == "CRM_meta_timeout")
    });
    sched::parameter_digest(parameters.map(|(name, value)| (&**name, &**value))).to_string()
}
