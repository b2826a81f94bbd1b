//! The last events as octets, one behind the other.
//!
//! As a value an event takes five times the room, and as octets of its own still twice. They lie in
//! pieces of some kilobytes; the oldest piece goes as a whole when all of it is forgotten.

use std::collections::VecDeque;

use base::{Event, EventId};

/// Octets of a piece, unless one event is longer.
const PIECE: usize = 16 * 1024;

/// In front of each event: its length, and the wall clock when it was recorded.
const HEADER: usize = 4 + 8;

/// Events in the order in which they were recorded.
#[derive(Default)]
pub(super) struct Remembered {
    pieces: VecDeque<Vec<u8>>,
    /// Octets of the first piece that are forgotten.
    forgotten: usize,
    count: usize,
}

impl Remembered {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Takes one in. One that cannot be written down, which none is known to be, is left out.
    pub(super) fn push(&mut self, event: &Event, unix_ms: i64) -> bool {
        let Ok(octets) = postcard::to_stdvec(event) else { return false };
        let Ok(length) = u32::try_from(octets.len()) else { return false };
        let needed = HEADER + octets.len();
        let fits = |piece: &Vec<u8>| piece.capacity() - piece.len() >= needed;
        if !self.pieces.back().is_some_and(fits) {
            self.pieces.push_back(Vec::with_capacity(PIECE.max(needed)));
        }
        if let Some(piece) = self.pieces.back_mut() {
            piece.extend(length.to_le_bytes());
            piece.extend(unix_ms.to_le_bytes());
            piece.extend(octets);
            self.count += 1;
        }
        true
    }

    /// Forgets the oldest, and hands it out.
    pub(super) fn forget(&mut self) -> Option<Event> {
        let piece = self.pieces.front()?;
        let (_, octets, rest) = first(piece.get(self.forgotten..)?)?;
        let event = postcard::from_bytes(octets).ok();
        self.forgotten = piece.len() - rest.len();
        self.count -= 1;
        if rest.is_empty() {
            self.pieces.pop_front();
            self.forgotten = 0;
        }
        event
    }

    /// All of them, oldest first, each with the wall clock.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Event, i64)> {
        let event = |(unix_ms, octets)| Some((postcard::from_bytes(octets).ok()?, unix_ms));
        self.octets().filter_map(event)
    }

    /// The event of this name.
    pub(super) fn find(&self, id: EventId) -> Option<Event> {
        // Its name is what it begins with.
        let named = |octets: &[u8]| {
            postcard::take_from_bytes::<EventId>(octets).is_ok_and(|(name, _)| name == id)
        };
        let (_, octets) = self.octets().find(|(_, octets)| named(octets))?;
        postcard::from_bytes(octets).ok()
    }

    fn octets(&self) -> impl Iterator<Item = (i64, &[u8])> {
        self.pieces.iter().enumerate().flat_map(|(n, piece)| {
            let from = if n == 0 { self.forgotten } else { 0 };
            let mut rest = piece.get(from..).unwrap_or_default();
            std::iter::from_fn(move || {
                let (unix_ms, octets, after) = first(rest)?;
                rest = after;
                Some((unix_ms, octets))
            })
        })
    }
}

/// The first event's wall clock and octets, and what is behind it.
fn first(octets: &[u8]) -> Option<(i64, &[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk::<4>()?;
    let (unix_ms, rest) = rest.split_first_chunk::<8>()?;
    let (event, rest) =
        rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    Some((i64::from_le_bytes(*unix_ms), event, rest))
}

#[cfg(test)]
mod tests {
    use base::{Instant, Origin, Reason, Subject, What};

    use super::*;

    fn event(number: u64, vips: u32) -> Event {
        Event {
            id: EventId { origin: Origin::Engine, number },
            at: Instant::from_nanos(number),
            subject: Subject::Node,
            what: What::VipsGone {
                vips: (0..vips).map(|n| std::net::Ipv4Addr::from(n).into()).collect(),
            },
            reason: Reason::Kernel,
            causes: vec![],
        }
    }

    #[test]
    fn what_went_in_comes_out_in_its_order_and_the_oldest_goes_first() {
        let mut all = Remembered::default();
        // Small ones, some of every size, and one that is longer than a piece.
        let sizes = |n: u64| if n == 500 { 10_000 } else { u32::try_from(n % 70).unwrap() };
        for n in 0..1000 {
            assert!(all.push(&event(n, sizes(n)), i64::try_from(n).unwrap()));
        }
        assert!(all.pieces.len() > 5);
        for n in 0..600 {
            assert_eq!(all.forget(), Some(event(n, sizes(n))));
        }
        assert_eq!(all.len(), 400);
        let kept: Vec<(Event, i64)> = all.iter().collect();
        assert_eq!(kept.len(), 400);
        assert_eq!((kept[0].0.id.number, kept[0].1, kept[399].1), (600, 600, 999));
        assert_eq!(all.find(event(777, 0).id), Some(event(777, 777 % 70)));
        assert_eq!(all.find(event(1, 0).id), None, "forgotten");
        assert!(std::iter::from_fn(|| all.forget()).count() == 400);
        assert!(all.pieces.is_empty() && all.len() == 0 && all.iter().count() == 0);
    }
}
