//! Somebody else who claims an address that we hold: who it is, and how we know.
//!
//! A rival shows itself in several ways, and each tells something else: an advert its source address
//! and priority, an ARP packet or a neighbour advertisement its MAC. What is known of one rival is
//! put together from all of them, as the evidence by which a person finds the machine.

use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{IfIndex, Mac};

/// A way in which a rival shows itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Sight {
    /// A VRRP advert for the same virtual router.
    Advert,
    /// An ARP packet whose sender is the VIP (RFC 5227 §2.4).
    Arp,
    /// A neighbour advertisement about the VIP (RFC 4861 §4.4).
    NeighbourAdvertisement,
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Sight::Advert => "advert",
            Sight::Arp => "ARP",
            Sight::NeighbourAdvertisement => "neighbour advertisement",
        })
    }
}

/// A frame from another machine that says a VIP lives there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Neighbour {
    /// Through which interface it came.
    pub index: IfIndex,
    /// The address it claims.
    pub address: IpAddr,
    /// Where it says that this address lives.
    pub mac: Mac,
    /// An address of its own that it sent from, if it shows one.
    pub source: Option<IpAddr>,
    /// What it was.
    pub sight: Sight,
}

/// What is known of a rival.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Rival {
    /// Its MAC, once an ARP packet or a neighbour advertisement has shown it.
    pub mac: Option<Mac>,
    /// Its own address, once an advert or a neighbour advertisement has shown it.
    pub source: Option<IpAddr>,
    /// The VIP it was last seen to claim by itself; an advert claims all.
    pub address: Option<IpAddr>,
    /// How it was seen, each way once.
    pub seen: Vec<Sight>,
}

impl Rival {
    /// Takes in that it was seen in this way.
    pub fn see(&mut self, sight: Sight) {
        if let Err(at) = self.seen.binary_search(&sight) {
            self.seen.insert(at, sight);
        }
    }
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.source, self.mac) {
            (Some(source), Some(mac)) => write!(f, "{source} at {mac}")?,
            (Some(source), None) => write!(f, "{source}")?,
            (None, Some(mac)) => write!(f, "{mac}")?,
            (None, None) => f.write_str("somebody")?,
        }
        for (n, sight) in self.seen.iter().enumerate() {
            write!(f, "{} {sight}", if n == 0 { ", seen by" } else { " and" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rival_is_told_by_what_is_known_of_it() {
        let mut rival = Rival { mac: Some(Mac([2, 0, 0, 0, 0, 9])), ..Rival::default() };
        rival.see(Sight::Arp);
        rival.see(Sight::Arp);
        assert_eq!(rival.to_string(), "02:00:00:00:00:09, seen by ARP");
        rival.source = Some(IpAddr::from([192, 0, 2, 9]));
        rival.see(Sight::Advert);
        let text = "192.0.2.9 at 02:00:00:00:00:09, seen by advert and ARP";
        assert_eq!(rival.to_string(), text);
    }
}
