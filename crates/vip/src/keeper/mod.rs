//! The keeper: wanted against present addresses.
//!
//! Possession is derived, never toggled. For every place that somebody claims, and for every address
//! we ever acted on, the keeper compares what is wanted with what the kernel has, and asks for the
//! difference; there is no edge it could miss. All that was decided since it was last drained leaves
//! together, removals first, in batches of [`OPS_PER_BATCH`]. At most one operation on one address is under way at any time.
//!
//! Interfaces are meant by name and acted on by number. A VIP whose interface does not exist waits;
//! when its name passes to another interface, the address is removed from the former (if we put it
//! there) and added to the latter.

mod claims;
mod io;
mod questions;
mod slot;
mod unrest;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use core::net::IpAddr;

use base::{
    AddressFact, AddressOp, Batch, BatchDone, Family, IfIndex, Instant, KernelFact, Ticket, Vip,
};

use crate::links::Links;
use crate::{HolderId, pack};
use claims::{Claims, Place};
pub use io::{Discards, Input, Output, Status, VipStatus, Waiting};
pub use slot::GIVEN_UP;
use slot::{Have, Meaning, Slot};

/// Operations in one batch at most: what is through is told and announced while the rest is still
/// being done.
pub const OPS_PER_BATCH: usize = 256;

/// An address of the kernel by the number of its interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    index: IfIndex,
    address: IpAddr,
    prefix: u8,
}

impl Key {
    fn of(fact: &AddressFact) -> Self {
        Self { index: fact.index, address: fact.address, prefix: fact.prefix }
    }
}

/// The machine. Feed it, drain it, wake it.
#[derive(Debug, Default)]
pub struct Keeper {
    now: Instant,
    links: Links,
    /// Every address there is, as the facts tell; true while tentative.
    addresses: BTreeMap<Key, bool>,
    claims: Claims,
    slots: BTreeMap<Key, Slot>,
    /// Slots with a pause that ends, and when; the same by time. After a takeover that may be all.
    paused: BTreeMap<Key, Instant>,
    pauses: BTreeSet<(Instant, Key)>,
    /// Under way, by ticket, in the order of the operations.
    in_flight: BTreeMap<u64, Vec<Key>>,
    last_ticket: u64,
    operations: u64,
    discards: Discards,
    stale_slots: BTreeSet<Key>,
    stale_places: BTreeSet<Place>,
    /// Holders of which something may have become otherwise since somebody asked.
    stirred: BTreeSet<HolderId>,
    outputs: VecDeque<Output>,
}

impl Keeper {
    /// A keeper that knows of no interface and no holder yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one input. Several may be given before draining; what they ask for together leaves in
    /// one batch.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        match input {
            Input::Manage { holder, vips } => {
                let touched = self.claims.manage(holder, vips);
                self.stale_places.extend(touched);
            }
            Input::Hold { holder } => {
                let touched = self.claims.set_holding(holder, true);
                self.stale_places.extend(touched);
            }
            Input::Release { holder } => {
                let touched = self.claims.set_holding(holder, false);
                self.stale_places.extend(touched);
            }
            Input::Wait { holder, waiting } => {
                let touched = self.claims.set_waiting(holder, waiting);
                self.stale_places.extend(touched);
            }
            Input::Try { holder, trying } => {
                let touched = self.claims.set_tried(holder, trying);
                self.stale_places.extend(touched);
            }
            Input::Fact(fact) => self.learn(fact),
            Input::Done(done) => self.done(&done),
            Input::Wake => {}
        }
        self.wake();
    }

    /// What to do or tell next; `None` when drained.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.outputs.is_empty() {
            self.settle();
        }
        self.outputs.pop_front()
    }

    /// When to be woken, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pauses.first().map(|(at, _)| *at)
    }

    /// Whether `holder` holds and all its VIPs are present. False for one never heard of.
    #[must_use]
    pub fn held(&self, holder: HolderId) -> bool {
        self.claims.holder(holder).is_some_and(|(holding, places)| {
            holding && places.iter().all(|place| self.is_served(place))
        })
    }

    /// Whether an address of this holder's is on the node or may come to be there by an operation
    /// under way. One that others still want does not count.
    #[must_use]
    pub fn leaves_traces(&self, holder: HolderId) -> bool {
        let Some((_, places)) = self.claims.holder(holder) else {
            return self.claims.owes(holder);
        };
        places.iter().any(|place| {
            let shared = self.claims.at(place).any(|(id, claim)| id != holder && claim.wants());
            let waits = || self.claims.at(place).any(|(id, claim)| id == holder && claim.waits());
            // What waits on an interface that is down is as good as gone.
            !(shared || self.is_dormant(place) && waits())
                && (self.is_present(place) || self.slot_at(place).is_some_and(Slot::in_flight))
        })
    }

    /// Whether this address, which we put there, is on its way off that interface: nobody asks for
    /// it any more, and it is there or may be.
    #[must_use]
    pub fn lingers(&self, address: IpAddr, index: IfIndex) -> bool {
        let key = |prefix| Key { index, address, prefix };
        self.slots.range(key(0)..=key(u8::MAX)).any(|(key, slot)| {
            let place = self.place_of(*key);
            let asked = || place.is_some_and(|at| self.claims.at(&at).any(|(_, c)| c.asks()));
            (slot.in_flight() || slot.ours && slot.have != Have::Absent) && !asked()
        })
    }

    /// Whether another holder wants an address of this one's to be on the node.
    #[must_use]
    pub fn is_shared(&self, holder: HolderId) -> bool {
        let places = self.claims.holder(holder).map_or(&[][..], |(_, places)| places);
        let others = |place| self.claims.at(place).filter(|(id, _)| *id != holder);
        places.iter().any(|place| others(place).any(|(_, claim)| claim.wants()))
    }

    /// Hands out the holders whose VIPs may have come, gone or become somebody else's since this was
    /// last called: only for these can [`Keeper::leaves_traces`] have become false.
    pub fn take_stirred(&mut self) -> BTreeSet<HolderId> {
        core::mem::take(&mut self.stirred)
    }

    /// Needs no more room than necessary from here on: for when it has come to rest.
    pub fn pack(&mut self) {
        self.claims.pack();
        self.slots.values_mut().for_each(|slot| slot.pack(self.now));
        pack::map(&mut self.addresses);
        pack::map(&mut self.slots);
        self.outputs.shrink_to_fit();
    }

    /// Whether no batch is under way and nothing is present that nobody wants, but for what the
    /// kernel refuses to remove.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let lingers = |key: &Key| {
            let place = self.place_of(*key);
            let mut claims = place.iter().flat_map(|place| self.claims.at(place)).peekable();
            claims.peek().is_some() && !claims.any(|(_, claim)| claim.asks() || claim.waits())
        };
        let present = |slot: &Slot| slot.have == Have::Present && slot.refused().is_none();
        self.in_flight.is_empty()
            && !self.slots.iter().any(|(key, slot)| present(slot) && lingers(key))
    }

    fn learn(&mut self, fact: &KernelFact) {
        match fact {
            KernelFact::Snapshot { addresses, .. } => {
                self.links.learn(fact);
                self.addresses = addresses.iter().map(|a| (Key::of(a), a.tentative)).collect();
                self.learn_snapshot();
            }
            KernelFact::Link(link) => {
                let index = link.index;
                let before = self.links.name_of(index).cloned();
                if let Some(former) = self.links.named(&link.name) {
                    let keys = self.slots.range(on_link(former.index)).map(|(key, _)| *key);
                    self.stale_slots.extend(keys);
                }
                self.links.learn(fact);
                for (key, slot) in self.slots.range_mut(on_link(index)) {
                    slot.link_changed();
                    self.stale_slots.insert(*key);
                }
                for name in before.iter().chain([&link.name]) {
                    self.stale_places.extend(self.claims.on(name).cloned());
                }
            }
            KernelFact::LinkGone(index) => {
                if let Some(name) = self.links.name_of(*index) {
                    self.stale_places.extend(self.claims.on(name).cloned());
                }
                self.links.learn(fact);
                self.addresses.retain(|key, _| key.index != *index);
                for (key, slot) in self.slots.range_mut(on_link(*index)) {
                    slot.link_gone();
                    self.stale_slots.insert(*key);
                }
            }
            KernelFact::Address(address) => {
                let key = Key::of(address);
                self.addresses.insert(key, address.tentative);
                if let Some(slot) = self.slots.get_mut(&key) {
                    slot.fact_here(self.now, address.tentative);
                    self.stale_slots.insert(key);
                }
            }
            KernelFact::AddressGone(address) => {
                let key = Key::of(address);
                self.addresses.remove(&key);
                let runs = self.runs(key.index);
                if let Some(slot) = self.slots.get_mut(&key) {
                    let meaning = slot.fact_gone(self.now, runs);
                    self.stale_slots.insert(key);
                    self.tell_taken(key, meaning);
                }
            }
        }
    }

    fn learn_snapshot(&mut self) {
        let mut taken = Vec::new();
        for (key, slot) in &mut self.slots {
            self.stale_slots.insert(*key);
            let Some(link) = self.links.get(key.index) else {
                slot.link_gone();
                continue;
            };
            let seen = self.addresses.get(key).map(|tentative| have(*tentative));
            slot.link_changed();
            if base::planted!(SnapshotIgnored) {
                continue;
            }
            taken.push((*key, slot.snapshot(self.now, seen, link.running)));
        }
        for (key, meaning) in taken {
            self.tell_taken(key, meaning);
        }
        self.stale_places.extend(self.claims.all().cloned());
    }

    fn done(&mut self, done: &BatchDone) {
        let Some(keys) = self.in_flight.remove(&done.ticket.number()) else {
            self.discards.unknown_ticket += 1;
            return;
        };
        if keys.len() != done.outcomes.len() {
            self.discards.outcome_count += 1;
        }
        let mut outcomes = done.outcomes.iter();
        for key in keys {
            let outcome = outcomes.next().copied();
            let slot = self.slots.get_mut(&key);
            assert!(slot.is_some(), "a slot lives while its operation is under way: {key:?}");
            let Some(slot) = slot else { continue };
            if let Some((errno, attempts)) = slot.done(self.now, outcome)
                && let Some(place) = self.place_of(key)
            {
                for (holder, claim) in self.claims.at(&place) {
                    let vip = claim.vip.clone();
                    self.outputs.push_back(Output::Refused { holder, vip, errno, attempts });
                }
            }
            self.stale_slots.insert(key);
        }
    }

    fn wake(&mut self) {
        while let Some((at, key)) = self.pauses.first().copied()
            && at <= self.now
        {
            let slot = self.slots.get_mut(&key);
            let next = slot.and_then(|slot| {
                slot.wake(self.now);
                slot.not_before()
            });
            self.pause(key, next);
            self.stale_slots.insert(key);
        }
    }

    /// Notes until when a slot is to be left alone.
    fn pause(&mut self, key: Key, until: Option<Instant>) {
        let before = match until {
            Some(at) => self.paused.insert(key, at),
            None => self.paused.remove(&key),
        };
        if before != until {
            self.pauses.extend(until.map(|at| (at, key)));
            if let Some(at) = before {
                self.pauses.remove(&(at, key));
            }
        }
    }

    fn tell_taken(&mut self, key: Key, meaning: Meaning) {
        let place = match meaning {
            Meaning::Taken => self.place_of(key),
            Meaning::Nothing => None,
        };
        let Some(place) = place else { return };
        for (holder, claim) in self.claims.at_mut(&place) {
            if claim.told && claim.wants() {
                claim.told = false;
                let vip = claim.vip.clone();
                self.outputs.push_back(Output::Taken { holder, vip });
            }
        }
    }

    /// Compares wanted and present wherever either may have changed, tells the difference to what
    /// was told, and asks for the difference to what is wanted.
    fn settle(&mut self) {
        if self.stale_places.is_empty() && self.stale_slots.is_empty() {
            return;
        }
        let mut places = core::mem::take(&mut self.stale_places);
        let mut keys = core::mem::take(&mut self.stale_slots);
        // An IPv6 address may wait for another prefix of its own.
        let siblings: Vec<Key> = keys.iter().flat_map(|key| self.siblings(*key)).collect();
        keys.extend(siblings);
        places.extend(keys.iter().filter_map(|key| self.place_of(*key)));
        keys.extend(places.iter().filter_map(|place| self.key_of(place)));

        for place in &places {
            self.open_slot(place);
        }
        self.tell_presence(&places);

        let mut ops: Vec<(Order, Key, AddressOp)> = Vec::new();
        for key in keys {
            if let Some((order, op)) = self.decide(key) {
                ops.push((order, key, op));
            }
        }
        if ops.is_empty() {
            return;
        }
        ops.sort_by(|a, b| a.0.cmp(&b.0));
        self.operations += u64::try_from(ops.len()).unwrap_or(u64::MAX);
        let mut ops = ops.into_iter().map(|(_, key, op)| (key, op)).peekable();
        while ops.peek().is_some() {
            self.last_ticket += 1;
            let (keys, ops) = ops.by_ref().take(OPS_PER_BATCH).unzip();
            self.in_flight.insert(self.last_ticket, keys);
            let batch = Batch { ticket: Ticket::new(self.last_ticket), ops };
            self.outputs.push_back(Output::Batch(batch));
        }
    }

    fn open_slot(&mut self, place: &Place) {
        if let Some(key) = self.key_of(place)
            && let Some((_, claim)) = self.claims.at(place).next()
        {
            let seen = self.addresses.get(&key).map_or(Have::Absent, |tentative| have(*tentative));
            self.slots.entry(key).or_insert_with(|| Slot::new(claim.vip.clone(), seen));
        }
    }

    fn tell_presence(&mut self, places: &BTreeSet<Place>) {
        let mut told: BTreeMap<HolderId, [Vec<(usize, Vip)>; 2]> = BTreeMap::new();
        for place in places {
            let there = self.is_served(place);
            let sure = there && self.slot_at(place).is_some_and(Slot::is_sure);
            let shared = self.claims.at(place).any(|(_, claim)| claim.wants());
            for (holder, claim) in self.claims.at_mut(place) {
                self.stirred.insert(holder);
                let [present, gone] = told.entry(holder).or_default();
                if claim.told && (!there || (shared && !claim.wants())) {
                    claim.told = false;
                    gone.push((claim.position, claim.vip.clone()));
                } else if !claim.told && sure && claim.wants() {
                    claim.told = true;
                    present.push((claim.position, claim.vip.clone()));
                }
            }
            self.claims.prune(place);
        }
        let in_order = |mut vips: Vec<(usize, Vip)>| -> Vec<Vip> {
            vips.sort_by_key(|(position, _)| *position);
            vips.into_iter().map(|(_, vip)| vip).collect()
        };
        for (holder, [present, gone]) in told {
            if !gone.is_empty() {
                self.outputs.push_back(Output::Gone { holder, vips: in_order(gone) });
            }
            if !present.is_empty() {
                self.outputs.push_back(Output::Present { holder, vips: in_order(present) });
            }
        }
    }

    fn decide(&mut self, key: Key) -> Option<(Order, AddressOp)> {
        let place = self.place_of(key);
        let clear = self.is_clear(key);
        // What is put on a device that is down waits there, and is there when it comes up.
        let runs = self.runs(key.index) || self.is_lowered(key.index);
        let exists = self.links.get(key.index).is_some();
        let slot = self.slots.get_mut(&key)?;
        let claims = || place.iter().flat_map(|place| self.claims.at(place));
        let want = claims().find(|(_, claim)| claim.wants());
        let there = slot.have != Have::Absent;
        let waits = |claim: &claims::Claim| claim.asks() || there && claim.waits();
        let want = want.or_else(|| claims().find(|(_, claim)| waits(claim)));
        let first = want.or_else(|| claims().next());
        let known = slot.ours || claims().any(|(_, claim)| claim.told);

        let op = if exists {
            let want = want.map(|(_, claim)| &claim.vip);
            let tried = claims().any(|(_, claim)| claim.is_tried());
            slot.decide(key.index, want, first.is_some(), runs, clear, tried)
        } else {
            None
        };
        if let (Some(AddressOp::Remove { .. }), None, Some((holder, claim)), false) =
            (&op, want, first, known)
            && !slot.makes_sure()
        {
            let vip = claim.vip.clone();
            self.outputs.push_back(Output::LeftOver { holder, vip });
        }
        let position = first.map_or((HolderId(u32::MAX), 0), |(id, claim)| (id, claim.position));
        let echo = slot.echoes_until(self.now).filter(|_| exists && first.is_none());
        let idle = first.is_none() && slot.is_idle() && echo.is_none();
        let over = !exists && !slot.in_flight() || idle;
        let pause = slot.not_before().or(echo).filter(|_| !over);
        if over {
            self.slots.remove(&key);
        }
        self.pause(key, pause);
        let op = op?;
        Some((Order::of(&op, position), op))
    }

    /// Whether nothing else occupies the address that `key` needs. The kernel keeps one prefix for
    /// an IPv6 address on an interface: adding it with another one "succeeds" and changes nothing
    /// (tried on Linux 6.18), so the former has to go first.
    fn is_clear(&self, key: Key) -> bool {
        self.siblings(key).all(|other| {
            let wanted = || {
                let place = self.place_of(other);
                place.is_some_and(|place| self.claims.at(&place).any(|(_, claim)| claim.asks()))
            };
            self.slots.get(&other).is_none_or(|slot| !slot.occupies() || wanted())
        })
    }

    /// The same IPv6 address with other prefixes.
    fn siblings(&self, key: Key) -> impl Iterator<Item = Key> {
        let all = Key { prefix: 0, ..key }..=Key { prefix: u8::MAX, ..key };
        let v6 = Family::of(&key.address) == Family::V6;
        self.slots.range(all).map(|(other, _)| *other).filter(move |other| v6 && *other != key)
    }

    fn key_of(&self, place: &Place) -> Option<Key> {
        let index = self.links.named(&place.interface)?.index;
        Some(Key { index, address: place.address, prefix: place.prefix })
    }

    fn place_of(&self, key: Key) -> Option<Place> {
        let interface = self.links.name_of(key.index)?.clone();
        Some(Place { interface, address: key.address, prefix: key.prefix })
    }

    fn is_present(&self, place: &Place) -> bool {
        self.slot_at(place).is_some_and(|slot| slot.have == Have::Present)
    }

    /// Present, and on an interface that is not just waiting to be set up.
    fn is_served(&self, place: &Place) -> bool {
        self.is_present(place) && !self.is_dormant(place)
    }

    fn is_dormant(&self, place: &Place) -> bool {
        self.key_of(place).is_some_and(|key| self.is_lowered(key.index))
    }

    /// A macvlan that is administratively down.
    fn is_lowered(&self, index: IfIndex) -> bool {
        let link = self.links.get(index);
        link.and_then(|link| link.macvlan).is_some_and(|macvlan| !macvlan.up)
    }

    fn slot_at(&self, place: &Place) -> Option<&Slot> {
        self.slots.get(&self.key_of(place)?)
    }

    fn runs(&self, index: IfIndex) -> bool {
        self.links.get(index).is_some_and(|link| link.running)
    }
}

/// The order within a batch: removals first and backwards, so that a primary address, which may take
/// its secondaries with it, goes last; then additions in the order of the configuration.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Remove(core::cmp::Reverse<(HolderId, usize)>),
    Add(HolderId, usize),
}

impl Order {
    fn of(op: &AddressOp, (holder, position): (HolderId, usize)) -> Self {
        match op {
            AddressOp::Remove { .. } => Order::Remove(core::cmp::Reverse((holder, position))),
            AddressOp::Add { .. } | AddressOp::Probe { .. } => Order::Add(holder, position),
        }
    }
}

fn have(tentative: bool) -> Have {
    if tentative { Have::Tentative } else { Have::Present }
}

/// All keys on one interface.
fn on_link(index: IfIndex) -> core::ops::RangeInclusive<Key> {
    let first = IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED);
    let last = IpAddr::V6(core::net::Ipv6Addr::from_bits(u128::MAX));
    Key { index, address: first, prefix: 0 }..=Key { index, address: last, prefix: u8::MAX }
}
