//! The engine: the machine on a thread of its own, with a disk and a real Corosync.
//!
//! Two threads. The *ear* waits for what CPG delivers and passes it on; the other one has the machine,
//! takes what waits all at once, does what comes out in order (a write is on disk before what follows
//! it is said), and asks votequorum how things stand. Whoever drives a node gives an [`Engine`] what it
//! wants and takes what comes out; a wake tells when there is something.
//!
//! When Corosync ends, so does this engine: what it would have to be told meanwhile is told to nobody.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use base::{Instant, Name};
use cluster::Role;
use cluster::node::Message;
use cluster::seam::{Ask, Tell, Ticket};
use rust_corosync::{CsError, DispatchFlags, NodeId, cmap, cpg, votequorum};

use crate::disk::{Disk, DiskError};
use crate::machine::{self, Input, Machine, Output, Status};
use crate::parts::{Apart, Together};
use crate::words::{Id, Seat, Word};

/// What the group is called.
const GROUP: &str = "mainstay";
/// How often votequorum is asked.
const LOOK: Duration = Duration::from_millis(100);
/// When Corosync takes no more, it is tried again after this.
const AGAIN: Duration = Duration::from_millis(2);
/// So many messages may wait before what may be lost is.
const WAITING: usize = 64;
/// So much is taken up before what came of it is done.
const AT_ONCE: usize = 512;
/// How often Corosync is tried at the start, a tenth of a second apart.
const TRIES: u32 = 50;

/// What an engine is made of.
#[derive(Clone)]
pub struct Config {
    /// Where its memory is.
    pub dir: PathBuf,
    /// Its home.
    pub id: Id,
    /// What it is called.
    pub name: Name,
    /// What it is to be.
    pub role: Role,
    /// A digest of what its cluster began with.
    pub founding: u64,
    /// Random, and never the same twice.
    pub chance: u64,
    /// How long quorum leases are: the other times follow from it.
    pub lease: Duration,
    /// Reads the clock that the machines above live by.
    pub clock: Arc<dyn Fn() -> Instant + Send + Sync>,
    /// Called whenever something came out; from another thread.
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

/// What comes out.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Out {
    /// What the seam knows of.
    Tell(Tell),
    /// A peer's own word to this node.
    Message(Name, Message),
    /// Something an administrator should see.
    Event(String),
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its memory cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is no Corosync to be asked.
    #[error("corosync is not to be had ({0}: {1}): is it running on this node?")]
    Corosync(&'static str, CsError),
    /// A crash would cost every node its lease.
    #[error(
        "corosync takes {reform:?} (token and consensus) to go on after a node's crash, and quorum leases \
         last {lease:?}: a lease has to be at least twice as long; begin the cluster with a longer one, \
         or lower totem.token in corosync.conf"
    )]
    Slow {
        /// How long it takes.
        reform: Duration,
        /// How long leases are.
        lease: Duration,
    },
    /// The system gives no thread.
    #[error("the system gives no thread: {0}")]
    Thread(#[from] std::io::Error),
}

#[allow(clippy::large_enum_variant)]
enum Event {
    Heard(Seat, Vec<u8>),
    Group(BTreeSet<Seat>),
    Input(Input),
    Deaf(CsError),
    Stop,
}

thread_local! {
    /// Where the ear tells what it hears: callbacks are plain functions, called on the thread that waits.
    static EAR: RefCell<Option<Sender<Event>>> = const { RefCell::new(None) };
    /// Which node this is, so that the ear knows when it has left.
    static OWN: Cell<Option<Seat>> = const { Cell::new(None) };
    static LEFT: Cell<bool> = const { Cell::new(false) };
}

fn pass_on(event: Event) {
    EAR.with_borrow(|ear| {
        if let Some(ear) = ear {
            // Nobody listens any more when the engine ends.
            let _ = ear.send(event);
        }
    });
}

fn delivered(_: &cpg::Handle, _: String, node: NodeId, pid: u32, bytes: &[u8], _: usize) {
    pass_on(Event::Heard(Seat { node: node.into(), process: pid }, bytes.to_vec()));
}

fn regrouped(
    _: &cpg::Handle,
    _: &str,
    members: Vec<cpg::Address>,
    left: Vec<cpg::Address>,
    _: Vec<cpg::Address>,
) {
    let seat = |it: &cpg::Address| Seat { node: it.nodeid.into(), process: it.pid };
    if left.iter().any(|it| Some(seat(it)) == OWN.get()) {
        LEFT.set(true);
    }
    pass_on(Event::Group(members.iter().map(seat).collect()));
}

/// A running engine. Dropped, it leaves the group as if it had crashed.
pub struct Engine {
    events: Sender<Event>,
    out: Receiver<Out>,
    waiting: VecDeque<Out>,
    status: Arc<Mutex<Status>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// How long Corosync may take from a node's crash until it delivers again.
///
/// # Errors
/// When it does not say.
pub fn reform() -> Result<Duration, CsError> {
    let map = cmap::initialize(cmap::Map::Icmap)?;
    let figure = |key: &str| match cmap::get(&map, key) {
        Ok(cmap::Data::UInt32(figure)) => Ok(u64::from(figure)),
        Ok(_) => Err(CsError::CsErrInvalidParam),
        Err(error) => Err(error),
    };
    let token = figure("runtime.config.totem.token");
    let consensus = figure("runtime.config.totem.consensus");
    Ok(Duration::from_millis(token? + consensus?))
}

fn patiently<T>(
    what: &'static str,
    mut attempt: impl FnMut() -> Result<T, CsError>,
) -> Result<T, StartError> {
    let mut tries = 0;
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            // It begins just now, or is busy with a change of members.
            Err(CsError::CsErrTryAgain | CsError::CsErrLibrary) if tries < TRIES => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(error) => return Err(StartError::Corosync(what, error)),
        }
    }
}

impl Engine {
    /// Starts one.
    ///
    /// # Errors
    /// When its memory is damaged or in use, or Corosync is not to be had.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let (disk, memory) = Disk::open(&config.dir, config.id)?;
        let reform = patiently("its map", reform)?;
        if config.lease < reform * 2 {
            return Err(StartError::Slow { reform, lease: config.lease });
        }
        let model = cpg::ModelData::ModelV1(cpg::Model1Data {
            flags: cpg::Model1Flags::None,
            deliver_fn: Some(delivered),
            confchg_fn: Some(regrouped),
            totem_confchg_fn: None,
        });
        let group = patiently("its groups", || cpg::initialize(&model, 0))?;
        let nobody = votequorum::Callbacks {
            quorum_notification_fn: None,
            nodelist_notification_fn: None,
            expectedvotes_notification_fn: None,
        };
        let votes = patiently("votequorum", || votequorum::initialize(&nobody))?;
        let node = patiently("this node's number", || cpg::local_get(&group))?;
        let machine_config = machine::Config {
            id: config.id,
            name: config.name,
            role: config.role,
            founding: config.founding,
            chance: config.chance,
            round: config.lease / 12,
            patience: config.lease,
            snapshot_after: 5_000,
            snapshot_octets: 4 << 20,
        };
        let (events, inbox) = channel();
        let (say, out) = channel();
        let status = Arc::new(Mutex::new(Status::default()));
        let machine = Machine::new((config.clock)(), machine_config, memory);
        let ear = {
            let (group, events) = (group.clone(), events.clone());
            let own = Seat { node: node.into(), process: std::process::id() };
            let listen = move || {
                EAR.set(Some(events));
                OWN.set(Some(own));
                while !LEFT.get() {
                    if let Err(error) = cpg::dispatch(&group, DispatchFlags::One)
                        && error != CsError::CsErrTryAgain
                    {
                        return pass_on(Event::Deaf(error));
                    }
                }
            };
            std::thread::Builder::new().name("corosync-ear".into()).spawn(listen)?
        };
        patiently("its group", || cpg::join(&group, GROUP))?;
        let body = Body {
            machine,
            disk,
            group,
            votes,
            node,
            apart: Apart::default(),
            together: Together::default(),
            outbox: VecDeque::new(),
            say,
            wake: config.wake,
            clock: config.clock,
            status: Arc::clone(&status),
            looked: None,
            heard: 0,
        };
        let live = move || body.live(&inbox, ear);
        let thread = std::thread::Builder::new().name("corosync".into()).spawn(live)?;
        let waiting = VecDeque::new();
        Ok(Self { events, out, waiting, status, thread: Some(thread) })
    }

    /// For people.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has a node let go; answered under this ticket as [`Ask::Members`] is.
    pub fn expel(&self, ticket: Ticket, node: Name) {
        self.input(Input::Expel(ticket, node));
    }

    /// Says something to a peer; it is lost when the peer is not reached.
    pub fn send(&self, to: Name, message: Message) {
        self.input(Input::Note(to, message));
    }

    /// What came out, in order; until there is nothing left.
    pub fn poll_out(&mut self) -> Option<Out> {
        self.waiting.pop_front().or_else(|| self.out.try_recv().ok())
    }

    fn input(&self, input: Input) {
        // After its end the engine has said so, and is asked in vain.
        let _ = self.events.send(Event::Input(input));
    }
}

impl cluster::seam::Engine for Engine {
    fn ask(&mut self, _: Instant, ask: Ask) {
        self.input(Input::Ask(ask));
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
        let _ = self.events.send(Event::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic of the engine's has been told by its own means.
            let _ = thread.join();
        }
    }
}

struct Body {
    machine: Machine,
    disk: Disk,
    group: cpg::Handle,
    votes: votequorum::Handle,
    node: NodeId,
    apart: Apart,
    together: Together,
    outbox: VecDeque<Vec<u8>>,
    say: Sender<Out>,
    wake: Arc<dyn Fn() + Send + Sync>,
    clock: Arc<dyn Fn() -> Instant + Send + Sync>,
    status: Arc<Mutex<Status>>,
    looked: Option<Instant>,
    heard: u64,
}

/// Why the engine ends.
enum End {
    Told,
    For(String),
}

impl Body {
    fn live(mut self, events: &Receiver<Event>, ear: JoinHandle<()>) {
        if let End::For(why) = self.work(events) {
            self.out(Out::Tell(Tell::Ended(why)));
        }
        if matches!(cpg::leave(&self.group, GROUP), Ok(())) {
            // It hears that, and ends.
            let _ = ear.join();
        }
    }

    fn work(&mut self, events: &Receiver<Event>) -> End {
        loop {
            let now = (self.clock)();
            let mut until = self.looked.map_or(now, |at| at + LOOK);
            if let Some(at) = self.machine.poll_timeout() {
                until = until.min(at);
            }
            if !self.outbox.is_empty() {
                until = until.min(now + AGAIN);
            }
            let mut next = match events.recv_timeout(until.since(now)) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return End::Told,
            };
            let mut taken = 0;
            while let Some(event) = next.take() {
                if let Err(end) = self.take(event) {
                    return end;
                }
                taken += 1;
                if taken < AT_ONCE {
                    next = events.try_recv().ok();
                }
            }
            if let Err(end) = self.turn() {
                return end;
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<(), End> {
        let input = match event {
            Event::Heard(seat, bytes) => {
                let packet = self.together.take(seat, &bytes);
                if self.together.discarded > self.heard {
                    self.heard = self.together.discarded;
                    self.out(Out::Event(format!(
                        "a message of node {} cannot be read: does it run another mainstay?",
                        seat.node
                    )));
                }
                let Some(packet) = packet else { return Ok(()) };
                Input::Heard(seat, packet)
            }
            Event::Group(seats) => {
                self.together.keep(|seat| seats.contains(seat));
                // Votes count anew.
                self.looked = None;
                Input::Group(seats)
            }
            Event::Input(input) => input,
            Event::Deaf(error) => {
                return Err(End::For(format!("corosync has ended on this node ({error})")));
            }
            Event::Stop => return Err(End::Told),
        };
        self.handle(input)
    }

    fn handle(&mut self, input: Input) -> Result<(), End> {
        self.machine.handle((self.clock)(), input);
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Write(write) => {
                    self.disk.write(&write).map_err(|error| End::For(error.to_string()))?;
                }
                Output::Send(packet) => {
                    let lossy = matches!(packet.word, Word::Note(..));
                    if !(lossy && self.outbox.len() > WAITING) {
                        self.outbox.extend(self.apart.take(&packet));
                    }
                }
                Output::Tell(tell) => self.out(Out::Tell(tell)),
                Output::Message(from, message) => self.out(Out::Message(from, message)),
                Output::Event(what) => self.out(Out::Event(what)),
            }
            self.send()?;
        }
        Ok(())
    }

    /// What time brings about, and the end of a turn.
    fn turn(&mut self) -> Result<(), End> {
        let now = (self.clock)();
        if self.looked.is_none_or(|at| at + LOOK <= now) {
            self.looked = Some(now);
            // While members change it does not say; then what it said last counts.
            if let Ok(info) = votequorum::get_info(&self.votes, self.node) {
                let flag = votequorum::NodeInfoFlags::VOTEQUORUM_INFO_QUORATE;
                let quorate = info.flags.contains(flag);
                self.handle(Input::Quorum(quorate, info.node_expected_votes))?;
            }
        }
        self.handle(Input::Tick)?;
        self.handle(Input::Idle)?;
        self.send()?;
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = self.machine.status();
        Ok(())
    }

    fn send(&mut self) -> Result<(), End> {
        while let Some(message) = self.outbox.front() {
            match cpg::mcast_joined(&self.group, cpg::Guarantee::TypeAgreed, message) {
                Ok(()) => {
                    self.outbox.pop_front();
                }
                Err(CsError::CsErrTryAgain) => return Ok(()),
                Err(error) => {
                    return Err(End::For(format!("corosync takes no message ({error})")));
                }
            }
        }
        Ok(())
    }

    fn out(&self, out: Out) {
        // Nobody listens any more when the engine is being ended.
        let _ = self.say.send(out);
        (self.wake)();
    }
}
