//! A UDP socket that answers from the address it was asked on.
//!
//! Bound to every address, present and future: a VIP that arrives later is answered for at once.
//! One IPv6 socket serves both families, since the kernel writes IPv4 addresses in their mapped form
//! into `IPV6_PKTINFO` and reads them from it (`ip(7)`, `ipv6(7)`, RFC 3542 §6).

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};

/// A request, and both ends of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Octets received.
    pub length: usize,
    /// Who asked; an IPv4 address in its mapped form.
    pub from: SocketAddrV6,
    /// The address of ours they asked; an IPv4 address in its mapped form.
    pub to: Ipv6Addr,
}

impl Asked {
    /// The address of ours they asked, of its own family.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        IpAddr::V6(self.to).to_canonical()
    }
}

/// The socket; see the head of this file.
#[derive(Debug)]
pub struct UdpAnswerer {
    socket: Socket,
}

impl UdpAnswerer {
    /// Binds `port` on every address of the calling thread's network namespace. [`recv`](Self::recv)
    /// waits at most `patience`.
    ///
    /// # Errors
    /// `EADDRINUSE`, or whatever `socket(2)` says.
    pub fn open(port: u16, patience: Duration) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_only_v6(false)?;
        socket.set_read_timeout(Some(patience))?;
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
        Ok(Self { socket })
    }

    /// Waits for a request; what does not fit into `buffer` is cut off.
    ///
    /// # Errors
    /// `WouldBlock` when nobody asked in time.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<Asked> {
        let mut beside = nix::cmsg_space!(libc::in6_pktinfo);
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrIn6>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(&mut beside),
            MsgFlags::empty(),
        )?;
        let to = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Ipv6PacketInfo(info) => Some(info.ipi6_addr.s6_addr.into()),
            _ => None,
        });
        let both = to.zip(message.address);
        let (to, from) = both.ok_or_else(|| io::Error::other("no addresses with the datagram"))?;
        Ok(Asked { length: message.bytes, from: from.into(), to })
    }

    /// Answers a request, from the address it was sent to.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` or `ENETUNREACH` if that address has left us in the meantime.
    pub fn answer(&self, asked: &Asked, answer: &[u8]) -> io::Result<()> {
        let info = libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr { s6_addr: asked.to.octets() },
            ipi6_ifindex: 0,
        };
        let beside = [ControlMessage::Ipv6PacketInfo(&info)];
        let to = SockaddrIn6::from(asked.from);
        let parts = [IoSlice::new(answer)];
        let fd = self.socket.as_raw_fd();
        Ok(sendmsg(fd, &parts, &beside, MsgFlags::empty(), Some(&to)).map(drop)?)
    }
}

impl AsFd for UdpAnswerer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
