//! Events as the log lines people look for (`--log-format keepalived`).
//!
//! Events are ours and say why; the lines are keepalived's and say what. What has no line of its own
//! there is left to whoever asked: it is told in our words rather than not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use core::net::IpAddr;

use base::{
    Event, Name, Priority, Reason, ScriptResult, State, Subject, Tracker, TrackerKind, Verdict,
    What,
};
use vrrp::InstanceConfig;

/// What was said before matters to how things are said.
#[derive(Debug, Default)]
pub struct Lines {
    vips: BTreeMap<Name, Vec<(IpAddr, Name)>>,
    known: BTreeMap<Name, (State, Priority)>,
    runs: BTreeMap<Name, ScriptResult>,
    /// Groups of which something was said.
    groups: BTreeSet<Name>,
}

impl Lines {
    /// These instances are in force from now on.
    pub fn configure(&mut self, instances: &[InstanceConfig]) {
        let vips = |one: &InstanceConfig| {
            let vips = one.all_vips().map(|vip| (vip.address, vip.interface.clone()));
            (one.name.clone(), vips.collect())
        };
        self.vips = instances.iter().map(vips).collect();
        self.known.retain(|name, _| self.vips.contains_key(name));
    }

    /// The lines for an event, perhaps none; `None`: keepalived has no words for it.
    pub fn of(&mut self, event: &Event) -> Option<Vec<String>> {
        match &event.subject {
            Subject::Instance(name) => self.of_instance(name, event),
            Subject::Group(name) => Some(match &event.what {
                What::StateChanged { to, .. } if event.reason != Reason::Shutdown => {
                    // keepalived's groups begin as Backup without a word.
                    if self.groups.insert(name.clone()) && *to == State::Backup {
                        return Some(Vec::new());
                    }
                    let word = match to {
                        State::Active => "MASTER",
                        State::Backup => "BACKUP",
                        State::Initialize => "FAULT",
                    };
                    vec![format!("VRRP_Group({name}) Syncing instances to {word} state")]
                }
                _ => Vec::new(),
            }),
            Subject::Interface(name) => {
                let word = match &event.what {
                    What::LinkUp => "up",
                    What::LinkDown => "down",
                    What::LinkGone => return Some(vec![format!("Interface {name} deleted")]),
                    _ => return None,
                };
                Some(vec![format!("Netlink reports {name} {word}")])
            }
            Subject::Tracker(Tracker { kind: TrackerKind::Script, name }) => {
                self.of_script(name, &event.what)
            }
            Subject::Tracker(_) => None,
            Subject::Node => of_node(event),
        }
    }

    fn of_instance(&mut self, name: &Name, event: &Event) -> Option<Vec<String>> {
        let line = |text: String| Some(vec![format!("({name}) {text}")]);
        let (state, ours) =
            self.known.get(name).copied().unwrap_or((State::Initialize, Priority::DEFAULT));
        match &event.what {
            What::StateChanged { to, priority, .. } => {
                self.known.insert(name.clone(), (*to, *priority));
                let begins = matches!(event.reason, Reason::Startup) || state == State::Initialize;
                match (to, event.reason) {
                    (State::Active, _) => line("Entering MASTER STATE".into()),
                    (State::Backup, Reason::Startup | Reason::Reload) if begins => {
                        line("Entering BACKUP STATE (init)".into())
                    }
                    (State::Backup, _) => line("Entering BACKUP STATE".into()),
                    (State::Initialize, Reason::Shutdown | Reason::Startup | Reason::Reload) => {
                        Some(Vec::new())
                    }
                    (State::Initialize, _) => line("Entering FAULT STATE".into()),
                }
            }
            What::PeerSilent { .. } => line("Receive advertisement timeout".into()),
            What::PeerResigned { .. } => line("Backup received priority 0 advertisement".into()),
            What::Resigned => line("sent 0 priority".into()),
            What::VipsPresent { .. } if event.reason == Reason::StateWantsVips => {
                line("setting VIPs.".into())
            }
            What::VipsPresent { .. } => None,
            What::VipsGone { .. } => line("removing VIPs.".into()),
            What::Announced { vips, .. } => Some(self.announced(name, *vips, event.reason)),
            What::RivalHeard { source, priority } => line(format!(
                "Received advert from {source} with lower priority {priority}, ours {ours}, forcing \
                 new election"
            )),
            What::StrongerHeard { source, priority } if state == State::Active => line(format!(
                "Master received advert from {source} with higher priority {priority}, ours {ours}"
            )),
            What::StrongerHeard { .. } => Some(Vec::new()),
            What::PriorityChanged { from, to } => {
                self.known.insert(name.clone(), (state, *to));
                line(format!("Changing effective priority from {from} to {to}"))
            }
            What::VipTaken { vip } => {
                let vips = self.vips.get(name).into_iter().flatten();
                let interface = vips.clone().find(|(address, _)| address == vip);
                let from = interface.map(|(_, name)| format!(" from {name}")).unwrap_or_default();
                Some(vec![format!("Netlink reflector reports IP {vip} removed{from}")])
            }
            What::Stalled { silence } => Some(vec![late(*silence)]),
            What::Discarded { detail, source, count, .. } => {
                let more = if *count > 1 { format!(" ({count} times)") } else { String::new() };
                line(format!("ignoring received advert from {source}{more}: {detail}"))
            }
            What::PeerHeard { .. } | What::SourceFound { .. } => Some(Vec::new()),
            _ => None,
        }
    }

    fn announced(&self, name: &Name, count: u32, reason: Reason) -> Vec<String> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let vips = self.vips.get(name).into_iter().flatten().take(count);
        let begins = matches!(reason, Reason::TookOver | Reason::SecondBurst);
        let mut lines = Vec::new();
        for (address, interface) in vips {
            let (many, one) = if address.is_ipv4() {
                ("gratuitous ARPs", "gratuitous ARP")
            } else {
                ("Unsolicited Neighbour Adverts", "unsolicited Neighbour Advert")
            };
            if begins {
                lines
                    .push(format!("({name}) Sending/queueing {many} on {interface} for {address}"));
            }
            lines.push(format!("Sending {one} on {interface} for {address}"));
        }
        lines
    }

    fn of_script(&mut self, name: &Name, what: &What) -> Option<Vec<String>> {
        match what {
            What::ScriptDone { result, .. } => {
                let status = |result: Option<&ScriptResult>| match result {
                    None => Some(0),
                    Some(ScriptResult::Exited(status)) => Some(*status),
                    Some(_) => None,
                };
                let before = status(self.runs.get(name));
                self.runs.insert(name.clone(), result.clone());
                let now = status(Some(result));
                Some(match now {
                    Some(status) if before != now => {
                        vec![format!("Script `{name}` now returning {status}")]
                    }
                    _ => Vec::new(),
                })
            }
            What::VerdictChanged { verdict: Verdict::Good } => {
                Some(vec![format!("VRRP_Script({name}) succeeded")])
            }
            What::VerdictChanged { verdict: Verdict::Bad } => {
                let how = match self.runs.get(name) {
                    Some(ScriptResult::Exited(status)) => {
                        format!("failed (exited with status {status})")
                    }
                    Some(ScriptResult::Signalled(signal)) => {
                        format!("failed (due to signal {signal})")
                    }
                    Some(ScriptResult::TimedOut) => "timed_out".into(),
                    Some(ScriptResult::NotStarted(why)) => format!("failed (not started: {why})"),
                    None => "failed".into(),
                };
                Some(vec![format!("VRRP_Script({name}) {how}")])
            }
            _ => None,
        }
    }
}

fn of_node(event: &Event) -> Option<Vec<String>> {
    match &event.what {
        What::Stopping => Some(vec!["Stopping".into()]),
        What::Slept { span } => Some(vec![late(*span)]),
        What::Discarded { cause, detail, source, count } if &**cause == "vrid-errors" => {
            let number = detail.split(' ').nth(1).unwrap_or("?");
            let more = if *count > 1 { format!(" {count} times,") } else { String::new() };
            Some(vec![format!("Unknown VRID({number}) received{more} from {source}. ignoring...")])
        }
        _ => None,
    }
}

fn late(span: Duration) -> String {
    format!("A thread timer expired {}.{:06} seconds ago", span.as_secs(), span.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{EventId, Instant, Origin};

    fn event(subject: Subject, what: What, reason: Reason) -> Event {
        let id = EventId { origin: Origin::Engine, number: 1 };
        Event { id, at: Instant::ZERO, subject, what, reason, causes: Vec::new() }
    }

    fn told(lines: &mut Lines, what: What, reason: Reason) -> Vec<String> {
        lines.of(&event(Subject::Instance("VI_1".into()), what, reason)).unwrap()
    }

    fn becomes(from: State, to: State) -> What {
        What::StateChanged { from, to, priority: Priority::new(150) }
    }

    #[test]
    fn the_lines_that_people_look_for() {
        let mut lines = Lines::default();
        let source = "192.0.2.9".parse().unwrap();
        let priority = Priority::new(10);
        let (init, backup, active) = (State::Initialize, State::Backup, State::Active);
        for (what, reason, line) in [
            (becomes(init, backup), Reason::Startup, "(VI_1) Entering BACKUP STATE (init)"),
            (
                What::PeerSilent { source: None, silence: Duration::ZERO },
                Reason::HolderSilent,
                "(VI_1) Receive advertisement timeout",
            ),
            (becomes(backup, active), Reason::HolderSilent, "(VI_1) Entering MASTER STATE"),
            (
                What::VipsPresent { vips: Vec::new() },
                Reason::StateWantsVips,
                "(VI_1) setting VIPs.",
            ),
            (
                What::RivalHeard { source, priority },
                Reason::Packet,
                "(VI_1) Received advert from 192.0.2.9 with lower priority 10, ours 150, forcing new \
                 election",
            ),
            (
                What::PriorityChanged { from: Priority::new(150), to: Priority::new(140) },
                Reason::Tracker,
                "(VI_1) Changing effective priority from 150 to 140",
            ),
            (
                What::StrongerHeard { source, priority: Priority::new(200) },
                Reason::Packet,
                "(VI_1) Master received advert from 192.0.2.9 with higher priority 200, ours 140",
            ),
            (becomes(active, backup), Reason::StrongerPeer, "(VI_1) Entering BACKUP STATE"),
            (
                What::VipsGone { vips: Vec::new() },
                Reason::StateReleasesVips,
                "(VI_1) removing VIPs.",
            ),
            (
                What::PeerResigned { source },
                Reason::Packet,
                "(VI_1) Backup received priority 0 advertisement",
            ),
            (becomes(backup, init), Reason::LinkDown, "(VI_1) Entering FAULT STATE"),
            (What::Resigned, Reason::Shutdown, "(VI_1) sent 0 priority"),
            (
                What::Stalled { silence: Duration::from_millis(1500) },
                Reason::Stalled,
                "A thread timer expired 1.500000 seconds ago",
            ),
        ] {
            assert_eq!(told(&mut lines, what, reason), [line]);
        }
    }

    #[test]
    fn a_script_is_told_by_its_verdict_and_by_what_it_returns() {
        let mut lines = Lines::default();
        let tracker = Tracker { kind: TrackerKind::Script, name: "chk".into() };
        let mut told = |what| {
            lines.of(&event(Subject::Tracker(tracker.clone()), what, Reason::Tracker)).unwrap()
        };
        let ran = |result| What::ScriptDone { command: "/c".into(), result, took: Duration::ZERO };
        let says = |verdict| What::VerdictChanged { verdict };
        assert!(told(ran(ScriptResult::Exited(0))).is_empty());
        assert_eq!(told(says(Verdict::Good)), ["VRRP_Script(chk) succeeded"]);
        assert_eq!(told(ran(ScriptResult::Exited(3))), ["Script `chk` now returning 3"]);
        assert_eq!(told(says(Verdict::Bad)), ["VRRP_Script(chk) failed (exited with status 3)"]);
        told(ran(ScriptResult::TimedOut));
        assert_eq!(told(says(Verdict::Bad)), ["VRRP_Script(chk) timed_out"]);
    }

    #[test]
    fn what_keepalived_has_no_words_for_is_left_to_ours() {
        let mut lines = Lines::default();
        let lapse = What::LeaseLapsed { silent_for: Duration::ZERO };
        let lapse = event(Subject::Instance("VI_1".into()), lapse, Reason::LeaseLate);
        assert_eq!(lines.of(&lapse), None);
        let group = event(
            Subject::Group("G".into()),
            becomes(State::Backup, State::Active),
            Reason::SyncGroup,
        );
        assert_eq!(lines.of(&group).unwrap(), ["VRRP_Group(G) Syncing instances to MASTER state"]);
        let of = |from, to| event(Subject::Group("H".into()), becomes(from, to), Reason::SyncGroup);
        let begins = lines.of(&of(State::Initialize, State::Backup));
        assert_eq!(begins, Some(Vec::new()), "a group that begins is no news");
        let back = lines.of(&of(State::Active, State::Backup)).unwrap();
        assert_eq!(back, ["VRRP_Group(H) Syncing instances to BACKUP state"]);
    }
}
