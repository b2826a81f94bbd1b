//! SNMP through Debian's `snmpd`, asked by its own clients: the same questions about the same node get
//! the same answers from keepalived and from mainstay, and the same traps arrive in the same order;
//! what differs is listed here, each with its reason. And a master agent that says anything.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use base::Mac;
use lab::{Card, CommandLine, Lab, Need, Plan, Process, ProcessSignal, wait_for};

use crate::bench::{PATIENCE, keepalived_here};
use crate::mainstay::BINARY;

const NODE: &str = "ours";
const MASTER: &str = "/run/lab/master";
const KEEPALIVED: &str = ".1.3.6.1.4.1.9586.100.5";
const RFC_V2: &str = ".1.3.6.1.2.1.68";
const RFC_V3: &str = ".1.3.6.1.2.1.207";

/// One of everything that has a table.
const CONF: &str = "global_defs {
    router_id alpha
    enable_snmp_vrrp
    enable_snmp_rfc
    enable_traps
    snmp_socket unix:/run/lab/master
    enable_script_security
    script_user root
    smtp_server 127.0.0.1
    smtp_connect_timeout 3
    notification_email {
        a@b.example
        d@e.example
    }
    notification_email_from x@y.example
}
vrrp_script chk {
    script \"/usr/bin/true\"
    interval 1
    weight -5
    rise 2
    fall 3
}
track_file tf {
    file /run/lab/tf
    weight 2
}
vrrp_track_process tp {
    process nobody_runs_this a b
    quorum 1
    weight 3
    delay 2
}
vrrp_sync_group G {
    group {
        VI_1
        VI_2
    }
    notify_master \"/usr/bin/true gm\"
    track_interface {
        eth1
    }
}
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 250
    advert_int 1
    version 2
    authentication {
        auth_type PASS
        auth_pass abc
    }
    virtual_ipaddress {
        193.168.0.6/24 dev eth0 label eth0:1
        193.168.0.7/32
    }
    virtual_ipaddress_excluded {
        10.9.1.1/32
        fd00::99/64
    }
    virtual_routes {
        10.77.0.0/16 via 193.168.0.254 dev eth0
        blackhole 10.78.0.0/16
    }
    virtual_rules {
        from 10.79.0.0/24 table 7 preference 1000
    }
    notify \"/usr/bin/true\"
    notify_master \"/usr/bin/true m\"
}
vrrp_instance VI_2 {
    state BACKUP
    interface eth0
    virtual_router_id 52
    priority 240
    advert_int 0.5
    version 3
    virtual_ipaddress {
        193.168.0.12/24
    }
}
vrrp_instance VI_3 {
    state BACKUP
    interface eth0
    virtual_router_id 53
    priority 240
    nopreempt
    track_interface {
        eth1 weight 5
    }
    track_script {
        chk
    }
    track_file {
        tf weight 4
    }
    track_process {
        tp
    }
    virtual_ipaddress {
        fe80::53/64
        fd00:9::3/64
    }
    smtp_alert
}
";

const SNMPD: &str = "rocommunity public 127.0.0.1
rwcommunity private 127.0.0.1
master agentx
agentXSocket unix:/run/lab/master
trap2sink 127.0.0.1 public
agentaddress udp:127.0.0.1:161
";

struct Stage {
    lab: Lab,
    _master: Process,
    traps: Process,
}

fn spawn(lab: &Lab, line: &str) -> Process {
    lab.node(NODE).spawn(&CommandLine::parse(line)).unwrap()
}

fn lab() -> Lab {
    let eth1 =
        Card { interface: "eth1".into(), mac: Mac([2, 0, 0, 0, 1, 2]), addresses: Vec::new() };
    let cards = vec![Card::eth0(2), eth1];
    Lab::build(&Plan { nodes: vec![(NODE.into(), cards)], client: Card::eth0(100) }).unwrap()
}

fn master(lab: &Lab) -> Process {
    let master = spawn(lab, "env MIBS= /usr/sbin/snmpd -f -Lo -C -c /run/lab/snmpd.conf");
    let there = || lab.node(NODE).run(|| Path::new(MASTER).exists());
    assert!(wait_for(PATIENCE, there).is_some(), "{}", master.log());
    master
}

impl Stage {
    fn new() -> Self {
        let mut lab = lab();
        for (path, text) in [
            ("/run/lab/snmpd.conf", SNMPD),
            ("/run/lab/trapd.conf", "disableAuthorization yes\n"),
            ("/run/lab/tf", "0\n"),
        ] {
            lab.node_mut(NODE).write(path, text, 0o644).unwrap();
        }
        let line = "env MIBS= /usr/sbin/snmptrapd -f -Lo -On -C -c /run/lab/trapd.conf \
                    --disableAuthorization=yes udp:127.0.0.1:162";
        let traps = spawn(&lab, line);
        assert!(wait_for(PATIENCE, || traps.log().contains("NET-SNMP")).is_some());
        let master = master(&lab);
        Self { lab, _master: master, traps }
    }

    fn ask(&self, line: &str) -> String {
        let line = CommandLine::parse(&format!("env MIBS= {line}"));
        self.lab.node(NODE).output(&line, PATIENCE).unwrap().unwrap_or_default()
    }

    fn get(&self, object: &str) -> String {
        self.ask(&format!("snmpget -v2c -c public -On -r 0 -t 2 127.0.0.1 {object}"))
    }

    /// Everything below `root`: values by name.
    fn walk(&self, root: &str) -> BTreeMap<String, String> {
        let said = self.ask(&format!("snmpbulkwalk -v2c -c public -On 127.0.0.1 {root}"));
        let pair = |line: &str| {
            let (name, value) = line.split_once(" = ")?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        said.lines().filter_map(pair).collect()
    }

    fn becomes(&self, object: &str, value: &str) {
        let there = wait_for(PATIENCE, || self.get(object).contains(value));
        assert!(
            there.is_some(),
            "{object} is {}, not {value}\n{}",
            self.get(object),
            self.lab.node(NODE).log()
        );
    }

    /// The traps so far, each as its objects but for the time.
    fn told(&self) -> Vec<String> {
        let log = self.traps.log();
        let traps = log.lines().filter(|line| line.contains(".1.3.6.1.6.3.1.1.4.1.0 = OID: "));
        let objects = |line: &str| {
            let (_, objects) = line.split_once(".1.3.6.1.6.3.1.1.4.1.0 = OID: ")?;
            let words: Vec<&str> = objects.split_whitespace().collect();
            Some(words.join(" "))
        };
        let ours = |trap: &String| {
            [KEEPALIVED, RFC_V2, RFC_V3].iter().any(|root| trap.starts_with(&format!("{root}.")))
        };
        traps.filter_map(objects).filter(ours).collect()
    }
}

struct Said {
    objects: BTreeMap<String, String>,
    traps: Vec<String>,
    /// What is answered to somebody who wants to set something.
    set: String,
}

fn story(run: &CommandLine) -> Said {
    let mut stage = Stage::new();
    let daemon = stage.lab.node_mut(NODE).start(run, CONF).unwrap();
    for instance in 1..=3 {
        stage.becomes(&format!("{KEEPALIVED}.2.3.1.4.{instance}"), "INTEGER: 2");
    }
    stage.becomes(&format!("{KEEPALIVED}.2.1.1.3.1"), "INTEGER: 2");
    stage.becomes(&format!("{KEEPALIVED}.2.9.1.6.1"), "INTEGER: 3");
    let mut objects = BTreeMap::new();
    for root in [KEEPALIVED, RFC_V2, RFC_V3] {
        objects.extend(stage.walk(root));
    }
    let name = format!("{KEEPALIVED}.2.3.1.2.1");
    let set = stage.ask(&format!("snmpset -v2c -c private -On 127.0.0.1 {name} s x"));
    stage.lab.node(NODE).signal(ProcessSignal::TERM);
    assert!(daemon.wait(PATIENCE).is_some(), "it does not end");
    let stopped = || stage.told().iter().filter(|trap| trap.contains("INTEGER: 5")).count() >= 4;
    assert!(wait_for(PATIENCE, stopped).is_some(), "{:#?}", stage.told());
    Said { objects, traps: stage.told(), set }
}

fn mainstay() -> CommandLine {
    CommandLine::parse(&format!("{BINARY} run -f {{conf}} --control {{control}}"))
}

fn needed() -> bool {
    let programs = ["/usr/sbin/snmpd", "/usr/sbin/snmptrapd", "snmpbulkwalk", "snmpset"];
    let mut needs = vec![Need::Root];
    needs.extend(programs.map(Need::program));
    lab::requires(&needs)
}

/// Objects whose values differ, and why. A column stands for all of its rows.
const DIFFERENT: &[(&str, &str)] = &[
    ("9586.100.5.1.1.0", "the version names the program"),
    ("9586.100.5.1.7.0", "IPVS is not here, and its counters are not read"),
    ("9586.100.5.1.10.0", "interfaces may always come later here"),
    ("9586.100.5.2.3.1.11.", "keepalived calls the interface of a group's member not tracked"),
    ("9586.100.5.2.3.1.27.", "keepalived has no word for VRRPv2, and says 0, which there is not"),
    ("9586.100.5.2.6.1.11.", "keepalived calls the only address of an instance not advertised"),
    ("9586.100.5.2.7.1.18.", "routes are the lease's by their protocol, not keepalived's"),
    ("9586.100.5.2.12.1.3.", "keepalived gives the file's own weight for that of its use"),
    ("1.2.1.68.1.3.1.7.", "keepalived does not count itself as the master of VRRPv2"),
    ("1.2.1.68.1.3.1.13.", "a moment"),
    ("1.2.1.207.1.1.1.1.12.", "a span of time"),
];

/// Which of `names` are of a list.
fn is_listed(name: &str) -> bool {
    DIFFERENT.iter().any(|(known, _)| name.contains(known))
}

#[test]
fn the_answers_and_the_traps_are_keepalived_s() {
    if !needed() || !keepalived_here() {
        return;
    }
    let keepalived = CommandLine::parse(
        "/usr/sbin/keepalived -n -l -D -p {dir}/pid -r {dir}/vrrp.pid -f {conf}",
    );
    let theirs = std::thread::spawn(move || story(&keepalived));
    let ours = story(&mainstay());
    let theirs = theirs.join().unwrap();

    // MACs and link-local addresses are each node's own.
    let own = |value: &str| value.starts_with("Hex-STRING: FE 80 00 00 00 00 00 00 ");
    let mut wrong = Vec::new();
    let names = theirs.objects.keys().chain(ours.objects.keys());
    for name in names.collect::<std::collections::BTreeSet<_>>() {
        let (their, our) = (theirs.objects.get(name), ours.objects.get(name));
        let mac = name.contains(".68.1.3.1.2.") || name.contains(".207.1.1.1.1.5.");
        let local = their.is_some_and(|v| own(v)) && our.is_some_and(|v| own(v));
        let either = (mac || local) && their.is_some() == our.is_some();
        if their != our && !either && !is_listed(name) {
            wrong.push(format!("{name}: theirs {their:?}, ours {our:?}"));
        }
    }
    for (listed, why) in DIFFERENT {
        let differs = |name: &&String| {
            name.contains(listed) && theirs.objects.get(*name) != ours.objects.get(*name)
        };
        let names = theirs.objects.keys().chain(ours.objects.keys());
        if names.into_iter().all(|name| !differs(&name)) {
            wrong.push(format!("{listed}: listed ({why}), and no such difference"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(theirs.objects.len() > 300, "{}", theirs.objects.len());

    // In the order in which each subject's traps arrive; between subjects there is no order, since
    // engines tell of a sync group before or after its members.
    let by_subject = |traps: &[String]| {
        let mut sorted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for trap in traps {
            let words: Vec<&str> = trap.split_whitespace().collect();
            let subject = match words.iter().find(|word| word.starts_with('"')) {
                Some(name) => (*name).to_owned(),
                None => words.get(1).map(|word| (*word).to_owned()).unwrap_or_default(),
            };
            let text =
                if trap.contains("Hex-STRING: FE 80") { words[0].to_owned() } else { trap.clone() };
            sorted.entry(subject).or_default().push(text);
        }
        sorted
    };
    assert_eq!(by_subject(&ours.traps), by_subject(&theirs.traps));
    assert!(ours.set.is_empty() && theirs.set.is_empty(), "nothing can be set");
}

#[test]
fn a_master_agent_that_goes_and_comes_is_called_again() {
    if !needed() {
        return;
    }
    let mut lab = lab();
    lab.node_mut(NODE).write("/run/lab/snmpd.conf", SNMPD, 0o644).unwrap();
    // One that is none, at first: it says all sorts of things, and hangs up.
    let listener = lab.node(NODE).run(|| UnixListener::bind(MASTER).unwrap());
    listener.set_nonblocking(true).unwrap();
    let daemon = lab.node_mut(NODE).start(&mainstay(), PLAIN).unwrap();
    let sayings = [b"220 mail ready\r\n".to_vec(), [&[1, 5, 0, 0][..], &[0xff; 16]].concat()];
    for saying in sayings {
        let mut caller = None;
        wait_for(PATIENCE, || {
            caller = listener.accept().ok();
            caller.is_some()
        });
        let (mut caller, _) = caller.unwrap_or_else(|| panic!("{}", lab.node(NODE).log()));
        caller.write_all(&saying).unwrap();
        // It is heard out, and hung up on.
        caller.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = caller.read_to_end(&mut Vec::new());
    }
    lab.node(NODE).run(|| std::fs::remove_file(MASTER).unwrap());
    drop(listener);
    let master = master(&lab);
    let get = |object: &str| {
        let line = format!("env MIBS= snmpget -v2c -c public -On -r 0 -t 2 127.0.0.1 {object}");
        lab.node(NODE).output(&CommandLine::parse(&line), PATIENCE).unwrap().unwrap_or_default()
    };
    let state = format!("{KEEPALIVED}.2.3.1.4.1");
    let there = wait_for(PATIENCE, || get(&state).contains("INTEGER: 2"));
    assert!(there.is_some(), "{}\n{}", lab.node(NODE).log(), master.log());
    let log = lab.node(NODE).log();
    assert!(log.contains("it does not speak AgentX of version 1"), "{log}");
    assert!(!log.contains("ended"), "no process has died: {log}");
    drop(daemon);
}

const PLAIN: &str = "global_defs {
    enable_snmp_vrrp
    snmp_socket /run/lab/master
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 250
    virtual_ipaddress {
        193.168.0.6/24
    }
}
";
