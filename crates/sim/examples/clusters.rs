//! `cargo xtask sim --clusters --seeds A..B`: runs clusters by seed and prints what came of them.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use sim::cluster::{Coverage, Outcome, Settings, run};

const USAGE: &str = "usage: cargo xtask sim --clusters --seeds A..B [--keep-going] [--coverage]";

#[derive(Default)]
struct Total {
    coverage: Coverage,
    seeds: u64,
    starts: u64,
    fenced: u64,
    acknowledged: usize,
    violations: u64,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok((seeds, keep_going, coverage)) => campaign(seeds, keep_going, coverage),
        Err(error) => {
            eprintln!("error: {error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn parse(
    mut arguments: impl Iterator<Item = String>,
) -> Result<(std::ops::Range<u64>, bool, bool), String> {
    let (mut seeds, mut keep_going, mut coverage) = (None, false, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--clusters" => {}
            "--keep-going" => keep_going = true,
            "--coverage" => coverage = true,
            "--seeds" => {
                let range = arguments.next().ok_or("--seeds wants A..B")?;
                let (from, to) = range.split_once("..").ok_or("--seeds wants A..B")?;
                let number = |it: &str| it.parse().map_err(|_| format!("{it} is not a number"));
                seeds = Some(number(from)?..number(to)?);
            }
            other => return Err(format!("{other} is not understood")),
        }
    }
    let seeds = seeds.filter(|it: &std::ops::Range<u64>| !it.is_empty()).ok_or("which seeds?")?;
    Ok((seeds, keep_going, coverage))
}

fn campaign(seeds: std::ops::Range<u64>, keep_going: bool, coverage: bool) -> ExitCode {
    let begun = Instant::now();
    let (next, stop) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let total = Mutex::new(Total::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let outcome = run(&Settings::default(), seed);
                    if let Some(violation) = &outcome.violation {
                        println!("seed {seed}: {violation}");
                        stop.fetch_or(!keep_going, Ordering::Relaxed);
                    }
                    if let Ok(mut total) = total.lock() {
                        total.add(&outcome);
                    }
                }
            });
        }
    });
    let Ok(total) = total.into_inner() else { return ExitCode::FAILURE };
    println!(
        "{} clusters in {:.1?}: {} faults, {} starts, {} fenced, {} changes acknowledged; {} violations",
        total.seeds,
        begun.elapsed(),
        total.coverage.faults(),
        total.starts,
        total.fenced,
        total.acknowledged,
        total.violations
    );
    if coverage {
        println!("{}", total.coverage);
    }
    if total.violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Total {
    fn add(&mut self, outcome: &Outcome) {
        self.coverage.merge(&outcome.coverage);
        self.seeds += 1;
        self.starts += outcome.starts;
        self.fenced += outcome.fenced;
        self.acknowledged += outcome.acknowledged;
        self.violations += u64::from(outcome.violation.is_some());
    }
}
