//! Many adverts with one call (`sendmmsg(2)`, `recvmmsg(2)`): a node with a thousand virtual routers
//! sends and hears ten thousand a second, and most of what each costs is the way into the kernel.

use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;
use std::os::fd::AsRawFd;

use base::Family;
use libc::{c_int, cmsghdr, in6_pktinfo, iovec, mmsghdr, msghdr, sockaddr_in, sockaddr_in6};

use super::{Datagram, Receiver, Sender, header_v4};

/// Adverts in one call at most.
pub const AT_ONCE: usize = 32;

/// Room for one: the longest advert of a family, signed, with a header that has all its options.
/// What is longer is none, and is counted by its length, which is cut here.
const LONGEST_V4: usize = 1280;
const LONGEST_V6: usize = 4352;

/// What comes or goes beside an IPv6 advert: its hop limit and where it is sent from or to.
type Beside = [u64; 9];

/// An address of either family, as the kernel writes it.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    v4: sockaddr_in,
    v6: sockaddr_in6,
}

/// Adverts on their way out of one interface.
#[derive(Debug, Default)]
pub struct Outgoing {
    octets: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    octets: Range<usize>,
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
}

impl Outgoing {
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

    /// Adds one: for IPv4 a whole datagram as for [`Sender::send_v4`], for IPv6 a payload as for
    /// [`Sender::send_v6`].
    pub fn push(&mut self, octets: &[u8], source: IpAddr, destination: IpAddr, ttl: u8) {
        let begin = self.octets.len();
        self.octets.extend_from_slice(octets);
        let octets = begin..self.octets.len();
        self.entries.push(Entry { octets, source, destination, ttl });
    }

    fn clear(&mut self) {
        self.octets.clear();
        self.entries.clear();
    }
}

impl Sender {
    /// Sends all of them, of this socket's family, and forgets them. How many could not be sent: see
    /// [`Sender::send_v4`] for why that may be.
    pub fn send_all(&self, adverts: &mut Outgoing) -> u64 {
        let mut failed = 0;
        let mut rest = &adverts.entries[..];
        while !rest.is_empty() {
            let portion = &rest[..rest.len().min(AT_ONCE)];
            match self.send_some(&adverts.octets, portion) {
                Ok(sent) => rest = &rest[sent.clamp(1, rest.len())..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    // The first of them is the one that failed; the others may not.
                    failed += 1;
                    rest = &rest[1..];
                }
            }
        }
        adverts.clear();
        failed
    }

    fn send_some(&self, octets: &[u8], entries: &[Entry]) -> io::Result<usize> {
        // SAFETY: all of these are integers and pointers, for which zero is a value.
        let (mut headers, mut parts, mut names, mut beside) = unsafe {
            let headers: [mmsghdr; AT_ONCE] = zeroed();
            let parts: [iovec; AT_ONCE] = zeroed();
            let names: [Name; AT_ONCE] = zeroed();
            (headers, parts, names, [[0_u64; 9]; AT_ONCE])
        };
        for (n, entry) in entries.iter().enumerate() {
            let octets = octets.get(entry.octets.clone()).unwrap_or_default();
            // The kernel only reads what is sent.
            parts[n] = iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
            let header = &mut headers[n].msg_hdr;
            header.msg_iov = &raw mut parts[n];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut names[n]).cast();
            header.msg_namelen = self.name(entry, &mut names[n])?;
            if self.family == Family::V6 {
                header.msg_control = beside[n].as_mut_ptr().cast();
                header.msg_controllen = size_of::<Beside>();
                self.put_beside(entry, header)?;
            }
        }
        let count = u32::try_from(entries.len()).unwrap_or(0);
        // SAFETY: `count` headers are filled in, and all that they point to lives until the end of
        // this function and is as large as they say.
        let sent =
            unsafe { libc::sendmmsg(self.socket.as_raw_fd(), headers.as_mut_ptr(), count, 0) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Writes where it goes; the length of that.
    fn name(&self, entry: &Entry, name: &mut Name) -> io::Result<libc::socklen_t> {
        let length = match (self.family, entry.destination) {
            (Family::V4, IpAddr::V4(to)) => {
                let to = libc::in_addr { s_addr: u32::from_ne_bytes(to.octets()) };
                // SAFETY: zero is a value of all its fields.
                let zero: sockaddr_in = unsafe { zeroed() };
                let family = libc::sa_family_t::try_from(libc::AF_INET).unwrap_or(2);
                name.v4 = sockaddr_in { sin_family: family, sin_addr: to, ..zero };
                size_of::<sockaddr_in>()
            }
            (Family::V6, IpAddr::V6(to)) => {
                // SAFETY: zero is a value of all its fields.
                let zero: sockaddr_in6 = unsafe { zeroed() };
                let family = libc::sa_family_t::try_from(libc::AF_INET6).unwrap_or(10);
                name.v6 = sockaddr_in6 {
                    sin6_family: family,
                    sin6_addr: libc::in6_addr { s6_addr: to.octets() },
                    sin6_scope_id: self.index.get(),
                    ..zero
                };
                size_of::<sockaddr_in6>()
            }
            _ => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
        };
        libc::socklen_t::try_from(length).map_err(io::Error::other)
    }

    /// Writes the source and the hop limit of an IPv6 advert.
    fn put_beside(&self, entry: &Entry, header: &mut msghdr) -> io::Result<()> {
        let IpAddr::V6(source) = entry.source else {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        };
        let info = in6_pktinfo {
            ipi6_addr: libc::in6_addr { s6_addr: source.octets() },
            ipi6_ifindex: self.index.get(),
        };
        let hops = c_int::from(entry.ttl);
        // SAFETY: the room that the header names is aligned for a cmsghdr and large enough for these
        // two, so neither CMSG_FIRSTHDR nor CMSG_NXTHDR gives a null pointer.
        unsafe {
            let first = libc::CMSG_FIRSTHDR(header);
            put(first, libc::IPV6_PKTINFO, info);
            let second = libc::CMSG_NXTHDR(header, first);
            put(second, libc::IPV6_HOPLIMIT, hops);
        }
        Ok(())
    }
}

/// Writes one thing that goes beside.
///
/// # Safety
/// `at` is valid and has room for `T` behind it.
unsafe fn put<T>(at: *mut cmsghdr, kind: c_int, value: T) {
    let size = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: as promised by the caller.
    unsafe {
        (*at).cmsg_level = libc::IPPROTO_IPV6;
        (*at).cmsg_type = kind;
        (*at).cmsg_len = usize::try_from(libc::CMSG_LEN(size)).unwrap_or(0);
        libc::CMSG_DATA(at).cast::<T>().write_unaligned(value);
    }
}

/// Adverts that came in together.
#[derive(Debug, Default)]
pub struct Incoming {
    octets: Vec<u8>,
    datagrams: Vec<Datagram>,
}

impl Incoming {
    /// Each with its payload.
    pub fn iter(&self) -> impl Iterator<Item = (&Datagram, &[u8])> {
        let payload = |datagram: &Datagram| self.octets.get(datagram.payload.clone());
        self.datagrams.iter().filter_map(move |one| Some((one, payload(one)?)))
    }
}

impl Receiver {
    /// Takes in what is queued, at most [`AT_ONCE`]; whether there may be more. Ranges are places in
    /// [`Incoming`]'s room.
    ///
    /// # Errors
    /// As for [`Receiver::recv`].
    pub fn recv_all(&self, incoming: &mut Incoming) -> io::Result<bool> {
        let room = match self.family {
            Family::V4 => LONGEST_V4,
            Family::V6 => LONGEST_V6,
        };
        incoming.datagrams.clear();
        if incoming.octets.len() < room * AT_ONCE {
            incoming.octets.resize(room * AT_ONCE, 0);
        }
        // SAFETY: all of these are integers and pointers, for which zero is a value.
        let (mut headers, mut parts, mut names, mut beside) = unsafe {
            let headers: [mmsghdr; AT_ONCE] = zeroed();
            let parts: [iovec; AT_ONCE] = zeroed();
            let names: [Name; AT_ONCE] = zeroed();
            (headers, parts, names, [MaybeUninit::<Beside>::uninit(); AT_ONCE])
        };
        for (n, octets) in incoming.octets.chunks_exact_mut(room).take(AT_ONCE).enumerate() {
            parts[n] = iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: room };
            let header = &mut headers[n].msg_hdr;
            header.msg_iov = &raw mut parts[n];
            header.msg_iovlen = 1;
            if self.family == Family::V6 {
                header.msg_name = (&raw mut names[n]).cast();
                header.msg_namelen = libc::socklen_t::try_from(size_of::<Name>()).unwrap_or(0);
                header.msg_control = beside[n].as_mut_ptr().cast();
                header.msg_controllen = size_of::<Beside>();
            }
        }
        let most = u32::try_from(AT_ONCE).unwrap_or(1);
        let (fd, no_time) = (self.socket.as_raw_fd(), std::ptr::null_mut());
        // SAFETY: as many headers as are named are filled in, and all that they point to lives until
        // the end of this function and is as large as they say.
        let got = unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), most, 0, no_time) };
        let got = usize::try_from(got).map_err(|_| io::Error::last_os_error());
        let got = match got {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            got => got?,
        };
        for (n, header) in headers.iter().enumerate().take(got) {
            let begin = n * room;
            let length = usize::try_from(header.msg_len).unwrap_or(0).min(room);
            let whole = begin..begin + length;
            let found = match self.family {
                Family::V4 => header_v4(incoming.octets.get(whole.clone()).unwrap_or_default())
                    .map(|found| Datagram {
                        payload: begin + found.payload.start..begin + found.payload.end,
                        whole,
                        ..found
                    }),
                // SAFETY: the kernel has filled in the header and what it points to.
                Family::V6 => unsafe { beside_v6(&header.msg_hdr, &names[n]) }.map(
                    |(source, destination, ttl)| Datagram {
                        source: source.into(),
                        destination: destination.into(),
                        ttl,
                        payload: whole.clone(),
                        whole,
                    },
                ),
            };
            // No kernel delivers one without; passing it over beats trusting it.
            incoming.datagrams.extend(found);
        }
        Ok(got == AT_ONCE)
    }
}

/// Who sent an IPv6 datagram, to where, and its hop limit on arrival.
///
/// # Safety
/// The header was filled in by the kernel, and its room still lives.
unsafe fn beside_v6(header: &msghdr, name: &Name) -> Option<(Ipv6Addr, Ipv6Addr, u8)> {
    let (mut destination, mut ttl) = (None, None);
    // SAFETY: the macros stay within the room that the header names, and what has these types is as
    // long as is read. `name` was zero before, which is a value of a sockaddr_in6.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(header);
        while !at.is_null() {
            if (*at).cmsg_level == libc::IPPROTO_IPV6 {
                let data = libc::CMSG_DATA(at);
                if (*at).cmsg_type == libc::IPV6_PKTINFO {
                    let info = data.cast::<in6_pktinfo>().read_unaligned();
                    destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
                } else if (*at).cmsg_type == libc::IPV6_HOPLIMIT {
                    ttl = u8::try_from(data.cast::<c_int>().read_unaligned()).ok();
                }
            }
            at = libc::CMSG_NXTHDR(header, at);
        }
        let source = Ipv6Addr::from(name.v6.sin6_addr.s6_addr);
        Some((source, destination?, ttl?))
    }
}
