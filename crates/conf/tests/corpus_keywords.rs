//! Every keyword stands in at least three configurations of the corpus.
//!
//! The corpus is what docs/differences.md compares with keepalived, so a keyword that is added comes
//! with its cases. Counted is each block's own keyword, also those that came after Debian's
//! keepalived 2.2.7, and those that are refused with their reason. Of old and foreign spellings one
//! case is enough; of IPVS only what stands beside VRRP in the same blocks is asked for. What is
//! left out has a reason in docs/corpus-keywords.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use conf::keywords::{Keyword, Shape, Status, Within, find, table};

/// How many configurations every keyword shall stand in.
const ENOUGH: usize = 3;

/// Words that only mainstay has: there is nothing to compare.
const OWN: &[&str] = &["allowed_sources", "lease"];

/// What belongs to IPVS and stands all the same where VRRP is configured.
const BESIDE_IPVS: &[&str] = &[
    "net_namespace_ipvs",
    "lvs_sync_daemon_interface",
    "smtp_alert_checker",
    "checker_priority",
    "checker_rt_priority",
    "checker_rlimit_rttime",
    "checker_no_swap",
    "checker_cpu_affinity",
    "checker_process_name",
];

type Counts = BTreeMap<(Within, &'static str), usize>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// How many cases the corpus owes this keyword.
fn owed(keyword: &Keyword) -> usize {
    match keyword.status() {
        _ if OWN.contains(&keyword.name) => 0,
        Status::OutOfScope(_) if !BESIDE_IPVS.contains(&keyword.name) => 0,
        Status::Foreign(_) => 1,
        _ => ENOUGH,
    }
}

/// The text of a line before its comment.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let end = line.find(|letter| {
        quoted ^= letter == '"';
        !quoted && matches!(letter, '#' | '!')
    });
    end.map_or(line, |end| &line[..end])
}

/// The keywords that one configuration uses, each with its block.
fn used(text: &str) -> BTreeSet<(Within, &'static str)> {
    let mut used = BTreeSet::new();
    let mut blocks = vec![Some(Within::Top)];
    // What the last statement opens should a brace follow.
    let mut opens = None;
    for line in text.lines() {
        if line.starts_with("--- ") {
            // A file that is included; what it is included into is not looked at.
            blocks = vec![Some(Within::Top)];
        }
        let line = without_comment(line).replace('{', " { ").replace('}', " } ");
        let mut first = true;
        for word in line.split_whitespace() {
            match word {
                "{" => {
                    blocks.push(opens.take());
                    first = true;
                }
                "}" => {
                    if blocks.len() > 1 {
                        blocks.pop();
                    }
                    first = true;
                }
                _ if first => {
                    first = false;
                    let within = blocks.last().copied().flatten();
                    let keyword = within.and_then(|within| find(within, word));
                    opens = keyword.and_then(|keyword| match keyword.shape {
                        Shape::Block(block) | Shape::NamedBlock(block) => Some(block),
                        _ => None,
                    });
                    used.extend(keyword.map(|keyword| (keyword.within, keyword.name)));
                }
                _ => {}
            }
        }
    }
    used
}

/// How many cases each keyword stands in, and how many cases there are.
fn corpus() -> (Counts, usize) {
    let mut found = Counts::new();
    let mut cases = 0;
    for entry in
        fs::read_dir(root().join("crates/conf/tests/corpus")).expect("the corpus").flatten()
    {
        let text = fs::read_to_string(entry.path()).expect("text");
        for case in format!("\n{text}").split("\n=== ").skip(1) {
            cases += 1;
            let body = case.split_once('\n').map_or("", |(_, body)| body);
            for keyword in used(body) {
                *found.entry(keyword).or_default() += 1;
            }
        }
    }
    (found, cases)
}

#[test]
fn every_keyword_stands_in_enough_configurations() {
    let (found, cases) = corpus();
    assert!(cases >= 650, "only {cases} configurations");
    let mut lacking = Vec::new();
    let mut asked = 0;
    for within in Within::ALL {
        for keyword in table(*within) {
            let owed = owed(keyword);
            let number = found.get(&(*within, keyword.name)).copied().unwrap_or_default();
            asked += usize::from(owed > 0);
            if number < owed {
                lacking.push(format!("{} {}: {number} of {owed}", within.as_str(), keyword.name));
            }
        }
    }
    assert!(asked > 250, "only {asked} keywords");
    assert!(
        lacking.is_empty(),
        "{} keywords need more cases in crates/conf/tests/corpus:\n{}",
        lacking.len(),
        lacking.join("\n")
    );
}

#[test]
fn words_count_in_their_block_only() {
    let text = "vrrp_instance V { # state\n state MASTER\n track_script { priority }\n\
                notify \"/x # accept\"\n authentication\n {\n auth_type PASS\n }\n\
                --- more.conf\nglobal_defs { vrrp_strict }\nstate\n";
    let found: Vec<_> = used(text).into_iter().collect();
    assert_eq!(
        found,
        [
            (Within::Top, "global_defs"),
            (Within::Top, "vrrp_instance"),
            (Within::GlobalDefs, "vrrp_strict"),
            (Within::Instance, "authentication"),
            (Within::Instance, "notify"),
            (Within::Instance, "state"),
            (Within::Instance, "track_script"),
            (Within::Authentication, "auth_type"),
        ]
    );
}
