//! `--cleanup` and `--refresh`: failures are forgotten, and what was done is looked at anew.
//!
//! A cleanup is about what has failed, a refresh about everything. What is forgotten on a node is
//! probed there again, so nothing is assumed to have stopped only because nobody remembers it.

use std::collections::BTreeSet;

use cib::xml::Element;

use super::Sheet;
use crate::failure::Failure;
use crate::live::pairs::Place;
use crate::live::{Door, Said};

pub(super) fn run(
    door: &mut dyn Door,
    sheet: &Sheet,
    resource: Option<&str>,
    node: Option<&str>,
    all: bool,
) -> Result<Said, Failure> {
    let names = resource.map(|name| members(sheet, name)).transpose()?;
    let mut found = if all { known(&sheet.root) } else { failed(sheet) };
    found.retain(|(on, of)| {
        node.is_none_or(|node| node == on)
            && names.as_ref().is_none_or(|names| names.contains(base(of)))
    });
    let mut text = String::new();
    let mut absolved = BTreeSet::new();
    for (on, of) in &found {
        door.forget(on, Some(of))?;
        if absolved.insert((on, base(of))) {
            door.absolve(on, base(of))?;
        }
        text += &format!("Cleaned up {of} on {on}\n");
    }
    if resource.is_none() && node.is_none() && found.is_empty() {
        text = "Cleaned up all resources on all nodes\n".into();
    }
    Ok(Said::text(text))
}

/// A name without the number of an instance.
fn base(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((base, number)) if number.bytes().all(|it| it.is_ascii_digit()) => base,
        _ => name,
    }
}

/// The primitives that belong together with one: its group's, its clone's.
fn members(sheet: &Sheet, name: &str) -> Result<BTreeSet<String>, Failure> {
    let seen = &sheet.seen;
    let mut top = sheet.resource(name)?;
    while let Some(parent) = top.parent {
        top = &seen.resources[parent];
    }
    Ok(sheet.leaves(top).iter().map(|leaf| leaf.base.to_string()).collect())
}

/// Where anything was done with what.
fn known(cib: &Element) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for state in cib.child("status").into_iter().flat_map(|it| it.named("node_state")) {
        let Some(node) = state.get("uname") else { continue };
        let lists = state.named("lrm").flat_map(|it| it.named("lrm_resources"));
        for id in lists.flat_map(|it| it.named("lrm_resource")).filter_map(Element::id) {
            all.insert((node.to_owned(), id.to_owned()));
        }
    }
    all
}

/// Where what has failed: by what was done, or by what was counted.
fn failed(sheet: &Sheet) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for failure in &sheet.seen.failed {
        all.insert((failure.node.to_string(), failure.resource.to_string()));
    }
    let known = known(&sheet.root);
    for state in sheet.root.child("status").into_iter().flat_map(|it| it.named("node_state")) {
        let (Some(id), Some(node)) = (state.id(), state.get("uname")) else { continue };
        for counted in Place::transient(id, node).all(&sheet.root) {
            let of = counted.name.strip_prefix("fail-count-").and_then(|it| it.split('#').next());
            let Some(of) = of else { continue };
            let mut here = known.iter().filter(|(on, it)| on == node && base(it) == of).peekable();
            if here.peek().is_none() {
                all.insert((node.to_owned(), of.to_owned()));
            }
            all.extend(here.cloned());
        }
    }
    all
}
