//! Dates of the CIB: moments in ISO 8601's many spellings, durations, and calendar patterns.
//!
//! Times without an offset are UTC: what a document means must not depend on the machine that
//! reads it. Calendar arithmetic is jiff's.

use jiff::civil::{Date, DateTime, ISOWeekDate, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp, ToSpan as _};

/// A moment of wall-clock time, in seconds since 1970 (UTC).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct WallTime(pub i64);

impl WallTime {
    /// Reads a date, a date with a time, or `@` or `epoch:` with seconds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(seconds) = text.strip_prefix('@').or_else(|| text.strip_prefix("epoch:")) {
            return seconds.trim().parse().ok().map(Self);
        }
        if text.eq_ignore_ascii_case("epoch") {
            return Some(Self(0));
        }
        let (date_text, time_text) = match text.find(['T', ' ']) {
            Some(at) => (&text[..at], text[at + 1..].trim()),
            None => (text, ""),
        };
        let date = date(date_text)?;
        let (time, offset) = time(time_text)?;
        let (time, next_day) = time;
        let mut civil = DateTime::from_parts(date, time);
        if next_day {
            civil = civil.checked_add(1.day()).ok()?;
        }
        let stamp = offset.to_timestamp(civil).ok()?;
        Some(Self(stamp.as_second()))
    }

    /// As a date and time of day, UTC.
    #[must_use]
    pub fn civil(self) -> DateTime {
        let stamp = Timestamp::from_second(self.0).unwrap_or(if self.0 < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        });
        stamp.to_zoned(TimeZone::UTC).datetime()
    }

    /// As `2026-11-25 19:00:00Z`.
    #[must_use]
    pub fn spelled(self) -> String {
        self.civil().strftime("%Y-%m-%d %H:%M:%SZ").to_string()
    }

    /// The moment a span later; none if outside the calendar.
    #[must_use]
    pub fn after(self, span: Span) -> Option<Self> {
        let later = self.civil().checked_add(span).ok()?;
        Some(Self(Offset::UTC.to_timestamp(later).ok()?.as_second()))
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn date(text: &str) -> Option<Date> {
    let flat: Vec<&str> = text.split('-').collect();
    let number = |part: &str| part.parse::<i16>().ok();
    let small = |part: &str| part.parse::<i8>().ok();
    match *flat.as_slice() {
        [year, week, day] if week.starts_with('W') => {
            week_date(number(year)?, small(&week[1..])?, small(day)?)
        }
        [year, week] if week.starts_with('W') => week_date(number(year)?, small(&week[1..])?, 1),
        [year, month, day] => Date::new(number(year)?, small(month)?, small(day)?).ok(),
        [year, ordinal] if ordinal.len() == 3 => day_of_year(number(year)?, number(ordinal)?),
        [year, month] => Date::new(number(year)?, small(month)?, 1).ok(),
        [all] if digits(all) && all.len() == 8 => {
            Date::new(number(&all[..4])?, small(&all[4..6])?, small(&all[6..])?).ok()
        }
        [all] if digits(all) && all.len() == 7 => {
            day_of_year(number(&all[..4])?, number(&all[4..])?)
        }
        [year] if digits(year) && year.len() == 4 => Date::new(number(year)?, 1, 1).ok(),
        _ => None,
    }
}

fn week_date(year: i16, week: i8, day: i8) -> Option<Date> {
    let weekday = Weekday::from_monday_one_offset(day).ok()?;
    ISOWeekDate::new(year, week, weekday).ok().map(ISOWeekDate::date)
}

fn day_of_year(year: i16, day: i16) -> Option<Date> {
    let first = Date::new(year, 1, 1).ok()?;
    if !(1..=first.days_in_year()).contains(&day) {
        return None;
    }
    first.checked_add((i64::from(day) - 1).days()).ok()
}

/// A time of day with its offset; the flag says that it is the midnight that ends the day.
fn time(text: &str) -> Option<((Time, bool), Offset)> {
    if text.is_empty() {
        return Some(((Time::midnight(), false), Offset::UTC));
    }
    let (clock, zone) = match text.find(['Z', '+', '-', ' ']) {
        Some(at) => (&text[..at], text[at..].trim()),
        None => (text, ""),
    };
    let clock = clock.split('.').next().unwrap_or_default();
    let (hour, minute, second) = hms(clock)?;
    let offset = match zone {
        "" | "Z" => Offset::UTC,
        _ => {
            let (sign, rest) = match zone.strip_prefix('-') {
                Some(rest) => (-1, rest),
                None => (1, zone.strip_prefix('+')?),
            };
            let (hours, minutes, _) = hms(rest.trim())?;
            Offset::from_seconds(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60)).ok()?
        }
    };
    if hour == 24 && minute == 0 && second == 0 {
        return Some(((Time::midnight(), true), offset));
    }
    Some(((Time::new(hour, minute, second, 0).ok()?, false), offset))
}

fn hms(text: &str) -> Option<(i8, i8, i8)> {
    let mut parts = Vec::new();
    if text.contains(':') {
        for part in text.split(':') {
            parts.push(part.parse::<i8>().ok()?);
        }
    } else {
        if !digits(text) || text.len() % 2 == 1 || text.len() > 6 {
            return None;
        }
        for at in (0..text.len()).step_by(2) {
            parts.push(text[at..at + 2].parse::<i8>().ok()?);
        }
    }
    let part = |at: usize| parts.get(at).copied().unwrap_or(0);
    (parts.len() <= 3).then(|| (part(0), part(1), part(2)))
}

/// Reads an ISO 8601 duration such as `P1Y2M3DT4H5M6S` or `P2W`.
#[must_use]
pub fn duration(text: &str) -> Option<Span> {
    let mut span = Span::new();
    let mut rest = text.trim().strip_prefix('P')?;
    let mut in_time = false;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('T') {
            in_time = true;
            rest = tail;
            continue;
        }
        let at = rest.find(|c: char| !c.is_ascii_digit() && c != '-')?;
        let amount: i64 = rest[..at].parse().ok()?;
        let unit = rest[at..].chars().next()?;
        rest = &rest[at + unit.len_utf8()..];
        span = match (unit, in_time) {
            ('Y', false) => span.try_years(amount),
            ('M', false) => span.try_months(amount),
            ('W', false) => span.try_weeks(amount),
            ('D', false) => span.try_days(amount),
            ('H', _) => span.try_hours(amount),
            ('M', true) => span.try_minutes(amount),
            // The `T` is often forgotten where there can be no doubt.
            ('S', _) => span.try_seconds(amount),
            _ => return None,
        }
        .ok()?;
    }
    Some(span)
}

/// The seconds of a duration, months and years taken from 1970 on.
#[must_use]
pub fn duration_seconds(text: &str) -> Option<i64> {
    WallTime(0).after(duration(text)?).map(|time| time.0)
}

/// The fields a calendar pattern can name, in the CIB's spelling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// 0–59
    Seconds,
    /// 0–59
    Minutes,
    /// 0–23
    Hours,
    /// Day of the month, 1–31
    MonthDays,
    /// Day of the week, 1 is Monday
    WeekDays,
    /// Day of the year, 1–366
    YearDays,
    /// 1–12
    Months,
    /// ISO week, 1–53
    Weeks,
    /// Gregorian year
    Years,
    /// Year the ISO week belongs to
    WeekYears,
    /// Phase of the moon, 0 is new, 4 is full
    Moon,
}

impl Field {
    /// The field of a `date_spec` or `duration` attribute.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "seconds" => Self::Seconds,
            "minutes" => Self::Minutes,
            "hours" => Self::Hours,
            "monthdays" | "days" => Self::MonthDays,
            "weekdays" => Self::WeekDays,
            "yearsdays" | "yeardays" => Self::YearDays,
            "months" => Self::Months,
            "weeks" => Self::Weeks,
            "years" => Self::Years,
            "weekyears" => Self::WeekYears,
            "moon" => Self::Moon,
            _ => return None,
        })
    }

    /// Its value at a time.
    #[must_use]
    pub fn of(self, time: WallTime) -> i64 {
        let civil = time.civil();
        let week = civil.date().iso_week_date();
        match self {
            Self::Seconds => i64::from(civil.second()),
            Self::Minutes => i64::from(civil.minute()),
            Self::Hours => i64::from(civil.hour()),
            Self::MonthDays => i64::from(civil.day()),
            Self::WeekDays => i64::from(civil.weekday().to_monday_one_offset()),
            Self::YearDays => i64::from(civil.date().day_of_year()),
            Self::Months => i64::from(civil.month()),
            Self::Weeks => i64::from(week.week()),
            Self::Years => i64::from(civil.year()),
            Self::WeekYears => i64::from(week.year()),
            Self::Moon => moon(i64::from(civil.date().day_of_year()), i64::from(civil.year())),
        }
    }
}

/// The classic eight-phase estimate from the epact of the year.
fn moon(day: i64, year: i64) -> i64 {
    let golden = year.rem_euclid(19) + 1;
    let mut epact = (11 * golden + 18).rem_euclid(30);
    if (epact == 25 && golden > 11) || epact == 24 {
        epact += 1;
    }
    ((((day + epact) * 6) + 11).rem_euclid(177) / 22) & 7
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str) -> Option<String> {
        WallTime::parse(text).map(WallTime::spelled)
    }

    #[test]
    fn the_spellings_of_one_day() {
        for text in ["2005-01-01", "20050101", "2005-001", "2004-W53-6", "2005-01-01 00:00:00Z"] {
            assert_eq!(spelled(text).as_deref(), Some("2005-01-01 00:00:00Z"), "{text}");
        }
        assert_eq!(spelled("2005-01-01T12:30:05+02:00").as_deref(), Some("2005-01-01 10:30:05Z"));
        assert_eq!(spelled("2005-01-01 24:00").as_deref(), Some("2005-01-02 00:00:00Z"));
        assert_eq!(spelled("2005-13-01"), None);
        assert_eq!(spelled("2005-367"), None);
        assert_eq!(spelled("tomorrow"), None);
    }

    #[test]
    fn durations() {
        assert_eq!(duration_seconds("P1DT1H"), Some(90_000));
        assert_eq!(duration_seconds("PT5M"), Some(300));
        assert_eq!(duration_seconds("P"), None);
        assert_eq!(duration_seconds("P5"), None);
        assert_eq!(duration_seconds("P99999999999999999999D"), None);
    }

    #[test]
    fn fields() {
        let time = WallTime::parse("2005-01-01 09:10:11").expect("a time");
        assert_eq!(Field::Hours.of(time), 9);
        assert_eq!(Field::WeekDays.of(time), 6);
        assert_eq!((Field::Weeks.of(time), Field::WeekYears.of(time)), (53, 2004));
        assert!((0..8).contains(&Field::Moon.of(time)));
    }
}
