//! The addresses of a node, in the kernel's order, found without looking at each.
//!
//! The order matters (the first address of a subnet is its primary one), and so does the number: a
//! node may carry thousands on one interface, and each comes as a fact of its own. So nothing here
//! walks a list to find, add or remove one.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;

use base::{AddressFact, IfIndex};

use crate::pack;

/// All addresses known.
#[derive(Debug, Default)]
pub struct Addresses {
    /// Each with its number in the order of appearance, and whether it is tentative.
    by_place: BTreeMap<(IpAddr, IfIndex, u8), (u64, bool)>,
    by_order: BTreeMap<(IfIndex, u64), (IpAddr, u8)>,
    /// But for those whose prefix has room for nobody else: there each is a subnet of its own.
    by_subnet: BTreeMap<(IfIndex, u8, IpAddr, u64), IpAddr>,
    so_far: u64,
}

impl Addresses {
    /// Takes one in; whether it is new.
    pub fn put(&mut self, fact: &AddressFact) -> bool {
        let place = (fact.address, fact.index, fact.prefix);
        if let Some((_, tentative)) = self.by_place.get_mut(&place) {
            *tentative = fact.tentative;
            return false;
        }
        let number = self.so_far;
        self.so_far += 1;
        self.by_place.insert(place, (number, fact.tentative));
        self.by_order.insert((fact.index, number), (fact.address, fact.prefix));
        if !is_host(fact.address, fact.prefix) {
            let network = network(fact.address, fact.prefix);
            self.by_subnet.insert((fact.index, fact.prefix, network, number), fact.address);
        }
        true
    }

    /// Needs no more room than necessary from here on.
    pub fn pack(&mut self) {
        pack::map(&mut self.by_place);
        pack::map(&mut self.by_order);
        pack::map(&mut self.by_subnet);
    }

    /// Forgets one; whether it was known.
    pub fn remove(&mut self, fact: &AddressFact) -> bool {
        let place = (fact.address, fact.index, fact.prefix);
        let Some((number, _)) = self.by_place.remove(&place) else { return false };
        self.by_order.remove(&(fact.index, number));
        let network = network(fact.address, fact.prefix);
        self.by_subnet.remove(&(fact.index, fact.prefix, network, number));
        true
    }

    /// Forgets those of an interface.
    pub fn remove_link(&mut self, index: IfIndex) {
        let gone: Vec<AddressFact> = self.on(index).collect();
        for fact in gone {
            self.remove(&fact);
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.by_place.clear();
        self.by_order.clear();
        self.by_subnet.clear();
    }

    fn has(&self, place: (IpAddr, IfIndex, u8)) -> bool {
        self.by_place.contains_key(&place)
    }

    /// Those of an interface, in the kernel's order.
    pub fn on(&self, index: IfIndex) -> impl Iterator<Item = AddressFact> {
        self.by_order.range((index, 0)..=(index, u64::MAX)).map(move |(_, (address, prefix))| {
            let place = (*address, index, *prefix);
            let tentative = self.by_place.get(&place).is_some_and(|(_, tentative)| *tentative);
            AddressFact { index, address: *address, prefix: *prefix, tentative }
        })
    }

    /// This address, wherever it is.
    pub fn anywhere(&self, address: IpAddr) -> impl Iterator<Item = AddressFact> {
        let first = IfIndex::new(1).map(|lowest| (address, lowest, 0));
        first
            .into_iter()
            .flat_map(|first| self.by_place.range(first..))
            .map(|((address, index, prefix), (_, tentative))| AddressFact {
                index: *index,
                address: *address,
                prefix: *prefix,
                tentative: *tentative,
            })
            .take_while(move |fact| fact.address == address)
    }

    /// Those of an interface with this prefix whose network is that of `address`, in the kernel's
    /// order: the first one is primary.
    pub fn in_subnet(
        &self,
        index: IfIndex,
        address: IpAddr,
        prefix: u8,
    ) -> impl Iterator<Item = IpAddr> {
        let network = network(address, prefix);
        let all = (index, prefix, network, 0)..=(index, prefix, network, u64::MAX);
        let alone = is_host(address, prefix) && self.has((address, index, prefix));
        let alone = alone.then_some(address);
        alone.into_iter().chain(self.by_subnet.range(all).map(|(_, address)| *address))
    }

    /// One of an interface with this prefix, of the family of `like`.
    #[must_use]
    pub fn any_with_prefix(&self, index: IfIndex, prefix: u8, like: IpAddr) -> Option<IpAddr> {
        if is_host(like, prefix) {
            let on = self.on(index).filter(|fact| fact.prefix == prefix);
            let mut on = on.map(|fact| fact.address);
            return on.find(|one| one.is_ipv4() == like.is_ipv4());
        }
        let lowest: IpAddr = match like {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let (key, address) = self.by_subnet.range((index, prefix, lowest, 0)..).next()?;
        let fits = key.0 == index && key.1 == prefix && address.is_ipv4() == like.is_ipv4();
        fits.then_some(*address)
    }
}

/// Whether the prefix has room for nobody else.
fn is_host(address: IpAddr, prefix: u8) -> bool {
    prefix == if address.is_ipv4() { 32 } else { 128 }
}

/// The address with its host bits cleared.
fn network(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - prefix.min(32)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - prefix.min(128)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(index: u32, text: &str, prefix: u8) -> AddressFact {
        let index = IfIndex::new(index).unwrap();
        AddressFact { index, address: text.parse().unwrap(), prefix, tentative: false }
    }

    fn texts(addresses: impl Iterator<Item = IpAddr>) -> Vec<String> {
        addresses.map(|address| address.to_string()).collect()
    }

    #[test]
    fn the_order_is_that_of_appearance_and_a_repeat_changes_nothing_but_the_state() {
        let mut known = Addresses::default();
        for text in ["10.0.0.9", "10.0.0.1", "10.0.0.5"] {
            assert!(known.put(&fact(2, text, 24)));
        }
        let tentative = AddressFact { tentative: true, ..fact(2, "10.0.0.1", 24) };
        assert!(!known.put(&tentative));
        let on: Vec<AddressFact> = known.on(tentative.index).collect();
        assert_eq!(on, [fact(2, "10.0.0.9", 24), tentative, fact(2, "10.0.0.5", 24)]);
        assert!(known.remove(&fact(2, "10.0.0.9", 24)));
        assert!(!known.remove(&fact(2, "10.0.0.9", 24)));
        let subnet = known.in_subnet(tentative.index, tentative.address, 24);
        assert_eq!(texts(subnet), ["10.0.0.1", "10.0.0.5"]);
    }

    #[test]
    fn subnets_are_told_apart_by_link_prefix_and_network() {
        let mut known = Addresses::default();
        let all = [
            fact(2, "10.0.0.6", 32),
            fact(2, "10.0.0.1", 24),
            fact(2, "10.0.0.2", 25),
            fact(3, "10.0.0.3", 24),
            fact(2, "10.0.1.4", 24),
            fact(2, "10.0.0.5", 32),
            fact(2, "2001:db8::1", 32),
        ];
        all.iter().for_each(|fact| assert!(known.put(fact)));
        let index = all[0].index;
        assert_eq!(texts(known.in_subnet(index, all[3].address, 24)), ["10.0.0.1"]);
        assert_eq!(texts(known.in_subnet(index, all[0].address, 32)), ["10.0.0.6"]);
        assert_eq!(texts(known.in_subnet(all[3].index, all[0].address, 32)), [""; 0]);
        assert!(known.remove(&all[0]));
        assert_eq!(texts(known.in_subnet(index, all[0].address, 32)), [""; 0]);
        assert_eq!(known.any_with_prefix(index, 32, all[0].address), Some(all[5].address));
        assert_eq!(known.any_with_prefix(index, 32, all[6].address), Some(all[6].address));
        assert_eq!(known.any_with_prefix(all[3].index, 32, all[0].address), None);
    }

    #[test]
    fn an_address_is_found_on_every_link_until_that_link_goes() {
        let mut known = Addresses::default();
        let (a, b) = (fact(2, "10.0.0.1", 24), fact(7, "10.0.0.1", 24));
        known.put(&a);
        known.put(&b);
        known.put(&fact(2, "10.0.0.2", 24));
        assert_eq!(known.anywhere(a.address).collect::<Vec<_>>(), [a, b]);
        known.remove_link(a.index);
        assert_eq!(known.anywhere(a.address).collect::<Vec<_>>(), [b]);
        assert_eq!(known.on(a.index).count(), 0);
        known.clear();
        assert_eq!(known.anywhere(a.address).count(), 0);
    }
}
