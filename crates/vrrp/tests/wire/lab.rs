//! A small bench: one node, what it demands, and packets to try on it.
//!
//! The node is the one the vectors are written for: VRID 80, 192.0.2.1 / fe80::ff:fe00:a, 1 s in
//! VRRPv2.

use std::net::IpAddr;
use std::num::NonZeroU8;

use base::{Centis, Family, Priority, Version, Vrid, Wall};
use vrrp::wire::frame::parse_ethernet;
use vrrp::wire::hmac::{Demand, Marks, Policy};
use vrrp::wire::{
    Advert, Arrival, Auth, Body, ChecksumForm, ChecksumRule, Discard, Heard, PeerTerms, Reach,
    Subnet, Terms, decode, examine_unknown, group, vrid_of,
};

/// One instance's configuration, owned.
pub(crate) struct Node {
    pub(crate) version: Version,
    pub(crate) family: Family,
    pub(crate) vrid: u8,
    pub(crate) checksum: ChecksumRule,
    pub(crate) auth: Auth,
    pub(crate) interval_v2: u8,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) subnets: Vec<Subnet>,
    pub(crate) peers: Option<Vec<PeerTerms>>,
    pub(crate) check_source: bool,
    pub(crate) strict: bool,
    pub(crate) hmac: Option<Policy>,
    pub(crate) marks: Marks,
    pub(crate) wall: Wall,
    pub(crate) allowed: Vec<IpAddr>,
}

impl Node {
    pub(crate) fn new(version: Version, family: Family) -> Self {
        let (addresses, subnet) = match family {
            Family::V4 => (vec![ip("192.0.2.1")], ("192.0.2.0", 24)),
            Family::V6 => (vec![ip("fe80::ff:fe00:a"), ip("2001:db8:1::1")], ("2001:db8:1::", 64)),
        };
        Self {
            version,
            family,
            vrid: 80,
            checksum: ChecksumRule::Either,
            auth: Auth::None,
            interval_v2: 1,
            addresses,
            subnets: vec![Subnet { address: ip(subnet.0), prefix: subnet.1 }],
            peers: None,
            check_source: true,
            strict: false,
            hmac: None,
            marks: Marks::default(),
            wall: Wall::default(),
            allowed: Vec::new(),
        }
    }

    pub(crate) fn v3() -> Self {
        Self::new(Version::V3, Family::V4)
    }

    pub(crate) fn v2() -> Self {
        Self::new(Version::V2, Family::V4)
    }

    pub(crate) fn v6() -> Self {
        Self::new(Version::V3, Family::V6)
    }

    /// The same, reached by unicast from this one peer.
    pub(crate) fn unicast(mut self, peer: &str, min_ttl: u8, max_ttl: u8) -> Self {
        self.peers = Some(vec![PeerTerms { address: ip(peer), min_ttl, max_ttl }]);
        self
    }

    pub(crate) fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    pub(crate) fn pass(mut self, password: &str) -> Self {
        self.auth = Auth::pass(password.as_bytes()).unwrap();
        self
    }

    pub(crate) fn checksum(mut self, rule: ChecksumRule) -> Self {
        self.checksum = rule;
        self
    }

    pub(crate) fn terms(&self) -> Terms<'_> {
        Terms {
            version: self.version,
            family: self.family,
            reach: match &self.peers {
                Some(peers) => Reach::Unicast { peers, check_source: self.check_source },
                None => Reach::Multicast { group: group(self.family) },
            },
            checksum: self.checksum,
            auth: &self.auth,
            hmac: self.hmac.as_ref().map(|policy| Demand {
                policy,
                marks: &self.marks,
                wall: self.wall,
            }),
            allowed: &self.allowed,
            own_interval_v2: NonZeroU8::new(self.interval_v2).unwrap(),
            own_addresses: &self.addresses,
            subnets: &self.subnets,
            bare: false,
            strict: self.strict,
        }
    }

    /// What becomes of a packet on this node, which has one instance only.
    pub(crate) fn hear(&self, arrival: &Arrival<'_>) -> Result<Heard, Discard> {
        let family = Family::of(&arrival.source);
        if family == self.family && vrid_of(arrival.payload) == Some(self.vrid) {
            decode(arrival, &self.terms())
        } else {
            Err(examine_unknown(arrival, family))
        }
    }

    /// The same from the Ethernet frame on.
    pub(crate) fn hear_frame(&self, frame: &[u8]) -> Result<Heard, Discard> {
        self.hear(&parse_ethernet(frame)?)
    }
}

/// A packet that a node can be tried with: legal for `Node::new` of its version and family until a
/// test spoils it.
#[derive(Clone)]
pub(crate) struct Packet {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) payload: Vec<u8>,
    version: Version,
}

impl Packet {
    pub(crate) fn v3() -> Self {
        Self::of(&advert_v3(&["192.0.2.80"]), "192.0.2.100")
    }

    pub(crate) fn v2() -> Self {
        Self::of(&advert_v2(Auth::None), "192.0.2.100")
    }

    pub(crate) fn v6() -> Self {
        Self::of(&advert_v3(&["fe80::80", "2001:db8:1::80"]), "fe80::ff:fe00:99")
    }

    pub(crate) fn of(advert: &Advert, source: &str) -> Self {
        let (source, destination) = (ip(source), group(advert.family()));
        let payload = advert.encode(ChecksumForm::Rfc5798, source, destination);
        Self { source, destination, ttl: 255, payload, version: advert.version() }
    }

    pub(crate) fn arrival(&self) -> Arrival<'_> {
        let Self { source, destination, ttl, ref payload, .. } = *self;
        Arrival { source, destination, ttl, payload }
    }

    /// With these octets from `at` on, and a checksum that fits again: the test is not about it.
    pub(crate) fn patched(mut self, at: usize, octets: &[u8]) -> Self {
        self.payload[at..at + octets.len()].copy_from_slice(octets);
        self.resummed()
    }

    /// With another payload, and a checksum that fits.
    pub(crate) fn resized(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.payload);
        self.resummed()
    }

    /// With another payload, whatever its checksum says then.
    pub(crate) fn changed(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.payload);
        self
    }

    /// From another source to another destination, with a checksum that fits.
    pub(crate) fn between(mut self, source: &str, destination: &str) -> Self {
        (self.source, self.destination) = (ip(source), ip(destination));
        self.resummed()
    }

    pub(crate) fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    /// The checksum as RFC 5798 has it for v3 and RFC 3768 for v2, by an arithmetic of its own.
    fn resummed(mut self) -> Self {
        self.payload[6..8].fill(0);
        let mut all = Vec::new();
        if self.version == Version::V3 {
            for address in [self.source, self.destination] {
                match address {
                    IpAddr::V4(address) => all.extend(address.octets()),
                    IpAddr::V6(address) => all.extend(address.octets()),
                }
            }
            all.extend(u32::try_from(self.payload.len()).unwrap().to_be_bytes());
            all.extend([0, 0, 0, 112]);
        }
        all.extend(&self.payload);
        if all.len() % 2 == 1 {
            all.push(0);
        }
        let sum = all.chunks(2).fold(0_u32, |sum, word| {
            let sum = sum + u32::from(word[0]) * 256 + u32::from(word[1]);
            if sum > 0xffff { sum - 0xffff } else { sum }
        });
        let sum = u16::try_from(0xffff - sum).unwrap();
        self.payload[6..8].copy_from_slice(&sum.to_be_bytes());
        self
    }
}

/// Why the node refuses this packet.
#[track_caller]
pub(crate) fn refused(node: &Node, packet: &Packet) -> Discard {
    node.hear(&packet.arrival()).expect_err("it was accepted")
}

/// What the node makes of this packet.
#[track_caller]
pub(crate) fn accepted(node: &Node, packet: &Packet) -> Heard {
    node.hear(&packet.arrival()).unwrap_or_else(|discard| panic!("{discard}"))
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| ip(text)).collect()
}

pub(crate) fn vrid(number: u8) -> Vrid {
    Vrid::new(number).unwrap()
}

/// VRID 80, priority 200, 10 cs.
pub(crate) fn advert_v3(addresses: &[&str]) -> Advert {
    let body = Body::V3 { interval: Centis::new(10).unwrap() };
    Advert::new(vrid(80), Priority::new(200), ips(addresses), body).unwrap()
}

/// VRID 80, priority 200, 1 s, 192.0.2.80.
pub(crate) fn advert_v2(auth: Auth) -> Advert {
    let body = Body::V2 { interval: NonZeroU8::MIN, auth };
    Advert::new(vrid(80), Priority::new(200), ips(&["192.0.2.80"]), body).unwrap()
}
