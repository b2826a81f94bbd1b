//! What a program writes, kept within bounds however much it is: the beginning of its standard output,
//! and of its standard error the reason it gives and the last lines.

use std::collections::VecDeque;

use crate::environment::REASON;

/// Octets of a line; what is beyond is forgotten.
const LINE: usize = 1024;
/// Lines that are kept.
const LINES: usize = 20;

/// Standard output: its beginning.
#[derive(Debug)]
pub(crate) struct Beginning {
    kept: Vec<u8>,
    limit: usize,
    more: bool,
}

impl Beginning {
    pub(crate) fn new(limit: usize) -> Self {
        Self { kept: Vec::new(), limit, more: false }
    }

    pub(crate) fn hear(&mut self, octets: &[u8]) {
        let room = self.limit.saturating_sub(self.kept.len());
        self.more |= octets.len() > room;
        self.kept.extend_from_slice(&octets[..octets.len().min(room)]);
    }

    /// The text, and whether it is only the beginning of what was written.
    pub(crate) fn take(self) -> (Vec<u8>, bool) {
        (self.kept, self.more)
    }
}

/// Standard error.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    line: Vec<u8>,
    last: VecDeque<String>,
    reason: Option<String>,
}

impl Errors {
    pub(crate) fn hear(&mut self, octets: &[u8]) {
        for piece in octets.split_inclusive(|octet| *octet == b'\n') {
            let (text, ends) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let octets = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&octets);
        let text: String = text.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        let text = text.trim();
        if let Some(reason) = text.strip_prefix(REASON) {
            self.reason = Some(reason.trim().to_owned());
        } else if !text.is_empty() {
            self.last.push_back(text.to_owned());
            if self.last.len() > LINES {
                self.last.pop_front();
            }
        }
    }

    /// The reason given last, and the last lines that are none.
    pub(crate) fn take(mut self) -> (Option<String>, Vec<String>) {
        self.end_line();
        (self.reason, self.last.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_in_whatever_pieces_it_comes() {
        let text = b"warning: x\nocf-exit-reason:first\nnoise\nocf-exit-reason: no such file \nbye";
        for size in 1..text.len() {
            let mut errors = Errors::default();
            for piece in text.chunks(size) {
                errors.hear(piece);
            }
            let (reason, lines) = errors.take();
            assert_eq!(reason.as_deref(), Some("no such file"), "pieces of {size}");
            assert_eq!(lines, ["warning: x", "noise", "bye"]);
        }
    }

    #[test]
    fn a_flood_is_not_kept() {
        let mut errors = Errors::default();
        errors.hear(b"ocf-exit-reason:because\n");
        for _ in 0..1000 {
            errors.hear(&[b'x'; 10_000]);
        }
        for number in 0..1000 {
            errors.hear(format!("\nline {number}").as_bytes());
        }
        let (reason, lines) = errors.take();
        assert_eq!(reason.as_deref(), Some("because"));
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (LINES, Some("line 999")));
        let mut output = Beginning::new(10);
        output.hear(&[b'y'; 7]);
        output.hear(&[b'y'; 7]);
        assert_eq!(output.take(), (vec![b'y'; 10], true));
    }
}
