//! What people type about clusters.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::cluster::DEFAULT_SOCKET;

/// Where a node lives unless told otherwise.
const HOME: &str = "/var/lib/mainstay/cluster";

/// `mainstay cluster`
#[derive(Args, Debug, Clone)]
pub struct ClusterArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ClusterCommand,
}

/// The subcommands of `mainstay cluster`.
#[derive(Subcommand, Debug, Clone)]
pub enum ClusterCommand {
    /// Begin a cluster whose first node this one is
    Init(InitArgs),
    /// Make an invitation, and print the token by which another node joins, once
    Invite(InviteArgs),
    /// Enter the cluster that a token was made in
    Join(JoinArgs),
    /// Take part: run this node, in the foreground
    Run(ClusterRunArgs),
    /// Stop what runs on this node in good order, and leave the cluster for good
    Leave(ClusterAskArgs),
    /// Have another node removed that will not come back
    Remove(RemoveArgs),
    /// Show who belongs to the cluster, who leads, and whether there is quorum
    Status(ClusterStatusArgs),
    /// Lay out Pacemaker's tools (crm_mon, crm_resource, ...) as links to this binary
    Tools(ToolsArgs),
}

/// Where a node is.
#[derive(Args, Debug, Clone)]
pub struct PlaceArgs {
    /// What this node is called; without it, as the host
    #[arg(long)]
    pub name: Option<String>,
    /// The directory this node lives in
    #[arg(long, default_value = HOME, value_name = "DIR")]
    pub home: PathBuf,
}

/// `mainstay cluster init`
#[derive(Args, Debug, Clone)]
pub struct InitArgs {
    /// The address by which the other nodes reach this one, with its port if that is not 5419; not
    /// needed with Corosync
    #[arg(
        long,
        value_name = "ADDRESS[:PORT]",
        value_parser = endpoint,
        required_unless_present = "engine"
    )]
    pub address: Option<SocketAddr>,
    /// Where this node is.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// What orders the cluster's changes: mainstay itself, or the Corosync that runs on this node;
    /// with that, begin each node of its list so, and none joins by a token
    #[arg(long, value_enum)]
    pub engine: Option<EngineWord>,
    /// Milliseconds for which a node may hold without hearing from the leader; all other times
    /// follow from it. The same on all nodes, for good
    #[arg(long, default_value = "600", value_name = "MILLISECONDS", value_parser = millis)]
    pub lease: Duration,
}

/// What orders a cluster's changes.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum EngineWord {
    /// The embedded engine
    Raft,
    /// The site's Corosync; only in a mainstay that was built with it
    Corosync,
}

/// `mainstay cluster join`
#[derive(Args, Debug, Clone)]
pub struct JoinArgs {
    /// What `mainstay cluster invite` printed on a node of the cluster; `-`: the first line of
    /// standard input, so that it is in nobody's list of processes
    pub token: String,
    /// The address by which the other nodes reach this one, with its port if that is not 5419
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = endpoint)]
    pub address: SocketAddr,
    /// Where this node is.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// What a node is to its cluster.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoleWord {
    /// Votes, and runs resources
    Voter,
    /// Follows, and runs resources
    Learner,
    /// Votes, and runs none
    Witness,
}

impl RoleWord {
    /// The word over the socket.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Voter => "voter",
            Self::Learner => "learner",
            Self::Witness => "witness",
        }
    }
}

/// `mainstay cluster invite`
#[derive(Args, Debug, Clone)]
pub struct InviteArgs {
    /// What the new node is to be
    #[arg(long, value_enum, default_value_t = RoleWord::Voter)]
    pub role: RoleWord,
    /// For so many seconds the token may be used
    #[arg(long = "for", default_value_t = 3600, value_name = "SECONDS")]
    pub lifetime: u64,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: ClusterAskArgs,
}

/// `mainstay cluster run`
#[derive(Args, Debug, Clone)]
pub struct ClusterRunArgs {
    /// The directory this node lives in
    #[arg(long, default_value = HOME, value_name = "DIR")]
    pub home: PathBuf,
    /// Where to listen for questions
    #[arg(long, default_value = DEFAULT_SOCKET)]
    pub control: PathBuf,
    /// A directory with fence agents, in which they are looked for before `/usr/sbin`
    #[arg(long, value_name = "DIR")]
    pub fence_agents: Vec<PathBuf>,
    /// A watchdog device (`/dev/watchdog`): it resets this machine when mainstay hangs or is killed, or
    /// holds something it may not
    #[arg(long, value_name = "DEVICE")]
    pub watchdog: Option<PathBuf>,
    /// How long the watchdog waits, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(3..=60))]
    pub watchdog_timeout: u64,
}

/// Whom to ask.
#[derive(Args, Debug, Clone)]
pub struct ClusterAskArgs {
    /// The cluster node's control socket
    #[arg(long, default_value = DEFAULT_SOCKET)]
    pub control: PathBuf,
}

/// `mainstay cluster remove`
#[derive(Args, Debug, Clone)]
pub struct RemoveArgs {
    /// Which
    pub node: String,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: ClusterAskArgs,
}

/// `mainstay cluster status`
#[derive(Args, Debug, Clone)]
pub struct ClusterStatusArgs {
    /// Whom to ask.
    #[command(flatten)]
    pub ask: ClusterAskArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mainstay resource`
#[derive(Args, Debug, Clone)]
pub struct ResourceArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ResourceCommand,
}

/// The subcommands of `mainstay resource`.
#[derive(Subcommand, Debug, Clone)]
pub enum ResourceCommand {
    /// List the resources
    List(ClusterAskArgs),
    /// Show where a resource is, why, and how it is configured
    Show(ResourceAskArgs),
    /// Have a resource run, as far as anything else lets it
    Start(ResourceAskArgs),
    /// Have a resource not run, until `start`
    Stop(ResourceAskArgs),
    /// Have a resource run elsewhere, until `clear`
    Move(MoveArgs),
    /// Have a resource not run on a node, until `clear`
    Ban(BanArgs),
    /// End what `move` and `ban` have asked for
    Clear(ClearArgs),
    /// Forget failures, and look again
    Cleanup(CleanupArgs),
}

/// Which resource, and whom to ask.
#[derive(Args, Debug, Clone)]
pub struct ResourceAskArgs {
    /// Which
    pub resource: String,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: ClusterAskArgs,
}

/// `mainstay resource move`
#[derive(Args, Debug, Clone)]
pub struct MoveArgs {
    /// Which
    pub resource: String,
    /// Where to; without it, away from where it is
    pub node: Option<String>,
    /// For how long, such as PT5M or P1D
    #[arg(long = "for", value_name = "SPAN")]
    pub lasts: Option<String>,
    /// Only where it is promoted
    #[arg(long)]
    pub promoted: bool,
    /// And have it not run where it is
    #[arg(long)]
    pub force: bool,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: ClusterAskArgs,
}

/// `mainstay resource ban`
#[derive(Args, Debug, Clone)]
pub struct BanArgs {
    /// Which
    pub resource: String,
    /// Where not; without it, where it is
    pub node: Option<String>,
    /// For how long, such as PT5M or P1D
    #[arg(long = "for", value_name = "SPAN")]
    pub lasts: Option<String>,
    /// Only not promoted there
    #[arg(long)]
    pub promoted: bool,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: ClusterAskArgs,
}

/// `mainstay resource clear`
#[derive(Args, Debug, Clone)]
pub struct ClearArgs {
    /// Which
    pub resource: String,
    /// Only what is about this node
    pub node: Option<String>,
    /// Only what does not hold any more
    #[arg(long)]
    pub expired: bool,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: ClusterAskArgs,
}

/// `mainstay resource cleanup`
#[derive(Args, Debug, Clone)]
pub struct CleanupArgs {
    /// Which; without it, all
    pub resource: Option<String>,
    /// Only on this node
    #[arg(long)]
    pub node: Option<String>,
    /// Also what has not failed
    #[arg(long)]
    pub all: bool,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: ClusterAskArgs,
}

/// `mainstay cluster tools`
#[derive(Args, Debug, Clone)]
pub struct ToolsArgs {
    /// Where
    pub directory: PathBuf,
}

/// `mainstay node`
#[derive(Args, Debug, Clone)]
pub struct NodeArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: NodeCommand,
}

/// The subcommands of `mainstay node`.
#[derive(Subcommand, Debug, Clone)]
pub enum NodeCommand {
    /// Have a node hold nothing, until `online`
    Standby(NodeAskArgs),
    /// Let a node hold resources again after `standby`
    Online(NodeAskArgs),
    /// Leave alone what a node runs, and start nothing there
    Maintenance(MaintenanceArgs),
}

/// Which node, and whom to ask.
#[derive(Args, Debug, Clone)]
pub struct NodeAskArgs {
    /// Which
    pub node: String,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: ClusterAskArgs,
}

/// `mainstay node maintenance`
#[derive(Args, Debug, Clone)]
pub struct MaintenanceArgs {
    /// Which
    pub node: String,
    /// Look after it again
    #[arg(long)]
    pub off: bool,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: ClusterAskArgs,
}

/// An address, with a port or the usual one.
fn endpoint(text: &str) -> Result<SocketAddr, String> {
    let bare = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 5419));
    bare.or_else(|_| text.parse()).map_err(|_| {
        format!("`{text}` is no address such as 10.0.0.1, 10.0.0.1:5419 or [fd00::1]:5419")
    })
}

fn millis(text: &str) -> Result<Duration, String> {
    let bad = |_| format!("`{text}` is no number of milliseconds");
    text.parse().map(Duration::from_millis).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_or_the_usual_one() {
        let usual = [("10.0.0.1", "10.0.0.1:5419"), ("fd00::1", "[fd00::1]:5419")];
        let named = [("10.0.0.1:7", "10.0.0.1:7"), ("[fd00::1]:7", "[fd00::1]:7")];
        for (text, want) in usual.into_iter().chain(named) {
            assert_eq!(endpoint(text), Ok(want.parse().unwrap()), "{text}");
        }
        assert!(endpoint("n1").is_err() && endpoint("10.0.0").is_err());
    }
}
