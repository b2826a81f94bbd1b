//! Figures in thousandths, and what several runs of one thing say together.

use std::fmt;

use serde_json::Value;

/// A measured number, in thousandths of its unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Figure(pub(super) i64);

impl Figure {
    /// A JSON number, cut to thousandths.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let text = value.as_number()?.to_string();
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        let part: String = part.chars().chain("000".chars()).take(3).collect();
        let magnitude =
            whole.trim_start_matches('-').parse::<i64>().ok()? * 1000 + part.parse::<i64>().ok()?;
        Some(Self(if whole.starts_with('-') { -magnitude } else { magnitude }))
    }

    /// One as so many hundredths of another.
    pub(super) fn percent(one: Option<Self>, of: Option<Self>) -> String {
        match (one, of) {
            (Some(one), Some(of)) if of.0 > 0 => format!("{} %", (one.0 * 100 + of.0 / 2) / of.0),
            _ => "-".to_owned(),
        }
    }
}

/// As people write it: no more digits than say something.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1000, (self.0 % 1000).abs());
        match whole.abs() {
            0..10 if part == 0 => write!(f, "{whole}"),
            0..10 => write!(f, "{whole}.{:02}", part / 10),
            10..100 => write!(f, "{whole}.{}", part / 100),
            _ => write!(f, "{whole}"),
        }
    }
}

/// The least, the middle and the most of some runs, and how many of them came to no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Spread {
    pub(super) middle: Option<[Figure; 3]>,
    pub(super) failed: usize,
}

impl Spread {
    pub(super) fn of(runs: &[Option<Figure>]) -> Self {
        let mut known: Vec<Figure> = runs.iter().copied().flatten().collect();
        known.sort();
        let middle = match known[..] {
            [] => None,
            [least, .., most] => Some([least, known[known.len() / 2], most]),
            [one] => Some([one; 3]),
        };
        Self { middle, failed: runs.len() - known.len() }
    }

    pub(super) fn median(&self) -> Option<Figure> {
        self.middle.map(|[_, median, _]| median)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.middle {
            None if self.failed == 0 => f.write_str("-")?,
            None => f.write_str("never")?,
            Some([least, median, most]) => write!(f, "{least} / **{median}** / {most}")?,
        }
        if self.failed > 0 && self.middle.is_some() {
            write!(f, " ({} of the runs never)", self.failed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(text: &str) -> Figure {
        Figure::of(&serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn numbers_are_cut_to_thousandths_and_shown_short() {
        assert_eq!(figure("3.6249719"), Figure(3624));
        assert_eq!(figure("-0.5"), Figure(-500));
        assert_eq!(figure("51857"), Figure(51_857_000));
        let shown = ["3.6249", "0.4", "7", "16.27", "51857", "620.4"];
        let shown = shown.map(|text| figure(text).to_string());
        assert_eq!(shown, ["3.62", "0.40", "7", "16.2", "51857", "620"]);
        let share = |one, of| Figure::percent(Some(Figure(one)), Some(Figure(of)));
        assert_eq!([share(500, 1000), share(2, 3), share(1, 0)], ["50 %", "67 %", "-"]);
    }

    #[test]
    fn a_spread_names_least_median_most_and_what_failed() {
        let runs = [Some(Figure(3000)), None, Some(Figure(1000)), Some(Figure(2000))];
        assert_eq!(Spread::of(&runs).to_string(), "1 / **2** / 3 (1 of the runs never)");
        assert_eq!(Spread::of(&[None]).to_string(), "never");
        assert_eq!(Spread::of(&[]).to_string(), "-");
        assert_eq!(Spread::of(&[Some(Figure(5000))]).to_string(), "5 / **5** / 5");
    }
}
