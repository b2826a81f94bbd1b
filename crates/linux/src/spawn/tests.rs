//! What a started program finds, and how it is ended.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::*;
use crate::poll::{Interest, Poll};
use crate::signals::{Signal, Signals};
use crate::testing::{Directory, is_root};

fn program(path: &str, arguments: &[&str]) -> Program {
    Program {
        path: path.into(),
        arguments: arguments.iter().map(ToString::to_string).collect(),
        environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        identity: None,
        keep_output: Some(4096),
    }
}

/// Reads the output to its end, which comes when nobody holds the pipe any more; then the end of
/// the child.
fn finish(child: &mut Child) -> (ScriptResult, String) {
    let mut poll = Poll::new().unwrap();
    poll.add(child.output_fd().unwrap(), 1, Interest::Read).unwrap();
    let begun = Instant::now();
    while child.read_output().unwrap() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the pipe is still held");
        poll.wait(Some(Duration::from_secs(1))).unwrap().count();
    }
    let mut poll = Poll::new().unwrap();
    poll.add(&*child, 2, Interest::Read).unwrap();
    assert_eq!(poll.wait(Some(Duration::from_secs(20))).unwrap().count(), 1);
    let result = child.try_wait().unwrap().unwrap();
    (result, String::from_utf8(child.output().to_vec()).unwrap())
}

fn run(program: &Program) -> (ScriptResult, String) {
    finish(&mut spawn(program).unwrap())
}

fn file(directory: &Directory, name: &str, text: &str) -> String {
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_environment_is_the_given_one() {
    let mut env = program("/usr/bin/env", &[]);
    env.environment = vec![("A".into(), "1 = one".into()), ("B".into(), String::new())];
    assert_eq!(run(&env), (ScriptResult::Exited(0), "A=1 = one\nB=\n".into()));
}

#[test]
fn no_descriptor_of_ours_is_inherited() {
    // A duplicate made this way is inheritable.
    let _open = rustix::io::dup(io::stdin()).unwrap();
    let (result, listed) = run(&program("/bin/ls", &["/proc/self/fd"]));
    assert_eq!(result, ScriptResult::Exited(0));
    assert_eq!(listed, "0\n1\n2\n3\n", "3 is what ls lists with");
}

#[test]
fn standard_input_is_at_its_end() {
    assert_eq!(run(&program("/bin/cat", &[])).0, ScriptResult::Exited(0));
}

#[test]
fn blocked_signals_stay_with_us() {
    let _signals = Signals::open(&Signal::ALL).unwrap();
    let (_, text) = run(&program("/bin/grep", &["SigBlk", "/proc/self/status"]));
    assert_eq!(text.trim(), "SigBlk:\t0000000000000000");
}

#[test]
fn it_leads_a_session_of_its_own_in_the_root_directory() {
    let script = "cut -d' ' -f5,6 /proc/$$/stat; pwd; umask";
    let mut child = spawn(&program("/bin/sh", &["-c", script])).unwrap();
    let pid = child.pid();
    assert_eq!(finish(&mut child).1, format!("{pid} {pid}\n/\n0022\n"));
}

#[test]
fn exits_and_signals_are_told_apart() {
    assert_eq!(run(&program("/bin/sh", &["-c", "exit 7"])).0, ScriptResult::Exited(7));
    let killed = run(&program("/bin/sh", &["-c", "kill -USR1 $$"])).0;
    assert_eq!(killed, ScriptResult::Signalled(libc::SIGUSR1));
}

#[test]
fn a_running_program_has_no_result_and_its_whole_group_can_be_ended() {
    let mut child = spawn(&program("/bin/sh", &["-c", "sleep 100 & echo up; sleep 100"])).unwrap();
    let mut poll = Poll::new().unwrap();
    poll.add(child.output_fd().unwrap(), 1, Interest::Read).unwrap();
    poll.wait(Some(Duration::from_secs(20))).unwrap().count();
    assert!(child.read_output().unwrap());
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill_group(End::Kill).unwrap();
    // The output ends only when the sleeper in the background is gone too.
    assert_eq!(finish(&mut child), (ScriptResult::Signalled(9), "up\n".into()));
    child.kill_group(End::Kill).unwrap();
}

#[test]
fn a_dropped_child_is_ended() {
    let child = spawn(&program("/bin/sleep", &["100"])).unwrap();
    let pid = child.pid();
    assert!(fs::exists(format!("/proc/{pid}")).unwrap());
    drop(child);
    assert!(!fs::exists(format!("/proc/{pid}")).unwrap());
}

#[test]
fn a_child_does_not_outlive_the_thread_that_started_it() {
    let start = || {
        let child = spawn(&program("/bin/sleep", &["100"])).unwrap();
        let pid = child.pid();
        std::mem::forget(child);
        pid
    };
    let pid = std::thread::spawn(start).join().unwrap();
    let begun = Instant::now();
    let dead = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") Z ");
    while !dead() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn output_beyond_the_limit_is_read_and_forgotten() {
    let mut flood = program("/bin/sh", &["-c", "head -c 1000000 /dev/zero | tr '\\0' x"]);
    flood.keep_output = Some(10);
    assert_eq!(run(&flood), (ScriptResult::Exited(0), "xxxxxxxxxx".into()));
}

#[test]
fn both_outputs_are_kept_or_neither() {
    let mut both = program("/bin/sh", &["-c", "echo one; echo two >&2"]);
    assert_eq!(run(&both).1, "one\ntwo\n");
    both.keep_output = None;
    let mut child = spawn(&both).unwrap();
    assert!(child.output_fd().is_none() && !child.read_output().unwrap());
    while child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(child.output(), b"");
}

#[test]
fn it_becomes_the_user_it_was_meant_for() {
    if !is_root() {
        return;
    }
    let script = "id -u; id -g; id -G; grep CapEff /proc/self/status";
    let mut other = program("/bin/sh", &["-c", script]);
    other.identity = Some(Identity { uid: 65534, gid: 65533, groups: vec![65533, 12345] });
    let expected = "65534\n65533\n65533 12345\nCapEff:\t0000000000000000\n";
    assert_eq!(run(&other), (ScriptResult::Exited(0), expected.into()));
}

#[test]
fn what_cannot_start_says_why() {
    let directory = Directory::new();
    let bare = file(&directory, "bare", "echo hello\n");
    let lost = file(&directory, "lost", "#!/no/such/interpreter\n");
    let cut = file(&directory, "cut", "\x7fELF");
    // A child that another test is just forking may still hold our file open for writing.
    let busy = |error: &SpawnError| matches!(error, SpawnError::Refused { source, .. } if source.raw_os_error() == Some(libc::ETXTBSY));
    let refused = |path: &str| {
        std::iter::repeat_with(|| spawn(&program(path, &[])).unwrap_err())
            .find(|error| !busy(error))
            .unwrap()
    };
    assert!(matches!(refused(&bare), SpawnError::NoInterpreter(_)));
    assert!(matches!(refused(&cut), SpawnError::NoInterpreter(_)));
    assert!(matches!(refused(&lost), SpawnError::InterpreterMissing(_)));
    assert!(matches!(refused("bin/sh"), SpawnError::NotAbsolute(_)));
    match refused("/no/such/file") {
        SpawnError::Refused { source, .. } => {
            assert_eq!(source.raw_os_error(), Some(libc::ENOENT));
        }
        other => panic!("{other}"),
    }
    let nul = spawn(&program("/bin/sh", &["a\0b"])).unwrap_err();
    assert!(matches!(nul, SpawnError::Argument(_)));
}
