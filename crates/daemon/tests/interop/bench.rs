//! One switch, the nodes of a test, a client and a witness; waiting, measuring and judging.

use std::io::Write as _;
use std::time::Duration;

use base::Instant;
use lab::{Card, Hear, Lab, Need, Plan, Probe, Seen, Sighting, Witness, wait_for};
use linux::clock::monotonic;

use crate::mode::{Mode, VRID};
use crate::speaker::Speaker;

/// How late a takeover may be beyond its RFC timer: 50 ms is the promise; the rest is for a machine
/// that runs other tests at the same time.
pub(crate) const LATE: Duration = Duration::from_millis(50 + 250);
/// How early it may seem: the witness notes what it hears a little later than it happens, and on a
/// busy machine later still. Most takeovers without their skew would be earlier by more than this.
pub(crate) const EARLY: Duration = Duration::from_millis(100);
/// How long anything may take that has no deadline of its own.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Our node and the peer's.
pub(crate) const OURS: (&str, u8) = ("ours", 2);
pub(crate) const PEER: (&str, u8) = ("peer", 3);

/// A network with everything that watches it.
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    pub(crate) mode: Mode,
    witness: Witness,
    probe: Probe,
}

impl Bench {
    /// Builds a network of these nodes: names and last octets of their addresses.
    pub(crate) fn new(mode: Mode, nodes: &[(&str, u8)]) -> Self {
        let nodes =
            nodes.iter().map(|(name, octet)| ((*name).into(), vec![Card::eth0(*octet)])).collect();
        let lab = Lab::build(&Plan { nodes, client: Card::eth0(100) }).unwrap();
        let witness = lab.witness(Hear::Election).unwrap();
        let probe = lab.probe(mode.vip(), Duration::from_millis(5)).unwrap();
        Self { lab, mode, witness, probe }
    }

    /// The first advert of `node` at or after `since`, waiting for it.
    pub(crate) fn advert(&self, node: &str, since: Instant) -> Sighting {
        self.await_advert(node, since, |priority| priority > 0)
    }

    /// The same with priority 0: the node resigns.
    pub(crate) fn resignation(&self, node: &str, since: Instant) -> Sighting {
        self.await_advert(node, since, |priority| priority == 0)
    }

    fn await_advert(&self, node: &str, since: Instant, wanted: impl Fn(u8) -> bool) -> Sighting {
        let find =
            || self.witness.first(since, |s| s.from == node && priority(s).is_some_and(&wanted));
        let seen = wait_for(PATIENCE, || find().is_some());
        assert!(seen.is_some(), "no such advert of {node}\n{}", self.story());
        find().unwrap()
    }

    /// The last advert of `node` before `until`.
    pub(crate) fn last_advert(&self, node: &str, until: Instant) -> Sighting {
        let last = self.witness.last(until, |s| s.from == node && priority(s).is_some());
        last.unwrap_or_else(|| panic!("no advert of {node} at all\n{}", self.story()))
    }

    /// How many adverts of `node` there were since then, resignations included.
    pub(crate) fn adverts(&self, node: &str, since: Instant) -> usize {
        let sightings = self.witness.sightings();
        let of = |s: &&Sighting| s.at >= since && s.from == node && priority(s).is_some();
        sightings.iter().filter(of).count()
    }

    /// The times between one advert of `node` and its next, from `since` on.
    pub(crate) fn advert_gaps(&self, node: &str, since: Instant) -> impl Iterator<Item = Duration> {
        let sightings = self.witness.sightings();
        let of = |s: &&Sighting| s.at >= since && s.from == node && priority(s).is_some();
        let times: Vec<Instant> = sightings.iter().filter(of).map(|s| s.at).collect();
        let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
        gaps.into_iter()
    }

    /// Everything that passed the switch.
    pub(crate) fn sightings(&self) -> Vec<Sighting> {
        self.witness.sightings()
    }

    /// What watches the switch.
    pub(crate) fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Ends the client's probe and gives what it saw.
    pub(crate) fn outcome(self) -> (lab::Outcome, Lab) {
        (self.probe.finish(), self.lab)
    }

    /// Whether the kernel of `node` has the VIP.
    pub(crate) fn has_vip(&self, node: &str) -> bool {
        self.lab.node(node).holds(self.mode.vip())
    }

    /// Waits until `who` holds and none of `others` does, then makes sure that it stays so and that
    /// nobody else speaks for two intervals.
    pub(crate) fn sole_holder(&self, who: &dyn Speaker, others: &[&dyn Speaker]) {
        self.advert(who.node(), monotonic());
        let settled = || who.holds(self) && !others.iter().any(|other| other.holds(self));
        let waited = wait_for(PATIENCE, settled);
        assert!(waited.is_some(), "{} is not the sole holder\n{}", who.node(), self.story());
        // Another that had just decided to hold hears of it now, and says a last word.
        std::thread::sleep(Duration::from_millis(100));
        let since = monotonic();
        std::thread::sleep(self.mode.interval * 5 / 2);
        // Whoever watches may be late on a busy machine.
        let spoke = wait_for(PATIENCE, || self.adverts(who.node(), since) >= 2);
        assert!(spoke.is_some(), "{} is silent\n{}", who.node(), self.story());
        for other in others {
            let count = self.adverts(other.node(), since);
            assert_eq!(count, 0, "{} speaks too\n{}", other.node(), self.story());
        }
        assert!(settled(), "{} did not stay the sole holder\n{}", who.node(), self.story());
    }

    /// The client gets its answers from `node`, at the latest within a second.
    pub(crate) fn served_by(&self, node: &str) {
        self.served_by_within(node, Duration::from_secs(1));
    }

    /// The same, at the latest within `limit`.
    pub(crate) fn served_by_within(&self, node: &str, limit: Duration) {
        let served = || {
            let last = self.probe.last_answer();
            last.is_some_and(|answer| {
                answer.node == node && monotonic().since(answer.at) < Duration::from_millis(100)
            })
        };
        let waited = wait_for(limit, served);
        let last = self.probe.last_answer();
        assert!(waited.is_some(), "the client's last answer: {last:?}\n{}", self.story());
    }

    /// Judges a takeover that began at `from` and ended at `at`, and prints how long it took.
    pub(crate) fn took_over(&self, what: &str, from: Instant, at: Instant, timer: Duration) {
        let took = at.since(from);
        say(&format!("{what}: {took:.1?} after, by the RFC {timer:.1?}"));
        assert!(
            took + EARLY >= timer && took <= timer + LATE,
            "{what}: {took:?}, not {timer:?}\n{}",
            self.story()
        );
    }

    /// What passed the switch, and what every node wrote: for a failed assertion.
    pub(crate) fn story(&self) -> String {
        let sightings = self.witness.sightings();
        let begin = sightings.first().map_or(Instant::ZERO, |first| first.at);
        let mut lines: Vec<String> = Vec::new();
        let mut last = Vec::new();
        for sighting in sightings.iter().filter(|s| s.seen != Seen::Other) {
            let at = sighting.at.since(begin);
            let what = (sighting.from.clone(), sighting.seen.clone());
            // A holder repeats itself; what matters is when that changes.
            if last.contains(&what) {
                continue;
            }
            if last.len() > 1 {
                last.clear();
            }
            lines.push(format!("{at:>9.2?} {}: {:?}", what.0, what.1));
            last.push(what);
        }
        for node in self.lab.nodes() {
            lines.push(format!("--- {}\n{}", node.name(), node.log()));
        }
        lines.join("\n")
    }
}

/// Says something that the test harness does not swallow.
pub(crate) fn say(text: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let line = format!("{}: {text}\n", test.rsplit("::").next().unwrap_or_default());
    // A closed error output is no reason to fail.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Whether this machine has what a test with keepalived needs.
pub(crate) fn keepalived_here() -> bool {
    lab::requires(&[Need::Root, Need::program("/usr/sbin/keepalived")])
}

fn priority(sighting: &Sighting) -> Option<u8> {
    match &sighting.seen {
        Seen::Advert { priority, vrid: VRID, .. } => Some(priority.get()),
        _ => None,
    }
}
