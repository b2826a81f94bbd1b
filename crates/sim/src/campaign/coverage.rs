//! Which faults struck what: a fault that never met a holder has proven nothing about holders.

use core::fmt;
use std::collections::BTreeMap;

use base::State;

use super::swarm::FaultKind;
use crate::lan::Lan;

/// What a node was doing when a fault struck it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Situation {
    /// Its process was not running, or held up.
    Absent,
    /// It held nothing and could not.
    Initialize,
    /// It stood by.
    Backup,
    /// It held something.
    Active,
    /// It held something, and so did somebody else.
    Contested,
}

impl Situation {
    /// All of them.
    pub const ALL: [Situation; 5] =
        [Self::Absent, Self::Initialize, Self::Backup, Self::Active, Self::Contested];

    pub(crate) fn of(lan: &Lan, at: usize) -> Self {
        let node = &lan.nodes[at];
        if !node.is_awake(lan.now()) {
            return Self::Absent;
        }
        let active = |state: &State| *state == State::Active;
        let held: Vec<_> =
            node.states.iter().filter(|(_, state)| active(state)).map(|(vr, _)| *vr).collect();
        let others = || (0..lan.nodes.len()).filter(|other| *other != at);
        if held.iter().any(|vr| others().any(|other| active(&lan.nodes[other].state(*vr)))) {
            Self::Contested
        } else if !held.is_empty() {
            Self::Active
        } else if node.states.values().any(|state| *state == State::Backup) {
            Self::Backup
        } else {
            Self::Initialize
        }
    }
}

/// How often each kind of fault struck in each situation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<(FaultKind, Situation), u64>);

impl Coverage {
    pub(crate) fn count(&mut self, kind: FaultKind, situation: Situation) {
        *self.0.entry((kind, situation)).or_default() += 1;
    }

    /// Adds what another world has seen.
    pub fn merge(&mut self, other: &Coverage) {
        for (point, count) in &other.0 {
            *self.0.entry(*point).or_default() += count;
        }
    }

    /// How often `kind` struck in `situation`.
    #[must_use]
    pub fn of(&self, kind: FaultKind, situation: Situation) -> u64 {
        self.0.get(&(kind, situation)).copied().unwrap_or(0)
    }

    /// All faults that struck.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.0.values().sum()
    }

    /// Points that can be reached and were not. A process that is not there cannot be paused,
    /// killed, stopped or told anything.
    #[must_use]
    pub fn missed(&self) -> Vec<(FaultKind, Situation)> {
        let needs_process = |kind| {
            matches!(
                kind,
                FaultKind::Pause
                    | FaultKind::PauseEngine
                    | FaultKind::KillGuardian
                    | FaultKind::KillControl
                    | FaultKind::KillRunner
                    | FaultKind::StopStart
                    | FaultKind::Upgrade
                    | FaultKind::Reload
                    | FaultKind::ReloadNothing
                    | FaultKind::Rollout
            )
        };
        FaultKind::ALL
            .iter()
            .flat_map(|kind| Situation::ALL.map(|situation| (*kind, situation)))
            .filter(|(kind, situation)| !(needs_process(*kind) && *situation == Situation::Absent))
            .filter(|(kind, situation)| self.of(*kind, *situation) == 0)
            .collect()
    }
}

/// A table: a row for each kind, a column for each situation.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:16}", "fault")?;
        for situation in Situation::ALL {
            write!(f, " {:>10}", format!("{situation:?}"))?;
        }
        for kind in FaultKind::ALL {
            write!(f, "\n{:16}", kind.name())?;
            for situation in Situation::ALL {
                write!(f, " {:>10}", self.of(*kind, situation))?;
            }
        }
        Ok(())
    }
}
