//! Talking to the kernel's routing socket (`rtnetlink(7)`): many requests in one send, one outcome
//! for each, and dumps. Only the last request of a send asks to be acknowledged; the kernel names each
//! one it refuses anyway.
//!
//! rtnetlink does its work *inside* `send()`: when that returns, every message in the buffer has
//! been carried out and every acknowledgement is already queued on our socket. So nothing here
//! waits for the kernel. What has not answered when the queue is empty has lost its answer, and its
//! outcome is [`NO_ANSWER`], never a guess.
//!
//! The codecs are netlink-packet-route's, which change shape monthly: this file and its neighbours
//! in this room are the only ones that see them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, IntoRawFd as _, OwnedFd};

use base::Errno;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
    NetlinkBuffer, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable, NlasIterator, Parseable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// Most messages in one send. Measured: more gains nothing and holds the routing lock longer.
pub const MAX_PER_SEND: usize = 256;

/// The outcome of a request whose answer was lost for want of buffer space (`ENOBUFS`): it may or
/// may not have been carried out, and only a look at the kernel can tell.
pub const NO_ANSWER: Errno = Errno(libc::ENOBUFS);

/// Octets in one send, well below the default send buffer of 208 KiB.
const MAX_SEND: usize = 64 * 1024;
/// The kernel builds dumps in pieces of at most 32 KiB; one link with many attributes may be longer.
const RECEIVE_BUFFER: usize = 256 * 1024;
/// Room for the answers of one send: each is charged about 1 KiB.
const RECEIVE_QUEUE: usize = 2 * 1024 * 1024;
/// How often a dump is taken again when the kernel says that the list changed under it.
const DUMP_TRIES: u32 = 64;

const HEADER: usize = 16;
/// Where the flags are in it.
const FLAGS: usize = 6;
pub(crate) const NLMSG_ERROR: u16 = 2;
pub(crate) const NLMSG_DONE: u16 = 3;
/// `NLMSGERR_ATTR_MSG` of `linux/netlink.h`.
const ATTR_MSG: u16 = 1;

/// One message with its flags, beyond `NLM_F_REQUEST`, which is always set.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked.
    pub message: RouteNetlinkMessage,
    /// `NLM_F_CREATE`, `NLM_F_REPLACE`, `NLM_F_EXCL`, `NLM_F_APPEND`, or 0.
    pub flags: u16,
}

/// The kernel's no.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Refusal {
    /// The error number.
    pub errno: Errno,
    /// What the kernel had to say about it (`NLMSGERR_ATTR_MSG`), if anything.
    pub text: Option<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.text {
            Some(text) => write!(f, "{}: {text}", self.errno),
            None => write!(f, "{}", self.errno),
        }
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Refusal { errno, text: None }
    }
}

/// Why a conversation with the routing socket failed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The socket itself failed.
    #[error("netlink socket: {0}")]
    Io(#[from] io::Error),
    /// The kernel refused the request.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The kernel's answer could not be read.
    #[error("netlink answer not understood: {0}")]
    Undecodable(String),
    /// The list kept changing while it was read.
    #[error("the kernel's list changed during each of {DUMP_TRIES} attempts to read it")]
    Unsteady,
}

/// A routing socket in the network namespace in which it was opened. Answers only; for changes made
/// by others see [`Monitor`](crate::Monitor).
#[derive(Debug)]
pub struct RouteSocket {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl From<RouteSocket> for OwnedFd {
    fn from(socket: RouteSocket) -> Self {
        // SAFETY: the descriptor is open, and nobody else's any more.
        unsafe { OwnedFd::from_raw_fd(socket.socket.into_raw_fd()) }
    }
}

impl RouteSocket {
    /// Opens one in the calling thread's network namespace. Needs no privilege; most requests do.
    ///
    /// # Errors
    /// Whatever `socket(2)`, `bind(2)` or `setsockopt(2)` say.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        socket.set_netlink_get_strict_chk(true)?;
        set_receive_queue(socket.as_fd(), RECEIVE_QUEUE)?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; RECEIVE_BUFFER] })
    }

    /// One that another process has opened, in whichever network namespace that worked.
    #[must_use]
    pub fn over(socket: OwnedFd) -> Self {
        // SAFETY: the descriptor is open and ours; a netlink socket has no state outside the kernel.
        let socket = unsafe { Socket::from_raw_fd(socket.into_raw_fd()) };
        Self { socket, sequence: 0, buffer: vec![0; RECEIVE_BUFFER] }
    }

    /// Carries out one request.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`] with the kernel's reason, or a failing socket.
    pub fn request(&mut self, request: &Request) -> Result<(), NetlinkError> {
        let outcome = self.request_all(std::slice::from_ref(request))?.pop();
        outcome.unwrap_or_else(|| Err(NO_ANSWER.into())).map_err(NetlinkError::Refused)
    }

    /// Carries out all `requests` in order, up to [`MAX_PER_SEND`] in one send. Later ones are tried
    /// even if earlier ones fail. One outcome for each request, in the same order.
    ///
    /// # Errors
    /// Only if the socket fails; what was sent before may have been carried out.
    pub fn request_all(&mut self, requests: &[Request]) -> io::Result<Vec<Result<(), Refusal>>> {
        let mut outcomes = vec![Err(Refusal::from(NO_ANSWER)); requests.len()];
        let mut done = 0;
        while done < requests.len() {
            let first = self.sequence.wrapping_add(1);
            let mut out = Vec::new();
            let mut count = 0;
            let mut last = 0;
            for request in requests[done..].iter().take(MAX_PER_SEND) {
                let start = out.len();
                self.sequence = self.sequence.wrapping_add(1);
                let flags = NLM_F_REQUEST | request.flags;
                append(&mut out, request.message.clone(), flags, self.sequence);
                if out.len() > MAX_SEND && count > 0 {
                    out.truncate(start);
                    self.sequence = self.sequence.wrapping_sub(1);
                    break;
                }
                last = start;
                count += 1;
            }
            acknowledge(&mut out[last..]);
            self.send(&out)?;
            self.collect(first, &mut outcomes[done..done + count])?;
            done += count;
        }
        Ok(outcomes)
    }

    /// Reads a whole list, typed. Messages of kinds the codec does not know are an error, so prefer
    /// [`dump_with`](Self::dump_with) where a strange attribute must not blind us.
    ///
    /// # Errors
    /// See [`NetlinkError`].
    pub fn dump(
        &mut self,
        message: &RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        self.dump_with(message, |header, payload| {
            RouteNetlinkMessage::deserialize(header, payload)
                .map(Some)
                .map_err(|error| NetlinkError::Undecodable(error.to_string()))
        })
    }

    /// Reads a whole list, decoding each entry with `decode` (`None` skips it). A list that changed
    /// while it was read (`NLM_F_DUMP_INTR`) is read again from the start, so that what is returned
    /// was true at one moment.
    ///
    /// # Errors
    /// See [`NetlinkError`]; and what `decode` returns.
    pub fn dump_with<T>(
        &mut self,
        message: &RouteNetlinkMessage,
        mut decode: impl FnMut(&NetlinkHeader, &[u8]) -> Result<Option<T>, NetlinkError>,
    ) -> Result<Vec<T>, NetlinkError> {
        for _ in 0..DUMP_TRIES {
            let mut found = Vec::new();
            self.sequence = self.sequence.wrapping_add(1);
            let mut out = Vec::new();
            append(&mut out, message.clone(), NLM_F_REQUEST | NLM_F_DUMP, self.sequence);
            self.send(&out)?;
            if self.read_dump(|header, payload| {
                found.extend(decode(header, payload)?);
                Ok(())
            })? {
                return Ok(found);
            }
        }
        Err(NetlinkError::Unsteady)
    }

    /// Reads one dump to its end; whether it was steady. Reads to the end even if an entry cannot be
    /// decoded, for the next request on this socket must not meet its remains.
    fn read_dump(
        &mut self,
        mut each: impl FnMut(&NetlinkHeader, &[u8]) -> Result<(), NetlinkError>,
    ) -> Result<bool, NetlinkError> {
        let mut steady = true;
        let mut trouble = None;
        loop {
            // A dump is continued by each receive; the flag only keeps a lost end from hanging us.
            let Some(length) = receive(&self.socket, &mut self.buffer)? else {
                return Err(NetlinkError::Refused(NO_ANSWER.into()));
            };
            for message in Messages::new(&self.buffer[..length]) {
                let (header, payload) = message?;
                if header.sequence_number != self.sequence {
                    continue;
                }
                steady &= header.flags & NLM_F_DUMP_INTR == 0;
                match header.message_type {
                    NLMSG_DONE | NLMSG_ERROR => {
                        let result = outcome(&header, payload);
                        return match (trouble, result) {
                            (Some(trouble), _) => Err(trouble),
                            (None, Err(refusal)) => Err(refusal.into()),
                            (None, Ok(())) => Ok(steady),
                        };
                    }
                    _ if trouble.is_none() => trouble = each(&header, payload).err(),
                    _ => {}
                }
            }
        }
    }

    fn send(&self, out: &[u8]) -> io::Result<()> {
        let sent = retry(|| self.socket.send(out, 0))?;
        if sent == out.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Takes the answers to one send off the queue: the refusals, and the acknowledgement of the
    /// last request, which comes behind them. What was neither refused nor lost was carried out.
    fn collect(&mut self, first: u32, outcomes: &mut [Result<(), Refusal>]) -> io::Result<()> {
        let (mut answered, mut complete) = (vec![false; outcomes.len()], true);
        while answered.last() == Some(&false) {
            let length = match receive(&self.socket, &mut self.buffer) {
                Ok(Some(length)) => length,
                Ok(None) => return Ok(()),
                // Some answers did not fit into the queue; the others are still in it.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    complete = false;
                    continue;
                }
                Err(error) => return Err(error),
            };
            for message in Messages::new(&self.buffer[..length]) {
                let Ok((header, payload)) = message else { break };
                let number = usize::try_from(header.sequence_number.wrapping_sub(first));
                let slot = number.ok().filter(|number| *number < outcomes.len());
                // Whatever is no answer to this send (an echo, a late answer) is passed over.
                if let (NLMSG_ERROR, Some(slot)) = (header.message_type, slot) {
                    outcomes[slot] = outcome(&header, payload);
                    answered[slot] = true;
                }
            }
        }
        for (outcome, answered) in outcomes.iter_mut().zip(answered) {
            if complete && !answered {
                *outcome = Ok(());
            }
        }
        Ok(())
    }
}

impl AsFd for RouteSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Asks for a receive queue of `octets`, beyond the system's limit where we have the right.
pub(crate) fn set_receive_queue(fd: BorrowedFd<'_>, octets: usize) -> io::Result<()> {
    rustix::net::sockopt::set_socket_recv_buffer_size_force(fd, octets)
        .or_else(|_| rustix::net::sockopt::set_socket_recv_buffer_size(fd, octets))?;
    Ok(())
}

/// Receives what is queued without waiting; `None` when nothing is.
pub(crate) fn receive(socket: &Socket, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    let capacity = buffer.len();
    loop {
        match socket.recv(&mut &mut *buffer, libc::MSG_DONTWAIT | libc::MSG_TRUNC) {
            Ok(length) if length <= capacity => return Ok(Some(length)),
            Ok(_) => return Err(io::Error::other("netlink message longer than the buffer")),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

pub(crate) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Encodes one message at the end of `out`, padded to four octets.
pub(crate) fn append<M: NetlinkSerializable>(
    out: &mut Vec<u8>,
    message: M,
    flags: u16,
    sequence: u32,
) {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    message.finalize();
    let start = out.len();
    out.resize(start + message.buffer_len(), 0);
    message.serialize(&mut out[start..]);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Asks for an acknowledgement of the encoded message at the start of `message`.
fn acknowledge(message: &mut [u8]) {
    if let Some(flags) = message.get_mut(FLAGS..).and_then(|rest| rest.first_chunk_mut()) {
        *flags = (u16::from_ne_bytes(*flags) | NLM_F_ACK).to_ne_bytes();
    }
}

/// What an `NLMSG_ERROR` or `NLMSG_DONE` says: zero is yes, a negative error number is no, perhaps
/// with a text.
pub(crate) fn outcome(header: &NetlinkHeader, payload: &[u8]) -> Result<(), Refusal> {
    let code = payload.first_chunk().map_or(0, |octets| i32::from_ne_bytes(*octets));
    if code == 0 {
        return Ok(());
    }
    let mut text = None;
    if header.flags & NLM_F_ACK_TLVS != 0 {
        // An error quotes the request: its header only if "capped", else all of it. Done does not.
        let quoted = match header.message_type {
            NLMSG_DONE => 0,
            _ if header.flags & NLM_F_CAPPED != 0 => HEADER,
            _ => payload.get(4..8).and_then(|l| l.first_chunk()).map_or(HEADER, |length| {
                let length = u32::from_ne_bytes(*length);
                usize::try_from(length).unwrap_or(HEADER).next_multiple_of(4)
            }),
        };
        let attributes = payload.get(4 + quoted..).unwrap_or_default();
        text = NlasIterator::new(attributes).map_while(Result::ok).find(|a| a.kind() == ATTR_MSG);
    }
    let text = text.map(|attribute| {
        String::from_utf8_lossy(attribute.value()).trim_end_matches('\0').to_owned()
    });
    Err(Refusal { errno: Errno(code.saturating_neg()), text })
}

/// The messages in one received buffer.
pub(crate) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    pub(crate) fn new(buffer: &'a [u8]) -> Self {
        Self { rest: buffer }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<(NetlinkHeader, &'a [u8]), NetlinkError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let bad = |error: &dyn std::fmt::Display| NetlinkError::Undecodable(error.to_string());
        let whole = std::mem::take(&mut self.rest);
        let header = match NetlinkBuffer::new_checked(whole)
            .and_then(|buffer| NetlinkHeader::parse(&buffer))
        {
            Ok(header) => header,
            Err(error) => return Some(Err(bad(&error))),
        };
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let Some(payload) = whole.get(HEADER..length) else {
            return Some(Err(bad(&"a length beyond the buffer")));
        };
        self.rest = whole.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok((header, payload)))
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::NLM_F_CREATE;
    use netlink_packet_route::address::{AddressAttribute, AddressMessage};
    use netlink_packet_route::link::{LinkFlags, LinkMessage};
    use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

    use super::*;
    use crate::testing::in_namespace;

    fn set_up(index: u32) -> Request {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        Request { message: RouteNetlinkMessage::SetLink(message), flags: 0 }
    }

    fn add(index: u32, last: u8) -> Request {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = 32;
        message.header.index = index;
        message.attributes.push(AddressAttribute::Local([10, 0, 0, last].into()));
        Request { message: RouteNetlinkMessage::NewAddress(message), flags: NLM_F_CREATE }
    }

    #[test]
    fn a_refusal_carries_errno_and_the_kernels_words() {
        in_namespace(|| {
            let mut socket = RouteSocket::open().unwrap();
            match socket.request(&add(9999, 1)) {
                Err(NetlinkError::Refused(refusal)) => {
                    assert_eq!(refusal.errno, Errno::NODEV);
                    assert!(refusal.text.is_some_and(|text| !text.is_empty()));
                }
                other => panic!("{other:?}"),
            }
        });
    }

    #[test]
    fn every_request_has_its_own_outcome_across_sends() {
        in_namespace(|| {
            let mut socket = RouteSocket::open().unwrap();
            let requests: Vec<_> =
                (0..600u32).map(|n| if n % 7 == 3 { set_up(9999) } else { set_up(1) }).collect();
            let outcomes = socket.request_all(&requests).unwrap();
            for (n, outcome) in outcomes.iter().enumerate() {
                let refused = outcome.as_ref().err().map(|refusal| refusal.errno);
                assert_eq!(refused, (n % 7 == 3).then_some(Errno::NODEV), "request {n}");
            }
        });
    }

    #[test]
    fn a_dump_shows_what_was_changed_before() {
        in_namespace(|| {
            let mut socket = RouteSocket::open().unwrap();
            let ask = RouteNetlinkMessage::GetLink(LinkMessage::default());
            let is_up = |socket: &mut RouteSocket| {
                let links = socket.dump(&ask).unwrap();
                assert_eq!(links.len(), 1, "a fresh namespace has only lo");
                match &links[0] {
                    RouteNetlinkMessage::NewLink(link) => link.header.flags.contains(LinkFlags::Up),
                    other => panic!("{other:?}"),
                }
            };
            assert!(!is_up(&mut socket));
            socket.request(&set_up(1)).unwrap();
            assert!(is_up(&mut socket));
        });
    }

    #[test]
    fn a_cut_message_is_refused_not_read_beyond() {
        let mut out = Vec::new();
        append(&mut out, set_up(1).message, 0, 7);
        assert_eq!(Messages::new(&out).filter(Result::is_ok).count(), 1);
        for length in 1..out.len() {
            assert!(Messages::new(&out[..length]).all(|m| m.is_err()), "{length}");
        }
    }
}
