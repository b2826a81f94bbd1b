//! The 28 octets: made, and held against what they should be.

use core::net::IpAddr;

use base::Wall;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::{Freshness, Key, Marks, Policy, Sequence};
use crate::wire::{Discard, checksum};

/// Octets of a trailer.
pub const TRAILER: usize = 28;

/// Octets of it in front of the HMAC.
const PREFIX: usize = 12;

/// Octets of the HMAC that are sent: 128 bits.
const TAG: usize = 16;

/// The only type of trailer there is.
const TYPE: u8 = 1;

/// What a signed advert is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// Keys and rules.
    pub policy: &'a Policy,
    /// What was heard before.
    pub marks: &'a Marks,
    /// The time.
    pub wall: Wall,
}

/// Signs an encoded message that is to leave from `source` for `destination`: appends the trailer
/// and, for IPv6, whose checksum covers it, sums up anew. Copies to several destinations may share
/// one number.
///
/// A message too short to be one is left as it is.
pub fn seal(
    message: &mut Vec<u8>,
    key: &Key,
    number: Sequence,
    source: IpAddr,
    destination: IpAddr,
) {
    let mut prefix = [0; PREFIX];
    prefix[0] = TYPE;
    prefix[1] = key.id();
    prefix[4..].copy_from_slice(&number.bits().to_be_bytes());
    let Some(tag) = tag(key, source, message, &prefix) else { return };
    message.extend(prefix);
    message.extend(tag);
    if destination.is_ipv6() {
        let sum = checksum::of_message(message, Some((source, destination))).to_be_bytes();
        if let Some(field) = message.get_mut(6..8) {
            field.copy_from_slice(&sum);
        }
    }
}

/// Judges a trailer; answers with its number.
///
/// The cheap checks come first and the HMAC before the last, which is the only one that looks at
/// what was heard before: nobody without a key learns anything about that.
pub(in crate::wire) fn verify(
    demand: &Demand<'_>,
    source: IpAddr,
    message: &[u8],
    trailer: &[u8; TRAILER],
) -> Result<Sequence, Discard> {
    let [kind, id, r0, r1, n0, n1, n2, n3, n4, n5, n6, n7, ref theirs @ ..] = *trailer;
    let reserved = u16::from_be_bytes([r0, r1]);
    if kind != TYPE || reserved != 0 {
        return Err(Discard::HmacMalformed { kind, reserved });
    }
    let key = demand.policy.key(id).ok_or(Discard::HmacUnknownKey { id })?;
    let number = Sequence::from_bits(u64::from_be_bytes([n0, n1, n2, n3, n4, n5, n6, n7]));
    let clock = Sequence::of(demand.wall);
    if let Freshness::Time { window } = demand.policy.freshness() {
        let off = number.distance(clock);
        if off > window {
            return Err(Discard::HmacStale { off, behind: clock.is_after(number), window });
        }
    }
    let mut prefix = [0; PREFIX];
    prefix.copy_from_slice(&trailer[..PREFIX]);
    let ours = tag(key, source, message, &prefix).ok_or(Discard::HmacInvalid { id })?;
    if !bool::from(ours.ct_eq(theirs)) {
        return Err(Discard::HmacInvalid { id });
    }
    let mark = demand.marks.of(source).filter(|mark| match demand.policy.freshness() {
        // Left behind by a clock that has been put right since.
        Freshness::Time { window } => mark.distance(clock) <= window,
        Freshness::Monotonic => true,
    });
    if mark.is_some_and(|mark| !number.is_after(mark)) {
        return Err(Discard::HmacReplay);
    }
    Ok(number)
}

/// The HMAC of anything else that is signed with such a key, cut as adverts' are.
pub(crate) fn tag_over(key: &Key, text: &[u8]) -> Option<[u8; TAG]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.secret().expose()).ok()?;
    // No advert begins like this: a tag of the one is never good for the other.
    mac.update(b"mainstay notice\0");
    mac.update(text);
    mac.finalize().into_bytes().first_chunk().copied()
}

/// Whether `tag` is that.
pub(crate) fn tag_is(key: &Key, text: &[u8], tag: &[u8]) -> bool {
    tag_over(key, text).is_some_and(|ours| bool::from(ours[..].ct_eq(tag)))
}

/// The HMAC of a message. Whatever could be spliced is in it: a tag is good for one family, version,
/// VRID and source only. The checksum is not, since a kernel may write it after the message was
/// signed.
fn tag(key: &Key, source: IpAddr, message: &[u8], prefix: &[u8; PREFIX]) -> Option<[u8; TAG]> {
    let (head, rest) = message.split_first_chunk::<8>()?;
    let [first, vrid, priority, count, m0, m1, _, _] = *head;
    let (family, address) = match source {
        IpAddr::V4(source) => {
            let mut address = [0; 16];
            address[..4].copy_from_slice(&source.octets());
            (4, address)
        }
        IpAddr::V6(source) => (6, source.octets()),
    };
    // Every length is a key to HMAC; `Key` is stricter.
    let mut mac = Hmac::<Sha256>::new_from_slice(key.secret().expose()).ok()?;
    mac.update(&[family, first >> 4, vrid, 0]);
    mac.update(&address);
    mac.update(&[first, vrid, priority, count, m0, m1, 0, 0]);
    mac.update(rest);
    mac.update(prefix);
    mac.update(&[0; TAG]);
    let full = mac.finalize().into_bytes();
    full.first_chunk::<TAG>().copied()
}
