//! One burst: which VIPs, how often, and how far it has come.

use std::collections::BTreeSet;

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
    /// Which of `macs` each was told to live at, one bit for each.
    told: Vec<u8>,
    /// The MACs told, and how many VIPs for each.
    macs: Vec<(Mac, u32)>,
    rounds_left: u32,
    next: usize,
    /// Not before.
    pub(super) due: Instant,
    pub(super) reason: Reason,
    pub(super) cause: EventId,
}

impl Burst {
    pub(super) fn new(
        spots: Vec<Spot>,
        rounds: u32,
        due: Instant,
        reason: Reason,
        cause: EventId,
    ) -> Self {
        let told = vec![0; spots.len()];
        Self { spots, told, macs: Vec::new(), rounds_left: rounds, next: 0, due, reason, cause }
    }

    /// The VIP whose turn it is; `None` when the burst is out.
    pub(super) fn current(&self) -> Option<&Spot> {
        if self.rounds_left == 0 { None } else { self.spots.get(self.next) }
    }

    /// Goes on to the next VIP; `told` is the MAC just told for the current one, if a frame left.
    pub(super) fn advance(&mut self, told: Option<Mac>) {
        if let Some(mac) = told {
            self.note(mac);
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
            self.told.resize(self.spots.len(), 0);
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
        let mut stays = self.spots.iter().map(|spot| !gone.contains(spot));
        self.told.retain(|_| stays.next().unwrap_or(true));
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
        self.macs.iter().copied()
    }

    /// The current VIP was told to live at `mac`. Interfaces change their MAC seldom, so eight are
    /// told apart; a ninth counts with the eighth.
    fn note(&mut self, mac: Mac) {
        const APART: usize = 8;
        let known = self.macs.iter().position(|(known, _)| *known == mac);
        let at = known.unwrap_or_else(|| {
            if self.macs.len() < APART {
                self.macs.push((mac, 0));
            }
            self.macs.len() - 1
        });
        if let (Some(told), Some((_, count))) =
            (self.told.get_mut(self.next), self.macs.get_mut(at))
        {
            *count += u32::from(*told & 1 << at == 0);
            *told |= 1 << at;
        }
    }
}
