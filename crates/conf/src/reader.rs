//! What every block is read with: words as text, keywords looked up, surprises reported.
//!
//! [`Reader::recognise`] is the one place where a line is held against the keyword table: what is
//! unknown, out of place, not in force or spelled the old way is dealt with there, so that the
//! readers of single blocks see only keywords that mean something.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic, Report};
use crate::keywords::{self, Keyword, Shape, Status, Within, nearest};
use crate::tree::Statement;
use crate::word::{self, WordError};
use crate::{Options, Span};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

impl<T> At<T> {
    pub(crate) fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// Where each keyword of a block was last set, legally or not.
pub(crate) type Seen = BTreeMap<&'static str, Span>;

/// A line that means something.
pub(crate) struct Recognised {
    /// Today's keyword.
    pub(crate) keyword: &'static Keyword,
    /// The keyword as it was written; another one only for old and foreign spellings.
    pub(crate) written: &'static Keyword,
}

/// The text being read, how strictly, and what was found wrong with it.
pub(crate) struct Reader<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) options: Options,
    pub(crate) report: Report,
    /// How many blocks around this place are not in force: of what they contain that is not said
    /// again.
    pub(crate) pending: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a [u8], options: Options, report: Report) -> Self {
        Self { text, options, report, pending: 0 }
    }

    /// The bytes at `span`.
    pub(crate) fn raw(&self, span: Span) -> &'a [u8] {
        &self.text[span.within(self.text.len())]
    }

    /// The word at `span` without quotes and escapes; `None` when that is impossible, which has then
    /// been reported.
    pub(crate) fn word(&mut self, span: Span) -> Option<Cow<'a, str>> {
        let raw = self.raw(span);
        match word::text(raw) {
            Ok(text) => Some(text),
            Err(error) => {
                self.bad_word(span, raw, error);
                None
            }
        }
    }

    fn bad_word(&mut self, span: Span, raw: &[u8], error: WordError) {
        let diagnostic = match error {
            // The tree has reported these.
            WordError::Nul { at } if raw.get(at) == Some(&0) => return,
            WordError::Utf8 { .. } if core::str::from_utf8(raw).is_err() => return,
            WordError::Nul { at } | WordError::Escape { at } => Diagnostic::error(
                Code::BadEscape,
                Span::new(span.start + at, (span.start + at + 2).min(span.end)),
                "this backslash sequence makes no character",
            )
            .label("in this word")
            .help("write `\\\\` for a backslash; sequences are those of C, as `\\t` or `\\x41`"),
            WordError::Utf8 { .. } | WordError::Quote { .. } => Diagnostic::error(
                Code::NotUtf8,
                span,
                "the backslash sequences in this word make no UTF-8 text",
            )
            .label("this word")
            .help("write the character itself"),
        };
        // keepalived makes nothing of a backslash before nothing either.
        match error {
            WordError::Escape { at } if at + 1 >= raw.len() => self.report.tolerate(diagnostic),
            _ => self.report.push(diagnostic),
        }
    }

    /// Holds a line of the block `within` against the keyword table. `Some` when it is now up to the
    /// caller; everything else has been reported.
    pub(crate) fn recognise(
        &mut self,
        within: Within,
        statement: &Statement,
        seen: &mut Seen,
    ) -> Option<Recognised> {
        let span = statement.keyword();
        if self.options.lenient && word::text(self.raw(span)).is_err() {
            // What cannot be read is no keyword, whatever it is.
            let name = String::from_utf8_lossy(self.raw(span)).into_owned();
            self.unknown(within, &name, span);
            return None;
        }
        let name = self.word(span)?;
        if keywords::INCLUDES.contains(&&*name) {
            // Those that could be done are done, and gone from the text.
            self.report.tolerate(
                Diagnostic::error(
                    Code::Macro,
                    span,
                    format!("{} includes nothing here", shown(&name)),
                )
                .label("must begin its line, without quotes, and name a file")
                .help(format!("write `{name} FILE` on a line of its own")),
            );
            return None;
        }
        let Some(written) = keywords::find(within, &name) else {
            self.unknown(within, &name, span);
            return None;
        };
        let keyword = match written.status() {
            Status::Foreign(today) => {
                let keyword = keywords::find(within, today);
                assert!(keyword.is_some(), "the table's own test finds every foreign spelling");
                let what = if matches!(keyword?.shape, Shape::Lines(_)) {
                    format!("{today} {{ ... }}")
                } else {
                    today.to_owned()
                };
                self.report.push(
                    Diagnostic::warning(
                        Code::OldSpelling,
                        span,
                        format!("`{}` is an old or foreign spelling", written.name),
                    )
                    .label(format!("understood as `{what}`"))
                    .help(format!("write `{what}`")),
                );
                keyword?
            }
            _ => written,
        };
        if !self.in_force(keyword, statement) || !self.has_its_block(written, statement) {
            return None;
        }
        let first_counts = keywords::keeps_first(within, keyword.name);
        let before = seen.get(keyword.name).copied();
        if before.is_none() || !first_counts {
            seen.insert(keyword.name, statement.line());
        }
        // Blocks add up outside of blocks, and blocks of lines anywhere; so do files that are included.
        let adds_up = match keyword.shape {
            _ if first_counts => false,
            Shape::Lines(_) | Shape::Repeated(_) => true,
            Shape::Block(_) | Shape::NamedBlock(_) => within == Within::Top,
            _ => within == Within::Top && keyword.name.starts_with("include"),
        };
        if !adds_up && let Some(before) = before {
            self.report.push(
                Diagnostic::warning(
                    Code::SetTwice,
                    statement.line(),
                    match within {
                        Within::Top => format!("`{}` is set twice", keyword.name),
                        _ => format!("`{}` is set twice in one block", keyword.name),
                    },
                )
                .label(if first_counts { "this one does not count" } else { "this one counts" })
                .related(before, if first_counts { "this one does" } else { "this one does not" })
                .help("remove one of them"),
            );
            if first_counts {
                return None;
            }
        }
        Some(Recognised { keyword, written })
    }

    fn unknown(&mut self, within: Within, name: &str, span: Span) {
        if self.report.is_full() {
            // Nobody will read it, and this may not be a configuration at all.
            self.push_lenient(
                Diagnostic::error(Code::UnknownKeyword, span, String::new()).help("see above"),
            );
            return;
        }
        if name.starts_with('\u{feff}') {
            self.push_lenient(
                Diagnostic::error(Code::UnknownKeyword, span, "a byte order mark stands here")
                    .label("keepalived takes it for a part of the keyword, and skips the block")
                    .help("save the file as UTF-8 without byte order mark"),
            );
            return;
        }
        // Where keys stand, a word that is no keyword may be one.
        let shown = match within {
            Within::AuthHmac | Within::Authentication if name.len() > 12 => "`…`".to_owned(),
            _ => shown(name),
        };
        let place = match within {
            Within::Top => "outside all blocks".to_owned(),
            block => format!("in `{}`", block.as_str()),
        };
        if let Some(elsewhere) = keywords::find_elsewhere(within, name) {
            let (belongs, help) = match elsewhere.within {
                Within::Top => (
                    "outside all blocks".to_owned(),
                    "is a `}` missing before this line?".to_owned(),
                ),
                block => (
                    format!("in `{}`", block.as_str()),
                    format!("move it into a `{}` block", block.as_str()),
                ),
            };
            self.push_lenient(
                Diagnostic::error(
                    Code::WrongBlock,
                    span,
                    format!("{shown} does not stand {place}"),
                )
                .label(format!("belongs {belongs}"))
                .help(help),
            );
            return;
        }
        let names = keywords::table(within)
            .iter()
            .filter(|k| !matches!(k.status(), Status::Foreign(_)))
            .map(|k| k.name);
        let suggestion = nearest(name, names);
        let mut diagnostic = Diagnostic::error(
            Code::UnknownKeyword,
            span,
            format!("unknown keyword {shown} {place}"),
        );
        diagnostic = match suggestion {
            Some(near) => {
                diagnostic.label(format!("did you mean `{near}`?")).help(format!("write `{near}`"))
            }
            None => diagnostic.label("no keyword here has this name").help(
                "remove the line, or see keepalived.conf(5) for what may stand here; \
                 `--lenient` skips what is unknown",
            ),
        };
        self.push_lenient(diagnostic);
    }

    fn push_lenient(&mut self, mut diagnostic: Diagnostic) {
        if self.options.lenient {
            diagnostic.severity = crate::Severity::Warning;
            diagnostic.label.push_str("; ignored, as keepalived does");
        }
        self.report.push(diagnostic);
    }

    /// Whether a keyword does something; reported otherwise.
    fn in_force(&mut self, keyword: &Keyword, statement: &Statement) -> bool {
        let span = statement.keyword();
        let name = keyword.name;
        match keyword.status() {
            Status::InForce | Status::Foreign(_) => true,
            Status::Accepted(why) => {
                let off = statement.arguments().first().is_some_and(|argument| {
                    matches!(self.raw(*argument), b"off" | b"false" | b"no")
                });
                if !off {
                    self.report.push(Diagnostic::note(
                        Code::NoEffect,
                        span,
                        format!("`{name}`: {why}"),
                    ));
                }
                true
            }
            // It is read all the same: what is wrong with it is worth knowing now.
            Status::NotInForce(why) => {
                let fine = statement.arguments().first().is_some_and(|value| {
                    keywords::fine_with(keyword.within, keyword.name, self.raw(*value))
                });
                if self.pending == 0 && !fine {
                    self.not_in_force(span, &format!("`{name}`"), why, "remove it if you can do without; it is refused because skipping it silently would change what this file means");
                }
                true
            }
            Status::Obsolete(why) => {
                self.report.push(
                    Diagnostic::warning(
                        Code::Obsolete,
                        span,
                        format!("`{name}` no longer does anything"),
                    )
                    .label(why)
                    .help("remove it"),
                );
                false
            }
            Status::OutOfScope(instead) => {
                let mut diagnostic = Diagnostic::error(
                    Code::OutOfScope,
                    span,
                    format!("`{name}` belongs to IPVS, which mainstay does not do"),
                )
                .label("would balance load")
                .help(format!("{instead}; then say `--skip-ipvs` here"));
                if self.options.skip_ipvs {
                    diagnostic.severity = crate::Severity::Warning;
                    diagnostic.label = "skipped, as asked".to_owned();
                    diagnostic.help = instead.to_owned();
                }
                self.report.push(diagnostic);
                false
            }
        }
    }

    /// Says that something is known and not done yet.
    pub(crate) fn not_in_force(&mut self, span: Span, what: &str, why: &str, help: &str) {
        self.report.push(
            Diagnostic::error(
                Code::NotInForce,
                span,
                format!("{what} is known but not in force yet"),
            )
            .label(why)
            .help(help),
        );
    }

    /// The name of a block, which is all that may stand before its brace.
    pub(crate) fn block_name(&mut self, statement: &Statement) -> Option<At<String>> {
        let keyword = String::from_utf8_lossy(self.raw(statement.keyword())).into_owned();
        let at = statement.arguments().first().copied();
        let name = match at {
            Some(at) => self.word(at)?.into_owned(),
            None => String::new(),
        };
        if name.is_empty() {
            self.report.tolerate(
                Diagnostic::error(
                    Code::NameMissing,
                    at.unwrap_or(statement.keyword()),
                    format!("this `{keyword}` has no name"),
                )
                .label("expected a name behind it")
                .help(format!("write `{keyword} NAME {{`")),
            );
        }
        let named = self.at_most("a block's name", statement.arguments(), 1);
        named.then_some(At::new(name, at?))
    }

    /// Whether a line opens no block; reported otherwise.
    pub(crate) fn no_block_in(&mut self, statement: &Statement) -> bool {
        if let Some(block) = &statement.block {
            self.report.push(
                Diagnostic::error(Code::UnexpectedBlock, block.open, "no block belongs here")
                    .label("opened here")
                    .help("is a `}` missing before this line?"),
            );
            return false;
        }
        true
    }

    /// Whether there is a block exactly if the keyword wants one; reported otherwise.
    fn has_its_block(&mut self, keyword: &Keyword, statement: &Statement) -> bool {
        let wants =
            matches!(keyword.shape, Shape::Block(_) | Shape::NamedBlock(_) | Shape::Lines(_));
        match &statement.block {
            None if wants => {
                self.report.push(
                    Diagnostic::error(
                        Code::BlockMissing,
                        statement.line(),
                        format!("`{}` needs a block", keyword.name),
                    )
                    .label("no `{` follows")
                    .help(example(keyword)),
                );
                false
            }
            Some(block) if !wants => {
                self.report.push(
                    Diagnostic::error(
                        Code::UnexpectedBlock,
                        block.open,
                        format!("`{}` takes no block", keyword.name),
                    )
                    .label("opened here")
                    .related(statement.line(), "for this")
                    .help(example(keyword)),
                );
                false
            }
            _ => true,
        }
    }

    /// Reports words of a line beyond the first `most`; false if there were any and they count.
    pub(crate) fn at_most(&mut self, what: &str, words: &[Span], most: usize) -> bool {
        let Some(surplus) = words.get(most) else { return true };
        self.report.tolerate(
            Diagnostic::error(Code::TooManyValues, *surplus, format!("too much for {what}"))
                .label("nothing is expected here")
                .help("remove it, put it on its own line, or quote words that belong together"),
        );
        // keepalived takes what it needs and passes over the rest.
        self.report.lenient
    }
}

/// What to write, from the table's example.
pub(crate) fn example(keyword: &Keyword) -> String {
    let line = keyword.example.replace("\n ", " ").replace('\n', " ");
    let space = if line.is_empty() { "" } else { " " };
    format!("for example `{}{space}{}`", keyword.name, line.trim_start())
}

/// `text` between backticks, shortened and without control characters.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 40;
    let mut out: String =
        text.chars().take(MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        out.push('…');
    }
    format!("`{out}`")
}
