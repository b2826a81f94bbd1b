//! The nodes, and what is asked of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use lab::{CommandLine, Lab, Need, Process, ProcessSignal, wait_for};
use ui::cluster::Status;

/// What is tried: of these tests' own build, or another for measurements (`LAB_BINARY`).
fn binary() -> String {
    std::env::var("LAB_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_mainstay").to_owned())
}
/// Where a node lives in its container.
pub(crate) const HOME: &str = "/run/lab/cluster";
/// Where fence agents of the lab are.
pub(crate) const FENCE_AGENTS: &str = "/run/lab/agents";
/// Where a node that begins lays out Pacemaker's tools.
pub(crate) const TOOLS: &str = "/run/mainstay/tools";
/// For whatever must come about, on a machine that others use as well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
/// What Corosync is told.
#[cfg(feature = "corosync")]
const CONF: &str = "/run/lab/corosync.conf";

/// What orders the changes of a cluster: the same scenarios hold on each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Engine {
    Raft,
    #[cfg(feature = "corosync")]
    Corosync,
}

/// How long quorum leases are, for measurements: `LAB_LEASE=600`. Without it twice the usual, for the
/// machine is shared.
fn lease() -> String {
    std::env::var("LAB_LEASE").unwrap_or_else(|_| "1200".to_owned())
}

pub(crate) struct Bench {
    pub(crate) lab: Lab,
    engine: Engine,
    /// Where homes are that survive a loss of power; without it they are below /run, which does not.
    pub(crate) disks: Option<std::path::PathBuf>,
    /// Nodes have System V's shared memory of their own: what a database leaves of it goes with them.
    pub(crate) apart: bool,
    processes: BTreeMap<String, Process>,
    watchdog: Option<&'static str>,
}

/// The votes of all, a token short enough for the lab, and nothing of the host's.
#[cfg(feature = "corosync")]
fn conf(lab: &Lab) -> String {
    let node = |(id, node): (u32, &lab::Node)| {
        let (name, address) = (node.name(), node.address().unwrap());
        format!("  node {{\n    ring0_addr: {address}\n    name: {name}\n    nodeid: {id}\n  }}\n")
    };
    let nodes: String = (1..).zip(lab.nodes()).map(node).collect();
    format!(
        "totem {{\n  version: 2\n  cluster_name: lab\n  transport: udpu\n  token: 250\n  \
         token_coefficient: 0\n  crypto_cipher: none\n  crypto_hash: none\n}}\n\
         quorum {{\n  provider: corosync_votequorum\n}}\nnodelist {{\n{nodes}}}\n\
         system {{\n  state_dir: /run/lab/corosync\n  sched_rr: no\n}}\n\
         logging {{\n  to_stderr: yes\n  to_logfile: no\n  to_syslog: no\n  timestamp: hires\n}}\n"
    )
}

impl Bench {
    pub(crate) fn new(nodes: u8) -> Option<Self> {
        Self::on(Engine::Raft, nodes)
    }

    pub(crate) fn on(engine: Engine, nodes: u8) -> Option<Self> {
        let mut needs = vec![Need::Root];
        if engine != Engine::Raft {
            needs.push(Need::program("/usr/sbin/corosync"));
        }
        if !lab::requires(&needs) {
            return None;
        }
        let lab = Lab::article(nodes).unwrap();
        let processes = BTreeMap::new();
        let bench = Self { lab, engine, disks: None, apart: false, processes, watchdog: None };
        #[cfg(feature = "corosync")]
        let bench = bench.with_corosyncs();
        Some(bench)
    }

    /// Each node's Corosync, and what processes share with it: the node's own.
    #[cfg(feature = "corosync")]
    fn with_corosyncs(mut self) -> Self {
        if self.engine == Engine::Corosync {
            let conf = conf(&self.lab);
            let names: Vec<String> =
                self.lab.nodes().iter().map(|it| it.name().to_string()).collect();
            for name in &names {
                self.lab.node_mut(name).write(CONF, conf.clone(), 0o644).unwrap();
                let script = format!(
                    "mount -t tmpfs tmpfs /dev/shm; mkdir -p /run/lab/corosync; exec corosync -f -c {CONF}"
                );
                let words = ["sh", "-c", &script].map(str::to_owned).to_vec();
                self.lab.node(name).spawn(&CommandLine { arguments: words }).unwrap();
            }
        }
        self
    }

    fn line(arguments: &[impl AsRef<str>]) -> CommandLine {
        let mut all = vec![binary()];
        all.extend(arguments.iter().map(|it| it.as_ref().to_owned()));
        CommandLine { arguments: all }
    }

    /// Runs a command to its end: whether it succeeded, and what it wrote.
    pub(crate) fn command(&self, node: &str, arguments: &[impl AsRef<str>]) -> (bool, String) {
        let process = self.lab.node(node).spawn(&Self::line(arguments)).unwrap();
        match process.wait(PATIENCE) {
            Some(status) => (status.success(), process.log()),
            None => {
                process.signal(ProcessSignal::KILL);
                (false, format!("it did not end; it wrote: {}", process.log()))
            }
        }
    }

    /// Runs one of Pacemaker's tools, from where they are laid out: whether it succeeded, and what it
    /// wrote.
    pub(crate) fn tool(&self, node: &str, words: &[&str]) -> (bool, String) {
        let mut arguments: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
        arguments[0] = format!("{TOOLS}/{}", words[0]);
        let process = self.lab.node(node).spawn(&CommandLine { arguments }).unwrap();
        let ended = process.wait(PATIENCE);
        (ended.is_some_and(|it| it.success()), process.log())
    }

    /// One that succeeds, and says this.
    pub(crate) fn tool_says(&self, node: &str, words: &[&str], want: &str) {
        let (ok, text) = self.tool(node, words);
        assert!(ok && text == want, "{node}: {words:?}: {text:?}\n{}", self.story());
    }

    pub(crate) fn ok(&self, node: &str, arguments: &[impl AsRef<str>]) -> String {
        let (ok, text) = self.command(node, arguments);
        let words: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        assert!(ok, "{node}: mainstay {}: {text}\n{}", words.join(" "), self.story());
        text
    }

    pub(crate) fn refused(&self, node: &str, arguments: &[impl AsRef<str>]) -> String {
        let (ok, text) = self.command(node, arguments);
        let words: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        assert!(!ok && text.contains("error: "), "{node}: mainstay {}: {text}", words.join(" "));
        text
    }

    fn address(&self, node: &str) -> String {
        self.lab.node(node).address().unwrap().to_string()
    }

    pub(crate) fn home(&self, node: &str) -> String {
        let disk = |disks: &std::path::PathBuf| disks.join(node).to_string_lossy().into_owned();
        self.disks.as_ref().map_or_else(|| HOME.to_owned(), disk)
    }

    fn place(&self, node: &str) -> Vec<String> {
        ["--home", &self.home(node), "--address", &self.address(node)].map(str::to_owned).to_vec()
    }

    pub(crate) fn init(&self, node: &str) {
        #[cfg(feature = "corosync")]
        if self.engine == Engine::Corosync {
            let lease = lease();
            let words =
                ["cluster", "init", "--engine", "corosync", "--home", HOME, "--lease", &lease];
            let said = self.ok(node, &words);
            assert!(said.contains("that this Corosync carries"), "{said}");
            return;
        }
        let mut words = ["cluster", "init", "--lease", &lease()].map(str::to_owned).to_vec();
        words.extend(self.place(node));
        let said = self.ok(node, &words);
        assert!(said.contains("is the first node"), "{said}");
    }

    /// The command by which a node joins with a token.
    pub(crate) fn joining(&self, node: &str, token: &str) -> Vec<String> {
        let mut words = ["cluster", "join", token].map(str::to_owned).to_vec();
        words.extend(self.place(node));
        words
    }

    pub(crate) fn join(&self, node: &str, by: &str) {
        if self.engine != Engine::Raft {
            // Corosync's list has it already.
            return self.init(node);
        }
        let token = self.ok(by, &["cluster", "invite"]);
        let said = self.ok(node, &self.joining(node, token.trim()));
        assert!(said.contains("is a member of the cluster now"), "{said}");
    }

    /// Three nodes, and who leads.
    pub(crate) fn three(&mut self) -> String {
        self.all(&["n1", "n2", "n3"])
    }

    /// All of these, and who leads.
    pub(crate) fn all(&mut self, nodes: &[&str]) -> String {
        self.init(nodes[0]);
        self.run(nodes[0]);
        for node in &nodes[1..] {
            self.join(node, nodes[0]);
            self.run(node);
        }
        self.settled(nodes)
    }

    /// From now on nodes are started with this watchdog.
    pub(crate) fn watchdog(&mut self, device: &'static str) {
        self.watchdog = Some(device);
    }

    /// Starts nodes, and waits for nothing.
    pub(crate) fn begin(&mut self, nodes: &[&str]) {
        for node in nodes {
            let home = self.home(node);
            let mut words =
                ["cluster", "run", "--home", &home, "--fence-agents", FENCE_AGENTS].to_vec();
            words.extend(self.watchdog.iter().flat_map(|it| ["--watchdog", it]));
            let mut line = Self::line(&words);
            if self.apart {
                line.arguments.splice(0..0, ["unshare", "--ipc"].map(str::to_owned));
            }
            let process = self.lab.node(node).spawn(&line).unwrap();
            self.processes.insert((*node).to_owned(), process);
        }
    }

    pub(crate) fn run(&mut self, node: &str) {
        self.begin(&[node]);
        let process = self.process(node).clone();
        let up = wait_for(PATIENCE, || self.status(node).is_some() || process.ended().is_some());
        assert!(up.is_some() && process.ended().is_none(), "{node}: {}", process.log());
    }

    /// Whether a node's process was begun and has not ended.
    pub(crate) fn runs(&self, node: &str) -> bool {
        let runs = |it: &Process| it.ended().is_none();
        self.lab.node(node).has_power() && self.processes.get(node).is_some_and(runs)
    }

    pub(crate) fn process(&self, node: &str) -> &Process {
        &self.processes[node]
    }

    pub(crate) fn kill(&self, node: &str) {
        let process = self.process(node);
        process.signal(ProcessSignal::KILL);
        assert!(process.wait(PATIENCE).is_some());
    }

    /// Takes a file out of a node's home.
    pub(crate) fn lose(&self, node: &str, file: &str) {
        let path = format!("{HOME}/{file}");
        self.lab.node(node).run(move || std::fs::remove_file(path)).unwrap();
    }

    pub(crate) fn status(&self, node: &str) -> Option<Status> {
        let (ok, text) = self.command(node, &["cluster", "status", "--json"]);
        ok.then(|| serde_json::from_str(&text).expect("the status is as documented"))
    }

    /// Who leads, as soon as these agree on it and have quorum.
    pub(crate) fn dc_among(&self, nodes: &[&str]) -> String {
        let mut dc = None;
        let agreed = wait_for(PATIENCE, || {
            let dcs: Vec<_> = nodes
                .iter()
                .map(|node| self.status(node).filter(|it| it.quorum).and_then(|it| it.dc))
                .collect();
            let same = dcs.iter().all(|it| it.is_some() && *it == dcs[0]);
            dc = dcs[0].as_ref().map(ToString::to_string);
            same && nodes.contains(&dc.as_deref().unwrap_or_default())
        });
        assert!(agreed.is_some(), "{nodes:?} do not agree\n{}", self.story());
        dc.unwrap()
    }

    /// These are all the members, all vote and are alive, and agree on who leads.
    pub(crate) fn settled(&self, nodes: &[&str]) -> String {
        let all = wait_for(PATIENCE, || {
            nodes.iter().all(|node| {
                self.status(node).is_some_and(|status| {
                    let well = status
                        .members
                        .iter()
                        .all(|it| it.votes && it.reached && it.standing == "alive");
                    well && status.members.len() == nodes.len()
                })
            })
        });
        assert!(all.is_some(), "{nodes:?} are not settled\n{}", self.story());
        self.dc_among(nodes)
    }

    /// What is known on `node` of another comes to be so.
    pub(crate) fn standing(&self, node: &str, of: &str, is: impl Fn(&str) -> bool) {
        let known = wait_for(PATIENCE, || {
            let status = self.status(node);
            status.is_some_and(|it| it.members.iter().any(|it| &*it.node == of && is(&it.standing)))
        });
        assert!(known.is_some(), "{node} of {of}\n{}", self.story());
    }

    /// Replaces a section.
    pub(crate) fn replace(&mut self, node: &str, scope: &str, xml: &str) {
        let file = "/run/lab/section.xml";
        self.lab.node_mut(node).write(file, xml, 0o600).unwrap();
        let said = self.ok(node, &["cib", "replace", file, "--scope", scope]);
        assert!(said.starts_with("done: the CIB has version"), "{said}");
    }

    /// A query comes to find this.
    pub(crate) fn reads(&self, node: &str, xpath: &str, want: &str) {
        let mut last = String::new();
        let read = wait_for(PATIENCE, || {
            last = self.command(node, &["cib", "query", "--xpath", xpath]).1;
            last == want
        });
        assert!(read.is_some(), "{node}: {xpath} is {last:?}, not {want:?}\n{}", self.story());
    }

    /// A cluster option.
    pub(crate) fn options(&mut self, node: &str, options: &[(&str, &str)]) {
        let pair = |(name, value): &(&str, &str)| {
            format!("<nvpair id='o-{name}' name='{name}' value='{value}'/>")
        };
        let pairs: String = options.iter().map(pair).collect();
        let set = format!("<cluster_property_set id='o'>{pairs}</cluster_property_set>");
        self.replace(node, "crm_config", &format!("<crm_config>{set}</crm_config>"));
    }

    /// The page of `node` comes to say this.
    pub(crate) fn says(&self, node: &str, what: &str) {
        let mut page = String::new();
        let said = wait_for(PATIENCE, || {
            page = self.command(node, &["cluster", "status"]).1;
            page.contains(what)
        });
        assert!(said.is_some(), "{node} does not say {what:?}\n{}", self.story());
    }

    /// Where a resource is started, by what this node says, once that is one node.
    pub(crate) fn holder(&self, node: &str, resource: &str) -> String {
        let mut holder = None;
        let line = |page: &str| -> Option<String> {
            let line = page.lines().find(|it| it.contains(&format!("* {resource}\t")))?;
            Some(line.split("Started ").nth(1)?.split_whitespace().next()?.to_owned())
        };
        let known = wait_for(PATIENCE, || {
            holder = line(&self.command(node, &["cluster", "status"]).1);
            holder.as_ref().is_some_and(|it| !it.starts_with('['))
        });
        assert!(known.is_some(), "{resource} is not started\n{}", self.story());
        holder.unwrap()
    }

    /// Where this command succeeds: the nodes that have power, in order.
    pub(crate) fn where_is(&self, file: &str) -> Vec<String> {
        let has = |node: &&lab::Node| {
            let file = file.to_owned();
            node.has_power() && node.run(move || std::path::Path::new(&file).exists())
        };
        self.lab.nodes().iter().filter(has).map(|it| it.name().to_string()).collect()
    }

    /// What all nodes say and have said.
    pub(crate) fn story(&self) -> String {
        let mut text = String::new();
        for (node, process) in &self.processes {
            if !self.lab.node(node).has_power() {
                continue;
            }
            let (_, status) = self.command(node, &["cluster", "status"]);
            let _ = writeln!(text, "--- {node}:\n{status}\n{}", process.log());
        }
        text
    }
}
