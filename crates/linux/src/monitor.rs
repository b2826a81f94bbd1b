//! What the kernel says of links and addresses: a snapshot, then the changes.
//!
//! The order makes it gapless: first subscribe, then read the lists, then read the changes. A change
//! that falls between is told twice, never not at all. When changes come faster than they are read,
//! the kernel drops some and says so (`ENOBUFS`): then [`Heard::Overrun`] is returned, and whoever
//! reads owes a new [`snapshot`](Monitor::snapshot), because what was dropped is told by nobody.
//!
//! Messages of family `AF_BRIDGE` use the same numbers for other things (`RTM_DELLINK` there: a port
//! left its bridge), so they are passed over. Only the attributes that become facts are decoded: a
//! strange attribute of some driver must not hide that a link went down.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use base::{AddressFact, Family, IfIndex, KernelFact, LinkFact, Mac, Macvlan, WayTrace};
use netlink_packet_core::{
    DecodeError, NetlinkHeader, NlasIterator, Parseable, ParseableParametrized,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressMessage,
};
use netlink_packet_route::link::{
    LinkAttribute, LinkFlags, LinkHeader, LinkLayerType, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::netlink::{Messages, NetlinkError, RouteSocket, receive, set_receive_queue};
use crate::renewal_filter::without_renewals;

/// `RTNLGRP_LINK`, `RTNLGRP_IPV4_IFADDR`, `RTNLGRP_IPV6_IFADDR` of `linux/rtnetlink.h`.
const GROUPS: [u32; 3] = [1, 5, 9];
/// `RTNLGRP_IPV4_ROUTE`, `_IPV4_RULE`, `_IPV6_ROUTE`, `_IPV6_RULE`.
const WAY_GROUPS: [u32; 4] = [7, 8, 11, 19];
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_DELROUTE: u16 = 25;
const RTM_DELRULE: u16 = 33;
const RTA_DST: u16 = 1;
const RTA_TABLE: u16 = 15;
/// Of `struct rtmsg` and of `struct fib_rule_hdr`.
const WAY_HEADER: usize = 12;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
const BUFFER: usize = 256 * 1024;
/// How many datagrams [`Monitor::read`] takes at most, so that a flood of changes cannot keep a
/// loop from its other work.
const PER_READ: usize = 512;
/// How often a snapshot is taken anew because something changed between its two lists.
const SNAPSHOT_TRIES: u32 = 4;

/// What [`Monitor::read`] heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// Changes, in the kernel's order; perhaps none.
    Facts(Vec<KernelFact>),
    /// Changes were lost: take a new snapshot.
    Overrun,
}

/// A subscription to the links and addresses of the network namespace it was opened in. Its
/// descriptor is readable when there are changes. Needs no privilege.
#[derive(Debug)]
pub struct Monitor {
    changes: Socket,
    route: RouteSocket,
    buffer: Vec<u8>,
    undecoded: u64,
    /// Routes and rules that went, since somebody asked; only once they are listened for.
    gone: Vec<WayTrace>,
    hears_ways: bool,
}

impl Monitor {
    /// Receive queue for [`open`](Self::open), octets: some ten thousand changes.
    pub const QUEUE: usize = 16 * 1024 * 1024;

    /// Subscribes, in the calling thread's network namespace. `queue` is the size of the receive
    /// queue in octets; beyond the system's limit (`rmem_max`) only with `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// Whatever `socket(2)`, `bind(2)` or `setsockopt(2)` say.
    pub fn open(queue: usize) -> io::Result<Self> {
        let mut changes = Socket::new(NETLINK_ROUTE)?;
        changes.bind_auto()?;
        // A connected netlink socket hears its peer only, which is the kernel.
        changes.connect(&SocketAddr::new(0, 0))?;
        changes.set_non_blocking(true)?;
        set_receive_queue(changes.as_fd(), queue)?;
        for group in GROUPS {
            changes.add_membership(group)?;
        }
        Ok(Self {
            changes,
            route: RouteSocket::open()?,
            buffer: vec![0; BUFFER],
            undecoded: 0,
            gone: Vec::new(),
            hears_ways: false,
        })
    }

    /// Listens for routes and rules that go as well, from now on. Not from the start: a node that
    /// speaks BGP tells of a great many.
    ///
    /// # Errors
    /// Whatever `setsockopt(2)` says.
    pub fn hear_ways(&mut self) -> io::Result<()> {
        if !self.hears_ways {
            for group in WAY_GROUPS {
                self.changes.add_membership(group)?;
            }
            self.hears_ways = true;
        }
        Ok(())
    }

    /// From now on, news that an IPv4 address is valid for this long from now are passed over: they only
    /// say that somebody, who is ourselves, renews it.
    ///
    /// # Errors
    /// Whatever `setsockopt(2)` says.
    pub fn pass_over_renewals(&mut self, lifetime: Duration) -> io::Result<()> {
        socket2::SockRef::from(&self.changes.as_fd()).attach_filter(&without_renewals(lifetime))
    }

    /// The routes and rules that went, as far as was read.
    pub fn take_gone(&mut self) -> Vec<WayTrace> {
        std::mem::take(&mut self.gone)
    }

    /// Everything there is ([`KernelFact::Snapshot`]). Changes heard before are dropped, for the
    /// snapshot contains them. If something changes between the two lists the snapshot is taken
    /// again, a few times; under a storm of changes the last one is returned and the changes follow.
    ///
    /// # Errors
    /// See [`RouteSocket::dump_with`].
    pub fn snapshot(&mut self) -> Result<KernelFact, NetlinkError> {
        let mut tries = 0;
        loop {
            self.drain()?;
            let links = self.links()?;
            let mut addresses = self.addresses(AddressFamily::Inet)?;
            addresses.extend(self.addresses(AddressFamily::Inet6)?);
            tries += 1;
            if tries == SNAPSHOT_TRIES || !self.has_changes()? {
                return Ok(KernelFact::Snapshot { links, addresses });
            }
        }
    }

    /// The changes queued so far, without waiting; at most some hundreds, the descriptor stays
    /// readable if there are more.
    ///
    /// # Errors
    /// When the socket fails for good.
    pub fn read(&mut self) -> io::Result<Heard> {
        let mut facts = Vec::new();
        for _ in 0..PER_READ {
            let length = match receive(&self.changes, &mut self.buffer) {
                Ok(Some(length)) => length,
                Ok(None) => break,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    return Ok(Heard::Overrun);
                }
                Err(error) => return Err(error),
            };
            for message in Messages::new(&self.buffer[..length]) {
                match message.and_then(|(header, payload)| {
                    if self.hears_ways {
                        self.gone.extend(trace(header.message_type, payload));
                    }
                    fact(&header, payload)
                }) {
                    Ok(found) => facts.extend(found),
                    Err(_) => self.undecoded += 1,
                }
            }
        }
        Ok(Heard::Facts(facts))
    }

    /// How many messages of the kernel could not be decoded and were passed over.
    #[must_use]
    pub fn undecoded(&self) -> u64 {
        self.undecoded
    }

    fn links(&mut self) -> Result<Vec<LinkFact>, NetlinkError> {
        let ask = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let undecoded = &mut self.undecoded;
        self.route.dump_with(&ask, |header, payload| match fact(header, payload) {
            Ok(Some(KernelFact::Link(link))) => Ok(Some(link)),
            Ok(_) => Ok(None),
            Err(_) => {
                *undecoded += 1;
                Ok(None)
            }
        })
    }

    fn addresses(&mut self, family: AddressFamily) -> Result<Vec<AddressFact>, NetlinkError> {
        let mut message = AddressMessage::default();
        message.header.family = family;
        let ask = RouteNetlinkMessage::GetAddress(message);
        let undecoded = &mut self.undecoded;
        self.route.dump_with(&ask, |header, payload| match fact(header, payload) {
            Ok(Some(KernelFact::Address(address))) => Ok(Some(address)),
            Ok(_) => Ok(None),
            Err(_) => {
                *undecoded += 1;
                Ok(None)
            }
        })
    }

    /// Forgets what is queued, an overrun included.
    fn drain(&mut self) -> io::Result<()> {
        loop {
            match receive(&self.changes, &mut self.buffer) {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn has_changes(&self) -> io::Result<bool> {
        let mut one = [0; 1];
        match self.changes.recv(&mut &mut one[..], libc::MSG_PEEK | libc::MSG_DONTWAIT) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }
}

/// What one message says, if it is about something we know.
fn fact(header: &NetlinkHeader, payload: &[u8]) -> Result<Option<KernelFact>, NetlinkError> {
    let found = match header.message_type {
        RTM_NEWLINK => link(payload).map(|link| link.map(KernelFact::Link)),
        RTM_DELLINK => link_gone(payload),
        RTM_NEWADDR => address(payload).map(|address| address.map(KernelFact::Address)),
        RTM_DELADDR => address(payload).map(|address| address.map(KernelFact::AddressGone)),
        _ => Ok(None),
    };
    found.map_err(|error| NetlinkError::Undecodable(error.to_string()))
}

/// What is told of a route or a rule that went.
fn trace(kind: u16, payload: &[u8]) -> Option<WayTrace> {
    if !matches!(kind, RTM_DELROUTE | RTM_DELRULE) {
        return None;
    }
    let family = match i32::from(*payload.first()?) {
        libc::AF_INET => Family::V4,
        libc::AF_INET6 => Family::V6,
        _ => return None,
    };
    if kind == RTM_DELRULE {
        return Some(WayTrace::Rule { family });
    }
    let length = *payload.get(1)?;
    let mut table = u32::from(*payload.get(4)?);
    let mut address: std::net::IpAddr = match family {
        Family::V4 => std::net::Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    for attribute in NlasIterator::new(payload.get(WAY_HEADER..)?) {
        let attribute = attribute.ok()?;
        let value = attribute.value();
        match attribute.kind() {
            RTA_TABLE => table = u32::from_ne_bytes(value.try_into().ok()?),
            RTA_DST => {
                address = match family {
                    Family::V4 => <[u8; 4]>::try_from(value).ok()?.into(),
                    Family::V6 => <[u8; 16]>::try_from(value).ok()?.into(),
                };
            }
            _ => {}
        }
    }
    Some(WayTrace::Route { table, to: (address, length) })
}

fn link_gone(payload: &[u8]) -> Result<Option<KernelFact>, DecodeError> {
    let header = LinkHeader::parse(payload)?;
    let whole = header.interface_family == AddressFamily::Unspec;
    Ok(IfIndex::new(header.index).filter(|_| whole).map(KernelFact::LinkGone))
}

fn link(payload: &[u8]) -> Result<Option<LinkFact>, DecodeError> {
    let header = LinkHeader::parse(payload)?;
    let Some(index) = IfIndex::new(header.index) else { return Ok(None) };
    if header.interface_family != AddressFamily::Unspec {
        return Ok(None);
    }
    let (mut name, mut mac, mut mtu) = (None, None, 0);
    let (mut below, mut is_macvlan) = (None, false);
    for attribute in NlasIterator::new(payload.get(LINK_HEADER..).unwrap_or_default()) {
        let attribute = attribute?;
        if attribute.kind() == IFLA_LINKINFO {
            is_macvlan = kind_of_link(attribute.value()) == Some(b"macvlan");
            continue;
        }
        if !matches!(attribute.kind(), IFLA_ADDRESS | IFLA_IFNAME | IFLA_MTU | IFLA_LINK) {
            continue;
        }
        match LinkAttribute::parse_with_param(&attribute, AddressFamily::Unspec)? {
            LinkAttribute::IfName(text) => name = Some(text),
            LinkAttribute::Address(octets) => mac = octets.try_into().ok().map(Mac),
            LinkAttribute::Mtu(octets) => mtu = octets,
            LinkAttribute::Link(index) => below = IfIndex::new(index),
            _ => {}
        }
    }
    let admin = header.flags.contains(LinkFlags::Up);
    // All three: RUNNING alone misses a lost carrier under a driver without operational state,
    // LOWER_UP alone misses a port that is not authorised yet (802.1X, "dormant").
    let up = LinkFlags::Up | LinkFlags::Running | LinkFlags::LowerUp;
    let ethernet = header.link_layer_type == LinkLayerType::Ether;
    // Wireless drivers tell of scans by messages without a name; those describe no link.
    Ok(name.map(|name| LinkFact {
        index,
        name: name.into(),
        running: header.flags.contains(up),
        mac: mac.filter(|_| ethernet),
        mtu,
        multicast: header.flags.contains(LinkFlags::Multicast),
        macvlan: below.filter(|_| is_macvlan).map(|below| Macvlan { below, up: admin }),
    }))
}

/// What kind of link it is, by the attributes nested in `IFLA_LINKINFO`.
fn kind_of_link(info: &[u8]) -> Option<&[u8]> {
    let mut rest = info;
    while let [a, b, c, d, ..] = *rest {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = rest.get(4..length)?;
        if u16::from_ne_bytes([c, d]) == IFLA_INFO_KIND {
            return Some(value.strip_suffix(&[0]).unwrap_or(value));
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn address(payload: &[u8]) -> Result<Option<AddressFact>, DecodeError> {
    let header = AddressHeader::parse(payload)?;
    let Some(index) = IfIndex::new(header.index) else { return Ok(None) };
    let mut flags = AddressFlags::from_bits_retain(header.flags.bits().into());
    let (mut local, mut given) = (None, None);
    for attribute in NlasIterator::new(payload.get(ADDRESS_HEADER..).unwrap_or_default()) {
        let attribute = attribute?;
        if !matches!(attribute.kind(), IFA_ADDRESS | IFA_LOCAL | IFA_FLAGS) {
            continue;
        }
        match AddressAttribute::parse(&attribute)? {
            AddressAttribute::Local(address) => local = Some(address),
            AddressAttribute::Address(address) => given = Some(address),
            AddressAttribute::Flags(all) => flags = all,
            _ => {}
        }
    }
    let undecided =
        flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Optimistic);
    // IFA_ADDRESS is the peer's on a point-to-point link; ours is then IFA_LOCAL.
    Ok(local.or(given).map(|address| AddressFact {
        index,
        address,
        prefix: header.prefix_len,
        tentative: undecided || flags.contains(AddressFlags::Dadfailed),
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use base::{AddressOp, Batch, Ticket, Vip};
    use serde_json::Value;

    use super::*;
    use crate::addresses::Addresses;
    use crate::testing::{in_namespace, index, ip, settled};

    fn facts(monitor: &mut Monitor) -> Vec<KernelFact> {
        match monitor.read().unwrap() {
            Heard::Facts(facts) => facts,
            Heard::Overrun => panic!("overrun"),
        }
    }

    fn snapshot(monitor: &mut Monitor) -> (Vec<LinkFact>, Vec<AddressFact>) {
        match monitor.snapshot().unwrap() {
            KernelFact::Snapshot { links, addresses } => (links, addresses),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_snapshot_is_what_ip_shows() {
        in_namespace(|| {
            ip("link set lo up");
            ip("link add va type veth peer name vb");
            ip("link add br0 type bridge");
            ip("link add mv link va type macvlan mode private");
            ip("link set va mtu 1400 up");
            ip("link set vb up");
            ip("link set lo multicast off");
            ip("address add 192.0.2.1/24 dev va");
            ip("address add 192.0.2.9 peer 10.0.0.9/32 dev va");
            ip("address add 2001:db8::1/64 dev va nodad");
            let mut monitor = Monitor::open(Monitor::QUEUE).unwrap();
            settled(&["va", "vb"]);
            let (links, addresses) = snapshot(&mut monitor);
            let shown: Vec<Value> = serde_json::from_str(&ip("-j -d address show")).unwrap();
            assert_eq!(links.len(), shown.len());
            for (link, shown) in links.iter().zip(&shown) {
                assert_eq!(link.index.get(), shown["ifindex"]);
                assert_eq!(link.name, *shown["ifname"].as_str().unwrap());
                assert_eq!(link.mtu, shown["mtu"]);
                let flags: Vec<_> =
                    shown["flags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                let has = |flag| flags.contains(&flag);
                assert_eq!(link.running, has("UP") && has("LOWER_UP"), "{}", link.name);
                assert_eq!(link.multicast, has("MULTICAST"), "{}", link.name);
                let mac = (link.name != "lo").then(|| shown["address"].as_str().unwrap());
                assert_eq!(link.mac.map(|mac| mac.to_string()).as_deref(), mac);
            }
            let ours: BTreeSet<_> = addresses
                .iter()
                .map(|a| format!("{} {}/{}", a.index, a.address, a.prefix))
                .collect();
            let theirs: BTreeSet<_> = shown
                .iter()
                .flat_map(|link| {
                    let index = &link["ifindex"];
                    link["addr_info"].as_array().unwrap().iter().map(move |a| {
                        format!("{index} {}/{}", a["local"].as_str().unwrap(), a["prefixlen"])
                    })
                })
                .collect();
            assert_eq!(ours, theirs);
            assert!(ours.iter().any(|text| text.ends_with(" 192.0.2.9/32")), "{ours:?}");
            assert_eq!(monitor.undecoded(), 0);
        });
    }

    #[test]
    fn changes_are_heard_in_order() {
        in_namespace(|| {
            let mut monitor = Monitor::open(Monitor::QUEUE).unwrap();
            ip("link add va type veth peer name vb");
            ip("link set vb up");
            ip("link set va up");
            settled(&["va", "vb"]);
            let on = index("va");
            ip("address add 192.0.2.1/24 dev va");
            ip("address del 192.0.2.1/24 dev va");
            ip("link set vb down");
            ip("link del va");
            let heard = facts(&mut monitor);
            let fact = AddressFact {
                index: on,
                address: [192, 0, 2, 1].into(),
                prefix: 24,
                tentative: false,
            };
            let at = |wanted: &dyn Fn(&KernelFact) -> bool| heard.iter().position(wanted).unwrap();
            let running = |state: bool| move |f: &KernelFact| matches!(f, KernelFact::Link(l) if l.index == on && l.running == state);
            let order = [
                at(&running(false)),
                at(&running(true)),
                at(&|f| *f == KernelFact::Address(fact)),
                at(&|f| *f == KernelFact::AddressGone(fact)),
                at(&|f| *f == KernelFact::LinkGone(on)),
            ];
            assert!(order.is_sorted(), "{order:?} in {heard:#?}");
            let last_seen = heard.iter().rposition(running(true)).unwrap();
            let lost = heard.iter().rposition(running(false)).unwrap();
            assert!(last_seen < lost, "the lost carrier is heard");
        });
    }

    #[test]
    fn leaving_a_bridge_is_not_going_away() {
        in_namespace(|| {
            ip("link add va type veth peer name vb");
            ip("link add br0 type bridge");
            ip("link set va master br0");
            let on = index("va");
            let mut monitor = Monitor::open(Monitor::QUEUE).unwrap();
            ip("link set va nomaster");
            let heard = facts(&mut monitor);
            assert!(!heard.is_empty());
            assert!(!heard.contains(&KernelFact::LinkGone(on)), "{heard:?}");
        });
    }

    #[test]
    fn failing_detection_is_tentative() {
        in_namespace(|| {
            ip("link add va type veth peer name vb");
            ip("link set va up");
            ip("link set vb up");
            ip("address add 2001:db8::1/64 dev va");
            let mut monitor = Monitor::open(Monitor::QUEUE).unwrap();
            let wanted = "2001:db8::1".parse::<std::net::IpAddr>().unwrap();
            let (_, addresses) = snapshot(&mut monitor);
            assert!(addresses.iter().any(|a| a.address == wanted && a.tentative));
        });
    }

    #[test]
    fn an_overrun_is_said_and_healed_by_a_snapshot() {
        in_namespace(|| {
            ip("link add va type veth peer name vb");
            let on = index("va");
            let mut monitor = Monitor::open(4096).unwrap();
            let mut hands = Addresses::open().unwrap();
            let vip = |n: u8| Vip::new([10, 0, 0, n].into(), 32, "va".into());
            let mut ops = Vec::new();
            for n in 0..20_000u32 {
                let vip = vip(u8::try_from(n / 2 % 100).unwrap());
                ops.push(match n % 2 {
                    0 => AddressOp::Add { index: on, vip },
                    _ => AddressOp::Remove { index: on, vip },
                });
            }
            ops.push(AddressOp::Add { index: on, vip: vip(200) });
            let done = hands.execute(Batch { ticket: Ticket::new(1), ops });
            assert!(done.outcomes.iter().all(Result::is_ok));
            let mut overrun = false;
            for _ in 0..100 {
                overrun |= monitor.read().unwrap() == Heard::Overrun;
            }
            assert!(overrun);
            let (_, addresses) = snapshot(&mut monitor);
            let v4: Vec<_> = addresses.iter().filter(|a| a.address.is_ipv4()).collect();
            assert_eq!(v4.len(), 1);
            assert_eq!(v4[0].address, std::net::IpAddr::from([10, 0, 0, 200]));
            assert_eq!(facts(&mut monitor), [], "nothing is told twice without a change");
        });
    }

    #[test]
    fn cut_messages_are_refused_or_passed_over_never_read_beyond() {
        let mut whole = vec![0; 16];
        whole[4..8].copy_from_slice(&3u32.to_ne_bytes());
        whole.extend([8, 0, 4, 0, 220, 5, 0, 0]);
        whole.extend([6, 0, 3, 0, b'a', 0, 0, 0]);
        let full = link(&whole).unwrap().unwrap();
        assert_eq!((full.name.as_str(), full.mtu), ("a", 1500));
        for length in 0..whole.len() {
            if let Ok(found) = link(&whole[..length]) {
                assert!(found.is_none() || length >= 30, "{length}");
            }
        }
    }
}
