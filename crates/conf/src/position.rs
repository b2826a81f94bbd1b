//! Offsets to lines and columns.

use crate::Source;

/// A place as people count: from one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position {
    /// Line; a newline ends one.
    pub line: usize,
    /// Column in characters; each byte that is part of no character counts as one.
    pub column: usize,
}

/// Counts forward from where it last was, so that a series of ascending offsets costs one pass over
/// the text, however long its lines are.
#[derive(Clone, Debug)]
pub struct Positions<'a> {
    text: &'a [u8],
    /// The position of this offset is `here`, and its line begins at `line_start`.
    at: usize,
    here: Position,
    line_start: usize,
}

impl<'a> Positions<'a> {
    /// Positions in `text`.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, here: Position { line: 1, column: 1 }, line_start: 0 }
    }

    /// The position of the byte at `offset`, or of the end.
    pub fn at(&mut self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        if offset < self.at {
            *self = Self::new(self.text);
        }
        let passed = &self.text[self.at..offset];
        if let Some(last) = passed.iter().rposition(|byte| *byte == b'\n') {
            self.here.line += passed.iter().filter(|byte| **byte == b'\n').count();
            self.line_start = self.at + last + 1;
            self.here.column = 1 + characters(&passed[last + 1..]);
        } else {
            self.here.column += characters(passed);
        }
        self.at = offset;
        self.here
    }

    /// Where the line of the last position begins.
    pub(crate) const fn line_start(&self) -> usize {
        self.line_start
    }
}

impl Source<'_> {
    /// Line and column of the byte at `offset`. For many offsets, use [`Positions`].
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        Positions::new(self.text).at(offset)
    }
}

/// Bytes that begin a character.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one() {
        let text = "ab\né c\r\n\nx".as_bytes();
        let mut positions = Positions::new(text);
        let mut at = |offset| {
            let p = positions.at(offset);
            (p.line, p.column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(1), (1, 2));
        assert_eq!(at(3), (2, 1));
        assert_eq!(at(5), (2, 2), "behind the two bytes of é");
        assert_eq!(at(9), (3, 1));
        assert_eq!(at(10), (4, 1));
        assert_eq!(at(999), (4, 2));
        assert_eq!(at(1), (1, 2), "backwards too");
    }
}
