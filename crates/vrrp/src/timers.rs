//! Skew_Time and Active_Down_Interval (RFC 9568 §6.1), in nanoseconds, without rounding.
//!
//! The stronger a Backup is, the sooner it takes over: Skew_Time spreads the Backups over the last
//! interval so that the strongest speaks first and the others hear it.

use core::time::Duration;

use base::{Priority, Version};

/// Skew_Time: `(256 − priority) / 256` of the Active node's interval (RFC 9568 §6.1), or of one
/// second in VRRPv2 (RFC 3768 §6.1).
#[must_use]
pub fn skew_time(version: Version, priority: Priority, active_interval: Duration) -> Duration {
    if base::planted!(NoSkew) {
        return Duration::ZERO;
    }
    let whole = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => active_interval,
    };
    whole * (256 - u32::from(priority.get())) / 256
}

/// Active_Down_Interval: `missed` intervals (3 in the RFC) and Skew_Time.
#[must_use]
pub fn active_down_interval(
    version: Version,
    priority: Priority,
    active_interval: Duration,
    missed: u8,
) -> Duration {
    active_interval * u32::from(missed) + skew_time(version, priority, active_interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn vrrp_072_skew_and_down_interval_are_exact() {
        let p100 = Priority::new(100);
        assert_eq!(skew_time(Version::V3, p100, SECOND), Duration::from_nanos(609_375_000));
        assert_eq!(
            active_down_interval(Version::V3, p100, SECOND, 3),
            Duration::from_nanos(3_609_375_000)
        );
        assert_eq!(
            active_down_interval(Version::V3, p100, Duration::from_millis(10), 3),
            Duration::from_nanos(36_093_750)
        );
        // v2: the skew is a part of a second, whatever the interval.
        assert_eq!(
            active_down_interval(Version::V2, Priority::new(254), SECOND * 5, 3),
            SECOND * 15 + Duration::from_nanos(7_812_500)
        );
    }

    #[test]
    fn a_stronger_node_waits_less_at_every_priority() {
        for p in 1..254 {
            let weaker = skew_time(Version::V3, Priority::new(p), SECOND);
            let stronger = skew_time(Version::V3, Priority::new(p + 1), SECOND);
            assert!(stronger < weaker);
        }
    }
}
