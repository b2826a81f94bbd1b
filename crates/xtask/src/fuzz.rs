//! `cargo xtask fuzz [--seconds N] [--seed N] [--jobs N] [TARGET…]`: libFuzzer over the targets of `crates/fuzz`.
//!
//! The seed is 1 unless another is said, so that in a fresh checkout the same program meets the same
//! inputs: what the tests run is repeatable. `--seed 0` takes one by chance, for long campaigns. Two
//! targets run at a time, since nearly every machine has two cores; `--jobs N` says otherwise.
//!
//! On a stable compiler: coverage comes from LLVM's own pass, which needs no nightly flag; a memory
//! sanitizer would, and safe code has less use for one. What is found is kept under `target/fuzz`;
//! a file that broke something belongs into `crates/fuzz/corpus` together with its fix.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};

/// All targets, in the order in which they are run.
const TARGETS: &[&str] =
    &["wire", "config", "frames", "image", "router", "will", "cib", "patch", "rules", "sched"];

/// What has LLVM count edges for libFuzzer.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
];

/// Runs the fuzzers; fails when one of them found something.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> ExitCode {
    let (mut seconds, mut seed, mut jobs, mut chosen) = ("30", "1", 2, Vec::new());
    let mut arguments = arguments.iter().copied();
    while let Some(argument) = arguments.next() {
        match argument {
            "--seconds" => seconds = arguments.next().unwrap_or(seconds),
            "--jobs" => jobs = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(jobs),
            "--seed" => seed = arguments.next().unwrap_or(seed),
            target if TARGETS.contains(&target) => chosen.push(target),
            other => {
                eprintln!("there is no target `{other}`; there are: {}", TARGETS.join(", "));
                return ExitCode::from(2);
            }
        }
    }
    if chosen.is_empty() {
        chosen.extend(TARGETS);
    }
    if !build(root) {
        return ExitCode::FAILURE;
    }
    let next = AtomicUsize::new(0);
    let found = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, chosen.len()) {
            scope.spawn(|| {
                while let Some(target) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !fuzz(root, target, seconds, seed) {
                        found.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let found = found.into_inner();
    println!("{} targets, {seconds} s each, {found} with findings", chosen.len());
    if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn build(root: &Path) -> bool {
    Command::new("cargo")
        .args(["build", "--quiet", "--release", "--package", "fuzz", "--bins", "--target-dir"])
        .arg(root.join("target/fuzz/build"))
        .args(["--target", &host()])
        .env("RUSTFLAGS", COVERAGE.join(" "))
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .current_dir(root)
        .status()
        .is_ok_and(|status| status.success())
}

/// The target triple must be named, or build scripts would be instrumented as well.
fn host() -> String {
    let said = Command::new("rustc").args(["--print", "host-tuple"]).output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.unwrap_or_else(|_| "x86_64-unknown-linux-gnu".into())
}

/// Whether it ran its time without a finding.
fn fuzz(root: &Path, target: &str, seconds: &str, seed: &str) -> bool {
    let kept = root.join("target/fuzz").join(target);
    if let Err(error) = std::fs::create_dir_all(&kept) {
        eprintln!("{}: {error}", kept.display());
        return false;
    }
    let binary = format!("target/fuzz/build/{}/release/fuzz-{target}", host());
    let ran = Command::new(root.join(binary))
        .arg(&kept)
        .arg(root.join("crates/fuzz/corpus").join(target))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-seed={seed}"))
        .args(["-timeout=5", "-rss_limit_mb=1024", "-max_len=4096", "-verbosity=0"])
        .args(["-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/", root.join("target/fuzz").display()))
        .output();
    let Ok(ran) = ran else {
        eprintln!("{target}: the fuzzer cannot be run");
        return false;
    };
    let said = String::from_utf8_lossy(&ran.stderr);
    // In one piece: another target may be telling its own.
    let mut told = format!("== fuzz {target}, {seconds} s\n");
    for line in said.lines().filter(|line| !ran.status.success() || line.starts_with("stat::")) {
        told.push_str(line);
        told.push('\n');
    }
    // One that runs out of stack dies without a word of its own.
    if !ran.status.success() {
        told.push_str(&format!("{target}: ended with {}\n", ran.status));
    }
    print!("{told}");
    ran.status.success()
}
