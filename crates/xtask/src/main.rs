//! The project's own commands: `cargo xtask lint`, `cargo xtask sim`.
//!
//! What a compiler cannot check and a reviewer should not have to.

mod campaign;
mod house;
mod rooms;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["lint"] => lint(),
        ["sim", ref arguments @ ..] => campaign::sim(&root(), arguments),
        _ => {
            eprintln!("usage: cargo xtask lint    check the rules of the house (ARCHITECTURE.md)");
            eprintln!("       cargo xtask sim     run seeds of the simulator; --help says which");
            ExitCode::from(2)
        }
    }
}

fn lint() -> ExitCode {
    let root = root();
    let mut findings = rooms::check(&root);
    findings.extend(house::check(&root));
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() {
        println!("the rules of the house hold");
        ExitCode::SUCCESS
    } else {
        eprintln!("{} findings", findings.len());
        ExitCode::FAILURE
    }
}

/// The workspace's directory.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rules_of_the_house_hold() {
        let root = super::root();
        assert_eq!(super::rooms::check(&root), Vec::<String>::new());
        assert_eq!(super::house::check(&root), Vec::<String>::new());
    }
}
