//! Frames of keepalived 2.2.7 (K) and FRR 8.4.4 (F), made again octet for octet from their
//! parameters; then read back, cut short at every length and flipped in every bit.

use std::net::IpAddr;
use std::num::NonZeroU8;

use base::{Centis, Family, Mac, Priority};
use vrrp::wire::frame::{
    Ipv4Header, Ipv6Header, ethernet_frame, ipv4_datagram, ipv6_datagram, multicast_mac,
    parse_ethernet,
};
use vrrp::wire::{Advert, Auth, Body, ChecksumForm, Counter, Heard, fuzz, group};

use crate::lab::{Node, ip, ips, vrid};
use crate::shared;

const KEEPALIVED: Mac = Mac([2, 0, 0, 0, 0, 0x0a]);
const PEER: Mac = Mac([2, 0, 0, 0, 0, 0x0b]);

/// The parameters of one frame.
struct Frame {
    vrid: u8,
    priority: u8,
    addresses: &'static [&'static str],
    body: Body,
    source: &'static str,
    /// `None` for the group.
    destination: Option<&'static str>,
    ttl: u8,
    mac: Mac,
    /// IPv4 identification, or IPv6 flow label: the sender's kernel chose it.
    id: u32,
    dont_fragment: bool,
}

impl Frame {
    fn keepalived(vrid: u8, priority: u8, body: Body, addresses: &'static [&'static str]) -> Self {
        Self {
            vrid,
            priority,
            addresses,
            body,
            source: "192.0.2.1",
            destination: None,
            ttl: 255,
            mac: KEEPALIVED,
            id: 1,
            dont_fragment: false,
        }
    }

    fn virtual_mac(mut self) -> Self {
        self.mac = Mac::virtual_router(Family::of(&ip(self.source)), vrid(self.vrid));
        self
    }

    fn advert(&self) -> Advert {
        let priority = Priority::new(self.priority);
        Advert::new(vrid(self.vrid), priority, ips(self.addresses), self.body).unwrap()
    }

    fn build(&self) -> Vec<u8> {
        let advert = self.advert();
        let source = ip(self.source);
        let destination = self.destination.map_or(group(advert.family()), ip);
        let payload = advert.encode(ChecksumForm::Rfc5798, source, destination);
        let (mut datagram, mut frame) = (Vec::new(), Vec::new());
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header = Ipv4Header {
                    ttl: self.ttl,
                    id: u16::try_from(self.id).unwrap(),
                    dont_fragment: self.dont_fragment,
                    ..Ipv4Header::of_advert(source, destination)
                };
                ipv4_datagram(&header, &payload, &mut datagram);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let header = Ipv6Header {
                    hop_limit: self.ttl,
                    flow_label: self.id,
                    ..Ipv6Header::of_advert(source, destination)
                };
                ipv6_datagram(&header, &payload, &mut datagram);
            }
            _ => panic!("mixed families"),
        }
        let to = multicast_mac(destination).unwrap_or(PEER);
        ethernet_frame(self.mac, to, &datagram, &mut frame);
        frame
    }

    /// The node this frame was meant for.
    fn receiver(&self) -> Node {
        let advert = self.advert();
        let mut node = Node::new(advert.version(), advert.family());
        node.vrid = self.vrid;
        node.addresses = ips(&[self.destination.unwrap_or("192.0.2.250")]);
        if let Body::V2 { auth, .. } = self.body {
            node.auth = auth;
        }
        if self.destination.is_some() {
            node = node.unicast(self.source, 0, 255);
        }
        node
    }
}

fn v2() -> Body {
    Body::V2 { interval: NonZeroU8::MIN, auth: Auth::None }
}

fn v3(centis: u16) -> Body {
    Body::V3 { interval: Centis::new(centis).unwrap() }
}

/// The captured frame of this name.
fn captured(name: &str) -> Option<Vec<u8>> {
    let page = shared::file("reference/vrrp-conformance.md")?;
    let line = page.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
    Some(shared::octets(line.split(' ').next_back().unwrap()))
}

fn check(name: &str, frame: &Frame) {
    let built = frame.build();
    if let Some(captured) = captured(name) {
        assert_eq!(built, captured, "{name} is not what we would send");
    }
    let node = frame.receiver();
    let want = frame.advert();
    let heard = node.hear_frame(&built).unwrap_or_else(|discard| panic!("{name}: {discard}"));
    assert_eq!(heard.advert, want, "{name}");
    for length in 0..built.len() {
        let cut = node.hear_frame(&built[..length]);
        assert!(cut.is_err(), "{name} cut to {length} octets: {cut:?}");
        fuzz::any_octets(&built[..length]);
    }
    for bit in 0..built.len() * 8 {
        let mut flipped = built.clone();
        flipped[bit / 8] ^= 0x80 >> (bit % 8);
        let outcome = node.hear_frame(&flipped);
        if unprotected(&built, frame.destination.is_some(), bit) {
            assert_eq!(outcome, Ok(heard.clone()), "{name}, bit {bit}");
        } else {
            assert!(outcome.is_err(), "{name}, bit {bit}: {outcome:?}");
        }
        fuzz::any_octets(&flipped);
    }
}

/// Whether no check of VRRP covers this bit: those of the Ethernet addresses, and over IPv6 of
/// traffic class and flow label; for a unicast peer that may use any TTL also of the hop limit,
/// which over IPv4 the header's checksum protects.
fn unprotected(frame: &[u8], any_ttl: bool, bit: usize) -> bool {
    let ipv6 = frame[12] == 0x86;
    match bit / 8 {
        0..12 => true,
        14 => ipv6 && bit % 8 >= 4,
        15..18 => ipv6,
        21 => ipv6 && any_ttl,
        _ => false,
    }
}

#[test]
fn g01_keepalived_v2_multicast_of_two_vips() {
    check("G01", &Frame::keepalived(51, 150, v2(), &["192.0.2.10", "192.0.2.11"]));
}

#[test]
fn g02_keepalived_v2_resigns() {
    let frame = Frame::keepalived(51, 0, v2(), &["192.0.2.10", "192.0.2.11"]);
    check("G02", &Frame { id: 4, ..frame });
}

#[test]
fn g03_keepalived_v2_with_a_password() {
    let auth = Auth::pass(b"s3cr3t").unwrap();
    let body = Body::V2 { interval: NonZeroU8::MIN, auth };
    check("G03", &Frame::keepalived(52, 150, body, &["192.0.2.12"]));
}

#[test]
fn g04_keepalived_authentication_header_is_refused_by_name() {
    let Some(frame) = captured("G04") else { return };
    let discard = parse_ethernet(&frame).unwrap_err();
    assert_eq!(discard.counter(), Counter::AuthType);
    for length in 0..frame.len() {
        fuzz::any_octets(&frame[..length]);
    }
}

#[test]
fn g05_keepalived_v2_unicast() {
    let frame = Frame::keepalived(54, 150, v2(), &["192.0.2.14"]);
    check("G05", &Frame { destination: Some("192.0.2.2"), ..frame });
}

#[test]
fn g06_keepalived_v3_ipv4_multicast() {
    check("G06", &Frame::keepalived(55, 200, v3(50), &["192.0.2.15", "192.0.2.16"]));
}

#[test]
fn vrrp_006_g07_keepalived_v3_ipv4_virtual_mac() {
    check("G07", &Frame::keepalived(55, 200, v3(50), &["192.0.2.15"]).virtual_mac());
}

#[test]
fn g08_keepalived_v3_ipv4_unicast() {
    let frame = Frame::keepalived(56, 150, v3(100), &["192.0.2.17"]);
    check("G08", &Frame { destination: Some("192.0.2.2"), ..frame });
}

#[test]
fn g09_keepalived_v3_owner() {
    check("G09", &Frame::keepalived(57, 255, v3(100), &["192.0.2.18"]));
}

#[test]
fn g10_keepalived_v3_resigns() {
    check("G10", &Frame { id: 3, ..Frame::keepalived(58, 0, v3(100), &["192.0.2.19"]) });
}

#[test]
fn vrrp_006_g11_keepalived_v3_ipv6_virtual_mac() {
    let frame = Frame::keepalived(61, 150, v3(100), &["fe80::61", "2001:db8:1::61"]);
    check("G11", &Frame { source: "fe80::ff:fe00:a", id: 0x126e, ..frame }.virtual_mac());
}

#[test]
fn g12_keepalived_v3_ipv6_unicast_with_hop_limit_64() {
    let frame = Frame {
        source: "2001:db8:1::1",
        destination: Some("2001:db8:1::2"),
        ttl: 64,
        id: 0x5f7c9,
        ..Frame::keepalived(62, 150, v3(100), &["fe80::62", "2001:db8:1::62"])
    };
    check("G12", &frame);
}

#[test]
fn vrrp_006_g13_frr_v2() {
    let frame = Frame::keepalived(71, 120, v2(), &["192.0.2.71"]).virtual_mac();
    check("G13", &Frame { source: "192.0.2.3", id: 0xb9b9, dont_fragment: true, ..frame });
}

#[test]
fn vrrp_006_g14_frr_v3_ipv4() {
    let frame = Frame::keepalived(72, 120, v3(50), &["192.0.2.72"]).virtual_mac();
    check("G14", &Frame { source: "192.0.2.3", id: 0xbbd4, dont_fragment: true, ..frame });
}

#[test]
fn vrrp_006_g15_frr_v3_ipv6() {
    let frame = Frame {
        source: "fe80::cbe4:f9a2:2519:46bd",
        id: 0x4b8da,
        ..Frame::keepalived(73, 120, v3(50), &["fe80::73", "2001:db8:1::73"])
    };
    check("G15", &frame.virtual_mac());
}

#[test]
fn vrrp_039_g20_carp_is_refused_by_its_length() {
    let Some(frame) = captured("G20") else { return };
    let mut node = Node::v2();
    node.vrid = 51;
    let heard: Result<Heard, _> = node.hear_frame(&frame);
    assert_eq!(heard.unwrap_err().counter(), Counter::Length);
}
