//! `mainstay check` and `keepalived -t`: what is wrong with a file, all at once.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use crate::control::files;
use crate::control::shelf::Reading;
use crate::exit::Exit;

/// Checks the file; the report goes to standard error, or to the file `to`.
pub(crate) fn check(file: &Path, reading: &Reading, to: Option<&Path>) -> Exit {
    let color = to.is_none() && io::stderr().is_terminal() && !no_color();
    let (report, exit) = match files::load(file, reading, color) {
        // A file with nothing to say about it still deserves an answer.
        Ok(loaded) if loaded.remarks.is_empty() => {
            (format!("{}: no errors, no warnings; usable\n", file.display()), Exit::Ok)
        }
        Ok(loaded) => (loaded.remarks, Exit::Ok),
        Err(refused) => (refused.report().to_string(), Exit::CheckFailed),
    };
    match to {
        None => eprint!("{report}"),
        Some(path) => {
            if let Err(error) = fs::write(path, report) {
                eprintln!("error: cannot write {}: {error}", path.display());
                return Exit::Fatal;
            }
        }
    }
    exit
}

/// <https://no-color.org>: set and not empty.
pub(crate) fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
