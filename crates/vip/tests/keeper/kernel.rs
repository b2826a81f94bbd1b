//! A kernel small enough to see through: links, addresses, a queue of operations, a queue of facts.
//!
//! It keeps the order facts have among themselves and nothing else: the caller decides when the next
//! operation runs, when an outcome is read and when a fact is. As in Linux, adding an IPv4 address
//! is told at once and an IPv6 address some time later; links that go down lose IPv6 addresses; a
//! link that goes away takes everything along.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use base::{
    AddressFact, AddressOp, Batch, BatchDone, Errno, IfIndex, KernelFact, LinkFact, Name, OpDone,
    Ticket,
};

pub(crate) type Address = (IfIndex, IpAddr, u8);

#[derive(Debug, Default)]
pub(crate) struct Kernel {
    pub(crate) links: BTreeMap<IfIndex, LinkFact>,
    pub(crate) addresses: BTreeSet<Address>,
    /// Facts nobody has read yet.
    pub(crate) facts: VecDeque<KernelFact>,
    /// When set, additions fail like this.
    pub(crate) refuse: Option<Errno>,
    late: VecDeque<Address>,
    waiting: VecDeque<Batch>,
    running: Option<(Ticket, VecDeque<AddressOp>, Vec<OpDone>)>,
    outcomes: VecDeque<BatchDone>,
    last_index: u32,
}

pub(crate) fn fact((index, address, prefix): Address) -> AddressFact {
    AddressFact { index, address, prefix, tentative: false }
}

impl Kernel {
    pub(crate) fn index_of(&self, name: &Name) -> Option<IfIndex> {
        self.links.values().find(|l| l.name == *name).map(|l| l.index)
    }

    pub(crate) fn create(&mut self, name: &Name) {
        if self.index_of(name).is_some() {
            return;
        }
        self.last_index += 1;
        let index = IfIndex::new(self.last_index).unwrap();
        let link = LinkFact {
            index,
            name: name.clone(),
            running: true,
            mac: None,
            mtu: 1500,
            multicast: true,
            macvlan: None,
        };
        self.links.insert(index, link.clone());
        self.facts.push_back(KernelFact::Link(link));
    }

    pub(crate) fn set_running(&mut self, name: &Name, running: bool) {
        let Some(index) = self.index_of(name) else { return };
        let link = self.links.get_mut(&index).unwrap();
        link.running = running;
        self.facts.push_back(KernelFact::Link(link.clone()));
        if !running {
            self.lose(|a| a.0 == index && a.1.is_ipv6());
        }
    }

    pub(crate) fn rename(&mut self, from: &Name, to: &Name) {
        if self.index_of(to).is_some() {
            return;
        }
        let Some(index) = self.index_of(from) else { return };
        let link = self.links.get_mut(&index).unwrap();
        link.name = to.clone();
        self.facts.push_back(KernelFact::Link(link.clone()));
    }

    pub(crate) fn delete(&mut self, name: &Name) {
        let Some(index) = self.index_of(name) else { return };
        self.set_running(name, false);
        self.lose(|a| a.0 == index);
        self.links.remove(&index);
        self.facts.push_back(KernelFact::LinkGone(index));
    }

    /// Removes what matches, telling each.
    pub(crate) fn lose(&mut self, which: impl Fn(&Address) -> bool) {
        let gone: Vec<Address> = self.addresses.iter().filter(|a| which(a)).copied().collect();
        for address in gone {
            self.addresses.remove(&address);
            self.late.retain(|a| *a != address);
            self.facts.push_back(KernelFact::AddressGone(fact(address)));
        }
    }

    /// Installs it, whoever asks.
    pub(crate) fn install(&mut self, address: Address) -> OpDone {
        if !self.links.contains_key(&address.0) {
            return Err(Errno::NODEV);
        }
        self.addresses.insert(address);
        if address.1.is_ipv4() {
            self.facts.push_back(KernelFact::Address(fact(address)));
        } else {
            self.late.push_back(address);
        }
        Ok(())
    }

    /// IPv6: the kernel's worker comes round to tell of one address.
    pub(crate) fn tell_late(&mut self) -> bool {
        let Some(address) = self.late.pop_front() else { return false };
        self.facts.push_back(KernelFact::Address(fact(address)));
        true
    }

    pub(crate) fn snapshot(&self) -> KernelFact {
        KernelFact::Snapshot {
            links: self.links.values().cloned().collect(),
            addresses: self.addresses.iter().copied().map(fact).collect(),
        }
    }

    /// The reader was too slow: unread facts are lost, everything is read anew.
    pub(crate) fn overrun(&mut self) {
        self.facts.clear();
        self.facts.push_back(self.snapshot());
    }

    pub(crate) fn submit(&mut self, batch: Batch) {
        self.waiting.push_back(batch);
    }

    /// Runs one operation; false when there was none.
    pub(crate) fn step(&mut self) -> bool {
        if self.running.is_none() {
            let Some(Batch { ticket, ops }) = self.waiting.pop_front() else { return false };
            self.running = Some((ticket, ops.into(), Vec::new()));
        }
        let (ticket, mut ops, mut outcomes) = self.running.take().unwrap();
        if let Some(op) = ops.pop_front() {
            outcomes.push(self.perform(&op));
        }
        if ops.is_empty() {
            self.outcomes.push_back(BatchDone { ticket, outcomes });
        } else {
            self.running = Some((ticket, ops, outcomes));
        }
        true
    }

    fn perform(&mut self, op: &AddressOp) -> OpDone {
        match op {
            AddressOp::Add { index, vip } => {
                if let Some(errno) = self.refuse {
                    return Err(errno);
                }
                self.install((*index, vip.address, vip.prefix))
            }
            AddressOp::Probe { index, vip } => {
                let address = (*index, vip.address, vip.prefix);
                if let Some(errno) = self.refuse {
                    return Err(errno);
                }
                if self.addresses.contains(&address) {
                    return Err(Errno::EXIST);
                }
                self.install(address)?;
                self.lose(|a| *a == address);
                Ok(())
            }
            AddressOp::Remove { index, vip } => {
                let address = (*index, vip.address, vip.prefix);
                if !self.links.contains_key(index) {
                    Err(Errno::NODEV)
                } else if self.addresses.contains(&address) {
                    self.lose(|a| *a == address);
                    Ok(())
                } else {
                    Err(Errno::ADDRNOTAVAIL)
                }
            }
        }
    }

    pub(crate) fn outcome(&mut self) -> Option<BatchDone> {
        self.outcomes.pop_front()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_none()
            && self.waiting.is_empty()
            && self.outcomes.is_empty()
            && self.facts.is_empty()
            && self.late.is_empty()
    }
}
