//! The rest of the state dump: sync groups, scripts, files, processes, interfaces.

use core::fmt::Write as _;
use core::time::Duration;

use base::{Name, TrackerKind, Verdict};

use crate::data::Page;
use crate::snapshot::{Phase, Snapshot};
use crate::words::{choose, group_state, seconds};
use crate::{ProcessFace, ScriptFace};

/// Writes every section that has something to say.
pub(crate) fn write(page: &mut String, snapshot: &Snapshot<'_>) {
    groups(page, snapshot);
    section(page, "VRRP Scripts", &snapshot.face.scripts, |page, one| script(page, snapshot, one));
    section(page, "VRRP Track files", &snapshot.face.files, |page, one| file(page, snapshot, one));
    section(page, "VRRP Track processes", &snapshot.face.processes, |page, one| {
        process(page, snapshot, one);
    });
    interfaces(page, snapshot);
}

fn section<T>(page: &mut String, name: &str, all: &[T], each: impl Fn(&mut String, &T)) {
    if !all.is_empty() {
        let _ = writeln!(page, "------< {name} >------");
        for one in all {
            each(page, one);
        }
    }
}

fn groups(page: &mut String, snapshot: &Snapshot<'_>) {
    section(page, "VRRP Sync groups", &snapshot.face.groups, |page, group| {
        let status = snapshot.status.groups.iter().find(|status| status.name == group.name);
        let state = status.map_or("INIT", |status| group_state(status.state));
        let _ = writeln!(page, " VRRP Sync Group = {}, {state}", group.name);
        let mut page = Page(page);
        let members: Vec<String> = group.members.iter().map(ToString::to_string).collect();
        page.list("VRRP member instances", &members);
        page.line("Using smtp notification", choose(group.smtp_alert, "yes", "no"));
        page.tracked(&group.tracked);
        page.notify(&group.notify);
    });
}

fn script(page: &mut String, snapshot: &Snapshot<'_>, script: &ScriptFace) {
    let _ = writeln!(page, " VRRP Script = {}", script.name);
    let mut page = Page(page);
    let verdict = snapshot.verdict(TrackerKind::Script, &script.name);
    let standing = snapshot.standing.scripts.get(&script.name);
    page.line("Command", &script.command);
    page.line("Interval", span(script.interval));
    page.line("Timeout", span(script.timeout));
    page.line("Weight", script.weight);
    page.line("Rise", script.rise);
    page.line("Fall", script.fall);
    let contrary = standing.map_or(0, |standing| standing.contrary);
    match verdict {
        Verdict::Good => {
            let top = script.rise.saturating_add(script.fall).saturating_sub(1);
            page.line("Result", top.saturating_sub(contrary));
        }
        Verdict::Bad | Verdict::Number(_) => page.line("Result", contrary),
        Verdict::Unknown => {}
    }
    page.line("Init state", choose(script.bad_at_first, "failed", "unknown"));
    let status = match verdict {
        Verdict::Good => "GOOD",
        Verdict::Unknown if !script.bad_at_first => "INIT",
        Verdict::Bad | Verdict::Number(_) | Verdict::Unknown => "BAD",
    };
    page.line("Status", status);
    users(&mut page, snapshot, &script.name, |tracked| &tracked.scripts);
    page.line("State", standing.map_or(Phase::Idle, |standing| standing.phase).word());
}

fn file(page: &mut String, snapshot: &Snapshot<'_>, file: &(Name, String, i32)) {
    let (name, path, weight) = file;
    let _ = writeln!(page, " Track file = {name}");
    let mut page = Page(page);
    page.line("File", path);
    if let Verdict::Number(number) = snapshot.verdict(TrackerKind::File, name) {
        page.line("Status", number);
    }
    page.line("Weight", weight);
    users(&mut page, snapshot, name, |tracked| &tracked.files);
}

fn process(page: &mut String, snapshot: &Snapshot<'_>, process: &ProcessFace) {
    let _ = writeln!(page, " VRRP Track process = {}", process.name);
    let mut page = Page(page);
    page.line("Process", &process.command);
    if !process.arguments.is_empty() {
        page.line("Parameters", process.arguments.join(" "));
        page.line("Parameter match", &process.matching);
    }
    page.line("Min processes", process.least);
    if let Some(most) = process.most {
        page.line("Max processes", most);
    }
    if let Some(count) = snapshot.standing.processes.get(&process.name) {
        page.line("Current processes", count);
    }
    let verdict = snapshot.verdict(TrackerKind::Process, &process.name);
    page.line("Have quorum", verdict == Verdict::Good);
    page.line("Weight", process.weight);
    page.line("Terminate delay", format!("{}s", fraction(process.terminate_delay)));
    page.line("Fork delay", format!("{}s", fraction(process.fork_delay)));
    page.line("Full command", process.full_command);
    users(&mut page, snapshot, &process.name, |tracked| &tracked.processes);
}

fn interfaces(page: &mut String, snapshot: &Snapshot<'_>) {
    section(page, "Interfaces", &snapshot.status.interfaces, |page, link| {
        let _ = writeln!(page, " Name = {}", link.name);
        let mut page = Page(page);
        page.line(
            "State",
            match link.up {
                Some(true) => "UP, RUNNING",
                Some(false) => "not UP or not RUNNING",
                None => "missing",
            },
        );
        let own = snapshot.configs.iter().filter(|one| one.interface.as_ref() == Some(&link.name));
        let own = own.map(|one| format!("{}, weight 0", one.name));
        let others = snapshot.face.users(&link.name, |tracked| &tracked.interfaces);
        let others = others.map(|(instance, weight)| format!("{instance}, weight {weight}"));
        page.list("Tracking VRRP instances", &own.chain(others).collect::<Vec<_>>());
    });
}

fn users(
    page: &mut Page<'_>,
    snapshot: &Snapshot<'_>,
    name: &Name,
    of: impl Fn(&crate::TrackedFace) -> &Vec<(Name, i32)>,
) {
    let users = snapshot.face.users(name, of);
    let users = users.map(|(instance, weight)| format!("{instance}, weight {weight}"));
    page.list("Tracking instances", &users.collect::<Vec<_>>());
}

/// Whole seconds where they are whole.
fn span(span: Duration) -> String {
    if span.subsec_nanos() == 0 {
        format!("{} sec", seconds(span))
    } else {
        format!("{} sec", fraction(span))
    }
}

fn fraction(span: Duration) -> String {
    format!("{}.{:06}", span.as_secs(), span.subsec_micros())
}
