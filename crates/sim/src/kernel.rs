//! One node's kernel, as far as VIPs are concerned: interfaces, addresses, lifetimes, and the news it
//! tells of them.
//!
//! What it does and what it tells, in which order, was taken from a real one (Linux 6.18) and is
//! compared with the real one operation by operation by `tests/kernel`. The traits that bite: the
//! first IPv4 address of a prefix is primary, and its removal or lapse takes the others of the prefix
//! along; IPv6 addresses go when their interface is taken down; a lifetime ends up to a third of a
//! second late; an interface that is made again has another number. Macvlans have a room of their
//! own ([`devices`]).

mod devices;

use base::{
    AddressFact, AddressOp, Batch, BatchDone, Errno, IfIndex, Instant, KernelFact, LinkFact, Mac,
    Name, Vip,
};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use crate::random::Random;
use crate::table::Table;

/// The interface on the link where the client is.
pub const ETH0: &str = "eth0";
/// A second interface, on a link of its own.
pub const ETH1: &str = "eth1";

/// What duplicate address detection takes after an interface came up.
const DETECTION: Duration = Duration::from_millis(1_300);

/// The link an interface is plugged into, whatever the interface is called: 0 is `eth0`'s, 1 `eth1`'s.
pub type Segment = u8;

#[derive(Clone, Debug)]
struct Link {
    fact: LinkFact,
    segment: Segment,
    up: bool,
    /// A macvlan has its parent's.
    carrier: bool,
    /// A macvlan whose switches were set: its addresses outlive that it is down, and a secondary
    /// takes the place of its primary.
    tuned: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    fact: AddressFact,
    /// When its lifetime ends.
    until: Option<Instant>,
    /// When it stops being tentative.
    detected: Option<Instant>,
}

/// A kernel with `eth0` and `eth1`.
#[derive(Clone, Debug)]
pub struct Kernel {
    number: u8,
    /// In the order of their numbers.
    links: Vec<Link>,
    /// In the kernel's order: IPv4 primaries before secondaries.
    entries: Vec<Entry>,
    next_index: u32,
    made: u8,
    random: Random,
    news: Vec<KernelFact>,
    pub(crate) table: Table,
}

impl Kernel {
    /// The kernel of node `number`, freshly booted: `eth0` has 193.168.1.(number)/16 and
    /// fe80::(number)/64, `eth1` 10.0.0.(number)/24; both are up.
    #[must_use]
    pub fn of(number: u8) -> Self {
        let mut kernel = Self::bare(number);
        for (segment, name) in [(0, ETH0), (1, ETH1)] {
            kernel.make_link(segment, name);
        }
        for segment in [0, 1] {
            kernel.raise(segment);
            kernel.give_own(segment);
        }
        for entry in &mut kernel.entries {
            entry.detected = None;
            entry.fact.tentative = false;
        }
        kernel.news.clear();
        kernel
    }

    /// A kernel without interfaces; the first one made will have the number 2.
    #[must_use]
    pub fn bare(number: u8) -> Self {
        Self {
            number,
            links: Vec::new(),
            entries: Vec::new(),
            next_index: 2,
            made: 0,
            random: Random::new(u64::from(number)),
            news: Vec::new(),
            table: Table::default(),
        }
    }

    // ---- looking --------------------------------------------------------------------------------

    /// Whether it carries `address`.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.entries.iter().any(|known| known.fact.address == address)
    }

    /// Whether it carries `address` where others can reach it.
    #[must_use]
    pub fn serves(&self, address: IpAddr) -> bool {
        let mut entries = self.entries.iter().filter(|known| known.fact.address == address);
        entries.any(|known| !known.fact.tentative && self.is_heard(known))
    }

    /// Whether it answers for `address` at `now`: it has it, and no lapsed lease keeps it silent.
    #[must_use]
    pub fn answers(&self, address: IpAddr, now: Instant) -> bool {
        let mut entries = self.entries.iter().filter(|known| known.fact.address == address);
        entries.any(|known| {
            !known.fact.tentative
                && self.is_heard(known)
                && (self.table.passes(address, now) || !self.is_covered(known.fact.index))
        })
    }

    /// Whether no lapsed lease keeps `address` silent at `now`.
    #[must_use]
    pub fn passes(&self, address: IpAddr, now: Instant) -> bool {
        self.table.passes(address, now)
    }

    /// Whether there is a table of leases.
    #[must_use]
    pub fn leases(&self) -> bool {
        self.table.exists()
    }

    /// Everything there is.
    #[must_use]
    pub fn snapshot(&self) -> KernelFact {
        KernelFact::Snapshot {
            links: self.links.iter().map(|link| link.fact.clone()).collect(),
            addresses: self.entries.iter().map(|entry| entry.fact).collect(),
        }
    }

    /// Its addresses, in its order.
    pub fn addresses(&self) -> impl Iterator<Item = &AddressFact> {
        self.entries.iter().map(|entry| &entry.fact)
    }

    /// Whether the interface with this number is up.
    #[must_use]
    pub fn is_running(&self, index: IfIndex) -> bool {
        self.links.iter().any(|link| link.fact.index == index && link.fact.running)
    }

    /// Whether `eth0` is up, whatever it is called at the moment.
    #[must_use]
    pub fn is_eth0_running(&self) -> bool {
        self.on_segment(0).is_some_and(|link| link.running)
    }

    /// Whether one of its interfaces has this Ethernet address.
    #[must_use]
    pub fn has_mac(&self, mac: Mac) -> bool {
        self.links.iter().any(|link| link.fact.mac == Some(mac))
    }

    /// The interface of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&LinkFact> {
        self.links.iter().map(|link| &link.fact).find(|link| link.name.as_str() == name)
    }

    /// The interface that is plugged into a segment.
    #[must_use]
    pub fn on_segment(&self, segment: Segment) -> Option<&LinkFact> {
        self.plain(segment).map(|at| &self.links[at].fact)
    }

    /// Where the interface is that is plugged into a segment itself.
    fn plain(&self, segment: Segment) -> Option<usize> {
        let plain = |link: &Link| link.segment == segment && link.fact.macvlan.is_none();
        self.links.iter().position(plain)
    }

    /// Where the interface with this number is plugged in.
    #[must_use]
    pub fn segment(&self, index: IfIndex) -> Option<Segment> {
        self.links.iter().find(|link| link.fact.index == index).map(|link| link.segment)
    }

    /// The addresses the node has of its own on a segment.
    #[must_use]
    pub fn own_addresses(&self, segment: Segment) -> Vec<(IpAddr, u8)> {
        let number = self.number;
        if segment == 0 {
            let v6 = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(number));
            vec![(Ipv4Addr::new(193, 168, 1, number).into(), 16), (v6.into(), 64)]
        } else {
            vec![(Ipv4Addr::new(10, 0, 0, number).into(), 24)]
        }
    }

    /// What it has told since it was last asked.
    pub fn take_news(&mut self) -> Vec<KernelFact> {
        core::mem::take(&mut self.news)
    }

    // ---- time -----------------------------------------------------------------------------------

    /// When it next does something by itself.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.entries.iter().flat_map(|entry| [entry.until, entry.detected]).flatten().min()
    }

    /// Does what is due; answers with the addresses that lapsed themselves.
    pub fn advance(&mut self, now: Instant) -> Vec<AddressFact> {
        let mut lapsed = Vec::new();
        while let Some(at) =
            self.entries.iter().position(|entry| entry.until.is_some_and(|until| until <= now))
        {
            lapsed.push(self.entries[at].fact);
            self.drop_entry(at);
        }
        for entry in &mut self.entries {
            if entry.detected.is_some_and(|at| at <= now) {
                entry.detected = None;
                entry.fact.tentative = false;
                self.news.push(KernelFact::Address(entry.fact));
            }
        }
        lapsed
    }

    /// The whole machine stood still for this long, its kernel's timers too.
    pub fn stood_still(&mut self, span: Duration) {
        self.table.stood_still(span);
        for entry in &mut self.entries {
            entry.until = entry.until.map(|until| until + span);
            entry.detected = entry.detected.map(|at| at + span);
        }
    }

    // ---- interfaces -----------------------------------------------------------------------------

    /// An interface loses or finds its carrier.
    ///
    /// # Panics
    /// When there is no interface of that name.
    pub fn set_running(&mut self, name: &str, running: bool) {
        let at = self.links.iter().position(|link| link.fact.name.as_str() == name);
        let at = at.unwrap_or_else(|| panic!("there is no interface called {name}"));
        self.links[at].carrier = running;
        self.retell(at);
    }

    /// A segment's interface loses or finds its carrier; nothing happens if there is none.
    pub fn set_carrier(&mut self, segment: Segment, carrier: bool) {
        if let Some(at) = self.plain(segment) {
            self.links[at].carrier = carrier;
            self.retell(at);
        }
    }

    /// `ip link set … down`: IPv6 addresses go, IPv4 ones stay.
    pub fn lower(&mut self, segment: Segment) {
        let Some(at) = self.plain(segment) else { return };
        if !core::mem::replace(&mut self.links[at].up, false) {
            return;
        }
        self.retell(at);
        self.flush_v6(self.links[at].fact.index);
    }

    /// Removes the IPv6 addresses of an interface that is down, but for those that may stay.
    fn flush_v6(&mut self, index: IfIndex) {
        let tuned = self.links.iter().any(|link| link.fact.index == index && link.tuned);
        let goes = |entry: &Entry| match entry.fact.address {
            IpAddr::V4(_) => false,
            IpAddr::V6(v6) => {
                !tuned || entry.until.is_some() || v6.segments()[0] & 0xffc0 == 0xfe80
            }
        };
        while let Some(at) =
            self.entries.iter().position(|entry| entry.fact.index == index && goes(entry))
        {
            self.drop_entry(at);
        }
    }

    /// `ip link set … up`: the link-local address comes back, tentative at first.
    pub fn raise(&mut self, segment: Segment) {
        let Some(at) = self.plain(segment) else { return };
        if !core::mem::replace(&mut self.links[at].up, true) {
            // Up comes first, and the carrier is seen a moment later.
            self.news.push(KernelFact::Link(self.links[at].fact.clone()));
            self.retell(at);
        }
    }

    /// Gives a segment's interface the node's own addresses again, as whatever manages the network
    /// would; those that are there stay. `now` is when detection of the link-local one begins.
    pub fn configure_own(&mut self, now: Instant, segment: Segment) {
        let before = self.entries.len();
        self.give_own(segment);
        for entry in &mut self.entries[before..] {
            if matches!(entry.fact.address, IpAddr::V6(_)) {
                entry.detected = Some(now + DETECTION);
            }
        }
    }

    fn give_own(&mut self, segment: Segment) {
        let Some(index) = self.on_segment(segment).map(|link| link.index) else { return };
        for (address, prefix) in self.own_addresses(segment) {
            if !self.entries.iter().any(|e| e.fact.index == index && e.fact.address == address) {
                let tentative = matches!(address, IpAddr::V6(_));
                let fact = AddressFact { index, address, prefix, tentative };
                self.insert(Entry { fact, until: None, detected: None });
                self.news.push(KernelFact::Address(fact));
            }
        }
    }

    /// Makes an interface, down and with carrier, plugged into `segment`.
    pub fn make_link(&mut self, segment: Segment, name: &str) {
        let number = self.next_index;
        self.next_index += 1;
        let generation = self.made / 2;
        self.made += 1;
        let mac = Mac([2, 0, 0, generation, segment + 2, self.number]);
        let fact = LinkFact {
            index: IfIndex::new(number).expect("interfaces are counted from two"),
            name: Name::from(name),
            running: false,
            mac: Some(mac),
            mtu: 1500,
            multicast: true,
            macvlan: None,
        };
        let (up, carrier, tuned) = (false, true, false);
        self.links.push(Link { fact: fact.clone(), segment, up, carrier, tuned });
        self.news.push(KernelFact::Link(fact));
    }

    /// `ip link del`: its addresses go first, and what lies on it.
    pub fn delete_link(&mut self, segment: Segment) {
        if let Some(at) = self.plain(segment) {
            self.delete(self.links[at].fact.index);
        }
    }

    fn delete(&mut self, index: IfIndex) {
        let Some(at) = self.links.iter().position(|link| link.fact.index == index) else { return };
        self.set_up(at, false);
        let on = |link: &Link| link.fact.macvlan.is_some_and(|macvlan| macvlan.below == index);
        while let Some(above) = self.links.iter().find(|link| on(link)) {
            self.delete(above.fact.index);
        }
        // In their order: here the primary does not wait for its secondaries.
        let (gone, kept): (Vec<_>, Vec<_>) =
            self.entries.drain(..).partition(|entry| entry.fact.index == index);
        self.entries = kept;
        self.news.extend(gone.iter().map(|entry| KernelFact::AddressGone(entry.fact)));
        self.links.retain(|link| link.fact.index != index);
        self.table.uncover(index);
        self.news.push(KernelFact::LinkGone(index));
    }

    /// `ip link set … name`. IPv4 addresses are told again, since their labels change.
    pub fn rename(&mut self, segment: Segment, name: &str) {
        let Some(at) = self.plain(segment) else { return };
        let link = &mut self.links[at];
        link.fact.name = Name::from(name);
        self.news.push(KernelFact::Link(link.fact.clone()));
        let index = link.fact.index;
        let here = self.entries.iter().filter(|entry| entry.fact.index == index);
        let v4 = here.filter(|entry| matches!(entry.fact.address, IpAddr::V4(_)));
        self.news.extend(v4.map(|entry| KernelFact::Address(entry.fact)));
    }

    // ---- addresses ------------------------------------------------------------------------------

    /// Removes an address as somebody else would; whether it was there.
    pub fn remove(&mut self, address: IpAddr) -> bool {
        let at = self.entries.iter().position(|known| known.fact.address == address);
        at.map(|at| self.drop_entry(at)).is_some()
    }

    /// Adds an address as somebody else would.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn put(&mut self, now: Instant, index: IfIndex, vip: &Vip) -> Result<(), Errno> {
        self.add(now, index, vip)
    }

    /// Carries out a batch.
    pub fn execute(&mut self, now: Instant, batch: Batch) -> BatchDone {
        let outcomes = batch
            .ops
            .iter()
            .map(|op| match op {
                AddressOp::Add { index, vip } => self.add(now, *index, vip),
                AddressOp::Remove { index, vip } => self.take(*index, vip),
                AddressOp::Probe { vip, .. } if self.has(vip.address) => Err(Errno::EXIST),
                AddressOp::Probe { index, vip } => {
                    self.add(now, *index, vip).and_then(|()| self.take(*index, vip))
                }
            })
            .collect();
        BatchDone { ticket: batch.ticket, outcomes }
    }

    fn add(&mut self, now: Instant, index: IfIndex, vip: &Vip) -> Result<(), Errno> {
        if !self.links.iter().any(|link| link.fact.index == index) {
            return Err(Errno::NODEV);
        }
        let slack = Duration::from_millis(10 + self.random.below(320));
        let until = vip.flags.lifetime.map(|lifetime| now + lifetime + slack);
        // IPv6 knows an address by itself alone; IPv4 by its prefix too.
        let there = self.entries.iter_mut().find(|known| {
            let v6 = matches!(vip.address, IpAddr::V6(_));
            known.fact.index == index
                && known.fact.address == vip.address
                && (v6 || known.fact.prefix == vip.prefix)
        });
        let fact = match there {
            Some(known) => {
                known.until = until;
                known.fact
            }
            None => {
                let detects = matches!(vip.address, IpAddr::V6(_)) && !vip.flags.no_dad;
                let fact = AddressFact {
                    index,
                    address: vip.address,
                    prefix: vip.prefix,
                    tentative: detects,
                };
                let detected = detects.then_some(now + DETECTION);
                self.insert(Entry { fact, until, detected });
                fact
            }
        };
        self.news.push(KernelFact::Address(fact));
        Ok(())
    }

    fn take(&mut self, index: IfIndex, vip: &Vip) -> Result<(), Errno> {
        if !self.links.iter().any(|link| link.fact.index == index) {
            return Err(Errno::NODEV);
        }
        let wanted = (index, vip.address, vip.prefix);
        let at = self
            .entries
            .iter()
            .position(|known| (known.fact.index, known.fact.address, known.fact.prefix) == wanted);
        self.drop_entry(at.ok_or(Errno::ADDRNOTAVAIL)?);
        Ok(())
    }

    /// Puts an address where the kernel would: an IPv4 secondary behind everything, a primary behind
    /// the other primaries.
    fn insert(&mut self, entry: Entry) {
        let primary = matches!(entry.fact.address, IpAddr::V4(_))
            && !self.entries.iter().any(|known| same_subnet(&known.fact, &entry.fact));
        if primary {
            self.insert_primary(entry);
        } else {
            self.entries.push(entry);
        }
    }

    fn insert_primary(&mut self, entry: Entry) {
        let is_primary = |at: &usize| {
            let known = &self.entries[*at].fact;
            let earlier = &self.entries[..*at];
            // Those behind it are its secondaries from now on.
            matches!(known.address, IpAddr::V4(_))
                && !same_subnet(known, &entry.fact)
                && !earlier.iter().any(|before| same_subnet(&before.fact, known))
        };
        let last = (0..self.entries.len()).rev().find(is_primary);
        self.entries.insert(last.map_or(0, |last| last + 1), entry);
    }

    /// Removes an entry; the secondaries of an IPv4 primary first, or one of them takes its place.
    fn drop_entry(&mut self, at: usize) {
        let fact = self.entries[at].fact;
        let is_primary = !self.entries[..at].iter().any(|known| same_subnet(&known.fact, &fact));
        let is_primary = is_primary && matches!(fact.address, IpAddr::V4(_));
        let promotes = self.links.iter().any(|link| link.fact.index == fact.index && link.tuned);
        if is_primary && !promotes {
            let (gone, kept): (Vec<_>, Vec<_>) = self
                .entries
                .drain(..)
                .partition(|known| known.fact != fact && same_subnet(&known.fact, &fact));
            self.entries = kept;
            self.news.extend(gone.iter().map(|known| KernelFact::AddressGone(known.fact)));
        }
        self.entries.retain(|known| known.fact != fact);
        self.news.push(KernelFact::AddressGone(fact));
        let heir = self.entries.iter().position(|known| same_subnet(&known.fact, &fact));
        if let Some(heir) = heir.filter(|_| is_primary) {
            let heir = self.entries.remove(heir);
            self.news.push(KernelFact::Address(heir.fact));
            self.insert_primary(heir);
        }
    }
}

/// Whether two IPv4 addresses share an interface and a prefix.
fn same_subnet(one: &AddressFact, other: &AddressFact) -> bool {
    let (IpAddr::V4(a), IpAddr::V4(b)) = (one.address, other.address) else { return false };
    let mask = u32::MAX.checked_shl(32 - u32::from(one.prefix.min(32))).unwrap_or(0);
    one.index == other.index
        && one.prefix == other.prefix
        && (a.to_bits() ^ b.to_bits()) & mask == 0
}
