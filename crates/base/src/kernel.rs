//! What the kernel says of itself, and what it is asked to do: the words between the machines and
//! the hands.

use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{IfIndex, Mac, Macvlan, Name, Vip};

/// An interface as the kernel last described it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LinkFact {
    /// Its number.
    pub index: IfIndex,
    /// Its present name.
    pub name: Name,
    /// Administratively up *and* with carrier (`IFF_UP` and `IFF_RUNNING`/`IFF_LOWER_UP`).
    pub running: bool,
    /// Its Ethernet address, if it has one of six octets.
    pub mac: Option<Mac>,
    /// Largest IP datagram, octets.
    pub mtu: u32,
    /// Whether it can send multicast (`IFF_MULTICAST`).
    pub multicast: bool,
    /// What there is to say of it as a macvlan, if it is one.
    pub macvlan: Option<Macvlan>,
}

/// An address on an interface as the kernel last described it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct AddressFact {
    /// The interface that carries it.
    pub index: IfIndex,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// IPv6: duplicate address detection has not finished, or has failed; not usable as a source.
    pub tentative: bool,
}

/// One thing the kernel told us. A snapshot replaces everything known before it; changes follow.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum KernelFact {
    /// Everything there is, after start and after a netlink overrun.
    Snapshot {
        /// All interfaces.
        links: Vec<LinkFact>,
        /// All addresses.
        addresses: Vec<AddressFact>,
    },
    /// An interface appeared or changed.
    Link(LinkFact),
    /// An interface went away, its addresses with it.
    LinkGone(IfIndex),
    /// An address appeared or changed.
    Address(AddressFact),
    /// An address went away.
    AddressGone(AddressFact),
}

/// Names one [`Batch`]. Not `Clone`: who holds it owes exactly one [`BatchDone`].
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Ticket(u64);

impl Ticket {
    /// The ticket with this number. Only the machine that hands out tickets has reason to call it.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.0
    }
}

/// One change asked of the kernel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AddressOp {
    /// Install the VIP on this interface (`RTM_NEWADDR`, create or replace).
    Add {
        /// The interface its name resolved to.
        index: IfIndex,
        /// What to install.
        vip: Vip,
    },
    /// Remove the VIP from this interface (`RTM_DELADDR`).
    Remove {
        /// The interface its name resolved to.
        index: IfIndex,
        /// What to remove.
        vip: Vip,
    },
    /// Find out whether the VIP could be installed: install it and remove it again in one step,
    /// without duplicate address detection and without a route of its prefix.
    Probe {
        /// The interface its name resolved to.
        index: IfIndex,
        /// What would be installed.
        vip: Vip,
    },
}

impl AddressOp {
    /// The VIP the operation is about.
    #[must_use]
    pub fn vip(&self) -> &Vip {
        match self {
            AddressOp::Add { vip, .. }
            | AddressOp::Remove { vip, .. }
            | AddressOp::Probe { vip, .. } => vip,
        }
    }
}

/// All that one decision asks of the kernel, in order.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Batch {
    /// To be returned with the outcome.
    pub ticket: Ticket,
    /// What to do, in order. Later operations are tried even if earlier ones fail.
    pub ops: Vec<AddressOp>,
}

/// The outcome of a [`Batch`].
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BatchDone {
    /// The batch's ticket.
    pub ticket: Ticket,
    /// One outcome for each operation of the batch, in its order.
    pub outcomes: Vec<OpDone>,
}

/// `Ok`, or why the kernel refused.
pub type OpDone = Result<(), Errno>;

/// An error number of the kernel, as `errno(3)` counts them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Errno(pub i32);

impl Errno {
    /// No such device (interface): `ENODEV`.
    pub const NODEV: Errno = Errno(19);
    /// No such thing: `ENOENT`.
    pub const NOENT: Errno = Errno(2);
    /// Already there: `EEXIST`.
    pub const EXIST: Errno = Errno(17);
    /// No such address: `EADDRNOTAVAIL`.
    pub const ADDRNOTAVAIL: Errno = Errno(99);
    /// Permission denied: `EPERM`.
    pub const PERM: Errno = Errno(1);

    /// The symbol, for the few a person will meet here.
    #[must_use]
    pub const fn symbol(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "EPERM (needs CAP_NET_ADMIN)",
            2 => "ENOENT (no such thing)",
            12 => "ENOMEM (out of memory)",
            13 => "EACCES (permission denied)",
            16 => "EBUSY (busy)",
            17 => "EEXIST (already there)",
            19 => "ENODEV (no such interface)",
            22 => "EINVAL (invalid)",
            28 => "ENOSPC (no room)",
            99 => "EADDRNOTAVAIL (no such address)",
            101 => "ENETUNREACH (the router cannot be reached)",
            100 => "ENETDOWN (interface is down)",
            105 => "ENOBUFS (no buffer space)",
            _ => return None,
        })
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.symbol() {
            Some(symbol) => f.write_str(symbol),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({self})")
    }
}
