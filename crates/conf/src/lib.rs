//! keepalived.conf in, typed values out.

mod config;
mod diagnostic;
pub mod keywords;
mod lexer;
mod span;
mod tree;
mod word;

pub use config::{
    Announce, Burst, Command, Config, DEFAULT_GROUP_V4, DEFAULT_GROUP_V6, Globals, InstanceConfig,
    InstancePlaces, Interval, Notify, Password, Peer, Preempt, Reach, Refresh, RunAs, TrackEffect,
    TrackedInterface,
};
pub use diagnostic::{Code, Diagnostic, Severity};
pub use lexer::{Token, TokenKind, Tokens, tokens};
pub use span::{Place, Span};

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
    /// An unknown keyword is a warning and is skipped together with its block, as keepalived does.
    pub lenient: bool,
    /// IPVS blocks (`virtual_server` ...) are a warning and are skipped.
    pub skip_ipvs: bool,
}

/// What came of a text.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration; `None` when any diagnostic is an error.
    pub config: Option<Config>,
    /// Everything found, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// How many further diagnostics there were beyond the number kept.
    pub dropped: usize,
}
