//! Who may hold what, and who does.
//!
//! A claim ties a holder to a place: an address with prefix on an interface *name*. Several holders
//! may claim one place; it is wanted while any of them holds. A claim also remembers whether its
//! holder was told that the VIP is present, because what was told once must be taken back once, even
//! after the claim itself was withdrawn.

use core::net::{IpAddr, Ipv4Addr};
use std::collections::{BTreeMap, BTreeSet};

use base::{Name, Vip};

use super::io::Waiting;
use crate::{HolderId, pack};

/// An address of the kernel by the name of its interface (see [`Vip::same_address`]).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    pub(super) interface: Name,
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
}

impl Place {
    pub(super) fn of(vip: &Vip) -> Self {
        Self { interface: vip.interface.clone(), address: vip.address, prefix: vip.prefix }
    }
}

/// One holder's interest in one place.
#[derive(Debug)]
pub(super) struct Claim {
    /// Shared with the slot of its address: there may be thousands of both.
    pub(super) vip: Vip,
    /// Its number in the holder's list, which is the order of installation.
    pub(super) position: usize,
    /// Still in the holder's list. A claim that is not waits to be told gone.
    managed: bool,
    /// The holder holds.
    holding: bool,
    /// Whether it waits installed while the holder does not hold.
    waiting: Waiting,
    /// Whether the kernel is asked, while the holder does not hold, if it would take it.
    tried: bool,
    /// The holder was told that it is present.
    pub(super) told: bool,
}

impl Claim {
    /// Whether this claim is a holder's that holds.
    pub(super) fn wants(&self) -> bool {
        self.managed && self.holding
    }

    /// Whether this claim asks for the VIP to be installed, be it only to wait.
    pub(super) fn asks(&self) -> bool {
        self.managed && (self.holding || self.waiting == Waiting::Put)
    }

    /// Whether the kernel is to be asked if it would take the VIP.
    pub(super) fn is_tried(&self) -> bool {
        self.managed && self.tried && !self.holding
    }

    /// Whether the VIP, if it is there, stays there only to wait.
    pub(super) fn waits(&self) -> bool {
        self.managed && self.waiting != Waiting::No && !self.holding
    }
}

#[derive(Debug, Default)]
struct Holder {
    holding: bool,
    waiting: Waiting,
    tried: bool,
    places: Vec<Place>,
}

/// The claims on one place, by holder: one, as a rule, so no tree.
#[derive(Debug, Default)]
struct Claimants(Vec<(HolderId, Claim)>);

impl Claimants {
    fn get(&self, id: HolderId) -> Option<&Claim> {
        self.0.iter().find(|(of, _)| *of == id).map(|(_, claim)| claim)
    }

    fn get_mut(&mut self, id: HolderId) -> Option<&mut Claim> {
        self.0.iter_mut().find(|(of, _)| *of == id).map(|(_, claim)| claim)
    }

    fn insert(&mut self, id: HolderId, claim: Claim) {
        match self.0.binary_search_by_key(&id, |(of, _)| *of) {
            Ok(at) => self.0[at].1 = claim,
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (id, claim));
            }
        }
    }
}

/// All claims of all holders.
#[derive(Debug, Default)]
pub(super) struct Claims {
    holders: BTreeMap<HolderId, Holder>,
    places: BTreeMap<Place, Claimants>,
    /// Where holders without places of their own still have to be told that something is gone.
    debts: BTreeMap<HolderId, BTreeSet<Place>>,
}

impl Claims {
    /// Needs no more room than necessary from here on.
    pub(super) fn pack(&mut self) {
        pack::map(&mut self.holders);
        pack::map(&mut self.places);
    }

    /// Replaces the list of `holder`; the places whose claims may have changed.
    pub(super) fn manage(&mut self, id: HolderId, vips: Vec<Vip>) -> Vec<Place> {
        let holder = self.holders.entry(id).or_default();
        let mut touched = core::mem::take(&mut holder.places);
        for place in &touched {
            if let Some(claim) = self.places.get_mut(place).and_then(|c| c.get_mut(id)) {
                claim.managed = false;
            }
        }
        for vip in vips {
            let place = Place::of(&vip);
            let claims = self.places.entry(place.clone()).or_default();
            let told = match claims.get(id) {
                // The same address named twice: the first one counts.
                Some(claim) if claim.managed => continue,
                Some(claim) => claim.told,
                None => false,
            };
            let (position, holding) = (holder.places.len(), holder.holding);
            let (waiting, tried) = (holder.waiting, holder.tried);
            let (vip, managed) = (vip, true);
            claims.insert(id, Claim { vip, position, managed, holding, waiting, tried, told });
            holder.places.push(place.clone());
            touched.push(place);
        }
        holder.places.shrink_to_fit();
        if holder.places.is_empty() {
            self.holders.remove(&id);
        }
        for place in &touched {
            self.prune(place);
            let claim = self.places.get(place).and_then(|claims| claims.get(id));
            if claim.is_some_and(|claim| !claim.managed && claim.told) {
                self.debts.entry(id).or_default().insert(place.clone());
            }
        }
        touched
    }

    /// Notes that `holder` holds or not; its places.
    pub(super) fn set_holding(&mut self, id: HolderId, holding: bool) -> Vec<Place> {
        let holder = self.holders.entry(id).or_default();
        holder.holding = holding;
        let touched = holder.places.clone();
        if touched.is_empty() && !holding {
            self.holders.remove(&id);
        }
        for place in &touched {
            if let Some(claim) = self.places.get_mut(place).and_then(|c| c.get_mut(id)) {
                claim.holding = holding;
            }
        }
        touched
    }

    /// Notes whether the VIPs of `holder` wait installed while it does not hold; its places, if that
    /// is news.
    pub(super) fn set_waiting(&mut self, id: HolderId, waiting: Waiting) -> Vec<Place> {
        let Some(holder) = self.holders.get_mut(&id) else { return Vec::new() };
        if core::mem::replace(&mut holder.waiting, waiting) == waiting {
            return Vec::new();
        }
        let touched = holder.places.clone();
        for place in &touched {
            if let Some(claim) = self.places.get_mut(place).and_then(|c| c.get_mut(id)) {
                claim.waiting = waiting;
            }
        }
        touched
    }

    /// Notes whether the VIPs of `holder` are tried while it does not hold; its places, if that is
    /// news.
    pub(super) fn set_tried(&mut self, id: HolderId, tried: bool) -> Vec<Place> {
        let Some(holder) = self.holders.get_mut(&id) else { return Vec::new() };
        if core::mem::replace(&mut holder.tried, tried) == tried {
            return Vec::new();
        }
        let touched = holder.places.clone();
        for place in &touched {
            if let Some(claim) = self.places.get_mut(place).and_then(|c| c.get_mut(id)) {
                claim.tried = tried;
            }
        }
        touched
    }

    /// The claims on `place`.
    pub(super) fn at(&self, place: &Place) -> impl Iterator<Item = (HolderId, &Claim)> {
        let claims = self.places.get(place).into_iter().flat_map(|claims| &claims.0);
        claims.map(|(id, claim)| (*id, claim))
    }

    /// The claims on `place`, to note what was told.
    pub(super) fn at_mut(&mut self, place: &Place) -> impl Iterator<Item = (HolderId, &mut Claim)> {
        let claims = self.places.get_mut(place).into_iter().flat_map(|claims| &mut claims.0);
        claims.map(|(id, claim)| (*id, claim))
    }

    /// Forgets the claims on `place` that are neither managed nor owe a message.
    pub(super) fn prune(&mut self, place: &Place) {
        if let Some(claims) = self.places.get_mut(place) {
            claims.0.retain(|(id, claim)| {
                let stays = claim.managed || claim.told;
                if !stays && let Some(debts) = self.debts.get_mut(id) {
                    debts.remove(place);
                    if debts.is_empty() {
                        self.debts.remove(id);
                    }
                }
                stays
            });
            if claims.0.is_empty() {
                self.places.remove(place);
            }
        }
    }

    /// Every place on the interface `name`.
    pub(super) fn on(&self, name: &Name) -> impl Iterator<Item = &Place> {
        let first = Place {
            interface: name.clone(),
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            prefix: 0,
        };
        let name = name.clone();
        self.places
            .range(first..)
            .map(|(place, _)| place)
            .take_while(move |place| place.interface == name)
    }

    /// Every place.
    pub(super) fn all(&self) -> impl Iterator<Item = &Place> {
        self.places.keys()
    }

    /// Whether `holder` holds, and its places in its order; `None` if it was never heard of.
    pub(super) fn holder(&self, id: HolderId) -> Option<(bool, &[Place])> {
        self.holders.get(&id).map(|h| (h.holding, h.places.as_slice()))
    }

    /// Whether a holder without places of its own still has to be told that some are gone.
    pub(super) fn owes(&self, id: HolderId) -> bool {
        let told = |place: &Place| {
            let claim = self.places.get(place).and_then(|claims| claims.get(id));
            claim.is_some_and(|claim| claim.told)
        };
        self.debts.get(&id).is_some_and(|places| places.iter().any(told))
    }

    /// Every holder.
    pub(super) fn holders(&self) -> impl Iterator<Item = HolderId> {
        self.holders.keys().copied()
    }
}
