//! Key material on its way through the program: never printed, compared without a clock, overwritten
//! when it is dropped.
//!
//! The configuration reads it, the engine signs with it, the guardian signs the last words with it.
//! In between it travels inside other values that are logged, compared and shown when something goes
//! wrong; this type is what keeps it out of all of those.

use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

/// Octets that nobody may read by accident. Serialised as what they are, because roles hand keys to
/// each other; so it must never become part of an answer to a client.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes `octets` in.
    #[must_use]
    pub const fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// The octets, for whoever computes with them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn forget(&mut self) {
        self.0.zeroize();
    }
}

/// What is not needed any more is not left lying about in memory.
impl Drop for Secret {
    fn drop(&mut self) {
        self.forget();
    }
}

/// Looks at every octet, whatever the first ones said. Only lengths show.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let differ = self.0.iter().zip(&other.0).fold(0, |differ, (a, b)| differ | (a ^ b));
        self.0.len() == other.0.len() && core::hint::black_box(differ) == 0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new(b"canary".to_vec());
        for text in [format!("{secret:?}"), format!("{:#?}", Some(&secret))] {
            assert!(!text.contains("canary") && !text.contains("99"), "{text}");
        }
    }

    #[test]
    fn nothing_is_left_of_a_secret_that_is_dropped() {
        assert!(core::mem::needs_drop::<Secret>());
        let mut secret = Secret::new(b"canary".to_vec());
        let room = secret.0.capacity();
        // What drop does, looked at while the memory is still ours.
        secret.forget();
        assert!(secret.is_empty() && secret.0.capacity() == room, "the memory is where it was");
    }

    #[test]
    fn every_octet_and_the_length_count() {
        let secret = |octets: &[u8]| Secret::new(octets.to_vec());
        assert_eq!(secret(b"same"), secret(b"same"));
        for other in [&b"samf"[..], b"tame", b"sam", b"same!", b""] {
            assert_ne!(secret(b"same"), secret(other));
        }
    }
}
