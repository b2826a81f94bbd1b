//! Nodes with a Corosync and an engine each.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use lab::{CommandLine, Lab, Need, Process, ProcessSignal, wait_for};

use crate::member;

/// For whatever must come about, on a machine that others use as well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
const CONF: &str = "/run/lab/corosync.conf";

pub(crate) struct Bench {
    pub(crate) lab: Lab,
    homes: PathBuf,
    processes: BTreeMap<String, Process>,
    former: Vec<Process>,
    corosyncs: BTreeMap<String, Process>,
}

fn line(words: &[&str]) -> CommandLine {
    CommandLine { arguments: words.iter().map(|it| (*it).to_owned()).collect() }
}

/// What Corosync is told: the votes of all, a token short enough for the lab, and nothing of the host's.
pub(crate) fn conf(nodes: &[(String, String)]) -> String {
    let node = |(at, (name, address)): (usize, &(String, String))| {
        let id = at + 1;
        format!("  node {{\n    ring0_addr: {address}\n    name: {name}\n    nodeid: {id}\n  }}\n")
    };
    let nodes: String = nodes.iter().enumerate().map(node).collect();
    format!(
        "totem {{\n  version: 2\n  cluster_name: lab\n  transport: udpu\n  token: 300\n  \
         token_coefficient: 0\n  crypto_cipher: none\n  crypto_hash: none\n}}\n\
         quorum {{\n  provider: corosync_votequorum\n}}\nnodelist {{\n{nodes}}}\n\
         system {{\n  state_dir: /run/lab/corosync\n  sched_rr: no\n}}\n\
         logging {{\n  to_stderr: yes\n  to_logfile: no\n  to_syslog: no\n  timestamp: hires\n}}\n"
    )
}

impl Bench {
    pub(crate) fn new(nodes: u8) -> Option<Self> {
        if !lab::requires(&[Need::Root, Need::program("/usr/sbin/corosync")]) {
            return None;
        }
        let mut lab = Lab::article(nodes).unwrap();
        let names: Vec<String> = lab.nodes().iter().map(|it| it.name().to_string()).collect();
        let address = |name: &String| lab.node(name).address().unwrap().to_string();
        let all: Vec<_> = names.iter().map(|it| (it.clone(), address(it))).collect();
        for name in &names {
            lab.node_mut(name).write(CONF, conf(&all), 0o644).unwrap();
        }
        let homes = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("corosync-{}", std::process::id()));
        // Whoever ran under this number before has left it.
        let _ = std::fs::remove_dir_all(&homes);
        let (processes, corosyncs) = (BTreeMap::new(), BTreeMap::new());
        Some(Self { lab, homes, processes, former: Vec::new(), corosyncs })
    }

    /// Starts a node's Corosync. What processes share with it is the node's own.
    pub(crate) fn corosync(&mut self, node: &str) {
        let script = format!(
            "mountpoint -q /dev/shm/lab || {{ mount -t tmpfs tmpfs /dev/shm && mkdir /dev/shm/lab && \
             mount -t tmpfs tmpfs /dev/shm/lab; }}; mkdir -p /run/lab/corosync; \
             exec corosync -f -c {CONF}"
        );
        let process = self.lab.node(node).spawn(&line(&["sh", "-c", &script])).unwrap();
        self.corosyncs.insert(node.to_owned(), process);
    }

    pub(crate) fn kill_corosync(&mut self, node: &str) {
        let process = &self.corosyncs[node];
        process.signal(ProcessSignal::KILL);
        assert!(process.wait(PATIENCE).is_some());
        // Its socket and pid file are found stale by the next.
    }

    /// Starts a node's engine, and waits until it can be asked.
    pub(crate) fn begin(&mut self, node: &str) {
        let own = std::env::current_exe().unwrap();
        let name = format!("{}={node}", member::NAME);
        let home = format!("{}={}", member::HOME, self.homes.join(node).display());
        let words =
            ["env", &name, &home, own.to_str().unwrap(), "--exact", "member", "--nocapture"];
        let process = self.lab.node(node).spawn(&line(&words)).unwrap();
        self.former.extend(self.processes.insert(node.to_owned(), process.clone()));
        let up = wait_for(PATIENCE, || self.try_ask(node, "leader").is_some());
        assert!(up.is_some(), "{node}: {}\n{}", process.log(), self.corosyncs[node].log());
    }

    pub(crate) fn process(&self, node: &str) -> &Process {
        &self.processes[node]
    }

    pub(crate) fn kill(&self, node: &str) {
        let process = self.process(node);
        process.signal(ProcessSignal::KILL);
        assert!(process.wait(PATIENCE).is_some());
    }

    fn try_ask(&self, node: &str, question: &str) -> Option<String> {
        let to = ("127.0.0.1", member::PORT);
        let stream = self.lab.node(node).run(move || TcpStream::connect(to)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        writeln!(&stream, "{question}").ok()?;
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer).ok()?;
        (!answer.is_empty()).then(|| answer.trim().to_owned())
    }

    pub(crate) fn ask(&self, node: &str, question: &str) -> String {
        let answer = self.try_ask(node, question);
        answer.unwrap_or_else(|| panic!("{node} does not answer {question}\n{}", self.story()))
    }

    /// How many of so many changes were acknowledged, once all are answered.
    pub(crate) fn propose(&self, node: &str, count: usize) -> usize {
        self.ask(node, &format!("propose {count}")).parse().unwrap()
    }

    /// The same, and what comes of it is not waited for.
    pub(crate) fn attempt(&self, node: &str, count: usize) {
        assert_eq!(self.ask(node, &format!("attempt {count}")), "asked");
    }

    /// Who leads, if all of these say the same.
    pub(crate) fn leader(&self, nodes: &[&str]) -> Option<String> {
        let said: Vec<String> = nodes.iter().map(|it| self.ask(it, "leader")).collect();
        let same = said.iter().all(|it| *it == said[0]) && said[0] != "nobody";
        same.then(|| said[0].clone())
    }

    /// The same, once it is so and is one of them.
    pub(crate) fn led(&self, nodes: &[&str]) -> String {
        let mut leader = None;
        let led = wait_for(PATIENCE, || {
            leader = self.leader(nodes).filter(|it| nodes.contains(&&**it));
            leader.is_some()
        });
        assert!(led.is_some(), "{nodes:?} follow nobody\n{}", self.story());
        leader.unwrap()
    }

    /// All of these come to have the same state, in which nothing is twice and whatever any process has
    /// ever acknowledged is.
    pub(crate) fn equal(&self, nodes: &[&str]) {
        let mut state = String::new();
        let same = wait_for(PATIENCE, || {
            let states: Vec<String> = nodes.iter().map(|it| self.ask(it, "state")).collect();
            state.clone_from(&states[0]);
            states.iter().all(|it| *it == state)
        });
        assert!(same.is_some(), "{}", self.story());
        let mut once = BTreeSet::new();
        assert!(state.split(' ').all(|it| once.insert(it)), "something is there twice");
        for log in self.processes.values().chain(&self.former).map(Process::log) {
            let acknowledged = log.lines().filter_map(|it| it.strip_prefix("acknowledged "));
            for value in acknowledged {
                assert!(once.contains(value), "{value} was acknowledged, and is lost");
            }
        }
    }

    pub(crate) fn story(&self) -> String {
        let mut text = String::new();
        for (node, process) in &self.processes {
            let story = self.try_ask(node, "story").unwrap_or_else(|| process.log());
            let log = self.corosyncs[node].log();
            let end: Vec<&str> = log.lines().rev().take(15).collect();
            text += &format!("--- {node}: {story}\n{}\n", end.join("\n"));
        }
        text
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.homes);
    }
}
