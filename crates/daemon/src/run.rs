//! Putting the roles together: what has to happen before the first advert, in an order in which a
//! failure changes nothing.

use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use linux::{BindError, PidFile, bind_unix};
use linux::{Signal, Signals};
use ui::cli::LogFormat;

use crate::channel::Channel;
use crate::control::files::{self, Refused};
use crate::control::shelf::Reading;
use crate::control::{self, Settings};
use crate::engine;
use crate::exit::Exit;

/// How the daemon is to run, whichever name it was started by.
pub(crate) struct Start {
    pub(crate) file: PathBuf,
    pub(crate) control: PathBuf,
    /// Go on without a control socket when another daemon has it: several keepalived on one node,
    /// told apart by their pid files, are common.
    pub(crate) control_optional: bool,
    pub(crate) pid_files: Vec<PathBuf>,
    pub(crate) reading: Reading,
    pub(crate) log: LogFormat,
    pub(crate) color: bool,
}

/// Runs until stopped.
pub(crate) fn run(start: Start) -> Exit {
    // Signals that come from here on are answered, not fatal; threads inherit the mask.
    let signals =
        [Signal::Terminate, Signal::Interrupt, Signal::HangUp, Signal::User1, Signal::User2];
    let signals = match Signals::open(&signals) {
        Ok(signals) => signals,
        Err(error) => return fail("cannot take signals", &error),
    };
    let loaded = match files::load(&start.file, &start.reading, start.color) {
        Ok(loaded) => loaded,
        Err(refused) => {
            eprint!("{}", refused.report());
            return match refused {
                Refused::Unreadable(_) => Exit::NoConfig,
                Refused::Wrong { .. } => Exit::Config,
            };
        }
    };
    eprint!("{}", loaded.remarks);
    let mut pid_files = Vec::new();
    for path in &start.pid_files {
        match PidFile::take(path) {
            Ok(pid_file) => pid_files.push(pid_file),
            Err(error) => {
                eprintln!("error: {error}");
                return Exit::Fatal;
            }
        }
    }
    let listener = match listen(&start.control, start.control_optional) {
        Ok(listener) => listener,
        Err(exit) => return exit,
    };
    let engine = Channel::pair().and_then(|(near, far)| engine::start(far).map(|()| near));
    let engine = match engine {
        Ok(engine) => engine,
        Err(error) => return fail("cannot start the engine", &error),
    };
    let settings = Settings { file: start.file, reading: start.reading, log: start.log };
    match control::run(settings, loaded, signals, listener, engine) {
        Ok(exit) => exit,
        Err(error) => fail("control failed", &error),
    }
}

/// Binds the control socket. A second daemon on the same socket is an error; a place where no socket
/// can be made only costs the answers of `mainstay status`, and no VIP should depend on those.
fn listen(path: &Path, optional: bool) -> Result<Option<UnixListener>, Exit> {
    match bind_unix(path, 0o600, 0o755) {
        Ok(listener) => Ok(Some(listener)),
        Err(error @ BindError::InUse(_)) if !optional => {
            eprintln!(
                "error: {error}; another mainstay runs here. Stop it, or name another --control"
            );
            Err(Exit::Fatal)
        }
        Err(error) => {
            eprintln!(
                "warning: {error}; `mainstay status` will not reach this daemon. Name another place \
                 with --control"
            );
            Ok(None)
        }
    }
}

fn fail(what: &str, error: &io::Error) -> Exit {
    if error.kind() == io::ErrorKind::PermissionDenied {
        eprintln!(
            "error: {what}: {error}; mainstay needs CAP_NET_ADMIN and CAP_NET_RAW: run it as root"
        );
        Exit::Permission
    } else {
        eprintln!("error: {what}: {error}");
        Exit::Fatal
    }
}
