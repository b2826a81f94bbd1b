//! Plans and states as text, as `crm_simulate` prints them.
//!
//! A state is a list of nodes ([`nodes`]) and one of resources ([`resources`], with what consists
//! of instances in [`clones`]); a plan is what happens to whom, then what is executed in which
//! order.

use std::cmp::Ordering;
use std::fmt::Write as _;

use sched::{Observed, ResourceView, Role, StepKind, Task, Transition};

mod clones;
mod nodes;
mod resources;

/// What stands above a state: what is held back, and whether anything is looked after at all.
#[must_use]
pub fn held_back(seen: &Observed) -> String {
    let mut text = String::new();
    if seen.maintenance_mode {
        text.push_str("\n              *** Resource management is DISABLED ***\n");
        text.push_str("  The cluster will not attempt to start, stop or recover services\n");
    }
    let view = resources::List { seen };
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
pub fn status(title: &str, seen: &Observed) -> String {
    let mut text = format!("\n{title}\n");
    nodes::list(seen, &mut text);
    resources::list(seen, &mut text);
    text
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

/// What nodes have left.
#[must_use]
pub fn capacities(transition: &Transition) -> String {
    let mut text = String::from("\nUtilization Information:\n");
    for node in transition.nodes.iter().filter(|node| !node.capacity.is_empty()) {
        let values: Vec<String> =
            node.capacity.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let _ = writeln!(text, "  * Remaining: {} capacity: {}", node.name, values.join(" "));
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

/// What would be executed, in order.
#[must_use]
pub fn execution(transition: &Transition) -> String {
    let mut text = String::from("\nExecuting Cluster Transition:\n");
    for at in crate::execute::order(transition) {
        let step = &transition.steps[at];
        let node = step.node.as_ref().map(|(name, _)| &**name).unwrap_or_default();
        let own = step.resource.as_ref().map(|resource| &*resource.id);
        let rsc = own.or(step.resource_id.as_deref()).unwrap_or_default();
        let _ = match (step.kind, step.task) {
            (StepKind::Pseudo, Task::Fence) => {
                writeln!(text, "  * Pseudo action:   {} on {node}", step.key)
            }
            (StepKind::Pseudo, _) => writeln!(text, "  * Pseudo action:   {}", step.key),
            (_, Task::Fence) => {
                let op =
                    step.attributes.iter().find(|(name, _)| &**name == "CRM_meta_stonith_action");
                let op = op.map(|(_, op)| &**op).unwrap_or_default();
                writeln!(text, "  * Fencing {node} ({op})")
            }
            (StepKind::Cluster, Task::Shutdown) => {
                writeln!(text, "  * Cluster action:  do_shutdown on {node}")
            }
            (StepKind::Cluster, task) => {
                writeln!(text, "  * Cluster action:  {task} for {rsc} on {node}")
            }
            (StepKind::Resource, _) if step.interval > 0 && step.task != Task::Cancel => {
                writeln!(
                    text,
                    "  * Resource action: {rsc:<15} {}={} on {node}",
                    step.operation, step.interval
                )
            }
            (StepKind::Resource, Task::Cancel) => {
                writeln!(text, "  * Resource action: {rsc:<15} cancel={} on {node}", step.interval)
            }
            (StepKind::Resource, _) => {
                writeln!(text, "  * Resource action: {rsc:<15} {} on {node}", step.operation)
            }
        };
    }
    text
}
