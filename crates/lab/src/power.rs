//! What nodes have beside the network: a power switch with the fence agent that asks it, and disks that
//! survive a loss of power.
//!
//! All of it is a directory of this machine that every node sees, as a management network would be: the
//! agent leaves what it is asked for there and waits for the answer. Nothing is switched before
//! [`Power::work`] is called, and nothing is answered before it is done; what was done, and when, is kept
//! ([`Power::strokes`]): it is by this log that one can tell whether somebody started too early.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use base::{Instant, Name};
use linux::clock::monotonic;

use crate::{Lab, LabError};

/// The fence agent's name, by which a document asks for it.
pub const FENCE_AGENT: &str = "fence_lab";

/// One thing the switch did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stroke {
    /// To which node.
    pub node: Name,
    /// `off`, `on` or `reboot`.
    pub action: String,
    /// When it had been done, before anybody was told.
    pub at: Instant,
}

/// The switch and the disks.
#[derive(Debug)]
pub struct Power {
    directory: PathBuf,
    strokes: Vec<Stroke>,
    reachable: bool,
}

impl Power {
    /// A directory of its own, which is removed when this is dropped.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new() -> Result<Self, LabError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mainstay-lab-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(directory.join("ask"))
            .map_err(|cause| LabError::new(format!("making {}", directory.display()), cause))?;
        Ok(Self { directory, strokes: Vec::new(), reachable: true })
    }

    /// Where a node keeps what must survive a loss of power.
    #[must_use]
    pub fn disk(&self, node: &str) -> PathBuf {
        self.directory.join(format!("disk-{node}"))
    }

    /// Puts the fence agent into a directory of every node.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn install(&self, lab: &mut Lab, directory: &str) -> Result<(), LabError> {
        let names: Vec<Name> = lab.nodes().iter().map(|it| it.name().clone()).collect();
        for name in names {
            let path = Path::new(directory).join(FENCE_AGENT);
            lab.node_mut(&name).write(path, self.agent(), 0o755)?;
        }
        Ok(())
    }

    /// Whether the switch answers at all; one that does not keeps agents waiting.
    pub fn set_reachable(&mut self, reachable: bool) {
        self.reachable = reachable;
    }

    /// All it did so far.
    #[must_use]
    pub fn strokes(&self) -> &[Stroke] {
        &self.strokes
    }

    /// Does what agents have asked for, and answers them. Nodes named here are to have power again: who
    /// calls this gives it to them and starts what is to run there, as their firmware would.
    ///
    /// # Errors
    /// If the lab does not obey, or the directory cannot be read.
    pub fn work(&mut self, lab: &mut Lab) -> Result<Vec<Name>, LabError> {
        let mut again = Vec::new();
        if !self.reachable {
            return Ok(again);
        }
        let directory = self.directory.join("ask");
        let failed = |cause| LabError::new(format!("reading {}", directory.display()), cause);
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_none_or(|it| it != "ask") {
                continue;
            }
            let text = fs::read_to_string(&path).map_err(failed)?;
            let (action, node) = text.trim().split_once(' ').unwrap_or_default();
            let known = lab.nodes().iter().any(|it| *it.name() == node);
            let done = known && matches!(action, "off" | "on" | "reboot");
            if done {
                if action != "on" && lab.node(node).has_power() {
                    lab.crash(node)?;
                }
                if action != "off" {
                    again.push(Name::from(node));
                }
                let (node, action) = (Name::from(node), action.to_owned());
                self.strokes.push(Stroke { node, action, at: monotonic() });
            }
            let answer = if done { "ok\n" } else { "there is no such plug\n" };
            let (new, told) = (path.with_extension("tmp"), path.with_extension("done"));
            fs::write(&new, answer).and_then(|()| fs::rename(&new, told)).map_err(failed)?;
            fs::remove_file(&path).map_err(failed)?;
        }
        Ok(again)
    }

    /// In the shell's language alone: a bare machine has no other.
    fn agent(&self) -> String {
        format!(
            "#!/bin/sh\n# The lab's power switch, asked beside the network.\n\
             action=reboot; port=; node=\n\
             while IFS='=' read -r key value; do\n  case $key in\n    action|option) action=$value ;;\n    \
             port|plug) port=$value ;;\n    nodename) node=$value ;;\n  esac\ndone\n\
             case $action in\n  metadata) cat <<'END'\n{METADATA}\nEND\n    exit 0 ;;\n  \
             monitor|status|validate-all) exit 0 ;;\n  on|off|reboot) ;;\n  *) exit 1 ;;\nesac\n\
             read -r id </proc/sys/kernel/random/uuid\n\
             ask={}/$id\necho \"$action ${{port:-$node}}\" >\"$ask.tmp\" && mv \"$ask.tmp\" \"$ask.ask\" \
             || exit 1\nwhile [ ! -e \"$ask.done\" ]; do sleep 0.01; done\n\
             read -r said <\"$ask.done\"; rm -f \"$ask.done\"\n[ \"$said\" = ok ]\n",
            self.directory.join("ask").display()
        )
    }
}

impl Drop for Power {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

const METADATA: &str = "<?xml version=\"1.0\"?>\n<resource-agent name=\"fence_lab\">\n<parameters>\
    <parameter name=\"port\" unique=\"0\" required=\"0\"><content type=\"string\"/></parameter>\
    </parameters>\n<actions><action name=\"on\"/><action name=\"off\"/><action name=\"reboot\"/>\
    <action name=\"status\"/><action name=\"monitor\"/><action name=\"metadata\"/></actions>\n\
    </resource-agent>";
