//! What an action does, and the key that tells one action of a resource from another.

use std::fmt;

use cib::model::Text;

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[allow(missing_docs)]
pub enum Task {
    Monitor,
    Start,
    /// All of a collective have started.
    Running,
    Stop,
    /// All of a collective have stopped.
    Stopped,
    Promote,
    Promoted,
    Demote,
    Demoted,
    Notify,
    Notified,
    MigrateTo,
    MigrateFrom,
    Reload,
    Delete,
    Cancel,
    Fence,
    Shutdown,
    ClearFailCount,
    /// Removal of a resource's history from the CIB only.
    LrmDelete,
    /// A milestone without a resource.
    Milestone,
    MaintenanceNodes,
}

impl Task {
    /// The word for it in operation keys and graphs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Start => "start",
            Self::Running => "running",
            Self::Stop => "stop",
            Self::Stopped => "stopped",
            Self::Promote => "promote",
            Self::Promoted => "promoted",
            Self::Demote => "demote",
            Self::Demoted => "demoted",
            Self::Notify => "notify",
            Self::Notified => "notified",
            Self::MigrateTo => "migrate_to",
            Self::MigrateFrom => "migrate_from",
            Self::Reload => "reload-agent",
            Self::Delete => "delete",
            Self::Cancel => "cancel",
            Self::Fence => "stonith",
            Self::Shutdown => "do_shutdown",
            Self::ClearFailCount => "clear_failcount",
            Self::LrmDelete => "lrm_delete",
            Self::Milestone => "milestone",
            Self::MaintenanceNodes => "maintenance_nodes",
        }
    }

    /// Reads a task an order or a history names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "monitor" => Self::Monitor,
            "start" => Self::Start,
            "running" => Self::Running,
            "stop" => Self::Stop,
            "stopped" => Self::Stopped,
            "promote" => Self::Promote,
            "promoted" => Self::Promoted,
            "demote" => Self::Demote,
            "demoted" => Self::Demoted,
            "notify" => Self::Notify,
            "migrate_to" => Self::MigrateTo,
            "migrate_from" => Self::MigrateFrom,
            "reload" | "reload-agent" => Self::Reload,
            "delete" => Self::Delete,
            "cancel" => Self::Cancel,
            "stonith" => Self::Fence,
            "do_shutdown" => Self::Shutdown,
            "clear_failcount" => Self::ClearFailCount,
            "lrm_delete" => Self::LrmDelete,
            _ => return None,
        })
    }

    /// The milestone that says a collective is done with it.
    pub(crate) fn done(self) -> Self {
        match self {
            Self::Start => Self::Running,
            Self::Stop => Self::Stopped,
            Self::Promote => Self::Promoted,
            Self::Demote => Self::Demoted,
            Self::Notify => Self::Notified,
            other => other,
        }
    }

    /// What members do for a milestone of their collective.
    pub(crate) fn undone(self) -> Self {
        match self {
            Self::Running => Self::Start,
            Self::Stopped => Self::Stop,
            Self::Promoted => Self::Promote,
            Self::Demoted => Self::Demote,
            Self::Notified => Self::Notify,
            other => other,
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// When a notification is sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Before.
    Pre,
    /// All know that it will happen.
    ConfirmedPre,
    /// After.
    Post,
    /// All know that it has happened.
    ConfirmedPost,
}

impl Phase {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pre => "pre",
            Self::ConfirmedPre => "confirmed-pre",
            Self::Post => "post",
            Self::ConfirmedPost => "confirmed-post",
        }
    }
}

/// Which of a resource's (or the cluster's) actions it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Key {
    /// A task, repeated every so many milliseconds if not zero.
    Op(Task, i64),
    /// A notification about a task.
    Notify(Phase, Task),
    /// Anything with a name of its own.
    Named(Text),
}

impl Key {
    pub(crate) const START: Key = Key::Op(Task::Start, 0);
    pub(crate) const STOP: Key = Key::Op(Task::Stop, 0);
    pub(crate) const PROMOTE: Key = Key::Op(Task::Promote, 0);
    pub(crate) const DEMOTE: Key = Key::Op(Task::Demote, 0);
    pub(crate) const PROBE: Key = Key::Op(Task::Monitor, 0);

    pub(crate) fn op(task: Task) -> Key {
        Key::Op(task, 0)
    }

    /// As written in graphs.
    #[must_use]
    pub fn render(&self, resource: &str) -> String {
        match self {
            Self::Op(task, interval) => format!("{resource}_{task}_{interval}"),
            Self::Notify(phase, task) => format!("{resource}_{}_notify_{task}_0", phase.word()),
            Self::Named(name) => name.to_string(),
        }
    }
}
