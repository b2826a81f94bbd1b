//! Where a daemon works and what tells it apart from others of the node: a network namespace
//! (`net_namespace`, `-s`), a name (`instance`), and what follows from them for its files.
//!
//! As with keepalived: pid files that were not named go into `/run/keepalived/`, with both names in
//! theirs. The control socket that was not named has them too, so that several daemons can be asked.
//! None of this changes by a reload: it holds from the start to the end.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use ui::protocol::DEFAULT_SOCKET;

/// Where pid files go that were not named, and where they go otherwise.
const PID_FILES: [&str; 2] = ["/run/keepalived.pid", "/run/vrrp.pid"];
const PID_DIRECTORY: &str = "/run/keepalived";

/// Where a daemon works.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The network namespace to enter, by its name below `/run/netns`.
    pub(crate) namespace: Option<String>,
    /// Tells daemons of one node apart.
    pub(crate) instance: Option<String>,
    /// Pid files go into a directory of their own anyway.
    pub(crate) pid_directory: bool,
}

impl Place {
    /// As the configuration has it; a namespace of the command line goes before.
    pub(crate) fn of(run: &conf::Run, namespace: Option<&str>) -> Self {
        let text = |name: &Option<base::Name>| name.as_ref().map(ToString::to_string);
        Self {
            namespace: namespace.map(str::to_owned).or_else(|| text(&run.namespace)),
            instance: text(&run.instance),
            pid_directory: run.pid_directory,
        }
    }

    /// `_NAMESPACE_INSTANCE`, as far as there are such.
    pub(crate) fn suffix(&self) -> String {
        self.names().map(|name| format!("_{name}")).collect()
    }

    /// Both, as far as there are such.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        [&self.namespace, &self.instance].into_iter().flatten()
    }

    /// Where a pid file goes.
    pub(crate) fn pid_file(&self, path: PathBuf) -> PathBuf {
        let moves = self.pid_directory || self.names().next().is_some();
        if !moves || !PID_FILES.iter().any(|known| path == Path::new(known)) {
            return path;
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Path::new(PID_DIRECTORY).join(format!("{stem}{}.pid", self.suffix()))
    }

    /// Where the control socket goes.
    pub(crate) fn control(&self, path: PathBuf) -> PathBuf {
        if self.names().next().is_none() || path != Path::new(DEFAULT_SOCKET) {
            return path;
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        path.with_file_name(format!("{stem}{}.sock", self.suffix()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(top: &str, namespace: Option<&str>) -> Place {
        let loaded = conf::load(
            conf::Source { name: "test", text: top.as_bytes() },
            conf::Options::default(),
        );
        let config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        Place::of(&config.node.run, namespace)
    }

    fn files(place: &Place, pid: &str) -> [String; 2] {
        [place.pid_file(pid.into()), place.control(DEFAULT_SOCKET.into())]
            .map(|path| path.display().to_string())
    }

    #[test]
    fn files_that_were_not_named_are_told_apart_as_keepalived_s_are() {
        let plain = files(&place("", None), PID_FILES[0]);
        assert_eq!(plain, [PID_FILES[0], DEFAULT_SOCKET]);
        let directory = files(&place("use_pid_dir\n", None), PID_FILES[1]);
        assert_eq!(directory, ["/run/keepalived/vrrp.pid", DEFAULT_SOCKET]);
        let both = place("net_namespace blue\ninstance two\n", None);
        let [pid, control] = files(&both, PID_FILES[0]);
        assert_eq!(pid, "/run/keepalived/keepalived_blue_two.pid");
        assert_eq!(control, "/run/mainstay/control_blue_two.sock");
        assert_eq!(files(&both, "/a/pid")[0], "/a/pid");
        let named = place("net_namespace blue\n", Some("red"));
        assert_eq!(named.suffix(), "_red", "the command line goes before");
    }
}
