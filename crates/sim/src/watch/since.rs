//! Since when something has been so.

use core::time::Duration;

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

    /// Notes the same, when an end by this very step is no offence.
    pub(crate) fn note_kindly(&mut self, now: Instant, so: bool) -> Duration {
        if !so {
            self.0 = None;
            return Duration::ZERO;
        }
        now.since(*self.0.get_or_insert(now))
    }

    /// It begins anew.
    pub(crate) fn reset(&mut self) {
        self.0 = None;
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
        assert_eq!(since.note_kindly(at(30), true), Duration::ZERO);
        assert_eq!(since.note_kindly(at(31), false), Duration::ZERO);
    }
}
