//! The guardian's own hands: silence, farewells, removal, where no engine can any more.
//!
//! Nothing is kept open for it: what is needed is opened when it is needed, which costs a fraction
//! of a millisecond and cannot have gone stale.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;

use base::{AddressOp, Batch, Family, IfIndex, Ticket, Transmit, Wall, WayBatch, WayOp};
use linux::{Addresses, Sender, Ways, clock};
use vip::last_will::Seal;
use vrrp::wire::hmac::{self, Freshness, Key, Sequence, Sequencer};

use crate::adverts;

/// What a will needs to be carried out.
#[derive(Default)]
pub(super) struct Hands {
    senders: BTreeMap<(IfIndex, Family), Sender>,
    scratch: Vec<u8>,
}

impl Hands {
    /// Sends a farewell, signed now: a signature made in advance would be too old when it is needed.
    pub(super) fn farewell(
        &mut self,
        mut transmit: Transmit,
        seal: Option<&Seal>,
    ) -> io::Result<()> {
        if let Some(seal) = seal {
            sign(&mut transmit, seal)?;
        }
        let key = (transmit.index, Family::of(&transmit.source));
        let sender = match self.senders.entry(key) {
            Entry::Occupied(opened) => opened.into_mut(),
            Entry::Vacant(place) => {
                let name = linux::interface_name(transmit.index)?;
                place.insert(Sender::open(transmit.index, &name, key.1)?)
            }
        };
        adverts::send(sender, &transmit, &mut self.scratch)
    }

    /// Removes addresses; those that are not there any more are as good as removed.
    pub(super) fn remove(&mut self, ops: Vec<AddressOp>) -> io::Result<()> {
        let batch = Batch { ticket: Ticket::new(0), ops };
        Addresses::open()?.execute(batch);
        Ok(())
    }

    /// The same for routes and rules.
    pub(super) fn remove_ways(&mut self, ops: Vec<WayOp>) -> io::Result<()> {
        Ways::open()?.execute(WayBatch { ticket: Ticket::new(0), ops });
        Ok(())
    }

    /// Lets go of what was opened.
    pub(super) fn rest(&mut self) {
        self.senders.clear();
    }
}

/// Signs an advert as the engine would.
fn sign(transmit: &mut Transmit, seal: &Seal) -> io::Result<()> {
    let key = Key::new(seal.key_id, seal.key.clone()).map_err(io::Error::other)?;
    let (seconds, nanos) = clock::wall();
    let wall = Wall::new(u64::try_from(seconds).unwrap_or(0), nanos);
    let freshness = match seal.window {
        Some(window) => Freshness::Time { window },
        None => Freshness::Monotonic,
    };
    let number = Sequencer::after(Sequence::from_bits(seal.last)).next(wall, freshness);
    let Transmit { source, destination, .. } = *transmit;
    hmac::seal(&mut transmit.payload, &key, number, source, destination);
    Ok(())
}
