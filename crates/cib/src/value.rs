//! Words of the CIB that are values: truth, time spans, numbers.

/// Reads `true`, `on`, `yes`, `y`, `1` and their opposites, in any case.
#[must_use]
pub fn truth(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["true", "on", "yes", "y", "1"]) {
        Some(true)
    } else if is(&["false", "off", "no", "n", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// Whether the text says yes; anything else is no.
#[must_use]
pub fn is_true(text: Option<&str>) -> bool {
    text.and_then(truth).unwrap_or(false)
}

/// The integer a text begins with.
#[must_use]
pub fn leading_integer(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let signed = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = signed.bytes().take_while(u8::is_ascii_digit);
    let magnitude = digits.fold(None, |sum: Option<i64>, digit| {
        let sum = sum.unwrap_or(0).saturating_mul(10);
        Some(sum.saturating_add(i64::from(digit - b'0')))
    })?;
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// Milliseconds of a time span: a number with a unit (`ms`, `us`, `s`, `m`, `h` and longer
/// spellings; seconds where there is none) or an ISO 8601 duration (`PT5M`).
#[must_use]
pub fn milliseconds(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.starts_with('P') {
        return crate::dates::duration_seconds(text).map(|seconds| seconds.saturating_mul(1000));
    }
    if text.eq_ignore_ascii_case("INFINITY") || text.eq_ignore_ascii_case("+INFINITY") {
        return Some(1_000_000_000);
    }
    let number = leading_integer(text)?;
    let unit = text.trim_start_matches(['-', '+']).trim_start_matches(|c: char| c.is_ascii_digit());
    let unit = unit.trim();
    let is = |words: &[&str]| words.iter().any(|word| unit.eq_ignore_ascii_case(word));
    if unit.is_empty() || is(&["s", "sec", "second", "seconds"]) {
        Some(number.saturating_mul(1000))
    } else if is(&["ms", "msec", "millisecond", "milliseconds"]) {
        Some(number)
    } else if is(&["us", "usec"]) {
        Some(number / 1000)
    } else if is(&["m", "min", "minute", "minutes"]) {
        Some(number.saturating_mul(60_000))
    } else if is(&["h", "hr", "hour", "hours"]) {
        Some(number.saturating_mul(3_600_000))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans() {
        for (text, want) in [
            ("10", Some(10_000)),
            ("10s", Some(10_000)),
            ("1500ms", Some(1500)),
            ("2min", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("PT1M", Some(60_000)),
            ("-1", Some(-1000)),
            ("5 parsecs", None),
            ("soon", None),
        ] {
            assert_eq!(milliseconds(text), want, "{text}");
        }
    }

    #[test]
    fn truths() {
        assert_eq!(truth("YES"), Some(true));
        assert_eq!(truth("0"), Some(false));
        assert_eq!(truth("maybe"), None);
        assert!(!is_true(None));
    }

    #[test]
    fn integers_stop_at_what_is_none() {
        assert_eq!(leading_integer("-12abc"), Some(-12));
        assert_eq!(leading_integer("abc"), None);
        assert_eq!(leading_integer("99999999999999999999"), Some(i64::MAX));
    }
}
