//! What only a process of its own can show: that a lab needs no root where user namespaces are
//! allowed, and that nothing stays behind when its program is killed.
//!
//! Started by the tests' runner this starts itself again, as another user or to be killed. Needs
//! root for both; says so and passes where it is not to be had.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use std::{env, fs};

use lab::{CommandLine, Lab, wait_for};

const ROLE: &str = "LAB_TEST_ROLE";

fn main() -> ExitCode {
    match env::var(ROLE).as_deref() {
        Ok("nobody") => return as_nobody(),
        Ok("victim") => return as_victim(),
        _ => {}
    }
    // `cargo test -- --list` and filters ask for tests by name; there are none to name.
    if env::args().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    if fs::metadata("/proc/self").map(|m| m.uid()).ok() != Some(0) {
        eprintln!("SKIPPED: needs root");
        return ExitCode::SUCCESS;
    }
    without_root_a_user_namespace_serves();
    println!("test without_root_a_user_namespace_serves ... ok");
    a_killed_program_leaves_nothing();
    println!("test a_killed_program_leaves_nothing ... ok");
    ExitCode::SUCCESS
}

/// This program where any user can execute it, until dropped.
struct Copy(PathBuf);

impl Copy {
    fn new() -> Self {
        let path = env::temp_dir().join(format!("lab-traceless-{}", std::process::id()));
        fs::copy(env::current_exe().expect("a name"), &path).expect("a copy");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
        Self(path)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn without_root_a_user_namespace_serves() {
    let allowed = fs::read_to_string("/proc/sys/user/max_user_namespaces");
    if allowed.is_ok_and(|number| number.trim() == "0") {
        eprintln!("SKIPPED: this machine allows no user namespaces");
        return;
    }
    let copy = Copy::new();
    let output = Command::new(&copy.0)
        .env(ROLE, "nobody")
        .uid(65534)
        .gid(65534)
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("n1 answered"), "{text}");
}

fn as_nobody() -> ExitCode {
    linux::become_root().expect("a user namespace");
    let lab = Lab::article(2).expect("a lab");
    let address = lab.node("n1").address().expect("an address");
    let probe = lab.probe(address, Duration::from_millis(5)).expect("a probe");
    if wait_for(Duration::from_secs(5), || probe.last_answer().is_some()).is_some() {
        println!("{} answered", probe.last_answer().expect("an answer").node);
    }
    ExitCode::SUCCESS
}

fn a_killed_program_leaves_nothing() {
    let mut victim = Command::new(env::current_exe().expect("a name"))
        .env(ROLE, "victim")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(victim.stdout.take().expect("a pipe")).lines();
    let line = lines.next().expect("a line").expect("text");
    let pids: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(pids.len(), 2, "a daemon and what ran away from it: {line}");
    let alive = || pids.iter().any(|pid| Path::new("/proc").join(pid).exists());
    assert!(alive());
    victim.kill().expect("a signal");
    victim.wait().expect("its end");
    assert!(wait_for(Duration::from_secs(10), || !alive()).is_some(), "{line} live on");
}

fn as_victim() -> ExitCode {
    let mut lab = Lab::article(1).expect("a lab");
    let script = "(setsid sleep 1000 &); exec sleep 1000";
    let arguments = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    lab.node_mut("n1").start(&CommandLine { arguments }, "").expect("a daemon");
    let pids = || lab.node("n1").container().pids();
    wait_for(Duration::from_secs(5), || pids().len() == 2).expect("two processes");
    println!("{}", pids().iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    std::thread::sleep(Duration::from_secs(60));
    ExitCode::FAILURE
}
