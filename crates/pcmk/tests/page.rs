//! docs/simulate.md: what its commands lead to, on the document it names; and the pathologies.

use std::fs;
use std::path::{Path, PathBuf};

use cib::Cib;
use cib::dates::WallTime;
use pcmk::matrix::{Trial, matrix};
use pcmk::why::{Question, explain};

const NOW: WallTime = WallTime(1_700_000_000);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn document() -> Cib {
    let text = fs::read_to_string(root().join("docs/simulate.xml")).expect("the page's document");
    Cib::parse(&text).expect("a CIB")
}

fn asked(resource: &str, json: bool) -> String {
    let question = Question { resource: resource.into(), node: None, json };
    explain(&document(), NOW, &question).expect("an explanation")
}

#[test]
fn a_placement_is_a_proof() {
    let text = asked("db", false);
    for line in [
        "  because alpha has 100, the runner-up beta has 0",
        "         +100  location db-likes-alpha",
        "    -INFINITY  location db-not-gamma",
        "  would change: beta could have it with a preference of 101 more than it has",
        "  would change: gamma could have it without location db-not-gamma",
        "  action db_start_0 on alpha",
        "    because it shall run on alpha, and does not",
    ] {
        let fits = |it: &str| it.split_whitespace().eq(line.split_whitespace());
        assert!(text.lines().any(fits), "no line {line:?} in:\n{text}");
    }
    let text = asked("web", false);
    assert!(text.contains("alpha is the only node that can take it"), "{text}");
    assert!(text.contains("colocation web-with-db with db"), "{text}");
    assert!(text.contains("after db_start_0 on alpha"), "{text}");
}

#[test]
fn the_entries_come_to_the_score_that_decided() {
    let plan =
        sched::plan_with(&document(), NOW, sched::Ask { reasons: true, ..Default::default() });
    assert!(!plan.trace.decisions.is_empty());
    for decision in &plan.trace.decisions {
        for candidate in &decision.candidates {
            let own = plan
                .trace
                .contributions
                .iter()
                .filter(|it| it.resource == decision.resource && it.node == candidate.node);
            let sum = own.fold(cib::Score::ZERO, |sum, it| sum + it.score);
            assert_eq!(Some(sum), candidate.score);
        }
    }
    let untold = sched::plan(&document(), NOW);
    assert!(untold.trace.contributions.is_empty() && untold.trace.decisions.is_empty());
}

#[test]
fn programs_get_the_same() {
    let value: serde_json::Value = serde_json::from_str(&asked("db", true)).expect("JSON");
    assert_eq!(value[0]["goes_to"], "alpha");
    assert_eq!(value[0]["runner_up"], "beta");
    let table = matrix(&document(), NOW, Trial { json: true, pairs: true, quorum: None });
    let value: serde_json::Value = serde_json::from_str(&table).expect("JSON");
    let cases = value["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 6, "three nodes and three pairs");
    let alpha = cases.iter().find(|case| case["failed"] == serde_json::json!(["alpha"]));
    let alpha = alpha.expect("a case");
    assert_eq!(alpha["places"]["db"], serde_json::json!(["beta"]));
    assert_eq!(alpha["fenced"], serde_json::json!(["alpha"]));
    let pair = cases.iter().find(|case| case["failed"] == serde_json::json!(["alpha", "beta"]));
    assert_eq!(pair.expect("a case")["quorum"], false);
}

#[test]
fn what_does_not_exist_is_named_and_so_is_what_does() {
    let question = Question { resource: "dp".into(), node: None, json: false };
    let error = explain(&document(), NOW, &question).expect_err("no such resource");
    assert!(error.contains("there is no resource dp") && error.contains("db"), "{error}");
}

#[test]
fn pictures_are_documents() {
    let plan = sched::plan(&document(), NOW);
    for picture in [pcmk::picture::transition(&plan), pcmk::picture::placement(&plan)] {
        let picture = cib::xml::parse(&picture).expect("well-formed").root;
        let words: Vec<String> = picture.descend().map(cib::xml::Element::text).collect();
        assert!(words.iter().any(|word| word.contains("db")), "{words:?}");
    }
}

/// The page's commands have the options the program has, and name the document that is there.
#[test]
fn the_page_names_only_what_there_is() {
    let page = fs::read_to_string(root().join("docs/simulate.md")).expect("the page");
    let commands = page.lines().filter(|line| line.starts_with("mainstay simulate"));
    let commands: Vec<&str> = commands.collect();
    assert!(commands.len() >= 5);
    let options = fs::read_to_string(root().join("crates/ui/src/cli.rs")).expect("the options");
    for command in commands {
        for word in command.split(' ').filter_map(|word| word.strip_prefix("--")) {
            let field = format!("pub {}:", word.replace('-', "_"));
            let known = options.contains(&field) || options.contains(&format!("long = \"{word}\""));
            assert!(known, "{command}: no option --{word}");
        }
        assert!(command.contains("docs/simulate.xml"), "{command}");
    }
}

#[test]
fn what_makes_others_plan_the_impossible_is_planned_properly() {
    let folder = "shared/suites/scheduler/beyond/pathologies";
    let above = root().canonicalize().expect("a folder");
    let found = above.ancestors().map(|above| above.join(folder)).find(|it| it.is_dir());
    let Some(folder) = found else {
        eprintln!("the suite is not at hand: skipped");
        return;
    };
    let mut tried = 0;
    for file in fs::read_dir(folder).expect("a folder").flatten() {
        let text = fs::read_to_string(file.path()).expect("a file");
        let cib = Cib::parse(&text).expect("a CIB");
        let plan = sched::plan(&cib, cib.execution_date.unwrap_or(NOW));
        assert_eq!(sched::check(&plan), Vec::<String>::new(), "{}", file.path().display());
        tried += 1;
    }
    assert!(tried >= 5);
}
