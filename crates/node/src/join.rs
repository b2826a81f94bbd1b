//! How a node comes to live: as the first of a cluster, or invited into one.
//!
//! Both end with a home that is whole ([`home`](crate::home)), and neither needs a process of mainstay to
//! run on the new node. Who joins writes down its key before it calls: should the answer be lost, the
//! same command is let in again.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use base::Name;
use cluster::Role;
use raft::{Peer, Token, Welcome};

use crate::home::{self, EngineKind, Founding, Home, HomeError, Identity};

/// Where nodes listen for each other unless told otherwise.
pub const PORT: u16 = 5419;
/// The shortest and longest quorum lease.
const LEASES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(60)];

/// The document of a new cluster.
pub const DOCUMENT: &str = "<cib validate-with=\"pacemaker-3.9\" crm_feature_set=\"3.19.0\" \
     admin_epoch=\"0\" epoch=\"1\" num_updates=\"0\"><configuration><crm_config>\
     <cluster_property_set id=\"cib-bootstrap-options\">\
     <nvpair id=\"cib-bootstrap-options-cluster-infrastructure\" name=\"cluster-infrastructure\" \
     value=\"mainstay\"/></cluster_property_set></crm_config><nodes/><resources/><constraints/>\
     </configuration><status/></cib>";

/// Why a node does not come to live.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// Its home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Who invited it.
    #[error(transparent)]
    Join(#[from] raft::JoinError),
    /// What it was given as a token.
    #[error(transparent)]
    Token(#[from] raft::join::TokenError),
    /// What was asked for.
    #[error("{0}")]
    Asked(String),
}

fn named(name: &str) -> Result<Name, BeginError> {
    let good = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
    if name.is_empty() || name.len() > 63 || !name.chars().all(good) {
        return Err(BeginError::Asked(format!(
            "`{name}` is no name for a node: use 1 to 63 letters, digits, `-`, `_` and `.`, and \
             --name if the host's name is another"
        )));
    }
    Ok(Name::from(name))
}

fn reachable(address: SocketAddr) -> Result<SocketAddr, BeginError> {
    let ip = address.ip();
    let multicast = ip.is_multicast() || ip == IpAddr::from([255; 4]);
    if ip.is_unspecified() || multicast || address.port() == 0 {
        return Err(BeginError::Asked(format!(
            "{address} is not where other nodes could reach this one: name an address of its own"
        )));
    }
    Ok(address)
}

fn leased(lease: Duration) -> Result<Duration, BeginError> {
    if lease < LEASES[0] || lease > LEASES[1] {
        return Err(BeginError::Asked(format!(
            "a quorum lease of {lease:?} cannot be had: {:?} to {:?}",
            LEASES[0], LEASES[1]
        )));
    }
    Ok(lease)
}

/// Makes the home of the first node of a new cluster.
///
/// # Errors
/// When somebody lives there, or something that was asked for cannot be.
pub fn init(
    dir: &Path,
    name: &str,
    address: SocketAddr,
    lease: Duration,
) -> Result<Home, BeginError> {
    let (name, address, lease) = (named(name)?, reachable(address)?, leased(lease)?);
    let key = home::draft(dir)?;
    let own = Peer { name: name.clone(), address, key: key.print(), role: Role::Voter };
    let founding = Founding { document: DOCUMENT.into(), lease };
    let (role, engine) = (Role::Voter, EngineKind::Raft);
    let identity = Identity { name, address, role, peers: vec![own], founding, engine };
    Ok(home::make(dir, key, identity)?)
}

/// Makes the home of a node of a cluster that runs on Corosync: each node's is made by itself, since who
/// belongs is written in corosync.conf. All have to be given the same lease.
///
/// # Errors
/// When somebody lives there, or something that was asked for cannot be.
pub fn init_corosync(dir: &Path, name: &str, lease: Duration) -> Result<Home, BeginError> {
    let (name, lease) = (named(name)?, leased(lease)?);
    let key = home::draft(dir)?;
    let founding = Founding { document: DOCUMENT.into(), lease };
    // Nobody is called at one: Corosync carries what is said.
    let address = SocketAddr::from(([0; 4], 0));
    let (role, peers, engine) = (Role::Voter, Vec::new(), EngineKind::Corosync);
    let identity = Identity { name, address, role, peers, founding, engine };
    Ok(home::make(dir, key, identity)?)
}

/// Has this node let in by the invitation of a token, and makes its home.
///
/// # Errors
/// When it is not let in, or somebody lives there.
pub fn join(dir: &Path, name: &str, address: SocketAddr, token: &str) -> Result<Home, BeginError> {
    let token: Token = token.parse()?;
    let (name, address) = (named(name)?, reachable(address)?);
    let key = home::draft(dir)?;
    // Which role it is the invitation says.
    let peer = Peer { name: name.clone(), address, key: key.print(), role: Role::Learner };
    let Welcome { role, peers, dowry } = raft::join::knock(&token, &key, &peer)?;
    let founding: Founding = serde_json::from_slice(&dowry).map_err(|error| {
        BeginError::Asked(format!(
            "{} runs a version of mainstay that tells other things of its cluster: {error}",
            token.address
        ))
    })?;
    let engine = EngineKind::Raft;
    Ok(home::make(dir, key, Identity { name, address, role, peers, founding, engine })?)
}
