//! `cargo xtask bench sched`: planning against Debian's crm_simulate, in one run, in turns.
//!
//! The documents come from the suite's generator. What takes the other one longer than
//! [`PATIENCE`] it does once only.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::figures::{Figure, Spread};
use super::load;

/// Where the results go.
const PAGE: &str = "docs/performance-sched.md";
const PACEMAKER: &str = "/usr/sbin/crm_simulate";
/// Processor seconds, in thousandths.
const PATIENCE: i64 = 15_000;

/// Shape, nodes, resources, constraints, state.
type Cluster = [&'static str; 5];

const CLUSTERS: [Cluster; 8] = [
    ["web", "16", "600", "300", "stopped"],
    ["web", "32", "1000", "500", "stopped"],
    ["web", "32", "1000", "500", "running"],
    ["web", "32", "1000", "500", "nodefail"],
    ["web", "32", "1000", "500", "join"],
    ["cloud", "32", "1000", "500", "running"],
    ["tangle", "16", "600", "600", "stopped"],
    ["web", "64", "2000", "500", "running"],
];

/// Those that are also told and carried out on paper (`-S`). Not the cold start: carrying out its
/// 38,000 actions takes the other one many minutes.
const TOLD: [Cluster; 2] = [CLUSTERS[2], CLUSTERS[7]];

/// Processor seconds and kilobytes of some runs.
#[derive(Default)]
struct Runs {
    seconds: Vec<Option<Figure>>,
    memory: Vec<Option<Figure>>,
}

pub(super) fn bench(root: &Path, runs: usize) -> Result<(), String> {
    let suites = root.ancestors().map(|above| above.join("shared/suites/scheduler"));
    let generator = suites.map(|suite| suite.join("gen_cib.py")).find(|script| script.is_file());
    let generator = generator.ok_or("no shared/suites/scheduler beside or above")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(root).args(["build", "--release", "-p", "pcmk", "--example", "crm_simulate"]);
    if !build.status().is_ok_and(|status| status.success()) {
        return Err("cargo build".into());
    }
    let ours = root.join("target/release/examples/crm_simulate");
    let folder = root.join("target/bench");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let before = load();
    let mut table = String::new();
    let planned = CLUSTERS.iter().map(|cluster| (cluster, false));
    for (cluster, told) in planned.chain(TOLD.iter().map(|cluster| (cluster, true))) {
        let file = generate(&generator, &folder, cluster)?;
        let (mut theirs, mut own) = (Runs::default(), Runs::default());
        let mut patient = true;
        for _ in 0..runs {
            measure(&ours, &file, told, &mut own);
            if patient && Path::new(PACEMAKER).is_file() {
                measure(Path::new(PACEMAKER), &file, told, &mut theirs);
                patient = theirs.seconds.last().copied().flatten().is_none_or(|it| it.0 < PATIENCE);
            }
        }
        let [shape, nodes, resources, constraints, state] = cluster;
        let row = format!(
            "| {shape} {nodes} × {resources} ({constraints}), {state}{} | {} | {} | {} | {} |\n",
            if told { ", `-S`" } else { "" },
            Spread::of(&theirs.seconds),
            Spread::of(&own.seconds),
            Spread::of(&theirs.memory),
            Spread::of(&own.memory),
        );
        eprint!("{row}");
        table += &row;
    }
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let text = format!(
        "# How fast plans are made\n\nWritten by `cargo xtask bench sched`: from reading the document \
         to writing the graph (`crm_simulate -Q -R -G`),\nDebian's crm_simulate and ours in turns, in \
         one run: {runs} runs each, one where the other takes more than {}\nprocessor seconds; rows \
         with `-S` are told and carried out on paper. Clusters by the suite's generator: shape, nodes × resources (constraints), state. Least /\n**median** / \
         most.\n\nLinux {}, {cores} cores; load before: {before}, after: {}.\n\n| cluster | Pacemaker \
         2.1.5, CPU s | mainstay, CPU s | Pacemaker, MB | mainstay, MB |\n|---|---|---|---|---|\n{table}",
        PATIENCE / 1000,
        kernel.trim(),
        load()
    );
    std::fs::write(root.join(PAGE), &text).map_err(|error| format!("{PAGE}: {error}"))?;
    print!("{text}");
    Ok(())
}

fn generate(script: &Path, folder: &Path, cluster: &Cluster) -> Result<PathBuf, String> {
    let [shape, nodes, resources, constraints, state] = *cluster;
    let output = Command::new("python3")
        .arg(script)
        .args(["--shape", shape, "--nodes", nodes, "--resources", resources])
        .args(["--constraints", constraints, "--state", state])
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    let file = folder.join(format!("{}.xml", cluster.join("-")));
    std::fs::write(&file, output.stdout).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file)
}

/// Runs it once under time(1).
fn measure(program: &Path, file: &Path, told: bool, runs: &mut Runs) {
    let graph = file.with_extension("graph");
    let mut command = Command::new("/usr/bin/time");
    command.args(["-f", "%U %S %M"]).arg(program).arg("-x").arg(file);
    if told {
        command.arg("-S");
    } else {
        command.args(["-Q", "-R", "-G"]).arg(&graph);
    }
    let output = command.output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    let text = text.unwrap_or_default();
    let figures: Vec<Figure> = text
        .lines()
        .last()
        .unwrap_or_default()
        .split(' ')
        .filter_map(|word| word.parse().ok().as_ref().and_then(Figure::of))
        .collect();
    match figures[..] {
        [user, system, memory] => {
            runs.seconds.push(Some(Figure(user.0 + system.0)));
            runs.memory.push(Some(Figure(memory.0 / 1024)));
        }
        _ => {
            runs.seconds.push(None);
            runs.memory.push(None);
        }
    }
}
