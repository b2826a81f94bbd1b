//! The adverts an instance sends, and what it tells of itself.

use core::net::IpAddr;

use base::{Device, IfIndex, Interval, Name, Priority, State, Transmit, Vip};
use vip::last_will::{Bequest, Seal};

use super::{Attachment, Instance, Turn};
use crate::config::Reach;
use crate::outbox::Rooms;
use crate::status::{HmacStatus, InstanceStatus, PeerStatus};
use crate::wire::hmac::{self, Freshness, Sequence};
use crate::wire::{Advert, AdvertError, Body, ChecksumForm};

impl Instance {
    /// Sends an advert with this priority to everybody it is for.
    pub(super) fn send(&mut self, turn: &mut Turn<'_>, priority: Priority) {
        // A farewell claims nothing.
        if self.silenced && priority != Priority::RESIGN {
            return;
        }
        // One number for all copies of an advert, as keepalived does.
        let policy = self.config.hmac.as_ref();
        let signing = policy.and_then(|policy| Some((policy, policy.signing_key()?)));
        let seal = signing.map(|(policy, key)| {
            let number = self.sequencer.next(turn.wall, policy.freshness());
            self.spoke = Some(number);
            (key, number)
        });
        let mut rooms = core::mem::take(&mut turn.out.rooms);
        let sent = self.address(priority, &mut rooms, |mut transmit| {
            if let Some((key, number)) = seal {
                let Transmit { source, destination, .. } = transmit;
                hmac::seal(&mut transmit.payload, key, number, source, destination);
            }
            turn.out.advert(self.config.speaks_as, transmit);
        });
        turn.out.rooms = rooms;
        if sent {
            self.note_sent(turn.now);
            self.traffic.sent += 1;
        }
    }

    /// The number its last signed advert had, if there was one since this was asked last.
    pub(crate) fn take_spoke(&mut self) -> Option<Sequence> {
        self.spoke.take()
    }

    /// What its farewells are to be signed with.
    fn seal(&self) -> Option<Seal> {
        let policy = self.config.hmac.as_ref()?;
        let key = policy.signing_key()?;
        Some(Seal {
            key_id: key.id(),
            key: key.secret().clone(),
            window: match policy.freshness() {
                Freshness::Time { window } => Some(window),
                Freshness::Monotonic => None,
            },
            last: self.sequencer.last().map_or(0, Sequence::bits),
        })
    }

    /// What it leaves to be said and removed, should it end now while it holds.
    pub(crate) fn bequest(&self, index_of: impl Fn(&Name) -> Option<IfIndex>) -> Bequest {
        let mut farewells = Vec::new();
        // The guardian speaks by the device itself, which has the MAC.
        let speaker = |device: &&Device| Some(device.mac) == self.config.speaks_as;
        let device = self.config.devices.iter().find(speaker);
        let by = device.and_then(|device| index_of(&device.name));
        let rooms = &mut Rooms::default();
        self.address(Priority::RESIGN, rooms, |mut transmit| {
            transmit.index = by.unwrap_or(transmit.index);
            farewells.push(transmit);
        });
        let placed = |vip: &Vip| Some((index_of(&vip.interface)?, vip.clone()));
        Bequest {
            name: self.config.name.clone(),
            farewells,
            seal: self.seal(),
            vips: self.config.all_vips().filter_map(placed).collect(),
            patience: self.config.lease_terms().class().length(),
        }
    }

    /// Makes an advert with this priority for everybody it is for; false if it cannot speak.
    fn address(
        &self,
        priority: Priority,
        rooms: &mut Rooms,
        mut send: impl FnMut(Transmit),
    ) -> bool {
        let Some(Attachment { index, source }) = self.around.attachment else { return false };
        let Ok(advert) = self.advert(priority, rooms.list()) else { return false };
        let form = self.config.checksum.send.or(self.learned_form);
        let form = form.unwrap_or(ChecksumForm::Rfc5798);
        let mut to = |destination: IpAddr, ttl: u8| {
            let mut payload = rooms.payload();
            advert.encode_into(form, source, destination, &mut payload);
            send(Transmit { index, source, destination, ttl, payload });
        };
        match &self.config.reach {
            Reach::Multicast { group } => to(*group, 255),
            Reach::Unicast { peers, ttl, .. } => {
                peers.iter().for_each(|peer| to(peer.address, *ttl));
            }
        }
        rooms.give_list(advert.into_addresses());
        true
    }

    /// The advert this instance would send now; `addresses` is room for its list.
    fn advert(
        &self,
        priority: Priority,
        mut addresses: Vec<IpAddr>,
    ) -> Result<Advert, AdvertError> {
        addresses.clear();
        addresses.extend(self.config.vips.iter().map(|vip| vip.address));
        let body = match self.config.interval {
            Interval::V2(interval) => Body::V2 { interval, auth: self.config.auth },
            Interval::V3(interval) => Body::V3 { interval },
        };
        if addresses.is_empty() {
            Advert::bare(self.config.vrid, priority, self.config.family, body)
        } else {
            Advert::new(self.config.vrid, priority, addresses, body)
        }
    }

    pub(crate) fn status(&self) -> InstanceStatus {
        InstanceStatus {
            name: self.config.name.clone(),
            interface: self.config.interface.clone(),
            vrid: self.config.vrid,
            family: self.config.family,
            version: self.config.version(),
            state: self.state(),
            fault: self.around.fault.filter(|_| self.state() == State::Initialize),
            since: self.changed_at,
            because: self.changed_by,
            base_priority: self.config.priority,
            priority: self.priority(),
            source: self.around.attachment.map(|at| at.source),
            interval: self.config.interval.as_duration(),
            active_interval: self.active_interval(),
            skew_time: self.skew_time(),
            active_down_interval: self.active_down_interval(),
            deadline: self.deadline(),
            peer: self.peer.map(|peer| PeerStatus {
                source: peer.source,
                priority: peer.priority,
                interval: peer.interval,
                last_heard: peer.at,
            }),
            ready: self.ready_peers(),
            stays_back: self.stays_back,
            missing: None,
            vips: self.config.all_vips().cloned().collect(),
            present: Vec::new(),
            hmac: self.config.hmac.as_ref().map(|policy| HmacStatus {
                mode: policy.mode(),
                active_key: policy.active(),
                keys: policy.ids().collect(),
                freshness: policy.freshness(),
            }),
            rival: self.rivals.status(),
            lease: None,
            devices: Vec::new(),
            traffic: self.traffic,
            discards: self.troubles.counters(),
        }
    }
}
