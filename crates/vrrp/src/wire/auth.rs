//! Authentication of VRRPv2 adverts, as far as it is spoken here: none, or RFC 2338's plain text.
//!
//! The password travels in clear, so it proves nothing; it exists so that a node can join a group
//! of old peers. It is still compared in constant time and never printed: people reuse passwords.

use core::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

/// What a v2 advert carries, or must carry, in its authentication fields (RFC 2338 §5.3.6, §5.3.10).
#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum Auth {
    /// Type 0; the eight octets of data are sent as zero and ignored when received
    /// (RFC 3768 §5.3.6).
    None,
    /// Type 1: a password of 1..=8 octets, padded with zeros.
    Pass([u8; 8]),
}

impl Auth {
    /// Plain-text authentication with `password`.
    ///
    /// # Errors
    /// Unless it is 1 to 8 octets long. keepalived cuts a longer one silently; two groups whose
    /// passwords share eight octets would then trust each other.
    pub fn pass(password: &[u8]) -> Result<Self, PasswordError> {
        let mut octets = [0; 8];
        match octets.get_mut(..password.len()) {
            Some(start) if !password.is_empty() => start.copy_from_slice(password),
            _ => return Err(PasswordError { octets: password.len() }),
        }
        Ok(Auth::Pass(octets))
    }

    /// The Auth Type octet: 0 or 1 (RFC 2338 §5.3.6).
    #[must_use]
    pub const fn wire_type(&self) -> u8 {
        match self {
            Auth::None => 0,
            Auth::Pass(_) => 1,
        }
    }

    /// The eight octets of authentication data.
    #[must_use]
    pub(super) const fn data(&self) -> [u8; 8] {
        match self {
            Auth::None => [0; 8],
            Auth::Pass(octets) => *octets,
        }
    }
}

/// Constant time in the password; there is deliberately no other comparison.
impl PartialEq for Auth {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Auth::None, Auth::None) => true,
            (Auth::Pass(a), Auth::Pass(b)) => a.ct_eq(b).into(),
            (Auth::None, Auth::Pass(_)) | (Auth::Pass(_), Auth::None) => false,
        }
    }
}

impl Eq for Auth {}

/// Says which kind, never the password.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Auth::None => "None",
            Auth::Pass(_) => "Pass(..)",
        })
    }
}

/// A password that plain-text authentication cannot carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordError {
    /// Its length.
    pub octets: usize,
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a VRRPv2 password has 1 to 8 octets, this one has {}", self.octets)
    }
}

impl core::error::Error for PasswordError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vrrp_087_a_password_is_one_to_eight_octets_padded_with_zeros() {
        assert_eq!(Auth::pass(b"s3cr3t").unwrap().data(), *b"s3cr3t\0\0");
        assert_eq!(Auth::pass(b"12345678").unwrap().data(), *b"12345678");
        assert_eq!(Auth::pass(b""), Err(PasswordError { octets: 0 }));
        assert_eq!(Auth::pass(b"123456789"), Err(PasswordError { octets: 9 }));
    }

    #[test]
    fn vrrp_087_every_octet_counts_in_the_comparison() {
        let ours = Auth::pass(b"12345678").unwrap();
        for at in 0..8 {
            let mut other = *b"12345678";
            other[at] ^= 1;
            assert_ne!(ours, Auth::Pass(other), "octet {at}");
        }
        assert_eq!(ours, Auth::Pass(*b"12345678"));
        assert_ne!(ours, Auth::None);
        assert_ne!(Auth::None, Auth::Pass([0; 8]));
    }

    #[test]
    fn a_password_is_never_printed() {
        assert!(!format!("{:?}", Auth::Pass(*b"hunter22")).contains("hunter22"));
        assert!(!format!("{:?}", Auth::Pass(*b"hunter22")).contains("104"));
    }
}
