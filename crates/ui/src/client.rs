//! Asking a running daemon.

use std::io;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::Name;

use crate::protocol::{EventRecord, Request, Response, Status, read_frame, write_frame};

/// A daemon that is there but does not answer is worse than none: say so, do not hang.
const PATIENCE: Duration = Duration::from_secs(5);

/// A conversation with a daemon.
pub struct Client {
    stream: UnixStream,
}

impl Client {
    /// Connects to the control socket at `path`.
    ///
    /// # Errors
    /// With a text that names the path and what to try.
    pub fn connect(path: &Path) -> Result<Self, String> {
        let stream = UnixStream::connect(path).map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    "is mainstay running, and with this --control path?"
                }
                io::ErrorKind::PermissionDenied => "only root and the daemon's own user may ask",
                _ => "see the daemon's log",
            };
            format!("cannot reach mainstay at {}: {error} ({hint})", path.display())
        })?;
        let timeouts = stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        timeouts.map_err(|error| format!("cannot set time-outs: {error}"))?;
        Ok(Self { stream })
    }

    /// The daemon's status.
    ///
    /// # Errors
    /// When the daemon does not answer, or answers something else.
    pub fn status(&mut self) -> Result<Status, String> {
        match self.ask(&Request::Status)? {
            Response::Status(status) => Ok(*status),
            other => Err(unexpected(&other)),
        }
    }

    /// Has an instance handed over; answers with who follows, for it and those it moves with.
    ///
    /// # Errors
    /// Why it was not begun; then nothing has changed.
    pub fn switchover(
        &mut self,
        instance: Name,
        lasts_s: Option<u64>,
    ) -> Result<Vec<(Name, IpAddr)>, String> {
        self.be_patient()?;
        match self.ask(&Request::Switchover { instance, lasts_s })? {
            Response::Switched(followers) => Ok(followers),
            other => Err(unexpected(&other)),
        }
    }

    /// Lets an instance preempt again as configured.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn end_switchover(&mut self, instance: Name) -> Result<(), String> {
        match self.ask(&Request::EndSwitchover { instance })? {
            Response::Switched(_) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Has the configuration read again; comes back when it is in force.
    ///
    /// # Errors
    /// What is wrong with it; then what was in force stays.
    pub fn reload(&mut self) -> Result<(), String> {
        self.be_patient()?;
        match self.ask(&Request::Reload)? {
            Response::Reloaded => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Scripts may be waited for, for as long as the configuration says.
    fn be_patient(&mut self) -> Result<(), String> {
        let patience = self.stream.set_read_timeout(None);
        patience.map_err(|error| format!("cannot set time-outs: {error}"))
    }

    /// Has another version take over; comes back when it has.
    ///
    /// # Errors
    /// Why it has not; then all is as before.
    pub fn upgrade(&mut self, binary: Option<PathBuf>) -> Result<(), String> {
        // A new version has ten seconds to get ready.
        let patience = self.stream.set_read_timeout(Some(PATIENCE * 4));
        patience.map_err(|error| format!("cannot set time-outs: {error}"))?;
        match self.ask(&Request::Upgrade { binary })? {
            Response::Upgraded => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// The events the daemon remembers, oldest first.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub fn events(&mut self) -> Result<Vec<EventRecord>, String> {
        match self.ask(&Request::Events)? {
            Response::Events(events) => Ok(events),
            other => Err(unexpected(&other)),
        }
    }

    /// Hands every event to `each`, remembered ones first, then as they happen, until the daemon
    /// ends or `each` says `false`.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub fn follow(&mut self, mut each: impl FnMut(EventRecord) -> bool) -> Result<(), String> {
        let mut answer = self.ask(&Request::Follow)?;
        self.stream.set_read_timeout(None).map_err(|error| error.to_string())?;
        loop {
            match answer {
                Response::Events(events) => {
                    if !events.into_iter().all(&mut each) {
                        return Ok(());
                    }
                }
                other => return Err(unexpected(&other)),
            }
            match read_frame(&mut self.stream) {
                Ok(Some(next)) => answer = next,
                Ok(None) => return Ok(()),
                Err(error) => return Err(format!("lost the daemon: {error}")),
            }
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Response, String> {
        let answer = write_frame(&mut self.stream, request)
            .and_then(|()| read_frame(&mut self.stream))
            .map_err(|error| format!("the daemon does not answer: {error}"))?;
        match answer {
            Some(Response::Error(text)) => Err(text),
            Some(answer) => Ok(answer),
            None => Err("the daemon closed the connection without an answer".into()),
        }
    }
}

fn unexpected(answer: &Response) -> String {
    format!("the daemon answered something else than was asked: {answer:?}")
}
