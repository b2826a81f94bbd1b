//! What of a line may be a secret, and is shown as asterisks.
//!
//! It is decided by how things look, not by what they were read as: a report is about text that may
//! be misspelled, in the wrong place, or cut off, and goes into logs all the same. So it hides rather
//! too much.

use core::ops::Range;

/// Words of an `auth_hmac` block are at most this long, but for keys.
const LONGEST_WORD: usize = 12;

/// How far before a line its block may begin, for this purpose.
const LOOK_BACK: usize = 1 << 16;

/// The places in `text[from..to]`, which is one line or the end of one, that are not to be shown.
/// `wary`: this is about a key, wherever it stands.
pub(crate) fn masks(text: &[u8], from: usize, to: usize, wary: bool) -> Vec<Range<usize>> {
    let line = &text[from..to];
    let mut masks: Vec<Range<usize>> = Vec::new();
    // The rest of a line behind a word with `pas` in it, and from `hex:` on wherever that stands.
    if let Some(at) = find(line, b"pas")
        && let Some(rest) = line[at..].iter().position(u8::is_ascii_whitespace)
    {
        masks.push(from + at + rest..to);
    }
    if let Some(at) = find(line, b"hex:") {
        masks.push(from + at + 4..to);
    }
    let within = find(line, b"auth_hmac").map(|at| at + b"auth_hmac".len());
    let begin = match within {
        _ if wary || in_keys(text, from) => 0,
        Some(at) => at,
        None => return masks,
    };
    let words = words(line).filter(|word| word.start >= begin);
    masks.extend(
        words
            .filter(|word| word.len() > LONGEST_WORD && !line[word.clone()].starts_with(b"file:"))
            .map(|word| from + word.start..from + word.end),
    );
    // A key may be words in quotes, or short by mistake: whatever follows `key ID`.
    if let Some(at) = find(&line[begin..], b"key").map(|at| at + begin)
        && !line[..at].ends_with(b"_")
        && let Some(third) = words_behind(line, at).nth(2)
        && !line[third.start..].starts_with(b"file:")
    {
        masks.push(from + third.start..to);
    }
    masks
}

/// Whether a line that begins at `from` stands in an `auth_hmac` block, as far as can be seen.
fn in_keys(text: &[u8], from: usize) -> bool {
    let before = &text[from.saturating_sub(LOOK_BACK)..from];
    let opened = before.windows(9).rposition(|window| window == b"auth_hmac");
    opened.is_some_and(|at| !before[at..].contains(&b'}'))
}

fn find(line: &[u8], what: &[u8]) -> Option<usize> {
    line.windows(what.len()).position(|window| window.eq_ignore_ascii_case(what))
}

fn words(line: &[u8]) -> impl Iterator<Item = Range<usize>> {
    words_behind(line, 0)
}

/// The words from `begin` on.
fn words_behind(line: &[u8], begin: usize) -> impl Iterator<Item = Range<usize>> {
    let mut at = begin;
    core::iter::from_fn(move || {
        let start = at + line.get(at..)?.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let length = line[start..].iter().position(u8::is_ascii_whitespace);
        at = length.map_or(line.len(), |length| start + length);
        Some(start..at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, line: &str, wary: bool) -> String {
        let from = text.find(line).unwrap();
        let masks = masks(text.as_bytes(), from, from + line.len(), wary);
        let show = |(at, c): (usize, char)| {
            let hidden = c != ' ' && masks.iter().any(|mask| mask.contains(&(from + at)));
            if hidden { '*' } else { c }
        };
        line.char_indices().map(show).collect()
    }

    #[test]
    fn vrrp_119_a_key_is_hidden_wherever_and_however_wrongly_it_is_written() {
        for (line, want) in [
            ("key 1 hex:00aabb", "key 1 **********"),
            ("key 7 secret words \"in quotes\"", "key 7 ****** ***** *** *******"),
            ("key hex:00aabb", "key hex:******"),
            ("kye 1 correct-horse-battery", "kye 1 *********************"),
            ("correct-horse-battery", "*********************"),
            ("key 1 file:/etc/keys/vrrp51", "key 1 file:/etc/keys/vrrp51"),
            ("active_key 1", "active_key 1"),
            ("mode receive-only", "mode receive-only"),
        ] {
            let text = format!("vrrp_instance A {{\n auth_hmac {{\n {line}\n }}\n}}");
            assert_eq!(shown(&text, line, false), want);
        }
        let one = "auth_hmac { key 1 correct-horse-battery active_key 1 }";
        assert_eq!(
            shown(one, one, false),
            "auth_hmac { key 1 ********************* ********** * *"
        );
        let definition = "$KEY=correct-horse-battery";
        assert_eq!(shown(definition, definition, true), "**************************");
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        let text = "auth_hmac {\n}\n notify_master /etc/keepalived/notify.sh 7";
        let line = "notify_master /etc/keepalived/notify.sh 7";
        assert_eq!(shown(text, line, false), line);
        assert_eq!(shown("auth_pass s3cret x", "auth_pass s3cret x", false), "auth_pass ****** *");
    }
}
