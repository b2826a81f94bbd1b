//! `--lenient`, where scripts are concerned: what keepalived would not run is left out.
//!
//! keepalived drops a script whose account does not exist, that nobody can execute, or that somebody
//! besides root could exchange where `enable_script_security` stands; the instance goes on without it,
//! also without the check that it was. A name without a directory it looks up in `PATH`. The same is done
//! here, and told with the place and what came of it.

use std::path::Path;

use conf::{Command, Config, Diagnostic, Severity, Trackers};

/// Where a name without a directory is looked for, as keepalived does.
const PATH: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Gives every script its whole path, and takes out those that `judge` finds an error in.
pub(super) fn leave_out(
    config: &mut Config,
    mut judge: impl FnMut(&Command) -> Vec<Diagnostic>,
) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut keep = |command: &mut Command| {
        find(command);
        let errors: Vec<_> =
            judge(command).into_iter().filter(|d| d.severity == Severity::Error).collect();
        let good = errors.is_empty();
        findings.extend(errors.into_iter().map(left_out));
        good
    };
    let mut option = |command: &mut Option<Command>| {
        if command.as_mut().is_some_and(|command| !keep(command)) {
            *command = None;
        }
    };
    for one in &mut config.instances {
        one.notify.slots_mut().into_iter().for_each(&mut option);
    }
    for one in &mut config.groups {
        one.notify.slots_mut().into_iter().for_each(&mut option);
    }
    let hooks = &mut config.node.hooks;
    [&mut hooks.startup, &mut hooks.shutdown].into_iter().for_each(&mut option);
    let fifos = [&mut config.node.fifos.all, &mut config.node.fifos.vrrp];
    for fifo in fifos.into_iter().flatten() {
        option(&mut fifo.script);
    }
    let mut gone = Vec::new();
    config.scripts.retain_mut(|script| {
        let good = script.opens().is_some() || keep(&mut script.command);
        if !good {
            gone.push(script.name.clone());
        }
        good
    });
    let drop = |trackers: &mut Trackers| {
        trackers.scripts.retain(|tracked| !gone.contains(&tracked.name));
    };
    config.instances.iter_mut().for_each(|one| drop(&mut one.trackers));
    config.groups.iter_mut().for_each(|one| drop(&mut one.trackers));
    findings
}

/// An error that is none, because what it is about is gone.
pub(super) fn left_out(mut error: Diagnostic) -> Diagnostic {
    error.severity = Severity::Warning;
    error.label.push_str("; left out, as keepalived does");
    error
}

fn find(command: &mut Command) {
    let Some(name) = command.argv.first_mut().filter(|name| !name.contains('/')) else { return };
    let found = PATH.iter().map(|directory| format!("{directory}/{name}"));
    if let Some(path) = found.into_iter().find(|path| Path::new(path).is_file()) {
        *name = path;
    }
}
