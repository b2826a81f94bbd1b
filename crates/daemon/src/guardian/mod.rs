//! The guardian: starts the other roles, watches them, and does for the engine what a dead one
//! cannot (DESIGN §4).
//!
//! Small and single-threaded, because nobody guards it: when it ends, the others end with it. It
//! decides nothing about VIPs itself; `vip::last_will` does. It reads no configuration and answers
//! no client; whatever it knows of these it keeps as bytes for the next control.

mod agent;
mod hands;
mod leases;
mod service;
pub(crate) mod successor;
mod tuning;
mod turn;
mod upgrade;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use base::{Event, EventId, Instant, Origin, Reason, Secret, Subject, What};
use linux::{
    BindError, Interest, PidFile, Poll, Role, Scheduling, Signal, Signals, Timer, bind_unix, clock,
};
use vip::last_will::LastWill;

use crate::channel::Channel;
use crate::exit::Exit;
use crate::mail::WAITING;
use crate::messages::{
    ControlToGuardian, EngineToGuardian, FromEngine, FromRunner, GuardianToControl,
    GuardianToEngine, Settings, ToEngine, ToRunner,
};
use crate::role::Part;
use crate::run::Start;
use crate::terms::Terms;
use crate::tidy::Tidy;
use hands::Hands;
use leases::Leases;
use service::Service;
use tuning::Tuner;
use upgrade::Upgrade;

const SIGNALS: u64 = 0;
const TIMER: u64 = 1;
const ENGINE: u64 = 2;
const ENGINE_LINE: u64 = 3;
const CONTROL: u64 = 4;
const CONTROL_LINE: u64 = 5;
const RUNNER: u64 = 6;
const NEXT_ENGINE: u64 = 7;
const NEXT_ENGINE_LINE: u64 = 8;
const NEXT_CONTROL: u64 = 9;
const NEXT_CONTROL_LINE: u64 = 10;

/// A role and the line to it.
struct Ward<S, R> {
    role: Role,
    line: Channel<S, R>,
    born_at: Instant,
    /// The line has ended; its end is only to be seen once.
    mute: bool,
}

type EngineWard = Ward<GuardianToEngine, EngineToGuardian>;
type ControlWard = Ward<GuardianToControl, ControlToGuardian>;

impl<S, R> Ward<S, R> {
    /// Starts a role, of this program or of another file's.
    fn start(part: Part, binary: Option<&Path>, terms: Option<&str>) -> io::Result<Self> {
        let (line, far) = Channel::pair()?;
        let role = part.start_on(binary, &far.into_fd(), terms)?;
        Ok(Self { role, line, born_at: clock::monotonic(), mute: false })
    }
}

/// The guardian and its wards.
pub(crate) struct Guardian {
    start: Start,
    started: Instant,
    poll: Poll,
    timer: Timer,
    signals: Signals,
    will: LastWill,
    hands: Hands,
    leases: Leases,
    tuner: Tuner,
    service: Service,
    engine: Option<EngineWard>,
    control: Option<ControlWard>,
    runner: Option<Role>,
    /// Runners that finish what a control now gone has asked for.
    retired: Vec<Role>,
    listener: Option<UnixListener>,
    pid_files: Vec<PidFile>,
    /// What a new control needs to go on.
    state: Option<Secret>,
    /// How engines are scheduled.
    scheduling: Scheduling,
    /// When to start a control, if there is none.
    control_at: Option<Instant>,
    /// An engine has once come so far as to take part.
    engine_stood: bool,
    events: u64,
    /// An orderly stop is under way, and this is when it is over at the latest.
    stop_by: Option<Instant>,
    /// The file this program was started from, and which one that was.
    binary: PathBuf,
    file_of_binary: Option<FileIdentity>,
    upgrade: Option<Upgrade>,
    /// The program this process is to become, when all is quiet.
    succeed_by: Option<PathBuf>,
    /// Dumps that were asked for and have not come.
    dumps_due: u32,
    /// Mails that control has waiting, for the next one.
    letters: BTreeMap<u64, Vec<u8>>,
    /// Texts of configurations that may come to be kept.
    texts_due: u32,
    /// On which terms processes are started.
    terms: Terms,
    tidy: Tidy,
}

/// Device, inode and time of change of a file.
type FileIdentity = (u64, u64, i64);

/// Runs the daemon until it has stopped.
pub(crate) fn run(start: Start) -> Exit {
    linux::memory::keep_to_ourselves();
    match Guardian::new(start).and_then(|mut guardian| guardian.live()) {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("error: the guardian ends: {error}");
            Exit::Fatal
        }
    }
}

impl Guardian {
    fn new(start: Start) -> io::Result<Self> {
        // From here on these are answered, not fatal.
        let signals = Signals::open(&[
            Signal::Terminate,
            Signal::Interrupt,
            Signal::HangUp,
            Signal::User1,
            Signal::User2,
            Signal::Json,
            Signal::StatsClear,
        ])?;
        let (poll, timer) = (Poll::new()?, Timer::new()?);
        poll.add(&signals, SIGNALS, Interest::Read)?;
        poll.add(&timer, TIMER, Interest::Read)?;
        let now = clock::monotonic();
        let binary = std::env::current_exe()?;
        Ok(Self {
            leases: Leases::new(&start),
            tuner: Tuner::default(),
            service: Service::new(now),
            start,
            started: now,
            poll,
            timer,
            signals,
            will: LastWill::new(now),
            hands: Hands::default(),
            engine: None,
            control: None,
            runner: None,
            retired: Vec::new(),
            listener: None,
            pid_files: Vec::new(),
            state: None,
            scheduling: Scheduling::default(),
            control_at: None,
            engine_stood: false,
            events: 0,
            stop_by: None,
            file_of_binary: identity(&binary),
            binary,
            upgrade: None,
            succeed_by: None,
            dumps_due: 0,
            letters: BTreeMap::new(),
            texts_due: 1,
            terms: Terms::default(),
            tidy: Tidy::default(),
        })
    }

    // ---- beginning ------------------------------------------------------------------------------

    /// What must hold before anything is touched: a configuration, no other daemon.
    fn live(&mut self) -> io::Result<Exit> {
        // The command line's place holds also when the file has nothing to agree on.
        self.agree(Terms::default());
        self.start_control()?;
        if let Some(exit) = self.await_configuration()? {
            return Ok(exit);
        }
        if let Err(why) = self.take_place() {
            eprintln!("error: {why}");
            return Ok(Exit::Config);
        }
        for path in &self.start.pid_files {
            match PidFile::take(path) {
                Ok(pid_file) => self.pid_files.push(pid_file),
                Err(error) => {
                    eprintln!("error: {error}");
                    return Ok(Exit::Fatal);
                }
            }
        }
        match listen(&self.start.control, self.start.control_optional) {
            Ok(listener) => self.listener = listener,
            Err(exit) => return Ok(exit),
        }
        self.hand_listener()?;
        self.live_on()
    }

    /// The rest of its life.
    fn live_on(&mut self) -> io::Result<Exit> {
        // What was received with the messages read so far announces itself no more.
        let now = clock::monotonic();
        self.tidy.stir(now);
        self.hear_engine(now);
        if let Some(exit) = self.hear_control(now)? {
            return self.finish(now, exit);
        }
        loop {
            if let Some(exit) = self.turn()? {
                return Ok(exit);
            }
        }
    }

    /// Waits for the first control to have read the file, or to have refused it.
    fn await_configuration(&mut self) -> io::Result<Option<Exit>> {
        loop {
            self.poll.wait(None)?.for_each(drop);
            while let Some(signal) = self.signals.read()? {
                if matches!(signal, Signal::Terminate | Signal::Interrupt) {
                    return Ok(Some(Exit::Ok));
                }
            }
            // What came together announces itself once.
            loop {
                let Some(control) = &mut self.control else { return Ok(Some(Exit::Fatal)) };
                match control.line.recv() {
                    Ok(Some(ControlToGuardian::InForce { state, gaps })) => {
                        self.state = Some(state);
                        tell_gaps(Part::Control, &gaps);
                        return Ok(None);
                    }
                    Ok(Some(ControlToGuardian::Finished { status })) => {
                        return Ok(Some(Exit::Status(status)));
                    }
                    Ok(Some(ControlToGuardian::Terms(terms))) => self.agree(terms),
                    Ok(Some(ControlToGuardian::Keep(file))) => self.keep_text(&file),
                    Ok(Some(ControlToGuardian::Schedule(scheduling))) => {
                        self.scheduling = scheduling;
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return Ok(Some(Exit::Fatal)),
                }
            }
        }
    }

    /// Enters the network namespace it is to work in, before anybody is started who opens a socket of
    /// the network; and has files that were not named where daemons with a name have theirs.
    fn take_place(&mut self) -> Result<(), String> {
        let place = self.terms.place.clone();
        if let Some(name) = &place.namespace {
            linux::enter_network(name).map_err(|error| {
                format!("cannot work in the network namespace `{name}`: {error}")
            })?;
        }
        for path in &mut self.start.pid_files {
            *path = place.pid_file(std::mem::take(path));
            if let Some(directory) = path.parent() {
                // What is wrong with it the file will say.
                let _ = std::fs::create_dir_all(directory);
            }
        }
        self.start.control = place.control(std::mem::take(&mut self.start.control));
        // Its socket belongs to the namespace it was opened in.
        self.leases = Leases::new(&self.start);
        Ok(())
    }

    /// On these terms from now on.
    fn agree(&mut self, mut terms: Terms) {
        if let Some(name) = &self.start.namespace {
            terms.place.namespace = Some(name.clone());
        }
        if self.engine.is_some() && terms.place != self.terms.place {
            eprintln!(
                "warning: net_namespace, instance and use_pid_dir stay as they were until a restart"
            );
            terms.place = self.terms.place.clone();
        }
        if let Some(name) = &terms.guardian {
            linux::name_process(name);
        }
        self.terms = terms;
    }

    // ---- starting roles -------------------------------------------------------------------------

    fn start_control(&mut self) -> io::Result<()> {
        let ward = self.new_control(None, self.state.clone())?;
        self.poll.add(&ward.role, CONTROL, Interest::Read)?;
        self.poll.add(&ward.line, CONTROL_LINE, Interest::Read)?;
        self.control = Some(ward);
        self.control_at = None;
        Ok(())
    }

    fn new_control(
        &self,
        binary: Option<&Path>,
        resume: Option<Secret>,
    ) -> io::Result<ControlWard> {
        let mut ward = Ward::start(Part::Control, binary, None)?;
        let settings = Settings {
            file: self.start.file.clone(),
            reading: self.start.reading.clone(),
            log: self.start.log,
            color: self.start.color,
            namespace: self.start.namespace.clone(),
            snmp: None,
            pid: std::process::id(),
            started: self.started,
        };
        if let Some(namespace) = settings.namespace.clone() {
            ward.line.send(&GuardianToControl::Within(namespace))?;
        }
        if let Some(snmp) = self.start.snmp.clone() {
            ward.line.send(&GuardianToControl::Snmp(snmp))?;
        }
        ward.line.send(&GuardianToControl::Start { settings, resume })?;
        Ok(ward)
    }

    fn hand_listener(&mut self) -> io::Result<()> {
        if let (Some(listener), Some(control)) = (&self.listener, &mut self.control) {
            let fd = listener.try_clone()?.into();
            control.line.send_with(&GuardianToControl::Listen, fd)?;
        }
        Ok(())
    }

    /// Gives a new control the mails of the one before; it will say which of them wait.
    fn hand_letters(&mut self) {
        let letters: Vec<Vec<u8>> = std::mem::take(&mut self.letters).into_values().collect();
        if let (false, Some(control)) = (letters.is_empty(), &mut self.control) {
            let _ = control.line.send(&GuardianToControl::Letters(letters));
        }
    }

    /// Control has a mail waiting, or no more.
    fn keep_letter(&mut self, job: u64, letter: Option<Vec<u8>>) {
        match letter {
            Some(letter) => self.letters.insert(job, letter),
            None => self.letters.remove(&job),
        };
        // No control has more.
        while self.letters.len() > WAITING {
            self.letters.pop_first();
        }
    }

    fn start_engine(&mut self, adopt: Vec<base::Name>) -> io::Result<()> {
        let mut ward =
            EngineWard::start(Part::Engine, None, self.terms.engine.argument().as_deref())?;
        ward.line.send(&self.numbers())?;
        ward.line.send(&GuardianToEngine::Adopt { held: adopt, image: None })?;
        self.leases.lend(&mut ward.line)?;
        self.poll.add(&ward.role, ENGINE, Interest::Read)?;
        self.poll.add(&ward.line, ENGINE_LINE, Interest::Read)?;
        self.engine = Some(ward);
        if self.scheduling != Scheduling::default() {
            self.schedule_engine();
        }
        self.introduce()
    }

    /// Lets the engine be scheduled as it is to be, and tells it to.
    pub(super) fn schedule_engine(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        // What cannot be allowed is done by ourselves, if it can be: see `unscheduled`.
        let _ = self.scheduling.allow(engine.role.pid());
        let _ = engine.line.send(&GuardianToEngine::Schedule(self.scheduling.clone()));
    }

    /// The engine could not do all of that itself.
    pub(super) fn unscheduled(&self, troubles: Vec<String>) {
        let pid = self.engine.as_ref().map(|engine| engine.role.pid());
        let rest = match pid {
            Some(pid) => self.scheduling.impose(pid, troubles),
            None => troubles,
        };
        tell_unscheduled(&rest);
    }

    /// Gives engine and control a line to each other.
    fn introduce(&mut self) -> io::Result<()> {
        let (Some(engine), Some(control)) = (&mut self.engine, &mut self.control) else {
            return Ok(());
        };
        let (near, far) = Channel::<ToEngine, FromEngine>::pair()?;
        // One of them may be dying; the line then breaks for the other, which says so.
        let _ = engine.line.send_with(&GuardianToEngine::Control, far.into_fd());
        let _ = control.line.send_with(&GuardianToControl::Engine, near.into_fd());
        Ok(())
    }

    fn start_runner(&mut self) -> io::Result<()> {
        let (near, far) = Channel::<ToRunner, FromRunner>::pair()?;
        let role = Part::Runner.start(None, &far.into_fd())?;
        self.poll.add(&role, RUNNER, Interest::Read)?;
        self.retired.extend(self.runner.replace(role));
        if let Some(control) = &mut self.control {
            let _ = control.line.send_with(&GuardianToControl::Runner, near.into_fd());
        }
        Ok(())
    }

    /// Where the signed adverts of another engine are to go on.
    fn numbers(&self) -> GuardianToEngine {
        let own = |(name, last): (&base::Name, u64)| (name.clone(), last);
        GuardianToEngine::Spoken(self.will.spoken().map(own).collect())
    }

    // ---- telling --------------------------------------------------------------------------------

    fn tell(&mut self, now: Instant, what: What, reason: Reason) {
        self.events += 1;
        let id = EventId { origin: Origin::Guardian, number: self.events };
        let event = Event { id, at: now, subject: Subject::Node, what, reason, causes: Vec::new() };
        match &mut self.control {
            Some(control) if !control.mute => {
                let _ = control.line.send(&GuardianToControl::Event(event));
            }
            _ => eprintln!("{}", ui::text::line(&event)),
        }
    }
}

/// Which file a path leads to now.
fn identity(path: &Path) -> Option<FileIdentity> {
    use std::os::unix::fs::MetadataExt as _;
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.mtime()))
}

fn tell_gaps(part: Part, gaps: &[String]) {
    for gap in gaps {
        eprintln!("notice: the {} has more rights than it needs: {gap}", part.name());
    }
}

/// A role of a newer version has said something that was never said when this program was made. What
/// nobody can do without is said before a newer version takes over, and refused there.
fn tell_unknown(part: Part) {
    eprintln!(
        "notice: the {} says something that is not known to version {}; it is left out",
        part.name(),
        env!("CARGO_PKG_VERSION")
    );
}

fn tell_unscheduled(troubles: &[String]) {
    for trouble in troubles {
        eprintln!("warning: the engine is not scheduled as configured: {trouble}");
    }
}

/// Binds the control socket. A second daemon on the same socket is an error; a place where no socket
/// can be made only costs the answers of `mainstay status`, and no VIP should depend on those.
fn listen(path: &Path, optional: bool) -> Result<Option<UnixListener>, Exit> {
    match bind_unix(path, 0o600, 0o755) {
        Ok(listener) => Ok(Some(listener)),
        Err(error @ BindError::InUse(_)) if !optional => {
            eprintln!(
                "error: {error}; another mainstay runs here. Stop it, or name another --control"
            );
            Err(Exit::Fatal)
        }
        Err(error) => {
            eprintln!(
                "warning: {error}; `mainstay status` will not reach this daemon. Name another place \
                 with --control"
            );
            Ok(None)
        }
    }
}
