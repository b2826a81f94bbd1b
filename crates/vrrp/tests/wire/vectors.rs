//! Hand-made packets with their verdicts, and every VRRP frame of the captures as another decoder
//! reads it.

use std::net::IpAddr;

use base::{Family, Version};
use serde_json::Value;
use vrrp::wire::frame::parse_ethernet;
use vrrp::wire::hmac::Mode;
use vrrp::wire::{Auth, Body, ChecksumForm, Counter, Discard, PeerTerms, fuzz};

use crate::hmac::policy;
use crate::lab::{Node, ip};
use crate::shared::{self, octets, text};

fn node_of(set: &str) -> Node {
    match set {
        "v3-ipv4" => Node::v3(),
        "v2-ipv4" => Node::v2(),
        "v3-ipv6" => Node::v6(),
        "hmac" => Node { hmac: Some(policy(Mode::Enforce)), ..Node::v3() },
        other => panic!("no node for the set {other}"),
    }
}

/// The counter a dropped vector must fall under, by the requirement it breaks.
fn counter_of(id: &str, requirement: &str) -> Counter {
    match requirement {
        "VRRP-021" => Counter::Ttl,
        "VRRP-022" | "VRRP-026" | "VRRP-030" => Counter::Length,
        "VRRP-023" => Counter::Destination,
        "VRRP-024" => Counter::Version,
        "VRRP-025" => Counter::Type,
        "VRRP-027" | "VRRP-082" => Counter::Checksum,
        "VRRP-028" => Counter::Vrid,
        "VRRP-031" | "VRRP-085" => Counter::Interval,
        "VRRP-037" if id == "v3-src-self" => Counter::DuplicateSource,
        "VRRP-037" => Counter::Source,
        // A v3 instance sees the version first.
        "VRRP-039" if id == "v3-carp" => Counter::Version,
        "VRRP-039" => Counter::Length,
        "VRRP-084" if id == "v2-auth3" => Counter::InvalidAuthType,
        "VRRP-084" => Counter::AuthType,
        "VRRP-110" if id == "h4-cut" => Counter::Length,
        "VRRP-110" if id == "h4-reserved" => Counter::HmacMalformed,
        "VRRP-110" => Counter::HmacInvalid,
        other => panic!("{id} breaks {other}, for which no counter is known"),
    }
}

#[test]
fn vrrp_110_every_vector_gets_its_verdict_and_its_counter() {
    let Some(vectors) = shared::list("suites/vrrp/neg-vectors.json") else { return };
    let mut tried = 0;
    for vector in &vectors {
        let (set, id) = (text(vector, "set"), text(vector, "id"));
        let frame = octets(text(vector, "hex"));
        fuzz::any_octets(&frame);
        tried += 1;
        let heard = node_of(set).hear_frame(&frame);
        match (text(vector, "want"), heard) {
            // Where the text leaves it open, so do we: process.
            ("accept" | "either", Ok(_)) => {}
            ("drop", Err(discard)) => {
                let want = counter_of(id, text(vector, "req"));
                assert_eq!(discard.counter(), want, "{id}: {discard}");
            }
            (want, outcome) => panic!("{id}: wanted {want}, got {outcome:?}"),
        }
    }
    assert_eq!(tried, 72, "the vectors are not the ones this test was written for");
}

#[test]
fn strict_mode_refuses_the_vectors_that_only_hardening_asks_about() {
    let Some(vectors) = shared::list("suites/vrrp/neg-vectors.json") else { return };
    let mut refused = Vec::new();
    for vector in &vectors {
        let frame = octets(text(vector, "hex"));
        let lenient = node_of(text(vector, "set")).hear_frame(&frame);
        let strict = node_of(text(vector, "set")).strict().hear_frame(&frame);
        match (lenient, strict) {
            (Ok(_), Err(discard)) => refused.push((text(vector, "id"), discard.counter())),
            (lenient, strict) => assert_eq!(lenient, strict, "{}", text(vector, "id")),
        }
    }
    let want = [
        ("v3-src-offlink", Counter::Source),
        ("v6-first-not-ll", Counter::AddressList),
        ("v6-src-global", Counter::Source),
    ];
    assert_eq!(refused, want);
}

/// One of tshark's fields as a number, decimal or hexadecimal.
fn number(fields: &Value, key: &str) -> u16 {
    let value = text(fields, key);
    value
        .strip_prefix("0x")
        .map_or_else(|| value.parse(), |hex| u16::from_str_radix(hex, 16))
        .unwrap_or_else(|_| panic!("{key} is {value}"))
}

/// The listed addresses: tshark writes a list of one without the list.
fn addresses(fields: &Value) -> Vec<IpAddr> {
    let [v4, v6] = [&fields["vrrp.ip_addr"], &fields["vrrp.ipv6_addr"]];
    let list = if v4.is_null() { v6 } else { v4 };
    match list {
        Value::Array(list) => list.iter().map(|one| ip(one.as_str().unwrap())).collect(),
        one => vec![ip(one.as_str().unwrap())],
    }
}

#[test]
fn captured_adverts_read_as_tshark_reads_them() {
    let Some(frames) = shared::list("suites/vrrp/index.json") else { return };
    let (mut adverts, mut others) = (0, 0);
    for entry in &frames {
        let id = text(entry, "id");
        let frame = octets(text(entry, "hex"));
        let fields = &entry["tshark"]["vrrp"];
        let parsed = parse_ethernet(&frame);
        if fields.is_null() {
            others += 1;
            let discard = parsed.unwrap_err();
            assert_eq!(discard.counter(), Counter::Protocol, "{id}: {discard}");
            continue;
        }
        adverts += 1;
        if entry["tshark"].get("ah").is_some() {
            assert_eq!(parsed, Err(Discard::AuthHeader), "{id}");
            continue;
        }
        let arrival = parsed.unwrap();
        let version = match number(fields, "vrrp.typever") {
            0x21 => Version::V2,
            0x31 => Version::V3,
            other => panic!("{id}: version and type {other:#x}"),
        };
        let family = Family::of(&arrival.source);
        let mut node = Node::new(version, family);
        node.vrid = u8::try_from(number(fields, "vrrp.virt_rtr_id")).unwrap();
        node.addresses = vec![arrival.destination];
        if let Some(password) = fields["vrrp.auth_string"].as_str() {
            node = node.pass(password);
        }
        if !arrival.destination.is_multicast() {
            let address = arrival.source;
            node.peers = Some(vec![PeerTerms { address, min_ttl: 64, max_ttl: 255 }]);
        }
        let heard = node.hear(&arrival);
        if id.starts_with("ucarp") {
            assert_eq!(heard.unwrap_err().counter(), Counter::Length, "{id}");
            continue;
        }
        let heard = heard.unwrap_or_else(|discard| panic!("{id}: {discard}"));
        let advert = &heard.advert;
        assert_eq!(u16::from(advert.priority().get()), number(fields, "vrrp.prio"), "{id}");
        assert_eq!(u16::from(advert.vrid().get()), number(fields, "vrrp.virt_rtr_id"), "{id}");
        assert_eq!(advert.addresses(), addresses(fields), "{id}");
        assert_eq!(advert.addresses().len(), usize::from(number(fields, "vrrp.addr_count")));
        match advert.body() {
            Body::V2 { interval, auth } => {
                assert_eq!(u16::from(interval.get()), number(fields, "vrrp.adver_int"), "{id}");
                let auth_type = number(fields, "vrrp.auth_type");
                assert_eq!(u16::from(auth.wire_type()), auth_type, "{id}");
                assert_eq!(*auth == Auth::None, fields["vrrp.auth_string"].is_null(), "{id}");
            }
            Body::V3 { interval } => {
                assert_eq!(interval.get(), number(fields, "vrrp.short_adver_int"), "{id}");
            }
        }
        let pseudo = ["csum_rfc5798_pseudo", "csum_ipv6_pseudo"]
            .iter()
            .any(|key| entry["checks"][key].as_bool() == Some(true));
        assert_eq!(heard.checksum == ChecksumForm::Rfc5798, pseudo, "{id}");
    }
    assert_eq!((adverts, others), (33, 48), "not the captures this test was written for");
}
