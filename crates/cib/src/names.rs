//! One copy of each text that repeats.
//!
//! The texts come from a document somebody trusted wrote, so the hash is a quick one; a document
//! made to collide is slow to read, and nothing worse.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// See the module.
#[derive(Default)]
pub(crate) struct Names(HashSet<Arc<str>, BuildHasherDefault<Quick>>);

impl Names {
    /// The same where the text is probably one that was seen just before.
    pub(crate) fn again(&mut self, text: &str, before: &Arc<str>) -> Arc<str> {
        if **before == *text { before.clone() } else { self.get(text) }
    }

    pub(crate) fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let fresh: Arc<str> = text.into();
        self.0.insert(fresh.clone());
        fresh
    }
}

/// A multiplicative hash, eight bytes at a time.
#[derive(Default)]
pub(crate) struct Quick(u64);

impl Quick {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.add(u64::from_le_bytes(last) ^ 0xff);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(u64::from(byte));
    }

    fn finish(&self) -> u64 {
        // The table looks at the highest bits and at the lowest.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_text() {
        let mut names = Names::default();
        let (a, b, c) = (names.get("node-state"), names.get("node-state"), names.get("node"));
        assert!(Arc::ptr_eq(&a, &b));
        let (same, other) = (names.again("node-state", &a), names.again("node", &a));
        assert!(Arc::ptr_eq(&a, &same) && &*other == "node");
        assert_eq!(&*c, "node");
    }
}
