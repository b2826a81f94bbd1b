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
    /// Set an attribute that a node has until it leaves.
    SetAttribute {
        /// Whose.
        node: String,
        /// Its name.
        name: String,
        /// Its value; none: it goes. `++` and `+=N` count up.
        value: Option<String>,
        /// How long it may wait for others.
        dampen_ms: u64,
        /// Whether it is never written into the document.
        private: bool,
    },
    /// What do nodes, or one, have under a name?
    Attributes {
        /// The name.
        name: String,
        /// The one.
        node: Option<String>,
    },
    /// Forget what was done with a resource on a node, or with all; it is looked at anew.
    Forget {
        /// Where.
        node: String,
        /// Which.
        resource: Option<String>,
    },
    /// Forget the failures of a resource on a node.
    Absolve {
        /// Where.
        node: String,
        /// Of which.
        resource: String,
    },
    /// Have a node fenced, or swear that it is down. Answered when it is asked for; what comes of it is
    /// among the fencings.
    Fence {
        /// Which.
        node: String,
        /// `off`, `reboot` or `on`; none: it is down, on the word of who asks.
        action: Option<String>,
        /// How long each device may take.
        timeout_ms: u64,
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
    /// To [`Request::Attributes`]: nodes and values.
    Attributes(Vec<(String, String)>),
    /// Who asks may not.
    Denied(String),
    /// Nobody of that name belongs to the cluster.
    NoMember(String),
}

/// A fencing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Fencing {
    /// When it was told, seconds since 1970.
    pub at: u64,
    /// Who was fenced.
    pub node: String,
    /// `off`, `reboot` or `on`.
    pub action: String,
    /// Who asked.
    pub origin: String,
    /// By which devices; none if by hand.
    pub devices: Vec<String>,
    /// What went wrong; none: it is done.
    pub error: Option<String>,
    /// Whether it came too late to count.
    pub stale: bool,
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
    /// The fencings of late, the oldest first.
    #[serde(default)]
    pub fencings: Vec<Fencing>,
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

/// The fencings for people, the latest first; nothing if there were none.
#[must_use]
pub fn fencings(status: &Status) -> String {
    let mut text = String::new();
    for it in status.fencings.iter().rev() {
        if text.is_empty() {
            text.push_str("\n  * Fencing History:\n");
        }
        let by = if it.devices.is_empty() { "hand".to_owned() } else { it.devices.join(", ") };
        let came = match (&it.error, it.stale) {
            (Some(error), _) => format!("failed: {error}"),
            (None, true) => "came too late to count".into(),
            (None, false) => "done".into(),
        };
        let _ = writeln!(
            text,
            "    * {} of {}, asked for by {}, by {by}, at {}: {came}",
            it.action,
            it.node,
            it.origin,
            moment(it.at)
        );
    }
    text
}

/// A time of day, in UTC, with the days since 1970 worked out by hand.
fn moment(at: u64) -> String {
    let (days, rest) = (at / 86_400, at % 86_400);
    // Howard Hinnant's way from days to a date, for years after 1970.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
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
                io::ErrorKind::PermissionDenied => {
                    "only root, the process's own user and the group haclient may ask"
                }
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
            Ok(Some(Response::Error(text) | Response::Denied(text) | Response::NoMember(text))) => {
                Err(text)
            }
            other => Self::read(other),
        }
    }

    /// Asks, and gives the answer, whatever it is.
    ///
    /// # Errors
    /// Why nothing was answered.
    pub fn hear(&mut self, request: &Request) -> Result<Response, String> {
        self.send(request)?;
        let answer = read_frame(&mut self.stream);
        Self::read(answer)
    }

    fn read(answer: io::Result<Option<Response>>) -> Result<Response, String> {
        match answer {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err("the cluster node closed the connection without an answer".into()),
            Err(error) => Err(format!("the cluster node does not answer: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        for (at, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_399, "2000-02-28 23:59:59Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (1_700_000_200, "2023-11-14 22:16:40Z"),
        ] {
            assert_eq!(moment(at), text);
        }
    }
}
