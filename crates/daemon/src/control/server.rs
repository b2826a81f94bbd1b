//! The control socket: whoever may ask gets an answer, and nobody can make us wait.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};

use linux::{Interest, Poll, Ready, peer};
use ui::protocol::{Request, Response, encode, read_frame};

/// A question is a few octets; more is not one.
const LONGEST_QUESTION: usize = 64 * 1024;

/// Octets kept for a client that does not read. Beyond, it is let go.
const BACKLOG: usize = 64 << 20;

/// Clients at once. Each costs a descriptor, and the engine must not run out of those.
const CLIENTS: usize = 128;

/// Names a client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ClientId(u64);

/// The listener and its clients.
pub(crate) struct Server {
    listener: UnixListener,
    listener_token: u64,
    clients: BTreeMap<u64, Client>,
    next_token: u64,
    /// Our own user, who may ask as root may.
    uid: u32,
}

struct Client {
    stream: UnixStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    follows: bool,
}

impl Server {
    /// Serves `listener`; descriptors are numbered `listener_token` and from `first_token`.
    pub(crate) fn new(
        listener: UnixListener,
        poll: &Poll,
        listener_token: u64,
        first_token: u64,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        poll.add(&listener, listener_token, Interest::Read)?;
        let clients = BTreeMap::new();
        let uid = linux::own_uid();
        Ok(Self { listener, listener_token, clients, next_token: first_token, uid })
    }

    /// Takes in what a descriptor of ours has; answers with the questions that are complete.
    pub(crate) fn ready(&mut self, poll: &Poll, ready: Ready) -> Vec<(ClientId, Request)> {
        if ready.token == self.listener_token {
            self.accept(poll);
            return Vec::new();
        }
        let Some(client) = self.clients.get_mut(&ready.token) else { return Vec::new() };
        let questions = client.read();
        let id = ClientId(ready.token);
        let alive = questions.is_ok() && client.write().is_ok();
        let questions = questions.unwrap_or_default();
        self.after(poll, ready.token, alive);
        questions.into_iter().map(|question| (id, question)).collect()
    }

    fn accept(&mut self, poll: &Poll) {
        while let Ok((stream, _)) = self.listener.accept() {
            let allowed = peer(&stream).is_ok_and(|peer| peer.uid == 0 || peer.uid == self.uid);
            if !allowed || self.clients.len() >= CLIENTS || stream.set_nonblocking(true).is_err() {
                continue;
            }
            let token = self.next_token;
            self.next_token += 1;
            if poll.add(&stream, token, Interest::Read).is_ok() {
                let client =
                    Client { stream, incoming: Vec::new(), outgoing: Vec::new(), follows: false };
                self.clients.insert(token, client);
            }
        }
    }

    /// Answers a client, if it is still there.
    pub(crate) fn answer(&mut self, poll: &Poll, id: ClientId, response: &Response) {
        let Some(client) = self.clients.get_mut(&id.0) else { return };
        let alive = client.send(response).is_ok();
        self.after(poll, id.0, alive);
    }

    /// From now on the client is told everything that is broadcast.
    pub(crate) fn follow(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id.0) {
            client.follows = true;
        }
    }

    /// Whether anybody is to be told what is broadcast.
    pub(crate) fn is_followed(&self) -> bool {
        self.clients.values().any(|client| client.follows)
    }

    /// Tells every follower.
    pub(crate) fn broadcast(&mut self, poll: &Poll, response: &Response) {
        let followers: Vec<u64> =
            self.clients.iter().filter(|(_, c)| c.follows).map(|(token, _)| *token).collect();
        for token in followers {
            self.answer(poll, ClientId(token), response);
        }
    }

    /// Keeps the client's interest true, or lets it go.
    fn after(&mut self, poll: &Poll, token: u64, alive: bool) {
        let Some(client) = self.clients.get(&token) else { return };
        let interest = if client.outgoing.is_empty() { Interest::Read } else { Interest::Both };
        if !alive || poll.modify(&client.stream, token, interest).is_err() {
            let _ = poll.remove(&client.stream);
            self.clients.remove(&token);
        }
    }
}

impl Client {
    /// The questions that have arrived whole. An error means the client is to be let go.
    fn read(&mut self) -> io::Result<Vec<Request>> {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.incoming.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.incoming.len() > LONGEST_QUESTION {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        let mut questions = Vec::new();
        while let Some(frame) = self.next_frame() {
            match read_frame::<Request>(&mut &frame[..]) {
                Ok(Some(question)) => questions.push(question),
                Ok(None) => {}
                Err(error) => {
                    let text = format!("not a question this mainstay understands: {error}");
                    self.send(&Response::Error(text))?;
                }
            }
        }
        Ok(questions)
    }

    /// Takes one whole frame, length included, from what has arrived.
    fn next_frame(&mut self) -> Option<Vec<u8>> {
        let (length, _) = self.incoming.split_first_chunk::<4>()?;
        let end = usize::try_from(u32::from_be_bytes(*length)).ok()?.checked_add(4)?;
        (end <= self.incoming.len()).then(|| self.incoming.drain(..end).collect())
    }

    fn send(&mut self, response: &Response) -> io::Result<()> {
        self.outgoing.extend(encode(response)?);
        self.write()?;
        if self.outgoing.len() > BACKLOG { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.outgoing.len() {
            match self.stream.write(&self.outgoing[sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => sent += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.outgoing.drain(..sent);
        Ok(())
    }
}
