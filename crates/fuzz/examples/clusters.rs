//! `clusters FROM TO [--files]`: plans for the clusters of these numbers (or for files), each until
//! it is at rest, and counts what must not be.

use std::panic;
use std::process::ExitCode;

#[derive(Default)]
struct Counts {
    all: u64,
    wrong: u64,
    panics: u64,
    rests: u64,
    once: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut counts = Counts::default();
    match arguments.iter().map(|word| word.parse::<u64>()).collect::<Result<Vec<_>, _>>() {
        Ok(numbers) if numbers.len() == 2 => {
            for seed in numbers[0]..numbers[1] {
                one(&seed.to_string(), &fuzz::cluster(seed), &mut counts);
            }
        }
        _ => {
            for name in &arguments {
                match std::fs::read_to_string(name) {
                    Ok(text) => one(name, &text, &mut counts),
                    Err(error) => eprintln!("{name}: {error}"),
                }
            }
        }
    }
    let Counts { all, wrong, panics, rests, once } = counts;
    println!(
        "{all} clusters: {wrong} with a plan that must not be, {panics} panics; {rests} came to \
         rest, {once} of them after one plan"
    );
    if wrong + panics == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(name: &str, text: &str, counts: &mut Counts) {
    counts.all += 1;
    match panic::catch_unwind(|| fuzz::clusters::judge(text)) {
        Err(_) => {
            counts.panics += 1;
            println!("{name}: panic");
        }
        Ok(Err(error)) => println!("{name}: {error}"),
        Ok(Ok(verdict)) => {
            counts.rests += u64::from(verdict.rests);
            counts.once += u64::from(verdict.rests && verdict.rounds <= 1);
            if !verdict.wrong.is_empty() {
                counts.wrong += 1;
                println!("{name}: {}", verdict.wrong.join("; "));
            }
        }
    }
}
