//! What a transition graph means, as the suite's judge sees it, and where the suite is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use cib::xml::Element;

/// Where the scheduler suite is, if it is at hand.
pub(crate) fn suite() -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    ["../../../shared/suites/scheduler", "../../../../shared/suites/scheduler"]
        .into_iter()
        .map(|way| here.join(way))
        .find(|root| root.join("cases.json").exists())
}

/// What an action is, whatever its number.
pub(crate) type Signature = Vec<String>;

/// How often each action is in a graph, and which come before which.
pub(crate) type Meaning = (BTreeMap<Signature, usize>, BTreeSet<(Signature, Signature)>);

fn signature(action: &Element) -> Signature {
    let attributes = action.child("attributes");
    let meta = |name: &str| {
        attributes.and_then(|it| it.get(&format!("CRM_meta_{name}"))).unwrap_or_default().to_owned()
    };
    let get = |name: &str| action.get(name).unwrap_or_default().to_owned();
    let more = match get("operation").as_str() {
        "stonith" => meta("stonith_action"),
        "migrate_to" | "migrate_from" => {
            format!("{}>{}", meta("migrate_source"), meta("migrate_target"))
        }
        "cancel" => format!("{}/{}", meta("operation"), meta("interval")),
        "monitor" => {
            let interval = meta("interval");
            let interval = if attributes.is_some_and(|it| it.get("CRM_meta_interval").is_some()) {
                interval
            } else {
                "0".into()
            };
            format!("{interval}/{}", meta("op_target_rc"))
        }
        _ => String::new(),
    };
    let names = ["operation", "operation_key", "on_node", "router_node", "mode"];
    std::iter::once(action.name().to_owned()).chain(names.map(get)).chain([more]).collect()
}

/// The actions with their numbers, and who comes before whom.
pub(crate) fn meaning(graph: &Element) -> Meaning {
    let mut actions = BTreeMap::new();
    let mut by_id = HashMap::new();
    let mut waits = Vec::new();
    for synapse in graph.named("synapse") {
        let ids: Vec<String> = synapse
            .named("action_set")
            .flat_map(Element::elements)
            .map(|action| {
                let signature = signature(action);
                let id = action.id().unwrap_or_default().to_owned();
                *actions.entry(signature.clone()).or_insert(0) += 1;
                by_id.insert(id.clone(), signature);
                id
            })
            .collect();
        let inputs =
            synapse.named("inputs").flat_map(Element::elements).flat_map(Element::elements);
        let inputs: Vec<String> =
            inputs.filter_map(|input| input.id().map(str::to_owned)).collect();
        waits.push((ids, inputs));
    }
    let mut next: BTreeMap<&Signature, BTreeSet<&Signature>> = BTreeMap::new();
    for (ids, inputs) in &waits {
        for id in ids {
            for input in inputs {
                if let (Some(first), Some(then)) = (by_id.get(input), by_id.get(id)) {
                    next.entry(first).or_default().insert(then);
                }
            }
        }
    }
    let mut pairs = BTreeSet::new();
    for start in actions.keys() {
        let mut pending: Vec<&Signature> = next.get(start).into_iter().flatten().copied().collect();
        let mut seen = BTreeSet::new();
        while let Some(at) = pending.pop() {
            if seen.insert(at) {
                pending.extend(next.get(at).into_iter().flatten().copied());
                pairs.insert((start.clone(), at.clone()));
            }
        }
    }
    (actions, pairs)
}
