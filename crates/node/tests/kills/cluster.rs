//! Three nodes as processes, and what is asked of them.

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use node::join;
use ui::cluster::{Change, Client, Request, Response, Status};

use crate::ledger::Holdings;
use crate::paper;
use crate::writers::{SET, addition};

pub(crate) const NODES: usize = 3;
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
const BARRIER: &str = "barrier";

pub(crate) struct Running {
    /// Its process id is the node's, whatever began it.
    pub(crate) child: Child,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Which node has written it, in which life, and what.
type Line = (usize, u64, String);

pub(crate) struct Cluster {
    pub(crate) base: PathBuf,
    pub(crate) sockets: Vec<PathBuf>,
    pub(crate) running: Vec<Option<Running>>,
    lives: u64,
    heard: (Sender<Line>, Receiver<Line>),
    pub(crate) holdings: Holdings,
}

impl Cluster {
    pub(crate) fn new(lease: Duration) -> Self {
        static COUNT: AtomicU8 = AtomicU8::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let base = env!("CARGO_TARGET_TMPDIR");
        let base = PathBuf::from(base).join(format!("kills-{process}-{count}"));
        // Whoever ran under this number before has left it.
        let _ = std::fs::remove_dir_all(&base);
        std::fs::create_dir_all(&base).unwrap();
        // Socket paths are short, target folders may be anywhere.
        let run = std::env::temp_dir().join(format!("mainstay-kills-{process}-{count}"));
        let sockets = (1..=NODES).map(|at| run.join(format!("n{at}"))).collect();
        let running = (0..NODES).map(|_| None).collect();
        let holdings = Holdings::default();
        let mut it = Self { base, sockets, running, lives: 0, heard: channel(), holdings };
        // Ports that are free now; nobody else listens at these addresses.
        let free = |at: usize| {
            let [_, _, a, b] = process.to_be_bytes();
            let digit = u8::try_from(at).unwrap() + 3 * (count % 16);
            let ip = Ipv4Addr::new(127, 201 + digit, a, b.max(1));
            let socket = TcpListener::bind(SocketAddr::new(IpAddr::V4(ip), 0)).unwrap();
            socket.local_addr().unwrap()
        };
        join::init(&it.dir(0), "n1", free(0), lease).unwrap();
        it.start(0);
        it.until("n1 leads", |it| it.status(0).is_some_and(|it| it.quorum));
        for at in 1..NODES {
            let request = Request::Invite { role: "voter".into(), lifetime_s: 600 };
            let Ok(Response::Invited { token }) = it.ask(0, &request) else { panic!("no token") };
            join::join(&it.dir(at), &format!("n{}", at + 1), free(at), &token).unwrap();
            it.start(at);
        }
        it.until("all take part", Self::rests);
        let set = "<crm_config><cluster_property_set id='o'><nvpair id='o-f' name='stonith-enabled' \
                   value='false'/></cluster_property_set></crm_config>";
        let one = |at| format!("<primitive id='p{at}' class='ocf' provider='kills' type='Paper'/>");
        let resources: String = (0..NODES).map(one).collect();
        for (scope, xml) in [
            ("crm_config", set.into()),
            ("resources", format!("<resources>{resources}</resources>")),
        ] {
            let change = Change::Replace { scope: scope.into(), xml };
            it.done(&Request::Change { expect: None, change });
        }
        it
    }

    pub(crate) fn dir(&self, at: usize) -> PathBuf {
        self.base.join(format!("n{}", at + 1))
    }

    pub(crate) fn start(&mut self, at: usize) {
        let binary = std::env::current_exe().unwrap();
        self.start_by(at, &mut Command::new(binary));
    }

    /// By a command that ends by executing the arguments it is given.
    pub(crate) fn start_by(&mut self, at: usize, command: &mut Command) {
        self.lives += 1;
        let log = self.base.join(format!("n{}.log", at + 1));
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut child = command
            .args(["--exact", "paper::node", "--nocapture"])
            .env(paper::HOME, self.dir(at))
            .env(paper::CONTROL, &self.sockets[at])
            // It ends when this does.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (heard, life) = (self.heard.0.clone(), self.lives);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = heard.send((at, life, line));
            }
        });
        self.running[at] = Some(Running { child, reader: Some(reader) });
    }

    /// What the nodes have written until now; one that ended by itself is a failure.
    pub(crate) fn listen(&mut self) {
        while let Ok((node, life, line)) = self.heard.1.try_recv() {
            assert!(!line.starts_with("ended "), "n{}: {line}", node + 1);
            self.holdings.hear(node, life, &line);
        }
        let overlaps = self.holdings.overlaps();
        assert!(overlaps.is_empty(), "held twice: {overlaps:?}");
    }

    pub(crate) fn ask(&self, at: usize, request: &Request) -> Result<Response, String> {
        Client::connect(&self.sockets[at])?.ask(request)
    }

    pub(crate) fn status(&self, at: usize) -> Option<Status> {
        match self.ask(at, &Request::Status).ok()? {
            Response::Status(status) => Some(*status),
            _ => None,
        }
    }

    pub(crate) fn done(&self, request: &Request) {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.ask(0, request) {
                Ok(Response::Done(_) | Response::Unchanged) => return,
                other => assert!(Instant::now() < end, "{request:?}: {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is(self) {
            let all: Vec<_> = (0..NODES).map(|at| self.status(at)).collect();
            assert!(Instant::now() < end, "{what}: not in {PATIENCE:?}: {all:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn rests(&self) -> bool {
        (0..NODES).all(|at| {
            self.status(at).is_some_and(|it| {
                let well = |it: &ui::cluster::Member| it.votes && it.standing == "alive";
                it.quorum && it.members.len() == NODES && it.members.iter().all(well)
            })
        })
    }

    /// The changes that stand in the document of each node, in order, and that are equal: all that were
    /// asked for before have come by then, or never will.
    pub(crate) fn agreed(&self) -> Vec<String> {
        self.done(&addition(BARRIER));
        let has = |it: &Self, at| it.there(at).iter().any(|id| id == BARRIER);
        self.until("all have all", |it| (0..NODES).all(|at| has(it, at)));
        let at = |at| self.there(at).into_iter().filter(|id| id != BARRIER).collect::<Vec<_>>();
        let all = at(0);
        for other in 1..NODES {
            let there = at(other);
            assert!(there == all, "n1 and n{} differ: {all:?} {there:?}", other + 1);
        }
        all
    }

    /// What is between two tests of what was acknowledged goes.
    pub(crate) fn clear(&self) {
        let path = format!("//cluster_property_set[@id='{SET}']");
        let change = Change::DeleteAt { path, all: false };
        self.done(&Request::Change { expect: None, change });
    }

    /// What a node has said of itself and others, the latest last.
    pub(crate) fn log(&self, at: usize) -> String {
        let path = self.base.join(format!("n{}.log", at + 1));
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// The changes that stand in the document of a node, in order.
    pub(crate) fn there(&self, at: usize) -> Vec<String> {
        let xpath = format!("//cluster_property_set[@id='{SET}']/nvpair/@id");
        match self.ask(at, &Request::Query { scope: None, xpath: Some(xpath) }) {
            Ok(Response::Found(text)) => text.lines().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.running.clear();
        if let Some(run) = self.sockets[0].parent() {
            let _ = std::fs::remove_dir_all(run);
        }
        if std::thread::panicking() {
            eprintln!("what is left of it: {}", self.base.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.base);
        }
    }
}
