//! The packets keepalived and FRR really sent, read and made again to the octet.

use std::num::{NonZeroU8, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use bfd::{Diagnostic, Packet, State};
use serde_json::Value;

/// The frames of BFD among the captures of the shared folder; none, with a message, where there is
/// no such folder.
fn frames() -> Vec<(String, Vec<u8>)> {
    let named = env::var_os("MAINSTAY_SHARED").map(PathBuf::from);
    let folder = named
        .clone()
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    if named.is_none() && !folder.is_dir() {
        println!("skipped: no {}, and MAINSTAY_SHARED is not set", folder.display());
        return Vec::new();
    }
    let text = fs::read_to_string(folder.join("suites/vrrp/index.json")).unwrap();
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let ours = all.iter().filter(|frame| frame["file"] == "bfd-ka-frr.pcap");
    let frames: Vec<_> = ours
        .map(|frame| {
            let hex = frame["hex"].as_str().unwrap();
            let octets = (0..hex.len()).step_by(2);
            let octets = octets.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
            (frame["id"].as_str().unwrap().to_owned(), octets.collect())
        })
        .collect();
    assert!(frames.len() > 3, "{} frames", frames.len());
    frames
}

/// Ethernet, IPv4 without options, UDP.
const HEADERS: usize = 14 + 20 + 8;

#[test]
fn bfd_009_captured_packets_are_read_and_made_again() {
    for (id, frame) in frames() {
        let payload = &frame[HEADERS..];
        let packet = Packet::decode(payload).unwrap_or_else(|why| panic!("{id}: {why}"));
        assert_eq!(packet.encode(), payload[..24], "{id}");
        assert_eq!(frame[22], 255, "{id}: TTL");
    }
}

/// G21 of the conformance reference: keepalived, Up, with a poll.
#[test]
fn g21_is_encoded_from_its_parameters() {
    let packet = Packet {
        diagnostic: Diagnostic::NONE,
        state: State::Up,
        poll: true,
        last: false,
        independent: false,
        demand: false,
        multiplier: NonZeroU8::new(3).unwrap(),
        mine: NonZeroU32::new(0xbf56_9239).unwrap(),
        yours: 0x8797_9207,
        desired_min_tx: Duration::from_millis(100),
        required_min_rx: Duration::from_millis(100),
        required_min_echo_rx: Duration::ZERO,
    };
    let hex = "20e00318bf56923987979207000186a0000186a000000000";
    let made: String = packet.encode().iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(made, hex);
}
