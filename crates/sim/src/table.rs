//! One node's lease table, as the kernel keeps it: elements end by the clock whoever is awake, a
//! renewal of what has ended fails, and what is listed passes only while its class lives.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use base::{Errno, IfIndex, Instant, LeaseAnswer, LeaseClass, LeaseKey, LeaseOp, LeaseTrouble};

/// The table of the node's only daemon.
#[derive(Clone, Debug, Default)]
pub struct Table {
    exists: bool,
    alive: BTreeMap<LeaseClass, Instant>,
    listed: BTreeMap<LeaseKey, LeaseClass>,
    /// Which interfaces it looks at.
    covered: BTreeSet<IfIndex>,
}

impl Table {
    /// Carries out one operation.
    ///
    /// # Errors
    /// What the kernel would refuse.
    pub fn execute(&mut self, now: Instant, op: &LeaseOp) -> Result<LeaseAnswer, LeaseTrouble> {
        match op {
            // A renewal finds no element, and that is all it can tell.
            LeaseOp::Build | LeaseOp::Destroy | LeaseOp::Renew { .. } => {}
            _ if !self.exists => {
                let step = "lease".to_owned();
                return Err(LeaseTrouble::Refused { step, errno: Errno::NOENT });
            }
            _ => {}
        }
        match op {
            LeaseOp::Build => {
                let existed = core::mem::replace(&mut self.exists, true);
                let listed = self.listed.iter().map(|(key, class)| (*key, *class)).collect();
                return Ok(LeaseAnswer::Built { existed, listed });
            }
            LeaseOp::Renew { class } if !self.lives(*class, now) => {
                return Err(LeaseTrouble::Lapsed);
            }
            LeaseOp::Arm { class } | LeaseOp::Renew { class } => {
                self.alive.insert(*class, now + class.length());
            }
            LeaseOp::List { class, keys } => {
                self.listed.extend(keys.iter().map(|key| (*key, *class)));
            }
            LeaseOp::Unlist { keys } => self.listed.retain(|key, _| !keys.contains(key)),
            LeaseOp::Drop { class } => drop(self.alive.remove(class)),
            LeaseOp::Destroy => self.remove(),
            // Only the kernel knows its interfaces ([`Kernel::execute_lease`](crate::Kernel)).
            LeaseOp::Cover { .. } => {}
        }
        Ok(LeaseAnswer::Done)
    }

    /// The guardian ends every lease at once.
    pub fn silence(&mut self, now: Instant) {
        for end in self.alive.values_mut() {
            *end = now.min(*end);
        }
    }

    /// When a class ended that is there, and has; and which addresses are silent with it.
    pub(crate) fn ended(
        &self,
        class: LeaseClass,
        now: Instant,
    ) -> Option<(Instant, impl Iterator<Item = IpAddr>)> {
        let end = self.alive.get(&class).copied().filter(|end| *end <= now)?;
        let of_class = self.listed.iter().filter(move |(_, of)| **of == class);
        let addresses = of_class.filter_map(|(key, _)| match key {
            LeaseKey::Address(address) => Some(*address),
            _ => None,
        });
        Some((end, addresses))
    }

    /// Whether there is one: without it everything passes, as the kernel's does.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.exists
    }

    /// Somebody removes it.
    pub(crate) fn remove(&mut self) {
        *self = Self::default();
    }

    /// It looks at what passes through this interface.
    pub(crate) fn cover(&mut self, index: IfIndex) {
        self.covered.insert(index);
    }

    /// The interface is gone, and its hook with it.
    pub(crate) fn uncover(&mut self, index: IfIndex) {
        self.covered.remove(&index);
    }

    pub(crate) fn covers(&self, index: IfIndex) -> bool {
        self.covered.contains(&index)
    }

    /// Whether this is listed, under whatever class.
    pub(crate) fn lists(&self, key: LeaseKey) -> bool {
        self.listed.contains_key(&key)
    }

    /// The whole machine stood still for this long, and its clock with it.
    pub(crate) fn stood_still(&mut self, span: Duration) {
        for end in self.alive.values_mut() {
            *end = *end + span;
        }
    }

    fn lives(&self, class: LeaseClass, now: Instant) -> bool {
        self.alive.get(&class).is_some_and(|end| now < *end)
    }

    /// Whether this address is heard of on the link at `now`, if the node has it.
    #[must_use]
    pub fn passes(&self, address: IpAddr, now: Instant) -> bool {
        let listed = self.listed.get(&LeaseKey::Address(address));
        listed.is_none_or(|class| self.lives(*class, now))
    }
}
