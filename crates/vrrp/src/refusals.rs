//! Counting refused packets, and not shouting about each (RFC 9568 §7.1: rate-limited logging).
//!
//! Counters are never limited; the report is: the first of a kind at once, then at most one every
//! ten seconds that says how many there were (VRRP-043).

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use base::{Instant, What};

use crate::wire::{Counter, Counters, Discard};

/// At most one report of a kind in this time.
pub(crate) const REPORT_EVERY: Duration = Duration::from_secs(10);

/// The refused packets of one instance, or of an interface that has none to offer them to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals {
    counters: Counters,
    reports: BTreeMap<Counter, Report>,
}

#[derive(Clone, Debug)]
struct Report {
    at: Instant,
    unreported: u64,
}

impl Refusals {
    /// Counts one; answers with what to report, if it is time to.
    pub(crate) fn count(&mut self, now: Instant, source: IpAddr, why: &Discard) -> Option<What> {
        let counter = why.counter();
        self.counters.add(counter);
        let count = match self.reports.get_mut(&counter) {
            Some(report) if now < report.at + REPORT_EVERY => {
                report.unreported += 1;
                return None;
            }
            Some(report) => {
                let count = report.unreported + 1;
                *report = Report { at: now, unreported: 0 };
                count
            }
            None => {
                self.reports.insert(counter, Report { at: now, unreported: 0 });
                1
            }
        };
        let cause = counter.name().into();
        Some(What::Discarded { cause, detail: why.to_string(), source, count })
    }

    /// Counts something that is not refused.
    pub(crate) fn count_only(&mut self, counter: Counter) {
        self.counters.add(counter);
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// Sources about which something was told: each again only after a while.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Vec<(IpAddr, Instant)>);

impl Told {
    /// Sources remembered at most: a flood of forged ones must not become a flood of memory or of
    /// events.
    const MOST: usize = 32;

    /// Whether it is time to tell it about `source`; counts as told.
    pub(crate) fn due(&mut self, now: Instant, source: IpAddr) -> bool {
        self.0.retain(|(_, at)| now < *at + REPORT_EVERY);
        let due = self.0.len() < Self::MOST && !self.0.iter().any(|(known, _)| *known == source);
        if due {
            self.0.push((source, now));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vrrp_043_each_source_is_told_about_once_in_a_while_and_not_too_many() {
        let mut told = Told::default();
        let at = |s| Instant::ZERO + Duration::from_secs(s);
        let ip = |n: u8| IpAddr::from([192, 0, 2, n]);
        assert!(told.due(at(0), ip(1)) && told.due(at(1), ip(2)));
        assert!(!told.due(at(9), ip(1)) && told.due(at(10), ip(1)) && !told.due(at(10), ip(2)));
        let times = (0..=255).filter(|n| told.due(at(60), ip(*n))).count();
        assert_eq!(times, Told::MOST);
    }

    #[test]
    fn vrrp_043_reports_are_limited_and_counters_are_not() {
        let mut refusals = Refusals::default();
        let source = "192.0.2.9".parse().unwrap();
        let ttl = Discard::Ttl { got: 64, min: 255, max: 255 };
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        let reported = |what: Option<What>| match what {
            Some(What::Discarded { count, .. }) => Some(count),
            _ => None,
        };
        assert_eq!(reported(refusals.count(at(0), source, &ttl)), Some(1));
        for ms in 1..100 {
            assert_eq!(reported(refusals.count(at(ms), source, &ttl)), None);
        }
        assert_eq!(reported(refusals.count(at(10_000), source, &ttl)), Some(100));
        assert_eq!(refusals.counters().get(ttl.counter()), 101);
        // Another kind is reported at once.
        let vrid = Discard::Vrid { got: 7 };
        assert_eq!(reported(refusals.count(at(10_001), source, &vrid)), Some(1));
    }
}
