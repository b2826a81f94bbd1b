//! The kernel's lease table, as far as a router can tell it from the real one.

use std::collections::BTreeMap;

use base::{Instant, LeaseAnswer, LeaseClass, LeaseKey, LeaseOp, LeaseTrouble};

#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) exists: bool,
    pub(crate) missing: bool,
    pub(crate) alive: BTreeMap<LeaseClass, Instant>,
    pub(crate) listed: BTreeMap<LeaseKey, LeaseClass>,
}

impl Table {
    pub(crate) fn execute(
        &mut self,
        now: Instant,
        op: &LeaseOp,
    ) -> Result<LeaseAnswer, LeaseTrouble> {
        if self.missing {
            return Err(LeaseTrouble::Missing { what: "no nf_tables".into() });
        }
        match op {
            LeaseOp::Build => {
                let existed = std::mem::replace(&mut self.exists, true);
                let listed = self.listed.iter().map(|(k, c)| (*k, *c)).collect();
                return Ok(LeaseAnswer::Built { existed, listed });
            }
            LeaseOp::Cover { .. } => {}
            LeaseOp::List { class, keys } => {
                self.listed.extend(keys.iter().map(|key| (*key, *class)));
            }
            LeaseOp::Unlist { keys } => self.listed.retain(|key, _| !keys.contains(key)),
            LeaseOp::Renew { class } if !self.lives(*class, now) => {
                return Err(LeaseTrouble::Lapsed);
            }
            LeaseOp::Arm { class } | LeaseOp::Renew { class } => {
                self.alive.insert(*class, now + class.length());
            }
            LeaseOp::Drop { class } => drop(self.alive.remove(class)),
            LeaseOp::Destroy => *self = Self::default(),
        }
        Ok(LeaseAnswer::Done)
    }

    fn lives(&self, class: LeaseClass, now: Instant) -> bool {
        self.alive.get(&class).is_some_and(|end| now < *end)
    }

    /// Whether others hear of this address.
    pub(crate) fn passes(&self, address: &str, now: Instant) -> bool {
        let key = LeaseKey::Address(address.parse().unwrap());
        self.listed.get(&key).is_none_or(|class| self.lives(*class, now))
    }
}
