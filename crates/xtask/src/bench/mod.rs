//! `cargo xtask bench`: the promises of speed against keepalived, in the same run, alternating.
//!
//! The judges are the scripts of `../shared/lab`, which know nothing of either daemon. What a noisy
//! machine cannot tell, instructions do: the hot paths are run under valgrind twice, with different
//! numbers of rounds, and the difference is what one round costs.

mod clusters;
mod faults;
mod figures;
mod leases;
mod page;
mod planning;
mod played;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

pub(crate) use clusters::Choice as Clusters;
pub(crate) use faults::Choice as Faults;
use figures::{Figure, Spread};
use page::{Page, Row};

/// Where the results go.
const PAGE: &str = "docs/performance.md";
const PLOT: &str = "docs/performance.svg";

const KEEPALIVED: &str = "keepalived -n -l -P -p {dir}/pid -r {dir}/vrrp.pid -f {conf}";

/// One run of `scale.py`: instances, seconds between adverts.
struct Scale {
    n: usize,
    advert: &'static str,
    /// What is due by the timers alone, in thousandths of a second.
    due: i64,
}

const SCALES: [Scale; 4] = [
    Scale { n: 250, advert: "1", due: 3_610 },
    Scale { n: 1000, advert: "1", due: 3_610 },
    Scale { n: 4000, advert: "1", due: 3_610 },
    Scale { n: 1000, advert: "0.1", due: 361 },
];

/// Runs of `failover.py`, of three nodes and one VIP: what they tell, and with which arguments. It
/// looks for the VIP on `eth0`, so it cannot judge one on a virtual MAC.
const MOVES: [(&str, &[&str]); 2] = [
    (
        "10 ms adverts: client outage at a crash (ideal 36 ms)",
        &["--fault", "crash", "--advert", "0.01", "--runs", "1", "--quiet"],
    ),
    (
        "1 s adverts: client outage at a stop in good order",
        &["--fault", "stop", "--advert", "1", "--runs", "1", "--quiet"],
    ),
];

/// What is built: the daemon, and its hot paths.
const JUDGED: [&str; 3] = ["--bins", "--example", "hotpaths"];

/// Rounds of each hot path under valgrind.
const ROUNDS: [u64; 2] = [1, 3];

/// Runs everything; `runs` times each.
pub(crate) fn run(root: &Path, runs: usize) -> ExitCode {
    match bench(root, runs) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Counts the instructions of the hot paths and nothing else: the same on a busy machine, and without
/// any right.
pub(crate) fn count(root: &Path) -> ExitCode {
    match build(root, &JUDGED).and_then(|()| instructions(root)) {
        Ok(found) if !found.is_empty() => {
            print!("{}", page::instructions(&found));
            ExitCode::SUCCESS
        }
        Ok(_) => {
            eprintln!("error: `valgrind` cannot be run");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What leases cost.
pub(crate) fn lease(root: &Path) -> ExitCode {
    match leases::bench(root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Faults, with either daemon.
pub(crate) fn fault(root: &Path, choice: &Faults<'_>) -> ExitCode {
    match faults::bench(root, choice) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How fast a cluster is.
pub(crate) fn cluster(root: &Path, choice: &Clusters<'_>) -> ExitCode {
    match clusters::bench(root, choice) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Planning against Debian's crm_simulate; `runs` times each.
pub(crate) fn plan(root: &Path, runs: usize) -> ExitCode {
    match planning::bench(root, runs) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(root: &Path, runs: usize) -> Result<(), String> {
    let lab = root.ancestors().map(|above| above.join("shared/lab")).find(|lab| lab.is_dir());
    let lab = lab.ok_or_else(|| format!("no shared/lab beside or above {}", root.display()))?;
    build(root, &JUDGED)?;
    let binary = root.join("target/release/mainstay");
    let mainstay = format!("{} run -f {{conf}} --control {{dir}}/control.sock", binary.display());
    let contenders = [KEEPALIVED, mainstay.as_str()];

    let mut page = Page::new(format!("Runs of each: {runs}; {}", machine()));
    let mut growth: Vec<(usize, [Vec<serde_json::Value>; 2])> = Vec::new();
    for scale in &SCALES {
        let mut found: [Vec<serde_json::Value>; 2] = [Vec::new(), Vec::new()];
        for run in 0..runs {
            for (daemon, found) in contenders.iter().zip(&mut found) {
                eprintln!("{} instances at {} s, run {}: {daemon}", scale.n, scale.advert, run + 1);
                found.push(scaled(&lab, daemon, scale)?);
            }
        }
        rows_of_scale(&mut page, scale, &found);
        if scale.advert == "1" {
            growth.push((scale.n, found));
        }
    }
    rows_of_growth(&mut page, &growth);
    for (what, arguments) in MOVES {
        let mut found: [Vec<serde_json::Value>; 2] = [Vec::new(), Vec::new()];
        for run in 0..runs * 2 {
            for (daemon, found) in contenders.iter().zip(&mut found) {
                eprintln!("{what}, run {}: {daemon}", run + 1);
                found.push(last_line(&lab.join("failover.py"), daemon, arguments)?);
            }
        }
        page.row(row(what, "ms", &found, "median"));
    }
    for row in played::rows(root, runs)? {
        page.row(row);
    }
    page.instructions(instructions(root)?);
    page.loads(&load());
    let write = |name: &str, text: &str| {
        std::fs::write(root.join(name), text).map_err(|error| format!("{name}: {error}"))
    };
    write(PLOT, &page.plot())?;
    write(PAGE, &page.text())?;
    print!("{}", page.text());
    Ok(())
}

fn build(root: &Path, targets: &[&str]) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["build", "--release", "-p", "daemon"]);
    let done = command.args(targets).status();
    match done {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cargo build: {status}")),
        Err(error) => Err(format!("cargo build: {error}")),
    }
}

fn rows_of_scale(page: &mut Page, scale: &Scale, found: &[Vec<serde_json::Value>; 2]) {
    let Scale { n, advert, due } = scale;
    let due = Figure(*due);
    let at = format!("{n} instances, {advert} s");
    let rows = [
        (format!("{at}: cold start to all VIPs up (timers: {due} s)"), "s", "up_s"),
        (
            format!("{at}: death of the holder to all VIPs up (timers: {due} s)"),
            "s",
            "takeover_all_s",
        ),
        (format!("{at}: processor, holder"), "%", "cpu_master_pct"),
        (format!("{at}: processor, backup"), "%", "cpu_backup_pct"),
        (format!("{at}: memory of all processes (PSS), holder"), "kB", "pss_kb_master"),
        (format!("{at}: memory of all processes (PSS), backup"), "kB", "pss_kb_backup"),
    ];
    for (what, unit, field) in rows {
        page.row(row(&what, unit, found, field));
    }
}

/// What one instance more costs, from each number of instances to the next: flat if these are alike.
fn rows_of_growth(page: &mut Page, growth: &[(usize, [Vec<serde_json::Value>; 2])]) {
    let costs = [
        ("processor, holder", "millionths", "cpu_master_pct", 10_000),
        ("memory (PSS), holder", "kB", "pss_kb_master", 1),
        ("memory (PSS), backup", "kB", "pss_kb_backup", 1),
    ];
    for (what, unit, field, times) in costs {
        for pair in growth.windows(2) {
            let [(few, before), (many, after)] = pair else { continue };
            let more = i64::try_from(many - few).unwrap_or(i64::MAX);
            let [keepalived, mainstay] = [0, 1].map(|which| {
                let figure = |run: &serde_json::Value| run.get(field).and_then(Figure::of);
                let runs = before[which].iter().zip(&after[which]);
                let figures: Vec<_> = runs
                    .map(|(few, many)| {
                        Some(Figure((figure(many)?.0 - figure(few)?.0) * times / more))
                    })
                    .collect();
                Spread::of(&figures)
            });
            let what = format!("one instance more, 1 s, from {few} to {many}: {what}");
            page.row(Row { what, unit: unit.to_owned(), keepalived, mainstay });
        }
    }
}

fn row(what: &str, unit: &str, found: &[Vec<serde_json::Value>; 2], field: &str) -> Row {
    let [keepalived, mainstay] = found.each_ref().map(|runs| {
        let figures: Vec<_> = runs.iter().map(|run| run.get(field).and_then(Figure::of)).collect();
        Spread::of(&figures)
    });
    Row { what: what.to_owned(), unit: unit.to_owned(), keepalived, mainstay }
}

/// Long enough that both have come to rest before their memory is looked at.
fn scaled(lab: &Path, daemon: &str, scale: &Scale) -> Result<serde_json::Value, String> {
    let n = scale.n.to_string();
    let arguments =
        ["--n", n.as_str(), "--advert", scale.advert, "--secs", "12", "--timeout", "60"];
    last_line(&lab.join("scale.py"), daemon, &arguments)
}

/// Runs one of the judges; its verdict is the JSON in its last line.
fn last_line(script: &Path, daemon: &str, arguments: &[&str]) -> Result<serde_json::Value, String> {
    let output = Command::new("python3")
        .arg(script)
        .args(["--cmd", daemon])
        .args(arguments)
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|error| {
        let complaint = String::from_utf8_lossy(&output.stderr);
        format!("{}: {error}\n{text}{complaint}", script.display())
    })
}

/// What one round of each hot path costs, in instructions; nothing without valgrind.
fn instructions(root: &Path) -> Result<Vec<(String, u64)>, String> {
    let example = root.join("target/release/examples/hotpaths");
    let names = Command::new(&example).output().map_err(|error| error.to_string())?;
    let names = String::from_utf8_lossy(&names.stdout).into_owned();
    let mut found = Vec::new();
    for name in names.lines() {
        let mut counts = Vec::new();
        for rounds in ROUNDS {
            let Some(count) = counted(&example, name, rounds) else { return Ok(Vec::new()) };
            counts.push(count);
        }
        let [few, many] = counts[..] else { continue };
        let per_round = many.saturating_sub(few) / (ROUNDS[1] - ROUNDS[0]);
        // Each round does its thing a thousand times.
        found.push((name.to_owned(), per_round / 1000));
    }
    Ok(found)
}

fn counted(example: &Path, name: &str, rounds: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(example)
        .args([name, &rounds.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find_map(|line| line.split_once("Collected :"))?.1;
    line.trim().parse().ok()
}

/// Where this was measured.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = String::new();
    let version = Command::new("keepalived").arg("--version").output();
    let version = version.map(|v| String::from_utf8_lossy(&v.stderr).into_owned());
    let version = version.unwrap_or_default().lines().next().unwrap_or("keepalived").to_owned();
    let kernel = read("/proc/sys/kernel/osrelease");
    let _ = write!(
        text,
        "Linux {kernel}, {cores} cores, all nodes in network namespaces of one machine; \
         {version}; load before: {}",
        load()
    );
    text
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
