//! The project's own commands: `cargo xtask lint`, `cargo xtask man`, `cargo xtask sim`,
//! `cargo xtask fuzz`, `cargo xtask bench`.
//!
//! What a compiler cannot check and a reviewer should not have to.

mod bench;
mod campaign;
mod fuzz;
mod house;
mod kills;
mod rooms;
mod standing;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["lint"] => lint(),
        ["man"] => man(),
        ["watch", names, map] => match standing::write(&root(), names, map) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
        ["kills", ref rest @ ..] => kills::run(&root(), rest).unwrap_or_else(usage),
        ["fuzz", ref rest @ ..] => fuzz::run(&root(), rest),
        ["sim", ref arguments @ ..] => campaign::sim(&root(), arguments),
        ["bench"] => bench::run(&root(), 3),
        ["bench", "instructions"] => bench::count(&root()),
        ["bench", "lease"] => bench::lease(&root()),
        ["bench", "faults", ref rest @ ..] => faults(rest),
        ["bench", "cluster", ref rest @ ..] => cluster(rest),
        ["bench", "sched"] => bench::plan(&root(), 3),
        ["bench", "sched", "--runs", runs] => match runs.parse() {
            Ok(runs) if runs > 0 => bench::plan(&root(), runs),
            _ => usage(),
        },
        ["scenarios", ref arguments @ ..] => campaign::scenarios(&root(), arguments),
        ["clusters", ref arguments @ ..] => campaign::clusters(&root(), arguments),
        ["bench", "--runs", runs] => match runs.parse() {
            Ok(runs) if runs > 0 => bench::run(&root(), runs),
            _ => usage(),
        },
        _ => usage(),
    }
}

fn cluster(mut arguments: &[&str]) -> ExitCode {
    let mut choice = bench::Clusters { runs: 3, only: None, binary: None };
    loop {
        arguments = match arguments {
            [] => return bench::cluster(&root(), &choice),
            ["--runs", number, rest @ ..] => match number.parse() {
                Ok(number) if number > 0 => {
                    choice.runs = number;
                    rest
                }
                _ => return usage(),
            },
            ["--only", tests, rest @ ..] => {
                choice.only = Some(tests);
                rest
            }
            ["--binary", path, rest @ ..] => {
                choice.binary = Some(path);
                rest
            }
            _ => return usage(),
        };
    }
}

fn faults(mut arguments: &[&str]) -> ExitCode {
    let mut choice = bench::Faults { runs: 3, only: None, binary: None };
    loop {
        arguments = match arguments {
            [] => return bench::fault(&root(), &choice),
            ["--runs", number, rest @ ..] => match number.parse() {
                Ok(number) if number > 0 => {
                    choice.runs = number;
                    rest
                }
                _ => return usage(),
            },
            ["--only", row, rest @ ..] => {
                choice.only = Some(row);
                rest
            }
            ["--binary", path, rest @ ..] => {
                choice.binary = Some(path);
                rest
            }
            _ => return usage(),
        };
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: cargo xtask lint    check the rules of the house (ARCHITECTURE.md)");
    eprintln!("       cargo xtask sim     run seeds of the simulator; --help says which");
    eprintln!("       cargo xtask fuzz    look for bytes that break something");
    eprintln!("       cargo xtask kills [--times N] [--seed S] [--core]");
    eprintln!("                           kill cluster nodes at any moment while changes are made");
    eprintln!("       cargo xtask man     write {PAGE} from the keyword table");
    eprintln!("       cargo xtask watch NAMES MAP");
    eprintln!("                           write the order in which a release is linked");
    eprintln!("       cargo xtask bench [--runs N]");
    eprintln!("       cargo xtask bench instructions");
    eprintln!("                           measure against keepalived, write docs/performance.md");
    eprintln!("       cargo xtask bench lease");
    eprintln!("                           measure leases against `lease off`");
    eprintln!("       cargo xtask bench faults [--runs N] [--only ROW,...] [--binary PATH]");
    eprintln!("                           play the table of faults with keepalived and mainstay");
    eprintln!("       cargo xtask bench cluster [--runs N] [--only TESTS] [--binary PATH]");
    eprintln!("                           measure a cluster, write docs/performance-cluster.md");
    eprintln!("       cargo xtask bench sched [--runs N]");
    eprintln!("                           measure planning against crm_simulate");
    eprintln!("       cargo xtask scenarios [--seed N] [--steps N] [--nodes N]");
    eprintln!("       cargo xtask scenarios --sim --seeds A..B [--steps N]");
    eprintln!(
        "                           play random steps on clusters, with all audits after each"
    );
    eprintln!("       cargo xtask clusters --seeds A..B");
    eprintln!("                           plan for random clusters until each is at rest");
    ExitCode::from(2)
}

/// The manual page that is made from the keyword table.
const PAGE: &str = "docs/man/mainstay-keepalived.conf.5";

fn man() -> ExitCode {
    let path = root().join(PAGE);
    let write = || {
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        std::fs::write(&path, conf::manual::page())
    };
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{PAGE}: {error}");
            ExitCode::FAILURE
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

    #[test]
    fn the_manual_page_is_that_of_the_table() {
        let written = std::fs::read_to_string(super::root().join(super::PAGE)).unwrap_or_default();
        assert!(written == conf::manual::page(), "run `cargo xtask man`");
    }
}
