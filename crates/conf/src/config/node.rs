//! What concerns the node rather than one of its instances: mail, FIFOs, scripts around the daemon,
//! how its processes run, what it listens to, what it writes.

use core::time::Duration;

use base::Name;
use serde::Serialize;

use super::{Command, RunAs};
use crate::Place;

/// Everything about the node that is in no instance, group or tracker.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Node {
    /// Mail at transitions.
    pub mail: Mail,
    /// FIFOs that are told of transitions.
    pub fifos: Fifos,
    /// Scripts around the whole daemon.
    pub hooks: Hooks,
    /// Namespaces, names and how long to wait.
    pub run: Run,
    /// How the VRRP process is scheduled.
    pub vrrp: Scheduling,
    /// How the BFD process is scheduled.
    pub bfd: Scheduling,
    /// Buffers of sockets.
    pub buffers: Buffers,
    /// Filters for VIPs that accept no traffic.
    pub firewall: Firewall,
    /// AgentX.
    pub snmp: Snmp,
    /// The bus facade.
    pub dbus: Dbus,
    /// Reloads by the clock.
    pub reload: Reload,
    /// What is written where.
    pub files: FilePlaces,
    /// Interfaces that are watched in special ways.
    pub links: LinkRules,
    /// How generated interfaces are called (`vmac_prefix`, `vmac_addr_prefix`).
    pub vmac_prefix: Name,
    /// The same for VIPs on other interfaces.
    pub vmac_addr_prefix: Name,
    /// Where scripts may come from a path with links: run by the path as written.
    pub use_symlink_paths: bool,
    /// Scripts get all groups of their user, not only one.
    pub supplementary_groups: bool,
    /// Log adverts for VRIDs nobody here knows (`log_unknown_vrids`).
    pub log_unknown_vrids: bool,
    /// How long after boot no instance takes part (`vrrp_delay_after_boot`).
    pub delay_after_boot: Duration,
    /// Switch the kernel's own reports for link-local groups off (`disable_local_igmp`).
    pub disable_local_igmp: bool,
    /// Tell FIFOs of every instance's priority (`vrrp_notify_priority_changes`).
    pub notify_priority_changes: bool,
}

/// Who gets mail about transitions, and how.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Mail {
    /// Recipients, as written: `a@b` or `Name <a@b>`.
    pub to: Vec<String>,
    /// Sender; `None`: `keepalived@` and the host's name.
    pub from: Option<String>,
    /// The server, and where to find it; `None`: no mail.
    pub server: Option<MailServer>,
    /// How long to wait for it (`smtp_connect_timeout`).
    pub timeout: Duration,
    /// How to greet it; `None`: the host's name.
    pub greeting: Option<String>,
    /// Keep silent about faults (`no_email_faults`).
    pub no_faults: bool,
    /// `smtp_alert`, `smtp_alert_vrrp` and `smtp_alert_checker`, where they are given; what becomes of
    /// them stands with each instance and group.
    #[serde(skip)]
    pub alerts: [Option<bool>; 3],
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            to: Vec::new(),
            from: None,
            server: None,
            timeout: Duration::from_secs(30),
            greeting: None,
            no_faults: false,
            alerts: [None; 3],
        }
    }
}

/// A mail server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MailServer {
    /// Address or name.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// FIFOs.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Fifos {
    /// Told of everything.
    pub all: Option<Fifo>,
    /// Told of VRRP.
    pub vrrp: Option<Fifo>,
    /// Tell them all states again after a reload (`fifo_write_vrrp_states_on_reload`).
    pub states_on_reload: bool,
}

/// A FIFO, and the script that reads it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Fifo {
    /// Its path; `None` when only a script is given.
    pub path: Option<String>,
    /// Whose it is.
    pub owner: Option<RunAs>,
    /// Started with the path as its last argument.
    pub script: Option<Command>,
}

/// Scripts around the whole daemon.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Hooks {
    /// Before everything.
    pub startup: Option<Command>,
    /// How long it may take.
    pub startup_timeout: Duration,
    /// After everything.
    pub shutdown: Option<Command>,
    /// How long it may take.
    pub shutdown_timeout: Duration,
}

impl Default for Hooks {
    fn default() -> Self {
        let ten = Duration::from_secs(10);
        Self { startup: None, startup_timeout: ten, shutdown: None, shutdown_timeout: ten }
    }
}

/// Where and under which names the daemon runs.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Run {
    /// The network namespace to enter.
    pub namespace: Option<Name>,
    /// Tells daemons on one node apart.
    pub instance: Option<Name>,
    /// Pid files go into `/run/keepalived/`; always so with a namespace or an instance name.
    pub pid_directory: bool,
    /// How long to wait for processes at a stop.
    pub wait_for_children: Duration,
    /// Names of the processes; `None`: as always.
    pub process_name: Option<Name>,
    /// Of the VRRP process.
    pub vrrp_process_name: Option<Name>,
    /// Of the BFD process.
    pub bfd_process_name: Option<Name>,
    /// Each process named after its task (`process_names`).
    pub process_names: bool,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            namespace: None,
            instance: None,
            pid_directory: false,
            wait_for_children: Duration::from_secs(5),
            process_name: None,
            vrrp_process_name: None,
            bfd_process_name: None,
            process_names: false,
        }
    }
}

/// How a process is scheduled.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Scheduling {
    /// Nice value, `-20..=19`.
    pub nice: i8,
    /// Real-time priority, `1..=99`.
    pub real_time: Option<u8>,
    /// Processor time it may take at once, once real-time.
    pub run_limit: Duration,
    /// Keep it in memory.
    pub locked: bool,
    /// Processors it may use; empty: all.
    pub processors: Vec<u32>,
}

impl Default for Scheduling {
    fn default() -> Self {
        Self {
            nice: 0,
            real_time: None,
            run_limit: Duration::from_millis(10),
            locked: false,
            processors: Vec::new(),
        }
    }
}

/// Buffers of sockets, in octets; `None`: as the kernel has them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Buffers {
    /// The socket routing commands are sent on.
    pub netlink_commands: Option<BufferSize>,
    /// The socket routing news come in on.
    pub netlink_news: Option<BufferSize>,
    /// The socket process news come in on.
    pub processes: Option<BufferSize>,
    /// How the sockets for adverts are sized.
    pub adverts: AdvertBuffers,
}

/// One buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct BufferSize {
    /// Octets.
    pub octets: u32,
    /// May exceed the system's limit.
    pub force: bool,
}

/// How the sockets for adverts are sized.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct AdvertBuffers {
    /// By what.
    pub policy: BufferPolicy,
    /// How many of it (`vrrp_rx_bufs_multiplier`).
    pub times: u32,
}

impl Default for AdvertBuffers {
    fn default() -> Self {
        Self { policy: BufferPolicy::Kernel, times: 3 }
    }
}

/// By what buffers for adverts are sized (`vrrp_rx_bufs_policy`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum BufferPolicy {
    /// As the kernel has it.
    Kernel,
    /// By the interface's MTU.
    Mtu,
    /// By the length of an advert.
    Advert,
    /// This many octets.
    Octets(u32),
}

/// The filter for instances that accept no traffic to their VIPs.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Firewall {
    /// The nftables table.
    pub table: Name,
    /// The priority of its chains.
    pub priority: i32,
    /// Count what rules match.
    pub counters: bool,
    /// Use interface numbers in sets.
    pub interface_numbers: bool,
    /// The chains for iptables, when those were asked for; they are not used.
    pub iptables: Option<Vec<String>>,
    /// The sets for iptables; they are not used.
    pub ipsets: Option<Vec<String>>,
}

impl Default for Firewall {
    fn default() -> Self {
        Self {
            table: Name::from("keepalived"),
            priority: -1,
            counters: false,
            interface_numbers: false,
            iptables: None,
            ipsets: None,
        }
    }
}

/// What SNMP questions are answered.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Snmp {
    /// By keepalived's own MIB.
    pub vrrp: bool,
    /// By RFC 2787.
    pub rfc_v2: bool,
    /// By RFC 6527.
    pub rfc_v3: bool,
    /// Send traps.
    pub traps: bool,
    /// Where the master agent listens.
    pub socket: String,
}

impl Default for Snmp {
    fn default() -> Self {
        Self {
            vrrp: false,
            rfc_v2: false,
            rfc_v3: false,
            traps: false,
            socket: "unix:/var/agentx/master".to_owned(),
        }
    }
}

/// The bus facade.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Dbus {
    /// Whether there is one.
    pub enabled: bool,
    /// The name on the bus.
    pub service: String,
    /// What stands for a missing interface in paths.
    pub no_interface: String,
}

impl Default for Dbus {
    fn default() -> Self {
        Self {
            enabled: false,
            service: "org.keepalived.Vrrp1".to_owned(),
            no_interface: "none".to_owned(),
        }
    }
}

/// Reloads by the clock, and who is told of them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Reload {
    /// A file that says when.
    pub time_file: Option<String>,
    /// Do not remove it afterwards.
    pub repeat: bool,
    /// A file that is there while the configuration is read; an empty path: in the pid directory.
    pub marker: Option<String>,
}

/// What is written where; `None`: as keepalived does.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct FilePlaces {
    /// Where state is dumped.
    pub state: Option<String>,
    /// Where counters are dumped.
    pub stats: Option<String>,
    /// Where both are dumped as JSON.
    pub json: Option<String>,
    /// The form of that JSON: 1 or 2.
    pub json_version: u8,
    /// Put the instance's name into those names.
    pub use_instance_name: bool,
    /// Rights that new files do not get.
    pub umask: Option<u32>,
    /// Where configurations are kept at reloads.
    pub saved: Option<String>,
    /// Where a copy of the configuration is kept while it is read.
    pub temporary: Option<String>,
    /// Where names of tables, scopes and protocols are found.
    pub iproute: Vec<String>,
}

/// Interfaces that are watched in special ways.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct LinkRules {
    /// How long an interface must be down or up to count.
    pub delays: Vec<LinkDelay>,
    /// Poll the carrier of all of them.
    pub poll_all: bool,
    /// Poll the carrier of these.
    pub polled: Vec<PolledLink>,
    /// Pacing of announcements.
    pub pacing: Vec<Pacing>,
    /// Interfaces of addresses that name none (`default_interface`).
    pub default: Option<Name>,
}

/// How long an interface must be down or up to count.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LinkDelay {
    /// Which.
    pub interface: Name,
    /// Down.
    pub down: Duration,
    /// Up.
    pub up: Duration,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// An interface whose carrier is asked for again and again.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PolledLink {
    /// Which.
    pub interface: Name,
    /// `MII`, `ETHTOOL` or `IOCTL`; `None`: whichever works.
    pub by: Option<&'static str>,
}

/// How fast announcements may follow each other on some interfaces together.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Pacing {
    /// Which; the limits are for all of them together.
    pub interfaces: Vec<Name>,
    /// Between two gratuitous ARPs.
    pub arp_gap: Option<Duration>,
    /// Between two neighbour advertisements.
    pub na_gap: Option<Duration>,
}
