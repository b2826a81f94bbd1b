//! The three clocks: the one deadlines are counted on, the one that also runs while the machine
//! sleeps, and the one people read.

use std::time::Duration;

use base::Instant;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Two looks closer than this are one moment.
const AT_ONCE: Duration = Duration::from_micros(50);
/// So often it is tried to be that fast.
const LOOKS: u32 = 16;

/// Now on `CLOCK_MONOTONIC`: the clock of every [`Instant`] the machines see. Stands still while the
/// machine is suspended.
#[must_use]
pub fn monotonic() -> Instant {
    instant(clock_gettime(ClockId::Monotonic))
}

/// Now on `CLOCK_BOOTTIME`, which goes on during suspend. Only its distance from [`monotonic`] has a
/// meaning: if that grew, the machine slept.
#[must_use]
pub fn boottime() -> Instant {
    instant(clock_gettime(ClockId::Boottime))
}

/// How long the machine has been suspended since it started. Whoever is put off between two looks at
/// two clocks sees them apart; that is looked at again.
#[must_use]
pub fn suspended() -> Duration {
    let mut span = Duration::ZERO;
    for _ in 0..LOOKS {
        let before = monotonic();
        span = boottime().since(before);
        if monotonic().since(before) < AT_ONCE {
            break;
        }
    }
    span
}

/// Now on the wall clock: seconds since 1970 in UTC and nanoseconds below `1_000_000_000`. May jump
/// in either direction.
#[must_use]
pub fn wall() -> (i64, u32) {
    let now = clock_gettime(ClockId::Realtime);
    (now.tv_sec, u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// How long the calling thread has run on a processor: what other threads do does not count.
#[must_use]
pub fn thread_time() -> Duration {
    instant(clock_gettime(ClockId::ThreadCPUTime)).since(Instant::ZERO)
}

/// These clocks count from boot and are never negative.
fn instant(time: Timespec) -> Instant {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Instant::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// A number by chance (`getrandom(2)`): a seed for what nobody else may guess. The time, where the
/// kernel has none to give, which no kernel says after it has started.
#[must_use]
pub fn chance() -> u64 {
    let mut octets = [0; 8];
    let got = rustix::rand::getrandom(&mut octets, rustix::rand::GetRandomFlags::empty());
    if got.is_ok_and(|length| length == octets.len()) {
        u64::from_ne_bytes(octets)
    } else {
        monotonic().as_nanos()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn monotonic_advances_and_boottime_is_not_behind() {
        let before = monotonic();
        std::thread::sleep(Duration::from_millis(5));
        assert!(monotonic().since(before) >= Duration::from_millis(5));
        let first = monotonic();
        assert!(boottime() >= first);
        assert!(suspended().abs_diff(boottime().since(monotonic())) < Duration::from_secs(1));
    }

    #[test]
    fn wall_is_the_systems_time() {
        let (seconds, nanos) = wall();
        let other = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(u64::try_from(seconds).unwrap().abs_diff(other) <= 2);
        assert!(nanos < 1_000_000_000);
    }
}
