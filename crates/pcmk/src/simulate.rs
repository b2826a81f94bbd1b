//! `crm_simulate` and `mainstay simulate`: reads a CIB, shows what would be done, and on request
//! carries it out on paper.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use cib::Cib;
use cib::dates::WallTime;
use cib::xml::Document;
use sched::{Ask, Transition};

use crate::inject::{self, Event};
use crate::{dot, execute, graph, input, text};

/// What is asked for.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Options {
    /// The CIB; standard input if none.
    pub input: Option<PathBuf>,
    /// Where to write the transition graph.
    pub graph: Option<PathBuf>,
    /// Where to write the graph for dot.
    pub dot: Option<PathBuf>,
    /// Where to write the CIB as it is before planning.
    pub save_input: Option<PathBuf>,
    /// Where to write the CIB as it is after the plan.
    pub save_output: Option<PathBuf>,
    /// Show placement scores.
    pub scores: bool,
    /// Show what nodes have left.
    pub utilization: bool,
    /// Say nothing but what was asked for.
    pub quiet: bool,
    /// Plan.
    pub run: bool,
    /// Plan, and show the state afterwards.
    pub simulate: bool,
    /// The present.
    pub time: Option<WallTime>,
    /// What happens before planning.
    pub events: Vec<Event>,
}

/// Runs the command as `crm_simulate`; its exit status.
#[must_use]
pub fn main(arguments: &[OsString], now: WallTime) -> u8 {
    let options = match read_options(arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("crm_simulate: {error}");
            return 64;
        }
    };
    finish("crm_simulate", run(&options, now))
}

/// Says what went wrong, if anything; the exit status.
#[must_use]
pub fn finish(name: &str, outcome: Result<String, String>) -> u8 {
    match outcome {
        Ok(text) => {
            print!("{text}");
            0
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            1
        }
    }
}

/// Reads the options of `crm_simulate`.
///
/// # Errors
/// When an option is unknown or lacks its value.
pub fn read_options(arguments: &[OsString]) -> Result<Options, String> {
    let mut options = Options::default();
    let words: Vec<String> =
        arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let mut at = 0;
    while at < words.len() {
        let word = words[at].as_str();
        at += 1;
        if let Some(long) = word.strip_prefix("--") {
            let (name, attached) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let letter = letter_of(name).ok_or_else(|| format!("unknown option --{name}"))?;
            let value = match (takes_value(letter), attached) {
                (true, None) => {
                    at += 1;
                    words.get(at - 1).cloned()
                }
                (_, attached) => attached,
            };
            set_option(&mut options, letter, value)?;
            continue;
        }
        let Some(letters) = word.strip_prefix('-') else {
            return Err(format!("{word} is no option"));
        };
        for (place, letter) in letters.char_indices() {
            if !takes_value(letter) {
                set_option(&mut options, letter, None)?;
                continue;
            }
            let rest = &letters[place + letter.len_utf8()..];
            let value = if rest.is_empty() {
                at += 1;
                words.get(at - 1).cloned()
            } else {
                Some(rest.to_owned())
            };
            set_option(&mut options, letter, value)?;
            break;
        }
    }
    Ok(options)
}

fn letter_of(name: &str) -> Option<char> {
    Some(match name {
        "xml-file" => 'x',
        "xml-pipe" => 'p',
        "save-graph" => 'G',
        "save-dotfile" => 'D',
        "save-input" => 'I',
        "save-output" => 'O',
        "show-scores" => 's',
        "show-utilization" => 'U',
        "quiet" => 'Q',
        "verbose" => 'V',
        "run" => 'R',
        "simulate" => 'S',
        "all-actions" => 'a',
        "set-datetime" => 't',
        "quorum" => 'q',
        "node-up" => 'u',
        "node-down" => 'd',
        "node-fail" => 'f',
        "op-inject" => 'i',
        "ticket-grant" => 'g',
        "ticket-revoke" => 'r',
        "ticket-standby" => 'b',
        "ticket-activate" => 'e',
        _ => return None,
    })
}

fn takes_value(letter: char) -> bool {
    "xGDIOtqudfigrbe".contains(letter)
}

fn set_option(options: &mut Options, letter: char, value: Option<String>) -> Result<(), String> {
    let value = if takes_value(letter) {
        value.ok_or_else(|| format!("-{letter} needs a value"))?
    } else {
        String::new()
    };
    let mut event = |event: Event| options.events.push(event);
    match letter {
        'u' => event(Event::NodeUp(value)),
        'd' => event(Event::NodeDown(value)),
        'f' => event(Event::NodeFail(value)),
        'g' => event(Event::Granted(value, true)),
        'r' => event(Event::Granted(value, false)),
        'b' => event(Event::Standby(value, true)),
        'e' => event(Event::Standby(value, false)),
        'i' => event(Event::operation(&value)?),
        'q' => {
            let have =
                cib::value::truth(&value).ok_or_else(|| format!("-q {value}: yes or no?"))?;
            event(Event::Quorum(have));
        }
        'x' => options.input = Some(value.into()),
        'G' => options.graph = Some(value.into()),
        'D' => options.dot = Some(value.into()),
        'I' => options.save_input = Some(value.into()),
        'O' => options.save_output = Some(value.into()),
        't' => {
            options.time =
                Some(WallTime::parse(&value).ok_or_else(|| format!("{value} is no time"))?);
        }
        's' => options.scores = true,
        'U' => options.utilization = true,
        'Q' => options.quiet = true,
        'R' => options.run = true,
        'S' => options.simulate = true,
        'p' => options.input = None,
        'V' | 'a' => {}
        other => return Err(format!("unknown option -{other}")),
    }
    Ok(())
}

/// Does what is asked for; what to print.
///
/// # Errors
/// When the CIB cannot be read or a file cannot be written.
pub fn run(options: &Options, now: WallTime) -> Result<String, String> {
    let (cib, document) = read(options)?;
    let mut text = String::new();
    let mut dated = String::new();
    let given = options.time.or(cib.execution_date);
    if options.time.is_none() && cib.execution_date.is_some() && !options.quiet {
        let time = given.unwrap_or(now).spelled();
        dated = format!("Using the original execution date of: {time}\n");
        text.push_str(&dated);
    }
    let now = given.unwrap_or(now);
    let ask = Ask {
        scores: options.scores,
        reasons: false,
        considered: options.dot.is_some(),
        before: !options.quiet,
    };
    let transition = sched::plan_with(&cib, now, ask);
    if !options.quiet {
        text.push_str(&text::held_back(&transition.before));
        text.push_str(&text::status("Current cluster status:", &transition.before));
    }
    if options.utilization {
        text.push_str(&text::capacities(&transition));
    }
    for line in &transition.scores {
        text.push_str(line);
        text.push('\n');
    }
    save_graphs(options, &transition)?;
    if options.quiet && options.save_output.is_none() {
        return Ok(text);
    }
    let acts = options.simulate || options.run;
    if acts && !options.quiet {
        text.push_str(&text::summary(&transition));
    }
    let Some(mut document) = document else { return Ok(text) };
    execute::apply(&mut document.root, &transition);
    if options.simulate && !options.quiet {
        text.push_str(&text::execution(&transition));
        text.push_str(&dated);
        let after = sched::observe(&Cib::read(&document.root), now);
        text.push_str(&text::status("Revised Cluster Status:", &after));
    }
    if let Some(path) = &options.save_output {
        write(path, &document.to_string())?;
    }
    Ok(text)
}

/// The CIB after all events; its tree, too, where somebody will need it.
fn read(options: &Options) -> Result<(Cib, Option<Document>), String> {
    let (name, text) = input::text(options.input.as_deref())?;
    if options.quiet && options.events.is_empty() && options.saves().is_none() {
        return Ok((input::cib(&name, &text)?, None));
    }
    let mut document = input::document(&name, &text)?;
    for event in &options.events {
        inject::apply(&mut document.root, event);
    }
    if let Some(path) = &options.save_input {
        write(path, &document.to_string())?;
    }
    Ok((Cib::read(&document.root), Some(document)))
}

impl Options {
    /// A file to which a CIB is to be written.
    fn saves(&self) -> Option<&Path> {
        self.save_input.as_deref().or(self.save_output.as_deref())
    }
}

fn save_graphs(options: &Options, transition: &Transition) -> Result<(), String> {
    if let Some(path) = &options.graph {
        let named = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut file = fs::File::create(path).map_err(named)?;
        graph::write(transition, &mut file).map_err(named)?;
    }
    if let Some(path) = &options.dot {
        write(path, &dot::render(transition))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Result<Options, String> {
        let all: Vec<OsString> =
            std::iter::once("crm_simulate").chain(words.iter().copied()).map(Into::into).collect();
        read_options(&all)
    }

    #[test]
    fn the_spellings_of_pcs_and_of_the_suite_are_read() {
        let read = options(&["-x", "in.xml", "-D", "d", "-G", "g", "-sSQ", "-t", "2020-01-01"])
            .expect("options");
        assert!(read.scores && read.simulate && read.quiet);
        assert_eq!(read.graph.as_deref(), Some(Path::new("g")));
        let read = options(&["--simulate", "--save-output=o", "--save-graph", "g", "--xml-pipe"])
            .expect("options");
        assert_eq!((read.save_output.as_deref(), read.input), (Some(Path::new("o")), None));
        assert!(options(&["--what"]).is_err());
        assert!(options(&["-x"]).is_err());
    }

    #[test]
    fn events_are_read() {
        let read =
            options(&["-d", "n1", "--op-inject", "a_b_monitor_10000@n2=7"]).expect("options");
        let wanted = Event::Result("a_b".into(), "monitor".into(), 10_000, "n2".into(), 7);
        assert_eq!(read.events, [Event::NodeDown("n1".into()), wanted]);
        assert!(options(&["-i", "nonsense"]).is_err());
    }
}
