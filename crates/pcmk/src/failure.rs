//! What went wrong, and the exit status it ends with.
//!
//! Scripts ask `crm_simulate` by its status, so the same mistakes end with the same numbers as with
//! Pacemaker 2.1.5; the words are ours. Whatever that version has no number of its own for ends
//! with 1.

use std::fmt;
use std::io;
use std::path::Path;

use cib::schema::{Refusal, render};

/// Nothing more precise is known.
const OTHER: u8 = 1;
/// There are no rights to write a CIB there.
const NO_RIGHTS: u8 = 4;
/// A command line that is not understood.
const USAGE: u8 = 64;
/// What was read is XML, but no CIB.
const NO_CIB: u8 = 66;
/// What was to be read cannot be, or is no XML.
const UNREADABLE: u8 = 70;
/// A graph or a picture cannot be written.
const NOT_WRITTEN: u8 = 74;
/// Its schema refuses a CIB.
const INVALID: u8 = 78;
/// A CIB is to be written to a place that does not exist.
const NO_PLACE: u8 = 105;

/// An error with the exit status of the command that met it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How the command ends.
    pub status: u8,
    /// What to say about it.
    pub text: String,
}

impl Failure {
    /// The command line was not understood.
    #[must_use]
    pub fn usage(text: String) -> Self {
        Self { status: USAGE, text }
    }

    /// `name` cannot be read, or is no XML.
    pub(crate) fn unreadable(name: &str, why: &dyn fmt::Display) -> Self {
        Self { status: UNREADABLE, text: format!("{name}: {why}") }
    }

    /// The document `name` has another root than `<cib>`.
    pub(crate) fn no_cib(name: &str, root: &str) -> Self {
        Self { status: NO_CIB, text: format!("{name}: this is a <{root}>, not a <cib>") }
    }

    /// The CIB `name` does not follow its schema.
    pub(crate) fn invalid(name: &str, text: &str, refusal: &Refusal) -> Self {
        let text = format!("{name}: {}\n{}", refusal.why, render(name, text, &refusal.report));
        Self { status: INVALID, text: text.trim_end().to_owned() }
    }

    /// A graph or picture was not written.
    pub(crate) fn graph(path: &Path, why: &io::Error) -> Self {
        Self { status: NOT_WRITTEN, text: format!("{}: {why}", path.display()) }
    }

    /// A CIB was not written.
    pub(crate) fn saving(path: &Path, why: &io::Error) -> Self {
        let status = match why.kind() {
            io::ErrorKind::NotFound => NO_PLACE,
            io::ErrorKind::PermissionDenied => NO_RIGHTS,
            _ => OTHER,
        };
        Self { status, text: format!("{}: {why}", path.display()) }
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self { status: OTHER, text }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unwritten_cib_ends_by_what_kept_it_from_being_written() {
        let ends = |kind: io::ErrorKind| Failure::saving(Path::new("x"), &kind.into()).status;
        assert_eq!(ends(io::ErrorKind::NotFound), 105);
        assert_eq!(ends(io::ErrorKind::PermissionDenied), 4);
        assert_eq!(ends(io::ErrorKind::IsADirectory), 1);
    }
}
