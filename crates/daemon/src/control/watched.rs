//! What is watched and what moves together, as the status tells it: since when, and whom it matters to.
//!
//! The engine knows states, the runner and the files know verdicts, the configuration knows weights;
//! here they meet.

use std::collections::BTreeMap;

use base::{
    Effect, Event, Instant, Name, Subject, TrackEffect, Tracker, TrackerKind, Verdict, What,
};
use ui::protocol::{GroupReport, RunReport, TrackerReport, TrackerUse};
use vrrp::{GroupStatus, InstanceConfig, InterfaceStatus};

use super::report::{millis, seconds};
use super::trackers::Trackers;

/// What the configuration and the engine's events tell beyond the engine's answer.
#[derive(Default)]
pub(super) struct Watched {
    /// Since when groups and interfaces are as they are.
    since: BTreeMap<Subject, Instant>,
    trackers: BTreeMap<Tracker, Vec<TrackerUse>>,
    /// Interfaces by their name.
    interfaces: BTreeMap<Name, Vec<TrackerUse>>,
}

impl Watched {
    /// These instances are in force from now on.
    pub(super) fn configure(&mut self, instances: &[InstanceConfig]) {
        (self.trackers, self.interfaces) = Default::default();
        for instance in instances {
            let used =
                |(weight, reverse)| TrackerUse { instance: instance.name.clone(), weight, reverse };
            for tracked in &instance.trackers {
                let uses = self.trackers.entry(tracked.tracker.clone()).or_default();
                uses.push(used(weight_of(tracked.effect)));
            }
            for tracked in &instance.track {
                let uses = self.interfaces.entry(tracked.interface.clone()).or_default();
                uses.push(used(two_valued(tracked.effect)));
            }
        }
        let groups: Vec<&Name> = instances.iter().filter_map(|one| one.group.as_ref()).collect();
        self.since.retain(|subject, _| match subject {
            Subject::Group(name) => groups.contains(&name),
            _ => true,
        });
    }

    /// Takes note of when something became what it is.
    pub(super) fn note(&mut self, event: &Event) {
        let lasting = matches!(
            (&event.subject, &event.what),
            (Subject::Group(_), What::StateChanged { .. })
                | (Subject::Interface(_), What::LinkUp | What::LinkDown | What::LinkGone)
        );
        if lasting {
            self.since.insert(event.subject.clone(), event.at);
        }
    }

    /// Seconds that `subject` is as it is; it was so when we began unless we heard otherwise.
    fn age(&self, at: Instant, begun: Instant, subject: &Subject) -> f64 {
        seconds(at.since(self.since.get(subject).copied().unwrap_or(begun)))
    }

    /// All groups.
    pub(super) fn groups(
        &self,
        at: Instant,
        begun: Instant,
        groups: &[GroupStatus],
    ) -> Vec<GroupReport> {
        let report = |group: &GroupStatus| GroupReport {
            name: group.name.clone(),
            state: group.state,
            since_s: self.age(at, begun, &Subject::Group(group.name.clone())),
            members: group.members.clone(),
        };
        groups.iter().map(report).collect()
    }

    /// Everything that is watched.
    pub(super) fn trackers(
        &self,
        at: Instant,
        begun: Instant,
        trackers: &Trackers,
        interfaces: &[InterfaceStatus],
    ) -> Vec<TrackerReport> {
        let watched = trackers.each().map(|(tracker, verdict, since, run)| TrackerReport {
            kind: kind(tracker.kind).into(),
            state: word(verdict),
            since_s: seconds(at.since(since)),
            last: run.map(|(command, result, took)| RunReport {
                command: command.clone(),
                result: result.clone(),
                took_ms: millis(*took),
            }),
            used_by: self.trackers.get(&tracker).cloned().unwrap_or_default(),
            name: tracker.name,
        });
        let links = interfaces.iter().filter_map(|link| {
            let used_by = self.interfaces.get(&link.name)?.clone();
            Some(TrackerReport {
                kind: "interface".into(),
                name: link.name.clone(),
                state: match link.up {
                    None => "missing",
                    Some(false) => "down",
                    Some(true) => "up",
                }
                .into(),
                since_s: self.age(at, begun, &Subject::Interface(link.name.clone())),
                last: None,
                used_by,
            })
        });
        watched.chain(links).collect()
    }
}

fn kind(kind: TrackerKind) -> &'static str {
    match kind {
        TrackerKind::Script => "script",
        TrackerKind::File => "file",
        TrackerKind::Process => "process",
        TrackerKind::Bfd => "bfd",
    }
}

fn word(verdict: Verdict) -> String {
    verdict.to_string()
}

/// An effect as the weight that was written, and whether `reverse` was.
pub(super) fn weight_of(effect: Effect) -> (i32, bool) {
    match effect {
        Effect::Of(effect) => two_valued(effect),
        Effect::Times(weight) => (weight, false),
    }
}

/// The same for what is only good or bad.
pub(super) fn two_valued(effect: TrackEffect) -> (i32, bool) {
    match effect {
        TrackEffect::FaultWhileBad => (0, false),
        TrackEffect::FaultWhileGood => (0, true),
        TrackEffect::DeltaWhileGood(delta) if delta < 0 => (-i32::from(delta), true),
        TrackEffect::DeltaWhileBad(delta) if delta > 0 => (-i32::from(delta), true),
        TrackEffect::DeltaWhileGood(delta) | TrackEffect::DeltaWhileBad(delta) => {
            (i32::from(delta), false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_told_as_the_weight_it_was_written_as() {
        for (value, reverse) in
            [(0, false), (0, true), (5, false), (5, true), (-5, false), (-5, true)]
        {
            let effect = conf::Weight { value, reverse }.effect();
            assert_eq!(two_valued(effect), (value, reverse));
        }
    }
}
