//! The suite of scheduler cases, where it is at hand: at least so many right graphs per group.

mod judge;

use std::collections::BTreeMap;
use std::fs;

use cib::Cib;
use cib::dates::WallTime;
use cib::xml;
use judge::meaning;

/// Groups with the number of cases that must be right.
const FLOORS: &[(&str, usize)] = &[
    ("basic", 14),
    ("bundle-container", 20),
    ("clone", 42),
    ("clone-min", 9),
    ("colocation", 24),
    ("defaults", 3),
    ("discovery-shutdownlock", 3),
    ("failcount", 6),
    ("fencing", 27),
    ("group", 20),
    ("guest-node", 13),
    ("location-attrs", 6),
    ("migration", 37),
    ("node-health", 11),
    ("notify", 6),
    ("operations", 28),
    ("order", 24),
    ("order-one-or-more", 14),
    ("orphans", 2),
    ("params-digests-reload", 9),
    ("probes", 11),
    ("promoted", 47),
    ("quorum", 8),
    ("recovery", 16),
    ("remote-node", 19),
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

/// How many cases must be told as the suite tells them: summaries, scores, pictures.
const TEXTS: [(&str, usize); 3] = [("summary", 526), ("scores", 535), ("dot", 533)];

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
    let Some(root) = judge::suite() else {
        eprintln!("the suite is not at hand: skipped");
        return;
    };
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
    let Some(root) = judge::suite() else {
        eprintln!("the suite is not at hand: skipped");
        return;
    };
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
