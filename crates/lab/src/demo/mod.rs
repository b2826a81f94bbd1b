//! The demo: the article's cluster comes up, something breaks, and a client tells what it noticed.
//!
//! Everything that is shown was looked at in the kernel's tables or on the wire, and everything that
//! is claimed was checked: the exit status is 0 only if every claim held.

mod cast;
mod claims;
mod cluster;
mod episode;
mod page;
mod story;
mod why;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use base::Centis;

use self::cast::Cast;
use crate::{CommandLine, LabError};

pub use self::cast::parse_interval;
pub use self::claims::{Claim, Claims};
pub use self::cluster::{ClusterFault, ClusterOptions, run_cluster, tell_cluster};
pub use self::page::Style;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fault {
    /// The master loses its power.
    #[default]
    Crash,
    /// The master's cable is cut, and mended.
    Cable,
    /// The master is told to stop.
    Stop,
    /// The master loses its power, and comes back.
    Return,
    /// Each of them in turn.
    All,
}

impl Fault {
    /// All of them with their names.
    pub const NAMES: [(&'static str, Fault); 5] = [
        ("crash", Fault::Crash),
        ("cable", Fault::Cable),
        ("stop", Fault::Stop),
        ("return", Fault::Return),
        ("all", Fault::All),
    ];
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Fault::NAMES.iter().find(|(name, _)| *name == text);
        let names = || Fault::NAMES.map(|(name, _)| name).join(", ");
        found.map(|(_, fault)| *fault).ok_or_else(|| format!("`{text}` is none of {}", names()))
    }
}

/// The daemon that is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Daemon {
    /// What it is called.
    pub name: String,
    /// Runs it in the foreground.
    pub run: CommandLine,
    /// Prints its event log, one JSON object a line; `None` if it keeps none.
    pub events: Option<CommandLine>,
}

impl Daemon {
    /// mainstay, from this binary.
    #[must_use]
    pub fn mainstay(binary: &std::path::Path) -> Self {
        let program = |arguments: &[&str]| {
            let binary = binary.to_string_lossy().into_owned();
            let rest = arguments.iter().map(|argument| (*argument).to_owned());
            CommandLine { arguments: [binary].into_iter().chain(rest).collect() }
        };
        Self {
            name: "mainstay".to_owned(),
            run: program(&["run", "-f", "{conf}", "--control", "{control}"]),
            events: Some(program(&["events", "--json", "--control", "{control}"])),
        }
    }

    /// Any other daemon, by the command line that runs it in the foreground.
    #[must_use]
    pub fn other(run: CommandLine) -> Self {
        let name = run.arguments.first().cloned().unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default().to_owned();
        Self { name, run, events: None }
    }
}

/// What is to be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// What goes wrong.
    pub fault: Fault,
    /// The user's own configuration files instead of the article's cluster: a directory with one
    /// `*.conf` for each node.
    pub config: Option<PathBuf>,
    /// How many nodes the article's cluster has, 2..=40.
    pub nodes: u8,
    /// The advertisement interval of the article's cluster.
    pub advert: Centis,
    /// The daemon.
    pub daemon: Daemon,
    /// Neither colours nor letters beyond ASCII.
    pub plain: bool,
}

/// Shows it on standard output. To be called before any thread is started: without the rights of
/// root it first becomes root in a user namespace of its own.
///
/// Exit status 0 if every claim held, 1 if one did not, 2 if the demo could not be given.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    let style = Style::detect(options.plain);
    let out = &mut io::stdout().lock();
    match become_able().and_then(|in_user_namespace| tell(options, style, in_user_namespace, out)) {
        Ok(claims) if claims.all_held() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            // Nothing is left to be done if even this cannot be printed.
            let _ = writeln!(io::stderr(), "mainstay demo: {error}");
            ExitCode::from(2)
        }
    }
}

/// Makes sure that namespaces can be made; whether that took a user namespace.
fn become_able() -> Result<bool, LabError> {
    match linux::Container::create("try") {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            linux::become_root().map(|()| true).map_err(|cause| {
                LabError::new(
                    "becoming root in a user namespace (run it as root, or allow user namespaces: \
                     user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)",
                    cause,
                )
            })
        }
        Err(error) => Err(LabError::new("making a namespace", error)),
    }
}

/// Tells the story to `out` and returns what was claimed.
///
/// # Errors
/// If the network cannot be built, a file not be read or the story not be printed. A daemon that
/// does not do its work is no error but a claim that did not hold.
pub fn tell(
    options: &Options,
    style: Style,
    in_user_namespace: bool,
    out: &mut dyn Write,
) -> Result<Claims, LabError> {
    let cast = match &options.config {
        Some(dir) => Cast::from_dir(dir)?,
        None => Cast::article(options.nodes, options.advert),
    };
    story::tell(options, &cast, page::Page::new(out, style), in_user_namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_names() {
        for (name, fault) in Fault::NAMES {
            assert_eq!(name.parse(), Ok(fault));
        }
        assert!("fire".parse::<Fault>().unwrap_err().contains("crash, cable"));
    }

    #[test]
    fn another_daemon_is_called_by_its_programs_name() {
        let daemon = Daemon::other(CommandLine::parse("/usr/sbin/keepalived -n"));
        assert_eq!((daemon.name.as_str(), daemon.events), ("keepalived", None));
    }
}
