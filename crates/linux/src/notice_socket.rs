//! A UDP socket for words between neighbours that only neighbours may say: everything leaves with
//! TTL 255 from a source that is named each time, and what arrives comes with its TTL, its
//! destination and its interface, so that its reader can refuse what a router has passed on
//! (RFC 5082).

mod batch;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use base::Family;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

pub use batch::{IncomingWords, OutgoingWords};

/// Class selector 6, network control, as traffic class octet.
const CS6: u32 = 0xc0;
const TTL: u32 = 255;

/// The socket of one family; see the head of this file. Never blocks.
#[derive(Debug)]
pub struct NoticeSocket {
    socket: Socket,
    family: Family,
    port: u16,
}

impl NoticeSocket {
    /// Binds `port`, to which it also sends, on every address of the family.
    ///
    /// # Errors
    /// `EADDRINUSE` if another program has it; else what `socket(2)` says.
    pub fn open(family: Family, port: u16) -> io::Result<Self> {
        let (domain, any) = match family {
            Family::V4 => (Domain::IPV4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            Family::V6 => (Domain::IPV6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        };
        let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        match family {
            Family::V4 => {
                socket.set_ttl_v4(TTL)?;
                socket.set_tos_v4(CS6)?;
                setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
                setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
            }
            Family::V6 => {
                socket.set_only_v6(true)?;
                socket.set_unicast_hops_v6(TTL)?;
                socket.set_tclass_v6(CS6)?;
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
                setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
            }
        }
        socket.bind(&SocketAddr::new(any, port).into())?;
        Ok(Self { socket, family, port })
    }
}

impl AsFd for NoticeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use base::IfIndex;

    use super::*;

    /// A socket at a port of the test's own: any that is free.
    fn open(family: Family, local: IpAddr) -> NoticeSocket {
        let free = Socket::from(std::net::UdpSocket::bind((local, 0)).unwrap());
        let port = free.local_addr().unwrap().as_socket().unwrap().port();
        drop(free);
        NoticeSocket::open(family, port).unwrap()
    }

    #[test]
    fn words_arrive_in_their_order_with_where_they_came_from_and_how() {
        let lo = IfIndex::new(1).unwrap();
        for (family, local) in
            [(Family::V4, IpAddr::from([127, 0, 0, 1])), (Family::V6, Ipv6Addr::LOCALHOST.into())]
        {
            let socket = open(family, local);
            let mut words = OutgoingWords::default();
            let count = u8::try_from(crate::DATAGRAMS_AT_ONCE).unwrap() + 8;
            for word in 0..count {
                words.push(lo, local, local, &vec![word; usize::from(word) + 1]);
            }
            assert_eq!(socket.send_all(&mut words), 0);
            assert!(words.is_empty());
            let (mut heard, mut incoming) = (Vec::new(), IncomingWords::default());
            for more in [true, false] {
                assert_eq!(socket.recv_all(&mut incoming).unwrap(), more);
                for (index, datagram, payload) in incoming.iter() {
                    assert_eq!((index, datagram.source, datagram.destination), (lo, local, local));
                    assert_eq!(datagram.ttl, 255);
                    heard.push(payload.to_vec());
                }
            }
            let said = (0..count).map(|word| vec![word; usize::from(word) + 1]);
            assert!(heard.into_iter().eq(said));
            assert!(!socket.recv_all(&mut incoming).unwrap());
            assert_eq!(incoming.iter().count(), 0);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_counted_and_the_others_go() {
        let (lo, local) = (IfIndex::new(1).unwrap(), IpAddr::from([127, 0, 0, 1]));
        let socket = open(Family::V4, local);
        let mut words = OutgoingWords::default();
        // Not an address of this node, and one of the other family.
        let sources = [local, IpAddr::from([192, 0, 2, 1]), local, Ipv6Addr::LOCALHOST.into()];
        for source in sources.into_iter().chain([local]) {
            words.push(lo, source, local, b"word");
        }
        assert_eq!(socket.send_all(&mut words), 2);
        let mut incoming = IncomingWords::default();
        assert!(!socket.recv_all(&mut incoming).unwrap());
        assert_eq!(incoming.iter().count(), 3);
    }

    #[test]
    fn what_is_too_long_for_a_word_is_cut_and_spoils_no_other() {
        let (lo, local) = (IfIndex::new(1).unwrap(), IpAddr::from([127, 0, 0, 1]));
        let socket = open(Family::V4, local);
        let mut words = OutgoingWords::default();
        words.push(lo, local, local, &[7; 200]);
        words.push(lo, local, local, b"word");
        assert_eq!(socket.send_all(&mut words), 0);
        let mut incoming = IncomingWords::default();
        socket.recv_all(&mut incoming).unwrap();
        let heard: Vec<&[u8]> = incoming.iter().map(|(_, _, payload)| payload).collect();
        assert_eq!(heard, [&[7; 64][..], b"word"]);
    }
}
