//! The suite of scheduler cases, where it is at hand: at least so many right graphs per group.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;

use cib::Cib;
use cib::dates::WallTime;
use cib::xml::{self, Element};

/// Groups with the number of cases that must be right.
const FLOORS: &[(&str, usize)] = &[
    ("basic", 14),
    ("bundle-container", 17),
    ("clone", 42),
    ("clone-min", 9),
    ("colocation", 24),
    ("defaults", 3),
    ("discovery-shutdownlock", 3),
    ("failcount", 5),
    ("fencing", 24),
    ("group", 20),
    ("guest-node", 12),
    ("location-attrs", 6),
    ("migration", 36),
    ("node-health", 11),
    ("notify", 5),
    ("operations", 28),
    ("order", 24),
    ("order-one-or-more", 14),
    ("orphans", 2),
    ("params-digests-reload", 9),
    ("probes", 11),
    ("promoted", 46),
    ("quorum", 8),
    ("recovery", 16),
    ("remote-node", 15),
    ("rules-dates", 17),
    ("sets", 3),
    ("templates-tags", 15),
    ("ticket-clone", 17),
    ("ticket-group", 17),
    ("ticket-primitive", 17),
    ("ticket-promoted", 17),
    ("ticket-sets", 11),
    ("unmanaged-maintenance", 10),
    ("utilization", 14),
];

type Signature = Vec<String>;

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
fn meaning(graph: &Element) -> (BTreeMap<Signature, usize>, BTreeSet<(Signature, Signature)>) {
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

/// Where the suite is, if it is at hand.
fn suite() -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let places = ["../../../shared", "../../../../shared"].map(|place| here.join(place));
    let given = std::env::var_os("MAINSTAY_SHARED").map(PathBuf::from);
    let mut roots = given.into_iter().chain(places).map(|shared| shared.join("suites/scheduler"));
    let found = roots.find(|root| root.join("cases.json").exists());
    if found.is_none() {
        eprintln!("the suite is not at hand: skipped");
    }
    found
}

/// How many cases must be told as the suite tells them: summaries, scores, pictures.
const TEXTS: [(&str, usize); 3] = [("summary", 520), ("scores", 470), ("dot", 510)];

/// The lines of a text without white space, in a text where a different order does not matter
/// sorted, and where repetition does not matter without it.
fn lines(kind: &str, text: &str) -> Vec<String> {
    let squeezed = text.lines().map(|line| line.split_whitespace().collect::<String>());
    let mut all: Vec<String> = squeezed.filter(|line| !line.is_empty()).collect();
    if kind != "summary" {
        all.sort();
    }
    if kind == "dot" {
        all.dedup();
    }
    all
}

#[test]
fn the_suite_is_told_as_crm_simulate_tells_it() {
    let Some(root) = suite() else { return };
    let cases = fs::read_to_string(root.join("cases.json")).expect("cases");
    let cases: serde_json::Value = serde_json::from_str(&cases).expect("json");
    let mut right: BTreeMap<&str, usize> = BTreeMap::new();
    let now = WallTime(1_764_000_000);
    let dot = std::env::temp_dir().join(format!("mainstay-suite-{}.dot", std::process::id()));
    for case in cases.as_array().expect("a list") {
        let name = case["name"].as_str().unwrap_or_default();
        let input = root.join(format!("data/xml/{name}.xml"));
        let given = case["args"].as_array().and_then(|args| args.get(1)?.as_str());
        let told = pcmk::simulate::Options {
            input: Some(input.clone()),
            simulate: true,
            ..Default::default()
        };
        let rated = pcmk::simulate::Options {
            input: Some(input),
            dot: Some(dot.clone()),
            scores: true,
            quiet: true,
            time: given.and_then(WallTime::parse),
            ..Default::default()
        };
        let summary = pcmk::simulate::run(&told, now).expect("a summary");
        let scores = pcmk::simulate::run(&rated, now).expect("scores");
        let picture = fs::read_to_string(&dot).expect("a picture");
        for (kind, text) in [("summary", summary), ("scores", scores), ("dot", picture)] {
            let wanted = fs::read_to_string(root.join(format!("data/{kind}/{name}.{kind}")));
            if lines(kind, &wanted.expect("a file")) == lines(kind, &text) {
                *right.entry(kind).or_insert(0) += 1;
            }
        }
    }
    fs::remove_file(&dot).expect("removed");
    for (kind, floor) in TEXTS {
        let got = right.get(kind).copied().unwrap_or(0);
        assert!(got >= floor, "{kind}: {got} of at least {floor}");
    }
}

#[test]
fn the_suite_is_met_group_by_group() {
    let Some(root) = suite() else { return };
    let cases = fs::read_to_string(root.join("cases.json")).expect("cases");
    let cases: serde_json::Value = serde_json::from_str(&cases).expect("json");
    let mut right: BTreeMap<String, usize> = BTreeMap::new();
    for case in cases.as_array().expect("a list") {
        let text = |name: &str| case[name].as_str().unwrap_or_default().to_owned();
        let name = text("name");
        let read = |kind: &str, end: &str| {
            fs::read_to_string(root.join(format!("data/{kind}/{name}.{end}"))).expect("a file")
        };
        let wanted = xml::parse(&read("exp", "exp")).expect("a graph").root;
        let cib = Cib::parse(&read("xml", "xml")).expect("a CIB");
        let given =
            case["args"].as_array().and_then(|args| args.get(1)).and_then(|time| time.as_str());
        let now = given
            .and_then(WallTime::parse)
            .or(cib.execution_date)
            .unwrap_or(WallTime(1_764_000_000));
        let transition = sched::plan(&cib, now);
        assert_eq!(sched::check(&transition), Vec::<String>::new(), "{name}");
        let graph = pcmk::graph::render(&transition);
        if meaning(&graph) == meaning(&wanted) {
            *right.entry(text("group")).or_insert(0) += 1;
        }
    }
    let short: Vec<String> = FLOORS
        .iter()
        .filter(|(group, floor)| right.get(*group).copied().unwrap_or(0) < *floor)
        .map(|(group, floor)| {
            format!("{group}: {} of at least {floor}", right.get(*group).copied().unwrap_or(0))
        })
        .collect();
    assert_eq!(short, Vec::<String>::new(), "{right:?}");
}
