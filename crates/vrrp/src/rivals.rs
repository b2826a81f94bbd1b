//! Who else claims to hold: the evidence for "two holders" (RFC 9568 §8.3.2; VRRP-042).
//!
//! One advert from a second router proves little: two nodes overlap for a moment at every
//! take-over. Two that go on for more than three intervals are a fault that somebody must repair,
//! be it a one-way link, a password or a second cluster with our VRID.

use core::net::IpAddr;
use core::time::Duration;

use base::Instant;

/// A flood of forged sources must not become a flood of memory.
const REMEMBERED: usize = 8;

/// The routers heard lately that claim to hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rivals {
    heard: Vec<Claim>,
    alarmed: bool,
}

#[derive(Clone, Debug)]
struct Claim {
    source: IpAddr,
    first: Instant,
    last: Instant,
}

impl Rivals {
    /// Takes note of an advert. Answers with a rival's address when, by now, more than `allowed`
    /// routers have been claiming for more than three intervals; only once until that is over.
    ///
    /// `allowed` is 1 for a Backup, which expects one holder, and 0 for the holder itself.
    pub(crate) fn heard(
        &mut self,
        now: Instant,
        source: IpAddr,
        interval: Duration,
        allowed: usize,
    ) -> Option<IpAddr> {
        let patience = interval * 3;
        self.heard.retain(|claim| now.since(claim.last) <= patience);
        if let Some(claim) = self.heard.iter_mut().find(|claim| claim.source == source) {
            claim.last = now;
        } else if self.heard.len() < REMEMBERED {
            self.heard.push(Claim { source, first: now, last: now });
        }
        let lasting = |claim: &&Claim| now.since(claim.first) > patience;
        let alarm = self.heard.iter().filter(lasting).count() > allowed;
        let news = alarm && !self.alarmed;
        self.alarmed = alarm;
        let rival = self.heard.iter().filter(lasting).map(|claim| claim.source).next_back();
        if news { rival } else { None }
    }

    /// Forgets everybody: our own state changed, and with it who is a rival.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn vrrp_042_two_lasting_actives_raise_one_alarm() {
        let mut rivals = Rivals::default();
        let mut alarms = vec![];
        for second in 0..10 {
            let now = Instant::ZERO + SECOND * second;
            alarms.extend(rivals.heard(now, ip(1), SECOND, 1));
            alarms.extend(rivals.heard(now, ip(2), SECOND, 1));
        }
        assert_eq!(alarms, [ip(2)]);
    }

    #[test]
    fn a_take_over_is_no_alarm() {
        let mut rivals = Rivals::default();
        for second in 0..10 {
            let now = Instant::ZERO + SECOND * second;
            let source = if second < 5 { ip(1) } else { ip(2) };
            assert_eq!(rivals.heard(now, source, SECOND, 1), None);
        }
    }

    #[test]
    fn a_holder_expects_nobody_beside_it() {
        let mut rivals = Rivals::default();
        let alarms = (0..10)
            .filter_map(|s| rivals.heard(Instant::ZERO + SECOND * s, ip(3), SECOND, 0))
            .count();
        assert_eq!(alarms, 1);
    }

    #[test]
    fn forged_sources_do_not_grow_memory() {
        let mut rivals = Rivals::default();
        for last in 0..=255 {
            rivals.heard(Instant::ZERO, ip(last), SECOND, 1);
        }
        assert_eq!(rivals.heard.len(), REMEMBERED);
    }
}
