//! The way to one peer: a connection that is made again and again, and calls that are answered or
//! fail in time.
//!
//! Whoever calls is never kept waiting for a peer that is not there: while there is no connection a
//! call fails at once. A peer that is there is asked for a sign of life all the time; when it gives
//! none, the connection is given up, whatever TCP still hopes for. What the signs say of leader and
//! log is kept for the canvass.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use cluster::node::Message;

use crate::canvass::Hears;
use crate::frame::{self, Answer, Call, Frame, FrameError};
use crate::key;
use crate::outlet::{Event, Outlet};
use crate::types::Peer;

/// How many frames may wait to be sent.
const QUEUE: usize = 256;
/// No longer is waited for a connection and its handshake.
const CONNECT: Duration = Duration::from_secs(2);
/// The first pause before it is tried again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// How often signs of life are asked for, and after what silence a connection is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Signs {
    pub(crate) every: Duration,
    pub(crate) patience: Duration,
}

/// Why a call was not answered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// It was not sent.
    #[error("not reached")]
    NotSent,
    /// It cannot be sent.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It was sent, and nothing came back.
    #[error("no answer came")]
    NoAnswer,
}

/// The way to one peer. Dropped, it is closed.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: Peer,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    numbers: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    out: Option<mpsc::Sender<Vec<u8>>>,
    waiting: BTreeMap<u64, oneshot::Sender<Answer>>,
    heard: Option<(Instant, Hears)>,
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    pub(crate) fn new(
        peer: Peer,
        from: IpAddr,
        config: Result<Arc<ClientConfig>, rustls::Error>,
        signs: Signs,
        outlet: Outlet,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let keeping = keep(peer.clone(), from, config, signs, outlet, Arc::clone(&shared));
        let task = tokio::spawn(keeping);
        Self { peer, shared, task }
    }

    /// What the peer said last, if that is no longer ago than `age`.
    pub(crate) fn heard(&self, age: Duration) -> Option<Hears> {
        self.shared.inner().heard.filter(|(at, _)| at.elapsed() <= age).map(|(_, hears)| hears)
    }

    /// Sends a call now, in the order of the calls; the answer is waited for with [`Pending::wait`].
    pub(crate) fn call(&self, call: Call) -> Result<Pending, CallError> {
        let number = self.shared.numbers.fetch_add(1, Ordering::Relaxed);
        let bytes = frame::encode(&Frame::Call(number, call))?;
        let (sender, answer) = oneshot::channel();
        let mut inner = self.shared.inner();
        let sent = inner.out.as_ref().is_some_and(|out| out.try_send(bytes).is_ok());
        if !sent {
            return Err(CallError::NotSent);
        }
        inner.waiting.insert(number, sender);
        drop(inner);
        Ok(Pending { number, answer, shared: Arc::clone(&self.shared) })
    }

    /// Sends a word; it is lost if it cannot be sent.
    pub(crate) fn note(&self, message: Message) {
        if let Ok(bytes) = frame::encode(&Frame::Note(message))
            && let Some(out) = &self.shared.inner().out
        {
            let _ = out.try_send(bytes);
        }
    }
}

/// A call that was sent. Dropped, its answer is not waited for.
#[derive(Debug)]
pub(crate) struct Pending {
    number: u64,
    answer: oneshot::Receiver<Answer>,
    shared: Arc<Shared>,
}

impl Pending {
    pub(crate) async fn wait(mut self, limit: Duration) -> Result<Answer, CallError> {
        match timeout(limit, &mut self.answer).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(CallError::NoAnswer),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.shared.inner().waiting.remove(&self.number);
    }
}

async fn keep(
    peer: Peer,
    from: IpAddr,
    config: Result<Arc<ClientConfig>, rustls::Error>,
    signs: Signs,
    outlet: Outlet,
    shared: Arc<Shared>,
) {
    let unreached = |why| outlet.event(Event::Unreached(peer.name.clone(), peer.address, why));
    let config = match config {
        Ok(config) => config,
        Err(error) => return unreached(error.to_string()),
    };
    let mut pause = PAUSES.0;
    let mut told = None;
    loop {
        let why = match connect(from, peer.address, Arc::clone(&config)).await {
            Ok(stream) => {
                let mut met = false;
                let why = talk(stream, signs, &shared, || {
                    // A server that refuses our key lets the handshake end first.
                    met = true;
                    outlet.event(Event::Reached(peer.name.clone()));
                })
                .await;
                if met {
                    (pause, told) = (PAUSES.0, None);
                }
                why
            }
            Err(why) => why,
        };
        if told.as_ref() != Some(&why) {
            unreached(why.clone());
            told = Some(why);
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn connect(
    from: IpAddr,
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, String> {
    let attempt = async {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if !from.is_unspecified() {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(config).connect(ServerName::IpAddress(address.ip().into()), stream).await
    };
    match timeout(CONNECT, attempt).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(key::why(&error)),
        Err(_) => Err(format!("no connection within {CONNECT:?}")),
    }
}

/// Uses a connection until it ends; why it did.
async fn talk(
    stream: TlsStream<TcpStream>,
    signs: Signs,
    shared: &Arc<Shared>,
    mut met: impl FnMut(),
) -> String {
    let (reader, writer) = tokio::io::split(stream);
    let (out, queue) = mpsc::channel(QUEUE);
    shared.inner().out = Some(out);
    let _closed = Closed(shared);
    let (first, seen) = oneshot::channel();
    let mut reading = Box::pin(hear(reader, shared, first));
    let mut writing = Box::pin(speak(writer, queue));
    let mut asking = Box::pin(ask(signs, shared));
    let mut seen = Box::pin(seen);
    let mut waiting = true;
    loop {
        tokio::select! {
            why = &mut reading => return why,
            why = &mut writing => return why,
            why = &mut asking => return why,
            it = &mut seen, if waiting => {
                waiting = false;
                if it.is_ok() { met() }
            }
        }
    }
}

/// Whoever waits for an answer on a connection that has ended is told so.
struct Closed<'a>(&'a Shared);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.inner();
        *inner = Inner { heard: inner.heard, ..Inner::default() };
    }
}

async fn hear(
    mut reader: ReadHalf<TlsStream<TcpStream>>,
    shared: &Shared,
    first: oneshot::Sender<()>,
) -> String {
    let mut first = Some(first);
    loop {
        match frame::read(&mut reader).await {
            Ok(Some(Frame::Answer(number, answer))) => {
                if let Some(first) = first.take() {
                    let _ = first.send(());
                }
                if let Answer::Pong(hears) = &answer {
                    shared.inner().heard = Some((Instant::now(), *hears));
                }
                let waiting = shared.inner().waiting.remove(&number);
                if let Some(waiting) = waiting {
                    let _ = waiting.send(answer);
                }
            }
            Ok(Some(_)) => return "it calls where it is called".into(),
            Ok(None) => return "it closed the connection".into(),
            Err(error) => return error.to_string(),
        }
    }
}

async fn speak(
    mut writer: WriteHalf<TlsStream<TcpStream>>,
    mut queue: mpsc::Receiver<Vec<u8>>,
) -> String {
    while let Some(bytes) = queue.recv().await {
        if let Err(error) = send(&mut writer, &bytes).await {
            return key::why(&error);
        }
    }
    "closed here".into()
}

async fn send(writer: &mut WriteHalf<TlsStream<TcpStream>>, bytes: &[u8]) -> io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

/// Asks for signs of life, and gives up when none comes.
async fn ask(signs: Signs, shared: &Shared) -> String {
    let mut ticks = interval(signs.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begun = Instant::now();
    let mut last = begun;
    loop {
        ticks.tick().await;
        // This node itself may have stood still: then the peer is given its time anew.
        let stood = last.elapsed() > signs.patience;
        last = Instant::now();
        let mut inner = shared.inner();
        let heard = inner.heard.map_or(begun, |(at, _)| at.max(begun));
        if heard.elapsed() > signs.patience && !stood {
            return format!("no sign of life for {:?}", signs.patience);
        }
        let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
        if let (Ok(bytes), Some(out)) =
            (frame::encode(&Frame::Call(number, Call::Ping)), &mut inner.out)
        {
            let _ = out.try_send(bytes);
        }
    }
}
