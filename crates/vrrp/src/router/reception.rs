//! A packet comes in: whom it is for, whether it may be believed, and who sends too many.
//!
//! A packet that is for nobody here is looked at all the same and counted at its interface: it may be
//! the misspelt half of somebody's virtual router.

use core::net::IpAddr;

use base::{Family, IfIndex, Instant, Reason, Subject, Vrid, What};

use super::{Router, Seat, Slot, Will};
use crate::floods;
use crate::instance::Turn;
use crate::wire::{self, Arrival};

impl Seat {
    /// Whether it waits, alone, and neither has nor leaves anything.
    fn is_at_rest(&self) -> bool {
        let has = self.holding || self.leasing || self.granted || !self.present.is_empty();
        self.instance.only_waits()
            && !has
            && self.will == Will::None
            && self.instance.config().group.is_none()
    }
}

impl Router {
    pub(super) fn receive(&mut self, now: Instant, index: IfIndex, arrival: &Arrival<'_>) {
        self.guard(now, index, arrival.source);
        let family = Family::of(&arrival.source);
        let slot = wire::vrid_of(arrival.payload)
            .and_then(Vrid::new)
            .and_then(|vrid| self.addressee(index, family, vrid, arrival));
        let stand = slot.is_some_and(|slot| self.stands(now, slot));
        let mut turn = Turn { now, wall: self.wall.at(now), out: &mut self.out };
        let Some((slot, seat)) = slot.and_then(|slot| Some((slot, self.seats.get_mut(&slot)?)))
        else {
            let why = wire::examine_unknown(arrival, family);
            let report = self.strays.entry(index).or_default().count(now, arrival.source, &why);
            if let (Some(what), Some(name)) = (report, self.links.name_of(index)) {
                turn.out.event(now, Subject::Interface(name), what, Reason::Packet, []);
            }
            return;
        };
        // Of the node's own addresses, those the packet names: all that its checks can ask about.
        let mut own = [arrival.source; 2];
        let mut ours = 0;
        for address in [arrival.source, arrival.destination] {
            if self.links.is_ours(address) {
                own[ours] = address;
                ours += 1;
            }
        }
        let subnets = self.links.subnets(index);
        let terms = seat.instance.terms(&own[..ours], subnets, turn.wall);
        match wire::decode_into(arrival, &terms, &mut self.listed) {
            Ok(heard) => {
                seat.instance.heard(&mut turn, arrival.source, &heard, stand);
                self.listed = heard.advert.into_addresses();
            }
            Err(why) => seat.instance.refused(&mut turn, arrival.source, &why),
        }
        self.touched.insert(slot);
    }

    /// What follows from an advert that a Backup expects, as nearly all are: it waits anew, and that is
    /// all. False where more may follow; then nothing was done.
    pub(super) fn settle_quietly(&mut self) -> bool {
        let Some(slot) = self.touched.first() else { return true };
        let Some(seat) = self.seats.get(&slot).filter(|seat| seat.is_at_rest()) else {
            return false;
        };
        let deadline = seat.deadline();
        if self.touched.count() > 1 || base::planted!(NamedTooSoon) {
            return false;
        }
        self.touched.remove(slot);
        self.listening.set(slot, deadline);
        true
    }

    /// Tells who floods an interface.
    fn guard(&mut self, now: Instant, index: IfIndex, source: IpAddr) {
        let seats = &self.seats;
        let limit = || {
            let here = |seat: &&Seat| seat.key.is_some_and(|(at, _, _)| at == index);
            let interval = |seat: &Seat| seat.instance.config().interval.as_duration();
            floods::limit(seats.values().filter(here).map(interval))
        };
        let flood = self.floods.entry(index).or_default().count(now, source, limit);
        if let (Some(limit), Some(name)) = (flood, self.links.name_of(index)) {
            let what = What::Flood { source, limit };
            self.out.event(now, Subject::Interface(name), what, Reason::Packet, []);
        }
    }

    /// The instance a packet is for. Several unicast instances may share a VRID on one interface;
    /// then the destination decides.
    fn addressee(
        &self,
        index: IfIndex,
        family: Family,
        vrid: Vrid,
        arrival: &Arrival<'_>,
    ) -> Option<Slot> {
        let mut slots = self.addressees.of((index, family, vrid));
        let first = slots.next()?;
        let listens_at = |slot: &Slot| {
            let seat = self.seats.get(slot);
            seat.is_some_and(|seat| seat.instance.listens_at(arrival.destination))
        };
        core::iter::once(first).chain(slots).find(listens_at).or(Some(first))
    }
}
