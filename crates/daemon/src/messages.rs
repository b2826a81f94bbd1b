//! What the roles say to each other.
//!
//! Guardian, engine, control and runner are processes; engine and keeper are threads of one. They
//! share nothing but these messages, which travel as bytes (docs/decisions/0003).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use base::{
    Batch, BatchDone, DeviceAsk, DeviceDone, Errno, Event, Filter, IfIndex, Instant, KernelFact,
    Name, ScriptResult, Secret, Tracker, Tuning, Verdict, WayBatch, WayTrace,
};
use linux::Scheduling;
use serde::{Deserialize, Serialize};
use ui::cli::LogFormat;

use crate::mail::{Delivery, Letter, PostOffice};
use crate::sensors::{Pipe, Watch, WatchedFile};
use crate::terms::Terms;
use vip::last_will::Edit;
use vrrp::{Debounce, InstanceConfig, RouterStatus, Statics};

use crate::control::shelf::Reading;
// What guardian and engine, and guardian and control, say to each other is also said between one
// version and the next (`mainstay upgrade`): variants and fields are only ever added, at the end.

// ---- guardian and engine ------------------------------------------------------------------------

/// From the guardian to the engine.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum GuardianToEngine {
    /// Take part from now on, and go on where the engine before ended.
    Adopt {
        /// What it held when it died.
        held: Vec<Name>,
        /// Where it left off, if it handed over: a `vrrp::Image`.
        image: Option<Vec<u8>>,
    },
    /// The socket that owns the table of leases comes with this.
    Leases {
        /// The table's name.
        table: String,
    },
    /// A line to control comes with this. The one before is void.
    Control,
    /// Resign everywhere, release everything, end. Usually control says so.
    Stop,
    /// Say where you stand and do nothing from there on.
    HandOver,
    /// The hand-over failed: go on.
    GoOn,
    /// Behind which numbers the signed adverts of instances must go on. Comes before `Adopt`.
    Spoken(Vec<(Name, u64)>),
    /// Be scheduled like this from now on; it is allowed by now.
    Schedule(Scheduling),
    /// The switches of this interface are set, as far as that was possible.
    Tuned {
        /// Which.
        index: IfIndex,
    },
}

/// From the engine to the guardian.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum EngineToGuardian {
    /// It has opened all it needs and given up all it does not.
    Ready {
        /// What it could not give up.
        gaps: Vec<String>,
    },
    /// The will changed; also a sign of life.
    Will(Edit),
    /// A sign of life.
    Alive,
    /// It knows the node and its configuration and waits to be told to take part.
    Standing,
    /// The answer to [`GuardianToEngine::HandOver`]: a `vrrp::Image`.
    Image(Vec<u8>),
    /// The numbers of the adverts signed since the last sign of life, the latest of each instance.
    Spoken(Vec<(Name, u64)>),
    /// The answer to [`GuardianToEngine::Schedule`], if not all of it could be done.
    Unscheduled {
        /// What could not.
        troubles: Vec<String>,
    },
    /// Set the switches of an interface, and say so.
    Tune(Tuning),
    /// Have the kernel promote secondary addresses on exactly these interfaces.
    Promote(Vec<Name>),
}

// ---- guardian and control -----------------------------------------------------------------------

/// What control needs to know of how the daemon was started.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) file: PathBuf,
    pub(crate) reading: Reading,
    pub(crate) log: LogFormat,
    pub(crate) color: bool,
    /// The network namespace that the command line names; it goes by [`GuardianToControl::Within`].
    #[serde(skip)]
    pub(crate) namespace: Option<String>,
    /// What the command line wants of SNMP; it goes by [`GuardianToControl::Snmp`].
    #[serde(skip)]
    pub(crate) snmp: Option<SnmpAsked>,
    /// The guardian's process, which is the daemon to everybody outside.
    pub(crate) pid: u32,
    /// When that was started.
    pub(crate) started: Instant,
}

/// From the guardian to control.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum GuardianToControl {
    /// The first message.
    Start {
        /// How.
        settings: Settings,
        /// What the control before had in force; without it, the file is read.
        resume: Option<Secret>,
    },
    /// The control socket comes with this.
    Listen,
    /// A line to a new engine comes with this.
    Engine,
    /// A line to a new runner comes with this.
    Runner,
    /// Somebody asked for this by a signal.
    Order(Order),
    /// There is no engine any more, and none will follow.
    EngineIsOver {
        /// Whether every VIP is off this node.
        clean: bool,
    },
    /// The guardian saw this happen.
    Event(Event),
    /// Another control has taken over: tell who waits for it, and end.
    Replaced,
    /// The upgrade that was asked for did not come about; all is as before.
    UpgradeFailed {
        /// Why.
        why: String,
    },
    /// Mails that a control before this one could not have delivered.
    Letters(Vec<Vec<u8>>),
    /// The network namespace that the command line names; said before the start, if there is one.
    Within(String),
    /// What the command line wants of SNMP; said before the start, if it wants anything.
    Snmp(SnmpAsked),
    /// A routing socket of the place the daemon works in comes with this.
    Links,
    /// The connection comes with this that [`ControlToGuardian::NeedAgent`] asked for.
    Agent,
    /// There is none.
    NoAgent {
        /// Why.
        why: String,
    },
}

/// What a command line wants of SNMP.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SnmpAsked {
    /// All of it is to be answered.
    pub(crate) all: bool,
    /// Where the master agent listens, whatever the configuration says.
    pub(crate) socket: Option<String>,
}

/// Where SNMP's master agent listens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum AgentPlace {
    /// At this path.
    Unix(String),
    /// At this address.
    Tcp(SocketAddr),
    /// The same, by datagrams.
    Udp(SocketAddr),
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// SIGTERM, SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
    /// SIGUSR1 and its like: have [`ControlToGuardian::Dump`] sent.
    Dump(Dump),
    /// Have [`ControlToGuardian::Terms`] sent.
    Terms,
}

/// What is to be written for programs that know keepalived.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) enum Dump {
    /// State, SIGUSR1.
    Data,
    /// Counters, SIGUSR2.
    Stats,
    /// Counters, which begin at zero from then on.
    StatsClear,
    /// Both, as JSON.
    Json,
}

/// A file to be written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct DumpFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// Its rights.
    pub(crate) mode: u32,
}

/// From control to the guardian.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum ControlToGuardian {
    /// A configuration is in force; this is what a control after this one needs to go on.
    InForce {
        /// Ready to be handed back. There are keys in it.
        state: Secret,
        /// What could not be given up.
        gaps: Vec<String>,
    },
    /// There is a script to run and nobody to run it.
    NeedRunner,
    /// Everything is over: end with this status.
    Finished {
        /// The status.
        status: u8,
    },
    /// Somebody asked for another version to take over.
    Upgrade {
        /// From this file; `None`: from the one this daemon was started from.
        binary: Option<PathBuf>,
    },
    /// A reload was refused; what was in force stays.
    ReloadRefused,
    /// How the engine is to be scheduled from now on. Until it is said: like every process.
    Schedule(Scheduling),
    /// The answer to [`Order::Dump`]: control may not write files.
    Dump(Vec<DumpFile>),
    /// On which terms processes are to be started from now on. Comes before [`Self::InForce`].
    Terms(Terms),
    /// A script runs at the end that may take this long.
    StopTakes {
        /// From now on.
        more: Duration,
    },
    /// The time of a reload that was planned has come.
    ReloadDue {
        /// The file that named it, if that is to go.
        remove: Option<PathBuf>,
    },
    /// The text of the configuration that was just read, to be kept (`config_save_dir`).
    Keep(DumpFile),
    /// Somebody whom the bus lets ask wants this dump, as if by a signal.
    DumpDue(Dump),
    /// A mail that waits, for a control after this one; or that it does not wait any more.
    Letter {
        /// Its number.
        job: u64,
        /// The mail, as the next control understands it.
        letter: Option<Vec<u8>>,
    },
    /// SNMP's master agent is to be called.
    NeedAgent(AgentPlace),
}

// ---- control and engine -------------------------------------------------------------------------

/// From control to the engine.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum ToEngine {
    /// Run these instances and no others. The first message on a line.
    Configure {
        /// All of them.
        instances: Vec<InstanceConfig>,
        /// How long news of interfaces must last.
        debounce: BTreeMap<Name, Debounce>,
        /// Engines before this one numbered their events up to here.
        events: u64,
        /// What stays from start to stop.
        statics: Statics,
    },
    /// Run these BFD sessions and no others. Comes before the instances that track them.
    Sessions(Vec<bfd::Settings>),
    /// These trackers say this. All of them, when the line is new, before anything else.
    Verdicts(Vec<(Tracker, Verdict)>),
    /// Say how things are.
    Status {
        /// Comes back with the answer.
        ask: u64,
    },
    /// Hand this instance over to whoever is readiest, and keep it back for so long.
    Switchover {
        /// Comes back with the outcome.
        ask: u64,
        /// Which.
        instance: Name,
        /// `None`: until it is ended.
        lasts: Option<Duration>,
    },
    /// Let it preempt again as configured.
    EndSwitchover {
        /// Comes back with the outcome.
        ask: u64,
        /// Which.
        instance: Name,
    },
    /// Resign everywhere, release everything, then say [`FromEngine::Settled`] and end.
    Stop,
    /// Announce the VIPs of this instance once more, if it holds them.
    AnnounceAgain(Name),
    /// Say with [`FromEngine::Switched`] what would come of [`Self::Switchover`] now; do nothing.
    MaySwitchOver {
        /// Comes back with the answer.
        ask: u64,
        /// Which.
        instance: Name,
    },
}

/// From the engine to control.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum FromEngine {
    /// Something happened.
    Event(Event),
    /// The answer to [`ToEngine::Status`].
    Status {
        /// The question's number.
        ask: u64,
        /// The engine's clock.
        at: Instant,
        /// All instances.
        status: Box<RouterStatus>,
        /// All BFD sessions.
        sessions: Vec<bfd::SessionStatus>,
        /// What the engine itself has counted.
        counts: BTreeMap<String, u64>,
    },
    /// What came of a switch-over: who follows, for each instance; or why it was not begun.
    Switched {
        /// The order's number.
        ask: u64,
        /// Its outcome.
        outcome: Result<Vec<(Name, IpAddr)>, String>,
    },
    /// The stop is complete.
    Settled {
        /// Whether every VIP is off this node.
        clean: bool,
    },
}

// ---- control and runner -------------------------------------------------------------------------

/// A script as configured, its account already looked up.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) struct Script {
    /// Program and first arguments.
    pub(crate) argv: Vec<String>,
    /// As whom; `None`: as root.
    pub(crate) account: Option<Account>,
    /// Whether a path that others than root may change is refused (`enable_script_security`).
    pub(crate) secure: bool,
}

/// A user, a group and the supplementary groups.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
}

/// From control to the runner.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum ToRunner {
    /// Scripts that may be run from now on; those of the list before stay allowed, since what they
    /// are run for may still be on its way.
    Allow(Vec<Script>),
    /// Run a script when those before it in its queue have ended.
    Run {
        /// Comes back with the result.
        job: u64,
        /// Scripts of one queue run one after the other.
        queue: Name,
        /// Which, as it was allowed.
        script: Script,
        /// Arguments to be added.
        more: Vec<String>,
    },
    /// Watch these and no others; a script that is not on the list is never run.
    Watch(Watch),
    /// Write the first value into these files.
    Write(Vec<WatchedFile>),
    /// Keep these pipes open and no others.
    Pipes(Vec<Pipe>),
    /// Tell every pipe.
    Say(String),
    /// The same as [`ToRunner::Run`], for so long at most.
    RunFor {
        /// Comes back with the result.
        job: u64,
        /// Scripts of one queue run one after the other.
        queue: Name,
        /// Which, as it was allowed.
        script: Script,
        /// For how long.
        limit: Duration,
    },
    /// Deliver a mail.
    Post {
        /// Comes back with what became of it.
        job: u64,
        /// How.
        office: PostOffice,
        /// Which.
        letter: Letter,
    },
    /// Say which scripts run and how many processes.
    Stand {
        /// Comes back with the answer.
        ask: u64,
    },
}

/// From the runner to control.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum FromRunner {
    /// A script has ended.
    Done {
        /// Which.
        job: u64,
        /// How.
        result: ScriptResult,
        /// How long it ran.
        took: Duration,
    },
    /// A tracker says this now.
    Verdict {
        /// Which.
        tracker: Tracker,
        /// What.
        verdict: Verdict,
        /// The run that showed it, if it is a script: its command line, how it ended, how long it
        /// took.
        run: Option<(String, ScriptResult, Duration)>,
    },
    /// Something that people should know.
    Notice(String),
    /// All pipes are closed, and nobody reads any more.
    PipesClosed,
    /// An attempt to deliver a mail is over.
    Posted {
        /// Which.
        job: u64,
        /// What became of it.
        delivery: Delivery,
    },
    /// The answer to [`ToRunner::Stand`].
    Standing {
        /// The question's number.
        ask: u64,
        /// What is known.
        standing: compat::Standing,
    },
}

// ---- engine and keeper --------------------------------------------------------------------------

/// From the protocol thread to the keeper thread.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum ToKeeper {
    /// Have the kernel do this.
    Batch(Batch),
    /// Be scheduled like this from now on.
    Schedule(Scheduling),
    /// And this, with an interface.
    Device(DeviceAsk),
    /// Have it do this with routes and rules.
    Ways(WayBatch),
    /// Have exactly these VIPs take no traffic.
    Filter(Filter),
}

/// From the keeper thread to the protocol thread.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum FromKeeper {
    /// The kernel said so.
    Fact(KernelFact),
    /// A batch is through.
    Done(BatchDone),
    /// An operation on an interface is through.
    DeviceDone(DeviceDone),
    /// A batch of routes and rules is through.
    WaysDone(BatchDone),
    /// The filter was made, or refused.
    Filtered(Option<Errno>),
    /// A route or rule of those that were added may have gone.
    WayGone(WayTrace),
    /// The kernel told more than there was room for; a snapshot follows.
    Overrun,
    /// The answer to [`ToKeeper::Schedule`], if not all of it could be done.
    Unscheduled(Vec<String>),
}

#[cfg(test)]
pub(crate) mod tests;
