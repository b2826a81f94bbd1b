//! What lies around a message (VRRP-001, VRRP-022, VRRP-033): options, extension headers, padding
//! and pieces.

use vrrp::wire::frame::{
    Ipv4Header, Ipv6Header, ethernet_frame, ipv4_datagram, ipv6_datagram, parse_ethernet,
    parse_ipv4, parse_ipv6,
};
use vrrp::wire::{Counter, Discard, GROUP_V4, GROUP_V6};

use base::Mac;

use crate::lab::ip;

const PAYLOAD: [u8; 12] = [0x31, 80, 200, 1, 0, 10, 0xa1, 0x5f, 192, 0, 2, 80];

fn ipv4() -> Vec<u8> {
    let mut out = Vec::new();
    let header = Ipv4Header::of_advert([192, 0, 2, 100].into(), GROUP_V4);
    ipv4_datagram(&header, &PAYLOAD, &mut out);
    out
}

/// An IPv6 datagram whose payload begins with these extension headers.
fn ipv6(next: u8, extensions: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let header = Ipv6Header::of_advert("fe80::99".parse().unwrap(), GROUP_V6);
    ipv6_datagram(&header, &[extensions, &PAYLOAD].concat(), &mut out);
    out[6] = next;
    out
}

fn ethernet(datagram: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ethernet_frame(Mac([2, 0, 0, 0, 0, 1]), Mac::BROADCAST, datagram, &mut out);
    out
}

#[test]
fn vrrp_022_a_datagram_gives_its_message_and_its_envelope() {
    for datagram in [ipv4(), ipv6(112, &[])] {
        let frame = ethernet(&datagram);
        let arrival = parse_ethernet(&frame).unwrap();
        assert_eq!((arrival.ttl, arrival.payload), (255, &PAYLOAD[..]));
    }
    let frame = ethernet(&ipv4());
    let arrival = parse_ethernet(&frame).unwrap();
    assert_eq!((arrival.source, arrival.destination), (ip("192.0.2.100"), ip("224.0.0.18")));
    let frame = ethernet(&ipv6(112, &[]));
    let arrival = parse_ethernet(&frame).unwrap();
    assert_eq!((arrival.source, arrival.destination), (ip("fe80::99"), ip("ff02::12")));
}

#[test]
fn vrrp_022_ipv4_options_are_skipped() {
    for words in 1..=10_u8 {
        let mut datagram = ipv4();
        let octets = usize::from(words) * 4;
        datagram.splice(20..20, vec![1; octets]);
        datagram[0] += words;
        datagram[3] += words * 4;
        assert_eq!(parse_ipv4(&datagram).unwrap().payload, PAYLOAD);
    }
}

#[test]
fn vrrp_022_an_ipv4_header_that_is_none_is_dropped() {
    let spoilt = |at: usize, octet: u8| {
        let mut datagram = ipv4();
        datagram[at] = octet;
        parse_ipv4(&datagram).unwrap_err()
    };
    assert_eq!(spoilt(0, 0x65), Discard::IpVersion { got: 6, want: 4 });
    assert_eq!(spoilt(0, 0x44), Discard::IpHeaderLength { got: 16 });
    assert_eq!(spoilt(0, 0x4f), Discard::IpLength { got: 32, claimed: 60 });
    assert_eq!(spoilt(3, 33), Discard::IpLength { got: 32, claimed: 33 });
    assert_eq!(spoilt(3, 19), Discard::IpLength { got: 32, claimed: 20 });
    assert_eq!(spoilt(2, 0xff), Discard::IpLength { got: 32, claimed: 0xff20 });
    let mut frame = ethernet(&ipv4());
    frame[14 + 8] = 254;
    assert_eq!(parse_ethernet(&frame), Err(Discard::IpChecksum));
}

#[test]
fn vrrp_022_fragments_are_never_parsed_alone() {
    for flags in [[0x20, 0], [0, 1], [0x1f, 0xff], [0x20, 1], [0x60, 0]] {
        let mut datagram = ipv4();
        datagram[6..8].copy_from_slice(&flags);
        assert_eq!(parse_ipv4(&datagram), Err(Discard::Fragment), "{flags:?}");
    }
    for offset in [[0, 1], [0, 8], [0xff, 0xf8], [0x00, 0x09]] {
        let header = [112, 0, offset[0], offset[1], 0, 0, 0, 7];
        assert_eq!(parse_ipv6(&ipv6(44, &header)), Err(Discard::Fragment), "{offset:?}");
    }
    assert_eq!(Discard::Fragment.counter(), Counter::Length);
    // Don't Fragment, and a fragment header that cuts nothing off.
    let mut datagram = ipv4();
    datagram[6] = 0x40;
    assert_eq!(parse_ipv4(&datagram).unwrap().payload, PAYLOAD);
    let datagram = ipv6(44, &[112, 0, 0, 0, 0, 0, 0, 7]);
    assert_eq!(parse_ipv6(&datagram).unwrap().payload, PAYLOAD);
}

#[test]
fn vrrp_022_ipv6_extension_headers_are_skipped() {
    let pad = |next: u8, blocks: u8| {
        let mut header = vec![next, blocks, 1, 4];
        header.resize(8 + usize::from(blocks) * 8, 0);
        header
    };
    let hop = ipv6(0, &pad(112, 0));
    assert_eq!(parse_ipv6(&hop).unwrap().payload, PAYLOAD);
    let routed = vec![112, 0, 3, 0, 0, 0, 0, 0];
    let chain = [pad(60, 0), pad(43, 2), routed].concat();
    assert_eq!(parse_ipv6(&ipv6(0, &chain)).unwrap().payload, PAYLOAD);
    let travelling = [112, 0, 3, 1, 0, 0, 0, 0];
    let discard = parse_ipv6(&ipv6(43, &travelling)).unwrap_err();
    assert_eq!(discard, Discard::NotFinal { left: 1 });
    let too_long = pad(112, 0).into_iter().map(|octet| if octet == 0 { 9 } else { octet });
    let discard = parse_ipv6(&ipv6(0, &too_long.collect::<Vec<_>>())).unwrap_err();
    assert_eq!(discard, Discard::Truncated { got: 60, need: 40 + 80 });
}

#[test]
fn vrrp_001_other_protocols_are_dropped() {
    for protocol in (0..=255_u8).filter(|protocol| *protocol != 112) {
        let mut datagram = ipv4();
        datagram[9] = protocol;
        let want = match protocol {
            51 => Discard::AuthHeader,
            got => Discard::Protocol { got },
        };
        assert_eq!(parse_ipv4(&datagram), Err(want));
        if ![0, 43, 44, 60].contains(&protocol) {
            assert_eq!(parse_ipv6(&ipv6(protocol, &[])), Err(want));
        }
    }
    let mut frame = ethernet(&ipv4());
    frame[12..14].copy_from_slice(&[0x08, 0x06]);
    assert_eq!(parse_ethernet(&frame), Err(Discard::EtherType { got: 0x0806 }));
}

#[test]
fn vrrp_033_ethernet_padding_is_no_part_of_the_message() {
    for datagram in [ipv4(), ipv6(112, &[])] {
        for padding in [1, 14, 26, 1000] {
            let mut frame = ethernet(&datagram);
            frame.resize(frame.len() + padding, 0);
            assert_eq!(parse_ethernet(&frame).unwrap().payload, PAYLOAD);
        }
    }
}

#[test]
fn vrrp_022_nothing_is_read_beyond_the_end() {
    let extended = ipv6(0, &[112, 0, 1, 4, 0, 0, 0, 0]);
    for datagram in [ipv4(), ipv6(112, &[]), extended] {
        for length in 0..datagram.len() {
            let frame = ethernet(&datagram[..length]);
            let discard = parse_ethernet(&frame).expect_err("a part is not a whole");
            assert_eq!(discard.counter(), Counter::Length, "{length}: {discard}");
        }
    }
}
