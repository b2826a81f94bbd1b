//! Signed adverts as the machine sends and hears them (VRRP-110..119): every advert it ever sends,
//! the clock that comes in through the door, rotation and roll-out by reload, and what it leaves to
//! the guardian.

use core::time::Duration;

use base::{Name, Secret, State, Wall, What};
use vip::last_will::Edit;
use vrrp::wire::hmac::{Freshness, Key, Mode, Policy, Sequence, TRAILER, seal};
use vrrp::wire::{Counter, PeerTerms, most_addresses};
use vrrp::{Input, InstanceConfig, Packet, Reach};

use crate::bench::{
    Bench, HIGHER, LOWER, OWN, Saying, config, config_v6, ip, link, millis, saying, secs, v2, vip,
};
use crate::seen::{Outs, Seen};

/// The keys that adverts of these tests are signed with.
pub(crate) const KEYS: [u8; 3] = [1, 2, CANARY];

/// The number of a key that would be recognised wherever it turned up.
const CANARY: u8 = 3;

pub(crate) fn key(id: u8) -> Key {
    let octets = match id {
        CANARY => b"canary-canary-canary-canary-canary".to_vec(),
        _ => vec![id; 32],
    };
    Key::new(id, Secret::new(octets)).unwrap()
}

const FIVE: Freshness = Freshness::Time { window: Duration::from_secs(5) };

fn policy(ids: &[u8], active: u8, freshness: Freshness, mode: Mode) -> Option<Policy> {
    let keys = ids.iter().map(|id| key(*id)).collect();
    Some(Policy::new(keys, active, freshness, mode).unwrap())
}

fn in_mode(mode: Mode) -> InstanceConfig {
    InstanceConfig { hmac: policy(&[1], 1, FIVE, mode), ..config(100) }
}

/// What the wall clock says when the bench's other clock says 100 s.
fn noon() -> Wall {
    Wall::new(1_800_000_000, 250_000_000)
}

fn number(after: Duration) -> Sequence {
    let nanos = noon().subsec_nanos() + u64::try_from(after.as_nanos()).unwrap();
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    Sequence::of(Wall::new(noon().seconds() + seconds, u32::try_from(nanos).unwrap()))
}

/// A bench with a wall clock.
fn bench(config: InstanceConfig) -> Bench {
    let (mut bench, _) = Bench::silent(Vec::new());
    bench.feed(Input::Wall(noon()));
    bench.feed(Input::Configure(vec![config]));
    bench.snapshot(vec![link(2, "eth0")]);
    bench
}

fn active(config: InstanceConfig) -> Bench {
    let mut bench = bench(config);
    bench.sleep();
    bench.kernel();
    assert_eq!(bench.state(), State::Active);
    bench
}

fn signed(saying: Saying, id: u8, number: Sequence) -> Packet {
    let mut packet = saying.packet();
    let (source, destination) = (packet.source, packet.destination);
    seal(&mut packet.payload, &key(id), number, source, destination);
    packet
}

/// What becomes of a stronger peer's packet on an Active node: the counter it is refused under, or
/// none when the node yields.
fn refused_by(bench: &mut Bench, packet: Packet) -> Option<Counter> {
    let before = bench.only().discards;
    let outs = bench.feed(Input::Packet(packet));
    let after = bench.only().discards;
    let counted = Counter::ALL.into_iter().find(|c| after.get(*c) > before.get(*c));
    match bench.state() {
        State::Active => {
            assert!(outs.is_quiet(), "{outs:?}");
            Some(counted.expect("what is refused is counted"))
        }
        _ => None,
    }
}

/// When the advert that is due next will be signed.
fn spoke(outs: &Outs) -> Vec<Edit> {
    outs.wills().into_iter().filter(|edit| matches!(edit, Edit::Spoke { .. })).collect()
}

#[test]
fn vrrp_110_every_advert_that_leaves_is_signed_with_the_time_of_its_leaving() {
    let mut bench = bench(in_mode(Mode::Enforce));
    let began = bench.now;
    let signed_at = |bench: &Bench, outs: &Outs| {
        let (id, numbered) = outs.advert().signed.expect("a signature");
        assert_eq!((id, numbered), (1, number(bench.now.since(began))), "at {}", bench.now);
    };
    let outs = bench.sleep();
    signed_at(&bench, &outs);
    bench.kernel();
    let outs = bench.sleep();
    signed_at(&bench, &outs);
    // Asserting itself, yielding, resigning.
    bench.pass(millis(700));
    let later = |bench: &Bench| number(bench.now.since(began));
    let weak = signed(saying(LOWER, 50), 1, later(&bench));
    let outs = bench.feed(Input::Packet(weak));
    signed_at(&bench, &outs);
    bench.pass(millis(10));
    let outs = bench.feed(Input::Stop);
    assert_eq!(outs.spoken(), [0]);
    signed_at(&bench, &outs);
}

#[test]
fn vrrp_110_v2_ipv6_and_every_peer_of_unicast_get_signed_adverts() {
    let hmac = policy(&[1, 2], 2, FIVE, Mode::Enforce);
    let sent = active(InstanceConfig { interval: v2(1), hmac: hmac.clone(), ..config(100) })
        .sleep()
        .advert()
        .signed;
    assert_eq!(sent.map(|(id, _)| id), Some(2));
    let sent = active(InstanceConfig { hmac: hmac.clone(), ..config_v6(100) }).sleep();
    assert_eq!(sent.advert().signed.map(|(id, _)| id), Some(2));

    let peer = |text| PeerTerms { address: ip(text), min_ttl: 255, max_ttl: 255 };
    let peers = vec![peer(LOWER), peer(HIGHER)];
    let reach = Reach::Unicast { peers, ttl: 255, check_source: true };
    let outs = active(InstanceConfig { reach, hmac, ..config(100) }).sleep();
    let numbers: Vec<_> = outs.adverts().iter().map(|sent| sent.signed).collect();
    assert_eq!(numbers.len(), 2);
    assert!(numbers[0].is_some() && numbers[0] == numbers[1], "one number for all copies");
}

#[test]
fn vrrp_110_the_trailer_counts_when_an_advert_must_fit_the_mtu() {
    let mtu = 1500;
    let version = base::Version::V3;
    let most = most_addresses(version, base::Family::V6, mtu);
    let many = (0..most).map(|n| vip(&format!("fe80::1:{n:x}"))).collect::<Vec<_>>();
    let with = |hmac| bench(InstanceConfig { vips: many.clone(), hmac, ..config_v6(100) }).only();
    assert_eq!(with(None).fault, None);
    let silent = policy(&[1], 1, FIVE, Mode::ReceiveOnly);
    assert_eq!(with(silent).fault, None);
    let signing = policy(&[1], 1, FIVE, Mode::Permissive);
    assert_eq!(with(signing).fault, Some(base::Reason::AdvertTooLong));
}

#[test]
fn vrrp_112_vrrp_066_keys_are_rotated_by_three_reloads_without_a_word_being_lost() {
    let step = |ids: &[u8], active| InstanceConfig {
        hmac: policy(ids, active, FIVE, Mode::Enforce),
        ..config(100)
    };
    let mut us = active(step(&[1], 1));
    let stages: [(InstanceConfig, u8); 3] =
        [(step(&[1, 2], 1), 1), (step(&[1, 2], 2), 2), (step(&[2], 2), 2)];
    for (config, signs) in stages {
        let outs = us.feed(Input::Configure(vec![config]));
        assert!(outs.changes().is_empty() && outs.adverts().is_empty(), "{outs:?}");
        assert_eq!(us.sleep().advert().signed.map(|(id, _)| id), Some(signs));
        assert_eq!(us.only().hmac.unwrap().active_key, signs);
    }
    // And the retired key opens nothing any more.
    let old = signed(saying(HIGHER, 200), 1, number(secs(7)));
    assert_eq!(refused_by(&mut us, old), Some(Counter::HmacUnknownKey));
}

#[test]
fn vrrp_113_vrrp_114_vrrp_116_each_wrong_signature_has_its_counter_and_no_effect() {
    let mut us = active(in_mode(Mode::Enforce));
    let now = number(us.only().active_down_interval);
    let peer = || saying(HIGHER, 200);
    assert_eq!(refused_by(&mut us, signed(peer(), 2, now)), Some(Counter::HmacUnknownKey));
    let stale = Sequence::from_bits(now.bits() - (6 << 32));
    assert_eq!(refused_by(&mut us, signed(peer(), 1, stale)), Some(Counter::HmacStale));
    let mut forged = signed(peer(), 1, now);
    *forged.payload.last_mut().unwrap() ^= 1;
    assert_eq!(refused_by(&mut us, forged), Some(Counter::HmacInvalid));
    let stripped = {
        let mut packet = signed(peer(), 1, now);
        packet.payload.truncate(packet.payload.len() - TRAILER);
        packet
    };
    assert_eq!(refused_by(&mut us, stripped), Some(Counter::HmacMissing));
    assert_eq!(refused_by(&mut us, signed(peer(), 1, now)), None, "and the right one is obeyed");
}

#[test]
fn vrrp_115_a_captured_farewell_ends_nothing_twice() {
    let mut us = bench(in_mode(Mode::Enforce));
    let holder = |priority, after| signed(saying(HIGHER, priority), 1, number(after));
    us.feed(Input::Packet(holder(200, Duration::ZERO)));
    us.pass(millis(100));
    let farewell = holder(0, millis(100));
    us.feed(Input::Packet(farewell.clone()));
    us.pass(millis(100));
    us.feed(Input::Packet(holder(200, millis(200))));
    let left = us.left();
    let outs = us.feed(Input::Packet(farewell));
    assert!(outs.is_quiet());
    assert_eq!(us.left(), left);
    assert_eq!(us.only().discards.get(Counter::HmacReplay), 1);
}

#[test]
fn vrrp_115_numbers_grow_though_the_clock_is_set_back() {
    let mut us = active(in_mode(Mode::Enforce));
    let (_, before) = us.sleep().advert().signed.unwrap();
    us.feed(Input::Wall(Wall::new(noon().seconds(), 0)));
    let (_, after) = us.sleep().advert().signed.unwrap();
    assert_eq!(after, before.next(), "3.6 s back, within the window");
    // Right again after an hour of error: the clock counts.
    us.feed(Input::Wall(Wall::new(noon().seconds() + 3_600, 0)));
    us.sleep();
    us.feed(Input::Wall(noon()));
    us.pass(secs(1));
    let (_, after) = us.wake().advert().signed.unwrap();
    assert_eq!(after, number(secs(1)));
}

#[test]
fn vrrp_076_vrrp_114_a_stepped_clock_moves_no_deadline_and_is_told_before_it_hurts() {
    let mut us = bench(in_mode(Mode::Enforce));
    us.feed(Input::Packet(signed(saying(HIGHER, 200), 1, number(Duration::ZERO))));
    let left = us.left();
    us.feed(Input::Wall(Wall::new(noon().seconds() + 3, 250_000_000)));
    assert_eq!(us.left(), left);
    us.pass(millis(500));
    let outs = us.feed(Input::Packet(signed(saying(HIGHER, 200), 1, number(millis(500)))));
    let skew = |what: &&What| {
        matches!(what, What::ClockSkew { source, off, window }
            if *source == ip(HIGHER) && off.as_secs() == 3 && *window == secs(5))
    };
    assert_eq!(outs.happened().iter().filter(|what| skew(what)).count(), 1);
    us.pass(millis(500));
    let outs = us.feed(Input::Packet(signed(saying(HIGHER, 200), 1, number(secs(1)))));
    assert!(outs.is_empty(), "told once in a while: {outs:?}");
}

#[test]
fn vrrp_117_milder_modes_count_and_tell_what_enforce_would_refuse() {
    for mode in [Mode::ReceiveOnly, Mode::Permissive] {
        let mut us = bench(in_mode(mode));
        let outs = us.hear(saying(HIGHER, 200));
        assert!(outs.has(&What::UnsignedHeard { source: ip(HIGHER) }));
        assert!(us.hear(saying(HIGHER, 200)).is_empty(), "told once");
        let one = us.only();
        assert_eq!((one.traffic.received, one.traffic.unsigned_received), (2, 2));
        assert_eq!(one.discards.get(Counter::HmacMissing), 2);
        us.feed(Input::Packet(signed(saying(HIGHER, 200), 1, number(Duration::ZERO))));
        assert_eq!(us.only().traffic.unsigned_received, 2);
        let signs = us.sleep().advert().signed.is_some();
        assert_eq!(signs, mode == Mode::Permissive);
    }
}

#[test]
fn vrrp_118_each_step_of_a_roll_out_understands_the_one_before_and_the_one_after() {
    let steps = [None, Some(Mode::ReceiveOnly), Some(Mode::Permissive), Some(Mode::Enforce)];
    let configured = |step: Option<Mode>| step.map_or(config(100), in_mode);
    for pair in steps.windows(2) {
        for (hears, speaks) in [(pair[0], pair[1]), (pair[1], pair[0])] {
            let mut us = bench(configured(hears));
            let mut them = bench(configured(speaks));
            them.feed(Input::Configure(vec![configured(speaks)]));
            let sent = them.sleep().advert().signed;
            let mut peer = saying(HIGHER, 200);
            peer.index = crate::bench::index(2);
            let packet = match sent {
                Some((id, _)) => signed(peer, id, number(Duration::ZERO)),
                None => peer.packet(),
            };
            us.feed(Input::Packet(packet));
            assert!(us.only().peer.is_some(), "{hears:?} hears {speaks:?}");
        }
    }
    // Two steps at once is one too many.
    let mut us = bench(config(100));
    us.feed(Input::Packet(signed(saying(HIGHER, 200), 1, number(Duration::ZERO))));
    assert_eq!(us.only().peer, None);
}

#[test]
fn vrrp_119_nothing_the_machine_tells_has_a_key_in_it() {
    let hmac = policy(&[CANARY], CANARY, FIVE, Mode::Enforce);
    let mut us = active(InstanceConfig { hmac, ..config(100) });
    let outs = us.hear(saying(HIGHER, 200));
    let status = serde_json::to_string(&us.status()).unwrap();
    assert!(status.contains(r#""active_key":3"#), "{status}");
    let events = serde_json::to_string(&outs.events()).unwrap();
    let wills = us.feed(Input::Configure(vec![InstanceConfig {
        hmac: policy(&[1, CANARY], CANARY, FIVE, Mode::Enforce),
        ..config(100)
    }]));
    assert!(!wills.wills().is_empty());
    for text in [status, events, format!("{:?} {wills:?}", us.router)] {
        assert!(!text.contains("canary") && !text.contains("99, 97, 110"), "a key is in it");
    }
}

#[test]
fn the_guardian_gets_unsigned_farewells_the_key_and_every_number() {
    let mut us = bench(in_mode(Mode::Enforce));
    let outs = us.sleep();
    let (_, first) = outs.advert().signed.unwrap();
    let wills = outs.wills();
    let Some(Edit::Hold(bequest)) = wills.first() else { panic!("{wills:?}") };
    let will = bequest.seal.clone().unwrap();
    assert_eq!((will.key_id, will.key, will.window), (1, key(1).secret().clone(), Some(secs(5))));
    assert_eq!(will.last, first.bits());
    let farewell = Seen::advert(&bequest.farewells[0]);
    assert!(matches!(farewell, Seen::Advert(sent) if sent.signed.is_none() && sent.priority == 0));
    assert!(spoke(&outs).is_empty(), "it is in the bequest");
    us.kernel();
    let outs = us.sleep();
    let (_, next) = outs.advert().signed.unwrap();
    assert_eq!(spoke(&outs), [Edit::Spoke { name: "VI".into(), last: next.bits() }]);
}

#[test]
fn vrrp_115_an_heir_s_numbers_go_on_though_its_clock_was_set_back() {
    let heir = |last: Sequence| {
        let (mut heir, _) = Bench::silent(Vec::new());
        heir.feed(Input::Wall(noon()));
        let held = vec![Name::from("VI")];
        heir.feed(Input::Spoken(vec![("VI".into(), last.bits())]));
        heir.feed(Input::Adopt { image: None, held, events: 0 });
        heir.feed(Input::Configure(vec![in_mode(Mode::Enforce)]));
        heir.snapshot(vec![link(2, "eth0")]).advert().signed.unwrap().1
    };
    assert_eq!(heir(number(secs(2))), number(secs(2)).next());
    let past = Sequence::from_bits(number(Duration::ZERO).bits() - 1);
    assert_eq!(heir(past), number(Duration::ZERO), "the clock is ahead of it anyway");
}

#[test]
fn vrrp_115_after_a_hand_over_numbers_go_on_and_what_was_heard_stays_heard() {
    let mut before = active(in_mode(Mode::Enforce));
    before.feed(Input::Packet(signed(saying(HIGHER, 200), 1, number(secs(4)))));
    let replayed = signed(saying(HIGHER, 0), 1, number(secs(4)));
    let bytes = postcard::to_stdvec(&before.router.image()).unwrap();
    let (mut after, _) = Bench::silent(Vec::new());
    after.now = before.now;
    after.feed(Input::Wall(noon()));
    after.snapshot(vec![link(2, "eth0")]);
    let image = Some(postcard::from_bytes(&bytes).unwrap());
    after.feed(Input::Adopt { image, held: Vec::new(), events: 500 });
    after.feed(Input::Configure(vec![in_mode(Mode::Enforce)]));
    assert_eq!((after.state(), after.left()), (State::Backup, before.left()));
    assert!(after.feed(Input::Packet(replayed)).is_quiet());
    assert_eq!(after.only().discards.get(Counter::HmacReplay), 1);
    // The clock of the next engine was told 4 s earlier than that of the one before.
    after.feed(Input::Wall(Wall::new(noon().seconds() - 4, 0)));
    let first = after.sleep().advert().signed.unwrap().1;
    let last = before.router.image();
    let vrrp::Image::V3 { instances, .. } = last else { panic!("{last:?}") };
    assert_eq!(first.bits(), instances[0].base.number.unwrap() + 1);
}

#[test]
fn vrrp_017_our_own_signed_advert_is_not_heard_when_it_comes_back() {
    let mut us = active(in_mode(Mode::Enforce));
    let own = signed(saying(OWN, 100), 1, number(secs(3)));
    assert_eq!(refused_by(&mut us, own), Some(Counter::DuplicateSource));
}
