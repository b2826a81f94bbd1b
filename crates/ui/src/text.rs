//! Events and status in words.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use base::{Errno, Event, EventId, State, What};

use crate::protocol::{EventRecord, InstanceReport, LeasesReport, RivalReport, Status};

/// One event as a person reads it in a log: `e12 VI_1: Backup -> Active, priority 100: no advert
/// from the holder for the whole down interval (from e11)`.
#[must_use]
pub fn line(event: &Event) -> String {
    let mut line = format!("{} {}", event.id, sentence(event));
    if !event.causes.is_empty() {
        let causes: Vec<String> = event.causes.iter().map(ToString::to_string).collect();
        let _ = write!(line, " (from {})", causes.join(", "));
    }
    line
}

/// The same without its id and those of its causes.
#[must_use]
pub fn sentence(event: &Event) -> String {
    format!("{}: {}: {}", event.subject, what(&event.what), event.reason)
}

fn list<T: ToString>(items: &[T]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = items.iter().take(SHOWN).map(ToString::to_string).collect();
    match items.len().checked_sub(SHOWN) {
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What happened, without who and why.
#[must_use]
pub fn what(what: &What) -> String {
    match what {
        What::ConfigApplied { instances, added, changed, removed } => format!(
            "configuration in force: {instances} instances, {added} new, {changed} changed, {removed} gone"
        ),
        What::ConfigRefused { errors } => {
            format!("configuration refused with {errors} errors, the old one stays in force")
        }
        What::Stopping => "stopping".into(),
        What::StateChanged { from, to, priority } => {
            format!("{from} -> {to}, priority {priority}")
        }
        What::VerdictChanged { verdict } => format!("now {verdict}"),
        What::PriorityChanged { from, to } => format!("priority {from} -> {to}"),
        What::PeerHeard { source, priority, interval } => {
            format!("hears {source} with priority {priority}, every {interval:?}")
        }
        What::PeerSilent { source: Some(source), silence } => {
            format!("{source} has been silent for {silence:.3?}")
        }
        What::PeerSilent { source: None, silence } => {
            format!("nobody was heard for {silence:.3?}")
        }
        What::PeerResigned { source } => format!("{source} resigned"),
        What::Nominated { by } => format!("{by} has left and names this node"),
        What::Nominates { node } => format!("answers for its VIPs no more, names {node} to follow"),
        What::RivalHeard { source, priority } => {
            format!("{source} with priority {priority} claims to hold too")
        }
        What::RivalSeen { vip, mac, sight } => {
            format!("{mac} says by {sight} that {vip} lives there")
        }
        What::TwoHolders { rival, both } => {
            format!("TWO HOLDERS: {rival}; for {both:.1?} so far")
        }
        What::TwoHoldersOver { rival, both } => {
            format!("no second holder any more: {rival}; both held for {both:.1?}")
        }
        What::StrongerHeard { source, priority } => {
            format!("hears {source} with priority {priority}")
        }
        What::IntervalDiffers { source, theirs, ours } => {
            format!("{source} adverts every {theirs:?}, here every {ours:?} is configured")
        }
        What::IntervalCapped { source, theirs, cap } => format!(
            "{source} adverts every {theirs:?}; that is not believed, its silence is judged by {cap:?}"
        ),
        What::UnsignedHeard { source } => {
            format!("{source} does not sign its adverts; mode enforce would refuse them")
        }
        What::ClockSkew { source, off, window } => {
            format!(
                "the clock of {source} differs by {off:.1?}; beyond {window:?} its adverts are refused"
            )
        }
        What::Flood { source, limit } => {
            format!("{source} sends more than {limit} packets a second")
        }
        What::VipListDiffers { source } => {
            format!("{source} adverts other VIPs than are configured here")
        }
        What::Discarded { cause, detail, source, count } => {
            format!("{count} packets discarded ({cause}), the last from {source}: {detail}")
        }
        What::Resigned => "sent priority 0".into(),
        What::VipsPresent { vips } => format!("holds {}", list(vips)),
        What::VipsGone { vips } => format!("released {}", list(vips)),
        What::VipTaken { vip } => format!("somebody removed {vip}; putting it back"),
        What::VipLeftOver { vip } => format!("found {vip} though it is not held here; removing it"),
        What::VipRefused { vip, errno } => format!("the kernel refuses {vip}: {errno}"),
        What::VipMissing { vip, errno } => {
            format!("cannot serve {vip} ({errno}): stands back for whoever can")
        }
        What::VipNotMissing { vip } => format!("can serve {vip} again"),
        What::FilterRefused { errno } => {
            format!("the kernel refuses the filter of no_accept, VIPs accept traffic: {errno}")
        }
        What::WayPutBack { way } => format!("{way} was gone and is back"),
        What::WayRefused { way, errno } => format!("the kernel refuses the {way}: {errno}"),
        What::Announced { vips, mac } => format!("announced {vips} VIPs at {mac}"),
        What::LeaseLapsed { silent_for } => {
            format!("its lease ended: silent, perhaps for {silent_for:.1?} already")
        }
        What::LeaseResumed => "heard again, under a new lease".into(),
        What::LeaseUnavailable { why } => {
            format!("NO LEASES: if this node freezes, its VIPs stay; {why}")
        }
        What::LeaseAvailable => "leases work".into(),
        What::LeaseRebuilt => "put the table of leases back".into(),
        What::Stalled { silence } => format!("could not speak for {silence:.1?}"),
        What::Slept { span } => format!("slept for {span:.1?}"),
        What::LinkUp => "up".into(),
        What::LinkDown => "down".into(),
        What::LinkGone => "does not exist".into(),
        What::SourceFound { source } => format!("sends from {source}"),
        What::SourceLost => "has no address to send from".into(),
        What::RoleEnded { role, how } => format!("the {role} ended: {how}"),
        What::RoleTakenOver { role } => format!("another {role} has taken over"),
        What::UpgradeFailed { why } => format!("upgrade given up: {why}"),
        What::WillCarriedOut { instances } => {
            format!("silenced, resigned and removed what {} held", list(instances))
        }
        What::Notice { text } => text.clone(),
        What::ScriptDone { command, result, took } => {
            format!("`{command}`: {result} after {took:.1?}")
        }
        What::DeviceThere { mac } => format!("stands ready with {mac}"),
        What::DeviceRefused { errno: Errno::EXIST } => {
            "cannot be made: another interface has this name; `use_vmac NAME` chooses one".into()
        }
        What::DeviceRefused { errno } => format!("cannot be made as it should be: {errno}"),
    }
}

/// The chain of events that led to `id`, the latest first, each indented under what it caused.
#[must_use]
pub fn chain(events: &[EventRecord], id: EventId) -> String {
    let by_id: BTreeMap<EventId, &EventRecord> =
        events.iter().map(|record| (record.event.id, record)).collect();
    let mut text = String::new();
    let mut todo = vec![(id, 0)];
    while let Some((id, depth)) = todo.pop() {
        let indent = "  ".repeat(depth);
        match by_id.get(&id) {
            Some(record) => {
                let arrow = if depth == 0 { "" } else { "because " };
                let _ = writeln!(text, "{indent}{arrow}{id} {}", record.text);
                // An event only follows from earlier ones, so this ends.
                let earlier = record.event.causes.iter().filter(|cause| **cause != id);
                todo.extend(earlier.map(|cause| (*cause, depth + 1)));
            }
            None => {
                let _ = writeln!(text, "{indent}because of {id}, which is no longer remembered");
            }
        }
        if text.len() > 1 << 20 {
            break;
        }
    }
    text
}

/// The status as a page for people.
#[must_use]
pub fn status(status: &Status) -> String {
    let mut page = format!(
        "{} (mainstay {}, pid {}), {}\n",
        status.node, status.version, status.pid, status.config_file
    );
    if let Some(why) = &status.config_refused {
        let _ = writeln!(page, "  the last reload was refused: {why}");
    }
    page.push_str(&leases(&status.leases));
    for session in &status.bfd {
        let _ = writeln!(
            page,
            "  BFD {} with {}: {}, detects within {} ms{}",
            session.name,
            session.neighbor,
            session.state,
            session.detection_time_ms,
            if session.failed { " (FAILED)" } else { "" }
        );
    }
    for instance in &status.instances {
        page.push('\n');
        page.push_str(&self::instance(instance));
    }
    page.push_str(&crate::watched::page(status));
    page
}

fn leases(report: &LeasesReport) -> String {
    let mut page = String::new();
    if let Some(why) = &report.why {
        let _ = writeln!(page, "  NO LEASES: if this node freezes, its VIPs stay; {why}");
    }
    for lease in report.classes.iter().filter(|lease| lease.holders > 0) {
        let _ = write!(
            page,
            "  leases of {} ms: {} instances, {} renewals, {} lapses",
            lease.length_ms, lease.holders, lease.renewals, lease.lapses
        );
        if let Some(margin) = lease.smallest_margin_ms {
            let _ = write!(page, ", at least {margin} ms to spare");
        }
        page.push('\n');
    }
    page
}

fn instance(report: &InstanceReport) -> String {
    let state = match (&report.fault, report.state) {
        (Some(fault), _) => format!("Initialize: {fault}"),
        (None, state) => state.to_string(),
    };
    let interface = report.interface.as_deref().unwrap_or("any interface");
    let mut page = format!(
        "{}: {state} for {}\n  VRID {} on {interface}, {} VRRPv{}, priority {}",
        report.name,
        span(report.since_s),
        report.vrid,
        report.family,
        report.version,
        report.priority,
    );
    if report.priority != report.base_priority {
        let _ = write!(page, " (base {})", report.base_priority);
    }
    page.push('\n');
    if let Some(why) = &report.why {
        let _ = writeln!(page, "  why: {why}");
    }
    for vip in &report.vips {
        let mark = if vip.present { "held" } else { "not here" };
        let _ = writeln!(page, "  {}/{} dev {}: {mark}", vip.address, vip.prefix, vip.interface);
    }
    for vmac in &report.vmacs {
        let _ = write!(page, "  {} ({}) on {}: ", vmac.interface, vmac.mac, vmac.parent);
        let waiting = if vmac.staged { ", VIPs wait on it" } else { "" };
        let _ = match &vmac.refused {
            Some(why) => writeln!(page, "{}: {why}", vmac.state),
            None => writeln!(page, "{}{waiting}", vmac.state),
        };
    }
    if let Some(rival) = &report.rival {
        let _ = writeln!(page, "  {}", two_holders(rival));
    }
    match &report.lease {
        Some(lease) if lease.silenced => {
            page.push_str("  its VIPs are silenced: its lease ended\n")
        }
        Some(lease) if lease.excess_ms > 0 => {
            let _ = writeln!(
                page,
                "  lease: if this node freezes, its VIPs may be heard {} ms too long",
                lease.excess_ms
            );
        }
        Some(_) => {}
        None if report.vips.is_empty() => {}
        None => page.push_str("  lease: off; if this node freezes, its VIPs stay\n"),
    }
    match (&report.peer, report.state) {
        (Some(peer), State::Backup) => {
            let _ = writeln!(
                page,
                "  holder: {} with priority {}, heard {} ago",
                peer.source,
                peer.priority,
                span(peer.heard_s)
            );
        }
        (None, State::Backup) => page.push_str("  holder: nobody heard yet\n"),
        _ => {}
    }
    let ready: Vec<String> = report
        .ready
        .iter()
        .map(|peer| format!("{} (priority {})", peer.source, peer.priority))
        .collect();
    if report.state == State::Active && !ready.is_empty() {
        let _ = writeln!(page, "  ready to follow: {}", ready.join(", "));
    }
    if let Some(stay) = &report.stays_back {
        let _ = match stay.left_s {
            Some(left) => writeln!(page, "  switched over: does not preempt for {}", span(left)),
            None => writeln!(page, "  switched over: does not preempt until that is ended"),
        };
    }
    if let Some(missing) = &report.missing {
        let (vip, why) = (missing.vip, &missing.why);
        let _ = writeln!(page, "  cannot serve {vip} ({why}): stands back for whoever can");
    }
    if let Some(hmac) = &report.auth_hmac {
        let _ = writeln!(page, "  auth_hmac: {}, key {}", hmac.mode, hmac.active_key);
    }
    let refused: Vec<String> = report
        .discards
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(cause, count)| format!("{cause} {count}"))
        .collect();
    if !refused.is_empty() {
        let _ = writeln!(page, "  packets refused: {}", refused.join(", "));
    }
    if let Some(script) = report.scripts.last() {
        let _ = writeln!(page, "  last script: `{}`: {}", script.command, script.result);
    }
    page
}

/// Who else holds, and since when.
#[must_use]
pub fn two_holders(report: &RivalReport) -> String {
    format!(
        "TWO HOLDERS: {}; first seen {} ago, last {} ago",
        report.rival,
        span(report.first_s),
        span(report.last_s)
    )
}

/// Seconds as people say them.
#[allow(clippy::float_arithmetic)] // for display only
pub(crate) fn span(seconds: f64) -> String {
    if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else if seconds < 7200.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Instant, Origin, Priority, Reason, Subject};

    fn record(number: u64, causes: &[u64]) -> EventRecord {
        let id = |number| EventId { origin: Origin::Engine, number };
        let event = Event {
            id: id(number),
            at: Instant::ZERO,
            subject: Subject::Instance("VI_1".into()),
            what: What::StateChanged {
                from: State::Backup,
                to: State::Active,
                priority: Priority::DEFAULT,
            },
            reason: Reason::HolderSilent,
            causes: causes.iter().map(|n| id(*n)).collect(),
        };
        EventRecord { text: sentence(&event), event, unix_ms: 0 }
    }

    #[test]
    fn a_chain_goes_back_to_the_beginning() {
        let events = [record(1, &[]), record(2, &[1]), record(3, &[2])];
        let text = chain(&events, events[2].event.id);
        let starts: Vec<&str> =
            text.lines().map(|line| line.trim_start().trim_start_matches("because ")).collect();
        assert!(starts[0].starts_with("e3 ") && starts[1].starts_with("e2 "));
        assert!(starts[2].starts_with("e1 "));
    }

    #[test]
    fn a_chain_says_what_it_cannot_know_and_ends_on_a_loop() {
        let events = [record(3, &[2, 3])];
        let text = chain(&events, events[0].event.id);
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("no longer remembered"));
    }
}
