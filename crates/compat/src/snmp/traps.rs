//! What is told without having been asked for.

use core::net::IpAddr;

use base::{Reason, Version};
use vrrp::InstanceConfig;

use super::{KEEPALIVED, Link, Oid, RFC_V2, RFC_V3, Value, below, family};

/// Which object says what was told (RFC 3418: snmpTrapOID.0).
const WHICH: &[u32] = &[1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0];

/// One notification.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trap(Vec<(Oid, Value)>);

impl Trap {
    fn new(which: Oid, objects: Vec<(Oid, Value)>) -> Self {
        let mut bindings = vec![(WHICH.to_vec(), Value::Name(which))];
        bindings.extend(objects);
        Self(bindings)
    }

    pub(super) fn bindings(&self) -> &[(Oid, Value)] {
        &self.0
    }

    /// An instance is something else now, in the word that scripts are told.
    #[must_use]
    pub fn instance(name: &str, word: &str, starts_active: bool, router_id: &str) -> Self {
        let object = |column| below(KEEPALIVED, &[2, 3, 1, column]);
        Self::new(
            below(KEEPALIVED, &[2, 10, 0, 2]),
            vec![
                (object(2), Value::text(name)),
                (object(4), Value::Integer(number(word))),
                (object(5), Value::Integer(if starts_active { 2 } else { 1 })),
                (below(KEEPALIVED, &[1, 2, 0]), Value::text(router_id)),
            ],
        )
    }

    /// A sync group is something else now.
    #[must_use]
    pub fn group(name: &str, word: &str, router_id: &str) -> Self {
        let object = |column| below(KEEPALIVED, &[2, 1, 1, column]);
        Self::new(
            below(KEEPALIVED, &[2, 10, 0, 1]),
            vec![
                (object(2), Value::text(name)),
                (object(3), Value::Integer(number(word))),
                (below(KEEPALIVED, &[1, 2, 0]), Value::text(router_id)),
            ],
        )
    }

    /// RFC 2787: this node holds a virtual router of VRRPv2. Its address is among what it says.
    #[must_use]
    pub fn new_master_v2(config: &InstanceConfig, link: Link, source: IpAddr) -> Option<Self> {
        let IpAddr::V4(source) = source else { return None };
        let row = [1, 3, 1, 7, link.index, u32::from(config.vrid.get())];
        (config.version() == Version::V2).then(|| {
            let holder = (below(RFC_V2, &row), Value::Ip(source.octets()));
            Self::new(below(RFC_V2, &[0, 1]), vec![holder])
        })
    }

    /// RFC 6527: this node holds a virtual router, for this reason.
    #[must_use]
    pub fn new_master_v3(
        config: &InstanceConfig,
        link: Link,
        source: IpAddr,
        reason: Reason,
    ) -> Self {
        let index = v3_index(config, link);
        Self::new(
            below(RFC_V3, &[0, 1]),
            vec![
                (below(RFC_V3, &[&[1, 1, 1, 1, 3], &index[..]].concat()), Value::address(source)),
                (
                    below(RFC_V3, &[&[1, 2, 5, 1, 2], &index[..]].concat()),
                    Value::Integer(master_reason(reason)),
                ),
            ],
        )
    }

    /// RFC 2787: a packet was refused for what it said of its authentication. `None` for any other
    /// cause.
    #[must_use]
    pub fn auth_failure(cause: &str, source: IpAddr) -> Option<Self> {
        let kind = match cause {
            "invalid-auth-type" => 1,
            "auth-type-mismatch" => 2,
            "auth-failures" => 3,
            _ => return None,
        };
        let IpAddr::V4(source) = source else { return None };
        Some(Self::new(
            below(RFC_V2, &[0, 2]),
            vec![
                (below(RFC_V2, &[1, 5, 0]), Value::Ip(source.octets())),
                (below(RFC_V2, &[1, 6, 0]), Value::Integer(kind)),
            ],
        ))
    }

    /// RFC 6527: a packet was refused for one of the reasons that RFC knows, by its number.
    #[must_use]
    pub fn protocol_error(config: &InstanceConfig, link: Link, error: u8) -> Self {
        let object = [&[1, 2, 5, 1, 6], &v3_index(config, link)[..]].concat();
        Self::new(below(RFC_V3, &[0, 2]), vec![(below(RFC_V3, &object), Value::small(error))])
    }
}

/// RFC 6527's number for why a packet was refused; `None`: it has none.
#[must_use]
pub fn protocol_error(cause: &str) -> Option<u8> {
    match cause {
        "ip-ttl-errors" => Some(1),
        "version-errors" => Some(2),
        "checksum-errors" => Some(3),
        "vrid-errors" => Some(4),
        _ => None,
    }
}

/// By what RFC 6527 tells instances apart.
pub(super) fn v3_index(config: &InstanceConfig, link: Link) -> [u32; 3] {
    let v6 = config.family == base::Family::V6;
    [link.index, config.vrid.get().into(), family(v6)]
}

/// RFC 6527's number for why a node became the holder.
pub(super) fn master_reason(reason: Reason) -> i32 {
    match reason {
        Reason::WeakerHolder | Reason::Switchover => 2,
        Reason::Owner | Reason::HolderResigned | Reason::Nominated => 1,
        _ => 3,
    }
}

/// A state's number; scripts are told of it by this word.
fn number(word: &str) -> i32 {
    match word {
        "BACKUP" => 1,
        "MASTER" => 2,
        "FAULT" => 3,
        "STOP" => 5,
        "DELETED" => 6,
        _ => 0,
    }
}
