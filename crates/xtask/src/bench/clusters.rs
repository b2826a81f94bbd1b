//! `cargo xtask bench cluster`: the promises of speed of a cluster, with a release.
//!
//! The lab's own tests tell figures while they look at what must come about (`crates/daemon/tests/cluster`,
//! `figures`). They are played here with a release in the place of their own build, alone, with the
//! default lease and, where a client waits for a takeover, with one for a LAN. Pacemaker's figures are
//! those that the issue names, measured on the same network by `../shared/lab/pacemaker`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::figures::{Figure, Spread};
use super::{load, machine};

/// Where the results go.
const PAGE: &str = "docs/performance-cluster.md";
/// The default, and one for a LAN, in milliseconds.
const LEASES: [(&str, &str); 2] = [("600", "default"), ("200", "LAN")];
/// What is played with the second, too.
const CRASHES: &str = "figures::crashes";

/// What is measured.
struct Row {
    /// As the tests tell it.
    key: &'static str,
    what: &'static str,
    unit: &'static str,
    goal: &'static str,
    pacemaker: &'static str,
}

const fn row(
    key: &'static str,
    what: &'static str,
    unit: &'static str,
    goal: &'static str,
    pacemaker: &'static str,
) -> Row {
    Row { key, what, unit, goal, pacemaker }
}

const ROWS: [Row; 20] = [
    row(
        "crash of the holder, default",
        "client outage, crash of the holder, fencing on",
        "ms",
        "≤ 1000",
        "8400–9200",
    ),
    row("crash of the holder, LAN", "the same, lease of 200 ms", "ms", "≤ 300", "820–930"),
    row(
        "partition of the holder, default",
        "client outage, the holder is cut off, fencing on",
        "ms",
        "≤ 1000",
        "8100–8300",
    ),
    row("partition of the holder, LAN", "the same, lease of 200 ms", "ms", "", ""),
    row("standby", "client outage, standby", "ms", "≤ 50", "121"),
    row("move", "client outage, move", "ms", "≤ 50", "140"),
    row(
        "group of 21",
        "21 VIPs in one group: outage of the last, standby",
        "ms",
        "≤ 150",
        "minutes",
    ),
    row("100 VIPs up", "100 VIPs: all up", "ms", "≤ 1000", "49000"),
    row(
        "100 VIPs, crash",
        "100 VIPs: a third of them lost by a crash, all served again",
        "ms",
        "≤ 1200",
        "19000",
    ),
    row("cold start", "cold start of three nodes to the VIP answering", "ms", "≤ 2000", "24500"),
    row("100 Dummies started", "100 Dummies added: all started", "ms", "≤ 3000", "15000"),
    row("100 Dummies removed", "100 Dummies removed: all stopped", "ms", "", ""),
    row("500 Dummies started", "500 Dummies added: all started", "ms", "≤ 12000", "126000"),
    row("500 Dummies removed", "500 Dummies removed: all stopped", "ms", "", "378000"),
    row("changes, 1 under way", "changes a second, one by one", "", "", ""),
    row("changes, 16 under way", "changes a second, 16 under way", "", "≥ 800", "87–94"),
    row("changes, 64 under way", "changes a second, 64 under way", "", "", ""),
    row("memory, idle", "memory of a node (PSS), one VIP", "MB", "≤ 20", "128–145"),
    row("memory, 100 resources", "memory of a node (PSS), 100 VIPs", "MB", "≤ 26", "140–182"),
    row("processor, 60 s", "processor time of a node in 60 s, one VIP", "ms", "≤ 200", "460–830"),
];

/// What is to be played.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    /// How often.
    pub(crate) runs: usize,
    /// The tests whose names have this in them, and nothing is written.
    pub(crate) only: Option<&'a str>,
    /// This mainstay, and not one that is built for it.
    pub(crate) binary: Option<&'a str>,
}

/// Plays the figures, and writes the page.
pub(super) fn bench(root: &Path, choice: &Choice<'_>) -> Result<(), String> {
    let binary = match choice.binary {
        Some(binary) => root.join(binary),
        None => {
            super::build(root, &["--bins"])?;
            root.join("target/release/mainstay")
        }
    };
    let machine = machine();
    let mut found: BTreeMap<String, Vec<Option<Figure>>> = BTreeMap::new();
    for run in 1..=choice.runs {
        for (lease, name) in LEASES {
            let tests = match choice.only {
                Some(only) if name == "default" => only,
                None if name == "default" => "figures",
                Some(only) if !only.starts_with(CRASHES) => continue,
                _ => CRASHES,
            };
            eprintln!("run {run}, lease of {lease} ms: {tests}");
            play(root, &binary, (lease, name), tests, &mut found)?;
        }
    }
    let page = page(&found, choice.runs, &machine);
    if choice.only.is_none() {
        std::fs::write(root.join(PAGE), &page).map_err(|error| format!("{PAGE}: {error}"))?;
    }
    print!("{page}");
    Ok(())
}

fn play(
    root: &Path,
    binary: &Path,
    (lease, row): (&str, &str),
    tests: &str,
    found: &mut BTreeMap<String, Vec<Option<Figure>>>,
) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["test", "--quiet", "-p", "daemon", "--test", "cluster", "--", tests])
        .args(["--include-ignored", "--nocapture", "--test-threads", "1"])
        .env("LAB_BINARY", binary)
        .env("LAB_LEASE", lease)
        .env("LAB_ROW", row)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    for line in text.lines() {
        // What was printed before it may stand on the same line.
        let Some((_, told)) = line.split_once("FIGURE\t") else { continue };
        let Some((key, value)) = told.split_once('\t') else { continue };
        eprintln!("  {key}: {value}");
        let value = serde_json::from_str(value.trim()).ok();
        found.entry(key.to_owned()).or_default().push(value.as_ref().and_then(Figure::of));
    }
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{tests}: {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

fn page(found: &BTreeMap<String, Vec<Option<Figure>>>, runs: usize, machine: &str) -> String {
    let mut text = format!(
        "# How fast a cluster is\n\nWritten by `cargo xtask bench cluster`; do not edit. A release, three \
         nodes in containers of one machine, each with\nits home in memory, default settings but where a \
         lease is named. Times in milliseconds, least / **median** / most (figures).\nA crash counts only \
         if the fence device had confirmed it before the VIP was anywhere else, and no two nodes ever had \
         it\nat once: a run in which that is not so ends the measurement. Pacemaker's are those of the \
         issue: 2.1.5 with Corosync on the\nsame network, medians of 7 to 9 runs.\n\n\
         Runs: {runs}; {}, after: {}.\n\n\
         | what | goal | mainstay | Pacemaker |\n|---|---|---|---|\n",
        machine,
        load()
    );
    for row in &ROWS {
        let Some(figures) = found.get(row.key) else { continue };
        let _ = writeln!(
            text,
            "| {} | {} {} | {} ({}) | {} |",
            row.what,
            row.goal,
            if row.goal.is_empty() { "" } else { row.unit },
            Spread::of(figures),
            figures.len(),
            row.pacemaker
        );
    }
    text
}
