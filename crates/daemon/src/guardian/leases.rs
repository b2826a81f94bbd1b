//! The guardian's end of the leases: it owns the socket that owns the table, lends it to each engine,
//! and silences through it what an engine can no longer.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use linux::LeaseSocket;

use crate::channel::Channel;
use crate::messages::{EngineToGuardian, GuardianToEngine};
use crate::run::Start;

/// The table of the daemon that is started like this. Another daemon in the same network namespace
/// has other files; the same daemon started again has the same, and finds what it left.
fn table_name(start: &Start) -> String {
    let files = start.pid_files.iter().map(|path| path.as_path()).chain([start.control.as_path()]);
    let octets = files
        .flat_map(|path: &Path| path.as_os_str().as_encoded_bytes().iter().copied().chain([0]));
    // FNV-1a: short, and the same in every version of us.
    let hash = octets
        .fold(0x811c_9dc5_u32, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193));
    format!("mainstay-{hash:08x}")
}

/// The socket, if this kernel has such, and the table's name.
pub(super) struct Leases {
    socket: Option<LeaseSocket>,
    pub(super) table: String,
}

impl Leases {
    pub(super) fn new(start: &Start) -> Self {
        // What is missing is told by the engine, when somebody wants a lease.
        Self { socket: LeaseSocket::open().ok(), table: table_name(start) }
    }

    /// Those of the guardian this process was before.
    pub(super) fn resume(socket: Option<OwnedFd>, table: String) -> Self {
        Self { socket: socket.map(LeaseSocket::from), table }
    }

    /// Lends the socket to an engine.
    pub(super) fn lend(
        &self,
        line: &mut Channel<GuardianToEngine, EngineToGuardian>,
    ) -> io::Result<()> {
        let Some(socket) = &self.socket else { return Ok(()) };
        let table = self.table.clone();
        line.send_with(&GuardianToEngine::Leases { table }, socket.try_clone()?.into())
    }

    /// The socket itself, to be left open for the program this process becomes.
    pub(super) fn socket(&self) -> Option<&LeaseSocket> {
        self.socket.as_ref()
    }

    /// Nothing that is leased is heard of from here on.
    pub(super) fn silence(&self) -> io::Result<()> {
        self.socket.as_ref().map_or(Ok(()), |socket| socket.silence(&self.table))
    }

    /// No VIP is left that it could silence.
    pub(super) fn destroy(&self) -> io::Result<()> {
        self.socket.as_ref().map_or(Ok(()), |socket| socket.destroy(&self.table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::shelf::Reading;
    use ui::cli::LogFormat;

    fn start(control: &str, pid_files: &[&str]) -> Start {
        Start {
            file: "/etc/keepalived/keepalived.conf".into(),
            control: control.into(),
            control_optional: false,
            pid_files: pid_files.iter().map(Into::into).collect(),
            namespace: None,
            snmp: None,
            reading: Reading::default(),
            log: LogFormat::Text,
            color: false,
        }
    }

    #[test]
    fn every_daemon_of_a_node_has_its_table_and_finds_it_again() {
        let names = [
            start("/run/a.sock", &[]),
            start("/run/b.sock", &[]),
            start("/run/a.sock", &["/run/1.pid"]),
            start("/run/a.sock", &["/run/1.pid", "/run/2.pid"]),
            start("/run/a.sock", &["/run/1.pi", "d/run/2.pid"]),
        ];
        let names = names.map(|start| table_name(&start));
        for (n, name) in names.iter().enumerate() {
            assert!(!names[..n].contains(name), "{name}");
        }
        assert_eq!(names[0], table_name(&start("/run/a.sock", &[])));
    }
}
