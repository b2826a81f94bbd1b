//! The number in every trailer: the sender's wall clock, made to grow with each advert.
//!
//! 64 bits: seconds since 1970 modulo 2³², 1/65536 of a second, a counter for what happens within
//! one of those. Compared as RFC 1982 compares serial numbers, so that the year 2106 is a second
//! like any other.

use core::fmt;
use core::time::Duration;

use base::Wall;
use serde::{Deserialize, Serialize};

use super::Freshness;

/// One such number. Read as a whole it counts units of 2⁻³² s.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Sequence(u64);

impl Sequence {
    /// The number with these bits, as they stand in a trailer.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The first number that is due at this time.
    #[must_use]
    pub const fn of(wall: Wall) -> Self {
        let fraction = (wall.subsec_nanos() << 16) / 1_000_000_000;
        Self(((wall.seconds() & 0xffff_ffff) << 32) | (fraction << 16))
    }

    /// The one that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Whether it comes after `other` (RFC 1982 §3.2). Two numbers 68 years apart follow neither
    /// one the other.
    #[must_use]
    pub const fn is_after(self, other: Sequence) -> bool {
        let ahead = self.0.wrapping_sub(other.0);
        ahead != 0 && ahead < 1 << 63
    }

    /// The time between the two, whichever comes first.
    #[must_use]
    pub fn distance(self, other: Sequence) -> Duration {
        let units = self.0.wrapping_sub(other.0).min(other.0.wrapping_sub(self.0));
        let fraction = ((units & 0xffff_ffff) * 1_000_000_000) >> 32;
        Duration::from_secs(units >> 32) + Duration::from_nanos(fraction)
    }
}

/// Seconds, fraction and counter, as the draft writes it: `6a000000.8000.0001`.
impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, fraction) = (self.0 >> 32, (self.0 >> 16) & 0xffff);
        write!(f, "{seconds:08x}.{fraction:04x}.{:04x}", self.0 & 0xffff)
    }
}

/// Gives each advert of one sender its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sequencer {
    last: Option<Sequence>,
}

impl Sequencer {
    /// One that goes on where another ended: only numbers after `last` will do.
    #[must_use]
    pub const fn after(last: Sequence) -> Self {
        Self { last: Some(last) }
    }

    /// The last number given out, or gone on from.
    #[must_use]
    pub const fn last(&self) -> Option<Sequence> {
        self.last
    }

    /// The number of an advert that is sent now.
    ///
    /// A clock that is set back does not take the numbers back with it. But numbers that have run
    /// further ahead than any receiver would believe come from a clock that was wrong and is right
    /// again: they are given up, and so are the receivers' marks of them.
    pub fn next(&mut self, wall: Wall, freshness: Freshness) -> Sequence {
        let clock = Sequence::of(wall);
        let next = match (self.last, freshness) {
            (None, _) => clock,
            (Some(last), _) if clock.is_after(last) => clock,
            (Some(last), Freshness::Time { window }) if last.distance(clock) > window => clock,
            (Some(last), _) => last.next(),
        };
        self.last = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: Freshness = Freshness::Time { window: Duration::from_secs(5) };

    #[test]
    fn vrrp_110_a_number_is_seconds_fraction_and_counter() {
        let half = Sequence::of(Wall::new(0x6a00_0000, 500_000_000));
        assert_eq!(half.bits(), 0x6a00_0000_8000_0000);
        assert_eq!(half.next().to_string(), "6a000000.8000.0001");
        let almost = Sequence::of(Wall::new(7, 999_999_999));
        assert_eq!(almost.bits(), 0x0000_0007_ffff_0000);
        // Seconds are counted modulo 2^32.
        assert_eq!(Sequence::of(Wall::new(0x1_0000_0003, 0)).bits(), 3 << 32);
    }

    #[test]
    fn vrrp_115_numbers_are_compared_as_rfc_1982_says() {
        let number = Sequence::from_bits;
        assert!(number(2).is_after(number(1)) && !number(1).is_after(number(2)));
        assert!(!number(1).is_after(number(1)));
        assert!(number(3).is_after(number(u64::MAX)), "across the wrap of 2106");
        assert!(!number(u64::MAX).is_after(number(3)));
        assert_eq!(number(3).distance(number(u64::MAX)), number(u64::MAX).distance(number(3)));
        let apart = number(5 << 32 | 1 << 31).distance(number(2 << 32));
        assert_eq!(apart, Duration::from_millis(3_500));
    }

    #[test]
    fn vrrp_115_a_sender_s_numbers_only_grow() {
        let mut sequencer = Sequencer::default();
        let at = |s, ns| Wall::new(s, ns);
        let mut before = sequencer.next(at(100, 0), FIVE);
        // The same moment, a moment within the resolution, a clock set back by two seconds, later.
        for wall in [at(100, 0), at(100, 10_000), at(98, 0), at(98, 5), at(101, 0), at(101, 0)] {
            let next = sequencer.next(wall, FIVE);
            assert!(next.is_after(before), "{next} at {wall:?}");
            before = next;
        }
        assert_eq!(before, Sequence::of(at(101, 0)).next());
    }

    #[test]
    fn vrrp_115_numbers_of_a_wrong_clock_are_given_up_but_not_in_monotonic_mode() {
        let (wrong, right) = (Wall::new(5_000, 0), Wall::new(100, 0));
        let mut timed = Sequencer::default();
        timed.next(wrong, FIVE);
        assert_eq!(timed.next(right, FIVE), Sequence::of(right));
        let mut counted = Sequencer::default();
        let last = counted.next(wrong, Freshness::Monotonic);
        assert_eq!(counted.next(right, Freshness::Monotonic), last.next());
    }
}
