//! What the engine counts that is nobody's state: what went wrong around the machine.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bfd::Sessions;
use super::control::Control;
use super::lookout::Lookout;
use super::notices::Notices;
use super::wires::Wires;

/// How late the loop was woken.
#[derive(Default)]
pub(super) struct Lateness {
    wakes: u64,
    beyond_1_ms: u64,
    beyond_10_ms: u64,
    most: Duration,
}

impl Lateness {
    /// A deadline was noticed so long after it.
    pub(super) fn note(&mut self, late: Duration) {
        self.wakes += 1;
        self.beyond_1_ms += u64::from(late >= Duration::from_millis(1));
        self.beyond_10_ms += u64::from(late >= Duration::from_millis(10));
        self.most = self.most.max(late);
    }

    fn counts(&self) -> [(&'static str, u64); 4] {
        [
            ("timer-wakes", self.wakes),
            ("timer-later-than-1-ms", self.beyond_1_ms),
            ("timer-later-than-10-ms", self.beyond_10_ms),
            ("timer-latest-us", u64::try_from(self.most.as_micros()).unwrap_or(u64::MAX)),
        ]
    }
}

/// All counts by name.
pub(super) fn report(
    wires: &Wires,
    lookout: &Lookout,
    sessions: &Sessions,
    notices: &Notices,
    control: &Control,
    lateness: &Lateness,
    [overruns, demotions]: [u64; 2],
) -> BTreeMap<String, u64> {
    let own = [
        ("events-dropped", control.dropped),
        ("netlink-overruns", overruns),
        ("real-time-limit-hit", demotions),
    ];
    let all = own.into_iter().chain(lateness.counts()).chain(wires.counts());
    let all = all.chain(notices.counts());
    let all = all.chain(lookout.counts()).map(|(name, count)| (name.to_string(), count));
    all.chain(sessions.counts()).collect()
}
