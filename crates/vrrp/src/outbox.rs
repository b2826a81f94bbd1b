//! What the machine has to say, in the order it must be said.
//!
//! A lease is renewed first, since adverts depend on it and it takes some microseconds. Then adverts: a peer that waits for one must not wait for our netlink batch or our
//! announcements (VRRP-053, ARP-006). Then the will, so that no address is installed that nobody
//! would remove; then the kernel's work, then announcements, then events, which only observe.

use std::collections::VecDeque;

use base::{
    Batch, Event, EventId, Filter, IfIndex, Instant, LeaseAsk, LeaseOp, Origin, Reason, Subject,
    Transmit, WayBatch, What,
};
use serde::{Deserialize, Serialize};
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
    /// Tell the guardian what is to be done if this machine ends.
    Will(Edit),
    /// Have the kernel add and remove addresses; answer with `Input::Done`.
    Batch(Batch),
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

/// What only the keeper thread may ask of the kernel.
#[derive(Debug)]
enum Work {
    Addresses(Batch),
    Ways(WayBatch),
    Filter(Filter),
}

/// Collects outputs by urgency and numbers events.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    sockets: Option<Vec<SocketSpec>>,
    watch: Option<Vec<WatchSpec>>,
    /// There is never more than one.
    lease: Option<LeaseAsk>,
    adverts: VecDeque<Transmit>,
    wills: VecDeque<Edit>,
    work: VecDeque<Work>,
    frames: VecDeque<(IfIndex, Vec<u8>)>,
    events: VecDeque<Event>,
    events_so_far: u64,
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

    pub(crate) fn advert(&mut self, transmit: Transmit) {
        self.adverts.push_back(transmit);
    }

    pub(crate) fn will(&mut self, edit: Edit) {
        self.wills.push_back(edit);
    }

    pub(crate) fn batch(&mut self, batch: Batch) {
        self.work.push_back(Work::Addresses(batch));
    }

    pub(crate) fn ways(&mut self, batch: WayBatch) {
        self.work.push_back(Work::Ways(batch));
    }

    pub(crate) fn filter(&mut self, filter: Filter) {
        self.work.push_back(Work::Filter(filter));
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
        if let Some(transmit) = self.adverts.pop_front() {
            return Some(Output::Advert(transmit));
        }
        if let Some(ask) = self.lease.take() {
            return Some(Output::Lease(ask));
        }
        if let Some(edit) = self.wills.pop_front() {
            return Some(Output::Will(edit));
        }
        match self.work.pop_front() {
            Some(Work::Addresses(batch)) => return Some(Output::Batch(batch)),
            Some(Work::Ways(batch)) => return Some(Output::Ways(batch)),
            Some(Work::Filter(filter)) => return Some(Output::Filter(filter)),
            None => {}
        }
        // Whoever is misled by our first announcement is seen.
        if let Some(wanted) = self.watch.take() {
            return Some(Output::Watch(wanted));
        }
        if let Some((index, bytes)) = self.frames.pop_front() {
            return Some(Output::Frame { index, bytes });
        }
        self.events.pop_front().map(Output::Event)
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
        outbox.advert(Transmit { index, source: any, destination: any, ttl: 255, payload: vec![] });
        let order: Vec<_> = core::iter::from_fn(|| outbox.pop()).collect();
        assert!(matches!(
            order[..],
            [Output::Advert(_), Output::Batch(_), Output::Frame { .. }, Output::Event(_)]
        ));
    }
}
