//! Bytes and descriptors over a Unix stream socket (`unix(7)`, `SCM_RIGHTS`).
//!
//! A descriptor arrives not later than the first octet it was sent with, and descriptors arrive in
//! their order: so a reader that takes one for each message that should bring one takes the right
//! one.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Descriptors taken from one read at most. Senders attach one at a time.
const PER_READ: usize = 8;

/// Sends as many of these octets as there is room for, with a descriptor attached to the first.
///
/// # Errors
/// `WouldBlock` when there is no room now (nothing was sent, the descriptor neither); `BrokenPipe`
/// when the other end is gone.
pub fn send(to: impl AsFd, octets: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut attached = SendAncillaryBuffer::new(&mut space);
    let fds = fd.map(|fd| [fd]);
    if let Some(fds) = &fds
        && !attached.push(SendAncillaryMessage::ScmRights(fds))
    {
        return Err(io::Error::other("no room for a descriptor"));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    Ok(sendmsg(to, &[IoSlice::new(octets)], &mut attached, flags)?)
}

/// Receives octets, and at the end of `fds` the descriptors that came with them; 0 is the end.
///
/// # Errors
/// `WouldBlock` when there is nothing now; `InvalidData` when descriptors were lost because ours are
/// used up.
pub fn recv(from: impl AsFd, buffer: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PER_READ))];
    let mut attached = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let got = recvmsg(from, &mut [IoSliceMut::new(buffer)], &mut attached, flags)?;
    for message in attached.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    if got.flags.contains(rustix::net::ReturnFlags::CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a passed descriptor was lost"));
    }
    Ok(got.bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_descriptor_arrives_with_its_octets_and_still_works() {
        let (near, far) = UnixStream::pair().unwrap();
        let (mut kept, passed) = UnixStream::pair().unwrap();
        assert_eq!(send(&near, b"one", None).unwrap(), 3);
        assert_eq!(send(&near, b"two", Some(passed.as_fd())).unwrap(), 3);
        drop(passed);
        let (mut buffer, mut fds) = ([0; 64], Vec::new());
        let mut octets = 0;
        while octets < 6 {
            octets += recv(&far, &mut buffer, &mut fds).unwrap();
            assert!(fds.len() == 1 || octets < 4, "not later than its first octet");
        }
        let mut passed = UnixStream::from(fds.pop().unwrap());
        kept.write_all(b"x").unwrap();
        passed.read_exact(&mut buffer[..1]).unwrap();
        assert_eq!(
            recv(&far, &mut buffer, &mut fds).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        drop(near);
        assert_eq!(recv(&far, &mut buffer, &mut fds).unwrap(), 0);
    }
}
