//! `cargo xtask sim`: runs seeds and prints what came of them.
//!
//! The rooms print nothing and start no thread; this does. Seeds are shared out among as many threads
//! as there are processors; each seed is a world of its own.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use sim::campaign::{Coverage, FaultKind, Outcome, Settings, run};
use sim::watch::{Rule, Violation};

const USAGE: &str = "\
usage: cargo xtask sim --seed N | --seeds A..B [OPTION]...
       cargo xtask sim --plants A..B
       cargo xtask sim --proof
       cargo xtask sim --clusters --seeds A..B [--keep-going] [--coverage]

  --seed N       run one world, twice, and compare
  --seeds A..B   run worlds A to B-1
  --plants A..B  plant every bug there is; each must be found in one of these worlds
  --proof        test that each is found in as few worlds as is stated
  --only KIND,…  only these kinds of fault
  --plant NAME   with this bug planted
  --twice        run each world twice and compare the traces
  --keep-going   do not end at the first violation
  --coverage     tell which faults struck what
  --jobs N       as many at a time; as many as there are processors, otherwise";

#[derive(Clone, Default)]
struct Arguments {
    seeds: std::ops::Range<u64>,
    settings: Settings,
    keep_going: bool,
    twice: bool,
    coverage: bool,
    threads: usize,
    /// Plant every bug, one after another.
    all_plants: bool,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(arguments) if arguments.all_plants => all_plants(&arguments),
        Ok(arguments) => campaign(&arguments),
        Err(error) => {
            eprintln!("error: {error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut parsed = Arguments {
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        ..Arguments::default()
    };
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--seed" => {
                let seed = number(&value()?)?;
                parsed.seeds = seed..seed + 1;
                parsed.twice = true;
            }
            "--help" => return Err("what can be asked for:".into()),
            "--seeds" | "--plants" => {
                parsed.all_plants = argument == "--plants";
                let value = value()?;
                let (from, to) = value.split_once("..").ok_or("--seeds wants A..B")?;
                parsed.seeds = number(from)?..number(to)?;
            }
            "--only" => {
                let kind = |name: &str| {
                    FaultKind::named(name).ok_or_else(|| {
                        let all: Vec<_> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
                        format!("no fault is called {name}; there are {}", all.join(", "))
                    })
                };
                parsed.settings.kinds = value()?.split(',').map(kind).collect::<Result<_, _>>()?;
            }
            "--plant" => parsed.settings.plant = Some(plant(&value()?)?),
            "--jobs" | "--threads" => {
                parsed.threads = usize::try_from(number(&value()?)?).unwrap_or(1).max(1);
            }
            "--keep-going" => parsed.keep_going = true,
            "--twice" => parsed.twice = true,
            "--coverage" => parsed.coverage = true,
            other => return Err(format!("{other} is not understood")),
        }
    }
    if parsed.seeds.is_empty() {
        return Err("which seeds?".into());
    }
    Ok(parsed)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

#[cfg(feature = "plant")]
fn plant(name: &str) -> Result<base::plant::Plant, String> {
    base::plant::Plant::named(name).ok_or_else(|| {
        let all: Vec<_> = base::plant::Plant::ALL.iter().map(|plant| plant.name()).collect();
        format!("no plant is called {name}; there are {}", all.join(", "))
    })
}

#[cfg(not(feature = "plant"))]
fn plant(_: &str) -> Result<std::convert::Infallible, String> {
    Err("plants are not in this build; `cargo xtask sim --plant NAME` makes the other".into())
}

/// Plants every bug there is and looks for each.
#[cfg(feature = "plant")]
fn all_plants(arguments: &Arguments) -> ExitCode {
    let next = AtomicU64::new(0);
    let missed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                loop {
                    let at = usize::try_from(next.fetch_add(1, Ordering::Relaxed));
                    let Some(plant) = at.ok().and_then(|at| base::plant::Plant::ALL.get(at)) else {
                        break;
                    };
                    if plant.is_of_clusters() {
                        continue;
                    }
                    let settings = Settings { plant: Some(*plant), ..arguments.settings.clone() };
                    let found = arguments.seeds.clone().find_map(|seed| {
                        match run_caught(&settings, seed) {
                            Err(_) => Some((seed, Rule::Panicked)),
                            Ok(outcome) => Some((seed, outcome.violation?.0.rule)),
                        }
                    });
                    match found {
                        Some((seed, rule)) => println!("{}: seed {seed}, {rule:?}", plant.name()),
                        None => {
                            missed.fetch_add(1, Ordering::Relaxed);
                            println!("{}: NOT FOUND", plant.name());
                        }
                    }
                }
            });
        }
    });
    let missed = missed.load(Ordering::Relaxed);
    println!("{} bugs planted, {missed} not found", base::plant::Plant::ALL.len());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(feature = "plant"))]
fn all_plants(_: &Arguments) -> ExitCode {
    eprintln!("error: plants are not in this build; `cargo xtask sim --plants A..B` makes it");
    ExitCode::from(2)
}

/// A seed, and what a panic in it would have said.
fn run_caught(settings: &Settings, seed: u64) -> Result<Outcome, String> {
    std::panic::catch_unwind(|| run(settings, seed)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default()
    })
}

fn campaign(arguments: &Arguments) -> ExitCode {
    let begun = Instant::now();
    let next = AtomicU64::new(arguments.seeds.start);
    let stop = AtomicBool::new(false);
    let failures = AtomicU64::new(0);
    let total = Mutex::new(Total::default());
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= arguments.seeds.end {
                        break;
                    }
                    let outcome = run_caught(&arguments.settings, seed);
                    let failed = judge(arguments, seed, &outcome);
                    if failed {
                        failures.fetch_add(1, Ordering::Relaxed);
                        if !arguments.keep_going {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                    if let (Ok(outcome), Ok(mut total)) = (outcome, total.lock()) {
                        total.add(&outcome);
                    }
                }
            });
        }
    });
    let Ok(total) = total.into_inner() else {
        return ExitCode::FAILURE;
    };
    total.print(begun, failures.load(Ordering::Relaxed));
    if arguments.coverage {
        println!("{}", total.coverage);
        for (kind, situation) in total.coverage.missed() {
            println!("never: {} in {situation:?}", kind.name());
        }
    }
    if failures.load(Ordering::Relaxed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What came of many seeds.
#[derive(Default)]
struct Total {
    coverage: Coverage,
    seeds: u64,
    lasted: std::time::Duration,
    overlap: std::time::Duration,
    /// All traces as one number, whatever the order they ended in: two builds can be compared by it.
    traces: u64,
}

impl Total {
    fn add(&mut self, outcome: &Outcome) {
        self.coverage.merge(&outcome.coverage);
        self.seeds += 1;
        self.lasted += outcome.lasted;
        self.overlap = self.overlap.max(outcome.overlap);
        let own = (outcome.sum ^ outcome.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.traces ^= own.rotate_left(31);
    }

    fn print(&self, begun: Instant, failures: u64) {
        let took = begun.elapsed();
        let rate = u128::from(self.seeds) * 10_000 / took.as_millis().max(1);
        println!(
            "{} seeds, {} virtual hours, {} faults in {took:.1?} ({}.{} seeds/s); longest overlap {:?}; traces {:016x}; {failures} violations",
            self.seeds,
            self.lasted.as_secs() / 3600,
            self.coverage.faults(),
            rate / 10,
            rate % 10,
            self.overlap,
            self.traces,
        );
    }
}

/// Prints what is wrong with a seed; whether anything is.
fn judge(arguments: &Arguments, seed: u64, outcome: &Result<Outcome, String>) -> bool {
    let again = || run_caught(&arguments.settings, seed);
    let (violation, report) = match outcome {
        Err(panic) => {
            (format!("{:?}: {}\n  {panic}", Rule::Panicked, Rule::Panicked), String::new())
        }
        Ok(Outcome { violation: Some((violation, report)), .. }) => {
            (Violation::to_string(violation), report.clone())
        }
        Ok(outcome) if arguments.twice => match again() {
            Ok(second) if second.sum == outcome.sum => return false,
            _ => (format!("{:?}: {}", Rule::TraceDiffers, Rule::TraceDiffers), String::new()),
        },
        Ok(_) => return false,
    };
    let mut repeat = format!("cargo xtask sim --seed {seed}");
    if let Some(plant) = arguments.settings.plant_name() {
        repeat += &format!(" --plant {plant}");
    }
    if arguments.settings.kinds != FaultKind::ALL {
        let kinds: Vec<_> = arguments.settings.kinds.iter().map(|kind| kind.name()).collect();
        repeat += &format!(" --only {}", kinds.join(","));
    }
    println!("seed {seed}: {violation}\nagain: {repeat}");
    if !arguments.keep_going {
        println!("{report}");
    }
    true
}
