//! Signed adverts (draft-cassen-vrrp-auth-hmac): what is signed, what is believed, and under which
//! name everything else is refused.

use std::net::IpAddr;
use std::time::Duration;

use base::{Centis, Instant, Priority, Secret, Version, Wall};
use vrrp::wire::hmac::{
    Freshness, Key, KeyError, Mode, Policy, PolicyError, Sequence, TRAILER, seal,
};
use vrrp::wire::{Advert, Arrival, Auth, Body, ChecksumForm, Counter, Discard, Heard};

use crate::lab::{Node, Packet, accepted, advert_v2, advert_v3, ip, ips, refused, vrid};
use crate::shared::{self, octets};

/// The vectors' key 7 and rules under which h4-ok is good.
pub(crate) fn policy(mode: Mode) -> Policy {
    Policy::new(vec![key(7)], 7, Freshness::Monotonic, mode).unwrap()
}

fn key(id: u8) -> Key {
    let first = if id == 7 { 0x40 } else { id };
    Key::new(id, Secret::new((first..first + 32).collect())).unwrap()
}

const FIVE: Duration = Duration::from_secs(5);

fn noon() -> Wall {
    Wall::new(0x6a00_0000, 0)
}

/// A node that knows keys 7 and 8, signs with 7, and looks at the clock.
fn node(mode: Mode) -> Node {
    let freshness = Freshness::Time { window: FIVE };
    let hmac = Policy::new(vec![key(7), key(8)], 7, freshness, mode).unwrap();
    Node { hmac: Some(hmac), wall: noon(), ..Node::v3() }
}

/// A packet signed with this key and number.
fn signed(packet: Packet, key: &Key, number: Sequence) -> Packet {
    let (source, destination) = (packet.source, packet.destination);
    packet.changed(|payload| seal(payload, key, number, source, destination))
}

fn now() -> Sequence {
    Sequence::of(noon())
}

fn later(seconds: u64) -> Sequence {
    Sequence::of(Wall::new(0x6a00_0000 + seconds, 0))
}

/// The draft's appendix: key 1 is 00 01 .. 1f, the number 0x6800000080000000.
fn appendix(source: &str, listed: &str, destination: &str) -> (Vec<u8>, Heard) {
    let key = Key::new(1, Secret::new((0..32).collect())).unwrap();
    let body = Body::V3 { interval: Centis::new(100).unwrap() };
    let advert = Advert::new(vrid(51), Priority::new(200), ips(&[listed]), body).unwrap();
    let (source, destination) = (ip(source), ip(destination));
    let mut payload = advert.encode(ChecksumForm::Rfc9568, source, destination);
    let number = Sequence::from_bits(0x6800_0000_8000_0000);
    seal(&mut payload, &key, number, source, destination);

    let freshness = Freshness::Time { window: FIVE };
    let hmac = Some(Policy::new(vec![key], 1, freshness, Mode::Enforce).unwrap());
    let wall = Wall::new(0x6800_0000, 500_000_000);
    let family = base::Family::of(&source);
    let node = Node { vrid: 51, hmac, wall, ..Node::new(Version::V3, family) };
    let arrival = Arrival { source, destination, ttl: 255, payload: &payload };
    let heard = node.hear(&arrival).unwrap_or_else(|why| panic!("{why}"));
    (payload, heard)
}

#[test]
fn vrrp_110_the_draft_s_own_vectors_are_made_and_understood() {
    let (payload, heard) = appendix("198.51.100.10", "192.0.2.100", "224.0.0.18");
    let want = "3133c80100644402c0000264\
                010100006800000080000000\
                1b84bc4e8e43892dc6d98448f8ee2265";
    assert_eq!(payload, octets(want));
    assert_eq!(heard.signed, Some(Sequence::from_bits(0x6800_0000_8000_0000)));

    // Its IPv6 vector leaves the checksum as it was before the trailer; the sender's kernel writes
    // another over both, so all but that is compared.
    let (payload, heard) = appendix("fe80::10", "fe80::100", "ff02::12");
    let want = "3133c8010064a2e9fe800000000000000000000000000100\
                010100006800000080000000\
                c8c56146ebfd66ee10ec4d8186461b78";
    let mut want = octets(want);
    want[6..8].copy_from_slice(&payload[6..8]);
    assert_eq!(payload, want);
    assert_eq!(heard.advert.addresses(), ips(&["fe80::100"]));
}

#[test]
fn vrrp_110_every_version_and_family_is_signed_and_the_sum_covers_what_it_must() {
    let number = now();
    let packets = [
        (Node::v3(), Packet::v3()),
        (Node::v2(), Packet::v2()),
        (Node::v6(), Packet::v6()),
        (
            Node::v3().unicast("192.0.2.100", 255, 255),
            Packet::v3().between("192.0.2.100", "192.0.2.1"),
        ),
    ];
    for (at, packet) in packets {
        let enforcing = Node { hmac: node(Mode::Enforce).hmac, wall: noon(), ..at };
        let plain = packet.payload.clone();
        let sealed = signed(packet, &key(7), number);
        assert_eq!(sealed.payload.len(), plain.len() + TRAILER);
        let same_sum = sealed.payload[6..8] == plain[6..8];
        assert_eq!(same_sum, enforcing.family == base::Family::V4, "IPv6 sums the trailer up too");
        let heard = accepted(&enforcing, &sealed);
        assert_eq!(heard.signed, Some(number));
        // Not a byte of it is free: what changes is refused.
        for at in 0..sealed.payload.len() {
            let spoiled = sealed.clone().changed(|payload| payload[at] ^= 1);
            assert!(enforcing.hear(&spoiled.arrival()).is_err(), "octet {at}");
        }
    }
}

#[test]
fn vrrp_111_a_key_has_32_to_64_octets() {
    let of = |octets: usize| Key::new(1, Secret::new(vec![7; octets])).map(|key| key.id());
    for octets in [0, 1, 31, 65, 1_000] {
        assert_eq!(of(octets), Err(KeyError::Length { octets }));
    }
    assert_eq!((of(32), of(33), of(64)), (Ok(1), Ok(1), Ok(1)));
}

#[test]
fn vrrp_112_ids_are_1_to_255_each_once_and_one_of_them_signs() {
    assert_eq!(Key::new(0, Secret::new(vec![7; 32])), Err(KeyError::Id));
    let make = |ids: &[u8], active| {
        let keys = ids.iter().map(|id| Key::new(*id, Secret::new(vec![*id; 32])).unwrap());
        Policy::new(keys.collect(), active, Freshness::Monotonic, Mode::Enforce)
    };
    let both = make(&[1, 255], 255).unwrap();
    assert_eq!(both.signing_key().map(Key::id), Some(255));
    assert_eq!(both.ids().collect::<Vec<_>>(), [1, 255]);
    assert_eq!(make(&[1, 255], 2), Err(PolicyError::NoActiveKey { id: 2 }));
    assert_eq!(make(&[], 1), Err(PolicyError::NoActiveKey { id: 1 }));
    assert_eq!(make(&[3, 4, 3], 3), Err(PolicyError::SameId { id: 3 }));
}

#[test]
fn vrrp_112_whatever_key_it_names_is_the_one_it_is_judged_by() {
    let node = node(Mode::Enforce);
    accepted(&node, &signed(Packet::v3(), &key(8), now()));
    // Key 8 under the number 7.
    let mislabelled = signed(Packet::v3(), &key(8), now()).changed(|payload| {
        let at = payload.len() - TRAILER + 1;
        payload[at] = 7;
    });
    assert_eq!(refused(&node, &mislabelled), Discard::HmacInvalid { id: 7 });
}

#[test]
fn vrrp_113_an_unknown_key_is_counted_apart() {
    let why = refused(&node(Mode::Enforce), &signed(Packet::v3(), &key(9), now()));
    assert_eq!(why, Discard::HmacUnknownKey { id: 9 });
    assert_eq!(why.counter(), Counter::HmacUnknownKey);
}

#[test]
fn vrrp_114_a_number_too_far_from_the_clock_is_stale_in_both_directions() {
    let node = node(Mode::Enforce);
    let at = |seconds: u64, nanos| {
        let number = Sequence::of(Wall::new(0x6a00_0000 + seconds - 100, nanos));
        node.hear(&signed(Packet::v3(), &key(7), number).arrival())
    };
    for (seconds, nanos) in [(95, 0), (100, 0), (104, 999_999_999), (105, 0)] {
        assert!(at(seconds, nanos).is_ok(), "{seconds} s {nanos} ns");
    }
    for (seconds, nanos, past) in [(94, 999_000_000, true), (105, 100_000, false), (0, 0, true)] {
        match at(seconds, nanos).unwrap_err() {
            why @ Discard::HmacStale { off, behind, window } => {
                assert_eq!((behind, window, why.counter()), (past, FIVE, Counter::HmacStale));
                assert!(off > FIVE);
            }
            other => panic!("{other}"),
        }
    }
    // Before the HMAC is computed: a stale forgery is stale.
    let forged = signed(Packet::v3(), &key(8), later(60)).changed(|p| *p.last_mut().unwrap() ^= 1);
    assert_eq!(refused(&node, &forged).counter(), Counter::HmacStale);
    // The wrap of the seconds in 2106 is a second like any other.
    let wrap = Node { wall: Wall::new(0x1_0000_0001, 0), ..node };
    let before = Sequence::of(Wall::new(0xffff_ffff, 0));
    accepted(&wrap, &signed(Packet::v3(), &key(7), before));
}

#[test]
fn vrrp_114_without_a_clock_any_time_is_good_once() {
    let node = Node { hmac: Some(policy(Mode::Enforce)), wall: noon(), ..Node::v3() };
    for number in [0, 1, 0x6a00_0000_0000_0000, u64::MAX] {
        accepted(&node, &signed(Packet::v3(), &key(7), Sequence::from_bits(number)));
    }
}

#[test]
fn vrrp_115_a_second_copy_or_an_older_advert_is_a_replay_of_that_sender_only() {
    let mut node = node(Mode::Enforce);
    let source = Packet::v3().source;
    node.marks.note(Instant::ZERO, source, now());
    for number in [now(), Sequence::from_bits(now().bits() - 1)] {
        let why = refused(&node, &signed(Packet::v3(), &key(7), number));
        assert_eq!((why, why.counter()), (Discard::HmacReplay, Counter::HmacReplay));
    }
    accepted(&node, &signed(Packet::v3(), &key(7), now().next()));
    let another = Packet::v3().between("192.0.2.101", "224.0.0.18");
    accepted(&node, &signed(another, &key(7), now()));
    // Nobody without the key learns where the mark is.
    let forged = signed(Packet::v3(), &key(7), now()).changed(|p| *p.last_mut().unwrap() ^= 1);
    assert_eq!(refused(&node, &forged), Discard::HmacInvalid { id: 7 });
}

#[test]
fn vrrp_115_a_mark_of_a_clock_that_was_wrong_is_forgotten_but_not_in_monotonic_mode() {
    let mut node = node(Mode::Enforce);
    node.marks.note(Instant::ZERO, Packet::v3().source, later(3_600));
    accepted(&node, &signed(Packet::v3(), &key(7), now()));
    node.hmac = Some(policy(Mode::Enforce));
    assert_eq!(refused(&node, &signed(Packet::v3(), &key(7), now())), Discard::HmacReplay);
}

#[test]
fn vrrp_116_nothing_can_be_spliced_to_another_router_sender_version_or_family() {
    let node = node(Mode::Enforce);
    let good = signed(Packet::v3(), &key(7), now());
    let tail = good.payload[good.payload.len() - TRAILER..].to_vec();
    let spliced = |packet: Packet| packet.changed(|payload| payload.extend(&tail));
    let invalid = Discard::HmacInvalid { id: 7 };
    assert_eq!(invalid.counter(), Counter::HmacInvalid);

    let elsewhere = Packet::v3().between("192.0.2.101", "224.0.0.18");
    assert_eq!(refused(&node, &spliced(elsewhere)), invalid, "another sender");
    let resigning = Packet::v3().patched(2, &[0]);
    assert_eq!(refused(&node, &spliced(resigning)), invalid, "another priority");
    let other = Node { vrid: 81, ..node };
    assert_eq!(refused(&other, &spliced(Packet::v3().patched(1, &[81]))), invalid, "another VRID");
    let v2 = Node { version: Version::V2, vrid: 80, ..other };
    assert_eq!(refused(&v2, &spliced(Packet::v2())), invalid, "another version");
}

#[test]
fn vrrp_116_every_bit_of_the_tag_counts() {
    let node = node(Mode::Enforce);
    let good = signed(Packet::v3(), &key(7), now());
    let begin = good.payload.len() - 16;
    for bit in 0..128 {
        let spoiled = good.clone().changed(|payload| payload[begin + bit / 8] ^= 1 << (bit % 8));
        assert_eq!(refused(&node, &spoiled), Discard::HmacInvalid { id: 7 }, "bit {bit}");
    }
}

#[test]
fn vrrp_117_the_modes_forgive_a_missing_signature_and_never_a_wrong_one() {
    let wrong = signed(Packet::v3(), &key(7), now()).changed(|p| *p.last_mut().unwrap() ^= 1);
    for mode in [Mode::ReceiveOnly, Mode::Permissive, Mode::Enforce] {
        let node = node(mode);
        let sign = node.hmac.as_ref().unwrap().signing_key().is_some();
        assert_eq!(sign, mode != Mode::ReceiveOnly, "{mode}");
        accepted(&node, &signed(Packet::v3(), &key(7), now()));
        assert_eq!(refused(&node, &wrong), Discard::HmacInvalid { id: 7 }, "{mode}");
        let unsigned = node.hear(&Packet::v3().arrival()).map(|heard| heard.signed);
        match mode {
            Mode::Enforce => assert_eq!(unsigned, Err(Discard::HmacMissing)),
            Mode::ReceiveOnly | Mode::Permissive => assert_eq!(unsigned, Ok(None)),
        }
    }
    assert_eq!(Discard::HmacMissing.counter(), Counter::HmacMissing);
}

#[test]
fn vrrp_117_what_is_no_trailer_is_malformed_and_what_has_another_length_is_none() {
    let node = node(Mode::Permissive);
    let good = signed(Packet::v3(), &key(7), now());
    let begin = good.payload.len() - TRAILER;
    for (offset, kind, reserved) in [(0, 0, 0), (2, 1, 0x0100), (3, 1, 1)] {
        let spoiled = good.clone().changed(|payload| payload[begin + offset] ^= 1);
        let why = refused(&node, &spoiled);
        assert_eq!(why, Discard::HmacMalformed { kind, reserved });
        assert_eq!(why.counter(), Counter::HmacMalformed);
    }
    for length in (1..28).chain([29, 56]) {
        let odd = Packet::v3().resized(|payload| payload.resize(payload.len() + length, 0));
        assert_eq!(refused(&node, &odd).counter(), Counter::Length, "{length} more octets");
    }
}

#[test]
fn vrrp_118_who_knows_nothing_of_trailers_refuses_signed_adverts_and_says_why() {
    let why = refused(&Node::v3(), &signed(Packet::v3(), &key(7), now()));
    assert_eq!(why, Discard::Length { got: 12 + TRAILER, need: 12 });
    assert!(why.to_string().contains("HMAC"), "{why}");
    // For a VRID that nobody has, it is still the VRID that is wrong.
    let other = Node { vrid: 81, ..Node::v3() };
    assert_eq!(refused(&other, &signed(Packet::v3(), &key(7), now())), Discard::Vrid { got: 80 });
}

#[test]
fn vrrp_119_neither_a_policy_nor_a_refusal_tells_a_key() {
    let canary = *b"canary-canary-canary-canary-cana";
    let key = Key::new(7, Secret::new(canary.to_vec())).unwrap();
    let hmac = Policy::new(vec![key], 7, Freshness::Monotonic, Mode::Enforce).unwrap();
    let node = Node { hmac: Some(hmac), ..Node::v3() };
    let forged = signed(Packet::v3(), &self::key(7), now());
    let texts = [
        format!("{:?} {:#?}", node.hmac, node.terms()),
        format!("{0} {0:?}", refused(&node, &forged)),
    ];
    for text in texts {
        assert!(!text.contains("canary") && !text.contains("99, 97, 110"), "{text}");
    }
}

#[test]
fn only_listed_sources_are_heard_where_there_is_a_list() {
    let listed: IpAddr = ip("192.0.2.100");
    let node = Node { allowed: vec![listed], ..Node::v3() };
    accepted(&node, &Packet::v3());
    let stranger = Packet::v3().between("192.0.2.101", "224.0.0.18");
    let why = refused(&node, &stranger);
    assert_eq!(why, Discard::UnlistedSource { got: ip("192.0.2.101") });
    assert_eq!(why.counter(), Counter::Source);
}

#[test]
fn vrrp_110_the_trailer_is_behind_the_password_field_of_v2() {
    let number = now();
    let advert = advert_v2(Auth::None);
    let packet = signed(Packet::of(&advert, "192.0.2.100"), &key(7), number);
    assert_eq!(packet.payload[12..20], [0; 8]);
    assert_eq!(packet.payload[20..22], [1, 7]);
}

/// The frame of a vector, as it stands in the shared suite.
fn vector(id: &str) -> Option<Vec<u8>> {
    let vectors = shared::list("suites/vrrp/neg-vectors.json")?;
    let vector = vectors.iter().find(|vector| shared::text(vector, "id") == id).unwrap();
    Some(octets(shared::text(vector, "hex")))
}

#[test]
fn vrrp_110_g22_and_g23_are_made_octet_for_octet_and_nothing_near_g23_is_believed() {
    let (Some(g22), Some(g23)) = (vector("v3-ok-9568"), vector("h4-ok")) else { return };
    let (source, destination) = (ip("192.0.2.100"), ip("224.0.0.18"));
    let mut message = advert_v3(&["192.0.2.80"]).encode(ChecksumForm::Rfc9568, source, destination);
    assert_eq!(message, g22[34..]);
    let number = Sequence::from_bits(0x6a00_0000_8000_0001);
    seal(&mut message, &key(7), number, source, destination);
    assert_eq!(message, g23[34..]);

    let node = Node { hmac: Some(policy(Mode::Enforce)), ..Node::v3() };
    assert_eq!(node.hear_frame(&g23).map(|heard| heard.signed), Ok(Some(number)));
    // In every mode but enforce, the message without its trailer would be an unsigned advert; cut or
    // flipped anywhere, the frame is refused.
    for cut in 0..g23.len() {
        assert!(node.hear_frame(&g23[..cut]).is_err(), "cut at {cut}");
    }
    // The Ethernet addresses, type of service and identification are nobody's business but the IP
    // checksum's.
    for bit in 14 * 8..g23.len() * 8 {
        let mut flipped = g23.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(node.hear_frame(&flipped).is_err(), "bit {bit}");
    }
}
