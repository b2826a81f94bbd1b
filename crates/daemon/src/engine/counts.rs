//! What the engine counts that is nobody's state: what went wrong around the machine.

use std::collections::BTreeMap;

use super::control::Control;
use super::lookout::Lookout;
use super::wires::Wires;

/// All counts by name.
pub(super) fn report(wires: &Wires, lookout: &Lookout, control: &Control) -> BTreeMap<String, u64> {
    let mut report = BTreeMap::from([("events-dropped".to_string(), control.dropped)]);
    report.extend(
        wires.counts().chain(lookout.counts()).map(|(name, count)| (name.to_string(), count)),
    );
    report
}
