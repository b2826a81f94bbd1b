//! SNMP over AgentX: what keepalived answers a master agent, and what it tells it of by itself.
//!
//! [`View`] is all objects of one moment, made from the same [`Snapshot`](crate::Snapshot) as the
//! dumps; [`Session`] is the conversation with the master agent as a machine that takes octets and
//! gives octets; [`Trap`] is one notification. Sockets and clocks are the daemon's business. The
//! octets themselves are the crate `agentx`'s, behind [`codec`], which keeps it from what it cannot do.
//!
//! Object numbers and types are those of KEEPALIVED-MIB, VRRP-MIB (RFC 2787) and VRRPV3-MIB (RFC 6527).
//! Values are those that Debian's keepalived gives, unless they are wrong there (docs/differences.md).
//! Nothing can be set: a name that is written to answers that it is not writable.

mod codec;
mod facts;
mod instances;
mod rfc;
mod session;
mod trackers;
mod traps;
mod view;
mod ways;

use base::{Mac, Name};
use serde::{Deserialize, Serialize};

pub use codec::Wrong;
pub use facts::{Answers, Facts, Where};
pub use session::{Heard, Over, Session};
pub use traps::{Trap, protocol_error};
pub use view::{Link, Mark, Scene, View};

/// KEEPALIVED-MIB.
pub(crate) const KEEPALIVED: &[u32] = &[1, 3, 6, 1, 4, 1, 9586, 100, 5];
/// VRRP-MIB, RFC 2787.
pub(crate) const RFC_V2: &[u32] = &[1, 3, 6, 1, 2, 1, 68];
/// VRRPV3-MIB, RFC 6527.
pub(crate) const RFC_V3: &[u32] = &[1, 3, 6, 1, 2, 1, 207];

/// The name of an object.
pub type Oid = Vec<u32>;

/// `more` below `root`.
pub(crate) fn below(root: &[u32], more: &[u32]) -> Oid {
    [root, more].concat()
}

/// What an object is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Value {
    /// A signed number, or one of a list.
    Integer(i32),
    /// An unsigned number.
    Gauge(u32),
    /// A number that only grows.
    Counter(u32),
    /// The same, longer.
    Counter64(u64),
    /// Hundredths of a second.
    Ticks(u32),
    /// Text, or octets.
    Octets(Vec<u8>),
    /// An IPv4 address as the first version of SNMP has it.
    Ip([u8; 4]),
    /// The name of another object.
    Name(Oid),
}

impl Value {
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Value::Octets(text.as_ref().as_bytes().to_vec())
    }

    pub(crate) fn address(address: core::net::IpAddr) -> Self {
        Value::Octets(match address {
            core::net::IpAddr::V4(address) => address.octets().to_vec(),
            core::net::IpAddr::V6(address) => address.octets().to_vec(),
        })
    }

    pub(crate) fn mac(mac: Mac) -> Self {
        Value::Octets(mac.0.to_vec())
    }

    /// Yes is 1 and no is 2, as everywhere in SNMP.
    pub(crate) fn truth(is: bool) -> Self {
        Value::Integer(if is { 1 } else { 2 })
    }

    /// An address family: 1 for IPv4, 2 for IPv6.
    pub(crate) fn family(is_v6: bool) -> Self {
        Value::Integer(if is_v6 { 2 } else { 1 })
    }

    /// A number that is small.
    pub(crate) fn small(number: impl Into<i32>) -> Self {
        Value::Integer(number.into())
    }

    /// A number that may not fit; one that does not is the greatest that does.
    pub(crate) fn integer(number: impl TryInto<i32>) -> Self {
        Value::Integer(number.try_into().unwrap_or(i32::MAX))
    }

    pub(crate) fn gauge(number: impl TryInto<u32>) -> Self {
        Value::Gauge(number.try_into().unwrap_or(u32::MAX))
    }

    /// Counters begin again behind their end.
    pub(crate) fn counter(number: u64) -> Self {
        Value::Counter(u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default())
    }

    /// Hundredths of a second; they begin again behind their end.
    pub(crate) fn ticks(span: core::time::Duration) -> Self {
        let hundredths = (span.as_millis() / 10) & u128::from(u32::MAX);
        Value::Ticks(u32::try_from(hundredths).unwrap_or_default())
    }
}

/// 1 for IPv4, 2 for IPv6.
pub(crate) fn family(is_v6: bool) -> u32 {
    if is_v6 { 2 } else { 1 }
}

/// The number of a row: they are counted from 1.
pub(crate) fn row(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX - 1) + 1
}

/// A cell of a row: its column, and what is in it.
pub(crate) type Cell = (u32, Value);

/// Something that is tracked, with its weight, and whether that counts the other way round.
pub(crate) type Weighed = (Name, i32, bool);
