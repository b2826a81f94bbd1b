//! What can be asked of resources.

use std::fmt::Write as _;
use std::time::Duration;

use cib::xml::Element;
use sched::{ResourceView, Role, Shape};

use super::{Sheet, unknown};
use crate::failure::Failure;
use crate::live::monitor::{history, status_word, xml as drawn};
use crate::live::words::Words;
use crate::live::{Around, Door, Said, span};
use crate::text::{self, Shown};

/// How long `--wait` waits unless told otherwise.
const WAIT: Duration = Duration::from_secs(60 * 60);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

pub(super) fn list(
    sheet: &Sheet,
    verb: Option<char>,
    only: Option<&str>,
    node: Option<&str>,
) -> Said {
    match verb {
        Some('l') => {
            let leaves = sheet.seen.resources.iter().filter(|it| it.shape == Shape::Primitive);
            let lines: String = leaves.map(|it| format!("{}\n", it.id)).collect();
            Said::text(if lines.is_empty() { "No resources found\n".into() } else { lines })
        }
        Some('O' | 'o') => operations(sheet, only, node),
        _ => {
            let shown = Shown { places: false, inactive: true, pending: true };
            let lines = text::resources(&sheet.seen, 2, shown);
            let lines = if lines.is_empty() { "  * No resources\n".into() } else { lines };
            let said = Said::text(format!("Full List of Resources:\n{lines}"));
            Said { content: vec![drawn::resources(&sheet.seen, true)], ..said }
        }
    }
}

fn operations(sheet: &Sheet, only: Option<&str>, node: Option<&str>) -> Said {
    let mut said = Said::default();
    let mut all = Element::new("operations");
    for done in history(&sheet.root) {
        let other = node.is_some_and(|node| node != done.node)
            || only.is_some_and(|only| only != done.resource);
        let view = sheet.instances(&done.resource).ok();
        let Some(view) = view.and_then(|all| all.first().copied()).filter(|_| !other) else {
            continue;
        };
        let shown = Shown { places: false, inactive: true, pending: true };
        let mut line = text::resource(&sheet.seen, view, shown);
        line.truncate(line.trim_end().len());
        let _ = writeln!(
            said.text,
            "{line}: {} (node={}, call={}, rc={}, last-rc-change='{}', exec={}ms): {}",
            done.key,
            done.node,
            done.call,
            done.rc,
            done.changed,
            done.exec,
            status_word(done.status)
        );
        all.push(
            Element::new("operation")
                .with("op", &done.key)
                .with("node", &done.node)
                .with("call", &done.call.to_string())
                .with("rc", &done.rc.to_string())
                .with("status", status_word(done.status)),
        );
    }
    said.content.push(all);
    said
}

pub(super) fn locate(sheet: &Sheet, resource: &str, quiet: bool) -> Result<Said, Failure> {
    let places = sheet.places(resource)?;
    let mut said = Said::default();
    let mut nodes = Element::new("nodes").with("resource", resource);
    for (node, promoted) in &places {
        let _ = match (quiet, promoted) {
            (true, _) => writeln!(said.text, "{node}"),
            (_, true) => writeln!(said.text, "resource {resource} is running on: {node} Promoted"),
            (_, false) => writeln!(said.text, "resource {resource} is running on: {node}"),
        };
        let mut told = Element::new("node");
        if *promoted {
            told.set("state", "promoted");
        }
        told.children.push(cib::xml::Node::Text(node.as_str().into()));
        nodes.push(told);
    }
    if places.is_empty() {
        said.errors.push(format!("resource {resource} is NOT running"));
    }
    said.content.push(nodes);
    Ok(said)
}

fn element<'a>(sheet: &'a Sheet, resource: &str) -> Result<&'a Element, Failure> {
    let base = &sheet.resource(resource)?.base;
    let resources = sheet.root.child("configuration").and_then(|it| it.child("resources"));
    let mut all = resources.into_iter().flat_map(Element::descend);
    all.find(|it| it.id() == Some(&**base)).ok_or_else(|| unknown(resource))
}

pub(super) fn xml(sheet: &Sheet, resource: &str, raw: bool) -> Result<Said, Failure> {
    let element = element(sheet, resource)?;
    if raw {
        return Ok(Said::text(element.pretty()));
    }
    let shown = Shown { places: true, inactive: true, pending: true };
    let line = text::resource(&sheet.seen, sheet.resource(resource)?, shown);
    Ok(Said::text(format!("{line}Resource XML:\n{}", element.pretty())))
}

pub(super) fn property(sheet: &Sheet, resource: &str, name: &str) -> Result<Said, Failure> {
    let value = element(sheet, resource)?.get(name);
    Ok(match value {
        Some(value) => Said::text(format!("{value}\n")),
        None => Said {
            errors: vec![format!("Attribute '{name}' not found for '{resource}'")],
            ..Said::default()
        },
    })
}

/// Why resources are as they are, in as few words as Pacemaker's tool has for it; all that is known of
/// it is in `mainstay simulate --explain`.
pub(super) fn why(sheet: &Sheet, resource: Option<&str>) -> Said {
    let mut said = Said::default();
    let tops = sheet.seen.top.iter().map(|at| &sheet.seen.resources[*at]);
    let asked: Vec<&ResourceView> = match resource {
        Some(name) => sheet.resource(name).into_iter().collect(),
        None => tops.collect(),
    };
    for view in asked {
        let is = if view.running_on.is_empty() { "not running" } else { "running" };
        let _ = writeln!(said.text, "Resource {} is {is}", view.id);
        let id = &view.id;
        let _ = match view.target_role {
            Some(Role::Stopped) => {
                writeln!(said.text, "Configuration specifies '{id}' should remain stopped")
            }
            Some(Role::Unpromoted) => {
                writeln!(said.text, "Configuration specifies '{id}' should not be promoted")
            }
            _ => Ok(()),
        };
        if !view.managed {
            let _ = writeln!(
                said.text,
                "Configuration prevents cluster from starting, stopping, or moving '{id}'"
            );
        }
    }
    said
}

/// Waits until nothing is left to be done.
pub(super) fn wait(door: &mut dyn Door, words: &Words, around: &Around) -> Result<Said, Failure> {
    let limit = words.value('T').and_then(span).unwrap_or(WAIT);
    let mut waited = Duration::ZERO;
    let first = around.now.0;
    loop {
        // A file does not change by waiting; a cluster does.
        door.here()?;
        let passed = i64::try_from(waited.as_secs()).unwrap_or(0);
        let now = cib::dates::WallTime(first.saturating_add(passed));
        let cib = cib::Cib::read(&door.cib()?);
        let plan = sched::plan(&cib, now);
        if plan.steps.is_empty() && !plan.resources.iter().any(|it| it.pending.is_some()) {
            return Ok(Said::default());
        }
        if waited >= limit {
            let mut text = "crm_resource: Pending actions:".to_owned();
            for step in &plan.steps {
                let node =
                    step.node.as_ref().map_or_else(String::new, |it| format!("\ton {}", it.0));
                let _ = write!(text, "\n\tAction {}: {}{node}", step.id, step.key);
            }
            text.push_str("\nError performing operation: Timeout occurred");
            return Err(Failure { status: 124, text });
        }
        std::thread::sleep(LOOK_AGAIN);
        waited += LOOK_AGAIN;
    }
}
