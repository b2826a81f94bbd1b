//! A plan as Pacemaker's transition graph.
//!
//! Written as text at once: a cold start of a large cluster is twenty megabytes of it, and a tree
//! of that would cost more than the planning.

use std::fmt::Write as _;
use std::io;

use cib::xml::{self, Element};
use sched::{Step, StepKind, Transition};

/// How much is gathered before it is handed on.
const PIECE: usize = 1 << 16;

/// Writes a plan as XML.
///
/// # Errors
/// When `out` does not take it.
pub fn write(transition: &Transition, out: &mut impl io::Write) -> io::Result<()> {
    let mut text = String::with_capacity(PIECE * 2);
    open(&mut text, transition);
    for (number, step) in transition.steps.iter().enumerate() {
        synapse(&mut text, number, step, transition);
        if text.len() > PIECE {
            out.write_all(text.as_bytes())?;
            text.clear();
        }
    }
    if !transition.steps.is_empty() {
        text.push_str("</transition_graph>\n");
    }
    out.write_all(text.as_bytes())
}

/// The XML of a plan, as a tree.
#[must_use]
pub fn render(transition: &Transition) -> Element {
    let mut bytes = Vec::new();
    // Writing to memory cannot fail, and what is written is well-formed.
    let _ = write(transition, &mut bytes);
    let text = String::from_utf8(bytes).unwrap_or_default();
    match xml::parse(&text) {
        Ok(document) => bare(document.root),
        Err(_) => Element::new("transition_graph"),
    }
}

/// Without the white space between elements.
fn bare(mut element: Element) -> Element {
    element.children.retain(|child| child.element().is_some());
    for child in &mut element.children {
        if let xml::Node::Element(inner) = child {
            let taken = std::mem::replace(inner, Element::new(""));
            *inner = bare(taken);
        }
    }
    element
}

fn open(text: &mut String, transition: &Transition) {
    let options = &transition.options;
    let failed_start = if options.start_failure_fatal { "INFINITY" } else { "1" };
    text.push_str("<transition_graph");
    attribute(text, "cluster-delay", &options.cluster_delay);
    attribute(text, "stonith-timeout", &options.fencing_timeout);
    attribute(text, "failed-stop-offset", "INFINITY");
    attribute(text, "failed-start-offset", failed_start);
    attribute(text, "batch-limit", &options.batch_limit);
    attribute(text, "transition_id", "0");
    if !options.migration_limit.is_empty() {
        attribute(text, "migration-limit", &options.migration_limit);
    }
    text.push_str(if transition.steps.is_empty() { "/>\n" } else { ">\n" });
}

fn attribute(text: &mut String, name: &str, value: &str) {
    text.push(' ');
    text.push_str(name);
    text.push_str("=\"");
    xml::escape_value(value, text);
    text.push('"');
}

fn number(text: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a `String` cannot fail.
    let _ = write!(text, " {name}=\"{value}\"");
}

fn synapse(text: &mut String, place: usize, step: &Step, transition: &Transition) {
    text.push_str("  <synapse");
    number(text, "id", place);
    if step.priority > 0 {
        number(text, "priority", step.priority);
    }
    text.push_str(">\n    <action_set>\n      ");
    let name = head(text, step);
    text.push_str(">\n");
    inside(text, step);
    text.push_str("      </");
    text.push_str(name);
    text.push_str(">\n    </action_set>\n");
    if step.inputs.is_empty() {
        text.push_str("    <inputs/>\n");
    } else {
        text.push_str("    <inputs>\n");
        for input in &step.inputs {
            text.push_str("      <trigger>\n        ");
            head(text, &transition.steps[*input]);
            text.push_str("/>\n      </trigger>\n");
        }
        text.push_str("    </inputs>\n");
    }
    text.push_str("  </synapse>\n");
}

/// The start tag of an action without its end; its name.
fn head(text: &mut String, step: &Step) -> &'static str {
    let name = match step.kind {
        StepKind::Resource => "rsc_op",
        StepKind::Pseudo => "pseudo_event",
        StepKind::Cluster => "crm_event",
    };
    text.push('<');
    text.push_str(name);
    number(text, "id", step.id);
    if step.cib_only {
        attribute(text, "mode", "cib");
    }
    attribute(text, "operation", &step.operation);
    attribute(text, "operation_key", &step.key);
    if let Some(internal) = &step.internal_key {
        attribute(text, "internal_operation_key", internal);
    }
    if let Some((name, id)) = &step.node {
        attribute(text, "on_node", name);
        attribute(text, "on_node_uuid", id);
    }
    if let Some(router) = &step.router {
        attribute(text, "router_node", router);
    }
    name
}

/// What stands in an action.
fn inside(text: &mut String, step: &Step) {
    if let Some(resource) = &step.resource {
        text.push_str("        <primitive");
        attribute(text, "id", &resource.id);
        if let Some(long) = &resource.long_id {
            attribute(text, "long-id", long);
        }
        attribute(text, "class", &resource.class);
        if !resource.provider.is_empty() {
            attribute(text, "provider", &resource.provider);
        }
        attribute(text, "type", &resource.agent);
        text.push_str("/>\n");
    }
    text.push_str("        <attributes");
    let named = |name: &str| {
        let mut letters = name.chars();
        letters.next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && letters.all(|c| c.is_alphanumeric() || "_-.:".contains(c))
    };
    // Names that XML does not allow go into elements.
    let mut odd = step.attributes.iter().filter(|(name, _)| !named(name)).peekable();
    for (name, value) in step.attributes.iter().filter(|(name, _)| named(name)) {
        attribute(text, name, value);
    }
    if odd.peek().is_none() {
        text.push_str("/>\n");
    } else {
        text.push_str(">\n");
        for (name, value) in odd {
            text.push_str("          <param");
            attribute(text, "name", name);
            attribute(text, "value", value);
            text.push_str("/>\n");
        }
        text.push_str("        </attributes>\n");
    }
    if !step.downed.is_empty() {
        text.push_str("        <downed>\n");
        for node in &step.downed {
            text.push_str("          <node");
            attribute(text, "id", node);
            text.push_str("/>\n");
        }
        text.push_str("        </downed>\n");
    }
    if !step.maintenance.is_empty() {
        text.push_str("        <maintenance>\n");
        for (node, on) in &step.maintenance {
            text.push_str("          <node");
            attribute(text, "id", node);
            attribute(text, "node_in_maintenance", if *on { "1" } else { "0" });
            text.push_str("/>\n");
        }
        text.push_str("        </maintenance>\n");
    }
}
