//! The engine: the protocol thread's loop.
//!
//! Dull on purpose. One turn: sleep until something is ready or the machine's deadline has come;
//! send what is due; read everything there is; only then let the machine judge silence. Everything
//! it decides is in `vrrp::Router`; everything it cannot do without waiting is the keeper thread's.

mod bfd;
mod control;
mod counts;
mod guardian;
mod hands;
mod keeper;
mod lease;
mod lookout;
mod notices;
mod wires;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use base::{Instant, Name, Wall, WallClock};
use linux::confine::{self, Right};
use linux::{
    Incoming, IncomingWords, Interest, Poll, Scheduling, Signal, Signals, Timer, clock, scheduling,
};
use vrrp::{Debounce, Image, Input, InstanceConfig, Router, Statics};

use crate::channel::Channel;
use crate::exit::Exit;
use crate::messages::{
    EngineToGuardian, FromEngine, FromKeeper, GuardianToEngine, ToEngine, ToKeeper,
};
use crate::terms::EngineTerms;
use crate::tidy::Tidy;
use bfd::Sessions;
use control::Control;
use counts::Lateness;
use guardian::Guardian;
use lease::{Leases, Sleep};
use lookout::Lookout;
use notices::Notices;
use wires::Wires;

const CONTROL: u64 = 0;
const KEEPER: u64 = 1;
const TIMER: u64 = 2;
/// Sockets are numbered from here.
const WIRES: u64 = 16;
const GUARDIAN: u64 = 3;
const SIGNALS: u64 = 4;

/// How often one turn looks for more to read.
const ROUNDS: u32 = 8;

/// Messages of the keeper taken in one turn at most: after a takeover there are thousands.
const KEEPER_AT_ONCE: u32 = 256;

/// How long a turn goes on before it looks whether anything urgent has become due meanwhile.
const HURRY: Duration = Duration::from_millis(1);

/// How long a stop may take before it is called unclean.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How wrong the machine may be about the wall clock: far below what any window asks for, and so
/// much that a clock that is slewed is not told every turn.
const WALL_TOLERANCE: Duration = Duration::from_millis(1);

/// When adverts come closer than this, they are heard so many at a time: each wake-up costs more than
/// what it is for. Nothing that is due waits for it.
const REST: Duration = Duration::from_millis(1);

/// The engine as a process: until it was told to stop, or its guardian is gone.
pub(crate) fn main(guardian: u32, terms: &EngineTerms) -> io::Result<Exit> {
    terms.take_name();
    let signals = Signals::open(&[Signal::Terminate])?;
    let line = Channel::over(linux::take_line()?)?;
    // Before there is a second thread: rights are given up by each thread for itself.
    let mut gaps = confine::keep_only(&[Right::NetAdmin, Right::NetRaw], None)?;
    linux::die_with(guardian, linux::ProcessSignal::TERM)?;
    let mut engine = Engine::new(line, signals, terms)?;
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
    sessions: Sessions,
    notices: Notices,
    leases: Leases,
    sleep: Sleep,
    poll: Poll,
    timer: Timer,
    /// What the machine believes of the wall clock.
    wall: Option<WallClock>,
    /// The time of this turn: it moves on when a turn takes long, and never back.
    now: Instant,
    /// Messages of the keeper that this turn may still take.
    keeper_left: u32,
    /// For what the poll found ready, and for what is heard: kept for their room.
    ready: Vec<u64>,
    incoming: Incoming,
    words: IncomingWords,
    /// This turn has heard adverts.
    heard: bool,
    /// The last sleep was shorter than a rest.
    busy: bool,
    lateness: Lateness,
    tidy: Tidy,
    scheduling: Scheduling,
    overruns: u64,
    /// So often a turn took longer than a real-time thread may.
    demotions: u64,
    /// When a stop that was asked for becomes unclean.
    stop_by: Option<Instant>,
    /// How to begin, as the guardian says.
    inheritance: Option<(Option<Image>, Vec<Name>)>,
    /// With what, as control says.
    waiting: Option<Part>,
    /// Whether it has begun.
    begun: bool,
    /// The kernel has told what there is.
    knows_node: bool,
    /// The guardian was told that all is there to begin.
    stands: bool,
    /// It has handed over.
    frozen: bool,
}

/// What control wants done: the instances, how long news must last, the last event's number, and
/// what stays.
type Part = (Vec<InstanceConfig>, BTreeMap<Name, Debounce>, u64, Statics);

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
        terms: &EngineTerms,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new()?;
        let keeper = keeper::start(terms.news())?;
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
            wires: Wires::new(terms.adverts())?,
            lookout: Lookout::default(),
            sessions: Sessions::default(),
            notices: Notices::default(),
            leases: Leases::default(),
            sleep: Sleep::new(),
            poll,
            timer,
            wall: None,
            now: clock::monotonic(),
            keeper_left: 0,
            ready: Vec::new(),
            incoming: Incoming::default(),
            words: IncomingWords::default(),
            heard: false,
            busy: false,
            lateness: Lateness::default(),
            tidy: Tidy::default(),
            scheduling: Scheduling::default(),
            overruns: 0,
            demotions: 0,
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
        if scheduling::overran() {
            self.demotions += 1;
            let troubles = self.scheduling.take(0);
            self.unscheduled(troubles);
        }
        self.read_wall(self.now)?;
        if let Some(span) = self.sleep.noticed() {
            self.handle(Input::Slept { span })?;
        }
        // Adverts that are due leave before anything is read (VRRP-077).
        self.handle(Input::Wake { drained: false })?;
        self.wake_sessions(false)?;

        // What had arrived by `now` is ready by now, though not all of it when we woke.
        self.keeper_left = KEEPER_AT_ONCE;
        for round in 0..ROUNDS {
            let begun = self.now;
            if round > 0 {
                self.look(Some(Duration::ZERO))?;
            }
            let mut ready = std::mem::take(&mut self.ready);
            if self.keeper.has_waiting() && !ready.contains(&KEEPER) {
                ready.push(KEEPER);
            }
            ready.retain(|token| *token != KEEPER || self.keeper_left > 0);
            for token in &ready {
                if let Some(end) = self.read(*token)? {
                    return Ok(Some(end));
                }
                self.hurry()?;
            }
            let quiet = ready.is_empty() && self.now == begun;
            ready.clear();
            self.ready = ready;
            // The first round's are those that woke us.
            if quiet && round > 0 {
                break;
            }
        }
        if !self.begun && self.knows_node && self.waiting.is_some() && !self.stands {
            self.stands = true;
            self.guardian.tell(&EngineToGuardian::Standing);
        }
        // Everything that had arrived by `now` has been heard: silence can be judged (VRRP-079).
        self.wake_sessions(true)?;
        self.handle(Input::Wake { drained: true })?;
        self.tidy.look(self.now, || self.router.tidy());
        Ok(self.end(self.now))
    }

    /// Finds out what is ready.
    fn look(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let ready = self.poll.wait(timeout)?.filter(|one| one.token != TIMER);
        // What has only room again is flushed before every sleep.
        self.ready.extend(ready.filter(|one| one.readable || one.closed).map(|one| one.token));
        Ok(())
    }

    /// In the middle of a long turn: what has become due leaves.
    fn hurry(&mut self) -> io::Result<()> {
        if self.moved_on() {
            self.handle(Input::Wake { drained: false })?;
        }
        Ok(())
    }

    /// Whether this turn has taken so long that something may have become due.
    fn moved_on(&mut self) -> bool {
        let now = clock::monotonic();
        if now.since(self.now) < HURRY {
            return false;
        }
        self.now = now;
        self.guardian.sign_of_life(now);
        true
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
        self.handle(Input::Wall(wall))
    }

    /// One turn after a hand-over: whatever comes is for the next engine. It ends us, or has us go on.
    fn wait_frozen(&mut self) -> io::Result<Option<End>> {
        std::thread::sleep(Duration::from_millis(1));
        self.now = clock::monotonic();
        self.guardian.sign_of_life(self.now);
        self.guardian.flush();
        // What has happened here nobody else will tell.
        self.control.flush();
        self.read_guardian()?;
        Ok(self.end(self.now))
    }

    fn read(&mut self, token: u64) -> io::Result<Option<End>> {
        match token {
            CONTROL => self.read_control()?,
            GUARDIAN => self.read_guardian()?,
            SIGNALS => {
                // Our guardian's end, or somebody who means us alone: either way, in good order.
                while self.signals.read()?.is_some() {
                    self.stop()?;
                }
            }
            KEEPER => {
                if let Err(error) = self.read_keeper() {
                    return Ok(Some(End::Orphaned(error)));
                }
            }
            notice if notice >= notices::TOKENS => self.read_notices(notice)?,
            session if session >= bfd::TOKENS => self.read_sessions(session)?,
            watch if watch >= lookout::TOKENS => self.read_lookout(watch)?,
            wire => self.read_wire(wire)?,
        }
        Ok(None)
    }

    fn sleep(&mut self) -> io::Result<()> {
        self.guardian.sign_of_life(clock::monotonic());
        self.wires.retry(self.now, &self.poll);
        self.lookout.wake(self.now, &self.poll);
        self.notices.retry(self.now, &self.poll);
        let deadlines = [
            self.router.poll_timeout(),
            self.wires.poll_timeout(),
            self.lookout.poll_timeout(),
            self.sessions.poll_timeout(),
            self.notices.poll_timeout(),
            self.guardian.poll_timeout(),
            self.tidy.poll_timeout(),
            self.stop_by,
        ];
        let deadline = deadlines.into_iter().flatten().min();
        self.control.flush();
        self.guardian.flush();
        self.keeper.flush()?;
        self.control.watch(&self.poll)?;
        self.guardian.watch(&self.poll)?;
        self.keeper.watch(&self.poll, KEEPER)?;
        self.ready.clear();
        let mut begun = clock::monotonic();
        let at_once = self.keeper.has_waiting() || deadline.is_some_and(|at| at <= begun);
        if at_once {
            self.look(Some(Duration::ZERO))?;
        } else {
            let heard = std::mem::take(&mut self.heard);
            if heard && self.busy && deadline.is_none_or(|at| at > begun + REST) {
                std::thread::sleep(REST);
                begun = clock::monotonic();
            }
            self.timer.set(deadline)?;
            self.look(None)?;
        }
        self.now = clock::monotonic();
        self.busy = self.now.since(begun) < REST;
        if let Some(at) = deadline.filter(|at| *at <= self.now && !at_once) {
            self.lateness.note(self.now.since(at));
        }
        self.guardian.sign_of_life(self.now);
        Ok(())
    }

    fn end(&self, now: Instant) -> Option<End> {
        let stop_by = self.stop_by?;
        let clean = self.router.is_settled() && self.sessions.is_over();
        (clean || now >= stop_by).then_some(End::Settled { clean })
    }

    fn read_control(&mut self) -> io::Result<()> {
        while let Some(message) = self.control.recv(&self.poll) {
            match message {
                ToEngine::Configure { instances, debounce, events, statics } => {
                    self.waiting = Some((instances, debounce, events, statics));
                    self.begin()?;
                }
                ToEngine::Sessions(settings) => {
                    self.sessions.configure(self.now, &self.poll, settings);
                    self.hear_sessions()?;
                }
                ToEngine::Verdicts(verdicts) => {
                    for (tracker, verdict) in verdicts {
                        self.handle(Input::Verdict { tracker, verdict })?;
                    }
                }
                ToEngine::Status { ask } => {
                    let status = Box::new(self.router.status());
                    let counts = counts::report(
                        &self.wires,
                        &self.lookout,
                        &self.sessions,
                        &self.notices,
                        &self.control,
                        &self.lateness,
                        [self.overruns, self.demotions],
                    );
                    let at = self.now;
                    let sessions = self.sessions.status();
                    self.control.send(FromEngine::Status { ask, at, status, sessions, counts });
                }
                ToEngine::Switchover { ask, instance, lasts } => {
                    let until = lasts.map(|span| self.now + span);
                    let done = self.router.switchover(self.now, &instance, until);
                    self.drain()?;
                    self.control.send(FromEngine::Switched {
                        ask,
                        outcome: done.map_err(|why| why.to_string()),
                    });
                }
                ToEngine::EndSwitchover { ask, instance } => {
                    let done = self.router.end_switchover(self.now, &instance);
                    self.drain()?;
                    let outcome = done.map(|()| Vec::new()).map_err(|why| why.to_string());
                    self.control.send(FromEngine::Switched { ask, outcome });
                }
                ToEngine::MaySwitchOver { ask, instance } => {
                    let outcome = self.router.successors(self.now, &instance);
                    let outcome = outcome.map_err(|why| why.to_string());
                    self.control.send(FromEngine::Switched { ask, outcome });
                }
                ToEngine::AnnounceAgain(name) => self.handle(Input::AnnounceAgain(name))?,
                ToEngine::Stop => self.stop()?,
            }
        }
        Ok(())
    }

    /// Gives the router its configuration, once it is known how to begin with it.
    fn begin(&mut self) -> io::Result<()> {
        if self.waiting.is_none() || (self.inheritance.is_none() && !self.begun) {
            return Ok(());
        }
        let Some((instances, debounce, events, statics)) = self.waiting.take() else {
            return Ok(());
        };
        let (image, held) = self.inheritance.take().unwrap_or_default();
        let first = !std::mem::replace(&mut self.begun, true);
        let speaks = |family| instances.iter().any(|one| one.family == family);
        let families = [speaks(base::Family::V4), speaks(base::Family::V6)];
        self.notices.listen(self.now, &self.poll, families);
        if first {
            self.handle(Input::Seed(clock::chance()))?;
        }
        self.handle(Input::Adopt { image, held, events })?;
        self.handle(Input::Debounce(debounce))?;
        self.handle(Input::Statics(statics))?;
        self.handle(Input::Configure(instances))?;
        self.tidy.stir(self.now);
        if first {
            // Later, there is no time for it.
            linux::memory::give_back();
        }
        Ok(())
    }

    fn read_guardian(&mut self) -> io::Result<()> {
        loop {
            match self.guardian.line.recv() {
                Ok(None) => return Ok(()),
                Ok(Some(GuardianToEngine::Spoken(numbers))) => {
                    self.handle(Input::Spoken(numbers))?;
                }
                Ok(Some(GuardianToEngine::Adopt { held, image })) => {
                    // An image of a version we do not know: go on as after a death.
                    let image = image.and_then(|image| postcard::from_bytes(&image).ok());
                    self.inheritance = Some((image, held));
                    self.begin()?;
                }
                Ok(Some(GuardianToEngine::Tuned { index })) => {
                    self.handle(Input::Tuned { index })?;
                }
                Ok(Some(GuardianToEngine::HandOver)) => {
                    let image = postcard::to_stdvec(&self.router.image());
                    self.control.flush();
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
                Ok(Some(GuardianToEngine::Stop)) => self.stop()?,
                Ok(Some(GuardianToEngine::Schedule(scheduling))) => {
                    let mut troubles = scheduling.take(0);
                    troubles.extend(scheduling.lock());
                    self.keeper.send(&ToKeeper::Schedule(scheduling.clone()))?;
                    self.scheduling = scheduling;
                    self.unscheduled(troubles);
                }
                // Nobody could carry out our will any more.
                Err(_) => {
                    self.guardian.lost(&self.poll);
                    return self.stop();
                }
            }
        }
    }

    /// Says what could not be done of how this process is to be scheduled.
    fn unscheduled(&mut self, troubles: Vec<String>) {
        if !troubles.is_empty() {
            self.guardian.tell(&EngineToGuardian::Unscheduled { troubles });
        }
    }

    fn stop(&mut self) -> io::Result<()> {
        self.stop_by.get_or_insert(self.now + STOP_WITHIN);
        self.sessions.stop(self.now);
        self.handle(Input::Stop)
    }

    fn read_keeper(&mut self) -> io::Result<()> {
        while self.keeper_left > 0
            && let Some(message) = self.keeper.recv()?
        {
            self.keeper_left -= 1;
            let input = match message {
                FromKeeper::Fact(fact) => {
                    self.knows_node |= matches!(fact, base::KernelFact::Snapshot { .. });
                    Input::Fact(fact)
                }
                FromKeeper::Done(done) => Input::Done(done),
                FromKeeper::DeviceDone(done) => Input::DeviceDone(done),
                FromKeeper::WaysDone(done) => Input::WaysDone(done),
                FromKeeper::Filtered(refused) => Input::Filtered(refused),
                FromKeeper::WayGone(trace) => Input::WayGone(trace),
                FromKeeper::Overrun => {
                    self.overruns += 1;
                    continue;
                }
                FromKeeper::Unscheduled(troubles) => {
                    self.unscheduled(troubles);
                    continue;
                }
            };
            self.handle(input)?;
        }
        Ok(())
    }
}
