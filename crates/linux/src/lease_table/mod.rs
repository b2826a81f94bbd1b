//! The lease in the kernel: an nf_tables table that lets a VIP pass only while its class has a
//! living, timed element (`rules`).
//!
//! The table belongs to one socket and outlives it (`owner` and `persist`): a foreign `nft flush
//! ruleset` passes it over, and when everybody who had the socket is dead, it stays, silences what
//! nobody renews, and can be adopted by the next. A [`LeaseSocket`] shared by two processes is one
//! owner, so a guardian can silence what a stalled engine owns.
//!
//! Nothing here decides when: `vip::lease` does. Each operation is one transaction, which happens
//! whole or not at all; those over many keys are as many transactions as they need, of bounded size.

pub(crate) mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use base::{Errno, LeaseAnswer, LeaseClass, LeaseKey, LeaseOp, LeaseTrouble, Mac};
use netlink_packet_netfilter::nftables::{
    DataAttribute, NfTablesMessage, SetElementAttribute, SetElementMessage,
};

use crate::netlink::{NetlinkError, Refusal};
use crate::nftables::{CommitError, Nftables, Step, element_list};
use rules::{Kind, step};

/// Keys in one message at most; a nested attribute holds 64 KiB.
const KEYS_PER_MESSAGE: usize = 512;

/// The socket that owns a table.
#[derive(Debug)]
pub struct LeaseSocket(OwnedFd);

impl LeaseSocket {
    /// Opens one in the calling thread's network namespace.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` where the kernel has no nfnetlink.
    pub fn open() -> io::Result<Self> {
        Nftables::open()?.share().map(Self)
    }

    /// The same socket again, for another process or thread.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Ends every lease of the table, without waiting for an answer and without reading what another
    /// user of the socket is waiting for. Until somebody arms one, all VIPs listed there are silent.
    ///
    /// # Errors
    /// Whatever `send(2)` says.
    pub fn silence(&self, table: &str) -> io::Result<()> {
        Nftables::send_blindly(self.0.as_fd(), all_dead(table))
    }

    /// Removes the table likewise.
    ///
    /// # Errors
    /// Whatever `send(2)` says.
    pub fn destroy(&self, table: &str) -> io::Result<()> {
        Nftables::send_blindly(self.0.as_fd(), Step::destroy_table(step::TABLE, table))
    }
}

impl From<OwnedFd> for LeaseSocket {
    /// A descriptor that another process opened by [`LeaseSocket::open`] and handed over.
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl From<LeaseSocket> for OwnedFd {
    fn from(socket: LeaseSocket) -> Self {
        socket.0
    }
}

impl AsFd for LeaseSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn open() -> Result<Nftables, LeaseTrouble> {
    Nftables::open().map_err(|error| unavailable(&error))
}

fn unavailable(error: &io::Error) -> LeaseTrouble {
    let what = match error.raw_os_error() {
        Some(libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT) => {
            "this kernel has no nfnetlink (CONFIG_NETFILTER_NETLINK, module nfnetlink)".to_owned()
        }
        _ => format!("no nfnetlink socket: {error}"),
    };
    LeaseTrouble::Missing { what }
}

/// Deletes every element, of which there may be none.
fn all_dead(table: &str) -> Step {
    let all = element_list(table, rules::ALIVE, Vec::new());
    Step::delete("leases", NfTablesMessage::DeleteSetElement(all))
}

/// One daemon's table.
#[derive(Debug)]
pub struct LeaseTable {
    nftables: Nftables,
    name: String,
    /// The classes the table knows.
    classes: BTreeSet<LeaseClass>,
}

impl LeaseTable {
    /// The table of this name in the calling thread's network namespace, which need not exist yet:
    /// nothing is asked of the kernel before the first operation.
    ///
    /// # Errors
    /// [`LeaseTrouble::Missing`] where the kernel has no nfnetlink.
    pub fn open(name: &str) -> Result<Self, LeaseTrouble> {
        Ok(Self::new(open()?, name))
    }

    /// The same over a socket opened before, which owns the table or is going to.
    #[must_use]
    pub fn over(socket: LeaseSocket, name: &str) -> Self {
        Self::new(Nftables::over(socket.0), name)
    }

    fn new(nftables: Nftables, name: &str) -> Self {
        let classes = BTreeSet::from([LeaseClass::SILENT]);
        Self { nftables, name: name.to_owned(), classes }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Carries out one operation.
    ///
    /// # Errors
    /// See [`LeaseTrouble`].
    pub fn execute(&mut self, op: &LeaseOp) -> Result<LeaseAnswer, LeaseTrouble> {
        match op {
            LeaseOp::Build => return self.build(),
            LeaseOp::Cover { interface } => self.commit(rules::cover(&self.name, interface))?,
            LeaseOp::List { class, keys } => self.list(keys, Some(*class))?,
            LeaseOp::Unlist { keys } => self.list(keys, None)?,
            LeaseOp::Arm { class } => {
                self.arm(*class, class.length())?;
            }
            LeaseOp::Renew { class } => self.renew(*class, class.length())?,
            LeaseOp::Drop { class } => {
                self.commit(vec![Step::destroy_elements("lease", &self.lease(*class, None))])?;
            }
            LeaseOp::Destroy => {
                self.commit(vec![Step::destroy_table(step::TABLE, &self.name)])?;
            }
        }
        Ok(LeaseAnswer::Done)
    }

    /// Begins a lease of a class that ends after `rest`, whether there is one or not: for a lease
    /// whose end somebody else has set.
    ///
    /// # Errors
    /// See [`LeaseTrouble`].
    pub fn arm(&mut self, class: LeaseClass, rest: Duration) -> Result<(), LeaseTrouble> {
        let steps = vec![
            Step::destroy_elements("lease", &self.lease(class, None)),
            Step::create("lease", NfTablesMessage::NewSetElement(self.lease(class, Some(rest)))),
        ];
        self.commit(steps)
    }

    fn commit(&mut self, steps: Vec<Step>) -> Result<(), LeaseTrouble> {
        self.nftables.commit(steps).map_err(trouble)
    }

    fn build(&mut self) -> Result<LeaseAnswer, LeaseTrouble> {
        let sets = self.nftables.sets(&self.name).map_err(netlink_trouble)?;
        self.classes.extend(sets.iter().filter_map(|set| rules::class_of(set)));
        self.commit(rules::build(&self.name, &self.classes))?;
        let mut listed = Vec::new();
        if !sets.is_empty() {
            for class in &self.classes {
                for kind in Kind::ALL {
                    let found = self.nftables.elements(&self.name, &kind.set(*class));
                    let found = found.map_err(netlink_trouble)?;
                    let key = |octets: &Vec<u8>| Some((read_key(kind, octets)?, *class));
                    listed.extend(found.iter().filter_map(key));
                }
            }
        }
        Ok(LeaseAnswer::Built { existed: !sets.is_empty(), listed })
    }

    /// Goes on with a lease that has not ended, until `rest` from now. Delete and add in one
    /// transaction: the deletion fails once the element has ended, and then nothing is added. Never
    /// merely add, which would let a woken process begin anew.
    ///
    /// # Errors
    /// [`LeaseTrouble::Lapsed`] if it has ended.
    pub fn renew(&mut self, class: LeaseClass, rest: Duration) -> Result<(), LeaseTrouble> {
        let steps = vec![
            Step::delete("lease", NfTablesMessage::DeleteSetElement(self.lease(class, None))),
            Step::create("lease", NfTablesMessage::NewSetElement(self.lease(class, Some(rest)))),
        ];
        match self.nftables.commit(steps) {
            Err(CommitError::Step { number: 0, refusal, .. })
                if refusal.errno == Errno(libc::ENOENT) =>
            {
                Err(LeaseTrouble::Lapsed)
            }
            other => other.map_err(trouble),
        }
    }

    fn lease(&self, class: LeaseClass, rest: Option<Duration>) -> SetElementMessage {
        let mut element = vec![key_element(&class.number().to_be_bytes())];
        if let Some(rest) = rest {
            // Zero would be for ever.
            let millis = u64::try_from(rest.as_millis()).unwrap_or(u64::MAX).max(1);
            element.push(SetElementAttribute::Timeout(millis));
        }
        element_list(&self.name, rules::ALIVE, vec![element])
    }

    /// Puts keys under a class, or under none.
    fn list(&mut self, keys: &[LeaseKey], class: Option<LeaseClass>) -> Result<(), LeaseTrouble> {
        if let Some(class) = class
            && !self.classes.contains(&class)
        {
            let mut classes = self.classes.clone();
            classes.insert(class);
            self.commit(rules::build(&self.name, &classes))?;
            self.classes = classes;
        }
        for kind in Kind::ALL {
            let mine = keys.iter().filter(|key| kind_of(key) == kind);
            let mine: Vec<_> = mine.map(|key| vec![key_element(&octets(key))]).collect();
            for keys in mine.chunks(KEYS_PER_MESSAGE) {
                let elements =
                    |of: LeaseClass| element_list(&self.name, &kind.set(of), keys.to_vec());
                let others = self.classes.iter().filter(|other| Some(**other) != class);
                let mut steps: Vec<_> =
                    others.map(|of| Step::destroy_elements("VIPs", &elements(*of))).collect();
                if let Some(class) = class {
                    let message = NfTablesMessage::NewSetElement(elements(class));
                    steps.push(Step::create("VIPs", message));
                }
                self.commit(steps)?;
            }
        }
        Ok(())
    }
}

impl AsFd for LeaseTable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.nftables.as_fd()
    }
}

fn key_element(octets: &[u8]) -> SetElementAttribute {
    SetElementAttribute::Key(DataAttribute::Value(octets.to_vec()))
}

fn kind_of(key: &LeaseKey) -> Kind {
    match key {
        LeaseKey::Address(IpAddr::V4(_)) => Kind::V4,
        LeaseKey::Address(IpAddr::V6(_)) => Kind::V6,
        LeaseKey::Mac(_) => Kind::Mac,
        LeaseKey::Pin(_) => Kind::Pin,
    }
}

fn octets(key: &LeaseKey) -> Vec<u8> {
    match key {
        LeaseKey::Address(IpAddr::V4(address)) | LeaseKey::Pin(address) => {
            address.octets().to_vec()
        }
        LeaseKey::Address(IpAddr::V6(address)) => address.octets().to_vec(),
        LeaseKey::Mac(Mac(octets)) => octets.to_vec(),
    }
}

fn read_key(kind: Kind, octets: &[u8]) -> Option<LeaseKey> {
    Some(match kind {
        Kind::V4 => LeaseKey::Address(IpAddr::from(*octets.first_chunk::<4>()?)),
        Kind::V6 => LeaseKey::Address(IpAddr::from(*octets.first_chunk::<16>()?)),
        Kind::Mac => LeaseKey::Mac(Mac(*octets.first_chunk::<6>()?)),
        Kind::Pin => LeaseKey::Pin(Ipv4Addr::from(*octets.first_chunk::<4>()?)),
    })
}

fn netlink_trouble(error: NetlinkError) -> LeaseTrouble {
    match error {
        NetlinkError::Refused(refusal) => trouble(CommitError::Refused(refusal)),
        NetlinkError::Io(error) => trouble(CommitError::Io(error)),
        error @ (NetlinkError::Undecodable(_) | NetlinkError::Unsteady) => {
            LeaseTrouble::Refused { step: error.to_string(), errno: Errno(libc::EIO) }
        }
    }
}

/// Tells what can never work here from what may work next time.
fn trouble(error: CommitError) -> LeaseTrouble {
    let missing = |what: &str| LeaseTrouble::Missing { what: what.to_owned() };
    match error {
        CommitError::Refused(Refusal { errno, .. }) => match errno.0 {
            libc::EPERM => {
                missing("no right to use nf_tables: needs CAP_NET_ADMIN in this network namespace")
            }
            libc::EOPNOTSUPP => {
                missing("this kernel has no nf_tables (CONFIG_NF_TABLES, module nf_tables)")
            }
            _ => LeaseTrouble::Refused { step: "transaction".to_owned(), errno },
        },
        CommitError::Step { step, refusal: Refusal { errno, .. }, .. } => {
            let unknown = matches!(errno.0, libc::EOPNOTSUPP | libc::EINVAL | libc::EAFNOSUPPORT);
            match step {
                step::TABLE if unknown => missing(
                    "this kernel has no netdev tables that outlive their owner (flags owner and \
                     persist: Linux 6.9)",
                ),
                step::TIMED_SET if unknown => {
                    missing("this kernel has no nf_tables sets with timed elements")
                }
                step::INGRESS if errno.0 == libc::EOPNOTSUPP => missing(
                    "this kernel has no ingress hook for nf_tables (CONFIG_NETFILTER_INGRESS)",
                ),
                step::EGRESS if errno.0 == libc::EOPNOTSUPP => missing(
                    "this kernel has no egress hook for nf_tables (Linux 5.16, \
                     CONFIG_NETFILTER_EGRESS)",
                ),
                _ => LeaseTrouble::Refused { step: step.to_owned(), errno },
            }
        }
        CommitError::Io(error) => LeaseTrouble::Refused {
            step: "nfnetlink socket".to_owned(),
            errno: Errno(error.raw_os_error().unwrap_or(libc::EIO)),
        },
    }
}
