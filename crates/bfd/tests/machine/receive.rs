//! What is refused, and in which order (BFD-001, BFD-006).

use base::Instant;
use bfd::{Datagram, Health, Input, Packet, Refusal, Sessions, State};
use proptest::prelude::*;

use crate::pair::{End, address, millis, packet, settings};

fn refusals(sessions: &Sessions) -> Vec<(Refusal, u64)> {
    sessions.refusals().collect()
}

fn decode(change: impl FnOnce(&mut Vec<u8>)) -> Result<Packet, Refusal> {
    let mut octets = packet(State::Down, 0).encode().to_vec();
    change(&mut octets);
    Packet::decode(&octets)
}

#[test]
fn bfd_001_packets_are_judged_in_order() {
    assert!(decode(|_| {}).is_ok());
    assert_eq!(decode(|p| p.truncate(23)), Err(Refusal::Short));
    assert_eq!(decode(|p| p[0] = 2 << 5), Err(Refusal::Version));
    assert_eq!(decode(|p| p[3] = 23), Err(Refusal::Length));
    // With the A bit, 26 is the least.
    let authenticated = |length: u8, octets: usize| {
        decode(|p| {
            p[1] |= 4;
            p[3] = length;
            p.resize(octets, 0);
        })
    };
    assert_eq!(authenticated(25, 30), Err(Refusal::Length));
    assert_eq!(authenticated(26, 24), Err(Refusal::Short));
    assert_eq!(authenticated(26, 26), Err(Refusal::Authenticated));
    assert_eq!(decode(|p| p[3] = 25), Err(Refusal::Short));
    assert_eq!(decode(|p| p[2] = 0), Err(Refusal::Multiplier));
    assert_eq!(decode(|p| p[1] |= 1), Err(Refusal::Multipoint));
    assert_eq!(decode(|p| p[4..8].fill(0)), Err(Refusal::NoDiscriminator));
    for state in [State::Init, State::Up] {
        assert_eq!(Packet::decode(&packet(state, 0).encode()), Err(Refusal::NotBeginning));
    }
    for state in [State::AdminDown, State::Down] {
        assert!(Packet::decode(&packet(state, 0).encode()).is_ok());
    }
    // The first rule wins.
    assert_eq!(decode(|p| p.fill(0)), Err(Refusal::Version));
}

#[test]
fn bfd_001_a_packet_finds_its_session_by_number_or_by_sender() {
    let mut end = End::alone(settings(2, millis(10)));
    let number = end.number();
    let heard = |source: u8, packet: Packet| {
        let payload = packet.encode().to_vec();
        Input::Heard(Datagram { source: address(source), ttl: 255, multihop: false, payload })
    };
    end.feed(Instant::ZERO, heard(3, packet(State::Down, 0)));
    end.feed(Instant::ZERO, heard(2, packet(State::Down, number ^ 1)));
    // Who knows the number and is somebody else.
    end.feed(Instant::ZERO, heard(3, packet(State::Init, number)));
    assert_eq!(refusals(&end.sessions), [(Refusal::NoSession, 3)]);
    assert_eq!(end.state(), State::Down);
    end.feed(Instant::ZERO, heard(2, packet(State::Down, 0)));
    assert_eq!(end.state(), State::Init);
    end.feed(Instant::ZERO, heard(2, packet(State::Up, number)));
    assert_eq!(end.state(), State::Up);
}

#[test]
fn bfd_006_what_came_through_a_router_is_refused() {
    let mut end = End::alone(settings(2, millis(10)));
    let payload = packet(State::Down, 0).encode().to_vec();
    let from = |ttl, multihop| {
        let payload = payload.clone();
        Input::Heard(Datagram { source: address(2), ttl, multihop, payload })
    };
    end.feed(Instant::ZERO, from(254, false));
    end.feed(Instant::ZERO, from(255, true));
    assert_eq!(refusals(&end.sessions), [(Refusal::NoSession, 1), (Refusal::Ttl, 1)]);
    assert_eq!((end.state(), end.health()), (State::Down, Health::Unknown));
    end.feed(Instant::ZERO, from(255, false));
    assert_eq!(end.state(), State::Init);
}

#[test]
fn bfd_006_no_echo_is_offered() {
    let mut end = End::alone(settings(2, millis(10)));
    let sent = end.pass(Instant::ZERO + millis(3_000));
    assert!(!sent.is_empty());
    assert!(sent.iter().all(|(_, packet)| packet.required_min_echo_rx.is_zero()));
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(packet) = Packet::decode(&octets) {
            // The reserved bits of nothing, and lengths beyond 24, are not kept.
            let again = packet.encode();
            prop_assert_eq!(Packet::decode(&again), Ok(packet));
            prop_assert_eq!(&again[4..], &octets[4..24]);
        }
    }

    #[test]
    fn whatever_comes_the_machine_goes_on(
        steps in proptest::collection::vec((0_u64..2_000, any::<[u8; 24]>(), any::<bool>()), 1..60)
    ) {
        let mut end = End::alone(settings(2, millis(10)));
        let mut now = Instant::ZERO;
        for (pause, mut octets, well_formed) in steps {
            now = now + millis(pause);
            if well_formed {
                octets[0] = 1 << 5 | octets[0] & 0x1f;
                octets[1] &= !5;
                octets[2] |= 1;
                octets[3] = 24;
                octets[8..12].copy_from_slice(&end.number().to_be_bytes());
            }
            let source = address(2);
            let payload = octets.to_vec();
            end.feed(now, Input::Heard(Datagram { source, ttl: 255, multihop: false, payload }));
            end.feed(now, Input::Wake { drained: true });
            prop_assert!(end.sessions.poll_timeout().is_none_or(|at| at > now), "no busy loop");
        }
    }
}
