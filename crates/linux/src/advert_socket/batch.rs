//! Many adverts with one call (`sendmmsg(2)`, `recvmmsg(2)`): a node with a thousand virtual routers
//! sends and hears ten thousand a second, and most of what each costs is the way into the kernel.

use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::net::IpAddr;
use std::ops::Range;
use std::os::fd::AsRawFd;

use base::Family;
use libc::{iovec, mmsghdr};

use super::{Datagram, Receiver, Sender, header_v4};
use crate::many::{
    AT_ONCE, Beside, Name, beside as found_beside, put_beside, received, send_portions,
};

/// Room for one: the longest advert of a family, signed, with a header that has all its options.
/// What is longer is none, and is counted by its length, which is cut here.
const LONGEST_V4: usize = 1280;
const LONGEST_V6: usize = 4352;

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
        let failed =
            send_portions(&adverts.entries, |portion| self.send_some(&adverts.octets, portion));
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
            let ours = |ip: IpAddr| Family::of(&ip) == self.family;
            if !ours(entry.destination) || (self.family == Family::V6 && !ours(entry.source)) {
                return Err(io::Error::from_raw_os_error(libc::EINVAL));
            }
            header.msg_namelen = names[n].set(entry.destination, 0, self.index);
            if self.family == Family::V6 {
                header.msg_control = beside[n].as_mut_ptr().cast();
                header.msg_controllen = size_of::<Beside>();
                // SAFETY: the header has just been given such a room.
                unsafe { put_beside(header, entry.source, self.index, Some(entry.ttl)) };
            }
        }
        let count = u32::try_from(entries.len()).unwrap_or(0);
        // SAFETY: `count` headers are filled in, and all that they point to lives until the end of
        // this function and is as large as they say.
        let sent =
            unsafe { libc::sendmmsg(self.socket.as_raw_fd(), headers.as_mut_ptr(), count, 0) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
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
        let got = match received(got)? {
            Ok(got) => got,
            Err(more) => return Ok(more),
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
                Family::V6 => {
                    // SAFETY: the kernel has filled in the header and what it points to.
                    let found = unsafe { found_beside(&header.msg_hdr) };
                    found.map(|(_, destination, ttl)| {
                        let source = names[n].ip(Family::V6);
                        Datagram { source, destination, ttl, payload: whole.clone(), whole }
                    })
                }
            };
            // No kernel delivers one without; passing it over beats trusting it.
            incoming.datagrams.extend(found);
        }
        Ok(got == AT_ONCE)
    }
}
