//! How the program ends, in numbers that scripts around keepalived already know.

use std::process::ExitCode;

/// An exit status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// All is well.
    Ok,
    /// Something essential failed (keepalived: 1).
    Fatal,
    /// The configuration cannot be run (keepalived: 2).
    Config,
    /// A right is missing (keepalived: 4).
    Permission,
    /// There is no configuration (keepalived: 6).
    NoConfig,
    /// `check` and `-t` found errors. keepalived(8) documents 4 for a configuration with errors,
    /// and 2.2.7 was measured to answer 4 when it could not run it; a file with errors is both here.
    CheckFailed,
    /// What another role of this daemon ended with.
    Status(u8),
}

impl Exit {
    /// The number.
    pub(crate) fn status(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Fatal => 1,
            Exit::Config => 2,
            Exit::Permission | Exit::CheckFailed => 4,
            Exit::NoConfig => 6,
            Exit::Status(status) => status,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.status())
    }
}
