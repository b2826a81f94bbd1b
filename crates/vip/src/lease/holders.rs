//! Who wants a lease, and what that amounts to.
//!
//! There may be thousands of holders, and each change of one is asked about at once: does anybody
//! still need this class, who is at this key, who waits to be granted. So nothing is counted by
//! looking at all of them; what each contributes is added when it changes, and taken back when it
//! changes again.

use core::ops::{Deref, RangeInclusive};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{LeaseClass, LeaseKey, Name};

use super::listing::Want;
use super::{Subject, Terms};
use crate::{HolderId, pack};

/// A [`Subject`] as it is kept: what others have as well is read as if it were its own.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) keys: Box<[LeaseKey]>,
    alike: Arc<Alike>,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) struct Alike {
    pub(super) leased: bool,
    pub(super) terms: Terms,
    pub(super) interfaces: Vec<Name>,
    pub(super) waits: bool,
}

impl Deref for Kept {
    type Target = Alike;

    fn deref(&self) -> &Alike {
        &self.alike
    }
}

#[derive(Debug, Default)]
pub(super) struct Holder {
    pub(super) subject: Option<Kept>,
    pub(super) phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Phase {
    /// Holds nothing, and nothing of it is installed.
    #[default]
    Idle,
    /// Wants to hold; `again`: and was silenced before; `adopt`: and so did its predecessor.
    Asking { adopt: bool, again: bool },
    /// Holds.
    Granted,
    /// Was silenced, and has not yet said what to do about it.
    Lapsed,
    /// Holds nothing any more, but its VIPs may still be installed.
    Leaving,
}

impl Holder {
    pub(super) fn leased(&self) -> Option<&Kept> {
        self.subject.as_ref().filter(|subject| subject.leased)
    }

    pub(super) fn class(&self) -> Option<LeaseClass> {
        self.leased().map(|subject| subject.terms.class())
    }

    /// Whether it needs its class to live.
    pub(super) fn needs(&self, class: LeaseClass) -> bool {
        self.class() == Some(class) && matches!(self.phase, Phase::Asking { .. } | Phase::Granted)
    }

    fn adopts(&self) -> bool {
        matches!(self.phase, Phase::Asking { adopt: true, .. })
    }

    fn want(&self, key: &LeaseKey) -> Want {
        let Some(subject) = &self.subject else { return Want::Nothing };
        match self.phase {
            _ if !subject.leased => Want::Free,
            // It says only which of two interfaces may answer, always.
            _ if matches!(key, LeaseKey::Pin(_)) => Want::Class(subject.terms.class()),
            Phase::Asking { .. } | Phase::Granted | Phase::Lapsed => {
                Want::Class(subject.terms.class())
            }
            Phase::Leaving => Want::Silence,
            // A virtual MAC's own chatter is never welcome; a VIP is a peer's by now.
            Phase::Idle => match key {
                LeaseKey::Mac(_) | LeaseKey::Pin(_) => Want::Silence,
                LeaseKey::Address(_) if subject.waits => Want::Silence,
                LeaseKey::Address(_) => Want::Nothing,
            },
        }
    }
}

/// What the holders under one class amount to.
#[derive(Debug, Default)]
struct Tally {
    needing: usize,
    lapsed: usize,
    adopting: usize,
}

/// All holders.
#[derive(Debug, Default)]
pub(super) struct Holders {
    all: BTreeMap<HolderId, Holder>,
    /// What the one that came last has in common with others, perhaps.
    alike: Option<Arc<Alike>>,
    /// Who is at which key.
    keys: BTreeSet<(LeaseKey, HolderId)>,
    asking: BTreeSet<HolderId>,
    tallies: BTreeMap<LeaseClass, Tally>,
    /// How many look at which interface.
    interfaces: BTreeMap<Name, usize>,
    leased: usize,
    /// Leased, and not idle.
    busy: usize,
}

impl Holders {
    pub(super) fn pack(&mut self) {
        pack::map(&mut self.all);
        pack::set(&mut self.keys);
    }

    pub(super) fn get(&self, id: HolderId) -> Option<&Holder> {
        self.all.get(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (HolderId, &Holder)> {
        self.all.iter().map(|(id, holder)| (*id, holder))
    }

    /// Changes the phase of a holder, which there is from now on.
    pub(super) fn step(&mut self, id: HolderId, phase: Phase) {
        self.take_back(id);
        self.all.entry(id).or_default().phase = phase;
        self.add(id);
    }

    /// Replaces what a holder puts under a lease; the keys it had before, and has now.
    pub(super) fn manage(&mut self, id: HolderId, subject: Subject) -> Vec<LeaseKey> {
        self.take_back(id);
        let holder = self.all.entry(id).or_default();
        let Subject { leased, terms, keys, interfaces, waits } = subject;
        let alike = Alike { leased, terms, interfaces, waits };
        let alike = match &self.alike {
            Some(last) if **last == alike => Arc::clone(last),
            _ => Arc::clone(self.alike.insert(Arc::new(alike))),
        };
        let mut touched = keys.clone();
        let before = holder.subject.replace(Kept { keys: keys.into(), alike });
        touched.extend(self.unlist(id, before));
        if let Some(subject) = self.all.get(&id).and_then(|holder| holder.subject.as_ref()) {
            self.keys.extend(subject.keys.iter().map(|key| (*key, id)));
            for name in subject.interfaces.iter().filter(|_| subject.leased) {
                *self.interfaces.entry(name.clone()).or_default() += 1;
            }
        }
        self.add(id);
        touched
    }

    /// Forgets a holder; the keys it had.
    pub(super) fn remove(&mut self, id: HolderId) -> Vec<LeaseKey> {
        self.take_back(id);
        let holder = self.all.remove(&id);
        self.unlist(id, holder.and_then(|holder| holder.subject))
    }

    fn unlist(&mut self, id: HolderId, subject: Option<Kept>) -> Vec<LeaseKey> {
        let Some(subject) = subject else { return Vec::new() };
        for key in &subject.keys {
            self.keys.remove(&(*key, id));
        }
        for name in subject.interfaces.iter().filter(|_| subject.leased) {
            if let Some(count) = self.interfaces.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.interfaces.remove(name);
                }
            }
        }
        subject.keys.into()
    }

    /// The interfaces that anybody leased looks at.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = &Name> + Clone {
        self.interfaces.keys()
    }

    /// Those who have asked and were not granted yet.
    pub(super) fn asking(&self) -> impl Iterator<Item = HolderId> {
        self.asking.iter().copied()
    }

    pub(super) fn is_needed(&self, class: LeaseClass) -> bool {
        self.tallies.get(&class).is_some_and(|tally| tally.needing > 0)
    }

    /// Whether anybody is leased; `busy`: and not idle.
    pub(super) fn any_leased(&self, busy: bool) -> bool {
        if busy { self.busy > 0 } else { self.leased > 0 }
    }

    /// The classes that are needed and under which nobody has yet to decide, and whether anybody
    /// goes on with what a predecessor held there.
    pub(super) fn decided(&self) -> impl Iterator<Item = (LeaseClass, bool)> {
        let decided = |(_, tally): &(&LeaseClass, &Tally)| tally.needing > 0 && tally.lapsed == 0;
        self.tallies.iter().filter(decided).map(|(class, tally)| (*class, tally.adopting > 0))
    }

    /// What is wanted of a key, by all who are at it.
    pub(super) fn want(&self, key: LeaseKey) -> Want {
        let holders = self.at(key).filter_map(|id| self.all.get(&id));
        holders.map(|holder| holder.want(&key)).max().unwrap_or(Want::Nothing)
    }

    /// Who is at a key.
    pub(super) fn at(&self, key: LeaseKey) -> impl Iterator<Item = HolderId> {
        let all: RangeInclusive<_> = (key, HolderId(0))..=(key, HolderId(u32::MAX));
        self.keys.range(all).map(|(_, id)| *id)
    }

    /// Every key that anybody is at.
    pub(super) fn keys(&self) -> impl Iterator<Item = LeaseKey> {
        self.keys.iter().map(|(key, _)| *key)
    }

    fn take_back(&mut self, id: HolderId) {
        self.weigh(id, |count, by| *count -= usize::from(by));
        self.asking.remove(&id);
    }

    fn add(&mut self, id: HolderId) {
        self.weigh(id, |count, by| *count += usize::from(by));
        if self.all.get(&id).is_some_and(|holder| matches!(holder.phase, Phase::Asking { .. })) {
            self.asking.insert(id);
        }
    }

    fn weigh(&mut self, id: HolderId, change: impl Fn(&mut usize, bool)) {
        let Some(holder) = self.all.get(&id) else { return };
        let Some(class) = holder.class() else { return };
        change(&mut self.leased, true);
        change(&mut self.busy, holder.phase != Phase::Idle);
        let tally = self.tallies.entry(class).or_default();
        change(&mut tally.needing, holder.needs(class));
        change(&mut tally.lapsed, holder.phase == Phase::Lapsed);
        change(&mut tally.adopting, holder.adopts());
    }
}
