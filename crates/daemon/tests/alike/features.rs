//! The features of the keepalived reference (§7) by number, and those that cannot be shown here: the
//! table "Not played side by side" of docs/differences.md says why.

use std::collections::BTreeMap;

use crate::case::Case;

/// Features that no case can show, and why. A row is `| number | feature | why |`.
fn elsewhere(document: &str) -> BTreeMap<u8, String> {
    let table = document.split("\n## Not played side by side").nth(1).unwrap_or_default();
    let table = table.split("\n## ").next().unwrap_or_default();
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let number = cells.next()?.parse().ok()?;
        Some((number, cells.nth(1)?.trim_end_matches('|').trim().to_owned()))
    };
    table.lines().filter_map(row).collect()
}

/// What is wrong with how often features are shown.
pub(crate) fn shown_too_rarely(cases: &[Case], document: &str) -> Vec<String> {
    let elsewhere = elsewhere(document);
    let mut missing = Vec::new();
    for feature in 1..=80_u8 {
        let by = cases.iter().filter(|case| case.features.contains(&feature));
        let by: Vec<_> = by.map(|case| case.name.as_str()).collect();
        match (by.len(), elsewhere.get(&feature)) {
            (0 | 1, None) => missing.push(format!("{feature}: {}", by.join(" "))),
            (2.., Some(why)) => {
                missing.push(format!("{feature} is shown and also said not to be: {why}"));
            }
            (_, Some(why)) if why.len() < 40 => missing.push(format!("{feature}: why? {why}")),
            _ => {}
        }
    }
    missing
}
