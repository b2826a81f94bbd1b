//! `mainstay cib`: look at, compare, check and change a CIB in a file; without a file, the cluster's
//! (`cluster`).
//!
//! Thin: reading and writing files is here, everything else in the room `cib`. A file is replaced
//! whole or not at all, and keeps its mode and owner's rights.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use ::cib::edit::{self, Operation, Scope};
use ::cib::patch::{Patch, diff};
use ::cib::schema::{render, validate};
use ::cib::upgrade::{raised, upgrade};
use ::cib::xml::{Document, Element, parse};
use ::cib::xpath::{Part, XPath};
use ui::cli::{CibArgs, CibCommand, Place};

use crate::cluster;
use crate::exit::Exit;

/// Does what was asked; errors go to standard error.
pub(crate) fn main(args: &CibArgs) -> Exit {
    let result = match &args.command {
        CibCommand::Query { file: Some(file), place, .. } => query(file, place),
        CibCommand::Query { file: None, place, ask } => cluster::query(ask, place),
        CibCommand::Replace { first, second: Some(with), place, .. } => replace(first, with, place),
        CibCommand::Replace { first, second: None, place, ask } => {
            read(first).and_then(|(text, _)| cluster::replace(ask, place, text))
        }
        CibCommand::Patch { first, second: Some(patch), .. } => apply(first, patch),
        CibCommand::Patch { first, second: None, ask } => {
            read(first).and_then(|(text, _)| cluster::patch(ask, text))
        }
        CibCommand::Diff { old, new, no_version } => compare(old, new, !no_version),
        CibCommand::Validate { file } => check(file),
        CibCommand::Upgrade { file } => bring_up(file),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        Exit::Fatal
    })
}

fn query(file: &Path, place: &Place) -> Result<Exit, String> {
    let root = read(file)?.1.root;
    let path = xpath(place)?;
    let found = edit::query(&root, scope(place)?, path.as_ref()).map_err(|it| it.to_string())?;
    let mut out = String::new();
    for it in found {
        match it.part {
            Part::Whole => out.push_str(&it.element.pretty()),
            Part::Attribute(_, value) => out.push_str(&format!("{value}\n")),
            Part::Text(text) | Part::Comment(text) => out.push_str(&format!("{text}\n")),
        }
    }
    print(&out)
}

fn replace(file: &Path, with: &Path, place: &Place) -> Result<Exit, String> {
    let object = read(with)?.1.root;
    let operation = match xpath(place)? {
        Some(path) => Operation::ReplaceAt(path, object),
        None => Operation::Replace(scope(place)?, object),
    };
    change(file, &operation)
}

fn apply(file: &Path, patch: &Path) -> Result<Exit, String> {
    let root = read(patch)?.1.root;
    let patch = Patch::from_xml(&root).map_err(|it| format!("{}: {it}", patch.display()))?;
    change(file, &Operation::Patch(patch))
}

fn compare(old: &Path, new: &Path, versions: bool) -> Result<Exit, String> {
    let (old, new) = (read(old)?.1.root, read(new)?.1.root);
    let mut patch = diff(&old, &new, versions).map_err(|it| it.to_string())?;
    if patch.is_empty() {
        return Ok(Exit::Ok);
    }
    if versions {
        patch.digest = Some(::cib::digest::of_cib(&new));
    }
    print(&patch.to_xml().pretty())
}

fn check(file: &Path) -> Result<Exit, String> {
    let (text, document) = read(file)?;
    let report = validate(&document.root);
    let name = file.display().to_string();
    if report.is_valid() {
        let schema = document.root.get("validate-with").unwrap_or_default();
        eprintln!("{name}: valid by {schema}");
        return Ok(Exit::Ok);
    }
    eprint!("{}", render(&name, &text, &report));
    Ok(Exit::CheckFailed)
}

fn bring_up(file: &Path) -> Result<Exit, String> {
    let (text, document) = read(file)?;
    let name = file.display().to_string();
    match upgrade(&document.root).and_then(raised) {
        Ok(upgraded) => {
            for note in &upgraded.notes {
                eprintln!("note: {note}");
            }
            eprintln!("{name}: {} to {}", upgraded.from, upgraded.to);
            write(file, document, upgraded.root)
        }
        Err(error) => {
            use ::cib::upgrade::Error;
            if let Error::Invalid { report, .. } | Error::Result { report, .. } = &error {
                eprint!("{}", render(&name, &text, report));
            }
            Err(error.to_string())
        }
    }
}

fn change(file: &Path, operation: &Operation) -> Result<Exit, String> {
    let document = read(file)?.1;
    let root = edit::perform(&document.root, operation)
        .map_err(|it| format!("{} was left as it is: {it}", file.display()))?;
    write(file, document, root)
}

/// Puts the new root into its document and that into the file, or to standard output for `-`.
fn write(file: &Path, mut document: Document, root: Element) -> Result<Exit, String> {
    document.root = Element::new("cib");
    let empty = document.to_string();
    let around = empty.split_once("<cib/>").unwrap_or_default();
    let text = format!("{}{}{}\n", around.0, root.pretty().trim_end(), around.1.trim_end());
    if file == Path::new("-") {
        return print(&text);
    }
    let fail = |error: io::Error| format!("cannot write {}: {error}", file.display());
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = Path::new(&beside);
    let rights = fs::metadata(file).map_err(fail)?.permissions();
    let written = fs::File::create_new(beside).and_then(|mut new| {
        new.set_permissions(rights)?;
        new.write_all(text.as_bytes())?;
        new.sync_all()?;
        fs::rename(beside, file)
    });
    if written.is_err() {
        // Nothing is lost if it cannot be removed either.
        let _ = fs::remove_file(beside);
    }
    written.map_err(fail)?;
    Ok(Exit::Ok)
}

fn read(file: &Path) -> Result<(String, Document), String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        fs::read_to_string(file).map(|it| text = it)
    };
    read.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let document = parse(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok((text, document))
}

fn scope(place: &Place) -> Result<Scope, String> {
    let Some(name) = &place.scope else { return Ok(Scope::CIB) };
    Scope::named(name).ok_or_else(|| {
        let names: Vec<&str> = edit::SCOPES.iter().map(|(name, _)| *name).collect();
        format!("there is no scope `{name}`; there are: {}", names.join(", "))
    })
}

fn xpath(place: &Place) -> Result<Option<XPath>, String> {
    place.xpath.as_deref().map(XPath::parse).transpose().map_err(|it| it.to_string())
}

/// A reader that has seen enough is no error.
pub(crate) fn print(text: &str) -> Result<Exit, String> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(Exit::Ok),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;
    use ui::cli::{Cli, Command};

    const CIB: &str = "<?xml version=\"1.0\"?>\n<!-- ours -->\n<cib crm_feature_set=\"3.16.1\" validate-with=\"pacemaker-3.9\" epoch=\"5\" num_updates=\"3\" admin_epoch=\"0\"><configuration><crm_config/><nodes><node id=\"1\" uname=\"n1\"/></nodes><resources/><constraints/></configuration><status/></cib>\n";

    fn run(words: &[&str]) -> Exit {
        let words = ["mainstay", "cib"].iter().chain(words);
        let Command::Cib(args) = Cli::try_parse_from(words).expect("understood").command else {
            panic!("another command")
        };
        main(&args)
    }

    #[test]
    fn a_file_is_changed_by_a_patch_and_by_a_replacement() {
        let dir = std::env::temp_dir().join(format!("mainstay-cib-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let file = |name: &str, text: &str| {
            let path = dir.join(name);
            fs::write(&path, text).expect("written");
            path.to_string_lossy().into_owned()
        };
        let cib = file("cib.xml", CIB);
        let new = CIB.replace("epoch=\"5\" num_updates=\"3\"", "epoch=\"6\" num_updates=\"0\"");
        let new = parse(&new.replace("n1", "n2")).expect("xml").root;
        let old = parse(CIB).expect("xml").root;
        let patch = diff(&old, &new, true).expect("alike").to_xml().to_string();
        let patch = file("patch.xml", &patch);
        assert_eq!(run(&["validate", &cib]), Exit::Ok);
        assert_eq!(run(&["patch", &cib, &patch]), Exit::Ok);
        let text = fs::read_to_string(&cib).expect("there");
        assert!(text.starts_with("<?xml version=\"1.0\"?>\n<!-- ours -->\n<cib "), "{text}");
        assert!(text.contains("epoch=\"7\" num_updates=\"0\""), "{text}");
        assert!(text.contains("uname=\"n2\""), "{text}");
        // A patch fits once, and what is refused changes nothing.
        assert_eq!(run(&["patch", &cib, &patch]), Exit::Fatal);
        let nodes = file("nodes.xml", "<nodes><node id=\"1\"/></nodes>");
        assert_eq!(run(&["replace", &cib, &nodes, "--scope", "nodes"]), Exit::Fatal);
        assert_eq!(fs::read_to_string(&cib).expect("there"), text);
        let nodes = file("nodes.xml", "<nodes/>");
        assert_eq!(run(&["replace", &cib, &nodes, "--scope", "nodes"]), Exit::Ok);
        assert!(fs::read_to_string(&cib).expect("there").contains("<nodes/>"));
        assert_eq!(run(&["query", &cib, "--xpath", "//node"]), Exit::Fatal);
        assert_eq!(run(&["query", &cib, "--scope", "nodes"]), Exit::Ok);
        assert_eq!(run(&["query", &cib, "--scope", "nose"]), Exit::Fatal);
        let bad = file("bad.xml", &CIB.replace("uname", "name"));
        assert_eq!(run(&["validate", &bad]), Exit::CheckFailed);
        let left: Vec<_> =
            fs::read_dir(&dir).expect("there").flatten().map(|it| it.file_name()).collect();
        assert_eq!(left.len(), 4, "{left:?}");
        fs::remove_dir_all(&dir).expect("removed");
    }
}
