//! Whom a change of state is told, in which words and in which order (keepalived.conf(5), "notify"):
//! the state's own script, the general script with four more arguments, the FIFOs.

use base::{Event, EventId, Priority, Reason, State, Subject, What};
use serde::{Deserialize, Serialize};

use super::hooks::Hook;
use super::scripts::Job;
use crate::messages::Script;

/// The scripts of one instance or group.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Notify {
    pub(crate) active: Option<Script>,
    pub(crate) backup: Option<Script>,
    pub(crate) fault: Option<Script>,
    pub(crate) stop: Option<Script>,
    /// Run when a reload has removed the instance.
    pub(crate) deleted: Option<Script>,
    /// Say DELETED then, and not FAULT.
    pub(crate) says_deleted: bool,
    /// Run when a holder hears a weaker one.
    pub(crate) weaker_heard: Option<Script>,
    /// Run after the specific one, with four more arguments.
    pub(crate) any: Option<Script>,
    /// FIFOs are told of priorities.
    pub(crate) priority_changes: bool,
    /// Run, and waited for, before a planned move takes the VIPs away.
    pub(crate) before_release: Option<Hook>,
}

/// What is told of one event.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) jobs: Vec<Job>,
    /// A line for the FIFOs.
    pub(crate) line: Option<String>,
    /// What it is now, when that is news.
    pub(crate) word: Option<&'static str>,
}

/// What somebody outside was last told of an instance or group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Last {
    pub(crate) word: &'static str,
    pub(crate) priority: Priority,
}

impl Notify {
    /// What an event of an instance or group means for those outside; `last` is brought up to date.
    pub(crate) fn tell(&self, event: &Event, last: &mut Option<Last>) -> Told {
        let before = *last;
        match event.what {
            What::StateChanged { priority, .. } => {
                let word = self.word(event);
                *last = Some(Last { word, priority });
                // Another engine begins where the one before ended: that is no change to anybody
                // outside.
                let same = before.is_some_and(|before| before.word == word);
                if same || event.reason == Reason::Adopted {
                    return Told::default();
                }
                self.state(event, word, priority)
            }
            What::RivalHeard { .. } => {
                let priority = before.map_or(Priority::new(0), |before| before.priority);
                let jobs = self.weaker_heard.iter().map(|script| job(script, event.id, &[]));
                let line = line(&event.subject, "MASTER_RX_LOWER_PRI", priority);
                Told { jobs: jobs.collect(), line, word: None }
            }
            What::PriorityChanged { to, .. } => {
                let Some(before) = before else { return Told::default() };
                *last = Some(Last { priority: to, ..before });
                let word = match before.word {
                    "MASTER" => "MASTER_PRIORITY",
                    "BACKUP" => "BACKUP_PRIORITY",
                    _ => return Told::default(),
                };
                let told = self.priority_changes.then(|| line(&event.subject, word, to));
                Told { line: told.flatten(), ..Told::default() }
            }
            _ => Told::default(),
        }
    }

    /// What is told when everything is over and this was not: an instance that could not run stops
    /// as well.
    pub(crate) fn stopped(&self, event: &Event, last: &mut Option<Last>) -> Told {
        match last {
            Some(Last { word: "STOP", .. }) | None => Told::default(),
            Some(Last { word, priority }) => {
                *word = "STOP";
                let priority = *priority;
                self.state(event, "STOP", priority)
            }
        }
    }

    fn state(&self, event: &Event, word: &'static str, priority: Priority) -> Told {
        let specific = match word {
            "MASTER" => &self.active,
            "BACKUP" => &self.backup,
            "STOP" => &self.stop,
            "DELETED" => &self.deleted,
            _ => &self.fault,
        };
        let specific = specific.iter().map(|script| job(script, event.id, &[]));
        let number = priority.to_string();
        let general = named(&event.subject).into_iter().flat_map(|(kind, name)| {
            let more = [kind, name, word, &number];
            self.any.iter().map(move |script| job(script, event.id, &more))
        });
        let line = line(&event.subject, word, priority);
        Told { jobs: specific.chain(general).collect(), line, word: Some(word) }
    }

    /// The state an event brings its instance to, in the word that scripts are told.
    fn word(&self, event: &Event) -> &'static str {
        let to = match event.what {
            What::StateChanged { to, .. } => to,
            _ => State::Initialize,
        };
        match (to, event.reason) {
            (State::Active, _) => "MASTER",
            (State::Backup, _) => "BACKUP",
            (State::Initialize, Reason::Shutdown) => "STOP",
            (State::Initialize, Reason::Reload) if self.says_deleted => "DELETED",
            (State::Initialize, _) => "FAULT",
        }
    }

    /// All of them.
    pub(crate) fn scripts(&self) -> impl Iterator<Item = &Script> {
        let Self { active, backup, fault, stop, deleted, weaker_heard, any, .. } = self;
        let told = [active, backup, fault, stop, deleted, weaker_heard, any].into_iter().flatten();
        told.chain(self.before_release.as_ref().map(|hook| &hook.script))
    }
}

/// As FIFOs have it: `INSTANCE "VI_1" MASTER 100`.
pub(crate) fn line(subject: &Subject, word: &str, priority: Priority) -> Option<String> {
    let (kind, name) = named(subject)?;
    Some(format!("{kind} \"{name}\" {word} {priority}\n"))
}

fn named(subject: &Subject) -> Option<(&'static str, &str)> {
    match subject {
        Subject::Instance(name) => Some(("INSTANCE", name)),
        Subject::Group(name) => Some(("GROUP", name)),
        Subject::Node | Subject::Interface(_) | Subject::Tracker(_) => None,
    }
}

fn job(script: &Script, cause: EventId, more: &[&str]) -> Job {
    let more = more.iter().map(|argument| (*argument).to_string()).collect();
    Job { script: script.clone(), more, cause, limit: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Instant, Origin};

    fn script(words: &str) -> Option<Script> {
        let argv = words.split(' ').map(String::from).collect();
        Some(Script { argv, account: None, secure: false })
    }

    fn notify() -> Notify {
        Notify {
            active: script("/n.sh master"),
            backup: script("/n.sh backup"),
            fault: script("/n.sh fault"),
            stop: script("/n.sh stop"),
            deleted: script("/n.sh deleted"),
            says_deleted: true,
            weaker_heard: script("/n.sh weaker"),
            any: script("/any.sh -v"),
            priority_changes: true,
            before_release: None,
        }
    }

    fn event(subject: Subject, what: What, reason: Reason) -> Event {
        let id = EventId { origin: Origin::Engine, number: 1 };
        Event { id, at: Instant::ZERO, subject, what, reason, causes: vec![] }
    }

    fn becomes(to: State, priority: u8) -> What {
        What::StateChanged { from: State::Backup, to, priority: Priority::new(priority) }
    }

    fn vi() -> Subject {
        Subject::Instance("VI_1".into())
    }

    /// Everything that is told, in order.
    fn lines(told: Told) -> Vec<String> {
        let line = |job: Job| [job.script.argv, job.more].concat().join(" ");
        told.jobs.into_iter().map(line).chain(told.line).collect()
    }

    #[test]
    fn the_specific_script_runs_first_the_general_one_gets_four_arguments_then_the_fifos() {
        for (to, reason, specific, word) in [
            (State::Active, Reason::HolderSilent, "/n.sh master", "MASTER"),
            (State::Backup, Reason::StrongerPeer, "/n.sh backup", "BACKUP"),
            (State::Initialize, Reason::LinkDown, "/n.sh fault", "FAULT"),
            (State::Initialize, Reason::Shutdown, "/n.sh stop", "STOP"),
            (State::Initialize, Reason::Reload, "/n.sh deleted", "DELETED"),
        ] {
            let told = notify().tell(&event(vi(), becomes(to, 50), reason), &mut None);
            let expected = [
                specific.to_string(),
                format!("/any.sh -v INSTANCE VI_1 {word} 50"),
                format!("INSTANCE \"VI_1\" {word} 50\n"),
            ];
            assert_eq!(lines(told), expected);
        }
    }

    #[test]
    fn a_group_is_told_as_one_with_priority_0() {
        let group = Subject::Group("G".into());
        let told =
            notify().tell(&event(group, becomes(State::Active, 0), Reason::SyncGroup), &mut None);
        let expected = ["/n.sh master", "/any.sh -v GROUP G MASTER 0", "GROUP \"G\" MASTER 0\n"];
        assert_eq!(lines(told), expected);
    }

    #[test]
    fn without_notify_deleted_an_instance_that_is_gone_is_in_fault() {
        let plain = Notify { says_deleted: false, ..notify() };
        let gone = event(vi(), becomes(State::Initialize, 50), Reason::Reload);
        assert_eq!(lines(plain.tell(&gone, &mut None))[0], "/n.sh fault");
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        let mut last = None;
        let active = event(vi(), becomes(State::Active, 50), Reason::HolderSilent);
        assert_eq!(lines(notify().tell(&active, &mut last)).len(), 3);
        let adopted = event(vi(), becomes(State::Active, 50), Reason::Adopted);
        assert!(lines(notify().tell(&adopted, &mut last)).is_empty());
    }

    #[test]
    fn a_weaker_holder_and_priorities_are_told_with_our_priority() {
        let mut last = None;
        let source = "192.0.2.9".parse().unwrap();
        let changed =
            |from, to| What::PriorityChanged { from: Priority::new(from), to: Priority::new(to) };
        let tracker = Reason::Tracker;
        assert!(lines(notify().tell(&event(vi(), changed(1, 2), tracker), &mut last)).is_empty());
        notify().tell(&event(vi(), becomes(State::Active, 50), Reason::HolderSilent), &mut last);
        let told = notify().tell(&event(vi(), changed(50, 60), tracker), &mut last);
        assert_eq!(lines(told), ["INSTANCE \"VI_1\" MASTER_PRIORITY 60\n"]);
        let what = What::RivalHeard { source, priority: Priority::new(10) };
        let told = notify().tell(&event(vi(), what, Reason::Packet), &mut last);
        assert_eq!(lines(told), ["/n.sh weaker", "INSTANCE \"VI_1\" MASTER_RX_LOWER_PRI 60\n"]);
        notify().tell(&event(vi(), becomes(State::Backup, 60), Reason::StrongerPeer), &mut last);
        let told = notify().tell(&event(vi(), changed(60, 50), tracker), &mut last);
        assert_eq!(lines(told), ["INSTANCE \"VI_1\" BACKUP_PRIORITY 50\n"]);
        let quiet = Notify { priority_changes: false, ..notify() };
        assert!(lines(quiet.tell(&event(vi(), changed(50, 60), tracker), &mut last)).is_empty());
    }

    #[test]
    fn an_instance_in_fault_stops_as_well_and_none_stops_twice() {
        let stopping = event(Subject::Instance("VI_1".into()), What::Stopping, Reason::Shutdown);
        let mut last = Some(Last { word: "FAULT", priority: Priority::new(7) });
        assert_eq!(lines(notify().stopped(&stopping, &mut last))[0], "/n.sh stop");
        assert!(lines(notify().stopped(&stopping, &mut last)).is_empty());
    }
}
