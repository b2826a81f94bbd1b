//! Where peers call: who may come in, what is read from them, and how they are answered.
//!
//! Nobody is heard before the handshake has shown whose key it is, and each frame is looked at with
//! the question whether that key still counts: a node that was removed is cut off in the midst of its
//! connection. A connection over which anything wrong comes is ended; the node makes another.
//! Calls of one connection are taken up in their order; answers may overtake each other. What was
//! taken up while a node was a member is still answered when it is none any more, so that who leaves
//! learns that it has.
//!
//! Who was invited says so in the first word of its handshake, is asked for its invitation and nothing
//! else (`join`), and comes back by the other way when it is a member.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::core::Core;
use crate::frame::{self, Frame};
use crate::join;
use crate::key;
use crate::outlet::Event;

/// No longer is waited for a caller to show its key.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// A peer that says nothing for this long, not even that it lives, is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// How many callers may be shaking hands.
const SHAKING: usize = 32;
/// How many calls of one peer may be unanswered.
const CALLS: usize = 128;
/// Who is a member no more is still answered for so long.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How this node is called: by members, and by those that come to join.
pub(crate) struct Called {
    pub(crate) members: Arc<ServerConfig>,
    pub(crate) invited: Arc<ServerConfig>,
}

/// Lets peers in, for as long as the engine runs.
pub(crate) async fn open(listener: TcpListener, called: Called, core: Arc<Core>) {
    let called = Arc::new(called);
    let shaking = Arc::new(Semaphore::new(SHAKING));
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            // No descriptors, most likely: others have to close some first.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&shaking).try_acquire_owned() else {
            let why = format!("{SHAKING} callers have not shown their keys yet");
            core.outlet.event(Event::TurnedAway(from, why));
            continue;
        };
        let (called, core) = (Arc::clone(&called), Arc::clone(&core));
        tokio::spawn(async move {
            let shaken = timeout(HANDSHAKE, shake(&called, stream)).await;
            drop(place);
            match shaken {
                Ok(Ok((stream, true))) => join::serve(stream, from, &core).await,
                Ok(Ok((stream, false))) => serve(stream, from, &core).await,
                Ok(Err(error)) => {
                    core.outlet.event(Event::TurnedAway(from, key::why(&error)));
                }
                Err(_) => {
                    let why = format!("it showed no key within {HANDSHAKE:?}");
                    core.outlet.event(Event::TurnedAway(from, why));
                }
            }
        });
    }
}

/// The connection, and whether it is of somebody who comes to join.
async fn shake(called: &Called, stream: TcpStream) -> io::Result<(TlsStream<TcpStream>, bool)> {
    stream.set_nodelay(true)?;
    let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let joins =
        begun.client_hello().alpn().is_some_and(|mut words| words.any(|it| it == key::JOIN));
    let config = if joins { &called.invited } else { &called.members };
    Ok((begun.into_stream(Arc::clone(config)).await?, joins))
}

async fn serve(stream: TlsStream<TcpStream>, from: SocketAddr, core: &Arc<Core>) {
    let print = key::shown(stream.get_ref().1.peer_certificates()).unwrap_or_default();
    let id = match core.mesh.trust.who(print) {
        Ok(id) => id,
        Err(refused) => return core.outlet.event(Event::TurnedAway(from, refused.to_string())),
    };
    let (mut reader, writer) = tokio::io::split(stream);
    let (answers, queue) = mpsc::channel(CALLS);
    // Dropped, it ends all that still works on an answer.
    let mut tasks = JoinSet::new();
    tasks.spawn(write(writer, queue));
    let places = Arc::new(Semaphore::new(CALLS));
    let why = loop {
        let frame = match timeout(SILENCE, frame::read(&mut reader)).await {
            Ok(Ok(Some(frame))) => frame,
            Ok(Ok(None)) => return,
            Ok(Err(frame::FrameError::Lost(_))) => return,
            Ok(Err(error)) => break error.to_string(),
            Err(_) => break format!("silent for {SILENCE:?}"),
        };
        if let Err(refused) = core.mesh.trust.who(print) {
            drop(answers);
            let last = async { while tasks.join_next().await.is_some() {} };
            // What is not answered by then is left unanswered.
            let _ = timeout(LAST_WORDS, last).await;
            break refused.to_string();
        }
        match frame {
            Frame::Call(number, call) => {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let (answer, answers) = (core.take(call), answers.clone());
                tasks.spawn(async move {
                    if let Ok(bytes) = frame::encode(&Frame::Answer(number, answer.await)) {
                        let _ = answers.send(bytes).await;
                    }
                    drop(place);
                });
            }
            Frame::Note(message) => core.heard(id, message),
            Frame::Answer(..) => break "an answer to nothing".into(),
        }
        while tasks.try_join_next().is_some() {}
    };
    core.outlet.event(Event::Ended(core.name(id), why));
}

async fn write(mut writer: WriteHalf<TlsStream<TcpStream>>, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = queue.recv().await {
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}
