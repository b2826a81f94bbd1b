//! Who else claims to hold: the evidence for "two holders" (RFC 9568 §8.3.2; VRRP-042; ARP-004).
//!
//! One advert from a second router proves little: two nodes overlap for a moment at every
//! take-over. Two that go on for more than three intervals are a fault that somebody must repair,
//! be it a one-way link, a password or a second cluster with our VRID. A frame by which another
//! machine answers for a VIP of ours proves more: it holds, however mute it is otherwise.
//!
//! From the first sight of a rival to the last is one *episode*. It is told of once, when it is sure,
//! and once more when nothing has been seen for three intervals.

use core::net::IpAddr;
use core::time::Duration;

use base::{EventId, Instant, Neighbour, Rival, Sight};

use crate::status::RivalStatus;

/// A flood of forged sources must not become a flood of memory.
const REMEMBERED: usize = 8;

/// An episode does not end sooner, or whoever forges would have us tell of many.
const QUIET: Duration = Duration::from_secs(1);

/// The routers seen lately that claim to hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rivals {
    heard: Vec<Claim>,
    /// Boxed: there is none, as a rule.
    episode: Option<Box<Episode>>,
}

/// A router whose adverts claim to hold.
#[derive(Clone, Debug)]
struct Claim {
    source: IpAddr,
    first: Instant,
    last: Instant,
}

#[derive(Clone, Debug)]
struct Episode {
    rival: Rival,
    first: Instant,
    last: Instant,
    /// It is sure, and was told of; the event, once that is known.
    sure: bool,
    told: Option<EventId>,
}

impl Episode {
    fn both(&self) -> Duration {
        self.last.since(self.first)
    }
}

/// What there is to tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum News {
    Two { rival: Rival, both: Duration },
    Over { rival: Rival, both: Duration, since: Option<EventId> },
}

impl Rivals {
    /// A Backup hears an advert of a router with a right to hold: it expects one such, not two.
    pub(crate) fn heard(
        &mut self,
        now: Instant,
        source: IpAddr,
        interval: Duration,
    ) -> Option<News> {
        self.claim(now, source, interval);
        let second = self.lasting(now, interval).skip(1).last();
        let Some((source, first)) = second.map(|claim| (claim.source, claim.first)) else {
            return self.end();
        };
        let episode = self.episode.get_or_insert_with(|| Box::new(Episode::begin(first)));
        episode.rival.source = Some(source);
        episode.rival.see(Sight::Advert);
        episode.last = now;
        episode.make_sure()
    }

    /// The holder hears an advert of somebody who claims to hold as well.
    pub(crate) fn advert(
        &mut self,
        now: Instant,
        source: IpAddr,
        interval: Duration,
    ) -> Option<News> {
        let over = self.look(now, interval);
        self.claim(now, source, interval);
        let lasts = self.lasting(now, interval).next().is_some();
        let episode = self.episode.get_or_insert_with(|| Box::new(Episode::begin(now)));
        episode.rival.source = Some(source);
        episode.rival.see(Sight::Advert);
        episode.last = now;
        over.or_else(|| if lasts { episode.make_sure() } else { None })
    }

    /// The holder sees a frame by which somebody else answers for a VIP. `sure`: this can be no
    /// straggler of the take-over.
    pub(crate) fn frame(
        &mut self,
        now: Instant,
        seen: &Neighbour,
        interval: Duration,
        sure: bool,
    ) -> Option<News> {
        let over = self.look(now, interval);
        let episode = self.episode.get_or_insert_with(|| Box::new(Episode::begin(now)));
        episode.rival.mac = Some(seen.mac);
        episode.rival.address = Some(seen.address);
        episode.rival.source = seen.source.or(episode.rival.source);
        episode.rival.see(seen.sight);
        episode.last = now;
        over.or_else(|| if sure { episode.make_sure() } else { None })
    }

    /// Time has passed: perhaps a rival has not been seen for long enough.
    pub(crate) fn look(&mut self, now: Instant, interval: Duration) -> Option<News> {
        let quiet = (interval * 3).max(QUIET);
        let gone = self.episode.as_ref().is_some_and(|episode| now.since(episode.last) > quiet);
        if gone { self.end() } else { None }
    }

    /// Forgets everybody: our own state changes, and with it who is a rival.
    pub(crate) fn clear(&mut self) -> Option<News> {
        self.heard.clear();
        self.end()
    }

    /// The event that told of the episode.
    pub(crate) fn told(&mut self, event: EventId) {
        if let Some(episode) = &mut self.episode {
            episode.told = Some(event);
        }
    }

    /// The second holder, if there is one for sure.
    pub(crate) fn status(&self) -> Option<RivalStatus> {
        let episode = self.episode.as_ref().filter(|episode| episode.sure)?;
        let Episode { rival, first, last, told, .. } = Episode::clone(episode);
        Some(RivalStatus { rival, first, last, because: told })
    }

    fn claim(&mut self, now: Instant, source: IpAddr, interval: Duration) {
        self.heard.retain(|claim| now.since(claim.last) <= interval * 3);
        if let Some(claim) = self.heard.iter_mut().find(|claim| claim.source == source) {
            claim.last = now;
        } else if self.heard.len() < REMEMBERED {
            self.heard.reserve_exact(1);
            self.heard.push(Claim { source, first: now, last: now });
        }
    }

    fn lasting(&self, now: Instant, interval: Duration) -> impl Iterator<Item = &Claim> {
        self.heard.iter().filter(move |claim| now.since(claim.first) > interval * 3)
    }

    fn end(&mut self) -> Option<News> {
        let episode = self.episode.take().filter(|episode| episode.sure)?;
        let both = episode.both();
        Some(News::Over { rival: episode.rival, both, since: episode.told })
    }
}

impl Episode {
    fn begin(first: Instant) -> Self {
        Self { rival: Rival::default(), first, last: first, sure: false, told: None }
    }

    fn make_sure(&mut self) -> Option<News> {
        let news = !core::mem::replace(&mut self.sure, true);
        news.then(|| News::Two { rival: self.rival.clone(), both: self.both() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{IfIndex, Mac};

    const SECOND: Duration = Duration::from_secs(1);

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn at(second: u32) -> Instant {
        Instant::ZERO + SECOND * second
    }

    fn frame(last: u8) -> Neighbour {
        let index = IfIndex::new(2).unwrap();
        let mac = Mac([2, 0, 0, 0, 0, last]);
        Neighbour { index, address: ip(100), mac, source: None, sight: Sight::Arp }
    }

    #[test]
    fn vrrp_042_two_lasting_actives_raise_one_alarm_that_ends() {
        let mut rivals = Rivals::default();
        let mut alarms = vec![];
        for second in 0..10 {
            alarms.extend(rivals.heard(at(second), ip(1), SECOND));
            alarms.extend(rivals.heard(at(second), ip(2), SECOND));
        }
        let rival = Rival { source: Some(ip(2)), seen: vec![Sight::Advert], ..Rival::default() };
        assert_eq!(alarms, [News::Two { rival: rival.clone(), both: SECOND * 4 }]);
        let ends: Vec<_> =
            (10..20).filter_map(|second| rivals.heard(at(second), ip(1), SECOND)).collect();
        assert_eq!(ends, [News::Over { rival, both: SECOND * 12, since: None }]);
    }

    #[test]
    fn a_take_over_is_no_alarm() {
        let mut rivals = Rivals::default();
        for second in 0..10 {
            let source = if second < 5 { ip(1) } else { ip(2) };
            assert_eq!(rivals.heard(at(second), source, SECOND), None);
        }
    }

    #[test]
    fn a_holder_expects_nobody_beside_it() {
        let mut rivals = Rivals::default();
        let alarms = (0..10).filter_map(|s| rivals.advert(at(s), ip(3), SECOND)).count();
        assert_eq!(alarms, 1);
    }

    #[test]
    fn one_episode_holds_all_evidence_and_ends_three_intervals_after_the_last_sight() {
        let mut rivals = Rivals::default();
        assert_eq!(rivals.advert(at(0), ip(3), SECOND), None, "one advert is no proof");
        let two = rivals.frame(at(1), &frame(9), SECOND, true);
        let Some(News::Two { rival, both }) = two else { panic!("{two:?}") };
        assert_eq!((rival.mac, rival.source), (Some(frame(9).mac), Some(ip(3))));
        assert_eq!((rival.seen, both), (vec![Sight::Advert, Sight::Arp], SECOND));
        assert_eq!(rivals.frame(at(2), &frame(9), SECOND, true), None, "once");
        assert_eq!(rivals.look(at(5), SECOND), None);
        let over = rivals.look(at(6), SECOND);
        assert!(matches!(over, Some(News::Over { both, .. }) if both == SECOND * 2));
        assert_eq!(rivals.look(at(7), SECOND), None);
    }

    #[test]
    fn arp_004_stragglers_of_a_take_over_are_no_proof() {
        let mut rivals = Rivals::default();
        assert_eq!(rivals.frame(at(0), &frame(9), SECOND, false), None);
        assert_eq!(rivals.look(at(9), SECOND), None, "nor is their end news");
        assert_eq!(rivals.status(), None);
    }

    #[test]
    fn forged_sources_do_not_grow_memory() {
        let mut rivals = Rivals::default();
        for last in 0..=255 {
            rivals.heard(Instant::ZERO, ip(last), SECOND);
            rivals.frame(Instant::ZERO, &frame(last), SECOND, true);
        }
        assert_eq!(rivals.heard.len(), REMEMBERED);
    }
}
