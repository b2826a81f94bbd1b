//! Diagnostics as a person reads them: what, file, line, column, the line itself, what to do.
//!
//! The text may be anything, so nothing of it is printed as it is: of a long line only a window
//! around the place is shown, control characters become pictures of themselves, what is no UTF-8
//! becomes a replacement character, and a password becomes asterisks, because this goes into logs.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::position::{Position, Positions};
use crate::sense::Difference;
use crate::{Diagnostic, Loaded, Located, Origins, Severity, SourceFile, Span};

/// Of a line this many characters are shown before the place, and at most this many of it and
/// behind it.
const BEFORE: usize = 40;
const AFTER: usize = 80;

/// Everything found, one paragraph each, and a line that counts them. Empty when nothing was found.
/// `color` adds terminal colours.
#[must_use]
pub fn render(loaded: &Loaded, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }
        .decor_style(DecorStyle::Ascii)
        .term_width(BEFORE + AFTER + 40);
    let mut pages = Pages::new(&loaded.origins);
    let mut out = String::new();
    for diagnostic in &loaded.diagnostics {
        out.push_str(&one(&renderer, &loaded.origins, &mut pages, diagnostic));
        out.push_str("\n\n");
    }
    let name = loaded.origins.files().first().map_or("", |file| &file.name);
    out.push_str(&summary(&clean(name.as_bytes()), loaded));
    out
}

/// Lines counted in each file, as far as the last question about it.
struct Pages<'a>(Vec<Positions<'a>>);

impl<'a> Pages<'a> {
    fn new(origins: &'a Origins) -> Self {
        Self(origins.files().iter().map(|file| Positions::new(&file.text)).collect())
    }

    fn at(&mut self, file: usize, offset: usize) -> (Position, usize) {
        self.0.get_mut(file).map_or((Position { line: 1, column: 1 }, 0), |positions| {
            let here = positions.at(offset);
            (here, positions.line_start())
        })
    }
}

fn summary(name: &str, loaded: &Loaded) -> String {
    let count = |severity| loaded.diagnostics.iter().filter(|d| d.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors + warnings + loaded.dropped == 0 {
        return String::new();
    }
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let more = match loaded.dropped {
        0 => String::new(),
        n => format!(" and {n} more of either"),
    };
    let verdict = if loaded.config.is_some() { "usable" } else { "not usable" };
    format!(
        "{name}: {}, {}{more}; {verdict}\n",
        plural(errors, "error"),
        plural(warnings, "warning")
    )
}

fn one(
    renderer: &Renderer,
    origins: &Origins,
    pages: &mut Pages<'_>,
    diagnostic: &Diagnostic,
) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let message = clean(diagnostic.message.as_bytes());
    let title = level.primary_title(message).id(diagnostic.code.as_str());
    let mut group = Group::with_title(title);
    if let Some(located) = origins.locate(diagnostic.span) {
        let label = clean(diagnostic.label.as_bytes());
        group = show(group, pages, &located, AnnotationKind::Primary, label);
        if let Some(used) = located.used {
            let label = match reads(origins, diagnostic.span, &located) {
                Some(text) => format!("used here, where it reads `{text}`"),
                None => "used here".to_owned(),
            };
            group = show(group, pages, &used_as(origins, used), AnnotationKind::Context, label);
        }
    }
    if let Some((span, label)) = &diagnostic.related
        && let Some(located) = origins.locate(*span)
    {
        let label = clean(label.as_bytes());
        group = show(group, pages, &located, AnnotationKind::Context, label);
    }
    if !diagnostic.help.is_empty() {
        group = group.element(Level::HELP.message(clean(diagnostic.help.as_bytes())));
    }
    renderer.render(&[group])
}

/// A difference between nodes, with its place in each node's configuration.
#[must_use]
pub fn render_difference(nodes: &[&Loaded], difference: &Difference, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }
        .decor_style(DecorStyle::Ascii)
        .term_width(BEFORE + AFTER + 40);
    let level = match difference.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let message = clean(difference.message.as_bytes());
    let mut group = Group::with_title(level.primary_title(message).id(difference.code.as_str()));
    for (node, span, label) in &difference.places {
        let Some(loaded) = nodes.get(*node) else { continue };
        let mut pages = Pages::new(&loaded.origins);
        if let Some(located) = loaded.origins.locate(*span) {
            let label = clean(label.as_bytes());
            group = show(group, &mut pages, &located, AnnotationKind::Primary, label);
        }
    }
    group = group.element(Level::HELP.message(difference.help));
    renderer.render(&[group])
}

/// Adds one place to a message.
fn show<'a>(
    group: Group<'a>,
    pages: &mut Pages<'_>,
    located: &Located<'_>,
    kind: AnnotationKind,
    label: String,
) -> Group<'a> {
    let (here, line_start) = pages.at(located.number, located.span.start);
    let excerpt = Excerpt::new(&located.file.text, line_start, located.span);
    let mut annotation = kind.span(excerpt.span.clone());
    if !label.is_empty() {
        annotation = annotation.label(label);
    }
    excerpt.add_to(group, clean(located.file.name.as_bytes()), here, annotation)
}

fn used_as<'a>(origins: &'a Origins, used: (&'a SourceFile, Span)) -> Located<'a> {
    let number = origins.files().iter().position(|file| core::ptr::eq(file, used.0));
    Located { number: number.unwrap_or(0), file: used.0, span: used.1, used: None }
}

/// What stands there once everything is replaced, if that differs from what was written and is no
/// secret.
fn reads(origins: &Origins, span: Span, located: &Located<'_>) -> Option<String> {
    let text = &origins.text()[span.within(origins.text().len())];
    let written = &located.file.text[located.span.within(located.file.text.len())];
    let line = origins.text()[..span.start.min(origins.text().len())]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let differs = text != written && !text.is_empty() && text.len() <= AFTER;
    (differs && secret(origins.text(), line, span.end.max(line)).is_none()).then(|| clean(text))
}

/// A piece of one line, safe to print, and where in it the place is.
struct Excerpt {
    text: String,
    span: core::ops::Range<usize>,
    /// It does not begin where its line begins.
    cut: bool,
}

impl Excerpt {
    fn new(text: &[u8], line_start: usize, span: Span) -> Self {
        let span = span.within(text.len());
        // Looking for the line's end no further than will be shown.
        let limit = (span.start + 4 * (AFTER + 2)).min(text.len());
        let ends_here = text[span.start..limit].iter().position(|b| *b == b'\n');
        let mut line_end = ends_here.map_or(limit, |at| span.start + at);
        if ends_here.is_some() && line_end > span.start && text[line_end - 1] == b'\r' {
            line_end -= 1;
        }
        let from = if span.start - line_start > 4 * BEFORE {
            char_boundary(text, span.start - BEFORE)
        } else {
            line_start
        };
        let masked = secret(text, from, line_end);
        let mut out = String::new();
        if from > line_start {
            out.push('…');
        }
        let (mut start, mut end) = (None, None);
        let mut shown = 0;
        let mut at = from;
        while at < line_end {
            if at >= span.start {
                start.get_or_insert(out.len());
                shown += 1;
            }
            if at >= span.end {
                end.get_or_insert(out.len());
            }
            if shown > AFTER {
                out.push('…');
                break;
            }
            let (character, len) = next_char(&text[at..line_end]);
            let hide = masked.as_ref().is_some_and(|m| m.contains(&at)) && character != ' ';
            out.push(if hide { '*' } else { character });
            at += len;
        }
        let trimmed = out.trim_end().len();
        let start = start.unwrap_or(out.len());
        out.truncate(trimmed.max(start).max(end.unwrap_or(0)));
        let end = end.unwrap_or(out.len()).clamp(start, out.len());
        Self { text: out, span: start..end, cut: from > line_start }
    }

    fn add_to<'a>(
        self,
        group: Group<'a>,
        name: String,
        position: Position,
        annotation: Annotation<'a>,
    ) -> Group<'a> {
        let snippet = Snippet::source(self.text).line_start(position.line).fold(false);
        if self.cut {
            // The renderer would count columns from the cut.
            let origin = Origin::path(name).line(position.line).char_column(position.column);
            group.element(origin).element(snippet.annotation(annotation))
        } else {
            group.element(snippet.path(name).annotation(annotation))
        }
    }
}

/// What may be a password: the rest of a line behind a word with `pas` in it, since the keyword may
/// be misspelled.
fn secret(text: &[u8], from: usize, to: usize) -> Option<core::ops::Range<usize>> {
    let line = &text[from..to];
    let at = line.windows(3).position(|w| w.eq_ignore_ascii_case(b"pas"))?;
    let rest = line[at..].iter().position(u8::is_ascii_whitespace)?;
    Some(from + at + rest..to)
}

/// `at`, or the nearest byte before it that begins a character.
fn char_boundary(text: &[u8], at: usize) -> usize {
    (at.saturating_sub(3)..=at).rev().find(|i| text[*i] & 0b1100_0000 != 0b1000_0000).unwrap_or(at)
}

/// The first character of `bytes`, made harmless, and how many bytes it took.
fn next_char(bytes: &[u8]) -> (char, usize) {
    let most = bytes.len().min(4);
    for len in 1..=most {
        if let Ok(text) = core::str::from_utf8(&bytes[..len]) {
            return (text.chars().next().map_or(char::REPLACEMENT_CHARACTER, harmless), len);
        }
    }
    (char::REPLACEMENT_CHARACTER, 1)
}

fn harmless(character: char) -> char {
    match character {
        '\t' => ' ',
        // Pictures of control characters, U+2400 onwards.
        '\0'..='\u{1f}' => {
            char::from_u32(0x2400 + u32::from(character)).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        '\u{7f}' => '\u{2421}',
        // Anything that would reorder or hide text.
        '\u{80}'..='\u{9f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

fn clean(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &[u8], start: usize, end: usize) -> (String, String) {
        let line_start = text[..start].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let excerpt = Excerpt::new(text, line_start, Span::new(start, end));
        (excerpt.text[excerpt.span.clone()].to_owned(), excerpt.text)
    }

    #[test]
    fn a_line_is_shown_with_its_place() {
        let text = b"a\n\tpriority 999 # x\nb";
        assert_eq!(excerpt(text, 12, 15), ("999".to_owned(), " priority 999 # x".to_owned()));
        assert_eq!(excerpt(b"", 0, 0), (String::new(), String::new()));
    }

    #[test]
    fn of_a_long_line_only_a_window_is_shown() {
        let mut text = vec![b'x'; 10_000_000];
        text[5_000_000] = b'Q';
        let (place, line) = excerpt(&text, 5_000_000, 5_000_001);
        assert_eq!(place, "Q");
        assert!(line.chars().count() < 200 && line.starts_with('…') && line.ends_with('…'));
        let (place, line) = excerpt(&text, 0, 10_000_000);
        assert!(place.chars().count() <= AFTER + 1 && line.chars().count() < 200);
    }

    #[test]
    fn nothing_harmful_is_printed() {
        let text = b"a\0b\x1b[31m \xff\xc3\xa9\xe2\x80\xae\r\n";
        let (_, line) = excerpt(text, 0, 1);
        assert_eq!(line, "a␀b␛[31m \u{fffd}é\u{fffd}");
        assert!(!line.contains(char::is_control));
    }

    #[test]
    fn a_password_is_not_printed() {
        let text = b"  auth_pass s3cret!word } x";
        let (place, line) = excerpt(text, 12, 23);
        assert_eq!(place, "***********");
        assert!(!line.contains("s3cret"));
        let (_, line) = excerpt(b"auth_pas s3cret", 0, 8);
        assert_eq!(line, "auth_pas ******");
    }
}
