//! Everything that happened, as one number: two runs of one seed must end with the same (D3).

use core::time::Duration;

use base::Instant;

/// A running hash (FNV-1a, 64 bits) of all inputs and outputs, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tape(u64);

impl Default for Tape {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Tape {
    /// Takes in some octets.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Takes in a number.
    pub fn number(&mut self, number: u64) {
        // One multiplication, not eight: numbers are most of what is recorded.
        self.0 = (self.0 ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }

    /// Takes in what happened to which node, and when.
    pub fn mark(&mut self, now: Instant, node: usize, kind: u8) {
        self.number(now.as_nanos());
        self.number((u64::try_from(node).unwrap_or(u64::MAX) << 8) | u64::from(kind));
    }

    /// Takes in a span.
    pub fn span(&mut self, span: Duration) {
        self.number(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The number so far.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_content_matter() {
        let sum = |parts: &[&[u8]]| {
            let mut tape = Tape::default();
            parts.iter().for_each(|part| tape.bytes(part));
            tape.sum()
        };
        assert_eq!(sum(&[b"ab", b"c"]), sum(&[b"abc"]));
        assert_ne!(sum(&[b"ab"]), sum(&[b"ba"]));
        // The published FNV-1a of "a".
        assert_eq!(sum(&[b"a"]), 0xaf63_dc4c_8601_ec8c);
    }
}
