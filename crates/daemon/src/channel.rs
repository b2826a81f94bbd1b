//! A two-way line between two roles: typed messages over a Unix socket pair.
//!
//! Neither end ever waits for the other. What the other does not take is kept, up to a limit that
//! the owner chooses: who may lose messages (events to a stalled observer) asks before sending, who
//! may not never reaches it.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Octets of a frame's length field.
const HEADER: usize = 4;

/// One end: sends `S`, receives `R`.
pub(crate) struct Channel<S, R> {
    stream: UnixStream,
    outgoing: VecDeque<u8>,
    incoming: Vec<u8>,
    /// Octets of `incoming` already handed out.
    taken: usize,
    closed: bool,
    types: PhantomData<fn(S) -> R>,
}

impl<S, R> Channel<S, R> {
    /// Both ends of a new line.
    pub(crate) fn pair() -> io::Result<(Self, Channel<R, S>)> {
        let (near, far) = UnixStream::pair()?;
        Ok((Self::over(near)?, Channel::over(far)?))
    }

    fn over(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            outgoing: VecDeque::new(),
            incoming: Vec::new(),
            taken: 0,
            closed: false,
            types: PhantomData,
        })
    }
}

impl<S: Serialize, R: DeserializeOwned> Channel<S, R> {
    /// Puts a message on its way; it leaves now or with a later [`Channel::flush`].
    pub(crate) fn send(&mut self, message: &S) -> io::Result<()> {
        let body = postcard::to_stdvec(message).map_err(io::Error::other)?;
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        self.outgoing.extend(length.to_le_bytes());
        self.outgoing.extend(body);
        self.flush()
    }

    /// Sends as much of what is kept as the other end takes.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            let (front, _) = self.outgoing.as_slices();
            match self.stream.write(front) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => drop(self.outgoing.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Octets that wait for the other end.
    pub(crate) fn backlog(&self) -> usize {
        self.outgoing.len()
    }

    /// The next message that has arrived; `None`: nothing more now.
    ///
    /// An end that closed is an error (`UnexpectedEof`), after everything it sent was handed out.
    pub(crate) fn recv(&mut self) -> io::Result<Option<R>> {
        loop {
            let waiting = &self.incoming[self.taken..];
            if let Some((header, rest)) = waiting.split_first_chunk::<HEADER>() {
                let length =
                    usize::try_from(u32::from_le_bytes(*header)).map_err(io::Error::other)?;
                if let Some(body) = rest.get(..length) {
                    let message = postcard::from_bytes(body).map_err(io::Error::other)?;
                    self.taken += HEADER + length;
                    return Ok(Some(message));
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
        self.incoming.drain(..self.taken);
        self.taken = 0;
        let mut chunk = [0; 64 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.closed = true,
            Ok(length) => self.incoming.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }
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
    fn what_was_sent_before_the_end_is_still_handed_out() {
        let (mut near, mut far) = Channel::<u8, u8>::pair().unwrap();
        near.send(&7).unwrap();
        drop(near);
        assert_eq!(far.recv().unwrap(), Some(7));
        assert_eq!(far.recv().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
