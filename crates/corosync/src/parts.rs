//! Long words in several messages: CPG takes so many octets at once, and no more.
//!
//! Each part says which message of its sender it belongs to and how many are still to come. Parts of
//! one sender come in order; whoever came into the group in the midst of some leaves them alone, and so
//! does who missed one. What was never finished is forgotten with the next.

use std::collections::BTreeMap;

use crate::words::{Packet, Seat};

/// So many octets of a packet go in one message.
const PART: usize = 256 << 10;
/// No packet is longer than this.
const LONGEST: usize = 64 << 20;
const FRONT: usize = 16;

/// Takes packets apart.
#[derive(Debug, Default)]
pub struct Apart {
    number: u64,
}

impl Apart {
    /// The messages of a packet.
    pub fn take(&mut self, packet: &Packet) -> Vec<Vec<u8>> {
        let bytes = match postcard::to_allocvec(packet) {
            Ok(bytes) => bytes,
            Err(error) => unreachable!("memory takes whatever is written: {error}"),
        };
        self.number += 1;
        let parts: Vec<&[u8]> = bytes.chunks(PART).collect();
        let message = |(at, part): (usize, &&[u8])| {
            let left = u32::try_from(parts.len() - 1 - at).unwrap_or(u32::MAX);
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let mut message = Vec::with_capacity(FRONT + part.len());
            message.extend(self.number.to_be_bytes());
            message.extend(at.to_be_bytes());
            message.extend(left.to_be_bytes());
            message.extend(*part);
            message
        };
        parts.iter().enumerate().map(message).collect()
    }
}

/// Puts them together again.
#[derive(Debug, Default)]
pub struct Together {
    open: BTreeMap<Seat, (u64, u32, Vec<u8>)>,
    /// Messages that could not be read.
    pub discarded: u64,
}

impl Together {
    /// Takes a message; the packet it completes, if it does.
    pub fn take(&mut self, from: Seat, message: &[u8]) -> Option<Packet> {
        let packet = self.read(from, message);
        if packet == Err(()) {
            self.discarded += 1;
        }
        packet.ok().flatten()
    }

    fn read(&mut self, from: Seat, message: &[u8]) -> Result<Option<Packet>, ()> {
        let (number, rest) = message.split_first_chunk::<8>().ok_or(())?;
        let (at, rest) = rest.split_first_chunk::<4>().ok_or(())?;
        let (left, rest) = rest.split_first_chunk::<4>().ok_or(())?;
        let number = u64::from_be_bytes(*number);
        let (at, left) = (u32::from_be_bytes(*at), u32::from_be_bytes(*left));
        if at == 0 && left == 0 {
            self.open.remove(&from);
            return postcard::from_bytes(rest).map(Some).map_err(|_| ());
        }
        if at == 0 {
            self.open.insert(from, (number, 0, Vec::new()));
        }
        // Whoever came in the midst of it has no beginning.
        let Some(open) = self.open.get_mut(&from).filter(|it| it.0 == number && it.1 == at) else {
            return Ok(None);
        };
        if open.2.len() + rest.len() > LONGEST {
            self.open.remove(&from);
            return Err(());
        }
        open.1 += 1;
        open.2.extend(rest);
        if left > 0 {
            return Ok(None);
        }
        let whole = self.open.remove(&from).map(|it| it.2).unwrap_or_default();
        postcard::from_bytes(&whole).map(Some).map_err(|_| ())
    }

    /// Those are in the group no more.
    pub fn keep(&mut self, stay: impl Fn(&Seat) -> bool) {
        self.open.retain(|seat, _| stay(seat));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Id, Members, Snapshot, Word};

    fn packet(octets: usize) -> Packet {
        let snapshot = Snapshot { bytes: vec![7; octets], ..Snapshot::default() };
        Packet { cluster: 1, from: Id(2), word: Word::Install(3, snapshot) }
    }

    #[test]
    fn a_long_packet_goes_in_parts_and_comes_whole() {
        let seat = |node| Seat { node, process: 1 };
        let (mut apart, mut together) = (Apart::default(), Together::default());
        for octets in [0, 1, PART - 1, PART, 3 * PART + 5] {
            let packet = packet(octets);
            let messages = apart.take(&packet);
            assert!(messages.iter().all(|it| it.len() <= PART + FRONT));
            let other = Packet { word: Word::Found(1, Members::default()), ..packet.clone() };
            let (last, first) = messages.split_last().expect("one at least");
            for message in first {
                assert_eq!(together.take(seat(1), message), None);
                // Another's come in between.
                let between = Apart::default().take(&other);
                assert_eq!(together.take(seat(2), &between[0]), Some(other.clone()));
            }
            assert_eq!(together.take(seat(1), last), Some(packet));
        }
        assert_eq!(together.discarded, 0);
    }

    #[test]
    fn what_lacks_a_part_is_left_alone_and_what_cannot_be_read_is_counted() {
        let seat = Seat { node: 1, process: 1 };
        let messages = Apart::default().take(&packet(4 * PART));
        for lost in 0..messages.len() {
            let mut together = Together::default();
            for (at, message) in messages.iter().enumerate() {
                if at != lost {
                    assert_eq!(together.take(seat, message), None, "without {lost}");
                }
            }
            let next = Packet { word: Word::Here(1, 2, 3), ..packet(0) };
            let whole = Apart::default().take(&next);
            assert_eq!(together.take(seat, &whole[0]), Some(next));
        }
        let mut together = Together::default();
        for torn in [&[][..], &[0; 15], &[0; 16], &[0xff; 16], &[0xff; 40]] {
            assert_eq!(together.take(seat, torn), None);
        }
        let whole = Apart::default().take(&packet(100));
        for cut in 16..whole[0].len() {
            assert_eq!(together.take(seat, &whole[0][..cut]), None, "{cut}");
        }
        assert!(together.discarded > 100);
    }
}
