//! Scores: preferences as numbers with two infinities, of which the negative one always wins.

use std::fmt;
use std::ops::{Add, Neg};

/// A preference between −1,000,000 ("never") and 1,000,000 ("always").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Score(i32);

impl Score {
    /// Always: a million or more is no longer counted.
    pub const INFINITY: Score = Score(1_000_000);
    /// Never.
    pub const MINUS_INFINITY: Score = Score(-1_000_000);
    /// Indifference.
    pub const ZERO: Score = Score(0);

    /// A finite value, or the infinity it goes beyond.
    #[must_use]
    pub fn new(value: i64) -> Self {
        let held = value.clamp(-1_000_000, 1_000_000);
        Self(i32::try_from(held).unwrap_or(0))
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }

    /// Whether it says "never".
    #[must_use]
    pub fn is_never(self) -> bool {
        self <= Self::MINUS_INFINITY
    }

    /// Whether it says "always".
    #[must_use]
    pub fn is_always(self) -> bool {
        self >= Self::INFINITY
    }

    /// Reads a score as the CIB spells it: `INFINITY`, `+INFINITY`, `-INFINITY`, or a number, of
    /// which the leading digits count. Words of node health are not scores here.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("INFINITY") || text.eq_ignore_ascii_case("+INFINITY") {
            return Some(Self::INFINITY);
        }
        if text.eq_ignore_ascii_case("-INFINITY") {
            return Some(Self::MINUS_INFINITY);
        }
        crate::value::leading_integer(text).map(Self::new)
    }
}

/// Infinite arithmetic: −∞ with anything is −∞, then +∞ with anything is +∞.
impl Add for Score {
    type Output = Score;

    fn add(self, other: Score) -> Score {
        if self.is_never() || other.is_never() {
            Self::MINUS_INFINITY
        } else if self.is_always() || other.is_always() {
            Self::INFINITY
        } else {
            Self::new(i64::from(self.0) + i64::from(other.0))
        }
    }
}

impl Neg for Score {
    type Output = Score;

    fn neg(self) -> Score {
        Self(-self.0)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1_000_000.. => f.write_str("INFINITY"),
            ..=-1_000_000 => f.write_str("-INFINITY"),
            finite => write!(f, "{finite}"),
        }
    }
}

impl fmt::Debug for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_beats_always() {
        let (never, always) = (Score::MINUS_INFINITY, Score::INFINITY);
        assert_eq!(never + always, never);
        assert_eq!(always + Score::new(-5), always);
        assert_eq!(Score::new(999_999) + Score::new(5), always);
        assert_eq!(Score::new(3) + Score::new(-5), Score::new(-2));
    }

    #[test]
    fn spellings() {
        assert_eq!(Score::parse("-infinity"), Some(Score::MINUS_INFINITY));
        assert_eq!(Score::parse("+INFINITY"), Some(Score::INFINITY));
        assert_eq!(Score::parse("12x"), Some(Score::new(12)));
        assert_eq!(
            Score::parse("2000000").map(|score| score.to_string()).as_deref(),
            Some("INFINITY")
        );
        assert_eq!(Score::parse("pingd"), None);
    }
}
