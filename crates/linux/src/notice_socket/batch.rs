//! Many words with one call (`sendmmsg(2)`, `recvmmsg(2)`), and no memory asked for: a backup of a
//! thousand virtual routers says five hundred a second, and their holder hears as many.

use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::os::fd::AsRawFd;

use base::{Family, IfIndex};
use libc::{c_int, cmsghdr, in_pktinfo, in6_pktinfo, iovec, mmsghdr, msghdr};
use libc::{sockaddr_in, sockaddr_in6};

use super::NoticeSocket;
use crate::Datagram;

/// Words in one call at most.
pub const WORDS_AT_ONCE: usize = 32;

/// Room for one; what is longer is none of ours, and is cut here.
const LONGEST: usize = 64;

/// What comes or goes beside: where from or to, through which interface, and the TTL.
type Beside = [u64; 9];

/// An address of either family, as the kernel writes it.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    v4: sockaddr_in,
    v6: sockaddr_in6,
}

/// Words on their way out.
#[derive(Debug, Default)]
pub struct OutgoingWords {
    octets: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    index: IfIndex,
    source: IpAddr,
    destination: IpAddr,
    octets: Range<usize>,
}

impl OutgoingWords {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds one that leaves through an interface, from `source`, which must be an address of this
    /// node.
    pub fn push(&mut self, index: IfIndex, source: IpAddr, destination: IpAddr, octets: &[u8]) {
        let begin = self.octets.len();
        self.octets.extend_from_slice(octets);
        let octets = begin..self.octets.len();
        self.entries.push(Entry { index, source, destination, octets });
    }

    /// Drops them unsent; how many that were.
    pub fn forget(&mut self) -> u64 {
        let count = self.entries.len();
        self.octets.clear();
        self.entries.clear();
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

/// Words that came in together.
#[derive(Debug, Default)]
pub struct IncomingWords {
    octets: Vec<u8>,
    datagrams: Vec<(IfIndex, Datagram)>,
}

impl IncomingWords {
    /// Each with the interface it came through and its payload.
    pub fn iter(&self) -> impl Iterator<Item = (IfIndex, &Datagram, &[u8])> {
        let payload = |one: &Datagram| self.octets.get(one.payload.clone());
        self.datagrams.iter().filter_map(move |(index, one)| Some((*index, one, payload(one)?)))
    }
}

impl NoticeSocket {
    /// Sends all of them, of this socket's family, and forgets them. How many could not be sent:
    /// `ENETUNREACH`, `EINVAL` for a source that is not ours.
    pub fn send_all(&self, words: &mut OutgoingWords) -> u64 {
        let mut failed = 0;
        let mut rest = &words.entries[..];
        while !rest.is_empty() {
            let portion = &rest[..rest.len().min(WORDS_AT_ONCE)];
            match self.send_some(&words.octets, portion) {
                Ok(sent) => rest = &rest[sent.clamp(1, rest.len())..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    // The first of them is the one that failed; the others may not.
                    failed += 1;
                    rest = &rest[1..];
                }
            }
        }
        words.forget();
        failed
    }

    fn send_some(&self, octets: &[u8], entries: &[Entry]) -> io::Result<usize> {
        // SAFETY: all of these are integers and pointers, for which zero is a value.
        let (mut headers, mut parts, mut names, mut beside) = unsafe {
            let headers: [mmsghdr; WORDS_AT_ONCE] = zeroed();
            let parts: [iovec; WORDS_AT_ONCE] = zeroed();
            let names: [Name; WORDS_AT_ONCE] = zeroed();
            let beside: [Beside; WORDS_AT_ONCE] = zeroed();
            (headers, parts, names, beside)
        };
        let mut count = 0;
        for (n, entry) in entries.iter().enumerate() {
            let octets = octets.get(entry.octets.clone()).unwrap_or_default();
            // The kernel only reads what is sent.
            parts[n] = iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
            let header = &mut headers[n].msg_hdr;
            header.msg_iov = &raw mut parts[n];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut names[n]).cast();
            header.msg_control = beside[n].as_mut_ptr().cast();
            header.msg_controllen = size_of::<Beside>();
            // One of another family fails when it is the first.
            if !self.address(entry, &mut names[n], header) {
                break;
            }
            count += 1;
        }
        if count == 0 {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // SAFETY: `count` headers are filled in, and all that they point to lives until the end of
        // this function and is as large as they say.
        let sent =
            unsafe { libc::sendmmsg(self.socket.as_raw_fd(), headers.as_mut_ptr(), count, 0) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Writes where one goes and where it comes from; not if that is of another family.
    fn address(&self, entry: &Entry, name: &mut Name, header: &mut msghdr) -> bool {
        let length = match (self.family, entry.source, entry.destination) {
            (Family::V4, IpAddr::V4(source), IpAddr::V4(to)) => {
                let v4 = |ip: Ipv4Addr| libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
                // SAFETY: zero is a value of all its fields.
                let zero: sockaddr_in = unsafe { zeroed() };
                let family = libc::sa_family_t::try_from(libc::AF_INET).unwrap_or(2);
                let port = self.port.to_be();
                name.v4 =
                    sockaddr_in { sin_family: family, sin_port: port, sin_addr: v4(to), ..zero };
                let info = in_pktinfo {
                    ipi_ifindex: i32::try_from(entry.index.get()).unwrap_or(0),
                    ipi_spec_dst: v4(source),
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                // SAFETY: the header names a room that is aligned for a cmsghdr and large enough.
                header.msg_controllen =
                    unsafe { put(header, libc::IPPROTO_IP, libc::IP_PKTINFO, info) };
                size_of::<sockaddr_in>()
            }
            (Family::V6, IpAddr::V6(source), IpAddr::V6(to)) => {
                let v6 = |ip: Ipv6Addr| libc::in6_addr { s6_addr: ip.octets() };
                // SAFETY: zero is a value of all its fields.
                let zero: sockaddr_in6 = unsafe { zeroed() };
                name.v6 = sockaddr_in6 {
                    sin6_family: libc::sa_family_t::try_from(libc::AF_INET6).unwrap_or(10),
                    sin6_port: self.port.to_be(),
                    sin6_addr: v6(to),
                    sin6_scope_id: entry.index.get(),
                    ..zero
                };
                let info = in6_pktinfo { ipi6_addr: v6(source), ipi6_ifindex: entry.index.get() };
                // SAFETY: as above.
                header.msg_controllen =
                    unsafe { put(header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info) };
                size_of::<sockaddr_in6>()
            }
            _ => return false,
        };
        header.msg_namelen = libc::socklen_t::try_from(length).unwrap_or(0);
        true
    }

    /// Takes in what is queued, at most [`WORDS_AT_ONCE`]; whether there may be more.
    ///
    /// # Errors
    /// Only if the socket is broken, or once after the other end of one that was sent refused it.
    pub fn recv_all(&self, words: &mut IncomingWords) -> io::Result<bool> {
        words.datagrams.clear();
        words.octets.resize(LONGEST * WORDS_AT_ONCE, 0);
        // SAFETY: all of these are integers and pointers, for which zero is a value.
        let (mut headers, mut parts, mut names, mut beside) = unsafe {
            let headers: [mmsghdr; WORDS_AT_ONCE] = zeroed();
            let parts: [iovec; WORDS_AT_ONCE] = zeroed();
            let names: [Name; WORDS_AT_ONCE] = zeroed();
            (headers, parts, names, [MaybeUninit::<Beside>::uninit(); WORDS_AT_ONCE])
        };
        for (n, octets) in words.octets.chunks_exact_mut(LONGEST).enumerate() {
            parts[n] = iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: LONGEST };
            let header = &mut headers[n].msg_hdr;
            header.msg_iov = &raw mut parts[n];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut names[n]).cast();
            header.msg_namelen = libc::socklen_t::try_from(size_of::<Name>()).unwrap_or(0);
            header.msg_control = beside[n].as_mut_ptr().cast();
            header.msg_controllen = size_of::<Beside>();
        }
        let most = u32::try_from(WORDS_AT_ONCE).unwrap_or(1);
        let (fd, no_time) = (self.socket.as_raw_fd(), std::ptr::null_mut());
        // SAFETY: as many headers as are named are filled in, and all that they point to lives until
        // the end of this function and is as large as they say.
        let got = unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), most, 0, no_time) };
        let got = match usize::try_from(got).map_err(|_| io::Error::last_os_error()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            got => got?,
        };
        for (n, header) in headers.iter().enumerate().take(got) {
            let begin = n * LONGEST;
            let length = usize::try_from(header.msg_len).unwrap_or(0).min(LONGEST);
            let whole = begin..begin + length;
            let source = match self.family {
                Family::V4 => {
                    // SAFETY: `names` was zero before; any octets are a value of either.
                    let address = unsafe { names[n].v4.sin_addr.s_addr };
                    IpAddr::V4(Ipv4Addr::from(address.to_ne_bytes()))
                }
                Family::V6 => {
                    // SAFETY: as above.
                    let address = unsafe { names[n].v6.sin6_addr.s6_addr };
                    IpAddr::V6(Ipv6Addr::from(address))
                }
            };
            // SAFETY: the kernel has filled in the header and what it points to.
            let found = unsafe { beside_it(&header.msg_hdr) };
            // No kernel delivers one without; passing it over beats trusting it.
            words.datagrams.extend(found.map(|(index, destination, ttl)| {
                let payload = whole.clone();
                (index, Datagram { source, destination, ttl, payload, whole })
            }));
        }
        Ok(got == WORDS_AT_ONCE)
    }
}

/// Writes the one thing that goes beside; how much room it takes.
///
/// # Safety
/// The header names a room that is aligned for a [`cmsghdr`] and large enough for a `T` in it.
unsafe fn put<T>(header: &msghdr, level: c_int, kind: c_int, value: T) -> usize {
    let size = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: as promised by the caller; so there is a first one.
    unsafe {
        let at = libc::CMSG_FIRSTHDR(header);
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
unsafe fn beside_it(header: &msghdr) -> Option<(IfIndex, IpAddr, u8)> {
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
