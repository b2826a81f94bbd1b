//! The engine: a thread of its own behind the seam, with everything in it that waits.
//!
//! Who drives a node gives an [`Engine`] what it wants and takes what comes out, as from any machine;
//! a wake tells when there is something. Nothing here ever calls back. What comes out waits without
//! a bound: a driver that stops reading has ended in all but name.
//!
//! Besides what openraft does by itself, three things go on. Rounds: while this node leads it asks a
//! quorum, again and again, whether it still does, and says from when that is certain. The canvass:
//! openraft may stand for election only when others would vote. And who is called and let in follows
//! the membership.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use base::{Instant, Name};
use cluster::node::Message;
use cluster::seam::{Ask, Failure, Leadership, Tell, Ticket};
use cluster::{Entry, Role, State};
use openraft::{Config as RaftConfig, SnapshotPolicy};
use tokio::sync::mpsc as queue;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::core::{Core, Item, Origin, Raft, busy, lock};
use crate::door::{self, Called};
use crate::join::{Invitation, Secret};
use crate::key::{self, Key, KeyError, Print, Trust};
use crate::link::Signs;
use crate::mesh::{Callers, Mesh};
use crate::outlet::{Out, Outlet, Wake};
use crate::types::{NodeId, Peer};
use crate::watch::Watch;
use crate::{DiskError, Journal, Machine, members};

/// How many proposals may wait.
const QUEUE: usize = 65_536;
/// No single entry is longer than this.
const LONGEST: usize = 4 << 20;
/// The engine's thread is given this long to end what it writes.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often, and how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// A leader is heard at least this often; a write to a peer's disk is given as long.
    pub heartbeat: Duration,
    /// Who hears no leader stands after the second, and a random time between both.
    pub election: (Duration, Duration),
    /// How often a leader asks whether it still is one.
    pub round: Duration,
    /// How often peers are asked for signs of life.
    pub sign: Duration,
    /// After that many writes to the log a snapshot is taken.
    pub snapshot_after: u64,
}

impl Default for Timing {
    /// For a local network: another leads about half a second after a crash.
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(100),
            election: (Duration::from_millis(150), Duration::from_millis(300)),
            round: Duration::from_millis(100),
            sign: Duration::from_millis(50),
            snapshot_after: 5_000,
        }
    }
}

/// Reads the clock that the machines above live by.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// What an engine is made of.
#[derive(Clone)]
pub struct Config {
    /// Where its memory is.
    pub dir: PathBuf,
    /// Who it is.
    pub key: Key,
    /// What it is called.
    pub name: Name,
    /// Where it listens, and from which address it calls.
    pub listen: SocketAddr,
    /// Where others reach it.
    pub address: SocketAddr,
    /// What it is, if it is the first.
    pub role: Role,
    /// Whom it knows, until it is told who the members are.
    pub known: Vec<Peer>,
    /// The state a cluster begins with; the same on all nodes.
    pub birth: State,
    /// What those are given that join by an invitation of this node's, beside the members.
    pub dowry: Vec<u8>,
    /// How often, and how long.
    pub timing: Timing,
    /// The clock.
    pub clock: Clock,
    /// Called whenever something came out; from another thread.
    pub wake: Wake,
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its memory cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It cannot listen.
    #[error("{0} cannot be listened on: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// TLS cannot be had.
    #[error("no TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The system gives no thread, or openraft does not begin.
    #[error("the engine does not begin: {0}")]
    Begin(String),
}

/// The engine, for people.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// Who leads.
    pub leadership: Leadership,
    /// The index of the entry applied last, as the seam counts.
    pub applied: u64,
    /// The last entry of the engine's own log.
    pub last: Option<u64>,
    /// Each member but this node, whether it gives signs of life, and what it is.
    pub peers: BTreeMap<Name, (bool, Role)>,
    /// Whether the engine may stand for election now.
    pub may_stand: bool,
    /// Who votes already; the others that are to will when they have caught up.
    pub voters: BTreeSet<Name>,
    /// Where each member is, this node as well, and which key it has.
    pub addresses: BTreeMap<Name, (SocketAddr, Print)>,
}

enum Command {
    Members(Ticket, BTreeMap<Name, Role>),
    Send(Name, Message),
    Know(Vec<Peer>),
    Invite(Invitation),
    Expel(Ticket, Name),
    Init(mpsc::Sender<Result<(), String>>),
}

/// A running engine. Dropped, it ends as if it had crashed.
pub struct Engine {
    peer: Peer,
    listens: SocketAddr,
    proposals: queue::Sender<Item>,
    commands: Option<queue::UnboundedSender<Command>>,
    out: mpsc::Receiver<Out>,
    outlet: Outlet,
    waiting: VecDeque<Out>,
    status: Arc<Mutex<Status>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts one.
    ///
    /// # Errors
    /// When its memory is damaged or in use, or its address cannot be listened on.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let id = config.key.print().id();
        let (journal, machine) = crate::open(&config.dir, id, config.birth.clone())?;
        let listen = |error| StartError::Listen(config.listen, error);
        let listener = TcpListener::bind(config.listen).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let listens = listener.local_addr().map_err(listen)?;
        let trust = Trust::default();
        let members = key::called(&config.key, &trust)?;
        let called = Called { members, invited: key::invited(&config.key)? };
        let (outlet, out) = Outlet::new(Arc::clone(&config.wake));
        let (proposals, proposed) = queue::channel(QUEUE);
        let (commands, commanded) = queue::unbounded_channel();
        let status = Arc::new(Mutex::new(Status::default()));
        let peer = Peer {
            name: config.name.clone(),
            address: config.address,
            key: config.key.print(),
            role: config.role,
        };
        let begin = |what: String| StartError::Begin(what);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| begin(error.to_string()))?;
        let parts = Parts {
            config,
            peer: peer.clone(),
            trust,
            called,
            listener,
            outlet: outlet.clone(),
            proposals: proposals.clone(),
            proposed,
            commanded,
            status: Arc::clone(&status),
        };
        let (began, begun) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || {
                runtime.block_on(run(parts, journal, machine, began));
                runtime.shutdown_timeout(FAREWELL);
            })
            .map_err(|error| begin(error.to_string()))?;
        match begun.recv() {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return Err(begin(why)),
            Err(_) => return Err(begin("its thread ended".into())),
        }
        Ok(Self {
            peer,
            listens,
            proposals,
            commands: Some(commands),
            out,
            outlet,
            waiting: VecDeque::new(),
            status,
            thread: Some(thread),
        })
    }

    /// This node, as others have to know it.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Where it listens; the port is the system's choice when none was named.
    #[must_use]
    pub fn listens(&self) -> SocketAddr {
        self.listens
    }

    /// For people.
    #[must_use]
    pub fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    /// Makes this node a cluster of its own, of which it is the only member.
    ///
    /// # Errors
    /// When it belongs to one.
    pub fn init(&self) -> Result<(), String> {
        let (answer, answered) = mpsc::channel();
        self.command(Command::Init(answer));
        answered.recv().unwrap_or_else(|_| Err("the engine has ended".into()))
    }

    /// These nodes are about to become members: they are called and let in.
    pub fn know(&self, peers: Vec<Peer>) {
        self.command(Command::Know(peers));
    }

    /// Has a node let go; answered under this ticket as [`Ask::Members`] is.
    pub fn expel(&self, ticket: Ticket, node: Name) {
        self.command(Command::Expel(ticket, node));
    }

    /// Makes an invitation: whoever shows this secret within that time, once, becomes a member.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn invite(&self, role: Role, lifetime: Duration) -> Result<Secret, KeyError> {
        let secret = Secret::draw()?;
        self.command(Command::Invite(Invitation::new(&secret, role, lifetime)));
        Ok(secret)
    }

    /// Says something to a peer; it is lost when the peer is not reached.
    pub fn send(&self, to: Name, message: Message) {
        self.command(Command::Send(to, message));
    }

    /// What came out, in order; until there is nothing left.
    pub fn poll_out(&mut self) -> Option<Out> {
        self.waiting.pop_front().or_else(|| self.out.try_recv().ok())
    }

    fn command(&self, command: Command) {
        if let Some(commands) = &self.commands {
            // After its end the engine has said so, and is asked in vain.
            let _ = commands.send(command);
        }
    }

    fn propose(&self, ticket: Ticket, entry: Entry) {
        let bytes = postcard::to_allocvec(&entry).map_or(usize::MAX, |bytes| bytes.len());
        let refused = if bytes > LONGEST {
            let why = format!("it is {bytes} bytes long, and {LONGEST} are allowed: split it");
            Some(Failure::Refused(why))
        } else {
            let item = Item { entries: vec![entry], bytes, from: Origin::Own(ticket) };
            self.proposals.try_send(item).is_err().then(busy)
        };
        if let Some(refused) = refused {
            self.outlet.tell(Tell::Answered(ticket, Err(refused)));
        }
    }
}

impl cluster::seam::Engine for Engine {
    fn ask(&mut self, _: Instant, ask: Ask) {
        match ask {
            Ask::Propose(ticket, entry) => self.propose(ticket, entry),
            Ask::Members(ticket, roles) => self.command(Command::Members(ticket, roles)),
            // Never asked for: this engine keeps the state beside its log, and takes it from there.
            Ask::Snapshot { .. } => {}
        }
    }

    fn poll_tell(&mut self) -> Option<Tell> {
        let at = self.waiting.iter().position(|out| matches!(out, Out::Tell(_)));
        if let Some(Out::Tell(tell)) = at.and_then(|at| self.waiting.remove(at)) {
            return Some(tell);
        }
        loop {
            match self.out.try_recv().ok()? {
                Out::Tell(tell) => return Some(tell),
                other => self.waiting.push_back(other),
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the engine's has been told by its own means.
            let _ = thread.join();
        }
    }
}

struct Parts {
    config: Config,
    peer: Peer,
    trust: Trust,
    called: Called,
    listener: TcpListener,
    outlet: Outlet,
    proposals: queue::Sender<Item>,
    proposed: queue::Receiver<Item>,
    commanded: queue::UnboundedReceiver<Command>,
    status: Arc<Mutex<Status>>,
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn raft_config(timing: &Timing) -> RaftConfig {
    RaftConfig {
        cluster_name: "mainstay".into(),
        heartbeat_interval: millis(timing.heartbeat),
        election_timeout_min: millis(timing.election.0),
        election_timeout_max: millis(timing.election.1),
        max_payload_entries: 16,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(timing.snapshot_after),
        max_in_snapshot_log_to_keep: timing.snapshot_after / 4,
        replication_lag_threshold: timing.snapshot_after,
        snapshot_max_chunk_size: 256 << 10,
        install_snapshot_timeout: 2_000,
        // Until it is known that others would vote.
        enable_elect: false,
        ..RaftConfig::default()
    }
}

async fn run(
    parts: Parts,
    journal: Journal,
    machine: Machine,
    began: mpsc::Sender<Result<(), String>>,
) {
    let Parts { config, peer, trust, called, listener, outlet, proposals, .. } = parts;
    let timing = config.timing;
    let id: NodeId = peer.key.id();
    let signs = Signs { every: timing.sign, patience: timing.election.1.max(timing.sign * 4) };
    let from = config.listen.ip();
    let mesh = Arc::new(Mesh::new(config.key.clone(), from, trust, signs, outlet.clone()));
    let disk = journal.shared();
    let begin = async {
        let raft_config = raft_config(&timing).validate().map_err(|error| error.to_string())?;
        machine.tell(outlet.clone());
        let callers = Callers(Arc::clone(&mesh));
        let raft = Raft::new(id, Arc::new(raft_config), callers, journal, machine).await;
        let raft = raft.map_err(|error| error.to_string())?;
        let listener =
            tokio::net::TcpListener::from_std(listener).map_err(|error| error.to_string())?;
        Ok::<_, String>((raft, listener))
    };
    let (raft, listener) = match begin.await {
        Ok(begun) => begun,
        Err(why) => {
            let _ = began.send(Err(why));
            return;
        }
    };
    let hearsay = config.known.iter().map(|peer| (peer.key.id(), peer.clone())).collect();
    let core = Arc::new(Core {
        id,
        own: peer.name.clone(),
        raft,
        mesh,
        outlet,
        proposals,
        lease: timing.election.1,
        led: Mutex::default(),
        disk,
        known: Mutex::default(),
        hearsay: Mutex::new(hearsay),
        may_stand: AtomicBool::new(false),
        leads: AtomicU64::new(0),
        changing: tokio::sync::Mutex::default(),
        invitations: Mutex::default(),
        dowry: config.dowry,
    });
    let mut watch = Watch::new(Arc::clone(&core), parts.status);
    watch.look();
    let _ = began.send(Ok(()));
    tokio::spawn(door::open(listener, called, Arc::clone(&core)));
    tokio::spawn(Arc::clone(&core).carry(parts.proposed));
    tokio::spawn(rounds(Arc::clone(&core), timing.round, config.clock));
    let obeying = obey(Arc::clone(&core), peer, parts.commanded);
    tokio::select! {
        () = obeying => {}
        () = watch.keep(timing.sign) => {}
    }
}

/// Carries out commands, until the engine is dropped.
async fn obey(core: Arc<Core>, peer: Peer, mut commands: queue::UnboundedReceiver<Command>) {
    while let Some(command) = commands.recv().await {
        match command {
            Command::Members(ticket, roles) => {
                let core = Arc::clone(&core);
                tokio::spawn(async move {
                    let answer = members::ask(&core, roles).await;
                    core.answered(ticket, answer).await;
                });
            }
            Command::Send(to, message) => {
                let metrics = core.metrics();
                let nodes = metrics.membership_config.membership().nodes();
                let link = nodes
                    .filter(|(_, peer)| peer.name == to)
                    .find_map(|(id, _)| core.mesh.link(*id));
                if let Some(link) = link {
                    link.note(message);
                }
            }
            Command::Know(peers) => {
                lock(&core.known).extend(peers.into_iter().map(|peer| (peer.key.id(), peer)));
                core.meet();
            }
            Command::Expel(ticket, node) => {
                let core = Arc::clone(&core);
                tokio::spawn(async move {
                    // Who was let go itself is told nothing more: what it was told has to do.
                    let answer = members::ask_out(&core, node).await;
                    let answer = answer.map(|_| core.outlet.told());
                    core.answered(ticket, answer).await;
                });
            }
            Command::Invite(invitation) => lock(&core.invitations).add(invitation),
            Command::Init(answer) => {
                let done = core.raft.initialize(BTreeMap::from([(core.id, peer.clone())])).await;
                let _ = answer.send(done.map_err(|error| error.to_string()));
            }
        }
    }
}

/// Asks a quorum whether this node still leads, for as long as it does.
async fn rounds(core: Arc<Core>, every: Duration, clock: Clock) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !core.is_leader(&core.metrics()) {
            continue;
        }
        let (began, begun) = (clock(), tokio::time::Instant::now());
        if let Ok(Ok(_)) = timeout(every * 4, core.raft.get_read_log_id()).await {
            *lock(&core.led) = Some(begun);
            core.confirmed(began);
        }
    }
}
