//! What happened, why, and because of what.
//!
//! Every change in mainstay is one [`Event`]: an id, the instant, whom it concerns, what happened, a
//! [`Reason`] from a closed list and the ids of the events that caused it. Status, `why`, metrics,
//! notify scripts and the demo's timeline are all read from these and from nothing else; they
//! observe, they never take part.

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Errno, Instant, Mac, Name, Priority, Rival, Sight, State, Tracker, Verdict};

/// Which part of mainstay saw it happen. Each numbers its own events, so that no two parts need to
/// agree on a counter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Origin {
    /// The protocol and the keeper.
    Engine,
    /// Configuration, scripts, control socket.
    Control,
    /// The roles' lives and the last will.
    Guardian,
}

/// Names one event of this run of mainstay; prints as `e17` or `c4`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct EventId {
    /// Who numbered it.
    pub origin: Origin,
    /// Its number, counted from 1.
    pub number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.origin {
            Origin::Engine => 'e',
            Origin::Control => 'c',
            Origin::Guardian => 'g',
        };
        write!(f, "{letter}{}", self.number)
    }
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Its name.
    pub id: EventId,
    /// When, on this node's monotonic clock.
    pub at: Instant,
    /// Whom it concerns.
    pub subject: Subject,
    /// What happened.
    pub what: What,
    /// Why.
    pub reason: Reason,
    /// The events it followed from; empty for what came from outside.
    pub causes: Vec<EventId>,
}

/// Whom an event concerns.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Subject {
    /// The whole node.
    Node,
    /// One instance, by its configured name.
    Instance(Name),
    /// One interface.
    Interface(Name),
    /// One sync group.
    Group(Name),
    /// One tracker other than an interface.
    Tracker(Tracker),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Node => f.write_str("node"),
            Subject::Instance(name) => write!(f, "{name}"),
            Subject::Interface(name) => write!(f, "interface {name}"),
            Subject::Group(name) => write!(f, "group {name}"),
            Subject::Tracker(tracker) => write!(f, "{tracker}"),
        }
    }
}

/// What happened. A closed list: a new thing that can happen is a new variant here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum What {
    /// A configuration took force.
    ConfigApplied {
        /// Instances it names.
        instances: u32,
        /// How many of them are new.
        added: u32,
        /// How many changed.
        changed: u32,
        /// How many are gone.
        removed: u32,
    },
    /// A configuration was refused; the old one stays in force.
    ConfigRefused {
        /// Number of errors found.
        errors: u32,
    },
    /// The node began an orderly stop.
    Stopping,
    /// The instance moved from one state to another.
    StateChanged {
        /// Before.
        from: State,
        /// After.
        to: State,
        /// Its effective priority at that moment.
        priority: Priority,
    },
    /// A tracker says something else than before.
    VerdictChanged {
        /// What it says now.
        verdict: Verdict,
    },
    /// The effective priority changed.
    PriorityChanged {
        /// Before.
        from: Priority,
        /// After.
        to: Priority,
    },
    /// A holder other than ourselves was heard for the first time, or another than before.
    PeerHeard {
        /// Its source address.
        source: IpAddr,
        /// Its priority.
        priority: Priority,
        /// Its advertisement interval.
        interval: Duration,
    },
    /// Nothing was heard from the holder for the whole of Active_Down_Interval.
    PeerSilent {
        /// The last one heard, if any was.
        source: Option<IpAddr>,
        /// How long ago that was, or since we began to listen.
        silence: Duration,
    },
    /// The holder resigned by priority 0.
    PeerResigned {
        /// Its source address.
        source: IpAddr,
    },
    /// The holder has left and named this node to follow.
    Nominated {
        /// Its source address.
        by: IpAddr,
    },
    /// This node has left and names who follows.
    Nominates {
        /// Whose source address this is.
        node: IpAddr,
    },
    /// While we hold, somebody weaker claimed to hold too.
    RivalHeard {
        /// Its source address.
        source: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// While we hold, a frame of somebody else said that a VIP lives there.
    RivalSeen {
        /// The VIP.
        vip: IpAddr,
        /// Where it is said to live.
        mac: Mac,
        /// In which kind of frame.
        sight: Sight,
    },
    /// Two hold: a rival's adverts went on for more than three intervals, or it answers for a VIP
    /// that is held here. Once for as long as it goes on.
    TwoHolders {
        /// The other one.
        rival: Rival,
        /// From its first sight to its last so far.
        both: Duration,
    },
    /// Nothing has been seen of the second holder for three intervals, or this node no longer holds.
    TwoHoldersOver {
        /// The other one.
        rival: Rival,
        /// From its first sight to its last.
        both: Duration,
    },
    /// A stronger router's advert was heard.
    StrongerHeard {
        /// Its source address.
        source: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// A peer's interval differs from ours; v3 learns it, v2 drops the advert.
    IntervalDiffers {
        /// Whose advert it was.
        source: IpAddr,
        /// Theirs.
        theirs: Duration,
        /// Ours.
        ours: Duration,
    },
    /// A peer's interval is longer than is believed; silence is judged by the bound instead.
    IntervalCapped {
        /// Whose advert it was.
        source: IpAddr,
        /// Its interval.
        theirs: Duration,
        /// The longest that is believed of it.
        cap: Duration,
    },
    /// An unsigned advert was believed although signatures are configured: in mode enforce it would
    /// be refused.
    UnsignedHeard {
        /// Whose advert it was.
        source: IpAddr,
    },
    /// A signed advert's time is more than half the window away from ours.
    ClockSkew {
        /// Whose advert it was.
        source: IpAddr,
        /// How far.
        off: Duration,
        /// Beyond this its adverts are refused.
        window: Duration,
    },
    /// Somebody sends more packets than all of the interface's instances give reason to.
    Flood {
        /// What it says its address is.
        source: IpAddr,
        /// Packets a second that would be a lot already.
        limit: u32,
    },
    /// A peer advertises other VIPs than we are configured with.
    VipListDiffers {
        /// Whose advert it was.
        source: IpAddr,
    },
    /// Packets were refused. Reported for the first of each kind, then at most every ten seconds.
    Discarded {
        /// The refusal's stable name, as in the counters.
        cause: Name,
        /// What exactly was wrong with the one that is reported.
        detail: String,
        /// Who sent that one.
        source: IpAddr,
        /// How many of this kind since the last report, this one included.
        count: u64,
    },
    /// An advert with priority 0 was sent.
    Resigned,
    /// VIPs are now present on their interfaces.
    VipsPresent {
        /// Which.
        vips: Vec<IpAddr>,
    },
    /// VIPs are no longer present on their interfaces.
    VipsGone {
        /// Which.
        vips: Vec<IpAddr>,
    },
    /// Somebody else removed a VIP that we hold.
    VipTaken {
        /// Which.
        vip: IpAddr,
    },
    /// A VIP was found on an interface though we do not hold it.
    VipLeftOver {
        /// Which.
        vip: IpAddr,
    },
    /// The kernel refused to install or remove a VIP.
    VipRefused {
        /// Which.
        vip: IpAddr,
        /// Its answer.
        errno: Errno,
    },
    /// A route or rule that is held was gone, and is back.
    WayPutBack {
        /// Which.
        way: String,
    },
    /// The kernel refused to install or remove a route or rule.
    WayRefused {
        /// Which.
        way: String,
        /// Its answer.
        errno: Errno,
    },
    /// The kernel refused the filter of VIPs that accept no traffic: they accept it.
    FilterRefused {
        /// Its answer.
        errno: Errno,
    },
    /// A burst of announcements was sent.
    Announced {
        /// How many VIPs it covered.
        vips: u32,
        /// The MAC it told.
        mac: Mac,
    },
    /// The lease ended: the kernel lets nobody hear of the instance's VIPs.
    LeaseLapsed {
        /// For how long that may have been so.
        silent_for: Duration,
    },
    /// The VIPs are heard of again, under a new lease, and were nobody else's meanwhile.
    LeaseResumed,
    /// There can be no leases: should this node freeze, its VIPs go on being answered for.
    LeaseUnavailable {
        /// What is missing.
        why: String,
    },
    /// Leases work (again).
    LeaseAvailable,
    /// Somebody had removed the table of leases; it was put back in time.
    LeaseRebuilt,
    /// The instance could not speak for so long that a peer may have taken over.
    Stalled {
        /// How long.
        silence: Duration,
    },
    /// The machine slept.
    Slept {
        /// How long.
        span: Duration,
    },
    /// An interface is usable.
    LinkUp,
    /// An interface exists but is not usable.
    LinkDown,
    /// An interface does not exist.
    LinkGone,
    /// The interface has an address to send from.
    SourceFound {
        /// That address.
        source: IpAddr,
    },
    /// The interface has no address left to send from.
    SourceLost,
    /// A role's process ended without having been asked to.
    RoleEnded {
        /// `engine`, `control` or `runner`.
        role: Name,
        /// How.
        how: String,
    },
    /// Another process took a role over, and what it held with it.
    RoleTakenOver {
        /// Which role.
        role: Name,
    },
    /// Another version of mainstay was to take over and did not; all is as before.
    UpgradeFailed {
        /// Why.
        why: String,
    },
    /// The last will of an engine was carried out: its VIPs are silent, resigned and removed.
    WillCarriedOut {
        /// The instances that held.
        instances: Vec<Name>,
    },
    /// Something that people should know, in a sentence.
    Notice {
        /// The sentence.
        text: String,
    },
    /// A script ended, or was ended.
    ScriptDone {
        /// Its command line.
        command: String,
        /// How it ended.
        result: ScriptResult,
        /// How long it ran.
        took: Duration,
    },
    /// An interface with a virtual MAC was made, or found as an earlier run left it.
    DeviceThere {
        /// Its MAC.
        mac: Mac,
    },
    /// An interface with a virtual MAC cannot be made, or be set up or down.
    DeviceRefused {
        /// The kernel's answer; `EEXIST`: another interface has that name.
        errno: Errno,
    },
    /// The instance cannot have this VIP and stands back, as one of the lowest priority.
    VipMissing {
        /// Which.
        vip: IpAddr,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The kernel takes this VIP now, and all others: the instance does not stand back any more.
    VipNotMissing {
        /// Which.
        vip: IpAddr,
    },
}

/// How a script ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ScriptResult {
    /// It exited with this status.
    Exited(i32),
    /// A signal ended it.
    Signalled(i32),
    /// It was ended because its time was up.
    TimedOut,
    /// It could not be started; the text says why.
    NotStarted(String),
}

impl fmt::Display for ScriptResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScriptResult::Exited(status) => write!(f, "exit status {status}"),
            ScriptResult::Signalled(signal) => write!(f, "ended by signal {signal}"),
            ScriptResult::TimedOut => f.write_str("timed out"),
            ScriptResult::NotStarted(why) => write!(f, "not started: {why}"),
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// Why something happened. A closed list with stable names; `Display` gives the sentence a
        /// person reads.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason there is, for documentation and tests.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];
        }

        impl fmt::Display for Reason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Reason::$name => $text,)* })
            }
        }
    };
}

reasons! {
    /// mainstay started.
    Startup => "mainstay started",
    /// The operator asked for an orderly stop.
    Shutdown => "mainstay was told to stop",
    /// The engine before held it, and its lease is not over.
    Adopted => "another engine took over and goes on where the one before ended",
    /// A role's process ended.
    RoleDied => "a process of mainstay ended",
    /// The engine gave no sign of life for a whole lease.
    RoleStalled => "the engine stood still for a whole lease",
    /// The operator asked for another version of mainstay.
    Upgrade => "another version of mainstay takes over",
    /// The operator loaded another configuration.
    Reload => "the configuration was reloaded",
    /// RFC 9568 §6.4.1: this node owns the addresses.
    Owner => "this node owns the addresses (priority 255)",
    /// RFC 9568 §6.4.2: Active_Down_Timer fired.
    HolderSilent => "no advert from the holder for the whole down interval",
    /// RFC 9568 §6.4.2: an advert with priority 0, then Skew_Time.
    HolderResigned => "the holder resigned (priority 0)",
    /// The holder left in good order and named this node.
    Nominated => "the holder left and named this node",
    /// `mainstay switchover`.
    Switchover => "somebody asked for a switch-over",
    /// A BFD session with the holder failed, and that is to count.
    HolderUnreachable => "the BFD session with the holder failed",
    /// RFC 9568 §6.4.2: a weaker holder was left to run out.
    WeakerHolder => "the holder was weaker and we preempt",
    /// RFC 9568 §6.4.3: a higher priority was heard.
    StrongerPeer => "a peer with higher priority speaks",
    /// RFC 9568 §6.4.3: the same priority and a higher address.
    EqualPeerHigherAddress => "a peer with the same priority and a higher address speaks",
    /// An interface it needs is down.
    LinkDown => "an interface it needs is down",
    /// An interface it needs does not exist.
    LinkMissing => "an interface it needs does not exist",
    /// The interface has no address to send adverts from.
    NoSourceAddress => "the interface has no address to send from",
    /// Its adverts would not fit the interface's MTU.
    AdvertTooLong => "its adverts would not fit the interface's MTU",
    /// Whatever kept it from running is over.
    FaultCleared => "everything it needs is there again",
    /// A tracked interface, script, file or process changed.
    Tracker => "something it tracks changed",
    /// It is watched for a tracker.
    Watched => "it is tracked",
    /// Another member of its sync group made it.
    SyncGroup => "its sync group moves together",
    /// The kernel said so.
    Kernel => "the kernel reported it",
    /// The state wants the VIPs held.
    StateWantsVips => "the state asks for the VIPs",
    /// The state wants the VIPs released.
    StateReleasesVips => "the state does not ask for the VIPs",
    /// Somebody else changed our address; it is put right.
    ForeignChange => "somebody else changed the address",
    /// A peer's packet said so.
    Packet => "a packet was received",
    /// The first burst after taking over.
    TookOver => "this node took the VIPs over",
    /// The second burst, `garp_master_delay` later.
    SecondBurst => "the second burst after taking over",
    /// The periodic burst.
    Refresh => "the periodic refresh",
    /// A weaker holder was heard; the neighbours may believe it.
    RivalSeen => "another holder may have misled the neighbours",
    /// A rival has not been seen for three intervals.
    RivalGone => "it was not seen any more for three intervals",
    /// This node's own state changed, and with it who is a rival.
    StateChanged => "this node's own state changed",
    /// A lease was not renewed in time.
    LeaseLate => "it was not renewed in time",
    /// A lease was ended by somebody else.
    LeaseEnded => "somebody ended it before its time",
    /// nf_tables refused.
    LeaseRefused => "the kernel refuses to renew it",
    /// The machine slept.
    Slept => "the machine slept",
    /// This process did not run.
    Stalled => "mainstay did not run for too long",
    /// We were silent for so long that a peer may hold.
    MayBeOvertaken => "a peer may have taken over while this node was silent",
    /// We were silent for too short a time for a peer to take over, and none was heard.
    NobodyElse => "no peer can have taken over meanwhile",
    /// The VIPs were silent for a moment; the neighbours may have noticed.
    WasSilent => "the VIPs were silent for a moment",
    /// Somebody else removed our table.
    ForeignTable => "somebody else removed the table",
    /// A state change asks for this script.
    StateScript => "a state change calls for it",
    /// The file had errors.
    BadConfiguration => "the configuration has errors",
    /// It cannot install one of its VIPs, and others are to serve.
    VipRefused => "the kernel refuses one of its VIPs",
    /// It can install all of its VIPs again.
    VipAccepted => "the kernel takes all of its VIPs again",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_short() {
        assert_eq!(EventId { origin: Origin::Engine, number: 17 }.to_string(), "e17");
        assert_eq!(EventId { origin: Origin::Control, number: 4 }.to_string(), "c4");
    }

    #[test]
    fn every_reason_has_its_own_sentence() {
        let mut seen: Vec<String> = Reason::ALL.iter().map(ToString::to_string).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), Reason::ALL.len());
    }
}
