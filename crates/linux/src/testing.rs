//! For this room's tests: a network namespace of their own, without a name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base::KernelFact;

use crate::monitor::Monitor;

/// Runs `test` on a thread of its own in a fresh network namespace with `lo` down, which vanishes
/// with the thread. Skips, saying so, where that is not allowed.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(move || {
        // Moves only this thread.
        if nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).is_err() {
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
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The index of an interface, by name, in the calling thread's namespace.
pub(crate) fn index(name: &str) -> base::IfIndex {
    // Not from /sys, which shows the namespace it was mounted in.
    let text = ip(&format!("-o link show dev {name}"));
    let number = text.split(':').next().unwrap().trim().parse().unwrap();
    base::IfIndex::new(number).unwrap()
}

/// Waits until these interfaces pass traffic, which may be a while after they were set up: until then
/// what is sent on them vanishes.
pub(crate) fn settled(names: &[&str]) {
    let mut monitor = Monitor::open(Monitor::QUEUE).unwrap();
    let begun = Instant::now();
    loop {
        let KernelFact::Snapshot { links, .. } = monitor.snapshot().unwrap() else { continue };
        let running = |name: &&str| links.iter().any(|l| l.name == **name && l.running);
        if names.iter().all(running) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{names:?} not all running: {links:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A directory for one test, removed with it. Its permissions are 0755.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mainstay-linux-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether the test may do what only root may; says so if not.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: not root");
    }
    root
}
