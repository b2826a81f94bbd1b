//! Fence agents over standard input: one of the lab's, unmodified, and some of the test's own that
//! list, do not list, and do not answer.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use agents::{Ask, Settings, Told};
use cluster::fencer::{Call, Check};
use cluster::operation::OpStatus;
use lab::{Need, requires};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use crate::bench::{Bench, Directory, order, settings};

const METADATA: &str = "<resource-agent name='fence_it'><parameters/><actions><action name='off'/>\
    <action name='ACTION'/><action name='monitor'/><action name='metadata'/></actions></resource-agent>";

/// A fence agent that notes what it reads; `more` are cases of its actions.
fn agent(directory: &Directory, lists: &str, more: &str) {
    let text = format!(
        "#!/bin/sh\nD={}\nwhile read line; do case $line in action=*) a=${{line#action=}};; esac; all=\"$all $line\"; done\n\
         echo \"$all\" >>$D/read\ncase $a in metadata) echo \"{}\";; {more}\n\
         off|monitor) exit 0;; *) echo \"no $a here\" >&2; exit 1;; esac\n",
        directory.path().display(),
        METADATA.replace("ACTION", lists),
    );
    directory.program("sbin/fence_it", &text);
}

fn call(number: u64, check: Check) -> Call {
    let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Call {
        number,
        device: "it".into(),
        agent: "fence_it".into(),
        lines: vec![
            line("action", "off"),
            line("nodename", "n2"),
            line("port", "n2"),
            line("passwd", "s3 cret"),
        ],
        node: Some("n2".into()),
        check,
    }
}

fn fence(bench: &mut Bench, call: Call) -> Result<(), String> {
    let number = call.number;
    bench.driver.ask(Ask::Fence(call));
    bench.wait(|told| match told {
        Told::FenceDone(known, result) if *known == number => Some(result.clone()),
        _ => None,
    })
}

/// The actions an agent was asked for, in order.
fn actions(directory: &Directory) -> Vec<String> {
    let read = directory.read("read");
    let action = |line: &str| {
        line.split_whitespace().find_map(|word| word.strip_prefix("action=")).map(str::to_owned)
    };
    read.lines().filter_map(action).collect()
}

#[test]
fn what_it_reads_is_a_line_for_each() {
    let directory = Directory::new();
    agent(&directory, "list", "");
    let mut bench = Bench::new(settings(&directory));
    assert_eq!(fence(&mut bench, call(1, Check::Needless)), Ok(()));
    assert_eq!(directory.read("read").trim(), "action=off nodename=n2 port=n2 passwd=s3 cret");
}

#[test]
fn a_device_is_asked_for_its_list_once() {
    let directory = Directory::new();
    agent(&directory, "list", "list) echo 1,n1; echo 2,n2;;");
    let mut bench = Bench::new(settings(&directory));
    assert_eq!(fence(&mut bench, call(1, Check::Default)), Ok(()));
    assert_eq!(fence(&mut bench, call(2, Check::Default)), Ok(()));
    assert_eq!(fence(&mut bench, call(3, Check::List)), Ok(()));
    assert_eq!(actions(&directory), ["metadata", "list", "off", "off", "off"]);
    let mut other = call(4, Check::Default);
    other.lines[2].1 = "n9".into();
    assert_eq!(fence(&mut bench, other), Err("its list does not have `n9`".into()));
}

#[test]
fn one_without_a_list_is_asked_for_the_status() {
    for (lists, more, asked) in [
        // It says that it has a list, and has none.
        (
            "list'/><action name='status",
            "status) exit 2;;",
            vec!["metadata", "list", "status", "off"],
        ),
        ("status", "status) exit 0;;", vec!["metadata", "status", "off"]),
        // It can tell neither.
        ("on", "", vec!["metadata", "off"]),
    ] {
        let directory = Directory::new();
        agent(&directory, lists, more);
        let mut bench = Bench::new(settings(&directory));
        assert_eq!(fence(&mut bench, call(1, Check::Default)), Ok(()));
        assert_eq!(actions(&directory), asked);
    }
    let directory = Directory::new();
    agent(&directory, "status", "");
    let mut bench = Bench::new(settings(&directory));
    let refused = "it does not know `n2`: it exited with 1: no status here";
    assert_eq!(fence(&mut bench, call(1, Check::Status)), Err(refused.into()));
    let refused = "its list cannot be had: it exited with 1: no list here";
    assert_eq!(fence(&mut bench, call(2, Check::List)), Err(refused.into()));
}

#[test]
fn one_that_does_not_answer_has_fenced_nobody() {
    let directory = Directory::new();
    agent(&directory, "list", "");
    directory.program("sbin/fence_hangs", "#!/bin/sh\nexec sleep 1000\n");
    let mut bench = Bench::new(settings(&directory));
    let hangs = Call { agent: "fence_hangs".into(), ..call(1, Check::Needless) };
    bench.driver.ask(Ask::Fence(hangs));
    bench.quiet(Duration::from_millis(50), |told| matches!(told, Told::FenceDone(..)));
    bench.driver.ask(Ask::FenceKill(1));
    let told = bench.wait(|told| match told {
        Told::FenceDone(1, result) => Some(result.clone()),
        _ => None,
    });
    assert_eq!(told, Err("it was ended, for it took too long".into()));
    let missing = Call { agent: "fence_none".into(), ..call(2, Check::Needless) };
    let told = fence(&mut bench, missing).unwrap_err();
    assert!(told.starts_with("there is no agent stonith:fence_none"), "{told}");
}

#[test]
fn a_device_is_a_resource_that_is_found_where_it_was_started() {
    let directory = Directory::new();
    agent(&directory, "list", "look) exit 0;;");
    let mut bench = Bench::new(settings(&directory));
    let agent = "stonith:fence_it";
    let given = &[("pcmk_monitor_action", "look"), ("login", "x"), ("CRM_meta_timeout", "20000")];
    let mut told = vec![bench.rc(agent, "monitor", given)];
    told.push(bench.rc(agent, "start", given));
    told.push(bench.rc(agent, "monitor", given));
    let mut again = order(agent, "monitor", given);
    again.interval = 10_000;
    let number = bench.call(again);
    told.push(bench.done(number).rc);
    told.push(bench.rc(agent, "stop", given));
    told.push(bench.rc(agent, "monitor", given));
    assert_eq!(told, [7, 0, 0, 0, 0, 7]);
    // A start and the recurring monitor asked the device; probes did not.
    assert_eq!(directory.read("read"), " action=look login=x\n action=look login=x\n");
    let broken = &[("pcmk_monitor_action", "broken"), ("pcmk_monitor_retries", "3")];
    let done = bench.act(agent, "start", broken);
    assert_eq!((done.rc, done.status), (1, OpStatus::Error));
    assert_eq!(done.reason, "it exited with 1: no broken here");
    assert_eq!(actions(&directory)[2..], ["broken", "broken", "broken"]);
}

/// Where the lab's fence agent looks for its power switch.
const SWITCH: &str = "/run/lab/sock";

#[test]
fn the_labs_fence_agent_switches_a_node_off() {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/lab/pacemaker");
    let lab = lab.canonicalize().unwrap_or(lab);
    if !requires(&[
        Need::Root,
        Need::file(lab.join("fence_lab")),
        Need::program("/usr/bin/python3"),
    ]) {
        return;
    }
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        mount("tmpfs", "/run", "tmpfs", MountFlags::NOSUID, c"mode=0755").unwrap();
        std::fs::create_dir("/run/lab").unwrap();
        let switch = UnixListener::bind(SWITCH).unwrap();
        let heard = std::thread::spawn(move || {
            let mut heard = Vec::new();
            while heard.last().is_none_or(|last| last != "off n9") {
                let (mut one, _) = switch.accept().unwrap();
                let mut octets = [0; 200];
                let length = one.read(&mut octets).unwrap();
                let text = String::from_utf8_lossy(&octets[..length]).into_owned();
                let answer = if text.ends_with("n9") { "err no such plug\n" } else { "ok off\n" };
                one.write_all(answer.as_bytes()).unwrap();
                heard.push(text);
            }
            heard
        });
        let settings =
            Settings { fence_agents: vec![lab], only_roots: false, ..Settings::default() };
        let mut bench = Bench::new(settings);
        let read = bench.metadata("stonith:fence_lab").unwrap();
        assert!(read.can("off") && read.complaints.is_empty(), "{read:?}");
        assert_eq!(bench.rc("stonith:fence_lab", "start", &[]), 0);
        let of_lab = |number| Call { agent: "fence_lab".into(), ..call(number, Check::Needless) };
        assert_eq!(fence(&mut bench, of_lab(1)), Ok(()));
        let mut nobody = of_lab(2);
        nobody.lines[2].1 = "n9".into();
        assert_eq!(fence(&mut bench, nobody), Err("it exited with 1".into()));
        assert_eq!(heard.join().unwrap(), ["status n1", "off n2", "off n9"]);
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
