//! `--lenient`: what stands in for what keepalived does not like.
//!
//! keepalived reads a number as far as its digits go, raises some to their least value, and takes the
//! default for others; which it does depends on the keyword. The rules here are what the dumps of
//! keepalived 2.2.7 show for such files; where there is none, the value is as if it had not been
//! written, which is what keepalived does with most.
//!
//! Braces are read its way too: the `{` behind a word it does not know is passed over and what follows
//! belongs to the block around it. Outside of blocks that is harmless. Inside of one the next `}` ends
//! that one too early, and a missing `}` makes one instance of two: there keepalived's meaning is
//! nobody's, and it stays an error.

use core::time::Duration;

use crate::diagnostic::{Code, Diagnostic, Report};
use crate::keywords::{self, Shape, Within};
use crate::tree::Statement;
use crate::word;

/// The number a word begins with, and whether that was all of it. As C reads it: 0 where there is none.
fn leading(word: &str) -> (i64, bool) {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let end = digits.bytes().take_while(u8::is_ascii_digit).count();
    let signed = &word[..word.len() - digits.len() + end];
    let whole = end > 0 && end == digits.len();
    (signed.parse().unwrap_or(if whole { i64::MAX } else { 0 }), whole)
}

/// What keepalived makes of an illegal number for `keyword`; `None`: nothing.
pub(crate) fn number(keyword: &str, word: &str, min: i64, max: i64) -> Option<i64> {
    let (value, whole) = leading(word);
    let number = match keyword.trim_start_matches("vrrp_") {
        // Also where a legal one was written before.
        "priority" if max == 255 => 100,
        "garp_master_repeat" | "garp_master_refresh_repeat" if value >= 0 => value.max(1),
        "garp_lower_prio_repeat" | "down_timer_adverts" if value >= 0 => value,
        "rt_priority" | "bfd_rt_priority" if whole => value.clamp(1, 99),
        "/LENGTH" if !whole && value > 0 => value,
        "/LENGTH" => max,
        // The priority ends at 1 and 254 all the same.
        "weight of a script" if whole => value.clamp(min, max),
        "weight of a script" | "weight of a process" | "weight of a file" if !whole => value,
        "garp_extra_if" => value,
        _ => return None,
    };
    (min..=max).contains(&number).then_some(number)
}

/// The same for a time.
pub(crate) fn time(keyword: &str, word: &str, min: Duration, max: Duration) -> Option<Duration> {
    let (value, whole) = leading(word);
    let value = u64::try_from(value).ok()?;
    let time = match keyword.trim_start_matches("vrrp_") {
        "garp_master_delay" | "garp_master_refresh" | "garp_lower_prio_delay" => {
            Duration::from_secs(value)
        }
        "smtp_connect_timeout" => Duration::from_secs(value.max(1)),
        "timeout" if value == 0 => Duration::from_secs(1),
        "timeout" | "interval" if value > 0 => Duration::from_secs(value),
        // Without a dot, what follows the digits makes microseconds of them.
        "garp_interval" | "gna_interval" | "preempt_delay" | "delay" | "fork_delay"
        | "terminate_delay"
            if value > 0 && !whole && !word.contains('.') =>
        {
            Duration::from_micros(value)
        }
        _ => return None,
    };
    (min..=max).contains(&time).then_some(time)
}

/// What keepalived takes a word for a choice for, if it is one of the few where it takes it for anything.
pub(crate) fn choice(keyword: &str) -> Option<&'static str> {
    (keyword == "state").then_some("BACKUP")
}

/// Reads braces as keepalived does; see the module's text.
pub(crate) fn braces(
    text: &[u8],
    statements: Vec<Statement>,
    within: Within,
    report: &mut Report,
) -> Vec<Statement> {
    let mut read = Vec::with_capacity(statements.len());
    let mut rest = statements.into_iter().peekable();
    while let Some(mut statement) = rest.next() {
        let Some(mut block) = statement.block.take() else {
            read.push(statement);
            continue;
        };
        let span = statement.keyword();
        let name = word::text(&text[span.within(text.len())]).unwrap_or_default();
        match keywords::find(within, &name).map(|keyword| keyword.shape) {
            Some(Shape::Block(inner) | Shape::NamedBlock(inner)) => {
                block.statements = braces(text, block.statements, inner, report);
                statement.block = Some(block);
                read.push(statement);
            }
            Some(_) => {
                statement.block = Some(block);
                read.push(statement);
            }
            None => {
                let elsewhere = keywords::find_elsewhere(within, &name).is_some();
                if within != Within::Top && (elsewhere || rest.peek().is_some()) {
                    let message = "keepalived would take what this block holds for the block's \
                                   around it, and its end for that one's";
                    report.push(
                        Diagnostic::error(Code::UnexpectedBlock, block.open, message)
                            .label("opened here")
                            .related(span, "no keyword here has this name")
                            .help("correct the keyword or remove the block; is a `}` missing before it?"),
                    );
                }
                read.push(statement);
                read.extend(braces(text, block.statements, within, report));
            }
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_far_as_they_go() {
        assert_eq!(leading("12x"), (12, false));
        assert_eq!(leading("many"), (0, false));
        assert_eq!(leading("-3"), (-3, true));
        assert_eq!(leading(""), (0, false));
        assert_eq!(leading("99999999999999999999"), (i64::MAX, true));
        assert_eq!(number("garp_master_repeat", "many", 1, 1_000), Some(1));
        assert_eq!(number("vrrp_garp_master_repeat", "0", 1, 1_000), Some(1));
        assert_eq!(number("down_timer_adverts", "2.5", 1, 100), Some(2));
        assert_eq!(number("down_timer_adverts", "0", 1, 100), None);
        assert_eq!(number("/LENGTH", "40", 0, 32), Some(32));
        assert_eq!(number("/LENGTH", "24x", 0, 32), Some(24));
        assert_eq!(number("weight of a script", "-300", -253, 253), Some(-253));
        assert_eq!(number("weight of a process", "255", -254, 254), None);
        assert_eq!(number("priority", "300", 1, 255), Some(100));
        assert_eq!(number("vrrp_priority", "20", -20, 19), None);
    }

    #[test]
    fn times_have_the_unit_keepalived_gives_them() {
        let time = |keyword, word| time(keyword, word, Duration::ZERO, Duration::from_secs(1000));
        assert_eq!(time("vrrp_garp_master_refresh", "5m"), Some(Duration::from_secs(5)));
        assert_eq!(time("vrrp_garp_interval", "5ms"), Some(Duration::from_micros(5)));
        assert_eq!(time("smtp_connect_timeout", "none"), Some(Duration::from_secs(1)));
        assert_eq!(time("garp_master_delay", "-1"), None);
        assert_eq!(time("advert_int", "5x"), None);
    }
}
