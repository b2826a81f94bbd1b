//! Taking over a configuration: what is the same stays untouched (invariant 7, VRRP-066).
//!
//! An instance is known by its name, and if that has changed, by what it is on the wire: interface,
//! VRID, family and version. So neither a renamed block nor a moved one gives up its VIPs.

use std::collections::{BTreeMap, BTreeSet};

use base::{Instant, Name, Reason, Subject, Vrid, What};
use vip::last_will::Edit;
use vip::{announcer, devices, keeper, lease, lifetime};

use super::groups::Membership;
use super::{Router, Seat, Slot, Will};
use crate::config::{Config, InstanceConfig, Sharing};
use crate::instance::{Instance, Turn};
use crate::wire::hmac::Sequence;

impl Router {
    pub(super) fn configure(&mut self, now: Instant, configs: Vec<InstanceConfig>) {
        let mut sharing = Sharing::among(self.seats.values().map(|seat| seat.instance.config()));
        let configs: Vec<Config> = configs.into_iter().map(|one| sharing.keep(one)).collect();
        let mut matched = self.match_up(&configs);
        let kept: BTreeSet<Slot> = matched.values().copied().collect();
        let gone: Vec<Slot> = self.order.iter().copied().filter(|s| !kept.contains(s)).collect();
        let (mut added, mut changed, removed) = (0, 0, count(gone.len()));
        let instances = count(configs.len());

        let mut plan = Vec::new();
        for config in configs {
            let slot = matched.remove(&config.name);
            match slot {
                Some(slot) if self.runs(slot, &config) => {}
                Some(_) => changed += 1,
                None => added += 1,
            }
            plan.push((slot, config));
        }
        let what = What::ConfigApplied { instances, added, changed, removed };
        let reason = if self.slots_so_far == 0 { Reason::Startup } else { Reason::Reload };
        let event = self.out.event(now, Subject::Node, what, reason, []);

        for slot in gone {
            self.remove(now, slot, event);
        }
        self.order.clear();
        for (slot, config) in plan {
            let slot = match slot {
                Some(slot) => {
                    self.change(now, slot, config, event);
                    slot
                }
                None => self.add(now, config),
            };
            self.order.push(slot);
        }
        self.regroup(now);
        self.watch();
        self.filter.configured();
        self.pace(now);
        self.surround_all(now, Some(event));
    }

    /// Which present instance each new configuration continues, by the new one's name.
    fn match_up(&self, configs: &[Config]) -> BTreeMap<Name, Slot> {
        let mut by_name: BTreeMap<&Name, BTreeSet<Slot>> = BTreeMap::new();
        // Whatever is continued under another name has the same VRID.
        let mut by_vrid: BTreeMap<Vrid, BTreeSet<Slot>> = BTreeMap::new();
        for slot in &self.order {
            let Some(seat) = self.seats.get(slot) else { continue };
            let config = seat.instance.config();
            by_name.entry(&config.name).or_default().insert(*slot);
            by_vrid.entry(config.vrid).or_default().insert(*slot);
        }
        let mut matched = BTreeMap::new();
        let mut renamed = Vec::new();
        for config in configs {
            let Some(slot) = by_name.get_mut(&config.name).and_then(BTreeSet::pop_first) else {
                renamed.push(config);
                continue;
            };
            if let Some(free) =
                self.seats.get(&slot).and_then(|s| by_vrid.get_mut(&s.instance.config().vrid))
            {
                free.remove(&slot);
            }
            matched.insert(config.name.clone(), slot);
        }
        let mut take = |config: &Config, fits: &dyn Fn(&Instance) -> bool| {
            let Some(free) = by_vrid.get_mut(&config.vrid) else { return false };
            let fits = |slot: &&Slot| self.seats.get(slot).is_some_and(|s| fits(&s.instance));
            let Some(slot) = free.iter().find(fits).copied() else { return false };
            free.remove(&slot);
            matched.insert(config.name.clone(), slot);
            true
        };
        // Several may share a VRID (unicast): those that differ in nothing but the name come first.
        renamed.retain(|config| !take(config, &|instance| instance.is_but_renamed(config)));
        for config in renamed {
            take(config, &|instance| instance.is_same_router(config));
        }
        matched
    }

    fn runs(&self, slot: Slot, config: &Config) -> bool {
        self.seats.get(&slot).is_some_and(|seat| seat.instance.config() == config)
    }

    fn add(&mut self, now: Instant, config: Config) -> Slot {
        let slot = Slot(self.slots_so_far);
        self.slots_so_far += 1;
        self.instruct_hands(now, slot, &config);
        let number = self.spoken.remove(&config.name).map(Sequence::from_bits);
        let mut instance = match self.inherited.remove(&config.name) {
            Some(inheritance) => Instance::heir(now, config, slot.holder(), inheritance),
            None => Instance::new(now, config, slot.holder()),
        };
        if let Some(number) = number {
            instance.continue_numbers(number);
        }
        // An heir finds its VIPs installed, and leaves them so until it knows more.
        let holding = instance.inherits();
        let seat_accepts = instance.config().accept;
        if holding {
            if !seat_accepts {
                self.filter.begin(slot);
            }
            self.hold_ways(now, slot.holder(), true);
            self.keeper.handle(now, keeper::Input::Hold { holder: slot.holder() });
            self.devices.handle(now, devices::Input::Hold { holder: slot.holder() });
        }
        let seat = Seat {
            instance,
            own: Some(Reason::Startup),
            membership: Membership::default(),
            key: None,
            holding,
            present: Vec::new(),
            leasing: false,
            granted: false,
            silenced_by: None,
            unannounced: None,
            repairing: None,
            will: Will::None,
            hindrance: None,
        };
        self.seats.insert(slot, seat);
        slot
    }

    fn change(&mut self, now: Instant, slot: Slot, config: Config, event: base::EventId) {
        if self.runs(slot, &config) {
            return;
        }
        self.instruct_hands(now, slot, &config);
        self.reconsider(now, slot);
        let holding = self.seats.get(&slot).is_some_and(|seat| seat.holding);
        self.hold_ways(now, slot.holder(), holding);
        if holding && !config.accept {
            self.filter.begin(slot);
        }
        let Some(seat) = self.seats.get_mut(&slot) else { return };
        if seat.will != Will::None {
            if seat.instance.config().name != config.name {
                self.out.will(Edit::Release { name: seat.instance.config().name.clone() });
            }
            seat.will = Will::Stale;
        }
        if config.all_vips().next().is_none() {
            // The keeper forgets a holder of nothing; it is told again that this one holds.
            seat.holding = false;
        }
        let mut turn = Turn { now, wall: self.wall.at(now), out: &mut self.out };
        if seat.instance.is_same_router(&config) && !base::planted!(ReloadRestarts) {
            seat.instance.reconfigure(&mut turn, config);
        } else {
            // Another virtual router under an old name: leave the one, begin the other.
            seat.instance.shutdown(&mut turn, Reason::Reload, Some(event));
            self.unlist(slot);
            if let Some(seat) = self.seats.get_mut(&slot) {
                seat.instance = Instance::new(now, config, slot.holder());
                seat.own = Some(Reason::Startup);
            }
        }
        self.touched.insert(slot);
    }

    fn remove(&mut self, now: Instant, slot: Slot, event: base::EventId) {
        let holder = slot.holder();
        self.unlist(slot);
        self.hindered.remove(&slot);
        if let Some(mut seat) = self.seats.remove(&slot) {
            let mut turn = Turn { now, wall: self.wall.at(now), out: &mut self.out };
            seat.instance.shutdown(&mut turn, Reason::Reload, Some(event));
            if seat.will != Will::None {
                self.leaving.insert(holder, seat.instance.config().name.clone());
            }
        }
        self.partings.insert(holder);
        self.announcer.handle(now, announcer::Input::Forget { holder });
        self.lifetimes.handle(now, self.links.addresses(), lifetime::Input::Withdraw { holder });
        self.unstage(now, slot);
        self.ways.handle(now, vip::ways::Input::Manage { holder, ways: Vec::new() });
        self.keeper.handle(now, keeper::Input::Manage { holder, vips: Vec::new() });
        self.devices.handle(now, devices::Input::Manage { holder, devices: Vec::new() });
        // What it leaves installed is silent until it is gone.
        self.leases.handle(now, lease::Input::Manage { holder, subject: None });
        self.touched.insert(slot);
    }

    fn unlist(&mut self, slot: Slot) {
        let Some(key) = self.seats.get_mut(&slot).and_then(|seat| seat.key.take()) else { return };
        self.addressees.unlist(key, slot);
    }

    /// Paces that interfaces have together count for what is on them, too.
    fn pace(&mut self, now: Instant) {
        let devices = self.seats.values().flat_map(|seat| &seat.instance.config().devices);
        let mut paces = self.paces.clone();
        for device in devices {
            for pace in &mut paces {
                if pace.interfaces.contains(&device.parent) {
                    pace.interfaces.push(device.name.clone());
                }
            }
        }
        self.announcer.handle(now, announcer::Input::Paces(paces));
    }

    fn instruct_hands(&mut self, now: Instant, slot: Slot, config: &Config) {
        let holder = slot.holder();
        self.instruct_leases(now, slot, config);
        self.instruct_ways(now, holder, config);
        let vips = config.all_vips().cloned().collect();
        self.keeper.handle(now, keeper::Input::Manage { holder, vips });
        self.instruct_devices(now, slot, config);
        let policy = config.burst;
        self.announcer.handle(now, announcer::Input::Policy { holder, policy });
        let fresh = config.keep_fresh();
        self.announcer.handle(now, announcer::Input::KeepFresh { holder, fresh });
    }
}

/// For events only; nobody configures four thousand million instances.
fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
