//! Three nodes on this machine's loopback, asked by their control sockets: what one client gets
//! acknowledged, what attributes and ACLs come to, and who is turned away.
//!
//! The figures are printed; what is asserted leaves a noisy machine and a build without optimisation
//! their room. For figures: `cargo test --release -p node --test changes -- --nocapture`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use node::hands::{Act, Back, Hands};
use node::run::{self, Event, Options};
use node::{home, join};
use ui::cluster::{Change, Client, Request, Response, Status};

const LEASE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);

/// Nothing is run here, and no document of these tests asks for it.
struct Idle;

impl Hands for Idle {
    fn act(&mut self, _: Act) {}

    fn trouble(&self) -> Option<String> {
        None
    }
}

struct Member {
    dir: PathBuf,
    control: PathBuf,
    events: Sender<Event>,
    thread: Option<JoinHandle<()>>,
}

struct Trio {
    base: PathBuf,
    members: Vec<Member>,
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Trio {
    fn new(name: &str) -> Self {
        let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}-{}", std::process::id()));
        // Whoever ran under this number before has left it.
        let _ = std::fs::remove_dir_all(&base);
        std::fs::create_dir_all(&base).unwrap();
        let mut trio = Self { base, members: Vec::new() };
        let first = trio.base.join("n1");
        join::init(&first, "n1", free(), LEASE).unwrap();
        trio.begin("n1");
        trio.until("n1 leads", |trio| trio.status(0).is_some_and(|it| it.quorum));
        for name in ["n2", "n3"] {
            let request = Request::Invite { role: "voter".into(), lifetime_s: 60 };
            let Response::Invited { token } = trio.client(0).ask(&request).unwrap() else {
                panic!("no token");
            };
            join::join(&trio.base.join(name), name, free(), &token).unwrap();
            trio.begin(name);
        }
        trio.until("all vote and are alive", |trio| {
            (0..3).all(|at| {
                trio.status(at).is_some_and(|it| {
                    let well = it.members.iter().all(|it| it.votes && it.standing == "alive");
                    it.quorum && it.dc.is_some() && it.members.len() == 3 && well
                })
            })
        });
        trio
    }

    fn begin(&mut self, name: &str) {
        let dir = self.base.join(name);
        // Socket paths are short, target folders may be anywhere.
        let run = std::env::temp_dir().join(format!("mainstay-{}", std::process::id()));
        let control =
            run.join(format!("{}-{name}", self.base.file_name().unwrap().to_string_lossy()));
        let (send, receive) = channel();
        let log = Arc::new(|_: &str| {});
        let options = Options { home: home::open(&dir).unwrap(), control: control.clone(), log };
        let own = send.clone();
        let thread = std::thread::spawn(move || {
            let hands = |_: Back| Ok(Box::new(Idle) as Box<dyn Hands>);
            run::run(options, (own, receive), hands).unwrap();
        });
        self.members.push(Member { dir, control, events: send, thread: Some(thread) });
    }

    fn client(&self, at: usize) -> Client {
        Client::connect(&self.members[at].control).unwrap()
    }

    fn status(&self, at: usize) -> Option<Status> {
        let mut client = Client::connect(&self.members[at].control).ok()?;
        match client.ask(&Request::Status).ok()? {
            Response::Status(status) => Some(*status),
            _ => None,
        }
    }

    fn until(&self, what: &str, mut is: impl FnMut(&Self) -> bool) {
        let limit = Instant::now() + PATIENCE;
        while !is(self) {
            let all: Vec<_> = (0..self.members.len()).map(|at| self.status(at)).collect();
            assert!(Instant::now() < limit, "{what}: not in {PATIENCE:?}: {all:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn dc(&self) -> usize {
        let dc = self.status(0).unwrap().dc.unwrap();
        ["n1", "n2", "n3"].iter().position(|name| **name == *dc).unwrap()
    }

    fn query(&self, at: usize, xpath: &str) -> Result<String, String> {
        let request = Request::Query { scope: None, xpath: Some(xpath.into()) };
        match self.client(at).ask(&request)? {
            Response::Found(text) => Ok(text),
            other => Err(format!("{other:?}")),
        }
    }
}

impl Drop for Trio {
    fn drop(&mut self) {
        for member in &mut self.members {
            // Twice: at once.
            let _ = member.events.send(Event::Stop);
            let _ = member.events.send(Event::Stop);
        }
        for member in &mut self.members {
            if let Some(thread) = member.thread.take() {
                let _ = thread.join();
            }
            let _ = std::fs::remove_dir_all(&member.dir);
        }
        let _ = std::fs::remove_dir_all(&self.base);
    }
}

/// A change that is different each time.
fn change(number: u64) -> Request {
    let xml = format!(
        "<crm_config><cluster_property_set id=\"bench\"><nvpair id=\"bench-n\" name=\"n\" \
         value=\"{number}\"/></cluster_property_set></crm_config>"
    );
    let change = Change::Modify { scope: "crm_config".into(), xml, allow_create: true };
    Request::Change { expect: None, change }
}

/// What one client of a node gets acknowledged in a second, with so many under way.
fn rate(trio: &Trio, at: usize, depth: u64, span: Duration) -> u64 {
    let mut client = trio.client(at);
    let (mut sent, mut done) = (0, 0);
    let began = Instant::now();
    while began.elapsed() < span {
        while sent < done + depth {
            client.send(&change(sent)).unwrap();
            sent += 1;
        }
        assert!(matches!(client.receive().unwrap(), Response::Done(_)));
        done += 1;
    }
    let took = u64::try_from(began.elapsed().as_millis()).unwrap();
    while done < sent {
        assert!(matches!(client.receive().unwrap(), Response::Done(_)));
        done += 1;
    }
    let last = trio.query(at, "//nvpair[@id='bench-n']/@value").unwrap();
    assert_eq!(last, format!("{}\n", sent - 1), "what was acknowledged last is there");
    (done - depth.min(done)) * 1_000 / took
}

#[test]
fn one_client_gets_changes_acknowledged_by_the_hundred() {
    let trio = Trio::new("changes");
    let dc = trio.dc();
    let span = Duration::from_millis(if cfg!(debug_assertions) { 700 } else { 3_000 });
    let mut told = Vec::new();
    for (words, at) in [("the node that leads", dc), ("another node", (dc + 1) % 3)] {
        for depth in [1, 16, 64, 256, 600] {
            if cfg!(debug_assertions) && !matches!(depth, 1 | 600) {
                continue;
            }
            let rate = rate(&trio, at, depth, span);
            eprintln!("acknowledged a second, {depth} under way, by {words}: {rate}");
            told.push((depth, rate));
        }
    }
    let best = |depth: u64| told.iter().filter(|(it, _)| *it == depth).map(|(_, it)| *it).max();
    assert!(best(600) > best(1), "what waits together is committed together: {told:?}");
}

#[test]
fn attributes_reach_all_nodes_and_strangers_none() {
    let trio = Trio::new("attributes");
    let set = |node: &str, name: &str, value: Option<&str>, private: bool| Request::SetAttribute {
        node: node.into(),
        name: name.into(),
        value: value.map(str::to_owned),
        dampen_ms: 0,
        private,
    };
    let values = |at: usize, name: &str| {
        let request = Request::Attributes { name: name.into(), node: None };
        match trio.client(at).ask(&request).unwrap() {
            Response::Attributes(all) => all,
            other => panic!("{other:?}"),
        }
    };
    let done = |request: &Request| {
        let answer = trio.client(1).hear(request).unwrap();
        assert!(matches!(answer, Response::Done(_)), "{answer:?}");
    };
    done(&set("n2", "pingd", Some("100"), false));
    done(&set("n3", "gtid", Some("7"), true));
    trio.until("all know", |_| {
        (0..3).all(|at| {
            values(at, "pingd") == [("n2".to_owned(), "100".to_owned())]
                && values(at, "gtid") == [("n3".to_owned(), "7".to_owned())]
        })
    });
    assert_eq!(trio.query(0, "//nvpair[@name='pingd']/@value"), Ok("100\n".into()));
    assert!(trio.query(0, "//nvpair[@name='gtid']").is_err(), "the document does not say it");
    let nobody = trio.client(0).hear(&set("n9", "x", Some("1"), false)).unwrap();
    assert!(matches!(&nobody, Response::NoMember(text) if text.contains("n9")), "{nobody:?}");
    // What was done with a resource that is not there is not there to be forgotten.
    let forget = Request::Forget { node: "n1".into(), resource: Some("r".into()) };
    assert_eq!(trio.client(2).hear(&forget).unwrap(), Response::Unchanged);
    let absolve = Request::Absolve { node: "n9".into(), resource: "r".into() };
    assert!(matches!(trio.client(2).hear(&absolve).unwrap(), Response::NoMember(_)));
}
