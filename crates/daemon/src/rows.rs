//! Many values that differ little, as octets: each is written down as what differs from the one before.
//!
//! The instances of a large configuration differ in a name, a number and an address. Two processes keep
//! all of them for somebody who may come once in a lifetime (another engine, another control), so they
//! keep a tenth of it.
//!
//! A value is its length, then in turns how many octets are as before in the same place, how many are
//! not, and those.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The values.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rows(Vec<u8>);

/// As many that are as before are worth ending what is not.
const WORTH: usize = 3;

impl Rows {
    /// These values.
    pub(crate) fn of<T: Serialize>(values: impl IntoIterator<Item = T>) -> postcard::Result<Self> {
        let (mut octets, mut before) = (Vec::new(), Vec::new());
        for value in values {
            let now = postcard::to_stdvec(&value)?;
            write(&mut octets, &before, &now);
            before = now;
        }
        octets.shrink_to_fit();
        Ok(Self(octets))
    }

    /// The values again.
    ///
    /// # Errors
    /// When they are not of this type, or damaged.
    pub(crate) fn all<T: DeserializeOwned>(&self) -> postcard::Result<Vec<T>> {
        let (mut rest, mut row) = (&self.0[..], Vec::new());
        let mut all = Vec::new();
        while !rest.is_empty() {
            rest = read(rest, &mut row).ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
            all.push(postcard::from_bytes(&row)?);
        }
        Ok(all)
    }

    /// How many octets they take.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.len()
    }
}

fn write(into: &mut Vec<u8>, before: &[u8], now: &[u8]) {
    number(into, now.len());
    let is_same = |at: usize| at < now.len() && before.get(at) == now.get(at);
    let mut at = 0;
    while at < now.len() {
        let same = (at..now.len()).take_while(|at| is_same(*at)).count();
        let from = at + same;
        let mut to = from;
        while to < now.len() && !(to..to + WORTH).all(is_same) {
            to += 1;
        }
        number(into, same);
        number(into, to - from);
        into.extend_from_slice(now.get(from..to).unwrap_or_default());
        at = to;
    }
}

/// Makes the row before the next one; what is behind it.
fn read<'a>(octets: &'a [u8], row: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (length, mut rest) = take_number(octets)?;
    let mut at = 0;
    while at < length {
        let (same, behind) = take_number(rest)?;
        let (other, behind) = take_number(behind)?;
        at = at.checked_add(same).filter(|at| *at <= row.len())?;
        let new = behind.get(..other)?;
        rest = behind.get(other..)?;
        let end = at.checked_add(other).filter(|end| *end <= length && same + other > 0)?;
        if row.len() < end {
            row.resize(end, 0);
        }
        row.get_mut(at..end)?.copy_from_slice(new);
        at = end;
    }
    row.truncate(length);
    Some(rest)
}

/// Seven bits at a time, the lowest first.
fn number(into: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            return into.push(low);
        }
        into.push(low | 0x80);
    }
}

fn take_number(octets: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (n, octet) in octets.iter().enumerate().take(5) {
        value |= usize::from(octet & 0x7f) << (7 * n);
        if octet & 0x80 == 0 {
            return Some((value, octets.get(n + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (String, u8, u8, Vec<u8>, [u8; 4]);

    fn row(n: u32) -> Row {
        let [.., high, low] = n.to_be_bytes();
        (format!("I{n}"), 1, low, vec![7; 100], [10, 1, high, low])
    }

    #[test]
    fn what_was_written_is_read_and_takes_a_tenth() {
        let rows: Vec<Row> = (0..4000).map(row).collect();
        let packed = Rows::of(&rows).unwrap();
        assert_eq!(packed.all::<Row>().unwrap(), rows);
        let plain = postcard::to_stdvec(&rows).unwrap().len();
        assert!(packed.len() * 7 < plain, "{} of {plain}", packed.len());
    }

    #[test]
    fn values_of_any_length_follow_each_other() {
        let rows: Vec<Vec<u8>> = (0..300_usize)
            .map(|n| (0..n * 7 % 131).map(|at| u8::from(at * n % 5 < 2)).collect())
            .collect();
        assert_eq!(Rows::of(&rows).unwrap().all::<Vec<u8>>().unwrap(), rows);
        assert_eq!(Rows::of([0_u8; 0]).unwrap().all::<u8>().unwrap(), [0_u8; 0]);
    }

    #[test]
    fn what_is_damaged_is_refused_or_another_value_and_ends() {
        let packed = Rows::of((0..20).map(row)).unwrap();
        for at in 0..packed.len() {
            for flip in [1, 0x80, 0xff] {
                let mut octets = packed.0.clone();
                octets[at] ^= flip;
                let _ = Rows(octets).all::<Row>();
            }
            assert!(Rows(packed.0[..at].to_vec()).all::<Row>().map_or(0, |all| all.len()) < 20);
        }
    }
}
