//! Where agents are found, and which files may be run at all.
//!
//! An agent is named, never given as a path: class, provider and type become the name of a file below
//! one of the directories of [`Settings`], and a name that could lead elsewhere is refused. Who runs
//! with root's rights starts nothing that others than root could exchange ([`linux::ScriptFile`]).

use std::fmt;
use std::path::{Path, PathBuf};

use base::Name;
use linux::{ScriptFile, ScriptPathError};
use serde::{Deserialize, Serialize};

/// Where things are, and how much at once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Where OCF agents and their libraries are: `/usr/lib/ocf`.
    pub ocf_root: PathBuf,
    /// Where init scripts are: `/etc/init.d`.
    pub init_scripts: PathBuf,
    /// Where fence agents are.
    pub fence_agents: Vec<PathBuf>,
    /// Where `crm_attribute`, `crm_node` and the like are, as agents shall find them; before
    /// everything else in their path, and as `HA_SBIN_DIR`.
    pub tools: Option<PathBuf>,
    /// Where agents keep what must not outlive a boot: `/run/resource-agents`.
    pub run: PathBuf,
    /// The bus systemd is on; `None`: the system's.
    pub bus: Option<String>,
    /// Where units are told not to restart by themselves: `/run/systemd/system`; `None`: nowhere.
    pub unit_overrides: Option<PathBuf>,
    /// More that agents find in their environment: where to log, above all.
    pub environment: Vec<(String, String)>,
    /// Monitors and questions at once; others wait. Actions that change something, and fencing, do
    /// not wait for them.
    pub at_once: usize,
    /// Whether only what nobody but root can change is run.
    pub only_roots: bool,
    /// Whether an OCF agent is asked to describe itself before it is called for the first time, and
    /// what can be reloaded is told.
    pub learn: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ocf_root: "/usr/lib/ocf".into(),
            init_scripts: "/etc/init.d".into(),
            fence_agents: vec!["/usr/sbin".into(), "/sbin".into()],
            tools: None,
            run: "/run/resource-agents".into(),
            bus: None,
            unit_overrides: Some("/run/systemd/system".into()),
            environment: Vec::new(),
            at_once: 16,
            only_roots: linux::own_uid() == 0,
            learn: false,
        }
    }
}

/// Names an agent.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct AgentId {
    /// `ocf`, `lsb`, `systemd`, `service` or `stonith`.
    pub class: Name,
    /// `heartbeat`, `pacemaker`, …; empty for other classes.
    pub provider: Name,
    /// `IPaddr2`, `nginx.service`, `fence_ipmilan`, …
    pub agent: Name,
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.class, &*self.provider) {
            (class, "") => write!(f, "{class}:{}", self.agent),
            (class, provider) => write!(f, "{class}:{provider}:{}", self.agent),
        }
    }
}

/// Why an agent cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// There is no such file.
    #[error("there is no agent {agent}: {searched} does not exist")]
    Missing {
        /// Which.
        agent: AgentId,
        /// Where it was looked for.
        searched: String,
    },
    /// A name that could lead anywhere.
    #[error(
        "`{0}` cannot be the name of an agent or provider: a name has letters, digits and `-_.@`"
    )]
    Name(Name),
    /// A class nobody knows.
    #[error("`{0}` is no class of agents: ocf, systemd, lsb, service and stonith are")]
    Class(Name),
    /// It is there, and must not be run.
    #[error("{agent} is not run: {source}")]
    Unsafe {
        /// Which.
        agent: AgentId,
        /// What is wrong with its file.
        source: ScriptPathError,
    },
}

/// What an agent is.
#[derive(Debug)]
pub(crate) enum Found {
    /// A program of its class.
    Program(Kind, PathBuf, Option<ScriptFile>),
    /// A unit.
    Unit(String),
}

/// The kinds of programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Ocf,
    Lsb,
    Fence,
}

impl Settings {
    /// Finds an agent.
    pub(crate) fn find(&self, id: &AgentId) -> Result<Found, NotFound> {
        for name in [&id.provider, &id.agent] {
            if !name.is_empty() && !is_plain(name) {
                return Err(NotFound::Name(name.clone()));
            }
        }
        if id.agent.is_empty() {
            return Err(NotFound::Name(id.agent.clone()));
        }
        let init_script = self.init_scripts.join(id.agent.as_str());
        match &*id.class {
            "ocf" => {
                let directory = self.ocf_root.join("resource.d").join(id.provider.as_str());
                self.program(Kind::Ocf, id, &[directory.join(id.agent.as_str())])
            }
            "lsb" => self.program(Kind::Lsb, id, &[init_script]),
            "service" if init_script.is_file() => self.program(Kind::Lsb, id, &[init_script]),
            "systemd" | "service" => Ok(Found::Unit(unit_name(&id.agent))),
            "stonith" => {
                let of = |directory: &PathBuf| directory.join(id.agent.as_str());
                let candidates: Vec<PathBuf> = self.fence_agents.iter().map(of).collect();
                self.program(Kind::Fence, id, &candidates)
            }
            _ => Err(NotFound::Class(id.class.clone())),
        }
    }

    fn program(&self, kind: Kind, id: &AgentId, places: &[PathBuf]) -> Result<Found, NotFound> {
        let there = places.iter().find(|path| path.is_file());
        let Some(path) = there else {
            let shown: Vec<String> = places.iter().map(|it| it.display().to_string()).collect();
            let searched = shown.join(" or ");
            return Err(NotFound::Missing { agent: id.clone(), searched });
        };
        let file = if self.only_roots { Some(self.checked(id, path)?) } else { None };
        Ok(Found::Program(kind, path.clone(), file))
    }

    fn checked(&self, id: &AgentId, path: &Path) -> Result<ScriptFile, NotFound> {
        let unsafe_ = |source| NotFound::Unsafe { agent: id.clone(), source };
        ScriptFile::open(path).map_err(unsafe_)
    }
}

fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ':');
    // systemd writes what it cannot have in a name as `\x2d`.
    name.chars().all(|c| plain(c) || c == '\\') && !name.starts_with('.')
}

/// The unit an agent's name means: a service, unless it says otherwise.
fn unit_name(agent: &str) -> String {
    const KINDS: [&str; 11] = [
        "service",
        "socket",
        "device",
        "mount",
        "automount",
        "swap",
        "target",
        "path",
        "timer",
        "slice",
        "scope",
    ];
    match agent.rsplit_once('.') {
        Some((_, kind)) if KINDS.contains(&kind) => agent.to_owned(),
        _ => format!("{agent}.service"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(class: &str, provider: &str, agent: &str) -> AgentId {
        AgentId { class: class.into(), provider: provider.into(), agent: agent.into() }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let settings = Settings::default();
        for (class, provider, agent) in [
            ("ocf", "..", "passwd"),
            ("ocf", "heartbeat", "../../../../bin/sh"),
            ("ocf", "heartbeat", ""),
            ("lsb", "", "a/b"),
            ("stonith", "", ".hidden"),
            ("systemd", "", "a b"),
        ] {
            let found = settings.find(&id(class, provider, agent));
            assert!(
                matches!(found, Err(NotFound::Name(_))),
                "{class} {provider} {agent}: {found:?}"
            );
        }
        assert!(matches!(settings.find(&id("upstart", "", "x")), Err(NotFound::Class(_))));
    }

    #[test]
    fn what_is_missing_is_told_with_its_place() {
        let error = Settings::default().find(&id("ocf", "nobody", "Nothing")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no agent ocf:nobody:Nothing: /usr/lib/ocf/resource.d/nobody/Nothing does not exist"
        );
    }

    #[test]
    fn units_are_services_unless_they_say_otherwise() {
        for (agent, unit) in [
            ("nginx", "nginx.service"),
            ("nginx.service", "nginx.service"),
            ("getty@tty1", "getty@tty1.service"),
            ("srv-data.mount", "srv-data.mount"),
            ("php8.2-fpm", "php8.2-fpm.service"),
        ] {
            assert_eq!(unit_name(agent), unit);
        }
    }
}
