//! What others may ask the keeper about single VIPs.

use core::net::IpAddr;

use base::{Errno, Vip};

use super::claims::Place;
use super::slot::{Have, Slot};
use super::{Keeper, Status, VipStatus};
use crate::HolderId;

impl Keeper {
    /// Whether this VIP is there, whoever holds it.
    #[must_use]
    pub fn has(&self, vip: &Vip) -> bool {
        self.is_present(&Place::of(vip))
    }

    /// Whether this VIP is not there and nothing under way will change that: the kernel refuses it,
    /// or there is no such interface.
    #[must_use]
    pub fn lacks(&self, vip: &Vip) -> bool {
        let slot = self.slot_at(&Place::of(vip));
        slot.is_none_or(|slot| slot.have != Have::Present && slot.refused().is_some())
    }

    /// Whether the kernel refuses a VIP of this holder that is guarded, `attempts` times so far at
    /// least: which, and with what answer.
    #[must_use]
    pub fn refused(&self, holder: HolderId, attempts: u32) -> Option<(IpAddr, Errno)> {
        let (_, places) = self.claims.holder(holder)?;
        places.iter().find_map(|place| {
            let (_, claim) = self.claims.at(place).find(|(id, _)| *id == holder)?;
            let slot = self.slot_at(place).filter(|slot| slot.have == Have::Absent)?;
            let (errno, so_far) = slot.refused()?;
            (so_far >= attempts && !claim.vip.flags.unguarded).then_some((place.address, errno))
        })
    }

    /// The keeper as a value.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut vips = Vec::new();
        for holder in self.claims.holders() {
            let places = self.claims.holder(holder).map_or(&[][..], |(_, places)| places);
            for place in places {
                let Some((_, claim)) = self.claims.at(place).find(|(id, _)| *id == holder) else {
                    continue;
                };
                let key = self.key_of(place);
                let slot = key.and_then(|key| self.slots.get(&key));
                vips.push(VipStatus {
                    holder,
                    vip: Vip::clone(&claim.vip),
                    index: key.map(|key| key.index),
                    wanted: claim.wants(),
                    present: self.is_served(place),
                    in_flight: slot.is_some_and(Slot::in_flight),
                    refused: slot.and_then(Slot::refused),
                });
            }
        }
        Status {
            vips,
            batches_in_flight: u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX),
            operations: self.operations,
            discards: self.discards,
        }
    }
}
