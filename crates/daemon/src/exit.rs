//! How the program ends, in numbers that scripts around keepalived already know.

use std::panic::{AssertUnwindSafe, catch_unwind};
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
    /// An invariant of our own is broken, and this process says so on its way out (keepalived: 70).
    Broken,
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
            Exit::Broken => 70,
            Exit::Status(status) => status,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.status())
    }
}

/// Plays a part to its end. What nobody expected has been written down by then, and has a status of its
/// own, so that whoever looks at it need not take it for a wrong command line.
pub(crate) fn of(play: impl FnOnce() -> ExitCode) -> ExitCode {
    // Nothing of it is used again: the process ends.
    catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|_| Exit::Broken.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_invariant_has_keepalived_s_status() {
        let of = |play: fn() -> ExitCode| format!("{:?}", of(play));
        assert_eq!(of(|| panic!("as if")), format!("{:?}", ExitCode::from(70)));
        assert_eq!(of(|| Exit::Config.into()), format!("{:?}", ExitCode::from(2)));
    }
}
