//! What a word says once its quotes and backslashes are taken away.
//!
//! [`text`] does it once, for any value. A script line is treated a second time by [`split`]: what
//! the first pass left is cut at blanks, `'...'` and `"..."` holding one argument together, as in
//! `"/usr/bin/logger -t vrrp 'now active'"`. No shell is involved, so no variable, pipe or glob
//! means anything.

use std::borrow::Cow;

/// Why a word says nothing. Offsets are from the start of what was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WordError {
    /// A backslash followed by nothing, or by digits that make no byte.
    Escape { at: usize },
    /// Not UTF-8, before or after the escapes.
    Utf8 { at: usize },
    /// A NUL, written or escaped.
    Nul { at: usize },
    /// A quote that is not closed (in a script line's second pass).
    Quote { at: usize },
}

/// `raw` without its quotes, backslash sequences replaced.
pub(crate) fn text(raw: &[u8]) -> Result<Cow<'_, str>, WordError> {
    let plain = !raw.iter().any(|b| matches!(b, b'"' | b'\'' | b'\\' | 0));
    if plain {
        return match core::str::from_utf8(raw) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(error) => Err(WordError::Utf8 { at: error.valid_up_to() }),
        };
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut quote = None;
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        match (quote, byte) {
            (_, 0) => return Err(WordError::Nul { at }),
            (_, b'\\') => {
                let (code, after) = escape(raw, at)?;
                out.push(code);
                at = after;
                continue;
            }
            (None, b'"') => quote = Some(byte),
            (None, b'\'') if at == 0 => quote = Some(byte),
            (Some(open), _) if byte == open => quote = None,
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out)
        .map(Cow::Owned)
        .map_err(|error| WordError::Utf8 { at: error.utf8_error().valid_up_to().min(raw.len()) })
}

/// A password as it travels: what stands there, without the double quotes around it. keepalived takes
/// single quotes and backslashes in it for characters, and so must whoever is to be heard by it; only what
/// would begin a comment is escaped. `None` for a quote in another place, where programs disagree.
pub(crate) fn secret(raw: &[u8]) -> Option<Result<String, WordError>> {
    let inner = match raw {
        [b'"', inner @ .., b'"'] => inner.to_vec(),
        _ => {
            let text = raw.windows(2).enumerate();
            let escapes: Vec<usize> = text
                .filter(|(_, pair)| matches!(*pair, b"\\#" | b"\\!"))
                .map(|(at, _)| at)
                .collect();
            let bytes = raw.iter().enumerate();
            bytes.filter(|(at, _)| !escapes.contains(at)).map(|(_, byte)| *byte).collect()
        }
    };
    let blank = raw.first() == Some(&b'\'') && raw.iter().any(u8::is_ascii_whitespace);
    if blank || inner.contains(&b'"') {
        return None;
    }
    if let Some(at) = inner.iter().position(|byte| *byte == 0) {
        return Some(Err(WordError::Nul { at }));
    }
    Some(
        String::from_utf8(inner)
            .map_err(|error| WordError::Utf8 { at: error.utf8_error().valid_up_to() }),
    )
}

/// The arguments in `line`, the text of a script word.
pub(crate) fn split(line: &str) -> Result<Vec<String>, WordError> {
    let raw = line.as_bytes();
    let mut arguments = Vec::new();
    let mut current: Option<Vec<u8>> = None;
    let mut quote: Option<(u8, usize)> = None;
    let mut at = 0;
    let mut finish = |argument: Vec<u8>, at: usize| {
        String::from_utf8(argument)
            .map(|argument| arguments.push(argument))
            .map_err(|_| WordError::Utf8 { at })
    };
    while let Some(&byte) = raw.get(at) {
        match (quote, byte) {
            (_, b'\\') => {
                let (code, after) = escape(raw, at)?;
                current.get_or_insert_default().push(code);
                at = after;
                continue;
            }
            (None, b'"' | b'\'') => {
                current.get_or_insert_default();
                quote = Some((byte, at));
            }
            (Some((open, _)), _) if byte == open => quote = None,
            (None, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c) => {
                if let Some(argument) = current.take() {
                    finish(argument, at)?;
                }
            }
            _ => current.get_or_insert_default().push(byte),
        }
        at += 1;
    }
    if let Some((_, at)) = quote {
        return Err(WordError::Quote { at });
    }
    if let Some(argument) = current {
        finish(argument, at)?;
    }
    Ok(arguments)
}

/// The byte the sequence at `at` (a backslash) stands for, and where it ends. As in C, with `\E`
/// for escape and `\cX` for control-X; any other character stands for itself.
fn escape(raw: &[u8], at: usize) -> Result<(u8, usize), WordError> {
    let bad = WordError::Escape { at };
    let &letter = raw.get(at + 1).ok_or(bad)?;
    let mut after = at + 2;
    let code = match letter {
        b'a' => 0x07,
        b'b' => 0x08,
        b'e' | b'E' => 0x1b,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'c' => {
            let &control = raw.get(after).ok_or(bad)?;
            after += 1;
            control & 0x1f
        }
        b'x' => {
            let digits = digits(raw, after, 16, usize::MAX);
            after += digits.len();
            number(digits, 16).ok_or(bad)?
        }
        b'0'..=b'7' => {
            let digits = digits(raw, at + 1, 8, 3);
            after = at + 1 + digits.len();
            number(digits, 8).ok_or(bad)?
        }
        other => other,
    };
    if code == 0 { Err(WordError::Nul { at }) } else { Ok((code, after)) }
}

fn digits(raw: &[u8], from: usize, radix: u32, most: usize) -> &[u8] {
    let rest = raw.get(from..).unwrap_or_default();
    let count = rest.iter().take(most).take_while(|b| char::from(**b).is_digit(radix)).count();
    &rest[..count]
}

fn number(digits: &[u8], radix: u32) -> Option<u8> {
    u8::from_str_radix(core::str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_go_and_escapes_become_bytes() {
        for (raw, want) in [
            ("plain", "plain"),
            (r#"abcd" efg h jkl "mnop"#, "abcd efg h jkl mnop"),
            (r#""a 'b' c""#, "a 'b' c"),
            (r#"'a "b" c'"#, r#"a "b" c"#),
            (r"a\#b\!c\\d\q", r"a#b!c\dq"),
            (r"\x41\102\t\cA\E", "AB\t\x01\x1b"),
            (r"\xc3\xa9", "é"),
            (r#""""#, ""),
            ("it's", "it's"),
        ] {
            assert_eq!(text(raw.as_bytes()).as_deref(), Ok(want), "{raw}");
        }
    }

    /// Each of these was given to keepalived 2.2.7, which shows the password in its dump.
    #[test]
    fn a_password_is_what_stands_there() {
        for (raw, want) in [
            ("1111", Some("1111")),
            (r#""1111""#, Some("1111")),
            (r#""a b#c""#, Some("a b#c")),
            ("'1111'", Some("'1111'")),
            ("it's", Some("it's")),
            (r"a\tb", Some(r"a\tb")),
            (r"a\\b", Some(r"a\\b")),
            (r#""a\nb""#, Some(r"a\nb")),
            ("a$b", Some("a$b")),
            // By keepalived.conf(5); 2.2.7 ends the word there.
            (r"a\#b", Some("a#b")),
            (r#"a"b"c"#, None),
            (r#""a\"b""#, None),
            ("'a b'", None),
        ] {
            let read = secret(raw.as_bytes()).map(|read| read.expect("text"));
            assert_eq!(read.as_deref(), want, "{raw}");
        }
    }

    #[test]
    fn what_says_nothing_is_located() {
        for (raw, want) in [
            (&b"ab\\"[..], WordError::Escape { at: 2 }),
            (b"\\x", WordError::Escape { at: 0 }),
            (b"a\\x141", WordError::Escape { at: 1 }),
            (b"\\777", WordError::Escape { at: 0 }),
            (b"a\\c", WordError::Escape { at: 1 }),
            (b"ab\xff", WordError::Utf8 { at: 2 }),
            (b"\"\\xff\"", WordError::Utf8 { at: 0 }),
            (b"a\0", WordError::Nul { at: 1 }),
            (b"a\\0", WordError::Nul { at: 1 }),
        ] {
            assert_eq!(text(raw), Err(want), "{raw:?}");
        }
    }

    /// Each of these was given to keepalived 2.2.7 with a script that prints its arguments.
    #[test]
    fn a_script_line_is_split_as_keepalived_does() {
        for (raw, want) in [
            ("'/n.sh a b'", &["/n.sh", "a", "b"][..]),
            (r#""/n.sh 'a b' c\ d x'y z'w""#, &["/n.sh", "a b", "c", "d", "xy zw"]),
            (
                r#""/n.sh a\tb \"q r\" \x41 \101 '' end""#,
                &["/n.sh", "a", "b", "q r", "A", "A", "", "end"],
            ),
            ("/n.sh", &["/n.sh"]),
            (r#""'/n.sh' a""#, &["/n.sh", "a"]),
            (r#"/n.sh" 'a b' c""#, &["/n.sh", "a b", "c"]),
        ] {
            let line = text(raw.as_bytes()).unwrap();
            assert_eq!(split(&line).unwrap(), want, "{raw}");
        }
        assert_eq!(split("a 'b c"), Err(WordError::Quote { at: 2 }));
        assert_eq!(split("  "), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn no_word_panics(raw in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(line) = text(&raw) {
                let _ = split(&line);
            }
        }
    }
}
