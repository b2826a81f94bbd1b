//! Which scripts a change of state calls for, and in which order (keepalived.conf(5), "notify").

use base::{Event, EventId, Reason, State, What};
use serde::{Deserialize, Serialize};

use super::scripts::Job;
use crate::messages::Script;

/// The scripts of one instance.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Notify {
    pub(crate) active: Option<Script>,
    pub(crate) backup: Option<Script>,
    pub(crate) fault: Option<Script>,
    pub(crate) stop: Option<Script>,
    /// Run after the specific one, with four more arguments.
    pub(crate) any: Option<Script>,
}

impl Notify {
    /// The scripts to run for an event of the instance called `name`: the state's own, then the
    /// general one.
    pub(crate) fn jobs(&self, name: &str, event: &Event) -> Vec<Job> {
        let What::StateChanged { priority, .. } = &event.what else { return Vec::new() };
        let Some(word) = word(event) else { return Vec::new() };
        let specific = match word {
            "MASTER" => &self.active,
            "BACKUP" => &self.backup,
            "STOP" => &self.stop,
            _ => &self.fault,
        };
        let specific = specific.iter().map(|script| job(script, event.id, &[]));
        let priority = priority.to_string();
        let general = self
            .any
            .iter()
            .map(|script| job(script, event.id, &["INSTANCE", name, word, &priority]));
        specific.chain(general).collect()
    }

    /// All of them.
    pub(crate) fn scripts(&self) -> impl Iterator<Item = &Script> {
        [&self.active, &self.backup, &self.fault, &self.stop, &self.any].into_iter().flatten()
    }
}

/// The state an event brings its instance to, in the word that scripts are told; `None` for an event
/// that brings none.
pub(crate) fn word(event: &Event) -> Option<&'static str> {
    let What::StateChanged { to, .. } = &event.what else { return None };
    Some(match (to, event.reason) {
        (State::Active, _) => "MASTER",
        (State::Backup, _) => "BACKUP",
        (State::Initialize, Reason::Shutdown) => "STOP",
        (State::Initialize, _) => "FAULT",
    })
}

fn job(script: &Script, cause: EventId, more: &[&str]) -> Job {
    let more = more.iter().map(|argument| (*argument).to_string()).collect();
    Job { script: script.clone(), more, cause }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Instant, Origin, Priority, Subject};

    fn script(words: &str) -> Option<Script> {
        let argv = words.split(' ').map(String::from).collect();
        Some(Script { argv, account: None, secure: false })
    }

    fn lines(to: State, reason: Reason) -> Vec<String> {
        let notify = Notify {
            active: script("/n.sh master"),
            backup: script("/n.sh backup"),
            fault: script("/n.sh fault"),
            stop: script("/n.sh stop"),
            any: script("/any.sh -v"),
        };
        let event = Event {
            id: EventId { origin: Origin::Engine, number: 1 },
            at: Instant::ZERO,
            subject: Subject::Instance("VI_1".into()),
            what: What::StateChanged { from: State::Backup, to, priority: Priority::new(50) },
            reason,
            causes: vec![],
        };
        let line = |job: Job| [job.script.argv, job.more].concat().join(" ");
        notify.jobs("VI_1", &event).into_iter().map(line).collect()
    }

    #[test]
    fn the_specific_script_runs_first_and_the_general_one_gets_four_arguments() {
        for (to, reason, specific, general) in [
            (State::Active, Reason::HolderSilent, "/n.sh master", "MASTER"),
            (State::Backup, Reason::StrongerPeer, "/n.sh backup", "BACKUP"),
            (State::Initialize, Reason::LinkDown, "/n.sh fault", "FAULT"),
            (State::Initialize, Reason::Shutdown, "/n.sh stop", "STOP"),
        ] {
            let general = format!("/any.sh -v INSTANCE VI_1 {general} 50");
            assert_eq!(lines(to, reason), [specific.to_string(), general]);
        }
    }
}
