//! The command line of `crm_simulate`: its letters, its words, and what they ask for.

use std::ffi::OsString;
use std::path::PathBuf;

use cib::dates::WallTime;

use crate::answer::Answer;
use crate::inject::{Event, OpResult};

/// What is asked for.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Options {
    /// The CIB; standard input if none.
    pub input: Option<PathBuf>,
    /// The CIB of the cluster that runs here.
    pub live: bool,
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
    /// The present as it was given.
    pub time_text: Option<String>,
    /// What happens before planning.
    pub events: Vec<Event>,
    /// What goes wrong while the plan is carried out.
    pub failures: Vec<OpResult>,
    /// Draw also what will not be done.
    pub all_actions: bool,
    /// Store the outcome where the input came from.
    pub in_place: bool,
    /// Show the attributes of the nodes.
    pub attributes: bool,
    /// Show the failure counts.
    pub fail_counts: bool,
    /// Only say the version.
    pub version: bool,
    /// Only say the options.
    pub help: bool,
    /// Where to answer.
    pub answer: Answer,
}

impl Options {
    /// Whether anything asked for needs a plan.
    #[must_use]
    pub fn plans(&self) -> bool {
        self.run
            || self.scores
            || self.utilization
            || self.graph.is_some()
            || self.dot.is_some()
            || self.carries_out()
    }

    /// Whether the document itself is changed before planning or written afterwards, so that all
    /// of it has to be kept.
    #[must_use]
    pub fn needs_document(&self) -> bool {
        let changed = !self.events.is_empty() || !self.failures.is_empty() || self.in_place;
        changed || self.save_input.is_some() || self.save_output.is_some()
    }

    /// Whether the plan is carried out on paper.
    #[must_use]
    pub fn carries_out(&self) -> bool {
        self.simulate || self.in_place || self.save_output.is_some()
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
            let Some(letter) = letter_of(name) else {
                let mut attached = attached;
                let mut value = || {
                    attached.take().or_else(|| {
                        at += 1;
                        words.get(at - 1).cloned()
                    })
                };
                if !options.answer.option(name, &mut value)? {
                    return Err(format!("Unknown option --{name}"));
                }
                if options.answer.is_xml() {
                    return Err("--output-as xml: what would be done is told as text only; \
                                the graph is XML (--save-graph)"
                        .into());
                }
                continue;
            };
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
        if letters.is_empty() {
            return Err("- is no option".into());
        }
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
    options.events.sort_by_key(Event::rank);
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
        "op-fail" => 'F',
        "watchdog" => 'w',
        "in-place" => 'X',
        "show-attrs" => 'A',
        "show-failcounts" => 'c',
        "version" => '$',
        "help" | "help-all" => 'h',
        "live-check" => 'L',
        "profile" => 'P',
        "repeat" => 'N',
        "pending" => 'j',
        _ => return None,
    })
}

fn takes_value(letter: char) -> bool {
    "xGDIOtqudfigrbeFwPN".contains(letter)
}

fn set_option(options: &mut Options, letter: char, value: Option<String>) -> Result<(), String> {
    let value = if takes_value(letter) {
        value.ok_or_else(|| format!("Missing argument for -{letter}"))?
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
        'i' => event(Event::Result(OpResult::parse(&value)?)),
        'F' => options.failures.push(OpResult::parse(&value)?),
        'w' => event(Event::Watchdog(value)),
        'q' => event(Event::Quorum(value)),
        'x' => options.input = Some(value.into()),
        'G' => options.graph = Some(value.into()),
        'D' => options.dot = Some(value.into()),
        'I' => options.save_input = Some(value.into()),
        'O' => options.save_output = Some(value.into()),
        't' => {
            options.time =
                Some(WallTime::parse(&value).ok_or_else(|| format!("{value} is no time"))?);
            options.time_text = Some(value);
        }
        's' => options.scores = true,
        'U' => options.utilization = true,
        'Q' => options.quiet = true,
        'R' => options.run = true,
        'S' => options.simulate = true,
        'p' => options.input = None,
        'a' => options.all_actions = true,
        'X' => options.in_place = true,
        'A' => options.attributes = true,
        'c' => options.fail_counts = true,
        '$' => options.version = true,
        'h' => options.help = true,
        // What is pending is always told.
        'V' | 'j' => {}
        'L' => {
            options.input = std::env::var_os("CIB_file").map(Into::into);
            options.live = options.input.is_none();
        }
        'P' | 'N' => {
            return Err(format!("-{letter}: timing many files is `cargo xtask bench sched`"));
        }
        other => return Err(format!("Unknown option -{other}")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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
        let read = options(&["--output-as=text", "--output-to", "o", "-S"]).expect("options");
        assert!(read.simulate && read.answer != Answer::default());
        assert!(options(&["--output-as", "xml"]).is_err() && options(&["--output-to"]).is_err());
        assert!(options(&["--what"]).is_err());
        assert!(options(&["-x"]).is_err());
    }

    #[test]
    fn events_are_read() {
        let read =
            options(&["-d", "n1", "--op-inject", "a_b_monitor_10000@n2=7"]).expect("options");
        let wanted = OpResult::parse("a_b_monitor_10000@n2=7").expect("an operation");
        assert_eq!(read.events, [Event::NodeDown("n1".into()), Event::Result(wanted)]);
        let read = options(&["-u", "n2", "-q", "1", "-F", "a_start_0@n1=1"]).expect("options");
        assert_eq!(read.events, [Event::Quorum("1".into()), Event::NodeUp("n2".into())]);
        assert_eq!(read.failures.len(), 1);
        assert!(options(&["-i", "nonsense"]).is_err());
    }
}
