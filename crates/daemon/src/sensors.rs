//! What is to be watched beside the network, as values: scripts that are run again and again, files
//! with a number, processes that must run; and the pipes that are told what came of it.
//!
//! Who watches what is a matter of rights: files are read by control, which may read and nothing
//! else; scripts and processes are the runner's.

use std::path::PathBuf;
use std::time::Duration;

use base::{Name, Tracker, TrackerKind, Verdict};
use serde::{Deserialize, Serialize};

use crate::messages::{Account, Script};

/// All of them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sensors {
    pub(crate) checks: Vec<Check>,
    pub(crate) files: Vec<WatchedFile>,
    pub(crate) processes: Vec<WatchedProcess>,
    /// Octets for news of processes, where more than usual is asked for.
    pub(crate) process_news: Option<u32>,
}

impl Sensors {
    /// The trackers they speak for.
    pub(crate) fn trackers(&self) -> impl Iterator<Item = Tracker> {
        let checks = self.checks.iter().map(Check::tracker);
        let files = self.files.iter().map(WatchedFile::tracker);
        checks.chain(files).chain(self.processes.iter().map(WatchedProcess::tracker))
    }

    /// Whether the runner is needed for any.
    pub(crate) fn need_runner(&self) -> bool {
        !self.checks.is_empty()
            || !self.processes.is_empty()
            || self.files.iter().any(|file| file.initial.is_some())
    }
}

/// A script that tells whether this node is fit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Check {
    pub(crate) name: Name,
    pub(crate) script: Script,
    /// From one start to the next.
    pub(crate) interval: Duration,
    /// How long a run may take.
    pub(crate) timeout: Duration,
    /// Successes in a row that make it good.
    pub(crate) rise: u32,
    /// Failures in a row that make it bad.
    pub(crate) fall: u32,
}

impl Check {
    pub(crate) fn tracker(&self) -> Tracker {
        Tracker { kind: TrackerKind::Script, name: self.name.clone() }
    }
}

/// A file with a number in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct WatchedFile {
    pub(crate) name: Name,
    pub(crate) path: PathBuf,
    /// What to write into it at the start, and whether also when it is there.
    pub(crate) initial: Option<(i64, bool)>,
}

impl WatchedFile {
    pub(crate) fn tracker(&self) -> Tracker {
        Tracker { kind: TrackerKind::File, name: self.name.clone() }
    }
}

/// Processes that must run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct WatchedProcess {
    pub(crate) name: Name,
    pub(crate) command: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) matching: Matching,
    /// The whole command line is compared.
    pub(crate) full_command: bool,
    /// How many must run, and how many may.
    pub(crate) least: u32,
    pub(crate) most: Option<u32>,
    /// How long more of them must have run, or fewer, to count.
    pub(crate) up_delay: Duration,
    pub(crate) down_delay: Duration,
}

impl WatchedProcess {
    pub(crate) fn tracker(&self) -> Tracker {
        Tracker { kind: TrackerKind::Process, name: self.name.clone() }
    }
}

/// How the arguments of a process are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Matching {
    /// Not at all when none are given; else exactly.
    Exact,
    /// These come first, others may follow. None given: there must be none.
    First,
    /// The same, and the last may be longer.
    Initial,
}

/// What the runner is to watch, and what was last said of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Watch {
    pub(crate) checks: Vec<Check>,
    pub(crate) processes: Vec<WatchedProcess>,
    pub(crate) known: Vec<(Tracker, Verdict)>,
    /// Octets for news of processes, where more than usual is asked for.
    pub(crate) process_news: Option<u32>,
}

/// A pipe that is told of every change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Pipe {
    /// `None`: there is only a script, which cannot be told of anything.
    pub(crate) path: PathBuf,
    pub(crate) owner: Option<Account>,
    /// Started with the path as its last argument.
    pub(crate) script: Option<Script>,
}
