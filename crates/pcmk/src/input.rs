//! A CIB from a file or from standard input.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use cib::Cib;
use cib::xml::{self, Document};

/// What to call it, and its text; `-` and nothing are standard input.
pub(crate) fn text(path: Option<&Path>) -> Result<(String, String), String> {
    match path {
        Some(path) if path != Path::new("-") => {
            let name = path.display().to_string();
            let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
            Ok((name, text))
        }
        _ => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| format!("input: {error}"))?;
            Ok(("input".to_owned(), text))
        }
    }
}

/// The document of a text.
pub(crate) fn document(name: &str, text: &str) -> Result<Document, String> {
    let document = xml::parse(text).map_err(|error| format!("{name}: {error}"))?;
    wanted(name, document.root.name())?;
    Ok(document)
}

/// What a text says, where its tree is not needed.
pub(crate) fn cib(name: &str, text: &str) -> Result<Cib, String> {
    let cib = Cib::parse(text).map_err(|error| format!("{name}: {error}"))?;
    wanted(name, &cib.root)?;
    Ok(cib)
}

fn wanted(name: &str, root: &str) -> Result<(), String> {
    if root == "cib" { Ok(()) } else { Err(format!("{name}: this is a <{root}>, not a <cib>")) }
}
