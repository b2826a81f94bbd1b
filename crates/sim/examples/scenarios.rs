//! `cargo xtask scenarios --sim --seeds A..B --steps N`: plays scenarios by seed in the simulator and prints
//! what came of them.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use sim::cluster::Hosts;
use sim::scenario::{Play, Step};

const USAGE: &str =
    "usage: cargo xtask scenarios --sim --seeds A..B [--steps N] [--only STEP] [--keep-going]";

#[derive(Default)]
struct Total {
    plays: u64,
    violations: u64,
    millis: u64,
    played: BTreeMap<Step, usize>,
}

struct Choice {
    seeds: std::ops::Range<u64>,
    steps: usize,
    only: Option<Step>,
    keep_going: bool,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(choice) => campaign(&choice),
        Err(error) => {
            eprintln!("error: {error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Choice, String> {
    let mut choice = Choice { seeds: 0..0, steps: 250, only: None, keep_going: false };
    while let Some(argument) = arguments.next() {
        let number = |it: &str| it.parse().map_err(|_| format!("{it} is not a number"));
        match argument.as_str() {
            "--sim" => {}
            "--keep-going" => choice.keep_going = true,
            "--seeds" => {
                let range = arguments.next().ok_or("--seeds wants A..B")?;
                let (from, to) = range.split_once("..").ok_or("--seeds wants A..B")?;
                choice.seeds = number(from)?..number(to)?;
            }
            "--steps" => {
                let steps = number(&arguments.next().ok_or("--steps wants a number")?)?;
                choice.steps = usize::try_from(steps).map_err(|_| "too many steps")?;
            }
            "--only" => {
                let name = arguments.next().ok_or("--only wants a step")?;
                let step = Step::ALL.iter().find(|it| it.name() == name);
                let names: Vec<_> = Step::ALL.iter().map(|it| it.name()).collect();
                let none = || format!("{name} is none of {}", names.join(", "));
                choice.only = Some(*step.ok_or_else(none)?);
            }
            other => return Err(format!("{other} is not understood")),
        }
    }
    if choice.seeds.is_empty() { Err("which seeds?".to_owned()) } else { Ok(choice) }
}

fn play(choice: &Choice, seed: u64) -> (u64, Result<BTreeMap<Step, usize>, String>) {
    let mut hosts = Hosts::new(seed);
    let mut play = Play::new(&mut hosts, seed);
    let played = match choice.only {
        None => play.run(choice.steps),
        Some(step) => play.settle("the beginning").and_then(|()| {
            (0..choice.steps).try_for_each(|_| play.step(step))?;
            Ok(BTreeMap::from([(step, choice.steps)]))
        }),
    };
    (hosts.millis(), played)
}

fn campaign(choice: &Choice) -> ExitCode {
    let begun = Instant::now();
    let (next, stop) = (AtomicU64::new(choice.seeds.start), AtomicBool::new(false));
    let total = Mutex::new(Total::default());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= choice.seeds.end {
                        break;
                    }
                    let (millis, played) = play(choice, seed);
                    let Ok(mut total) = total.lock() else { return };
                    total.plays += 1;
                    total.millis += millis;
                    match played {
                        Ok(played) => {
                            for (step, count) in played {
                                *total.played.entry(step).or_default() += count;
                            }
                        }
                        Err(what) => {
                            println!("{what}");
                            total.violations += 1;
                            stop.fetch_or(!choice.keep_going, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let Ok(total) = total.into_inner() else { return ExitCode::FAILURE };
    for (step, count) in &total.played {
        println!("{:<18} {count}", step.name());
    }
    println!(
        "{} plays, {} steps, {} hours of clusters in {:.1?}; {} violations",
        total.plays,
        total.played.values().sum::<usize>(),
        total.millis / 3_600_000,
        begun.elapsed(),
        total.violations
    );
    if total.violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
