//! The engine: the protocol thread's loop.
//!
//! Dull on purpose. One turn: sleep until something is ready or the machine's deadline has come;
//! send what is due; read everything there is; only then let the machine judge silence. Everything
//! it decides is in `vrrp::Router`; everything it cannot do without waiting is the keeper thread's.

mod counts;
mod keeper;
mod wires;

use std::io;
use std::time::Duration;

use base::Instant;
use linux::clock;
use linux::{Interest, Poll, Timer};
use vrrp::wire::Arrival;
use vrrp::{Input, Output, Router};

use crate::channel::Channel;
use crate::messages::{FromEngine, FromKeeper, ToEngine, ToKeeper};
use counts::Counts;
use wires::Wires;

const CONTROL: u64 = 0;
const KEEPER: u64 = 1;
const TIMER: u64 = 2;
/// Sockets are numbered from here.
const WIRES: u64 = 16;

/// Packets read from one socket in one turn at most. What arrives faster than it can be judged must
/// not keep adverts from leaving.
const READ_AT_ONCE: usize = 4096;

/// How often one turn looks for more to read.
const ROUNDS: u32 = 8;

/// Octets of events kept for a control that does not take them.
const EVENT_BACKLOG: usize = 16 << 20;

/// How long a stop may take before it is called unclean.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Room for the largest datagram an interface of MTU 9000 brings.
const LARGEST: usize = 9216;

/// Starts the engine; it ends when it was told to stop, or when control is gone.
pub(crate) fn start(control: Channel<FromEngine, ToEngine>) -> io::Result<()> {
    let keeper = keeper::start()?;
    let engine = Engine::new(control, keeper)?;
    std::thread::Builder::new().name("engine".into()).spawn(move || engine.run())?;
    Ok(())
}

struct Engine {
    router: Router,
    control: Channel<FromEngine, ToEngine>,
    keeper: Channel<ToKeeper, FromKeeper>,
    wires: Wires,
    poll: Poll,
    timer: Timer,
    counts: Counts,
    /// When a stop that was asked for becomes unclean.
    stop_by: Option<Instant>,
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
        control: Channel<FromEngine, ToEngine>,
        keeper: Channel<ToKeeper, FromKeeper>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new()?;
        poll.add(&control, CONTROL, Interest::Read)?;
        poll.add(&keeper, KEEPER, Interest::Read)?;
        poll.add(&timer, TIMER, Interest::Read)?;
        Ok(Self {
            router: Router::new(),
            control,
            keeper,
            wires: Wires::new()?,
            poll,
            timer,
            counts: Counts::default(),
            stop_by: None,
        })
    }

    fn run(mut self) {
        let clean = loop {
            match self.turn() {
                Ok(None) => {}
                Ok(Some(End::Settled { clean })) => break clean,
                Ok(Some(End::Orphaned(error))) | Err(error) => {
                    // The event log may be what is gone.
                    eprintln!("error: the engine ends: {error}");
                    break false;
                }
            }
        };
        // Nobody may be listening any more; then there is nobody to tell.
        let _ = self.control.send(&FromEngine::Settled { clean });
        while self.control.backlog() > 0 && self.control.flush().is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn turn(&mut self) -> io::Result<Option<End>> {
        self.sleep()?;
        let now = clock::monotonic();
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
        // Everything that had arrived by `now` has been heard: silence can be judged (VRRP-079).
        self.handle(now, Input::Wake { drained: true })?;
        Ok(self.end(now))
    }

    fn read(&mut self, now: Instant, token: u64) -> io::Result<Option<End>> {
        match token {
            CONTROL => return self.read_control(now),
            KEEPER => {
                if let Err(error) = self.read_keeper(now) {
                    return Ok(Some(End::Orphaned(error)));
                }
            }
            wire => self.read_wire(now, wire)?,
        }
        Ok(None)
    }

    fn sleep(&mut self) -> io::Result<()> {
        let deadlines = [self.router.poll_timeout(), self.wires.poll_timeout(), self.stop_by];
        self.timer.set(deadlines.into_iter().flatten().min())?;
        let interest = |backlog| if backlog > 0 { Interest::Both } else { Interest::Read };
        self.poll.modify(&self.control, CONTROL, interest(self.control.backlog()))?;
        self.poll.modify(&self.keeper, KEEPER, interest(self.keeper.backlog()))?;
        self.poll.wait(None)?.for_each(drop);
        self.control.flush()?;
        self.keeper.flush()
    }

    fn end(&self, now: Instant) -> Option<End> {
        let stop_by = self.stop_by?;
        let clean = self.router.is_settled();
        (clean || now >= stop_by).then_some(End::Settled { clean })
    }

    fn read_control(&mut self, now: Instant) -> io::Result<Option<End>> {
        loop {
            match self.control.recv() {
                Ok(None) => return Ok(None),
                Ok(Some(ToEngine::Configure(configs))) => {
                    self.handle(now, Input::Configure(configs))?;
                }
                Ok(Some(ToEngine::Status { ask })) => {
                    let status = self.router.status();
                    let counts = self.counts.report(&self.wires);
                    self.control.send(&FromEngine::Status { ask, at: now, status, counts })?;
                }
                Ok(Some(ToEngine::Stop)) => self.stop(now)?,
                // Control is gone and cannot ask for a stop any more: that is one.
                Err(_) if self.stop_by.is_none() => self.stop(now)?,
                Err(error) => return Ok(Some(End::Orphaned(error))),
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
                FromKeeper::Fact(fact) => Input::Fact(fact),
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

    fn handle(&mut self, now: Instant, input: Input) -> io::Result<()> {
        self.router.handle(now, input);
        self.drain(now)
    }

    /// Carries out what the machine asks for, in its order.
    fn drain(&mut self, now: Instant) -> io::Result<()> {
        while let Some(output) = self.router.poll_output() {
            match output {
                // Nobody to tell yet: engine and guardian are one process.
                Output::Will(_) => {}
                Output::Sockets(wanted) => self.wires.open(now, &self.poll, wanted),
                Output::Advert(transmit) => self.wires.send(&transmit),
                Output::Frame { index, bytes } => self.wires.send_frame(index, &bytes),
                Output::Batch(batch) => self.keeper.send(&ToKeeper::Batch(batch))?,
                Output::Event(event) if self.control.backlog() < EVENT_BACKLOG => {
                    self.control.send(&FromEngine::Event(event))?;
                }
                Output::Event(_) => self.counts.events_dropped += 1,
            }
        }
        self.wires.retry(now, &self.poll);
        Ok(())
    }
}
