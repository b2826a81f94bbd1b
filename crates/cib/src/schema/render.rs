//! Findings as a person reads them: what, file, line, column, the tag itself, what to do.
//!
//! A CIB often stands on one line of a megabyte, so only the tag and a little around it is shown.
//! Control characters become harmless, and values of attributes with `pass` in their name, or of
//! pairs named so, become asterisks, because this goes into logs.

use std::fmt::Write as _;

use super::{Finding, Report};
use crate::xml::Span;

/// Of a line at most this many characters are shown.
const WIDTH: usize = 100;

/// Everything found in `text`, one paragraph each, and a line that counts them. Empty when nothing
/// was found.
#[must_use]
pub fn render(name: &str, text: &str, report: &Report) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        // Writing to a `String` cannot fail.
        let _ = one(&mut out, name, text, finding);
    }
    if !report.is_valid() {
        let count = report.findings.len().saturating_add(report.dropped);
        let more = match report.dropped {
            0 => String::new(),
            n => format!(", {n} of them not shown"),
        };
        let plural = if count == 1 { "" } else { "s" };
        let _ = writeln!(out, "{name}: {count} error{plural}{more}; not valid");
    }
    out
}

fn one(out: &mut String, name: &str, text: &str, finding: &Finding) -> std::fmt::Result {
    writeln!(out, "error[{}]: {}", finding.code.as_str(), harmless(&finding.message))?;
    place(out, name, text, finding.span, finding.attribute.as_deref(), "")?;
    if let Some((span, label)) = &finding.related {
        place(out, name, text, *span, finding.attribute.as_deref(), label)?;
    }
    writeln!(out, "  = help: {}\n", harmless(&finding.help))
}

fn place(
    out: &mut String,
    name: &str,
    text: &str,
    span: Span,
    attribute: Option<&str>,
    label: &str,
) -> std::fmt::Result {
    let range = range(span);
    let Some(tag) = text.get(range.clone()).filter(|tag| !tag.is_empty()) else {
        return writeln!(out, "  --> {name}");
    };
    let (from, len) = attribute.and_then(|it| find(tag, it)).unwrap_or((0, first_line(tag).len()));
    let at = range.start + from;
    let line_start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let line = text[..line_start].matches('\n').count() + 1;
    let column = text[line_start..at].chars().count() + 1;
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    // From the tag on if the line begins too far before it.
    let from = if column > WIDTH / 2 { at } else { line_start };
    let cut = if from == at && column > 1 { "…" } else { "" };
    let shown: String = first_line(&text[from..]).chars().take(WIDTH).collect();
    let before = text[from..at].chars().count() + cut.chars().count();
    let marks = text[at..at + len].chars().count().clamp(1, WIDTH.saturating_sub(before).max(1));
    writeln!(out, "{margin}--> {name}:{line}:{column}")?;
    writeln!(out, "{margin} |")?;
    writeln!(out, "{number} | {cut}{}", masked(&harmless(&shown)))?;
    writeln!(out, "{margin} | {}{} {label}", " ".repeat(before), "^".repeat(marks))
}

fn range(span: Span) -> std::ops::Range<usize> {
    let wide = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
    wide(span.start)..wide(span.end)
}

fn first_line(text: &str) -> &str {
    text.split(['\n', '\r']).next().unwrap_or_default()
}

/// Where in a tag an attribute stands, with its value.
fn find(tag: &str, attribute: &str) -> Option<(usize, usize)> {
    let mut quote = None;
    for (at, c) in tag.char_indices() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c.is_ascii_whitespace() => {
                let rest = &tag[at + 1..];
                let Some(behind) = rest.strip_prefix(attribute) else { continue };
                let Some(value) = behind.trim_start().strip_prefix('=') else { continue };
                let value = value.trim_start();
                let open = value.chars().next()?;
                let end = value[1..].find(open)? + 2;
                let len = rest.len() - value.len() + end;
                return Some((at + 1, len));
            }
            None => {}
        }
    }
    None
}

/// Values that may be passwords.
fn masked(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    if !lower.contains("pass") {
        return line.to_owned();
    }
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("value=\"") {
        let open = at + "value=\"".len();
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let end = rest.find('"').unwrap_or(rest.len());
        out.extend(std::iter::repeat_n('*', rest[..end].chars().count()));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => {
                '\u{fffd}'
            }
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::validate;
    use crate::xml::parse;

    #[test]
    fn a_finding_is_shown_at_its_place() {
        let text = "<cib validate-with=\"pacemaker-3.9\" admin_epoch=\"0\" epoch=\"x\" num_updates=\"0\">\n  <configuration>\n    <crm_config/>\n    <nodes>\n      <node id=\"1\" uname='a' kind=\"b\"/>\n    </nodes>\n    <resources/>\n    <constraints/>\n  </configuration>\n</cib>\n";
        let report = validate(&parse(text).expect("xml").root);
        let shown = render("cib.xml", text, &report);
        assert!(
            shown.contains("error[X023]: `x` is no value for epoch of <cib>\n --> cib.xml:1:52"),
            "{shown}"
        );
        assert!(shown.contains(" --> cib.xml:5:30\n"), "{shown}");
        assert!(
            shown.contains("5 |       <node id=\"1\" uname='a' kind=\"b\"/>\n  |                              ^^^^^^^^"),
            "{shown}"
        );
        assert!(shown.ends_with("cib.xml: 2 errors; not valid\n"), "{shown}");
    }

    #[test]
    fn passwords_are_not_shown() {
        let text = "<nvpair id=\"i\" name=\"passwd\" value=\"s3cret\" kind=\"x\"/>";
        assert!(!masked(text).contains("s3cret"));
        assert_eq!(find(text, "kind"), Some((44, 8)));
        assert_eq!(find(text, "name"), Some((15, 13)));
        assert_eq!(find(text, "nam"), None);
    }
}
