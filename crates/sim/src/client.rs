//! A neighbour that believes what it is told: the stand-in for every client's ARP cache.

use core::net::IpAddr;
use std::collections::BTreeMap;

use base::Mac;

use crate::traffic::announced;

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
        if let Some((address, mac)) = announced(frame) {
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
