//! What sending and hearing many datagrams with one call (`sendmmsg(2)`, `recvmmsg(2)`) needs, whatever
//! they carry: addresses as the kernel writes them, what goes and comes beside a datagram, and how a
//! number of them is sent although one may fail.

use std::io;
use std::mem::zeroed;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::{Family, IfIndex};
use libc::{c_int, cmsghdr, in_pktinfo, in6_pktinfo, msghdr, sockaddr_in, sockaddr_in6, socklen_t};

/// Datagrams in one call at most.
pub const AT_ONCE: usize = 32;

/// Room for what comes or goes beside: where from or to, through which interface, and the TTL.
pub(crate) type Beside = [u64; 9];

/// An address of either family, as the kernel writes it. Zero is a value.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) union Name {
    v4: sockaddr_in,
    v6: sockaddr_in6,
}

impl Name {
    /// Becomes this address; its length.
    pub(crate) fn set(&mut self, ip: IpAddr, port: u16, scope: IfIndex) -> socklen_t {
        let length = match ip {
            IpAddr::V4(ip) => {
                // SAFETY: zero is a value of all its fields.
                let zero: sockaddr_in = unsafe { zeroed() };
                self.v4 = sockaddr_in {
                    sin_family: libc::sa_family_t::try_from(libc::AF_INET).unwrap_or(2),
                    sin_port: port.to_be(),
                    sin_addr: in_addr(ip),
                    ..zero
                };
                size_of::<sockaddr_in>()
            }
            IpAddr::V6(ip) => {
                // SAFETY: zero is a value of all its fields.
                let zero: sockaddr_in6 = unsafe { zeroed() };
                self.v6 = sockaddr_in6 {
                    sin6_family: libc::sa_family_t::try_from(libc::AF_INET6).unwrap_or(10),
                    sin6_port: port.to_be(),
                    sin6_addr: in6_addr(ip),
                    sin6_scope_id: scope.get(),
                    ..zero
                };
                size_of::<sockaddr_in6>()
            }
        };
        socklen_t::try_from(length).unwrap_or(0)
    }

    /// The address, from a socket of this family.
    pub(crate) fn ip(&self, family: Family) -> IpAddr {
        // SAFETY: any octets are a value of either, and none are uninitialized: it was zero at first.
        unsafe {
            match family {
                Family::V4 => Ipv4Addr::from(self.v4.sin_addr.s_addr.to_ne_bytes()).into(),
                Family::V6 => Ipv6Addr::from(self.v6.sin6_addr.s6_addr).into(),
            }
        }
    }
}

fn in_addr(ip: Ipv4Addr) -> libc::in_addr {
    libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) }
}

fn in6_addr(ip: Ipv6Addr) -> libc::in6_addr {
    libc::in6_addr { s6_addr: ip.octets() }
}

/// Sends all entries by `send`, which takes some of them and says how many have left; how many could
/// not be sent.
pub(crate) fn send_portions<E>(
    entries: &[E],
    mut send: impl FnMut(&[E]) -> io::Result<usize>,
) -> u64 {
    let mut failed = 0;
    let mut rest = entries;
    while !rest.is_empty() {
        match send(&rest[..rest.len().min(AT_ONCE)]) {
            Ok(sent) => rest = &rest[sent.clamp(1, rest.len())..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => {
                // The first of them is the one that failed; the others may not.
                failed += 1;
                rest = &rest[1..];
            }
        }
    }
    failed
}

/// Writes which source and interface a datagram leaves by and, where it is said, its hop limit (IPv6);
/// the room that takes goes into the header.
///
/// # Safety
/// The header names a room of the size of [`Beside`] that is aligned as it is.
pub(crate) unsafe fn put_beside(
    header: &mut msghdr,
    source: IpAddr,
    index: IfIndex,
    hops: Option<u8>,
) {
    // SAFETY: the room has place for these two, so neither CMSG_FIRSTHDR nor CMSG_NXTHDR gives a null
    // pointer.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(header);
        let mut length = match source {
            IpAddr::V4(source) => {
                let info = in_pktinfo {
                    ipi_ifindex: i32::try_from(index.get()).unwrap_or(0),
                    ipi_spec_dst: in_addr(source),
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                put(first, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
            }
            IpAddr::V6(source) => {
                let info = in6_pktinfo { ipi6_addr: in6_addr(source), ipi6_ifindex: index.get() };
                put(first, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
            }
        };
        if let Some(hops) = hops {
            let second = libc::CMSG_NXTHDR(header, first);
            length += put(second, libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, c_int::from(hops));
        }
        header.msg_controllen = length;
    }
}

/// Writes one thing that goes beside; how much room it takes.
///
/// # Safety
/// `at` is valid and has room for `T` behind it.
unsafe fn put<T>(at: *mut cmsghdr, level: c_int, kind: c_int, value: T) -> usize {
    let size = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: as promised by the caller.
    unsafe {
        (*at).cmsg_level = level;
        (*at).cmsg_type = kind;
        (*at).cmsg_len = usize::try_from(libc::CMSG_LEN(size)).unwrap_or(0);
        libc::CMSG_DATA(at).cast::<T>().write_unaligned(value);
        usize::try_from(libc::CMSG_SPACE(size)).unwrap_or(0)
    }
}

/// The interface a datagram came through, whom it was sent to, and its TTL or hop limit on arrival.
///
/// # Safety
/// The header was filled in by the kernel, and its room still lives.
pub(crate) unsafe fn beside(header: &msghdr) -> Option<(IfIndex, IpAddr, u8)> {
    let (mut to, mut ttl) = (None, None);
    // SAFETY: the macros stay within the room that the header names, and what has these types is as
    // long as is read.
    unsafe {
        let mut at: *mut cmsghdr = libc::CMSG_FIRSTHDR(header);
        while !at.is_null() {
            let data = libc::CMSG_DATA(at);
            match ((*at).cmsg_level, (*at).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<in_pktinfo>().read_unaligned();
                    let address = Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes());
                    let index = u32::try_from(info.ipi_ifindex).ok().and_then(IfIndex::new);
                    to = index.map(|index| (index, IpAddr::V4(address)));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<in6_pktinfo>().read_unaligned();
                    let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    let index = IfIndex::new(info.ipi6_ifindex);
                    to = index.map(|index| (index, IpAddr::V6(address)));
                }
                (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    ttl = u8::try_from(data.cast::<c_int>().read_unaligned()).ok();
                }
                _ => {}
            }
            at = libc::CMSG_NXTHDR(header, at);
        }
    }
    let (index, destination) = to?;
    Some((index, destination, ttl?))
}

/// How many came in by a `recvmmsg(2)`, from what it gave back; `Err(true)`: look again, `Err(false)`:
/// there is nothing.
pub(crate) fn received(got: c_int) -> io::Result<Result<usize, bool>> {
    match usize::try_from(got).map_err(|_| io::Error::last_os_error()) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Err(false)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Err(true)),
        got => got.map(Ok),
    }
}
