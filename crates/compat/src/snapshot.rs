//! Everything a dump is made from, as it was at one moment.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{Instant, Name, Tracker, TrackerKind, Verdict};
use serde::{Deserialize, Serialize};
use vrrp::{InstanceConfig, InstanceStatus, RouterStatus};

use crate::stats::{Baseline, Stats};
use crate::{Face, InstanceFace};

/// One moment.
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// What the configuration says.
    pub face: &'a Face,
    /// What the router was told.
    pub configs: &'a [InstanceConfig],
    /// What the router is.
    pub status: &'a RouterStatus,
    /// The moment, by the router's clock.
    pub at: Instant,
    /// The same, since 1970.
    pub wall: Duration,
    /// What trackers say.
    pub verdicts: &'a BTreeMap<Tracker, Verdict>,
    /// What whoever watches knows beyond that.
    pub standing: &'a Standing,
    /// Where counting begins.
    pub baseline: &'a Baseline,
}

/// What whoever runs scripts and counts processes knows of this moment.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Standing {
    /// Scripts by name.
    pub scripts: BTreeMap<Name, ScriptStanding>,
    /// How many processes run, by the name of their tracker.
    pub processes: BTreeMap<Name, u32>,
}

/// A script at this moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScriptStanding {
    /// Whether it runs.
    pub phase: Phase,
    /// Results in a row that say otherwise than its verdict.
    pub contrary: u32,
}

/// Whether a script runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Phase {
    /// It does not.
    Idle,
    /// It does.
    Running,
    /// It was asked to end.
    Asked,
    /// It was killed, and is still there.
    Forced,
}

impl Phase {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Phase::Idle => "idle",
            Phase::Running => "running",
            Phase::Asked => "requested termination",
            Phase::Forced => "forcing termination",
        }
    }
}

/// An instance from all sides.
pub(crate) struct One<'a> {
    pub(crate) config: &'a InstanceConfig,
    pub(crate) face: &'a InstanceFace,
    pub(crate) status: &'a InstanceStatus,
    pub(crate) stats: Stats,
}

impl<'a> Snapshot<'a> {
    /// Every instance that all sides know, in the order of the configuration.
    pub(crate) fn instances(&self) -> impl Iterator<Item = One<'a>> {
        let Snapshot { face, configs, status, baseline, .. } = *self;
        let by_name: BTreeMap<&Name, &InstanceStatus> =
            status.instances.iter().map(|one| (&one.name, one)).collect();
        configs.iter().filter_map(move |config| {
            let status = *by_name.get(&config.name)?;
            let face = face.instances.get(&config.name)?;
            let stats = Stats::of(status).less(baseline.of(&config.name));
            Some(One { config, face, status, stats })
        })
    }

    /// A moment of the router's clock, since 1970.
    pub(crate) fn wall_of(&self, moment: Instant) -> Duration {
        if moment >= self.at {
            self.wall + moment.since(self.at)
        } else {
            self.wall.saturating_sub(self.at.since(moment))
        }
    }

    /// What a tracker says.
    pub(crate) fn verdict(&self, kind: TrackerKind, name: &Name) -> Verdict {
        let tracker = Tracker { kind, name: name.clone() };
        self.verdicts.get(&tracker).copied().unwrap_or_default()
    }
}
