//! A holder's side: who has said to be ready, and who would follow.

use core::net::IpAddr;
use core::time::Duration;

use base::{Instant, Priority};

/// Who has not said it again for so long is not counted on.
const GOOD_FOR: Duration = Duration::from_secs(7);

/// More than any group has; what comes beyond is somebody's mischief.
const MOST: usize = 16;

/// A Backup that has said to be ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Candidate {
    pub(crate) source: IpAddr,
    pub(crate) priority: Priority,
    pub(crate) nonce: u64,
    pub(crate) told_at: Instant,
}

/// All of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Candidates(Vec<Candidate>);

impl Candidates {
    /// `source` says that it is ready.
    pub(crate) fn note(&mut self, now: Instant, source: IpAddr, priority: Priority, nonce: u64) {
        self.0.retain(|one| one.source != source && now.since(one.told_at) <= GOOD_FOR);
        if self.0.len() < MOST && priority != Priority::RESIGN {
            // One, as a rule, of each of thousands of instances.
            self.0.reserve_exact(1);
            self.0.push(Candidate { source, priority, nonce, told_at: now });
        }
    }

    /// Who follows: the one that an election would choose.
    pub(crate) fn best(&self, now: Instant) -> Option<Candidate> {
        self.ready(now).max_by_key(|one| (one.priority, one.source))
    }

    /// All, the silent ones among them.
    pub(crate) fn all(&self) -> impl Iterator<Item = Candidate> {
        self.0.iter().copied()
    }

    /// All that are counted on.
    fn ready(&self, now: Instant) -> impl Iterator<Item = Candidate> {
        self.0.iter().copied().filter(move |one| now.since(one.told_at) <= GOOD_FOR)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_one_an_election_would_choose_follows_as_long_as_it_says_so() {
        let at = |secs| Instant::ZERO + Duration::from_secs(secs);
        let mut all = Candidates::default();
        assert_eq!(all.best(at(0)), None);
        all.note(at(0), ip(2), Priority::new(100), 1);
        all.note(at(5), ip(3), Priority::new(90), 2);
        all.note(at(5), ip(4), Priority::new(90), 3);
        let best = |now| all.best(at(now)).map(|one| one.source);
        assert_eq!(best(5), Some(ip(2)));
        assert_eq!(best(8), Some(ip(4)), "the first has fallen silent");
        assert_eq!(best(13), None);
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let mut all = Candidates::default();
        for last in 0..=255 {
            all.note(Instant::ZERO, ip(last), Priority::new(1), 0);
        }
        assert_eq!(all.ready(Instant::ZERO).count(), MOST);
    }
}
