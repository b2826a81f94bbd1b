//! What people type.

mod cluster;

use std::path::PathBuf;

use base::Centis;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

pub use cluster::{
    BanArgs, CleanupArgs, ClearArgs, ClusterArgs, ClusterAskArgs, ClusterCommand, ClusterRunArgs,
    ClusterStatusArgs, EngineWord, InitArgs, InviteArgs, JoinArgs, MaintenanceArgs, MoveArgs,
    NodeArgs, NodeAskArgs, NodeCommand, PlaceArgs, RemoveArgs, ResourceArgs, ResourceAskArgs,
    ResourceCommand, RoleWord, ToolsArgs,
};

use crate::protocol::DEFAULT_SOCKET;

/// keeps virtual IPs served, whatever breaks
#[derive(Parser, Debug)]
#[command(name = "mainstay", version, about, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Take part in the virtual routers of a configuration file, in the foreground
    Run(RunArgs),
    /// Say whether a configuration file can be run, and everything that is wrong with it or will
    /// surprise; with several files, whether they make one cluster
    Check(CheckArgs),
    /// Say what a keyword of the configuration, or the code of a finding, means
    Explain(ExplainArgs),
    /// Show what a configuration comes to
    Config(ConfigArgs),
    /// Show what this node holds and why
    Status(AskArgs),
    /// Show what happened, each event with its reason and causes
    Events(EventsArgs),
    /// Print the status as metrics for Prometheus
    Metrics(MetricsArgs),
    /// Follow the causes of an instance's present state back to where they began
    Why(WhyArgs),
    /// Hand an instance over to the node that is readiest to follow, and do not take it back for a
    /// while
    Switchover(SwitchoverArgs),
    /// Read the configuration again, as SIGHUP does; a file with errors changes nothing
    Reload(ReloadArgs),
    /// Have another version of mainstay take over from the running one, without a gap
    Upgrade(UpgradeArgs),
    /// Build three hosts, a switch and a client on this machine, break the master, and show that
    /// the client kept being served
    Demo(DemoArgs),
    /// Show what the cluster would do about a CIB, and why; nothing is done
    Simulate(Box<SimulateArgs>),
    /// Look at and change the cluster's document (CIB), or look at, compare, check and change one in a
    /// file
    Cib(CibArgs),
    /// Begin, enter, leave and look at a cluster of nodes that agree by quorum
    Cluster(ClusterArgs),
    /// Take a node of the cluster out of service, and put it back
    Node(NodeArgs),
    /// Move, ban, stop or look at what a cluster runs
    Resource(ResourceArgs),
}

/// `mainstay run`
#[derive(Args, Debug, Clone)]
pub struct RunArgs {
    /// The configuration, in keepalived's language
    #[arg(short = 'f', long = "file", default_value = "/etc/keepalived/keepalived.conf")]
    pub file: PathBuf,
    /// Where to listen for `mainstay status` and its like
    #[arg(long, default_value = DEFAULT_SOCKET)]
    pub control: PathBuf,
    /// Write the process id here, and refuse to start while another daemon holds it
    #[arg(long)]
    pub pid_file: Option<PathBuf>,
    /// How to read it.
    #[command(flatten)]
    pub read: ReadArgs,
    /// How to write events to standard error
    #[arg(long, alias = "log-format", value_enum, default_value_t = LogFormat::Text)]
    pub log: LogFormat,
}

/// How the daemon writes its log.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LogFormat {
    /// One line for people
    Text,
    /// One JSON object a line
    Json,
    /// To the system log, as `daemon.info`
    Syslog,
    /// Nothing; the control socket still tells
    None,
    /// In the lines that keepalived writes, for whoever looks for those
    Keepalived,
    /// The same to the system log, as `Keepalived_vrrp`
    KeepalivedSyslog,
}

/// `mainstay check`
#[derive(Args, Debug, Clone)]
pub struct CheckArgs {
    /// The file to check; several: those of the nodes of one cluster
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Look at this machine too: interfaces, sysctls, who else manages addresses
    #[arg(long)]
    pub host: bool,
    /// How to read it.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// `mainstay explain`
#[derive(Args, Debug, Clone)]
pub struct ExplainArgs {
    /// A keyword such as `nopreempt`, or a code such as `C012`
    pub word: String,
}

/// `mainstay config`
#[derive(Args, Debug, Clone)]
pub struct ConfigArgs {
    /// What to show.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// The subcommands of `mainstay config`.
#[derive(Subcommand, Debug, Clone)]
pub enum ConfigCommand {
    /// The configuration with everything included, replaced and repeated; with --effective, what it
    /// means, defaults included, as JSON
    Show(ShowArgs),
}

/// `mainstay config show`
#[derive(Args, Debug, Clone)]
pub struct ShowArgs {
    /// The file
    #[arg(default_value = "/etc/keepalived/keepalived.conf")]
    pub file: PathBuf,
    /// What it means instead of what it says
    #[arg(long)]
    pub effective: bool,
    /// How to read it.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// How a configuration is to be read.
#[derive(Args, Debug, Clone, Default)]
pub struct ReadArgs {
    /// Treat what keepalived would shrug at as warnings
    #[arg(long)]
    pub lenient: bool,
    /// Go on without what belongs to IPVS
    #[arg(long)]
    pub skip_ipvs: bool,
    /// What lines beginning with `@` are compared with, instead of the host's name
    #[arg(short = 'i', long, value_name = "ID")]
    pub config_id: Option<String>,
}

/// `mainstay switchover`
#[derive(Args, Debug, Clone)]
pub struct SwitchoverArgs {
    /// The instance; its sync group goes with it
    pub instance: String,
    /// The daemon's control socket
    #[arg(long, default_value = DEFAULT_SOCKET)]
    pub control: PathBuf,
    /// For so many seconds this node does not preempt; without it, until `--end`
    #[arg(long = "for", value_name = "SECONDS")]
    pub lasts: Option<u64>,
    /// Let this node preempt again as configured
    #[arg(long, conflicts_with = "lasts")]
    pub end: bool,
}

/// `mainstay reload`
#[derive(Args, Debug, Clone)]
pub struct ReloadArgs {
    /// The daemon's control socket
    #[arg(long, default_value = DEFAULT_SOCKET)]
    pub control: PathBuf,
}

/// `mainstay upgrade`
#[derive(Args, Debug, Clone)]
pub struct UpgradeArgs {
    /// The daemon's control socket
    #[arg(long, default_value = DEFAULT_SOCKET)]
    pub control: PathBuf,
    /// The program that is to take over; without it, the file the daemon was started from, as it is
    /// now
    #[arg(long)]
    pub binary: Option<PathBuf>,
}

/// `mainstay simulate`
#[derive(Args, Debug, Clone, Default)]
pub struct SimulateArgs {
    /// The CIB; standard input if none is given
    #[arg(short = 'i', long = "in", value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Write the transition graph as XML here
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
    /// Write the transition for dot(1) here
    #[arg(long, value_name = "FILE")]
    pub dot: Option<PathBuf>,
    /// Write the CIB as it would be afterwards here
    #[arg(long, value_name = "FILE")]
    pub save_output: Option<PathBuf>,
    /// Show the placement scores
    #[arg(long)]
    pub scores: bool,
    /// Show the state before, what happens, and the state afterwards
    #[arg(long)]
    pub summary: bool,
    /// The time to plan for, as in `2026-11-25 19:00`
    #[arg(short = 't', long, value_name = "TIME")]
    pub time: Option<String>,
    /// Say that there is, or is not, quorum
    #[arg(long, value_name = "yes|no")]
    pub quorum: Option<String>,
    /// A node that joins
    #[arg(long, value_name = "NODE")]
    pub node_up: Vec<String>,
    /// A node that leaves in good order
    #[arg(long, value_name = "NODE")]
    pub node_down: Vec<String>,
    /// A node that is lost
    #[arg(long, value_name = "NODE")]
    pub node_fail: Vec<String>,
    /// A result: RESOURCE_TASK_INTERVAL@NODE=RC
    #[arg(long, value_name = "RESULT")]
    pub op: Vec<String>,
    /// A ticket that is granted
    #[arg(long, value_name = "TICKET")]
    pub ticket_grant: Vec<String>,
    /// A ticket that is revoked
    #[arg(long, value_name = "TICKET")]
    pub ticket_revoke: Vec<String>,
    /// Say why a resource goes where it goes, and why each action on it is in the plan
    #[arg(long, value_name = "RESOURCE", conflicts_with_all = ["summary", "scores", "matrix"])]
    pub explain: Option<String>,
    /// With --explain: only what concerns this node
    #[arg(long, value_name = "NODE", requires = "explain")]
    pub node: Option<String>,
    /// Say for each node that could fail where everything ends up
    #[arg(long, conflicts_with_all = ["summary", "scores"])]
    pub matrix: bool,
    /// With --matrix: for each pair of nodes, too
    #[arg(long, requires = "matrix")]
    pub pairs: bool,
    /// With --explain or --matrix: print JSON
    #[arg(long)]
    pub json: bool,
    /// Draw what would be done, from left to right, a lane for each resource
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Draw what is on which node, before and after
    #[arg(long, value_name = "FILE")]
    pub placement_svg: Option<PathBuf>,
}

/// Whom to ask and how to print.
#[derive(Args, Debug, Clone)]
pub struct AskArgs {
    /// The daemon's control socket
    #[arg(long, default_value = DEFAULT_SOCKET)]
    pub control: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mainstay events`
#[derive(Args, Debug, Clone)]
pub struct EventsArgs {
    /// Whom to ask and how to print.
    #[command(flatten)]
    pub ask: AskArgs,
    /// Go on as events happen
    #[arg(long)]
    pub follow: bool,
}

/// `mainstay metrics`
#[derive(Args, Debug, Clone)]
pub struct MetricsArgs {
    /// The daemon's control socket
    #[arg(long, default_value = DEFAULT_SOCKET)]
    pub control: PathBuf,
    /// Write OpenMetrics 1.0 instead of Prometheus' text format
    #[arg(long)]
    pub openmetrics: bool,
    /// Put the page into this file, whole or not at all, instead of printing it
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `mainstay why`
#[derive(Args, Debug, Clone)]
pub struct WhyArgs {
    /// Whom to ask and how to print.
    #[command(flatten)]
    pub ask: AskArgs,
    /// The instance; without it, all of them
    pub instance: Option<String>,
}

/// `mainstay demo`
#[derive(Args, Debug, Clone)]
pub struct DemoArgs {
    /// Show a cluster by quorum, with fencing, in the place of VRRP
    #[arg(long, conflicts_with_all = ["config", "nodes", "advert"])]
    pub cluster: bool,
    /// What to break; hang and one-way only with --cluster, return only without it
    #[arg(long, value_enum, default_value_t = Fault::Crash)]
    pub fault: Fault,
    /// Run these files (node1.conf, node2.conf, … or all *.conf in order) instead of the built-in
    /// ones
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=20))]
    pub nodes: u8,
    /// Seconds between adverts, 0.01 to 40.95
    #[arg(long, default_value = "1", value_parser = centis, value_name = "SECONDS")]
    pub advert: Centis,
    /// No colour, and no letters beyond ASCII
    #[arg(long)]
    pub plain: bool,
}

/// `mainstay cib`
#[derive(Args, Debug, Clone)]
pub struct CibArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: CibCommand,
}

/// The subcommands of `mainstay cib`. For files `-` is standard input.
#[derive(Subcommand, Debug, Clone)]
pub enum CibCommand {
    /// Print it, or the part of it at a place
    Query {
        /// The CIB; without it, the cluster's
        file: Option<PathBuf>,
        /// Which part.
        #[command(flatten)]
        place: Place,
        /// Whom to ask.
        #[command(flatten)]
        ask: ClusterAskArgs,
    },
    /// Put another document, section or element in its place; the version is raised
    Replace {
        /// The CIB, which is changed; the cluster's, if only one file is named
        #[arg(value_name = "FILE")]
        first: PathBuf,
        /// What to put there; it is the only file named when the cluster's CIB is meant
        #[arg(value_name = "WITH")]
        second: Option<PathBuf>,
        /// Where.
        #[command(flatten)]
        place: Place,
        /// Whom to ask.
        #[command(flatten)]
        ask: ClusterAskArgs,
    },
    /// Apply a patch that was made for exactly this version
    Patch {
        /// The CIB, which is changed; the cluster's, if only one file is named
        #[arg(value_name = "FILE")]
        first: PathBuf,
        /// The patch, as `diff` and crm_diff print it; the only file named when the cluster's CIB is
        /// meant
        #[arg(value_name = "PATCH")]
        second: Option<PathBuf>,
        /// Whom to ask.
        #[command(flatten)]
        ask: ClusterAskArgs,
    },
    /// Print the patch that leads from one CIB to another; nothing when they say the same
    Diff {
        /// The CIB it leads from
        old: PathBuf,
        /// The CIB it leads to
        new: PathBuf,
        /// Leave versions and digest out, so that it fits any version
        #[arg(long)]
        no_version: bool,
    },
    /// Hold it against the schema it names, and tell everything that is wrong with it
    Validate {
        /// The CIB
        file: PathBuf,
    },
    /// Bring it to the latest schema
    Upgrade {
        /// The CIB, which is changed
        file: PathBuf,
    },
}

/// A part of a CIB.
#[derive(Args, Debug, Clone)]
pub struct Place {
    /// A section, such as resources or status
    #[arg(long, short = 'o')]
    pub scope: Option<String>,
    /// What this XPath 1.0 expression finds
    #[arg(long, conflicts_with = "scope")]
    pub xpath: Option<String>,
}

/// What the demo breaks.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The master loses power: its processes die and its switch port goes dark
    Crash,
    /// The master's cable is pulled, and plugged in again
    Cable,
    /// The master is stopped in an orderly way
    Stop,
    /// The master comes back after a crash and takes over again
    Return,
    /// Every process of the holder stands still, while its kernel goes on
    Hang,
    /// The holder hears the others and is not heard by them
    OneWay,
    /// Each in turn
    All,
}

/// Seconds with up to two decimals.
fn centis(text: &str) -> Result<Centis, String> {
    let bad = || format!("`{text}` is not a time of 0.01 to 40.95 seconds in steps of 0.01");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 2 {
        return Err(bad());
    }
    let digits = format!("{whole}{part:0<2}");
    digits.parse().ok().and_then(Centis::new).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn seconds_become_hundredths() {
        for (text, want) in [("1", 100), ("0.2", 20), ("0.01", 1), ("40.95", 4095), (".5", 50)] {
            assert_eq!(centis(text), Ok(Centis::new(want).unwrap()), "{text}");
        }
        for bad in ["", "0", "41", "0.001", "-1", "1s", "1.2.3"] {
            assert!(centis(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn run_reads_keepalived_s_file_unless_told_otherwise() {
        let Command::Run(args) = Cli::parse_from(["mainstay", "run"]).command else { panic!() };
        assert_eq!(args.file, PathBuf::from("/etc/keepalived/keepalived.conf"));
        assert_eq!(args.log, LogFormat::Text);
    }
}
