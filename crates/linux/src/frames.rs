//! Whole Ethernet frames (`packet(7)`): a sender for announcements, and a tap to watch a link with.
//!
//! The sender never receives: a packet socket without a protocol is handed nothing. One sender
//! serves every interface, the frame says who speaks and the call says where.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use base::IfIndex;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike, bind, recvfrom, sendto,
    socket,
};

use socket2::SockRef;

use crate::advert_socket::{PRIORITY_CONTROL, PRIORITY_INTERACTIVE};

const AF_PACKET: u16 = 17;
const ETH_P_ALL: u16 = 3;
const PACKET_OUTGOING: u8 = 4;

/// Sends frames on any interface. Never blocks.
#[derive(Debug)]
pub struct FrameSender {
    socket: OwnedFd,
}

impl FrameSender {
    /// Opens the socket in the calling thread's network namespace. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    /// `EPERM` without the capability.
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: packet_socket()? })
    }

    /// The same, whose frames go in front of all other traffic: for adverts.
    ///
    /// # Errors
    /// `EPERM` without the capability.
    pub fn urgent() -> io::Result<Self> {
        let sender = Self::open()?;
        let socket = SockRef::from(&sender.socket);
        socket
            .set_priority(PRIORITY_CONTROL)
            .or_else(|_| socket.set_priority(PRIORITY_INTERACTIVE))?;
        Ok(sender)
    }

    /// Sends `frame`, from its destination MAC to the end of its payload (padding to 60 octets is
    /// the driver's work), on the interface.
    ///
    /// # Errors
    /// `ENXIO` if there is no such interface, `ENETDOWN` if it is down, `EMSGSIZE` beyond its MTU,
    /// `EAGAIN` or `ENOBUFS` when its queue is full.
    pub fn send(&self, index: IfIndex, frame: &[u8]) -> io::Result<()> {
        let to = address(Some(index), 0)?;
        loop {
            match sendto(self.socket.as_raw_fd(), frame, &to, MsgFlags::empty()) {
                Err(nix::Error::EINTR) => {}
                sent => return sent.map(drop).map_err(io::Error::from),
            }
        }
    }
}

/// What a [`FrameTap`] saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The interface it was seen on.
    pub index: IfIndex,
    /// Octets of it in the buffer; cut at the buffer's end.
    pub length: usize,
    /// Whether this node sent it.
    pub outgoing: bool,
}

/// Sees every frame on one interface or on all, both directions, without taking it from anybody.
/// Never blocks.
#[derive(Debug)]
pub struct FrameTap {
    socket: OwnedFd,
}

impl FrameTap {
    /// Opens a tap on this interface, or on all that are in the calling thread's network namespace.
    /// Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    /// `ENODEV` if there is no such interface, `EPERM` without the capability.
    pub fn open(index: Option<IfIndex>) -> io::Result<Self> {
        // Created without a protocol, so that nothing comes in before it is bound.
        let socket = packet_socket()?;
        bind(socket.as_raw_fd(), &address(index, ETH_P_ALL)?)?;
        Ok(Self { socket })
    }

    /// The next frame, if one is queued.
    ///
    /// # Errors
    /// `ENETDOWN` once after the interface went down.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<Option<Frame>> {
        loop {
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), buffer) {
                Ok((length, Some(from))) => {
                    let index = u32::try_from(from.ifindex()).ok().and_then(IfIndex::new);
                    if let Some(index) = index {
                        let outgoing = from.pkttype() == PACKET_OUTGOING;
                        return Ok(Some(Frame { index, length, outgoing }));
                    }
                }
                Ok((_, None)) | Err(nix::Error::EINTR) => {}
                Err(nix::Error::EAGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for FrameTap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

pub(crate) fn packet_socket() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socket(AddressFamily::Packet, SockType::Raw, flags, None)?)
}

/// The link-layer address that names an interface (0: all of them) and a protocol (0: none).
pub(crate) fn address(index: Option<IfIndex>, protocol: u16) -> io::Result<LinkAddr> {
    let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
    let index = index.map_or(Ok(0), |index| i32::try_from(index.get())).map_err(|_| invalid())?;
    let raw = libc::sockaddr_ll {
        sll_family: AF_PACKET,
        sll_protocol: protocol.to_be(),
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0; 8],
    };
    let length = u32::try_from(size_of_val(&raw)).map_err(|_| invalid())?;
    // SAFETY: `raw` is a valid sockaddr_ll that outlives the call, `length` is its size, and the
    // callee copies it.
    unsafe { LinkAddr::from_raw((&raw const raw).cast(), Some(length)) }.ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::poll::{Interest, Poll};
    use crate::testing::{in_namespace, index, ip, settled};

    /// A gratuitous ARP request for 193.168.0.6 at 00:00:5e:00:01:0a (RFC 826).
    fn garp() -> Vec<u8> {
        let mac = [0, 0, 0x5e, 0, 1, 0x0a];
        let mut frame = vec![0xff; 6];
        frame.extend(mac);
        frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend(mac);
        frame.extend([193, 168, 0, 6]);
        frame.extend(mac);
        frame.extend([193, 168, 0, 6]);
        frame
    }

    /// Everything the tap sees until it has been quiet for a tenth of a second.
    fn seen(tap: &FrameTap) -> Vec<(Frame, Vec<u8>)> {
        let mut poll = Poll::new().unwrap();
        poll.add(tap, 0, Interest::Read).unwrap();
        let (mut found, mut buffer) = (Vec::new(), [0; 2048]);
        while poll.wait(Some(Duration::from_millis(100))).unwrap().count() > 0 {
            while let Some(frame) = tap.recv(&mut buffer).unwrap() {
                found.push((frame, buffer[..frame.length].to_vec()));
            }
        }
        found
    }

    #[test]
    fn a_gratuitous_arp_reaches_the_other_end() {
        in_namespace(|| {
            ip("link add va type veth peer name vb");
            // Without IPv6 chatter the two frames are all there is.
            ip("link set va addrgenmode none");
            ip("link set vb addrgenmode none");
            ip("link set va up");
            ip("link set vb up");
            settled(&["va", "vb"]);
            let (va, vb) = (index("va"), index("vb"));
            let there = FrameTap::open(Some(vb)).unwrap();
            let all = FrameTap::open(None).unwrap();
            let sender = FrameSender::open().unwrap();
            sender.send(va, &garp()).unwrap();
            let ours = |seen: Vec<(Frame, Vec<u8>)>| -> Vec<_> {
                seen.into_iter().filter(|(_, octets)| *octets == garp()).map(|(f, _)| f).collect()
            };
            let received = Frame { index: vb, length: 42, outgoing: false };
            let sent = Frame { index: va, length: 42, outgoing: true };
            assert_eq!(ours(seen(&there)), [received]);
            assert_eq!(ours(seen(&all)), [sent, received]);
        });
    }

    #[test]
    fn a_missing_interface_is_named() {
        in_namespace(|| {
            let none = IfIndex::new(77).unwrap();
            let error = FrameSender::open().unwrap().send(none, &garp()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENXIO));
            let error = FrameTap::open(Some(none)).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        });
    }
}
