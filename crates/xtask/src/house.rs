//! Rules about the text of the sources: rooms that do no input or output, files that hold one idea.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms without sockets, files, threads, processes, clocks, async or unseeded randomness
/// (invariant 1).
const SANS_IO: &[&str] =
    &["base", "vip", "vrrp", "bfd", "conf", "compat", "cib", "sched", "cluster", "sim"];

/// What would break that.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "std::time::Instant",
    "SystemTime",
    "Instant::now",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "UnixStream",
    "async fn",
    "tokio",
    "rustix",
    "libc::",
    "rand::",
    "thread_rng",
];

/// Above this a file holds more than one idea.
const LONGEST: usize = 600;

pub(crate) fn check(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    collect(&root.join("crates"), &mut files);
    files.sort();
    let mut findings = Vec::new();
    for path in files {
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        match fs::read_to_string(&path) {
            Ok(text) => findings.extend(judge(&name, &text)),
            Err(error) => findings.push(format!("{name}: {error}")),
        }
    }
    findings
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "target" {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn judge(name: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > LONGEST {
        findings.push(format!("{name}: {lines} lines; which second idea moved in?"));
    }
    if !text.starts_with("//!") {
        findings.push(format!("{name}: does not open by saying what it is"));
    }
    let sans_io = SANS_IO.iter().any(|room| name.starts_with(&format!("crates/{room}/src/")));
    // What follows is tests, which may read the vectors they are judged by.
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    for (number, line) in (1..).zip(product.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        for impure in IMPURE.iter().filter(|_| sans_io) {
            if code.contains(impure) {
                findings.push(format!("{name}:{number}: `{impure}` in a room without it"));
            }
        }
        if code.contains("unsafe ") && !name.starts_with("crates/linux/") && !name.contains("xtask")
        {
            findings.push(format!("{name}:{number}: unsafe outside crates/linux"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_in_a_pure_room_is_found_and_one_in_a_comment_or_test_is_not() {
        let bad = "//! Essay.\nlet now = Instant::now();\n";
        assert_eq!(judge("crates/vrrp/src/x.rs", bad).len(), 1);
        assert_eq!(judge("crates/daemon/src/x.rs", bad).len(), 0);
        let fine = "//! Essay.\n// no Instant::now() here\n#[cfg(test)]\nmod t { use std::fs; }\n";
        assert_eq!(judge("crates/vrrp/src/x.rs", fine).len(), 0);
    }

    #[test]
    fn long_files_and_files_without_an_essay_are_found() {
        let long = format!("//! Essay.\n{}", "\n".repeat(LONGEST));
        assert_eq!(judge("crates/vrrp/src/x.rs", &long).len(), 1);
        assert_eq!(judge("crates/vrrp/src/x.rs", "fn f() {}\n").len(), 1);
    }
}
