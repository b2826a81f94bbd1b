//! `cargo xtask sim`: builds the simulator's campaign in release and hands the arguments on.
//!
//! A run with a planted bug is another build, in a folder of its own: no binary of the product's
//! target folder ever has the feature.

use std::path::Path;
use std::process::{Command, ExitCode};

/// `cargo xtask clusters --seeds A..B`: the campaign of random clusters, in release.
pub(crate) fn clusters(root: &Path, arguments: &[&str]) -> ExitCode {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root).args(["run", "--release", "--quiet", "--package", "fuzz"]);
    command.args(["--example", "clusters", "--"]).args(arguments);
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// `cargo xtask scenarios`: random steps with their audits, in the lab (`--seed N [--steps N] [--nodes N]`)
/// or in the simulator (`--sim --seeds A..B [--steps N]`).
pub(crate) fn scenarios(root: &Path, arguments: &[&str]) -> ExitCode {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root);
    if arguments.contains(&"--sim") {
        command.args(["run", "--release", "--quiet", "--package", "sim", "--example", "scenarios"]);
        optimise(&mut command);
        command.arg("--").args(arguments);
    } else {
        command.args(["test", "--quiet", "--package", "daemon", "--test", "cluster", "--"]);
        command.args(["--exact", "scenarios::scenarios_keep_every_audit", "--nocapture"]);
        command.env("SCENARIO_STEPS", "250");
        for pair in arguments.chunks(2) {
            let variable = match pair {
                ["--seed", _] => "SCENARIO_SEED",
                ["--steps", _] => "SCENARIO_STEPS",
                ["--nodes", _] => "SCENARIO_NODES",
                _ => {
                    eprintln!(
                        "usage: cargo xtask scenarios [--seed N] [--steps N] [--nodes N]\n       cargo \
                         xtask scenarios --sim --seeds A..B [--steps N] [--only STEP] [--keep-going]"
                    );
                    return ExitCode::from(2);
                }
            };
            command.env(variable, pair[1]);
        }
    }
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// That the tests of a heal find plain elections: each by itself, as the bug is in a whole process.
fn plain_elections(root: &Path) -> bool {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root).args(["test", "--release", "--quiet", "--package", "raft"]);
    command.args(["--features", "plant", "--target-dir", "target/plant", "--test", "nodes", "--"]);
    command.args(["--exact", "order::with_plain_elections_a_heal_costs_a_leader"]);
    command.status().is_ok_and(|status| status.success())
}

pub(crate) fn sim(root: &Path, arguments: &[&str]) -> ExitCode {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root);
    let proof = arguments == ["--proof"];
    if proof {
        command.args(["test", "--release", "--quiet", "--package", "sim", "--test", "plants"]);
        command.args(["--test", "cluster_plants", "--no-fail-fast"]);
    } else {
        command.args(["run", "--release", "--quiet", "--package", "sim", "--example"]);
        command.arg(if arguments.contains(&"--clusters") { "clusters" } else { "sim" });
    }
    optimise(&mut command);
    if proof || arguments.iter().any(|argument| argument.starts_with("--plant")) {
        command.args(["--features", "plant", "--target-dir", "target/plant"]);
    }
    if !proof {
        command.arg("--").args(arguments);
    }
    match command.status() {
        Ok(status) if status.success() && (!proof || plain_elections(root)) => ExitCode::SUCCESS,
        Ok(status) => ExitCode::from(status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: cargo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Worlds are counted in tens of thousands: what the optimiser can still do is worth its time.
fn optimise(command: &mut Command) {
    command.env("CARGO_PROFILE_RELEASE_LTO", "fat");
    command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
}
