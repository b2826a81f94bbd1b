//! Making and changing network links: virtual cables (veth), bridges, macvlans.
//!
//! By netlink and without any other program. Links are named, as people name them; the kernel
//! resolves the names of existing links itself, so that nothing goes stale between a look-up and
//! its use.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use base::{IfIndex, Mac};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage,
};
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoKind, InfoMacVlan, InfoVeth, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage, MacVlanMode,
};

use crate::{NetlinkError, Request, RouteSocket};

/// The present name of an interface.
///
/// # Errors
/// `ENODEV` when there is none of that number.
pub fn interface_name(index: IfIndex) -> io::Result<String> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    Ok(netdevice::index_to_name(socket, index.get())?)
}

/// The links of the network namespace in which it was opened.
///
/// Every method but [`index`](Self::index) needs `CAP_NET_ADMIN` and gives the kernel's refusal as
/// its error: `ENODEV` for a name that does not exist, `EEXIST` for one that does already.
#[derive(Debug)]
pub struct Links {
    socket: RouteSocket,
}

/// The end of a virtual cable that goes to another namespace.
#[derive(Clone, Copy, Debug)]
pub struct FarEnd<'a> {
    /// The namespace it appears in.
    pub net: BorrowedFd<'a>,
    /// Its name there.
    pub name: &'a str,
    /// Its MAC.
    pub mac: Mac,
}

impl Links {
    /// Opens a routing socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// See [`RouteSocket::open`].
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: RouteSocket::open()? })
    }

    /// The number of the link called `name`.
    ///
    /// # Errors
    /// `ENODEV` if there is none.
    pub fn index(&self, name: &str) -> io::Result<IfIndex> {
        let index = rustix::net::netdevice::name_to_index(self.socket.as_fd(), name)?;
        IfIndex::new(index).ok_or_else(|| rustix::io::Errno::NODEV.into())
    }

    /// Lays a virtual cable (`veth(4)`) between here, where its end is called `name`, and `far`.
    /// Both ends are down.
    ///
    /// # Errors
    /// See [`Links`].
    pub fn add_cable(&mut self, name: &str, far: FarEnd<'_>) -> Result<(), NetlinkError> {
        let mut peer = named(far.name);
        peer.attributes.push(LinkAttribute::Address(far.mac.0.to_vec()));
        peer.attributes.push(LinkAttribute::NetNsFd(far.net.as_raw_fd()));
        self.add(named(name), InfoKind::Veth, InfoData::Veth(InfoVeth::Peer(peer)))
    }

    /// Makes a bridge that floods multicast to every port, as a switch without IGMP snooping does.
    ///
    /// # Errors
    /// See [`Links`].
    pub fn add_bridge(&mut self, name: &str) -> Result<(), NetlinkError> {
        let data = vec![InfoBridge::MulticastSnooping(false), InfoBridge::ForwardDelay(0)];
        self.add(named(name), InfoKind::Bridge, InfoData::Bridge(data))
    }

    /// Makes a macvlan on top of `parent`, with `mac`, in private mode: it talks to the wire, not to
    /// its siblings. Up from the start.
    ///
    /// # Errors
    /// See [`Links`].
    pub fn add_macvlan(&mut self, name: &str, parent: &str, mac: Mac) -> Result<(), NetlinkError> {
        let mut link = named(name);
        link.attributes.push(LinkAttribute::Link(self.index(parent)?.get()));
        link.attributes.push(LinkAttribute::Address(mac.0.to_vec()));
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        let data = InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)]);
        self.add(link, InfoKind::MacVlan, data)
    }

    /// Plugs `name` into the bridge called `bridge`.
    ///
    /// # Errors
    /// See [`Links`].
    pub fn attach(&mut self, name: &str, bridge: &str) -> Result<(), NetlinkError> {
        let mut link = named(name);
        link.attributes.push(LinkAttribute::Controller(self.index(bridge)?.get()));
        self.change(link)
    }

    /// Takes `name` up or down (`IFF_UP`).
    ///
    /// # Errors
    /// See [`Links`].
    pub fn set_up(&mut self, name: &str, up: bool) -> Result<(), NetlinkError> {
        let mut link = named(name);
        link.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        link.header.change_mask = LinkFlags::Up;
        self.change(link)
    }

    /// Gives `name` another MAC.
    ///
    /// # Errors
    /// See [`Links`].
    pub fn set_mac(&mut self, name: &str, mac: Mac) -> Result<(), NetlinkError> {
        let mut link = named(name);
        link.attributes.push(LinkAttribute::Address(mac.0.to_vec()));
        self.change(link)
    }

    /// Renames `name` to `to`.
    ///
    /// # Errors
    /// See [`Links`].
    pub fn rename(&mut self, name: &str, to: &str) -> Result<(), NetlinkError> {
        let mut link = named(to);
        link.header.index = self.index(name)?.get();
        self.change(link)
    }

    /// Deletes `name`; of a cable, both ends.
    ///
    /// # Errors
    /// See [`Links`].
    pub fn delete(&mut self, name: &str) -> Result<(), NetlinkError> {
        let message = RouteNetlinkMessage::DelLink(named(name));
        self.socket.request(&Request { message, flags: 0 })
    }

    /// Adds an address that belongs to the node itself, without duplicate address detection. VIPs
    /// are not installed by this but by [`execute`](crate::execute).
    ///
    /// # Errors
    /// See [`Links`].
    pub fn add_address(
        &mut self,
        name: &str,
        address: IpAddr,
        prefix: u8,
    ) -> Result<(), NetlinkError> {
        let mut message = AddressMessage::default();
        message.header.index = self.index(name)?.get();
        message.header.prefix_len = prefix;
        message.header.flags = AddressHeaderFlags::Nodad;
        message.attributes =
            vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
        match address {
            IpAddr::V4(v4) => {
                message.header.family = AddressFamily::Inet;
                let host = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
                let broadcast = (v4.to_bits() | host).into();
                message.attributes.push(AddressAttribute::Broadcast(broadcast));
            }
            IpAddr::V6(_) => {
                message.header.family = AddressFamily::Inet6;
                message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
            }
        }
        let message = RouteNetlinkMessage::NewAddress(message);
        self.socket.request(&Request { message, flags: NLM_F_CREATE | NLM_F_EXCL })
    }

    fn add(
        &mut self,
        mut link: LinkMessage,
        kind: InfoKind,
        data: InfoData,
    ) -> Result<(), NetlinkError> {
        let info = vec![LinkInfo::Kind(kind), LinkInfo::Data(data)];
        link.attributes.push(LinkAttribute::LinkInfo(info));
        let message = RouteNetlinkMessage::NewLink(link);
        self.socket.request(&Request { message, flags: NLM_F_CREATE | NLM_F_EXCL })
    }

    fn change(&mut self, link: LinkMessage) -> Result<(), NetlinkError> {
        let message = RouteNetlinkMessage::NewLink(link);
        self.socket.request(&Request { message, flags: 0 })
    }
}

/// A message about the link called `name`: with index 0 the kernel goes by the name.
fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message
}
