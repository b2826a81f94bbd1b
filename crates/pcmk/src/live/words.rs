//! Command lines of many tools: each says which letters and words it knows, and which of them take a
//! value.

use std::ffi::OsString;

use crate::answer::Answer;
use crate::failure::Failure;

/// Whether an option takes a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Value,
    /// One that may be left out: what follows is its value unless it is an option.
    Perhaps,
}

/// An option: its letter (none of ASCII where it has only a word), its words, and whether it takes a
/// value.
pub(super) type Spec = (char, &'static [&'static str], Takes);

/// A command line, read.
#[derive(Default, Debug)]
pub(super) struct Words {
    pub(super) given: Vec<(char, Option<String>)>,
    pub(super) rest: Vec<String>,
    pub(super) answer: Answer,
}

impl Words {
    /// Reads the words behind the name of `tool`.
    pub(super) fn read(
        tool: &str,
        specs: &[Spec],
        arguments: &[OsString],
    ) -> Result<Self, Box<(Failure, Answer)>> {
        let mut read = Self::default();
        match read.take(specs, arguments) {
            Ok(()) => Ok(read),
            Err(text) => Err(Box::new((Failure::usage(format!("{tool}: {text}")), read.answer))),
        }
    }

    fn take(&mut self, specs: &[Spec], arguments: &[OsString]) -> Result<(), String> {
        let all: Vec<String> =
            arguments.iter().skip(1).map(|it| it.to_string_lossy().into_owned()).collect();
        let mut at = 0;
        while at < all.len() {
            let word = &all[at];
            at += 1;
            if word == "--" {
                self.rest.extend(all[at..].iter().cloned());
                break;
            }
            if let Some(long) = word.strip_prefix("--") {
                let (name, attached) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (long, None),
                };
                let mut value = || {
                    attached.clone().or_else(|| {
                        at += 1;
                        all.get(at - 1).cloned()
                    })
                };
                if self.answer.option(name, &mut value)? {
                    continue;
                }
                let spec = specs.iter().find(|(_, words, _)| words.contains(&name));
                let (letter, _, takes) = spec.ok_or(format!("Unknown option --{name}"))?;
                let value = match takes {
                    Takes::Nothing => None,
                    Takes::Value => Some(value().ok_or(format!("Missing argument for --{name}"))?),
                    Takes::Perhaps => attached.or_else(|| bare(&all, &mut at)),
                };
                self.given.push((*letter, value));
                continue;
            }
            let Some(letters) = word.strip_prefix('-').filter(|it| !it.is_empty()) else {
                self.rest.push(word.clone());
                continue;
            };
            for (place, letter) in letters.char_indices() {
                let spec = specs.iter().find(|(known, _, _)| *known == letter);
                let (_, _, takes) = spec
                    .filter(|_| letter.is_ascii())
                    .ok_or(format!("Unknown option -{letter}"))?;
                let tail = &letters[place + letter.len_utf8()..];
                let attached = (!tail.is_empty()).then(|| tail.to_owned());
                let value = match takes {
                    Takes::Nothing => {
                        self.given.push((letter, None));
                        continue;
                    }
                    Takes::Value => {
                        let value = attached.or_else(|| {
                            at += 1;
                            all.get(at - 1).cloned()
                        });
                        Some(value.ok_or(format!("Missing argument for -{letter}"))?)
                    }
                    Takes::Perhaps => attached.or_else(|| bare(&all, &mut at)),
                };
                self.given.push((letter, value));
                break;
            }
        }
        Ok(())
    }

    /// The value given last under a letter.
    pub(super) fn value(&self, letter: char) -> Option<&str> {
        let mut given = self.given.iter().rev().filter(|(it, _)| *it == letter);
        given.find_map(|(_, value)| value.as_deref())
    }

    /// Whether it was given.
    pub(super) fn has(&self, letter: char) -> bool {
        self.given.iter().any(|(it, _)| *it == letter)
    }

    /// The last given of some letters that exclude each other.
    pub(super) fn last_of(&self, letters: &str) -> Option<char> {
        self.given.iter().rev().map(|(it, _)| *it).find(|it| letters.contains(*it))
    }
}

/// The next word, if it is no option.
fn bare(all: &[String], at: &mut usize) -> Option<String> {
    let next = all.get(*at).filter(|word| !word.starts_with('-'))?;
    *at += 1;
    Some(next.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: [Spec; 4] = [
        ('n', &["name", "attr-name"], Takes::Value),
        ('q', &["quiet"], Takes::Nothing),
        ('p', &["promotion"], Takes::Perhaps),
        ('α', &["wait"], Takes::Nothing),
    ];

    fn read(words: &[&str]) -> Result<Words, Box<(Failure, Answer)>> {
        let all: Vec<OsString> = ["tool"].iter().chain(words).map(Into::into).collect();
        Words::read("tool", &SPECS, &all)
    }

    #[test]
    fn letters_words_and_values_are_read_as_getopt_does() {
        let it = read(&["-qn", "a", "--name=b", "--wait", "x", "--", "-y"]).expect("read");
        assert_eq!((it.value('n'), it.has('q'), it.has('α')), (Some("b"), true, true));
        assert_eq!(it.rest, ["x", "-y"]);
        let it = read(&["-p", "db", "-nx"]).expect("read");
        assert_eq!((it.value('p'), it.value('n')), (Some("db"), Some("x")));
        let it = read(&["--promotion", "-q"]).expect("read");
        assert_eq!((it.has('p'), it.value('p'), it.has('q')), (true, None, true));
        for bad in [&["-x"][..], &["--bogus"], &["-n"], &["-α"]] {
            assert_eq!(read(bad).expect_err("refused").0.status, 64, "{bad:?}");
        }
    }
}
