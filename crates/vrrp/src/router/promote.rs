//! `promote_secondaries`: on which interfaces the kernel puts the next address of a subnet in the place
//! of a primary one that goes, instead of dropping them all.
//!
//! The switch is the kernel's and the node's, so who may write files sets it: it is told exactly the
//! interfaces that are to have it, whenever those change, and puts back what it finds no more.

use std::collections::BTreeSet;

use base::{IfIndex, Name};

use super::Router;

/// Who is to have it, and who was told to.
#[derive(Debug, Default)]
pub(super) struct Promoting {
    wanted: BTreeSet<Name>,
    told: BTreeSet<(IfIndex, Name)>,
}

impl Router {
    /// Notes what the configuration asks for.
    pub(super) fn survey_promotion(&mut self) {
        let configs = self.seats.values().map(|seat| seat.instance.config());
        let asking = configs.filter(|config| config.promote_secondaries);
        let devices = |name: &Name| self.promoting_device(name);
        self.promoting.wanted =
            asking.filter_map(|config| config.interface.clone()).filter(|n| !devices(n)).collect();
    }

    /// Devices of ours have it anyway.
    fn promoting_device(&self, name: &Name) -> bool {
        self.seats.values().any(|seat| seat.instance.config().device(name).is_some())
    }

    /// Asks for it where it is wanted and there is an interface to have it.
    pub(super) fn promote(&mut self) {
        let Promoting { wanted, told } = &self.promoting;
        if wanted.is_empty() && told.is_empty() {
            return;
        }
        let there = |name: &Name| Some((self.links.named(name)?.index, name.clone()));
        let now: BTreeSet<_> = wanted.iter().filter_map(there).collect();
        if now == *told {
            return;
        }
        self.out.promote(now.iter().map(|(_, name)| name.clone()).collect());
        self.promoting.told = now;
    }
}
