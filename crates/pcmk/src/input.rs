//! A CIB from a file or from standard input.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use cib::Cib;
use cib::schema::admit;
use cib::xml::{self, Document, Element};

use crate::failure::Failure;

/// What to call it, and its text; `-` and nothing are standard input.
pub(crate) fn text(path: Option<&Path>) -> Result<(String, String), Failure> {
    match path {
        Some(path) if path != Path::new("-") => {
            let name = path.display().to_string();
            let text =
                fs::read_to_string(path).map_err(|error| Failure::unreadable(&name, &error))?;
            Ok((name, text))
        }
        _ => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| Failure::unreadable("input", &error))?;
            Ok(("input".to_owned(), text))
        }
    }
}

/// The document of a text.
pub(crate) fn document(name: &str, text: &str) -> Result<Document, Failure> {
    let document = xml::parse(text).map_err(|error| Failure::unreadable(name, &error))?;
    wanted(name, text, &document.root)?;
    Ok(document)
}

/// What a CIB says, and its tree without the histories.
pub(crate) fn cib(path: Option<&Path>) -> Result<(Cib, Element), Failure> {
    if let Some(found) = path.and_then(in_pieces) {
        return Ok(found);
    }
    let (name, text) = text(path)?;
    let read = Cib::parse_with_tree(&text).map_err(|error| Failure::unreadable(&name, &error))?;
    wanted(&name, &text, &read.1)?;
    Ok(read)
}

/// The same of a file that is as it should be, without having all of its text at once.
fn in_pieces(path: &Path) -> Option<(Cib, Element)> {
    let is_file = fs::metadata(path).is_ok_and(|it| it.is_file());
    let mut file = is_file.then(|| fs::File::open(path).ok()).flatten()?;
    let found = Cib::parse_pieces(|room| file.read(room).ok())?;
    (found.1.name() == "cib" && admit(&found.1).is_ok()).then_some(found)
}

/// Whether planning is for such a document: a CIB that follows its schema. Histories belong to the
/// status, of which no schema says anything.
fn wanted(name: &str, text: &str, root: &Element) -> Result<(), Failure> {
    if root.name() != "cib" {
        return Err(Failure::no_cib(name, root.name()));
    }
    admit(root).map_err(|refusal| Failure::invalid(name, text, &refusal))
}
