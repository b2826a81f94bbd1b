//! The end of the status page: what moves together, and what is watched.

use core::fmt::Write as _;

use crate::protocol::{GroupReport, MailReport, Status, TrackerReport, TrackerUse};
use crate::text::span;

/// Groups, then trackers; nothing where there are none.
pub(crate) fn page(status: &Status) -> String {
    let groups = status.groups.iter().map(group);
    let trackers = status.trackers.iter().map(tracker);
    let mut page = String::new();
    for block in groups.chain(trackers) {
        page.push('\n');
        page.push_str(&block);
    }
    if let Some(mail) = &status.mail {
        let MailReport { waiting, sent, given_up, trouble } = mail;
        let _ = writeln!(page, "\nmail: {sent} sent, {waiting} waiting, {given_up} given up");
        if let Some(trouble) = trouble {
            let _ = writeln!(page, "  trouble: {trouble}");
        }
    }
    page
}

fn group(report: &GroupReport) -> String {
    let members: Vec<&str> = report.members.iter().map(|name| &**name).collect();
    let members = if members.is_empty() { "nobody yet".into() } else { members.join(", ") };
    let (name, state) = (&report.name, report.state);
    format!("group {name}: {state} for {}\n  moves together: {members}\n", span(report.since_s))
}

fn tracker(report: &TrackerReport) -> String {
    let TrackerReport { kind, name, state, since_s, last, used_by } = report;
    let mut text = format!("{kind} {name}: {state} for {}\n", span(*since_s));
    if let Some(run) = last {
        let _ = writeln!(
            text,
            "  last run: `{}`: {} after {} ms",
            run.command, run.result, run.took_ms
        );
    }
    let used: Vec<String> = used_by.iter().map(one_use).collect();
    if !used.is_empty() {
        let _ = writeln!(text, "  matters to {}", used.join(", "));
    }
    text
}

fn one_use(used: &TrackerUse) -> String {
    let TrackerUse { instance, weight, reverse } = used;
    match (weight, reverse) {
        (0, false) => format!("{instance} (a fault while bad)"),
        (0, true) => format!("{instance} (a fault while good)"),
        (weight, false) => format!("{instance} (weight {weight})"),
        (weight, true) => format!("{instance} (weight {weight} reverse)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{ScriptResult, State};

    use crate::protocol::RunReport;

    #[test]
    fn a_group_names_its_members_and_a_tracker_whom_it_matters_to() {
        let report = GroupReport {
            name: "G".into(),
            state: State::Backup,
            since_s: 3.0,
            members: vec!["A".into(), "B".into()],
        };
        assert_eq!(group(&report), "group G: Backup for 3.0 s\n  moves together: A, B\n");
        let used = |instance: &str, weight, reverse| TrackerUse {
            instance: instance.into(),
            weight,
            reverse,
        };
        let report = TrackerReport {
            kind: "script".into(),
            name: "chk".into(),
            state: "bad".into(),
            since_s: 1.0,
            last: Some(RunReport {
                command: "/bin/false".into(),
                result: ScriptResult::Exited(1),
                took_ms: 2,
            }),
            used_by: vec![used("A", 0, false), used("B", -5, true)],
        };
        assert_eq!(
            tracker(&report),
            "script chk: bad for 1.0 s\n  last run: `/bin/false`: exit status 1 after 2 ms\n  matters \
             to A (a fault while bad), B (weight -5 reverse)\n"
        );
    }
}
