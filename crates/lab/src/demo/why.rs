//! Why something happened, read from a node's own event log, back along its causes.

use std::collections::VecDeque;
use std::time::Duration;

use base::{Event, EventId, Instant, State, Subject, What};
use serde::Deserialize;

use crate::{CommandLine, LabError, Node};

/// One line of `mainstay events --json`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(crate) struct Entry {
    /// What happened.
    pub(crate) event: Event,
    /// The same as a sentence.
    pub(crate) text: String,
}

/// A node's events.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Log {
    entries: Vec<Entry>,
}

impl Log {
    /// Asks the node's daemon; `None` if it did not answer, or answered something else.
    pub(crate) fn ask(node: &Node, events: &CommandLine) -> Result<Option<Self>, LabError> {
        let output = node.output(events, Duration::from_secs(3))?;
        Ok(output.and_then(|text| Self::parse(&text)))
    }

    /// One JSON object a line.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let entries = text.lines().map(serde_json::from_str).collect::<Result<_, _>>().ok()?;
        Some(Self { entries })
    }

    /// The last move of an instance at or after `since` into `state`.
    pub(crate) fn last_move(&self, since: Instant, into: State) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| {
            let to = match entry.event.what {
                What::StateChanged { to, .. } => Some(to),
                _ => None,
            };
            entry.event.at >= since && to == Some(into)
        })
    }

    /// The present state of each instance.
    pub(crate) fn states(&self) -> Vec<(&str, State)> {
        let mut states: Vec<(&str, State)> = Vec::new();
        for entry in &self.entries {
            if let (Subject::Instance(name), What::StateChanged { to, .. }) =
                (&entry.event.subject, &entry.event.what)
            {
                states.retain(|(known, _)| *known != name.as_str());
                states.push((name, *to));
            }
        }
        states
    }

    /// Everything `entry` followed from, nearest first, itself not included.
    ///
    /// # Errors
    /// The id of a cause that the log does not contain.
    pub(crate) fn causes(&self, entry: &Entry) -> Result<Vec<&Entry>, EventId> {
        let mut found: Vec<&Entry> = Vec::new();
        let mut open: VecDeque<EventId> = entry.event.causes.iter().copied().collect();
        while let Some(id) = open.pop_front() {
            if id == entry.event.id || found.iter().any(|known| known.event.id == id) {
                continue;
            }
            let cause = self.entries.iter().find(|known| known.event.id == id).ok_or(id)?;
            found.push(cause);
            open.extend(cause.event.causes.iter().copied());
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use base::{Origin, Priority, Reason};

    use super::*;

    fn entry(number: u64, what: What, reason: Reason, causes: &[u64]) -> Entry {
        let id = |number| EventId { origin: Origin::Engine, number };
        let event = Event {
            id: id(number),
            at: Instant::from_nanos(number),
            subject: Subject::Instance("VI_1".into()),
            what,
            reason,
            causes: causes.iter().map(|number| id(*number)).collect(),
        };
        Entry { event, text: format!("sentence {number}") }
    }

    fn moved(number: u64, to: State, causes: &[u64]) -> Entry {
        let (from, priority) = (State::Backup, Priority::new(100));
        let what = What::StateChanged { from, to, priority };
        entry(number, what, Reason::HolderSilent, causes)
    }

    #[test]
    fn a_log_is_what_the_daemon_prints() {
        let event = moved(2, State::Active, &[1]).event;
        let line = serde_json::json!({ "event": event, "text": "VI_1 is Active" }).to_string();
        let log = Log::parse(&format!("{line}\n")).unwrap();
        assert_eq!(log.entries[0].event, event);
        assert_eq!(log.states(), [("VI_1", State::Active)]);
        assert_eq!(Log::parse("no JSON"), None);
    }

    #[test]
    fn causes_are_followed_to_the_end_and_a_missing_one_is_named() {
        let silent = What::PeerSilent { source: None, silence: Duration::from_secs(4) };
        let log = Log {
            entries: vec![
                entry(1, What::LinkUp, Reason::Kernel, &[]),
                entry(2, silent, Reason::HolderSilent, &[1]),
                moved(3, State::Active, &[2, 1]),
                moved(5, State::Active, &[4]),
            ],
        };
        let of = |number: usize| log.causes(&log.entries[number]);
        let ids: Vec<u64> = of(2).unwrap().iter().map(|entry| entry.event.id.number).collect();
        assert_eq!(ids, [2, 1]);
        assert_eq!(of(3).map_err(|id| id.number), Err(4));
        assert_eq!(of(0).unwrap(), [&log.entries[0]; 0]);
    }

    #[test]
    fn the_last_move_is_the_one_after_the_fault() {
        let log = Log { entries: vec![moved(3, State::Active, &[]), moved(9, State::Backup, &[])] };
        let since = |nanos| log.last_move(Instant::from_nanos(nanos), State::Active);
        assert_eq!(since(3).map(|entry| entry.event.id.number), Some(3));
        assert_eq!(since(4), None);
    }
}
