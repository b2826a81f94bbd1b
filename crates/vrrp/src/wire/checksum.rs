//! The checksum of a VRRP message, and which octets it covers.
//!
//! Three texts disagree. VRRPv2 sums the message with its eight octets of authentication data
//! (RFC 3768 §5.3.8). RFC 5798 §5.2.8 puts a pseudo-header of addresses, length and protocol in
//! front, for both families; RFC 9568 §5.2.8 keeps that for IPv6 only. keepalived and FRR speak the
//! former over IPv4, routers of other makers the latter, so over IPv4 both are understood here and
//! the receiver is told which one it heard.

use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::PROTOCOL;

/// What the checksum of a VRRPv3 advert over IPv4 covers. Elsewhere there is no choice: VRRPv2 is
/// always message-only, IPv6 always has the pseudo-header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ChecksumForm {
    /// Pseudo-header and message (RFC 5798 §5.2.8), as keepalived and FRR send.
    Rfc5798,
    /// The message alone (RFC 9568 §5.2.8).
    Rfc9568,
}

impl fmt::Display for ChecksumForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChecksumForm::Rfc5798 => "rfc5798",
            ChecksumForm::Rfc9568 => "rfc9568",
        })
    }
}

/// Which forms a receiver accepts for VRRPv3 over IPv4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum ChecksumRule {
    /// Both. A forger gains nothing by it: the sum is no secret.
    #[default]
    Either,
    /// This one.
    Only(ChecksumForm),
}

/// The checksum `message` should carry, with its own checksum field counted as zero. `around` are
/// the source and the final destination when the form has a pseudo-header.
pub(super) fn of_message(message: &[u8], around: Option<(IpAddr, IpAddr)>) -> u16 {
    let mut sum = Sum::default();
    let (before, rest) = message.split_at_checked(6).unwrap_or((message, &[]));
    sum.add(before);
    sum.add(rest.get(2..).unwrap_or(&[]));
    if let Some((source, destination)) = around {
        sum.add_address(source);
        sum.add_address(destination);
        // Zeros, the length and the protocol: where in the pseudo-header they stand differs
        // between the families, but a sum of 16-bit words does not see it.
        sum.words += u64::try_from(message.len()).unwrap_or(u64::MAX >> 32) + u64::from(PROTOCOL);
    }
    sum.finish()
}

/// The Internet checksum (RFC 1071) of `octets`: zero over a valid IPv4 header.
pub(super) fn of_octets(octets: &[u8]) -> u16 {
    let mut sum = Sum::default();
    sum.add(octets);
    sum.finish()
}

/// Whether a field that holds `got` is right when `want` was computed. A sum has two names for
/// zero, and a sender may have used the other one (RFC 1071 §2).
pub(super) fn agrees(got: u16, want: u16) -> bool {
    got == want || (want == 0 && got == 0xffff)
}

/// A one's complement sum being made (RFC 1071 §1).
#[derive(Default)]
struct Sum {
    words: u64,
}

impl Sum {
    /// Adds octets as big-endian words; a last odd one is padded with zero.
    fn add(&mut self, octets: &[u8]) {
        let mut words = octets.chunks_exact(2);
        for word in words.by_ref() {
            if let [high, low] = *word {
                self.words += u64::from(u16::from_be_bytes([high, low]));
            }
        }
        if let [last] = *words.remainder() {
            self.words += u64::from(u16::from_be_bytes([last, 0]));
        }
    }

    fn add_address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.add(&address.octets()),
            IpAddr::V6(address) => self.add(&address.octets()),
        }
    }

    fn finish(mut self) -> u16 {
        while self.words > 0xffff {
            self.words = (self.words & 0xffff) + (self.words >> 16);
        }
        !u16::try_from(self.words).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_one_of_rfc_1071() {
        // RFC 1071 §3's worked example: the sum is ddf2, the checksum its complement.
        assert_eq!(of_octets(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(of_octets(&[]), 0xffff);
        assert_eq!(of_octets(&[0xab]), !0xab00);
    }

    #[test]
    fn the_checksum_field_itself_does_not_count() {
        let mut message = [0x31, 80, 200, 1, 0, 10, 0, 0, 192, 0, 2, 80];
        let want = of_message(&message, None);
        message[6] = 0x12;
        message[7] = 0x34;
        assert_eq!(of_message(&message, None), want);
    }

    #[test]
    fn both_names_of_zero_agree() {
        assert!(agrees(0xffff, 0));
        assert!(agrees(0, 0));
        assert!(!agrees(0, 0x1234));
        assert!(!agrees(0xffff, 0x1234));
    }
}
