//! A UDP socket that answers from the address it was asked on.
//!
//! Bound to every address, present and future: a VIP that arrives later is answered for at once.
//! One IPv6 socket serves both families, since the kernel writes IPv4 addresses in their mapped form
//! into `IPV6_PKTINFO` and reads them from it (`ip(7)`, `ipv6(7)`, RFC 3542 §6).

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// Room for one `in6_pktinfo` with its header; aligned as `cmsghdr` must be.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// `CMSG_SPACE` of one `in6_pktinfo`: header and data, padded to eight octets.
const CONTROL_SPACE: usize =
    (size_of::<libc::cmsghdr>() + size_of::<libc::in6_pktinfo>()).next_multiple_of(8);

/// A request, and both ends of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Octets received.
    pub length: usize,
    /// Who asked.
    pub from: SocketAddr,
    /// The address of ours they asked.
    pub to: IpAddr,
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
        tell_destination(&socket)?;
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
        Ok(Self { socket })
    }

    /// Waits for a request; what does not fit into `buffer` is cut off.
    ///
    /// # Errors
    /// `WouldBlock` when nobody asked in time.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<Asked> {
        let mut control = Control([0; 64]);
        // SAFETY: all-zero is a valid value of both plain C structures.
        let (mut name, mut message): (libc::sockaddr_in6, libc::msghdr) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        let mut io = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        message.msg_name = (&raw mut name).cast();
        message.msg_namelen = socklen::<libc::sockaddr_in6>();
        message.msg_iov = &raw mut io;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len();
        // SAFETY: every pointer in `message` is to a live local or to `buffer`, with its true length.
        let length = unsafe { libc::recvmsg(self.socket.as_raw_fd(), &raw mut message, 0) };
        let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
        // SAFETY: `message` was filled by recvmsg, and the CMSG functions keep within its control
        // buffer; the data is read unaligned and only where header and length say it is a pktinfo.
        let to = unsafe {
            let mut header = libc::CMSG_FIRSTHDR(&raw const message);
            loop {
                if header.is_null() {
                    return Err(io::Error::other("no IPV6_PKTINFO with the datagram"));
                }
                if (*header).cmsg_level == libc::IPPROTO_IPV6
                    && (*header).cmsg_type == libc::IPV6_PKTINFO
                    && (*header).cmsg_len
                        >= size_of::<libc::cmsghdr>() + size_of::<libc::in6_pktinfo>()
                {
                    let info: libc::in6_pktinfo =
                        libc::CMSG_DATA(header).cast::<libc::in6_pktinfo>().read_unaligned();
                    break Ipv6Addr::from(info.ipi6_addr.s6_addr);
                }
                header = libc::CMSG_NXTHDR(&raw const message, header);
            }
        };
        let from = Ipv6Addr::from(name.sin6_addr.s6_addr);
        let port = u16::from_be(name.sin6_port);
        let from = std::net::SocketAddrV6::new(from, port, 0, name.sin6_scope_id);
        Ok(Asked { length, from: from.into(), to: to.into() })
    }

    /// Answers a request, from the address it was sent to.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` or `ENETUNREACH` if that address has left us in the meantime.
    pub fn answer(&self, asked: &Asked, answer: &[u8]) -> io::Result<()> {
        let (SocketAddr::V6(from), IpAddr::V6(to)) = (asked.from, asked.to) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut control = Control([0; 64]);
        // SAFETY: all-zero is a valid value of both plain C structures.
        let (mut name, mut message): (libc::sockaddr_in6, libc::msghdr) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        name.sin6_family = libc::sa_family_t::try_from(libc::AF_INET6).unwrap_or_default();
        name.sin6_port = from.port().to_be();
        name.sin6_addr.s6_addr = from.ip().octets();
        name.sin6_scope_id = from.scope_id();
        let mut io =
            libc::iovec { iov_base: answer.as_ptr().cast_mut().cast(), iov_len: answer.len() };
        message.msg_name = (&raw mut name).cast();
        message.msg_namelen = socklen::<libc::sockaddr_in6>();
        message.msg_iov = &raw mut io;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: CONTROL_SPACE (40) is within `control`; with it set, the first header and its
        // data lie within `control`, which sendmsg reads and `answer` only reads too.
        let sent = unsafe {
            message.msg_controllen = CONTROL_SPACE;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::IPPROTO_IPV6;
            (*header).cmsg_type = libc::IPV6_PKTINFO;
            (*header).cmsg_len = size_of::<libc::cmsghdr>() + size_of::<libc::in6_pktinfo>();
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: to.octets() },
                ipi6_ifindex: 0,
            };
            libc::CMSG_DATA(header).cast::<libc::in6_pktinfo>().write_unaligned(info);
            libc::sendmsg(self.socket.as_raw_fd(), &raw const message, 0)
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsFd for UdpAnswerer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Asks the kernel to say with each datagram which address it was sent to.
fn tell_destination(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option's value is a live c_int, and its length is that of a c_int.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_RECVPKTINFO,
            (&raw const on).cast(),
            socklen::<libc::c_int>(),
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn socklen<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(libc::socklen_t::MAX)
}
