//! Changes of the document that administrators ask for.
//!
//! The status belongs to the cluster: who replaces the whole document means its configuration, and
//! what the nodes have told stays as it is.

use cib::edit::{self, Scope};
use cib::patch::Patch;
use cib::xml::{self, Element, Node};
use cib::xpath::XPath;

use super::Refusal;
use crate::operation::CibChange;

/// What the cluster says of itself in the attributes of `<cib>`.
const OURS: [&str; 2] = ["have-quorum", "dc-uuid"];

fn bad(what: &str, error: impl std::fmt::Display) -> Refusal {
    Refusal::Bad(format!("{what}: {error}"))
}

fn element(xml: &str) -> Result<Element, Refusal> {
    let mut root = xml::parse(xml).map_err(|error| bad("the XML cannot be read", error))?.root;
    for element in root.descend() {
        let values = element.attrs().iter().map(|it| &*it.value);
        let mut all = values.chain(element.children.iter().filter_map(words)).flat_map(str::chars);
        // XML 1.0 §2.2: not even by its number. No agent's environment could hold it.
        if let Some(wrong) = all.find(|it| *it < ' ' && !matches!(it, '\t' | '\n' | '\r')) {
            let what =
                format!("<{}> holds {wrong:?}, which is no character of XML", element.name());
            return Err(bad("the XML cannot be read", what));
        }
    }
    cib::blank::strip(&mut root);
    Ok(root)
}

fn words(node: &Node) -> Option<&str> {
    match node {
        Node::Text(text) | Node::CData(text) => Some(text),
        _ => None,
    }
}

fn scope(name: &str) -> Result<Scope, Refusal> {
    let known = || edit::SCOPES.map(|(name, _)| name).join(", ");
    Scope::named(name).ok_or_else(|| {
        Refusal::Bad(format!("`{name}` is no section of a CIB: it is one of {}", known()))
    })
}

fn path(text: &str) -> Result<XPath, Refusal> {
    XPath::parse(text).map_err(|error| bad("the path cannot be read", error))
}

/// The document after a change.
pub(super) fn changed(cib: &Element, change: &CibChange) -> Result<Element, Refusal> {
    let operation = match change {
        CibChange::Create { scope: at, xml } => edit::Operation::Create(scope(at)?, element(xml)?),
        CibChange::Modify { scope: at, xml, allow_create } => edit::Operation::Modify {
            scope: scope(at)?,
            object: element(xml)?,
            allow_create: *allow_create,
        },
        CibChange::Replace { scope: at, xml } => {
            let mut object = element(xml)?;
            if object.name() == "cib" {
                keep_ours(cib, &mut object);
            }
            edit::Operation::Replace(scope(at)?, object)
        }
        CibChange::ReplaceAt { path: at, xml } => {
            edit::Operation::ReplaceAt(path(at)?, element(xml)?)
        }
        CibChange::Delete { scope: at, xml } => edit::Operation::Delete(scope(at)?, element(xml)?),
        CibChange::DeleteAt { path: at, all } => {
            edit::Operation::DeleteAt { path: path(at)?, all: *all }
        }
        CibChange::Patch { xml } => {
            let patch = Patch::from_xml(&element(xml)?);
            edit::Operation::Patch(patch.map_err(|error| bad("the patch cannot be read", error))?)
        }
        CibChange::Erase => edit::Operation::Erase,
        CibChange::Bump => edit::Operation::Bump,
    };
    let mut new =
        edit::perform(cib, &operation).map_err(|error| Refusal::Bad(error.to_string()))?;
    if matches!(change, CibChange::Erase) {
        keep_ours(cib, &mut new);
    }
    keep_states(cib, &mut new);
    Ok(new)
}

/// Puts the present status, and what the cluster says of itself, into a document.
fn keep_ours(present: &Element, new: &mut Element) {
    for name in OURS {
        match present.get(name) {
            Some(value) => new.set(name, value),
            None => {
                new.unset(name);
            }
        }
    }
    new.retain(|child| child.name() != "status");
    new.push(present.child("status").cloned().unwrap_or_else(|| Element::new("status")));
}

/// Whether a node takes part the cluster alone says: whoever could take that out of the document could have
/// started elsewhere what runs there. What a node has done with its resources may be forgotten: then it is
/// looked at anew.
fn keep_states(present: &Element, new: &mut Element) {
    let Some(before) = present.child("status") else { return };
    if new.child("status") == Some(before) {
        return;
    }
    if new.child("status").is_none() {
        new.push(Element::new("status"));
    }
    let Some(status) = new.child_mut("status") else { return };
    for state in before.named("node_state") {
        let is = |it: &Element| it.name() == "node_state" && it.id() == state.id();
        let mut kept = Element::new("node_state");
        for attr in state.attrs() {
            kept.set(&attr.name, &attr.value);
        }
        let changed = status.elements_mut().find(|it| is(it));
        if let Some(changed) = changed {
            kept.children = core::mem::take(&mut changed.children);
            *changed = kept;
            continue;
        }
        status.push(kept);
    }
}

/// A cluster option, as the first set that has it says.
#[must_use]
pub fn option<'a>(cib: &'a Element, name: &str) -> Option<&'a str> {
    let sets = cib.child("configuration")?.child("crm_config")?.named("cluster_property_set");
    let mut pairs = sets.flat_map(Element::elements);
    pairs.find(|pair| pair.get("name") == Some(name))?.get("value")
}
