//! Two nodes with one kind of daemon on both, everything that is told there, and what can be done to
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::time::Duration;

use base::{Instant, Mac};
use lab::{Card, CommandLine, Hear, Lab, Plan, Process, ProcessSignal, Seen, Witness};
use linux::clock::monotonic;

use crate::case::{Act, Case, NODES};
use crate::outside::{self, Also, Letters};
use crate::snmp;
use crate::{kernel, told};

const BINARY: &str = env!("CARGO_BIN_EXE_mainstay");
/// Longer than a daemon takes to end on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where mainstay stands under keepalived's name.
const NAMED: &str = "/run/lab/keepalived";

/// Who runs on both nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    Keepalived,
    Mainstay,
}

/// What is compared, by name; each a list of lines.
pub(crate) type View = BTreeMap<&'static str, Vec<String>>;

/// See the head of this file.
pub(crate) struct Pair {
    who: Who,
    lab: Lab,
    witness: Option<Witness>,
    since: Instant,
    daemons: BTreeMap<String, Process>,
    /// Of those that have ended, by node.
    past: BTreeMap<String, String>,
    conf: String,
    also: BTreeSet<Also>,
    reach: Vec<IpAddr>,
    namespace: Option<String>,
    options: String,
    letters: BTreeMap<&'static str, Letters>,
}

fn card(number: u8, last: u8) -> Card {
    let first = Card::eth0(last);
    if number == 0 {
        return first;
    }
    Card {
        interface: format!("eth{number}").into(),
        mac: Mac([2, 0, 0xac, 0x10, number, last]),
        addresses: vec![([172, 16, number, last].into(), 24)],
    }
}

impl Pair {
    /// Two nodes on which nothing runs yet but those who listen.
    pub(crate) fn build(case: &Case, who: Who) -> Self {
        let cards = |last| (0..case.cards).map(|number| card(number, last)).collect();
        let nodes = [2, 3].map(|last| (NODES[usize::from(last) - 2].into(), cards(last))).to_vec();
        let lab = Lab::build(&Plan { nodes, client: Card::eth0(100) }).unwrap();
        let witness = case.announcements.then(|| lab.witness(Hear::Election).unwrap());
        let conf = case.text();
        let mut pair = Self {
            who,
            lab,
            witness,
            since: monotonic(),
            daemons: BTreeMap::new(),
            past: BTreeMap::new(),
            conf,
            also: case.also.clone(),
            reach: case.reach.clone(),
            namespace: case.namespace.clone(),
            options: case.options.clone(),
            letters: BTreeMap::new(),
        };
        for name in NODES {
            let node = pair.lab.node_mut(name);
            for (path, text) in told::FILES.iter().chain(kernel::FILES) {
                // keepalived includes nothing that can be executed.
                let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
                node.write(*path, *text, mode).unwrap();
            }
            node.run(|| symlink(BINARY, NAMED)).unwrap();
            pair.shell(name, told::LISTEN);
            if pair.also.contains(&Also::Mail) {
                let letters = outside::post_office(pair.lab.node(name));
                pair.letters.insert(name, letters);
            }
            if pair.also.contains(&Also::Bus) {
                let node = pair.lab.node_mut(name);
                node.write("/run/lab/bus.conf", outside::BUS_CONF, 0o644).unwrap();
                pair.shell(name, outside::BUS_BEGINS);
            }
            if pair.also.contains(&Also::Snmp) {
                for (path, text) in snmp::CONF {
                    pair.lab.node_mut(name).write(path, text, 0o644).unwrap();
                }
                pair.shell(name, snmp::BEGINS);
            }
            if let Some(namespace) = &pair.namespace {
                let last = if name == "a" { 2 } else { 3 };
                let ip = format!("ip -n {namespace}");
                pair.shell(
                    name,
                    &format!(
                        "ip netns add {namespace} && ip link set eth1 netns {namespace} && {ip} address \
                         add 172.16.1.{last}/24 dev eth1 && {ip} link set lo up && {ip} link set eth1 up"
                    ),
                );
            }
        }
        pair
    }

    fn shell(&self, node: &str, command: &str) -> String {
        let line = CommandLine { arguments: ["sh", "-c", command].map(str::to_owned).to_vec() };
        let done = self.lab.node(node).output(&line, PATIENCE).unwrap();
        done.unwrap_or_else(|| panic!("`{command}` failed on {node} ({:?})", self.who))
    }

    /// Does it, without waiting for what comes of it.
    pub(crate) fn perform(&mut self, act: &Act, case: &Case) {
        self.since = monotonic();
        match act {
            Act::Start(node) => self.start(node),
            Act::Stop(node) => self.stop(node),
            Act::Reload(nodes) => {
                self.conf = case.other();
                for name in nodes {
                    let node = self.lab.node_mut(name);
                    node.write(lab::CONF, self.conf.clone(), 0o644).unwrap();
                    node.signal(ProcessSignal::HUP);
                }
            }
            Act::Shell(node, command) => {
                let _ = self.shell(node, command);
            }
            Act::Wait(_) => {}
        }
    }

    fn start(&mut self, name: &str) {
        let program = match self.who {
            Who::Keepalived => "/usr/sbin/keepalived".to_owned(),
            Who::Mainstay => format!("{NAMED} --log-format keepalived --control {{control}}"),
        };
        let line = format!(
            "/usr/bin/env TMPDIR=/run/lab {program} -n -l -D -p {{dir}}/pid -r {{dir}}/vrrp.pid -b {{dir}}/bfd.pid -c \
             {{dir}}/checkers.pid -f {{conf}} -i {name} {}",
            self.options
        );
        let node = self.lab.node_mut(name);
        let daemon = node.start(&CommandLine::parse(&line), &self.conf).unwrap();
        self.daemons.insert(name.to_owned(), daemon);
    }

    fn stop(&mut self, name: &str) {
        let Some(daemon) = self.daemons.remove(name) else { return };
        daemon.signal(ProcessSignal::TERM);
        let ended = daemon.wait(PATIENCE);
        self.past.entry(name.to_owned()).or_default().push_str(&daemon.log());
        assert!(ended.is_some(), "{:?} does not end\n{}", self.who, self.logs());
    }

    /// What there is to compare, now.
    pub(crate) fn view(&self) -> View {
        let mut view = View::new();
        for node in NODES {
            let kernel = kernel::show(self.namespace.as_deref());
            let text = self.shell(node, &format!("{}; {kernel}", told::SHOW));
            let (told, kernel) = text.split_once("\n==\n").expect("both are shown");
            let all = told::read(told).into_iter().chain(kernel::read(kernel));
            for (aspect, lines) in all.chain(self.outside(node)) {
                let lines = lines.into_iter().map(|line| format!("{node}: {line}"));
                view.entry(aspect).or_default().extend(lines);
            }
            let mut held: Vec<String> =
                self.lab.node(node).foreign_addresses().iter().map(ToString::to_string).collect();
            held.sort();
            view.entry("holder").or_default().push(format!("{node}: {}", held.join(" ")));
        }
        if self.also.contains(&Also::Reach) {
            view.insert(Also::Reach.aspect(), outside::reach(&self.lab, &self.reach));
        }
        if let Some(witness) = &self.witness {
            view.insert("announcements", announced(witness, self.since));
        }
        view
    }

    /// What the case looks at beside the usual, on this node.
    fn outside(&self, node: &'static str) -> Vec<(&'static str, Vec<String>)> {
        let look = |also: &Also| {
            let lines = match also {
                Also::Mail => {
                    let mut letters = self.letters[node].lock().unwrap().clone();
                    // Each goes its own way to the server.
                    letters.sort();
                    letters
                }
                Also::Dumps => outside::dumps(&self.shell(node, outside::DUMPS_SHOW)),
                Also::Bus => outside::bus(&self.shell(node, outside::BUS_SHOW)),
                Also::Snmp => snmp::seen(&self.shell(node, snmp::SHOW)),
                Also::Log => outside::log(&self.log(node)),
                Also::Reach => return None,
            };
            Some((also.aspect(), lines))
        };
        self.also.iter().filter_map(look).collect()
    }

    fn log(&self, node: &str) -> String {
        let mut log = self.past.get(node).cloned().unwrap_or_default();
        log.push_str(&self.daemons.get(node).map(Process::log).unwrap_or_default());
        log
    }

    /// What both daemons have written.
    pub(crate) fn logs(&self) -> String {
        let log = |node: &&str| format!("--- {:?} on {node}\n{}", self.who, self.log(node));
        NODES.iter().map(log).collect()
    }
}

/// How often each node announced each VIP since then.
fn announced(witness: &Witness, since: Instant) -> Vec<String> {
    let mut count: BTreeMap<(String, String), usize> = BTreeMap::new();
    for sighting in witness.sightings().iter().filter(|sighting| sighting.at >= since) {
        if let Seen::Announcement { vip, .. } = &sighting.seen {
            *count.entry((sighting.from.to_string(), vip.to_string())).or_default() += 1;
        }
    }
    count.iter().map(|((node, vip), times)| format!("{node}: {vip} {times} times")).collect()
}
