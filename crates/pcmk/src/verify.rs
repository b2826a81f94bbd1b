//! `crm_verify`: whether a CIB is well built, and whether what it says makes sense.
//!
//! The first is the schema's business ([`cib::schema`]); the second are the mistakes that a schema
//! cannot see, by subject: options of the cluster, resources, constraints, and the state the cluster
//! is in. A CIB that the schema refuses is not looked at further.

mod constraints;
mod finding;
mod options;
mod resources;
mod state;

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;

use cib::Cib;
use cib::dates::WallTime;
use cib::schema::{render, validate};
use cib::xml::{self, Element};
use sched::Ask;

use crate::answer::Answer;
use crate::live::Live;

pub use finding::{Finding, Weight};

/// Exit status for a CIB that is not right.
const CONFIG: u8 = 78;
/// Exit status for a command line that is not understood.
const USAGE: u8 = 64;
/// Exit status for an answer that cannot be given where it is wanted.
const OTHER: u8 = 1;
/// Exit status for XML that is no CIB.
const PROTOCOL: u8 = 76;
/// Exit status for a cluster that cannot be asked.
const NO_INPUT: u8 = 66;

/// What is asked for.
#[derive(Debug, Default)]
struct Options {
    input: Option<Input>,
    save: Option<String>,
    /// How often more words were asked for.
    verbose: usize,
    quiet: bool,
    help: bool,
    version: bool,
    answer: Answer,
}

#[derive(Debug)]
enum Input {
    File(String),
    Text(String),
    Pipe,
    Live,
}

/// Runs the command; its exit status.
#[must_use]
pub fn main(arguments: &[OsString], now: WallTime, live: Live<'_>) -> u8 {
    let mut options = match read_options(arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("crm_verify: {error}");
            return USAGE;
        }
    };
    if matches!(options.input, Some(Input::Live)) {
        let named = std::env::var("CIB_file");
        match named.or_else(|_| live().map(|path| path.display().to_string())) {
            Ok(path) => options.input = Some(Input::File(path)),
            Err(error) => {
                eprintln!("crm_verify: {}", error.text);
                return NO_INPUT;
            }
        }
    }
    let (status, text) = match run(&options, now) {
        Ok(text) => (0, text),
        Err((status, error)) => {
            eprintln!("crm_verify: {error}");
            (status, String::new())
        }
    };
    match options.answer.give(&text, arguments, status) {
        Ok(()) => status,
        Err(error) => {
            eprintln!("crm_verify: {error}");
            OTHER
        }
    }
}

fn read_options(arguments: &[OsString]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            let (name, mut value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let letter = match name {
                "xml-file" => 'x',
                "xml-text" => 'X',
                "xml-pipe" => 'p',
                "live-check" => 'L',
                "save-xml" => 'S',
                "verbose" => 'V',
                "quiet" => 'Q',
                "help" | "help-all" => 'h',
                "version" => '$',
                _ => {
                    let mut value = || value.take().or_else(|| words.next());
                    if !options.answer.option(name, &mut value)? {
                        return Err(format!("Unknown option --{name}"));
                    }
                    continue;
                }
            };
            let mut value = || value.take().or_else(|| words.next());
            option(&mut options, letter, &mut value)
                .map_err(|wrong| format!("{wrong} --{name}"))?;
            continue;
        }
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            return Err(format!("{word} is no option"));
        };
        for (at, letter) in letters.char_indices() {
            let rest = &letters[at + letter.len_utf8()..];
            let mut value = || if rest.is_empty() { words.next() } else { Some(rest.to_owned()) };
            let taken = option(&mut options, letter, &mut value)
                .map_err(|wrong| format!("{wrong} -{letter}"))?;
            if taken {
                break;
            }
        }
    }
    Ok(options)
}

/// Notes an option; whether it took a value.
fn option(
    options: &mut Options,
    letter: char,
    value: &mut dyn FnMut() -> Option<String>,
) -> Result<bool, &'static str> {
    let mut value = || value().ok_or("Missing argument for");
    match letter {
        'x' => options.input = Some(Input::File(value()?)),
        'X' => options.input = Some(Input::Text(value()?)),
        'S' => options.save = Some(value()?),
        'p' => options.input = Some(Input::Pipe),
        'L' => options.input = Some(Input::Live),
        'V' => options.verbose += 1,
        'Q' => options.quiet = true,
        'h' => options.help = true,
        '$' => options.version = true,
        _ => return Err("Unknown option"),
    }
    Ok("xXS".contains(letter))
}

/// What to call the input, and its text.
fn source(input: Option<&Input>) -> Result<(String, String), (u8, String)> {
    let file = |path: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.trim_start().starts_with('<') {
            return Ok((path.to_owned(), text));
        }
        Err((1, format!("{path}: cannot be read, or is no XML")))
    };
    match input {
        None | Some(Input::Live) => {
            let error = "which CIB? Name one with -x FILE, -X XML or -p (--help says more)";
            Err((1, error.into()))
        }
        Some(Input::File(path)) => file(path),
        Some(Input::Text(text)) if text.trim_start().starts_with('<') => {
            Ok(("input".to_owned(), text.clone()))
        }
        Some(Input::Text(text)) => Err((1, format!("no XML: {text}"))),
        Some(Input::Pipe) => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            if read.is_err() || !text.trim_start().starts_with('<') {
                return Err((1, "standard input: cannot be read, or is no XML".into()));
            }
            Ok(("input".to_owned(), text))
        }
    }
}

/// What to print, where the CIB is right.
fn run(options: &Options, now: WallTime) -> Result<String, (u8, String)> {
    if options.help {
        return Ok(include_str!("usage/crm_verify.txt").to_owned());
    }
    if options.version {
        let version = env!("CARGO_PKG_VERSION");
        return Ok(format!("mainstay {version} (reads and prints as Pacemaker 2.1.5)\n"));
    }
    let (name, text) = source(options.input.as_ref())?;
    let document = match xml::parse(&text) {
        Ok(document) => document,
        Err(error) => {
            tell(options, Weight::Error, &format!("{name}: {error}"));
            return Err(verdict(options, Weight::Error));
        }
    };
    if document.root.name() != "cib" {
        let found = document.root.name();
        return Err((
            PROTOCOL,
            format!("{name}: <{found}> is no whole CIB; that begins with <cib>"),
        ));
    }
    if let Some(path) = &options.save {
        fs::write(path, document.to_string()).map_err(|error| (1, format!("{path}: {error}")))?;
    }
    let findings = match judge(&name, &text, &document.root, now) {
        Judgement::Refused(report) => {
            if !options.quiet {
                eprint!("{report}");
            }
            tell(options, Weight::Error, "the schema refuses it");
            return Err(verdict(options, Weight::Error));
        }
        Judgement::Read { validated, findings } => {
            if !validated && !options.quiet {
                eprintln!("no schema was asked; name one in validate-with to have mistakes found");
            }
            findings
        }
    };
    for finding in &findings {
        tell(options, finding.weight, &finding.text);
    }
    let counted = findings.iter().map(|it| it.weight).filter(|it| *it != Weight::Trouble);
    match counted.min() {
        None => Ok(String::new()),
        Some(worst) => Err(verdict(options, worst)),
    }
}

fn tell(options: &Options, weight: Weight, text: &str) {
    match weight {
        Weight::Error | Weight::Trouble if options.verbose > 0 => eprintln!("error: {text}"),
        Weight::Warning if options.verbose > 1 => eprintln!("warning: {text}"),
        _ => {}
    }
}

fn verdict(options: &Options, worst: Weight) -> (u8, String) {
    let said = match worst {
        Weight::Warning => "the configuration may not do what it says",
        Weight::Error | Weight::Trouble => "the configuration is not right",
    };
    let more = if options.verbose > 0 { "" } else { " (-V says why)" };
    (CONFIG, format!("{said}{more}"))
}

/// What came of looking at a CIB.
pub enum Judgement {
    /// The schema refuses it; why.
    Refused(String),
    /// It could be looked at.
    Read {
        /// Whether a schema was asked.
        validated: bool,
        /// What is wrong with it.
        findings: Vec<Finding>,
    },
}

/// Looks at a CIB: first with its schema, then at what it says.
#[must_use]
pub fn judge(name: &str, text: &str, root: &Element, now: WallTime) -> Judgement {
    let schema = root.get("validate-with");
    let schema = schema.filter(|schema| !matches!(*schema, "none" | "pacemaker-next"));
    if schema.is_some() {
        let report = validate(root);
        if !report.is_valid() {
            return Judgement::Refused(render(name, text, &report));
        }
    }
    Judgement::Read { validated: schema.is_some(), findings: mistakes(root, now) }
}

/// What a CIB says but makes no sense, and what is wrong with the cluster it describes.
#[must_use]
pub fn mistakes(root: &Element, now: WallTime) -> Vec<Finding> {
    let cib = Cib::read(root);
    let now = cib.execution_date.unwrap_or(now);
    let plan = sched::plan_with(&cib, now, Ask { considered: true, ..Ask::default() });
    let actions: Vec<String> = plan.considered.iter().map(|it| it.name.clone()).collect();
    let configuration = root.child("configuration");
    let config = configuration.and_then(|it| it.child("crm_config"));
    let fencing = options::fencing(config);
    let mut found = finding::Findings::default();
    options::check(config, &mut found);
    let around = resources::Surroundings { configuration, fencing, actions: &actions };
    resources::check(&around, &mut found);
    constraints::check(configuration, fencing, &mut found);
    state::check(root, &plan, &mut found);
    found.list()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(inside: &str) -> Vec<String> {
        let text = format!(
            "<cib><configuration><crm_config><cluster_property_set id='s'><nvpair id='n' \
             name='stonith-enabled' value='false'/></cluster_property_set></crm_config>\
             <nodes/>{inside}</configuration><status/></cib>"
        );
        let found = mistakes(&xml::parse(&text).expect("a CIB").root, WallTime(0));
        found.into_iter().map(|it| it.text).collect()
    }

    #[test]
    fn what_a_schema_cannot_see_is_found() {
        let primitive = |ops: &str| {
            format!(
                "<resources><primitive id='a' class='ocf' provider='p' type='t'><operations>{ops}\
                 </operations></primitive></resources>"
            )
        };
        let one = "<op id='x' name='monitor' interval='10'/>";
        assert_eq!(of(&primitive(one)), Vec::<String>::new());
        let two =
            "<op id='x' name='monitor' interval='10'/><op id='y' name='monitor' interval='10s'/>";
        assert!(of(&primitive(two))[0].contains("operation y says again what x says"));
        let order = "<constraints><rsc_order id='o' first='a' then='b' kind='foo'/></constraints>";
        assert!(of(order)[0].contains("`foo`"));
    }

    #[test]
    fn options_are_read_together_and_apart() {
        let read = |words: &[&str]| {
            let all: Vec<OsString> = std::iter::once("crm_verify")
                .chain(words.iter().copied())
                .map(Into::into)
                .collect();
            read_options(&all)
        };
        assert!(
            matches!(read(&["-x", "f"]).expect("read").input, Some(Input::File(it)) if it == "f")
        );
        assert!(matches!(read(&["--xml-file=f"]).expect("read").input, Some(Input::File(_))));
        assert_eq!(read(&["-VVx", "f"]).expect("read").verbose, 2);
        assert!(read(&["-Y"]).is_err() && read(&["-x"]).is_err());
    }
}
