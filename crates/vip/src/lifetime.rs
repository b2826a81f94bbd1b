//! A time limit in the kernel on the addresses we hold: what nobody renews goes by itself.
//!
//! When every process of a node is killed or frozen at once, nobody is left to remove its VIPs. A held
//! VIP therefore carries a lifetime of two seconds (`ip address`'s `valid_lft`) that is renewed three
//! times in it. This is the broom, not the dead-man switch: it is too coarse to be one (the kernel
//! counts whole seconds and looks late).
//!
//! Some VIPs go without it. One whose lapse would take along what is not of the same holder: an IPv4
//! address that is primary in its subnet, an IPv6 address that shares its prefix. (Where all of the
//! subnet is one holder's, as on a virtual MAC, what goes along is to go.) And those beyond a number
//! whose renewal would cost more than a hundredth of a core: each renewal is a netlink message to every
//! listener, and IPv6 addresses are dear.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::{AddressOp, Batch, Family, IfIndex, Instant, KernelFact, Ticket, Vip};

use crate::HolderId;
use crate::addresses::Addresses;
use crate::keeper::OPS_PER_BATCH;
use crate::links::Links;
use crate::pack;

/// How long the kernel keeps an address that is not renewed.
pub const LIFETIME: Duration = Duration::from_secs(2);

/// From one renewal to the next.
pub const RENEW_EVERY: Duration = Duration::from_millis(650);

/// IPv4 addresses kept under a lifetime at most. 256 renewals every 0.65 s were measured to cost
/// about 5 ms of the keeper thread each time.
pub const MOST_V4: usize = 256;

/// IPv6 addresses kept under a lifetime at most; one renewal costs some twenty times IPv4's.
pub const MOST_V6: usize = 24;

/// Tickets of this machine are numbered from here; the keeper's never get that far.
const FIRST_TICKET: u64 = 1 << 63;

/// What the machine can be told.
#[derive(Debug)]
pub enum Input<'a> {
    /// These VIPs of a holder are present and are to be renewed from now on.
    Present {
        /// Whose.
        holder: HolderId,
        /// Which.
        vips: &'a [Vip],
    },
    /// These VIPs of a holder are no longer present.
    Gone {
        /// Whose.
        holder: HolderId,
        /// Which.
        vips: &'a [Vip],
    },
    /// The holder released, or is no more: renew nothing of it.
    Withdraw {
        /// Who.
        holder: HolderId,
    },
    /// The kernel said something.
    Fact(&'a KernelFact),
    /// Look at the clock again.
    Wake,
}

/// Renews the lifetimes of held VIPs.
#[derive(Debug, Default)]
pub struct Lifetimes {
    links: Links,
    addresses: Addresses,
    held: BTreeMap<Key, Held>,
    /// How many of `held` are limited, by family.
    limited: [usize; 2],
    renew_at: Option<Instant>,
    tickets: u64,
    ops: VecDeque<AddressOp>,
}

type Key = (HolderId, IpAddr, u8);

#[derive(Debug)]
struct Held {
    vip: Vip,
    /// Whether the kernel was last told a lifetime for it.
    limited: bool,
}

impl Lifetimes {
    /// A machine that knows of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a batch's outcome is meant for this machine. There is nothing to do with it: what was
    /// refused is asked for again at the next renewal.
    #[must_use]
    pub fn is_mine(ticket: &Ticket) -> bool {
        ticket.number() >= FIRST_TICKET
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Present { holder, vips } => {
                let keys: Vec<Key> =
                    vips.iter().map(|vip| (holder, vip.address, vip.prefix)).collect();
                for (key, vip) in keys.iter().zip(vips) {
                    self.forget(key);
                    self.held.insert(*key, Held { vip: vip.clone(), limited: false });
                }
                // These at once, for until then they would stay for ever; all others in their time.
                self.renew_at.get_or_insert(now + RENEW_EVERY);
                self.renew(Some(&keys));
            }
            Input::Gone { holder, vips } => {
                for vip in vips {
                    self.forget(&(holder, vip.address, vip.prefix));
                }
            }
            Input::Withdraw { holder } => {
                let first = (holder, IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
                let all = self.held.range(first..).map(|(key, _)| *key);
                let all: Vec<Key> = all.take_while(|(of, ..)| *of == holder).collect();
                all.iter().for_each(|key| self.forget(key));
            }
            Input::Fact(fact) => self.learn(fact),
            Input::Wake => {}
        }
        if self.held.is_empty() {
            self.renew_at = None;
        }
        if self.renew_at.is_some_and(|at| at <= now) {
            self.renew_at = Some(now + RENEW_EVERY);
            self.renew(None);
        }
    }

    /// A batch of renewals, to be carried out after everything asked for before it.
    pub fn poll_output(&mut self) -> Option<Batch> {
        if self.ops.is_empty() {
            return None;
        }
        let ticket = Ticket::new(FIRST_TICKET + self.tickets);
        self.tickets += 1;
        let ops = self.ops.drain(..self.ops.len().min(OPS_PER_BATCH)).collect();
        Some(Batch { ticket, ops })
    }

    /// Needs no more room than necessary from here on: for when it has come to rest.
    pub fn pack(&mut self) {
        pack::map(&mut self.held);
        self.addresses.pack();
        self.ops.shrink_to_fit();
    }

    /// When to be woken at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.renew_at
    }

    /// How many VIPs are under a lifetime now, and how many are held without one.
    #[must_use]
    pub fn status(&self) -> (usize, usize) {
        let limited = self.limited.iter().sum();
        (limited, self.held.len() - limited)
    }

    fn forget(&mut self, key: &Key) {
        if let Some(held) = self.held.remove(key)
            && held.limited
        {
            self.limited[family_slot(&held.vip)] -= 1;
        }
    }

    fn learn(&mut self, fact: &KernelFact) {
        self.links.learn(fact);
        match fact {
            KernelFact::Snapshot { addresses, .. } => {
                self.addresses.clear();
                for address in addresses {
                    self.addresses.put(address);
                }
            }
            KernelFact::Address(address) => drop(self.addresses.put(address)),
            KernelFact::AddressGone(address) => drop(self.addresses.remove(address)),
            KernelFact::LinkGone(index) => self.addresses.remove_link(*index),
            KernelFact::Link(_) => {}
        }
    }

    /// Tells the kernel the lifetimes of these, or of all.
    fn renew(&mut self, only: Option<&[Key]>) {
        let mut room = match only {
            None => [MOST_V4, MOST_V6],
            Some(_) => self.room(),
        };
        let keys: Vec<Key> = match only {
            None => self.held.keys().copied().collect(),
            Some(keys) => keys.to_vec(),
        };
        let mut prefixes = BTreeMap::new();
        for key in keys {
            let Some(held) = self.held.get(&key) else { continue };
            let Some(index) = self.links.named(&held.vip.interface).map(|link| link.index) else {
                continue;
            };
            let family = family_slot(&held.vip);
            let room = &mut room[family];
            let limit = match held.vip.family() {
                Family::V4 => {
                    let limit = *room > 0 && self.v4_may_lapse(&key, index);
                    *room -= usize::from(limit);
                    limit
                }
                // All of a prefix or none: what is decided for the first one counts for the others.
                Family::V6 => {
                    let first = self.addresses.in_subnet(index, key.1, key.2).next();
                    *prefixes.entry((index, first.unwrap_or(key.1), key.2)).or_insert_with(|| {
                        let needed = self.v6_needs(&key, index, only.is_some());
                        let fits = needed.is_some_and(|needed| needed <= *room);
                        *room -= needed.filter(|_| fits).unwrap_or(0);
                        fits
                    })
                }
            };
            let Some(held) = self.held.get_mut(&key) else { continue };
            if !limit && !held.limited {
                // It stays for ever already.
                continue;
            }
            self.limited[family] += usize::from(limit);
            self.limited[family] -= usize::from(held.limited);
            held.limited = limit;
            let mut vip = held.vip.clone();
            vip.flags.lifetime = limit.then_some(LIFETIME);
            self.ops.push_back(AddressOp::Add { index, vip });
        }
    }

    /// Whether nothing but VIPs of its holder goes when this IPv4 address does.
    ///
    /// It takes those of its subnet along that came after it (`promote_secondaries` is off by
    /// default); the first one is primary.
    fn v4_may_lapse(&self, key: &Key, index: IfIndex) -> bool {
        if base::planted!(PrimaryLapses) {
            return true;
        }
        let first = self.addresses.in_subnet(index, key.1, key.2).next();
        first.is_some_and(|first| first != key.1) || self.company(key, index, MOST_V4).is_some()
    }

    /// How much room an IPv6 address needs together with all that share its prefix; `None` where one
    /// of those is not of its holder, or they are too many.
    ///
    /// An address with a lifetime gives one to the route of its prefix too, which every other address
    /// there needs (seen on Linux 6.18: the node's own neighbours became unreachable). So they have
    /// it together. Those that had it before need none if others are only added to them.
    fn v6_needs(&self, key: &Key, index: IfIndex, added: bool) -> Option<usize> {
        if base::planted!(PrimaryLapses) {
            return Some(1);
        }
        let company = self.company(key, index, MOST_V6)?;
        let has = |held: &&Held| added && held.limited;
        Some(company.len() - company.iter().filter(|held| has(held)).count())
    }

    /// The VIPs in the subnet of this one, itself among them, if all of it is its holder's and they
    /// are not more than so many.
    fn company(&self, key: &Key, index: IfIndex, most: usize) -> Option<Vec<&Held>> {
        let (holder, address, prefix) = *key;
        let this = self.held.get(key)?;
        let others = self.addresses.in_subnet(index, address, prefix);
        let mut company = vec![this];
        for other in others.filter(|other| *other != address) {
            let held = self.held.get(&(holder, other, prefix))?;
            if company.len() == most || held.vip.interface != this.vip.interface {
                return None;
            }
            company.push(held);
        }
        Some(company)
    }

    /// How many more of each family can be kept under a lifetime.
    fn room(&self) -> [usize; 2] {
        let [v4, v6] = self.limited;
        [MOST_V4.saturating_sub(v4), MOST_V6.saturating_sub(v6)]
    }
}

fn family_slot(vip: &Vip) -> usize {
    match vip.family() {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{AddressFact, LinkFact, Name};

    const A: HolderId = HolderId(1);

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    fn index() -> IfIndex {
        IfIndex::new(2).unwrap()
    }

    fn vip(text: &str, prefix: u8) -> Vip {
        Vip::new(text.parse().unwrap(), prefix, Name::from("eth0"))
    }

    fn fact(text: &str, prefix: u8) -> AddressFact {
        AddressFact { index: index(), address: text.parse().unwrap(), prefix, tentative: false }
    }

    fn machine(addresses: Vec<AddressFact>) -> Lifetimes {
        let link = LinkFact {
            index: index(),
            name: Name::from("eth0"),
            running: true,
            mac: None,
            mtu: 1500,
            multicast: true,
            macvlan: None,
        };
        let mut machine = Lifetimes::new();
        let fact = KernelFact::Snapshot { links: vec![link], addresses };
        machine.handle(at(0), Input::Fact(&fact));
        machine
    }

    /// What is renewed now, as `address lifetime`.
    fn renewed(machine: &mut Lifetimes) -> Vec<String> {
        let batches = core::iter::from_fn(|| machine.poll_output());
        batches
            .flat_map(|batch| batch.ops)
            .map(|op| {
                let life = op.vip().flags.lifetime;
                let life = life.map_or("forever".into(), |life| format!("{life:?}"));
                format!("{} {life}", op.vip().address)
            })
            .collect()
    }

    #[test]
    fn a_held_vip_gets_its_lifetime_at_once_and_again_three_times_in_it() {
        let mut machine = machine(vec![fact("193.168.0.2", 16), fact("193.168.0.6", 16)]);
        let vips = [vip("193.168.0.6", 16)];
        machine.handle(at(0), Input::Present { holder: A, vips: &vips });
        assert_eq!(renewed(&mut machine), ["193.168.0.6 2s"]);
        for ms in [650, 1300, 1950] {
            assert_eq!(machine.poll_timeout(), Some(at(ms)));
            machine.handle(at(ms - 1), Input::Wake);
            assert!(renewed(&mut machine).is_empty());
            machine.handle(at(ms), Input::Wake);
            assert_eq!(renewed(&mut machine), ["193.168.0.6 2s"]);
        }
        machine.handle(at(2000), Input::Withdraw { holder: A });
        assert_eq!(machine.poll_timeout(), None);
        machine.handle(at(9000), Input::Wake);
        assert!(renewed(&mut machine).is_empty());
    }

    #[test]
    fn an_address_that_is_primary_for_others_never_lapses() {
        // 10.0.0.1 came first; what follows in its subnet would go with it.
        let all = ["10.0.0.1", "10.0.0.2", "10.0.0.9"].map(|text| fact(text, 24));
        let mut machine = machine(all.to_vec());
        let vips = [vip("10.0.0.1", 24), vip("10.0.0.2", 24), vip("10.0.1.1", 24)];
        machine.handle(at(0), Input::Present { holder: A, vips: &vips });
        assert_eq!(renewed(&mut machine), ["10.0.0.2 2s", "10.0.1.1 2s"]);
        // Another instance's is as much another's as a stranger's.
        let others = [vip("10.0.0.9", 24)];
        machine.handle(at(1), Input::Present { holder: HolderId(2), vips: &others });
        assert_eq!(renewed(&mut machine), ["10.0.0.9 2s"]);
        machine.handle(at(650), Input::Wake);
        assert_eq!(renewed(&mut machine), ["10.0.0.2 2s", "10.0.1.1 2s", "10.0.0.9 2s"]);
    }

    /// As on a virtual MAC: nothing there but VIPs of one instance.
    #[test]
    fn a_subnet_of_one_holder_lapses_together() {
        let mut machine = machine(vec![]);
        let vips = [vip("10.0.0.1", 24), vip("10.0.0.2", 24), vip("10.0.0.3", 24)];
        for (n, vip) in vips.iter().enumerate() {
            machine.handle(
                at(0),
                Input::Fact(&KernelFact::Address(fact(&vip.address.to_string(), 24))),
            );
            machine.handle(at(0), Input::Present { holder: A, vips: &vips[n..=n] });
        }
        assert_eq!(renewed(&mut machine), ["10.0.0.1 2s", "10.0.0.2 2s", "10.0.0.3 2s"]);
        machine.handle(at(650), Input::Wake);
        assert_eq!(renewed(&mut machine).len(), 3);
        // One of them becomes somebody else's to see to.
        machine.handle(at(700), Input::Gone { holder: A, vips: &vips[2..] });
        machine.handle(at(1300), Input::Wake);
        assert_eq!(renewed(&mut machine), ["10.0.0.1 forever", "10.0.0.2 2s"]);
    }

    #[test]
    fn an_ipv6_prefix_of_one_holder_lapses_as_a_whole_or_not_at_all() {
        let of = |net: u16, count: u16| -> Vec<Vip> {
            (1..=count).map(|n| vip(&format!("2001:db8:{net:x}::{n:x}"), 64)).collect()
        };
        let (small, large, last) = (of(1, 20), of(2, 20), of(3, 4));
        let whole = [&small[..], &large, &last].concat();
        let facts = whole.iter().map(|vip| fact(&vip.address.to_string(), 64)).collect();
        let mut machine = machine(facts);
        machine.handle(at(0), Input::Present { holder: A, vips: &whole });
        assert_eq!(machine.status(), (24, 20), "20 and 4 fit, the other 20 do not");
        assert_eq!(renewed(&mut machine).len(), 24);
        machine.handle(at(650), Input::Wake);
        assert_eq!(renewed(&mut machine).len(), 24);
        // A stranger in a prefix needs its route.
        machine.handle(at(700), Input::Fact(&KernelFact::Address(fact("2001:db8:3::99", 64))));
        machine.handle(at(1300), Input::Wake);
        let renewed = renewed(&mut machine);
        assert_eq!(renewed.iter().filter(|op| op.ends_with("forever")).count(), 4, "{renewed:?}");
        assert_eq!(machine.status(), (20, 24));
    }

    #[test]
    fn one_that_joins_a_full_prefix_makes_all_of_it_stay() {
        let mut machine = machine(vec![]);
        let vips: Vec<Vip> = (1..=25).map(|n| vip(&format!("2001:db8::{n:x}"), 64)).collect();
        for vip in &vips[..24] {
            machine.handle(
                at(0),
                Input::Fact(&KernelFact::Address(fact(&vip.address.to_string(), 64))),
            );
        }
        machine.handle(at(0), Input::Present { holder: A, vips: &vips[..24] });
        assert_eq!((renewed(&mut machine).len(), machine.status()), (24, (24, 0)));
        machine.handle(at(1), Input::Fact(&KernelFact::Address(fact("2001:db8::19", 64))));
        machine.handle(at(1), Input::Present { holder: A, vips: &vips[24..] });
        assert_eq!(renewed(&mut machine).len(), 0, "there is no room for it");
        machine.handle(at(650), Input::Wake);
        assert!(renewed(&mut machine).iter().all(|op| op.ends_with("forever")));
        assert_eq!(machine.status(), (0, 25));
    }

    #[test]
    fn an_address_that_becomes_primary_for_another_is_made_permanent() {
        let mut machine = machine(vec![fact("10.0.0.1", 24)]);
        let vips = [vip("10.0.0.1", 24)];
        machine.handle(at(0), Input::Present { holder: A, vips: &vips });
        assert_eq!(renewed(&mut machine), ["10.0.0.1 2s"]);
        machine.handle(at(10), Input::Fact(&KernelFact::Address(fact("10.0.0.9", 24))));
        machine.handle(at(650), Input::Wake);
        assert_eq!(renewed(&mut machine), ["10.0.0.1 forever"]);
        machine.handle(at(1300), Input::Wake);
        assert!(renewed(&mut machine).is_empty());
        machine.handle(at(1400), Input::Fact(&KernelFact::AddressGone(fact("10.0.0.9", 24))));
        machine.handle(at(1950), Input::Wake);
        assert_eq!(renewed(&mut machine), ["10.0.0.1 2s"]);
    }

    #[test]
    fn an_ipv6_address_that_shares_its_prefix_never_lapses() {
        // Its lifetime would become that of the prefix's route.
        let mut machine =
            machine(vec![fact("2001:db8::2", 64), fact("2001:db8::6", 64), fact("fe80::1", 64)]);
        let vips = [vip("2001:db8::6", 64), vip("fe80::6", 64), vip("2001:db8::7", 128)];
        machine.handle(at(0), Input::Present { holder: A, vips: &vips });
        assert_eq!(renewed(&mut machine), ["2001:db8::7 2s"]);
    }

    #[test]
    fn more_than_can_be_renewed_cheaply_stay_for_ever() {
        let mut machine = machine(vec![]);
        let v4: Vec<Vip> =
            (0..300).map(|n| vip(&format!("10.1.{}.{}", n / 200, n % 200), 32)).collect();
        let v6: Vec<Vip> = (0..30).map(|n| vip(&format!("2001:db8::{n:x}"), 128)).collect();
        machine.handle(at(0), Input::Present { holder: A, vips: &v4 });
        machine.handle(at(0), Input::Present { holder: A, vips: &v6 });
        assert_eq!(machine.status(), (MOST_V4 + MOST_V6, 300 - MOST_V4 + 30 - MOST_V6));
    }
}
