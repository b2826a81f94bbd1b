//! Control: configuration, scripts, the event log, and everybody who asks.
//!
//! It observes the engine and never takes part: nothing here can delay an advert. It runs on the
//! main thread, which is also the one that signals come to.

mod events;
pub(crate) mod files;
mod notify;
mod report;
mod scripts;
mod server;
pub(crate) mod shelf;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use base::{Instant, Name, Reason, Subject, What};
use linux::clock;
use linux::{Interest, Poll, Ready, Timer};
use linux::{Signal, Signals};
use ui::cli::LogFormat;
use ui::protocol::{Request, Response};

use crate::channel::Channel;
use crate::exit::Exit;
use crate::messages::{FromEngine, ToEngine};
use events::EventLog;
use files::Loaded;
use notify::Notify;
use scripts::Scripts;
use server::{ClientId, Server};
use shelf::Reading;

const SIGNALS: u64 = 0;
const ENGINE: u64 = 1;
const TIMER: u64 = 2;
const LISTENER: u64 = 3;
/// Clients are numbered from here, scripts from twice that.
const CLIENTS: u64 = 1 << 32;
const SCRIPTS: u64 = 2 << 32;

/// How long the scripts of a stop may take altogether.
const STOP_SCRIPTS: Duration = Duration::from_secs(5);

/// What control needs to know of how it was started.
pub(crate) struct Settings {
    pub(crate) file: PathBuf,
    pub(crate) reading: Reading,
    pub(crate) log: LogFormat,
}

/// Runs control until the node has stopped.
pub(crate) fn run(
    settings: Settings,
    loaded: Loaded,
    signals: Signals,
    listener: Option<UnixListener>,
    engine: Channel<ToEngine, FromEngine>,
) -> io::Result<Exit> {
    let mut control = Control::new(settings, signals, listener, engine)?;
    control.apply(loaded)?;
    loop {
        if let Some(exit) = control.turn()? {
            return Ok(exit);
        }
    }
}

struct Control {
    settings: Settings,
    started: Instant,
    node: String,
    signals: Signals,
    server: Option<Server>,
    engine: Channel<ToEngine, FromEngine>,
    poll: Poll,
    timer: Timer,
    events: EventLog,
    scripts: Scripts,
    notify: BTreeMap<Name, Notify>,
    /// Those of the configuration before: its instances' last events may still be on their way.
    notify_before: BTreeMap<Name, Notify>,
    /// Why the last reload was refused.
    refused: Option<String>,
    /// Who waits for the engine's answer to which question.
    asking: BTreeMap<u64, ClientId>,
    asks: u64,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// The engine resigns and releases.
    Stopping,
    /// The engine is done; scripts may finish until then.
    LastScripts {
        until: Instant,
        clean: bool,
    },
}

impl Control {
    fn new(
        settings: Settings,
        signals: Signals,
        listener: Option<UnixListener>,
        engine: Channel<ToEngine, FromEngine>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new()?;
        poll.add(&signals, SIGNALS, Interest::Read)?;
        poll.add(&engine, ENGINE, Interest::Read)?;
        poll.add(&timer, TIMER, Interest::Read)?;
        let server =
            listener.map(|listener| Server::new(listener, &poll, LISTENER, CLIENTS)).transpose()?;
        Ok(Self {
            started: clock::monotonic(),
            node: host_name(),
            events: EventLog::new(settings.log),
            settings,
            signals,
            server,
            engine,
            poll,
            timer,
            scripts: Scripts::new(SCRIPTS),
            notify: BTreeMap::new(),
            notify_before: BTreeMap::new(),
            refused: None,
            asking: BTreeMap::new(),
            asks: 0,
            stage: Stage::Running,
        })
    }

    /// Has a configuration take force.
    fn apply(&mut self, loaded: Loaded) -> io::Result<()> {
        if let Some(router_id) = loaded.router_id {
            self.node = router_id.to_string();
        }
        self.notify_before = std::mem::replace(&mut self.notify, loaded.notify);
        self.refused = None;
        self.engine.send(&ToEngine::Configure(loaded.instances))
    }

    fn turn(&mut self) -> io::Result<Option<Exit>> {
        self.sleep()?;
        let now = clock::monotonic();
        let ready: Vec<Ready> = self.poll.wait(Some(Duration::ZERO))?.collect();
        for one in ready {
            match one.token {
                SIGNALS => {
                    while let Some(signal) = self.signals.read()? {
                        if let Some(exit) = self.signalled(now, signal)? {
                            return Ok(Some(exit));
                        }
                    }
                }
                ENGINE => {
                    if let Err(error) = self.hear_engine(now) {
                        return Ok(Some(self.engine_lost(&error)));
                    }
                }
                TIMER => {}
                _ => self.serve(one)?,
            }
        }
        self.advance_scripts(now);
        self.tell_followers();
        Ok(self.end(now))
    }

    fn sleep(&mut self) -> io::Result<()> {
        let until = match self.stage {
            Stage::LastScripts { until, .. } => Some(until),
            Stage::Running | Stage::Stopping => None,
        };
        let deadline = [self.scripts.poll_timeout(), until].into_iter().flatten().min();
        self.timer.set(deadline)?;
        let backlog = self.engine.backlog() > 0;
        let interest = if backlog { Interest::Both } else { Interest::Read };
        self.poll.modify(&self.engine, ENGINE, interest)?;
        self.poll.wait(None)?.for_each(drop);
        // A line that is broken tells so when it is read.
        let _ = self.engine.flush();
        Ok(())
    }

    fn end(&self, now: Instant) -> Option<Exit> {
        match self.stage {
            Stage::LastScripts { until, clean } if self.scripts.is_idle() || now >= until => {
                Some(if clean { Exit::Ok } else { Exit::Fatal })
            }
            _ => None,
        }
    }

    // ---- signals --------------------------------------------------------------------------------

    fn signalled(&mut self, now: Instant, signal: Signal) -> io::Result<Option<Exit>> {
        match (signal, self.stage) {
            (Signal::Terminate | Signal::Interrupt, Stage::Running) => {
                self.stage = Stage::Stopping;
                self.engine.send(&ToEngine::Stop)?;
            }
            // Whoever asks twice does not want to wait for scripts.
            (Signal::Terminate | Signal::Interrupt, Stage::LastScripts { clean, .. }) => {
                self.stage = Stage::LastScripts { until: now, clean };
            }
            (Signal::HangUp, Stage::Running) => self.reload(now)?,
            _ => {}
        }
        Ok(None)
    }

    /// SIGHUP: parse all, check all, then swap; a file with errors changes nothing.
    fn reload(&mut self, now: Instant) -> io::Result<()> {
        match files::load(&self.settings.file, &self.settings.reading, false) {
            Ok(loaded) => {
                eprint!("{}", loaded.remarks);
                self.apply(loaded)
            }
            Err(refused) => {
                eprint!("{}", refused.report());
                self.refused = Some(refused.report().to_string());
                let what = What::ConfigRefused { errors: refused.errors() };
                self.events.tell(now, Subject::Node, what, Reason::BadConfiguration, Vec::new());
                Ok(())
            }
        }
    }

    // ---- the engine -----------------------------------------------------------------------------

    fn hear_engine(&mut self, now: Instant) -> io::Result<()> {
        while let Some(message) = self.engine.recv()? {
            match message {
                FromEngine::Event(event) => {
                    self.call_scripts(&event);
                    self.events.record(event);
                }
                FromEngine::Status { ask, at, status, counts } => {
                    if let Some(client) = self.asking.remove(&ask) {
                        let report = self.report(at, status, counts);
                        self.answer(client, &Response::Status(Box::new(report)));
                    }
                }
                FromEngine::Settled { clean } => {
                    self.stage = Stage::LastScripts { until: now + STOP_SCRIPTS, clean };
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn engine_lost(&self, error: &io::Error) -> Exit {
        match self.stage {
            Stage::LastScripts { clean: true, .. } => Exit::Ok,
            _ => {
                eprintln!("error: the engine is gone: {error}");
                Exit::Fatal
            }
        }
    }

    // ---- scripts --------------------------------------------------------------------------------

    fn call_scripts(&mut self, event: &base::Event) {
        let Subject::Instance(name) = &event.subject else { return };
        let notify = self.notify.get(name).or_else(|| self.notify_before.get(name));
        for job in notify.map(|notify| notify.jobs(name, event)).unwrap_or_default() {
            self.scripts.push(name.clone(), job);
        }
    }

    fn advance_scripts(&mut self, now: Instant) {
        for done in self.scripts.advance(now, &self.poll) {
            let what =
                What::ScriptDone { command: done.command, result: done.result, took: done.took };
            let subject = Subject::Instance(done.instance);
            self.events.tell(now, subject, what, Reason::StateScript, vec![done.cause]);
        }
    }

    // ---- clients --------------------------------------------------------------------------------

    fn serve(&mut self, ready: Ready) -> io::Result<()> {
        let Some(server) = &mut self.server else { return Ok(()) };
        let questions = server.ready(&self.poll, ready);
        for (client, question) in questions {
            match question {
                Request::Status => {
                    self.asks += 1;
                    self.asking.insert(self.asks, client);
                    self.engine.send(&ToEngine::Status { ask: self.asks })?;
                }
                Request::Events => self.answer(client, &Response::Events(self.events.all())),
                Request::Follow => {
                    // What is fresh is in `all` already.
                    self.tell_followers();
                    self.answer(client, &Response::Events(self.events.all()));
                    if let Some(server) = &mut self.server {
                        server.follow(client);
                    }
                }
            }
        }
        Ok(())
    }

    fn answer(&mut self, client: ClientId, response: &Response) {
        if let Some(server) = &mut self.server {
            server.answer(&self.poll, client, response);
        }
    }

    fn tell_followers(&mut self) {
        let fresh = self.events.take_fresh();
        if let Some(server) = &mut self.server
            && !fresh.is_empty()
        {
            server.broadcast(&self.poll, &Response::Events(fresh));
        }
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_string()
}
