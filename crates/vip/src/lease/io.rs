//! What goes into the lease machine and what comes out of it.

use core::time::Duration;

use base::{Instant, KernelFact, LeaseAsk, LeaseClass, LeaseDone, LeaseKey, LeaseTrouble, Name};
use serde::{Deserialize, Serialize};

use super::terms::Terms;
use crate::HolderId;

/// What a holder puts under a lease.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Subject {
    /// Whether it wants a lease; without one its VIPs pass always, and every hold is granted.
    pub leased: bool,
    /// What bounds the lease.
    pub terms: Terms,
    /// The addresses of its VIPs, and its virtual MAC if it has one.
    pub keys: Vec<LeaseKey>,
    /// The interfaces on which they are to be silent.
    pub interfaces: Vec<Name>,
    /// Its VIPs are going to wait installed while it does not hold: they are silenced then, too.
    pub waits: bool,
}

/// What the machine can be told.
#[derive(Debug)]
pub enum Input<'a> {
    /// This, and nothing else, is what the holder puts under a lease when it holds; `None`: the
    /// holder is no more. Does not change whether it holds.
    Manage {
        /// Who.
        holder: HolderId,
        /// What.
        subject: Option<Subject>,
    },
    /// The holder wants to hold. Its VIPs may be installed after [`Output::Granted`].
    Hold {
        /// Who.
        holder: HolderId,
        /// It goes on with what its predecessor held: a lease that still lives is renewed, never
        /// begun; one that has ended comes back as [`Output::Lapsed`].
        adopt: bool,
    },
    /// The holder whose lease lapsed takes a new one: it knows that nobody else holds.
    Again {
        /// Who.
        holder: HolderId,
    },
    /// The holder wants nothing any more: silence first, for its VIPs may still be installed.
    Release {
        /// Who.
        holder: HolderId,
    },
    /// No VIP of the holder is installed or is going to be.
    Clear {
        /// Who.
        holder: HolderId,
    },
    /// The kernel said something.
    Fact(&'a KernelFact),
    /// An operation is through.
    Done(LeaseDone),
    /// The clock stood still while the world went on: every lease is to be taken as lapsed, though
    /// the kernel, whose clock stood still too, does not think so.
    Slept,
    /// Once everybody has released and is clear, remove the table.
    Stop,
    /// Look at the clock again.
    Wake,
}

/// What the machine asks for and tells.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Output {
    /// Have the table do this, and hand in its outcome before anything else that was asked for
    /// later is carried out.
    Op(LeaseAsk),
    /// The holder may install its VIPs, and speak.
    Granted {
        /// Who.
        holder: HolderId,
    },
    /// The holder has released, and nothing that it lists can be heard from now on, though it may
    /// still be installed. Told at most once for a release.
    Silent {
        /// Who.
        holder: HolderId,
    },
    /// These were silenced. They must not speak before they were granted a lease again.
    Lapsed {
        /// Who.
        holders: Vec<HolderId>,
        /// How it came.
        cause: LapseCause,
        /// Since when they may have been silent.
        since: Instant,
    },
    /// There can be no lease; holders go on without.
    Unavailable(LeaseTrouble),
    /// Leases work (again).
    Available,
    /// Somebody had removed the whole table; it is there again, and nobody was silent.
    Rebuilt,
}

/// How a lease came to lapse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LapseCause {
    /// It was not renewed in time.
    Late,
    /// It was ended by somebody else before its time: the guardian, or an administrator.
    Ended,
    /// The machine slept.
    Slept,
    /// It could not be renewed, for nf_tables refused.
    Refused,
}

/// What the machine tells of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Whether leases can be had.
    pub table: TableStatus,
    /// Every class that is or was in use.
    pub classes: Vec<ClassStatus>,
    /// VIPs and MACs listed.
    pub listed: usize,
    /// Interfaces looked at.
    pub covered: Vec<Name>,
    /// How often the whole table was found removed.
    pub rebuilt: u64,
}

/// Whether leases can be had.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum TableStatus {
    /// Nobody asked for one.
    #[default]
    Unused,
    /// It is being made, or mended.
    Building,
    /// Yes.
    Ready,
    /// No, and this is why.
    Unavailable(LeaseTrouble),
}

/// The leases of one length.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClassStatus {
    /// Their length, and name.
    pub class: LeaseClass,
    /// Until when it lives if nobody renews it, by our clock; `None`: it does not live.
    pub alive_until: Option<Instant>,
    /// Holders under it.
    pub holders: usize,
    /// Successful renewals.
    pub renewals: u64,
    /// How often it lapsed.
    pub lapses: u64,
    /// What was left of it at the renewal that came closest to being too late.
    pub smallest_margin: Option<Duration>,
}
