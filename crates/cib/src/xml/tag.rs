//! A start tag, taken apart.
//!
//! Histories are millions of attributes; what is done for each of them here is looking for the
//! quotes, and little more: the tags of a history are alike, so the names are guessed.

use std::borrow::Cow;

use quick_xml::escape;

/// A start tag: its name, and its attributes as they are written.
pub(crate) struct Tag<'a> {
    pub name: &'a str,
    pub raw: &'a [Raw<'a>],
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

    /// Whether it has a value that can be meant.
    pub(super) fn check(&self) -> Result<(), String> {
        self.value().map(|_| ())
    }
}

impl<'a> Tag<'a> {
    /// The value of an attribute.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        self.raw.iter().find(|raw| raw.name == name).map(Raw::value).transpose()
    }
}

/// Reads one tag after the other.
#[derive(Clone, Default)]
pub(super) struct Tags<'a> {
    raw: Vec<Raw<'a>>,
    /// The names of attributes as tags had them before, all different; a place for tags whose
    /// names have much the same length.
    shapes: [Vec<&'a str>; 8],
}

/// Where a tag ended, and how.
pub(super) struct End {
    /// How much of the text it was, with both brackets.
    pub length: usize,
    /// Whether the element ends with it.
    pub empty: bool,
}

impl<'a> Tags<'a> {
    /// The tag that a text begins with.
    pub(super) fn read(&mut self, text: &'a str) -> Result<(Tag<'_>, End), String> {
        let inner = text.get(1..).unwrap_or_default();
        let ends = |byte: u8| is(byte, WHITE) || matches!(byte, b'>' | b'/');
        let length = inner.bytes().position(ends).unwrap_or(inner.len());
        let name = &inner[..length];
        if !is_name(name) {
            return Err(format!("an element is called {name:?}"));
        }
        let shape = &mut self.shapes[length % 8];
        self.raw.clear();
        let mut rest = after_white(&inner[length..]);
        let mut guessed = true;
        // A name that cannot have been seen before need not be compared with those that were.
        let mut seen: u64 = 0;
        let empty = loop {
            match rest.as_bytes() {
                [b'>', ..] => break false,
                [b'/', b'>', ..] => break true,
                [] => return Err(format!("the text ends inside <{name}")),
                _ => {}
            }
            let guess = if guessed { shape.get(self.raw.len()) } else { None };
            let guess = guess.and_then(|name| Some((*name, value_of(name, rest)?)));
            let (attribute, after) = match guess {
                Some((name, (text, plain, after))) => (Raw { name, text, plain }, after),
                None => {
                    let found = attribute(rest)?;
                    let name = found.0.name;
                    if guessed {
                        guessed = false;
                        seen = self.raw.iter().fold(0, |seen, raw| seen | mark(raw.name));
                    }
                    let mark = mark(name);
                    if seen & mark != 0 && self.raw.iter().any(|known| known.name == name) {
                        return Err(format!("attribute {name} is given twice"));
                    }
                    seen |= mark;
                    found
                }
            };
            self.raw.push(attribute);
            rest = after_white(after);
        };
        if !guessed {
            shape.clear();
            shape.extend(self.raw.iter().map(|raw| raw.name));
        }
        let end = End { length: text.len() - rest.len() + 1 + usize::from(empty), empty };
        Ok((Tag { name, raw: &self.raw }, end))
    }
}

/// What a text that begins with an attribute of this name says: the value, whether it is meant as
/// it is written, and what follows. Nothing where it does not, or not as everybody writes it.
fn value_of<'a>(name: &str, text: &'a str) -> Option<(&'a str, bool, &'a str)> {
    let rest = text.strip_prefix(name)?.strip_prefix("=\"")?;
    let (end, plain) = closing(rest.as_bytes(), b'"');
    let end = end?;
    Some((&rest[..end], plain, &rest[end + 1..]))
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
        let text = format!("<{text}>");
        let mut tags = Tags::default();
        let (tag, end) = tags.read(&text)?;
        assert_eq!(end.length, text.len());
        Ok(tag.raw.iter().map(|raw| (raw.name.into(), raw.text.into())).collect())
    }

    #[test]
    fn a_wrong_guess_is_only_slower() {
        let texts = [
            "<a b=\"1\" c=\"2\" d=\"3\">",
            "<a b=\"1\"  c=\"&lt;\"/>",
            "<a b=\"1\" cc=\"2\" c=\"2\" d=\"3\">",
            "<i c=\"2\" b=\"1\">",
            "<a b='1' cc=\"2\" d=\"3\" />",
        ];
        let mut tags = Tags::default();
        let many: Vec<&str> = texts.iter().cycle().take(20).copied().collect();
        for text in many {
            let shown = |tags: &mut Tags<'_>| {
                let (tag, end) = tags.read(text).expect("a tag");
                let raw: Vec<_> = tag.raw.iter().map(|it| (it.name, it.text, it.plain)).collect();
                (format!("{} {raw:?}", tag.name), end.length, end.empty)
            };
            let (known, fresh) = (shown(&mut tags.clone()), shown(&mut Tags::default()));
            assert_eq!(known, fresh, "{text}");
            assert_eq!((known.1, known.2), (text.len(), text.ends_with("/>")));
            let _ = tags.read(text);
        }
        tags.read("<a b=\"1\" c=\"2\">").map(|_| ()).expect("a tag");
        for twice in ["<a b=\"1\" b=\"1\">", "<a b=\"1\" c=\"2\" b=\"1\">"] {
            assert!(tags.read(twice).is_err(), "{twice}");
        }
    }

    #[test]
    fn a_tag_that_does_not_end_is_none() {
        let whole = "<a bc=\"1\" d='>' e=\"/>\"/>";
        for end in 1..whole.len() {
            assert!(Tags::default().read(&whole[..end]).is_err(), "{}", &whole[..end]);
        }
        assert!(Tags::default().read("<a / >").is_err());
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
