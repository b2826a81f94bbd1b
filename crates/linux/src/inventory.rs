//! What a person would look up by hand: links and addresses (`ip address`), neighbours (`arp -a`).
//!
//! Richer than the [`KernelFact`](base::KernelFact)s that the machines decide by, and only ever
//! read: for showing and for tests.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use base::{Broadcast, IfIndex, Mac, Name, Scope};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};

use crate::{NetlinkError, RouteSocket};

/// A link as `ip link` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkEntry {
    /// Its number.
    pub index: IfIndex,
    /// Its name.
    pub name: Name,
    /// Its flags by `ip`'s names: `BROADCAST`, `MULTICAST`, `UP`, `LOWER_UP`, `NO-CARRIER` …
    pub flags: Vec<&'static str>,
    /// Largest IP datagram, octets.
    pub mtu: u32,
    /// Queueing discipline.
    pub qdisc: String,
    /// `UP`, `DOWN`, `LOWERLAYERDOWN`, `UNKNOWN` …
    pub state: String,
    /// Its Ethernet address, if it has one.
    pub mac: Option<Mac>,
}

/// An address as `ip address` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressEntry {
    /// The link that carries it.
    pub index: IfIndex,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// IPv4 broadcast address: [`Broadcast::None`] or [`Broadcast::Address`].
    pub broadcast: Broadcast,
    /// Scope.
    pub scope: Scope,
    /// `secondary`, `deprecated`, `tentative`, `dadfailed`, `nodad`; others are not shown.
    pub flags: Vec<&'static str>,
    /// IPv4 label; the interface's name unless somebody gave another.
    pub label: Option<Name>,
    /// Seconds it stays valid; `None` is forever.
    pub valid: Option<u32>,
    /// Seconds it stays preferred; `None` is forever.
    pub preferred: Option<u32>,
}

/// An entry of the neighbour table (ARP for IPv4, Neighbour Discovery for IPv6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Neighbour {
    /// Its IP address.
    pub address: IpAddr,
    /// Its Ethernet address; `None` while unknown or failed.
    pub mac: Option<Mac>,
    /// The link it is on.
    pub index: IfIndex,
    /// `REACHABLE`, `STALE`, `DELAY`, `PROBE`, `INCOMPLETE`, `FAILED`, `PERMANENT`, `NOARP`, `NONE`.
    pub state: &'static str,
}

/// Reads the tables of the network namespace in which it was opened.
#[derive(Debug)]
pub struct Inventory {
    socket: RouteSocket,
}

impl Inventory {
    /// Opens a routing socket in the calling thread's network namespace. Needs no privilege.
    ///
    /// # Errors
    /// See [`RouteSocket::open`].
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: RouteSocket::open()? })
    }

    /// The same by a routing socket that another process has opened.
    #[must_use]
    pub fn over(socket: OwnedFd) -> Self {
        Self { socket: RouteSocket::over(socket) }
    }

    /// All links, in the kernel's order.
    ///
    /// # Errors
    /// See [`NetlinkError`].
    pub fn links(&mut self) -> Result<Vec<LinkEntry>, NetlinkError> {
        let ask = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let found = self.socket.dump(&ask)?;
        Ok(found
            .into_iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewLink(link) => link_entry(link),
                _ => None,
            })
            .collect())
    }

    /// All addresses of all links, in the kernel's order.
    ///
    /// # Errors
    /// See [`NetlinkError`].
    pub fn addresses(&mut self) -> Result<Vec<AddressEntry>, NetlinkError> {
        let ask = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let found = self.socket.dump(&ask)?;
        Ok(found
            .into_iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewAddress(address) => address_entry(address),
                _ => None,
            })
            .collect())
    }

    /// The neighbour table.
    ///
    /// # Errors
    /// See [`NetlinkError`].
    pub fn neighbours(&mut self) -> Result<Vec<Neighbour>, NetlinkError> {
        let ask = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
        let found = self.socket.dump(&ask)?;
        Ok(found
            .into_iter()
            .filter_map(|message| match message {
                RouteNetlinkMessage::NewNeighbour(entry) => neighbour(entry),
                _ => None,
            })
            .collect())
    }
}

fn link_entry(message: LinkMessage) -> Option<LinkEntry> {
    let header = message.header;
    let mut entry = LinkEntry {
        index: IfIndex::new(header.index)?,
        name: "".into(),
        flags: Vec::new(),
        mtu: 0,
        qdisc: String::new(),
        state: String::new(),
        mac: None,
    };
    let is = |flag| header.flags.contains(flag);
    if is(LinkFlags::Up) && !is(LinkFlags::LowerUp) {
        entry.flags.push("NO-CARRIER");
    }
    let named = [
        (LinkFlags::Loopback, "LOOPBACK"),
        (LinkFlags::Broadcast, "BROADCAST"),
        (LinkFlags::Multicast, "MULTICAST"),
        (LinkFlags::Noarp, "NOARP"),
        (LinkFlags::Promisc, "PROMISC"),
        (LinkFlags::Up, "UP"),
        (LinkFlags::LowerUp, "LOWER_UP"),
    ];
    entry.flags.extend(named.iter().filter(|(flag, _)| is(*flag)).map(|(_, name)| *name));
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => entry.name = name.into(),
            LinkAttribute::Mtu(mtu) => entry.mtu = mtu,
            LinkAttribute::Qdisc(qdisc) => entry.qdisc = qdisc,
            LinkAttribute::OperState(state) => {
                entry.state = format!("{state:?}").to_uppercase();
            }
            LinkAttribute::Address(mac) => entry.mac = mac.try_into().ok().map(Mac),
            _ => {}
        }
    }
    Some(entry)
}

fn address_entry(message: AddressMessage) -> Option<AddressEntry> {
    let (mut address, mut peer) = (None, None);
    let mut flags = AddressFlags::empty();
    let (mut broadcast, mut label) = (Broadcast::None, None);
    let (mut valid, mut preferred) = (None, None);
    let lifetime = |seconds| (seconds != u32::MAX).then_some(seconds);
    for attribute in message.attributes {
        match attribute {
            // On a point-to-point link IFA_ADDRESS is the other end's; IFA_LOCAL is always ours.
            AddressAttribute::Local(local) => address = Some(local),
            AddressAttribute::Address(other) => peer = Some(other),
            AddressAttribute::Broadcast(to) => broadcast = Broadcast::Address(to),
            AddressAttribute::Label(text) => label = Some(text.into()),
            AddressAttribute::Flags(bits) => flags = bits,
            AddressAttribute::CacheInfo(info) => {
                (valid, preferred) = (lifetime(info.ifa_valid), lifetime(info.ifa_preferred));
            }
            _ => {}
        }
    }
    let named = [
        (AddressFlags::Secondary, "secondary"),
        (AddressFlags::Nodad, "nodad"),
        (AddressFlags::Deprecated, "deprecated"),
        (AddressFlags::Tentative, "tentative"),
        (AddressFlags::Dadfailed, "dadfailed"),
    ];
    Some(AddressEntry {
        index: IfIndex::new(message.header.index)?,
        address: address.or(peer)?,
        prefix: message.header.prefix_len,
        broadcast,
        scope: Scope(message.header.scope.into()),
        flags: named.iter().filter(|(f, _)| flags.contains(*f)).map(|(_, name)| *name).collect(),
        label,
        valid,
        preferred,
    })
}

fn neighbour(message: NeighbourMessage) -> Option<Neighbour> {
    let mut address = None;
    let mut mac = None;
    for attribute in message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => {
                address = Some(v4.into());
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => {
                address = Some(v6.into());
            }
            NeighbourAttribute::LinkLayerAddress(octets) => mac = octets.try_into().ok().map(Mac),
            _ => {}
        }
    }
    Some(Neighbour {
        address: address?,
        mac,
        index: IfIndex::new(message.header.ifindex)?,
        state: match message.header.state {
            NeighbourState::Incomplete => "INCOMPLETE",
            NeighbourState::Reachable => "REACHABLE",
            NeighbourState::Stale => "STALE",
            NeighbourState::Delay => "DELAY",
            NeighbourState::Probe => "PROBE",
            NeighbourState::Failed => "FAILED",
            NeighbourState::Noarp => "NOARP",
            NeighbourState::Permanent => "PERMANENT",
            _ => "NONE",
        },
    })
}
