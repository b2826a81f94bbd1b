//! `mainstay check` and `keepalived -t`: what is wrong with a file, all at once.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use crate::control::files;
use crate::exit::Exit;

/// Checks the file; the report goes to standard error, or to the file `to`.
pub(crate) fn check(file: &Path, lenient: bool, to: Option<&Path>) -> Exit {
    let color = to.is_none() && io::stderr().is_terminal() && !no_color();
    let (report, exit) = match files::load(file, lenient, color) {
        Ok(loaded) => {
            let instances = loaded.instances.len();
            let verdict = format!("{}: can be run, {instances} instances\n", file.display());
            (loaded.remarks + &verdict, Exit::Ok)
        }
        Err(refused) => {
            let errors = refused.errors();
            let verdict = format!("{}: cannot be run, {errors} errors\n", file.display());
            (refused.report().to_string() + &verdict, Exit::CheckFailed)
        }
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
