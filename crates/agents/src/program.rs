//! A program that runs: its outputs, kept within bounds; its end; and the end of everything it started.
//!
//! It has ended when its process has, not when its outputs are closed: an agent that starts a daemon
//! leaves it its own outputs as often as not, and nobody is to wait for the daemon. What it started
//! is left alone when it ends by itself (that is what a start is for), and ended with it when it is
//! ended: whatever it had begun is not to go on behind the next action's back.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use base::ScriptResult;
use linux::{Child, Interest, Poll, Program, ScriptFile, SpawnError};

use crate::heard::{Beginning, Errors};

/// Descriptors of a program are numbered from its own number times this.
pub(crate) const TOKENS: u64 = 4;
const END: u64 = 0;
const OUTPUT: u64 = 1;
const ERRORS: u64 = 2;
/// What is read of an output in one turn at most, in pieces of 8 KiB.
const PIECES: usize = 16;
/// The variable by which what a program started is found again.
const MARK: &str = "MAINSTAY_CALL";

/// What to run.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) path: PathBuf,
    pub(crate) file: Option<ScriptFile>,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// What it reads.
    pub(crate) input: Vec<u8>,
    /// How much of its standard output is of interest.
    pub(crate) keep: usize,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) how: How,
    /// The beginning of its standard output, and whether there was more.
    pub(crate) output: (Vec<u8>, bool),
    /// The reason it gave.
    pub(crate) reason: Option<String>,
    /// The last lines of its standard error.
    pub(crate) lines: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum How {
    Exited(i32),
    Signalled(i32),
    /// We ended it.
    Ended,
    NotStarted(SpawnError),
}

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    mark: String,
    output: Option<File>,
    errors: Option<File>,
    kept: Beginning,
    said: Errors,
    ended: bool,
}

impl Running {
    /// Starts a program, to be told of in `poll` under its number.
    /// `driver` tells this driver from any other there was or is.
    pub(crate) fn start(
        driver: u64,
        number: u64,
        command: Command,
        poll: &Poll,
    ) -> Result<Self, SpawnError> {
        let refused = |source| SpawnError::Refused { path: command.path.clone(), source };
        let mark = format!("{driver:016x}.{number}");
        let mut environment = command.environment;
        environment.push((MARK.to_owned(), mark.clone()));
        let program = Program {
            path: command.path.clone(),
            arguments: command.arguments,
            environment,
            identity: None,
            keep_output: None,
        };
        let (theirs, output, errors) = linux::streams(&command.input).map_err(refused)?;
        let child = linux::spawn_with(&program, command.file, theirs)?;
        // Not watched, it would never end for us: `child` is ended by being dropped.
        let watch = || -> io::Result<()> {
            poll.add(&child, number * TOKENS + END, Interest::Read)?;
            poll.add(&output, number * TOKENS + OUTPUT, Interest::Read)?;
            poll.add(&errors, number * TOKENS + ERRORS, Interest::Read)
        };
        watch().map_err(refused)?;
        Ok(Self {
            child,
            mark: format!("{MARK}={mark}"),
            output: Some(output),
            errors: Some(errors),
            kept: Beginning::new(command.keep),
            said: Errors::default(),
            ended: false,
        })
    }

    /// Ends it and what it started.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        linux::kill_offspring(self.child.pid(), &self.mark);
    }

    /// One of its descriptors is ready; whether it has ended.
    pub(crate) fn advance(&mut self, token: u64, poll: &Poll) -> Option<How> {
        match token % TOKENS {
            OUTPUT => hear(&mut self.output, poll, |octets| self.kept.hear(octets)),
            ERRORS => hear(&mut self.errors, poll, |octets| self.said.hear(octets)),
            _ => {
                let result = self.child.try_wait().unwrap_or_else(|error| {
                    // Somebody else has taken its end; that it has ended is certain.
                    Some(ScriptResult::NotStarted(error.to_string()))
                })?;
                // What it wrote before it ended is in the pipes by now.
                hear(&mut self.output, poll, |octets| self.kept.hear(octets));
                hear(&mut self.errors, poll, |octets| self.said.hear(octets));
                return Some(match result {
                    _ if self.ended => How::Ended,
                    ScriptResult::Exited(code) => How::Exited(code),
                    ScriptResult::Signalled(signal) => How::Signalled(signal),
                    _ => How::Exited(-1),
                });
            }
        }
        None
    }

    pub(crate) fn finish(self, how: How) -> Finished {
        let (reason, lines) = self.said.take();
        Finished { how, output: self.kept.take(), reason, lines }
    }
}

/// Reads what is there, within bounds; an output that is closed is not looked at again.
fn hear(from: &mut Option<File>, poll: &Poll, mut to: impl FnMut(&[u8])) {
    let Some(file) = from else { return };
    let mut piece = [0; 8192];
    for _ in 0..PIECES {
        match file.read(&mut piece) {
            Ok(length) if length > 0 => to(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Ok(_) | Err(_) => {
                let _ = poll.remove(&*file);
                *from = None;
                return;
            }
        }
    }
    // There is more: the next turn goes on.
}
