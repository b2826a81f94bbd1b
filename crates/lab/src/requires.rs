//! What a test cannot do without, and what happens when it is not there.
//!
//! A test that quietly passes where it could not run is worse than none. So it says aloud that it
//! was skipped and why; and where everything is supposed to be there (`MAINSTAY_REQUIRE_ALL=1`, as
//! the project's own test command sets it), it fails.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The variable that turns a skip into a failure when it is `1`.
pub const REQUIRE_ALL: &str = "MAINSTAY_REQUIRE_ALL";

/// Something a test needs of the machine it runs on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Need {
    /// To be root, be it in a user namespace: the lab's own need.
    Root,
    /// A program, by its absolute path or to be found in `PATH`.
    Program(PathBuf),
    /// A file or directory of data.
    File(PathBuf),
}

impl Need {
    /// The program `name`: a path with a slash in it, or a word to be looked for in `PATH`.
    pub fn program(name: impl Into<PathBuf>) -> Self {
        Self::Program(name.into())
    }

    /// The file or directory at `path`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// What is missing, in words; `None` when it is there.
    fn missing(&self) -> Option<String> {
        match self {
            Need::Root => {
                let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
                (!root).then(|| "not root".to_owned())
            }
            Need::Program(name) => (!found(name)).then(|| format!("no {}", name.display())),
            Need::File(path) => (!path.exists()).then(|| format!("no {}", path.display())),
        }
    }
}

fn found(program: &Path) -> bool {
    if program.components().count() > 1 {
        return program.exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).exists())
}

/// Whether all of `needs` are met. If not, says so on standard error, for the test to return.
///
/// # Panics
/// If something is missing and [`REQUIRE_ALL`] is `1`.
#[must_use]
pub fn requires(needs: &[Need]) -> bool {
    let missing: Vec<String> = needs.iter().filter_map(Need::missing).collect();
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(", ");
    let all = std::env::var_os(REQUIRE_ALL).is_some_and(|value| value == "1");
    assert!(!all, "{REQUIRE_ALL}=1, but there is: {missing}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("SKIPPED {test}: {missing}");
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_missing_and_what_is_not_is_named() {
        assert_eq!(Need::program("sh").missing(), None);
        assert_eq!(Need::program("/bin/sh").missing(), None);
        assert_eq!(Need::file("/proc/self").missing(), None);
        assert!(Need::program("no-such-program").missing().unwrap().contains("no-such-program"));
        assert!(Need::program("/no/such/program").missing().is_some());
        assert!(Need::file("/no/such/file").missing().unwrap().contains("/no/such/file"));
    }
}
