//! UDP sockets for BFD (RFC 5881 §4–5): one to hear on for each family and number of hops, one to
//! speak for each session.
//!
//! What comes is judged by its TTL, so that is delivered with it. What goes leaves with the TTL of
//! its session, from a port of its own in the range that the protocol wants.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use base::Family;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};

/// Class selector 6, network control, as traffic class octet.
const CS6: u32 = 0xc0;

/// A datagram as it arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BfdDatagram {
    /// Who sent it.
    pub source: IpAddr,
    /// Its TTL or hop limit on arrival.
    pub ttl: u8,
    /// Octets in the buffer; what did not fit is cut off.
    pub length: usize,
}

/// Hears datagrams to one port. Never blocks.
#[derive(Debug)]
pub struct BfdReceiver {
    socket: Socket,
}

impl BfdReceiver {
    /// Binds `port` on every address of this family.
    ///
    /// # Errors
    /// `EADDRINUSE` if another program speaks BFD here; else what `socket(2)` says.
    pub fn open(family: Family, port: u16) -> io::Result<Self> {
        let socket = udp(family)?;
        match family {
            Family::V4 => setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?,
            Family::V6 => {
                socket.set_only_v6(true)?;
                setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
            }
        }
        socket.bind(&SocketAddr::new(any(family), port).into())?;
        Ok(Self { socket })
    }

    /// The next datagram, if one is queued.
    ///
    /// # Errors
    /// Only if the socket is broken.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<Option<BfdDatagram>> {
        let mut beside = nix::cmsg_space!(libc::c_int);
        loop {
            let mut parts = [IoSliceMut::new(buffer)];
            let flags = MsgFlags::empty();
            let fd = self.socket.as_raw_fd();
            let message = match recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut beside), flags)
            {
                Ok(message) => message,
                Err(nix::Error::EINTR) => continue,
                Err(nix::Error::EAGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let ttl = message.cmsgs()?.find_map(|control| match control {
                ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
                    u8::try_from(ttl).ok()
                }
                _ => None,
            });
            let source = message.address.as_ref().and_then(|address| {
                let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
                v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
            });
            // No kernel delivers one without; passing it over beats trusting it.
            if let Some((source, ttl)) = source.zip(ttl) {
                return Ok(Some(BfdDatagram { source, ttl, length: message.bytes }));
            }
        }
    }
}

impl AsFd for BfdReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Speaks for one session; hears nothing. Never blocks.
#[derive(Debug)]
pub struct BfdSender {
    socket: Socket,
}

impl BfdSender {
    /// Sends to `port` of `neighbor` with this TTL or hop limit, from `source` or what the routes
    /// choose, and from the first port at or after `from_port` that nobody has.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` if `source` is not ours, `EADDRINUSE` if all ports are taken, `ENETUNREACH`
    /// without a route.
    pub fn open(
        source: Option<IpAddr>,
        from_port: u16,
        neighbor: IpAddr,
        port: u16,
        ttl: u8,
    ) -> io::Result<Self> {
        let family = Family::of(&neighbor);
        let socket = udp(family)?;
        match family {
            Family::V4 => {
                socket.set_ttl_v4(ttl.into())?;
                socket.set_tos_v4(CS6)?;
            }
            Family::V6 => {
                socket.set_unicast_hops_v6(ttl.into())?;
                socket.set_tclass_v6(CS6)?;
            }
        }
        let address = source.unwrap_or_else(|| any(family));
        let mut tried = Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
        for from in from_port..=u16::MAX {
            tried = socket.bind(&SocketAddr::new(address, from).into());
            if !matches!(&tried, Err(no) if no.kind() == io::ErrorKind::AddrInUse) {
                break;
            }
        }
        tried?;
        socket.connect(&SocketAddr::new(neighbor, port).into())?;
        // Nothing is sent to this port by a neighbor that keeps to the protocol.
        socket.set_recv_buffer_size(0)?;
        Ok(Self { socket })
    }

    /// Sends a packet.
    ///
    /// # Errors
    /// What `send(2)` says; `ECONNREFUSED` tells of a packet before, which no program took.
    pub fn send(&self, payload: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(payload) {
                Err(no) if no.kind() == io::ErrorKind::Interrupted => {}
                // Nobody listened to the one before; this one was not sent.
                Err(no) if no.kind() == io::ErrorKind::ConnectionRefused => {
                    return self.socket.send(payload).map(drop);
                }
                other => return other.map(drop),
            }
        }
    }
}

fn udp(family: Family) -> io::Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))
}

const fn any(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives_with_its_ttl_in_both_families() {
        for (family, local) in
            [(Family::V4, IpAddr::from([127, 0, 0, 1])), (Family::V6, Ipv6Addr::LOCALHOST.into())]
        {
            // A port of the test's own: any that is free.
            let port = {
                let free = Socket::from(std::net::UdpSocket::bind((local, 0)).unwrap());
                free.local_addr().unwrap().as_socket().unwrap().port()
            };
            let receiver = BfdReceiver::open(family, port).unwrap();
            let sender = BfdSender::open(Some(local), 49_152, local, port, 254).unwrap();
            let other = BfdSender::open(Some(local), 49_152, local, port, 254).unwrap();
            sender.send(&[7; 24]).unwrap();
            other.send(&[8; 24]).unwrap();
            let mut buffer = [0; 64];
            for octet in [7, 8] {
                let datagram = receiver.recv(&mut buffer).unwrap().unwrap();
                assert_eq!((datagram.source, datagram.ttl, datagram.length), (local, 254, 24));
                assert_eq!(buffer[..24], [octet; 24]);
            }
            assert_eq!(receiver.recv(&mut buffer).unwrap(), None);
            let from = |sender: &BfdSender| {
                sender.socket.local_addr().unwrap().as_socket().unwrap().port()
            };
            assert!(from(&sender) >= 49_152 && from(&other) > from(&sender));
        }
    }
}
