//! One node's kernel, as far as VIPs are concerned: two interfaces and their addresses.

use base::{
    AddressFact, AddressOp, Batch, BatchDone, Errno, IfIndex, Instant, KernelFact, LinkFact, Mac,
    Name, Vip,
};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::table::Table;

/// The interface on the link where the client is.
pub const ETH0: &str = "eth0";
/// A second interface, on a link of its own.
pub const ETH1: &str = "eth1";

/// A kernel with `eth0` and `eth1`.
#[derive(Clone, Debug)]
pub struct Kernel {
    links: Vec<LinkFact>,
    addresses: Vec<AddressFact>,
    pub(crate) table: Table,
}

impl Kernel {
    /// The kernel of node `number`, freshly booted: `eth0` has 193.168.1.(number)/16 and
    /// fe80::(number)/64, `eth1` 10.0.0.(number)/24; both are up.
    #[must_use]
    pub fn of(number: u8) -> Self {
        let link = |place: u8, name: &str| LinkFact {
            index: index(place),
            name: Name::from(name),
            running: true,
            mac: Some(Mac([2, 0, 0, 0, place, number])),
            mtu: 1500,
            multicast: true,
        };
        let v6 = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(number));
        let own = [
            (2, IpAddr::from(Ipv4Addr::new(193, 168, 1, number)), 16),
            (2, IpAddr::from(v6), 64),
            (3, IpAddr::from(Ipv4Addr::new(10, 0, 0, number)), 24),
        ];
        let addresses = own.map(|(place, address, prefix)| AddressFact {
            index: index(place),
            address,
            prefix,
            tentative: false,
        });
        let links = vec![link(2, ETH0), link(3, ETH1)];
        Self { links, addresses: addresses.into(), table: Table::default() }
    }

    /// Whether it carries `address`.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|known| known.address == address)
    }

    /// Whether it answers for `address` at `now`: it has it, and no lapsed lease keeps it silent.
    #[must_use]
    pub fn answers(&self, address: IpAddr, now: Instant) -> bool {
        self.has(address) && self.table.passes(address, now)
    }

    /// Everything there is.
    #[must_use]
    pub fn snapshot(&self) -> KernelFact {
        KernelFact::Snapshot { links: self.links.clone(), addresses: self.addresses.clone() }
    }

    /// Whether the interface with this number is up.
    #[must_use]
    pub fn is_running(&self, index: IfIndex) -> bool {
        self.links.iter().any(|link| link.index == index && link.running)
    }

    /// Whether `eth0` is up.
    #[must_use]
    pub fn is_eth0_running(&self) -> bool {
        self.is_running(index(2))
    }

    /// Whether one of its interfaces has this Ethernet address.
    #[must_use]
    pub fn has_mac(&self, mac: Mac) -> bool {
        self.links.iter().any(|link| link.mac == Some(mac))
    }

    /// Sets an interface up or down; the fact that follows.
    ///
    /// # Panics
    /// When there is no interface of that name.
    pub fn set_running(&mut self, name: &str, running: bool) -> KernelFact {
        let link = self.links.iter_mut().find(|link| link.name.as_str() == name);
        let link = link.unwrap_or_else(|| panic!("there is no interface called {name}"));
        link.running = running;
        KernelFact::Link(link.clone())
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

    fn exists(&self, at: IfIndex) -> Result<(), Errno> {
        self.links.iter().find(|link| link.index == at).map(|_| ()).ok_or(Errno::NODEV)
    }

    fn add(&mut self, at: IfIndex, vip: &Vip, facts: &mut Vec<KernelFact>) -> Result<(), Errno> {
        self.exists(at)?;
        let fact =
            AddressFact { index: at, address: vip.address, prefix: vip.prefix, tentative: false };
        if !self.addresses.contains(&fact) {
            self.addresses.push(fact);
        }
        facts.push(KernelFact::Address(fact));
        Ok(())
    }

    fn take(&mut self, at: IfIndex, vip: &Vip, facts: &mut Vec<KernelFact>) -> Result<(), Errno> {
        self.exists(at)?;
        facts.push(self.remove(vip.address).ok_or(Errno::ADDRNOTAVAIL)?);
        Ok(())
    }
}

/// The interface with this number.
fn index(number: u8) -> IfIndex {
    IfIndex::new(u32::from(number)).expect("interfaces are counted from two")
}
