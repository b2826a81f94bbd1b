//! Where in the text something stands.
//!
//! A [`Span`] is a range of bytes; [`crate::Position`] turns it into the line and column a person
//! looks for. A [`Place`] is a span carried by a configuration value so that a later check (does
//! this interface exist? may this script be run?) can still point into the file. Moving a line must
//! not look like a change of the configuration, so two places always compare equal.

use core::fmt;
use core::ops::Range;

/// A range of bytes of the source text, end excluded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset just behind the last byte; never less than `start`.
    pub end: usize,
}

impl Span {
    /// The bytes `start..end`; an `end` before `start` makes an empty span at `start`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end: if end < start { start } else { end } }
    }

    /// The empty span at `offset`.
    #[must_use]
    pub const fn at(offset: usize) -> Self {
        Self { start: offset, end: offset }
    }

    /// How many bytes it covers.
    #[must_use]
    pub const fn len(self) -> usize {
        self.end - self.start
    }

    /// Whether it covers none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The smallest span that covers both.
    #[must_use]
    pub fn join(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The same as a range, cut to a text of `len` bytes.
    #[must_use]
    pub fn within(self, len: usize) -> Range<usize> {
        self.start.min(len)..self.end.min(len)
    }
}

/// The span a configuration value was read from; for a default, the span of what it belongs to.
///
/// All places are equal: a configuration that only moved within its file is the same configuration.
#[derive(Clone, Copy, Default)]
pub struct Place(pub Span);

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}..{}", self.0.start, self.0.end)
    }
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Place(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_value_does_not_change_it() {
        assert_eq!(Place(Span::new(1, 4)), Place(Span::new(9, 12)));
        assert_ne!(Span::new(1, 4), Span::new(9, 12));
    }

    #[test]
    fn spans_join_and_stay_within_the_text() {
        assert_eq!(Span::new(1, 4).join(Span::new(9, 12)), Span::new(1, 12));
        assert_eq!(Span::new(3, 99).within(10), 3..10);
        assert_eq!(Span::new(7, 2), Span::at(7));
    }
}
