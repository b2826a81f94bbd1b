//! The quorum lease in the kernel: what is held under it falls silent when it ends, whoever is still
//! there to do something about it.
//!
//! The table of `linux::LeaseTable` with one class. Its element ends when the quorum lease does, which
//! whoever grants it has set; so it is taken anew with each grant and for as long as that grants.
//! Between the look at the clock and the kernel's word this thread may stand still, and the element
//! would last by that much too long: it looks again afterwards, and shortens it.
//!
//! What an earlier life of this node left is listed there, too. It is silent from the first moment on,
//! and until it is gone.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use base::{Instant, LeaseAnswer, LeaseClass, LeaseKey, LeaseOp, LeaseTrouble, Name};
use linux::LeaseTable;

use super::Lease;
use crate::run::now;

const TABLE: &str = "mainstay-cluster";
/// The kernel's timers end a little late.
const MARGIN: Duration = Duration::from_millis(15);
/// Longer than this between clock and kernel: look again.
const STALL: Duration = Duration::from_millis(3);
const LOOKS: u32 = 4;

/// What of this node may be heard, and until when.
#[derive(Debug)]
pub(super) struct Silence {
    table: Option<LeaseTable>,
    class: LeaseClass,
    built: bool,
    covered: BTreeSet<Name>,
    listed: BTreeSet<IpAddr>,
    left: BTreeSet<IpAddr>,
    /// What is to be listed before anything is put on an interface, all in one transaction.
    fresh: Vec<IpAddr>,
    /// What is not to be listed any more.
    stale: Vec<IpAddr>,
    lease: Lease,
    alive: bool,
    trouble: Option<String>,
}

impl Silence {
    /// Silences at once what an earlier life has left.
    pub(super) fn begin(length: Duration) -> Self {
        let mut it = Self {
            table: None,
            class: LeaseClass::of(length),
            built: false,
            covered: BTreeSet::new(),
            listed: BTreeSet::new(),
            left: BTreeSet::new(),
            fresh: Vec::new(),
            stale: Vec::new(),
            lease: Lease::None,
            alive: false,
            trouble: None,
        };
        match LeaseTable::open(TABLE) {
            Ok(table) => it.table = Some(table),
            Err(why) => it.fail(&why),
        }
        it.build();
        if it.built && it.left.is_empty() {
            it.do_it(&LeaseOp::Destroy);
            it.built = false;
        }
        it
    }

    /// Why nothing is silenced, if that is so.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Another end of the lease.
    pub(super) fn set(&mut self, lease: Lease) {
        let before = std::mem::replace(&mut self.lease, lease);
        if self.listed.is_empty() {
            return;
        }
        let needless = |it| it == Lease::Needless;
        if needless(before) != needless(lease) {
            let addresses: Vec<IpAddr> = self.listed.iter().copied().collect();
            self.list(&addresses);
        }
        self.pulse();
    }

    /// Before an address is put on an interface: it may be heard for as long as the lease lasts. It counts
    /// from [`Self::flush`] on.
    pub(super) fn cover(&mut self, interface: &Name, address: IpAddr) {
        if !self.built {
            self.build();
        }
        if self.covered.insert(interface.clone()) {
            self.do_it(&LeaseOp::Cover { interface: interface.clone() });
        }
        self.left.remove(&address);
        self.stale.retain(|it| *it != address);
        if self.listed.insert(address) {
            self.fresh.push(address);
        }
    }

    /// Does what was put off until all of it was known.
    pub(super) fn flush(&mut self) {
        if !self.stale.is_empty() {
            let stale = std::mem::take(&mut self.stale);
            self.unlist(&stale);
        }
        if self.fresh.is_empty() {
            return;
        }
        let fresh = std::mem::take(&mut self.fresh);
        self.list(&fresh);
        if !self.alive {
            self.pulse();
        }
    }

    /// An address is not here any more: what comes from where it lives now passes.
    pub(super) fn uncover(&mut self, address: IpAddr) {
        self.fresh.retain(|it| *it != address);
        if self.listed.remove(&address) {
            self.stale.push(address);
        }
    }

    /// The same for what an earlier life left.
    pub(super) fn sweep(&mut self, present: impl Fn(IpAddr) -> bool) {
        let gone: Vec<IpAddr> = self.left.iter().copied().filter(|it| !present(*it)).collect();
        if !gone.is_empty() {
            self.left.retain(|it| !gone.contains(it));
            self.unlist(&gone);
        }
    }

    fn list(&mut self, addresses: &[IpAddr]) {
        if self.lease == Lease::Needless {
            return self.unlist(addresses);
        }
        let keys = addresses.iter().copied().map(LeaseKey::Address).collect();
        self.do_it(&LeaseOp::List { class: self.class, keys });
    }

    fn unlist(&mut self, addresses: &[IpAddr]) {
        let keys = addresses.iter().copied().map(LeaseKey::Address).collect();
        self.do_it(&LeaseOp::Unlist { keys });
    }

    fn build(&mut self) {
        let Some(LeaseAnswer::Built { listed, .. }) = self.do_it(&LeaseOp::Build) else { return };
        self.built = true;
        self.covered.clear();
        self.do_it(&LeaseOp::Drop { class: self.class });
        let mut keys = Vec::new();
        for (key, _) in listed {
            if let LeaseKey::Address(address) = key
                && !self.listed.contains(&address)
            {
                self.left.insert(address);
            }
            keys.push(key);
        }
        if !keys.is_empty() {
            self.do_it(&LeaseOp::List { class: LeaseClass::SILENT, keys });
        }
    }

    /// Makes the kernel's lease end when the one that was granted does.
    fn pulse(&mut self) {
        let Lease::Until(ends) = self.lease else {
            if self.alive {
                self.do_it(&LeaseOp::Drop { class: self.class });
                self.alive = false;
            }
            return;
        };
        for _ in 0..LOOKS {
            let before = now();
            if !self.pulse_once(before, ends) || now().since(before) < STALL {
                return;
            }
        }
        // It never got to it in time: let go rather than last too long.
        self.do_it(&LeaseOp::Drop { class: self.class });
        self.alive = false;
    }

    /// Whether the lease lives.
    fn pulse_once(&mut self, now: Instant, ends: Instant) -> bool {
        let rest = ends.since(now).saturating_sub(MARGIN);
        let Some(table) = self.table.as_mut().filter(|_| self.built) else { return false };
        if rest < Duration::from_millis(1) {
            self.do_it(&LeaseOp::Drop { class: self.class });
            self.alive = false;
            return false;
        }
        let done = match self.alive {
            true => table.renew(self.class, rest),
            false => table.arm(self.class, rest),
        };
        match done {
            Ok(()) => self.alive = true,
            // It was late, and has been silent; the grant says that it may be heard again.
            Err(LeaseTrouble::Lapsed) => self.alive = false,
            Err(why) => {
                self.alive = false;
                self.fail(&why);
                return false;
            }
        }
        // Once more: to begin anew does not ask whether it was late.
        self.alive || self.pulse_once(crate::run::now(), ends)
    }

    fn do_it(&mut self, op: &LeaseOp) -> Option<LeaseAnswer> {
        match self.table.as_mut()?.execute(op) {
            Ok(answer) => Some(answer),
            Err(why) => {
                self.fail(&why);
                None
            }
        }
    }

    fn fail(&mut self, why: &LeaseTrouble) {
        self.trouble = Some(format!("VIPs are not silenced when the quorum lease ends: {why}"));
    }
}

/// A node that has nothing any more leaves nothing.
impl Drop for Silence {
    fn drop(&mut self) {
        if self.built && self.listed.is_empty() && self.left.is_empty() {
            self.do_it(&LeaseOp::Destroy);
        }
    }
}
