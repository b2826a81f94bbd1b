//! `~SEQ`, `~SEQx` and `~LST`: what a line is repeated over.

/// A repetition: names, and what they stand for in each round.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Repeat {
    pub(super) names: Vec<Vec<u8>>,
    over: Over,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Over {
    Numbers { start: i64, step: i64, end: i64, hexadecimal: bool },
    Values(Vec<Vec<String>>),
}

/// Why something that begins like a repetition is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RepeatError {
    pub(super) message: &'static str,
    pub(super) label: &'static str,
    pub(super) help: &'static str,
}

const SEQ: &str = "write `~SEQ(NAME, START, STEP, END) LINE`; START and STEP may be left out";
const LST: &str = "write `~LST(NAME, VALUE, ...) LINE`, or `~LST({A, B}, {1, 2}, {3, 4}) LINE`";

impl Repeat {
    /// What the names stand for, round by round.
    pub(super) fn rounds(&self) -> Box<dyn Iterator<Item = Vec<String>> + '_> {
        match &self.over {
            Over::Numbers { start, step, end, hexadecimal } => {
                let (step, end) = (*step, *end);
                let numbers = core::iter::successors(Some(*start), move |n| n.checked_add(step))
                    .take_while(move |n| if step > 0 { *n <= end } else { *n >= end });
                let hexadecimal = *hexadecimal;
                Box::new(
                    numbers.map(move |n| {
                        vec![if hexadecimal { format!("{n:x}") } else { n.to_string() }]
                    }),
                )
            }
            Over::Values(rounds) => Box::new(rounds.iter().cloned()),
        }
    }
}

/// How long the head of a repetition is, its closing parenthesis included.
pub(super) fn head_end(line: &[u8]) -> usize {
    line.iter().position(|byte| *byte == b')').map_or(line.len(), |at| at + 1)
}

/// The repetition a line begins with; `None` when it does not begin like one.
pub(super) fn parse(line: &[u8]) -> Option<Result<Repeat, RepeatError>> {
    let rest = line.strip_prefix(b"~")?;
    let (rest, kind) = if let Some(rest) = rest.strip_prefix(b"SEQx") {
        (rest, Kind::Hexadecimal)
    } else if let Some(rest) = rest.strip_prefix(b"SEQ") {
        (rest, Kind::Decimal)
    } else {
        (rest.strip_prefix(b"LST")?, Kind::List)
    };
    let rest = rest.trim_ascii_start().strip_prefix(b"(")?;
    let help = if kind == Kind::List { LST } else { SEQ };
    let Some(end) = rest.iter().position(|byte| *byte == b')') else {
        let message = "this repetition is never closed";
        return Some(Err(RepeatError { message, label: "no `)` follows", help }));
    };
    let Ok(inside) = core::str::from_utf8(&rest[..end]) else {
        let message = "this repetition is no text";
        return Some(Err(RepeatError { message, label: "not UTF-8", help }));
    };
    Some(match kind {
        Kind::List => list(inside),
        Kind::Decimal => sequence(inside, false),
        Kind::Hexadecimal => sequence(inside, true),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Decimal,
    Hexadecimal,
    List,
}

fn sequence(inside: &str, hexadecimal: bool) -> Result<Repeat, RepeatError> {
    let bad = |label| RepeatError { message: "this is no sequence", label, help: SEQ };
    let mut parts = inside.split(',').map(str::trim);
    let name = name(parts.next().unwrap_or_default()).ok_or(bad("no name"))?;
    let numbers = parts.map(number).collect::<Option<Vec<i64>>>().ok_or(bad("not a number"))?;
    let towards = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let (start, step, end) = match numbers[..] {
        // As keepalived has it: from 1 or -1, whichever way the end lies.
        [end] => (if end < 0 { -1 } else { 1 }, if end < 0 { -1 } else { 1 }, end),
        [start, end] => (start, towards(start, end), end),
        [start, step, end] => (start, step, end),
        _ => return Err(bad("expected an end, a start and an end, or a step as well")),
    };
    if step == 0 || (step > 0) != (end >= start) && end != start {
        return Err(bad("never reaches its end"));
    }
    Ok(Repeat { names: vec![name], over: Over::Numbers { start, step, end, hexadecimal } })
}

fn list(inside: &str) -> Result<Repeat, RepeatError> {
    let bad = |label| RepeatError { message: "this is no list", label, help: LST };
    let parts = split_list(inside).ok_or(bad("braces do not match"))?;
    let (first, values) = parts.split_first().ok_or(bad("no name"))?;
    let names = first.iter().map(|n| name(n)).collect::<Option<Vec<_>>>().ok_or(bad("no name"))?;
    if values.is_empty() || (names.len() == 1 && values.iter().all(|v| v == &[""])) {
        return Err(bad("no values"));
    }
    let mut rounds = Vec::new();
    for value in values {
        if value.len() > names.len() {
            return Err(bad("more values than names"));
        }
        if value.iter().any(|v| v.contains(char::is_whitespace)) {
            return Err(bad("a value with a blank in it"));
        }
        let mut round: Vec<String> = value.iter().map(|v| (*v).to_owned()).collect();
        round.resize(names.len(), String::new());
        rounds.push(round);
    }
    Ok(Repeat { names, over: Over::Values(rounds) })
}

/// `a, {b, c}` as `[[a], [b, c]]`.
fn split_list(inside: &str) -> Option<Vec<Vec<&str>>> {
    let mut parts = Vec::new();
    let mut rest = inside.trim();
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            let (group, after) = group.split_once('}')?;
            parts.push(group.split(',').map(str::trim).collect());
            rest = after.trim_start();
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let value = rest[..end].trim();
            if value.contains(['{', '}']) {
                return None;
            }
            parts.push(vec![value]);
            rest = &rest[end..];
        }
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None if rest.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

fn name(text: &str) -> Option<Vec<u8>> {
    let legal = !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    legal.then(|| text.as_bytes().to_vec())
}

/// As C's `strtol` reads it with base 0, but for octal: nobody writes a VRID that way.
fn number(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) => i64::from_str_radix(hexadecimal, 16).ok()?,
        None if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        None => return None,
    };
    (value.abs() <= i64::from(u32::MAX)).then_some(sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(line: &str) -> Vec<String> {
        let parsed = parse(line.as_bytes()).unwrap().unwrap();
        parsed.rounds().map(|round| round.join("+")).collect()
    }

    /// Each as keepalived 2.2.7 repeats it.
    #[test]
    fn sequences_and_lists() {
        for (line, want) in [
            ("~SEQ(N,1,3) x", "1 2 3"),
            ("~SEQ(N,3,1)", "3 2 1"),
            ("~SEQ(N,1,2,6)", "1 3 5"),
            ("~SEQx(N,8,12)", "8 9 a b c"),
            ("~SEQx(N, 0x90, 0x10, 0xc0)", "90 a0 b0 c0"),
            ("~SEQ(N,3)", "1 2 3"),
            ("~SEQ(N,-2)", "-1 -2"),
            ("~SEQ (N,01,2)", "1 2"),
            ("~SEQ(N,5,5)", "5"),
            ("~LST(L,a, b,d) w", "a b d"),
            ("~LST({P, Q}, {1,2},{3,4})", "1+2 3+4"),
            ("~LST({P,Q}, {1},{3,4})", "1+ 3+4"),
        ] {
            assert_eq!(rounds(line).join(" "), want, "{line}");
        }
        assert_eq!(rounds("~LST(L,a,,b)"), ["a", "", "b"]);
    }

    #[test]
    fn what_is_no_repetition() {
        for line in [
            "~SEQ(N,1,-1,3)",
            "~SEQ(N,1,0,3)",
            "~SEQ(N,1,x)",
            "~SEQ(N)",
            "~SEQ(1N,1,2)",
            "~SEQ(N,1,2",
            "~LST(L)",
            "~LST(L,)",
            "~LST(L,a b)",
            "~LST({A,B},{1,2,3})",
            "~LST({A,B,{1,2})",
        ] {
            assert!(parse(line.as_bytes()).unwrap().is_err(), "{line}");
        }
        for line in ["~seq(N,1,2)", "~x", "SEQ(N,1,2)", "~SEQ"] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }
}
