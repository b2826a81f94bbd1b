//! Hears what others on a link say about where certain addresses live: ARP packets and neighbour
//! advertisements, and nothing else (`packet(7)`, `bpf(4)`'s classic filters).
//!
//! The kernel drops what is not about those addresses before this process is woken, and what this
//! node sends does not come here at all: a socket bound to one protocol sees arriving frames only.
//! Its queue is short. A flood fills it and costs memory and time no further; what did not fit is
//! counted.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use base::{Family, IfIndex};
use nix::sys::socket::{MsgFlags, bind, recv};
use socket2::{SockFilter, SockRef};

use crate::frames::{address, packet_socket};

const ETH_P_ARP: u16 = 0x0806;
const ETH_P_IPV6: u16 = 0x86dd;

/// Octets of a frame that are handed over: an ARP packet, or an advertisement with its options.
const SNAP: u32 = 512;

/// The queue's room, octets; the kernel counts each frame with its overhead.
const QUEUE: usize = 32 * 1024;

/// Up to this many addresses are each named in the filter; of more, only the range they are in.
const NAMED: usize = 64;

/// A socket for one interface and family. Never blocks.
#[derive(Debug)]
pub struct NeighbourWatch {
    socket: OwnedFd,
    family: Family,
}

impl NeighbourWatch {
    /// Opens it in the calling thread's network namespace, for what is said about `addresses`. Needs
    /// `CAP_NET_RAW`.
    ///
    /// # Errors
    /// `ENODEV` if there is no such interface, `EPERM` without the capability.
    pub fn open(index: IfIndex, family: Family, addresses: &[IpAddr]) -> io::Result<Self> {
        // Without a protocol nothing comes in before the filter stands.
        let watch = Self { socket: packet_socket()?, family };
        SockRef::from(&watch.socket).set_recv_buffer_size(QUEUE)?;
        watch.about(addresses)?;
        let protocol = match family {
            Family::V4 => ETH_P_ARP,
            Family::V6 => ETH_P_IPV6,
        };
        bind(watch.socket.as_raw_fd(), &address(Some(index), protocol)?)?;
        Ok(watch)
    }

    /// From now on, what is said about these.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn about(&self, addresses: &[IpAddr]) -> io::Result<()> {
        SockRef::from(&self.socket).attach_filter(&filter(self.family, addresses))
    }

    /// The next frame, from its Ethernet header on: its length in the buffer.
    ///
    /// # Errors
    /// `ENETDOWN` once after the interface went down.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match recv(self.socket.as_raw_fd(), buffer, MsgFlags::empty()) {
                Ok(length) => return Ok(Some(length)),
                Err(nix::Error::EINTR) => {}
                Err(nix::Error::EAGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How many frames did not fit into the queue since this was last asked.
    #[must_use]
    pub fn dropped(&self) -> u32 {
        const PACKET_STATISTICS: libc::c_int = 6;
        // struct tpacket_stats: packets, drops.
        let mut stats = [0_u32; 2];
        let Ok(mut length) = libc::socklen_t::try_from(size_of_val(&stats)) else { return 0 };
        // SAFETY: `stats` is valid for writes of `length` octets for the time of the call.
        let done = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                PACKET_STATISTICS,
                stats.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if done == 0 { stats[1] } else { 0 }
    }
}

impl AsFd for NeighbourWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A jump names how many instructions to skip when true and when false.
fn filter(family: Family, addresses: &[IpAddr]) -> Vec<SockFilter> {
    const LOAD_WORD: u16 = 0x20;
    const LOAD_OCTET: u16 = 0x30;
    const JUMP_EQUAL: u16 = 0x15;
    const JUMP_GREATER: u16 = 0x25;
    const JUMP_NOT_LESS: u16 = 0x35;
    const RETURN: u16 = 0x06;
    let drop = || SockFilter::new(RETURN, 0, 0, 0);
    let take = || SockFilter::new(RETURN, 0, 0, SNAP);
    let only = |at: u32, value: u32| {
        [SockFilter::new(LOAD_OCTET, 0, 0, at), SockFilter::new(JUMP_EQUAL, 1, 0, value), drop()]
    };
    // The last four octets of an address tell it from others well enough.
    let mut program = Vec::new();
    match family {
        Family::V4 => program.push(SockFilter::new(LOAD_WORD, 0, 0, 28)),
        Family::V6 => {
            program.extend(only(20, 58));
            program.extend(only(54, 136));
            program.push(SockFilter::new(LOAD_WORD, 0, 0, 74));
        }
    }
    let mut tails: Vec<u32> = addresses
        .iter()
        .filter(|address| Family::of(address) == family)
        .map(|address| match address {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(address) => {
                let [.., a, b, c, d] = address.octets();
                u32::from_be_bytes([a, b, c, d])
            }
        })
        .collect();
    tails.sort_unstable();
    tails.dedup();
    match (tails.first(), tails.last()) {
        (Some(first), Some(last)) if tails.len() > NAMED => {
            program.push(SockFilter::new(JUMP_NOT_LESS, 1, 0, *first));
            program.push(drop());
            program.push(SockFilter::new(JUMP_GREATER, 0, 1, *last));
            program.push(drop());
            program.push(take());
        }
        _ => {
            for tail in tails {
                program.push(SockFilter::new(JUMP_EQUAL, 0, 1, tail));
                program.push(take());
            }
            program.push(drop());
        }
    }
    program
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::frames::FrameSender;
    use crate::poll::{Interest, Poll};
    use crate::testing::{in_namespace, index, ip, settled};

    fn arp(sender: [u8; 4]) -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend([2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9]);
        frame.extend(sender);
        frame.extend([0, 0, 0, 0, 0, 0, 192, 0, 2, 200]);
        frame
    }

    fn advertisement(last: u8) -> Vec<u8> {
        let mut frame = vec![0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x86, 0xdd];
        frame.extend([0x60, 0, 0, 0, 0, 24, 58, 255]);
        let target = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
        frame.extend(target);
        frame.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        frame.extend([136, 0, 0, 0, 0x20, 0, 0, 0]);
        frame.extend(target);
        frame
    }

    /// The frames heard until it has been quiet for a tenth of a second.
    fn heard(watch: &NeighbourWatch) -> Vec<Vec<u8>> {
        let mut poll = Poll::new().unwrap();
        poll.add(watch, 0, Interest::Read).unwrap();
        let (mut found, mut buffer) = (Vec::new(), [0; 2048]);
        while poll.wait(Some(Duration::from_millis(100))).unwrap().count() > 0 {
            while let Some(length) = watch.recv(&mut buffer).unwrap() {
                found.push(buffer[..length].to_vec());
            }
        }
        found
    }

    fn cable() -> (IfIndex, IfIndex) {
        ip("link add va type veth peer name vb");
        ip("link set va addrgenmode none");
        ip("link set vb addrgenmode none");
        ip("link set va up");
        ip("link set vb up");
        settled(&["va", "vb"]);
        (index("va"), index("vb"))
    }

    #[test]
    fn only_what_others_say_about_the_addresses_is_heard() {
        in_namespace(|| {
            let (here, there) = cable();
            let vips: Vec<IpAddr> =
                ["192.0.2.10", "192.0.2.12", "2001:db8::10"].map(|t| t.parse().unwrap()).into();
            let v4 = NeighbourWatch::open(here, Family::V4, &vips).unwrap();
            let v6 = NeighbourWatch::open(here, Family::V6, &vips).unwrap();
            let sender = FrameSender::open().unwrap();
            for last in 9..=13 {
                sender.send(there, &arp([192, 0, 2, last])).unwrap();
                // Our own go out and are not heard.
                sender.send(here, &arp([192, 0, 2, last])).unwrap();
            }
            let mut other = advertisement(0x10);
            other[54] = 135;
            for frame in [advertisement(0x10), advertisement(0x11), other] {
                sender.send(there, &frame).unwrap();
            }
            assert_eq!(heard(&v4), [arp([192, 0, 2, 10]), arp([192, 0, 2, 12])]);
            assert_eq!(heard(&v6), [advertisement(0x10)]);
            v4.about(&["192.0.2.9".parse().unwrap()]).unwrap();
            for last in 9..=13 {
                sender.send(there, &arp([192, 0, 2, last])).unwrap();
            }
            assert_eq!(heard(&v4), [arp([192, 0, 2, 9])]);
        });
    }

    #[test]
    fn thousands_of_addresses_are_a_range() {
        in_namespace(|| {
            let (here, there) = cable();
            let of = |n: u16| IpAddr::from([10, 0, n.to_be_bytes()[0], n.to_be_bytes()[1]]);
            let vips: Vec<IpAddr> = (256..4352).map(of).collect();
            let watch = NeighbourWatch::open(here, Family::V4, &vips).unwrap();
            let sender = FrameSender::open().unwrap();
            for [high, low] in [[0, 255], [1, 0], [16, 255], [17, 0]] {
                sender.send(there, &arp([10, 0, high, low])).unwrap();
            }
            assert_eq!(heard(&watch), [arp([10, 0, 1, 0]), arp([10, 0, 16, 255])]);
        });
    }

    #[test]
    fn a_flood_fills_a_short_queue_and_is_counted() {
        in_namespace(|| {
            let (here, there) = cable();
            let watch =
                NeighbourWatch::open(here, Family::V4, &["192.0.2.10".parse().unwrap()]).unwrap();
            let sender = FrameSender::open().unwrap();
            for _ in 0..1000 {
                sender.send(there, &arp([192, 0, 2, 10])).unwrap();
            }
            let heard = u32::try_from(heard(&watch).len()).unwrap();
            let dropped = watch.dropped();
            assert!((1..200).contains(&heard), "{heard}");
            assert_eq!(heard + dropped, 1000);
            assert_eq!(watch.dropped(), 0, "counted once");
        });
    }
}
