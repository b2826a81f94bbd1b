//! How long a lease may be, so that a frozen holder is silent before anybody takes over.
//!
//! A holder that freezes at `t` sent its last advert at most one interval before. A peer that heard
//! it waits for D intervals from there, and as many less as adverts were lost on the way: it takes
//! over at `t + (D − 1 − k) · I` at the earliest (Skew_Time, which some have less of than others,
//! is not counted on). The lease that was renewed right before `t` must have ended by then; a third
//! of that time is kept for what clocks, timers and schedulers are late by.

use core::time::Duration;

use base::LeaseClass;
use serde::{Deserialize, Serialize};

/// No lease is shorter: renewing would then fail on a machine that is merely busy.
pub const FLOOR: Duration = Duration::from_millis(60);

/// Lost adverts allowed for, where the number of adverts to miss leaves room for it.
const TOLERATED: u8 = 1;

/// What RFC 9568 lets a peer miss before it takes over. A peer may be configured otherwise than we,
/// so a larger number of our own makes no lease longer.
const RFC_MISSED: u8 = 3;

/// What bounds a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Terms {
    /// The interval at which we tell peers that we hold.
    pub interval: Duration,
    /// How many adverts they miss before they take over.
    pub missed: u8,
    /// Peers that watch us by other means as well may take over as soon as this after we freeze.
    pub sooner: Option<Duration>,
}

impl Terms {
    /// Adverts that may be lost without making the bound false.
    #[must_use]
    pub fn tolerated(&self) -> u8 {
        TOLERATED.min(self.missed().saturating_sub(2))
    }

    fn missed(&self) -> u8 {
        self.missed.min(RFC_MISSED)
    }

    /// From the moment a holder freezes to the earliest moment at which a peer takes over.
    #[must_use]
    pub fn bound(&self) -> Duration {
        let left = self.missed().saturating_sub(1).saturating_sub(self.tolerated());
        let by_adverts = self.interval * u32::from(left);
        self.sooner.map_or(by_adverts, |sooner| by_adverts.min(sooner))
    }

    /// From the last advert a holder sent to the earliest moment at which a peer that heard it takes
    /// over. One that did not hear it takes over sooner, and is heard: whoever counts on this
    /// listens first.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.interval * u32::from(self.missed())
    }

    /// The class of lease to take.
    #[must_use]
    pub fn class(&self) -> LeaseClass {
        let intervals = if base::planted!(LeaseTooLong) { 3 } else { 1 };
        LeaseClass::of((self.bound() * intervals * 2 / 3).max(FLOOR))
    }

    /// By how much the lease is too long to keep its promise; zero where it keeps it.
    #[must_use]
    pub fn excess(&self) -> Duration {
        self.class().length().saturating_sub(self.bound())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(interval_ms: u64, missed: u8) -> Terms {
        Terms { interval: Duration::from_millis(interval_ms), missed, sooner: None }
    }

    #[test]
    fn who_is_watched_by_other_means_as_well_has_a_shorter_lease() {
        let ms = Duration::from_millis;
        for (sooner, length, excess) in [(200, 133, 0), (90, 60, 0), (20, 60, 40), (5_000, 666, 0)]
        {
            let terms = Terms { sooner: Some(ms(sooner)), ..terms(1000, 3) };
            let got = (terms.class().length(), terms.excess());
            assert_eq!(got, (ms(length), ms(excess)), "{sooner} ms");
        }
    }

    #[test]
    fn a_lease_ends_before_a_peer_takes_over_with_a_third_to_spare() {
        // (interval, adverts to miss) → (lease, too long by), milliseconds.
        let table = [
            (1000, 3, 666, 0),
            (200, 3, 133, 0),
            (100, 3, 66, 0),
            (90, 3, 60, 0),
            (60, 3, 60, 0),
            (50, 3, 60, 10),
            (10, 3, 60, 50),
            (40_950, 3, 27_300, 0),
            // Peers may still have the RFC's three.
            (1000, 10, 666, 0),
            // Two to miss leave no room for a lost one, one leaves none at all.
            (1000, 2, 666, 0),
            (1000, 1, 60, 60),
        ];
        for (interval, missed, length, excess) in table {
            let terms = terms(interval, missed);
            let got = (terms.class().length(), terms.excess());
            let ms = Duration::from_millis;
            assert_eq!(got, (ms(length), ms(excess)), "{interval} ms, {missed} missed");
        }
    }

    #[test]
    fn the_promise_holds_at_every_interval_from_the_floor_up() {
        for cs in 6..=4095 {
            let terms = terms(cs * 10, 3);
            assert_eq!(terms.excess(), Duration::ZERO, "{cs} cs");
            assert!(terms.class().length() >= FLOOR);
        }
    }
}
