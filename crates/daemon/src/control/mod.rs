//! Control: configuration, scripts, the event log, and everybody who asks.
//!
//! It observes the engine and never takes part: nothing here can delay an advert. It runs as an
//! unprivileged user that may read files but not write any, and start nothing (DESIGN §4).

pub(crate) mod agent;
mod bus;
mod configure;
pub(crate) mod dumps;
mod events;
mod facade;
pub(crate) mod files;
pub(crate) mod hooks;
mod keys;
mod leniency;
mod notify;
mod outbox;
mod outside;
mod partings;
pub(crate) mod reload_clock;
mod remembered;
mod report;
mod scripts;
mod server;
pub(crate) mod shelf;
mod trackers;
mod watched;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use base::{Instant, Subject};
use linux::confine::{self, Gap, Right};
use linux::{Interest, Poll, Ready, Scheduling, Timer, clock};
use ui::protocol::{Request, Response};

use crate::channel::Channel;
use crate::exit::Exit;
use crate::messages::{
    ControlToGuardian, FromEngine, GuardianToControl, Order, Settings, ToEngine,
};
use crate::place::Place;
use crate::role;
use crate::rows::Rows;
use crate::terms::Terms;
use crate::tidy::Tidy;
use agent::Agent;
use bus::Bus;
use dumps::Dumps;
use events::EventLog;
use files::{Loaded, Refused, Scripted};
use notify::Last;
use outbox::Outbox;
use partings::Partings;
use reload_clock::ReloadClock;
use scripts::Scripts;
use server::{ClientId, Server};
use trackers::Trackers;
use watched::Watched;

const GUARDIAN: u64 = 0;
const ENGINE: u64 = 1;
const TIMER: u64 = 2;
const LISTENER: u64 = 3;
const RUNNER: u64 = 4;
const FILES: u64 = 5;
const BUS: u64 = 6;
const AGENT: u64 = 7;
/// Clients are numbered from here.
const CLIENTS: u64 = 1 << 32;

/// Events of an engine that ended which can have been lost on their way at most.
const LOST_AT_MOST: u64 = 10_000;

/// How long the scripts of a stop may take altogether without the guardian being told.
const STOP_SCRIPTS: Duration = Duration::from_secs(5);

/// Control as a process, until the node has stopped or the guardian is gone.
pub(crate) fn main(guardian: u32) -> io::Result<Exit> {
    let mut line = Channel::over(linux::take_line()?)?;
    let gaps = give_up_rights()?;
    linux::die_with(guardian, linux::ProcessSignal::KILL)?;
    let mut poll = Poll::new()?;
    poll.add(&line, GUARDIAN, Interest::Read)?;
    let mut namespace = None;
    let mut snmp = None;
    let (mut settings, resume) = loop {
        match line.recv()? {
            Some(GuardianToControl::Within(within)) => namespace = Some(within),
            Some(GuardianToControl::Snmp(asked)) => snmp = Some(asked),
            Some(GuardianToControl::Start { settings, resume }) => {
                break (Settings { namespace, snmp, ..settings }, resume);
            }
            Some(other) => return Err(io::Error::other(format!("too early: {other:?}"))),
            None => poll.wait(None)?.for_each(drop),
        }
    };
    let begins = resume.is_none();
    let loaded = match resume {
        Some(state) => match configure::recall(&state) {
            Some(loaded) => {
                // An upgraded guardian no longer knows what its command line was.
                settings.snmp = settings.snmp.or_else(|| loaded.snmp_asked.clone());
                Ok(loaded)
            }
            None => {
                eprintln!("notice: another version left what is in force; the file is read anew");
                read_file(&settings)
            }
        },
        None => read_file(&settings),
    };
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(refused) => {
            eprint!("{}", refused.report());
            let exit = match refused {
                Refused::Unreadable(_) => Exit::NoConfig,
                Refused::Wrong { .. } => Exit::Config,
            };
            line.send(&ControlToGuardian::Finished { status: exit.status() })?;
            return Ok(exit);
        }
    };
    let mut control = Control::new(settings, line, poll)?;
    if begins {
        control.greet();
    }
    control.gaps = gaps.into_iter().map(|gap| gap.0).collect();
    control.apply(loaded, begins)?;
    // What came together with the first message announces itself no more.
    if let Some(exit) = control.hear_guardian(clock::monotonic())? {
        return control.part(exit);
    }
    loop {
        if let Some(exit) = control.turn()? {
            return control.part(exit);
        }
    }
}

fn read_file(settings: &Settings) -> Result<Loaded, Refused> {
    let Settings { file, reading, color, started, namespace, snmp, .. } = settings;
    let place = |place: Place| Place { namespace: namespace.clone().or(place.namespace), ..place };
    files::load(file, reading, *color, *started, snmp.clone(), place)
}

/// Nothing but reading, as nobody in particular.
fn give_up_rights() -> io::Result<Vec<Gap>> {
    let user = role::unprivileged();
    let mut gaps = confine::keep_only(&[Right::ReadFiles], user.as_ref())?;
    if user.is_none() {
        gaps.push(Gap("there is neither a user `mainstay` nor `nobody` to run as".into()));
    }
    gaps.extend(confine::read_only_but(&[]));
    Ok(gaps)
}

struct Control {
    settings: Settings,
    node: String,
    guardian: Channel<ControlToGuardian, GuardianToControl>,
    server: Option<Server>,
    engine: Option<Channel<ToEngine, FromEngine>>,
    poll: Poll,
    timer: Timer,
    events: EventLog,
    scripts: Scripts,
    loaded: Option<Loaded>,
    /// Its instances as bytes, which is smaller: they are only passed on.
    packed: Rows,
    /// How the guardian was last told to have the engine scheduled.
    scheduling: Scheduling,
    trackers: Trackers,
    watched: Watched,
    /// Those of the configuration before, of instances and of groups: their last events may still be
    /// on their way.
    notify_before: (Scripted, Scripted),
    /// What those outside were last told of each instance and group.
    told: BTreeMap<Subject, Last>,
    /// Why the last reload was refused.
    refused: Option<String>,
    /// Rights this process could not give up.
    gaps: Vec<String>,
    /// Who waits for the engine's answer to which question.
    asking: BTreeMap<u64, ClientId>,
    asks: u64,
    dumps: Dumps,
    outbox: Outbox,
    bus: Option<Bus>,
    agent: Option<Agent>,
    /// The question to the engine whose answer the facade waits for.
    bus_asks: Option<u64>,
    /// On which processes run.
    terms: Option<Terms>,
    clock: ReloadClock,
    /// How many configurations have been kept.
    saved: u32,
    /// A script runs before everything else, and is waited for until then.
    startup_until: Option<Instant>,
    /// Who waits for an upgrade.
    upgraders: Vec<ClientId>,
    partings: Partings,
    tidy: Tidy,
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
    /// All of it is over but the script that is to run at the very end.
    Shutdown {
        until: Instant,
        clean: bool,
    },
}

impl Control {
    fn new(
        settings: Settings,
        guardian: Channel<ControlToGuardian, GuardianToControl>,
        poll: Poll,
    ) -> io::Result<Self> {
        let timer = Timer::new()?;
        poll.add(&timer, TIMER, Interest::Read)?;
        Ok(Self {
            node: host_name(),
            events: EventLog::new(settings.log),
            settings,
            guardian,
            server: None,
            engine: None,
            poll,
            timer,
            scripts: Scripts::new(RUNNER),
            trackers: Trackers::new(FILES),
            watched: Watched::default(),
            loaded: None,
            packed: Rows::default(),
            scheduling: Scheduling::default(),
            notify_before: Default::default(),
            told: BTreeMap::new(),
            refused: None,
            gaps: Vec::new(),
            asking: BTreeMap::new(),
            asks: 0,
            dumps: Dumps::default(),
            outbox: Outbox::default(),
            bus: None,
            agent: None,
            bus_asks: None,
            terms: None,
            clock: ReloadClock::default(),
            saved: 0,
            startup_until: None,
            upgraders: Vec::new(),
            partings: Partings::default(),
            tidy: Tidy::default(),
            stage: Stage::Running,
        })
    }

    fn turn(&mut self) -> io::Result<Option<Exit>> {
        self.sleep()?;
        let now = clock::monotonic();
        let ready: Vec<Ready> = self.poll.wait(Some(Duration::ZERO))?.collect();
        for one in ready {
            match one.token {
                GUARDIAN => {
                    if let Some(exit) = self.hear_guardian(now)? {
                        return Ok(Some(exit));
                    }
                }
                ENGINE => self.hear_engine(now),
                BUS => self.hear_bus()?,
                AGENT => self.hear_agent(now),
                TIMER | RUNNER | FILES => {}
                _ => self.serve(one)?,
            }
        }
        self.hear_outside(now);
        self.attend_agent(now)?;
        self.look_at_clock(now);
        self.hook_overdue(now);
        self.move_on(now)?;
        self.tell_followers();
        self.tidy.look(now, || {});
        Ok(self.end(now))
    }

    fn sleep(&mut self) -> io::Result<()> {
        let until = match self.stage {
            Stage::LastScripts { until, .. } | Stage::Shutdown { until, .. } => Some(until),
            Stage::Running | Stage::Stopping => self.startup_until,
        };
        let outside = [
            self.scripts.poll_timeout(),
            self.trackers.poll_timeout(),
            self.clock.poll_timeout(),
            self.partings.poll_timeout(),
            self.tidy.poll_timeout(),
            self.agent.as_ref().and_then(Agent::poll_timeout),
        ];
        let until = outside.into_iter().chain([until]).flatten().min();
        self.timer.set(until)?;
        // A line that is broken tells so when it is read.
        let _ = self.guardian.flush();
        self.poll.modify(&self.guardian, GUARDIAN, interest(self.guardian.backlog()))?;
        if let Some(engine) = &mut self.engine {
            let _ = engine.flush();
            self.poll.modify(&*engine, ENGINE, interest(engine.backlog()))?;
        }
        self.scripts.watch(&self.poll)?;
        self.poll.wait(None)?.for_each(drop);
        Ok(())
    }

    fn end(&mut self, now: Instant) -> Option<Exit> {
        let idle = self.scripts.is_idle() && self.outbox.is_idle();
        let clean = match self.stage {
            Stage::LastScripts { until, clean } if idle || now >= until => {
                if self.begin_shutdown(now, clean) {
                    return None;
                }
                clean
            }
            Stage::Shutdown { until, clean } if self.scripts.is_idle() || now >= until => clean,
            _ => return None,
        };
        Some(if clean { Exit::Ok } else { Exit::Fatal })
    }

    // ---- the guardian ---------------------------------------------------------------------------

    fn hear_guardian(&mut self, now: Instant) -> io::Result<Option<Exit>> {
        loop {
            let message = match self.guardian.recv() {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(None),
                // Without a guardian there is no daemon.
                Err(_) => return Ok(Some(Exit::Fatal)),
            };
            match message {
                GuardianToControl::Start { .. }
                | GuardianToControl::Within(_)
                | GuardianToControl::Snmp(_) => {}
                GuardianToControl::Links
                | GuardianToControl::Agent
                | GuardianToControl::NoAgent { .. } => self.agent_called(message)?,
                GuardianToControl::Listen => {
                    let listener = UnixListener::from(self.guardian.take_fd()?);
                    self.server = Some(Server::new(listener, &self.poll, LISTENER, CLIENTS)?);
                }
                GuardianToControl::Engine => {
                    let line = Channel::over(self.guardian.take_fd()?)?;
                    self.engine_lost();
                    self.poll.add(&line, ENGINE, Interest::Read)?;
                    self.engine = Some(line);
                    self.configure();
                    self.ask_for_bus();
                    if self.stage == Stage::Stopping && !self.partings.hold_up_stop() {
                        self.stop_engine();
                    }
                }
                GuardianToControl::Runner => {
                    let line = Channel::over(self.guardian.take_fd()?)?;
                    let orders = self.standing_orders();
                    self.scripts.meet(&self.poll, line, &orders)?;
                }
                GuardianToControl::Order(order) => self.obey(now, order)?,
                GuardianToControl::EngineIsOver { clean } => {
                    if self.stage == Stage::Stopping {
                        self.last_scripts(now, clean);
                    }
                }
                GuardianToControl::Letters(letters) => self.take_letters(&letters),
                GuardianToControl::Event(event) => self.events.record(event),
                GuardianToControl::Replaced => {
                    // The engine before has ended; what it still said is ours to tell.
                    self.hear_engine(now);
                    self.tell_upgraders(&Response::Upgraded);
                    return Ok(Some(Exit::Ok));
                }
                GuardianToControl::UpgradeFailed { why } => {
                    self.tell_upgraders(&Response::Error(why));
                }
            }
        }
    }

    fn obey(&mut self, now: Instant, order: Order) -> io::Result<()> {
        match (order, self.stage) {
            (Order::Stop, Stage::Running) => self.begin_stop(now),
            (Order::Stop, Stage::Stopping) => self.hasten_stop(),
            // Whoever asks twice does not want to wait for scripts.
            (Order::Stop, Stage::LastScripts { clean, .. }) => {
                self.stage = Stage::LastScripts { until: now, clean };
            }
            (Order::Stop, Stage::Shutdown { clean, .. }) => {
                self.stage = Stage::Shutdown { until: now, clean };
            }
            (Order::Reload, Stage::Running) => self.reload(now)?,
            (Order::Dump(dump), Stage::Running) => self.begin_dump(dump),
            (Order::Terms, _) => {
                self.tell_terms()?;
                self.keep_letters();
            }
            (Order::Reload | Order::Dump(_), _) => {}
        }
        Ok(())
    }

    /// The engine is done: those outside are told, and may finish.
    fn last_scripts(&mut self, now: Instant, clean: bool) {
        let span = self.loaded.as_ref().map_or(STOP_SCRIPTS, |loaded| loaded.hooks.last_scripts);
        if span > STOP_SCRIPTS {
            // A guardian that is gone ends us anyway.
            let _ = self.guardian.send(&ControlToGuardian::StopTakes { more: span - STOP_SCRIPTS });
        }
        self.stage = Stage::LastScripts { until: now + span, clean };
        self.tell_rest_of_stop(now);
        self.scripts.close_pipes();
    }

    fn is_running(&self) -> bool {
        self.stage == Stage::Running
    }

    fn stop_engine(&mut self) {
        if let Some(engine) = &mut self.engine {
            let _ = engine.send(&ToEngine::Stop);
        }
    }

    fn tell_upgraders(&mut self, response: &Response) {
        for client in std::mem::take(&mut self.upgraders) {
            self.answer(client, response);
        }
    }

    /// Says with what the daemon is to end, and waits until it is said.
    fn part(&mut self, exit: Exit) -> io::Result<Exit> {
        if let Some(bus) = self.bus.take() {
            bus.stop();
        }
        self.leave_agent(clock::monotonic());
        if self.stage != Stage::Running {
            self.events.remark(&format!("Stopped Keepalived v{}", crate::keepalived::VERSION));
        }
        self.guardian.send(&ControlToGuardian::Finished { status: exit.status() })?;
        while self.guardian.backlog() > 0 {
            self.guardian.flush()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(exit)
    }

    // ---- the engine -----------------------------------------------------------------------------

    fn hear_engine(&mut self, now: Instant) {
        while let Some(engine) = &mut self.engine {
            let message = match engine.recv() {
                Ok(Some(message)) => message,
                Ok(None) => return,
                Err(_) => return self.engine_lost(),
            };
            let Some(message) = self.note(message) else {
                self.tidy.stir(now);
                continue;
            };
            match message {
                FromEngine::Event(_) => {}
                FromEngine::Status { ask, at, status, sessions, counts } => {
                    if self.bus_asks == Some(ask) {
                        self.show_on_bus(&status);
                    } else if self.dumps.waits(ask) {
                        self.engine_stands(ask, at, status);
                    } else if let Some(client) = self.asking.remove(&ask) {
                        let mut report = self.report(at, *status, counts);
                        report.bfd = report::sessions(&sessions);
                        self.answer(client, &Response::Status(Box::new(report)));
                    }
                }
                FromEngine::Switched { ask, outcome } => {
                    if self.may_switch_over(now, ask, &outcome) {
                    } else if let Some(client) = self.asking.remove(&ask) {
                        let answer = outcome.map_or_else(Response::Error, Response::Switched);
                        self.answer(client, &answer);
                    }
                }
                FromEngine::Settled { clean } => {
                    if self.stage == Stage::Stopping {
                        self.last_scripts(now, clean);
                    }
                }
            }
        }
    }

    /// Its guardian knows what to do about it, and brings another.
    fn engine_lost(&mut self) {
        if let Some(engine) = self.engine.take() {
            let _ = self.poll.remove(&engine);
        }
        self.dumps.give_up();
        self.forget_question();
        for client in std::mem::take(&mut self.asking).into_values() {
            let text = "the engine has just ended; ask again in a moment".to_string();
            self.answer(client, &Response::Error(text));
        }
    }

    // ---- clients --------------------------------------------------------------------------------

    fn serve(&mut self, ready: Ready) -> io::Result<()> {
        let Some(server) = &mut self.server else { return Ok(()) };
        let questions = server.ready(&self.poll, ready);
        for (client, question) in questions {
            match question {
                Request::Status => self.ask(client, |ask| ToEngine::Status { ask }),
                Request::Switchover { instance, lasts_s } => {
                    self.begin_switchover(client, instance, lasts_s.map(Duration::from_secs));
                }
                Request::EndSwitchover { instance } => {
                    self.ask(client, |ask| ToEngine::EndSwitchover { ask, instance });
                }
                Request::Reload => {
                    self.partings.reloaders.push(client);
                    self.guardian.send(&ControlToGuardian::ReloadDue { remove: None })?;
                }
                Request::Events => self.answer(client, &Response::Events(self.events.all())),
                Request::Upgrade { binary } => {
                    self.upgraders.push(client);
                    self.guardian.send(&ControlToGuardian::Upgrade { binary })?;
                }
                Request::Follow => {
                    // What is fresh is in `all` already.
                    self.tell_followers();
                    self.answer(client, &Response::Events(self.events.all()));
                    if let Some(server) = &mut self.server {
                        server.follow(client);
                        self.events.follow(true);
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts a client's question to the engine, which answers by its number.
    fn ask(&mut self, client: ClientId, question: impl FnOnce(u64) -> ToEngine) {
        self.asks += 1;
        if let Some(engine) = &mut self.engine {
            self.asking.insert(self.asks, client);
            let _ = engine.send(&question(self.asks));
        } else {
            let text = "the engine is being started; ask again in a moment".to_string();
            self.answer(client, &Response::Error(text));
        }
    }

    fn answer(&mut self, client: ClientId, response: &Response) {
        if let Some(server) = &mut self.server {
            server.answer(&self.poll, client, response);
        }
    }

    fn tell_followers(&mut self) {
        if self.server.as_ref().is_none_or(|server| !server.is_followed()) {
            return self.events.follow(false);
        }
        let fresh = self.events.take_fresh();
        if let Some(server) = &mut self.server
            && !fresh.is_empty()
        {
            server.broadcast(&self.poll, &Response::Events(fresh));
        }
    }
}

fn interest(backlog: usize) -> Interest {
    if backlog > 0 { Interest::Both } else { Interest::Read }
}

pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_string()
}
