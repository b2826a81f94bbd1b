//! The guardian's own hands: silence, farewells, removal, where no engine can any more.
//!
//! Nothing is kept open for it: what is needed is opened when it is needed, which costs a fraction
//! of a millisecond and cannot have gone stale.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;

use base::{AddressOp, Batch, Family, IfIndex, Ticket, Transmit};
use linux::{Addresses, Sender};

use crate::adverts;

/// What a will needs to be carried out.
#[derive(Default)]
pub(super) struct Hands {
    senders: BTreeMap<(IfIndex, Family), Sender>,
    scratch: Vec<u8>,
}

impl Hands {
    /// Sends a farewell.
    pub(super) fn farewell(&mut self, transmit: &Transmit) -> io::Result<()> {
        let key = (transmit.index, Family::of(&transmit.source));
        let sender = match self.senders.entry(key) {
            Entry::Occupied(opened) => opened.into_mut(),
            Entry::Vacant(place) => {
                let name = linux::interface_name(transmit.index)?;
                place.insert(Sender::open(transmit.index, &name, key.1)?)
            }
        };
        adverts::send(sender, transmit, &mut self.scratch)
    }

    /// Removes addresses; those that are not there any more are as good as removed.
    pub(super) fn remove(&mut self, ops: Vec<AddressOp>) -> io::Result<()> {
        let batch = Batch { ticket: Ticket::new(0), ops };
        Addresses::open()?.execute(batch);
        Ok(())
    }

    /// Lets go of what was opened.
    pub(super) fn rest(&mut self) {
        self.senders.clear();
    }
}
