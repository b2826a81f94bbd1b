//! The highest number heard of each sender: what makes a second copy of an advert worthless.
//!
//! Only a sender that has a key gets an entry, so strangers cannot fill the table. It is bounded all
//! the same: a group has a handful of nodes, and whoever holds the key could still make up sources.

use core::net::IpAddr;

use base::Instant;

use super::Sequence;

/// Senders remembered at most. The one heard least recently goes first.
const REMEMBERED: usize = 32;

/// All senders of one instance.
#[derive(Clone, Debug, Default)]
pub struct Marks(Vec<Mark>);

#[derive(Clone, Debug)]
struct Mark {
    source: IpAddr,
    highest: Sequence,
    heard: Instant,
}

impl Marks {
    /// The highest number `source` has used, if it is known.
    #[must_use]
    pub fn of(&self, source: IpAddr) -> Option<Sequence> {
        self.0.iter().find(|mark| mark.source == source).map(|mark| mark.highest)
    }

    /// All senders, the highest number of each and when it was heard.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, Sequence, Instant)> {
        self.0.iter().map(|mark| (mark.source, mark.highest, mark.heard))
    }

    /// Notes that an advert with this number was heard and is used up.
    pub fn note(&mut self, now: Instant, source: IpAddr, highest: Sequence) {
        let mark = Mark { source, highest, heard: now };
        if let Some(known) = self.0.iter_mut().find(|mark| mark.source == source) {
            *known = mark;
        } else if self.0.len() < REMEMBERED {
            self.0.push(mark);
        } else if let Some(oldest) = self.0.iter_mut().min_by_key(|mark| mark.heard) {
            *oldest = mark;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vrrp_115_marks_are_bounded_and_the_least_recent_sender_goes() {
        let mut marks = Marks::default();
        let ip = |n: u8| IpAddr::from([192, 0, 2, n]);
        for n in 0..=200 {
            let now = Instant::from_nanos(u64::from(n));
            marks.note(now, ip(n), Sequence::from_bits(u64::from(n)));
            marks.note(now, ip(0), Sequence::from_bits(1_000 + u64::from(n)));
        }
        assert_eq!(marks.0.len(), REMEMBERED);
        assert_eq!(marks.of(ip(0)), Some(Sequence::from_bits(1_200)), "heard all the time");
        assert_eq!(marks.of(ip(200)), Some(Sequence::from_bits(200)));
        assert_eq!(marks.of(ip(1)), None);
    }
}
