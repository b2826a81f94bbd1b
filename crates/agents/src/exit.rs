//! What exit codes mean: OCF's are the cluster's own; an init script's are read by what it was asked.

use cluster::operation::OpStatus;

/// The agent did what it was asked.
pub const OK: i32 = 0;
/// Something went wrong, and may go well elsewhere or later.
pub const ERROR: i32 = 1;
/// It does not know the action.
pub const UNIMPLEMENTED: i32 = 3;
/// It may not do it.
pub const PERMISSION: i32 = 4;
/// What it needs is not installed here.
pub const INSTALLED: i32 = 5;
/// Its parameters cannot be right anywhere.
pub const CONFIGURED: i32 = 6;
/// It is not running.
pub const NOT_RUNNING: i32 = 7;

/// How an action ended, as the cluster records it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// The exit code, in OCF's words.
    pub rc: i32,
    /// How it came to that.
    pub status: OpStatus,
    /// Why, in words; empty if nobody said.
    pub reason: String,
}

impl Ended {
    /// An exit code that was come to.
    #[must_use]
    pub fn with(rc: i32) -> Self {
        Self { rc, status: OpStatus::Done, reason: String::new() }
    }

    /// Something that came to no exit code of its own.
    #[must_use]
    pub fn failed(status: OpStatus, rc: i32, reason: impl Into<String>) -> Self {
        Self { rc, status, reason: reason.into() }
    }
}

/// The cluster's exit code for one of an init script (LSB core 5.0 §22.2).
#[must_use]
pub fn of_init_script(action: &str, rc: i32) -> i32 {
    match (action, rc) {
        // 1, 2: dead, and a file says otherwise; 3: not running.
        ("status", 0) => OK,
        ("status", 1..=3) => NOT_RUNNING,
        ("status", _) => ERROR,
        // It is stopped: that it was before is no failure.
        ("stop", 7) => OK,
        (_, 0..=7) => rc,
        _ => ERROR,
    }
}

/// What an init script calls an action of the cluster; `None`: it has none for it.
#[must_use]
pub fn word_of_init_script(action: &str) -> Option<&str> {
    match action {
        "monitor" => Some("status"),
        "start" | "stop" | "restart" | "reload" | "force-reload" | "status" => Some(action),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table_of_init_scripts() {
        let status = [0, 7, 7, 7, 1, 1, 1, 1, 1];
        let start = [0, 1, 2, 3, 4, 5, 6, 7, 1];
        let stop = [0, 1, 2, 3, 4, 5, 6, 0, 1];
        for (rc, at) in (0..).zip(0..status.len()) {
            assert_eq!(of_init_script("status", rc), status[at], "status {rc}");
            assert_eq!(of_init_script("start", rc), start[at], "start {rc}");
            assert_eq!(of_init_script("stop", rc), stop[at], "stop {rc}");
        }
        assert_eq!(of_init_script("start", 150), ERROR);
    }
}
