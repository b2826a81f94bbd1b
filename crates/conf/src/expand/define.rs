//! `$NAME=value`, and what stands where `$NAME` or `${NAME}` stood.
//!
//! A definition is noted as it is and replaced when it is used, again and again until nothing is
//! left to replace. `$NAME` counts only before a blank or the end of the line, as in keepalived, so
//! that a dollar in a password or an awk script is left alone. A definition over several lines can
//! only be used at the end of a line.

use super::Expander;
use super::traced::{Place, Traced};
use crate::diagnostic::{Code, Severity};
use crate::keywords::nearest;
use crate::lexer::{TokenKind, tokens};
use crate::reader::shown;

/// A line does not grow longer than this, nor are more names replaced in it.
const LONGEST_LINE: usize = 64 * 1024;
const MOST_REPLACED: usize = 1_000;
/// Nor does a name with what follows it within braces.
const LONGEST_NAME: usize = 256;

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    name: Vec<u8>,
    /// One, or those of a block. Empty: nothing.
    pub(super) lines: Vec<Traced>,
    is_block: bool,
    place: Place,
}

impl Definition {
    pub(super) fn value(name: &[u8], value: Traced, place: Place) -> Self {
        Self { name: name.to_vec(), lines: vec![value], is_block: false, place }
    }
}

/// A use of a name within a line.
struct Use<'a> {
    from: usize,
    to: usize,
    name: &'a [u8],
    /// What follows the name within the braces.
    arguments: &'a [u8],
}

impl Expander<'_> {
    /// `$NAME= \`, perhaps behind a condition: a definition that goes on with the next lines.
    pub(super) fn begins_block(&mut self, line: &Traced) -> Option<Definition> {
        if !line.bytes.ends_with(b"\\") {
            return None;
        }
        let at = line.bytes.iter().position(|byte| *byte == b'$')?;
        let name = definition(&line.bytes[at..])?.to_vec();
        let value = line.bytes[at + name.len() + 2..line.bytes.len() - 1].trim_ascii();
        let before = line.slice(0, at).trimmed();
        if !before.bytes.is_empty() && before.bytes.first() != Some(&b'@') {
            return None;
        }
        let place = line.origin(at, line.bytes.len()).unwrap_or(self.line);
        if !value.is_empty() {
            self.complain(
                Code::Macro,
                place,
                "a definition over several lines begins on the line after its name",
                "nothing may stand here but a backslash",
                "write `$NAME= \\` and the first line of the value below",
            );
        }
        // Dropped by its condition it must still swallow its lines.
        let name = if before.bytes.is_empty() || self.condition(line).is_some() {
            name
        } else {
            Vec::new()
        };
        Some(Definition { name, lines: Vec::new(), is_block: true, place })
    }

    /// Takes a definition into account.
    pub(super) fn define(&mut self, definition: Definition) {
        if definition.name.is_empty() {
            return;
        }
        if definition.name.starts_with(b"_") && is_built_in(&definition.name) {
            let name = String::from_utf8_lossy(&definition.name).into_owned();
            self.complain_as(
                Severity::Warning,
                Code::Macro,
                definition.place,
                &format!("`${name}` is defined already, by keepalived itself"),
                "has no effect",
                "choose a name without an underscore in front",
            );
            return;
        }
        self.definitions.insert(definition.name.clone(), definition);
    }

    /// Whether the line is a definition, which has then been noted.
    pub(super) fn define_line(&mut self, line: &Traced) -> bool {
        let Some(name) = definition(&line.bytes).map(<[u8]>::to_vec) else { return false };
        let value = line.slice(name.len() + 2, line.bytes.len()).trimmed();
        let place = line.origin(0, line.bytes.len()).unwrap_or(self.line);
        self.define(Definition::value(&name, value, place));
        true
    }

    /// The line with all names replaced, and the lines of a block it ends with. `None` when it
    /// cannot be, which has been reported.
    pub(super) fn substitute(&mut self, mut line: Traced) -> Option<(Traced, Option<Vec<Traced>>)> {
        if line.bytes.len() > LONGEST_LINE {
            // Most likely no configuration at all; it is for the reader to say what is wrong with it.
            return Some((line, None));
        }
        let mut from = 0;
        let mut replaced = 0;
        let mut below: Vec<Traced> = Vec::new();
        while let Some(found) = next_use(&line.bytes, from) {
            let (begin, end, braced) =
                (found.from, found.to, line.bytes.get(found.from + 1) == Some(&b'{'));
            let place = line.origin(begin, end).unwrap_or(self.line);
            let value = match self.lookup(found.name, found.arguments, place) {
                Some(value) => value,
                None => {
                    let name = String::from_utf8_lossy(found.name).into_owned();
                    self.undefined(&line, begin, &name, braced, place);
                    from = end;
                    continue;
                }
            };
            replaced += 1;
            if replaced > MOST_REPLACED
                || line.bytes.len() > LONGEST_LINE
                || below.len() > super::MOST_LINES
            {
                self.complain(
                    Code::Macro,
                    place,
                    "replacing names in this line does not come to an end",
                    "replaced again and again",
                    "does a definition use itself? The value is looked at when it is used",
                );
                return None;
            }
            if value.is_block {
                if !line.bytes[end..].trim_ascii().is_empty() {
                    self.complain(
                        Code::Macro,
                        place,
                        "a definition over several lines must be the last thing on its line",
                        "something follows",
                        "put what follows on a line of its own; keepalived would not replace it",
                    );
                    return None;
                }
                let mut lines = value.lines.into_iter();
                let mut head = line.slice(0, begin);
                let prefixed = !head.bytes.trim_ascii().is_empty();
                let first = if prefixed { lines.next() } else { None };
                below = lines.chain(below).collect();
                let Some(first) = first else {
                    let head = if prefixed { head } else { Traced::default() };
                    return Some((head, Some(below)));
                };
                // What its first line uses is replaced here as well, be it a block again.
                head.append(&first);
                line = head;
                from = begin;
                continue;
            }
            let mut next = line.slice(0, begin);
            for value in &value.lines {
                next.append(value);
            }
            next.append(&line.slice(end, line.bytes.len()));
            line = next;
            from = begin;
        }
        Some((line, (!below.is_empty()).then_some(below)))
    }

    fn lookup(&mut self, name: &[u8], arguments: &[u8], place: Place) -> Option<Definition> {
        let made = |text: String| {
            Some(Definition::value(name, Traced::made(text.as_bytes(), place), place))
        };
        let arguments = core::str::from_utf8(arguments).ok()?;
        match name {
            b"_PWD" => made(self.open.last().map_or(String::new(), |open| open.directory.clone())),
            b"_INSTANCE" => made(self.around.config_id.to_owned()),
            // Not a bare `#`, which would begin a comment.
            b"_HASH" => made("\\#".to_owned()),
            b"_BANG" => made("\\!".to_owned()),
            b"_ENV" => made((self.around.environment)(arguments.trim()).unwrap_or_default()),
            b"_RANDOM" => {
                let mut bounds = arguments.split_whitespace().map(str::parse::<u64>);
                let least = bounds.next().transpose().ok()?.unwrap_or(0);
                let most = bounds.next().transpose().ok()?.unwrap_or(32_767);
                let random = self.random();
                let range = most.checked_sub(least)?.checked_add(1)?;
                made((least + random % range).to_string())
            }
            _ if !arguments.is_empty() => None,
            _ => self.definitions.get(name).cloned(),
        }
    }

    /// The next number of a sequence that only depends on where it began (SplitMix64).
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A name that nothing defines. In braces outside of quotes keepalived takes the braces for a
    /// block; anything else is left as it is, which a password or a script may rely on.
    fn undefined(&mut self, line: &Traced, at: usize, name: &str, braced: bool, place: Place) {
        let known: Vec<String> = self
            .definitions
            .keys()
            .map(|known| String::from_utf8_lossy(known).into_owned())
            .collect();
        let near = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        let quoted = tokens(&line.bytes).any(|token| {
            matches!(token.kind, TokenKind::Word { .. })
                && (token.span.start..token.span.end).contains(&at)
                && line.bytes[token.span.start..at].iter().any(|b| matches!(b, b'"' | b'\''))
        });
        let label = match &near {
            Some(near) => format!("did you mean `${{{near}}}`?"),
            None => "not defined before this line".to_owned(),
        };
        let message = format!("{} is not defined", shown(&format!("${name}")));
        let help = "write `$NAME=VALUE` above this line, on a line of its own";
        if braced && !quoted {
            self.complain(Code::UndefinedName, place, &message, &label, help);
        } else if near.is_none() {
            self.unreplaced
                .entry((place.file, place.span.start))
                .or_insert((name.as_bytes().to_vec(), place));
        } else {
            self.complain_as(
                Severity::Warning,
                Code::UndefinedName,
                place,
                &format!("{message}, and stays as it is"),
                &label,
                help,
            );
        }
    }
}

impl Expander<'_> {
    /// Says which names a finished line still has although they are defined: without braces a name is
    /// replaced only before a blank.
    pub(super) fn left_over(&mut self, line: &Traced) {
        let mut at = 0;
        while let Some(next) = line.bytes[at..].iter().position(|byte| *byte == b'$') {
            at += next + 1;
            let name = identifier(&line.bytes[at..]);
            let Some(place) = line.origin(at - 1, at + name.len()) else { continue };
            let key = (place.file, place.span.start);
            if !self.definitions.contains_key(name) || self.unreplaced.contains_key(&key) {
                continue;
            }
            self.unreplaced.insert(key, (Vec::new(), place));
            let name = String::from_utf8_lossy(name).into_owned();
            self.complain_as(
                Severity::Warning,
                Code::UndefinedName,
                place,
                &format!("{} is not replaced here, and stays as it is", shown(&format!("${name}"))),
                "without braces a name ends with a blank behind it",
                &format!("write `${{{name}}}` if the definition is meant"),
            );
        }
    }

    /// Says which names were defined only after they were used.
    pub(super) fn defined_too_late(&mut self) {
        for (name, place) in core::mem::take(&mut self.unreplaced).into_values() {
            if !self.definitions.contains_key(&name) {
                continue;
            }
            self.line = place;
            let name = String::from_utf8_lossy(&name).into_owned();
            self.complain_as(
                Severity::Warning,
                Code::UndefinedName,
                place,
                &format!("{} is not defined yet, and stays as it is", shown(&format!("${name}"))),
                "defined only further down",
                "move the definition above this line",
            );
        }
    }
}

fn is_built_in(name: &[u8]) -> bool {
    matches!(name, b"_PWD" | b"_INSTANCE" | b"_HASH" | b"_BANG" | b"_ENV" | b"_RANDOM")
}

/// The name in `$NAME=...`.
pub(super) fn definition(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"$")?;
    let name = identifier(rest);
    (!name.is_empty() && rest.get(name.len()) == Some(&b'=')).then_some(name)
}

/// The letters, digits and underscores `text` begins with, unless it begins with a digit.
fn identifier(text: &[u8]) -> &[u8] {
    let len = text.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    if text.first().is_some_and(u8::is_ascii_digit) { &[] } else { &text[..len] }
}

/// The first use of a name at or behind `from`.
fn next_use(line: &[u8], from: usize) -> Option<Use<'_>> {
    let mut at = from;
    loop {
        at += line.get(at..)?.iter().position(|byte| *byte == b'$')?;
        let rest = &line[at + 1..];
        if let Some(inside) = rest.strip_prefix(b"{") {
            let name = identifier(inside);
            let close = inside.iter().take(LONGEST_NAME).position(|byte| *byte == b'}');
            if let Some(close) = close
                && !name.is_empty()
            {
                let arguments = &inside[name.len()..close];
                let separated = arguments.first().is_none_or(u8::is_ascii_whitespace);
                if separated {
                    let to = at + 2 + close + 1;
                    return Some(Use { from: at, to, name, arguments: arguments.trim_ascii() });
                }
            }
        } else {
            let name = identifier(rest);
            let end = rest.get(name.len());
            if !name.is_empty() && end.is_none_or(u8::is_ascii_whitespace) {
                return Some(Use { from: at, to: at + 1 + name.len(), name, arguments: b"" });
            }
        }
        at += 1;
    }
}
