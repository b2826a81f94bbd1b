//! Reading what a frame says about where an address lives: ARP packets and neighbour advertisements
//! of others.
//!
//! Neighbours believe these, so whoever sends one about a VIP of ours is answering for it. The bytes
//! come from anybody on the link: what is not exactly right is nobody's claim. ARP carries no address
//! of its sender but the one it claims; an advertisement may.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::{IfIndex, Mac, Neighbour, Sight};

use crate::ndisc;

const TARGET_LINK_LAYER_ADDRESS: u8 = 2;

/// The claim that a whole Ethernet frame makes, if it makes one: an ARP request or reply (RFC 826),
/// gratuitous or not, or a neighbour advertisement that RFC 4861 §7.1.2 lets pass.
#[must_use]
pub fn read(index: IfIndex, frame: &[u8]) -> Option<Neighbour> {
    let body = frame.get(14..)?;
    let ethernet_source = Mac(*frame.get(6..)?.first_chunk()?);
    match frame.get(12..14)? {
        [0x08, 0x06] => arp(index, body),
        [0x86, 0xdd] => advertisement(index, ethernet_source, body),
        _ => None,
    }
}

/// A sender address is a claim in a request as well as in a reply: receivers update their caches from
/// both (RFC 826, "Packet Reception").
fn arp(index: IfIndex, body: &[u8]) -> Option<Neighbour> {
    // Ethernet, IPv4, six octets, four octets, request or reply.
    if body.first_chunk()? != &[0, 1, 0x08, 0x00, 6, 4] || !matches!(body.get(6..8)?, [0, 1 | 2]) {
        return None;
    }
    let address = Ipv4Addr::from(*body.get(14..)?.first_chunk::<4>()?);
    // The frame is whole.
    body.get(24..28)?;
    let mac = individual(Mac(*body.get(8..)?.first_chunk()?))?;
    // From 0.0.0.0 it only asks (RFC 5227 §2.1.1).
    let claims = !address.is_unspecified();
    let address = IpAddr::V4(address);
    claims.then_some(Neighbour { index, address, mac, source: None, sight: Sight::Arp })
}

fn advertisement(index: IfIndex, ethernet: Mac, body: &[u8]) -> Option<Neighbour> {
    let header = body.first_chunk::<40>()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let message = body.get(40..)?.get(..length)?;
    let source = Ipv6Addr::from(*header[8..].first_chunk()?);
    let destination = Ipv6Addr::from(*header[24..].first_chunk()?);
    let is_one = header[6] == ndisc::ICMPV6 && message.first() == Some(&ndisc::ADVERTISEMENT);
    // RFC 4861 §7.1.2: hop limit, code, length, target, the solicited flag, checksum, options.
    if !is_one || header[7] != ndisc::HOP_LIMIT || *message.get(1)? != 0 || message.len() < 24 {
        return None;
    }
    let target = Ipv6Addr::from(*message.get(8..)?.first_chunk()?);
    let solicited = *message.get(4)? & 0x40 != 0;
    if target.is_multicast() || (destination.is_multicast() && solicited) {
        return None;
    }
    if ndisc::checksum(source, destination, message) != 0 {
        return None;
    }
    let mut mac = ethernet;
    let mut options = message.get(24..)?;
    while let [kind, units, ..] = *options {
        let size = usize::from(units) * 8;
        let option = options.get(..size).filter(|option| !option.is_empty())?;
        if kind == TARGET_LINK_LAYER_ADDRESS {
            mac = Mac(*option.get(2..)?.first_chunk()?);
        }
        options = options.get(size..)?;
    }
    let own = (source != target && !source.is_unspecified()).then_some(IpAddr::V6(source));
    let (address, mac) = (IpAddr::V6(target), individual(mac)?);
    Some(Neighbour { index, address, mac, source: own, sight: Sight::NeighbourAdvertisement })
}

/// Nobody lives at a group's address, nor at none.
fn individual(mac: Mac) -> Option<Mac> {
    (mac.0[0] & 1 == 0 && mac.0 != [0; 6]).then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arp::{TargetMac, gratuitous};

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 0x0a]);

    fn index() -> IfIndex {
        IfIndex::new(2).unwrap()
    }

    fn v4() -> Vec<u8> {
        gratuitous(Ipv4Addr::new(192, 0, 2, 10), MAC, TargetMac::Broadcast)
    }

    fn v6() -> Vec<u8> {
        ndisc::unsolicited("2001:db8::10".parse().unwrap(), MAC, false)
    }

    #[test]
    fn arp_001_requests_replies_and_announcements_claim_their_sender_address() {
        let claim = Neighbour {
            index: index(),
            address: "192.0.2.10".parse().unwrap(),
            mac: MAC,
            source: None,
            sight: Sight::Arp,
        };
        assert_eq!(read(index(), &v4()), Some(claim));
        let mut reply = v4();
        reply[21] = 2;
        reply[38..42].copy_from_slice(&[192, 0, 2, 1]);
        assert_eq!(read(index(), &reply), Some(claim));
        let padded = [v4(), vec![0; 18]].concat();
        assert_eq!(read(index(), &padded), Some(claim));
    }

    #[test]
    fn arp_003_a_probe_claims_nothing() {
        let mut probe = v4();
        probe[28..32].fill(0);
        assert_eq!(read(index(), &probe), None);
    }

    #[test]
    fn nd_003_an_advertisement_is_believed_only_as_rfc_4861_lets_it_pass() {
        let good = read(index(), &v6()).unwrap();
        assert_eq!(good.address, "2001:db8::10".parse::<IpAddr>().unwrap());
        assert_eq!((good.mac, good.source), (MAC, None));
        assert_eq!(good.sight, Sight::NeighbourAdvertisement);
        // Hop limit, code, a bit of the target (checksum), the solicited flag to a group.
        for (at, value) in [(21, 254), (55, 1), (77, 0x11), (58, 0x60)] {
            let mut bad = v6();
            bad[at] = value;
            assert_eq!(read(index(), &bad), None, "octet {at}");
        }
        // An option of no length would never end.
        let mut endless = v6();
        endless[79] = 0;
        assert_eq!(read(index(), &endless), None);
    }

    #[test]
    fn cut_frames_and_flipped_bits_claim_nothing_false_and_break_nothing() {
        for frame in [v4(), v6()] {
            for length in 0..frame.len() {
                assert_eq!(read(index(), &frame[..length]), None, "{length}");
            }
            for bit in 0..frame.len() * 8 {
                let mut flipped = frame.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let _ = read(index(), &flipped);
            }
        }
    }

    #[test]
    fn nobody_lives_at_a_group_s_mac() {
        for mac in [Mac::BROADCAST, Mac([0; 6]), Mac([1, 0, 0, 0, 0, 1])] {
            let frame = gratuitous(Ipv4Addr::new(192, 0, 2, 10), mac, TargetMac::Broadcast);
            assert_eq!(read(index(), &frame), None, "{mac}");
        }
    }
}
