//! Reloads at a time that a file names (`reload_time_file`), so that several nodes can change their
//! configuration in the same second.
//!
//! The file is looked at every second, however it is written. A time that has no date is the next one
//! of that name; a date that has passed is nothing. Once it has come the file is removed, unless it is
//! to count every day.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base::{Instant, Reason, Subject, What};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};
use serde::{Deserialize, Serialize};

use super::Control;
use crate::messages::ControlToGuardian;

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// More than any time has characters.
const LONGEST: usize = 64;

/// Which file, and whether it stays.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ReloadTime {
    pub(crate) file: PathBuf,
    pub(crate) repeat: bool,
}

/// The file as it was last seen.
#[derive(Default)]
pub(super) struct ReloadClock {
    of: Option<ReloadTime>,
    seen: Option<(SystemTime, u64)>,
    due: Option<Timestamp>,
    next_look: Option<Instant>,
}

/// What a look led to.
#[derive(PartialEq, Eq, Debug)]
enum Look {
    Nothing,
    Set(Timestamp),
    Bad(String),
    Due,
}

impl ReloadClock {
    /// From now on this file, if any.
    pub(super) fn set(&mut self, now: Instant, of: Option<ReloadTime>) {
        if self.of != of {
            *self = Self { next_look: of.as_ref().map(|_| now), of, ..Self::default() };
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next_look
    }

    fn look(&mut self, now: Instant, wall: &Zoned) -> Look {
        let Some(of) = &self.of else { return Look::Nothing };
        if self.next_look.is_none_or(|at| now < at) {
            return Look::Nothing;
        }
        self.next_look = Some(now + LOOK_EVERY);
        if self.due.is_some_and(|due| due <= wall.timestamp()) {
            self.due = None;
            if of.repeat {
                // Read again: without a date it names another day.
                self.seen = None;
            }
            return Look::Due;
        }
        let seen = std::fs::metadata(&of.file).ok().filter(std::fs::Metadata::is_file);
        let seen = seen.and_then(|file| Some((file.modified().ok()?, file.len())));
        if seen == self.seen {
            return Look::Nothing;
        }
        self.seen = seen;
        self.due = None;
        if seen.is_none() {
            return Look::Nothing;
        }
        let text = std::fs::read(&of.file).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[..text.len().min(LONGEST)]).into_owned();
        let line = text.lines().next().unwrap_or_default();
        match next(line, wall) {
            Some(due) => {
                self.due = due;
                due.map_or(Look::Nothing, Look::Set)
            }
            None => Look::Bad(line.to_owned()),
        }
    }
}

/// When the time comes that a line names; `Some(None)`: it has passed; `None`: it names none.
fn next(line: &str, now: &Zoned) -> Option<Option<Timestamp>> {
    let (line, zone) = match line.strip_suffix('Z') {
        Some(line) => (line, TimeZone::UTC),
        None => (line, now.time_zone().clone()),
    };
    let (date, time) = match line.split_once(' ') {
        Some((date, time)) => (Some(parse_date(date)?), time),
        None => (None, line),
    };
    let time = parse_time(time)?;
    let at =
        |date: Date| zone.to_zoned(DateTime::from_parts(date, time)).ok().map(|at| at.timestamp());
    let today = now.timestamp().to_zoned(zone.clone()).date();
    let when = match date {
        Some(date) => at(date)?,
        None => match at(today)? {
            later if later > now.timestamp() => later,
            _ => at(today.checked_add(1.day()).ok()?)?,
        },
    };
    Some((when > now.timestamp()).then_some(when))
}

/// So many digits.
fn number(text: &str, digits: usize) -> Option<i16> {
    let all = text.len() == digits && text.bytes().all(|octet| octet.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

fn parse_date(text: &str) -> Option<Date> {
    let [year, month, day] = text.split('-').collect::<Vec<_>>().try_into().ok()?;
    let year = number(year, 4).or_else(|| number(year, 2).map(|year| year + 2000))?;
    let small = |text| number(text, 2).and_then(|number| i8::try_from(number).ok());
    Date::new(year, small(month)?, small(day)?).ok()
}

fn parse_time(text: &str) -> Option<Time> {
    let [hour, minute, second] = text.split(':').collect::<Vec<_>>().try_into().ok()?;
    let small = |text| number(text, 2).and_then(|number| i8::try_from(number).ok());
    Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()
}

impl Control {
    /// Has the file's time come?
    pub(super) fn look_at_clock(&mut self, now: Instant) {
        let text = match self.clock.look(now, &Zoned::now()) {
            Look::Nothing => return,
            Look::Set(at) => format!("the configuration will be reloaded at {at}"),
            Look::Bad(line) => {
                format!("`{line}` is no time to reload at; write HH:MM:SS or YYYY-MM-DD HH:MM:SS")
            }
            Look::Due => {
                let of = self.clock.of.as_ref().filter(|of| !of.repeat);
                let remove = of.map(|of| of.file.clone());
                // By way of the guardian, as every reload; one that is gone ends us anyway.
                let _ = self.guardian.send(&ControlToGuardian::ReloadDue { remove });
                "the time to reload the configuration has come".into()
            }
        };
        let what = What::Notice { text };
        self.events.tell(now, Subject::Node, what, Reason::Reload, Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zoned(text: &str) -> Zoned {
        let time: DateTime = text.parse().unwrap();
        TimeZone::fixed(jiff::tz::offset(2)).to_zoned(time).unwrap()
    }

    fn next_of(line: &str) -> Option<Option<String>> {
        let now = zoned("2026-11-25T12:00:00");
        next(line, &now).map(|at| at.map(|at| at.to_string()))
    }

    #[test]
    fn times_with_and_without_a_date_here_and_universal() {
        let at = |text: &str| Some(Some(text.to_owned()));
        assert_eq!(next_of("12:00:01"), at("2026-11-25T10:00:01Z"));
        assert_eq!(next_of("12:00:00"), at("2026-11-26T10:00:00Z"), "tomorrow");
        assert_eq!(next_of("12:00:00Z"), at("2026-11-25T12:00:00Z"));
        assert_eq!(next_of("26-12-01 00:00:00"), at("2026-11-30T22:00:00Z"));
        assert_eq!(next_of("2026-12-01 00:00:00Z"), at("2026-12-01T00:00:00Z"));
        assert_eq!(next_of("2026-11-25 11:59:59"), Some(None), "has passed");
        for bad in ["", "12:00", " 12:00:00", "2026-11-25  12:00:00", "1:00:00", "25:00:00", "now"]
        {
            assert_eq!(next_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_file_that_comes_changes_and_goes() {
        let file = std::env::temp_dir().join(format!("mainstay-clock-{}", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let mut clock = ReloadClock::default();
        let mut now = Instant::ZERO;
        clock.set(now, Some(ReloadTime { file: file.clone(), repeat: false }));
        let mut look = |clock: &mut ReloadClock, wall: &str| {
            now = now + LOOK_EVERY;
            clock.look(now, &zoned(wall))
        };
        assert_eq!(look(&mut clock, "2026-11-25T12:00:00"), Look::Nothing);
        std::fs::write(&file, "13:00:00\n").unwrap();
        assert!(matches!(look(&mut clock, "2026-11-25T12:00:00"), Look::Set(_)));
        assert_eq!(look(&mut clock, "2026-11-25T12:59:59"), Look::Nothing);
        std::fs::write(&file, "13:00:00 or so\n").unwrap();
        assert!(matches!(look(&mut clock, "2026-11-25T12:59:59"), Look::Bad(_)));
        assert_eq!(look(&mut clock, "2026-11-25T13:00:00"), Look::Nothing);
        std::fs::write(&file, "13:30:00Z").unwrap();
        assert!(matches!(look(&mut clock, "2026-11-25T13:00:00"), Look::Set(_)));
        assert_eq!(look(&mut clock, "2026-11-25T15:30:00"), Look::Due);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(look(&mut clock, "2026-11-25T15:30:01"), Look::Nothing);
    }
}
