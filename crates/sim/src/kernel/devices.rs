//! Macvlans: interfaces that lie on another and have a MAC of their own.
//!
//! They go with what they lie on and run only while that does. An IPv4 address is the node's own
//! wherever it is: the parent, which hears all that its macvlans hear, answers for it even while the
//! macvlan is down, unless the table of leases lists it as living at a virtual MAC. IPv6 is asked for
//! by groups that only the macvlan is in.

use core::net::IpAddr;

use base::{
    DeviceOp, Errno, IfIndex, Instant, KernelFact, LeaseAnswer, LeaseKey, LeaseOp, LeaseTrouble,
    LinkFact, Mac, Macvlan,
};

use super::{Entry, Kernel, Link, Segment};

/// `EADDRINUSE`: two macvlans with one MAC on one interface, both up.
const IN_USE: Errno = Errno(98);

impl Kernel {
    /// Carries out an operation on a device.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn execute_device(&mut self, op: &DeviceOp) -> Result<(), Errno> {
        match op {
            DeviceOp::Make { device, on } => {
                let parent = self.links.iter().find(|link| link.fact.index == *on);
                let Link { fact: LinkFact { mtu, .. }, segment, .. } =
                    parent.ok_or(Errno::NODEV)?;
                let (mtu, segment) = (*mtu, *segment);
                if self.links.iter().any(|link| link.fact.name == device.name) {
                    return Err(Errno::EXIST);
                }
                let index = IfIndex::new(self.next_index).ok_or(Errno::NODEV)?;
                self.next_index += 1;
                let fact = LinkFact {
                    index,
                    name: device.name.clone(),
                    running: false,
                    mac: Some(device.mac),
                    mtu,
                    multicast: true,
                    macvlan: Some(Macvlan { below: *on, up: false }),
                };
                let (up, carrier, tuned) = (false, true, false);
                self.links.push(Link { fact: fact.clone(), segment, up, carrier, tuned });
                self.news.push(KernelFact::Link(fact));
                Ok(())
            }
            DeviceOp::Remove { index } => {
                self.position(*index)?;
                self.delete(*index);
                Ok(())
            }
            DeviceOp::Raise { index } => {
                let at = self.position(*index)?;
                let (mac, macvlan) = (self.links[at].fact.mac, self.links[at].fact.macvlan);
                let same = |link: &Link| {
                    link.up
                        && link.fact.index != *index
                        && link.fact.mac == mac
                        && link.fact.macvlan.map(|other| other.below)
                            == macvlan.map(|own| own.below)
                };
                if self.links.iter().any(same) {
                    return Err(IN_USE);
                }
                self.set_up(at, true);
                Ok(())
            }
            DeviceOp::Lower { index } => {
                let at = self.position(*index)?;
                if self.links[at].up {
                    self.set_up(at, false);
                    self.flush_v6(*index);
                }
                Ok(())
            }
        }
    }

    fn position(&self, index: IfIndex) -> Result<usize, Errno> {
        self.links.iter().position(|link| link.fact.index == index).ok_or(Errno::NODEV)
    }

    /// Sets an interface up or down, and tells of it if that is to be seen.
    pub(super) fn set_up(&mut self, at: usize, up: bool) {
        let link = &mut self.links[at];
        if core::mem::replace(&mut link.up, up) == up {
            return;
        }
        let Some(macvlan) = &mut link.fact.macvlan else {
            self.retell(at);
            return;
        };
        macvlan.up = up;
        if !self.retell(at) {
            self.news.push(KernelFact::Link(self.links[at].fact.clone()));
        }
    }

    /// Works out anew whether an interface runs, and what lies on it; tells of those that changed, and
    /// says whether it was among them.
    pub(super) fn retell(&mut self, at: usize) -> bool {
        let link = &self.links[at];
        let below = match link.fact.macvlan {
            Some(macvlan) => self.is_running(macvlan.below),
            None => link.carrier,
        };
        let link = &mut self.links[at];
        let running = link.up && below;
        if core::mem::replace(&mut link.fact.running, running) == running {
            return false;
        }
        self.news.push(KernelFact::Link(link.fact.clone()));
        let index = link.fact.index;
        for above in 0..self.links.len() {
            if self.links[above].fact.macvlan.is_some_and(|macvlan| macvlan.below == index) {
                self.retell(above);
            }
        }
        true
    }

    /// Sets the switches of a device; false if there is none.
    pub fn tune(&mut self, index: IfIndex) -> bool {
        let link = self.links.iter_mut().find(|link| link.fact.index == index);
        link.map(|link| link.tuned = true).is_some()
    }

    /// Carries out an operation on the table of leases.
    ///
    /// # Errors
    /// What the kernel would refuse.
    pub fn execute_lease(
        &mut self,
        now: Instant,
        op: &LeaseOp,
    ) -> Result<LeaseAnswer, LeaseTrouble> {
        if let LeaseOp::Cover { interface } = op
            && self.table.exists()
        {
            let link = self.links.iter().find(|link| link.fact.name == *interface);
            let Some(link) = link else {
                let step = "ingress hook".to_owned();
                return Err(LeaseTrouble::Refused { step, errno: Errno::NOENT });
            };
            self.table.cover(link.fact.index);
            return Ok(LeaseAnswer::Done);
        }
        self.table.execute(now, op)
    }

    // ---- looking --------------------------------------------------------------------------------

    /// The macvlans there are.
    pub fn devices(&self) -> impl Iterator<Item = &LinkFact> {
        self.links.iter().map(|link| &link.fact).filter(|fact| fact.macvlan.is_some())
    }

    /// The interface that takes a frame from this MAC off a segment: the macvlan that has the MAC
    /// itself, if that is up, and else the one that is plugged in.
    #[must_use]
    pub fn taker(&self, segment: Segment, from: Option<Mac>) -> Option<IfIndex> {
        let own = |link: &&Link| {
            link.segment == segment
                && link.up
                && link.fact.macvlan.is_some()
                && link.fact.mac == from
        };
        let device = self.links.iter().find(own).filter(|_| from.is_some());
        device.map(|link| link.fact.index).or_else(|| Some(self.on_segment(segment)?.index))
    }

    /// The interfaces that see a frame to everybody from this MAC.
    pub fn seers(&self, segment: Segment, from: Mac) -> Vec<IfIndex> {
        let taker = self.taker(segment, Some(from));
        if taker != self.on_segment(segment).map(|link| link.index) {
            return taker.into_iter().collect();
        }
        let here = self.links.iter().filter(|link| link.segment == segment && link.fact.running);
        here.map(|link| link.fact.index).collect()
    }

    /// Whether an address is heard of on its link, leases apart.
    pub(super) fn is_heard(&self, entry: &Entry) -> bool {
        let link = self.links.iter().find(|link| link.fact.index == entry.fact.index);
        let Some(Link { fact, .. }) = link else { return false };
        match (fact.macvlan, entry.fact.address) {
            (Some(macvlan), IpAddr::V4(address)) if !fact.running => {
                self.is_running(macvlan.below) && !self.table.lists(LeaseKey::Pin(address))
            }
            _ => fact.running,
        }
    }

    /// Whether the table looks at what passes through an interface: there, or below it.
    pub(super) fn is_covered(&self, index: IfIndex) -> bool {
        let link = self.links.iter().find(|link| link.fact.index == index);
        let below = link.and_then(|link| link.fact.macvlan).map(|macvlan| macvlan.below);
        self.table.covers(index) || below.is_some_and(|below| self.table.covers(below))
    }
}
