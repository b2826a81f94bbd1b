//! Calling somebody who listens: connections that are begun and not waited for.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

/// Whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Callee<'a> {
    /// Whoever listens at this path, by a stream.
    Unix(&'a Path),
    /// Whoever listens at this address, by a stream.
    Tcp(SocketAddr),
    /// Whoever listens at this address, by datagrams.
    Udp(SocketAddr),
}

/// A nonblocking socket that is connected, or (TCP) about to be: then it can be written to as soon as it
/// is, and a read tells if it will not be.
///
/// # Errors
/// `ENOENT` or `ECONNREFUSED` where nobody listens, `EAGAIN` where too many wait, `EACCES`.
pub fn call(callee: Callee<'_>) -> io::Result<OwnedFd> {
    let (domain, kind, address) = match callee {
        Callee::Unix(path) => (Domain::UNIX, Type::STREAM, SockAddr::unix(path)?),
        Callee::Tcp(address) => (Domain::for_address(address), Type::STREAM, address.into()),
        Callee::Udp(address) => (Domain::for_address(address), Type::DGRAM, address.into()),
    };
    let socket = Socket::new(domain, kind, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address) {
        Ok(()) => {}
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn whoever_listens_is_reached_and_whoever_does_not_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = call(Callee::Tcp(listener.local_addr().unwrap())).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        std::fs::File::from(ours).write_all(b"hello").unwrap();
        let mut said = String::new();
        theirs.read_to_string(&mut said).unwrap();
        assert_eq!(said, "hello");

        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let ours = call(Callee::Udp(socket.local_addr().unwrap())).unwrap();
        std::fs::File::from(ours).write_all(b"hello").unwrap();
        assert_eq!(socket.recv(&mut [0; 16]).unwrap(), 5);

        let nobody = call(Callee::Unix(Path::new("/nonexistent/master"))).unwrap_err();
        assert_eq!(nobody.kind(), io::ErrorKind::NotFound);
    }
}
