//! A Backup's side: what it has told its holder, and whether a nomination is still good.

use core::net::IpAddr;
use core::time::Duration;

use base::Instant;

/// A Backup says that it is ready at most so often: it is nothing that changes quickly.
const PERIOD: Duration = Duration::from_secs(2);

/// After so many intervals without the holder a nomination is refused. A holder that has resigned is
/// not back before three.
const FRESH: u32 = 2;

/// What was told, to whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ready {
    to: IpAddr,
    nonce: u64,
    told_at: Instant,
    /// When the holder was last heard, its resignation included.
    heard_at: Instant,
    resigned: bool,
}

impl Ready {
    /// The holder `source` was heard to hold. Answers with what is to be kept, and whether to tell
    /// it (again).
    pub(crate) fn heard(
        known: Option<Ready>,
        now: Instant,
        source: IpAddr,
        interval: Duration,
        nonce: impl FnOnce() -> u64,
    ) -> (Ready, bool) {
        // Another holder, one that had resigned, or one that was silent for so long that it can have
        // lost and regained its place: what it was told before is void.
        let kept = known
            .filter(|ready| ready.to == source && !ready.resigned && ready.is_fresh(now, interval));
        match kept {
            Some(ready) if now.since(ready.told_at) < PERIOD => {
                (Ready { heard_at: now, ..ready }, false)
            }
            _ => {
                let (to, nonce) = (source, nonce());
                (Ready { to, nonce, told_at: now, heard_at: now, resigned: false }, true)
            }
        }
    }

    /// It resigned.
    pub(crate) fn resigned(&mut self, now: Instant, source: IpAddr) {
        if source == self.to {
            self.resigned = true;
            self.heard_at = now;
        }
    }

    pub(crate) fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Whether a nomination by `source` with this nonce is good.
    pub(crate) fn accepts(
        &self,
        now: Instant,
        source: IpAddr,
        nonce: u64,
        interval: Duration,
    ) -> bool {
        source == self.to && nonce == self.nonce && self.is_fresh(now, interval)
    }

    fn is_fresh(&self, now: Instant, interval: Duration) -> bool {
        now.since(self.heard_at) <= interval * FRESH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn told() -> Ready {
        let (ready, tell) = Ready::heard(None, at(0), ip(1), SECOND, || 7);
        assert!(tell);
        ready
    }

    #[test]
    fn it_tells_again_after_two_seconds_with_another_nonce() {
        let mut ready = told();
        for (millis, again) in [(1_000, false), (2_000, true), (3_000, false), (4_000, true)] {
            let before = ready.nonce;
            let (next, tell) = Ready::heard(Some(ready), at(millis), ip(1), SECOND, || millis);
            assert_eq!(tell, again, "{millis}");
            assert_eq!(next.nonce != before, again);
            ready = next;
        }
    }

    #[test]
    fn what_was_told_is_void_once_another_holds_or_the_same_one_again() {
        let other = Ready::heard(Some(told()), at(100), ip(2), SECOND, || 8);
        assert!(other.1 && !other.0.accepts(at(100), ip(1), 7, SECOND));
        let mut resigned = told();
        resigned.resigned(at(100), ip(1));
        assert!(resigned.accepts(at(110), ip(1), 7, SECOND));
        assert!(Ready::heard(Some(resigned), at(200), ip(1), SECOND, || 8).1);
        // Its resignation was lost; it was silent, and holds again.
        assert!(Ready::heard(Some(told()), at(3_000), ip(1), SECOND, || 8).1);
    }

    #[test]
    fn a_nomination_is_good_for_two_intervals() {
        let ready = told();
        assert!(ready.accepts(at(2_000), ip(1), 7, SECOND));
        assert!(!ready.accepts(at(2_001), ip(1), 7, SECOND));
        assert!(!ready.accepts(at(10), ip(1), 8, SECOND));
        assert!(!ready.accepts(at(10), ip(2), 7, SECOND));
    }
}
