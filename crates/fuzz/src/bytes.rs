//! Decisions out of bytes: when they are used up, nothing more happens.

/// What is left to decide with.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// The next byte; `None`: it is over.
    pub(crate) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.next().is_some_and(|byte| byte & 1 == 1)
    }

    /// A number below `limit`.
    pub(crate) fn small(&mut self, limit: u64) -> u64 {
        let (high, low) = (self.next().unwrap_or(0), self.next().unwrap_or(0));
        (u64::from(high) << 8 | u64::from(low)) % limit.max(1)
    }

    /// That many bytes, or what is left.
    pub(crate) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
