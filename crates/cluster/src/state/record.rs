//! Histories: what agents have done on a node, as planning reads it.
//!
//! For each resource the last single action is kept, each recurring one, and the last failure, since
//! the last of all may have been the recovery from it.

use base::Name;
use cib::xml::Element;

use super::attributes::is_failure;
use super::status::{find, find_mut, node_state};
use crate::operation::{OpResult, OpStatus, Record};

/// The version of what is written, and of what agents find.
pub const FEATURES: &str = "3.19.0";

/// The results of a record that say something new. A proposal that got lost is made again, and may
/// be committed twice, the second time after what followed it: calls are counted within a life, so
/// what is older than what is known is recognised.
pub(super) fn fresh<'a>(cib: &Element, node_id: &str, record: &'a Record) -> Vec<&'a OpResult> {
    let lrm = find(cib, node_id).and_then(|state| state.child("lrm"));
    let list = lrm.and_then(|lrm| lrm.child("lrm_resources"));
    let is = |it: &&Element| it.id() == Some(&*record.resource);
    let history = list.and_then(|list| list.elements().find(is));
    let mut fresh: Vec<&OpResult> = Vec::new();
    for result in &record.results {
        let ids = ids(&record.resource, result);
        let known = history.and_then(|history| {
            history.elements().find(|op| op.id() == ids.last().map(String::as_str))
        });
        if base::planted!(OldResultCounts) || !known.is_some_and(|known| is_old(known, result)) {
            fresh.push(result);
        }
    }
    fresh
}

fn is_old(known: &Element, result: &OpResult) -> bool {
    // A controller that gave up waiting counts no calls.
    if result.call == 0 {
        return known.get("transition-magic") == Some(&magic(result));
    }
    let call = known.get("call-id").and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
    let pending = known.get("op-status") == Some("-1");
    let ends_it = pending && result.status != OpStatus::Pending;
    call > result.call || (call == result.call && !ends_it)
}

/// Takes results into the history of their resource; whether anything changed.
pub(super) fn write(
    cib: &mut Element,
    node_id: &str,
    record: &Record,
    results: &[&OpResult],
) -> bool {
    if record.results.is_empty() && find_mut(cib, node_id).is_none() {
        return false;
    }
    let state = node_state(cib, &record.node, node_id);
    if record.results.is_empty() && state.child("lrm").is_none() {
        return false;
    }
    let lrm = state.child_or_new("lrm");
    lrm.set("id", node_id);
    let list = lrm.child_or_new("lrm_resources");
    let is = |it: &Element| it.id() == Some(&*record.resource);
    if record.results.is_empty() && !list.elements().any(is) {
        return false;
    }
    if !list.elements().any(is) {
        list.push(Element::new("lrm_resource").with("id", &record.resource));
    }
    let Some(history) = list.elements_mut().find(|it| is(it)) else { return false };
    history.set("class", &record.class);
    if !record.provider.is_empty() {
        history.set("provider", &record.provider);
    }
    history.set("type", &record.agent);
    let before = history.clone();
    for (operation, interval) in &record.cancelled {
        let gone = recurring_id(&record.resource, operation, *interval);
        history.retain(|op| op.id() != Some(&gone));
    }
    for result in results {
        for id in ids(&record.resource, result) {
            if !history.elements().any(|op| op.id() == Some(&id)) {
                history.push(Element::new("lrm_rsc_op").with("id", &id));
            }
            if let Some(op) = history.elements_mut().find(|op| op.id() == Some(&id)) {
                fill(op, record, result);
            }
        }
    }
    *history != before
}

fn recurring_id(resource: &str, operation: &str, interval: u64) -> String {
    format!("{resource}_{operation}_{interval}")
}

/// Under which ids a result is kept.
fn ids(resource: &str, result: &OpResult) -> Vec<String> {
    if let Some((kind, about)) = &result.about {
        return vec![format!("{resource}_{kind}_notify_{about}_0")];
    }
    let last = format!("{resource}_last_0");
    let failure = format!("{resource}_last_failure_0");
    match (is_failure(result), result.interval) {
        (true, 0) => vec![failure, last],
        (true, _) => vec![failure],
        (false, 0) => vec![last],
        (false, interval) => vec![recurring_id(resource, &result.operation, interval)],
    }
}

/// Status, exit code and who asked for it, as planning reads them.
fn magic(result: &OpResult) -> String {
    // What runs has no exit code yet; this one says so.
    let rc = result.rc.unwrap_or(193);
    format!("{}:{rc};{}", result.status.code(), result.key)
}

fn fill(op: &mut Element, record: &Record, result: &OpResult) {
    let rc = result.rc.unwrap_or(193);
    let status = result.status.code();
    let key = result.key.to_string();
    let operation = &result.operation;
    let attributes = [
        ("operation_key", recurring_id(&record.resource, operation, result.interval)),
        ("operation", operation.to_string()),
        ("crm_feature_set", FEATURES.to_owned()),
        ("transition-magic", magic(result)),
        ("transition-key", key),
        ("exit-reason", result.reason.clone()),
        ("on_node", record.node.to_string()),
        ("call-id", result.call.to_string()),
        ("rc-code", rc.to_string()),
        ("op-status", status.to_string()),
        ("interval", result.interval.to_string()),
        ("last-rc-change", result.changed.to_string()),
        ("exec-time", result.took.as_millis().to_string()),
        ("queue-time", result.queued.as_millis().to_string()),
        ("op-digest", result.digest.to_string()),
    ];
    for (name, value) in &attributes {
        op.set(name, value);
    }
    let (digest, names) = match &result.restart {
        Some((digest, names)) => (Some(digest), Some(names)),
        None => (None, None),
    };
    let (source, target) = match &result.migration {
        Some((source, target)) => (Some(source), Some(target)),
        None => (None, None),
    };
    let optional = [
        ("op-restart-digest", digest),
        ("op-force-restart", names),
        ("migrate_source", source),
        ("migrate_target", target),
    ];
    for (name, value) in optional {
        match value {
            Some(value) => op.set(name, value),
            None => {
                op.unset(name);
            }
        }
    }
}

/// Forgets the history of a resource, or of all; whether there was any.
pub(super) fn forget(cib: &mut Element, id: &str, resource: Option<&Name>) -> bool {
    let lrm = find_mut(cib, id).and_then(|state| state.child_mut("lrm"));
    let Some(list) = lrm.and_then(|lrm| lrm.child_mut("lrm_resources")) else {
        return false;
    };
    let before = list.children.len();
    list.retain(|it| resource.is_some_and(|resource| it.id() != Some(&**resource)));
    list.children.len() != before
}
