//! `cargo xtask kills --times N --seed S`: kill -9 of cluster nodes, by the thousand.
//!
//! The campaign is a test of the room `node` (`tests/kills`), whose short form runs with all others; here
//! it is built in release and told how often. Without link-time optimisation: it waits for disks and
//! elections, not for the processor. With `--core` it is only what a node has on disk (`raft`,
//! `tests/durable`): one process that writes votes, entries and snapshots, some ten times as fast.

use std::path::Path;
use std::process::{Command, ExitCode};

/// How often unless told otherwise, and by which seed.
const OTHERWISE: (&str, &str) = ("200", "1");
/// The quorum lease of the cluster that is killed, milliseconds: elections take a fraction of it.
const LEASE: &str = "300";

pub(crate) fn run(root: &Path, arguments: &[&str]) -> Option<ExitCode> {
    let (mut times, mut seed) = OTHERWISE;
    let core = arguments.contains(&"--core");
    let arguments: Vec<&str> = arguments.iter().copied().filter(|it| *it != "--core").collect();
    let mut rest = &arguments[..];
    while let [name, value, more @ ..] = rest {
        value.parse::<u64>().ok()?;
        match *name {
            "--times" => times = value,
            "--seed" => seed = value,
            _ => return None,
        }
        rest = more;
    }
    if !rest.is_empty() {
        return None;
    }
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root).args(["test", "--release", "--quiet", "--package"]);
    command.args(match core {
        true => ["raft", "--test", "durable", "--", "--nocapture", "kill_9_at_any_moment"],
        false => ["node", "--test", "kills", "--", "--nocapture", "campaign::"],
    });
    command.env("CARGO_PROFILE_RELEASE_LTO", "off");
    command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    command.env("MAINSTAY_KILLS", times).env("MAINSTAY_KILLS_SEED", seed);
    command.env("MAINSTAY_KILLS_LEASE", LEASE);
    Some(match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
