//! A start tag, taken apart.
//!
//! Histories are half a million attributes; what is done for each of them here is looking for the
//! quotes, and no more.

use std::borrow::Cow;

use quick_xml::escape;
use quick_xml::events::BytesStart;

/// A start tag: its name, and its attributes as they are written.
pub(crate) struct Tag<'a> {
    pub name: &'a str,
    pub raw: Vec<(&'a str, &'a str)>,
}

impl<'a> Tag<'a> {
    pub(super) fn read(start: &'a BytesStart<'_>) -> Result<Self, String> {
        let text: &str = start;
        let name = text.split(white).next().unwrap_or_default();
        if !is_name(name) {
            return Err(format!("an element is called {name:?}"));
        }
        let mut raw = Vec::new();
        let mut rest = text[name.len()..].trim_start_matches(white);
        if !rest.is_empty() {
            raw.reserve(16);
        }
        // A name that cannot have been seen before need not be compared with those that were.
        let mut seen: u64 = 0;
        while !rest.is_empty() {
            let (attribute, value, after) = attribute(rest)?;
            let mark = mark(attribute);
            if seen & mark != 0 && raw.iter().any(|(known, _)| *known == attribute) {
                return Err(format!("attribute {attribute} is given twice"));
            }
            seen |= mark;
            raw.push((attribute, value));
            rest = after.trim_start_matches(white);
        }
        Ok(Self { name, raw })
    }

    /// The value of an attribute.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        let found = self.raw.iter().find(|(known, _)| *known == name);
        found.map(|(_, raw)| unescaped(raw)).transpose()
    }
}

fn white(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Whether a name is one (XML 1.0, section 2.3). Beyond ASCII all is taken; what matters is that a
/// document can be written again.
fn is_name(name: &str) -> bool {
    let begins =
        |byte: u8| byte.is_ascii_alphabetic() || byte >= 0x80 || matches!(byte, b'_' | b':');
    let goes_on = |byte: u8| begins(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    name.bytes().next().is_some_and(begins) && name.bytes().all(goes_on)
}

/// One of 64 bits, from a name.
fn mark(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let middle = bytes.get(bytes.len() / 2).copied().unwrap_or(0);
    let last = bytes.last().copied().unwrap_or(0);
    1 << ((bytes.len() + usize::from(middle) * 5 + usize::from(last) * 3) % 64)
}

/// The first attribute of what is left of a tag: name, raw value, and what follows.
fn attribute(text: &str) -> Result<(&str, &str, &str), String> {
    let bytes = text.as_bytes();
    let length = bytes.iter().position(|byte| matches!(byte, b'=' | b' ' | b'\t' | b'\n' | b'\r'));
    let Some(length) = length else { return Err(format!("attribute {text} has no value")) };
    let name = &text[..length];
    if !is_name(name) {
        return Err(format!("an attribute is called {name:?}"));
    }
    let wrong = || format!("attribute {name} has no value in quotes");
    let rest = text[length..].trim_start_matches(white).strip_prefix('=').ok_or_else(wrong)?;
    let rest = rest.trim_start_matches(white);
    let quote =
        rest.bytes().next().filter(|byte| matches!(byte, b'"' | b'\'')).ok_or_else(wrong)?;
    let rest = &rest[1..];
    let end = rest.bytes().position(|byte| byte == quote).ok_or_else(wrong)?;
    Ok((name, &rest[..end], &rest[end + 1..]))
}

/// A value as it is meant: white space is spaces, references are what they stand for.
pub(crate) fn unescaped(raw: &str) -> Result<Cow<'_, str>, String> {
    if !raw.bytes().any(|byte| matches!(byte, b'&' | b'\n' | b'\t' | b'\r')) {
        return Ok(Cow::Borrowed(raw));
    }
    let flat = raw.replace(['\n', '\t', '\r'], " ");
    let value = escape::unescape(&flat).map_err(|error| error.to_string())?;
    Ok(Cow::Owned(value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        let start = BytesStart::from_content(text, 1);
        let tag = Tag::read(&start)?;
        Ok(tag.raw.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn attributes_are_told_apart() {
        let found = read("a b = '1'\n c=\"x='y'\"  ").expect("a tag");
        assert_eq!(found, [("b".into(), "1".into()), ("c".into(), "x='y'".into())]);
        assert_eq!(read("a"), Ok(Vec::new()));
        let bad = ["a b", "a b=", "a b=1", "a b='1", "a ='1'", "a b='1' b='2'", "a b 'c'"];
        for bad in bad.into_iter().chain(["", "'", "a<b", "1", "a b&='1'", "a -b='1'", "\u{1}"]) {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_names_of_one_mark_are_two_names() {
        let same = (0..200).map(|n| format!("n{n}='{n}'")).collect::<Vec<_>>().join(" ");
        assert_eq!(read(&format!("a {same}")).map(|all| all.len()), Ok(200));
        assert!(read(&format!("a {same} n77=''")).is_err());
    }
}
