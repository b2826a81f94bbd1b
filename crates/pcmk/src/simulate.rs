//! `crm_simulate`: reads a CIB, shows (and on request carries out, on paper) what would be done.

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use cib::Cib;
use cib::dates::WallTime;
use sched::Ask;

/// The command line.
#[derive(Clone, Debug, Default)]
struct Options {
    input: Option<PathBuf>,
    graph: Option<PathBuf>,
    dot: Option<PathBuf>,
    scores: bool,
    quiet: bool,
    simulate: bool,
    run: bool,
    time: Option<WallTime>,
}

/// Runs the command; its exit status.
#[must_use]
pub fn main(arguments: &[OsString], now: WallTime) -> u8 {
    match read_options(arguments) {
        Ok(options) => match run(&options, now) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("crm_simulate: {error}");
                1
            }
        },
        Err(error) => {
            eprintln!("crm_simulate: {error}");
            64
        }
    }
}

fn read_options(arguments: &[OsString]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = arguments.iter().skip(1);
    while let Some(word) = words.next() {
        let word = word.to_string_lossy();
        let mut value = |name: &str| {
            words
                .next()
                .map(|value| value.to_string_lossy().into_owned())
                .ok_or(format!("{name} needs a value"))
        };
        if let Some(long) = word.strip_prefix("--") {
            match long {
                "xml-file" => options.input = Some(value("--xml-file")?.into()),
                _ => return Err(format!("unknown option --{long}")),
            }
            continue;
        }
        let Some(letters) = word.strip_prefix('-') else { return Err(format!("what is {word}?")) };
        for letter in letters.chars() {
            match letter {
                'x' => options.input = Some(value("-x")?.into()),
                'G' => options.graph = Some(value("-G")?.into()),
                'D' => options.dot = Some(value("-D")?.into()),
                't' => {
                    let text = value("-t")?;
                    options.time =
                        Some(WallTime::parse(&text).ok_or(format!("{text} is no time"))?);
                }
                's' => options.scores = true,
                'Q' => options.quiet = true,
                'S' => options.simulate = true,
                'R' => options.run = true,
                'p' => options.input = None,
                'V' => {}
                other => return Err(format!("unknown option -{other}")),
            }
        }
    }
    Ok(options)
}

fn run(options: &Options, now: WallTime) -> Result<(), String> {
    let text = match &options.input {
        Some(path) => {
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| error.to_string())?;
            text
        }
    };
    let cib = Cib::parse(&text).map_err(|error| error.to_string())?;
    let now = options.time.or(cib.execution_date).unwrap_or(now);
    let ask = Ask { scores: options.scores, reasons: false, considered: options.dot.is_some() };
    let transition = sched::plan_with(&cib, now, ask);
    for line in &transition.scores {
        println!("{line}");
    }
    if let Some(path) = &options.graph {
        let xml = crate::graph::render(&transition).pretty();
        fs::write(path, xml).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if let Some(path) = &options.dot {
        fs::write(path, crate::dot::render(&transition))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
