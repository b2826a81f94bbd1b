//! What a node's daemon tells: calls of notify scripts in the order they were started, and the lines
//! that come out of the FIFO.

/// Scripts of a node: notify script, checks and a reader of the FIFO.
pub(crate) const FILES: &[(&str, &str)] = &[
    // A process that was started later has the higher number.
    ("/run/lab/told", "#!/bin/sh\necho $$ \"$@\" >> /run/lab/calls\n"),
    ("/run/lab/whoami", "#!/bin/sh\necho $$ $(id -un) \"$@\" >> /run/lab/calls\n"),
    ("/run/lab/good", "#!/bin/sh\nsleep ${2:-0}\ntest ! -e /run/lab/bad$1\n"),
    // What a case may include.
    (
        "/run/lab/part",
        "global_defs {\n vrrp_version 3\n script_user root\n enable_script_security\n \
         vrrp_notify_fifo /run/lab/fifo\n}\n",
    ),
];

/// Makes the FIFO and reads it from then on, so that it has a reader when nobody runs.
pub(crate) const LISTEN: &str = "touch /run/lab/calls /run/lab/lines; chmod 666 /run/lab/calls; \
     mkfifo /run/lab/fifo; setsid cat 0<>/run/lab/fifo >>/run/lab/lines 2>/dev/null &";

/// Shows both.
pub(crate) const SHOW: &str = "cat /run/lab/calls; echo =; cat /run/lab/lines; echo; echo ==";

/// The lists of each aspect.
pub(crate) fn read(text: &str) -> [(&'static str, Vec<String>); 2] {
    let (calls, lines) = text.split_once("=\n").expect("both are shown");
    let numbered = |line: &str| {
        let (number, rest) = line.split_once(' ')?;
        Some((number.parse::<u32>().ok()?, rest.to_owned()))
    };
    let mut calls: Vec<_> = calls.lines().filter_map(numbered).collect();
    calls.sort();
    let mut calls: Vec<String> = calls.into_iter().map(|(_, call)| call).collect();
    // Each instance and group has a queue of its own; nobody promises an order among them.
    calls.sort_by_key(|call| about(call).to_owned());
    calls.dedup();
    let lines = lines.lines().map(str::to_owned).collect();
    [("calls", calls), ("lines", alike(lines))]
}

/// Whom a call is about: the first word, or the second of one that says what kind that is.
fn about(call: &str) -> &str {
    let kinds = ["INSTANCE ", "GROUP "];
    let rest = kinds.iter().find_map(|kind| call.strip_prefix(kind)).unwrap_or(call);
    rest.split(' ').next().unwrap_or_default()
}

/// Which member of a group is told of first depends on whose timer ran out first; so among
/// neighbours that say the same of different names the order is taken out. What a holder says at
/// every advert of a weaker one is said once.
fn alike(mut lines: Vec<String>) -> Vec<String> {
    lines.dedup();
    for run in lines.chunk_by_mut(|a, b| what(a).is_some() && what(a) == what(b)) {
        run.sort();
    }
    lines
}

/// What is said, without of whom; groups are on their own.
fn what(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("INSTANCE \"")?;
    rest.split_once("\" ").map(|(_, what)| what)
}
