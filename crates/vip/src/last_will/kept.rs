//! A bequest as the guardian keeps it: as octets, for it may keep thousands and needs one in a lifetime.

use core::time::Duration;

use base::Secret;

use super::Bequest;

/// A bequest at rest. It may hold a key, so it is kept like one.
#[derive(Debug)]
pub(super) struct Kept {
    octets: Secret,
    pub(super) patience: Duration,
    pub(super) lets_go: bool,
}

impl Kept {
    pub(super) fn of(bequest: &Bequest) -> Self {
        let octets = postcard::to_stdvec(bequest).expect("what came as octets can be octets again");
        let lets_go = bequest.lets_go();
        Self { octets: Secret::new(octets), patience: bequest.patience, lets_go }
    }

    /// The bequest. `last`: the last number that its instance signed with, where that is known.
    pub(super) fn bequest(&self, last: Option<u64>) -> Bequest {
        let mut bequest: Bequest =
            postcard::from_bytes(self.octets.expose()).expect("made from a bequest");
        if let (Some(seal), Some(last)) = (&mut bequest.seal, last) {
            seal.last = last;
        }
        bequest
    }
}
