//! One node with one daemon on it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use lab::{Card, CommandLine, Lab, Plan, Process, ProcessSignal, wait_for};
use ui::protocol::Status;

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_mainstay");

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Where the node's dumps go.
pub(crate) const DUMPS: &str = "/run/lab";

/// Who runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    Keepalived,
    Mainstay,
}

/// The node, and a directory of this machine for scripts and what they write.
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    who: Who,
    daemon: Option<Process>,
    pub(crate) directory: PathBuf,
    run: String,
    conf: String,
}

/// Whether this machine can run the test; says why not.
pub(crate) fn possible() -> bool {
    lab::requires(&[lab::Need::Root])
}

/// The same where keepalived is needed for comparison.
pub(crate) fn comparable() -> bool {
    let there = PathBuf::from("/usr/sbin/keepalived").exists();
    if !there {
        eprintln!("skipped: keepalived is not installed");
    }
    there && possible()
}

impl Bench {
    /// Starts `who` with what `conf` makes of the directory; `more` are further options.
    pub(crate) fn start(who: Who, test: &str, more: &str, conf: impl Fn(&str) -> String) -> Self {
        let mut bench = Self::idle(who, test, more, conf);
        bench.begin();
        bench
    }

    /// The same without starting it.
    pub(crate) fn idle(who: Who, test: &str, more: &str, conf: impl Fn(&str) -> String) -> Self {
        let name = format!("mainstay-{test}-{who:?}-{}", std::process::id()).to_lowercase();
        let directory = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let plan =
            Plan { nodes: vec![("ours".into(), vec![Card::eth0(2)])], client: Card::eth0(100) };
        let lab = Lab::build(&plan).unwrap();
        let run = match who {
            Who::Keepalived => format!(
                "/usr/bin/env TMPDIR={DUMPS} /usr/sbin/keepalived -n -l -D -P -p {{dir}}/pid -r \
                 {{dir}}/vrrp.pid -f {{conf}} {more}"
            ),
            Who::Mainstay => format!(
                "/usr/bin/env TMPDIR={DUMPS} {BINARY} run -f {{conf}} --control {{control}} {more}"
            ),
        };
        let conf = conf(&directory.display().to_string());
        Self { lab, who, daemon: None, directory, run, conf }
    }

    /// Starts the daemon.
    pub(crate) fn begin(&mut self) {
        let run = CommandLine::parse(&self.run);
        self.daemon = Some(self.lab.node_mut("ours").start(&run, &self.conf).unwrap());
    }

    /// The daemon, which has been started.
    pub(crate) fn daemon(&self) -> &Process {
        self.daemon.as_ref().unwrap()
    }

    /// Whether this one is on the node.
    pub(crate) fn is(&self, who: Who) -> bool {
        self.who == who
    }

    /// Waits until `wanted` holds; `what` is said if it never does.
    pub(crate) fn wait(&self, what: &str, wanted: impl FnMut() -> bool) {
        self.wait_for(what, self.daemon(), wanted);
    }

    /// The same for a daemon of the test's own.
    pub(crate) fn wait_for(&self, what: &str, daemon: &Process, wanted: impl FnMut() -> bool) {
        let found = wait_for(PATIENCE, wanted);
        assert!(found.is_some(), "{what}\n{}", daemon.log());
    }

    /// Waits for the node to hold `vip`, or to hold it no more.
    pub(crate) fn await_vip(&self, vip: &str, held: bool) {
        let vip = vip.parse().unwrap();
        self.wait("the VIP", || self.lab.node("ours").holds(vip) == held);
    }

    /// `mainstay status --json`.
    pub(crate) fn status(&self) -> Status {
        let ask = CommandLine::parse(&format!("{BINARY} status --json --control {{control}}"));
        let mut answer = None;
        self.wait("an answer", || {
            answer = self.lab.node("ours").output(&ask, Duration::from_secs(5)).unwrap();
            answer.is_some()
        });
        serde_json::from_str(&answer.unwrap()).unwrap()
    }

    /// Writes a script of the test's own.
    pub(crate) fn script(directory: &str, name: &str, text: &str) {
        let path = PathBuf::from(directory).join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A file of the node's, when there is one.
    pub(crate) fn read(&self, path: &str) -> Option<String> {
        let path = path.to_owned();
        self.lab.node("ours").run(move || fs::read_to_string(path).ok())
    }

    /// Sends the daemon a signal by its number, which may be one without a name.
    pub(crate) fn kill(&self, number: &str) {
        let pid = self.daemon().pid().to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{number}"), &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Has the daemon stop, and waits for its end.
    pub(crate) fn stop(&self) {
        self.daemon().signal(ProcessSignal::TERM);
        assert!(self.daemon().wait(PATIENCE).is_some(), "{}", self.daemon().log());
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(daemon) = &self.daemon {
            daemon.signal(ProcessSignal::KILL);
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}
