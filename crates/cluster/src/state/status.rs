//! What the document says of nodes: configured, up or down, in the words planning knows.

use base::Name;
use cib::xml::Element;

use crate::membership::{Cleared, Standing};

/// The state of a node, made if it is not there.
pub(super) fn node_state<'a>(cib: &'a mut Element, node: &str, id: &str) -> &'a mut Element {
    let status = cib.child_or_new("status");
    let is = |it: &Element| it.name() == "node_state" && it.id() == Some(id);
    if !status.elements().any(is) {
        status.push(Element::new("node_state").with("id", id).with("uname", node));
    }
    match status.elements_mut().find(|it| is(it)) {
        Some(state) => state,
        None => unreachable!("it was added if it was missing"),
    }
}

/// The same, if it is there.
pub(crate) fn find<'a>(cib: &'a Element, id: &str) -> Option<&'a Element> {
    cib.child("status")?.named("node_state").find(|it| it.id() == Some(id))
}

/// The same, to be changed.
pub(super) fn find_mut<'a>(cib: &'a mut Element, id: &str) -> Option<&'a mut Element> {
    let states = cib.child_mut("status")?.elements_mut();
    states.filter(|it| it.name() == "node_state").find(|it| it.id() == Some(id))
}

/// Sees to it that a node is configured; whether it was not.
pub(super) fn configure(cib: &mut Element, node: &Name, id: &Name) -> bool {
    let nodes = cib.child_or_new("configuration").child_or_new("nodes");
    if nodes.elements().any(|it| it.id() == Some(&**id)) {
        return false;
    }
    nodes.push(Element::new("node").with("id", id).with("uname", node));
    true
}

/// Takes a node out of configuration and status; whether it was there.
pub(super) fn forget_node(cib: &mut Element, node: &Name, id: &Name) -> bool {
    let is = |it: &Element| it.id() == Some(&**id) || it.get("uname") == Some(&**node);
    let mut found = false;
    for section in [["configuration", "nodes"].as_slice(), &["status"]] {
        let at = section.iter().try_fold(&mut *cib, |at, name| at.child_mut(name));
        let Some(at) = at else { continue };
        let before = at.children.len();
        at.retain(|it| !is(it));
        found |= at.children.len() != before;
    }
    found
}

/// Writes a member's standing. In a fresh life nothing it did before is known any more, nor what
/// was said of it until it leaves.
pub(super) fn tell(cib: &mut Element, node: &Name, id: &Name, standing: Standing, fresh: bool) {
    let state = node_state(cib, node, id);
    state.set("uname", node);
    // in_ccm, crmd, join, expected
    let words = match standing {
        Standing::Alive => ["true", "online", "member", "member"],
        Standing::Absent => ["false", "offline", "down", "down"],
        Standing::Lost(Cleared::Fenced) => ["false", "offline", "down", "down"],
        // Somebody who should be there and is not: that is what asks for fencing.
        Standing::Lost(Cleared::No | Cleared::LeaseOver) => ["false", "offline", "down", "member"],
    };
    for (name, word) in ["in_ccm", "crmd", "join", "expected"].into_iter().zip(words) {
        state.set(name, word);
    }
    let history_gone =
        fresh || matches!(standing, Standing::Absent | Standing::Lost(Cleared::Fenced));
    let attributes_gone = fresh || standing != Standing::Alive;
    state.retain(|child| match child.name() {
        "lrm" => !history_gone,
        "transient_attributes" => !attributes_gone,
        _ => true,
    });
    if standing == Standing::Alive && state.child("lrm").is_none() {
        let lrm = state.child_or_new("lrm");
        lrm.set("id", id);
        lrm.child_or_new("lrm_resources");
    }
}

/// Whether everything on a node is to be left alone, by the word of an administrator: nothing there is
/// started, stopped or looked after, whatever becomes of the cluster.
pub(crate) fn is_left_alone(cib: &Element, node: &Name) -> bool {
    let truth = |word: &str| cib::value::truth(word) == Some(true);
    if super::option(cib, "maintenance-mode").is_some_and(truth) {
        return true;
    }
    let nodes = cib.child("configuration").and_then(|it| it.child("nodes"));
    let own = nodes.into_iter().flat_map(|it| it.named("node"));
    let own = own.filter(|it| it.get("uname") == Some(&**node));
    let pairs =
        own.flat_map(|it| it.named("instance_attributes")).flat_map(|it| it.named("nvpair"));
    let value =
        |it: &Element| it.get("name") == Some("maintenance") && it.get("value").is_some_and(truth);
    pairs.into_iter().any(value)
}
