//! The page the story is printed on: 80 columns, colour only where somebody looks.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use base::{Instant, Name};

use super::claims::Claims;
use crate::LabError;
use crate::probe::Answer;

/// Columns of text.
const WIDTH: usize = 80;

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// Use ANSI colours.
    pub colour: bool,
    /// Use letters beyond ASCII for lines and bars.
    pub drawing: bool,
}

impl Style {
    /// Plain if asked; colour if the output is a terminal and `NO_COLOR` (no-color.org) is not set.
    #[must_use]
    pub fn detect(plain: bool) -> Self {
        let allowed = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let terminal = io::stdout().is_terminal();
        Self { colour: !plain && allowed && terminal, drawing: !plain }
    }
}

/// What stands behind a piece of text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ink {
    Heading,
    Good,
    Bad,
    Faint,
    Strong,
}

pub(crate) struct Page<'a> {
    out: &'a mut dyn Write,
    style: Style,
}

impl<'a> Page<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, style: Style) -> Self {
        Self { out, style }
    }

    /// Prints a line as it is; what is beyond the page's edge is cut.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), LabError> {
        let text = text.to_string();
        let cut: String = text.chars().take(WIDTH).collect();
        self.raw(cut.trim_end())
    }

    /// Prints a line in one ink.
    pub(crate) fn inked(&mut self, ink: Ink, text: impl Display) -> Result<(), LabError> {
        let cut: String = text.to_string().chars().take(WIDTH).collect();
        let cut = self.ink(ink, &cut);
        self.raw(&cut)
    }

    /// Prints a paragraph, broken between words, each line indented by `indent`.
    pub(crate) fn paragraph(&mut self, indent: usize, text: &str) -> Result<(), LabError> {
        for line in wrap(text, WIDTH.saturating_sub(indent)) {
            self.line(format_args!("{:indent$}{line}", ""))?;
        }
        Ok(())
    }

    /// Begins a chapter.
    pub(crate) fn heading(&mut self, text: &str) -> Result<(), LabError> {
        self.raw("")?;
        let rule = if self.style.drawing { "─" } else { "-" };
        let fill = WIDTH.saturating_sub(text.chars().count() + 1);
        let heading = self.ink(Ink::Heading, text);
        let rule = self.ink(Ink::Faint, &rule.repeat(fill));
        self.raw(&format!("{heading} {rule}"))
    }

    /// Shows a command as if typed on `node`, and its output; lines that contain one of `marked` are
    /// made to stand out.
    pub(crate) fn shell(
        &mut self,
        node: &str,
        command: &str,
        output: &str,
        marked: &[String],
    ) -> Result<(), LabError> {
        let prompt = self.ink(Ink::Faint, &format!("{node}$"));
        self.raw(&format!("  {prompt} {command}"))?;
        for line in output.lines() {
            let line: String = format!("  {line}").chars().take(WIDTH).collect();
            match marked.iter().any(|mark| line.contains(mark)) {
                true => self.inked(Ink::Strong, line)?,
                false => self.raw(&line)?,
            }
        }
        Ok(())
    }

    /// One line of a timeline: `at` relative to `zero`.
    pub(crate) fn moment(
        &mut self,
        zero: Instant,
        at: Instant,
        who: &str,
        what: &str,
    ) -> Result<(), LabError> {
        let time = if at < zero {
            format!("-{}", millis(zero.since(at)))
        } else {
            format!("+{}", millis(at.since(zero)))
        };
        self.line(format_args!("  {time:>10} ms  {who:<6}  {what}"))
    }

    /// A lane for each node: a bar wherever the client had an answer from it.
    pub(crate) fn lanes(
        &mut self,
        nodes: &[Name],
        answers: &[Answer],
        (from, zero, to): (Instant, Instant, Instant),
    ) -> Result<(), LabError> {
        const COLUMNS: u64 = 64;
        let span = to.since(from).as_nanos().max(1);
        let column = |at: Instant| {
            let column = at.since(from).as_nanos().saturating_mul(COLUMNS.into()) / span;
            usize::try_from(column).unwrap_or(0)
        };
        let (bar, gap, fault) =
            if self.style.drawing { ("█", "·", "▼") } else { ("#", ".", "v") };
        self.line(format_args!("  {:<8}{:>width$}", "", fault, width = column(zero) + 1))?;
        for node in nodes {
            let mut lane = vec![gap; usize::try_from(COLUMNS).unwrap_or(0)];
            for answer in answers.iter().filter(|answer| answer.node == *node) {
                if let Some(cell) = lane.get_mut(column(answer.at)) {
                    *cell = bar;
                }
            }
            self.line(format_args!("  {:<8}{}", node.as_str(), lane.concat()))?;
        }
        self.line(format_args!("  {:<8}answers to the client, {} ms", "", millis(to.since(from))))
    }

    /// The list of all claims.
    pub(crate) fn claims(&mut self, claims: &Claims) -> Result<(), LabError> {
        for (chapter, list) in claims.chapters().iter().filter(|(_, list)| !list.is_empty()) {
            self.inked(Ink::Faint, format_args!("  {chapter}"))?;
            for claim in list {
                let mark = match claim.held {
                    true => self.ink(Ink::Good, "ok    "),
                    false => self.ink(Ink::Bad, "FAILED"),
                };
                let lines = wrap(&claim.text, WIDTH - 12);
                for (number, line) in lines.iter().enumerate() {
                    let mark = if number == 0 { mark.as_str() } else { "      " };
                    self.raw(&format!("    {mark}  {line}"))?;
                }
            }
        }
        Ok(())
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        if !self.style.colour {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Heading => "1;36",
            Ink::Good => "32",
            Ink::Bad => "1;31",
            Ink::Faint => "2",
            Ink::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    fn raw(&mut self, text: &str) -> Result<(), LabError> {
        writeln!(self.out, "{text}")
            .and_then(|()| self.out.flush())
            .map_err(|cause| LabError::new("printing", cause))
    }
}

/// Milliseconds with one decimal.
pub(crate) fn millis(span: Duration) -> String {
    let tenths = span.as_micros() / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Seconds with two decimals; below one second, milliseconds with one.
pub(crate) fn seconds(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        return format!("{} ms", millis(span));
    }
    let hundredths = span.as_millis() / 10;
    format!("{}.{:02} s", hundredths / 100, hundredths % 100)
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let fits = |line: &String| {
            line.is_empty() || line.chars().count() + 1 + word.chars().count() <= width
        };
        match lines.last_mut() {
            Some(line) if fits(line) => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(style: Style, write: impl FnOnce(&mut Page<'_>) -> Result<(), LabError>) -> String {
        let mut out = Vec::new();
        write(&mut Page::new(&mut out, style)).unwrap();
        String::from_utf8(out).unwrap()
    }

    const PLAIN: Style = Style { colour: false, drawing: false };

    #[test]
    fn nothing_is_wider_than_the_page_and_plain_is_ascii() {
        let text = print(PLAIN, |page| {
            page.heading("Chapter")?;
            page.line("x".repeat(200))?;
            page.paragraph(4, &"word ".repeat(60))?;
            let mut claims = Claims::default();
            claims.check("sentence ".repeat(30), true);
            page.claims(&claims)
        });
        assert!(text.is_ascii());
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(text.contains("ok"));
    }

    #[test]
    fn lanes_show_who_answered_when() {
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        let answer = |ms, node: &str| Answer { number: 0, at: at(ms), node: node.into() };
        let answers = [answer(0, "n1"), answer(10, "n1"), answer(63, "n2")];
        let nodes = ["n1".into(), "n2".into()];
        let text = print(PLAIN, |page| page.lanes(&nodes, &answers, (at(0), at(10), at(64))));
        let lanes: Vec<&str> = text.lines().collect();
        assert_eq!(lanes[0], format!("  {:<8}{:>11}", "", "v"));
        assert_eq!(lanes[1], format!("  n1      #{}#{}", ".".repeat(9), ".".repeat(53)));
        assert_eq!(lanes[2], format!("  n2      {}#", ".".repeat(63)));
    }

    #[test]
    fn spans_are_printed_without_floating_point() {
        assert_eq!(millis(Duration::from_micros(3_609_250)), "3609.2");
        assert_eq!(seconds(Duration::from_micros(3_609_250)), "3.60 s");
        assert_eq!(seconds(Duration::from_micros(2_140)), "2.1 ms");
    }
}
