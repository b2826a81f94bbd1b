//! What is said over the control socket.
//!
//! One question, one answer (for [`Request::Follow`]: answers until the client goes away). Each is a
//! frame: a length of four octets, most significant first, then that many octets of JSON. The answers
//! are what `--json` prints, so their fields are a promise: they may be added to, not renamed.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use base::{Event, EventId, Family, Name, Rival, ScriptResult, State};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Where the daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/mainstay/control.sock";

/// The longest frame either side accepts, octets.
pub const MAX_FRAME: u32 = 64 << 20;

/// A question.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// How are things?
    Status,
    /// What has happened, as far as it is remembered?
    Events,
    /// The same, and then everything else as it happens.
    Follow,
    /// Hand an instance over to whoever is readiest to follow.
    Switchover {
        /// Which; its sync group goes with it.
        instance: Name,
        /// Seconds for which it then does not preempt; until it is ended, if none are given.
        lasts_s: Option<u64>,
    },
    /// Let it preempt again as configured.
    EndSwitchover {
        /// Which.
        instance: Name,
    },
    /// Have another version take over without a gap.
    Upgrade {
        /// From this file; the one the daemon was started from, if none is named.
        binary: Option<PathBuf>,
    },
    /// Have the configuration read again.
    Reload,
}

/// An answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Response {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Events`], and the first to [`Request::Follow`].
    Events(Vec<EventRecord>),
    /// To [`Request::Switchover`]: who follows, for each instance; empty to [`Request::EndSwitchover`].
    Switched(Vec<(Name, IpAddr)>),
    /// To [`Request::Upgrade`]: the other version is at work.
    Upgraded,
    /// The question was not understood, or could not be answered.
    Error(String),
    /// To [`Request::Reload`]: it is in force.
    Reloaded,
}

/// The whole node.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// How this node calls itself.
    pub node: String,
    /// The configuration file in force.
    pub config_file: String,
    /// Why the last reload was refused, if it was.
    pub config_refused: Option<String>,
    /// Seconds since the daemon started.
    pub uptime_s: f64,
    /// All instances, in the order of the file.
    pub instances: Vec<InstanceReport>,
    /// Packets refused that no instance was there for, by cause.
    pub discards: BTreeMap<String, u64>,
    /// What the engine counted outside any instance.
    pub engine: BTreeMap<String, u64>,
    /// The leases of all instances.
    pub leases: LeasesReport,
    /// All BFD sessions.
    #[serde(default)]
    pub bfd: Vec<BfdReport>,
    /// Instances that move together, by name.
    #[serde(default)]
    pub groups: Vec<GroupReport>,
    /// Whatever is watched: scripts, files, processes, then interfaces.
    #[serde(default)]
    pub trackers: Vec<TrackerReport>,
    /// Mail about transitions, if any was ever written.
    #[serde(default)]
    pub mail: Option<MailReport>,
}

/// A Backup that is ready to follow.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReadyReport {
    /// Where its adverts would come from.
    pub source: IpAddr,
    /// Its priority.
    pub priority: u8,
    /// Seconds since it said so.
    pub told_s: f64,
}

/// After a switch-over.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StayBackReport {
    /// Seconds that are left; none if it lasts until it is ended.
    pub left_s: Option<f64>,
}

/// A VIP that cannot be had.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MissingReport {
    /// Which.
    pub vip: IpAddr,
    /// What the kernel answers.
    pub why: String,
    /// The event that told of it.
    pub because: EventId,
}

/// A BFD session.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BfdReport {
    /// Its name.
    pub name: Name,
    /// `AdminDown`, `Down`, `Init` or `Up`.
    pub state: String,
    /// Whether trackers count it as failed.
    pub failed: bool,
    /// The other end.
    pub neighbor: IpAddr,
    /// Where the other end says it stands.
    pub remote_state: String,
    /// Why it last left Up, in words.
    pub diagnostic: String,
    /// Its packets are so far apart, before jitter.
    pub transmit_interval_ms: f64,
    /// Silence of the other end for so long is its end; 0 while nothing was heard.
    pub detection_time_ms: f64,
}

/// Mail about transitions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MailReport {
    /// How many the server has not taken yet.
    pub waiting: u64,
    /// How many it has.
    pub sent: u64,
    /// How many it will never get.
    pub given_up: u64,
    /// What went wrong last, unless one was delivered since.
    pub trouble: Option<String>,
}

/// A sync group.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct GroupReport {
    /// Its name.
    pub name: Name,
    /// What all its members are.
    pub state: State,
    /// Seconds since it came into this state.
    pub since_s: f64,
    /// Those that move together now; a member that cannot run yet is not among them.
    pub members: Vec<Name>,
}

/// Something that is watched, and what it does to whom.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TrackerReport {
    /// `script`, `file`, `process`, `bfd` or `interface`.
    pub kind: String,
    /// Its name.
    pub name: Name,
    /// `good`, `bad` or `unknown`; of a file its number; of an interface `up`, `down` or `missing`.
    pub state: String,
    /// Seconds since it says so.
    pub since_s: f64,
    /// How the run ended that it was last seen by, of a script.
    pub last: Option<RunReport>,
    /// The instances it matters to.
    pub used_by: Vec<TrackerUse>,
}

/// A run of a script that is watched. Runs that end as the one before are not told one by one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// Its command line.
    pub command: String,
    /// How it ended.
    pub result: ScriptResult,
    /// How long it ran, milliseconds.
    pub took_ms: u64,
}

/// What a tracker does to one instance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackerUse {
    /// The instance.
    pub instance: Name,
    /// What is added to its priority while the thing is good (positive) or bad (negative), or what a
    /// file's number is multiplied by; 0: the instance cannot run while it is bad.
    pub weight: i32,
    /// Good and bad are swapped.
    pub reverse: bool,
}

/// Whether this node's VIPs fall silent when it freezes or dies.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LeasesReport {
    /// `unused`, `building`, `ready` or `unavailable`.
    pub state: String,
    /// What is missing, when unavailable.
    pub why: Option<String>,
    /// One for each length in use, or once in use.
    pub classes: Vec<LeaseReport>,
    /// VIPs and virtual MACs in the kernel's table.
    pub listed: u64,
    /// Interfaces the table looks at.
    pub covered: Vec<Name>,
    /// How often the table was found removed, and put back in time.
    pub rebuilt: u64,
}

/// The leases of one length.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeaseReport {
    /// Their length, milliseconds.
    pub length_ms: u64,
    /// What is left of it, milliseconds; none when it has ended.
    pub left_ms: Option<u64>,
    /// Instances under it.
    pub holders: u64,
    /// Successful renewals.
    pub renewals: u64,
    /// How often it ended while somebody held.
    pub lapses: u64,
    /// What was left at the renewal that came closest to being too late, milliseconds.
    pub smallest_margin_ms: Option<u64>,
}

/// The lease of one instance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InstanceLease {
    /// Its length, milliseconds.
    pub length_ms: u64,
    /// For how long, at most, this node may be heard after a peer has taken over from it: zero
    /// unless the interval is too short for a lease, milliseconds.
    pub excess_ms: u64,
    /// Whether the VIPs are silenced, or may be.
    pub silenced: bool,
}

/// One instance.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct InstanceReport {
    /// Backups that have lately said that they are ready to follow, as `address priority`.
    #[serde(default)]
    pub ready: Vec<ReadyReport>,
    /// It was switched over and does not preempt.
    #[serde(default)]
    pub stays_back: Option<StayBackReport>,
    /// A VIP that the kernel refuses, for which it stands back.
    #[serde(default)]
    pub missing: Option<MissingReport>,
    /// Its name.
    pub name: Name,
    /// Its interface.
    pub interface: Option<Name>,
    /// Its virtual router.
    pub vrid: u8,
    /// Its family.
    pub family: Family,
    /// Its version of the protocol, 2 or 3.
    pub version: u8,
    /// What this node is for it.
    pub state: State,
    /// Why it cannot take part, if it cannot.
    pub fault: Option<String>,
    /// Seconds since it came into this state.
    pub since_s: f64,
    /// The event that brought it there.
    pub because: Option<EventId>,
    /// That event in words.
    pub why: Option<String>,
    /// Configured priority.
    pub base_priority: u8,
    /// Priority after trackers.
    pub priority: u8,
    /// Source address of its adverts.
    pub source: Option<IpAddr>,
    /// Its own interval, milliseconds.
    pub interval_ms: u64,
    /// The holder's interval, milliseconds.
    pub active_interval_ms: u64,
    /// How long the holder may be silent, milliseconds.
    pub active_down_ms: f64,
    /// The other node last heard.
    pub peer: Option<PeerReport>,
    /// Its VIPs.
    pub vips: Vec<VipReport>,
    /// How adverts are signed, if they are; no key is in it.
    #[serde(default)]
    pub auth_hmac: Option<HmacReport>,
    /// The second holder, while there are two.
    pub rival: Option<RivalReport>,
    /// Its lease, if it wants one.
    pub lease: Option<InstanceLease>,
    /// Its interfaces with a virtual MAC.
    #[serde(default)]
    pub vmacs: Vec<VmacReport>,
    /// Adverts and changes, counted.
    pub traffic: BTreeMap<String, u64>,
    /// Packets refused, by cause.
    pub discards: BTreeMap<String, u64>,
    /// Its scripts that ran last, oldest first.
    pub scripts: Vec<ScriptReport>,
    /// Scripts waiting for their turn, the running one included.
    pub scripts_waiting: u64,
}

/// Signing of adverts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HmacReport {
    /// `receive-only`, `permissive` or `enforce`.
    pub mode: String,
    /// The number of the key to sign with.
    pub active_key: u8,
    /// The numbers of all keys.
    pub keys: Vec<u8>,
    /// How far clocks may differ, milliseconds; `None`: only the order of adverts counts.
    pub window_ms: Option<u64>,
}

/// Another node of a virtual router.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PeerReport {
    /// Its address.
    pub source: IpAddr,
    /// Its priority.
    pub priority: u8,
    /// Its interval, milliseconds.
    pub interval_ms: u64,
    /// Seconds since it was last heard.
    pub heard_s: f64,
}

/// A second holder.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RivalReport {
    /// What is known of it.
    pub rival: Rival,
    /// Seconds since it was first seen.
    pub first_s: f64,
    /// Seconds since it was last seen.
    pub last_s: f64,
    /// The event that told of it.
    pub because: Option<EventId>,
}

/// An interface with a virtual MAC.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VmacReport {
    /// Its name.
    pub interface: Name,
    /// The interface it lies on.
    pub parent: Name,
    /// Its MAC.
    pub mac: String,
    /// `up`, `down` or `missing`.
    pub state: String,
    /// Whether VIPs wait on it while this node does not hold them.
    pub staged: bool,
    /// Why it is not as it should be, if the kernel refuses.
    pub refused: Option<String>,
}

/// A VIP.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VipReport {
    /// Its address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// Its interface.
    pub interface: Name,
    /// Whether this node holds it and the kernel has it.
    pub present: bool,
}

/// A script that ran.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ScriptReport {
    /// Its command line.
    pub command: String,
    /// How it ended.
    pub result: ScriptResult,
    /// How long it ran, milliseconds.
    pub took_ms: u64,
    /// The event it ran for.
    pub cause: EventId,
}

/// An event with the words for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventRecord {
    /// The event.
    pub event: Event,
    /// The same in words.
    pub text: String,
    /// When, by the wall clock: milliseconds since 1970.
    pub unix_ms: i64,
}

/// Writes one frame.
///
/// # Errors
/// Those of the writer, and `InvalidInput` for a message above [`MAX_FRAME`].
pub fn write_frame<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    to.write_all(&encode(message)?)
}

/// One message as a frame.
///
/// # Errors
/// `InvalidInput` for a message above [`MAX_FRAME`].
pub fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = u32::try_from(frame.len() - 4).ok().filter(|length| *length <= MAX_FRAME);
    let length = length.ok_or_else(|| io::Error::other("message too long for a frame"))?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

/// Reads one frame; `None` when the other side has closed.
///
/// # Errors
/// Those of the reader, and `InvalidData` for a frame that is too long or not understood.
pub fn read_frame<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes(length);
    if length > MAX_FRAME {
        let text = format!("a frame of {length} octets is longer than {MAX_FRAME}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut body = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut body)?;
    if body.len() < usize::try_from(length).unwrap_or(usize::MAX) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(serde_json::from_slice(&body)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back_and_an_end_is_no_error() {
        let mut wire = Vec::new();
        write_frame(&mut wire, &Request::Status).unwrap();
        write_frame(&mut wire, &Request::Follow).unwrap();
        let mut from = &wire[..];
        assert_eq!(read_frame(&mut from).unwrap(), Some(Request::Status));
        assert_eq!(read_frame(&mut from).unwrap(), Some(Request::Follow));
        assert_eq!(read_frame::<Request>(&mut from).unwrap(), None);
    }

    #[test]
    fn cut_long_and_foreign_frames_are_errors() {
        let mut wire = Vec::new();
        write_frame(&mut wire, &Request::Status).unwrap();
        for cut in 1..wire.len() {
            let end = read_frame::<Request>(&mut &wire[..cut]);
            assert!(!matches!(end, Ok(Some(_))), "cut at {cut}");
        }
        assert!(read_frame::<Request>(&mut &[0xff; 8][..]).is_err());
        assert!(read_frame::<Request>(&mut &b"\0\0\0\x02{}"[..]).is_err());
    }
}
