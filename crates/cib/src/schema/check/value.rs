//! Values of attributes, by kind.

use super::super::table::Kind;
use super::super::version::Schema;

/// Whether a value is of a kind; else what to write instead.
pub(super) fn check(kind: Kind, value: &str, schema: Schema) -> Result<(), String> {
    let say = |fits: bool, help: &str| if fits { Ok(()) } else { Err(help.to_owned()) };
    match kind {
        Kind::Text => Ok(()),
        Kind::Id | Kind::IdRef => say(
            is_name(value.trim_matches(WHITE)),
            "begin with a letter or `_`, go on with letters, digits, `.`, `-` and `_`",
        ),
        Kind::Bool => say(
            matches!(value.trim_matches(WHITE), "true" | "false" | "1" | "0"),
            "write `true` or `false`",
        ),
        Kind::Integer => say(integer(value).is_some(), "write a whole number"),
        Kind::Natural => {
            say(integer(value).is_some_and(|sign| sign >= 0), "write a whole number from 0 on")
        }
        Kind::Positive => {
            say(integer(value).is_some_and(|sign| sign > 0), "write a whole number from 1 on")
        }
        Kind::Score => say(
            integer(value).is_some()
                || matches!(collapse(value).as_str(), "INFINITY" | "+INFINITY" | "-INFINITY"),
            "write a whole number, `INFINITY` or `-INFINITY`",
        ),
        Kind::Words(words) => {
            let value = collapse(value);
            let known = words.iter().find(|word| word.text == value);
            match known {
                Some(word) if word.range.has(schema) => Ok(()),
                Some(word) => Err(super::elsewhere(word.range, schema)),
                None => {
                    let may: Vec<&str> = words
                        .iter()
                        .filter(|word| word.range.has(schema))
                        .map(|word| word.text)
                        .collect();
                    Err(format!("write one of: {}", may.join(", ")))
                }
            }
        }
        Kind::But(words) => say(
            !words.contains(&collapse(value).as_str()),
            "this name is no longer in use: upgrade the document from an older schema, or remove it",
        ),
        Kind::Devices => say(
            value.split(',').all(|name| {
                !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
            }),
            "write ids of fencing devices with commas between them, without spaces",
        ),
        Kind::Ports => say(
            !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit() || b == b'-'),
            "write a range of ports, such as 2000-2010",
        ),
    }
}

const WHITE: [char; 4] = [' ', '\t', '\n', '\r'];

fn collapse(value: &str) -> String {
    value.split(WHITE).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The sign of a whole number of up to 24 digits, as much as schema checkers take.
fn integer(value: &str) -> Option<i8> {
    let text = value.trim_matches(WHITE);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    if significant.len() > 24 {
        return None;
    }
    Some(match (significant.is_empty(), text.starts_with('-')) {
        (true, _) => 0,
        (false, true) => -1,
        (false, false) => 1,
    })
}

/// A name without a colon.
fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    let starts = |c: char| c.is_alphabetic() || c == '_';
    characters.next().is_some_and(starts)
        && characters.all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '\u{b7}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        let fits = |kind, value| check(kind, value, Schema::LATEST).is_ok();
        for (kind, good, bad) in [
            (Kind::Id, "_a.b-1", "1a"),
            (Kind::Bool, "1", "yes"),
            (Kind::Integer, "-5", "5s"),
            (Kind::Natural, "-0", "-1"),
            (Kind::Positive, "007", "0"),
            (Kind::Score, "+INFINITY", "infinity"),
            (Kind::Devices, "a,b.c", "a, b"),
            (Kind::Ports, "1-2", "1,2"),
            (Kind::But(&["x"]), "y", "x"),
        ] {
            assert!(fits(kind, good), "{good}");
            assert!(!fits(kind, bad), "{bad}");
        }
        assert!(!fits(Kind::Integer, &"9".repeat(25)));
    }
}
