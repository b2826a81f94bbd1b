//! One value after a keyword, as the table's shape says it must be.

use core::net::IpAddr;
use core::time::Duration;

use base::Name;

use crate::diagnostic::{Code, Diagnostic};
use crate::keywords::{Keyword, Shape, Within, nearest};
use crate::lenient;
use crate::reader::{At, Reader, example, shown};
use crate::tree::Statement;
use crate::word;
use crate::{Command, RunAs, Span, Weight};

/// A legal value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// The keyword stands alone.
    Bare,
    Switch(bool),
    Integer(i64),
    Time(Duration),
    Text(String),
    Name(Name),
    Address(IpAddr),
    Choice(&'static str),
    RunAs(RunAs),
    Command(Command),
    Fifo(String, Option<RunAs>),
    Weight(Weight),
    Numbers(Vec<u32>),
    Words(Vec<At<String>>),
}

/// Words for a choice that are not today's, by keyword.
const OLD_CHOICES: &[(&str, &str, &str)] = &[
    ("state", "BACUP", "BACKUP"),
    ("state", "SLAVE", "BACKUP"),
    ("state", "STANDBY", "BACKUP"),
    ("state", "ACTIVE", "MASTER"),
    ("state", "MASER", "MASTER"),
    ("auth_type", "SIMPLE", "PASS"),
];

impl Reader<'_> {
    /// The value of a line whose keyword takes no block, with its place; `None` when it is illegal,
    /// which has then been reported.
    pub(crate) fn value(
        &mut self,
        keyword: &'static Keyword,
        statement: &Statement,
    ) -> Option<At<Value>> {
        let arguments = statement.arguments();
        let most = match keyword.shape {
            Shape::Flag => 0,
            Shape::Account | Shape::Weight(_) => 2,
            Shape::Script | Shape::MaybeScript | Shape::Fifo => 3,
            Shape::Free(_) | Shape::Numbers(_) | Shape::Repeated(_) => usize::MAX,
            Shape::Words(_, _, most) => most,
            _ => 1,
        };
        if !self.at_most(&format!("`{}`", keyword.name), arguments, most) {
            return None;
        }
        let Some(span) = arguments.first().copied() else {
            let bare = match keyword.shape {
                Shape::Flag
                | Shape::MaybeChoice(_)
                | Shape::MaybeInteger { .. }
                | Shape::MaybeText(_)
                | Shape::MaybeScript
                | Shape::Free(_) => Value::Bare,
                Shape::Words(_, 0, _) => Value::Words(Vec::new()),
                Shape::Switch => Value::Switch(true),
                _ => {
                    self.report.tolerate(
                        Diagnostic::error(
                            Code::ValueMissing,
                            statement.keyword(),
                            format!("`{}` needs a value", keyword.name),
                        )
                        .label("nothing follows")
                        .help(example(keyword)),
                    );
                    return None;
                }
            };
            return Some(At::new(bare, statement.keyword()));
        };
        if keyword.name == "auth_pass" {
            return Some(At::new(Value::Text(self.secret(span)?), span));
        }
        let word = self.word(span)?;
        let value = match keyword.shape {
            Shape::Switch => Value::Switch(self.switch(&word, span)?),
            Shape::Integer { min, max, unit } => {
                Value::Integer(self.integer(keyword.name, &word, span, min, max, unit)?)
            }
            Shape::MaybeInteger { min, max } => {
                Value::Integer(self.integer(keyword.name, &word, span, min, max, "")?)
            }
            Shape::Time { min, max } => {
                Value::Time(self.time(keyword.name, &word, span, min, max)?)
            }
            Shape::Millis { min, max } => {
                Value::Time(self.millis(keyword.name, &word, span, min, max)?)
            }
            Shape::Text(what) | Shape::MaybeText(what) => {
                Value::Text(self.text_value(keyword, what, &word, span)?)
            }
            Shape::Weight(most) => {
                Value::Weight(self.weight(weight_of(keyword.within), arguments, most)?)
            }
            Shape::Numbers(_) => Value::Numbers(self.numbers(keyword.name, arguments)?),
            Shape::Words(..) | Shape::Repeated(_) => Value::Words(
                arguments
                    .iter()
                    .map(|span| Some(At::new(self.word(*span)?.into_owned(), *span)))
                    .collect::<Option<_>>()?,
            ),
            Shape::Fifo => {
                let path = self.text_value(keyword, "a path", &word, span)?;
                let owner = match arguments.get(1..) {
                    Some(account @ [_, ..]) => Some(self.run_as(account)?),
                    _ => None,
                };
                Value::Fifo(path, owner)
            }
            Shape::Group => Value::Address(self.group(&word, span, |_| true, "IP")?),
            Shape::Interface => Value::Name(self.interface(&word, span)?),
            Shape::Address => Value::Address(self.address(&word, span)?),
            Shape::GroupV4 => Value::Address(self.group(&word, span, IpAddr::is_ipv4, "IPv4")?),
            Shape::GroupV6 => Value::Address(self.group(&word, span, IpAddr::is_ipv6, "IPv6")?),
            Shape::Choice(words) | Shape::MaybeChoice(words) => {
                Value::Choice(self.choice(keyword, words, &word, span)?)
            }
            Shape::Account => Value::RunAs(self.run_as(arguments)?),
            Shape::Script | Shape::MaybeScript | Shape::Command => {
                Value::Command(self.command(&arguments[..most.min(arguments.len())])?)
            }
            Shape::Flag | Shape::Free(_) => Value::Bare,
            Shape::Block(_) | Shape::NamedBlock(_) | Shape::Lines(_) => {
                unreachable!("blocks have readers of their own: {}", keyword.name)
            }
        };
        Some(At::new(value, span))
    }

    fn switch(&mut self, word: &str, span: Span) -> Option<bool> {
        match word {
            "on" | "true" | "yes" => return Some(true),
            "off" | "false" | "no" => return Some(false),
            _ => {}
        }
        let today = match word.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" => Some(("on", true)),
            "off" | "false" | "no" | "0" => Some(("off", false)),
            _ => None,
        };
        if let Some((today, value)) = today {
            self.report.tolerate(
                Diagnostic::warning(
                    Code::OldSpelling,
                    span,
                    format!("{} is not how a switch is written", shown(word)),
                )
                .label(format!("understood as `{today}`"))
                .help(format!("write `{today}`")),
            );
            return Some(value);
        }
        self.report.tolerate(
            Diagnostic::error(
                Code::NotABool,
                span,
                format!("{} is neither on nor off", shown(word)),
            )
            .label("expected on or off")
            .help("write on, off, true, false, yes or no; nothing at all means on"),
        );
        None
    }

    /// A whole number in `min..=max`; `what` is it of.
    pub(crate) fn integer(
        &mut self,
        what: &str,
        word: &str,
        span: Span,
        min: i64,
        max: i64,
        unit: &str,
    ) -> Option<i64> {
        let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
        let space = if unit.is_empty() { "" } else { " " };
        let (code, message) = if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            (Code::NotANumber, format!("{} is not a whole number", shown(word)))
        } else {
            match word.parse() {
                Ok(number) if (min..=max).contains(&number) => return Some(number),
                _ => (Code::OutOfRange, format!("{} is out of range for `{what}`", shown(word))),
            }
        };
        let instead = lenient::number(what, word, min, max).filter(|_| self.report.lenient);
        let diagnostic = Diagnostic::error(code, span, message)
            .label(format!("expected {min} to {max}{space}{unit}"))
            .help(format!("`{what}` takes a whole number from {min} to {max}"));
        match instead {
            Some(number) => self
                .report
                .tolerate_as(diagnostic, &format!("taken for {number}, as keepalived does")),
            None => self.report.tolerate(diagnostic),
        }
        instead
    }

    fn time(
        &mut self,
        what: &str,
        word: &str,
        span: Span,
        min: Duration,
        max: Duration,
    ) -> Option<Duration> {
        let expected = format!("expected {} to {} seconds", decimal(min), decimal(max));
        let help = format!("`{what}` takes seconds, as in 1 or 0.25");
        let (code, message) = match parse_time(word) {
            Some(time) if time >= min && time <= max => return Some(time),
            Some(_) => (Code::OutOfRange, format!("{} is out of range for `{what}`", shown(word))),
            None => (Code::NotATime, format!("{} is not a time in seconds", shown(word))),
        };
        let instead = lenient::time(what, word, min, max).filter(|_| self.report.lenient);
        let diagnostic = Diagnostic::error(code, span, message).label(expected).help(help);
        match instead {
            Some(time) => {
                let instead = format!("taken for {} seconds, as keepalived does", decimal(time));
                self.report.tolerate_as(diagnostic, &instead);
            }
            None => self.report.tolerate(diagnostic),
        }
        instead
    }

    fn millis(
        &mut self,
        what: &str,
        word: &str,
        span: Span,
        min: u64,
        max: u64,
    ) -> Option<Duration> {
        let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let legal = !whole.is_empty() && digits(whole) && digits(fraction) && fraction.len() <= 3;
        let micros = format!("{whole}{fraction:0<3}").parse::<u64>().ok().filter(|_| legal);
        let (least, most) = (min.saturating_mul(1_000), max.saturating_mul(1_000));
        if let Some(micros) = micros
            && (least..=most).contains(&micros)
        {
            return Some(Duration::from_micros(micros));
        }
        let code = if micros.is_some() { Code::OutOfRange } else { Code::NotATime };
        self.report.tolerate(
            Diagnostic::error(code, span, format!("{} is no value of `{what}`", shown(word)))
                .label(format!("expected {min} to {max} milliseconds"))
                .help(format!("`{what}` takes milliseconds, as in 10 or 3.312")),
        );
        None
    }

    /// `NUMBER [reverse|noreverse]`.
    pub(crate) fn weight(&mut self, what: &str, words: &[Span], most: i64) -> Option<Weight> {
        let span = *words.first()?;
        let word = self.word(span)?.into_owned();
        let number = self.integer(what, &word, span, -most, most, "")?;
        let reverse = match words.get(1).copied() {
            None => false,
            Some(span) => match &*self.word(span)? {
                "reverse" => true,
                "noreverse" | "no_reverse" => false,
                other => {
                    self.report.tolerate(
                        Diagnostic::error(
                            Code::BadOption,
                            span,
                            format!("unknown option {} of a weight", shown(other)),
                        )
                        .label("expected reverse or noreverse")
                        .help("`reverse` swaps good and bad"),
                    );
                    if !self.report.lenient {
                        return None;
                    }
                    false
                }
            },
        };
        Some(Weight { value: i32::try_from(number).ok()?, reverse })
    }

    fn numbers(&mut self, what: &str, words: &[Span]) -> Option<Vec<u32>> {
        words
            .iter()
            .map(|span| {
                let word = self.word(*span)?.into_owned();
                u32::try_from(self.integer(what, &word, *span, 0, 65_535, "")?).ok()
            })
            .collect()
    }

    fn text_value(
        &mut self,
        keyword: &Keyword,
        what: &str,
        word: &str,
        span: Span,
    ) -> Option<String> {
        if !word.is_empty() {
            return Some(word.to_owned());
        }
        self.report.tolerate(
            Diagnostic::error(Code::ValueMissing, span, format!("`{}` is empty", keyword.name))
                .label(format!("expected {what}"))
                .help(example(keyword)),
        );
        None
    }

    /// A name the kernel would accept for an interface.
    /// A password; see [`word::secret`].
    fn secret(&mut self, span: Span) -> Option<String> {
        match word::secret(self.raw(span)) {
            Some(Ok(text)) if !text.is_empty() => Some(text),
            // What is no text at all was said when the file was read.
            Some(Err(_)) => None,
            _ => {
                let raw = self.raw(span);
                let first = raw.split(|byte| *byte == b'"').next().unwrap_or_default();
                let first = core::str::from_utf8(first).ok().filter(|text| !text.is_empty());
                let cut = first.map(str::to_owned).filter(|_| self.report.lenient);
                let diagnostic = Diagnostic::error(
                    Code::BadPassword,
                    span,
                    "where this password ends is not clear",
                )
                .label("no character, or a quote within it")
                .help(
                    "write 1 to 8 characters without double quotes in them, in double quotes \
                             where they have a blank, `#` or `!`",
                );
                match &cut {
                    Some(_) => self
                        .report
                        .tolerate_as(diagnostic, "ends at its first quote, as for keepalived"),
                    None => self.report.push(diagnostic),
                }
                cut
            }
        }
    }

    pub(crate) fn interface(&mut self, word: &str, span: Span) -> Option<Name> {
        let why = if word.is_empty() {
            "it is empty"
        } else if word.len() > 15 {
            "it is longer than 15 octets"
        } else if word.contains(':') {
            "`eth0:1` is an address with a label, not an interface"
        } else if word.contains('/') || word.contains(char::is_whitespace) {
            "it contains a blank or a slash"
        } else if word == "." || word == ".." || word.contains(char::is_control) {
            "no interface can be called this"
        } else {
            return Some(Name::from(word));
        };
        self.report.tolerate(
            Diagnostic::error(
                Code::BadInterface,
                span,
                format!("{} cannot be an interface", shown(word)),
            )
            .label(why)
            .help("write a name as `ip link` shows it, without what follows an `@`"),
        );
        None
    }

    /// An address without prefix length.
    pub(crate) fn address(&mut self, word: &str, span: Span) -> Option<IpAddr> {
        if let Ok(address) = word.parse() {
            return Some(address);
        }
        let help = if word.contains('/') {
            "write it without a prefix length"
        } else if word.contains('%') {
            "write it without the interface behind `%`; the instance's interface is used"
        } else {
            "write an address such as 192.0.2.1 or 2001:db8::1; names are not looked up"
        };
        self.report.tolerate(
            Diagnostic::error(
                Code::NotAnAddress,
                span,
                format!("{} is not an IP address", shown(word)),
            )
            .label("expected an IPv4 or IPv6 address")
            .help(help),
        );
        None
    }

    fn group(
        &mut self,
        word: &str,
        span: Span,
        right_family: impl Fn(&IpAddr) -> bool,
        family: &str,
    ) -> Option<IpAddr> {
        let address = self.address(word, span)?;
        if address.is_multicast() && right_family(&address) {
            return Some(address);
        }
        self.report.tolerate(
            Diagnostic::error(
                Code::WrongAddress,
                span,
                format!("{} is not an {family} multicast group", shown(word)),
            )
            .label(format!("expected an {family} multicast address"))
            .help("leave it out for VRRP's own group: 224.0.0.18 or ff02::12"),
        );
        None
    }

    fn choice(
        &mut self,
        keyword: &Keyword,
        words: &'static [&'static str],
        word: &str,
        span: Span,
    ) -> Option<&'static str> {
        if let Some(exact) = words.iter().find(|w| **w == word) {
            return Some(exact);
        }
        let upper = word.to_ascii_uppercase();
        let today = words.iter().copied().find(|w| w.eq_ignore_ascii_case(word)).or_else(|| {
            let (_, _, today) =
                OLD_CHOICES.iter().find(|(name, old, _)| *name == keyword.name && *old == upper)?;
            words.iter().copied().find(|w| w == today)
        });
        if let Some(today) = today {
            self.report.tolerate(
                Diagnostic::warning(
                    Code::OldSpelling,
                    span,
                    format!("{} is not how `{}` is written", shown(word), keyword.name),
                )
                .label(format!("understood as `{today}`"))
                .help(format!("write `{} {today}`", keyword.name)),
            );
            return Some(today);
        }
        let list = words.join(" or ");
        let label = match nearest(word, words.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("expected {list}"),
        };
        let instead = lenient::choice(keyword.name).filter(|_| self.report.lenient);
        let diagnostic = Diagnostic::error(
            Code::NotAChoice,
            span,
            format!("{} is no value of `{}`", shown(word), keyword.name),
        )
        .label(label)
        .help(format!("write {list}"));
        match instead {
            Some(word) => {
                self.report
                    .tolerate_as(diagnostic, &format!("taken for {word}, as keepalived does"));
            }
            None => self.report.tolerate(diagnostic),
        }
        instead.and_then(|word| words.iter().copied().find(|known| *known == word))
    }
}

/// What a weight is called where it stands.
fn weight_of(within: Within) -> &'static str {
    match within {
        Within::Script => "weight of a script",
        Within::TrackProcess => "weight of a process",
        Within::TrackFile => "weight of a file",
        _ => "weight",
    }
}

/// Seconds with at most six decimals, as digits with at most one dot.
pub(crate) fn parse_time(word: &str) -> Option<Duration> {
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 6 || whole.len() > 12 {
        return None;
    }
    let seconds = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let micros: u64 = format!("{fraction:0<6}").parse().ok()?;
    Duration::from_secs(seconds).checked_add(Duration::from_micros(micros))
}

/// Seconds, without needless zeros.
pub(crate) fn decimal(time: Duration) -> String {
    if time.subsec_micros() == 0 {
        return time.as_secs().to_string();
    }
    let fraction = format!("{:06}", time.subsec_micros());
    format!("{}.{}", time.as_secs(), fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Report;
    use crate::keywords::{self, Lines};
    use crate::{Options, tree};

    #[test]
    fn times_are_exact() {
        for (word, micros) in [
            ("1", 1_000_000),
            ("0.3", 300_000),
            (".25", 250_000),
            ("2.", 2_000_000),
            ("2.71828", 2_718_280),
            ("0.000001", 1),
            ("1.5000000000", 1_500_000),
            ("0", 0),
        ] {
            let time = parse_time(word);
            assert_eq!(time, Some(Duration::from_micros(micros)), "{word}");
        }
        for word in ["", ".", "-1", "+1", "1e3", "1s", "1.2.3", "0.0000001", "9999999999999", "٣"]
        {
            assert_eq!(parse_time(word), None, "{word}");
        }
        assert_eq!(decimal(Duration::from_micros(2_500_000)), "2.5");
        assert_eq!(decimal(Duration::from_secs(40)), "40");
    }

    /// The table's examples are legal also where nothing reads them yet.
    #[test]
    fn every_example_in_the_table_has_its_shape() {
        let mut values = 0;
        for keyword in keywords::all() {
            let text = format!("{} {}\n", keyword.name, keyword.example);
            let mut report = Report::default();
            let statements = tree::statements(text.as_bytes(), &mut report);
            let mut reader = Reader::new(text.as_bytes(), Options::default(), report);
            let [statement] = &statements[..] else { panic!("{text}") };
            match (keyword.shape, &statement.block) {
                (Shape::Block(_), Some(_)) => assert!(statement.arguments().is_empty(), "{text}"),
                (Shape::NamedBlock(_), Some(_)) => {
                    assert_eq!(statement.arguments().len(), 1, "{text}");
                }
                (Shape::Lines(lines), Some(block)) => {
                    let read = match lines {
                        Lines::Vips => reader.vips(block, false).len(),
                        Lines::Routes => reader.routes(block).len(),
                        Lines::Rules => reader.rules(block).len(),
                        Lines::Peers => reader.peers(block).len(),
                        Lines::Interfaces => reader.interfaces(block).len(),
                        _ => block.statements.len(),
                    };
                    assert_eq!(read, block.statements.len(), "{text}");
                }
                (_, None) => {
                    values += 1;
                    assert!(reader.value(keyword, statement).is_some(), "{text}");
                }
                (shape, block) => panic!("{shape:?} {block:?} in {text}"),
            }
            let (diagnostics, _) = reader.report.finish(&crate::expand::Origins::default());
            assert!(diagnostics.is_empty(), "{text}\n{diagnostics:#?}");
        }
        assert!(values > 200, "{values}");
    }
}
