//! A neighbour that believes what it is told: the stand-in for every client's ARP cache.

use core::net::IpAddr;
use std::collections::BTreeMap;

use base::Mac;

use crate::traffic::announced;

/// Who has which address, as last announced.
#[derive(Clone, Debug, Default)]
pub struct Client {
    neighbours: BTreeMap<IpAddr, Mac>,
    /// Where the switch in front of it last saw each virtual MAC.
    ports: BTreeMap<Mac, usize>,
    heard: u64,
}

impl Client {
    /// Takes in a frame: a gratuitous ARP (RFC 826) or an unsolicited neighbour advertisement
    /// (RFC 4861 §4.4). Anything else it ignores.
    pub fn hear(&mut self, frame: &[u8]) {
        if let Some((address, mac)) = announced(frame) {
            self.heard += 1;
            self.neighbours.insert(address, mac);
        }
    }

    /// Takes in from where a frame came, if that tells of a virtual MAC; answers with the addresses
    /// whose way that has changed.
    pub(crate) fn learn_port(&mut self, from: usize, frame: &[u8]) -> Vec<IpAddr> {
        let Some(mac) = frame.get(6..12).and_then(|mac| mac.try_into().ok()).map(Mac) else {
            return Vec::new();
        };
        if !mac.is_virtual_router() || self.ports.insert(mac, from) == Some(from) {
            return Vec::new();
        }
        let there = self.neighbours.iter().filter(|(_, known)| **known == mac);
        there.map(|(address, _)| *address).collect()
    }

    /// Which node a frame to this MAC would go to, as far as the switch has learned it.
    pub(crate) fn port(&self, mac: Mac) -> Option<usize> {
        self.ports.get(&mac).copied()
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
