//! Time as a value.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on the monotonic clock of this node, in nanoseconds since an arbitrary origin.
///
/// Drivers read it from `CLOCK_MONOTONIC`; simulations count it themselves. It cannot be read from
/// a clock here, on purpose: a machine that could ask for the time could not be replayed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Instant = Instant(0);

    /// The instant `nanos` nanoseconds after the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`; zero when `earlier` is in fact later.
    #[must_use]
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates at the end of the clock (584 years), which no deadline ever reaches.
    fn add(self, rhs: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    /// Saturates at the origin of the clock.
    fn sub(self, rhs: Duration) -> Instant {
        Instant(self.0.saturating_sub(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Seconds with six decimals, as in `12.034500`.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000)
    }
}

/// A point on the wall clock, in nanoseconds since 1970 in UTC. It may jump in either direction, so
/// no deadline is ever counted on it; signed adverts carry it, since it is the only clock that two
/// nodes share.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Wall(u64);

impl Wall {
    /// This many seconds and nanoseconds after 1970; saturates in 2554.
    #[must_use]
    pub fn new(seconds: u64, nanos: u32) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(u64::from(nanos)))
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// Nanoseconds since the last whole second.
    #[must_use]
    pub const fn subsec_nanos(self) -> u64 {
        self.0 % 1_000_000_000
    }

    /// How far apart two readings are.
    #[must_use]
    pub const fn distance(self, other: Wall) -> Duration {
        Duration::from_nanos(self.0.abs_diff(other.0))
    }
}

/// What the wall clock said, and when: enough to know what it says now, until it is stepped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct WallClock {
    told: Wall,
    at: Instant,
}

impl WallClock {
    /// It said `wall` at the instant `at`.
    #[must_use]
    pub const fn new(at: Instant, wall: Wall) -> Self {
        Self { told: wall, at }
    }

    /// What it says at `now`, if nobody stepped it.
    #[must_use]
    pub fn at(&self, now: Instant) -> Wall {
        let passed = u64::try_from(now.since(self.at).as_nanos()).unwrap_or(u64::MAX);
        Wall(self.told.0.saturating_add(passed))
    }
}

/// Hundredths of a second, `1..=4095`: the advertisement interval as VRRPv3 carries it in 12 bits
/// (RFC 9568 §5.2.7). Becomes a [`Duration`] at the border.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Centis(u16);

impl Centis {
    /// The longest interval the field can hold: 40.95 s.
    pub const MAX: Centis = Centis(4095);

    /// `None` unless `value` is in `1..=4095`.
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        if value >= 1 && value <= 4095 { Some(Self(value)) } else { None }
    }

    /// The number of hundredths.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The same span as a [`Duration`].
    #[must_use]
    pub fn as_duration(self) -> Duration {
        Duration::from_millis(u64::from(self.0) * 10)
    }

    /// `duration` rounded down to hundredths; `None` when that is outside `1..=4095`.
    #[must_use]
    pub fn from_duration(duration: Duration) -> Option<Self> {
        u16::try_from(duration.as_millis() / 10).ok().and_then(Self::new)
    }
}

impl TryFrom<u16> for Centis {
    type Error = String;

    fn try_from(value: u16) -> Result<Self, Self::Error> {
        Self::new(value).ok_or_else(|| format!("{value} cs is not an interval of 1..=4095 cs"))
    }
}

impl From<Centis> for u16 {
    fn from(value: Centis) -> u16 {
        value.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_saturate_instead_of_wrapping() {
        let t = Instant::from_nanos(5);
        assert_eq!(t - Duration::from_secs(1), Instant::ZERO);
        assert_eq!(t.since(Instant::from_nanos(9)), Duration::ZERO);
        assert_eq!(t + Duration::MAX, Instant::from_nanos(u64::MAX));
    }

    #[test]
    fn an_instant_prints_as_seconds() {
        assert_eq!(Instant::from_nanos(12_034_500_999).to_string(), "12.034500");
    }

    #[test]
    fn a_wall_clock_goes_on_from_where_it_was_read() {
        let clock = WallClock::new(Instant::from_nanos(7_000_000_000), Wall::new(100, 999_999_999));
        let later = clock.at(Instant::from_nanos(8_000_000_001));
        assert_eq!((later.seconds(), later.subsec_nanos()), (102, 0));
        assert_eq!(later.distance(Wall::new(103, 5)), Duration::new(1, 5));
        assert_eq!(clock.at(Instant::ZERO), Wall::new(100, 999_999_999), "never backwards");
    }

    #[test]
    fn an_interval_is_one_to_4095_hundredths() {
        assert_eq!(Centis::new(0), None);
        assert_eq!(Centis::new(4096), None);
        assert_eq!(Centis::from_duration(Duration::from_millis(200)), Centis::new(20));
        assert_eq!(Centis::from_duration(Duration::from_secs(41)), None);
        assert_eq!(Centis::MAX.as_duration(), Duration::from_millis(40_950));
    }
}
