//! What is said over the control socket of a cluster node, and how its answers read.
//!
//! Frames as in [`protocol`](crate::protocol). Questions may be sent before earlier ones are answered;
//! answers come in the order of the questions. A change is answered when it is durable at a quorum.

use std::fmt::Write as _;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use base::Name;
use serde::{Deserialize, Serialize};

use crate::protocol::{read_frame, write_frame};

/// Where a cluster node listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/mainstay/cluster.sock";

/// A change that is not committed within this is not known to be; somewhat longer than the engine's
/// own patience.
const PATIENCE: Duration = Duration::from_secs(30);

/// A question.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// How are things?
    Status,
    /// What does the document say, here or there?
    Query {
        /// A section.
        scope: Option<String>,
        /// What an XPath finds.
        xpath: Option<String>,
    },
    /// Change the document.
    Change {
        /// The version it was thought for, `admin_epoch.epoch.num_updates`.
        expect: Option<(u64, u64, u64)>,
        /// How.
        change: Change,
    },
    /// Let a node hold nothing, or everything again.
    Standby {
        /// Which.
        node: String,
        /// Or not any more.
        on: bool,
    },
    /// Leave what a node runs alone, or look after it again.
    Maintenance {
        /// Which.
        node: String,
        /// Or not any more.
        on: bool,
    },
    /// Make an invitation.
    Invite {
        /// `voter`, `learner` or `witness`.
        role: String,
        /// For how long it may be used, seconds.
        lifetime_s: u64,
    },
    /// Stop all here in good order, leave the cluster for good, and end.
    Leave,
    /// Have another node removed, that will not come back.
    Remove {
        /// Which.
        node: String,
    },
}

/// A change of the document; elements are XML text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Change {
    /// Add an element to a section.
    Create { scope: String, xml: String },
    /// Merge an element into the one of its name and id.
    Modify { scope: String, xml: String, allow_create: bool },
    /// Put an element in the place of the one of its name and id, or of the whole document.
    Replace { scope: String, xml: String },
    /// Put an element in the place of what a path finds.
    ReplaceAt { path: String, xml: String },
    /// Take an element away.
    Delete { scope: String, xml: String },
    /// Take away what a path finds: the first, or all.
    DeleteAt { path: String, all: bool },
    /// Apply a patch.
    Patch { xml: String },
    /// Empty the configuration.
    Erase,
    /// Raise the epoch.
    Bump,
}

/// An answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Response {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Query`]: what was found, as text.
    Found(String),
    /// It is done, and durable at a quorum; the document's version now.
    Done(String),
    /// Nothing had to be done.
    Unchanged,
    /// To [`Request::Invite`].
    Invited {
        /// What to carry to the new node.
        token: String,
    },
    /// To [`Request::Leave`]: it has.
    Left,
    /// The question was not understood, or what it asks for was not done.
    Error(String),
}

/// A cluster, as one of its nodes sees it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of mainstay.
    pub version: String,
    /// This process.
    pub pid: u32,
    /// This node.
    pub node: Name,
    /// Whether this node is in touch with more than half of those that vote.
    pub quorum: bool,
    /// How many votes there are, how many of them are in touch, and how many are needed.
    pub votes: (usize, usize, usize),
    /// Who leads, and so directs.
    pub dc: Option<Name>,
    /// The engine's term.
    pub term: u64,
    /// The last change applied here.
    pub applied: u64,
    /// The document's version.
    pub cib: String,
    /// On the DC: whether all is as the document says.
    pub settled: Option<bool>,
    /// What is left of this node's quorum lease, milliseconds.
    pub lease_ms: Option<u64>,
    /// Nodes that may hold something that nothing else starts therefore.
    pub in_doubt: Vec<Name>,
    /// All members.
    pub members: Vec<Member>,
    /// What stands in the way of running resources here, if anything does.
    pub hands: Option<String>,
    /// What happened last to the cluster's own traffic, the latest last.
    pub news: Vec<String>,
}

/// A member.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub node: Name,
    /// Its id in the document; none until it is admitted.
    pub id: Option<Name>,
    /// `voter`, `learner` or `witness`.
    pub role: String,
    /// Whether it votes already.
    pub votes: bool,
    /// Where it is.
    pub address: String,
    /// The print of its key.
    pub key: String,
    /// Whether this node is in touch with it.
    pub reached: bool,
    /// What the cluster has agreed to know of it: `alive`, `absent`, `lost`, `lost (lease over)`,
    /// `lost (fenced)`, or `new`.
    pub standing: String,
}

/// The status for people.
#[must_use]
pub fn page(status: &Status) -> String {
    let mut text = String::new();
    let (all, heard, needed) = status.votes;
    let quorum = if status.quorum { "quorum" } else { "NO QUORUM" };
    let dc = status.dc.as_deref().unwrap_or("none known");
    let _ = writeln!(text, "{}: {quorum} ({heard} of {all} votes, {needed} needed)", status.node);
    let _ = writeln!(text, "DC: {dc} (term {}), CIB {}", status.term, status.cib);
    let lease = status.lease_ms.map_or("none".into(), |left| format!("{left} ms left"));
    let settled = match status.settled {
        Some(true) => ", all is as the document says",
        Some(false) => ", not settled yet",
        None => "",
    };
    let _ = writeln!(text, "quorum lease: {lease}{settled}");
    if !status.in_doubt.is_empty() {
        let names: Vec<&str> = status.in_doubt.iter().map(|it| &**it).collect();
        let _ = writeln!(text, "in doubt, so nothing is started: {}", names.join(", "));
    }
    let width = status.members.iter().map(|it| it.node.len()).max().unwrap_or_default();
    for it in &status.members {
        let reached = if it.node == status.node {
            "this node"
        } else if it.reached {
            "in touch"
        } else {
            "not in touch"
        };
        let votes = if it.votes || it.role == "learner" { "" } else { ", does not vote yet" };
        let _ = writeln!(
            text,
            "  {:width$}  {}{votes}, {}, {reached}, {}, key {}",
            &*it.node,
            it.role,
            it.standing,
            it.address,
            it.key.get(..16).unwrap_or(&it.key)
        );
    }
    if let Some(why) = &status.hands {
        let _ = writeln!(text, "resources are not run here: {why}");
    }
    text
}

/// A conversation with a cluster node.
pub struct Client {
    stream: UnixStream,
}

impl Client {
    /// Connects to the control socket at `path`.
    ///
    /// # Errors
    /// With a text that names the path and what to try.
    pub fn connect(path: &Path) -> Result<Self, String> {
        let connect = || {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let stream = connect().map_err(|error: io::Error| {
            let hint = match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    "does the cluster's process run (`mainstay cluster run`), and with this --control \
                     path?"
                }
                io::ErrorKind::PermissionDenied => "only root and the process's own user may ask",
                _ => "see its log",
            };
            format!("cannot reach the cluster node at {}: {error} ({hint})", path.display())
        })?;
        Ok(Self { stream })
    }

    /// Waits without a limit: leaving takes as long as what runs here takes to stop.
    ///
    /// # Errors
    /// What the system says.
    pub fn be_patient(&mut self) -> Result<(), String> {
        self.stream.set_read_timeout(None).map_err(|error| error.to_string())
    }

    /// Asks, and gives the answer; an error that was answered is an error.
    ///
    /// # Errors
    /// What was answered, or why nothing was.
    pub fn ask(&mut self, request: &Request) -> Result<Response, String> {
        self.send(request)?;
        self.receive()
    }

    /// Asks, and leaves the answer for later.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn send(&mut self, request: &Request) -> Result<(), String> {
        write_frame(&mut self.stream, request)
            .map_err(|error| format!("the cluster node does not listen: {error}"))
    }

    /// The next answer.
    ///
    /// # Errors
    /// What was answered, or why nothing was.
    pub fn receive(&mut self) -> Result<Response, String> {
        match read_frame(&mut self.stream) {
            Ok(Some(Response::Error(text))) => Err(text),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err("the cluster node closed the connection without an answer".into()),
            Err(error) => Err(format!("the cluster node does not answer: {error}")),
        }
    }
}
