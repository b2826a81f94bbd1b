//! A plan carried out on the document itself.

use std::collections::HashMap;

use cib::model::Text;
use cib::xml::{Element, Node};
use sched::StepResource;

use super::{DOWN, Entry, FEATURES, INJECTED, Paper, Place, UP, UUID};

/// A CIB's document, and where in it the histories are.
pub struct Tree<'a> {
    cib: &'a mut Element,
    /// For each node's state that was looked into: the children of its list of resources by name.
    lists: HashMap<usize, HashMap<Text, usize>>,
}

impl<'a> Tree<'a> {
    /// Of a CIB.
    pub fn new(cib: &'a mut Element) -> Self {
        Self { cib, lists: HashMap::new() }
    }

    /// The CIB; its list of nodes' states and of resources in them may only grow at their ends.
    pub(crate) fn cib(&mut self) -> &mut Element {
        self.cib
    }

    fn state(&mut self, at: usize) -> &mut Element {
        part(self.cib.child_or_new("status"), at)
    }

    fn list(&mut self, at: usize) -> &mut Element {
        self.state(at).child_or_new("lrm").child_or_new("lrm_resources")
    }

    fn found(&self, place: Place) -> Option<&Element> {
        let state = self.cib.child("status")?.children.get(place.state)?.element()?;
        let list = state.child("lrm")?.child("lrm_resources")?;
        list.children.get(place.history)?.element()
    }
}

/// The child at a place where an element is known to be.
fn part(parent: &mut Element, at: usize) -> &mut Element {
    match &mut parent.children[at] {
        Node::Element(element) => element,
        _ => unreachable!("the place was that of an element"),
    }
}

impl Paper for Tree<'_> {
    fn lose(&mut self, node: &str, id: &str) {
        let at = state_at(self.cib, node, id);
        self.lists.remove(&at);
        let state = self.state(at);
        set_node(state, false);
        state.retain(|child| !matches!(child.name(), "lrm" | "transient_attributes"));
    }

    fn forget(&mut self, node: &str, id: &str, resource: &str) {
        let at = state_at(self.cib, node, id);
        self.lists.remove(&at);
        let lists = self.state(at).elements_mut().filter(|it| it.name() == "lrm");
        for list in lists.flat_map(Element::elements_mut) {
            list.retain(|it| it.id() != Some(resource));
        }
    }

    fn history(
        &mut self,
        node: &str,
        id: &str,
        names: [&str; 2],
        resource: &StepResource,
    ) -> Place {
        let state = state_at(self.cib, node, id);
        let lrm = self.state(state).child_or_new("lrm");
        if lrm.id().is_none() {
            lrm.set("id", id);
        }
        if !self.lists.contains_key(&state) {
            let mut places = HashMap::new();
            for (at, child) in self.list(state).children.iter().enumerate() {
                if let Some(name) = child.element().and_then(Element::id) {
                    places.entry(name.into()).or_insert(at);
                }
            }
            self.lists.insert(state, places);
        }
        let known = names.iter().find_map(|name| self.lists[&state].get(*name));
        if let Some(history) = known.copied() {
            return Place { state, history };
        }
        let mut fresh =
            Element::new("lrm_resource").with("id", names[1]).with("class", &resource.class);
        if !resource.provider.is_empty() {
            fresh.set("provider", &resource.provider);
        }
        fresh.set("type", &resource.agent);
        let list = self.list(state);
        let history = list.children.len();
        list.push(fresh);
        self.lists.entry(state).or_default().insert(names[1].into(), history);
        Place { state, history }
    }

    fn name(&self, place: Place) -> Text {
        self.found(place).and_then(Element::id).unwrap_or_default().into()
    }

    fn last_call(&self, place: Place) -> i64 {
        let all = self.found(place).into_iter().flat_map(Element::elements);
        all.filter_map(|op| op.get("call-id")?.parse().ok()).max().unwrap_or(0)
    }

    fn write(&mut self, place: Place, id: &str, entry: &Entry) {
        let history = part(self.list(place.state), place.history);
        if !history.elements().any(|op| op.id() == Some(id)) {
            history.push(Element::new("lrm_rsc_op").with("id", id));
        }
        let Some(op) = history.elements_mut().find(|op| op.id() == Some(id)) else { return };
        let Entry { name, operation, interval, call, rc, target, .. } = entry;
        let key = format!("{call}:-1:{target}:{UUID}");
        let attributes: [(&str, &str); 15] = [
            ("operation_key", &format!("{name}_{operation}_{interval}")),
            ("operation", operation),
            ("crm-debug-origin", "crm_simulate"),
            ("crm_feature_set", FEATURES),
            ("transition-magic", &format!("0:{rc};{key}")),
            ("transition-key", &key),
            ("exit-reason", if entry.failed { INJECTED } else { "" }),
            ("call-id", &call.to_string()),
            ("rc-code", &rc.to_string()),
            ("op-status", "0"),
            ("interval", &interval.to_string()),
            ("last-rc-change", &entry.at.to_string()),
            ("exec-time", "0"),
            ("queue-time", "0"),
            ("op-digest", &entry.digest),
        ];
        for (name, value) in attributes {
            op.set(name, value);
        }
        for (name, node) in
            [("migrate_source", &entry.migrate_source), ("migrate_target", &entry.migrate_target)]
        {
            if let Some(node) = node {
                op.set(name, node);
            }
        }
    }
}

/// Where among the children of the status the state of a node is, made if it is not there.
fn state_at(cib: &mut Element, name: &str, id: &str) -> usize {
    let status = cib.child_or_new("status");
    let fits = |node: &Node| {
        node.element().is_some_and(|state| {
            let is_it = state.get("uname") == Some(name) || state.id() == Some(id);
            state.name() == "node_state" && is_it
        })
    };
    status.children.iter().position(fits).unwrap_or_else(|| {
        status.push(Element::new("node_state").with("id", id).with("uname", name));
        status.children.len() - 1
    })
}

/// The state of a node, made if it is not there.
pub(crate) fn node_state<'a>(cib: &'a mut Element, name: &str, id: &str) -> &'a mut Element {
    let at = state_at(cib, name, id);
    part(cib.child_or_new("status"), at)
}

/// Says whether a node is up, in the words of its state.
pub(crate) fn set_node(state: &mut Element, up: bool) {
    for (name, word) in if up { UP } else { DOWN } {
        state.set(name, word);
    }
    state.set("crm-debug-origin", "crm_simulate");
}
