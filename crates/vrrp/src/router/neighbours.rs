//! Sight of rivals below IP: for which VIPs the driver is to look out for ARP packets and neighbour
//! advertisements of others, and whom such a frame concerns.
//!
//! Only a holder looks out. The driver is told interfaces and all VIPs that could be ours there, so
//! that what it watches changes when the first instance on an interface begins to hold or the last
//! one ends, and not with each of a thousand.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use base::{Device, Family, IfIndex, Instant, Name, Neighbour};
use serde::{Deserialize, Serialize};

use super::{Router, Seat, Slot};
use crate::instance::Turn;
use crate::links::Links;

/// Where and about which addresses frames of others are to be handed in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WatchSpec {
    /// On this interface.
    pub index: IfIndex,
    /// ARP for IPv4, neighbour advertisements for IPv6.
    pub family: Family,
    /// The addresses, in order, each once.
    pub addresses: Vec<IpAddr>,
}

type Place = (IfIndex, Family);

/// Which VIP is whose, and where it is looked out for.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    /// The interfaces that VIPs are on, and their numbers when what follows was worked out.
    numbers: BTreeMap<Name, Option<IfIndex>>,
    by_address: BTreeMap<(IfIndex, IpAddr), Vec<Slot>>,
    places: BTreeMap<Slot, BTreeSet<Place>>,
    holding: BTreeSet<Slot>,
    /// How many hold there.
    watched: BTreeMap<Place, usize>,
    /// What is asked of the driver may have changed.
    stale: bool,
}

impl Lookout {
    /// Works everything out anew if the configuration changed or an interface has another number.
    pub(super) fn survey(
        &mut self,
        seats: &BTreeMap<Slot, Box<Seat>>,
        links: &Links,
        changed: bool,
    ) {
        let number = |name: &Name| links.named(name).map(|link| link.index);
        if !changed && self.numbers.iter().all(|(name, index)| number(name) == *index) {
            return;
        }
        *self = Self { stale: true, ..Self::default() };
        for (slot, seat) in seats {
            for vip in seat.instance.config().all_vips() {
                if !self.numbers.contains_key(&vip.interface) {
                    self.numbers.insert(vip.interface.clone(), number(&vip.interface));
                }
                let Some(index) = self.numbers.get(&vip.interface).copied().flatten() else {
                    continue;
                };
                self.by_address.entry((index, vip.address)).or_default().push(*slot);
                let place = (index, Family::of(&vip.address));
                self.places.entry(*slot).or_default().insert(place);
            }
            self.holds(*slot, seat.holds());
        }
    }

    /// The instance in `slot` holds, or does not.
    pub(super) fn holds(&mut self, slot: Slot, holds: bool) {
        let changed = if holds { self.holding.insert(slot) } else { self.holding.remove(&slot) };
        if !changed {
            return;
        }
        for place in self.places.get(&slot).into_iter().flatten() {
            let count = self.watched.entry(*place).or_default();
            *count = if holds { *count + 1 } else { count.saturating_sub(1) };
            self.stale |= *count == usize::from(holds);
        }
    }

    /// What the driver is to watch, if that may have changed.
    pub(super) fn wanted(&mut self) -> Option<Vec<WatchSpec>> {
        if !core::mem::take(&mut self.stale) {
            return None;
        }
        let mut wanted: BTreeMap<Place, Vec<IpAddr>> = BTreeMap::new();
        for place in self.watched.iter().filter(|(_, count)| **count > 0).map(|(place, _)| place) {
            wanted.insert(*place, Vec::new());
        }
        for (index, address) in self.by_address.keys() {
            if let Some(addresses) = wanted.get_mut(&(*index, Family::of(address))) {
                addresses.push(*address);
            }
        }
        let spec = |((index, family), addresses)| WatchSpec { index, family, addresses };
        Some(wanted.into_iter().map(spec).collect())
    }
}

impl Router {
    /// A frame said where an address lives that may be a VIP of ours.
    pub(super) fn neighbour(&mut self, now: Instant, seen: &Neighbour) {
        let own = self.links.is_own_mac(seen.mac);
        let key = (seen.index, seen.address);
        let slots = self.lookout.by_address.get(&key).into_iter().flatten();
        for slot in slots.filter(|slot| self.lookout.holding.contains(slot)) {
            if let Some(seat) = self.seats.get_mut(slot) {
                // The virtual router's MAC is every holder's, and what we send does not come in.
                let shared = |device: &Device| device.mac == seen.mac;
                if own && !seat.instance.config().devices.iter().any(shared) {
                    continue;
                }
                seat.instance.contradicted(
                    &mut Turn { now, wall: self.wall.at(now), out: &mut self.out },
                    seen,
                );
                self.touched.insert(*slot);
            }
        }
    }

    /// Tells the driver what to look out for, if that has changed.
    pub(super) fn look_out(&mut self) {
        if let Some(wanted) = self.lookout.wanted()
            && wanted != self.watched
        {
            self.watched.clone_from(&wanted);
            self.out.watch(wanted);
        }
    }
}
