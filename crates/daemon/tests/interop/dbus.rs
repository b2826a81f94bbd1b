//! The D-Bus facade, asked by the clients of Debian's package `dbus` over a bus of the node's own: the
//! same questions get the same answers from keepalived and from mainstay, in the same words.

use std::path::Path;
use std::time::Duration;

use lab::{Card, CommandLine, Lab, Need, Plan, Process, ProcessSignal, wait_for};

use crate::bench::{PATIENCE, keepalived_here};
use crate::mainstay::BINARY;

const NODE: &str = "ours";
const BUS: &str = "unix:path=/run/dbus/system_bus_socket";
const SOCKET: &str = "/run/dbus/system_bus_socket";
const SERVICE: &str = "org.keepalived.Vrrp1";
const VI_1: &str = "/org/keepalived/Vrrp1/Instance/eth0/51/IPv4";
const VI_2: &str = "/org/keepalived/Vrrp1/Instance/eth0/52/IPv4";

/// Anybody may own and ask anything: what is tested is what is said.
const POLICY: &str = include_str!("../everybody.conf");

fn conf(more: &str) -> String {
    format!(
        "global_defs {{
    enable_dbus
}}
vrrp_instance VI_1 {{
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 1
    virtual_ipaddress {{
        193.168.0.6/24
    }}
}}
{more}"
    )
}

const SECOND: &str = "vrrp_instance VI_2 {
    interface eth0
    virtual_router_id 52
    priority 100
    advert_int 1
    virtual_ipaddress {
        193.168.0.7/24
    }
}
";

fn exists(lab: &Lab, path: &'static str) -> bool {
    lab.node(NODE).run(move || Path::new(path).exists())
}

/// A bus where everybody looks for it.
fn bus(lab: &mut Lab) -> Process {
    let node = lab.node_mut(NODE);
    for (path, text) in
        [("/run/lab/bus.conf", POLICY), ("/run/dbus/x", ""), ("/run/lab/dumps/x", "")]
    {
        node.write(path, text, 0o644).unwrap();
    }
    node.run(|| drop(std::fs::remove_file(SOCKET)));
    let line = "dbus-daemon --config-file=/run/lab/bus.conf --nofork --nopidfile";
    let bus = node.spawn(&CommandLine::parse(line)).unwrap();
    assert!(wait_for(PATIENCE, || exists(lab, SOCKET)).is_some(), "{}", bus.log());
    bus
}

struct Stage {
    lab: Lab,
    bus: Process,
    signals: Process,
}

impl Stage {
    fn new() -> Self {
        let nodes = vec![(NODE.into(), vec![Card::eth0(2)])];
        let mut lab = Lab::build(&Plan { nodes, client: Card::eth0(100) }).unwrap();
        let bus = bus(&mut lab);
        let line = format!("dbus-monitor --address {BUS} type='signal'");
        let signals = lab.node(NODE).spawn(&CommandLine::parse(&line)).unwrap();
        let heard = || signals.log().contains("NameAcquired");
        assert!(wait_for(PATIENCE, heard).is_some(), "{}", signals.log());
        Self { lab, bus, signals }
    }

    fn send(&self, arguments: &str) -> Option<String> {
        let line =
            format!("dbus-send --bus={BUS} --print-reply=literal --dest={SERVICE} {arguments}");
        let said = self.lab.node(NODE).output(&CommandLine::parse(&line), PATIENCE).unwrap()?;
        Some(said.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The name of the error that a call is answered with.
    fn refused(&self, arguments: &str) -> Option<String> {
        let line =
            format!("dbus-send --bus={BUS} --print-reply=literal --dest={SERVICE} {arguments}");
        let process = self.lab.node(NODE).spawn(&CommandLine::parse(&line)).unwrap();
        let status = process.wait(PATIENCE)?;
        let name = process.log().strip_prefix("Error ")?.split(':').next()?.to_owned();
        (!status.success()).then_some(name)
    }

    fn property(&self, path: &str, name: &str) -> Option<String> {
        let get = "org.freedesktop.DBus.Properties.Get";
        self.send(&format!("{path} {get} string:{SERVICE}.Instance string:{name}"))
    }

    fn becomes(&self, path: &str, state: &str) {
        let there = wait_for(PATIENCE, || {
            self.property(path, "State").is_some_and(|is| is.contains(state))
        });
        let is = self.property(path, "State");
        assert!(there.is_some(), "{path} is {is:?}, not {state}\n{}", self.lab.node(NODE).log());
    }

    /// Waits until a signal was heard on this path.
    fn signalled(&self, path: &str, member: &str) {
        let of = |log: String| {
            log.lines().any(|line| {
                line.contains(&format!("path={path};"))
                    && line.ends_with(&format!("member={member}"))
            })
        };
        let heard = wait_for(PATIENCE, || of(self.signals.log()));
        assert!(heard.is_some(), "no {member} of {path}\n{}", self.signals.log());
    }
}

/// What is asked and answered; the answers, for comparison.
fn story(run: &CommandLine) -> Vec<String> {
    let mut stage = Stage::new();
    let daemon = stage.lab.node_mut(NODE).start(run, &conf("")).unwrap();
    let mut said = Vec::new();
    stage.becomes(VI_1, "Master");
    stage.signalled("/org/keepalived/Vrrp1/Vrrp", "VrrpStarted");
    stage.signalled(VI_1, "VrrpStatusChange");
    for name in ["Name", "State"] {
        said.push(stage.property(VI_1, name).unwrap());
    }
    said.push(stage.send(&format!("{VI_1} {SERVICE}.Instance.SendGarp")).unwrap());
    // A dump that the bus asks for is written where the signal's is.
    let daemon_path = format!("/org/keepalived/Vrrp1/Vrrp {SERVICE}.Vrrp");
    said.push(stage.send(&format!("{daemon_path}.PrintStats")).unwrap());
    let written = || exists(&stage.lab, "/run/lab/dumps/keepalived.stats");
    assert!(wait_for(PATIENCE, written).is_some(), "{}", stage.lab.node(NODE).log());
    stage.lab.node_mut(NODE).write(lab::CONF, conf(SECOND), 0o644).unwrap();
    said.push(stage.send(&format!("{daemon_path}.ReloadConfig")).unwrap());
    stage.becomes(VI_2, "Master");
    stage.signalled("/org/keepalived/Vrrp1/Vrrp", "VrrpReloaded");
    said.push(stage.property(VI_2, "Name").unwrap());
    // Debian builds keepalived without it.
    let create = format!("{daemon_path}.CreateInstance string:A string:eth0 uint32:9 uint32:2");
    said.push(stage.refused(&create).expect("it is refused"));
    stage.lab.node(NODE).signal(ProcessSignal::TERM);
    assert!(daemon.wait(PATIENCE).is_some(), "it does not end");
    stage.signalled("/org/keepalived/Vrrp1/Vrrp", "VrrpStopped");
    assert_eq!(stage.property(VI_1, "Name"), None, "the name is free");
    said
}

fn mainstay() -> CommandLine {
    CommandLine::parse(&format!(
        "env TMPDIR=/run/lab/dumps {BINARY} run -f {{conf}} --control {{control}}"
    ))
}

fn needed() -> bool {
    let programs = ["/usr/bin/dbus-daemon", "/usr/bin/dbus-send", "/usr/bin/dbus-monitor"];
    let mut needs = vec![Need::Root];
    needs.extend(programs.map(Need::program));
    lab::requires(&needs)
}

#[test]
fn clients_of_the_bus_are_answered_and_told() {
    if !needed() {
        return;
    }
    let said = story(&mainstay());
    assert_eq!(said[0], "variant struct { VI_1 }");
    assert_eq!(said[1], "variant struct { uint32 2 Master }");
}

#[test]
fn the_answers_are_keepalived_s() {
    if !needed() || !keepalived_here() {
        return;
    }
    let theirs = story(&CommandLine::parse(
        "env TMPDIR=/run/lab/dumps /usr/sbin/keepalived -n -l -D -P -p {dir}/pid -r {dir}/vrrp.pid -f {conf}",
    ));
    assert_eq!(story(&mainstay()), theirs);
}

#[test]
fn a_bus_that_goes_and_comes_and_a_new_control_change_nothing_for_clients() {
    if !needed() {
        return;
    }
    let mut stage = Stage::new();
    let _daemon = stage.lab.node_mut(NODE).start(&mainstay(), &conf("")).unwrap();
    stage.becomes(VI_1, "Master");
    stage.bus.signal(ProcessSignal::KILL);
    assert!(stage.bus.wait(PATIENCE).is_some());
    stage.bus = bus(&mut stage.lab);
    stage.becomes(VI_1, "Master");
    // Another control has the name, and knows how things stand.
    assert_eq!(stage.lab.node(NODE).signal_named("ms:control", ProcessSignal::KILL), 1);
    std::thread::sleep(Duration::from_millis(200));
    stage.becomes(VI_1, "Master");
}
