//! Sending an advert, for whoever has the socket: the engine, and the guardian in its place.

use std::io;
use std::net::IpAddr;

use base::{Mac, Transmit};
use linux::Sender;
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

/// Writes the Ethernet frame of a multicast advert that comes from `mac`.
pub(crate) fn frame(
    mac: Mac,
    transmit: &Transmit,
    id: u16,
    datagram: &mut Vec<u8>,
    frame: &mut Vec<u8>,
) -> io::Result<()> {
    let Transmit { index: _, source, destination, ttl, payload } = transmit;
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let of_advert = frame::Ipv4Header::of_advert(*source, *destination);
            let header = frame::Ipv4Header { ttl: *ttl, id, ..of_advert };
            frame::ipv4_datagram(&header, payload, datagram);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let of_advert = frame::Ipv6Header::of_advert(*source, *destination);
            let header = frame::Ipv6Header { hop_limit: *ttl, ..of_advert };
            frame::ipv6_datagram(&header, payload, datagram);
        }
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    }
    let group = frame::multicast_mac(*destination).ok_or(io::ErrorKind::InvalidInput)?;
    frame::ethernet_frame(mac, group, datagram, frame);
    Ok(())
}
