//! The list of nodes: those of whom there is something to say, one a line; the others by state.

use std::fmt::Write as _;

use sched::{Health, NodeKind, NodeView, Observed};

/// Writes the list, if there is any node.
pub(super) fn list(seen: &Observed, text: &mut String) {
    if seen.nodes.is_empty() {
        return;
    }
    text.push_str("  * Node List:\n");
    lines(seen, 4, text);
}

/// Its lines.
pub(crate) fn lines(seen: &Observed, indent: usize, text: &mut String) {
    let mut lists: [Vec<&str>; 5] = Default::default();
    for node in &seen.nodes {
        if let Some(state) = state(node) {
            let _ = writeln!(text, "{:indent$}* {} {}: {state}", "", kind(node), node.name);
            continue;
        }
        let place = match (node.kind, node.online) {
            (NodeKind::Member, true) => 0,
            (NodeKind::Member, false) => 1,
            (NodeKind::Remote, true) => 2,
            (NodeKind::Remote, false) => 3,
            (NodeKind::Guest, true) => 4,
            // A guest that is not there is told by its resource.
            (NodeKind::Guest, false) => continue,
        };
        lists[place].push(&node.name);
    }
    let titles = ["Online", "OFFLINE", "RemoteOnline", "RemoteOFFLINE", "GuestOnline"];
    for (title, list) in titles.iter().zip(lists) {
        if !list.is_empty() {
            let _ = writeln!(text, "{:indent$}* {title}: [ {} ]", "", list.join(" "));
        }
    }
}

pub(crate) fn kind(node: &NodeView) -> &'static str {
    match node.kind {
        NodeKind::Member => "Node",
        NodeKind::Remote => "RemoteNode",
        NodeKind::Guest => "GuestNode",
    }
}

/// What is to be said of a node that is not simply online or offline.
pub(crate) fn state(node: &NodeView) -> Option<&'static str> {
    Some(match node {
        NodeView { unclean: true, online: true, .. } => "UNCLEAN (online)",
        NodeView { unclean: true, pending: true, .. } => "UNCLEAN (pending)",
        NodeView { unclean: true, .. } => "UNCLEAN (offline)",
        NodeView { pending: true, .. } => "pending",
        NodeView { standby_onfail: true, online: true, .. } => "standby (on-fail)",
        NodeView { standby: true, online: false, .. } => "OFFLINE (standby)",
        NodeView { standby: true, running: 0, .. } => "standby",
        NodeView { standby: true, .. } => "standby (with active resources)",
        NodeView { maintenance: true, online: true, .. } => "maintenance",
        NodeView { maintenance: true, .. } => "OFFLINE (maintenance)",
        NodeView { online: true, health: Health::Red, .. } => "online (health is RED)",
        NodeView { online: true, health: Health::Yellow, .. } => "online (health is YELLOW)",
        _ => return None,
    })
}
