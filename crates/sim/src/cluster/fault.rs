//! What goes wrong in a cluster, and which of it a campaign has met.

use core::fmt;
use std::collections::BTreeMap;

/// A kind of fault. Beside these, agents fail and hang at random in every world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FaultKind {
    /// The host is without power for a while.
    HostCrash,
    /// All hosts lose their power at once.
    Blackout,
    /// All processes of a node are killed; what they started goes on.
    ProcessKill,
    /// All processes stand still; the kernel goes on.
    Stall,
    /// A node hears nobody and is heard by nobody.
    Isolation,
    /// One node does not hear one other.
    OneWay,
    /// What a node sends and hears is lost or doubled at random.
    Loss,
    /// What a node sends comes late, some of it by seconds.
    Delay,
    /// A node's heartbeats are lost, and nothing else.
    Beats,
    /// The disk takes nothing any more; the process is begun anew when it does.
    Disk,
    /// The disk takes its time.
    SlowDisk,
    /// The wall clock jumps.
    ClockStep,
    /// No fence device does what it is told.
    FenceFails,
    /// An administrator wants a resource elsewhere.
    Move,
}

impl FaultKind {
    /// All of them.
    pub const ALL: &'static [FaultKind] = &[
        Self::HostCrash,
        Self::Blackout,
        Self::ProcessKill,
        Self::Stall,
        Self::Isolation,
        Self::OneWay,
        Self::Loss,
        Self::Delay,
        Self::Beats,
        Self::Disk,
        Self::SlowDisk,
        Self::ClockStep,
        Self::FenceFails,
        Self::Move,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HostCrash => "host-crash",
            Self::Blackout => "blackout",
            Self::ProcessKill => "process-kill",
            Self::Stall => "stall",
            Self::Isolation => "isolation",
            Self::OneWay => "one-way",
            Self::Loss => "loss",
            Self::Delay => "delay",
            Self::Beats => "beats",
            Self::Disk => "disk",
            Self::SlowDisk => "slow-disk",
            Self::ClockStep => "clock-step",
            Self::FenceFails => "fence-fails",
            Self::Move => "move",
        }
    }
}

/// Whom a fault struck.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Situation {
    /// The DC.
    Director,
    /// Somebody who serves and is not the DC.
    Holder,
    /// Somebody who serves nothing.
    Idle,
    /// A node whose processes do not run.
    Absent,
}

/// How often each kind struck whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<(FaultKind, Situation), u64>);

impl Coverage {
    pub(super) fn count(&mut self, kind: FaultKind, situation: Situation) {
        *self.0.entry((kind, situation)).or_default() += 1;
    }

    /// Adds what another world has seen.
    pub fn merge(&mut self, other: &Coverage) {
        for (point, count) in &other.0 {
            *self.0.entry(*point).or_default() += count;
        }
    }

    /// All faults that struck.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.0.values().sum()
    }

    /// Kinds that never struck a DC, or never a holder.
    #[must_use]
    pub fn missed(&self) -> Vec<(FaultKind, Situation)> {
        let pairs = FaultKind::ALL
            .iter()
            .flat_map(|kind| [(*kind, Situation::Director), (*kind, Situation::Holder)]);
        pairs.filter(|point| !self.0.contains_key(point)).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kind in FaultKind::ALL {
            write!(f, "{:<13}", kind.name())?;
            for ((of, situation), count) in &self.0 {
                if of == kind {
                    write!(f, " {situation:?} {count}")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
