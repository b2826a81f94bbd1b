//! Plans and states as text, as `crm_simulate` prints them.

use std::fmt::Write as _;

use sched::{NodeKind, NodeView, ResourceView, Role, Shape, StepKind, Task, Transition};

/// How many resource instances are held back, if any.
#[must_use]
pub fn held_back(transition: &Transition) -> String {
    let leaves: Vec<&ResourceView> = transition
        .resources
        .iter()
        .filter(|it| it.shape == Shape::Primitive && !it.orphan)
        .collect();
    let disabled = leaves.iter().filter(|it| it.target_role == Some(Role::Stopped)).count();
    let blocked = leaves.iter().filter(|it| it.blocked).count();
    if disabled + blocked == 0 {
        return String::new();
    }
    format!(
        "{disabled} of {} resource instances DISABLED and {blocked} BLOCKED from further action due to failure\n",
        leaves.len()
    )
}

/// The state of the cluster, below a title.
#[must_use]
pub fn status(title: &str, transition: &Transition) -> String {
    let mut text = format!("\n{title}\n  * Node List:\n");
    nodes(&transition.nodes, &mut text);
    if !transition.top.is_empty() {
        text.push_str("\n  * Full List of Resources:\n");
        for top in &transition.top {
            let resource = &transition.resources[*top];
            if resource.orphan && resource.running_on.is_empty() {
                continue;
            }
            show(transition, resource, 4, &mut text);
        }
    }
    text
}

fn nodes(nodes: &[NodeView], text: &mut String) {
    let mut lists: [Vec<&str>; 5] = Default::default();
    for node in nodes {
        let place = match (node.kind, node.online) {
            (NodeKind::Member, true) => 0,
            (NodeKind::Member, false) => 1,
            (NodeKind::Remote, true) => 2,
            (NodeKind::Remote, false) => 3,
            (NodeKind::Guest, true) => 4,
            // A guest that is not there is told by its resource.
            (NodeKind::Guest, false) => continue,
        };
        let state = if node.unclean {
            Some(if node.online {
                "UNCLEAN (online)"
            } else if node.pending {
                "UNCLEAN (pending)"
            } else {
                "UNCLEAN (offline)"
            })
        } else if node.pending {
            Some("pending")
        } else if node.standby_onfail && node.online {
            Some("standby (on-fail)")
        } else if node.standby {
            Some(match (node.online, node.running > 0) {
                (true, true) => "standby (with active resources)",
                (true, false) => "standby",
                (false, _) => "OFFLINE (standby)",
            })
        } else if node.maintenance {
            Some(if node.online { "maintenance" } else { "OFFLINE (maintenance)" })
        } else {
            None
        };
        match state {
            Some(state) => {
                let word = if node.kind == NodeKind::Member { "Node" } else { "RemoteNode" };
                let _ = writeln!(text, "    * {word} {}: {state}", node.name);
            }
            None => lists[place].push(&node.name),
        }
    }
    let titles = ["Online", "OFFLINE", "RemoteOnline", "RemoteOFFLINE", "GuestOnline"];
    for (title, list) in titles.iter().zip(lists) {
        if !list.is_empty() {
            let _ = writeln!(text, "    * {title}: [ {} ]", list.join(" "));
        }
    }
}

fn flags(resource: &ResourceView) -> String {
    let mut flags = Vec::new();
    if let Some(pending) = &resource.pending {
        flags.push(match &**pending {
            "start" => return flags_after(resource, Vec::new()),
            "stop" => "Stopping".to_owned(),
            "promote" => "Promoting".to_owned(),
            "demote" => "Demoting".to_owned(),
            "migrate_to" | "migrate_from" => "Migrating".to_owned(),
            _ => "Monitoring".to_owned(),
        });
    }
    flags_after(resource, flags)
}

fn flags_after(resource: &ResourceView, mut flags: Vec<String>) -> String {
    match resource.target_role {
        Some(Role::Stopped) => flags.push("disabled".into()),
        Some(Role::Unpromoted) if resource.promotable => {
            flags.push("target-role:Unpromoted".into())
        }
        _ => {}
    }
    if resource.blocked {
        flags.push("blocked".into());
    } else if resource.maintenance {
        flags.push("maintenance".into());
    } else if !resource.managed {
        flags.push("unmanaged".into());
    }
    if resource.failure_ignored {
        flags.push("failure ignored".into());
    }
    if flags.is_empty() { String::new() } else { format!(" ({})", flags.join(", ")) }
}

fn show(transition: &Transition, resource: &ResourceView, indent: usize, text: &mut String) {
    match resource.shape {
        Shape::Primitive => primitive(transition, resource, indent, text),
        Shape::Group => {
            let _ = writeln!(
                text,
                "{:indent$}* Resource Group: {}{}:",
                "",
                resource.id,
                collective_flags(resource, &[])
            );
            for child in &resource.children {
                show(transition, &transition.resources[*child], indent + 2, text);
            }
        }
        Shape::Clone => clone(transition, resource, indent, text),
        Shape::Bundle => bundle(transition, resource, indent, text),
    }
}

fn collective_flags(resource: &ResourceView, more: &[&str]) -> String {
    let mut flags: Vec<&str> = more.to_vec();
    if resource.target_role == Some(Role::Stopped) {
        flags.push("disabled");
    }
    if resource.maintenance {
        flags.push("maintenance");
    } else if !resource.managed {
        flags.push("unmanaged");
    }
    if flags.is_empty() { String::new() } else { format!(" ({})", flags.join(", ")) }
}

fn state(resource: &ResourceView) -> &'static str {
    match (resource.failed, resource.role) {
        (true, Role::Promoted) => "FAILED Promoted",
        (true, _) => "FAILED",
        (false, role) => role.word(),
    }
}

fn primitive(transition: &Transition, resource: &ResourceView, indent: usize, text: &mut String) {
    let provider = if resource.provider.is_empty() {
        String::new()
    } else {
        format!(":{}", resource.provider)
    };
    let orphan = if resource.orphan { " ORPHANED" } else { "" };
    let names: Vec<&str> =
        resource.running_on.iter().map(|node| &*transition.nodes[*node].name).collect();
    let place = match names.as_slice() {
        [] => String::new(),
        [one] => format!(" {one}"),
        many => format!(" [ {} ]", many.join(" ")),
    };
    let shown = if names.is_empty() { "Stopped" } else { state(resource) };
    let shown = match resource.pending.as_deref() {
        Some("start") if !names.is_empty() => "Starting",
        _ => shown,
    };
    let _ = writeln!(
        text,
        "{:indent$}* {}\t({}{provider}:{}):\t{orphan} {shown}{place}{}",
        "",
        resource.id,
        resource.class,
        resource.agent,
        flags(resource)
    );
}

fn clone(transition: &Transition, resource: &ResourceView, indent: usize, text: &mut String) {
    let mut words = Vec::new();
    if resource.promotable {
        words.push("promotable");
    }
    if resource.unique {
        words.push("unique");
    }
    let first = resource.children.first().map(|child| transition.resources[*child].base.clone());
    let flags = collective_flags(resource, &words);
    let _ = writeln!(
        text,
        "{:indent$}* Clone Set: {} [{}]{flags}:",
        "",
        resource.id,
        first.unwrap_or_default()
    );
    let mut lists: [Vec<&str>; 3] = Default::default();
    let mut used = vec![false; transition.nodes.len()];
    let mut instances: Vec<usize> = resource.children.clone();
    instances.sort_by_key(|child| transition.resources[*child].id.clone());
    let inner = indent + 2;
    for child in instances {
        let instance = &transition.resources[child];
        let leaves = leaves(transition, child);
        let active: Vec<&ResourceView> =
            leaves.iter().copied().filter(|leaf| !leaf.running_on.is_empty()).collect();
        let plain = |leaf: &&ResourceView| {
            !leaf.failed
                && leaf.managed
                && !leaf.blocked
                && !leaf.orphan
                && leaf.pending.is_none()
                && leaf.running_on.len() <= 1
                && !leaf.failure_ignored
        };
        if resource.unique {
            show(transition, instance, inner, text);
            continue;
        }
        if active.is_empty() {
            continue;
        }
        let place = active[0].running_on[0];
        let together = active.len() == leaves.len()
            && active.iter().all(|leaf| leaf.running_on == [place] && leaf.role == active[0].role);
        for leaf in &active {
            for node in &leaf.running_on {
                used[*node] = true;
            }
        }
        if !together || !leaves.iter().all(plain) {
            show(transition, instance, inner, text);
            continue;
        }
        let list = match active[0].role {
            Role::Promoted => 0,
            Role::Unpromoted => 1,
            _ => 2,
        };
        lists[list].push(&transition.nodes[place].name);
    }
    let started = if resource.promotable { "Unpromoted" } else { "Started" };
    for (title, list) in ["Promoted", "Unpromoted", started].iter().zip(&mut lists) {
        if !list.is_empty() {
            list.sort_unstable();
            let _ = writeln!(text, "{:inner$}* {title}: [ {} ]", "", list.join(" "));
        }
    }
    if resource.unique {
        return;
    }
    let idle = resource.children.iter().any(|child| {
        let instance = &transition.resources[*child];
        !instance.orphan && leaves(transition, *child).iter().all(|leaf| leaf.running_on.is_empty())
    });
    let stopped: Vec<&str> = resource
        .score_on
        .iter()
        .filter(|(node, _)| !used[*node])
        .map(|(node, _)| &*transition.nodes[*node].name)
        .collect();
    if idle && !stopped.is_empty() {
        let mut stopped = stopped;
        stopped.sort_unstable();
        let _ = writeln!(text, "{:inner$}* Stopped: [ {} ]", "", stopped.join(" "));
    }
}

fn leaves(transition: &Transition, at: usize) -> Vec<&ResourceView> {
    let resource = &transition.resources[at];
    if resource.shape == Shape::Primitive {
        return vec![resource];
    }
    resource.children.iter().flat_map(|child| leaves(transition, *child)).collect()
}

fn bundle(transition: &Transition, resource: &ResourceView, indent: usize, text: &mut String) {
    let Some(view) = &resource.bundle else { return };
    let set = if view.replicas.len() > 1 { " set" } else { "" };
    let flags = collective_flags(resource, if resource.unique { &["unique"] } else { &[] });
    let _ = writeln!(
        text,
        "{:indent$}* Container bundle{set}: {} [{}]{flags}:",
        "", resource.id, view.image
    );
    let inner = indent + 2;
    for (number, replica) in view.replicas.iter().enumerate() {
        let container = &transition.resources[replica.container];
        let shown = replica.child.map_or(container, |child| &transition.resources[child]);
        let name = match replica.remote {
            Some(remote) => transition.resources[remote].id.to_string(),
            None => match replica.child {
                Some(_) => format!("{}-{number}", resource.id),
                None => container.id.to_string(),
            },
        };
        let address =
            replica.address.as_ref().map(|address| format!(" ({address})")).unwrap_or_default();
        let host =
            container.running_on.first().map(|node| format!(" {}", transition.nodes[*node].name));
        let provider =
            if shown.provider.is_empty() { String::new() } else { format!(":{}", shown.provider) };
        let role = if shown.running_on.is_empty() { "Stopped" } else { state(shown) };
        let _ = writeln!(
            text,
            "{:inner$}* {name}{address}\t({}{provider}:{}):\t {role}{}{}",
            "",
            shown.class,
            shown.agent,
            host.unwrap_or_default(),
            flags_of_replica(container)
        );
    }
}

fn flags_of_replica(container: &ResourceView) -> String {
    if container.managed { String::new() } else { " (unmanaged)".into() }
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
    let width = transition.events.iter().map(|event| event.subject.len()).max().unwrap_or(0);
    for event in &transition.events {
        let reason = match (&event.reason, event.blocked) {
            (Some(reason), true) => format!("  due to {reason} (blocked)"),
            (Some(reason), false) => format!("  due to {reason}"),
            (None, true) => "  blocked".into(),
            (None, false) => String::new(),
        };
        let _ = writeln!(
            text,
            "  * {:<10} {:<width$} {}{reason}",
            event.verb, event.subject, event.detail
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
