//! How fast a session speaks, and how long it bears silence.
//!
//! Both ends say what they want and what they can take; the slower wish rules each direction. While
//! a session is Up, a wish that slows us down, or that makes us less patient, counts only when the
//! other end has confirmed it (a poll answered by a final): it may not have heard yet (RFC 5880
//! §6.8.3, BFD-005).

use core::num::NonZeroU8;
use core::time::Duration;

/// What is sent while a session is not Up is at least so far apart (RFC 5880 §6.8.3).
pub(crate) const LEAST_IDLE: Duration = Duration::from_secs(1);

/// One of our own two intervals: as announced, and as in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Agreed {
    announced: Duration,
    in_force: Duration,
}

impl Agreed {
    pub(crate) const fn new(interval: Duration) -> Self {
        Self { announced: interval, in_force: interval }
    }

    pub(crate) const fn announced(self) -> Duration {
        self.announced
    }

    pub(crate) const fn in_force(self) -> Duration {
        self.in_force
    }

    /// Announces another; `at_once` says whether it is in force before it is confirmed. Returns
    /// whether anything changed.
    pub(crate) fn announce(&mut self, interval: Duration, at_once: bool) -> bool {
        let changed = interval != self.announced;
        self.announced = interval;
        if at_once {
            self.in_force = interval;
        }
        changed
    }

    /// The other end knows.
    pub(crate) fn confirm(&mut self) {
        self.in_force = self.announced;
    }
}

/// Numbers by chance from a seed: SplitMix64, for spreading packets and numbering sessions, not for
/// secrets.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// `interval` shortened by up to a quarter; by a tenth to a quarter when one missed packet
    /// already counts (RFC 5880 §6.8.7, BFD-004).
    pub(crate) fn jittered(&mut self, interval: Duration, multiplier: NonZeroU8) -> Duration {
        let most = if multiplier.get() == 1 { 90 } else { 100 };
        // Per ten thousand, so that even short intervals are spread.
        let share = 7_500 + self.next() % (most * 100 - 7_500 + 1);
        let nanos = interval.as_nanos() * u128::from(share) / 10_000;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
