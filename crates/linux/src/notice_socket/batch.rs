//! Many words with one call (`sendmmsg(2)`, `recvmmsg(2)`), and no memory asked for: a backup of a
//! thousand virtual routers says five hundred a second, and their holder hears as many.

use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::net::IpAddr;
use std::ops::Range;
use std::os::fd::AsRawFd;

use base::{Family, IfIndex};
use libc::{iovec, mmsghdr};

use super::NoticeSocket;
use crate::Datagram;
use crate::many::{
    AT_ONCE, Beside, Name, beside as found_beside, put_beside, received, send_portions,
};

/// Room for one; what is longer is none of ours, and is cut here.
const LONGEST: usize = 64;

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
        let failed =
            send_portions(&words.entries, |portion| self.send_some(&words.octets, portion));
        words.forget();
        failed
    }

    fn send_some(&self, octets: &[u8], entries: &[Entry]) -> io::Result<usize> {
        // SAFETY: all of these are integers and pointers, for which zero is a value.
        let (mut headers, mut parts, mut names, mut beside) = unsafe {
            let headers: [mmsghdr; AT_ONCE] = zeroed();
            let parts: [iovec; AT_ONCE] = zeroed();
            let names: [Name; AT_ONCE] = zeroed();
            let beside: [Beside; AT_ONCE] = zeroed();
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
            // One of another family fails when it is the first.
            let ours = |ip: IpAddr| Family::of(&ip) == self.family;
            if !ours(entry.source) || !ours(entry.destination) {
                break;
            }
            header.msg_name = (&raw mut names[n]).cast();
            header.msg_namelen = names[n].set(entry.destination, self.port, entry.index);
            header.msg_control = beside[n].as_mut_ptr().cast();
            header.msg_controllen = size_of::<Beside>();
            // SAFETY: the header has just been given such a room.
            unsafe { put_beside(header, entry.source, entry.index, None) };
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

    /// Takes in what is queued, at most so many as one call takes; whether there may be more.
    ///
    /// # Errors
    /// Only if the socket is broken, or once after the other end of one that was sent refused it.
    pub fn recv_all(&self, words: &mut IncomingWords) -> io::Result<bool> {
        words.datagrams.clear();
        words.octets.resize(LONGEST * AT_ONCE, 0);
        // SAFETY: all of these are integers and pointers, for which zero is a value.
        let (mut headers, mut parts, mut names, mut beside) = unsafe {
            let headers: [mmsghdr; AT_ONCE] = zeroed();
            let parts: [iovec; AT_ONCE] = zeroed();
            let names: [Name; AT_ONCE] = zeroed();
            (headers, parts, names, [MaybeUninit::<Beside>::uninit(); AT_ONCE])
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
            let begin = n * LONGEST;
            let length = usize::try_from(header.msg_len).unwrap_or(0).min(LONGEST);
            let whole = begin..begin + length;
            let source = names[n].ip(self.family);
            // SAFETY: the kernel has filled in the header and what it points to.
            let found = unsafe { found_beside(&header.msg_hdr) };
            // No kernel delivers one without; passing it over beats trusting it.
            words.datagrams.extend(found.map(|(index, destination, ttl)| {
                let payload = whole.clone();
                (index, Datagram { source, destination, ttl, payload, whole })
            }));
        }
        Ok(got == AT_ONCE)
    }
}
