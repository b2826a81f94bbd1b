//! Nodes on loopback, what each of them said, and a network between them that can be cut.
//!
//! Every node has an address of its own, and is reached through a relay that knows by the caller's
//! address who calls. What is cut is held back as a cable would: connections stay, nothing comes.
//! Whatever a node says is checked as it comes: indices rise by one, all nodes are told the same at
//! the same index, and no answer comes before what it speaks of.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use base::{Name, Wall};
use cluster::node::Message;
use cluster::operation::CibChange;
use cluster::seam::{Ask, Engine as _, Failure, Leadership, Tell, Ticket};
use cluster::{Entry, Operation, Role, State};
use raft::types::Peer;
use raft::{Config, Engine, Event, Key, Out, Timing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The clock of all nodes here.
pub(crate) fn now() -> base::Instant {
    let nanos = u64::try_from(BEGAN.elapsed().as_nanos()).expect("not yet");
    // Not at the origin: what begins there would seem never to have begun.
    base::Instant::from_nanos(nanos + 1_000_000_000)
}

pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("mainstay-nodes-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn birth() -> State {
    let blank = "<cib><configuration><crm_config/><nodes/><resources/><constraints/>\
                 </configuration><status/></cib>";
    State::new(cib::xml::parse(blank).expect("a CIB").root)
}

/// A change of the document, as an administrator makes one; each is another.
pub(crate) fn entry(by: &Name, number: u64) -> Entry {
    let xml = format!(
        "<cluster_property_set id='s'><nvpair id='n' name='number' value='{by}-{number}'/>\
         </cluster_property_set>"
    );
    let scope = "crm_config".into();
    Entry {
        at: Wall::new(1, 0),
        by: by.clone(),
        operation: Operation::Cib {
            expect: None,
            change: CibChange::Modify { scope, xml, allow_create: true },
        },
    }
}

/// Slow enough for a machine that others use as well.
pub(crate) fn patient() -> Timing {
    Timing {
        heartbeat: Duration::from_millis(200),
        election: (Duration::from_millis(400), Duration::from_millis(800)),
        round: Duration::from_millis(100),
        sign: Duration::from_millis(50),
        snapshot_after: 5_000,
    }
}

/// Slower still: where another leader would be the failure, it must not come of the machine.
pub(crate) fn steady() -> Timing {
    Timing {
        heartbeat: Duration::from_millis(300),
        election: (Duration::from_millis(600), Duration::from_millis(1_200)),
        ..patient()
    }
}

/// What a node said since it began.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) last: u64,
    pub(crate) installed: Vec<u64>,
    pub(crate) answers: BTreeMap<Ticket, Result<u64, Failure>>,
    pub(crate) leads: Vec<Leadership>,
    pub(crate) confirmed: Vec<base::Instant>,
    pub(crate) members: BTreeMap<Name, Role>,
    pub(crate) events: Vec<Event>,
    pub(crate) messages: Vec<(Name, Message)>,
    pub(crate) ended: Option<String>,
}

impl Said {
    pub(crate) fn leadership(&self) -> Leadership {
        self.leads.last().cloned().unwrap_or_default()
    }
}

pub(crate) struct Node {
    pub(crate) name: Name,
    pub(crate) key: Key,
    pub(crate) dir: PathBuf,
    pub(crate) listen: IpAddr,
    /// Where others reach it: its relay.
    pub(crate) address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    pub(crate) engine: Option<Engine>,
    pub(crate) state: State,
    pub(crate) said: Said,
    tickets: u64,
}

pub(crate) type Cuts = Arc<Mutex<BTreeSet<(u8, u8)>>>;

pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) timing: Timing,
    cuts: Cuts,
    /// What was told at each index, by whoever told it first.
    told: BTreeMap<u64, Entry>,
    runtime: Runtime,
    _dir: Dir,
}

fn digit(from: usize) -> u8 {
    u8::try_from(from + 1).expect("few nodes")
}

impl World {
    /// Nodes that know nothing of each other.
    pub(crate) fn new(count: usize, timing: Timing) -> Self {
        static WORLDS: AtomicU8 = AtomicU8::new(10);
        let world = WORLDS.fetch_add(1, Ordering::Relaxed);
        let process = u8::try_from(std::process::id() % 250).expect("small");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let (cuts, dir) = (Cuts::default(), Dir::new());
        let nodes = (0..count).map(|at| {
            let listen = Ipv4Addr::new(127, world, process, digit(at)).into();
            let listener = runtime
                .block_on(TcpListener::bind(SocketAddr::new(listen, 0)))
                .expect("a free port");
            let address = listener.local_addr().expect("bound");
            let target = Arc::default();
            runtime.spawn(relay(listener, digit(at), Arc::clone(&target), Arc::clone(&cuts)));
            let path = dir.0.join(format!("{at}"));
            std::fs::create_dir(&path).expect("a directory");
            Node {
                name: Name::from(format!("n{}", at + 1)),
                key: Key::generate().expect("randomness"),
                dir: path,
                listen,
                address,
                target,
                engine: None,
                state: birth(),
                said: Said::default(),
                tickets: 0,
            }
        });
        let nodes = nodes.collect();
        let mut world = Self { nodes, timing, cuts, told: BTreeMap::new(), runtime, _dir: dir };
        for at in 0..count {
            world.start(at);
        }
        world
    }

    /// A cluster of as many voters, of which all are caught up.
    pub(crate) fn voters(count: usize, timing: Timing) -> Self {
        let mut world = Self::new(count, timing);
        world.nodes[0].engine().init().expect("a cluster of one");
        world.until("the first leads", |world| world.leader() == Some(0));
        let all = 0..count;
        let roles = all.map(|at| (world.nodes[at].name.clone(), Role::Voter)).collect();
        let ticket = world.members(0, roles);
        let answer = world.answer(0, ticket);
        assert!(answer.is_ok(), "{answer:?}");
        world.until("all know of all", |world| {
            world.nodes.iter().all(|node| node.said.members.len() == count)
        });
        world.until("all reach all", |world| {
            world.nodes.iter().all(|node| {
                let status = node.engine.as_ref().expect("runs").status();
                status.peers.len() == count - 1
                    && status.peers.values().all(|(reached, _)| *reached)
            })
        });
        world
    }

    pub(crate) fn peers(&self) -> Vec<Peer> {
        let peer = |node: &Node| Peer {
            name: node.name.clone(),
            address: node.address,
            key: node.key.print(),
            role: Role::Voter,
        };
        self.nodes.iter().map(peer).collect()
    }

    /// (Again) as after a crash: all it knows is on its disk.
    pub(crate) fn start(&mut self, at: usize) {
        let known = self.peers();
        let timing = self.timing;
        let node = &mut self.nodes[at];
        let engine = Engine::start(Config {
            dir: node.dir.clone(),
            key: node.key.clone(),
            name: node.name.clone(),
            listen: SocketAddr::new(node.listen, 0),
            address: node.address,
            role: Role::Voter,
            known: known.clone(),
            birth: birth(),
            dowry: b"a dowry".to_vec(),
            timing,
            clock: Arc::new(now),
            wake: Arc::new(|| {}),
        })
        .unwrap_or_else(|error| panic!("{}: {error}", node.name));
        // As an administrator does who is about to make them members.
        engine.know(known);
        *node.target.lock().expect("whole") = Some(engine.listens());
        node.engine = Some(engine);
        node.state = birth();
        node.said = Said::default();
    }

    pub(crate) fn crash(&mut self, at: usize) {
        *self.nodes[at].target.lock().expect("whole") = None;
        self.nodes[at].engine = None;
    }

    /// Nothing passes between `at` and the others.
    pub(crate) fn isolate(&self, at: usize) {
        for other in (0..self.nodes.len()).filter(|other| *other != at) {
            self.cut(at, other);
            self.cut(other, at);
        }
    }

    /// Nothing passes from one to the other.
    pub(crate) fn cut(&self, from: usize, to: usize) {
        self.cuts.lock().expect("whole").insert((digit(from), digit(to)));
    }

    pub(crate) fn heal(&self) {
        self.cuts.lock().expect("whole").clear();
    }

    pub(crate) fn propose(&mut self, at: usize) -> Ticket {
        let node = &mut self.nodes[at];
        node.tickets += 1;
        let ticket = Ticket(node.tickets);
        let entry = entry(&node.name, node.tickets);
        node.engine().ask(now(), Ask::Propose(ticket, entry));
        ticket
    }

    pub(crate) fn members(&mut self, at: usize, roles: BTreeMap<Name, Role>) -> Ticket {
        let node = &mut self.nodes[at];
        node.tickets += 1;
        let ticket = Ticket(node.tickets);
        node.engine().ask(now(), Ask::Members(ticket, roles));
        ticket
    }

    pub(crate) fn answer(&mut self, at: usize, ticket: Ticket) -> Result<u64, Failure> {
        self.until("an answer", |world| world.nodes[at].said.answers.contains_key(&ticket));
        self.nodes[at].said.answers[&ticket].clone()
    }

    /// Proposes until it is committed, as the machines above do.
    pub(crate) fn commit(&mut self, at: usize) -> u64 {
        for _ in 0..100 {
            let ticket = self.propose(at);
            match self.answer(at, ticket) {
                Ok(index) => return index,
                Err(_) => self.pass(Duration::from_millis(50)),
            }
        }
        panic!("nothing is committed by {}", self.nodes[at].name);
    }

    /// Who leads, if those that run agree.
    pub(crate) fn leader(&self) -> Option<usize> {
        let mut running = self.nodes.iter().filter(|node| node.engine.is_some());
        let said = running.next()?.said.leadership();
        if running.any(|node| {
            node.said.leads.last() != Some(&said)
                && !node.said.leads.is_empty()
                && node.said.leadership().term > 0
        }) {
            return None;
        }
        let leader = said.leader?;
        self.nodes.iter().position(|node| node.name == leader && node.engine.is_some())
    }

    pub(crate) fn settled(&mut self) -> usize {
        self.until("all follow one", |world| {
            let leader = world.leader();
            leader.is_some()
        });
        self.leader().expect("just now")
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        let end = Instant::now() + span;
        while Instant::now() < end {
            self.pump();
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn until(&mut self, what: &str, is: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(40);
        loop {
            self.pump();
            if is(self) {
                return;
            }
            if Instant::now() >= end {
                for node in &self.nodes {
                    let status = node.engine.as_ref().map(Engine::status);
                    eprintln!(
                        "{}: {status:?}\n  {:?}\n  {:?}",
                        node.name, node.said.leads, node.said.events
                    );
                }
                panic!("never: {what}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// All nodes that run have applied all that was told to anybody, and have the same state.
    pub(crate) fn equal(&mut self) {
        let last = self.told.last_key_value().map_or(0, |(index, _)| *index);
        self.until("all have all", |world| {
            world.nodes.iter().filter(|it| it.engine.is_some()).all(|it| it.said.last >= last)
        });
        let mut running = self.nodes.iter().filter(|node| node.engine.is_some());
        let first = running.next().expect("one runs");
        for other in running {
            assert!(first.state == other.state, "{} and {} differ", first.name, other.name);
        }
    }

    pub(crate) fn pump(&mut self) {
        for node in &mut self.nodes {
            while let Some(out) = node.engine.as_mut().and_then(Engine::poll_out) {
                node.take(out, &mut self.told);
            }
        }
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

impl Node {
    pub(crate) fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("it runs")
    }

    fn take(&mut self, out: Out, told: &mut BTreeMap<u64, Entry>) {
        let name = &self.name;
        let said = &mut self.said;
        match out {
            Out::Tell(Tell::Committed { index, entry }) => {
                assert_eq!(index, said.last + 1, "{name}: in order, none left out");
                let first = told.entry(index).or_insert_with(|| entry.clone());
                assert_eq!(*first, entry, "{name}: another entry at {index}");
                self.state.apply(index, &entry);
                said.last = index;
            }
            Out::Tell(Tell::Install { index, bytes }) => {
                assert!(index > said.last, "{name}: a snapshot of what is known");
                self.state = State::decode(&bytes).expect("a state");
                assert_eq!(self.state.applied(), index);
                said.last = index;
                said.installed.push(index);
            }
            Out::Tell(Tell::Answered(ticket, answer)) => {
                if let Ok(index) = answer {
                    assert!(index <= said.last, "{name}: answered before it was told");
                }
                let before = said.answers.insert(ticket, answer);
                assert!(before.is_none(), "{name}: answered twice");
            }
            Out::Tell(Tell::Leads(leadership)) => {
                assert!(leadership.term >= said.leadership().term, "{name}: terms rise");
                said.leads.push(leadership);
            }
            Out::Tell(Tell::Confirmed(began)) => {
                assert_eq!(said.leadership().leader.as_ref(), Some(name), "it leads");
                assert!(began <= now());
                said.confirmed.push(began);
            }
            Out::Tell(Tell::Members(members)) => said.members = members,
            Out::Tell(Tell::Take) => panic!("{name}: it keeps the state itself"),
            Out::Tell(Tell::Ended(why)) => said.ended = Some(why),
            Out::Message(from, message) => said.messages.push((from, message)),
            Out::Event(event) => said.events.push(event),
        }
    }
}

/// Passes on what others send to a node, unless it is cut.
async fn relay(listener: TcpListener, to: u8, target: Arc<Mutex<Option<SocketAddr>>>, cuts: Cuts) {
    loop {
        let Ok((caller, from)) = listener.accept().await else { continue };
        let IpAddr::V4(ip) = from.ip() else { continue };
        let [.., from] = ip.octets();
        let Some(target) = *target.lock().expect("whole") else { continue };
        let cuts = Arc::clone(&cuts);
        tokio::spawn(async move {
            let Ok(called) = TcpStream::connect(target).await else { return };
            let _ = (caller.set_nodelay(true), called.set_nodelay(true));
            let (mut a, mut b) = caller.into_split();
            let (mut c, mut d) = called.into_split();
            tokio::select! {
                () = pass(&mut a, &mut d, (from, to), &cuts) => {}
                () = pass(&mut c, &mut b, (to, from), &cuts) => {}
            }
        });
    }
}

async fn pass(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    way: (u8, u8),
    cuts: &Cuts,
) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        while cuts.lock().expect("whole").contains(&way) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
