//! Counters in keepalived's words, and from where they are counted.
//!
//! Ours are never set back, since others read them too; who asks for them to be cleared is told the
//! difference from then on.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use base::{Name, State};
use serde::Serialize;
use vrrp::InstanceStatus;
use vrrp::wire::Counter;

use crate::Snapshot;

/// One instance's, in the order and by the names of the JSON dump.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the names are keepalived's")]
pub struct Stats {
    pub advert_rcvd: u64,
    pub advert_sent: u64,
    pub become_master: u64,
    pub release_master: u64,
    pub packet_len_err: u64,
    pub advert_interval_err: u64,
    pub ip_ttl_err: u64,
    pub invalid_type_rcvd: u64,
    pub addr_list_err: u64,
    pub invalid_authtype: u64,
    pub authtype_mismatch: u64,
    pub auth_failure: u64,
    pub auth_ext_missing: u64,
    pub auth_ext_malformed: u64,
    pub auth_ext_unknown_key: u64,
    pub auth_ext_invalid_hmac: u64,
    pub auth_ext_stale: u64,
    pub auth_ext_replay: u64,
    pub pri_zero_rcvd: u64,
    pub pri_zero_sent: u64,
}

impl Stats {
    /// What an instance has counted since it was made.
    #[must_use]
    pub fn of(one: &InstanceStatus) -> Self {
        let count = |counter| one.discards.get(counter);
        let holds = u64::from(one.state == State::Active);
        Self {
            advert_rcvd: one.traffic.received,
            advert_sent: one.traffic.sent,
            become_master: one.traffic.became_active,
            release_master: one.traffic.became_active.saturating_sub(holds),
            packet_len_err: count(Counter::Length),
            advert_interval_err: count(Counter::Interval),
            ip_ttl_err: count(Counter::Ttl),
            invalid_type_rcvd: count(Counter::Type),
            addr_list_err: count(Counter::AddressList),
            invalid_authtype: count(Counter::InvalidAuthType),
            authtype_mismatch: count(Counter::AuthType),
            auth_failure: count(Counter::AuthFailure),
            auth_ext_missing: count(Counter::HmacMissing),
            auth_ext_malformed: count(Counter::HmacMalformed),
            auth_ext_unknown_key: count(Counter::HmacUnknownKey),
            auth_ext_invalid_hmac: count(Counter::HmacInvalid),
            auth_ext_stale: count(Counter::HmacStale),
            auth_ext_replay: count(Counter::HmacReplay),
            pri_zero_rcvd: one.traffic.resignations_received,
            pri_zero_sent: one.traffic.resignations_sent,
        }
    }

    fn each(&mut self) -> [&mut u64; 20] {
        let Self {
            advert_rcvd,
            advert_sent,
            become_master,
            release_master,
            packet_len_err,
            advert_interval_err,
            ip_ttl_err,
            invalid_type_rcvd,
            addr_list_err,
            invalid_authtype,
            authtype_mismatch,
            auth_failure,
            auth_ext_missing,
            auth_ext_malformed,
            auth_ext_unknown_key,
            auth_ext_invalid_hmac,
            auth_ext_stale,
            auth_ext_replay,
            pri_zero_rcvd,
            pri_zero_sent,
        } = self;
        [
            advert_rcvd,
            advert_sent,
            become_master,
            release_master,
            packet_len_err,
            advert_interval_err,
            ip_ttl_err,
            invalid_type_rcvd,
            addr_list_err,
            invalid_authtype,
            authtype_mismatch,
            auth_failure,
            auth_ext_missing,
            auth_ext_malformed,
            auth_ext_unknown_key,
            auth_ext_invalid_hmac,
            auth_ext_stale,
            auth_ext_replay,
            pri_zero_rcvd,
            pri_zero_sent,
        ]
    }

    /// What has been counted since `then`. Another engine counts from the beginning: what was counted
    /// before is then none of it.
    #[must_use]
    pub fn less(mut self, then: Option<&Stats>) -> Self {
        let Some(mut then) = then.copied() else { return self };
        let before = then.each();
        let mut now = self.each();
        let began_anew = now.iter().zip(&before).any(|(now, before)| **now < **before);
        if !began_anew {
            for (now, before) in now.iter_mut().zip(before) {
                **now = now.saturating_sub(*before);
            }
        }
        self
    }
}

/// What had been counted when the counters were last cleared.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Baseline(BTreeMap<Name, Stats>);

impl Baseline {
    /// From now on.
    #[must_use]
    pub fn now<'a>(instances: impl IntoIterator<Item = &'a InstanceStatus>) -> Self {
        Self(instances.into_iter().map(|one| (one.name.clone(), Stats::of(one))).collect())
    }

    pub(crate) fn of(&self, name: &Name) -> Option<&Stats> {
        self.0.get(name)
    }
}

/// The dump of counters.
#[must_use]
pub fn stats(snapshot: &Snapshot<'_>) -> String {
    let mut page = String::new();
    for one in snapshot.instances() {
        let stats = &one.stats;
        let _ = writeln!(page, "VRRP Instance: {}", one.config.name);
        let _ = writeln!(page, "  Advertisements:");
        let _ = writeln!(page, "    Received: {}", stats.advert_rcvd);
        let _ = writeln!(page, "    Sent: {}", stats.advert_sent);
        let _ = writeln!(page, "  Became master: {}", stats.become_master);
        let _ = writeln!(page, "  Released master: {}", stats.release_master);
        let _ = writeln!(page, "  Packet Errors:");
        let _ = writeln!(page, "    Length: {}", stats.packet_len_err);
        let _ = writeln!(page, "    TTL: {}", stats.ip_ttl_err);
        let _ = writeln!(page, "    Invalid Type: {}", stats.invalid_type_rcvd);
        let _ = writeln!(page, "    Advertisement Interval: {}", stats.advert_interval_err);
        let _ = writeln!(page, "    Address List: {}", stats.addr_list_err);
        let _ = writeln!(page, "  Authentication Errors:");
        let _ = writeln!(page, "    Invalid Type: {}", stats.invalid_authtype);
        let _ = writeln!(page, "    Type Mismatch: {}", stats.authtype_mismatch);
        let _ = writeln!(page, "    Failure: {}", stats.auth_failure);
        let _ = writeln!(page, "  Priority Zero:");
        let _ = writeln!(page, "    Received: {}", stats.pri_zero_rcvd);
        let _ = writeln!(page, "    Sent: {}", stats.pri_zero_sent);
    }
    page
}
