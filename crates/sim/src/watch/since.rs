//! Since when something has been so.

use core::time::Duration;
use std::collections::BTreeMap;

use base::Instant;

/// The beginning of what is so now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Since(Option<Instant>);

impl Since {
    /// Notes whether it is so; answers how long it has been, up to and including now. What has just
    /// ended still gets its last answer.
    pub(crate) fn note(&mut self, now: Instant, so: bool) -> Duration {
        let began = *self.0.get_or_insert(now);
        if !so {
            self.0 = None;
        }
        if so || began < now { now.since(began) } else { Duration::ZERO }
    }

    /// Whether it is so.
    pub(crate) fn is_so(self) -> bool {
        self.0.is_some()
    }

    /// It begins anew.
    pub(crate) fn reset(&mut self) {
        self.0 = None;
    }
}

/// The beginnings of things that are rarely so: while none is, there is nothing to look through.
#[derive(Clone, Debug)]
pub(crate) struct Spans<K>(BTreeMap<K, Instant>);

impl<K> Default for Spans<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Spans<K> {
    /// Notes whether it is so; answers for how long it has been, nothing if it is not.
    pub(crate) fn note(&mut self, key: K, now: Instant, so: bool) -> Duration {
        if so {
            return now.since(*self.0.entry(key).or_insert(now));
        }
        if !self.0.is_empty() {
            self.0.remove(&key);
        }
        Duration::ZERO
    }

    /// Whether nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Since when it is so.
    pub(crate) fn since(&self, key: &K) -> Option<Instant> {
        self.0.get(key).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_counts_up_to_the_end() {
        let at = |ms: u64| Instant::ZERO + Duration::from_millis(ms);
        let mut since = Since::default();
        assert_eq!(since.note(at(1), false), Duration::ZERO);
        assert_eq!(since.note(at(5), true), Duration::ZERO);
        assert_eq!(since.note(at(8), true), Duration::from_millis(3));
        assert_eq!(since.note(at(9), false), Duration::from_millis(4));
        assert_eq!(since.note(at(20), false), Duration::ZERO);
    }

    #[test]
    fn a_rare_span_that_ends_by_this_very_step_counts_no_more() {
        let at = |ms: u64| Instant::ZERO + Duration::from_millis(ms);
        let mut spans = Spans::default();
        assert_eq!(spans.note('a', at(5), true), Duration::ZERO);
        assert_eq!(spans.note('b', at(6), false), Duration::ZERO);
        assert_eq!(spans.note('a', at(8), true), Duration::from_millis(3));
        assert_eq!(spans.since(&'a'), Some(at(5)));
        assert_eq!(spans.note('a', at(9), false), Duration::ZERO);
        assert_eq!(spans.since(&'a'), None);
        assert_eq!(spans.note('a', at(10), true), Duration::ZERO);
    }
}
