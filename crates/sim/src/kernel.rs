//! One node's kernel, as far as VIPs are concerned: an interface and its addresses.

use base::{
    AddressFact, AddressOp, Batch, BatchDone, Errno, IfIndex, KernelFact, LinkFact, Mac, Name, Vip,
};
use core::net::IpAddr;

/// The only interface of a simulated node.
pub(crate) const ETH0: &str = "eth0";

/// A kernel with one interface.
#[derive(Clone, Debug)]
pub struct Kernel {
    link: LinkFact,
    addresses: Vec<AddressFact>,
}

impl Kernel {
    /// A kernel whose `eth0` is up and carries `own`.
    #[must_use]
    pub fn new(mac: Mac, own: &[(IpAddr, u8)]) -> Self {
        let index = index();
        let link = LinkFact {
            index,
            name: Name::from(ETH0),
            running: true,
            mac: Some(mac),
            mtu: 1500,
            multicast: true,
        };
        let address = |(address, prefix): &(IpAddr, u8)| AddressFact {
            index,
            address: *address,
            prefix: *prefix,
            tentative: false,
        };
        Self { link, addresses: own.iter().map(address).collect() }
    }

    /// Whether it carries `address`.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|known| known.address == address)
    }

    /// Everything there is.
    #[must_use]
    pub fn snapshot(&self) -> KernelFact {
        KernelFact::Snapshot { links: vec![self.link.clone()], addresses: self.addresses.clone() }
    }

    /// Whether the interface is up.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.link.running
    }

    /// The interface's Ethernet address.
    #[must_use]
    pub fn mac(&self) -> Option<Mac> {
        self.link.mac
    }

    /// Sets the interface up or down; the fact that follows.
    pub fn set_running(&mut self, running: bool) -> KernelFact {
        self.link.running = running;
        KernelFact::Link(self.link.clone())
    }

    /// Removes an address as somebody else would; the fact that follows, if it was there.
    pub fn remove(&mut self, address: IpAddr) -> Option<KernelFact> {
        let at = self.addresses.iter().position(|known| known.address == address)?;
        Some(KernelFact::AddressGone(self.addresses.remove(at)))
    }

    /// Carries out a batch: its outcome, and the facts that follow from it.
    pub fn execute(&mut self, batch: Batch) -> (BatchDone, Vec<KernelFact>) {
        let mut facts = Vec::new();
        let outcomes = batch
            .ops
            .iter()
            .map(|op| match op {
                AddressOp::Add { index, vip } => self.add(*index, vip, &mut facts),
                AddressOp::Remove { index, vip } => self.take(*index, vip, &mut facts),
            })
            .collect();
        (BatchDone { ticket: batch.ticket, outcomes }, facts)
    }

    fn add(&mut self, at: IfIndex, vip: &Vip, facts: &mut Vec<KernelFact>) -> Result<(), Errno> {
        if at != self.link.index {
            return Err(Errno::NODEV);
        }
        let fact =
            AddressFact { index: at, address: vip.address, prefix: vip.prefix, tentative: false };
        if !self.addresses.contains(&fact) {
            self.addresses.push(fact);
        }
        facts.push(KernelFact::Address(fact));
        Ok(())
    }

    fn take(&mut self, at: IfIndex, vip: &Vip, facts: &mut Vec<KernelFact>) -> Result<(), Errno> {
        if at != self.link.index {
            return Err(Errno::NODEV);
        }
        facts.push(self.remove(vip.address).ok_or(Errno::ADDRNOTAVAIL)?);
        Ok(())
    }
}

/// The number of `eth0`.
pub(crate) fn index() -> IfIndex {
    IfIndex::new(2).expect("two is not zero")
}
