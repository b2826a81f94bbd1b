//! The guardian's process becomes the new program.
//!
//! By `execve`, so that its number, its children and its locks stay: to the service manager and the
//! pid file nothing has happened. What the new program needs is in a note. It is asked beforehand, as
//! a process of its own, whether it understands the note; if not, the guardian simply stays the one
//! it is, and the new roles work under it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Instant, Name, Secret};
use linux::{Interest, PidFile, Poll, Role, Scheduling, clock, succession};
use serde::{Deserialize, Serialize};
use ui::cli::LogFormat;
use vip::last_will::{LastWill, Legacy, Undo};

use super::leases::Leases;
use super::{CONTROL, CONTROL_LINE, ENGINE, ENGINE_LINE, Guardian, Ward};
use crate::channel::Channel;
use crate::control::shelf::Reading;
use crate::exit::Exit;
use crate::messages::Order;
use crate::role::Part;
use crate::run::Start;

/// How long the new program may take to say whether it understands.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What the new program needs to know. A version is never changed; a new one is added. The will in it
/// has a shape of its own for this (`vip::last_will`), what else it is made of is held to stored
/// octets by tests.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(Debug))]
enum Note {
    V1(NoteV1),
    /// With how engines are scheduled, where that is configured.
    V2(NoteV1, Scheduling),
    /// With the routes and rules of what is held, where there are any.
    V3(NoteV1, Scheduling, Ways),
}

/// How the routes and rules of each instance that holds are undone.
type Ways = Vec<Undo>;

impl Note {
    /// A note of any version, with what it does not say as if nothing was configured.
    fn read(octets: &Secret) -> io::Result<(NoteV1, Scheduling, Ways)> {
        Ok(match postcard::from_bytes(octets.expose()).map_err(io::Error::other)? {
            Note::V1(note) => (note, Scheduling::default(), Ways::new()),
            Note::V2(note, scheduling) => (note, scheduling, Ways::new()),
            Note::V3(note, scheduling, ways) => (note, scheduling, ways),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(Debug))]
struct NoteV1 {
    file: PathBuf,
    control_path: PathBuf,
    control_optional: bool,
    reading: Reading,
    log: LogFormat,
    color: bool,
    binary: PathBuf,
    started: Instant,
    engine: Line,
    control: Line,
    listener: Option<i32>,
    lease_socket: Option<i32>,
    lease_table: String,
    pid_files: Vec<(PathBuf, i32)>,
    state: Option<Secret>,
    legacy: Legacy,
    events: u64,
}

/// A role: its process, its line, and what arrived on that and was not read yet.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(Debug))]
struct Line {
    pid: u32,
    fd: i32,
    unread: Vec<u8>,
    born_at: Instant,
}

impl Guardian {
    /// Becomes the new program, if it is time to and it can be done; comes back if it cannot.
    pub(super) fn succeed(&mut self) {
        let Some(binary) = self.succeed_by.clone() else { return };
        // Not in the middle of anything: the note must say all.
        let idle = self.will.legacy().is_some() && self.retired.is_empty() && self.runner.is_none();
        if !idle || self.has_backlog() || self.stop_by.is_some() || self.upgrade.is_some() {
            return;
        }
        self.succeed_by = None;
        if let Err(error) = self.become_successor(&binary) {
            eprintln!(
                "notice: the guardian stays at version {}: {error}",
                env!("CARGO_PKG_VERSION")
            );
        }
    }

    fn become_successor(&mut self, binary: &Path) -> io::Result<()> {
        let note = self.note(binary)?;
        let undo = |(name, ops): (&Name, &Vec<_>)| Undo { name: name.clone(), ops: ops.clone() };
        let ways: Ways = self.will.ways().map(undo).collect();
        // The oldest version that says it all: so that older programs understand it, too.
        let note = if !ways.is_empty() {
            Note::V3(note, self.scheduling.clone(), ways)
        } else if self.scheduling != Scheduling::default() {
            Note::V2(note, self.scheduling.clone())
        } else {
            Note::V1(note)
        };
        // There may be keys in it.
        let note = Secret::new(postcard::to_stdvec(&note).map_err(io::Error::other)?);
        let understood = understands(binary, &note);
        if let Err(error) = understood {
            self.keep();
            return Err(error);
        }
        let note = succession::note(note.expose())?;
        let number = succession::leave_open(&note)?.to_string();
        let error = succession::become_program(binary, "mainstay", &["role", "guardian", &number]);
        self.keep();
        Err(error)
    }

    /// Writes the note, and has all that it names stay open.
    fn note(&self, binary: &Path) -> io::Result<NoteV1> {
        let missing = || io::Error::other("a role has just ended");
        let (engine, control) = (self.engine.as_ref(), self.control.as_ref());
        let pid_files = self
            .pid_files
            .iter()
            .map(|pid_file| Ok((pid_file.path().to_owned(), succession::leave_open(pid_file)?)));
        Ok(NoteV1 {
            file: self.start.file.clone(),
            control_path: self.start.control.clone(),
            control_optional: self.start.control_optional,
            reading: self.start.reading.clone(),
            log: self.start.log,
            color: self.start.color,
            binary: binary.to_owned(),
            started: self.started,
            engine: engine.ok_or_else(missing)?.leave()?,
            control: control.ok_or_else(missing)?.leave()?,
            listener: self.listener.as_ref().map(succession::leave_open).transpose()?,
            lease_socket: self.leases.socket().map(succession::leave_open).transpose()?,
            lease_table: self.leases.table.clone(),
            pid_files: pid_files.collect::<io::Result<_>>()?,
            state: self.state.clone(),
            legacy: self.will.legacy().ok_or_else(missing)?,
            events: self.events,
        })
    }

    /// It stays this program: what it starts must not hold any of this.
    fn keep(&self) {
        let lines = [
            self.engine.as_ref().map(|ward| ward.line.as_fd()),
            self.control.as_ref().map(|ward| ward.line.as_fd()),
            self.listener.as_ref().map(AsFd::as_fd),
            self.leases.socket().map(AsFd::as_fd),
        ];
        lines.into_iter().flatten().for_each(succession::close_on_exec);
        self.pid_files.iter().for_each(succession::close_on_exec);
    }

    fn has_backlog(&self) -> bool {
        self.engine.as_ref().is_some_and(|ward| ward.line.backlog() > 0)
            || self.control.as_ref().is_some_and(|ward| ward.line.backlog() > 0)
    }

    fn resume(note: NoteV1, ways: Ways) -> io::Result<Self> {
        let start = Start {
            file: note.file,
            control: note.control_path,
            control_optional: note.control_optional,
            pid_files: note.pid_files.iter().map(|(path, _)| path.clone()).collect(),
            // This process is in it already.
            namespace: None,
            // What is in force says it.
            snmp: None,
            reading: note.reading,
            log: note.log,
            color: note.color,
        };
        let mut guardian = Self::new(start)?;
        guardian.binary = note.binary;
        guardian.file_of_binary = super::identity(&guardian.binary);
        guardian.started = note.started;
        guardian.will = {
            let ways = ways.into_iter().map(|undo| (undo.name, undo.ops)).collect();
            LastWill::resume(clock::monotonic(), note.legacy, ways)
        };
        guardian.engine = Some(Ward::resume(&guardian.poll, note.engine, ENGINE, ENGINE_LINE)?);
        guardian.control = Some(Ward::resume(&guardian.poll, note.control, CONTROL, CONTROL_LINE)?);
        guardian.engine_stood = true;
        let socket = note.lease_socket.map(succession::take_over).transpose()?;
        guardian.leases = Leases::resume(socket, note.lease_table);
        let listener = note.listener.map(succession::take_over).transpose()?;
        guardian.listener = listener.map(UnixListener::from);
        for (path, fd) in note.pid_files {
            guardian.pid_files.push(PidFile::adopt(path, succession::take_over(fd)?));
        }
        guardian.state = note.state;
        guardian.events = note.events;
        Ok(guardian)
    }
}

impl<S, R> Ward<S, R> {
    fn leave(&self) -> io::Result<Line> {
        Ok(Line {
            pid: self.role.pid(),
            fd: succession::leave_open(&self.line)?,
            unread: self.line.unread().to_vec(),
            born_at: self.born_at,
        })
    }

    fn resume(poll: &Poll, line: Line, role_token: u64, line_token: u64) -> io::Result<Self> {
        let role = Role::adopt(line.pid)?;
        let channel = Channel::resume(succession::take_over(line.fd)?, line.unread)?;
        poll.add(&role, role_token, Interest::Read)?;
        poll.add(&channel, line_token, Interest::Read)?;
        Ok(Self { role, line: channel, born_at: line.born_at, mute: false })
    }
}

/// Asks the new program whether it understands the note.
fn understands(binary: &Path, note: &Secret) -> io::Result<()> {
    let (near, far) = Channel::<Secret, u8>::pair()?;
    let mut near = near;
    let mut role = Part::Reader.start(Some(binary), &far.into_fd())?;
    near.send(note)?;
    let begun = clock::monotonic();
    while clock::monotonic().since(begun) < ANSWER_WITHIN {
        near.flush()?;
        match role.ended()? {
            Some((_, Some(0))) => return Ok(()),
            Some((how, _)) => {
                return Err(io::Error::other(format!("it does not understand our note ({how})")));
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    Err(io::Error::other("it does not say whether it understands our note"))
}

/// A process of the new program that only reads the note: its exit status is the answer.
pub(crate) fn read_note() -> io::Result<Exit> {
    let mut line = Channel::<u8, Secret>::over(linux::take_line()?)?;
    let mut poll = Poll::new()?;
    poll.add(&line, 0, Interest::Read)?;
    let note = loop {
        match line.recv()? {
            Some(note) => break note,
            None => poll.wait(None)?.for_each(drop),
        }
    };
    Note::read(&note)?;
    Ok(Exit::Ok)
}

/// This process was the guardian of another version until a moment ago.
pub(crate) fn take_over(number: i32) -> io::Result<Exit> {
    let note: OwnedFd = succession::take_over(number)?;
    let note = Secret::new(succession::read_note(note)?);
    let (note, scheduling, ways) = Note::read(&note)?;
    let mut guardian = Guardian::resume(note, ways)?;
    // The note has no room for them.
    guardian.order(Order::Terms);
    guardian.scheduling = scheduling;
    guardian.live_on()
}

#[cfg(test)]
mod tests;
