//! `crm_verify`: whether a CIB is well built, and whether what it says makes sense.
//!
//! The first is the schema's business, the second that of [`sense`]. Exit statuses are those of
//! Pacemaker's tool; the words are ours.

pub mod sense;

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;

use cib::dates::WallTime;
use cib::schema::{render, validate};
use cib::xml;

use self::sense::{Weight, findings};

/// Exit status for a CIB that is not right.
const CONFIG: u8 = 78;
/// Exit status for a command line that is not understood.
const USAGE: u8 = 64;
/// Exit status for input that is no CIB.
const PROTOCOL: u8 = 76;

#[derive(Debug, Default)]
struct Options {
    input: Option<Input>,
    save: Option<String>,
    verbose: bool,
    help: bool,
    version: bool,
}

#[derive(Debug)]
enum Input {
    File(String),
    Text(String),
    Pipe,
}

/// Runs the command; its exit status.
#[must_use]
pub fn main(arguments: &[OsString], now: WallTime) -> u8 {
    match read_options(arguments).map_err(|error| (USAGE, error)).and_then(|it| run(&it, now)) {
        Ok(()) => 0,
        Err((status, error)) => {
            eprintln!("crm_verify: {error}");
            status
        }
    }
}

fn read_options(arguments: &[OsString]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        let (name, mut attached) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.into())),
            _ if word.starts_with('-') && !word.starts_with("--") && word.chars().count() > 2 => {
                let split = word.char_indices().nth(2).map_or(word.len(), |(at, _)| at);
                let rest = word[split..].to_owned();
                if rest.chars().all(|letter| letter == 'V') {
                    options.verbose = true;
                    (word[..split].to_owned(), None)
                } else {
                    (word[..split].to_owned(), Some(rest))
                }
            }
            _ => (word.clone(), None),
        };
        let mut value =
            || attached.take().or_else(|| words.next()).ok_or(format!("{name} needs a value"));
        match name.as_str() {
            "-x" | "--xml-file" => options.input = Some(Input::File(value()?)),
            "-X" | "--xml-text" => options.input = Some(Input::Text(value()?)),
            "-S" | "--save-xml" => options.save = Some(value()?),
            "-p" | "--xml-pipe" => options.input = Some(Input::Pipe),
            "-L" | "--live-check" => {
                let path = std::env::var("CIB_file").map_err(
                    |_| "-L: no cluster is running here; name a CIB with -x FILE or in CIB_file",
                )?;
                options.input = Some(Input::File(path));
            }
            "-V" | "--verbose" => options.verbose = true,
            "-h" | "--help" | "--help-all" => options.help = true,
            "-$" | "--version" => options.version = true,
            other => return Err(format!("{other} is no option of this tool (--help has them)")),
        }
    }
    Ok(options)
}

fn run(options: &Options, now: WallTime) -> Result<(), (u8, String)> {
    if options.help {
        print!("{}", include_str!("../usage/crm_verify.txt"));
        return Ok(());
    }
    if options.version {
        println!("mainstay {} (reads and prints as Pacemaker 2.1.5)", env!("CARGO_PKG_VERSION"));
        return Ok(());
    }
    let (name, text) = match &options.input {
        None => {
            let error = "which CIB? Name one with -x FILE, -p or -X XML (--help says more)";
            return Err((1, error.into()));
        }
        Some(Input::File(path)) => {
            let text = fs::read_to_string(path).map_err(|error| (1, format!("{path}: {error}")))?;
            (path.clone(), text)
        }
        Some(Input::Text(text)) => ("input".to_owned(), text.clone()),
        Some(Input::Pipe) => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| (1, format!("standard input: {error}")))?;
            ("input".to_owned(), text)
        }
    };
    let document = xml::parse(&text).map_err(|error| (CONFIG, format!("{name}: {error}")))?;
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
    let mut worst = None;
    if document.root.get("validate-with") == Some("none") {
        eprintln!("validate-with is none: no schema was asked; name one to have mistakes found");
    } else {
        let report = validate(&document.root);
        if !report.is_valid() {
            worst = Some(Weight::Error);
            eprint!("{}", render(&name, &text, &report));
        }
    }
    let found = findings(&document.root, now);
    worst = worst.max(found.iter().map(|it| it.weight).max());
    if options.verbose {
        for finding in &found {
            eprintln!("{}: {}", finding.weight.word(), finding.text);
        }
    }
    let verdict = match worst {
        None | Some(Weight::Note) => return Ok(()),
        Some(Weight::Warning) => "the configuration may not do what it says",
        Some(Weight::Error) => "the configuration is not right",
    };
    let more = if options.verbose { "" } else { " (-V says why)" };
    Err((CONFIG, format!("{verdict}{more}")))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(read(&["-VV"]).expect("read").verbose);
        assert!(read(&["-Y"]).is_err() && read(&["-x"]).is_err());
    }
}
