//! Somebody on the link who means harm: `forge INTERFACE KIND PER-SECOND SECONDS`, for `crates/lab/faults.sh`.
//!
//! KIND is `forged` (an advert of priority 254 that says it will be back in 40.95 s), `zero` (one that says
//! interval 0) or `garbage` (adverts that would win, spoiled in one way each: what a receiver must
//! look at to see it grows from kind to kind). They come from an address that no node has.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use base::{Centis, Mac, Priority, Vrid};
use linux::clock::monotonic;
use linux::{FrameSender, Links};
use vrrp::wire::frame::{Ipv4Header, ethernet_frame, ipv4_datagram, multicast_mac};
use vrrp::wire::{Advert, Body, ChecksumForm, GROUP_V4};

/// The virtual router and the address of `failover.py`.
const VRID: u8 = 51;
const VIP: Ipv4Addr = Ipv4Addr::new(193, 168, 0, 6);
const SOURCE: Ipv4Addr = Ipv4Addr::new(193, 168, 0, 200);

/// What spoils a packet.
type Change = fn(&mut Vec<u8>, &mut Ipv4Header);

/// Interval 0, with a sum that is right: the field held 0x0fff.
fn zero(payload: &mut [u8]) {
    let sum = u32::from(u16::from_be_bytes([payload[6], payload[7]])) + 0x0fff;
    let sum = (sum & 0xffff) + (sum >> 16);
    payload[6..8].copy_from_slice(&sum.to_be_bytes()[2..]);
    payload[4..6].fill(0);
}

const GARBAGE: [Change; 8] = [
    |_, header| header.ttl = 254,
    |payload, _| payload[0] = 0x41,
    |payload, _| payload.truncate(5),
    |payload, _| payload[3] = 200,
    |payload, _| payload.extend([0xa5; 28]),
    |payload, _| payload[6] ^= 1,
    |payload, _| payload[1] = 77,
    |payload, _| zero(payload),
];

fn frame(change: Change) -> Option<Vec<u8>> {
    let body = Body::V3 { interval: Centis::MAX };
    let advert = Advert::new(Vrid::new(VRID)?, Priority::new(254), vec![VIP.into()], body).ok()?;
    let mut payload = advert.encode(ChecksumForm::Rfc5798, SOURCE.into(), GROUP_V4.into());
    let mut header = Ipv4Header::of_advert(SOURCE, GROUP_V4);
    change(&mut payload, &mut header);
    let (mut datagram, mut frame) = (Vec::new(), Vec::new());
    ipv4_datagram(&header, &payload, &mut datagram);
    let to = multicast_mac(GROUP_V4.into())?;
    ethernet_frame(Mac([2, 0, 0, 0, 0, 200]), to, &datagram, &mut frame);
    Some(frame)
}

fn send(interface: &str, frames: &[Vec<u8>], rate: u32, time: Duration) -> Result<(), String> {
    let links = Links::open().map_err(|error| error.to_string())?;
    let index = links.index(interface).map_err(|error| format!("{interface}: {error}"))?;
    let sender = FrameSender::open().map_err(|error| error.to_string())?;
    let (begin, mut frames, mut sent) = (monotonic(), frames.iter().cycle(), 0);
    while monotonic().since(begin) < time {
        // As many as are due by now, the first at once: a late sender makes up for it.
        let due = monotonic().since(begin).as_micros() * u128::from(rate) / 1_000_000 + 1;
        while sent < due {
            // A full queue is as good as a lost packet.
            let _ = frames.next().map(|frame| sender.send(index, frame));
            sent += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [interface, kind, rate, seconds] = &arguments[..] else {
        eprintln!("usage: forge INTERFACE forged|zero|garbage PER-SECOND SECONDS");
        return ExitCode::from(2);
    };
    let kinds: &[Change] = match kind.as_str() {
        "forged" => &[|_, _| ()],
        "zero" => &[|payload, _| zero(payload)],
        "garbage" => &GARBAGE,
        _ => &[],
    };
    let frames: Vec<Vec<u8>> = kinds.iter().filter_map(|kind| frame(*kind)).collect();
    let (Ok(rate), Ok(seconds)) = (rate.parse(), seconds.parse()) else {
        eprintln!(
            "error: {rate} and {seconds}: two numbers are wanted, packets a second and seconds"
        );
        return ExitCode::from(2);
    };
    match send(interface, &frames, rate, Duration::from_secs(seconds)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
