//! Adverts across a veth pair: what arrives, what must not, and after what.

use std::time::Duration;

use base::KernelFact;

use super::*;
use crate::clock;
use crate::frames::{FrameSender, FrameTap};
use crate::monitor::Monitor;
use crate::poll::{Interest, Poll};
use crate::testing::{in_namespace, index, ip, settled};

const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// A veth pair `va`–`vb`, up, and nothing configured that could be taken for the sender.
fn pair() -> (IfIndex, IfIndex) {
    ip("link add va type veth peer name vb");
    ip("link set va up");
    ip("link set vb up");
    ip("address add 192.0.2.2/24 dev vb");
    settled(&["va", "vb"]);
    (index("va"), index("vb"))
}

/// An IPv4 datagram; the kernel completes the checksum.
fn datagram(protocol: u8, ttl: u8, destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let mut whole = vec![0x45, 0xc0, length[0], length[1], 0, 0, 0, 0, ttl, protocol, 0, 0];
    whole.extend(SOURCE.octets());
    whole.extend(destination.octets());
    whole.extend(payload);
    whole
}

/// The next advert within a second.
fn next(receiver: &Receiver, buffer: &mut [u8]) -> Option<Datagram> {
    let mut poll = Poll::new().unwrap();
    poll.add(receiver, 0, Interest::Read).unwrap();
    poll.wait(Some(Duration::from_secs(1))).unwrap().count();
    receiver.recv(buffer).unwrap()
}

#[test]
fn ipv4_adverts_cross_a_link_with_ttl_and_destination() {
    in_namespace(|| {
        let (va, vb) = pair();
        let receiver = Receiver::open(vb, "vb", Family::V4, &[GROUP_V4.into()]).unwrap();
        let sender = Sender::open(va, "va", Family::V4).unwrap();
        let mut buffer = [0; 2048];
        for ttl in [255, 17] {
            sender.send_v4(&datagram(112, ttl, GROUP_V4, b"\x31 eight octets")).unwrap();
            let got = next(&receiver, &mut buffer).unwrap();
            assert_eq!(got.source, IpAddr::from(SOURCE));
            assert_eq!(got.destination, IpAddr::from(GROUP_V4));
            assert_eq!(got.ttl, ttl, "left for the router to judge");
            assert_eq!(&buffer[got.payload], b"\x31 eight octets");
            assert_eq!(got.whole.end, 20 + 14);
            assert_eq!(buffer[0], 0x45);
            assert_eq!(buffer[1], 0xc0);
        }
    });
}

#[test]
fn ipv6_adverts_cross_a_link_with_hop_limit_and_destination() {
    in_namespace(|| {
        let (va, vb) = pair();
        let receiver = Receiver::open(vb, "vb", Family::V6, &[GROUP_V6.into()]).unwrap();
        let sender = Sender::open(va, "va", Family::V6).unwrap();
        let source: Ipv6Addr = "fe80::1234".parse().unwrap();
        let mut buffer = [0; 2048];
        for hops in [255, 64] {
            sender.send_v6(b"\x31 payload", source, GROUP_V6, hops).unwrap();
            let got = next(&receiver, &mut buffer).unwrap();
            assert_eq!(got.source, IpAddr::from(source));
            assert_eq!(got.destination, IpAddr::from(GROUP_V6));
            assert_eq!(got.ttl, hops);
            assert_eq!(&buffer[got.payload.clone()], b"\x31 payload");
            assert_eq!(got.whole, got.payload);
        }
    });
}

#[test]
fn vrrp_017_own_adverts_are_not_received() {
    in_namespace(|| {
        let (va, _) = pair();
        for (family, group) in [(Family::V4, IpAddr::from(GROUP_V4)), (Family::V6, GROUP_V6.into())]
        {
            let receiver = Receiver::open(va, "va", family, &[group]).unwrap();
            let sender = Sender::open(va, "va", family).unwrap();
            match family {
                Family::V4 => sender.send_v4(&datagram(112, 255, GROUP_V4, b"12345678")),
                Family::V6 => {
                    sender.send_v6(b"12345678", "fe80::1".parse().unwrap(), GROUP_V6, 255)
                }
            }
            .unwrap();
            assert_eq!(receiver.recv(&mut [0; 99]).unwrap(), None, "{family}");
        }
    });
}

#[test]
fn other_protocols_other_groups_and_other_links_are_not_heard() {
    in_namespace(|| {
        let (va, vb) = pair();
        ip("link add vc type veth peer name vd");
        ip("link set vc up");
        ip("link set vd up");
        settled(&["vc", "vd"]);
        let receiver = Receiver::open(vb, "vb", Family::V4, &[GROUP_V4.into()]).unwrap();
        let elsewhere = Receiver::open(index("vd"), "vd", Family::V4, &[GROUP_V4.into()]).unwrap();
        // Another socket's membership must not become ours.
        let group = Ipv4Addr::new(224, 0, 0, 99);
        let _other = Receiver::open(vb, "vb", Family::V4, &[group.into()]).unwrap();
        let sender = Sender::open(va, "va", Family::V4).unwrap();
        sender.send_v4(&datagram(113, 255, GROUP_V4, b"12345678")).unwrap();
        sender.send_v4(&datagram(112, 255, group, b"12345678")).unwrap();
        sender.send_v4(&datagram(112, 255, GROUP_V4, b"the last")).unwrap();
        let mut buffer = [0; 99];
        let got = next(&receiver, &mut buffer).unwrap();
        assert_eq!(&buffer[got.payload], b"the last");
        assert_eq!(receiver.recv(&mut buffer).unwrap(), None);
        assert_eq!(elsewhere.recv(&mut buffer).unwrap(), None);
    });
}

#[test]
fn vrrp_022_ip_options_are_skipped_and_fragments_are_never_seen_alone() {
    in_namespace(|| {
        let (va, vb) = pair();
        let receiver = Receiver::open(vb, "vb", Family::V4, &[]).unwrap();
        let link = FrameSender::open().unwrap();
        let send = |header: &[u8], fragment: u16, payload: &[u8]| {
            let mac = Monitor::open(Monitor::QUEUE).unwrap().snapshot().unwrap();
            let KernelFact::Snapshot { links, .. } = mac else { panic!("no snapshot") };
            let mac = links.iter().find(|l| l.index == vb).and_then(|l| l.mac).unwrap();
            let mut ip = datagram(112, 255, Ipv4Addr::new(192, 0, 2, 2), &[]);
            ip.extend(header);
            ip[0] = 0x40 | u8::try_from(ip.len() / 4).unwrap();
            ip[3] = u8::try_from(ip.len() + payload.len()).unwrap();
            ip[4..6].copy_from_slice(&[7, 7]);
            ip[6..8].copy_from_slice(&fragment.to_be_bytes());
            let sum: u32 = ip.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
            let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
            ip[10..12].copy_from_slice(&sum.to_be_bytes());
            let mut frame = mac.0.to_vec();
            frame.extend([2, 0, 0, 0, 0, 1, 8, 0]);
            frame.extend(ip);
            frame.extend(payload);
            link.send(va, &frame).unwrap();
        };
        let mut buffer = [0; 2048];
        // Router alert, RFC 2113.
        send(&[0x94, 4, 0, 0], 0, b"to one of us");
        let got = next(&receiver, &mut buffer).unwrap();
        assert_eq!(got.destination, IpAddr::from([192, 0, 2, 2]));
        assert_eq!(got.payload, 24..36);
        assert_eq!(&buffer[got.payload], b"to one of us");
        // The second part first (offset 8 octets), then the first (more to come).
        send(&[], 1, b" halves");
        assert_eq!(receiver.recv(&mut buffer).unwrap(), None);
        send(&[], 0x2000, b"in two  ");
        let got = next(&receiver, &mut buffer).unwrap();
        assert_eq!(&buffer[got.payload], b"in two   halves");
    });
}

#[test]
fn rejoining_makes_the_switches_hear_of_us() {
    in_namespace(|| {
        let (va, vb) = pair();
        let receiver = Receiver::open(vb, "vb", Family::V4, &[GROUP_V4.into()]).unwrap();
        // The reports of the first join are repeated within a second (RFC 3376 §8.11).
        std::thread::sleep(Duration::from_millis(1300));
        let tap = FrameTap::open(Some(va)).unwrap();
        receiver.rejoin().unwrap();
        let begun = clock::monotonic();
        let mut buffer = [0; 2048];
        loop {
            assert!(clock::monotonic().since(begun) < Duration::from_secs(5), "no report");
            let Some(frame) = tap.recv(&mut buffer).unwrap() else {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            // IGMP is IP protocol 2; the group is somewhere in the report.
            let octets = &buffer[..frame.length];
            let names_us = octets.windows(4).any(|w| w == GROUP_V4.octets());
            if octets[12..14] == [8, 0] && octets[23] == 2 && names_us {
                break;
            }
        }
    });
}

#[test]
fn a_link_that_was_down_is_heard_again() {
    in_namespace(|| {
        let (va, vb) = pair();
        let both = [(Family::V4, IpAddr::from(GROUP_V4)), (Family::V6, GROUP_V6.into())];
        let open = |(family, group): (Family, IpAddr)| {
            (
                Receiver::open(vb, "vb", family, &[group]).unwrap(),
                Sender::open(va, "va", family).unwrap(),
            )
        };
        let [(receiver4, sender4), (receiver6, sender6)] = both.map(open);
        ip("link set vb down");
        ip("link set vb up");
        settled(&["va", "vb"]);
        for receiver in [&receiver4, &receiver6] {
            // An error that is told once.
            let _ = receiver.recv(&mut [0; 9]);
            receiver.rejoin().unwrap();
        }
        sender4.send_v4(&datagram(112, 255, GROUP_V4, b"12345678")).unwrap();
        sender6.send_v6(b"12345678", "fe80::1".parse().unwrap(), GROUP_V6, 255).unwrap();
        assert!(next(&receiver4, &mut [0; 99]).is_some());
        assert!(next(&receiver6, &mut [0; 99]).is_some());
    });
}

#[test]
fn a_missing_interface_and_a_wrong_group_are_named() {
    in_namespace(|| {
        let none = IfIndex::new(77).unwrap();
        let error = Sender::open(none, "none0", Family::V4).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        let lo = IfIndex::new(1).unwrap();
        let error = Receiver::open(lo, "lo", Family::V4, &[GROUP_V6.into()]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    });
}

/// An advert as a frame from this MAC.
fn frame(family: Family, from: Mac) -> Vec<u8> {
    let mut frame = match family {
        Family::V4 => vec![0x01, 0x00, 0x5e, 0, 0, 0x12],
        Family::V6 => vec![0x33, 0x33, 0, 0, 0, 0x12],
    };
    frame.extend(from.0);
    match family {
        Family::V4 => {
            frame.extend([0x08, 0x00]);
            let mut whole = datagram(112, 255, GROUP_V4, b"\x31 eight octets");
            let sum: u32 = whole[..20]
                .chunks(2)
                .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
                .sum();
            let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
            whole[10..12].copy_from_slice(&sum.to_be_bytes());
            frame.extend(whole);
        }
        Family::V6 => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 112, 255]);
            frame.extend("fe80::1234".parse::<Ipv6Addr>().unwrap().octets());
            frame.extend(GROUP_V6.octets());
            frame.extend(b"\x31 eight!");
        }
    }
    frame
}

#[test]
fn what_comes_from_a_macvlans_own_mac_is_heard_beside_its_parent_and_everything_once() {
    in_namespace(|| {
        let (va, vb) = pair();
        let shared = Mac([0, 0, 0x5e, 0, 1, 0x0a]);
        ip("link add vmac link vb address 00:00:5e:00:01:0a type macvlan mode private");
        let vmac = index("vmac");
        let sender = FrameSender::open().unwrap();
        for (family, group) in [(Family::V4, IpAddr::from(GROUP_V4)), (Family::V6, GROUP_V6.into())]
        {
            let parent = Receiver::open(vb, "vb", family, &[group]).unwrap();
            let only = Some(shared);
            let beside =
                Receiver::open_for(vmac, "vmac", family, &[group], only, Receiver::QUEUE).unwrap();
            let heard = |from: Mac| {
                sender.send(va, &frame(family, from)).unwrap();
                std::thread::sleep(Duration::from_millis(20));
                let mut buffer = [0; 2048];
                let mut count = |receiver: &Receiver| {
                    let mut count = 0;
                    while receiver.recv(&mut buffer).unwrap_or_default().is_some() {
                        count += 1;
                    }
                    count
                };
                (count(&parent), count(&beside))
            };
            let other = Mac([2, 0, 0, 0, 0, 9]);
            ip("link set vmac down");
            let _ = heard(other);
            assert_eq!((heard(shared), heard(other)), ((1, 0), (1, 0)), "{family}: down");
            ip("link set vmac up");
            settled(&["vmac"]);
            assert_eq!((heard(shared), heard(other)), ((0, 1), (1, 0)), "{family}: up");
        }
    });
}

#[test]
fn many_at_once_arrive_whole_in_order_with_all_that_is_beside() {
    in_namespace(|| {
        let (va, vb) = pair();
        for (family, group) in [(Family::V4, GROUP_V4.into()), (Family::V6, GROUP_V6.into())] {
            let receiver = Receiver::open(vb, "vb", family, &[group]).unwrap();
            let sender = Sender::open(va, "va", family).unwrap();
            let source: IpAddr = match family {
                Family::V4 => SOURCE.into(),
                Family::V6 => "fe80::77".parse().unwrap(),
            };
            let mut outgoing = Outgoing::default();
            for n in 0..100_u8 {
                let payload = vec![n; 1 + usize::from(n)];
                let octets = match family {
                    Family::V4 => datagram(112, 255 - n, GROUP_V4, &payload),
                    Family::V6 => payload,
                };
                outgoing.push(&octets, source, group, 255 - n);
            }
            assert_eq!((outgoing.len(), sender.send_all(&mut outgoing)), (100, 0));
            assert!(outgoing.is_empty());
            let mut incoming = Incoming::default();
            let mut n = 0_u8;
            while n < 100 {
                let more = receiver.recv_all(&mut incoming).unwrap();
                for (datagram, payload) in incoming.iter() {
                    assert_eq!(payload, vec![n; 1 + usize::from(n)]);
                    let beside = (datagram.source, datagram.destination, datagram.ttl);
                    assert_eq!(beside, (source, group, 255 - n));
                    n += 1;
                }
                assert_eq!(more, n.is_multiple_of(32), "{n}");
            }
            assert!(!receiver.recv_all(&mut incoming).unwrap());
            assert_eq!(incoming.iter().count(), 0);
        }
    });
}

#[test]
fn of_many_only_those_fail_that_must() {
    in_namespace(|| {
        let (va, vb) = pair();
        let receiver = Receiver::open(vb, "vb", Family::V4, &[GROUP_V4.into()]).unwrap();
        let sender = Sender::open(va, "va", Family::V4).unwrap();
        let mut outgoing = Outgoing::default();
        for n in 0..40_usize {
            // Every tenth is longer than the link takes.
            let payload = vec![7; if n % 10 == 3 { 1600 } else { 8 }];
            let octets = datagram(112, 255, GROUP_V4, &payload);
            outgoing.push(&octets, SOURCE.into(), GROUP_V4.into(), 255);
        }
        assert_eq!(sender.send_all(&mut outgoing), 4);
        let mut incoming = Incoming::default();
        let mut heard = 0;
        while heard < 36 {
            let more = receiver.recv_all(&mut incoming).unwrap();
            heard += incoming.iter().count();
            assert!(more || heard == 36, "{heard}");
        }
    });
}
