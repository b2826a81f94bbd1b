//! `auth_hmac` and `allowed_sources`: what they mean, what is refused, and that no key is ever shown.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::time::Duration;

use conf::{Code, Hmac, HmacMode, Loaded, Options, Reach, Secret, Severity, Source, load, render};

const CANARY: &str = "canary-canary-canary-canary-canary";

fn loaded(inner: &str) -> Loaded {
    let text = format!(
        "vrrp_instance VI {{\n interface eth0\n virtual_router_id 51\n version 3\n \
         virtual_ipaddress {{\n 192.0.2.9\n }}\n{inner}\n}}\n"
    );
    load(Source { name: "t", text: text.as_bytes() }, Options::default())
}

fn hmac(inner: &str) -> Hmac {
    let loaded = loaded(&format!("auth_hmac {{\n{inner}\n}}"));
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.config.unwrap().instances[0].hmac.clone().unwrap()
}

/// What is wrong, and that saying so shows no key.
fn refused(inner: &str) -> Vec<(Severity, Code)> {
    let loaded = loaded(inner);
    let text = render(&loaded, false);
    for part in ["canary", "c0ffee", "horse"] {
        assert!(!text.contains(part), "{text}");
    }
    assert!(!text.is_empty());
    loaded.diagnostics.iter().map(|d| (d.severity, d.code)).collect()
}

#[test]
fn vrrp_112_keys_have_numbers_and_one_signs() {
    let hex = "a5".repeat(32);
    let hmac = hmac(&format!("key 1 hex:{hex}\nkey 255 file:/etc/k\nkey 7 {CANARY}\nactive_key 7"));
    let ids: Vec<u8> = hmac.keys.iter().map(|key| key.id).collect();
    assert_eq!((ids, hmac.active), (vec![1, 255, 7], 7));
    assert!(hmac.keys[0].secret == Secret::Octets(base::Secret::new(vec![0xa5; 32])));
    assert!(hmac.keys[1].secret == Secret::File("/etc/k".into()));
    assert!(hmac.keys[2].secret == Secret::Octets(base::Secret::new(CANARY.into())));
    assert_eq!((hmac.mode, hmac.by_time), (HmacMode::Enforce, true));
    assert_eq!(hmac.window, Duration::from_secs(5));
}

#[test]
fn vrrp_114_the_window_is_three_intervals_but_five_seconds_to_five_minutes() {
    let of = |advert: &str, line: &str| {
        let key = format!("auth_hmac {{\n key 1 {CANARY}\n active_key 1\n {line}\n}}");
        let loaded = loaded(&format!("advert_int {advert}\n{key}"));
        loaded.config.unwrap().instances[0].hmac.clone().unwrap().window.as_secs()
    };
    assert_eq!((of("1", ""), of("2", ""), of("40", "")), (5, 6, 120));
    assert_eq!((of("1", "time_window 1"), of("1", "time_window 300")), (1, 300));
}

#[test]
fn vrrp_117_modes_and_counting_instead_of_clocks() {
    let with = |line: &str| hmac(&format!("key 1 {CANARY}\nactive_key 1\n{line}"));
    assert_eq!(with("mode permissive").mode, HmacMode::Permissive);
    assert_eq!(with("mode receive-only").mode, HmacMode::ReceiveOnly);
    assert_eq!(with("mode enforce").mode, HmacMode::Enforce);
    assert!(!with("anti_replay monotonic").by_time);
}

#[test]
fn vrrp_111_vrrp_112_what_cannot_work_is_refused_and_never_quietly_off() {
    let bad = vec![(Severity::Error, Code::BadKey)];
    let block = |inner: &str| format!("auth_hmac {{\n{inner}\n}}");
    for inner in [
        "key 1 hex:c0ffee\nactive_key 1",
        "key 1 hex:c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffe\nactive_key 1",
        "key 1 short-horse\nactive_key 1",
        &format!("key 1 {CANARY}{CANARY}\nactive_key 1"),
        &format!("key 0 {CANARY}\nactive_key 1"),
        &format!("key 256 {CANARY}\nactive_key 1"),
        &format!("key {CANARY}\nactive_key 1"),
        &format!("key 1 {CANARY}\nkey 1 {CANARY}\nactive_key 1"),
        &format!("key 1 {CANARY}\nactive_key 2"),
        &format!("key 1 {CANARY}\nmode receive-only"),
        "key 1 file:relative\nactive_key 1",
        "active_key 1",
    ] {
        assert_eq!(refused(&block(inner)), bad, "{inner}");
    }
    // Strict mode and strangers' words do not go together.
    let lax = block(&format!("key 1 {CANARY}\nactive_key 1\nmode permissive"));
    assert!(refused(&format!("strict_mode on\n{lax}")).contains(&bad[0]));
}

#[test]
fn vrrp_119_no_mistake_shows_a_key() {
    let block = |inner: &str| format!("auth_hmac {{\n{inner}\nactive_key 1\n}}");
    for inner in [
        format!("kye 1 {CANARY}"),
        format!("key 1\n{CANARY}"),
        format!("key 1 {CANARY} more"),
        format!("key 1 hex:{}", "c0ffee".repeat(5)),
        format!("key 1 \"{CANARY}"),
        format!("key 1 {CANARY} {{"),
        format!("key 1 ${{_X}}{CANARY}"),
    ] {
        refused(&block(&inner));
    }
    let debug = format!("{:?}", loaded(&block(&format!("key 1 {CANARY}"))).config);
    assert!(debug.contains("HmacKey") && !debug.contains("canary"), "{debug}");
}

#[test]
fn a_password_beside_it_is_not_used() {
    let key = format!("auth_hmac {{\n key 1 {CANARY}\n active_key 1\n}}");
    let password = "authentication {\n auth_type PASS\n auth_pass horse\n}";
    let text = format!("{key}\n{password}").replace("version 3", "");
    let text = format!(
        "vrrp_instance VI {{\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {{\n \
         192.0.2.9\n }}\n{text}\n}}\n"
    );
    let loaded = load(Source { name: "t", text: text.as_bytes() }, Options::default());
    let codes: Vec<_> = loaded.diagnostics.iter().map(|d| (d.severity, d.code)).collect();
    assert_eq!(codes, [(Severity::Warning, Code::AuthIgnored)]);
    let one = &loaded.config.unwrap().instances[0];
    assert!(one.password.is_none() && one.hmac.is_some());
}

#[test]
fn allowed_sources_are_addresses_of_the_family_and_for_multicast() {
    let loaded_ = loaded("allowed_sources {\n 192.0.2.2\n 192.0.2.3 192.0.2.4\n}");
    let config = loaded_.config.unwrap();
    assert_eq!(config.instances[0].allowed_sources.len(), 3);
    assert!(matches!(config.instances[0].reach, Reach::Multicast { .. }));
    for (inner, code) in [
        ("allowed_sources {\n eth0\n}", Code::NotAnAddress),
        ("allowed_sources {\n 2001:db8::1\n}", Code::MixedFamilies),
        ("allowed_sources {\n}", Code::ValueMissing),
        (
            "unicast_peer {\n 192.0.2.2\n}\nallowed_sources {\n 192.0.2.2\n}",
            Code::UnicastWithoutPeers,
        ),
    ] {
        assert!(loaded(inner).diagnostics.iter().any(|d| d.code == code), "{inner}");
    }
}
