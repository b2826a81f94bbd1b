//! Plans and states as text, as `crm_simulate` prints them.
//!
//! A state is a list of nodes ([`nodes`]) and one of resources ([`resources`], with what consists
//! of instances in [`clones`]); a plan is what happens to whom, then what is executed in which
//! order.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use cib::Score;
use cib::xml::Element;
use sched::{NodeView, Observed, ResourceView, Role, Step, StepKind, Task, Transition};

mod clones;
pub(crate) mod nodes;
pub(crate) mod resources;

pub use resources::Shown;

/// What stands above a state: what is held back, and whether anything is looked after at all.
#[must_use]
pub fn held_back(seen: &Observed) -> String {
    let mut text = String::new();
    if seen.maintenance_mode {
        text.push_str("\n              *** Resource management is DISABLED ***\n");
        text.push_str("  The cluster will not attempt to start, stop or recover services\n");
    }
    let view = resources::List { seen, shown: Shown { pending: false, ..Shown::ALL } };
    let counted: Vec<&ResourceView> = seen
        .top
        .iter()
        .flat_map(|top| view.leaves(*top))
        .map(|leaf| &seen.resources[leaf])
        .filter(|leaf| !leaf.orphan || leaf.role > Role::Stopped)
        .collect();
    let disabled = counted.iter().filter(|leaf| view.disabled(leaf)).count();
    let blocked = counted.iter().filter(|leaf| leaf.blocked).count();
    if disabled + blocked > 0 {
        let _ = writeln!(
            text,
            "{disabled} of {} resource instances DISABLED and {blocked} BLOCKED from further action due to failure",
            counted.len()
        );
    }
    text
}

/// The state of the cluster, below a title.
#[must_use]
pub fn status(title: &str, seen: &Observed, pending: bool) -> String {
    let mut text = format!("\n{title}\n");
    nodes::list(seen, &mut text);
    let shown = Shown { pending, ..Shown::ALL };
    resources::list(resources::List { seen, shown }, &mut text);
    text
}

/// The resources alone, one a line.
#[must_use]
pub fn resources(seen: &Observed, indent: usize, shown: Shown) -> String {
    resources::lines(resources::List { seen, shown }, indent)
}

/// One of them.
#[must_use]
pub fn resource(seen: &Observed, of: &ResourceView, shown: Shown) -> String {
    let mut text = String::new();
    let at = seen.resources.iter().position(|it| it.id == of.id).unwrap_or_default();
    resources::List { seen, shown }.show(at, 0, &mut text);
    // It is no item of a list here.
    text.strip_prefix("* ").map(str::to_owned).unwrap_or(text)
}

/// Names in the order in which a person would write them: `node2` before `node10`.
fn by_name(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        match (a.first().copied(), b.first().copied()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let digits = |text: &[u8]| text.iter().take_while(|c| c.is_ascii_digit()).count();
                let (m, n) = (digits(a), digits(b));
                let number = |text: &[u8]| {
                    let zeros = text.iter().take_while(|c| **c == b'0').count();
                    (text.len() - zeros, text[zeros..].to_vec())
                };
                let order = number(&a[..m]).cmp(&number(&b[..n]));
                if order != Ordering::Equal {
                    return order;
                }
                (a, b) = (&a[m..], &b[n..]);
            }
            (Some(x), Some(y)) => {
                let order = x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase());
                if order != Ordering::Equal {
                    return order;
                }
                (a, b) = (&a[1..], &b[1..]);
            }
        }
    }
}

/// What nodes have room for, before anything is placed or with everything in its place.
#[must_use]
pub fn capacities(when: &str, nodes: &[NodeView]) -> String {
    let mut text = String::new();
    for node in nodes.iter().filter(|node| !node.capacity.is_empty()) {
        let values: Vec<String> =
            node.capacity.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let _ = writeln!(text, "{when}: {} capacity: {}", node.name, values.join(" "));
    }
    text
}

/// What will happen, resource by resource.
#[must_use]
pub fn summary(transition: &Transition) -> String {
    let mut text = String::from("\nTransition Summary:\n");
    // Columns grow with what has been printed so far, and never shrink.
    let (mut names, mut details) = (5, 5);
    for event in &transition.events {
        let Some(detail) = event.detail.strip_prefix("( ").and_then(|it| it.strip_suffix(" )"))
        else {
            let _ = writeln!(text, "  * {} {}{}", event.verb, event.subject, event.detail);
            continue;
        };
        let reason = match (&event.reason, event.blocked) {
            (Some(reason), true) => format!("  due to {reason} (blocked)"),
            (Some(reason), false) => format!("  due to {reason}"),
            (None, true) => "  blocked".into(),
            (None, false) => String::new(),
        };
        if event.subject.len() > names {
            names = event.subject.len() + 2;
        }
        details = details.max(detail.len());
        let _ = writeln!(
            text,
            "  * {:<8}   {:<names$}   ( {detail:>details$} ){reason}",
            event.verb, event.subject
        );
    }
    text
}

/// Adds what one step of an execution is told as; `name` is that of its resource.
pub fn executed(step: &Step, name: &str, text: &mut String) {
    let node = step.node.as_ref().map(|(name, _)| &**name).unwrap_or_default();
    let on = if node.is_empty() { "" } else { " on " };
    let task = &step.operation;
    // Writing to a `String` cannot fail.
    let _ = match (step.kind, step.task) {
        (StepKind::Pseudo, _) => writeln!(text, "  * Pseudo action:   {}{on}{node}", step.key),
        (_, Task::Fence) => {
            let op = step.attributes.iter().find(|(name, _)| &**name == "CRM_meta_stonith_action");
            let op = op.map(|(_, op)| &**op).unwrap_or_default();
            writeln!(text, "  * Fencing {node} ({op})")
        }
        (StepKind::Cluster, _) if name.is_empty() => {
            writeln!(text, "  * Cluster action:  {task} on {node}")
        }
        (StepKind::Cluster, _) => {
            writeln!(text, "  * Cluster action:  {task} for {name} on {node}")
        }
        (StepKind::Resource, _) if step.interval > 0 => {
            writeln!(text, "  * Resource action: {name:<15} {task}={} on {node}", step.interval)
        }
        (StepKind::Resource, _) => {
            writeln!(text, "  * Resource action: {name:<15} {task} on {node}")
        }
    };
}

/// The transient attributes of the nodes, without those the cluster keeps for itself.
#[must_use]
pub fn attributes(cib: &Element) -> String {
    let mut text = String::new();
    for state in states(cib) {
        let mut pairs: Vec<(&str, &str)> = pairs(state)
            .filter(|(name, _)| {
                let own = ["fail-count", "last-failure", "terminate", "standby", "probe_complete"];
                !own.iter().any(|prefix| name.starts_with(prefix)) && !name.starts_with('#')
            })
            .collect();
        pairs.sort_by(|a, b| by_name(a.0, b.0));
        if pairs.is_empty() {
            continue;
        }
        if text.is_empty() {
            text.push_str("\n  * Node Attributes:\n");
        }
        let _ = writeln!(text, "    * Node: {}:", state.get("uname").unwrap_or_default());
        for (name, value) in pairs {
            let _ = writeln!(text, "      * {name:<32}\t: {value:<10}");
        }
    }
    text
}

/// The failures that are counted, node by node.
#[must_use]
pub fn fail_counts(cib: &Element) -> String {
    let mut text = String::from("\n  * Migration Summary:\n");
    for state in states(cib) {
        let mut counts: BTreeMap<&str, Score> = BTreeMap::new();
        for (name, value) in pairs(state) {
            let of = name.strip_prefix("fail-count-").and_then(|it| it.split('#').next());
            if let (Some(of), Some(count)) = (of, Score::parse(value)) {
                let sum = counts.entry(of).or_insert(Score::ZERO);
                *sum = *sum + count;
            }
        }
        if !counts.is_empty() {
            let _ = writeln!(text, "    * Node: {}:", state.get("uname").unwrap_or_default());
        }
        for (resource, count) in counts {
            let _ = writeln!(text, "      * {resource}: fail-count={count}");
        }
    }
    text
}

fn states(cib: &Element) -> impl Iterator<Item = &Element> {
    let all = cib.child("status").into_iter().flat_map(Element::elements);
    all.filter(|state| state.name() == "node_state")
}

fn pairs(state: &Element) -> impl Iterator<Item = (&str, &str)> {
    let sets = state.child("transient_attributes").into_iter().flat_map(Element::elements);
    sets.flat_map(Element::elements)
        .filter_map(|pair| Some((pair.get("name")?, pair.get("value")?)))
}
