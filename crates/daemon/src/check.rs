//! `mainstay check` and `keepalived -t`: what is wrong with a file, all at once; and for `check`, what
//! it will lead to, on this machine and together with those of other nodes.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use conf::sense::{self, Difference};
use conf::{Loaded, Severity, render_difference};
use serde_json::{Value, json};

use crate::control::files;
use crate::control::shelf::Reading;
use crate::exit::Exit;
use crate::host;

/// `keepalived -t`: checks the file; the report goes to standard error, or to the file `to`.
pub(crate) fn check(file: &Path, reading: &Reading, to: Option<&Path>) -> Exit {
    let color = to.is_none() && io::stderr().is_terminal() && !no_color();
    let (report, exit) =
        match files::load(file, reading, color, linux::clock::monotonic(), None, |place| place) {
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

/// What `mainstay check` was asked.
pub(crate) struct Asked {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) json: bool,
    pub(crate) host: bool,
    pub(crate) reading: Reading,
}

/// Checks the files of one or more nodes, each for itself and all together.
pub(crate) fn nodes(asked: &Asked) -> Exit {
    let color = !asked.json && io::stderr().is_terminal() && !no_color();
    let mut nodes = Vec::new();
    for file in &asked.files {
        let mut loaded = match files::read(file, &asked.reading) {
            Ok((loaded, _)) => loaded,
            Err(why) => {
                eprint!("{why}");
                return Exit::CheckFailed;
            }
        };
        if let Some(config) = loaded.meaning() {
            let mut findings = sense::findings(config);
            if asked.host {
                findings.extend(host::findings(config));
            }
            loaded.add(findings);
        }
        nodes.push(loaded);
    }
    let meanings: Option<Vec<_>> = nodes.iter().map(Loaded::meaning).collect();
    let differences = match meanings {
        Some(meanings) if nodes.len() > 1 => sense::compare(&meanings),
        _ => Vec::new(),
    };
    let wrong = nodes.iter().any(|loaded| loaded.config.is_none())
        || differences.iter().any(|d| d.severity == Severity::Error);
    if asked.json {
        println!("{}", as_json(&asked.files, &nodes, &differences));
    } else {
        for (file, loaded) in asked.files.iter().zip(&nodes) {
            let report = conf::render(loaded, color);
            if loaded.config.is_some() && counted(loaded) == 0 {
                eprintln!("{report}{}: no errors, no warnings; usable", file.display());
            } else {
                eprint!("{report}");
            }
        }
        let all: Vec<_> = nodes.iter().collect();
        for difference in &differences {
            eprintln!("\n{}", render_difference(&all, difference, color));
        }
        if nodes.len() > 1 {
            let verdict = if differences.is_empty() { "they fit together" } else { "see above" };
            eprintln!("\n{} nodes, {} differences; {verdict}", nodes.len(), differences.len());
        }
    }
    if wrong { Exit::CheckFailed } else { Exit::Ok }
}

/// Errors and warnings; a note needs no action.
fn counted(loaded: &Loaded) -> usize {
    loaded.diagnostics.iter().filter(|d| d.severity != Severity::Note).count() + loaded.dropped
}

fn as_json(paths: &[PathBuf], nodes: &[Loaded], differences: &[Difference]) -> Value {
    let place = |loaded: &Loaded, span| -> Value {
        loaded.origins.locate(span).map_or(Value::Null, |located| {
            let source = conf::Source { name: &located.file.name, text: &located.file.text };
            let position = source.position(located.span.start);
            json!({ "file": located.file.name, "line": position.line, "column": position.column })
        })
    };
    let word = |severity| match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let files: Vec<_> = paths
        .iter()
        .zip(nodes)
        .map(|(path, loaded)| {
            let findings: Vec<_> = loaded
                .diagnostics
                .iter()
                .map(|d| {
                    json!({
                        "code": d.code.as_str(),
                        "severity": word(d.severity),
                        "message": d.message,
                        "label": d.label,
                        "help": d.help,
                        "at": place(loaded, d.span),
                        "related": d.related.as_ref().map(|(span, label)| {
                            json!({ "at": place(loaded, *span), "label": label })
                        }),
                    })
                })
                .collect();
            json!({
                "file": path.display().to_string(),
                "usable": loaded.config.is_some(),
                "findings": findings,
                "dropped": loaded.dropped,
            })
        })
        .collect();
    let differences: Vec<_> = differences
        .iter()
        .map(|d| {
            let places: Vec<_> = d
                .places
                .iter()
                .filter_map(|(node, span, label)| {
                    Some(json!({ "at": place(nodes.get(*node)?, *span), "label": label }))
                })
                .collect();
            json!({
                "code": d.code.as_str(),
                "severity": word(d.severity),
                "message": d.message,
                "places": places,
                "help": d.help,
            })
        })
        .collect();
    json!({ "files": files, "differences": differences })
}

/// <https://no-color.org>: set and not empty.
pub(crate) fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use conf::{Code, Diagnostic};

    use super::*;

    #[test]
    fn every_code_is_explained_and_has_its_place_in_the_json() {
        let text = "vrrp_instance A {\n interface eth0\n virtual_router_id 5\n \
                    virtual_ipaddress {\n 192.0.2.5\n }\n}\n";
        let source = conf::Source { name: "a.conf", text: text.as_bytes() };
        let mut loaded = conf::load(source, conf::Options::default());
        let span = loaded.config.as_ref().unwrap().instances[0].places.interface.0;
        let before = loaded.diagnostics.len();
        let found = |code: &Code| Diagnostic::warning(*code, span, "message").help("help");
        loaded.add(Code::ALL.iter().map(found).collect());
        let value = as_json(&["a.conf".into()], &[loaded], &[]);
        let findings = value["files"][0]["findings"].as_array().unwrap();
        assert_eq!(findings.len(), before + Code::ALL.len());
        for code in Code::ALL {
            let code = code.as_str();
            let one = findings.iter().find(|one| one["code"] == code).expect("it is there");
            assert_eq!((&one["severity"], &one["help"]), (&json!("warning"), &json!("help")));
            assert_eq!(one["at"], json!({ "file": "a.conf", "line": 2, "column": 12 }), "{code}");
            let explained = conf::manual::explanation(code).expect("it is explained");
            assert!(explained.starts_with(code) && explained.lines().count() > 2, "{explained}");
        }
    }
}
