//! `clusters --seeds A..B` (or files): plans for the clusters of these numbers, each until it is at
//! rest, and counts by class what must not be.

use std::collections::BTreeMap;
use std::panic;
use std::process::ExitCode;

use fuzz::clusters::{Class, judge};

#[derive(Default)]
struct Counts {
    all: u64,
    panics: u64,
    once: u64,
    wrong: BTreeMap<Class, u64>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut counts = Counts::default();
    if let [option, range] = &arguments[..]
        && option == "--seeds"
    {
        let ends = range.split_once("..").map(|(from, to)| (from.parse(), to.parse()));
        let Some((Ok(from), Ok(to))) = ends else {
            eprintln!("--seeds {range}: a range is given as 0..1000");
            return ExitCode::from(2);
        };
        for seed in from..to {
            one(&format!("seed {seed}"), &fuzz::cluster(seed), &mut counts);
        }
    } else {
        for name in &arguments {
            match std::fs::read_to_string(name) {
                Ok(text) => one(name, &text, &mut counts),
                Err(error) => eprintln!("{name}: {error}"),
            }
        }
    }
    println!("{} clusters, {} of them at rest after at most one plan", counts.all, counts.once);
    println!("  {:>6}  panics", counts.panics);
    let mut clean = counts.panics == 0 && counts.all > 0;
    for class in Class::ALL {
        let count = counts.wrong.get(&class).copied().unwrap_or(0);
        println!("  {count:>6}  {}", class.told());
        clean &= count == 0;
    }
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(name: &str, text: &str, counts: &mut Counts) {
    counts.all += 1;
    match panic::catch_unwind(|| judge(text)) {
        Err(_) => {
            counts.panics += 1;
            println!("{name}: panic");
        }
        Ok(Err(error)) => println!("{name}: {error}"),
        Ok(Ok(verdict)) => {
            counts.once += u64::from(verdict.rests && verdict.rounds <= 1);
            let mut classes: Vec<Class> = verdict.wrong.iter().map(|(class, _)| *class).collect();
            classes.dedup();
            for (class, what) in &verdict.wrong {
                println!("{name}: {}: {what}", class.told());
            }
            for class in classes {
                *counts.wrong.entry(class).or_insert(0) += 1;
            }
        }
    }
}
