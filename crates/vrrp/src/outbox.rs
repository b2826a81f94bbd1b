//! What the machine has to say, in the order it must be said.
//!
//! A lease is renewed first, since adverts depend on it and it takes some microseconds. Then adverts: a peer that waits for one must not wait for our netlink batch or our
//! announcements (VRRP-053, ARP-006). Then the will, so that no address is installed that nobody
//! would remove; then the kernel's work, then announcements, then events, which only observe.

use core::net::IpAddr;
use std::collections::VecDeque;

use base::{
    Batch, DeviceAsk, Event, EventId, Filter, IfIndex, Instant, LeaseAsk, LeaseOp, Mac, Name,
    Origin, Reason, Subject, Transmit, Tuning, WayBatch, What,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use vip::last_will::Edit;

use crate::router::WatchSpec;
use crate::sockets::SocketSpec;

/// One thing the machine wants done. Each is to be carried out before the next is asked for.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Output {
    /// Keep exactly these sockets open.
    Sockets(Vec<SocketSpec>),
    /// Hand in the claims (`vip::claim`) that frames of others make about exactly these addresses;
    /// about more does no harm.
    Watch(Vec<WatchSpec>),
    /// Have the table do this, and hand in `Input::LeaseDone` before asking for the next output: an
    /// advert must not leave while it is not known whether its lease still lives, nor an address be
    /// installed before its lease is.
    Lease(LeaseAsk),
    /// Send an advert.
    Advert(Transmit),
    /// Send this to [`crate::moves::PORT`] of its destination, by UDP.
    Notice(Transmit),
    /// Send an advert whose Ethernet source is the virtual router's MAC (RFC 9568 §7.3). It leaves
    /// through the interface it names, whatever becomes of the device with that MAC.
    VirtualAdvert {
        /// That MAC.
        mac: Mac,
        /// The advert.
        transmit: Transmit,
    },
    /// Tell the guardian what is to be done if this machine ends.
    Will(Edit),
    /// Have the kernel add and remove addresses; answer with `Input::Done`.
    Batch(Batch),
    /// Have the kernel make, remove or change an interface, after all that was asked of it before;
    /// answer with `Input::DeviceDone`.
    Device(DeviceAsk),
    /// Have the switches of an interface set; answer with `Input::Tuned`.
    Tune(Tuning),
    /// Have the kernel promote secondary addresses on exactly these interfaces, as long as they are
    /// named.
    Promote(Vec<Name>),
    /// Have the kernel add and remove routes and rules, behind the batches before; answer with
    /// `Input::WaysDone`.
    Ways(WayBatch),
    /// Have exactly these VIPs take no traffic, behind the batches before and ahead of those that
    /// follow; answer with `Input::Filtered`.
    Filter(Filter),
    /// Send this Ethernet frame.
    Frame {
        /// On this interface.
        index: IfIndex,
        /// From its first octet.
        bytes: Vec<u8>,
    },
    /// Tell the observers.
    Event(Event),
}

/// Collects outputs by urgency and numbers events.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    sockets: Option<Vec<SocketSpec>>,
    watch: Option<Vec<WatchSpec>>,
    /// There is never more than one.
    lease: Option<LeaseAsk>,
    notices: VecDeque<Transmit>,
    adverts: VecDeque<(Option<Mac>, Transmit)>,
    wills: VecDeque<Edit>,
    /// The kernel's work, in order.
    work: VecDeque<Output>,
    frames: VecDeque<(IfIndex, Vec<u8>)>,
    events: VecDeque<Event>,
    events_so_far: u64,
    seed: u64,
    nonces_so_far: u64,
    pub(crate) rooms: Rooms,
}

/// Memory of adverts that were sent, for those to come.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    list: Vec<IpAddr>,
    payloads: Vec<Vec<u8>>,
}

impl Rooms {
    /// Kept at most: as many adverts as are under way at once, as a rule.
    const MOST: usize = 256;

    pub(crate) fn list(&mut self) -> Vec<IpAddr> {
        core::mem::take(&mut self.list)
    }

    pub(crate) fn give_list(&mut self, list: Vec<IpAddr>) {
        self.list = list;
    }

    pub(crate) fn payload(&mut self) -> Vec<u8> {
        self.payloads.pop().unwrap_or_default()
    }

    pub(crate) fn give_payload(&mut self, payload: Vec<u8>) {
        if self.payloads.len() < Self::MOST {
            self.payloads.push(payload);
        }
    }
}

impl Outbox {
    /// Numbers events from here on: another engine of this node numbered those before.
    pub(crate) fn continue_events(&mut self, last: u64) {
        self.events_so_far = self.events_so_far.max(last);
    }

    /// The last number given to an event.
    pub(crate) fn events_so_far(&self) -> u64 {
        self.events_so_far
    }

    pub(crate) fn sockets(&mut self, wanted: Vec<SocketSpec>) {
        self.sockets = Some(wanted);
    }

    pub(crate) fn watch(&mut self, wanted: Vec<WatchSpec>) {
        self.watch = Some(wanted);
    }

    pub(crate) fn lease(&mut self, ask: LeaseAsk) {
        assert!(self.lease.is_none(), "one lease operation is under way at a time");
        self.lease = Some(ask);
    }

    /// An advert, from this MAC if one is given.
    pub(crate) fn advert(&mut self, mac: Option<Mac>, transmit: Transmit) {
        self.adverts.push_back((mac, transmit));
    }

    /// Whether an advert has yet to leave.
    pub(crate) fn has_adverts(&self) -> bool {
        !self.adverts.is_empty()
    }

    pub(crate) fn notice(&mut self, transmit: Transmit) {
        self.notices.push_back(transmit);
    }

    pub(crate) fn seed(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// A number that was never given before and that nobody can guess who does not know the seed.
    pub(crate) fn nonce(&mut self, now: Instant) -> u64 {
        self.nonces_so_far += 1;
        let mut digest = Sha256::new();
        for part in [self.seed, self.nonces_so_far, now.as_nanos()] {
            digest.update(part.to_be_bytes());
        }
        digest.finalize().first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets))
    }

    pub(crate) fn will(&mut self, edit: Edit) {
        self.wills.push_back(edit);
    }

    pub(crate) fn batch(&mut self, batch: Batch) {
        self.work.push_back(Output::Batch(batch));
    }

    pub(crate) fn device(&mut self, ask: DeviceAsk) {
        self.work.push_back(Output::Device(ask));
    }

    pub(crate) fn tune(&mut self, tuning: Tuning) {
        self.work.push_back(Output::Tune(tuning));
    }

    pub(crate) fn ways(&mut self, batch: WayBatch) {
        self.work.push_back(Output::Ways(batch));
    }

    pub(crate) fn promote(&mut self, interfaces: Vec<Name>) {
        self.work.push_back(Output::Promote(interfaces));
    }

    pub(crate) fn filter(&mut self, filter: Filter) {
        self.work.push_back(Output::Filter(filter));
    }

    pub(crate) fn frame(&mut self, index: IfIndex, bytes: Vec<u8>) {
        self.frames.push_back((index, bytes));
    }

    /// Records that something happened and gives it its id.
    pub(crate) fn event(
        &mut self,
        at: Instant,
        subject: Subject,
        what: What,
        reason: Reason,
        causes: impl IntoIterator<Item = EventId>,
    ) -> EventId {
        self.events_so_far += 1;
        let id = EventId { origin: Origin::Engine, number: self.events_so_far };
        let causes = causes.into_iter().collect();
        self.events.push_back(Event { id, at, subject, what, reason, causes });
        id
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        let urgent =
            |ask: &mut LeaseAsk| matches!(ask.op, LeaseOp::Renew { .. } | LeaseOp::Drop { .. });
        if let Some(ask) = self.lease.take_if(urgent) {
            return Some(Output::Lease(ask));
        }
        if let Some(wanted) = self.sockets.take() {
            return Some(Output::Sockets(wanted));
        }
        match self.adverts.pop_front() {
            Some((None, transmit)) => return Some(Output::Advert(transmit)),
            Some((Some(mac), transmit)) => return Some(Output::VirtualAdvert { mac, transmit }),
            None => {}
        }
        if let Some(transmit) = self.notices.pop_front() {
            return Some(Output::Notice(transmit));
        }
        if let Some(ask) = self.lease.take() {
            return Some(Output::Lease(ask));
        }
        if let Some(edit) = self.wills.pop_front() {
            return Some(Output::Will(edit));
        }
        if let Some(work) = self.work.pop_front() {
            return Some(work);
        }
        // Whoever is misled by our first announcement is seen.
        if let Some(wanted) = self.watch.take() {
            return Some(Output::Watch(wanted));
        }
        if let Some((index, bytes)) = self.frames.pop_front() {
            return Some(Output::Frame { index, bytes });
        }
        let event = self.events.pop_front();
        if event.is_none() {
            self.rest();
        }
        event.map(Output::Event)
    }

    /// Nothing is left. What a takeover of thousands needed once is not needed again.
    fn rest(&mut self) {
        const KEPT: usize = 64;
        if self.adverts.capacity() > 4 * Rooms::MOST {
            self.adverts.shrink_to(Rooms::MOST);
        }
        if self.events.capacity() > 2 * KEPT {
            self.events.shrink_to(KEPT);
        }
        if self.wills.capacity() > 2 * KEPT {
            self.wills.shrink_to(KEPT);
        }
        if self.frames.capacity() > 2 * KEPT {
            self.frames.shrink_to(KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Ticket;

    #[test]
    fn arp_006_an_advert_leaves_before_anything_queued_earlier() {
        let mut outbox = Outbox::default();
        let index = IfIndex::new(2).unwrap();
        outbox.event(Instant::ZERO, Subject::Node, What::Stopping, Reason::Shutdown, []);
        outbox.frame(index, vec![1]);
        outbox.batch(Batch { ticket: Ticket::new(1), ops: vec![] });
        let any = "192.0.2.1".parse().unwrap();
        let transmit = Transmit { index, source: any, destination: any, ttl: 255, payload: vec![] };
        outbox.advert(None, transmit);
        let order: Vec<_> = core::iter::from_fn(|| outbox.pop()).collect();
        assert!(matches!(
            order[..],
            [Output::Advert(_), Output::Batch(_), Output::Frame { .. }, Output::Event(_)]
        ));
    }
}
