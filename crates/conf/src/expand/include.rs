//! `include` and its five stricter forms: which files a line means, and what is wrong when there
//! are none.
//!
//! Braces are expanded as csh does, wildcards match as a shell's do, a leading dot only when written.
//! Relative names begin where the file stands that includes them. The files themselves come from
//! whoever calls; a file that is being read already cannot be read again.

use serde::{Deserialize, Serialize};

use super::traced::Traced;
use super::{Expander, MAX_DEPTH};
use crate::diagnostic::{Code, Severity};
use crate::reader::shown;

/// Where included files come from.
pub trait Files {
    /// The bytes of the file at `path`.
    ///
    /// # Errors
    /// Why it cannot be read, for people.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// The names in the directory at `path`, in any order; empty when there is none.
    fn names(&self, path: &str) -> Vec<String>;

    /// Whether there is anything at `path`.
    fn exists(&self, path: &str) -> bool;
}

/// No files at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("files cannot be included here".to_owned())
    }

    fn names(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn exists(&self, _: &str) -> bool {
        false
    }
}

/// What is an error about an include; without any, only a warning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct IncludeChecks {
    /// A file that matches must be readable.
    pub readable: bool,
    /// A name without wildcards must be there.
    pub must_match: bool,
    /// A wildcard must match something.
    pub wildcard_match: bool,
    /// Each alternative in braces must match something.
    pub brace_match: bool,
}

impl IncludeChecks {
    /// All of them.
    pub const ALL: IncludeChecks =
        IncludeChecks { readable: true, must_match: true, wildcard_match: true, brace_match: true };

    /// As `include_check` with these words has it; the first unknown one otherwise.
    pub(super) fn change(&mut self, words: &[&[u8]]) -> Result<(), Vec<u8>> {
        if words.is_empty() {
            *self = Self::ALL;
            return Ok(());
        }
        let plain = |word: &[u8]| !matches!(word.first(), Some(b'+' | b'-'));
        let mut next =
            if words.first().is_some_and(|w| plain(w)) { Self::default() } else { *self };
        let mut on = true;
        for word in words {
            let name = match word.first() {
                Some(b'+') => {
                    on = true;
                    &word[1..]
                }
                Some(b'-') => {
                    on = false;
                    &word[1..]
                }
                _ => word,
            };
            match name {
                b"" => {}
                // The second is what keepalived 2.2.7 knows, the first what its manual says.
                b"readable" | b"read" => next.readable = on,
                b"match" => next.must_match = on,
                b"wildcard_match" => next.wildcard_match = on,
                b"brace_match" => next.brace_match = on,
                _ => return Err(word.to_vec()),
            }
        }
        *self = next;
        Ok(())
    }
}

/// The forms of the directive, and what each adds to the checks.
const FORMS: &[(&str, IncludeChecks)] = {
    const NONE: IncludeChecks = IncludeChecks {
        readable: false,
        must_match: false,
        wildcard_match: false,
        brace_match: false,
    };
    &[
        ("include", NONE),
        ("includer", IncludeChecks { readable: true, ..NONE }),
        ("includem", IncludeChecks { must_match: true, readable: true, ..NONE }),
        ("includew", IncludeChecks { wildcard_match: true, readable: true, ..NONE }),
        ("includeb", IncludeChecks { brace_match: true, readable: true, ..NONE }),
        ("includea", IncludeChecks::ALL),
    ]
};

/// The form a line has, and what follows it.
fn form(line: &[u8]) -> Option<(IncludeChecks, &[u8])> {
    let end = line.iter().position(u8::is_ascii_whitespace)?;
    let (_, checks) = FORMS.iter().find(|(name, _)| name.as_bytes() == &line[..end])?;
    let pattern = line[end..].trim_ascii();
    (!pattern.is_empty()).then_some((*checks, pattern))
}

pub(super) fn is_include(line: &[u8]) -> bool {
    form(line).is_some()
}

impl Expander<'_> {
    /// Whether the line is an include, which has then been done.
    pub(super) fn include_line(&mut self, line: &Traced, depth: usize) -> bool {
        let Some((extra, pattern)) = form(&line.bytes) else { return false };
        let from = line.bytes.len() - pattern.len();
        let place = line.origin(from, line.bytes.len()).unwrap_or(self.line);
        let checks = IncludeChecks {
            readable: self.include_checks.readable || extra.readable,
            must_match: self.include_checks.must_match || extra.must_match,
            wildcard_match: self.include_checks.wildcard_match || extra.wildcard_match,
            brace_match: self.include_checks.brace_match || extra.brace_match,
        };
        let pattern = String::from_utf8_lossy(pattern).into_owned();
        if pattern.starts_with(['"', '\'']) {
            self.complain(
                Code::IncludeMissing,
                place,
                "the name of an included file is written without quotes",
                "keepalived would look for a file with quotes in its name",
                "remove the quotes; blanks and all, the rest of the line is the name",
            );
            return true;
        }
        if depth >= MAX_DEPTH || self.open.len() >= MAX_DEPTH {
            self.complain(
                Code::IncludeCycle,
                place,
                "files include each other too deeply",
                "not read",
                "does a file include itself by way of another?",
            );
            return true;
        }
        let directory = self.open.last().map_or(String::new(), |open| open.directory.clone());
        let alternatives = braces(&pattern);
        let many = alternatives.len() > 1;
        for one in alternatives {
            let path = join(&directory, &one);
            let wild = one.contains(['*', '?', '[']);
            let found = if wild {
                matches(self.around.files, &path)
            } else if self.around.files.exists(&path) {
                vec![path]
            } else {
                Vec::new()
            };
            if found.is_empty() {
                let must = match (wild, many) {
                    (true, _) => checks.wildcard_match,
                    (false, true) => checks.brace_match || checks.must_match,
                    (false, false) => checks.must_match,
                };
                // Keepalived goes on without; so do we unless told otherwise, but not in silence.
                if must || !wild {
                    let severity = if must { Severity::Error } else { Severity::Warning };
                    self.missing(severity, place, &one);
                }
            }
            for path in found {
                self.include(path, checks, place);
            }
        }
        true
    }

    fn missing(&mut self, severity: Severity, place: super::Place, name: &str) {
        self.complain_as(
            severity,
            Code::IncludeMissing,
            place,
            &format!("no file to include matches {}", shown(name)),
            "nothing is included",
            "names begin at the directory of the file they stand in; remove the line if the file is not needed",
        );
    }

    fn include(&mut self, path: String, checks: IncludeChecks, place: super::Place) {
        if self.open.iter().any(|open| open.path == path) {
            return self.complain(
                Code::IncludeCycle,
                place,
                &format!("{} includes itself", shown(&path)),
                "is being read already",
                "remove this line, or the one that leads back here",
            );
        }
        match self.around.files.read(&path) {
            Ok(text) => {
                let line = self.line;
                self.file(path.clone(), path, text);
                self.line = line;
            }
            Err(why) => {
                let severity = if checks.readable { Severity::Error } else { Severity::Warning };
                self.complain_as(
                    severity,
                    Code::IncludeMissing,
                    place,
                    &format!("{} cannot be included: {why}", shown(&path)),
                    "left out",
                    "name a file that can be read",
                );
            }
        }
    }
}

/// The directory part of a path, and the rest.
pub(super) fn split(path: &str) -> (&str, &str) {
    match path.rfind('/') {
        Some(0) => ("/", &path[1..]),
        Some(at) => (&path[..at], &path[at + 1..]),
        None => ("", path),
    }
}

/// `name` as seen from `directory`, without `.` and `..` as far as names can tell.
pub(super) fn join(directory: &str, name: &str) -> String {
    let whole = if name.starts_with('/') || directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    };
    let absolute = whole.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." if absolute || parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"))
}

/// `a{b,c{d,e}}` as `ab acd ace`; unbalanced braces stand for themselves.
fn braces(pattern: &str) -> Vec<String> {
    const MOST: usize = 1_000;
    let mut done = Vec::new();
    let mut todo = vec![pattern.to_owned()];
    while let Some(pattern) = todo.pop() {
        match first_group(&pattern) {
            Some((open, commas, close)) if done.len() + todo.len() < MOST => {
                let mut cuts = vec![open];
                cuts.extend(commas);
                cuts.push(close);
                for pair in cuts.windows(2).rev() {
                    let inner = &pattern[pair[0] + 1..pair[1]];
                    todo.push(format!("{}{inner}{}", &pattern[..open], &pattern[close + 1..]));
                }
            }
            _ => done.push(pattern),
        }
    }
    done
}

/// The first balanced group with a comma in it: its braces and the commas directly within.
fn first_group(pattern: &str) -> Option<(usize, Vec<usize>, usize)> {
    for (open, _) in pattern.match_indices('{') {
        let mut depth = 0;
        let mut commas = Vec::new();
        for (at, byte) in pattern.bytes().enumerate().skip(open) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b',' if depth == 1 => commas.push(at),
                _ => {}
            }
            if depth == 0 {
                if !commas.is_empty() {
                    return Some((open, commas, at));
                }
                break;
            }
        }
    }
    None
}

/// The paths that match a pattern, in order.
fn matches(files: &dyn Files, pattern: &str) -> Vec<String> {
    let absolute = pattern.starts_with('/');
    let mut found = vec![if absolute { "/".to_owned() } else { String::new() }];
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        let mut next = Vec::new();
        for directory in &found {
            let join = |name: &str| match directory.as_str() {
                "" => name.to_owned(),
                "/" => format!("/{name}"),
                other => format!("{other}/{name}"),
            };
            if part.contains(['*', '?', '[']) {
                let mut names = files.names(if directory.is_empty() { "." } else { directory });
                names.sort();
                next.extend(
                    names
                        .iter()
                        .filter(|name| !name.starts_with('.') || part.starts_with('.'))
                        .filter(|name| wild(part.as_bytes(), name.as_bytes()))
                        .map(|name| join(name)),
                );
            } else if !last || files.exists(&join(part)) {
                next.push(join(part));
            }
        }
        found = next;
    }
    found
}

/// Whether a name matches a pattern of `*`, `?` and `[...]`.
fn wild(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some(b'?') => {
                p += 1;
                n += 1;
                continue;
            }
            Some(b'[') => {
                if let Some((yes, after)) = class(&pattern[p..], name[n])
                    && yes
                {
                    p += after;
                    n += 1;
                    continue;
                }
            }
            Some(byte) if *byte == name[n] => {
                p += 1;
                n += 1;
                continue;
            }
            _ => {}
        }
        let Some((star, from)) = back else { return false };
        back = Some((star, from + 1));
        (p, n) = (star, from + 1);
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Whether `byte` is in the class `pattern` begins with, and how long the class is.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let from = if negated { 2 } else { 1 };
    let close = pattern.iter().skip(from + 1).position(|b| *b == b']')? + from + 1;
    let mut members = &pattern[from..close];
    let mut inside = false;
    while let Some((&first, rest)) = members.split_first() {
        match rest {
            [b'-', last, after @ ..] => {
                inside |= (first..=*last).contains(&byte);
                members = after;
            }
            _ => {
                inside |= first == byte;
                members = rest;
            }
        }
    }
    Some((inside != negated, close + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_those_of_csh() {
        for (pattern, want) in [
            ("a", vec!["a"]),
            ("a{b,c}d", vec!["abd", "acd"]),
            ("{foo/{,cat,dog},bar}", vec!["foo/", "foo/cat", "foo/dog", "bar"]),
            ("a{b", vec!["a{b"]),
            ("a{b}c", vec!["a{b}c"]),
        ] {
            assert_eq!(braces(pattern), want, "{pattern}");
        }
    }

    #[test]
    fn wildcards_are_those_of_a_shell() {
        for (pattern, name, want) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a*b*c", "axxbyyc", true),
            ("?", "é", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x]", "]", true),
            ("[abc", "a", false),
        ] {
            assert_eq!(wild(pattern.as_bytes(), name.as_bytes()), want, "{pattern} {name}");
        }
    }

    #[test]
    fn names_begin_where_their_file_stands() {
        assert_eq!(join("/etc/k", "a.conf"), "/etc/k/a.conf");
        assert_eq!(join("/etc/k", "../x/./a"), "/etc/x/a");
        assert_eq!(join("/etc/k", "/a"), "/a");
        assert_eq!(join("", "../a"), "../a");
    }

    #[test]
    fn checks_are_set_added_and_removed() {
        let mut checks = IncludeChecks::default();
        checks.change(&[b"match", b"readable"]).unwrap();
        assert!(checks.must_match && checks.readable && !checks.brace_match);
        checks.change(&[b"+brace_match", b"-match"]).unwrap();
        assert!(!checks.must_match && checks.readable && checks.brace_match);
        checks.change(&[]).unwrap();
        assert_eq!(checks, IncludeChecks::ALL);
        assert!(checks.change(&[b"bogus"]).is_err());
    }
}
