//! What can be agreed on: the operations of the replicated state machine.
//!
//! An [`Entry`] is proposed by one node, ordered by the consensus engine, and applied by all in the
//! same order to the same [`State`](crate::State). It must therefore carry all that its outcome
//! depends on, above all the time: `at` is what the proposer's wall clock said, and nobody's clock
//! is asked when it is applied. XML travels as text; it is parsed where it is applied, so that an
//! entry that cannot be read is refused by all alike.

use core::fmt;
use core::time::Duration;

use base::{Name, Wall};
use serde::{Deserialize, Serialize};

/// Names one life of a node's mainstay: it changes whenever what the node remembers of its own
/// actions is gone.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Life(pub u64);

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// Counts how often the cluster changed its mind about a node. What is asked for under one epoch
/// means nothing under the next.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

impl Epoch {
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One proposal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// What the proposer's wall clock said.
    pub at: Wall,
    /// Who proposes.
    pub by: Name,
    /// What.
    pub operation: Operation,
}

/// What is proposed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Operation {
    /// A change of the document, as an administrator asks for one.
    Cib {
        /// The version it was thought for; anything else is a conflict.
        expect: Option<VersionIs>,
        /// The change.
        change: CibChange,
    },
    /// Results of actions on one resource of one node.
    Record(Record),
    /// What was done with a resource on a node (or with all of them) is forgotten.
    Forget {
        /// Where.
        node: Name,
        /// Which; `None`: all of them.
        resource: Option<Name>,
    },
    /// The failures of a resource on a node are not counted any more.
    Absolve {
        /// Where.
        node: Name,
        /// Of which.
        resource: Name,
    },
    /// A transient attribute of a node.
    Attribute {
        /// Whose.
        node: Name,
        /// Its name.
        name: Name,
        /// Its value; `None`: it goes. `++` and `+=N` count up from what is there.
        value: Option<String>,
        /// How long it may wait for others before it is written.
        dampen: Duration,
    },
    /// Attributes that have waited long enough are written.
    Settle,
    /// A node belongs to the cluster, in this role.
    Admit {
        /// Its name.
        node: Name,
        /// Its id in the document.
        id: Name,
        /// What it is to the engine.
        role: crate::membership::Role,
        /// How long the leases are that it holds under; nothing starts elsewhere before one is over.
        lease: Duration,
    },
    /// A node does not belong to it any more.
    Expel {
        /// Which.
        node: Name,
    },
    /// What was found out about a node.
    Verdict {
        /// Which.
        node: Name,
        /// In which life it was heard (last).
        life: Life,
        /// What.
        verdict: Verdict,
    },
    /// A node leads: it is the DC.
    Lead {
        /// Which.
        node: Name,
    },
    /// A fence device has answered, or all have failed.
    Fenced(Fenced),
    /// The same for somebody who may not do everything: it counts if the ACLs allow what it changes.
    As {
        /// The account.
        user: String,
        /// The groups it belongs to.
        groups: Vec<String>,
        /// What.
        operation: Box<Operation>,
    },
    /// A value that agents of a node keep with the cluster until it leaves, and that the document never
    /// says.
    Private {
        /// Whose.
        node: Name,
        /// Its name.
        name: Name,
        /// Its value; `None`: it goes.
        value: Option<String>,
    },
    /// Results of actions on several resources of one node, told together.
    Records(Vec<Record>),
}

impl Operation {
    /// What it is about, whoever asks for it.
    #[must_use]
    pub fn bare(&self) -> &Self {
        match self {
            Self::As { operation, .. } => operation.bare(),
            other => other,
        }
    }

    /// Whether it changes histories and attributes alone: who belongs to the cluster, who leads, and what
    /// is configured stay as they are.
    #[must_use]
    pub fn is_of_status(&self) -> bool {
        matches!(
            self.bare(),
            Self::Record(_)
                | Self::Records(_)
                | Self::Forget { .. }
                | Self::Absolve { .. }
                | Self::Attribute { .. }
                | Self::Private { .. }
                | Self::Settle
        )
    }
}

/// What is known of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verdict {
    /// It is heard.
    Alive,
    /// It is not heard any more, and nobody knows what it does.
    Lost,
    /// It has said that it stops, and holds nothing.
    Left,
    /// It is not heard, and the last quorum lease it can hold has run out.
    LeaseOver(Epoch),
}

/// How fencing ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fenced {
    /// Whom.
    pub node: Name,
    /// The epoch under which it was asked for; under another, the verdict is void.
    pub epoch: Epoch,
    /// `off`, `reboot` or `on`.
    pub action: FenceAction,
    /// By which devices; empty if by hand.
    pub devices: Vec<Name>,
    /// Who asked.
    pub origin: Name,
    /// `None`: it is done. Otherwise what went wrong.
    pub error: Option<String>,
}

/// What a fence device does to a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum FenceAction {
    /// Switches it off.
    Off,
    /// Switches it off and on.
    Reboot,
    /// Lets it reach what it shall reach.
    On,
}

impl FenceAction {
    /// The word fence agents know.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Reboot => "reboot",
            Self::On => "on",
        }
    }

    /// Reads that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "off" | "poweroff" => Self::Off,
            "reboot" => Self::Reboot,
            "on" => Self::On,
            _ => return None,
        })
    }
}

/// A version of the document: `admin_epoch.epoch.num_updates`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct VersionIs(pub u64, pub u64, pub u64);

impl From<cib::version::Version> for VersionIs {
    fn from(it: cib::version::Version) -> Self {
        Self(it.admin_epoch, it.epoch, it.num_updates)
    }
}

impl fmt::Display for VersionIs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A change of the document; elements are XML text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum CibChange {
    /// Add an element to a section.
    Create { scope: String, xml: String },
    /// Merge an element into the one of its name and id.
    Modify { scope: String, xml: String, allow_create: bool },
    /// Put an element in the place of the one of its name and id, or of the whole document.
    Replace { scope: String, xml: String },
    /// Put an element in the place of what a path finds.
    ReplaceAt { path: String, xml: String },
    /// Take an element away.
    Delete { scope: String, xml: String },
    /// Take away what a path finds: the first, or all.
    DeleteAt { path: String, all: bool },
    /// A patch of format 2.
    Patch { xml: String },
    /// Empty the configuration.
    Erase,
    /// Raise the epoch.
    Bump,
}

/// What came of actions on one resource of one node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Where.
    pub node: Name,
    /// In which of its lives; results of an earlier one are void.
    pub life: Life,
    /// The resource, as its history is named.
    pub resource: Name,
    /// Class, as in `ocf`.
    pub class: Name,
    /// Provider; empty if there is none.
    pub provider: Name,
    /// Agent.
    pub agent: Name,
    /// Results, the oldest first.
    pub results: Vec<OpResult>,
    /// Recurring operations that are not done any more: (operation, milliseconds).
    pub cancelled: Vec<(Name, u64)>,
}

/// What one action came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OpResult {
    /// `start`, `monitor`, …
    pub operation: Name,
    /// Milliseconds between repetitions; zero if it is done once.
    pub interval: u64,
    /// Which call of this executor it was.
    pub call: u64,
    /// The exit code; `None` while it runs.
    pub rc: Option<i32>,
    /// How it ended, whatever the exit code.
    pub status: OpStatus,
    /// Who asked for it: transition and step, and what was expected.
    pub key: OpKey,
    /// When the result changed last, seconds since 1970.
    pub changed: u64,
    /// How long it ran.
    pub took: Duration,
    /// How long it waited before.
    pub queued: Duration,
    /// The digest of its parameters.
    pub digest: Name,
    /// Digest of those parameters that need a restart, with their names, where the agent can reload.
    pub restart: Option<(Name, Name)>,
    /// What the agent gave as its reason.
    pub reason: String,
    /// Source and target of a migration.
    pub migration: Option<(Name, Name)>,
    /// Notifications are told apart by what they are about: type and operation.
    pub about: Option<(Name, Name)>,
}

/// Who asked for an action, and what for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OpKey {
    /// The number of the transition.
    pub transition: u64,
    /// The number of the step in it.
    pub step: u32,
    /// The exit code that is hoped for.
    pub expected: i32,
    /// The controller that walks it.
    pub walker: Name,
}

impl fmt::Display for OpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.step, self.transition, self.expected, self.walker)
    }
}

/// How an action ended, in the numbers histories know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum OpStatus {
    /// It runs, or what became of it is not known.
    Pending,
    /// It came to an exit code.
    Done,
    /// It was called off.
    Cancelled,
    /// It did not end in its time.
    TimedOut,
    /// The agent does not know it.
    NotSupported,
    /// It failed otherwise.
    Error,
    /// There is no such agent.
    NotInstalled,
}

impl OpStatus {
    /// The number in `op-status`.
    #[must_use]
    pub const fn code(self) -> i8 {
        match self {
            Self::Pending => -1,
            Self::Done => 0,
            Self::Cancelled => 1,
            Self::TimedOut => 2,
            Self::NotSupported => 3,
            Self::Error => 4,
            Self::NotInstalled => 7,
        }
    }
}
