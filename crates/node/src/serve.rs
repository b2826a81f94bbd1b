//! The control socket: who may ask, and how questions and answers keep their order.
//!
//! Each client has a thread that reads and one that writes. Questions may come before earlier ones are
//! answered (a client with a thousand changes need not wait for each); answers leave in the order of
//! the questions.
//!
//! Root and the process's own user may ask for everything. Who is of the group `haclient` (where the
//! host has one) is heard, too, and may read and change what the ACLs of the document allow. Who asks is
//! known by its user alone: it may be in a container, where it has another process number or none.

use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use cib::acl::ABOVE;
use linux::BindError;
use ui::cluster::{Request, Response};
use ui::protocol::{encode, read_frame};

use crate::run::Event;

const CLIENTS: usize = 64;
/// How many questions of one client may be unanswered.
const UNANSWERED: usize = 1_024;
/// Who does not read its answers is let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// Those who may ask beside root, as with Pacemaker.
const GROUP: &str = "haclient";

/// Who asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Who {
    /// Somebody who may do everything.
    Above,
    /// Somebody whom the ACLs bind, if they are in force.
    Bound {
        /// The account.
        user: String,
        /// The groups it belongs to.
        groups: Vec<String>,
    },
}

impl Who {
    /// The user of this number; none: it is not heard.
    fn of(uid: u32, own: u32) -> Option<Self> {
        if uid == 0 || uid == own {
            return Some(Self::Above);
        }
        let account = linux::account(uid)?;
        let (user, groups) = (account.name, account.groups);
        let heard = ABOVE.contains(&&*user) || groups.iter().any(|group| group == GROUP);
        match ABOVE.contains(&&*user) {
            true => Some(Self::Above),
            false => heard.then_some(Self::Bound { user, groups }),
        }
    }
}

/// The way back to who asked; used once.
#[derive(Debug)]
pub struct Reply {
    to: Sender<Response>,
    flushed: Receiver<()>,
    who: Arc<Who>,
}

impl Reply {
    /// Who asks.
    #[must_use]
    pub fn who(&self) -> &Who {
        &self.who
    }

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
    let listener = linux::bind_unix(path, 0o600, 0o755)?;
    if let Some(gid) = linux::group(GROUP) {
        let at = |source| BindError::Io { at: path.to_owned(), source };
        // Without the right to give it to them, nobody else than before may ask.
        match std::os::unix::fs::chown(path, None, Some(gid)) {
            Ok(()) => {
                let mode = std::fs::Permissions::from_mode(0o660);
                std::fs::set_permissions(path, mode).map_err(at)?;
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            // Nor in a user namespace that has no such group.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            Err(error) => return Err(at(error)),
        }
    }
    Ok(listener)
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
            if clients.load(Ordering::Relaxed) >= CLIENTS {
                continue;
            }
            let Ok(peer) = linux::peer(&stream) else { continue };
            clients.fetch_add(1, Ordering::Relaxed);
            let (clients, events) = (Arc::clone(&clients), events.clone());
            let talk = move || {
                // A directory service may have to be asked who it is: that is nobody else's delay.
                if let Some(who) = Who::of(peer.uid, uid) {
                    // Its end is the client's, or ours.
                    let _ = converse(stream, &events, &Arc::new(who));
                }
                clients.fetch_sub(1, Ordering::Relaxed);
            };
            // Without a thread it is let go, and may come again.
            let _ = std::thread::Builder::new().name("client".into()).spawn(talk);
        }
    };
    std::thread::Builder::new().name("clients".into()).spawn(accept)?;
    Ok(())
}

fn converse(mut stream: UnixStream, events: &Sender<Event>, who: &Arc<Who>) -> io::Result<()> {
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
                let reply = expect(&order, who)?;
                if events.send(Event::Asked(request, reply)).is_err() {
                    return Ok(());
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                let text = format!("not a question this mainstay understands: {error}");
                expect(&order, who)?.answer(Response::Error(text));
                return Err(error);
            }
        }
    }
}

/// Keeps the place of an answer in the order.
fn expect(order: &SyncSender<Due>, who: &Arc<Who>) -> io::Result<Reply> {
    let ((to, from), (flush, flushed)) = (channel(), channel());
    let due = Due { from, flushed: flush };
    order.send(due).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
    Ok(Reply { to, flushed, who: Arc::clone(who) })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_processs_own_user_may_do_everything_and_strangers_are_not_heard() {
        assert_eq!(Who::of(0, 77), Some(Who::Above));
        assert_eq!(Who::of(77, 77), Some(Who::Above));
        assert_eq!(Who::of(u32::MAX - 7, 77), None, "no name belongs to it");
        // Some host's `nobody` or `daemon`: in no group that counts.
        assert_eq!(Who::of(1, 77), None);
    }

    /// Where Pacemaker's packages are installed.
    #[test]
    fn the_account_of_pacemaker_is_above_acls() {
        let file = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let line = file.lines().find(|line| line.starts_with("hacluster:"));
        let Some(uid) = line.and_then(|line| line.split(':').nth(2)?.parse().ok()) else {
            eprintln!("there is no user hacluster here: not tried");
            return;
        };
        assert_eq!(Who::of(uid, 77), Some(Who::Above));
    }
}
