//! From a file to something that can be run: read, understood, checked against this machine.
//!
//! All or nothing (invariant 7): a file with errors yields no configuration at all, and every error
//! at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::{Instant, Name};
use conf::{Code, Config, Diagnostic, Severity, Source, Surroundings};
use linux::{
    Identity, Scheduling, ScriptPathError, UserError, check_script_path, runs_with_rights_of_root,
};
use serde::{Deserialize, Serialize};
use vrrp::{Debounce, InstanceConfig, Statics};

use super::agent::AgentTerms;
use super::bus::BusTerms;
use super::dumps::DumpPlaces;
use super::hooks::{Hook, Hooks};
use super::keys;
use super::leniency;
use super::notify::Notify;
use super::reload_clock::ReloadTime;
use super::shelf::{self, Reading, Shelf};
use crate::mail::Mailing;
use crate::messages::{Account, Script, SnmpAsked};
use crate::place::Place;
use crate::rows::Rows;
use crate::sensors::{Check, Pipe, Sensors};
use crate::terms::Terms;
use crate::translate;

/// The account scripts run as when none is named and it exists (keepalived.conf(5), `script_user`).
const SCRIPT_USER: &str = "keepalived_script";

/// How long a script may take before a planned move, unless it is said.
const BEFORE_RELEASE: Duration = Duration::from_secs(10);

/// What is run for each instance or group: as a rule the same for thousands of them.
pub(crate) type Scripted = BTreeMap<Name, Arc<Notify>>;

/// Keeps what is the same once.
pub(crate) fn share(scripted: &mut Scripted) {
    let mut last: Option<Arc<Notify>> = None;
    for notify in scripted.values_mut() {
        match &last {
            Some(last) if **last == **notify => *notify = Arc::clone(last),
            _ => last = Some(Arc::clone(notify)),
        }
    }
}

/// Each thing once, and who has which.
pub(crate) type Unshared = (Vec<Arc<Notify>>, Vec<(Name, usize)>);

/// Takes what is kept once for many apart, so that it is also written down once.
pub(crate) fn unshared(scripted: Scripted) -> Unshared {
    let mut all: Vec<Arc<Notify>> = Vec::new();
    let mut whose = Vec::new();
    for (name, notify) in scripted {
        if all.last().is_none_or(|last| !Arc::ptr_eq(last, &notify)) {
            all.push(notify);
        }
        whose.push((name, all.len() - 1));
    }
    (all, whose)
}

/// The other way round.
pub(crate) fn shared((all, whose): Unshared) -> Scripted {
    let of = |(name, which): (Name, usize)| Some((name, Arc::clone(all.get(which)?)));
    whose.into_iter().filter_map(of).collect()
}

/// A configuration that can take force. Serialisable, so that a control that ends can leave it to the
/// next.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Loaded {
    pub(crate) router_id: Option<Name>,
    pub(crate) instances: Vec<InstanceConfig>,
    pub(crate) notify: Scripted,
    /// The same for sync groups.
    pub(crate) groups: Scripted,
    pub(crate) sensors: Sensors,
    pub(crate) debounce: BTreeMap<Name, Debounce>,
    pub(crate) sessions: Vec<bfd::Settings>,
    /// What stays from start to stop.
    pub(crate) statics: Statics,
    pub(crate) pipes: Vec<Pipe>,
    /// Pipes are told all states again after a reload.
    pub(crate) states_on_reload: bool,
    /// What is worth saying about it, ready to print; may be empty.
    pub(crate) remarks: String,
    /// How the engine is scheduled.
    pub(crate) scheduling: Scheduling,
    /// What it says in keepalived's words.
    pub(crate) face: PackedFace,
    /// Where to that is written.
    pub(crate) dumps: DumpPlaces,
    /// Who gets mail.
    pub(crate) mailing: Option<Mailing>,
    /// On which terms processes run.
    pub(crate) terms: Terms,
    /// Scripts around the whole daemon.
    pub(crate) hooks: Hooks,
    /// A file that says when to reload.
    pub(crate) reload_time: Option<ReloadTime>,
    /// As what it is on the bus.
    pub(crate) bus: Option<BusTerms>,
    /// Whom it answers SNMP questions.
    pub(crate) agent: Option<AgentTerms>,
    /// What the command line wants of SNMP.
    pub(crate) snmp_asked: Option<SnmpAsked>,
    /// Where the text that was read is to be kept, and that text.
    #[serde(skip)]
    pub(crate) saved: Option<(PathBuf, String)>,
}

/// A `compat::Face` as bytes, which are smaller.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct PackedFace {
    rest: Vec<u8>,
    instances: Rows,
}

impl PackedFace {
    fn of(mut face: compat::Face) -> Self {
        // What is made of values of our own can be written down.
        let instances = Rows::of(std::mem::take(&mut face.instances)).unwrap_or_default();
        Self { rest: postcard::to_stdvec(&face).unwrap_or_default(), instances }
    }

    /// All of it.
    pub(crate) fn whole(&self) -> compat::Face {
        let mut face: compat::Face = postcard::from_bytes(&self.rest).unwrap_or_default();
        face.instances = self.instances.all().unwrap_or_default().into_iter().collect();
        face
    }
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
///
/// `started`: when the daemon was, by the clock that begins at boot; `place`: where it works, with the
/// place that the file names.
pub(crate) fn load(
    path: &Path,
    reading: &Reading,
    color: bool,
    started: Instant,
    snmp_asked: Option<SnmpAsked>,
    place: impl FnOnce(Place) -> Place,
) -> Result<Loaded, Refused> {
    let (mut loaded, resolved) = read(path, reading).map_err(Refused::Unreadable)?;
    if let Some(config) = &mut loaded.config {
        // The same at every reload: what was waited for is not waited for again.
        let boot = config.node.delay_after_boot.saturating_sub(started.since(Instant::ZERO));
        config.globals.startup_delay = config.globals.startup_delay.max(boot);
    }
    let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let report = conf::render(&loaded, color);
    let text = |to: &String| (PathBuf::from(to), as_one_text(loaded.origins.files()));
    match &loaded.config {
        Some(config) => {
            let mut terms = Terms::of(config);
            terms.place = place(terms.place);
            Ok(Loaded {
                bus: BusTerms::of(&config.node.dbus, &terms.place),
                agent: AgentTerms::of(config, snmp_asked.as_ref(), &terms.place),
                snmp_asked,
                saved: config.node.files.saved.as_ref().map(text),
                router_id: config.globals.router_id.clone(),
                instances: translate::instances(config),
                notify: resolved.notify,
                groups: resolved.groups,
                sensors: resolved.sensors,
                debounce: translate::debounce(config),
                sessions: translate::sessions(config),
                statics: translate::statics(config),
                scheduling: translate::scheduling(&config.node.vrrp),
                pipes: resolved.pipes,
                states_on_reload: config.node.fifos.states_on_reload,
                remarks: report,
                face: PackedFace::of(compat::Face::of(config)),
                dumps: DumpPlaces::of(&config.node, &terms.place),
                terms,
                hooks: resolved.hooks,
                reload_time: config.node.reload.time_file.as_ref().map(|file| ReloadTime {
                    file: file.into(),
                    repeat: config.node.reload.repeat,
                }),
                mailing: Mailing::of(config, &super::host_name()),
            })
        }
        None => Err(Refused::Wrong { errors: u32::try_from(errors).unwrap_or(u32::MAX), report }),
    }
}

/// All files that were read, each behind its name.
fn as_one_text(files: &[conf::SourceFile]) -> String {
    let mut all = String::new();
    for file in files {
        all += &format!("# {}\n{}\n", file.name, String::from_utf8_lossy(&file.text));
    }
    all
}

/// Reads and checks the file at `path`, without asking what it will lead to.
pub(crate) fn read(path: &Path, reading: &Reading) -> Result<(conf::Loaded, Resolved), String> {
    let mut loaded = understand(path, reading)?;
    let mut findings = Vec::new();
    if let Some(config) = loaded.config.as_mut() {
        keys::read(config, &mut findings);
        if reading.lenient {
            findings.extend(forgive(config));
        }
    }
    let resolved = loaded.meaning().map(|config| {
        let resolved = resolve(config, &mut findings);
        findings.extend(config.instances.iter().filter_map(|one| long_lease(config, one)));
        resolved
    });
    let resolved = resolved.unwrap_or_default();
    loaded.add(findings);
    // What this machine cannot run is as little a configuration as what nobody can.
    if loaded.diagnostics.iter().any(|d| d.severity == Severity::Error) {
        loaded.understood = loaded.config.take().or(loaded.understood);
    }
    Ok((loaded, resolved))
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

/// What a configuration asks of this machine: its scripts with their accounts, its pipes with their
/// owners.
#[derive(Default)]
pub(crate) struct Resolved {
    notify: Scripted,
    groups: Scripted,
    sensors: Sensors,
    pipes: Vec<Pipe>,
    hooks: Hooks,
}

/// Looks up the accounts scripts run as, and whether the scripts can and may be run.
fn resolve(config: &Config, findings: &mut Vec<Diagnostic>) -> Resolved {
    let mut lookup = Lookup { config, default: Identity::find(SCRIPT_USER, None).ok(), findings };
    let instances = config.instances.iter();
    let notify = instances.map(|one| (one.name.clone(), Arc::new(lookup.notify(&one.notify))));
    let notify = notify.collect();
    let groups = config.groups.iter();
    let groups = groups
        .map(|one| {
            let priority_changes = one.priority_changes;
            let notify = Notify { priority_changes, ..lookup.notify(&one.notify) };
            (one.name.clone(), Arc::new(notify))
        })
        .collect();
    let checks = config.scripts.iter().map(|tracked| Check {
        name: tracked.name.clone(),
        script: match tracked.opens() {
            None => lookup.script(&tracked.command),
            Some(path) => lookup.opener(&tracked.command, path),
        },
        interval: tracked.interval,
        timeout: tracked.timeout,
        rise: tracked.rise,
        fall: tracked.fall,
    });
    let checks = checks.collect();
    let sensors = Sensors { checks, ..translate::sensors(config) };
    let hooks = &config.node.hooks;
    let mut hook = |command: &Option<conf::Command>, limit| {
        command.as_ref().map(|command| Hook { script: lookup.script(command), limit })
    };
    let hooks = Hooks {
        startup: hook(&hooks.startup, hooks.startup_timeout),
        shutdown: hook(&hooks.shutdown, hooks.shutdown_timeout),
        last_scripts: config.node.run.wait_for_children,
    };
    let fifos = [&config.node.fifos.all, &config.node.fifos.vrrp];
    let pipes = fifos.into_iter().flatten().filter_map(|fifo| {
        let script = fifo.script.as_ref().map(|command| lookup.script(command));
        let owner = fifo.owner.as_ref().and_then(|owner| lookup.account(owner));
        Some(Pipe { path: fifo.path.as_ref()?.into(), owner, script })
    });
    let pipes = pipes.collect();
    Resolved { notify, groups, sensors, pipes, hooks }
}

/// Leaves out what keepalived would not run.
fn forgive(config: &mut Config) -> Vec<Diagnostic> {
    let whole = config.clone();
    let default = Identity::find(SCRIPT_USER, None).ok();
    let mut findings = leniency::leave_out(config, |command| {
        let mut findings = Vec::new();
        let default = default.clone();
        Lookup { config: &whole, default, findings: &mut findings }.script(command);
        findings
    });
    for fifo in [&mut config.node.fifos.all, &mut config.node.fifos.vrrp].into_iter().flatten() {
        if let Some(Err(error)) = fifo.owner.as_ref().map(find)
            && let Some(owner) = fifo.owner.take()
        {
            findings.push(leniency::left_out(unknown_account(&owner, &error)));
        }
    }
    findings
}

/// Looks scripts up, and keeps what is wrong with them.
struct Lookup<'a> {
    config: &'a Config,
    default: Option<Identity>,
    findings: &'a mut Vec<Diagnostic>,
}

impl Lookup<'_> {
    fn notify(&mut self, notify: &conf::Notify) -> Notify {
        let mut script = |command: &Option<conf::Command>| command.as_ref().map(|c| self.script(c));
        Notify {
            active: script(&notify.active),
            backup: script(&notify.backup),
            fault: script(&notify.fault),
            stop: script(&notify.stop),
            deleted: script(&notify.deleted),
            says_deleted: notify.says_deleted || notify.deleted.is_some(),
            weaker_heard: script(&notify.weaker_heard),
            any: script(&notify.any),
            priority_changes: notify.priority_changes || self.config.node.notify_priority_changes,
            before_release: notify.before_release.as_ref().map(|command| Hook {
                script: self.script(command),
                limit: notify.before_release_timeout.unwrap_or(BEFORE_RELEASE),
            }),
        }
    }

    fn identity(&mut self, run_as: &conf::RunAs) -> Option<Identity> {
        match find(run_as) {
            Ok(identity) => Some(identity),
            Err(error) => {
                self.findings.push(unknown_account(run_as, &error));
                None
            }
        }
    }

    fn account(&mut self, run_as: &conf::RunAs) -> Option<Account> {
        self.identity(run_as).map(account)
    }

    fn identity_of(&mut self, command: &conf::Command) -> Option<Identity> {
        match &command.run_as {
            None => self.default.clone(),
            Some(run_as) => self.identity(run_as),
        }
    }

    /// A file that is only opened (`</path`). That it is not there may be what it is to tell, and nothing
    /// in it is run.
    fn opener(&mut self, command: &conf::Command, path: &str) -> Script {
        let connection = ["/dev/tcp/", "/dev/udp/"].iter().any(|start| path.starts_with(start));
        if connection && !shell_connects() {
            self.findings.push(
                Diagnostic::warning(
                    Code::ScriptPath,
                    command.place.0,
                    format!("`{path}` is never there: only bash makes a connection of it"),
                )
                .label("/bin/sh on this machine is not bash")
                .help("name a script that connects: `/usr/bin/bash -c '</dev/tcp/HOST/PORT'`"),
            );
        }
        let account = self.identity_of(command).map(account);
        Script { argv: command.argv.clone(), account, secure: false }
    }

    fn script(&mut self, command: &conf::Command) -> Script {
        let identity = self.identity_of(command);
        let secure = self.config.globals.script_security;
        let path = PathBuf::from(command.program());
        let as_root = runs_with_rights_of_root(&path, identity.as_ref());
        match check_script_path(&path) {
            Ok(_) => {}
            Err(problem) if as_root || hopeless(&problem) => {
                self.findings.push(unsafe_script(command, secure, &problem));
            }
            Err(_) => {}
        }
        Script { argv: command.argv.clone(), account: identity.map(account), secure }
    }
}

/// Whether what `/bin/sh` is opens connections as files; only bash does.
fn shell_connects() -> bool {
    let shell = std::fs::canonicalize("/bin/sh").ok();
    shell.and_then(|path| path.file_name().map(|name| name == "bash")).unwrap_or(false)
}

/// A group written `:GROUP` comes in addition to the user's own.
fn find(run_as: &conf::RunAs) -> Result<Identity, UserError> {
    let named = Identity::find(&run_as.user, run_as.group.as_deref())?;
    if !run_as.supplementary {
        return Ok(named);
    }
    let mut own = Identity::find(&run_as.user, None)?;
    if !own.groups.contains(&named.gid) {
        own.groups.push(named.gid);
    }
    Ok(own)
}

fn account(identity: Identity) -> Account {
    let Identity { uid, gid, groups } = identity;
    Account { uid, gid, groups }
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
    let terms = translate::lease_terms(config, instance);
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
    // A script that is not there cannot be exchanged; it is looked at again before each start.
    let missing = matches!(problem, ScriptPathError::Missing { .. });
    let diagnostic = if strict && !missing {
        Diagnostic::error(Code::ScriptPath, span, problem.to_string())
    } else {
        Diagnostic::warning(Code::ScriptPath, span, problem.to_string())
    };
    if missing {
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

    #[test]
    fn a_group_behind_a_colon_comes_in_addition() {
        let run_as = |supplementary| conf::RunAs {
            user: "root".into(),
            group: Some("12345".into()),
            supplementary,
            place: Default::default(),
        };
        let instead = find(&run_as(false)).unwrap();
        assert_eq!(instead.gid, 12345);
        let beside = find(&run_as(true)).unwrap();
        assert_eq!(beside.gid, 0);
        assert!(beside.groups.contains(&12345) && beside.groups.contains(&0));
    }

    #[test]
    fn the_time_since_boot_counts_as_waited_for() {
        let directory = std::env::temp_dir();
        let path = directory.join(format!("mainstay-boot-{}.conf", std::process::id()));
        let text = "global_defs {\n vrrp_startup_delay 5\n vrrp_delay_after_boot 60\n}\n\
                    vrrp_instance VI {\n interface eth0\n virtual_router_id 51\n \
                    virtual_ipaddress {\n 192.0.2.9/24\n }\n}\n";
        std::fs::write(&path, text).unwrap();
        let delay = |seconds| {
            let started = Instant::ZERO + Duration::from_secs(seconds);
            let loaded =
                load(&path, &Reading::default(), false, started, None, |place| place).ok().unwrap();
            loaded.instances[0].startup_delay.as_secs()
        };
        let delays = [delay(10), delay(57), delay(600)];
        std::fs::remove_file(&path).unwrap();
        assert_eq!(delays, [50, 5, 5]);
    }

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
