//! An advert on its way out: what whoever has a raw socket needs to know, and nothing of VRRP.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::IfIndex;

/// An advert on its way out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Transmit {
    /// The interface it leaves by.
    pub index: IfIndex,
    /// Its IP source.
    pub source: IpAddr,
    /// Its IP destination.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// The VRRP message, from its version octet on, checksum in place.
    pub payload: Vec<u8>,
}
