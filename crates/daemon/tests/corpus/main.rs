//! `mainstay check` and Debian's `keepalived -t`, side by side over the corpus of configurations.
//!
//! Where one is content and the other is not, docs/differences.md must say why, in its table; and
//! the table may not explain what is no difference. With `--lenient` mainstay takes what keepalived takes,
//! but for what that document names. keepalived runs in a network namespace of its
//! own that has the interfaces the corpus names. What follows a line `--- NAME` in a case is a file of
//! that name in the directory CASE.d, to be included. Set MAINSTAY_UPDATE=1 to write the list of all
//! cases in that file anew; the explanations stay yours to write.
//!
//! The cases that are played live (`tests/alike`) belong to it, as `live-NAME`: as they stand on the first
//! of their two nodes.

#[path = "../alike/expand.rs"]
mod expand;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What a program makes of a configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Verdict {
    /// Nothing to say.
    Clean,
    /// Goes on and says something.
    Warns,
    /// Goes on and complains of scripts without script security (keepalived: 6).
    Security,
    /// Does not run it.
    Refuses,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Clean => "clean",
            Verdict::Warns => "warns",
            Verdict::Security => "security",
            Verdict::Refuses => "refuses",
        })
    }
}

/// Whether the two say the same: both content, or both not. mainstay refuses what keepalived only
/// logs, which is its design and not explained case by case; it may not shrug at what stops
/// keepalived.
fn agree(ours: Verdict, theirs: Verdict) -> bool {
    match (ours, theirs) {
        (Verdict::Clean, theirs) => theirs == Verdict::Clean,
        (Verdict::Warns, theirs) => matches!(theirs, Verdict::Warns | Verdict::Security),
        (_, theirs) => theirs != Verdict::Clean,
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every configuration of the corpus by name.
fn corpus() -> BTreeMap<String, String> {
    let mut cases = cases_of(&root().join("crates/conf/tests/corpus"));
    let live = cases_of(&root().join("crates/daemon/tests/alike/cases"));
    cases.extend(
        live.into_iter().map(|(name, text)| (format!("live-{name}"), of_first_node(&text))),
    );
    cases
}

/// The first configuration of a case that is played live, on the first node. Its scripts are only there
/// when it is played.
fn of_first_node(text: &str) -> String {
    let text = text.split("\n---\n").nth(1).unwrap_or_default();
    let lines = text.lines().filter_map(|line| match line.trim_start().split_once(' ') {
        Some(("@a", rest)) => Some(rest),
        Some(("@b", _)) => None,
        _ => Some(line),
    });
    let lines: Vec<&str> = lines.collect();
    let text = expand::expand(&lines.join("\n"));
    ["told", "good", "whoami"]
        .iter()
        .fold(text, |text, name| text.replace(&format!("/run/lab/{name}"), "/bin/true"))
}

/// What a directory of cases holds.
fn cases_of(directory: &Path) -> BTreeMap<String, String> {
    let mut cases = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("cases").flatten() {
        let text = fs::read_to_string(entry.path()).expect("text");
        let mut name = None;
        let mut body = String::new();
        for line in text.split_inclusive('\n').chain(["=== \n"]) {
            let Some(next) = line.strip_prefix("=== ") else {
                body.push_str(line);
                continue;
            };
            let text = std::mem::take(&mut body);
            if let Some(name) = name.replace(next.trim().to_owned()) {
                assert_eq!(cases.insert(name.clone(), text), None, "{name} twice");
            }
        }
    }
    cases
}

/// Writes a case, and the files it includes.
fn write(directory: &Path, name: &str, text: &str) {
    let text = format!("\n{text}");
    let mut parts = text.split("\n--- ");
    let main = parts.next().unwrap_or_default();
    fs::write(
        directory.join(format!("{name}.conf")),
        format!("{}\n", main.trim_start_matches('\n')),
    )
    .expect("written");
    for part in parts {
        let (file, text) = part.split_once('\n').unwrap_or((part, ""));
        let included = directory.join(format!("{name}.d"));
        fs::create_dir_all(&included).expect("a directory");
        fs::write(included.join(file.trim()), text).expect("written");
    }
}

/// A directory that is gone when the test is over.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What mainstay says, and the codes of it that count.
fn ours(file: &Path, options: &[&str]) -> (Verdict, Vec<String>) {
    let output = Command::new(env!("CARGO_BIN_EXE_mainstay"))
        .args(["check", "--json"])
        .args(options)
        .arg(file)
        .output()
        .expect("mainstay runs");
    let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = value["files"][0]["findings"].as_array().cloned().unwrap_or_default();
    let mut verdict = Verdict::Clean;
    let mut codes = Vec::new();
    for finding in findings {
        let code = finding["code"].as_str().unwrap_or_default().to_owned();
        // keepalived has no opinion on what a configuration leads to (C090, C100 and above).
        if code == "C090" || code.as_str() >= "C100" {
            continue;
        }
        let this = match finding["severity"].as_str() {
            Some("error") => Verdict::Refuses,
            Some("warning") => Verdict::Warns,
            _ => continue,
        };
        verdict = verdict.max(this);
        codes.push(code);
    }
    codes.sort();
    codes.dedup();
    (verdict, codes)
}

/// What keepalived says about each file, and its words. `None` where it cannot be asked.
fn theirs(directory: &Path) -> Option<BTreeMap<String, (Verdict, String)>> {
    let script = "
        for pair in 'eth0 eth1' 'eth2 eth3'; do set -- $pair
            ip link add $1 type veth peer name $2 || exit 99
            ip link set $1 up; ip link set $2 up
        done
        ip address add 192.0.2.1/24 dev eth0
        ip address add 198.51.100.250/24 dev eth1
        for file in *.conf; do
            keepalived -t -f $file > $file.out 2>&1; echo $file $?
        done";
    let output = Command::new("unshare")
        .args(["--net", "sh", "-c", script])
        .current_dir(directory)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut verdicts = BTreeMap::new();
    for line in text.lines() {
        let (file, status) = line.split_once(' ')?;
        let verdict = match status {
            "0" => Verdict::Clean,
            "5" => Verdict::Warns,
            "6" => Verdict::Security,
            "127" => return None,
            _ => Verdict::Refuses,
        };
        let words = fs::read(directory.join(format!("{file}.out"))).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        verdicts.insert(file.trim_end_matches(".conf").to_owned(), (verdict, words));
    }
    (!verdicts.is_empty()).then_some(verdicts)
}

/// Each case that stays refused with `--lenient`, of the document's table about that.
fn refused_all_the_same(document: &str) -> BTreeSet<String> {
    let section = document.split("## With `--lenient`").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut cases = BTreeSet::new();
    for line in section.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [_, names] = cells[..] else { continue };
        for name in names.split('`').skip(1).step_by(2) {
            assert!(cases.insert(name.to_owned()), "{name} is explained twice");
        }
    }
    cases
}

/// The explained cases of the document's table: what it claims both say.
fn explained(document: &str) -> BTreeMap<String, (String, String)> {
    let mut cases = BTreeMap::new();
    let table = document.split("## In operation").next().unwrap_or_default();
    for line in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [_, ours, theirs, names] = cells[..] else { continue };
        for name in names.split('`').skip(1).step_by(2) {
            let pair = (ours.to_owned(), theirs.to_owned());
            assert_eq!(cases.insert(name.to_owned(), pair), None, "{name} is explained twice");
        }
    }
    cases
}

#[test]
fn every_difference_from_keepalived_is_explained() {
    let cases = corpus();
    assert!(cases.len() >= 650, "only {} configurations", cases.len());
    let scratch =
        Scratch(std::env::temp_dir().join(format!("mainstay-corpus-{}", std::process::id())));
    fs::create_dir_all(&scratch.0).expect("a directory");
    for (name, text) in &cases {
        write(&scratch.0, name, text);
    }
    let asked = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| theirs(&scratch.0));
        let ours: BTreeMap<_, _> = cases
            .keys()
            .map(|name| {
                let file = scratch.0.join(format!("{name}.conf"));
                let strict = ours(&file, &[]);
                // What is not refused strictly is not refused leniently.
                let lenient = match strict.0 {
                    Verdict::Refuses => ours(&file, &["--lenient"]).0,
                    other => other,
                };
                (name, (strict, lenient))
            })
            .collect();
        theirs.join().expect("keepalived was asked").map(|theirs| (ours, theirs))
    });
    let Some((mut ours, theirs)) = asked else {
        eprintln!("skipped: needs keepalived, ip and the right to make a network namespace");
        return;
    };
    assert_eq!(theirs.len(), cases.len(), "keepalived was not asked about all");
    let path = root().join("docs/differences.md");
    let document = fs::read_to_string(&path).unwrap_or_default();
    let mut unused = explained(&document);
    let mut list =
        String::from("| case | mainstay check | codes | keepalived -t |\n|---|---|---|---|\n");
    let mut wrong = Vec::new();
    let mut firm = refused_all_the_same(&document);
    for name in cases.keys() {
        let ((ours, codes), lenient) = ours.remove(name).expect("asked");
        let (theirs, words) = &theirs[name];
        let stays = lenient == Verdict::Refuses && *theirs != Verdict::Refuses;
        if stays != firm.remove(name) {
            let what = if stays { "refused" } else { "no longer refused" };
            wrong.push(format!("{name}: {what} with --lenient ({}):\n{words}", codes.join(" ")));
        }
        list.push_str(&format!("| {name} | {ours} | {} | {theirs} |\n", codes.join(" ")));
        if agree(ours, *theirs) {
            continue;
        }
        let pair = (ours.to_string(), theirs.to_string());
        if unused.remove(name) != Some(pair) {
            wrong.push(format!("{name}: {ours} ({}), {theirs}:\n{words}", codes.join(" ")));
        }
    }
    wrong.extend(firm.iter().map(|name| format!("{name}: refused with --lenient, and no case")));
    wrong.extend(unused.keys().map(|name| format!("{name}: explained, and no such difference")));
    let head = document.split("## All cases").next().unwrap_or_default();
    let whole = format!("{head}## All cases\n\n{list}");
    if std::env::var_os("MAINSTAY_UPDATE").is_some() {
        fs::write(&path, &whole).expect("written");
    } else {
        assert!(whole == document, "the list of all cases is old: MAINSTAY_UPDATE=1");
    }
    assert!(
        wrong.is_empty(),
        "{} differences without explanation:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
