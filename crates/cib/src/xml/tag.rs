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
    pub raw: Vec<Raw<'a>>,
}

/// An attribute as it is written.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub name: &'a str,
    text: &'a str,
    /// Whether what is written is what is meant.
    plain: bool,
}

impl<'a> Raw<'a> {
    /// The value as it is meant.
    pub(crate) fn value(&self) -> Result<Cow<'a, str>, String> {
        if self.plain { Ok(Cow::Borrowed(self.text)) } else { unescaped(self.text) }
    }
}

impl<'a> Tag<'a> {
    pub(super) fn read(start: &'a BytesStart<'_>) -> Result<Self, String> {
        let text: &str = start;
        let end = text.bytes().position(|byte| is(byte, WHITE)).unwrap_or(text.len());
        let name = &text[..end];
        if !is_name(name) {
            return Err(format!("an element is called {name:?}"));
        }
        let mut raw = Vec::new();
        let mut rest = after_white(&text[end..]);
        if !rest.is_empty() {
            raw.reserve(16);
        }
        // A name that cannot have been seen before need not be compared with those that were.
        let mut seen: u64 = 0;
        while !rest.is_empty() {
            let (attribute, after) = attribute(rest)?;
            let name = attribute.name;
            let mark = mark(name);
            if seen & mark != 0 && raw.iter().any(|known: &Raw<'_>| known.name == name) {
                return Err(format!("attribute {name} is given twice"));
            }
            seen |= mark;
            raw.push(attribute);
            rest = after_white(after);
        }
        Ok(Self { name, raw })
    }

    /// The value of an attribute.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        self.raw.iter().find(|raw| raw.name == name).map(Raw::value).transpose()
    }
}

/// What a byte may be: white space; the first of a name; a later one; something that is not meant
/// as it is written.
const WHITE: u8 = 1;
const BEGINS: u8 = 2;
const GOES_ON: u8 = 4;
const SPECIAL: u8 = 8;
const CLASS: [u8; 256] = classes();

/// Names are those of XML 1.0, section 2.3. Beyond ASCII all is taken; what matters is that a
/// document can be written again.
const fn classes() -> [u8; 256] {
    let mut all = [0; 256];
    let mut at = 0;
    while at < 256 {
        all[at] = if at >= 0x80 { BEGINS | GOES_ON } else { 0 };
        at += 1;
    }
    let mut byte = 0u8;
    while byte < 0x80 {
        let begins = byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':');
        let goes_on = begins || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        let special = matches!(byte, b'&' | b'\n' | b'\t' | b'\r');
        let white = matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
        let mut class = if begins { BEGINS } else { 0 };
        class |= if goes_on { GOES_ON } else { 0 };
        class |= if special { SPECIAL } else { 0 };
        class |= if white { WHITE } else { 0 };
        all[byte as usize] = class;
        byte += 1;
    }
    all
}

fn is(byte: u8, class: u8) -> bool {
    CLASS[usize::from(byte)] & class != 0
}

fn after_white(text: &str) -> &str {
    let end = text.bytes().position(|byte| !is(byte, WHITE)).unwrap_or(text.len());
    &text[end..]
}

fn is_name(name: &str) -> bool {
    name.bytes().next().is_some_and(|first| is(first, BEGINS))
        && name.bytes().all(|byte| is(byte, GOES_ON))
}

/// One of 64 bits, from a name.
fn mark(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let middle = bytes.get(bytes.len() / 2).copied().unwrap_or(0);
    let last = bytes.last().copied().unwrap_or(0);
    1 << ((bytes.len() + usize::from(middle) * 5 + usize::from(last) * 3) % 64)
}

/// The first attribute of what is left of a tag, and what follows.
fn attribute(text: &str) -> Result<(Raw<'_>, &str), String> {
    let length = text.bytes().position(|byte| !is(byte, GOES_ON)).unwrap_or(text.len());
    let name = &text[..length];
    let ends = text[length..].bytes().next();
    if !text.bytes().next().is_some_and(|first| is(first, BEGINS))
        || ends.is_some_and(|byte| byte != b'=' && !is(byte, WHITE))
    {
        let name = text.split(|c: char| c == '=' || c.is_ascii_whitespace()).next();
        return Err(format!("an attribute is called {:?}", name.unwrap_or_default()));
    }
    let wrong = || format!("attribute {name} has no value in quotes");
    let rest = after_white(&text[length..]).strip_prefix('=').ok_or_else(wrong)?;
    let rest = after_white(rest);
    let quote =
        rest.bytes().next().filter(|byte| matches!(byte, b'"' | b'\'')).ok_or_else(wrong)?;
    let rest = &rest[1..];
    let (end, plain) = closing(rest.as_bytes(), quote);
    let end = end.ok_or_else(wrong)?;
    Ok((Raw { name, text: &rest[..end], plain }, &rest[end + 1..]))
}

/// Where the first such quote is, and whether everything before it is meant as it is written.
///
/// Eight bytes at a time: most of a large document is read here and nowhere else.
fn closing(bytes: &[u8], quote: u8) -> (Option<usize>, bool) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    // Zero bytes of a word get their highest bit, and so may bytes above one of them.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let quotes = u64::from(quote) * ONES;
    let (words, _) = bytes.as_chunks::<8>();
    let mut plain = true;
    let mut from = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // Control characters are below 0x20; only these and the ampersand are worth a closer look.
        let low = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        if zeros(word ^ quotes) | zeros(word ^ (ONES * u64::from(b'&'))) | low != 0 {
            for (at, byte) in bytes[from..from + 8].iter().enumerate() {
                if *byte == quote {
                    return (Some(from + at), plain);
                }
                plain &= !is(*byte, SPECIAL);
            }
        }
        from += 8;
    }
    for (at, byte) in bytes[from..].iter().enumerate() {
        if *byte == quote {
            return (Some(from + at), plain);
        }
        plain &= !is(*byte, SPECIAL);
    }
    (None, plain)
}

/// A value as it is meant: white space is spaces, references are what they stand for.
fn unescaped(raw: &str) -> Result<Cow<'_, str>, String> {
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
        Ok(tag.raw.iter().map(|raw| (raw.name.into(), raw.text.into())).collect())
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
    fn the_end_of_a_value_is_found_wherever_it_is() {
        for before in 0..40 {
            for (part, meant) in [("x", true), ("&", false), ("\n", false), ("\u{e9}", true)] {
                let text = format!("{part}{}\" rest\"", "\u{7f}~'".repeat(before));
                let end = text.find('"');
                assert_eq!(closing(text.as_bytes(), b'"'), (end, meant), "{text:?}");
                let text = format!("{}{part}\"", "a".repeat(before));
                assert_eq!(closing(text.as_bytes(), b'"'), (text.find('"'), meant), "{text:?}");
                assert_eq!(closing(text.as_bytes(), b'<').0, None);
            }
        }
        // What comes behind the quote is not part of the value.
        assert_eq!(closing(b"ab\"&\n&&&&&&&&&", b'"'), (Some(2), true));
    }

    #[test]
    fn two_names_of_one_mark_are_two_names() {
        let same = (0..200).map(|n| format!("n{n}='{n}'")).collect::<Vec<_>>().join(" ");
        assert_eq!(read(&format!("a {same}")).map(|all| all.len()), Ok(200));
        assert!(read(&format!("a {same} n77=''")).is_err());
    }
}
