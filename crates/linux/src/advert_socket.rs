//! Raw sockets for adverts (IP protocol 112): a [`Receiver`] and a [`Sender`] per interface and
//! family.
//!
//! They are two sockets, for what is sent must never come back to us: the sender's filter lets
//! nothing in, and multicast is not looped to the receiver. Both are bound to their interface, so an
//! advert on another link cannot reach an instance by mistake.
//!
//! The receiver judges nothing that the protocol counts: TTL, checksum, version, length and VRID are
//! all left to the router, which has a named counter for each refusal (RFC 9568 §7.1). Its IPv4
//! filter drops only what is no advert at all: another protocol, or the later part of a fragmented
//! datagram.
//!
//! A socket is bound to one incarnation of its interface. When that is deleted and made again, or
//! renamed, open new sockets; when it only went down and up, call [`Receiver::rejoin`], which makes
//! the switches hear a new membership report.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use base::{Family, IfIndex, Mac};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, SockFilter, Socket, Type};

/// VRRP's IP protocol number (RFC 9568 §5.1.1.4, §5.1.2.4).
const VRRP: u8 = 112;
/// `IPPROTO_RAW`: sends whatever its headers say and receives nothing.
const ANY_OUTGOING: u8 = 255;
/// The multicast group of VRRP over IPv4 (RFC 9568 §5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The multicast group of VRRP over IPv6 (RFC 9568 §5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// Class selector 6, network control, as traffic class octet.
const CS6: u32 = 0xc0;
/// `TC_PRIO_CONTROL`: in front of all other traffic in the usual queues.
pub(crate) const PRIORITY_CONTROL: u32 = 7;
/// `TC_PRIO_INTERACTIVE`: the most that is given without `CAP_NET_ADMIN`.
pub(crate) const PRIORITY_INTERACTIVE: u32 = 6;

/// Everything out of the filter is dropped.
const NOTHING: [SockFilter; 1] = [SockFilter::new(0x06, 0, 0, 0)];
/// Everything is taken.
const EVERYTHING: [SockFilter; 1] = [SockFilter::new(0x06, 0, 0, 0x0004_0000)];
/// IPv4, from the first octet of the IP header: protocol 112 and fragment offset 0, else dropped.
const ADVERTS_V4: [SockFilter; 6] = [
    SockFilter::new(0x30, 0, 0, 9),           // A = octet 9, the protocol
    SockFilter::new(0x15, 0, 3, 112),         // not 112: drop
    SockFilter::new(0x28, 0, 0, 6),           // A = flags and fragment offset
    SockFilter::new(0x45, 1, 0, 0x1fff),      // offset not 0: drop
    SockFilter::new(0x06, 0, 0, 0x0004_0000), // take it
    SockFilter::new(0x06, 0, 0, 0),           // drop it
];

/// Where an advert came from and where it lies in the buffer it was received into.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// IP source address.
    pub source: IpAddr,
    /// IP destination address: the group, or one of ours.
    pub destination: IpAddr,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
    /// What follows the IP header, in the buffer.
    pub payload: Range<usize>,
    /// All that was received: for IPv4 the whole datagram with its header, for IPv6 the payload
    /// alone. Cut at the buffer's end if the buffer was too short.
    pub whole: Range<usize>,
}

/// Receives adverts on one interface. Never blocks.
#[derive(Debug)]
pub struct Receiver {
    socket: Socket,
    index: IfIndex,
    family: Family,
    groups: Vec<IpAddr>,
}

impl Receiver {
    /// Receive queue for [`open`](Self::open), octets: room for a burst of adverts from thousands of
    /// virtual routers.
    pub const QUEUE: usize = 2 * 1024 * 1024;

    /// Opens a socket on the interface and joins `groups` there ([`GROUP_V4`] or [`GROUP_V6`] as a
    /// rule; none for unicast only). Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    /// `ENODEV` if the interface does not exist, `EPERM` without the capability, `EINVAL` for a
    /// group of the other family or one that is no multicast address.
    pub fn open(index: IfIndex, name: &str, family: Family, groups: &[IpAddr]) -> io::Result<Self> {
        Self::open_for(index, name, family, groups, None, Self::QUEUE)
    }

    /// The same with a receive queue of so many octets, and only for what comes from this MAC, if one is
    /// given. A macvlan takes away from its parent what somebody else sends with its own MAC, and gives its parent and itself a copy each of
    /// all other multicast: so who listens to the parent hears everything once with one of these beside.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_for(
        index: IfIndex,
        name: &str,
        family: Family,
        groups: &[IpAddr],
        only_from: Option<Mac>,
        queue: usize,
    ) -> io::Result<Self> {
        let socket = raw_socket(family, name, VRRP)?;
        let from = only_from.map(sent_by).into_iter().flatten();
        match family {
            Family::V4 => {
                socket.set_multicast_all_v4(false)?;
                let filter: Vec<SockFilter> = from.chain(ADVERTS_V4).collect();
                socket.attach_filter(&filter)?;
            }
            Family::V6 => {
                socket.set_multicast_all_v6(false)?;
                if only_from.is_some() {
                    let filter: Vec<SockFilter> = from.chain(EVERYTHING).collect();
                    socket.attach_filter(&filter)?;
                }
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
                setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
            }
        }
        crate::netlink::set_receive_queue(socket.as_fd(), queue)?;
        let receiver = Self { socket, index, family, groups: groups.to_vec() };
        for group in groups {
            receiver.join(*group)?;
        }
        // Between socket() and the bind, adverts of other interfaces may have come in.
        let mut scrap = [0; 1];
        while receiver.recv(&mut scrap)?.is_some() {}
        Ok(receiver)
    }

    /// The next advert, if one is queued. `buffer` should hold the interface's largest datagram.
    ///
    /// # Errors
    /// `ENETDOWN` once after the interface went down; else only if the socket is broken.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
        loop {
            let found = match self.family {
                Family::V4 => self.recv_v4(buffer),
                Family::V6 => self.recv_v6(buffer),
            };
            match found {
                // No kernel delivers such a thing; passing it over beats trusting it.
                Ok(None) => {}
                Ok(datagram) => return Ok(datagram),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Leaves and joins the groups again, so that a new membership report goes out. For use when the
    /// link came up: what is behind it may be another switch.
    ///
    /// # Errors
    /// As for joining.
    pub fn rejoin(&self) -> io::Result<()> {
        for group in &self.groups {
            let left = match group {
                IpAddr::V4(group) => self.socket.leave_multicast_v4_n(group, &self.on()),
                IpAddr::V6(group) => self.socket.leave_multicast_v6(group, self.index.get()),
            };
            match left {
                Err(error) if error.raw_os_error() != Some(libc::EADDRNOTAVAIL) => {
                    return Err(error);
                }
                _ => self.join(*group)?,
            }
        }
        Ok(())
    }

    /// Adverts that came in and found no room since the socket was opened.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        /// `SO_MEMINFO` of `asm-generic/socket.h`, and `SK_MEMINFO_DROPS` of `linux/sock_diag.h`.
        const MEMORY_INFO: libc::c_int = 55;
        const DROPS: usize = 8;
        let mut info = [0_u32; DROPS + 1];
        let room = size_of_val(&info);
        let Ok(mut length) = libc::socklen_t::try_from(room) else { return 0 };
        // SAFETY: the kernel writes at most `length` octets, which is what `info` has.
        let got = unsafe {
            let (fd, level) = (self.socket.as_raw_fd(), libc::SOL_SOCKET);
            libc::getsockopt(fd, level, MEMORY_INFO, info.as_mut_ptr().cast(), &raw mut length)
        };
        if got == 0 { info[DROPS].into() } else { 0 }
    }

    fn on(&self) -> InterfaceIndexOrAddress {
        InterfaceIndexOrAddress::Index(self.index.get())
    }

    fn join(&self, group: IpAddr) -> io::Result<()> {
        match (self.family, group) {
            (Family::V4, IpAddr::V4(group)) => self.socket.join_multicast_v4_n(&group, &self.on()),
            (Family::V6, IpAddr::V6(group)) => {
                self.socket.join_multicast_v6(&group, self.index.get())
            }
            _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        }
    }

    /// A raw IPv4 socket delivers the IP header too.
    fn recv_v4(&self, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
        let (length, _) = recv(&self.socket, &mut *buffer, RecvFlags::empty())?;
        Ok(header_v4(&buffer[..length]))
    }

    /// A raw IPv6 socket delivers the payload; the rest comes beside it (RFC 3542 §6).
    fn recv_v6(&self, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
        let mut beside = nix::cmsg_space!(libc::in6_pktinfo, libc::c_int);
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrIn6>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(&mut beside),
            MsgFlags::empty(),
        )?;
        let (mut destination, mut ttl) = (None, None);
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
                }
                ControlMessageOwned::Ipv6HopLimit(limit) => ttl = u8::try_from(limit).ok(),
                _ => {}
            }
        }
        let length = message.bytes;
        Ok(message.address.zip(destination).zip(ttl).map(|((source, destination), ttl)| Datagram {
            source: source.ip().into(),
            destination: destination.into(),
            ttl,
            payload: 0..length,
            whole: 0..length,
        }))
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Sends adverts on one interface; receives nothing. Never blocks: a full queue is an error, for an
/// advert that is late is worse than one that is missing.
#[derive(Debug)]
pub struct Sender {
    socket: Socket,
    index: IfIndex,
    family: Family,
}

impl Sender {
    /// Opens a socket on the interface. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    /// `ENODEV` if the interface does not exist, `EPERM` without the capability.
    pub fn open(index: IfIndex, name: &str, family: Family) -> io::Result<Self> {
        // What is of no protocol is no place for adverts to be copied to and dropped at (raw(7)).
        let protocol = match family {
            Family::V4 => ANY_OUTGOING,
            Family::V6 => VRRP,
        };
        let socket = raw_socket(family, name, protocol)?;
        socket.attach_filter(&NOTHING)?;
        socket.set_recv_buffer_size(0)?;
        match family {
            Family::V4 => {
                socket.set_header_included_v4(true)?;
                socket.set_multicast_loop_v4(false)?;
            }
            Family::V6 => {
                socket.set_multicast_loop_v6(false)?;
                socket.set_tclass_v6(CS6)?;
                // The source may be an address of the interface below a virtual one.
                socket.set_freebind_v6(true)?;
            }
        }
        // After the traffic class, which sets a priority of its own.
        socket
            .set_priority(PRIORITY_CONTROL)
            .or_else(|_| socket.set_priority(PRIORITY_INTERACTIVE))?;
        Ok(Self { socket, index, family })
    }

    /// Sends a whole IPv4 datagram, header included, to the destination its header names. The kernel
    /// fills in the header checksum, and the identification if that is 0.
    ///
    /// # Errors
    /// `EINVAL` if it is no IPv4 datagram or this is an IPv6 socket; else what `send(2)` says:
    /// `ENETDOWN`, `EMSGSIZE` beyond the MTU, `EAGAIN` or `ENOBUFS` when the queue is full.
    pub fn send_v4(&self, datagram: &[u8]) -> io::Result<()> {
        let destination = datagram.get(16..20).and_then(<[u8]>::first_chunk::<4>);
        let (Family::V4, Some(&destination)) = (self.family, destination) else {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        };
        let to = SockAddr::from(SocketAddrV4::new(destination.into(), 0));
        retried(|| self.socket.send_to(datagram, &to)).map(drop)
    }

    /// Sends `payload`, whose checksum is in place, over IPv6 from `source` to `destination` with
    /// this hop limit.
    ///
    /// # Errors
    /// `EINVAL` if this is an IPv4 socket; else as for [`send_v4`](Self::send_v4).
    pub fn send_v6(
        &self,
        payload: &[u8],
        source: Ipv6Addr,
        destination: Ipv6Addr,
        hop_limit: u8,
    ) -> io::Result<()> {
        if self.family != Family::V6 {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let info = libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr { s6_addr: source.octets() },
            ipi6_ifindex: self.index.get(),
        };
        let hops = libc::c_int::from(hop_limit);
        let beside = [ControlMessage::Ipv6PacketInfo(&info), ControlMessage::Ipv6HopLimit(&hops)];
        let to = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, self.index.get()));
        let parts = [IoSlice::new(payload)];
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
        retried(|| Ok(sendmsg(fd, &parts, &beside, flags, Some(&to))?)).map(drop)
    }
}

/// The beginning of a filter: whatever has another source MAC is dropped. `SKF_LL_OFF` of
/// `linux/filter.h` counts from the Ethernet header.
fn sent_by(Mac([a, b, c, d, e, f]): Mac) -> [SockFilter; 5] {
    const SOURCE: u32 = 0xffe0_0000 + 6;
    [
        SockFilter::new(0x20, 0, 0, SOURCE),
        SockFilter::new(0x15, 0, 2, u32::from_be_bytes([a, b, c, d])),
        SockFilter::new(0x28, 0, 0, SOURCE + 4),
        SockFilter::new(0x15, 1, 0, u32::from(u16::from_be_bytes([e, f]))),
        SockFilter::new(0x06, 0, 0, 0),
    ]
}

/// What the header of an IPv4 datagram says.
fn header_v4(got: &[u8]) -> Option<Datagram> {
    let &[ttl] = got.get(8..9)?.first_chunk()?;
    let &source = got.get(12..16)?.first_chunk::<4>()?;
    let &destination = got.get(16..20)?.first_chunk::<4>()?;
    let header = usize::from(got[0] & 0x0f) * 4;
    (header <= got.len()).then(|| Datagram {
        source: source.into(),
        destination: destination.into(),
        ttl,
        payload: header..got.len(),
        whole: 0..got.len(),
    })
}

fn raw_socket(family: Family, name: &str, protocol: u8) -> io::Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let socket =
        Socket::new(domain, Type::RAW.nonblocking(), Some(Protocol::from(i32::from(protocol))))?;
    socket.bind_device(Some(name.as_bytes()))?;
    Ok(socket)
}

fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

mod batch;
#[cfg(test)]
mod tests;

pub use batch::{Incoming, Outgoing};
