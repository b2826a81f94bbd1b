//! Self-fencing: a watchdog that is fed only while this node may hold what it holds.
//!
//! It is fed by the loop that hears grants and asks for them; so it resets the machine when that loop hangs,
//! when the process is killed, when what runs here cannot be stopped though the quorum lease is over, and
//! when the cluster's policy is that whoever has no quorum makes an end of itself.

use std::io;

use linux::Watchdog;

/// What is fed, if there is one.
#[derive(Debug, Default)]
pub(super) struct Reset(Option<Watchdog>);

impl Reset {
    pub(super) fn by(watchdog: Option<Watchdog>) -> Self {
        Self(watchdog)
    }

    /// It waits anew.
    pub(super) fn feed(&mut self) -> io::Result<()> {
        self.0.as_mut().map_or(Ok(()), Watchdog::feed)
    }

    /// It resets nobody any more.
    pub(super) fn put_away(&mut self) -> io::Result<()> {
        self.0.take().map_or(Ok(()), |mut it| it.put_away())
    }
}
