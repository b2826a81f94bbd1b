//! Clusters nobody has seen before: our graph against that of the live `crm_simulate`.
//!
//! The CIBs come from the suite's generator, in all its shapes and states. Without the generator or
//! without `crm_simulate` there is nothing to compare with, and the test says so. More of them:
//! `DIFFERENTIAL_CASES=2000 DIFFERENTIAL_SEED=7 cargo test -p pcmk --release --test differential --
//! --nocapture`.

mod judge;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;

use cib::Cib;
use cib::xml::{self, Element};
use judge::{Meaning, meaning};

const SHAPES: [&str; 4] = ["web", "cloud", "tangle", "random"];
const STATES: [&str; 5] = ["stopped", "running", "nodefail", "failures", "join"];

fn given(name: &str, fallback: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(fallback)
}

/// A number below `limit`, from a seed: splitmix64.
fn draw(state: &mut u64, limit: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % limit
}

fn generate(root: &Path, shape: &str, seed: u64) -> Option<String> {
    let mut state = seed;
    let random = shape == "random";
    let place = usize::try_from(draw(&mut state, 5)).ok()?;
    let nodes = 2 + draw(&mut state, 4);
    let resources = if random { 4 + draw(&mut state, 12) } else { 6 + draw(&mut state, 19) };
    let constraints = draw(&mut state, if random { 13 } else { 31 });
    let made = Command::new("python3")
        .arg(root.join("gen_cib.py"))
        .args(["--shape", shape, "--state", STATES[place]])
        .args(["--nodes", &nodes.to_string(), "--resources", &resources.to_string()])
        .args(["--constraints", &constraints.to_string(), "--seed", &seed.to_string()])
        .output()
        .ok()?;
    made.status.success().then(|| String::from_utf8(made.stdout).ok())?
}

fn reference(path: &Path) -> Option<Element> {
    let graph = path.with_extension("graph");
    let run = Command::new("/usr/sbin/crm_simulate")
        .arg("-x")
        .arg(path)
        .arg("-G")
        .arg(&graph)
        .arg("-SQ")
        .env("TZ", "UTC")
        .output()
        .ok()?;
    if !run.status.success() {
        return None;
    }
    Some(xml::parse(&fs::read_to_string(graph).ok()?).ok()?.root)
}

/// Whether a plan starts something where it is active already, or twice.
fn doubles(cib: &Element, (actions, _): &Meaning) -> bool {
    let mut active: HashMap<(String, String), usize> = HashMap::new();
    for state in cib.named("status").flat_map(|status| status.named("node_state")) {
        let node = state.get("uname").unwrap_or_default();
        let histories = state.named("lrm").flat_map(|lrm| lrm.named("lrm_resources"));
        for history in histories.flat_map(|all| all.named("lrm_resource")) {
            let started =
                history.named("lrm_rsc_op").any(|op| op.get("operation") == Some("start"));
            if let (true, Some(id)) = (started, history.id()) {
                active.insert((id.to_owned(), node.to_owned()), 1);
            }
        }
    }
    let stopped: BTreeSet<(&str, &str)> = actions
        .keys()
        .filter(|action| action[1] == "stop")
        .filter_map(|action| Some((action[2].strip_suffix("_stop_0")?, action[3].as_str())))
        .collect();
    actions.iter().any(|(action, count)| {
        let Some(id) = action[2].strip_suffix("_start_0").filter(|_| action[0] == "rsc_op") else {
            return false;
        };
        let there = (id.to_owned(), action[3].clone());
        *count > 1 || active.contains_key(&there) && !stopped.contains(&(id, action[3].as_str()))
    })
}

/// Whether there is an end to it when plans are carried out one after the other.
fn rests(text: &str) -> bool {
    let mut document = xml::parse(text).expect("a document");
    for _ in 0..6 {
        let cib = Cib::read(&document.root);
        let now = cib.execution_date.unwrap_or_default();
        let plan = sched::plan(&cib, now);
        let works = |step: &sched::Step| {
            step.kind == sched::StepKind::Cluster
                || step.kind == sched::StepKind::Resource && step.task != sched::Task::Delete
        };
        if !plan.steps.iter().any(works) {
            return true;
        }
        let known = pcmk::simulate::names(&plan);
        let mut paper = pcmk::paper::Tree::new(&mut document.root);
        for at in pcmk::execute::order(&plan) {
            let outcome = pcmk::execute::Outcome { rc: None, at: now.0 };
            pcmk::execute::apply(&mut paper, &plan.steps[at], &known, outcome);
        }
    }
    false
}

#[test]
fn plans_are_those_of_crm_simulate() {
    let Some(root) = judge::suite() else {
        eprintln!("the generator is not at hand: skipped");
        return;
    };
    if !Path::new("/usr/sbin/crm_simulate").exists() {
        eprintln!("no crm_simulate: skipped");
        return;
    }
    let (cases, first) = (given("DIFFERENTIAL_CASES", 60), given("DIFFERENTIAL_SEED", 1) * 100_000);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("differential-{first}"));
    fs::create_dir_all(&directory).expect("a directory");
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let (mut judged, mut equal, mut restless) = (0_u64, 0_u64, 0_u64);
    for (seed, shape) in (first..first + cases).zip(SHAPES.into_iter().cycle()) {
        let text = generate(&root, shape, seed).expect("a CIB");
        let path = directory.join(format!("{shape}-{seed}.xml"));
        fs::write(&path, &text).expect("a file");
        if !rests(&text) {
            restless += 1;
            eprintln!("never at rest: {}", path.display());
        }
        let document = xml::parse(&text).expect("a document").root;
        let Some(wanted) = reference(&path) else {
            *counts.entry((shape, "reference failed")).or_insert(0) += 1;
            continue;
        };
        let wanted = meaning(&wanted);
        let cib = Cib::parse(&text).expect("a CIB");
        let transition = sched::plan(&cib, cib.execution_date.unwrap_or_default());
        let ours = meaning(&pcmk::graph::render(&transition));
        assert!(!doubles(&document, &ours), "{}: two instances on one node", path.display());
        judged += 1;
        let class = if ours == wanted {
            equal += 1;
            "equal"
        } else if doubles(&document, &wanted) {
            "reference has two instances on one node"
        } else {
            eprintln!("different: {}", path.display());
            "different"
        };
        *counts.entry((shape, class)).or_insert(0) += 1;
    }
    for ((shape, class), count) in &counts {
        eprintln!("{shape:8} {count:5} {class}");
    }
    eprintln!("equal: {equal} of {judged}; {restless} of {cases} never come to rest");
    assert!(restless * 50 <= cases, "{restless} of {cases} never come to rest");
    assert!(equal * 100 >= judged * 90, "only {equal} of {judged} are equal: {counts:?}");
}
