//! Agents that hang, fork, flood, die and lie.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use agents::{Ask, Host, Settings, Told};
use cluster::executor::Call;
use cluster::operation::OpStatus;

use crate::bench::{Bench, Directory, PATIENCE, eventually, order, runs, settings};

/// An agent of the test's, called `ocf:test:NAME`.
fn bench(agents: &[(&str, &str)]) -> (Directory, Bench) {
    let directory = Directory::new();
    for (name, text) in agents {
        let dir = directory.path().display();
        let text = format!("#!/bin/sh\nD={dir}\n{text}\n");
        directory.program(&format!("resource.d/test/{name}"), &text);
    }
    let bench = Bench::new(settings(&directory));
    (directory, bench)
}

fn pid(directory: &Directory, name: &str) -> String {
    eventually(name, || directory.read(name).ends_with('\n'));
    directory.read(name)
}

#[test]
fn one_that_hangs_is_ended_with_everything_it_started() {
    // A child, a grandchild in a session of its own whose parent has gone, and itself; none of them
    // minds being asked.
    let hangs = "trap '' TERM
echo $$ >$D/itself
sh -c 'trap \"\" TERM; echo $$ >'$D'/child; while :; do sleep 1000; done' &
setsid sh -c 'sh -c \"echo \\$\\$ >'$D'/far; exec sleep 1000\" & exit'
while :; do sleep 1000; done";
    let (directory, mut bench) = bench(&[("Hangs", hangs)]);
    let number = bench.call(order("ocf:test:Hangs", "start", &[]));
    let all: Vec<String> =
        ["itself", "child", "far"].iter().map(|name| pid(&directory, name)).collect();
    bench.driver.ask(Ask::Kill(number));
    let done = bench.done(number);
    assert_eq!((done.status, done.rc), (OpStatus::TimedOut, 1));
    eventually("a part of it goes on", || !all.iter().any(|pid| runs(pid)));
    // Not even a zombie: it was reaped.
    let itself = format!("/proc/{}", all[0].trim());
    assert!(!std::path::Path::new(&itself).exists());
    assert!(bench.driver.is_idle());
}

#[test]
fn nobody_has_to_call_off_what_takes_longer_than_it_may() {
    let (_directory, mut bench) = bench(&[("Hangs", "trap '' TERM\nexec sleep 1000")]);
    let mut hanging = order("ocf:test:Hangs", "start", &[]);
    hanging.timeout = Duration::from_millis(300);
    let number = bench.call(hanging);
    let done = bench.done(number);
    assert_eq!((done.status, done.rc), (OpStatus::TimedOut, 1));
    assert_eq!(done.reason, "it did not end within 300 ms");
    assert!(bench.driver.is_idle());
}

#[test]
fn one_that_is_called_off_ends_and_says_so_once() {
    let hangs = "echo $$ >$D/itself\nexec sleep 1000";
    let (directory, mut bench) = bench(&[("Hangs", hangs)]);
    let number = bench.call(order("ocf:test:Hangs", "start", &[]));
    pid(&directory, "itself");
    bench.driver.ask(Ask::Kill(number));
    bench.driver.ask(Ask::Kill(number));
    assert_eq!(bench.done(number).status, OpStatus::TimedOut);
    bench.driver.ask(Ask::Kill(number));
    bench.quiet(Duration::from_millis(50), |told| matches!(told, Told::Done(_)));
}

#[test]
fn a_daemon_that_keeps_the_outputs_open_holds_nobody_up_and_lives() {
    let starts = "sleep 1000 &\necho $! >$D/daemon\necho ocf-exit-reason:well >&2\nexit 0";
    let (directory, mut bench) = bench(&[("Starts", starts)]);
    let begun = Instant::now();
    assert_eq!(bench.rc("ocf:test:Starts", "start", &[]), 0);
    assert!(begun.elapsed() < PATIENCE);
    let daemon = pid(&directory, "daemon");
    assert!(runs(&daemon), "what a start starts is to stay");
    // What is ended of the same resource later is not taken for its daemon.
    let number = bench.call(order("ocf:test:Starts", "monitor", &[]));
    bench.done(number);
    assert!(runs(&daemon));
    for name in [daemon, pid(&directory, "daemon")] {
        std::process::Command::new("kill").args(["-9", name.trim()]).status().unwrap();
    }
}

#[test]
fn a_flood_is_read_and_forgotten_and_the_reason_is_found_in_it() {
    let floods = "echo 'ocf-exit-reason:the disk is gone' >&2
head -c 20000000 /dev/zero | tr '\\0' x >&2
head -c 20000000 /dev/zero | tr '\\0' y
exit 5";
    let (_directory, mut bench) = bench(&[("Floods", floods)]);
    let done = bench.act("ocf:test:Floods", "start", &[]);
    assert_eq!((done.rc, &*done.reason), (5, "the disk is gone"));
    let lines = bench.wait(|told| match told {
        Told::Wrote(_, _, lines) => Some(lines.clone()),
        _ => None,
    });
    assert!(lines.iter().map(String::len).sum::<usize>() < 4096, "{lines:?}");
}

#[test]
fn what_cannot_be_run_says_why() {
    let (directory, mut bench) = bench(&[("Dies", "kill -9 $$")]);
    directory.program("resource.d/test/Bare", "echo hello\n");
    directory.program("resource.d/test/Lost", "#!/no/such/interpreter\n");
    std::fs::write(directory.join("resource.d/test/Plain"), "#!/bin/sh\n").unwrap();
    for (agent, rc, status, reason) in [
        ("Dies", 1, OpStatus::Error, "signal 9 ended the agent"),
        ("Bare", 5, OpStatus::NotInstalled, "neither a program for this machine nor a script"),
        ("Lost", 5, OpStatus::NotInstalled, "does not exist"),
        ("Plain", 4, OpStatus::Error, "Permission denied"),
        ("None", 5, OpStatus::NotInstalled, "there is no agent ocf:test:None"),
        ("../test/Dies", 6, OpStatus::Error, "cannot be the name"),
    ] {
        let done = bench.act(&format!("ocf:test:{agent}"), "start", &[]);
        assert_eq!((done.rc, done.status), (rc, status), "{agent}: {done:?}");
        assert!(done.reason.contains(reason), "{agent}: {}", done.reason);
    }
}

#[test]
fn nothing_that_others_than_root_can_exchange_is_run_with_roots_rights() {
    let (directory, _) = bench(&[("Fine", "exit 0")]);
    let mut bench = Bench::new(Settings { only_roots: true, ..settings(&directory) });
    let done = bench.act("ocf:test:Fine", "start", &[]);
    assert_eq!((done.rc, done.status), (4, OpStatus::Error));
    let told = done.reason;
    assert!(
        told.starts_with("ocf:test:Fine is not run: ") && told.contains("by everybody"),
        "{told}"
    );
}

#[test]
fn descriptions_that_are_none_are_told_precisely() {
    let says = |text: &str| format!("cat <<'E'\n{text}\nE");
    let lies = says("<resource-agent name='Other'><actions/></resource-agent>");
    let time = says(
        "<resource-agent name='T'><actions><action name='start' timeout='x'/></actions></resource-agent>",
    );
    let endless = "yes '<parameter/>' | head -c 2000000";
    let (_directory, mut bench) = bench(&[
        ("Lies", &lies),
        ("T", &time),
        ("Usage", &says("usage: Usage {start|stop}")),
        ("Endless", endless),
        ("Fails", "echo 'ocf-exit-reason:no' >&2; exit 3"),
    ]);
    let read = bench.metadata("ocf:test:Lies").unwrap();
    assert_eq!(read.complaints[0], "it calls itself `Other`, not `Lies`");
    for (agent, error) in [
        ("T", "ocf:test:T: action `start`: timeout=\"x\" is not a time"),
        ("Usage", "ocf:test:Usage: its metadata is not well-formed XML at byte"),
        ("Endless", "ocf:test:Endless: it wrote more than 524288 octets of metadata"),
        ("Fails", "ocf:test:Fails: asked for its metadata, it exited with 3: no"),
        ("None", "there is no agent ocf:test:None"),
    ] {
        let told = bench.metadata(&format!("ocf:test:{agent}")).unwrap_err();
        assert!(told.starts_with(error), "{told}");
    }
}

#[test]
fn an_agent_finds_what_it_was_given_and_nothing_of_ours() {
    let (directory, mut bench) = bench(&[("Env", "env -0 >$D/env; echo \"$@\" >$D/words")]);
    let given: &[(&str, &str)] = &[
        ("text", "a 'quoted' $HOME\nline"),
        ("CRM_meta_notify_master_uname", "n1 "),
        ("CRM_meta_timeout", "20000"),
    ];
    assert_eq!(bench.rc("ocf:test:Env", "notify", given), 0);
    assert_eq!(directory.read("words"), "notify\n");
    let text = directory.read("env");
    let found: BTreeMap<&str, &str> =
        text.split_terminator('\0').filter_map(|it| it.split_once('=')).collect();
    for (name, value) in [
        ("OCF_RESKEY_text", "a 'quoted' $HOME\nline"),
        ("OCF_RESKEY_CRM_meta_notify_promoted_uname", "n1 "),
        ("OCF_RESKEY_CRM_meta_notify_master_uname", "n1 "),
        ("OCF_RESOURCE_INSTANCE", "it"),
    ] {
        assert_eq!(found.get(name), Some(&value), "{name}");
    }
    let known = |name: &&str| {
        ["OCF_", "HA_", "PCMK_"].iter().any(|start| name.starts_with(start))
            // The shell's own, and the mark.
            || ["PATH", "LC_ALL", "PWD", "SHLVL", "_", "OLDPWD", "MAINSTAY_CALL"].contains(name)
    };
    let other: Vec<&&str> = found.keys().filter(|name| !known(name)).collect();
    assert!(other.is_empty(), "{other:?}");
}

#[test]
fn monitors_wait_for_each_other_and_what_changes_something_does_not() {
    let slow = "[ $1 = monitor ] || exit 0
mkdir -p $D/now; touch $D/now/$$; ls $D/now | wc -l >>$D/most; sleep 0.2; rm $D/now/$$; exit 7";
    let directory = Directory::new();
    let text = format!("#!/bin/sh\nD={}\n{slow}\n", directory.path().display());
    directory.program("resource.d/test/Slow", &text);
    let mut bench = Bench::new(Settings { at_once: 3, ..settings(&directory) });
    let monitors: Vec<u64> =
        (0..12).map(|_| bench.call(order("ocf:test:Slow", "monitor", &[]))).collect();
    let start = bench.call(order("ocf:test:Slow", "start", &[]));
    let first = bench.wait(|told| match told {
        Told::Done(done) if done.number == start || done.number == monitors[11] => {
            Some(done.number)
        }
        _ => None,
    });
    assert_eq!(first, start, "the start waited for the monitors");
    for number in &monitors {
        assert_eq!(bench.done(*number).rc, 7);
    }
    let most: Vec<u32> =
        directory.read("most").lines().map(|it| it.trim().parse().unwrap()).collect();
    assert!(most.len() == 12 && most.iter().all(|at_once| *at_once <= 3), "{most:?}");
}

#[test]
fn a_number_that_is_used_again_means_the_new_call() {
    let by_name = "[ $1 = start ] || exit 7\nuntil [ -e $D/go ]; do sleep 0.02; done; exit 0";
    let (directory, mut bench) = bench(&[("Waits", by_name)]);
    let number = bench.call(order("ocf:test:Waits", "start", &[]));
    let order = order("ocf:test:Waits", "monitor", &[]);
    bench.driver.ask(Ask::Call(Call { number, order }));
    assert_eq!(bench.done(number).rc, 7);
    std::fs::write(directory.join("go"), "").unwrap();
    eventually_idle(&mut bench);
    bench.quiet(Duration::ZERO, |told| matches!(told, Told::Done(_)));
}

fn eventually_idle(bench: &mut Bench) {
    let begun = Instant::now();
    while !bench.driver.is_idle() {
        assert!(begun.elapsed() < PATIENCE);
        bench.quiet(Duration::from_millis(10), |told| matches!(told, Told::Done(_)));
    }
}

#[test]
fn what_an_earlier_life_asked_for_is_ended_and_nobodys_news() {
    let hangs = "echo $$ >$D/itself\nexec sleep 1000";
    let (directory, mut bench) = bench(&[("Hangs", hangs)]);
    bench.call(order("ocf:test:Hangs", "start", &[]));
    let itself = pid(&directory, "itself");
    bench.driver.ask(Ask::Reborn);
    eventually_idle(&mut bench);
    assert!(!runs(&itself));
}

#[test]
fn on_a_thread_of_its_own_it_tells_as_well_and_ends_what_runs_when_it_goes() {
    let both = "[ $1 = monitor ] && exit 8\necho $$ >$D/itself\nexec sleep 1000";
    let (directory, _) = bench(&[("Both", both)]);
    let (tell, told) = std::sync::mpsc::channel();
    let host = Host::start(settings(&directory), move |it| drop(tell.send(it))).unwrap();
    for (number, operation) in [(1, "start"), (2, "monitor")] {
        let order = order("ocf:test:Both", operation, &[]);
        host.ask(Ask::Call(Call { number, order }));
    }
    match told.recv_timeout(PATIENCE).unwrap() {
        Told::Done(done) => assert_eq!((done.number, done.rc), (2, 8)),
        other => panic!("{other:?}"),
    }
    let itself = pid(&directory, "itself");
    drop(host);
    eventually("it outlives the host", || !runs(&itself));
}
