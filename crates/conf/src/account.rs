//! Who runs what: script lines, and the accounts behind them.

use base::Name;

use crate::diagnostic::{Code, Diagnostic};
use crate::reader::{Reader, shown};
use crate::word::{self, WordError};
use crate::{Command, Place, RunAs, Span};

impl Reader<'_> {
    /// A user and perhaps a group.
    pub(crate) fn run_as(&mut self, words: &[Span]) -> Option<RunAs> {
        let (user, place, _) = self.account(*words.first()?, false)?;
        let (group, supplementary) = match words.get(1) {
            Some(span) => {
                let (group, _, supplementary) = self.account(*span, true)?;
                (Some(group), supplementary)
            }
            None => (None, false),
        };
        Some(RunAs { user, group, supplementary, place })
    }

    fn account(&mut self, span: Span, is_group: bool) -> Option<(Name, Place, bool)> {
        let whole = self.word(span)?;
        let (word, supplementary) = match whole.strip_prefix(':') {
            Some(rest) if is_group => (rest, true),
            _ => (&*whole, false),
        };
        if word.is_empty() || word.contains(char::is_whitespace) || word.contains(['/', ':']) {
            self.report.tolerate(
                Diagnostic::error(
                    Code::BadCommand,
                    span,
                    format!("{} cannot be a user or group", shown(word)),
                )
                .label("expected a user or group")
                .help("put the script and its arguments into one pair of double quotes"),
            );
            return None;
        }
        Some((Name::from(word), Place(span), supplementary))
    }

    /// A script line: the script with its arguments in one word, then perhaps user and group.
    pub(crate) fn command(&mut self, words: &[Span]) -> Option<Command> {
        let span = *words.first()?;
        let line = self.word(span)?;
        let argv = match word::split(&line) {
            Ok(argv) => argv,
            Err(error) => {
                let why = match error {
                    WordError::Quote { .. } => "a quote inside it is not closed",
                    WordError::Escape { .. } => "a backslash sequence inside it makes no character",
                    WordError::Utf8 { .. } => "an argument would not be UTF-8",
                    WordError::Nul { .. } => "an argument would contain a NUL",
                };
                self.bad_command(span, "this script line cannot be taken apart", why);
                return None;
            }
        };
        if argv.first().is_none_or(String::is_empty) {
            self.bad_command(span, "this script line names no program", "nothing to run");
            return None;
        }
        let run_as = match words.get(1..) {
            Some(account @ [_, ..]) => Some(self.run_as(account)?),
            _ => None,
        };
        Some(Command { argv, run_as, place: Place(span) })
    }

    fn bad_command(&mut self, span: Span, message: &str, why: &str) {
        self.report.tolerate(Diagnostic::error(Code::BadCommand, span, message).label(why).help(
            "write the path and its arguments in double quotes, an argument with blanks in single \
             quotes within: \"/usr/bin/logger 'two words'\"",
        ));
    }
}
