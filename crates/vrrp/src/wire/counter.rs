//! What is counted, under names that do not change.
//!
//! The names are those of RFC 8347's statistics where it has one; the rest are ours, for checks it
//! does not count apart; those of signed adverts are keepalived's (`auth_ext_*`). Three counters are
//! not always refusals: an advert whose interval or address list differs is processed in VRRPv3, one
//! without signature in all modes but one, and counted by the router that noticed.

use core::fmt;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A kind of thing wrong with a packet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Counter {
    /// The TTL or hop limit is not what it must be (RFC 9568 §7.1).
    #[serde(rename = "ip-ttl-errors")]
    Ttl,
    /// The IP header is not one.
    #[serde(rename = "ip-header-errors")]
    IpHeader,
    /// Not VRRP at all: another protocol.
    #[serde(rename = "protocol-errors")]
    Protocol,
    /// Some length does not fit another; also fragments and empty address lists.
    #[serde(rename = "packet-length-errors")]
    Length,
    /// Not sent to where this instance listens.
    #[serde(rename = "destination-errors")]
    Destination,
    /// Sent from where no advert may come from.
    #[serde(rename = "source-errors")]
    Source,
    /// Sent from one of our own addresses.
    #[serde(rename = "duplicate-source-errors")]
    DuplicateSource,
    /// Another version of VRRP.
    #[serde(rename = "version-errors")]
    Version,
    /// Another type than ADVERTISEMENT.
    #[serde(rename = "invalid-type")]
    Type,
    /// The checksum is wrong.
    #[serde(rename = "checksum-errors")]
    Checksum,
    /// Nobody here is configured for this VRID.
    #[serde(rename = "vrid-errors")]
    Vrid,
    /// The interval is zero, or (v2: refused; v3: processed) differs from ours.
    #[serde(rename = "interval-errors")]
    Interval,
    /// The address list is not what it should be; processed, but in strict mode.
    #[serde(rename = "address-list-errors")]
    AddressList,
    /// An authentication type nobody knows (RFC 2787 `vrrpStatsInvalidAuthType`).
    #[serde(rename = "invalid-auth-type")]
    InvalidAuthType,
    /// Another authentication type than ours (RFC 2787 `vrrpStatsAuthTypeMismatch`).
    #[serde(rename = "auth-type-mismatch")]
    AuthType,
    /// The right type and the wrong password (RFC 2787 `vrrpStatsAuthFailures`).
    #[serde(rename = "auth-failures")]
    AuthFailure,
    /// Not signed, though it must be; in the milder modes processed and counted.
    #[serde(rename = "auth-ext-missing")]
    HmacMissing,
    /// A trailer that is none.
    #[serde(rename = "auth-ext-malformed")]
    HmacMalformed,
    /// Signed with a key we do not have.
    #[serde(rename = "auth-ext-unknown-key")]
    HmacUnknownKey,
    /// The signature is wrong.
    #[serde(rename = "auth-ext-invalid-hmac")]
    HmacInvalid,
    /// Signed too long ago, or in the future.
    #[serde(rename = "auth-ext-stale")]
    HmacStale,
    /// Heard before.
    #[serde(rename = "auth-ext-replay")]
    HmacReplay,
}

impl Counter {
    /// Every counter, in the order of the checks.
    pub const ALL: [Counter; 22] = [
        Counter::Ttl,
        Counter::IpHeader,
        Counter::Protocol,
        Counter::Length,
        Counter::Destination,
        Counter::Source,
        Counter::DuplicateSource,
        Counter::Version,
        Counter::Type,
        Counter::Checksum,
        Counter::Vrid,
        Counter::Interval,
        Counter::AddressList,
        Counter::InvalidAuthType,
        Counter::AuthType,
        Counter::AuthFailure,
        Counter::HmacMissing,
        Counter::HmacMalformed,
        Counter::HmacUnknownKey,
        Counter::HmacInvalid,
        Counter::HmacStale,
        Counter::HmacReplay,
    ];

    /// The stable name, as in metrics, logs and the status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Counter::Ttl => "ip-ttl-errors",
            Counter::IpHeader => "ip-header-errors",
            Counter::Protocol => "protocol-errors",
            Counter::Length => "packet-length-errors",
            Counter::Destination => "destination-errors",
            Counter::Source => "source-errors",
            Counter::DuplicateSource => "duplicate-source-errors",
            Counter::Version => "version-errors",
            Counter::Type => "invalid-type",
            Counter::Checksum => "checksum-errors",
            Counter::Vrid => "vrid-errors",
            Counter::Interval => "interval-errors",
            Counter::AddressList => "address-list-errors",
            Counter::InvalidAuthType => "invalid-auth-type",
            Counter::AuthType => "auth-type-mismatch",
            Counter::AuthFailure => "auth-failures",
            Counter::HmacMissing => "auth-ext-missing",
            Counter::HmacMalformed => "auth-ext-malformed",
            Counter::HmacUnknownKey => "auth-ext-unknown-key",
            Counter::HmacInvalid => "auth-ext-invalid-hmac",
            Counter::HmacStale => "auth-ext-stale",
            Counter::HmacReplay => "auth-ext-replay",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One number per [`Counter`]. Serialised as a map from name to number, so that a reader of another
/// version of mainstay still finds the ones it knows.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(from = "BTreeMap<Counter, u64>", into = "BTreeMap<Counter, u64>")]
pub struct Counters([u64; Counter::ALL.len()]);

impl Counters {
    /// Counts one more of `counter`; stays at the largest number rather than wrap.
    pub fn add(&mut self, counter: Counter) {
        let count = &mut self.0[counter.index()];
        *count = count.saturating_add(1);
    }

    /// How many there were.
    #[must_use]
    pub const fn get(&self, counter: Counter) -> u64 {
        self.0[counter.index()]
    }

    /// All of them, zeros too, in the order of [`Counter::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        Counter::ALL.into_iter().map(|counter| (counter, self.get(counter)))
    }

    /// Adds the numbers of `other` to these.
    pub fn merge(&mut self, other: &Counters) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
    }

    /// The sum of all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

impl From<BTreeMap<Counter, u64>> for Counters {
    fn from(map: BTreeMap<Counter, u64>) -> Self {
        let mut counters = Self::default();
        for (counter, count) in map {
            counters.0[counter.index()] = count;
        }
        counters
    }
}

impl From<Counters> for BTreeMap<Counter, u64> {
    fn from(counters: Counters) -> Self {
        counters.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_has_its_own_place_and_name() {
        let mut counters = Counters::default();
        for (nth, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter.index(), nth, "{counter} is out of order in ALL");
            for _ in 0..=nth {
                counters.add(counter);
            }
        }
        for (nth, (counter, count)) in (1..).zip(counters.iter()) {
            assert_eq!((count, counters.get(counter)), (nth, nth));
        }
        assert_eq!(counters.total(), (1..=22).sum::<u64>());
    }

    #[test]
    fn counters_are_written_by_name_and_read_back() {
        let mut counters = Counters::default();
        counters.add(Counter::Checksum);
        let json = serde_json::to_value(counters).unwrap();
        for counter in Counter::ALL {
            assert_eq!(json[counter.name()], counters.get(counter), "{counter}");
        }
        assert_eq!(serde_json::from_value::<Counters>(json).unwrap(), counters);
        let fewer: Counters = serde_json::from_str(r#"{"vrid-errors": 3}"#).unwrap();
        assert_eq!((fewer.get(Counter::Vrid), fewer.total()), (3, 3));
    }
}
