//! From files to one text: includes, conditions, definitions, repetitions.
//!
//! keepalived does all of this line by line before it looks at any keyword, and so does this, in the
//! same order: a condition (`@id`) keeps or drops the line, a definition (`$NAME=`) is noted, a
//! repetition (`~SEQ`, `~LST`) goes through the rest of the line again and again, then names are
//! replaced, at last `include` is looked for. What follows a brace on its line is treated as a line
//! of its own. How keepalived 2.2.7 treats each case was learned by letting it report the unknown
//! keywords that came out.
//!
//! Nothing is opened here: files come in through [`Files`].

mod define;
mod include;
mod repeat;
mod traced;

use std::collections::{BTreeMap, HashMap};

pub use include::{Files, IncludeChecks, NoFiles};
pub(crate) use traced::in_file;
pub use traced::{Located, Origins, SourceFile};

use crate::diagnostic::{Code, Diagnostic, Report, Severity};
use crate::lexer::{TokenKind, tokens};
use crate::{MAX_TEXT, Source, Span};
use define::Definition;
use traced::{Place, Traced};

/// What a text means depends on where it is read: these are all the ways in which it can.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// What `@id` lines are compared with (keepalived's `-i`; else the host's name up to the first
    /// dot).
    pub config_id: &'a str,
    /// The directory of the text itself: `${_PWD}`, and where relative includes begin.
    pub directory: &'a str,
    /// What `include` may read.
    pub files: &'a dyn Files,
    /// What includes are held to unless the text says otherwise (keepalived's `-e`).
    pub include_checks: IncludeChecks,
    /// Where `${_RANDOM}` begins unless the text has a `random_seed`.
    pub seed: u64,
    /// The environment, for `${_ENV NAME}`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

impl Default for Surroundings<'_> {
    /// A text alone in the world: it may include nothing, and no `@id` is its own.
    fn default() -> Self {
        Self {
            config_id: "",
            directory: "",
            files: &NoFiles,
            include_checks: IncludeChecks::default(),
            seed: 0,
            environment: &|_| None,
        }
    }
}

/// Repetitions and definitions may make this many lines: enough for a hundred thousand instances.
const MOST_LINES: usize = 2_000_000;

/// How deep definitions and includes may lie in each other.
const MAX_DEPTH: usize = 32;

/// The text of `source` with everything done that can be done before keywords are read.
pub(crate) fn expand(
    source: Source<'_>,
    around: &Surroundings<'_>,
    report: &mut Report,
) -> Origins {
    let mut expander = Expander {
        around,
        report,
        out: Origins::default(),
        definitions: HashMap::new(),
        include_checks: around.include_checks,
        random: around.seed,
        open: Vec::new(),
        line: Place { file: 0, span: Span::default() },
        made: 0,
        full: false,
        unreplaced: BTreeMap::new(),
    };
    let (_, name) = include::split(source.name);
    let path = include::join(around.directory, name);
    expander.file(source.name.to_owned(), path, source.text.to_vec());
    expander.defined_too_late();
    expander.out
}

/// A file being read.
struct Open {
    /// Its path, made absolute as far as its text allows.
    path: String,
    /// The directory it is in.
    directory: String,
}

struct Expander<'a> {
    around: &'a Surroundings<'a>,
    report: &'a mut Report,
    out: Origins,
    definitions: HashMap<Vec<u8>, Definition>,
    include_checks: IncludeChecks,
    random: u64,
    /// The files being read, the innermost last.
    open: Vec<Open>,
    /// The line of a file that is being worked on.
    line: Place,
    /// Lines made so far.
    made: usize,
    /// The text has grown too long, which has been said.
    full: bool,
    /// Names that stayed as they were, by file and place.
    unreplaced: BTreeMap<(u16, usize), (Vec<u8>, Place)>,
}

impl Expander<'_> {
    /// Reads a whole file into the text.
    fn file(&mut self, name: String, path: String, text: Vec<u8>) {
        let Ok(number) = u16::try_from(self.out.files.len()) else {
            return self.too_long();
        };
        let directory = include::split(&path).0.to_owned();
        self.open.push(Open { path, directory });
        let checks = self.include_checks;
        let mut at = 0;
        // The text stays here while it is read, so that lines need not be copied.
        self.out.files.push(SourceFile { name, text: Vec::new() });
        while at < text.len() && !self.full {
            let end = line_end(&text, at);
            let line = &text[at..end];
            self.line = Place { file: number, span: Span::new(at, end) };
            if is_plain(line) {
                self.emit(&Traced::verbatim(number, Span::new(at, end), line));
                at = end;
            } else {
                at = self.special(number, &text, at, end);
            }
        }
        if self.out.text.bytes.last().is_some_and(|last| *last != b'\n') && number > 0 {
            self.emit(&Traced::made(b"\n", self.line));
        }
        self.out.files[usize::from(number)].text = text;
        self.include_checks = checks;
        self.open.pop();
    }

    /// A line with something to do in it, which may be a definition over several lines; gives where
    /// the next one begins.
    fn special(&mut self, file: u16, text: &[u8], at: usize, end: usize) -> usize {
        let code = code_end(&text[at..end]) + at;
        let line = Traced::verbatim(file, Span::new(at, code), &text[at..code]).trimmed();
        let whole = &text[at..end];
        self.line.span =
            Span::new(end - whole.trim_ascii_start().len(), at + whole.trim_ascii_end().len());
        let Some(mut definition) = self.begins_block(&line) else {
            if line.bytes.is_empty() {
                self.emit(&Traced::verbatim(file, Span::new(at, end), &text[at..end]));
            } else {
                self.process(line, 0);
            }
            return end;
        };
        let mut at = end;
        let mut goes_on = true;
        while goes_on && at < text.len() {
            let end = line_end(text, at);
            let code = code_end(&text[at..end]) + at;
            let whole = text[at..end].trim_ascii_end();
            goes_on = whole.ends_with(b"\\");
            let mut line = Traced::verbatim(file, Span::new(at, code), &text[at..code]).trimmed();
            if line.bytes.ends_with(b"\\") {
                line = line.slice(0, line.bytes.len() - 1).trimmed();
            }
            if !line.bytes.is_empty() {
                definition.lines.push(line);
            }
            at = end;
        }
        self.define(definition);
        at
    }

    /// One line without its comment, or the rest of one.
    fn process(&mut self, line: Traced, depth: usize) {
        self.made += 1;
        if self.full || self.made > MOST_LINES {
            return self.too_long();
        }
        let mut line = line.trimmed();
        if line.bytes.first() == Some(&b'@') {
            match self.condition(&line) {
                Some(rest) => line = rest,
                None => return,
            }
        }
        if self.define_line(&line) {
            return;
        }
        if let Some(parsed) = repeat::parse(&line.bytes) {
            return self.repeat(parsed, &line, depth);
        }
        let written = line.bytes.len();
        let begins = line.bytes.first().copied();
        let Some((line, block)) = self.substitute(line) else { return };
        let replaced = line.bytes.len() != written || line.bytes.first().copied() != begins;
        // What was put in may be a condition, a repetition, or a definition in its turn.
        if replaced && self.define_line(&line) {
            return;
        }
        let again = replaced
            && match line.bytes.first() {
                Some(b'@') => true,
                Some(b'~') => repeat::parse(&line.bytes).is_some(),
                _ => false,
            };
        if again && depth < MAX_DEPTH {
            self.process(line, depth + 1);
        } else {
            self.finished(line, depth);
        }
        if let Some(lines) = block {
            if depth >= MAX_DEPTH {
                return self.complain(
                    Code::Macro,
                    self.line,
                    "definitions lie in each other too deeply",
                    "this line brought them in",
                    "does a definition use itself?",
                );
            }
            for line in lines {
                self.process(line, depth + 1);
            }
        }
    }

    /// A line with nothing left to replace: an include, or text. What follows a brace and would
    /// begin a line of its own is taken up again.
    fn finished(&mut self, line: Traced, depth: usize) {
        if self.include_line(&line, depth) {
            return;
        }
        self.left_over(&line);
        let cut = (depth < MAX_DEPTH).then(|| restart(&line.bytes)).flatten();
        let (head, tail) = match cut {
            Some(cut) => (line.slice(0, cut), Some(line.slice(cut, line.bytes.len()))),
            None => (line, None),
        };
        self.directives(&head);
        let mut head = head;
        head.append(&Traced::made(b"\n", self.line));
        self.emit(&head);
        if let Some(tail) = tail {
            self.process(tail, depth + 1);
        }
    }

    /// `@id rest` and `@^id rest`: the rest, when this node is meant.
    fn condition(&mut self, line: &Traced) -> Option<Traced> {
        let end = line.bytes.iter().position(u8::is_ascii_whitespace);
        let word = &line.bytes[1..end.unwrap_or(line.bytes.len())];
        let (negated, id) = match word.strip_prefix(b"^") {
            Some(id) => (true, id),
            None => (false, word),
        };
        if end.is_none() || id.is_empty() {
            let place = line.origin(0, line.bytes.len()).unwrap_or(self.line);
            self.complain(
                Code::Macro,
                place,
                "this condition keeps no line",
                if id.is_empty() { "no config-id" } else { "nothing follows" },
                "write `@ID LINE`, or `@^ID LINE` for all nodes but one",
            );
            return None;
        }
        let meant = (id == self.around.config_id.as_bytes()) != negated;
        meant.then(|| line.slice(end.unwrap_or(0), line.bytes.len()).trimmed())
    }

    fn repeat(
        &mut self,
        parsed: Result<repeat::Repeat, repeat::RepeatError>,
        line: &Traced,
        depth: usize,
    ) {
        // The parentheses may hold names themselves: `~SEQ(N, 1, ${LAST})`.
        let close = repeat::head_end(&line.bytes);
        let head = line.slice(0, close);
        let place = head.origin(0, close).unwrap_or(self.line);
        let parsed = if head.bytes.contains(&b'$') {
            let Some((head, _)) = self.substitute(head) else { return };
            repeat::parse(&head.bytes).unwrap_or(parsed)
        } else {
            parsed
        };
        let repeat = match parsed {
            Ok(repeat) => repeat,
            Err(error) => {
                return self.complain(Code::Macro, place, error.message, error.label, error.help);
            }
        };
        if depth >= MAX_DEPTH {
            return self.too_long();
        }
        let rest = line.slice(close, line.bytes.len()).trimmed();
        for round in repeat.rounds() {
            for (name, value) in repeat.names.iter().zip(round) {
                let value = Traced::made(value.as_bytes(), place);
                self.definitions.insert(name.clone(), Definition::value(name, value, place));
            }
            if !rest.bytes.is_empty() {
                self.process(rest.clone(), depth + 1);
            }
            if self.full {
                return;
            }
        }
    }

    /// Lines that are keywords as well, and that say something about the lines to come.
    fn directives(&mut self, line: &Traced) {
        let mut words = line.bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        match words.next() {
            Some(b"random_seed") => {
                let number =
                    words.next().and_then(|word| core::str::from_utf8(word).ok()?.parse().ok());
                self.random = number.unwrap_or(self.random);
            }
            Some(b"include_check") => {
                let words: Vec<_> = words.collect();
                if let Err(word) = self.include_checks.change(&words) {
                    let place = line.origin(0, line.bytes.len()).unwrap_or(self.line);
                    let word = String::from_utf8_lossy(&word).into_owned();
                    self.complain(
                        Code::IncludeCheck,
                        place,
                        &format!("{} is no check of includes", crate::reader::shown(&word)),
                        "unknown option",
                        "write readable, match, wildcard_match or brace_match, `+` or `-` before them to add or remove",
                    );
                }
            }
            _ => {}
        }
    }

    fn emit(&mut self, line: &Traced) {
        if self.out.text.bytes.len() + line.bytes.len() > MAX_TEXT {
            return self.too_long();
        }
        self.out.add(line, self.line);
    }

    fn too_long(&mut self) {
        if !core::mem::replace(&mut self.full, true) {
            self.report.push(
                Diagnostic::error(
                    Code::TooLong,
                    in_file(self.line.file, self.line.span),
                    "this text grows too long",
                )
                .label(format!(
                    "more than {} MiB or {MOST_LINES} lines at this one",
                    MAX_TEXT / (1024 * 1024)
                ))
                .help("is a repetition longer than meant, or does a file include itself?"),
            );
        }
    }

    /// An error at a place in a file.
    fn complain(&mut self, code: Code, place: Place, message: &str, label: &str, help: &str) {
        self.complain_as(Severity::Error, code, place, message, label, help);
    }

    fn complain_as(
        &mut self,
        severity: Severity,
        code: Code,
        place: Place,
        message: &str,
        label: &str,
        help: &str,
    ) {
        let span = in_file(place.file, place.span);
        let mut diagnostic = Diagnostic::error(code, span, message).label(label).help(help);
        diagnostic.severity = severity;
        if (place.file, place.span.start) != (self.line.file, self.line.span.start)
            && !(self.line.span.start..=self.line.span.end).contains(&place.span.start)
        {
            diagnostic = diagnostic.related(in_file(self.line.file, self.line.span), "used here");
        }
        match code {
            // keepalived stops for an include that must find something, and there is no end to the others.
            Code::IncludeCycle | Code::IncludeMissing | Code::TooLong => {
                self.report.push(diagnostic)
            }
            _ => self.report.tolerate(diagnostic),
        }
    }
}

/// Where the line that begins at `at` ends, its newline included.
fn line_end(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |len| at + len + 1)
}

/// How much of a line is no comment.
fn code_end(line: &[u8]) -> usize {
    tokens(line)
        .find(|token| token.kind == TokenKind::Comment)
        .map_or(line.len(), |token| token.span.start)
}

/// Whether a line means what it says: nothing in it could be one of this module's concerns.
fn is_plain(line: &[u8]) -> bool {
    !line.iter().any(|byte| matches!(byte, b'$' | b'@' | b'~'))
        && !line.windows(7).any(|w| w == b"include")
        && !line.windows(11).any(|w| w == b"random_seed")
}

/// Where in a line, behind a brace, something stands that would begin a line of its own.
fn restart(line: &[u8]) -> Option<usize> {
    let mut after_brace = false;
    for token in tokens(line) {
        match token.kind {
            TokenKind::Open | TokenKind::Close => after_brace = true,
            TokenKind::Blank => {}
            _ => {
                let rest = &line[token.span.start..];
                if after_brace
                    && (matches!(rest.first(), Some(b'@' | b'~')) || include::is_include(rest))
                {
                    return Some(token.span.start);
                }
                after_brace = false;
            }
        }
    }
    None
}
