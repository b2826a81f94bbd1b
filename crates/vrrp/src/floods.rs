//! Who sends more than anybody has reason to (SEC-03): told, never punished.
//!
//! Nothing is dropped for coming too often: the source of a flood is whatever its sender writes into
//! it, and to stop listening to the holder because somebody speaks in its name would be to do what
//! the flood is for. What a packet costs is bounded otherwise; here somebody is told whom to look
//! for. A second is counted at a time, and of it at most [`REMEMBERED`] sources; whoever comes after
//! those is counted as one.

use core::net::IpAddr;
use core::time::Duration;

use base::Instant;

use crate::refusals::Told;

/// Sources counted one by one in each second.
const REMEMBERED: usize = 64;

const SECOND: Duration = Duration::from_secs(1);

/// The packets of one interface.
#[derive(Clone, Debug, Default)]
pub(crate) struct Floods {
    begun: Option<Instant>,
    /// More than this in a second from one source is a flood.
    limit: u32,
    sources: Vec<(IpAddr, u32)>,
    others: u32,
    told: Told,
    packets: u64,
    alarms: u64,
}

impl Floods {
    /// Counts a packet; answers with the limit when its source has just gone beyond it and that is
    /// news. `limit` is asked for once a second.
    pub(crate) fn count(
        &mut self,
        now: Instant,
        source: IpAddr,
        limit: impl FnOnce() -> u32,
    ) -> Option<u32> {
        self.packets += 1;
        if self.begun.is_none_or(|begun| now.since(begun) >= SECOND) {
            self.begun = Some(now);
            self.limit = limit();
            self.sources.clear();
            self.others = 0;
        }
        let known = self.sources.iter().position(|(known, _)| *known == source);
        if known.is_none() && self.sources.len() < REMEMBERED {
            self.sources.push((source, 0));
        }
        let at = known.unwrap_or(self.sources.len() - 1);
        let count = match self.sources.get_mut(at) {
            Some((counted, count)) if *counted == source => count,
            _ => &mut self.others,
        };
        *count = count.saturating_add(1);
        if *count != self.limit.saturating_add(1) {
            return None;
        }
        self.alarms += 1;
        self.told.due(now, source).then_some(self.limit)
    }

    /// Packets that arrived, whatever became of them.
    pub(crate) const fn packets(&self) -> u64 {
        self.packets
    }

    /// Seconds in which a source went beyond the limit, added up over all sources.
    pub(crate) const fn alarms(&self) -> u64 {
        self.alarms
    }
}

/// What one source may send in a second: ten times as many adverts as these intervals make, if it
/// were the holder everywhere, and some more for elections.
pub(crate) fn limit(intervals: impl Iterator<Item = Duration>) -> u32 {
    let most = |interval: Duration| 10_000_000_000 / interval.as_nanos().max(1);
    u32::try_from(intervals.map(most).sum::<u128>() + 100).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + n).to_be_bytes())
    }

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    #[test]
    fn a_flood_is_told_once_with_its_source_and_counted_every_second() {
        let mut floods = Floods::default();
        let mut told = vec![];
        for ms in 0..5_000 {
            told.extend(floods.count(at(ms), ip(1), || 110));
            if ms % 100 == 0 {
                assert_eq!(floods.count(at(ms), ip(2), || 110), None, "who speaks as it should");
            }
        }
        assert_eq!(told, [110]);
        assert_eq!((floods.alarms(), floods.packets()), (5, 5_050));
        let again = (10_111..10_400).filter_map(|ms| floods.count(at(ms), ip(1), || 110)).count();
        assert_eq!(again, 1, "after ten seconds it is news again");
    }

    #[test]
    fn forged_sources_fill_no_memory_and_are_told_all_the_same() {
        let mut floods = Floods::default();
        let told: Vec<u32> =
            (0..100_000).filter_map(|n| floods.count(at(0), ip(n), || 110)).collect();
        assert_eq!(told, [110]);
        assert_eq!(floods.sources.len(), REMEMBERED);
        assert_eq!(floods.sources.capacity(), REMEMBERED);
    }

    #[test]
    fn the_limit_is_far_above_what_a_holder_of_everything_sends() {
        assert_eq!(limit([].into_iter()), 100);
        assert_eq!(limit([SECOND].into_iter()), 110);
        assert_eq!(limit([SECOND / 100; 255].into_iter()), 255_100);
    }
}
