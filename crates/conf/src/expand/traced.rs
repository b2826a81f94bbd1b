//! Text that remembers where it was written.
//!
//! What the loader reads is not always what stands in a file: lines come from included files,
//! values from definitions, numbers from repetitions. A [`Traced`] is such text, cut into pieces of
//! one origin each; an [`Origins`] is the finished text of a whole configuration, which can say for
//! every span of it where a person must look. A configuration without any of this is one piece.
//!
//! Diagnostics about lines that leave no text behind (an include that finds nothing) point into the
//! files directly: their spans lie beyond [`FILES_FROM`], where no text reaches.

use crate::Span;

/// Spans from here on are offsets into files: `FILES_FROM * (number + 1) + offset`.
const FILES_FROM: usize = 1 << 40;

/// `span` of the file `file`, for a diagnostic.
pub(crate) fn in_file(file: u16, span: Span) -> Span {
    let base = FILES_FROM * (usize::from(file) + 1);
    Span::new(base + span.start, base + span.end)
}

/// A piece of one origin, from `start` in its text up to the next piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Piece {
    start: u32,
    file: u16,
    /// Whether it stands in the file as it is; else all of it comes from the same place.
    verbatim: bool,
    /// Offset in the file.
    at: u32,
    /// How long the origin is.
    len: u32,
    /// Which line brought it here: an index into [`Origins::uses`], or [`NOT_USED`].
    used: u32,
}

const NOT_USED: u32 = u32::MAX;

/// Text with its origins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traced {
    pub(crate) bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

/// Offsets are bounded by `MAX_TEXT`; beyond it nothing is read.
fn small(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX - 1)
}

fn wide(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Traced {
    /// A piece of a file.
    pub(crate) fn verbatim(file: u16, span: Span, bytes: &[u8]) -> Self {
        let mut traced = Self::default();
        traced.push_verbatim(file, span, bytes);
        traced
    }

    pub(crate) fn push_verbatim(&mut self, file: u16, span: Span, bytes: &[u8]) {
        self.push(
            Piece {
                start: small(self.bytes.len()),
                file,
                verbatim: true,
                at: small(span.start),
                len: small(span.len()),
                used: NOT_USED,
            },
            bytes,
        );
    }

    /// Text that stands nowhere, made because of `because`.
    pub(crate) fn made(bytes: &[u8], because: Place) -> Self {
        let mut traced = Self::default();
        let piece = Piece {
            start: 0,
            file: because.file,
            verbatim: false,
            at: small(because.span.start),
            len: small(because.span.len()),
            used: NOT_USED,
        };
        traced.push(piece, bytes);
        traced
    }

    fn push(&mut self, piece: Piece, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        if let Some(last) = self.pieces.last_mut()
            && last.verbatim
            && piece.verbatim
            && last.file == piece.file
            && last.used == piece.used
            && last.at + last.len == piece.at
        {
            last.len += piece.len;
            return;
        }
        self.pieces.push(piece);
    }

    pub(crate) fn append(&mut self, other: &Traced) {
        for (piece, bytes) in other.each() {
            self.push(Piece { start: small(self.bytes.len()), ..piece }, bytes);
        }
    }

    fn each(&self) -> impl Iterator<Item = (Piece, &[u8])> {
        self.pieces.iter().enumerate().map(|(index, piece)| {
            let end = self.pieces.get(index + 1).map_or(self.bytes.len(), |next| wide(next.start));
            (*piece, &self.bytes[wide(piece.start)..end])
        })
    }

    /// The part `from..to`.
    pub(crate) fn slice(&self, from: usize, to: usize) -> Self {
        let mut out = Self::default();
        let mut at = 0;
        for (piece, bytes) in self.each() {
            let (begin, end) = (from.clamp(at, at + bytes.len()), to.clamp(at, at + bytes.len()));
            if begin < end {
                let skipped = if piece.verbatim { small(begin - at) } else { 0 };
                let len = if piece.verbatim { small(end - begin) } else { piece.len };
                let start = small(out.bytes.len());
                out.push(
                    Piece { start, at: piece.at + skipped, len, ..piece },
                    &bytes[begin - at..end - at],
                );
            }
            at += bytes.len();
        }
        out
    }

    /// The same without blanks at either end.
    pub(crate) fn trimmed(&self) -> Self {
        let from = self.bytes.len() - self.bytes.trim_ascii_start().len();
        let to = self.bytes.trim_ascii_end().len().max(from);
        self.slice(from, to)
    }

    /// Where the byte at `offset` was written, and the bytes behind it up to `to` as far as they are
    /// of one origin.
    pub(crate) fn origin(&self, from: usize, to: usize) -> Option<Place> {
        let first = self.index(from)?;
        let begin = self.pieces[first].place(from, from + 1);
        let last = self.index(to.max(from + 1) - 1)?;
        let end = self.pieces[last].place(to.max(from + 1) - 1, to.max(from + 1));
        let joined = begin.file == end.file && end.span.end >= begin.span.start;
        Some(if joined {
            Place { file: begin.file, span: Span::new(begin.span.start, end.span.end) }
        } else {
            let whole = self.pieces[first];
            let upto = self.pieces.get(first + 1).map_or(self.bytes.len(), |n| wide(n.start));
            whole.place(from, upto)
        })
    }

    fn index(&self, offset: usize) -> Option<usize> {
        let after = self.pieces.partition_point(|piece| (wide(piece.start)) <= offset);
        after.checked_sub(1)
    }
}

impl Piece {
    /// The origin of `from..to` of the text it is part of.
    fn place(&self, from: usize, to: usize) -> Place {
        let (at, start) = (wide(self.at), wide(self.start));
        let span = if self.verbatim {
            Span::new(at + (from - start), at + (to - start))
        } else {
            Span::new(at, at + wide(self.len))
        };
        Place { file: self.file, span }
    }
}

/// A place in one of the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) file: u16,
    pub(crate) span: Span,
}

/// A file as it was read.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// What diagnostics call it.
    pub name: String,
    /// Its bytes.
    pub text: Vec<u8>,
}

/// Where a span of the configuration's text was written.
#[derive(Clone, Copy, Debug)]
pub struct Located<'a> {
    /// Which file it is: the first one is 0, included ones follow in the order they were read.
    pub number: usize,
    /// In which file.
    pub file: &'a SourceFile,
    /// Where in it.
    pub span: Span,
    /// The line that brought it in, when that is another one: the use of a definition, the line with
    /// a repetition.
    pub used: Option<(&'a SourceFile, Span)>,
}

/// A configuration's whole text, everything included, replaced and repeated, and where each part of
/// it was written.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    pub(crate) text: Traced,
    pub(crate) files: Vec<SourceFile>,
    uses: Vec<Place>,
}

impl Origins {
    /// Nothing, from a file that was not read.
    pub(crate) fn of(name: &str) -> Self {
        let file = SourceFile { name: name.to_owned(), text: Vec::new() };
        Self { files: vec![file], ..Self::default() }
    }

    /// The text, as if it had been written into one file.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text.bytes
    }

    /// The files that were read, the first one first.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// Whether the text is that of the only file, byte for byte.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.files.len() == 1 && self.text.pieces.iter().all(|p| p.verbatim && p.start == p.at)
    }

    /// Adds a line that the line at `by` gave rise to.
    pub(crate) fn add(&mut self, line: &Traced, by: Place) {
        let mut used = NOT_USED;
        for (piece, bytes) in line.each() {
            let own =
                piece.file == by.file && (by.span.start..=by.span.end).contains(&(wide(piece.at)));
            if !own && used == NOT_USED {
                used = small(self.uses.len());
                self.uses.push(by);
            }
            let start = small(self.text.bytes.len());
            let used = if own { NOT_USED } else { used };
            self.text.push(Piece { start, used, ..piece }, bytes);
        }
    }

    /// Where `span` was written. `None` only when there is no file at all.
    #[must_use]
    pub fn locate(&self, span: Span) -> Option<Located<'_>> {
        if span.start >= FILES_FROM {
            let number = span.start / FILES_FROM - 1;
            let base = FILES_FROM * (number + 1);
            let file = self.files.get(number)?;
            let span = Span::new(span.start - base, span.end.saturating_sub(base));
            return Some(Located { number, file, span, used: None });
        }
        let Some(place) = self.text.origin(span.start, span.end) else {
            return Some(Located { number: 0, file: self.files.first()?, span, used: None });
        };
        let file = self.files.get(usize::from(place.file))?;
        let piece = self.text.index(span.start).map(|index| self.text.pieces[index])?;
        let used = self
            .uses
            .get(wide(piece.used))
            .and_then(|by| Some((self.files.get(usize::from(by.file))?, by.span)));
        // An empty span stays empty, also at the very end.
        let span = if span.is_empty() && piece.verbatim {
            Span::at(place.span.start.min(file.text.len()))
        } else {
            place.span
        };
        Some(Located { number: usize::from(place.file), file, span, used })
    }
}
