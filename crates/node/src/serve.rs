//! The control socket: who may ask, and how questions and answers keep their order.
//!
//! Each client has a thread that reads and one that writes. Questions may come before earlier ones are
//! answered (a client with a thousand changes need not wait for each); answers leave in the order of
//! the questions. Only root and the process's own user are heard.

use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use linux::BindError;
use ui::cluster::{Request, Response};
use ui::protocol::{encode, read_frame};

use crate::run::Event;

const CLIENTS: usize = 64;
/// How many questions of one client may be unanswered.
const UNANSWERED: usize = 1_024;
/// Who does not read its answers is let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// The way back to who asked; used once.
#[derive(Debug)]
pub struct Reply {
    to: Sender<Response>,
    flushed: Receiver<()>,
}

impl Reply {
    /// Answers. Who asked may have gone.
    pub fn answer(&self, response: Response) {
        let _ = self.to.send(response);
    }

    /// Waits, not long, until the answer has left: the process is about to end.
    pub fn flushed(&self) {
        let _ = self.flushed.recv_timeout(Duration::from_secs(1));
    }
}

/// An answer that is to come.
struct Due {
    from: Receiver<Response>,
    flushed: Sender<()>,
}

/// Listens.
pub(crate) fn bind(path: &Path) -> Result<UnixListener, BindError> {
    linux::bind_unix(path, 0o600, 0o755)
}

/// Lets clients in, for as long as the process lives.
pub(crate) fn open(listener: UnixListener, events: Sender<Event>) -> io::Result<()> {
    let uid = linux::own_uid();
    let clients = Arc::new(AtomicUsize::new(0));
    let accept = move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // No descriptors, most likely: others have to close some first.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            let allowed = linux::peer(&stream).is_ok_and(|peer| peer.uid == 0 || peer.uid == uid);
            if !allowed || clients.load(Ordering::Relaxed) >= CLIENTS {
                continue;
            }
            clients.fetch_add(1, Ordering::Relaxed);
            let (clients, events) = (Arc::clone(&clients), events.clone());
            let talk = move || {
                // Its end is the client's, or ours.
                let _ = converse(stream, &events);
                clients.fetch_sub(1, Ordering::Relaxed);
            };
            // Without a thread it is let go, and may come again.
            let _ = std::thread::Builder::new().name("client".into()).spawn(talk);
        }
    };
    std::thread::Builder::new().name("clients".into()).spawn(accept)?;
    Ok(())
}

fn converse(mut stream: UnixStream, events: &Sender<Event>) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let (order, due) = sync_channel(UNANSWERED);
    let writer = stream.try_clone()?;
    std::thread::Builder::new().name("answers".into()).spawn(move || {
        write(&writer, &due);
        // The reader is waiting for a question that would not be answered.
        let _ = writer.shutdown(Shutdown::Both);
    })?;
    loop {
        match read_frame::<Request>(&mut stream) {
            Ok(Some(request)) => {
                let reply = expect(&order)?;
                if events.send(Event::Asked(request, reply)).is_err() {
                    return Ok(());
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                let text = format!("not a question this mainstay understands: {error}");
                expect(&order)?.answer(Response::Error(text));
                return Err(error);
            }
        }
    }
}

/// Keeps the place of an answer in the order.
fn expect(order: &SyncSender<Due>) -> io::Result<Reply> {
    let ((to, from), (flush, flushed)) = (channel(), channel());
    let due = Due { from, flushed: flush };
    order.send(due).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
    Ok(Reply { to, flushed })
}

fn write(mut stream: &UnixStream, due: &Receiver<Due>) {
    while let Ok(Due { from, flushed }) = due.recv() {
        let response = from.recv().unwrap_or_else(|_| {
            Response::Error("mainstay ends: it is not known what becomes of this".into())
        });
        let sent = encode(&response).and_then(|bytes| stream.write_all(&bytes));
        if sent.is_err() {
            return;
        }
        let _ = flushed.send(());
    }
}
