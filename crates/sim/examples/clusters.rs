//! `cargo xtask sim --clusters --seeds A..B`: runs clusters by seed and prints what came of them.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use sim::cluster::{Coverage, FaultKind, Outcome, Settings, run};

const USAGE: &str = "usage: cargo xtask sim --clusters --seeds A..B [--keep-going] [--coverage] \
[--only KIND,...] [--plant NAME]";

/// What was asked for.
struct Asked {
    seeds: std::ops::Range<u64>,
    settings: Settings,
    keep_going: bool,
    coverage: bool,
}

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
        Ok(asked) => campaign(&asked),
        Err(error) => {
            eprintln!("error: {error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked =
        Asked { seeds: 0..0, settings: Settings::default(), keep_going: false, coverage: false };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--clusters" => {}
            "--keep-going" => asked.keep_going = true,
            "--coverage" => asked.coverage = true,
            "--seeds" => {
                let range = arguments.next().ok_or("--seeds wants A..B")?;
                let (from, to) = range.split_once("..").ok_or("--seeds wants A..B")?;
                let number = |it: &str| it.parse().map_err(|_| format!("{it} is not a number"));
                asked.seeds = number(from)?..number(to)?;
            }
            "--only" => {
                let names = arguments.next().ok_or("--only wants kinds of fault")?;
                let kind = |name: &str| {
                    let mut all = FaultKind::ALL.iter().copied();
                    all.find(|kind| kind.name() == name).ok_or(format!("no fault is called {name}"))
                };
                asked.settings.kinds = names.split(',').map(kind).collect::<Result<_, _>>()?;
            }
            "--plant" => {
                let name = arguments.next().ok_or("--plant wants a name")?;
                plant(&mut asked.settings, &name)?;
            }
            other => return Err(format!("{other} is not understood")),
        }
    }
    if asked.seeds.is_empty() {
        return Err("which seeds?".into());
    }
    Ok(asked)
}

#[cfg(feature = "plant")]
fn plant(settings: &mut Settings, name: &str) -> Result<(), String> {
    let found = base::plant::Plant::named(name).ok_or(format!("no plant is called {name}"))?;
    settings.plant = Some(found);
    Ok(())
}

#[cfg(not(feature = "plant"))]
fn plant(_: &mut Settings, _: &str) -> Result<(), String> {
    Err("plants are not in this build; with `--plant` cargo xtask makes another".into())
}

fn campaign(asked: &Asked) -> ExitCode {
    let Asked { seeds, settings, keep_going, coverage } = asked;
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
                    let outcome = run(settings, seed);
                    if let Some(violation) = &outcome.violation {
                        println!("seed {seed}: {violation}");
                        stop.fetch_or(!*keep_going, Ordering::Relaxed);
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
    if *coverage {
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
