//! The words of the lease: what the machines ask of the kernel's table, and what it answers.
//!
//! The table lists keys (the addresses of VIPs, virtual MACs) under classes. What is listed passes
//! only while its class has a living, timed element. A class is named by the length of its lease, so
//! that whoever asks for the same length shares one element, however many VIPs that serves.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Errno, Mac, Name, Ticket};

/// A lease length in milliseconds, which is also the name of everything leased for that long.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LeaseClass(u32);

impl LeaseClass {
    /// The class that never lives: what is listed under it is silent.
    pub const SILENT: LeaseClass = LeaseClass(0);

    /// The class of leases this long, in whole milliseconds (rounded down, at least 1).
    #[must_use]
    pub fn of(length: Duration) -> Self {
        Self(u32::try_from(length.as_millis()).unwrap_or(u32::MAX).max(1))
    }

    /// The class with this number, as the kernel's table has it.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// How long its lease lasts from one renewal.
    #[must_use]
    pub fn length(self) -> Duration {
        Duration::from_millis(u64::from(self.0))
    }
}

/// `666 ms`.
impl fmt::Display for LeaseClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            LeaseClass::SILENT => f.write_str("silent"),
            LeaseClass(ms) => write!(f, "{ms} ms"),
        }
    }
}

/// What can be under a lease.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum LeaseKey {
    /// ARP, ND and IP from, to and about this address, in and out.
    Address(IpAddr),
    /// Everything that leaves with this source MAC (a virtual router's).
    Mac(Mac),
    /// ARP that says this address lives at a MAC which is no listed [`LeaseKey::Mac`]: it never
    /// leaves, lease or not. Of two interfaces of a node that hear the question, the one with the
    /// virtual MAC answers (RFC 9568 §8.1.2).
    Pin(Ipv4Addr),
}

impl From<IpAddr> for LeaseKey {
    fn from(address: IpAddr) -> Self {
        LeaseKey::Address(address)
    }
}

/// One thing asked of the table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LeaseOp {
    /// Make the table, or adopt the one a predecessor left. Does not touch what is listed or alive.
    Build,
    /// Look at what passes through this interface.
    Cover {
        /// Which.
        interface: Name,
    },
    /// Put these keys under `class`, wherever they were before.
    List {
        /// The class.
        class: LeaseClass,
        /// Which keys.
        keys: Vec<LeaseKey>,
    },
    /// Let these keys pass, lease or not.
    Unlist {
        /// Which keys.
        keys: Vec<LeaseKey>,
    },
    /// Begin a lease, whether there is one or not.
    Arm {
        /// The class.
        class: LeaseClass,
    },
    /// Go on with a lease that has not ended; refused with [`LeaseTrouble::Lapsed`] if it has.
    Renew {
        /// The class.
        class: LeaseClass,
    },
    /// End a lease now.
    Drop {
        /// The class.
        class: LeaseClass,
    },
    /// Remove the table.
    Destroy,
}

/// An operation on its way to the table.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeaseAsk {
    /// To be returned with the outcome.
    pub ticket: Ticket,
    /// What to do. Operations are to be carried out in the order in which they are handed out.
    pub op: LeaseOp,
}

/// The outcome of a [`LeaseAsk`].
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeaseDone {
    /// The operation's ticket.
    pub ticket: Ticket,
    /// How it went.
    pub outcome: Result<LeaseAnswer, LeaseTrouble>,
}

/// What a carried out operation has to tell.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LeaseAnswer {
    /// It is done.
    Done,
    /// To [`LeaseOp::Build`].
    Built {
        /// Whether there was a table before, a predecessor's or our own.
        existed: bool,
        /// What is listed in it.
        listed: Vec<(LeaseKey, LeaseClass)>,
    },
}

/// Why the table did not do as asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LeaseTrouble {
    /// The lease to be renewed has ended, or was ended.
    Lapsed,
    /// This kernel, or our right in it, lacks something that leases need.
    Missing {
        /// What, and what to do about it.
        what: String,
    },
    /// The kernel refused; trying again may help.
    Refused {
        /// What it was asked for.
        step: String,
        /// Its answer.
        errno: Errno,
    },
}

impl fmt::Display for LeaseTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeaseTrouble::Lapsed => f.write_str("the lease has ended"),
            LeaseTrouble::Missing { what } => f.write_str(what),
            LeaseTrouble::Refused { step, errno } => write!(f, "{step}: {errno}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_its_length_in_whole_milliseconds() {
        let class = LeaseClass::of(Duration::from_micros(666_666));
        assert_eq!((class.number(), class.length()), (666, Duration::from_millis(666)));
        assert_eq!(class.to_string(), "666 ms");
        assert_eq!(LeaseClass::of(Duration::ZERO).number(), 1, "zero is the silent one");
        assert_eq!(LeaseClass::of(Duration::MAX).number(), u32::MAX);
        assert_eq!(LeaseClass::from_number(0), LeaseClass::SILENT);
    }
}
