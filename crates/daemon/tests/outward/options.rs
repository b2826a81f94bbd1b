//! The command line of keepalived(8) as units, scripts and exporters use it: the same words, given to
//! both under the same name, get the same exit status and, where somebody reads it, the same answer.

use lab::{CommandLine, Process, ProcessSignal};

use crate::bench::{BINARY, Bench, DUMPS, PATIENCE, Who, comparable, possible};

const FINE: &str = "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n priority 100\n \
                    advert_int 1\n virtual_ipaddress {\n 193.168.0.51/16\n }\n}\n";
/// Neither runs it: an instance has no number.
const BROKEN: &str = "vrrp_instance VI_1 {\n interface eth0\n}\n";

/// A node on which `keepalived` is the one who is asked.
fn node(who: Who, test: &str) -> Bench {
    let mut bench = Bench::idle(who, test, "", |_| String::new());
    let program = match who {
        Who::Keepalived => "/usr/sbin/keepalived",
        Who::Mainstay => BINARY,
    };
    let node = bench.lab.node_mut("ours");
    node.write("/run/lab/fine.conf", FINE, 0o644).unwrap();
    node.write("/run/lab/broken.conf", BROKEN, 0o644).unwrap();
    let link = CommandLine::parse(&format!("/bin/ln -s {program} {DUMPS}/keepalived"));
    assert!(node.output(&link, PATIENCE).unwrap().is_some());
    bench
}

fn begin(bench: &Bench, arguments: &str) -> Process {
    let own = if bench.is(Who::Mainstay) { " --control {control}" } else { "" };
    let line = format!("{DUMPS}/keepalived {arguments}{own}");
    bench.lab.node("ours").spawn(&CommandLine::parse(&line)).unwrap()
}

/// How it ends by itself, and what it says.
fn asked(bench: &Bench, arguments: &str) -> (Option<i32>, String) {
    let process = begin(bench, arguments);
    let status = process.wait(PATIENCE).unwrap_or_else(|| panic!("`{arguments}` does not end"));
    (status.code(), process.log())
}

#[test]
fn questions_of_the_command_line_have_keepalived_s_answers() {
    if !comparable() {
        return;
    }
    let both = [Who::Keepalived, Who::Mainstay].map(|who| node(who, "options"));
    for name in ["STOP", "RELOAD", "DATA", "STATS", "STATS_CLEAR", "JSON"] {
        let [theirs, ours] = both.each_ref().map(|it| asked(it, &format!("--signum={name}")));
        assert_eq!((theirs.0, theirs.1.trim()), (ours.0, ours.1.trim()), "{name}");
    }
    // What ends by itself, and with which status; the words are each one's own.
    for arguments in [
        "--signum=TDATA",
        "--no-such-option",
        "-g /run/lab/log -f /run/lab/fine.conf",
        "-t -f /run/lab/fine.conf",
        "--config-test=/run/lab/said -f /run/lab/fine.conf",
        "-n -l -P -f /run/lab/nothing.conf",
        "-n -l -P -p /run/lab/p -r /run/lab/r -f /run/lab/broken.conf",
    ] {
        let [theirs, ours] = both.each_ref().map(|it| asked(it, arguments));
        assert_eq!(theirs.0, ours.0, "{arguments}\n{}\n{}", theirs.1, ours.1);
    }
    // keepalived calls a file that it cannot run one that it can mend (5), or not (4).
    let [theirs, ours] = both.each_ref().map(|it| asked(it, "-t -f /run/lab/broken.conf").0);
    assert!(matches!(theirs, Some(4 | 5)), "{theirs:?}");
    assert_eq!(ours, Some(4));
}

#[test]
fn an_exporter_finds_the_version_and_that_there_is_json() {
    if !comparable() {
        return;
    }
    for who in [Who::Keepalived, Who::Mainstay] {
        let bench = node(who, "version");
        for option in ["-v", "--version"] {
            let (status, said) = asked(&bench, option);
            assert_eq!(status, Some(0));
            // What exporters look for: `v` and three numbers in the first line, and the build option.
            let first = said.lines().next().unwrap_or_default();
            let version = first.split_whitespace().find_map(|word| word.strip_prefix('v'));
            let numbers = version.map(|version| {
                version.split('.').map(|part| part.parse::<u32>().is_ok()).collect::<Vec<_>>()
            });
            assert_eq!(numbers, Some(vec![true; 3]), "{first}");
            assert!(said.contains("--enable-json"), "{said}");
            assert!(said.contains("Config options:") && said.contains("DBUS"), "{said}");
            assert!(said.contains("--enable-snmp") && said.contains("SNMP_VRRP"), "{said}");
            assert_eq!(said.contains("SNMP_CHECKER"), who == Who::Keepalived, "{said}");
        }
    }
}

#[test]
fn int_and_term_stop_and_pid_files_go() {
    if !possible() {
        return;
    }
    let bench = node(Who::Mainstay, "stops");
    for signal in [ProcessSignal::INT, ProcessSignal::TERM] {
        let daemon = begin(&bench, "-n -l -P -p /run/lab/p -r /run/lab/r -f /run/lab/fine.conf");
        let says = |file: &str| bench.read(file).and_then(|text| text.trim().parse::<u32>().ok());
        bench.wait_for("pid files", &daemon, || {
            ["/run/lab/p", "/run/lab/r"].map(says).iter().all(|pid| pid.is_some_and(|pid| pid > 0))
        });
        assert_eq!(says("/run/lab/p"), says("/run/lab/r"), "one process takes all signals");
        let vip = "193.168.0.51".parse().unwrap();
        bench.wait_for("the VIP", &daemon, || bench.lab.node("ours").holds(vip));
        daemon.signal(signal);
        let status = daemon.wait(PATIENCE).expect("it ends");
        assert_eq!(status.code(), Some(0), "{}", daemon.log());
        assert!(!bench.lab.node("ours").holds(vip));
        assert_eq!([bench.read("/run/lab/p"), bench.read("/run/lab/r")], [None, None]);
    }
}
