//! A two-way line between two roles: typed messages over a Unix socket pair.
//!
//! Neither end ever waits for the other. What the other does not take is kept, up to a limit that
//! the owner chooses: who may lose messages (events to a stalled observer) asks before sending, who
//! may not never reaches it.
//!
//! Keys travel so, from role to role. What has been handed out or taken by the other end is overwritten.
//!
//! A message can bring a descriptor along, which is how roles that cannot open something themselves
//! come by it: a line to another role, the control socket.

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use linux::{Interest, Poll, fd_stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroize as _;

/// Octets of a frame's length field.
const HEADER: usize = 4;

/// Octets read at once, and kept room for when there is nothing on its way.
const CHUNK: usize = 16 * 1024;

/// One end: sends `S`, receives `R`.
pub(crate) struct Channel<S, R> {
    stream: UnixStream,
    outgoing: VecDeque<u8>,
    /// Descriptors on their way, each with the place of its first octet in all that was ever sent.
    outgoing_fds: VecDeque<(u64, OwnedFd)>,
    /// Octets ever sent.
    sent: u64,
    incoming: Vec<u8>,
    incoming_fds: Vec<OwnedFd>,
    /// Octets of `incoming` already handed out.
    taken: usize,
    closed: bool,
    /// A message on its way into `outgoing`: kept for its room.
    scratch: Vec<u8>,
    /// What [`Channel::watch`] last asked for.
    watched: Interest,
    types: PhantomData<fn(S) -> R>,
}

impl<S, R> Channel<S, R> {
    /// Both ends of a new line.
    pub(crate) fn pair() -> io::Result<(Self, Channel<R, S>)> {
        let (near, far) = UnixStream::pair()?;
        Ok((Self::over(near.into())?, Channel::over(far.into())?))
    }

    /// The end of a line that another role made and passed on.
    pub(crate) fn over(stream: OwnedFd) -> io::Result<Self> {
        let stream = UnixStream::from(stream);
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            outgoing: VecDeque::new(),
            outgoing_fds: VecDeque::new(),
            sent: 0,
            incoming: Vec::new(),
            incoming_fds: Vec::new(),
            taken: 0,
            closed: false,
            scratch: Vec::new(),
            watched: Interest::Read,
            types: PhantomData,
        })
    }
}

impl<S, R> Channel<S, R> {
    /// The bare end, to be passed on. What was received or kept so far is lost.
    pub(crate) fn into_fd(self) -> OwnedFd {
        self.stream.into()
    }
}

impl<S, R> Channel<S, R> {
    /// What has arrived and was not handed out yet, for an end that goes on elsewhere.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.incoming[self.taken..]
    }

    /// An end that went on here: see [`Channel::unread`].
    pub(crate) fn resume(stream: OwnedFd, unread: Vec<u8>) -> io::Result<Self> {
        Ok(Self { incoming: unread, ..Self::over(stream)? })
    }
}

impl<S: Serialize, R: DeserializeOwned> Channel<S, R> {
    /// The same as [`Channel::send`], with a descriptor that arrives not later than the message.
    pub(crate) fn send_with(&mut self, message: &S, fd: OwnedFd) -> io::Result<()> {
        let place = self.sent + u64::try_from(self.outgoing.len()).map_err(io::Error::other)?;
        self.outgoing_fds.push_back((place, fd));
        self.send(message)
    }

    /// The next descriptor that has arrived; they come in the order of their messages.
    pub(crate) fn take_fd(&mut self) -> io::Result<OwnedFd> {
        if self.incoming_fds.is_empty() {
            return Err(io::Error::other("a message came without its descriptor"));
        }
        Ok(self.incoming_fds.remove(0))
    }

    /// Puts a message on its way; it leaves now or with a later [`Channel::flush`].
    pub(crate) fn send(&mut self, message: &S) -> io::Result<()> {
        self.queue(message)?;
        self.flush()
    }

    /// Puts a message on its way; it leaves with a later [`Channel::flush`], which costs one call
    /// for many messages.
    pub(crate) fn queue(&mut self, message: &S) -> io::Result<()> {
        let mut body = std::mem::take(&mut self.scratch);
        body.clear();
        let body = postcard::to_extend(message, body).map_err(io::Error::other)?;
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        self.outgoing.extend(length.to_le_bytes());
        self.outgoing.extend(&body);
        self.scratch = body;
        self.scratch.zeroize();
        self.scratch.shrink_to(CHUNK);
        Ok(())
    }

    /// Has the loop wait for room as well as for messages while something is kept. For a line that
    /// was added to the loop to be read from, and only then.
    pub(crate) fn watch(&mut self, poll: &Poll, token: u64) -> io::Result<()> {
        let wanted = if self.outgoing.is_empty() { Interest::Read } else { Interest::Both };
        if wanted != self.watched {
            poll.modify(&self.stream, token, wanted)?;
            self.watched = wanted;
        }
        Ok(())
    }

    /// Whether a whole message has arrived and was not handed out yet. The descriptor is not
    /// readable for it.
    pub(crate) fn has_waiting(&self) -> bool {
        let waiting = &self.incoming[self.taken..];
        waiting.split_first_chunk::<HEADER>().is_some_and(|(header, rest)| {
            usize::try_from(u32::from_le_bytes(*header)).is_ok_and(|length| rest.len() >= length)
        })
    }

    /// Sends as much of what is kept as the other end takes.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            let (front, _) = self.outgoing.as_slices();
            // Up to the next descriptor's place, or from it on and with it.
            let next = self.outgoing_fds.front().map(|(place, fd)| (place - self.sent, fd));
            let (front, fd) = match next {
                Some((0, fd)) => {
                    let until = self.outgoing_fds.get(1).map(|(place, _)| place - self.sent);
                    (up_to(front, until), Some(fd.as_fd()))
                }
                Some((until, _)) => (up_to(front, Some(until)), None),
                None => (front, None),
            };
            match fd_stream::send(&self.stream, front, fd) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => {
                    if fd.is_some() {
                        self.outgoing_fds.pop_front();
                    }
                    self.sent += u64::try_from(sent).map_err(io::Error::other)?;
                    let (front, _) = self.outgoing.as_mut_slices();
                    front[..sent].zeroize();
                    self.outgoing.drain(..sent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.outgoing.shrink_to(CHUNK);
        Ok(())
    }

    /// Octets that wait for the other end.
    pub(crate) fn backlog(&self) -> usize {
        self.outgoing.len()
    }

    /// The next message that has arrived; `None`: nothing more now.
    ///
    /// An end that closed is an error (`UnexpectedEof`), after everything it sent was handed out. So is
    /// a message that this version does not understand (`InvalidData`); the next one may be asked for.
    pub(crate) fn recv(&mut self) -> io::Result<Option<R>> {
        loop {
            let waiting = &self.incoming[self.taken..];
            if let Some((header, rest)) = waiting.split_first_chunk::<HEADER>() {
                let length =
                    usize::try_from(u32::from_le_bytes(*header)).map_err(io::Error::other)?;
                if let Some(body) = rest.get(..length) {
                    let message = postcard::from_bytes(body)
                        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
                    let body = self.taken + HEADER;
                    self.taken = body + length;
                    self.incoming[body..self.taken].zeroize();
                    return message.map(Some);
                }
            }
            if self.closed {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Reads what is there; `false` when that is nothing.
    fn fill(&mut self) -> io::Result<bool> {
        let left = self.incoming.len() - self.taken;
        self.incoming.copy_within(self.taken.., 0);
        self.incoming[left..].zeroize();
        self.incoming.truncate(left);
        self.taken = 0;
        if self.incoming.is_empty() {
            self.incoming.shrink_to(CHUNK);
        }
        let mut chunk = [0; CHUNK];
        match fd_stream::recv(&self.stream, &mut chunk, &mut self.incoming_fds) {
            Ok(0) => self.closed = true,
            Ok(length) => {
                self.incoming.extend_from_slice(&chunk[..length]);
                chunk[..length].zeroize();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

/// The first octets, up to a place.
fn up_to(octets: &[u8], place: Option<u64>) -> &[u8] {
    let place = place.and_then(|place| usize::try_from(place).ok());
    place.and_then(|place| octets.get(..place)).unwrap_or(octets)
}

impl<S, R> AsFd for Channel<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_whole_and_in_order_however_slowly_they_are_taken() {
        let (mut near, mut far) = Channel::<Vec<u32>, String>::pair().unwrap();
        for n in 0..200 {
            near.send(&vec![n; 5_000]).unwrap();
        }
        assert!(near.backlog() > 0, "the pair's buffers cannot hold it all");
        for n in 0..200 {
            let got = loop {
                match far.recv().unwrap() {
                    Some(got) => break got,
                    None => near.flush().unwrap(),
                }
            };
            assert_eq!(got, vec![n; 5_000]);
        }
        far.send(&"back".to_string()).unwrap();
        assert_eq!(near.recv().unwrap(), Some("back".to_string()));
        assert_eq!(near.recv().unwrap(), None);
    }

    #[test]
    fn descriptors_come_with_their_messages_however_much_is_queued() {
        let (mut near, mut far) = Channel::<Vec<u32>, u8>::pair().unwrap();
        let (one, mut other) = Channel::<u8, u8>::pair().unwrap();
        let (two, mut another) = Channel::<u8, u8>::pair().unwrap();
        near.send(&vec![7; 200_000]).unwrap();
        near.send_with(&vec![1], one.stream.into()).unwrap();
        near.send_with(&vec![2], two.stream.into()).unwrap();
        let mut next = || loop {
            match far.recv().unwrap() {
                Some(got) if got.len() > 1 => {}
                Some(got) => {
                    let fd = far.take_fd().unwrap();
                    break (got, Channel::<u8, u8>::over(fd).unwrap());
                }
                None => near.flush().unwrap(),
            }
        };
        let (first, mut one) = next();
        let (second, mut two) = next();
        assert_eq!((first, second), (vec![1], vec![2]));
        one.send(&11).unwrap();
        two.send(&22).unwrap();
        assert_eq!(other.recv().unwrap(), Some(11));
        assert_eq!(another.recv().unwrap(), Some(22));
        assert!(far.take_fd().is_err());
    }

    #[test]
    fn what_is_not_understood_is_said_once_and_what_follows_is_handed_out() {
        let (near, far) = UnixStream::pair().unwrap();
        let mut newer = Channel::<Option<u8>, u8>::over(near.into()).unwrap();
        let mut older = Channel::<u8, bool>::over(far.into()).unwrap();
        for message in [None, Some(7), None] {
            newer.send(&message).unwrap();
        }
        assert_eq!(older.recv().unwrap(), Some(false));
        // Two octets where one is enough are left alone; a choice that does not exist is not.
        assert_eq!(older.recv().unwrap(), Some(true));
        let mut newest = Channel::<u8, u8>::over(newer.into_fd()).unwrap();
        newest.send(&2).unwrap();
        newest.send(&1).unwrap();
        assert_eq!(older.recv().unwrap(), Some(false));
        assert_eq!(older.recv().unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(older.recv().unwrap(), Some(true));
        assert_eq!(older.recv().unwrap(), None);
    }

    #[test]
    fn what_was_taken_is_overwritten() {
        let (mut near, mut far) = Channel::<String, String>::pair().unwrap();
        near.send(&"canary".to_string()).unwrap();
        let holds = |octets: &[u8]| octets.windows(6).any(|six| six == b"canary");
        assert!(far.fill().unwrap() && holds(&far.incoming), "it has come, in clear");
        assert_eq!(far.recv().unwrap().as_deref(), Some("canary"));
        assert!(!far.incoming.is_empty() && !holds(&far.incoming));
        assert_eq!(far.recv().unwrap(), None);
        assert!(near.scratch.is_empty() && near.outgoing.is_empty() && far.incoming.is_empty());
    }

    #[test]
    fn what_was_sent_before_the_end_is_still_handed_out() {
        let (mut near, mut far) = Channel::<u8, u8>::pair().unwrap();
        near.send(&7).unwrap();
        drop(near);
        assert_eq!(far.recv().unwrap(), Some(7));
        assert_eq!(far.recv().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
