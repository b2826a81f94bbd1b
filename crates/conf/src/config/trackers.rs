//! What can change an instance's priority or take it out of the game, and what ties instances
//! together: scripts, files, processes, BFD sessions, sync groups, track groups.

use core::net::IpAddr;
use core::time::Duration;

use base::{Name, TrackEffect};
use serde::Serialize;

use super::{Command, Notify, TrackedInterface};
use crate::Place;

/// A weight, and whether it counts the other way round.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Weight {
    /// The number.
    pub value: i32,
    /// Good and bad are swapped.
    pub reverse: bool,
}

impl Weight {
    /// What it does for a tracker that is good or bad.
    #[must_use]
    pub fn effect(self) -> TrackEffect {
        let value = i16::try_from(self.value.clamp(-254, 254)).unwrap_or_default();
        match (value, self.reverse) {
            (0, false) => TrackEffect::FaultWhileBad,
            (0, true) => TrackEffect::FaultWhileGood,
            (1.., false) => TrackEffect::DeltaWhileGood(value),
            (1.., true) => TrackEffect::DeltaWhileGood(-value),
            (_, false) => TrackEffect::DeltaWhileBad(value),
            (_, true) => TrackEffect::DeltaWhileBad(-value),
        }
    }
}

/// A tracker by name, as an instance or a group uses it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Tracked {
    /// Its name; there is such a tracker.
    pub name: Name,
    /// The weight it has here, the tracker's own unless another was given.
    pub weight: Weight,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// The trackers of an instance or a group, interfaces apart.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Trackers {
    /// Of [`Config::scripts`](super::Config::scripts).
    pub scripts: Vec<Tracked>,
    /// Of [`Config::files`](super::Config::files).
    pub files: Vec<Tracked>,
    /// Of [`Config::processes`](super::Config::processes).
    pub processes: Vec<Tracked>,
    /// Of [`Config::bfd`](super::Config::bfd).
    pub bfd: Vec<Tracked>,
}

impl Trackers {
    /// All of them but files, whose numbers nobody knows beforehand.
    pub fn two_valued(&self) -> impl Iterator<Item = &Tracked> {
        self.scripts.iter().chain(&self.processes).chain(&self.bfd)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Tracked> {
        self.two_valued().chain(&self.files)
    }
}

/// A script that tells whether this node is fit (`vrrp_script`).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TrackScript {
    /// Its name; unique.
    pub name: Name,
    /// What to run.
    pub command: Command,
    /// From one start to the next.
    pub interval: Duration,
    /// How long a run may take.
    pub timeout: Duration,
    /// What it does.
    pub weight: Weight,
    /// Successes in a row that make it good.
    pub rise: u32,
    /// Failures in a row that make it bad.
    pub fall: u32,
    /// Bad until it has run.
    pub bad_at_first: bool,
    /// Where the name stands.
    #[serde(skip)]
    pub place: Place,
}

impl TrackScript {
    /// The file that is only to be opened, where the script is written `</path`; nothing is run then.
    #[must_use]
    pub fn opens(&self) -> Option<&str> {
        self.command.program().strip_prefix('<')
    }
}

/// A file whose number changes priorities (`track_file`).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TrackFile {
    /// Its name; unique.
    pub name: Name,
    /// Its path.
    pub path: String,
    /// What the number is multiplied by; 0: anything but zero is a fault.
    pub weight: Weight,
    /// What to write into it at the start.
    pub initial: Option<InitialValue>,
    /// Where the name stands.
    #[serde(skip)]
    pub place: Place,
}

/// What to write into a tracked file at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct InitialValue {
    /// The number.
    pub value: i64,
    /// Also when the file is there already.
    pub overwrite: bool,
}

/// A process that must run (`vrrp_track_process`).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TrackProcess {
    /// Its name; unique.
    pub name: Name,
    /// The command's name or path.
    pub command: String,
    /// Its arguments; see `matching`.
    pub arguments: Vec<String>,
    /// How arguments are compared.
    pub matching: ArgumentMatch,
    /// Compare the whole command line instead of the name.
    pub full_command: bool,
    /// What it does.
    pub weight: Weight,
    /// How many must run.
    pub least: u32,
    /// How many may run.
    pub most: Option<u32>,
    /// How long enough of them must run to count.
    pub up_delay: Duration,
    /// How long too few of them must run to count.
    pub down_delay: Duration,
    /// Where the name stands.
    #[serde(skip)]
    pub place: Place,
}

/// How the arguments of a process are compared (`param_match`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub enum ArgumentMatch {
    /// Not at all, when none are given; else exactly.
    #[default]
    Exact,
    /// These must come first, others may follow.
    First,
    /// As `First`, and the last may be longer.
    Initial,
}

/// A BFD session (`bfd_instance`).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct BfdSession {
    /// Its name; unique.
    pub name: Name,
    /// The other end.
    pub neighbor: IpAddr,
    /// This end; of the same family.
    pub source: Option<IpAddr>,
    /// Shortest interval to receive at.
    pub min_rx: Duration,
    /// Shortest interval to send at.
    pub min_tx: Duration,
    /// Interval to send at while down.
    pub idle_tx: Duration,
    /// Packets to miss before the session is down.
    pub multiplier: u8,
    /// Waits for the other end to begin.
    pub passive: bool,
    /// TTL or hop limit of what is sent.
    pub hops: u8,
    /// How many hops a packet may have come.
    pub max_hops: u8,
    /// Allows routers in between.
    pub multihop: bool,
    /// Its failure ends the wait for a holder that is this neighbor.
    pub fast_takeover: bool,
    /// Counts as failed until it has been up.
    pub fails_until_up: bool,
    /// What it does.
    pub weight: Weight,
    /// Where the name stands.
    #[serde(skip)]
    pub place: Place,
}

/// Instances that move together (`vrrp_sync_group`).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SyncGroup {
    /// Its name; unique.
    pub name: Name,
    /// Its members, each an instance; no instance is in two groups.
    pub members: Vec<Name>,
    /// Interfaces all members track.
    pub interfaces: Vec<TrackedInterface>,
    /// Other trackers all members track.
    pub trackers: Trackers,
    /// Programs to run at the group's transitions.
    pub notify: Notify,
    /// Send mail at the group's transitions.
    pub smtp_alert: bool,
    /// Tell FIFOs of priorities.
    pub priority_changes: bool,
    /// Members keep the weights of their own trackers.
    pub tracking_weight: bool,
    /// Where the name stands.
    #[serde(skip)]
    pub place: Place,
    /// One per entry of `members`.
    #[serde(skip)]
    pub member_places: Vec<Place>,
}

/// Instances that fault when a static address, route or rule cannot be kept (`track_group`).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TrackGroup {
    /// Its name; unique.
    pub name: Name,
    /// Its members, each an instance.
    pub members: Vec<Name>,
    /// Where the name stands.
    #[serde(skip)]
    pub place: Place,
}
