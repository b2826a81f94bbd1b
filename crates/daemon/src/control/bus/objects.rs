//! What stands on the bus: one object for the daemon and one for each instance, with keepalived's
//! interfaces, paths and numbers.
//!
//! The objects decide nothing. What a caller asks for is put on the desk of control's loop, which does
//! with it what it would do with a signal; the answer only says that it was taken.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use zbus::object_server::SignalEmitter;

/// What somebody on the bus asks for, or what became of the bus.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::control) enum Asked {
    PrintData,
    PrintStats,
    PrintStatsClear,
    Reload,
    /// Announce the VIPs of this instance.
    SendGarp(String),
    /// There is no bus, or it does not want us.
    Trouble(String),
}

/// Where it is put.
#[derive(Clone)]
pub(super) struct Desk {
    to: Sender<Asked>,
    bell: Arc<UnixStream>,
}

impl Desk {
    pub(super) fn new(to: Sender<Asked>, bell: UnixStream) -> Self {
        Self { to, bell: Arc::new(bell) }
    }

    pub(super) fn put(&self, asked: Asked) {
        // Control that is gone asks no more; a bell that is full has been rung.
        let _ = self.to.send(asked);
        let _ = (&*self.bell).write(&[1]);
    }
}

/// A state in keepalived's numbers and words for the bus.
pub(super) fn state_of(word: &str) -> (u32, &'static str) {
    match word {
        "MASTER" => (2, "Master"),
        "BACKUP" => (1, "Backup"),
        "FAULT" => (3, "Fault"),
        "STOP" => (98, "Stop"),
        "DELETED" => (97, "Deleted"),
        _ => (0, "Init"),
    }
}

/// The daemon.
pub(super) struct Daemon {
    pub(super) desk: Desk,
}

#[zbus::interface(name = "org.keepalived.Vrrp1.Vrrp")]
impl Daemon {
    fn print_data(&self) {
        self.desk.put(Asked::PrintData);
    }

    fn print_stats(&self) {
        self.desk.put(Asked::PrintStats);
    }

    fn print_stats_clear(&self) {
        self.desk.put(Asked::PrintStatsClear);
    }

    fn reload_config(&self) {
        self.desk.put(Asked::Reload);
    }

    #[zbus(signal)]
    pub(super) async fn vrrp_started(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn vrrp_reloaded(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn vrrp_stopped(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

/// An instance.
pub(super) struct Instance {
    pub(super) desk: Desk,
    pub(super) name: String,
    /// As scripts are told it.
    pub(super) word: String,
}

#[zbus::interface(name = "org.keepalived.Vrrp1.Instance")]
impl Instance {
    fn send_garp(&self) {
        self.desk.put(Asked::SendGarp(self.name.clone()));
    }

    #[zbus(property)]
    fn name(&self) -> (String,) {
        (self.name.clone(),)
    }

    #[zbus(property)]
    fn state(&self) -> (u32, String) {
        let (number, word) = state_of(&self.word);
        (number, word.to_owned())
    }

    #[zbus(signal)]
    pub(super) async fn vrrp_status_change(
        emitter: &SignalEmitter<'_>,
        status: u32,
    ) -> zbus::Result<()>;
}
