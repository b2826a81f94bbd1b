//! Our tools by their own names, and those of Debian where they are at hand.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Our tool of a name: an example of this crate, built if a filtered run of the tests has not.
pub(crate) fn ours(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    let profile = test.parent().and_then(Path::parent).expect("target/PROFILE/deps");
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--example", name]);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    build.arg("--target-dir").arg(profile.parent().expect("a target folder"));
    assert!(build.status().expect("cargo").success(), "{name} cannot be built");
    profile.join("examples").join(name)
}

/// Debian's tool of that name.
pub(crate) fn theirs(name: &str) -> Option<PathBuf> {
    let path = Path::new("/usr/sbin").join(name);
    if path.is_file() {
        return Some(path);
    }
    eprintln!("{} is not installed: what it says is not compared", path.display());
    None
}
