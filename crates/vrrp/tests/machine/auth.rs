//! VRRPv2 and its authentication, as far as the machine sees it (RFC 3768 §5.3, §7.1;
//! RFC 2338 §5.3.6, §7.1).

use base::State;
use vrrp::wire::{Auth, Counter};
use vrrp::{Input, InstanceConfig};

use crate::bench::{Bench, HIGHER, Saying, config, ip, nanos, saying, secs, v2};

fn plain() -> InstanceConfig {
    InstanceConfig { interval: v2(1), ..config(100) }
}

fn secret(password: &str) -> InstanceConfig {
    InstanceConfig { auth: Auth::pass(password.as_bytes()).unwrap(), ..plain() }
}

fn peer(auth: Auth) -> Saying {
    Saying { interval: v2(1), auth, ..saying(HIGHER, 200) }
}

/// Which counter an Active node refuses it under; none when it yields.
fn refused_by(config: InstanceConfig, saying: Saying) -> Option<Counter> {
    let mut bench = Bench::active(config);
    let left = bench.left();
    let outs = bench.hear(saying);
    let one = bench.only();
    if one.state == State::Backup {
        return None;
    }
    assert!(outs.is_quiet());
    assert_eq!(bench.left(), left);
    Counter::ALL.into_iter().find(|counter| one.discards.get(*counter) > 0)
}

#[test]
fn vrrp_080_081_v2_adverts_carry_seconds_and_the_password_whenever_they_leave() {
    let mut bench = Bench::new(secret("s3cr3t"));
    let outs = bench.sleep();
    let sent = outs.advert();
    assert_eq!((sent.interval, sent.auth), (v2(1), Auth::Pass(*b"s3cr3t\0\0")));
    let outs = bench.feed(Input::Stop);
    let sent = outs.advert();
    assert_eq!((sent.priority, sent.auth), (0, Auth::Pass(*b"s3cr3t\0\0")));

    let mut bench = Bench::new(plain());
    assert_eq!(bench.sleep().advert().auth, Auth::None);
}

#[test]
fn vrrp_082_a_changed_password_breaks_the_checksum_first() {
    let mut bench = Bench::active(secret("s3cr3t"));
    let mut packet = peer(Auth::pass(b"s3cr3t").unwrap()).packet();
    let last = packet.payload.len() - 1;
    packet.payload[last] ^= 1;
    bench.feed(Input::Packet(packet));
    assert_eq!(bench.only().discards.get(Counter::Checksum), 1);
    assert_eq!(bench.state(), State::Active);
}

#[test]
fn vrrp_083_authentication_data_means_nothing_without_a_type() {
    let mut bench = Bench::active(plain());
    let mut packet = peer(Auth::pass(b"whatever").unwrap()).packet();
    // The type becomes 0, and the checksum what it then is: one less in the sum is one more here.
    packet.payload[4] = 0;
    let sum = u16::from_be_bytes([packet.payload[6], packet.payload[7]]) + 0x0100;
    packet.payload[6..8].copy_from_slice(&sum.to_be_bytes());
    bench.feed(Input::Packet(packet));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn vrrp_084_types_must_agree() {
    let pass = Auth::pass(b"s3cr3t").unwrap();
    assert_eq!(refused_by(plain(), peer(Auth::None)), None);
    assert_eq!(refused_by(plain(), peer(pass)), Some(Counter::AuthType));
    assert_eq!(refused_by(secret("s3cr3t"), peer(Auth::None)), Some(Counter::AuthType));
    assert_eq!(refused_by(secret("s3cr3t"), peer(pass)), None);
}

#[test]
fn vrrp_085_another_interval_is_dropped_and_nothing_is_learned() {
    let slow = Saying { interval: v2(2), ..peer(Auth::None) };
    assert_eq!(refused_by(plain(), slow.clone()), Some(Counter::Interval));
    let mut bench = Bench::new(plain());
    bench.pass(secs(3));
    let outs = bench.hear(slow);
    assert_eq!(outs.events().len(), 1, "told, since both will hold");
    assert_eq!(bench.left(), Some(nanos(609_375_000)));
    assert_eq!(bench.only().active_interval, secs(1));
}

#[test]
fn vrrp_085_after_a_reload_the_new_interval_is_the_one_that_counts() {
    let mut bench = Bench::new(plain());
    bench.hear(peer(Auth::None));
    bench.feed(Input::Configure(vec![InstanceConfig { interval: v2(3), ..config(100) }]));
    assert_eq!(bench.left(), Some(nanos(9_609_375_000)));
    bench.hear(peer(Auth::None));
    assert_eq!(bench.only().discards.get(Counter::Interval), 1);
}

#[test]
fn vrrp_086_another_list_is_no_reason_to_drop_in_v2_either() {
    let other = Saying { addresses: vec![ip("192.0.2.222")], ..peer(Auth::None) };
    assert_eq!(refused_by(plain(), other), None);
}

#[test]
fn vrrp_087_every_octet_of_the_password_counts() {
    let says = |password: &str| peer(Auth::pass(password.as_bytes()).unwrap());
    assert_eq!(refused_by(secret("12345678"), says("12345678")), None);
    for wrong in ["12345679", "02345678", "1234567", "s", "12345678"] {
        let want = (wrong != "12345678").then_some(Counter::AuthFailure);
        assert_eq!(refused_by(secret("12345678"), says(wrong)), want, "{wrong}");
    }
}

#[test]
fn vrrp_087_vrrp_066_a_password_changes_in_place() {
    let mut bench = Bench::active(secret("old"));
    let outs = bench.feed(Input::Configure(vec![secret("new")]));
    assert!(outs.is_quiet() && outs.changes().is_empty());
    assert_eq!(bench.sleep().advert().auth, Auth::pass(b"new").unwrap());
    bench.hear(peer(Auth::pass(b"old").unwrap()));
    assert_eq!(bench.state(), State::Active);
}
