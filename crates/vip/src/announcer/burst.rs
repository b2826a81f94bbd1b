//! One burst: which VIPs, how often, and how far it has come.

use std::collections::{BTreeMap, BTreeSet};

use core::net::IpAddr;

use base::{EventId, Instant, Mac, Name, Reason, Vip};

/// A VIP as neighbours see it: an address on a link. Its prefix is nobody else's business.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Spot {
    pub(super) interface: Name,
    pub(super) address: IpAddr,
}

impl Spot {
    pub(super) fn of(vip: &Vip) -> Self {
        Self { interface: vip.interface.clone(), address: vip.address }
    }
}

/// Rounds over a list of VIPs: each once, then each again.
#[derive(Debug)]
pub(super) struct Burst {
    spots: Vec<Spot>,
    rounds_left: u32,
    next: usize,
    /// Not before.
    pub(super) due: Instant,
    pub(super) reason: Reason,
    pub(super) cause: EventId,
    told: BTreeMap<Mac, BTreeSet<Spot>>,
}

impl Burst {
    pub(super) fn new(
        spots: Vec<Spot>,
        rounds: u32,
        due: Instant,
        reason: Reason,
        cause: EventId,
    ) -> Self {
        Self { spots, rounds_left: rounds, next: 0, due, reason, cause, told: BTreeMap::new() }
    }

    /// The VIP whose turn it is; `None` when the burst is out.
    pub(super) fn current(&self) -> Option<&Spot> {
        if self.rounds_left == 0 { None } else { self.spots.get(self.next) }
    }

    /// Goes on to the next VIP; `told` is the MAC just told for the current one, if a frame left.
    pub(super) fn advance(&mut self, told: Option<Mac>) {
        if let (Some(mac), Some(spot)) = (told, self.spots.get(self.next)) {
            self.told.entry(mac).or_default().insert(spot.clone());
        }
        self.next += 1;
        if self.next >= self.spots.len() {
            self.next = 0;
            self.rounds_left = self.rounds_left.saturating_sub(1);
        }
    }

    /// Takes in more VIPs of the same occasion, unless a whole round of it is out already. What the
    /// keeper sees present one by one is announced, and reported, as one.
    pub(super) fn join(
        &mut self,
        more: &[Spot],
        rounds: u32,
        reason: Reason,
        cause: EventId,
    ) -> bool {
        let same = (self.rounds_left, self.reason, self.cause) == (rounds, reason, cause);
        if same {
            self.spots.extend_from_slice(more);
        }
        same
    }

    /// Leaves `gone` out from now on, wherever the burst stands.
    pub(super) fn forget(&mut self, gone: &BTreeSet<Spot>) {
        if !self.spots.iter().any(|spot| gone.contains(spot)) {
            return;
        }
        let behind = self.spots.iter().take(self.next).filter(|s| gone.contains(s)).count();
        self.next -= behind;
        self.spots.retain(|spot| !gone.contains(spot));
        if self.next >= self.spots.len() {
            self.next = 0;
            self.rounds_left = self.rounds_left.saturating_sub(1);
        }
    }

    /// Whether nothing is left to send.
    pub(super) fn is_out(&self) -> bool {
        self.current().is_none()
    }

    /// Whether every VIP of `spots` is among its own.
    pub(super) fn covers(&self, spots: &[Spot]) -> bool {
        match spots {
            [one] => self.spots.contains(one),
            _ => {
                let own: BTreeSet<&Spot> = self.spots.iter().collect();
                spots.iter().all(|spot| own.contains(spot))
            }
        }
    }

    /// How many VIPs were told to live at which MAC.
    pub(super) fn told(&self) -> impl Iterator<Item = (Mac, u32)> {
        self.told.iter().map(|(mac, spots)| (*mac, u32::try_from(spots.len()).unwrap_or(u32::MAX)))
    }
}
