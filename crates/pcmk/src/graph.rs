//! A plan as Pacemaker's transition graph.

use cib::xml::Element;
use sched::{Step, StepKind, Transition};

/// The XML of a plan.
#[must_use]
pub fn render(transition: &Transition) -> Element {
    let options = &transition.options;
    let failed_start = if options.start_failure_fatal { "INFINITY" } else { "1" };
    let mut graph = Element::new("transition_graph")
        .with("cluster-delay", &options.cluster_delay)
        .with("stonith-timeout", &options.fencing_timeout)
        .with("failed-stop-offset", "INFINITY")
        .with("failed-start-offset", failed_start)
        .with("batch-limit", &options.batch_limit)
        .with("transition_id", "0");
    if !options.migration_limit.is_empty() {
        graph.set("migration-limit", &options.migration_limit);
    }
    for (number, step) in transition.steps.iter().enumerate() {
        let mut synapse = Element::new("synapse").with("id", &number.to_string());
        if step.priority > 0 {
            synapse.set("priority", &step.priority.to_string());
        }
        let mut set = Element::new("action_set");
        set.push(action(step, true));
        synapse.push(set);
        let mut inputs = Element::new("inputs");
        for input in &step.inputs {
            let mut trigger = Element::new("trigger");
            trigger.push(action(&transition.steps[*input], false));
            inputs.push(trigger);
        }
        synapse.push(inputs);
        graph.push(synapse);
    }
    graph
}

fn action(step: &Step, full: bool) -> Element {
    let mut element = Element::new(match step.kind {
        StepKind::Resource => "rsc_op",
        StepKind::Pseudo => "pseudo_event",
        StepKind::Cluster => "crm_event",
    });
    element.set("id", &step.id.to_string());
    if step.cib_only {
        element.set("mode", "cib");
    }
    element.set("operation", &step.operation);
    element.set("operation_key", &step.key);
    if let Some(internal) = &step.internal_key {
        element.set("internal_operation_key", internal);
    }
    if let Some((name, id)) = &step.node {
        element.set("on_node", name);
        element.set("on_node_uuid", id);
    }
    if let Some(router) = &step.router {
        element.set("router_node", router);
    }
    if !full {
        return element;
    }
    if let Some(resource) = &step.resource {
        let mut primitive = Element::new("primitive").with("id", &resource.id);
        if let Some(long) = &resource.long_id {
            primitive.set("long-id", long);
        }
        primitive.set("class", &resource.class);
        if !resource.provider.is_empty() {
            primitive.set("provider", &resource.provider);
        }
        primitive.set("type", &resource.agent);
        element.push(primitive);
    }
    let mut attributes = Element::new("attributes");
    for (name, value) in &step.attributes {
        // Names that XML does not allow go into elements.
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            attributes.push(Element::new("param").with("name", name).with("value", value));
        } else {
            attributes.set(name, value);
        }
    }
    element.push(attributes);
    if !step.downed.is_empty() {
        let mut downed = Element::new("downed");
        for node in &step.downed {
            downed.push(Element::new("node").with("id", node));
        }
        element.push(downed);
    }
    if !step.maintenance.is_empty() {
        let mut nodes = Element::new("maintenance");
        for (node, on) in &step.maintenance {
            let value = if *on { "1" } else { "0" };
            nodes.push(Element::new("node").with("id", node).with("node_in_maintenance", value));
        }
        element.push(nodes);
    }
    element
}
