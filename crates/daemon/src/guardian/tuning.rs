//! The switches of interfaces with a virtual MAC, which an engine that may open no file cannot set.
//!
//! What they are set to is written here and nowhere else; an engine only says of which interface. All
//! are the interface's own, so nothing else on the node changes: in particular no reverse path filter
//! is touched. (The kernel takes the larger of an interface's value and that of `all`: with 2, loose,
//! here, packets for a VIP pass whether `all` says 0 or 1.) The one switch that means all interfaces
//! is set because `disable_local_igmp` asks for it by name, and put back at the end; so is
//! `promote_secondaries` of an interface that is the node's.

use std::collections::BTreeMap;

use base::{Name, Tuning};
use linux::Sysctl;

/// Sets switches, and remembers what is to be put back.
#[derive(Default)]
pub(super) struct Tuner {
    local_igmp: Option<u8>,
    /// Interfaces that promote secondary addresses because it was asked for, and what stood there.
    promoting: BTreeMap<Name, u8>,
}

impl Tuner {
    /// Sets the switches of one interface. What cannot be set is told, and the rest is set all the
    /// same: each does its part.
    pub(super) fn tune(&mut self, tuning: &Tuning) {
        for sysctl in switches(tuning) {
            if let Err(error) = sysctl.write() {
                // A kernel without IPv6 lacks some, and the interface may have just gone.
                if error.kind() != std::io::ErrorKind::NotFound {
                    eprintln!("warning: a switch of `{}` cannot be set: {error}", tuning.name);
                }
            }
        }
        if !tuning.local_igmp && self.local_igmp.is_none() {
            let off = Sysctl::LocalIgmp(false);
            self.local_igmp = off.read().ok();
            if let Err(error) = off.write() {
                eprintln!("warning: reports of link-local groups go on: {error}");
            }
        }
    }

    /// Has exactly these interfaces promote secondary addresses (`promote_secondaries`).
    pub(super) fn promote(&mut self, names: &[Name]) {
        let gone: Vec<Name> =
            self.promoting.keys().filter(|name| !names.contains(name)).cloned().collect();
        for name in gone {
            self.demote(&name);
        }
        for name in names {
            let on = Sysctl::PromoteSecondaries(name.clone(), true);
            let before = on.read();
            match (before, on.write()) {
                (Ok(before), Ok(())) => {
                    // An interface that was made anew has the value it was made with.
                    self.promoting.entry(name.clone()).or_insert(before);
                }
                (Err(error), _) | (_, Err(error)) => {
                    eprintln!("warning: promote_secondaries cannot be set on `{name}`: {error}");
                }
            }
        }
    }

    fn demote(&mut self, name: &Name) {
        if let Some(before) = self.promoting.remove(name).filter(|before| *before == 0) {
            // It may be gone, and its switch with it.
            let _ = Sysctl::PromoteSecondaries(name.clone(), before != 0).write();
        }
    }

    /// Puts back what was not the interfaces' own.
    pub(super) fn restore(&mut self) {
        if let Some(before) = self.local_igmp.take().filter(|before| *before != 0) {
            let _ = Sysctl::LocalIgmp(before != 0).write();
        }
        self.promote(&[]);
    }
}

/// What the switches of such an interface are to be.
fn switches(tuning: &Tuning) -> Vec<Sysctl> {
    let name = || tuning.name.clone();
    let mut all = vec![
        // It answers for its own addresses only, and asks with its own (RFC 9568 §8.1.2).
        Sysctl::ArpIgnore(name(), 1),
        Sysctl::ArpAnnounce(name(), 2),
        Sysctl::ReversePathFilter(name(), 2),
        Sysctl::AcceptLocal(name(), true),
        Sysctl::PromoteSecondaries(name(), true),
        Sysctl::AcceptRa(name(), false),
        Sysctl::KeepAddressesOnDown(name(), true),
    ];
    // Last: it makes the interface's IPv6 anew, or ends it.
    all.push(Sysctl::DisableIpv6(name(), !tuning.ipv6));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_interfaces_own_switches_are_set() {
        let index = base::IfIndex::new(9).unwrap();
        let tuning = Tuning { index, name: "vrrp.51".into(), ipv6: false, local_igmp: true };
        let switches = switches(&tuning);
        assert!(switches.contains(&Sysctl::DisableIpv6("vrrp.51".into(), true)));
        for switch in &switches {
            assert!(format!("{switch:?}").contains("\"vrrp.51\""), "{switch:?}");
        }
    }
}
