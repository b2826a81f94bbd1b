//! A tap on the wire (`packet(7)`): every frame that an interface of this network namespace receives
//! or sends, and a way to put one there. For tests, the lab and for showing; the daemon never listens
//! like this.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use base::IfIndex;
use socket2::{Domain, SockAddr, SockFilter, Socket, Type};

const ETH_P_ALL: u16 = 3;

/// What a [`Tap`] hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hear {
    /// Every frame.
    Everything,
    /// ARP, ICMPv6 (Neighbour Discovery) and VRRP; the kernel drops the rest.
    Election,
}

/// A frame as heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Octets of it that are in the buffer.
    pub length: usize,
    /// The interface it passed.
    pub index: IfIndex,
    /// Whether it was received there; otherwise it was sent.
    pub incoming: bool,
}

/// An `AF_PACKET` socket on all interfaces of a network namespace. It does not hear what it sends
/// itself, unless that comes back in.
#[derive(Debug)]
pub struct Tap {
    socket: Socket,
}

impl Tap {
    /// Opens one in the calling thread's network namespace; needs `CAP_NET_RAW`.
    /// [`recv`](Self::recv) waits at most `patience`.
    ///
    /// # Errors
    /// Whatever `socket(2)` says.
    pub fn open(hear: Hear, patience: Duration) -> io::Result<Self> {
        // Protocol 0 hears nothing: frames that come before the filter is set would pass it.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        if hear == Hear::Election {
            socket.attach_filter(&election())?;
        }
        socket.set_recv_buffer_size(4 * 1024 * 1024)?;
        socket.set_read_timeout(Some(patience))?;
        socket.bind(&link_address(0, ETH_P_ALL))?;
        Ok(Self { socket })
    }

    /// Waits for a frame, from its Ethernet header on.
    ///
    /// # Errors
    /// `WouldBlock` when none came in time; `NetworkDown` once when an interface went down.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<Heard> {
        // SAFETY: u8 and MaybeUninit<u8> have the same layout, and recv_from only writes octets.
        let room =
            unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [std::mem::MaybeUninit<u8>]) };
        let (length, from) = self.socket.recv_from(room)?;
        let from = sockaddr_ll(&from)?;
        let index = u32::try_from(from.sll_ifindex).ok().and_then(IfIndex::new);
        let index = index.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Heard { length, index, incoming: from.sll_pkttype != libc::PACKET_OUTGOING })
    }

    /// Sends `frame` as it is, from its Ethernet header on, through the interface `index`.
    ///
    /// # Errors
    /// `NetworkDown`, or `EMSGSIZE` for a frame beyond the interface's MTU.
    pub fn send(&self, index: IfIndex, frame: &[u8]) -> io::Result<()> {
        let index = i32::try_from(index.get()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.socket.send_to(frame, &link_address(index, 0)).map(drop)
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Ethertype ARP; or IPv4 with protocol 112; or IPv6 with next header 58 or 112. In classic BPF:
/// each jump names how many instructions to skip when true and when false.
fn election() -> [SockFilter; 11] {
    const LOAD_HALF: u16 = 0x28;
    const LOAD_OCTET: u16 = 0x30;
    const JUMP_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    [
        SockFilter::new(LOAD_HALF, 0, 0, 12),
        SockFilter::new(JUMP_EQUAL, 8, 0, 0x0806),
        SockFilter::new(JUMP_EQUAL, 0, 2, 0x0800),
        SockFilter::new(LOAD_OCTET, 0, 0, 23),
        SockFilter::new(JUMP_EQUAL, 5, 4, 112),
        SockFilter::new(JUMP_EQUAL, 0, 3, 0x86dd),
        SockFilter::new(LOAD_OCTET, 0, 0, 20),
        SockFilter::new(JUMP_EQUAL, 2, 0, 58),
        SockFilter::new(JUMP_EQUAL, 1, 0, 112),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}

fn link_address(index: i32, protocol: u16) -> SockAddr {
    let mut storage = socket2::SockAddrStorage::zeroed();
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or(0);
    // SAFETY: the storage is zeroed, large and aligned enough for any socket address, and after
    // these three fields it is a valid sockaddr_ll of the given length.
    unsafe {
        let address: &mut libc::sockaddr_ll = storage.view_as();
        address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).unwrap_or_default();
        address.sll_protocol = protocol.to_be();
        address.sll_ifindex = index;
        SockAddr::new(storage, length)
    }
}

fn sockaddr_ll(address: &SockAddr) -> io::Result<libc::sockaddr_ll> {
    if i32::from(address.family()) != libc::AF_PACKET {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // SAFETY: a SockAddr always has room for a whole sockaddr_storage, which is larger and at least
    // as aligned, and its family says that it is a sockaddr_ll.
    Ok(unsafe { address.as_ptr().cast::<libc::sockaddr_ll>().read_unaligned() })
}
