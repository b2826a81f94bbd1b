//! Tokens to statements: the words of one line, and the block that may follow them.
//!
//! Where a line ends a statement ends, but for a `{` that opens the next line: it belongs to the
//! statement before. What follows a brace on its line is a statement of its own. Words are kept as
//! spans; whether they make sense is somebody else's question, but everything about their bytes
//! (quotes, NUL, UTF-8) is answered here, once.
//!
//! Nesting is bounded, so that neither reading nor dropping a tree can exhaust the stack; what lies
//! deeper is skipped with one error.

use crate::Span;
use crate::diagnostic::{Code, Diagnostic, Report};
use crate::lexer::{TokenKind, tokens};
use crate::reader::shown;

/// Blocks deeper than this hold nothing any keyword could want (today's deepest is two).
const MAX_DEPTH: usize = 8;

/// One line's words and the block opened behind them.
#[derive(Debug)]
pub(crate) struct Statement {
    /// At least one.
    pub(crate) words: Vec<Span>,
    /// `{ ... }`.
    pub(crate) block: Option<Block>,
}

impl Statement {
    /// The keyword.
    pub(crate) fn keyword(&self) -> Span {
        self.words.first().copied().unwrap_or_default()
    }

    /// What follows the keyword.
    pub(crate) fn arguments(&self) -> &[Span] {
        self.words.get(1..).unwrap_or_default()
    }

    /// All words from the first to the last.
    pub(crate) fn line(&self) -> Span {
        self.words.last().map_or(self.keyword(), |last| self.keyword().join(*last))
    }
}

/// What stands between braces.
#[derive(Debug)]
pub(crate) struct Block {
    /// The opening brace.
    pub(crate) open: Span,
    /// The statements within.
    pub(crate) statements: Vec<Statement>,
}

/// The statements of a whole text.
pub(crate) fn statements(text: &[u8], report: &mut Report) -> Vec<Statement> {
    let mut builder = Builder {
        text,
        report,
        frames: Vec::new(),
        list: Vec::new(),
        words: Vec::new(),
        may_open: false,
        skipped: 0,
        nul_seen: false,
        unreadable: false,
    };
    for token in tokens(text) {
        builder.token(token.kind, token.span);
    }
    builder.finish()
}

/// An open block: the statement it belongs to, and the list it interrupted.
struct Frame {
    words: Vec<Span>,
    open: Span,
    outer: Vec<Statement>,
}

struct Builder<'a> {
    text: &'a [u8],
    report: &'a mut Report,
    /// Blocks open around the current statement.
    frames: Vec<Frame>,
    /// Statements of the innermost open block.
    list: Vec<Statement>,
    /// Words of the statement not yet ended.
    words: Vec<Span>,
    /// The last of `list` ended with its line, so a `{` would still be its own.
    may_open: bool,
    /// Blocks open beyond [`MAX_DEPTH`].
    skipped: usize,
    nul_seen: bool,
    /// The line cannot be taken apart, and is left out with what it says.
    unreadable: bool,
}

impl Builder<'_> {
    fn token(&mut self, kind: TokenKind, span: Span) {
        match kind {
            TokenKind::Blank => {}
            TokenKind::Newline => self.end_statement(),
            TokenKind::Comment => self.refuse_nul(span),
            TokenKind::Open => self.open(span),
            TokenKind::Close => self.close(span),
            TokenKind::Word { unterminated } => self.word(span, unterminated),
        }
    }

    fn word(&mut self, span: Span, unterminated: Option<usize>) {
        if let Some(quote) = unterminated {
            self.unreadable = self.report.lenient;
            self.report.tolerate(
                Diagnostic::error(
                    Code::UnterminatedQuote,
                    Span::new(quote, quote + 1),
                    "this quote is not closed",
                )
                .label("opened here")
                .help("close it on the same line; write \\\" or \\' for a quote that is meant"),
            );
        }
        self.refuse_nul(span);
        if let Err(error) = core::str::from_utf8(&self.text[span.within(self.text.len())]) {
            let at = span.start + error.valid_up_to();
            self.report.push(
                Diagnostic::error(
                    Code::NotUtf8,
                    Span::new(at, at + error.error_len().unwrap_or(1)),
                    "this is not UTF-8 text",
                )
                .label("invalid from here on")
                .help("save the file as UTF-8, or write the byte as \\xHH"),
            );
        }
        if self.skipped == 0 {
            self.words.push(span);
        }
    }

    fn refuse_nul(&mut self, span: Span) {
        if self.nul_seen {
            return;
        }
        let bytes = &self.text[span.within(self.text.len())];
        if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
            self.nul_seen = true;
            let at = span.start + at;
            self.report.push(
                Diagnostic::error(
                    Code::NulByte,
                    Span::new(at, at + 1),
                    "the text contains a NUL byte",
                )
                .label("the first one")
                .help("this may not be a text file, or a disk lost part of it: restore it"),
            );
        }
    }

    fn end_statement(&mut self) {
        if self.words.is_empty() {
            return;
        }
        let words = core::mem::take(&mut self.words);
        if core::mem::take(&mut self.unreadable) {
            return;
        }
        self.list.push(Statement { words, block: None });
        self.may_open = true;
    }

    fn open(&mut self, span: Span) {
        if self.skipped > 0 {
            self.skipped += 1;
            return;
        }
        if self.frames.len() >= MAX_DEPTH {
            self.skipped = 1;
            self.report.push(
                Diagnostic::error(Code::TooDeep, span, "blocks are nested too deeply")
                    .label(format!("the {}th block inside another", MAX_DEPTH + 1))
                    .help("no keyword needs this; a closing brace is missing further up"),
            );
            return;
        }
        let mut words = core::mem::take(&mut self.words);
        if words.is_empty() && self.may_open {
            // `{` on the line after its keyword.
            words = self.list.pop().map(|statement| statement.words).unwrap_or_default();
        }
        if words.is_empty() {
            self.report.push(
                Diagnostic::error(Code::UnexpectedBlock, span, "this block has no keyword")
                    .label("opened here")
                    .help("write the keyword before the brace, or remove the brace"),
            );
        }
        self.may_open = false;
        let outer = core::mem::take(&mut self.list);
        self.frames.push(Frame { words, open: span, outer });
    }

    fn close(&mut self, span: Span) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        self.end_statement();
        self.may_open = false;
        if !self.pop_frame() {
            self.report.tolerate(
                Diagnostic::error(Code::UnexpectedClose, span, "there is no block to close here")
                    .label("closes nothing")
                    .help("remove this brace, or look for a missing `{` before it"),
            );
        }
    }

    /// Ends the innermost block; false when there is none.
    fn pop_frame(&mut self) -> bool {
        let Some(frame) = self.frames.pop() else { return false };
        let statements = core::mem::replace(&mut self.list, frame.outer);
        if !frame.words.is_empty() {
            let block = Some(Block { open: frame.open, statements });
            self.list.push(Statement { words: frame.words, block });
        }
        true
    }

    fn finish(mut self) -> Vec<Statement> {
        self.end_statement();
        while let Some(frame) = self.frames.last() {
            let keyword = frame.words.first().map(|word| {
                String::from_utf8_lossy(&self.text[word.within(self.text.len())]).into_owned()
            });
            let message = match keyword {
                Some(keyword) => format!("the block of {} is never closed", shown(&keyword)),
                None => "this block is never closed".to_owned(),
            };
            self.report.tolerate_as(
                Diagnostic::error(Code::MissingClose, frame.open, message)
                    .label("opened here")
                    .help("add a `}` where it should end"),
                "ends with the text, as for keepalived",
            );
            self.pop_frame();
        }
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `a b{c;d}` for a statement `a b` with a block of two.
    fn show(text: &str, list: &[Statement]) -> String {
        let mut out = Vec::new();
        for statement in list {
            let words: Vec<_> =
                statement.words.iter().map(|w| &text[w.within(text.len())]).collect();
            let mut line = words.join(" ");
            if let Some(block) = &statement.block {
                line.push_str(&format!("{{{}}}", show(text, &block.statements)));
            }
            out.push(line);
        }
        out.join(";")
    }

    fn parse(text: &str) -> (String, Vec<Code>) {
        let mut report = Report::default();
        let list = statements(text.as_bytes(), &mut report);
        (
            show(text, &list),
            report
                .finish(&crate::expand::Origins::default())
                .0
                .into_iter()
                .map(|d| d.code)
                .collect(),
        )
    }

    #[test]
    fn lines_and_blocks() {
        for (text, want) in [
            ("a b\nc\n", "a b;c"),
            ("a {\n b c\n d\n}\ne", "a{b c;d};e"),
            ("v { 1 2 }", "v{1 2}"),
            ("v { 1 2\n3 } x 5", "v{1 2;3};x 5"),
            ("a b # why\n\n ! more\n { c }", "a b{c}"),
            ("a{b{c}}d", "a{b{c}};d"),
            ("a {}", "a{}"),
        ] {
            assert_eq!(parse(text), (want.to_owned(), vec![]), "{text:?}");
        }
    }

    #[test]
    fn braces_that_do_not_match() {
        for (text, want, code) in [
            ("a {\n b\n", "a{b}", Code::MissingClose),
            ("a\n}\nb", "a;b", Code::UnexpectedClose),
            ("a { b } { c }", "a{b}", Code::UnexpectedBlock),
            ("{ c } d", "d", Code::UnexpectedBlock),
        ] {
            assert_eq!(parse(text), (want.to_owned(), vec![code]), "{text:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "a {".repeat(200_000);
        let (_, codes) = parse(&deep);
        assert!(codes.contains(&Code::TooDeep));
        let closed = format!("{}{}b", "a{".repeat(20), "}".repeat(20));
        assert_eq!(parse(&closed).1, vec![Code::TooDeep]);
        assert!(parse(&closed).0.ends_with(";b"));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in prop::collection::vec(any::<u8>(), 0..300)) {
            statements(&text, &mut Report::default());
        }
    }
}
