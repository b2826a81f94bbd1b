//! Who may send, to where, and over what distance (VRRP-021, 023, 037, 038, 040, 041): the checks of
//! what lies around a message, lenient and strict.

use vrrp::wire::{Discard, Subnet};

use crate::lab::{Node, Packet, accepted, advert_v3, ip, refused};

#[test]
fn vrrp_021_ttl_not_255_is_dropped() {
    for (node, packet) in
        [(Node::v3(), Packet::v3()), (Node::v2(), Packet::v2()), (Node::v6(), Packet::v6())]
    {
        for ttl in 0..255 {
            let discard = refused(&node, &packet.clone().ttl(ttl));
            assert_eq!(discard, Discard::Ttl { got: ttl, min: 255, max: 255 });
        }
    }
}

#[test]
fn vrrp_021_a_unicast_peer_has_the_ttl_agreed_with_it() {
    let node = Node::v3().unicast("192.0.2.100", 250, 254);
    let packet = Packet::v3().between("192.0.2.100", "192.0.2.1");
    for ttl in 0..=255 {
        let outcome = node.hear(&packet.clone().ttl(ttl).arrival());
        if (250..=254).contains(&ttl) {
            assert!(outcome.is_ok(), "{ttl}");
        } else {
            assert_eq!(outcome, Err(Discard::Ttl { got: ttl, min: 250, max: 254 }));
        }
    }
    let mut open = node;
    open.check_source = false;
    let stranger = Packet::v3().between("192.0.2.99", "192.0.2.1");
    assert!(open.hear(&stranger.arrival()).is_ok());
    let discard = refused(&open, &stranger.ttl(252));
    assert_eq!(discard, Discard::Ttl { got: 252, min: 255, max: 255 });
}

#[test]
fn vrrp_023_an_instance_hears_only_what_is_sent_to_it() {
    let to_us = Packet::v3().between("192.0.2.100", "192.0.2.1");
    let (multicast, unicast) = (Node::v3(), Node::v3().unicast("192.0.2.100", 255, 255));
    assert_eq!(
        refused(&multicast, &to_us),
        Discard::Destination { got: ip("192.0.2.1"), group: Some(ip("224.0.0.18")) }
    );
    assert_eq!(
        refused(&unicast, &Packet::v3()),
        Discard::Destination { got: ip("224.0.0.18"), group: None }
    );
    let elsewhere = Packet::v3().between("192.0.2.100", "192.0.2.7");
    assert_eq!(
        refused(&unicast, &elsewhere),
        Discard::Destination { got: ip("192.0.2.7"), group: None }
    );
    accepted(&unicast, &to_us);
}

#[test]
fn vrrp_023_a_unicast_instance_hears_only_its_peers() {
    let mut node = Node::v6().unicast("2001:db8:1::2", 64, 255);
    let stranger = Packet::v6().between("2001:db8:1::3", "2001:db8:1::1");
    assert_eq!(refused(&node, &stranger), Discard::UnlistedSource { got: ip("2001:db8:1::3") });
    accepted(&node, &Packet::v6().between("2001:db8:1::2", "2001:db8:1::1").ttl(64));
    node.check_source = false;
    accepted(&node, &stranger);
}

#[test]
fn vrrp_037_an_impossible_source_is_dropped() {
    for source in ["0.0.0.0", "224.0.0.18", "239.1.2.3", "255.255.255.255", "192.0.2.255"] {
        let packet = Packet::v3().between(source, "224.0.0.18");
        assert_eq!(refused(&Node::v3(), &packet), Discard::Source { got: ip(source) });
    }
    for source in ["::", "ff02::1", "ff02::12"] {
        let packet = Packet::v6().between(source, "ff02::12");
        assert_eq!(refused(&Node::v6(), &packet), Discard::Source { got: ip(source) });
    }
}

#[test]
fn vrrp_037_a_point_to_point_prefix_has_no_broadcast_address() {
    for (prefix, dropped) in [(24, true), (30, true), (31, false), (32, false)] {
        let mut node = Node::v3();
        node.subnets = vec![Subnet { address: ip("192.0.2.255"), prefix }];
        let packet = Packet::v3().between("192.0.2.255", "224.0.0.18");
        assert_eq!(node.hear(&packet.arrival()).is_err(), dropped, "/{prefix}");
    }
}

#[test]
fn vrrp_037_vrrp_017_our_own_address_as_source_is_dropped_and_counted_apart() {
    let packet = Packet::v3().between("192.0.2.1", "224.0.0.18");
    assert_eq!(refused(&Node::v3(), &packet), Discard::OwnSource { got: ip("192.0.2.1") });
    let own = "fe80::ff:fe00:a";
    let packet = Packet::v6().between(own, "ff02::12");
    assert_eq!(refused(&Node::v6(), &packet), Discard::OwnSource { got: ip(own) });
}

#[test]
fn vrrp_038_a_source_off_the_link_is_dropped_in_strict_mode_only() {
    let packet = Packet::v3().between("198.51.100.9", "224.0.0.18");
    accepted(&Node::v3(), &packet);
    let discard = refused(&Node::v3().strict(), &packet);
    assert_eq!(discard, Discard::OffLink { got: ip("198.51.100.9") });
    accepted(&Node::v3().strict(), &Packet::v3());
    // With no prefix known nothing can be called foreign, and a unicast peer may be far away.
    let mut node = Node::v3().strict();
    node.subnets.clear();
    accepted(&node, &packet);
    let node = Node::v3().strict().unicast("198.51.100.9", 255, 255);
    accepted(&node, &Packet::v3().between("198.51.100.9", "192.0.2.1"));
}

#[test]
fn vrrp_040_a_list_without_link_local_first_is_dropped_in_strict_mode_only() {
    let packet = Packet::of(&advert_v3(&["2001:db8:1::80", "fe80::80"]), "fe80::ff:fe00:99");
    assert!(!accepted(&Node::v6(), &packet).advert.begins_link_local());
    let discard = refused(&Node::v6().strict(), &packet);
    assert_eq!(discard, Discard::FirstNotLinkLocal { got: ip("2001:db8:1::80") });
    accepted(&Node::v6().strict(), &Packet::v6());
}

#[test]
fn vrrp_041_a_global_source_is_dropped_in_strict_multicast_only() {
    let packet = Packet::v6().between("2001:db8:1::100", "ff02::12");
    accepted(&Node::v6(), &packet);
    let discard = refused(&Node::v6().strict(), &packet);
    assert_eq!(discard, Discard::SourceNotLinkLocal { got: ip("2001:db8:1::100") });
    let node = Node::v6().strict().unicast("2001:db8:1::100", 255, 255);
    accepted(&node, &Packet::v6().between("2001:db8:1::100", "2001:db8:1::1"));
}
