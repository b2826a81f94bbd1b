//! `crm_verify`: whether a CIB is well built, and whether what it says makes sense.
//!
//! The first is the schema's business; the second are the mistakes that a schema cannot see: two
//! operations that cannot be told apart, orders of a kind that does not exist, fencing asked for
//! that nothing can do, resources that are active in more places than they may be.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;

use cib::Cib;
use cib::dates::WallTime;
use cib::schema::{render, validate};
use cib::value::{milliseconds, truth};
use cib::xml::{self, Element};
use sched::Shape;

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
            other => return Err(format!("Unknown option {other}")),
        }
    }
    Ok(options)
}

fn run(options: &Options, now: WallTime) -> Result<(), (u8, String)> {
    if options.help {
        print!("{}", include_str!("usage/crm_verify.txt"));
        return Ok(());
    }
    if options.version {
        println!("mainstay {} (reads and prints as Pacemaker 2.1.5)", env!("CARGO_PKG_VERSION"));
        return Ok(());
    }
    let (name, text) = match &options.input {
        None => {
            let error = "No configuration source specified.  Use --help for usage information.";
            return Err((1, error.into()));
        }
        Some(Input::File(path)) => {
            let text = fs::read_to_string(path)
                .map_err(|error| (1, format!("Couldn't parse input file: {path} ({error})")))?;
            (path.clone(), text)
        }
        Some(Input::Text(text)) => ("input".to_owned(), text.clone()),
        Some(Input::Pipe) => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| (1, format!("Couldn't parse input from STDIN. ({error})")))?;
            ("input".to_owned(), text)
        }
    };
    let document = xml::parse(&text).map_err(|error| (PROTOCOL, format!("{name}: {error}")))?;
    if document.root.name() != "cib" {
        let error =
            "This tool can only check complete configurations (i.e. those starting with <cib>).";
        return Err((PROTOCOL, error.into()));
    }
    if let Some(path) = &options.save {
        fs::write(path, document.to_string()).map_err(|error| (1, format!("{path}: {error}")))?;
    }
    let mut wrong = false;
    if document.root.get("validate-with") == Some("none") {
        eprintln!(
            "Schema validation of configuration is disabled (enabling is encouraged and prevents common misconfigurations)"
        );
    } else {
        let report = validate(&document.root);
        if !report.is_valid() {
            wrong = true;
            eprint!("{}", render(&name, &text, &report));
        }
    }
    let mistakes = mistakes(&document.root, now);
    wrong |= !mistakes.is_empty();
    if options.verbose {
        for mistake in &mistakes {
            eprintln!("error: {mistake}");
        }
    }
    if !wrong {
        return Ok(());
    }
    let more = if options.verbose { "" } else { "\n-V may provide more details" };
    Err((CONFIG, format!("Errors found during check: config not valid{more}")))
}

/// What is said but makes no sense.
#[must_use]
pub fn mistakes(root: &Element, now: WallTime) -> Vec<String> {
    let mut found = Vec::new();
    let configuration = root.child("configuration");
    let all = || configuration.into_iter().flat_map(Element::descend);
    for list in all().filter(|it| it.name() == "operations") {
        let mut known: HashMap<(&str, i64), &str> = HashMap::new();
        for op in list.named("op") {
            let interval = op.get("interval").and_then(milliseconds).unwrap_or(0);
            let id = op.id().unwrap_or_default();
            let key = (op.get("name").unwrap_or_default(), interval);
            if let Some(first) = known.insert(key, id).filter(|_| interval > 0) {
                found.push(format!(
                    "Operation {id} is duplicate of {first} (do not use same name and interval combination more than once per resource)"
                ));
            }
        }
    }
    for order in all().filter(|it| it.name() == "rsc_order") {
        let kinds = ["mandatory", "optional", "serialize"];
        let kind = order.get("kind").filter(|kind| !kinds.contains(&&*kind.to_lowercase()));
        if let Some(kind) = kind {
            found.push(format!(
                "Resetting 'kind' for constraint {} to 'Mandatory' because '{kind}' is not valid",
                order.id().unwrap_or_default()
            ));
        }
    }
    let resources = configuration.and_then(|it| it.child("resources"));
    let primitives: Vec<&Element> = resources
        .into_iter()
        .flat_map(Element::descend)
        .filter(|it| it.name() == "primitive")
        .collect();
    let mut fences = all().filter(|it| it.get("name") == Some("stonith-enabled"));
    let fencing = fences.find_map(|it| truth(it.get("value")?)).unwrap_or(true);
    let device = primitives
        .iter()
        .any(|it| it.get("class") == Some("stonith") || it.get("template").is_some());
    if fencing && !primitives.is_empty() && !device {
        found.push(
            "Resource start-up disabled since no STONITH resources have been defined; either configure some or disable STONITH with the stonith-enabled option".into(),
        );
    }
    let seen = sched::observe(&Cib::read(root), now);
    for resource in &seen.resources {
        let places = resource.running_on.len();
        if resource.shape == Shape::Primitive && places > 1 {
            found.push(format!(
                "{} resource {} might be active on {places} nodes",
                resource.class, resource.id
            ));
        }
    }
    found
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
        mistakes(&xml::parse(&text).expect("a CIB").root, WallTime(0))
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
        assert!(of(&primitive(two))[0].contains("y is duplicate of x"));
        let order = "<constraints><rsc_order id='o' first='a' then='b' kind='foo'/></constraints>";
        assert!(of(order)[0].contains("'foo'"));
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
        assert!(read(&["-VV"]).expect("read").verbose);
        assert!(read(&["-Y"]).is_err() && read(&["-x"]).is_err());
    }
}
