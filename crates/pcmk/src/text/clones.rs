//! Resources that consist of instances: what is alike is listed by state, what is not stands alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sched::{ResourceView, Role};

use super::by_name;
use super::resources::{List, exit_word};

/// Where an instance of a clone is told of.
enum Told {
    Alone,
    Promoted(usize),
    Started(usize),
    Idle,
    Nowhere,
}

/// Writes a clone.
pub(super) fn clone(list: List<'_>, resource: &ResourceView, indent: usize, text: &mut String) {
    let mut words = Vec::new();
    if resource.promotable {
        words.push("promotable");
    }
    if resource.unique {
        words.push("unique");
    }
    let flags = list.flags(resource, &words).text();
    let of = resource.children.first().map(|child| list.resource(*child).base.clone());
    let name = of.unwrap_or_default();
    let _ = writeln!(text, "{:indent$}* Clone Set: {} [{name}]{flags}:", "", resource.id);
    let inner = indent + 2;
    let (mut promoted, mut started) = (Vec::new(), Vec::new());
    let mut stopped: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for child in &resource.children {
        match told(list, resource, *child) {
            Told::Alone => list.show(*child, inner, text),
            Told::Promoted(node) => promoted.push(list.node_name(node)),
            Told::Started(node) => started.push(list.node_name(node)),
            Told::Idle => {
                stopped.entry("Stopped".into()).or_default().push(&list.resource(*child).id);
            }
            Told::Nowhere => {}
        }
    }
    let active = i64::try_from(promoted.len() + started.len()).unwrap_or(i64::MAX);
    let started_word = match (resource.promotable, resource.target_role) {
        (true, Some(Role::Unpromoted)) => "Unpromoted (target-role:Unpromoted)",
        (true, _) => "Unpromoted",
        (false, _) => "Started",
    };
    names("Promoted", promoted, inner, text);
    names(started_word, started, inner, text);
    if !resource.unique && resource.copies > active {
        stopped = idle_nodes(list, resource);
    }
    for (state, nodes) in stopped.into_iter().filter(|_| list.shown.inactive) {
        names(&state, nodes, inner, text);
    }
}

fn names(title: &str, mut names: Vec<&str>, indent: usize, text: &mut String) {
    if !names.is_empty() {
        names.sort_by(|a, b| by_name(a, b));
        let _ = writeln!(text, "{:indent$}* {title}: [ {} ]", "", names.join(" "));
    }
}

fn told(list: List<'_>, clone: &ResourceView, at: usize) -> Told {
    let instance = list.resource(at);
    let leaves: Vec<&ResourceView> =
        list.leaves(at).into_iter().map(|leaf| list.resource(leaf)).collect();
    let partly = list.active(at, false);
    if clone.unique {
        return if partly || !instance.orphan { Told::Alone } else { Told::Nowhere };
    }
    if list.pending_task(instance).is_some_and(|task| task != "probe") {
        return Told::Alone;
    }
    if !partly {
        return if instance.orphan { Told::Nowhere } else { Told::Idle };
    }
    let odd = |it: &ResourceView| it.orphan || !it.managed || it.failed;
    if odd(instance) || leaves.iter().any(|leaf| odd(leaf)) || !list.active(at, true) {
        return Told::Alone;
    }
    let mut nodes: Vec<usize> =
        leaves.iter().flat_map(|leaf| leaf.running_on.iter().copied()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let [node] = *nodes.as_slice() else { return Told::Alone };
    let place = &list.seen.nodes[node];
    if !place.online && place.unclean {
        return Told::Alone;
    }
    if leaves.iter().any(|leaf| leaf.role > Role::Unpromoted) {
        Told::Promoted(node)
    } else {
        Told::Started(node)
    }
}

/// The nodes where a clone could be but is not, by what is to be said of them.
fn idle_nodes<'a>(list: List<'a>, clone: &'a ResourceView) -> BTreeMap<String, Vec<&'a str>> {
    let scored: Vec<usize> = clone.score_on.iter().map(|(node, _)| *node).collect();
    let places = if scored.is_empty() { &clone.known_on } else { &scored };
    let base = clone.children.first().map(|child| list.resource(*child).base.clone());
    let mut states: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for node in places {
        if clone.running_on.contains(node) {
            continue;
        }
        let name = list.node_name(*node);
        let probe = list.failed_probe(base.as_deref().unwrap_or_default(), Some(name));
        let state = match (probe, clone.target_role) {
            (Some(rc), _) => format!("Stopped ({})", exit_word(rc)),
            (None, Some(Role::Stopped)) => "Stopped (disabled)".into(),
            (None, _) => "Stopped".into(),
        };
        states.entry(state).or_default().push(name);
    }
    states
}

/// Writes a bundle: of each replica what it is for, at the node of its container.
pub(super) fn bundle(list: List<'_>, resource: &ResourceView, indent: usize, text: &mut String) {
    let Some(view) = &resource.bundle else { return };
    let set = if view.replicas.len() > 1 { " set" } else { "" };
    let flags = list.flags(resource, if resource.unique { &["unique"] } else { &[] }).text();
    let _ = writeln!(
        text,
        "{:indent$}* Container bundle{set}: {} [{}]{flags}:",
        "", resource.id, view.image
    );
    for replica in &view.replicas {
        let container = list.resource(replica.container);
        let shown = replica.child.map_or(container, |child| list.resource(child));
        let mut name = match replica.remote {
            Some(remote) => list.resource(remote).id.to_string(),
            None => container.id.to_string(),
        };
        if let Some(address) = &replica.address {
            let _ = write!(name, " ({address})");
        }
        list.primitive(shown, &name, container.current, indent + 2, text);
    }
}
