//! What the engine counts that is nobody's state: what went wrong around the machine.

use std::collections::BTreeMap;

use super::wires::Wires;

#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Events that control did not take in time.
    pub(super) events_dropped: u64,
}

impl Counts {
    pub(super) fn report(&self, wires: &Wires) -> BTreeMap<String, u64> {
        let mut report = BTreeMap::from([("events-dropped".to_string(), self.events_dropped)]);
        report.extend(wires.counts().map(|(name, count)| (name.to_string(), count)));
        report
    }
}
