//! The table "In operation" of docs/differences.md: which aspects of which cases are known to differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The document.
pub(crate) fn read() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/differences.md");
    std::fs::read_to_string(path).unwrap()
}

/// Aspects by case. A row is `| why | what differs | cases |`; aspects and cases stand in backticks.
pub(crate) fn explained(document: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut cases: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let table = document.split("\n## In operation").nth(1).unwrap_or_default();
    let table = table.split("\n## ").next().unwrap_or_default();
    for line in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, aspects, names] = cells[..] else { continue };
        let quoted = |cell: &str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        for name in quoted(names) {
            cases.entry(name).or_default().extend(quoted(aspects));
        }
    }
    cases
}
