//! Interfaces with the virtual router's MAC: which an instance has, what is listed for them in the
//! table of leases, what is heard through them, and which VIPs wait on them.
//!
//! Adverts do not depend on a device: they leave through its parent, with its MAC, so that the first
//! one is out before the device is up, and the last one when it is down already. And adverts are heard
//! through the parent, but for those that come from the device's own MAC, which the kernel hands to
//! the device alone while that is up.
//!
//! VIPs wait installed ([`Config::stages`]) only while the table keeps them silent for sure:
//! an IPv4 address is the node's own even on an interface that is down, and any other interface would
//! answer for it.

use core::net::IpAddr;
use std::collections::BTreeMap;

use base::{Family, IfIndex, Instant, LeaseKey, Reason, Subject, What};
use vip::keeper::Waiting;
use vip::{devices, keeper};

use super::{Router, Seat, Slot};
use crate::config::{Config, Reach};
use crate::sockets::{Beside, SocketSpec};
use crate::status::DeviceStatus;

/// What is listed for an instance's devices beside its VIPs: their MACs, and that its IPv4 VIPs on
/// them live at no other.
pub(super) fn device_keys(config: &Config) -> impl Iterator<Item = LeaseKey> {
    let macs = config.devices.iter().map(|device| LeaseKey::Mac(device.mac));
    let pinned = config.all_vips().filter(|vip| config.device(&vip.interface).is_some());
    macs.chain(pinned.filter_map(|vip| match vip.address {
        IpAddr::V4(address) => Some(LeaseKey::Pin(address)),
        IpAddr::V6(_) => None,
    }))
}

impl Router {
    /// Tells the devices what this instance has of them.
    pub(super) fn instruct_devices(&mut self, now: Instant, slot: Slot, config: &Config) {
        let (holder, devices) = (slot.holder(), config.devices.clone());
        self.devices.handle(now, devices::Input::Manage { holder, devices });
        if self.seats.get(&slot).is_some_and(|seat| seat.holding) {
            // Those that a reload brought to a holder, too.
            self.devices.handle(now, devices::Input::Hold { holder });
        }
        if !config.stages() {
            self.unstage(now, slot);
        } else if self.stopping.is_none() && !self.staged.contains(&slot) {
            self.staging.insert(slot);
            // What an engine before this one left there stays meanwhile.
            self.keeper.handle(now, keeper::Input::Wait { holder, waiting: Waiting::Stay });
        }
    }

    /// Has VIPs wait installed that are silent by now.
    pub(super) fn stage(&mut self, now: Instant) {
        if self.staging.is_empty() {
            return;
        }
        let silent = |slot: &&Slot| self.leases.keeps_silent(slot.holder());
        let ready: Vec<Slot> = self.staging.iter().filter(silent).copied().collect();
        for slot in ready {
            self.staging.remove(&slot);
            self.staged.insert(slot);
            let holder = slot.holder();
            self.keeper.handle(now, keeper::Input::Wait { holder, waiting: Waiting::Put });
        }
    }

    /// The VIPs of this instance do not wait (any more).
    pub(super) fn unstage(&mut self, now: Instant, slot: Slot) {
        if self.staging.remove(&slot) | self.staged.remove(&slot) {
            let holder = slot.holder();
            self.keeper.handle(now, keeper::Input::Wait { holder, waiting: Waiting::No });
        }
    }

    /// Nobody's do; those that are to will be asked about again.
    pub(super) fn unstage_all(&mut self, now: Instant) {
        let staged = core::mem::take(&mut self.staged);
        self.staging.extend(staged);
        for slot in &self.staging {
            let holder = slot.holder();
            self.keeper.handle(now, keeper::Input::Wait { holder, waiting: Waiting::No });
        }
        if self.stopping.is_some() {
            self.staging.clear();
        }
    }

    /// Adds sockets on devices for what their parents do not hear.
    pub(super) fn listen_beside(&self, wanted: &mut BTreeMap<(IfIndex, Family), SocketSpec>) {
        for seat in self.seats.values() {
            let config = seat.instance.config();
            let Reach::Multicast { group } = config.reach else { continue };
            let here = config.interface.as_ref();
            let devices = config.devices.iter().filter(|device| Some(&device.parent) == here);
            for device in devices {
                let parent = self.links.named(&device.parent).map(|link| link.index);
                let (Some(parent), Some(link)) = (parent, self.links.named(&device.name)) else {
                    continue;
                };
                let mine = link.macvlan.is_some_and(|macvlan| macvlan.below == parent);
                if mine && link.mac == Some(device.mac) {
                    let spec = SocketSpec {
                        index: link.index,
                        interface: link.name.clone(),
                        family: config.family,
                        groups: vec![group],
                        running: link.running,
                        beside: Some(Beside { parent, mac: device.mac }),
                    };
                    wanted.entry((link.index, config.family)).or_insert(spec);
                }
            }
        }
    }

    pub(super) fn devices_say(&mut self, now: Instant, output: devices::Output) {
        match output {
            devices::Output::Op(ask) => self.out.device(ask),
            devices::Output::Tune(tuning) => self.out.tune(tuning),
            devices::Output::There { name, mac } => {
                let (subject, what) = (Subject::Interface(name), What::DeviceThere { mac });
                let event = self.out.event(now, subject, what, Reason::Kernel, []);
                self.surround_all(now, Some(event));
            }
            devices::Output::Refused { name, errno } => {
                let what = What::DeviceRefused { errno };
                let subject = Subject::Interface(name);
                let event = self.out.event(now, subject, what, Reason::Kernel, []);
                self.surround_all(now, Some(event));
            }
        }
    }

    pub(super) fn device_status(&self, seat: &Seat) -> Vec<DeviceStatus> {
        let config = seat.instance.config();
        if config.devices.is_empty() {
            return Vec::new();
        }
        let staged = self.staged.contains(&Slot::of(seat.instance.holder()));
        let own = |status: &devices::DeviceStatus| config.device(&status.device.name).is_some();
        let status = |status: devices::DeviceStatus| DeviceStatus {
            name: status.device.name,
            parent: status.device.parent,
            mac: status.device.mac,
            up: status.index.map(|_| status.up),
            staged,
            refused: status.refused,
        };
        self.devices.status().filter(own).map(status).collect()
    }
}
