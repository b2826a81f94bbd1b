//! For this room's tests: a network namespace of their own, without a name.

use std::process::Command;
use std::thread;

/// Runs `test` on a thread of its own in a fresh network namespace with `lo` down, which vanishes
/// with the thread. Skips, saying so, where that is not allowed.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(move || {
        // SAFETY: moves only this thread into a new network namespace; no memory is shared or
        // unshared by CLONE_NEWNET.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            println!("skipped: no right to make a network namespace");
            return;
        }
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs iproute2's `ip` in the calling thread's namespace and returns what it printed.
#[allow(dead_code)]
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The index of an interface, by name, in the calling thread's namespace.
#[allow(dead_code)]
pub(crate) fn index(name: &str) -> base::IfIndex {
    // Not from /sys, which shows the namespace it was mounted in.
    let text = ip(&format!("-o link show dev {name}"));
    let number = text.split(':').next().unwrap().trim().parse().unwrap();
    base::IfIndex::new(number).unwrap()
}
