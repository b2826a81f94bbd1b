//! From a file to something that can be run: read, understood, checked against this machine.
//!
//! All or nothing (invariant 7): a file with errors yields no configuration at all, and every error
//! at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base::Name;
use conf::{Code, Config, Diagnostic, Severity, Source, Surroundings};
use linux::{Identity, ScriptPathError, UserError, check_script_path};
use serde::{Deserialize, Serialize};
use vrrp::InstanceConfig;

use super::notify::Notify;
use super::shelf::{self, Reading, Shelf};
use crate::messages::{Account, Script};
use crate::translate;

/// The account scripts run as when none is named and it exists (keepalived.conf(5), `script_user`).
const SCRIPT_USER: &str = "keepalived_script";

/// A configuration that can take force. Serialisable, so that a control that ends can leave it to the
/// next.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Loaded {
    pub(crate) router_id: Option<Name>,
    pub(crate) instances: Vec<InstanceConfig>,
    pub(crate) notify: BTreeMap<Name, Notify>,
    /// What is worth saying about it, ready to print; may be empty.
    pub(crate) remarks: String,
}

/// Why there is no configuration.
pub(crate) enum Refused {
    /// The file cannot be read.
    Unreadable(String),
    /// It has errors: how many, and all of them ready to print.
    Wrong { errors: u32, report: String },
}

impl Refused {
    pub(crate) fn errors(&self) -> u32 {
        match self {
            Refused::Unreadable(_) => 1,
            Refused::Wrong { errors, .. } => *errors,
        }
    }

    pub(crate) fn report(&self) -> &str {
        match self {
            Refused::Unreadable(why) => why,
            Refused::Wrong { report, .. } => report,
        }
    }
}

/// Reads and checks the file at `path`.
pub(crate) fn load(path: &Path, reading: &Reading, color: bool) -> Result<Loaded, Refused> {
    let (loaded, notify) = read(path, reading).map_err(Refused::Unreadable)?;
    let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let report = conf::render(&loaded, color);
    match loaded.config {
        Some(config) => Ok(Loaded {
            router_id: config.globals.router_id.clone(),
            instances: translate::instances(&config),
            notify,
            remarks: report,
        }),
        None => Err(Refused::Wrong { errors: u32::try_from(errors).unwrap_or(u32::MAX), report }),
    }
}

/// Reads and checks the file at `path`, without asking what it will lead to.
pub(crate) fn read(
    path: &Path,
    reading: &Reading,
) -> Result<(conf::Loaded, BTreeMap<Name, Notify>), String> {
    let mut loaded = understand(path, reading)?;
    let mut findings = Vec::new();
    let notify = loaded.meaning().map(|config| {
        let notify = resolve(config, &mut findings);
        findings.extend(config.instances.iter().filter_map(|one| long_lease(config, one)));
        notify
    });
    let notify = notify.unwrap_or_default();
    loaded.add(findings);
    // What this machine cannot run is as little a configuration as what nobody can.
    if loaded.diagnostics.iter().any(|d| d.severity == Severity::Error) {
        loaded.understood = loaded.config.take().or(loaded.understood);
    }
    Ok((loaded, notify))
}

/// Reads the file and what it includes, without asking whether this machine can run it.
pub(crate) fn understand(path: &Path, reading: &Reading) -> Result<conf::Loaded, String> {
    let text = shelf::read(path).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => "; name the file with -f",
            std::io::ErrorKind::PermissionDenied => "; run it as root",
            _ => "",
        };
        format!("error: cannot read {}: {error}{hint}\n", path.display())
    })?;
    let name = path.display().to_string();
    let around = Surroundings {
        config_id: &reading.config_id(),
        directory: &shelf::directory(path),
        files: &Shelf,
        include_checks: reading.include_checks,
        // Not the time: the same file must mean the same at every reload.
        seed: 0,
        environment: &shelf::environment,
    };
    Ok(conf::load_in(Source { name: &name, text: &text }, reading.options(), &around))
}

/// Looks up the accounts scripts run as, and whether the scripts can and may be run.
fn resolve(config: &Config, findings: &mut Vec<Diagnostic>) -> BTreeMap<Name, Notify> {
    let default = Identity::find(SCRIPT_USER, None).ok();
    let mut script = |command: &Option<conf::Command>| -> Option<Script> {
        let command = command.as_ref()?;
        let identity = match &command.run_as {
            None => default.clone(),
            Some(run_as) => match Identity::find(&run_as.user, run_as.group.as_deref()) {
                Ok(identity) => Some(identity),
                Err(error) => {
                    findings.push(unknown_account(run_as, &error));
                    None
                }
            },
        };
        let as_root = identity.as_ref().is_none_or(|identity| identity.uid == 0);
        let path = PathBuf::from(command.program());
        match check_script_path(&path) {
            Ok(_) => {}
            Err(problem) if as_root || hopeless(&problem) => {
                findings.push(unsafe_script(command, config.globals.script_security, &problem));
            }
            Err(_) => {}
        }
        let account = identity.map(|Identity { uid, gid, groups }| Account { uid, gid, groups });
        let secure = config.globals.script_security;
        Some(Script { argv: command.argv.clone(), account, secure })
    };
    let notify = config
        .instances
        .iter()
        .map(|instance| {
            let notify = Notify {
                active: script(&instance.notify.active),
                backup: script(&instance.notify.backup),
                fault: script(&instance.notify.fault),
                stop: script(&instance.notify.stop),
                any: script(&instance.notify.any),
            };
            for rest in [&instance.notify.deleted, &instance.notify.weaker_heard] {
                script(rest);
            }
            (instance.name.clone(), notify)
        })
        .collect();
    let hooks = &config.node.hooks;
    let fifos = [&config.node.fifos.all, &config.node.fifos.vrrp];
    let others = config
        .groups
        .iter()
        .flat_map(|group| group.notify.commands())
        .chain(config.scripts.iter().map(|tracked| &tracked.command))
        .chain(hooks.startup.iter().chain(&hooks.shutdown))
        .chain(fifos.into_iter().flatten().filter_map(|fifo| fifo.script.as_ref()));
    for command in others {
        script(&Some(command.clone()));
    }
    notify
}

/// Nobody at all can run this, whoever it is to run as.
fn hopeless(problem: &ScriptPathError) -> bool {
    matches!(
        problem,
        ScriptPathError::Missing { .. }
            | ScriptPathError::NotADirectory(_)
            | ScriptPathError::NotAFile(_)
            | ScriptPathError::NotExecutable { .. }
            | ScriptPathError::TooManyLinks(_)
    )
}

/// A lease that cannot keep its promise: by how much, and what would help.
fn long_lease(config: &Config, instance: &conf::InstanceConfig) -> Option<Diagnostic> {
    let terms = translate::one(config, instance).lease_terms();
    let (excess, length) = (terms.excess().as_millis(), terms.class().length().as_millis());
    let promises = !instance.lease || excess == 0 || instance.vips.is_empty();
    (!promises).then(|| {
        let place = instance.places.interval.0;
        let message = format!(
            "should this node freeze, its VIPs may be heard for {excess} ms after a peer took over"
        );
        Diagnostic::note(Code::LeaseTooLong, place, message)
            .label(format!("the shortest lease is {length} ms"))
            .help(
                "write 0.06 seconds or more, or miss at least 3 adverts, if that matters more than \
                 a fast takeover",
            )
    })
}

fn unknown_account(run_as: &conf::RunAs, error: &UserError) -> Diagnostic {
    Diagnostic::error(Code::ScriptAccount, run_as.place.0, error.to_string())
        .label("a script is to run as this account")
        .help("name an account of this machine, or create it before starting mainstay")
}

/// A script that runs as root and that somebody else could exchange, or that is not there.
fn unsafe_script(command: &conf::Command, strict: bool, problem: &ScriptPathError) -> Diagnostic {
    let span = command.place.0;
    let diagnostic = if strict {
        Diagnostic::error(Code::ScriptPath, span, problem.to_string())
    } else {
        Diagnostic::warning(Code::ScriptPath, span, problem.to_string())
    };
    if let ScriptPathError::Missing { .. } = problem {
        return diagnostic
            .label("there is no such script now")
            .help("create it before the first change of state, which will look for it");
    }
    if hopeless(problem) {
        return diagnostic
            .label("nobody may run this script")
            .help("make it a regular file with execute permission: `chmod 755` it");
    }
    diagnostic.label("this script would run as root").help(
        "make the file and every directory above it writable by root only, or name another account \
         with `script_user`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(lines: &str) -> Vec<String> {
        let text = format!(
            "global_defs {{\n vrrp_version 3\n}}\nvrrp_instance VI {{\n interface eth0\n \
             virtual_router_id 51\n virtual_ipaddress {{\n 192.0.2.9/24\n }}\n {lines}\n}}\n"
        );
        let source = Source { name: "test", text: text.as_bytes() };
        let config = conf::load(source, conf::Options::default()).config.unwrap();
        let found = config.instances.iter().filter_map(|one| long_lease(&config, one));
        found.map(|diagnostic| diagnostic.message).collect()
    }

    #[test]
    fn an_interval_too_short_for_a_lease_is_told_with_the_time_it_costs() {
        let told = notes("advert_int 0.05");
        assert!(told[0].contains("for 10 ms"), "{told:?}");
        let told = notes("advert_int 1\n down_timer_adverts 1");
        assert!(told[0].contains("for 60 ms"), "{told:?}");
        for fine in ["advert_int 0.06", "advert_int 1", "advert_int 0.01\n lease off"] {
            assert!(notes(fine).is_empty(), "{fine}");
        }
    }
}
