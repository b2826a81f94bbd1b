//! Sending an advert, for whoever has the socket: the engine, and the guardian in its place.

use std::io;
use std::net::IpAddr;

use base::Transmit;
use linux::{Outgoing, Sender};
use vrrp::wire::frame;

/// Sends an advert. `scratch` is reused from one to the next.
pub(crate) fn send(sender: &Sender, transmit: &Transmit, scratch: &mut Vec<u8>) -> io::Result<()> {
    let Transmit { index: _, source, destination, ttl, payload } = transmit;
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let of_advert = frame::Ipv4Header::of_advert(*source, *destination);
            frame::ipv4_datagram(&frame::Ipv4Header { ttl: *ttl, ..of_advert }, payload, scratch);
            sender.send_v4(scratch)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            sender.send_v6(payload, *source, *destination, *ttl)
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Adds an advert to those that leave together. `scratch` is reused from one to the next.
pub(crate) fn queue(outgoing: &mut Outgoing, transmit: &Transmit, scratch: &mut Vec<u8>) {
    let Transmit { index: _, source, destination, ttl, payload } = transmit;
    let octets = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let of_advert = frame::Ipv4Header::of_advert(*source, *destination);
            frame::ipv4_datagram(&frame::Ipv4Header { ttl: *ttl, ..of_advert }, payload, scratch);
            &*scratch
        }
        _ => payload,
    };
    outgoing.push(octets, *source, *destination, *ttl);
}
