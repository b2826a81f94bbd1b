//! Properties over values nobody thought of.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;

use base::{Centis, Family, Priority, Vrid};
use proptest::prelude::*;
use vrrp::wire::frame::{
    Ipv4Header, Ipv6Header, ethernet_frame, ipv4_datagram, ipv6_datagram, multicast_mac,
    parse_ethernet,
};
use vrrp::wire::{Advert, Auth, Body, ChecksumForm, Counters, fuzz, group};

use crate::lab::Node;

fn any_auth() -> impl Strategy<Value = Auth> {
    prop_oneof![
        Just(Auth::None),
        proptest::collection::vec(any::<u8>(), 1..=8).prop_map(|word| Auth::pass(&word).unwrap()),
    ]
}

fn any_advert() -> impl Strategy<Value = Advert> {
    let v4 = any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
    let v6 = any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)));
    let v2_body =
        (any::<NonZeroU8>(), any_auth()).prop_map(|(interval, auth)| Body::V2 { interval, auth });
    let v3_body =
        || (1..=4095_u16).prop_map(|centis| Body::V3 { interval: Centis::new(centis).unwrap() });
    let list = |address: BoxedStrategy<IpAddr>| proptest::collection::vec(address, 1..=255);
    let rest = prop_oneof![
        (list(v4.clone().boxed()), v2_body.boxed()),
        (list(v4.boxed()), v3_body().boxed()),
        (list(v6.boxed()), v3_body().boxed()),
    ];
    (1..=255_u8, any::<u8>(), rest).prop_map(|(vrid, priority, (addresses, body))| {
        let vrid = Vrid::new(vrid).unwrap();
        Advert::new(vrid, Priority::new(priority), addresses, body).unwrap()
    })
}

/// The frame that carries this advert from the vectors' sender to the group.
fn framed(advert: &Advert, form: ChecksumForm) -> Vec<u8> {
    let group = group(advert.family());
    let (mut datagram, mut frame) = (Vec::new(), Vec::new());
    let payload = |source| advert.encode(form, source, group);
    match group {
        IpAddr::V4(to) => {
            let from = Ipv4Addr::new(192, 0, 2, 100);
            let header = Ipv4Header::of_advert(from, to);
            ipv4_datagram(&header, &payload(IpAddr::V4(from)), &mut datagram);
        }
        IpAddr::V6(to) => {
            let from = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x99);
            let header = Ipv6Header::of_advert(from, to);
            ipv6_datagram(&header, &payload(IpAddr::V6(from)), &mut datagram);
        }
    }
    let source = base::Mac::virtual_router(advert.family(), advert.vrid());
    ethernet_frame(source, multicast_mac(group).unwrap(), &datagram, &mut frame);
    frame
}

fn receiver(advert: &Advert) -> Node {
    let mut node = Node::new(advert.version(), advert.family());
    node.vrid = advert.vrid().get();
    if let Body::V2 { interval, auth } = advert.body() {
        node.interval_v2 = interval.get();
        node.auth = *auth;
    }
    node
}

fn any_form() -> impl Strategy<Value = ChecksumForm> {
    prop_oneof![Just(ChecksumForm::Rfc5798), Just(ChecksumForm::Rfc9568)]
}

proptest! {
    #[test]
    fn what_is_sent_is_heard(advert in any_advert(), form in any_form()) {
        let frame = framed(&advert, form);
        prop_assert_eq!(advert.encoded_len(), parse_ethernet(&frame).unwrap().payload.len());
        let heard = receiver(&advert).hear_frame(&frame);
        let heard = heard.map_err(|discard| TestCaseError::fail(discard.to_string()))?;
        prop_assert_eq!(&heard.advert, &advert);
        // A form is a choice over v3/IPv4 only.
        if advert.family() == Family::V4 && matches!(advert.body(), Body::V3 { .. }) {
            prop_assert_eq!(heard.checksum, form);
        }
    }

    #[test]
    fn no_octets_at_all_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz::any_octets(&octets);
    }

    /// Random octets seldom get past the first checks; damaged adverts do.
    #[test]
    fn no_damage_makes_it_panic(
        advert in any_advert(),
        form in any_form(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut frame = framed(&advert, form);
        for (at, octet) in &damage {
            let at = at.index(frame.len());
            frame[at] = *octet;
        }
        fuzz::any_octets(&frame);
        // The message alone too: behind IP, its checksum decides.
        if let Ok(arrival) = parse_ethernet(&frame) {
            fuzz::any_octets(arrival.payload);
        }
        fuzz::any_octets(&frame[..cut.index(frame.len())]);
    }

    /// VRRP-020 as far as it concerns the wire: judging a packet has no memory.
    #[test]
    fn vrrp_020_a_verdict_depends_on_nothing_heard_before(
        advert in any_advert(),
        noise in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let frame = framed(&advert, ChecksumForm::Rfc5798);
        let node = receiver(&advert);
        let before = node.hear_frame(&frame);
        let mut counters = Counters::default();
        if let Err(discard) = node.hear_frame(&noise) {
            counters.add(discard.counter());
        }
        prop_assert_eq!(counters.total(), 1, "noise is refused and counted");
        prop_assert_eq!(node.hear_frame(&frame), before);
    }
}
