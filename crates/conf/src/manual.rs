//! The keyword table as text for people: what `explain` says, and the manual page.
//!
//! Both are made from the table, so neither can say anything the reader does not do.

use core::fmt::Write as _;

use crate::keywords::{Keyword, Lines, Shape, Status, Within, all, more, table};
use crate::value::decimal;
use crate::{Code, explain};

/// What may stand behind a keyword, as people write syntax.
#[must_use]
pub fn syntax(shape: Shape) -> String {
    match shape {
        Shape::Flag => String::new(),
        Shape::Switch => "[on|off|true|false|yes|no]".to_owned(),
        Shape::Integer { min, max, .. } => format!("<{min}..{max}>"),
        Shape::MaybeInteger { min, max } => format!("[<{min}..{max}>]"),
        Shape::Time { min, max } => format!("SECONDS ({} to {})", decimal(min), decimal(max)),
        Shape::Millis { min, max } => format!("MILLISECONDS ({min} to {max})"),
        Shape::Text(what) => angle(what),
        Shape::MaybeText(what) => format!("[{}]", angle(what)),
        Shape::Interface => "INTERFACE".to_owned(),
        Shape::Address => "ADDRESS".to_owned(),
        Shape::GroupV4 => "IPV4-GROUP".to_owned(),
        Shape::GroupV6 => "IPV6-GROUP".to_owned(),
        Shape::Group => "GROUP".to_owned(),
        Shape::Choice(words) => words.join("|"),
        Shape::MaybeChoice(words) => format!("[{}]", words.join("|")),
        Shape::Account => "USER [[:]GROUP]".to_owned(),
        Shape::Script => "SCRIPT [USER [GROUP]]".to_owned(),
        Shape::MaybeScript => "[SCRIPT [USER [GROUP]]]".to_owned(),
        Shape::Command => "SCRIPT".to_owned(),
        Shape::Fifo => "PATH [USER [GROUP]]".to_owned(),
        Shape::Weight(most) => format!("<-{most}..{most}> [reverse|noreverse]"),
        Shape::Numbers(what) => format!("{what} ..."),
        Shape::Words(what, ..) | Shape::Repeated(what) | Shape::Free(what) => what.to_owned(),
        Shape::Block(_) => "{ ... }".to_owned(),
        Shape::NamedBlock(_) => "NAME { ... }".to_owned(),
        Shape::Lines(lines) => format!("{{ {} ... }}", line(lines)),
    }
}

fn angle(what: &str) -> String {
    format!("<{what}>")
}

fn line(lines: Lines) -> String {
    match lines {
        Lines::Vips => "ADDRESS[/LENGTH] [dev IF] [label L] [scope S] [brd A] [option]".to_owned(),
        Lines::Peers => "ADDRESS [min_ttl N] [max_ttl N]".to_owned(),
        Lines::Interfaces => "INTERFACE [weight N [reverse]]".to_owned(),
        Lines::Tracked(what) => format!("<{what}> [weight N [reverse|noreverse]]"),
        Lines::Names(what) | Lines::Free(what) => angle(what),
        Lines::Mail => "<mail address>".to_owned(),
        Lines::Routes => "[TYPE] DESTINATION [via ROUTER] [dev IF] [option]".to_owned(),
        Lines::Rules => "[from PREFIX] [to PREFIX] [option] table TABLE".to_owned(),
        Lines::Delays => "INTERFACE DOWN [UP]".to_owned(),
        Lines::Carriers => "INTERFACE [MII|ETHTOOL|IOCTL]".to_owned(),
    }
}

/// One sentence about whether a keyword does anything; empty when it simply does.
fn standing(keyword: &Keyword) -> String {
    match keyword.status() {
        Status::InForce => String::new(),
        Status::Accepted(what) => format!("Accepted: {what}."),
        Status::NotInForce(why) => format!("Known, but not in force yet: {why}."),
        Status::Obsolete(why) => format!("Accepted and without effect: {why}."),
        Status::Foreign(today) => format!("Understood as `{today}`, with a warning."),
        Status::OutOfScope(instead) => format!("Not done by mainstay: {instead}."),
    }
}

/// Everything known about a word: a keyword (in each block it stands in) or a code such as `C012`.
/// `None` when it is neither.
#[must_use]
pub fn explanation(word: &str) -> Option<String> {
    if let Some(code) = Code::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(word)) {
        return Some(about_code(*code));
    }
    let entries: Vec<_> = all().filter(|keyword| keyword.name == word).collect();
    if entries.is_empty() {
        return None;
    }
    let mut out = String::new();
    for keyword in entries {
        let place = match keyword.within {
            Within::Top => "outside all blocks".to_owned(),
            block => format!("in `{}`", block.as_str()),
        };
        let _ = writeln!(out, "{} {}", keyword.name, syntax(keyword.shape));
        let _ = writeln!(out, "    {place}\n");
        for paragraph in paragraphs(keyword) {
            let _ = writeln!(out, "{}\n", wrapped(&paragraph, 4));
        }
        if let Some(default) = default_of(keyword) {
            let _ = writeln!(out, "    Default: {default}\n");
        }
        let example = format!("{} {}", keyword.name, keyword.example).replace("\n ", "\n    ");
        let _ = writeln!(out, "    Example: {}\n", example.trim_end().replace('\n', "\n    "));
    }
    Some(out.trim_end().to_owned() + "\n")
}

/// The words nearest to one that is neither keyword nor code.
#[must_use]
pub fn nearest_keyword(word: &str) -> Option<&'static str> {
    crate::keywords::nearest(word, all().map(|keyword| keyword.name))
}

fn about_code(code: Code) -> String {
    let mut out = format!("{}  {}\n", code.as_str(), code.meaning());
    for paragraph in explain::more(code) {
        let _ = write!(out, "\n{}\n", wrapped(paragraph, 4));
    }
    out
}

fn paragraphs(keyword: &Keyword) -> Vec<String> {
    let mut all = vec![keyword.doc.to_owned()];
    all.extend(more(keyword).map(str::to_owned));
    if let Shape::Integer { unit, .. } = keyword.shape
        && !unit.is_empty()
    {
        all.push(format!("Counted in {unit}."));
    }
    let standing = standing(keyword);
    if !standing.is_empty() {
        all.push(standing);
    }
    if let Some(since) = keyword.since() {
        all.push(format!("Known to keepalived since {since}."));
    }
    if keyword.is_newer() {
        all.push("Unknown to keepalived 2.2.7, which goes on without it.".to_owned());
    }
    if keyword.is_own() {
        all.push(
            "A word of mainstay: keepalived calls it unknown and goes on without it.".to_owned(),
        );
    }
    all
}

fn default_of(keyword: &Keyword) -> Option<&'static str> {
    (!keyword.default.is_empty()).then_some(keyword.default)
}

/// Lines of at most 80 columns.
fn wrapped(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > 80 {
            out.push('\n');
            column = 0;
        }
        if column == 0 {
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out
}

/// The manual page mainstay-keepalived.conf(5), in the language of `man`.
#[must_use]
pub fn page() -> String {
    let mut out = String::from(HEAD);
    for within in Within::ALL {
        let title = match within {
            Within::Top => "OUTSIDE ALL BLOCKS".to_owned(),
            block => block.as_str().to_owned(),
        };
        let _ = writeln!(out, ".SH {}", roff(&title));
        for keyword in table(*within) {
            if let Status::Foreign(today) = keyword.status() {
                let _ = writeln!(
                    out,
                    ".TP\n.B {}\n{} See \\fB{}\\fR.",
                    roff(keyword.name),
                    roff(keyword.doc),
                    roff(today)
                );
                continue;
            }
            let _ = writeln!(
                out,
                ".TP\n.BR {} \" {}\"",
                roff(keyword.name),
                roff(&syntax(keyword.shape)).replace('"', "\\(dq")
            );
            let mut first = true;
            for paragraph in paragraphs(keyword) {
                if !first {
                    out.push_str(".sp\n");
                }
                first = false;
                let _ = writeln!(out, "{}", roff(&paragraph));
            }
            if let Some(default) = default_of(keyword) {
                let _ = writeln!(out, ".sp\nDefault: {}", roff(default));
            }
        }
    }
    out.push_str(".SH DIAGNOSTICS\nEvery finding has a code that stays; \\fBmainstay explain CODE\\fR says more.\n");
    for code in Code::ALL {
        let _ = writeln!(out, ".TP\n.B {}\n{}", code.as_str(), roff(code.meaning()));
    }
    out.push_str(".SH SEE ALSO\n.BR keepalived.conf (5),\n.BR mainstay (8)\n");
    out
}

/// Text that `man` prints as it is.
fn roff(text: &str) -> String {
    let mut out = text.replace('\\', "\\e").replace('-', "\\-");
    if out.starts_with(['.', '\'']) {
        out.insert_str(0, "\\&");
    }
    out
}

const HEAD: &str = r#".\" Made by `cargo xtask man` from the keyword table; change that instead.
.TH "MAINSTAY-KEEPALIVED.CONF" 5
.SH NAME
mainstay\-keepalived.conf \- keepalived.conf as mainstay reads it
.SH DESCRIPTION
mainstay reads the configuration files of keepalived. This page lists every keyword it knows, what may follow it, what holds without it, and whether it is in force. A keyword that is known but not in force is an error, because skipping it silently would change what a file means; \fB\-\-lenient\fR makes warnings of what keepalived would shrug at.
.SH LANGUAGE
A line is a keyword and its values, separated by blanks. \fB#\fR and \fB!\fR begin a comment, except within quotes or behind a backslash. \fB{\fR and \fB}\fR enclose the block of the keyword before them; the brace may begin the next line, and what follows a brace is a line of its own. Double or single quotes join words; backslash sequences are those of C.
.TP
.BI include " FILE"
reads other files here; \fIFILE\fR may contain the wildcards of a shell and braces, and is seen from the directory of the file it stands in. \fBincluder\fR, \fBincludem\fR, \fBincludew\fR, \fBincludeb\fR and \fBincludea\fR make an error of what \fBinclude\fR only warns of.
.TP
.BI @ "ID LINE"
is \fILINE\fR on the node with this config\-id (\fB\-i\fR, else the host's name up to the first dot), and nothing elsewhere; \fB@^\fR\fIID\fR the other way round.
.TP
.BI $ NAME = VALUE
defines a name. \fB$\fR\fINAME\fR before a blank and \fB${\fR\fINAME\fR\fB}\fR anywhere stand for the value it has when the line is read. \fB$\fR\fINAME\fR\fB= \e\fR begins a definition of several lines, each but the last ending in a backslash.
.TP
.B ${_PWD} ${_INSTANCE} ${_RANDOM [MIN [MAX]]} ${_ENV NAME} ${_HASH} ${_BANG}
are defined already: the directory of the file, the config\-id, a number that is the same at every start, an environment variable, and the two characters that begin comments.
.TP
.BI ~SEQ( "NAME, START, STEP, END" ") LINE"
repeats \fILINE\fR; START and STEP may be left out; \fB~SEQx\fR counts in hexadecimal digits.
.TP
.BI ~LST( "NAME, VALUE, ..." ") LINE"
repeats \fILINE\fR for each value; with \fB{A, B}\fR and \fB{1, 2}\fR, for several names at once.
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_and_code_is_explained() {
        for keyword in all() {
            let text = explanation(keyword.name).unwrap_or_default();
            assert!(text.contains(keyword.doc.split(' ').next().unwrap_or_default()), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        }
        for code in Code::ALL {
            let text = explanation(code.as_str()).unwrap_or_default();
            assert!(text.lines().count() >= 3, "{} says nothing more: {text}", code.as_str());
        }
        assert_eq!(explanation("nonsense"), None);
        assert_eq!(nearest_keyword("priorty"), Some("priority"));
    }

    #[test]
    fn the_page_has_every_keyword() {
        let page = page();
        for keyword in all() {
            assert!(page.contains(&roff(keyword.name)), "{}", keyword.name);
        }
        assert!(!page.lines().any(|line| line.starts_with('\'')));
    }
}
