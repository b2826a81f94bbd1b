//! The engine: the protocol thread's loop.
//!
//! Dull on purpose. One turn: sleep until something is ready or the machine's deadline has come;
//! send what is due; read everything there is; only then let the machine judge silence. Everything
//! it decides is in `vrrp::Router`; everything it cannot do without waiting is the keeper thread's.

mod control;
mod counts;
mod guardian;
mod keeper;
mod lease;
mod lookout;
mod wires;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use base::{Instant, Name, Wall, WallClock};
use linux::confine::{self, Right};
use linux::{Interest, Poll, Signal, Signals, Timer, clock};
use vrrp::wire::Arrival;
use vrrp::{Debounce, Image, Input, InstanceConfig, Output, Router};

use crate::channel::Channel;
use crate::exit::Exit;
use crate::messages::{
    EngineToGuardian, FromEngine, FromKeeper, GuardianToEngine, ToEngine, ToKeeper,
};
use control::Control;
use guardian::Guardian;
use lease::{Leases, Sleep};
use lookout::Lookout;
use wires::Wires;

const CONTROL: u64 = 0;
const KEEPER: u64 = 1;
const TIMER: u64 = 2;
/// Sockets are numbered from here.
const WIRES: u64 = 16;
const GUARDIAN: u64 = 3;
const SIGNALS: u64 = 4;

/// Packets read from one socket in one turn at most. What arrives faster than it can be judged must
/// not keep adverts from leaving.
const READ_AT_ONCE: usize = 4096;

/// How often one turn looks for more to read.
const ROUNDS: u32 = 8;

/// How long a stop may take before it is called unclean.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How wrong the machine may be about the wall clock: far below what any window asks for, and so
/// much that a clock that is slewed is not told every turn.
const WALL_TOLERANCE: Duration = Duration::from_millis(1);

/// Room for the largest datagram an interface of MTU 9000 brings.
const LARGEST: usize = 9216;

/// The engine as a process: until it was told to stop, or its guardian is gone.
pub(crate) fn main(guardian: u32) -> io::Result<Exit> {
    let signals = Signals::open(&[Signal::Terminate])?;
    let line = Channel::over(linux::take_line()?)?;
    // Before there is a second thread: rights are given up by each thread for itself.
    let mut gaps = confine::keep_only(&[Right::NetAdmin, Right::NetRaw], None)?;
    linux::die_with(guardian, linux::ProcessSignal::TERM)?;
    let mut engine = Engine::new(line, signals)?;
    // After the last thread has started.
    gaps.extend(linux::only_sockets_and_time());
    let gaps = gaps.into_iter().map(|gap| gap.0).collect();
    engine.guardian.line.send(&EngineToGuardian::Ready { gaps })?;
    engine.run()
}

struct Engine {
    router: Router,
    guardian: Guardian,
    control: Control,
    signals: Signals,
    keeper: Channel<ToKeeper, FromKeeper>,
    wires: Wires,
    lookout: Lookout,
    leases: Leases,
    sleep: Sleep,
    poll: Poll,
    timer: Timer,
    /// What the machine believes of the wall clock.
    wall: Option<WallClock>,
    /// When a stop that was asked for becomes unclean.
    stop_by: Option<Instant>,
    /// How to begin, as the guardian says.
    inheritance: Option<(Option<Image>, Vec<Name>)>,
    /// With what, as control says.
    waiting: Option<(Vec<InstanceConfig>, BTreeMap<Name, Debounce>, u64)>,
    /// Whether it has begun.
    begun: bool,
    /// The kernel has told what there is.
    knows_node: bool,
    /// The guardian was told that all is there to begin.
    stands: bool,
    /// It has handed over.
    frozen: bool,
}

/// Why the loop ended.
enum End {
    Settled {
        clean: bool,
    },
    /// Somebody it cannot do without is gone.
    Orphaned(io::Error),
}

impl Engine {
    fn new(
        line: Channel<EngineToGuardian, GuardianToEngine>,
        signals: Signals,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new()?;
        let keeper = keeper::start()?;
        poll.add(&line, GUARDIAN, Interest::Read)?;
        poll.add(&signals, SIGNALS, Interest::Read)?;
        poll.add(&keeper, KEEPER, Interest::Read)?;
        poll.add(&timer, TIMER, Interest::Read)?;
        Ok(Self {
            router: Router::new(),
            guardian: Guardian::new(line),
            control: Control::default(),
            signals,
            keeper,
            wires: Wires::new()?,
            lookout: Lookout::default(),
            leases: Leases::default(),
            sleep: Sleep::new(),
            poll,
            timer,
            wall: None,
            stop_by: None,
            inheritance: None,
            waiting: None,
            begun: false,
            knows_node: false,
            stands: false,
            frozen: false,
        })
    }

    fn run(mut self) -> io::Result<Exit> {
        let clean = loop {
            match self.turn()? {
                None => {}
                Some(End::Settled { clean }) => break clean,
                Some(End::Orphaned(error)) => return Err(error),
            }
        };
        self.guardian.part();
        self.control.part(clean);
        Ok(if clean { Exit::Ok } else { Exit::Fatal })
    }

    fn turn(&mut self) -> io::Result<Option<End>> {
        if self.frozen {
            return self.wait_frozen();
        }
        self.sleep()?;
        let now = clock::monotonic();
        self.read_wall(now)?;
        if let Some(span) = self.sleep.noticed() {
            self.handle(now, Input::Slept { span })?;
        }
        // Adverts that are due leave before anything is read (VRRP-077).
        self.handle(now, Input::Wake { drained: false })?;

        // What had arrived by `now` is ready by now, though not all of it when we woke.
        for _ in 0..ROUNDS {
            let ready: Vec<_> = self.poll.wait(Some(Duration::ZERO))?.collect();
            let mut heard = false;
            for one in ready.into_iter().filter(|one| one.token != TIMER) {
                heard |= one.readable;
                if let Some(end) = self.read(now, one.token)? {
                    return Ok(Some(end));
                }
            }
            if !heard {
                break;
            }
        }
        if !self.begun && self.knows_node && self.waiting.is_some() && !self.stands {
            self.stands = true;
            self.guardian.tell(&EngineToGuardian::Standing);
        }
        // Everything that had arrived by `now` has been heard: silence can be judged (VRRP-079).
        self.handle(now, Input::Wake { drained: true })?;
        Ok(self.end(now))
    }

    /// The wall clock, if it is not where it is believed to be: at the start, when it was stepped,
    /// and as it is slewed.
    fn read_wall(&mut self, now: Instant) -> io::Result<()> {
        let (seconds, nanos) = clock::wall();
        let wall = Wall::new(u64::try_from(seconds).unwrap_or(0), nanos);
        if self.wall.is_some_and(|known| known.at(now).distance(wall) < WALL_TOLERANCE) {
            return Ok(());
        }
        self.wall = Some(WallClock::new(now, wall));
        self.handle(now, Input::Wall(wall))
    }

    /// One turn after a hand-over: whatever comes is for the next engine. It ends us, or has us go on.
    fn wait_frozen(&mut self) -> io::Result<Option<End>> {
        std::thread::sleep(Duration::from_millis(1));
        let now = clock::monotonic();
        self.guardian.sign_of_life(now);
        self.guardian.flush();
        self.read_guardian(now)?;
        Ok(self.end(now))
    }

    fn read(&mut self, now: Instant, token: u64) -> io::Result<Option<End>> {
        match token {
            CONTROL => self.read_control(now)?,
            GUARDIAN => self.read_guardian(now)?,
            SIGNALS => {
                // Our guardian's end, or somebody who means us alone: either way, in good order.
                while self.signals.read()?.is_some() {
                    self.stop(now)?;
                }
            }
            KEEPER => {
                if let Err(error) = self.read_keeper(now) {
                    return Ok(Some(End::Orphaned(error)));
                }
            }
            watch if watch >= lookout::TOKENS => self.read_lookout(now, watch)?,
            wire => self.read_wire(now, wire)?,
        }
        Ok(None)
    }

    fn sleep(&mut self) -> io::Result<()> {
        self.guardian.sign_of_life(clock::monotonic());
        let deadlines = [
            self.router.poll_timeout(),
            self.wires.poll_timeout(),
            self.lookout.poll_timeout(),
            self.guardian.poll_timeout(),
            self.stop_by,
        ];
        self.timer.set(deadlines.into_iter().flatten().min())?;
        self.control.watch(&self.poll)?;
        self.guardian.watch(&self.poll)?;
        self.poll.modify(&self.keeper, KEEPER, interest(self.keeper.backlog()))?;
        self.poll.wait(None)?.for_each(drop);
        self.guardian.sign_of_life(clock::monotonic());
        self.control.flush();
        self.guardian.flush();
        self.keeper.flush()
    }

    fn end(&self, now: Instant) -> Option<End> {
        let stop_by = self.stop_by?;
        let clean = self.router.is_settled();
        (clean || now >= stop_by).then_some(End::Settled { clean })
    }

    fn read_control(&mut self, now: Instant) -> io::Result<()> {
        while let Some(message) = self.control.recv(&self.poll) {
            match message {
                ToEngine::Configure { instances, debounce, events } => {
                    self.waiting = Some((instances, debounce, events));
                    self.begin(now)?;
                }
                ToEngine::Verdicts(verdicts) => {
                    for (tracker, verdict) in verdicts {
                        self.handle(now, Input::Verdict { tracker, verdict })?;
                    }
                }
                ToEngine::Status { ask } => {
                    let status = Box::new(self.router.status());
                    let counts = counts::report(&self.wires, &self.lookout, &self.control);
                    self.control.send(FromEngine::Status { ask, at: now, status, counts });
                }
                ToEngine::Stop => self.stop(now)?,
            }
        }
        Ok(())
    }

    /// Gives the router its configuration, once it is known how to begin with it.
    fn begin(&mut self, now: Instant) -> io::Result<()> {
        if self.waiting.is_none() || (self.inheritance.is_none() && !self.begun) {
            return Ok(());
        }
        let Some((instances, debounce, events)) = self.waiting.take() else { return Ok(()) };
        let (image, held) = self.inheritance.take().unwrap_or_default();
        self.begun = true;
        self.handle(now, Input::Adopt { image, held, events })?;
        self.handle(now, Input::Debounce(debounce))?;
        self.handle(now, Input::Configure(instances))
    }

    fn read_guardian(&mut self, now: Instant) -> io::Result<()> {
        loop {
            match self.guardian.line.recv() {
                Ok(None) => return Ok(()),
                Ok(Some(GuardianToEngine::Spoken(numbers))) => {
                    self.handle(now, Input::Spoken(numbers))?;
                }
                Ok(Some(GuardianToEngine::Adopt { held, image })) => {
                    // An image of a version we do not know: go on as after a death.
                    let image = image.and_then(|image| postcard::from_bytes(&image).ok());
                    self.inheritance = Some((image, held));
                    self.begin(now)?;
                }
                Ok(Some(GuardianToEngine::HandOver)) => {
                    let image = postcard::to_stdvec(&self.router.image());
                    self.guardian.tell(&EngineToGuardian::Image(image.map_err(io::Error::other)?));
                    self.frozen = true;
                }
                Ok(Some(GuardianToEngine::GoOn)) => self.frozen = false,
                Ok(Some(GuardianToEngine::Leases { table })) => {
                    let socket = self.guardian.line.take_fd()?.into();
                    self.leases.open(socket, &table);
                }
                Ok(Some(GuardianToEngine::Control)) => {
                    let fd = self.guardian.line.take_fd()?;
                    self.control.replace(&self.poll, Channel::over(fd)?)?;
                }
                Ok(Some(GuardianToEngine::Stop)) => self.stop(now)?,
                // Nobody could carry out our will any more.
                Err(_) => {
                    self.guardian.lost(&self.poll);
                    return self.stop(now);
                }
            }
        }
    }

    fn stop(&mut self, now: Instant) -> io::Result<()> {
        self.stop_by.get_or_insert(now + STOP_WITHIN);
        self.handle(now, Input::Stop)
    }

    fn read_keeper(&mut self, now: Instant) -> io::Result<()> {
        while let Some(message) = self.keeper.recv()? {
            let input = match message {
                FromKeeper::Fact(fact) => {
                    self.knows_node |= matches!(fact, base::KernelFact::Snapshot { .. });
                    Input::Fact(fact)
                }
                FromKeeper::Done(done) => Input::Done(done),
            };
            self.handle(now, input)?;
        }
        Ok(())
    }

    fn read_wire(&mut self, now: Instant, token: u64) -> io::Result<()> {
        let mut buffer = [0; LARGEST];
        for _ in 0..READ_AT_ONCE {
            let Some((index, datagram)) = self.wires.recv(token, &mut buffer) else { break };
            let Some(payload) = buffer.get(datagram.payload.clone()) else { continue };
            let arrival = Arrival {
                source: datagram.source,
                destination: datagram.destination,
                ttl: datagram.ttl,
                payload,
            };
            self.router.handle_packet(now, index, &arrival);
            self.drain(now)?;
        }
        Ok(())
    }

    fn read_lookout(&mut self, now: Instant, token: u64) -> io::Result<()> {
        for claim in self.lookout.look(now, &self.poll, token) {
            self.handle(now, Input::Neighbour(claim))?;
        }
        Ok(())
    }

    fn handle(&mut self, now: Instant, input: Input) -> io::Result<()> {
        self.router.handle(now, input);
        self.drain(now)
    }

    /// Carries out what the machine asks for, in its order.
    fn drain(&mut self, now: Instant) -> io::Result<()> {
        while let Some(output) = self.router.poll_output() {
            match output {
                Output::Lease(ask) => {
                    let done = self.leases.execute(ask);
                    self.router.handle(clock::monotonic(), Input::LeaseDone(done));
                }
                Output::Will(edit) => self.guardian.will(edit),
                Output::Sockets(wanted) => self.wires.open(now, &self.poll, wanted),
                Output::Watch(wanted) => self.lookout.watch(now, &self.poll, wanted),
                Output::Advert(transmit) => self.wires.send(&transmit),
                Output::Frame { index, bytes } => self.wires.send_frame(index, &bytes),
                Output::Batch(batch) => self.keeper.send(&ToKeeper::Batch(batch))?,
                Output::Event(event) => self.control.event(event),
            }
        }
        self.wires.retry(now, &self.poll);
        self.lookout.wake(now, &self.poll);
        Ok(())
    }
}

fn interest(backlog: usize) -> Interest {
    if backlog > 0 { Interest::Both } else { Interest::Read }
}
