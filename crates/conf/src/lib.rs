//! keepalived.conf in, typed values out.
//!
//! ```text
//! files ─ expand ─> one text ─ lexer ─> tokens ─ tree ─> statements
//!   statements ─ reader, blocks, lines ─> as written ─ resolve ─> Config
//!                  └── keywords (one table) ──┘           └──> diagnostics
//! ```
//!
//! The room opens no file and asks nobody anything: the same text always gives the same result.
//! Everything wrong is found in one run, and one error is enough for there to be no [`Config`]: a
//! configuration that means something else than it says is how two nodes come to hold one VIP.
//! What cannot be known from the text alone (does the interface exist, may this script be run) is
//! for the daemon to check; [`Place`]s let it point into the file as well.

mod account;
mod blocks;
mod config;
mod diagnostic;
mod expand;
mod explain;
mod given;
pub mod keywords;
mod lenient;
mod lexer;
mod lines;
pub mod manual;
mod masks;
mod peers;
mod position;
mod reader;
mod render;
mod resolve;
mod routes;
pub mod sense;
mod span;
mod tree;
mod value;
mod ways;
mod word;

pub use config::*;
pub use diagnostic::{Code, Diagnostic, Severity};
pub use expand::{Files, IncludeChecks, Located, NoFiles, Origins, SourceFile, Surroundings};
pub use lexer::{Token, TokenKind, Tokens, tokens};
pub use position::{Position, Positions};
pub use render::{render, render_difference};
pub use resolve::hmac::octets as key_octets;
pub use span::{Place, Span};

use diagnostic::Report;
use reader::Reader;

/// A text and the name to call it by: usually the path of the file it came from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What diagnostics call it.
    pub name: &'a str,
    /// Its bytes, as they are in the file.
    pub text: &'a [u8],
}

/// How strict to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// A keyword that is unknown, or stands in the wrong block, is a warning and is skipped together
    /// with its block, as keepalived does.
    pub lenient: bool,
    /// IPVS keywords and blocks (`virtual_server` ...) are a warning and are skipped.
    pub skip_ipvs: bool,
}

/// What came of a text.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration; `None` when any diagnostic is an error.
    pub config: Option<Config>,
    /// What the text means, when the only errors are that something is not in force yet: good enough
    /// to be looked at, not to be run. `None` when there is a `config`.
    pub understood: Option<Config>,
    /// The text all spans refer to, and where it came from.
    pub origins: Origins,
    /// Everything found, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// How many further diagnostics there were beyond the number kept.
    pub dropped: usize,
}

impl Loaded {
    /// Adds findings made later, by looking at the machine or at the meaning, each where it belongs.
    pub fn add(&mut self, findings: Vec<Diagnostic>) {
        let mut report = Report::default();
        for diagnostic in core::mem::take(&mut self.diagnostics).into_iter().chain(findings) {
            report.push(diagnostic);
        }
        let (diagnostics, dropped) = report.finish(&self.origins);
        self.diagnostics = diagnostics;
        self.dropped += dropped;
    }

    /// What the text means, whether it can be run today or not.
    #[must_use]
    pub fn meaning(&self) -> Option<&Config> {
        self.config.as_ref().or(self.understood.as_ref())
    }
}

/// Texts longer than this are refused unread: 4,000 instances take some two megabytes.
pub const MAX_TEXT: usize = 64 * 1024 * 1024;

/// Reads a text that needs nothing but itself.
#[must_use]
pub fn load(source: Source<'_>, options: Options) -> Loaded {
    load_in(source, options, &Surroundings::default())
}

/// Reads a text where it stands.
#[must_use]
pub fn load_in(source: Source<'_>, options: Options, around: &Surroundings<'_>) -> Loaded {
    let mut report = Report::new(options.lenient);
    let mut origins = Origins::default();
    let config = if source.text.len() > MAX_TEXT {
        report.push(
            Diagnostic::error(Code::TooLong, Span::at(0), "this text is too long")
                .label(format!("more than {} MiB", MAX_TEXT / (1024 * 1024)))
                .help("is this the right file?"),
        );
        None
    } else {
        origins = expand::expand(source, around, &mut report);
        let text = origins.text();
        let mut statements = tree::statements(text, &mut report);
        if options.lenient {
            statements = lenient::braces(text, statements, keywords::Within::Top, &mut report);
        }
        let mut reader = Reader::new(text, options, report);
        let raw = reader.top(&statements);
        report = reader.report;
        Some(resolve::config(raw, ways::Tables::new(around.files), &mut report))
    };
    let (config, understood) = match config {
        Some(config) if report.acceptable() => (Some(config), None),
        config => (None, config.filter(|_| report.only_pending())),
    };
    if config.as_ref().is_some_and(|config| config.instances.is_empty()) {
        report.push(
            Diagnostic::warning(Code::NoInstance, Span::at(0), "there is no instance in this text")
                .label("nothing will be held")
                .help("add a `vrrp_instance NAME { ... }` block"),
        );
    }
    if origins.files().is_empty() {
        origins = Origins::of(source.name);
    }
    let (diagnostics, dropped) = report.finish(&origins);
    Loaded { config, understood, origins, diagnostics, dropped }
}
