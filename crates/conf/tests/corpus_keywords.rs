//! How many configurations of the corpus use each keyword, and which ones too few do.
//!
//! The corpus shall show every keyword at least three times. docs/corpus-keywords.md lists those it
//! does not, and this test fails when that page is not true. `MAINSTAY_UPDATE=1` writes it anew, but
//! never with a keyword more or a count that fell: a keyword that is added comes with its cases.
//!
//! Left out are IPVS, which is not done here, old and foreign spellings, mainstay's own words, and
//! what came after Debian's keepalived 2.2.7, which could not be compared with anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use conf::keywords::{Keyword, Shape, Status, Within, find, table};

/// How many configurations every keyword shall stand in.
const ENOUGH: usize = 3;

/// The version the corpus is compared with.
const THEIRS: [u32; 3] = [2, 2, 7];

/// Words that only mainstay has.
const OWN: &[&str] =
    &["allowed_sources", "lease", "notify_before_release", "notify_before_release_timeout"];

type Counts = BTreeMap<(Within, &'static str), usize>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn newer(word: &str) -> bool {
    let keyword = find(Within::Instance, word).and_then(Keyword::since);
    keyword.is_some_and(|since| {
        let numbers: Vec<u32> = since.split('.').filter_map(|part| part.parse().ok()).collect();
        numbers.as_slice() > &THEIRS[..]
    })
}

/// Whether the corpus owes this keyword its cases.
fn counts(keyword: &Keyword) -> bool {
    !matches!(keyword.status(), Status::OutOfScope(_) | Status::Foreign(_))
        && !OWN.contains(&keyword.name)
        && !newer(keyword.name)
        && !newer(keyword.within.as_str())
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

const HEAD: &str = "# Keywords the corpus shows too seldom

Every keyword of keepalived 2.2.7 but those of IPVS shall stand in at least three configurations of `crates/conf/tests/corpus`, which
[differences.md](differences.md) compares. Listed is what does not yet, with the number of configurations it stands in. `crates/conf/tests/corpus_keywords.rs`
holds this page to the truth, and does not let it grow. Old and foreign spellings, mainstay's own words and what came after 2.2.7 are left out.
";

fn page(found: &Counts) -> (String, BTreeMap<String, usize>) {
    let mut page = format!("{HEAD}\n| block | keyword | configurations |\n|---|---|---|\n");
    let mut lacking = BTreeMap::new();
    for within in Within::ALL {
        for keyword in table(*within).iter().filter(|keyword| counts(keyword)) {
            let number = found.get(&(*within, keyword.name)).copied().unwrap_or_default();
            if number < ENOUGH {
                let key = format!("| {} | `{}` |", within.as_str(), keyword.name);
                page.push_str(&format!("{key} {number} |\n"));
                lacking.insert(key, number);
            }
        }
    }
    page.push_str(&format!("\n{} keywords.\n", lacking.len()));
    (page, lacking)
}

/// What the page in docs says of a keyword.
fn claimed(page: &str, key: &str) -> Option<usize> {
    let rest = page.lines().find_map(|line| line.strip_prefix(key))?;
    rest.trim_matches([' ', '|']).parse().ok()
}

#[test]
fn keywords_that_stand_in_too_few_configurations_are_listed_and_do_not_grow() {
    let (found, cases) = corpus();
    assert!(cases >= 250, "only {cases} configurations");
    let (now, lacking) = page(&found);
    let path = root().join("docs/corpus-keywords.md");
    let old = fs::read_to_string(&path).unwrap_or_default();
    let grown: Vec<_> = lacking
        .iter()
        .filter(|(key, number)| claimed(&old, key).is_none_or(|before| before > **number))
        .map(|(key, number)| format!("{key} {number} |"))
        .collect();
    assert!(
        grown.is_empty() || old.is_empty(),
        "give these {ENOUGH} cases in crates/conf/tests/corpus:\n{}",
        grown.join("\n")
    );
    if std::env::var_os("MAINSTAY_UPDATE").is_some() {
        fs::write(&path, now).expect("written");
    } else {
        assert!(now == old, "docs/corpus-keywords.md is old: MAINSTAY_UPDATE=1");
    }
}

#[test]
fn words_count_in_their_block_only() {
    let text = "vrrp_instance V { # state\n state MASTER\n track_script { priority }\n\
                notify \"/x # accept\"\n authentication\n {\n auth_type PASS\n }\n}\nstate\n";
    let found: Vec<_> = used(text).into_iter().collect();
    assert_eq!(
        found,
        [
            (Within::Top, "vrrp_instance"),
            (Within::Instance, "authentication"),
            (Within::Instance, "notify"),
            (Within::Instance, "state"),
            (Within::Instance, "track_script"),
            (Within::Authentication, "auth_type"),
        ]
    );
    assert!(newer("auth_hmac") && !newer("track_file"));
}
