//! A [`FrameTap`] to wait on, that can be told to hear only what matters to an election. For the
//! lab and for tests; the daemon never listens like this.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{SockFilter, SockRef};

use crate::{Frame, FrameTap};

/// What a [`Tap`] hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hear {
    /// Every frame.
    Everything,
    /// ARP, ICMPv6 (Neighbour Discovery) and VRRP; the kernel drops the rest.
    Election,
}

/// Frames on all interfaces of a network namespace, with patience.
#[derive(Debug)]
pub struct Tap {
    frames: FrameTap,
    patience: Timespec,
}

impl Tap {
    /// Opens one in the calling thread's network namespace; needs `CAP_NET_RAW`.
    /// [`recv`](Self::recv) waits at most `patience`.
    ///
    /// # Errors
    /// Whatever `socket(2)` says.
    pub fn open(hear: Hear, patience: Duration) -> io::Result<Self> {
        let frames = FrameTap::open(None)?;
        let socket = SockRef::from(&frames);
        if hear == Hear::Election {
            socket.attach_filter(&election())?;
        }
        socket.set_recv_buffer_size(4 * 1024 * 1024)?;
        let patience = patience.try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
        Ok(Self { frames, patience })
    }

    /// Waits for a frame, from its Ethernet header on; `None` when none came in time.
    ///
    /// # Errors
    /// `ENETDOWN` once when an interface went down.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<Option<Frame>> {
        let mut ready = [PollFd::new(&self.frames, PollFlags::IN)];
        match poll(&mut ready, Some(&self.patience)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(None),
            Ok(_) => self.frames.recv(buffer),
            Err(error) => Err(error.into()),
        }
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
