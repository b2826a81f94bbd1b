//! "Did you mean": the nearest of a few known words.
//!
//! The distance counts letters inserted, deleted, replaced or swapped with their neighbour. Case,
//! and `-` for `_`, cost nothing: they are habits, not slips.

/// Longer words are not compared; no keyword is this long.
const LONGEST: usize = 48;

/// The candidate nearest to `word`, if one is near enough to be meant: at most one slip in three
/// letters.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = plain(word)?;
    let most = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let distance = distance(&word, &plain(candidate)?);
            (distance <= most && distance < candidate.len()).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn plain(word: &str) -> Option<Vec<u8>> {
    (word.len() <= LONGEST).then(|| {
        word.bytes().map(|b| if b == b'-' { b'_' } else { b.to_ascii_lowercase() }).collect()
    })
}

/// Optimal string alignment distance, in octets.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let mut least = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && *x == b[j - 1] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = core::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (a, b, want) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "ab", 1),
            ("abc", "acb", 1),
            ("abc", "xbc", 1),
            ("priority", "prioritty", 1),
            ("kitten", "sitting", 3),
            ("", "abc", 3),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), want, "{a} {b}");
            assert_eq!(distance(b.as_bytes(), a.as_bytes()), want, "{b} {a}");
        }
    }

    #[test]
    fn the_nearest_is_suggested_and_nothing_far() {
        let words = ["priority", "preempt", "nopreempt", "state"];
        assert_eq!(nearest("priorty", words), Some("priority"));
        assert_eq!(nearest("Pre-empt", words), Some("preempt"));
        assert_eq!(nearest("no-preempt", words), Some("nopreempt"));
        assert_eq!(nearest("weather", words), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest(&"a".repeat(10_000_000), words), None);
    }
}
