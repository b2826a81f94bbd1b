//! The two messages on the wire: 16 octets, and 20 more where adverts are signed.
//!
//! ```text
//! "MSN1" | kind | VRID | priority | family (4, 6) | nonce (8) [| key id | 0 0 0 | HMAC (16)]
//! ```
//!
//! The HMAC covers both addresses and everything before it, so that a message is good for one pair
//! of nodes and one virtual router only. What is old is told by its nonce.

use core::fmt;
use core::net::IpAddr;

use base::{Family, Priority, Vrid};

use crate::wire::hmac::{self, Key, Mode, Policy};

const MAGIC: &[u8; 4] = b"MSN1";
const BARE: usize = 16;
const SIGNED: usize = BARE + 4 + 16;

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A Backup to its holder: name me by this nonce.
    Ready,
    /// A holder that has left to the Backup that follows.
    Nominated,
}

/// A message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Which of the two.
    pub kind: Kind,
    /// Of which virtual router.
    pub vrid: Vrid,
    /// And which family.
    pub family: Family,
    /// The Backup's priority.
    pub priority: Priority,
    /// The Backup's nonce.
    pub nonce: u64,
}

/// Why a datagram is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NoticeError {
    /// Not of this protocol, this version, or this length.
    Foreign,
    /// A kind, VRID or family that does not exist.
    Malformed,
    /// Signed by a key that is not known here.
    UnknownKey,
    /// The signature is wrong.
    Signature,
    /// It is not signed and must be.
    Unsigned,
}

impl fmt::Display for NoticeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoticeError::Foreign => "foreign",
            NoticeError::Malformed => "malformed",
            NoticeError::UnknownKey => "unknown-key",
            NoticeError::Signature => "signature",
            NoticeError::Unsigned => "unsigned",
        })
    }
}

impl Notice {
    /// Reads what does not depend on who it is for.
    ///
    /// # Errors
    /// [`NoticeError::Foreign`] or [`NoticeError::Malformed`].
    pub fn decode(payload: &[u8]) -> Result<Self, NoticeError> {
        if !matches!(payload.len(), BARE | SIGNED) {
            return Err(NoticeError::Foreign);
        }
        let whole: &[u8; BARE] = payload.first_chunk().ok_or(NoticeError::Foreign)?;
        let [m0, m1, m2, m3, kind, vrid, priority, family, nonce @ ..] = *whole;
        if [m0, m1, m2, m3] != *MAGIC {
            return Err(NoticeError::Foreign);
        }
        Ok(Self {
            kind: match kind {
                1 => Kind::Ready,
                2 => Kind::Nominated,
                _ => return Err(NoticeError::Malformed),
            },
            vrid: Vrid::new(vrid).ok_or(NoticeError::Malformed)?,
            family: match family {
                4 => Family::V4,
                6 => Family::V6,
                _ => return Err(NoticeError::Malformed),
            },
            priority: Priority::new(priority),
            nonce: u64::from_be_bytes(nonce),
        })
    }

    /// Judges the signature of a message that was read from `payload`.
    ///
    /// # Errors
    /// Any of the other three.
    pub fn verify(
        payload: &[u8],
        policy: Option<&Policy>,
        source: IpAddr,
        destination: IpAddr,
    ) -> Result<(), NoticeError> {
        let Some(policy) = policy else { return Ok(()) };
        let Some((head, [id, _, _, _, tag @ ..])) = payload.split_first_chunk::<BARE>() else {
            let must = policy.mode() == Mode::Enforce;
            return if must { Err(NoticeError::Unsigned) } else { Ok(()) };
        };
        let key = policy.key(*id).ok_or(NoticeError::UnknownKey)?;
        let right = hmac::tag_is(key, &parts(source, destination, head), tag);
        if right { Ok(()) } else { Err(NoticeError::Signature) }
    }

    /// The message as octets, signed with `key` if there is one.
    #[must_use]
    pub fn encode(&self, key: Option<&Key>, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(key, source, destination, &mut out);
        out
    }

    /// Replaces the content of `out` by the message; allocates only when `out` is too small.
    pub fn encode_into(
        &self,
        key: Option<&Key>,
        source: IpAddr,
        destination: IpAddr,
        out: &mut Vec<u8>,
    ) {
        out.clear();
        out.reserve(SIGNED);
        out.extend(MAGIC);
        out.push(match self.kind {
            Kind::Ready => 1,
            Kind::Nominated => 2,
        });
        out.extend([self.vrid.get(), self.priority.get()]);
        out.push(match self.family {
            Family::V4 => 4,
            Family::V6 => 6,
        });
        out.extend(self.nonce.to_be_bytes());
        if let (Some(key), Some(head)) = (key, out.first_chunk::<BARE>())
            && let Some(tag) = hmac::tag_over(key, &parts(source, destination, head))
        {
            out.extend([key.id(), 0, 0, 0]);
            out.extend(tag);
        }
    }
}

/// What is signed.
fn parts(source: IpAddr, destination: IpAddr, head: &[u8; BARE]) -> [u8; 32 + BARE] {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };
    let mut all = [0; 32 + BARE];
    all[..16].copy_from_slice(&octets(source));
    all[16..32].copy_from_slice(&octets(destination));
    all[32..].copy_from_slice(head);
    all
}

#[cfg(test)]
mod tests {
    use base::Secret;

    use super::*;
    use crate::wire::hmac::Freshness;

    const NOTICE: Notice = Notice {
        kind: Kind::Ready,
        vrid: Vrid::new(51).unwrap(),
        family: Family::V4,
        priority: Priority::new(100),
        nonce: 0x0102_0304_0506_0708,
    };

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn policy(mode: Mode) -> Policy {
        let key = |id| Key::new(id, Secret::new(vec![id; 32])).unwrap();
        let order = Freshness::Monotonic;
        Policy::new(vec![key(1), key(2)], 1, order, mode).unwrap()
    }

    #[test]
    fn a_bare_message_is_sixteen_octets_and_comes_back() {
        let octets = NOTICE.encode(None, ip(1), ip(2));
        assert_eq!(octets, *b"MSN1\x01\x33\x64\x04\x01\x02\x03\x04\x05\x06\x07\x08");
        assert_eq!(Notice::decode(&octets), Ok(NOTICE));
        for length in 0..octets.len() {
            assert_eq!(Notice::decode(&octets[..length]), Err(NoticeError::Foreign));
        }
        for (at, value) in [(4, 0), (4, 3), (5, 0), (7, 5)] {
            let mut octets = octets.clone();
            octets[at] = value;
            assert_eq!(Notice::decode(&octets), Err(NoticeError::Malformed), "octet {at}");
        }
    }

    #[test]
    fn a_signature_is_good_for_its_message_and_its_two_nodes() {
        let (enforce, permissive) = (policy(Mode::Enforce), policy(Mode::Permissive));
        let signed = NOTICE.encode(enforce.signing_key(), ip(1), ip(2));
        assert_eq!(Notice::decode(&signed), Ok(NOTICE));
        let judge = |octets: &[u8], policy, from, to| Notice::verify(octets, policy, from, to);
        assert_eq!(judge(&signed, Some(&enforce), ip(1), ip(2)), Ok(()));
        assert_eq!(judge(&signed, None, ip(1), ip(2)), Ok(()), "who has no keys looks at none");
        for (from, to) in [(1, 3), (2, 1), (3, 2)] {
            let judged = judge(&signed, Some(&enforce), ip(from), ip(to));
            assert_eq!(judged, Err(NoticeError::Signature));
        }
        for at in 0..signed.len() {
            let mut octets = signed.clone();
            octets[at] ^= 1;
            let judged = judge(&octets, Some(&enforce), ip(1), ip(2));
            // The three reserved octets are nobody's.
            assert_eq!(judged.is_err(), !(17..20).contains(&at), "octet {at}");
        }
        let bare = NOTICE.encode(None, ip(1), ip(2));
        assert_eq!(judge(&bare, Some(&enforce), ip(1), ip(2)), Err(NoticeError::Unsigned));
        assert_eq!(judge(&bare, Some(&permissive), ip(1), ip(2)), Ok(()));
    }
}
