//! Unix sockets: binding one safely, and who is at the other end.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use socket2::{Domain, SockAddr, Socket, Type};

/// Connections waiting to be accepted, at most.
const BACKLOG: i32 = 64;

/// The process at the other end of a Unix stream when it connected (`SO_PEERCRED`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its process number as seen from here; 0 if it has none here (it is in a container, or this is
    /// one). A number may be another's by now: good for a log, not for a decision.
    pub pid: i32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

/// Who is at the other end.
///
/// # Errors
/// None for a connected stream.
pub fn peer(stream: &UnixStream) -> io::Result<Peer> {
    // Not rustix's: it has no number for a process that has none here, and calls that an error.
    let found = getsockopt(stream, PeerCredentials)?;
    Ok(Peer { pid: found.pid(), uid: found.uid(), gid: found.gid() })
}

/// Why a Unix socket could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody answers there.
    #[error("`{0}` is in use: somebody answers there")]
    InUse(PathBuf),
    /// Something that is not a socket is in the way; it is left alone.
    #[error("`{0}` exists and is not a socket")]
    NotASocket(PathBuf),
    /// Others may write to the directory and could put their own socket there.
    #[error("directory `{at}` (user {uid}, mode {mode:04o}) is open to others than us")]
    Directory {
        /// The directory.
        at: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// Anything else.
    #[error("`{at}`: {source}")]
    Io {
        /// The file or directory.
        at: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens at `path`. The socket has the permissions `mode` before anybody can connect. Its directory
/// is made, with the permissions `directory_mode`, if it is missing; one that others than root and we
/// may write to is refused. A socket left over by a process that is gone is replaced; one that is
/// answered at is not. (Two starting at the same moment are kept apart by the
/// [`PidFile`](crate::PidFile), which comes first.)
///
/// # Errors
/// See [`BindError`].
pub fn bind_unix(path: &Path, mode: u32, directory_mode: u32) -> Result<UnixListener, BindError> {
    let at_path = |source: io::Error| BindError::Io { at: path.to_owned(), source };
    let directory = path.parent().unwrap_or(Path::new("/"));
    prepare(directory, directory_mode)?;
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(at_path(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket(path.to_owned()));
        }
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(at_path)?;
            }
            // Whatever else the answer is, there is somebody to give it.
            _ => return Err(BindError::InUse(path.to_owned())),
        },
    }
    let listen = || -> io::Result<UnixListener> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        socket.listen(BACKLOG)?;
        Ok(UnixListener::from(std::os::fd::OwnedFd::from(socket)))
    };
    listen().map_err(at_path)
}

fn prepare(directory: &Path, mode: u32) -> Result<(), BindError> {
    let look = || -> io::Result<fs::Metadata> {
        match fs::DirBuilder::new().mode(mode).create(directory) {
            // What is asked for, whatever the file mode mask says.
            Ok(()) => fs::set_permissions(directory, fs::Permissions::from_mode(mode))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        fs::metadata(directory)
    };
    let found = look().map_err(|source| BindError::Io { at: directory.to_owned(), source })?;
    let ours = found.uid() == 0 || found.uid() == rustix::process::geteuid().as_raw();
    if ours && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    let mode = found.mode() & 0o7777;
    Err(BindError::Directory { at: directory.to_owned(), uid: found.uid(), mode })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::testing::Directory;

    #[test]
    fn the_peer_is_who_it_is() {
        let (one, _other) = UnixStream::pair().unwrap();
        let found = peer(&one).unwrap();
        assert_eq!(u32::try_from(found.pid).unwrap(), std::process::id());
        assert_eq!(found.uid, rustix::process::geteuid().as_raw());
        assert_eq!(found.gid, rustix::process::getegid().as_raw());
    }

    /// Runs itself once more, as who listens, in a namespace of process numbers of its own.
    #[test]
    fn a_peer_without_a_number_here_is_known_by_its_user() {
        const AT: &str = "MAINSTAY_TEST_LISTENS_AT";
        if let Some(path) = std::env::var_os(AT) {
            let listener = bind_unix(Path::new(&path), 0o600, 0o755).unwrap();
            let found = peer(&listener.accept().unwrap().0).unwrap();
            assert_eq!((found.pid, found.uid, found.gid), (0, 0, 0));
            return;
        }
        if !rustix::process::geteuid().is_root() {
            eprintln!("only root can make a namespace: not tried");
            return;
        }
        let directory = Directory::new();
        let path = directory.path().join("control");
        let mut there = std::process::Command::new("unshare")
            .args(["--pid", "--fork"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "sockets::tests::a_peer_without_a_number_here_is_known_by_its_user"])
            .env(AT, &path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while UnixStream::connect(&path).is_err() && there.try_wait().unwrap().is_none() {
            assert!(std::time::Instant::now() < until, "nobody listens");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(there.wait().unwrap().success());
    }

    #[test]
    fn a_socket_is_bound_with_its_modes_and_answers() {
        let directory = Directory::new();
        let path = directory.path().join("run/control");
        let listener = bind_unix(&path, 0o660, 0o750).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(&path), 0o660);
        assert_eq!(mode(path.parent().unwrap()), 0o750);
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"x").unwrap();
        drop(client);
        let mut got = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut got).unwrap();
        assert_eq!(got, b"x");
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let directory = Directory::new();
        let path = directory.path().join("control");
        let first = bind_unix(&path, 0o600, 0o755).unwrap();
        assert!(matches!(bind_unix(&path, 0o600, 0o755), Err(BindError::InUse(_))));
        assert!(UnixStream::connect(&path).is_ok(), "the living one still answers");
        drop(first);
        assert!(path.exists(), "what is left over");
        let _second = bind_unix(&path, 0o600, 0o755).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let directory = Directory::new();
        let path = directory.path().join("control");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(bind_unix(&path, 0o600, 0o755), Err(BindError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(bind_unix(&link, 0o600, 0o755), Err(BindError::NotASocket(_))));
    }

    #[test]
    fn a_directory_open_to_others_is_refused() {
        let directory = Directory::new();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        match bind_unix(&directory.path().join("control"), 0o600, 0o755).unwrap_err() {
            BindError::Directory { at, mode, .. } => {
                assert_eq!((at.as_path(), mode), (directory.path(), 0o1777));
            }
            other => panic!("{other}"),
        }
    }
}
