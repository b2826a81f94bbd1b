//! A UDP socket for words between neighbours that only neighbours may say: everything leaves with
//! TTL 255 from a source that is named each time, and what arrives comes with its TTL, its
//! destination and its interface, so that its reader can refuse what a router has passed on
//! (RFC 5082).

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use base::{Family, IfIndex};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage,
    recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::Datagram;

/// Class selector 6, network control, as traffic class octet.
const CS6: u32 = 0xc0;
const TTL: u32 = 255;

/// The socket of one family; see the head of this file. Never blocks.
#[derive(Debug)]
pub struct NoticeSocket {
    socket: Socket,
    family: Family,
    port: u16,
}

impl NoticeSocket {
    /// Binds `port`, to which it also sends, on every address of the family.
    ///
    /// # Errors
    /// `EADDRINUSE` if another program has it; else what `socket(2)` says.
    pub fn open(family: Family, port: u16) -> io::Result<Self> {
        let (domain, any) = match family {
            Family::V4 => (Domain::IPV4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            Family::V6 => (Domain::IPV6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        };
        let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        match family {
            Family::V4 => {
                socket.set_ttl_v4(TTL)?;
                socket.set_tos_v4(CS6)?;
                setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
                setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
            }
            Family::V6 => {
                socket.set_only_v6(true)?;
                socket.set_unicast_hops_v6(TTL)?;
                socket.set_tclass_v6(CS6)?;
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
                setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
            }
        }
        socket.bind(&SocketAddr::new(any, port).into())?;
        Ok(Self { socket, family, port })
    }

    /// The next datagram, if one is queued, and the interface it came through; what does not fit into
    /// `buffer` is cut off.
    ///
    /// # Errors
    /// Only if the socket is broken, or once after the other end of one that was sent refused it.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<Option<(IfIndex, Datagram)>> {
        let mut beside = nix::cmsg_space!(libc::in6_pktinfo, libc::c_int);
        loop {
            let mut parts = [IoSliceMut::new(buffer)];
            let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
            let message = match recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut beside), flags)
            {
                Ok(message) => message,
                Err(nix::Error::EINTR) => continue,
                Err(nix::Error::EAGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let (mut to, mut ttl) = (None, None);
            for control in message.cmsgs()? {
                match control {
                    ControlMessageOwned::Ipv4PacketInfo(info) => {
                        let address = Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes());
                        to = u32::try_from(info.ipi_ifindex)
                            .ok()
                            .and_then(IfIndex::new)
                            .map(|index| (index, IpAddr::V4(address)));
                    }
                    ControlMessageOwned::Ipv6PacketInfo(info) => {
                        let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                        to = IfIndex::new(info.ipi6_ifindex)
                            .map(|index| (index, IpAddr::V6(address)));
                    }
                    ControlMessageOwned::Ipv4Ttl(limit)
                    | ControlMessageOwned::Ipv6HopLimit(limit) => ttl = u8::try_from(limit).ok(),
                    _ => {}
                }
            }
            let source = message.address.as_ref().and_then(|address| {
                let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
                v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
            });
            // No kernel delivers one without; passing it over beats trusting it.
            if let Some((source, ((index, destination), ttl))) = source.zip(to.zip(ttl)) {
                let (payload, whole) = (0..message.bytes, 0..message.bytes);
                return Ok(Some((index, Datagram { source, destination, ttl, payload, whole })));
            }
        }
    }

    /// Sends `payload` through an interface, from `source`, which must be an address of this node.
    ///
    /// # Errors
    /// What `sendmsg(2)` says: `ENETUNREACH`, `EINVAL` for a source that is not ours.
    pub fn send(
        &self,
        index: IfIndex,
        source: IpAddr,
        destination: IpAddr,
        payload: &[u8],
    ) -> io::Result<()> {
        let parts = [IoSlice::new(payload)];
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
        let sent = match (self.family, source, destination) {
            (Family::V4, IpAddr::V4(source), IpAddr::V4(destination)) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: i32::try_from(index.get()).unwrap_or(0),
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                let to = SockaddrIn::from(SocketAddrV4::new(destination, self.port));
                sendmsg(fd, &parts, &[ControlMessage::Ipv4PacketInfo(&info)], flags, Some(&to))
            }
            (Family::V6, IpAddr::V6(source), IpAddr::V6(destination)) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: source.octets() },
                    ipi6_ifindex: index.get(),
                };
                let to = SocketAddrV6::new(destination, self.port, 0, index.get());
                let to = SockaddrIn6::from(to);
                sendmsg(fd, &parts, &[ControlMessage::Ipv6PacketInfo(&info)], flags, Some(&to))
            }
            _ => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
        };
        Ok(sent.map(drop)?)
    }
}

impl AsFd for NoticeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_arrives_with_where_it_came_from_and_how() {
        let lo = IfIndex::new(1).unwrap();
        for (family, local) in
            [(Family::V4, IpAddr::from([127, 0, 0, 1])), (Family::V6, Ipv6Addr::LOCALHOST.into())]
        {
            // A port of the test's own: any that is free.
            let port = {
                let free = Socket::from(std::net::UdpSocket::bind((local, 0)).unwrap());
                free.local_addr().unwrap().as_socket().unwrap().port()
            };
            let socket = NoticeSocket::open(family, port).unwrap();
            socket.send(lo, local, local, b"words").unwrap();
            let mut buffer = [0; 64];
            let (index, datagram) = socket.recv(&mut buffer).unwrap().unwrap();
            assert_eq!((index, datagram.source, datagram.destination), (lo, local, local));
            assert_eq!((datagram.ttl, &buffer[datagram.payload]), (255, &b"words"[..]));
            assert_eq!(socket.recv(&mut buffer).unwrap(), None);
        }
    }
}
