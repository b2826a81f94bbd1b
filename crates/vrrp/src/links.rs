//! The interfaces and addresses of this node, as the kernel last described them.
//!
//! People name interfaces, the kernel numbers them; instances ask by name and bind late, so an
//! interface that is deleted and made again, or renamed, is simply found again.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::{BTreeMap, BTreeSet};

use base::{AddressFact, Family, IfIndex, KernelFact, LinkFact, Mac, Name};
use vip::addresses::Addresses;

use crate::wire::Subnet;

/// Everything known of the node's interfaces.
#[derive(Default, Debug)]
pub(crate) struct Links {
    by_index: BTreeMap<IfIndex, Entry>,
    by_name: BTreeMap<Name, IfIndex>,
    addresses: Addresses,
    /// Whether a snapshot has arrived; before it, nothing is known to be missing.
    known: bool,
}

#[derive(Debug)]
struct Entry {
    link: LinkFact,
    /// The prefixes of its addresses, each once; one host prefix of a family stands for all, since
    /// none of them has room for anybody else.
    subnets: Vec<Subnet>,
}

impl Links {
    /// Needs no more room than necessary from here on.
    pub(crate) fn pack(&mut self) {
        self.addresses.pack();
    }

    /// Takes in one fact; answers with the names of the interfaces it concerns.
    pub(crate) fn learn(&mut self, fact: &KernelFact) -> BTreeSet<Name> {
        let mut touched = BTreeSet::new();
        match fact {
            KernelFact::Snapshot { links, addresses } => {
                touched.extend(self.by_name.keys().cloned());
                self.by_index.clear();
                self.by_name.clear();
                self.addresses.clear();
                self.known = true;
                for link in links {
                    self.put(link, &mut touched);
                }
                for address in addresses {
                    self.put_address(address);
                }
            }
            KernelFact::Link(link) => self.put(link, &mut touched),
            KernelFact::LinkGone(index) => {
                if let Some(entry) = self.by_index.remove(index) {
                    self.addresses.remove_link(*index);
                    // A new interface may already have the name of the one that is going.
                    if self.by_name.get(&entry.link.name) == Some(index) {
                        self.by_name.remove(&entry.link.name);
                    }
                    touched.insert(entry.link.name);
                }
            }
            KernelFact::Address(address) => touched.extend(self.put_address(address)),
            KernelFact::AddressGone(address) => {
                if self.addresses.remove(address) {
                    self.leave_subnet(address);
                }
                touched.extend(self.name_of(address.index));
            }
        }
        touched
    }

    fn put(&mut self, link: &LinkFact, touched: &mut BTreeSet<Name>) {
        let subnets = match self.by_index.remove(&link.index) {
            Some(old) => {
                if old.link.name != link.name {
                    if self.by_name.get(&old.link.name) == Some(&link.index) {
                        self.by_name.remove(&old.link.name);
                    }
                    touched.insert(old.link.name);
                }
                old.subnets
            }
            None => Vec::new(),
        };
        self.by_name.insert(link.name.clone(), link.index);
        touched.insert(link.name.clone());
        self.by_index.insert(link.index, Entry { link: link.clone(), subnets });
    }

    fn put_address(&mut self, fact: &AddressFact) -> Option<Name> {
        let entry = self.by_index.get_mut(&fact.index)?;
        if self.addresses.put(fact) {
            let new = if is_host(fact) {
                !entry.subnets.iter().any(|known| stands_for(known, fact))
            } else {
                self.addresses.in_subnet(fact.index, fact.address, fact.prefix).nth(1).is_none()
            };
            if new {
                entry.subnets.push(Subnet { address: fact.address, prefix: fact.prefix });
            }
        }
        Some(entry.link.name.clone())
    }

    fn leave_subnet(&mut self, fact: &AddressFact) {
        let Some(entry) = self.by_index.get_mut(&fact.index) else { return };
        if !is_host(fact) {
            if self.addresses.in_subnet(fact.index, fact.address, fact.prefix).next().is_none() {
                entry.subnets.retain(|s| s.prefix != fact.prefix || !s.contains(&fact.address));
            }
        } else if let Some(at) = entry.subnets.iter().position(|known| stands_for(known, fact)) {
            match self.addresses.any_with_prefix(fact.index, fact.prefix, fact.address) {
                Some(other) => entry.subnets[at].address = other,
                None => drop(entry.subnets.remove(at)),
            }
        }
    }

    /// All addresses of the node.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Whether anything has been heard from the kernel yet.
    pub(crate) fn known(&self) -> bool {
        self.known
    }

    /// The interface of that name.
    pub(crate) fn named(&self, name: &Name) -> Option<&LinkFact> {
        let index = self.by_name.get(name)?;
        self.by_index.get(index).map(|entry| &entry.link)
    }

    /// The interface that carries `address`.
    pub(crate) fn carrying(&self, address: IpAddr) -> Option<&LinkFact> {
        let at = self.addresses.anywhere(address).next()?;
        self.by_index.get(&at.index).map(|entry| &entry.link)
    }

    /// Whether any interface carries `address`, usable as a source.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.addresses.anywhere(address).any(|known| !known.tentative)
    }

    /// The present name of the interface `index`.
    pub(crate) fn name_of(&self, index: IfIndex) -> Option<Name> {
        self.by_index.get(&index).map(|entry| entry.link.name.clone())
    }

    /// The prefixes of the link behind `index`.
    pub(crate) fn subnets(&self, index: IfIndex) -> &[Subnet] {
        self.by_index.get(&index).map_or(&[], |entry| &entry.subnets)
    }

    /// Whether one of this node's interfaces has this MAC.
    pub(crate) fn is_own_mac(&self, mac: Mac) -> bool {
        self.by_index.values().any(|entry| entry.link.mac == Some(mac))
    }

    /// Whether `address` is one of this node's, tentative or not.
    pub(crate) fn is_ours(&self, address: IpAddr) -> bool {
        self.addresses.anywhere(address).next().is_some()
    }

    /// The address to send adverts from (RFC 9568 §5.1.1.1, §5.1.2.1): for IPv4 the interface's
    /// first, for IPv6 its link-local one (`wide`: its first global one, for unicast beyond the
    /// link); never one of `vips`, which may leave.
    pub(crate) fn source(
        &self,
        index: IfIndex,
        family: Family,
        wide: bool,
        vips: &BTreeSet<IpAddr>,
    ) -> Option<IpAddr> {
        self.addresses
            .on(index)
            .filter(|known| Family::of(&known.address) == family && !known.tentative)
            .map(|known| known.address)
            .filter(|address| !vips.contains(address))
            .find(|address| match address {
                IpAddr::V4(_) => true,
                IpAddr::V6(address) => is_link_local(address) != wide,
            })
    }
}

/// Whether its prefix has room for nobody else.
fn is_host(fact: &AddressFact) -> bool {
    fact.prefix == if fact.address.is_ipv4() { 32 } else { 128 }
}

/// Whether it is the host prefix that stands for all of this one's kind.
fn stands_for(known: &Subnet, host: &AddressFact) -> bool {
    known.prefix == host.prefix && known.address.is_ipv4() == host.address.is_ipv4()
}

pub(crate) fn is_link_local(address: &Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(n: u32) -> IfIndex {
        IfIndex::new(n).unwrap()
    }

    fn link(n: u32, name: &str) -> LinkFact {
        LinkFact {
            index: index(n),
            name: name.into(),
            running: true,
            mac: None,
            mtu: 1500,
            multicast: true,
            macvlan: None,
        }
    }

    fn address(n: u32, text: &str) -> AddressFact {
        AddressFact {
            index: index(n),
            address: text.parse().unwrap(),
            prefix: 24,
            tentative: false,
        }
    }

    fn links(addresses: &[&str]) -> Links {
        let mut links = Links::default();
        links.learn(&KernelFact::Snapshot {
            links: vec![link(2, "eth0")],
            addresses: addresses.iter().map(|a| address(2, a)).collect(),
        });
        links
    }

    #[test]
    fn vrrp_004_ipv4_source_is_the_first_address_that_is_no_vip() {
        let links = links(&["192.0.2.10", "192.0.2.1", "192.0.2.7"]);
        let vips = BTreeSet::from(["192.0.2.10".parse().unwrap()]);
        let source = links.source(index(2), Family::V4, false, &vips);
        assert_eq!(source, Some("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn vrrp_005_ipv6_source_is_the_link_local_address() {
        let mut links = links(&["2001:db8::1", "fe80::61", "fe80::1"]);
        let vips = BTreeSet::from(["fe80::61".parse().unwrap()]);
        let source = |links: &Links, wide| links.source(index(2), Family::V6, wide, &vips);
        assert_eq!(source(&links, false), Some("fe80::1".parse().unwrap()));
        assert_eq!(source(&links, true), Some("2001:db8::1".parse().unwrap()));

        let tentative = AddressFact { tentative: true, ..address(2, "fe80::1") };
        links.learn(&KernelFact::Address(tentative));
        assert_eq!(source(&links, false), None);
    }

    #[test]
    fn a_renamed_interface_is_found_by_its_new_name_only() {
        let mut links = links(&["192.0.2.1"]);
        let touched = links.learn(&KernelFact::Link(link(2, "lan0")));
        assert_eq!(touched, BTreeSet::from(["eth0".into(), "lan0".into()]));
        assert!(links.named(&"eth0".into()).is_none());
        assert_eq!(links.named(&"lan0".into()).unwrap().index, index(2));
        assert!(links.has("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn a_name_taken_over_by_a_new_interface_survives_the_old_ones_end() {
        let mut links = links(&[]);
        links.learn(&KernelFact::Link(link(7, "eth0")));
        links.learn(&KernelFact::LinkGone(index(2)));
        assert_eq!(links.named(&"eth0".into()).unwrap().index, index(7));
    }

    #[test]
    fn a_snapshot_forgets_what_it_does_not_name() {
        let mut links = links(&["192.0.2.1"]);
        let touched =
            links.learn(&KernelFact::Snapshot { links: vec![link(3, "eth1")], addresses: vec![] });
        assert_eq!(touched, BTreeSet::from(["eth0".into(), "eth1".into()]));
        assert!(links.named(&"eth0".into()).is_none());
        assert!(!links.has("192.0.2.1".parse().unwrap()));
        assert!(!links.is_ours("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn an_address_is_ours_until_the_last_interface_loses_it() {
        let mut links = links(&["192.0.2.1"]);
        let ours = |links: &Links| links.is_ours("192.0.2.1".parse().unwrap());
        links.learn(&KernelFact::Link(link(3, "eth1")));
        links.learn(&KernelFact::Address(address(3, "192.0.2.1")));
        // The same news twice is one address.
        links.learn(&KernelFact::Address(address(3, "192.0.2.1")));
        links.learn(&KernelFact::AddressGone(address(2, "192.0.2.1")));
        assert!(ours(&links));
        links.learn(&KernelFact::LinkGone(index(3)));
        assert!(!ours(&links));
    }
}
