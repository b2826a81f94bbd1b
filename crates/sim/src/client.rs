//! A neighbour that believes what it is told: the stand-in for every client's ARP cache.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;

use base::Mac;

/// Who has which address, as last announced.
#[derive(Clone, Debug, Default)]
pub struct Client {
    neighbours: BTreeMap<IpAddr, Mac>,
    heard: u64,
}

impl Client {
    /// Takes in a frame: a gratuitous ARP (RFC 826) or an unsolicited neighbour advertisement
    /// (RFC 4861 §4.4). Anything else it ignores.
    pub fn hear(&mut self, frame: &[u8]) {
        if let Some((address, mac)) = arp(frame).or_else(|| neighbour_advertisement(frame)) {
            self.heard += 1;
            self.neighbours.insert(address, mac);
        }
    }

    /// Where it would send what is for `address`.
    #[must_use]
    pub fn believes(&self, address: IpAddr) -> Option<Mac> {
        self.neighbours.get(&address).copied()
    }

    /// Announcements heard.
    #[must_use]
    pub fn heard(&self) -> u64 {
        self.heard
    }
}

fn arp(frame: &[u8]) -> Option<(IpAddr, Mac)> {
    if frame.get(12..14)? != [0x08, 0x06] {
        return None;
    }
    let mac = frame.get(22..28)?.try_into().ok()?;
    let address: [u8; 4] = frame.get(28..32)?.try_into().ok()?;
    Some((Ipv4Addr::from(address).into(), Mac(mac)))
}

fn neighbour_advertisement(frame: &[u8]) -> Option<(IpAddr, Mac)> {
    const ICMPV6: u8 = 58;
    const ADVERTISEMENT: u8 = 136;
    if frame.get(12..14)? != [0x86, 0xdd]
        || *frame.get(20)? != ICMPV6
        || *frame.get(54)? != ADVERTISEMENT
    {
        return None;
    }
    let address: [u8; 16] = frame.get(62..78)?.try_into().ok()?;
    let mac = frame.get(80..86)?.try_into().ok()?;
    Some((Ipv6Addr::from(address).into(), Mac(mac)))
}
