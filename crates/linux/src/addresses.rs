//! Carries out a [`Batch`]: the only place where a VIP is put on an interface or taken off it.
//!
//! Adding is create-or-replace, so that a repeated batch is no error. What a replacement does *not*
//! change on Linux is the broadcast address, the scope and the label of an IPv4 address that is
//! already there; flags and lifetimes it does. Removing an address that is absent is reported as
//! [`Errno::ADDRNOTAVAIL`], for only the keeper knows whether that is good news.
//!
//! Two things of the kernel's to know: removing the *primary* IPv4 address of a prefix takes the
//! other addresses of that prefix with it unless `promote_secondaries` is set, so a later removal in
//! the same batch may find nothing; and all work is done under the routing lock inside `send()`, so
//! the number of messages in one send is fitted to keep that lock for about 2 ms, whatever the
//! length of the interface's address list.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use base::{AddressOp, Batch, BatchDone, Broadcast, Errno, IfIndex, OpDone, Vip};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, CacheInfo,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::clock;
use crate::netlink::{MAX_PER_SEND, NetlinkError, Request, RouteSocket};

/// The origin (`IFA_PROTO`, Linux 5.18) of every address mainstay installs: 112, VRRP's IP protocol
/// number. Newer `ip address` show it as `proto 0x70`; older kernels ignore it.
pub const ADDRESS_PROTOCOL: u8 = 0x70;

/// A lifetime without end (`INFINITY_LIFE_TIME` of `net/addrconf.h`).
const FOREVER: u32 = u32::MAX;
/// Longest wanted stay under the routing lock.
const TURN: Duration = Duration::from_millis(2);
/// Fewest messages in one send, however slow the kernel is.
const MIN_PER_SEND: usize = 8;

/// The hand that installs and removes addresses. Needs `CAP_NET_ADMIN` for more than refusals.
#[derive(Debug)]
pub struct Addresses {
    route: RouteSocket,
    per_send: usize,
}

impl Addresses {
    /// Opens a routing socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// See [`RouteSocket::open`].
    pub fn open() -> io::Result<Self> {
        Ok(Self { route: RouteSocket::open()?, per_send: 64 })
    }

    /// Carries out the batch in order and reports one outcome for each operation. Never fails as a
    /// whole: if the socket does, every operation not yet answered gets the socket's error number.
    pub fn execute(&mut self, batch: Batch) -> BatchDone {
        let mut outcomes: Vec<OpDone> = Vec::with_capacity(batch.ops.len());
        let mut rest = batch.ops.as_slice();
        while !rest.is_empty() {
            if let [AddressOp::Probe { index, vip }, later @ ..] = rest {
                outcomes.push(self.probe(*index, vip));
                rest = later;
                continue;
            }
            let probes = |op: &AddressOp| matches!(op, AddressOp::Probe { .. });
            let most = rest.iter().position(probes).unwrap_or(rest.len());
            let (now, later) = rest.split_at(self.per_send.min(most));
            rest = later;
            let requests: Vec<Request> = now.iter().map(request).collect();
            let begun = clock::monotonic();
            match self.route.request_all(&requests) {
                Ok(answers) => {
                    outcomes.extend(answers.into_iter().map(|answer| answer.map_err(|no| no.errno)))
                }
                Err(error) => {
                    let errno = Errno(error.raw_os_error().unwrap_or(libc::EIO));
                    outcomes.resize(batch.ops.len(), Err(errno));
                    break;
                }
            }
            self.per_send = fitted(now.len(), clock::monotonic().since(begun), self.per_send);
        }
        BatchDone { ticket: batch.ticket, outcomes }
    }

    /// Installs the VIP and removes it at once. One that is there already is somebody's, and is left
    /// alone.
    fn probe(&mut self, index: IfIndex, vip: &Vip) -> OpDone {
        let errno = |error| match error {
            NetlinkError::Refused(refusal) => refusal.errno,
            NetlinkError::Io(error) => Errno(error.raw_os_error().unwrap_or(libc::EIO)),
            _ => Errno(libc::EIO),
        };
        let mut like = vip.clone();
        like.flags.no_dad = true;
        like.flags.no_prefix_route = true;
        like.flags.lifetime = None;
        let message = RouteNetlinkMessage::NewAddress(added(index, &like));
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.route.request(&Request { message, flags }).map_err(errno)?;
        self.route.request(&removal(index, vip)).map_err(errno)
    }
}

/// How many messages to send next, after `sent` of them took `took`.
fn fitted(sent: usize, took: Duration, per_send: usize) -> usize {
    if took > TURN {
        (sent / 2).max(MIN_PER_SEND)
    } else if took < TURN / 2 && sent == per_send {
        (per_send * 2).min(MAX_PER_SEND)
    } else {
        per_send
    }
}

fn request(op: &AddressOp) -> Request {
    match op {
        AddressOp::Add { index, vip } => Request {
            message: RouteNetlinkMessage::NewAddress(added(*index, vip)),
            flags: NLM_F_CREATE | NLM_F_REPLACE,
        },
        // A probe is two requests, and is made in `Addresses::probe`.
        AddressOp::Remove { index, vip } | AddressOp::Probe { index, vip } => removal(*index, vip),
    }
}

fn removal(index: IfIndex, vip: &Vip) -> Request {
    Request { message: RouteNetlinkMessage::DelAddress(named(index, vip)), flags: 0 }
}

/// The message that names the address: what a removal needs, and no decoration that could keep it
/// from matching.
fn named(index: IfIndex, vip: &Vip) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match vip.address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = vip.prefix;
    message.header.index = index.get();
    // Both, for IPv4 compares the prefix length only if IFA_ADDRESS is there.
    message.attributes.push(AddressAttribute::Local(vip.address));
    message.attributes.push(AddressAttribute::Address(vip.peer().unwrap_or(vip.address)));
    message
}

fn added(index: IfIndex, vip: &Vip) -> AddressMessage {
    let mut message = named(index, vip);
    message.header.scope = vip.scope.0.into();
    let attributes = &mut message.attributes;
    match vip.address {
        IpAddr::V4(address) => {
            attributes.extend(
                broadcast(address, vip.prefix, vip.broadcast).map(AddressAttribute::Broadcast),
            );
            attributes
                .extend(vip.label.as_ref().map(|label| AddressAttribute::Label(label.to_string())));
        }
        IpAddr::V6(_) => {}
    }
    let flags = flags(vip);
    if !flags.is_empty() {
        attributes.push(AddressAttribute::Flags(flags));
    }
    // An address without this attribute keeps what it has: a lifetime must be ended in words.
    let mut lifetimes = CacheInfo::default();
    lifetimes.ifa_valid = vip.flags.lifetime.map_or(FOREVER, whole_seconds);
    lifetimes.ifa_preferred = match vip.preferred() {
        _ if vip.flags.deprecated => 0,
        Some(preferred) => whole_seconds(preferred).min(lifetimes.ifa_valid),
        None => lifetimes.ifa_valid,
    };
    attributes.push(AddressAttribute::CacheInfo(lifetimes));
    attributes.push(AddressAttribute::Protocol(AddressProtocol::from(ADDRESS_PROTOCOL)));
    message
}

/// The flags that can be asked for. What concerns IPv6 only is not asked of IPv4.
fn flags(vip: &Vip) -> AddressFlags {
    let v6 = vip.address.is_ipv6();
    let asked = [
        (v6 && vip.flags.no_dad, AddressFlags::Nodad),
        (v6 && vip.flags.home, AddressFlags::Homeaddress),
        (v6 && vip.flags.manage_temporary, AddressFlags::Managetempaddr),
        (vip.flags.no_prefix_route, AddressFlags::Noprefixroute),
    ];
    asked.into_iter().filter(|(asked, _)| *asked).fold(AddressFlags::empty(), |all, it| all | it.1)
}

/// The kernel's unit of lifetimes, rounded up: an address must not go before its time.
fn whole_seconds(span: Duration) -> u32 {
    u32::try_from(span.as_millis().div_ceil(1000)).unwrap_or(FOREVER).max(1)
}

/// The broadcast address to install. A prefix of 31 or 32 has none to compute (RFC 3021 §2.1).
fn broadcast(address: Ipv4Addr, prefix: u8, wanted: Broadcast) -> Option<Ipv4Addr> {
    let host_bits = || (prefix <= 30).then(|| u32::MAX >> prefix);
    match wanted {
        Broadcast::None => None,
        Broadcast::Address(broadcast) => Some(broadcast),
        Broadcast::HostBitsSet => host_bits().map(|host| (u32::from(address) | host).into()),
        Broadcast::HostBitsClear => host_bits().map(|host| (u32::from(address) & !host).into()),
    }
}

#[cfg(test)]
mod tests {
    use base::{Scope, Ticket};
    use serde_json::Value;

    use super::*;
    use crate::testing::{in_namespace, index, ip};

    fn vip(text: &str, prefix: u8) -> Vip {
        Vip::new(text.parse().unwrap(), prefix, "va".into())
    }

    fn numbered(n: u32, prefix: u8) -> Vip {
        Vip::new(Ipv4Addr::from(0x0a01_0000 + n).into(), prefix, "va".into())
    }

    fn run(hands: &mut Addresses, ops: Vec<AddressOp>) -> Vec<OpDone> {
        let done = hands.execute(Batch { ticket: Ticket::new(7), ops });
        assert_eq!(done.ticket.number(), 7);
        done.outcomes
    }

    fn shown(device: &str) -> Vec<Value> {
        let all: Vec<Value> =
            serde_json::from_str(&ip(&format!("-j address show dev {device}"))).unwrap();
        all[0]["addr_info"].as_array().unwrap().clone()
    }

    /// A veth pair `va`–`vb`, both up; the index of `va`.
    fn pair() -> IfIndex {
        ip("link add va type veth peer name vb");
        ip("link set va up");
        ip("link set vb up");
        index("va")
    }

    #[test]
    fn a_thousand_are_added_repeated_and_removed() {
        in_namespace(|| {
            let on = pair();
            let mut hands = Addresses::open().unwrap();
            let add = || (0..1000).map(|n| AddressOp::Add { index: on, vip: numbered(n, 32) });
            let remove =
                || (0..1000).map(|n| AddressOp::Remove { index: on, vip: numbered(n, 32) });
            let v4 = |shown: &[Value]| shown.iter().filter(|a| a["family"] == "inet").count();

            assert_eq!(run(&mut hands, add().collect()), vec![Ok(()); 1000]);
            assert_eq!(v4(&shown("va")), 1000);
            assert_eq!(run(&mut hands, add().collect()), vec![Ok(()); 1000], "a repeat is fine");
            assert_eq!(run(&mut hands, remove().collect()), vec![Ok(()); 1000]);
            assert_eq!(v4(&shown("va")), 0);
            let absent = vec![Err(Errno::ADDRNOTAVAIL); 1000];
            assert_eq!(run(&mut hands, remove().collect()), absent);
        });
    }

    #[test]
    fn a_lifetime_is_renewed_and_ended_by_adding_again() {
        in_namespace(|| {
            let on = pair();
            let mut hands = Addresses::open().unwrap();
            let mut add = |lifetime: Option<u64>| {
                let mut vip = vip("10.1.0.1", 24);
                vip.flags.lifetime = lifetime.map(Duration::from_secs);
                assert_eq!(run(&mut hands, vec![AddressOp::Add { index: on, vip }]), [Ok(())]);
                let life = &shown("va")[0]["valid_life_time"];
                life.as_u64().unwrap()
            };
            let forever = u64::from(FOREVER);
            assert_eq!(add(None), forever);
            assert!(add(Some(9)) <= 9);
            assert!((50..=60).contains(&add(Some(60))));
            assert_eq!(add(None), forever);
            assert!(add(Some(1)) <= 1);
            let begun = clock::monotonic();
            while !shown("va").iter().all(|a| a["family"] != "inet") {
                assert!(clock::monotonic().since(begun) < Duration::from_secs(10), "it stayed");
                std::thread::sleep(Duration::from_millis(20));
            }
        });
    }

    #[test]
    fn one_bad_operation_is_named_and_the_others_are_done() {
        in_namespace(|| {
            let on = pair();
            let mut hands = Addresses::open().unwrap();
            let mut ops: Vec<_> =
                (0..500).map(|n| AddressOp::Add { index: on, vip: numbered(n, 32) }).collect();
            ops[123] =
                AddressOp::Add { index: IfIndex::new(9999).unwrap(), vip: numbered(123, 32) };
            ops[321] = AddressOp::Add { index: on, vip: numbered(321, 33) };
            let outcomes = run(&mut hands, ops);
            for (n, outcome) in outcomes.into_iter().enumerate() {
                let expected = match n {
                    123 => Err(Errno::NODEV),
                    321 => Err(Errno(libc::EINVAL)),
                    _ => Ok(()),
                };
                assert_eq!(outcome, expected, "operation {n}");
            }
            assert_eq!(shown("va").iter().filter(|a| a["family"] == "inet").count(), 498);
        });
    }

    #[test]
    fn ipv4_carries_label_scope_broadcast_and_origin() {
        in_namespace(|| {
            let on = pair();
            let mut one = vip("193.168.0.6", 16);
            one.label = Some("va:1".into());
            one.scope = Scope::LINK;
            one.broadcast = Broadcast::HostBitsSet;
            let mut hands = Addresses::open().unwrap();
            assert_eq!(run(&mut hands, vec![AddressOp::Add { index: on, vip: one }]), [Ok(())]);
            let shown = shown("va");
            let found = shown.iter().find(|a| a["local"] == "193.168.0.6").unwrap();
            assert_eq!(found["prefixlen"], 16);
            assert_eq!(found["label"], "va:1");
            assert_eq!(found["scope"], "link");
            assert_eq!(found["broadcast"], "193.168.255.255");
            let ask = RouteNetlinkMessage::GetAddress(AddressMessage::default());
            let origin = AddressAttribute::Protocol(AddressProtocol::Other(ADDRESS_PROTOCOL));
            let ours = RouteSocket::open().unwrap().dump(&ask).unwrap().into_iter().filter(|m| {
                matches!(m, RouteNetlinkMessage::NewAddress(a) if a.attributes.contains(&origin))
            });
            assert_eq!(ours.count(), 1, "only what we installed carries our mark");
        });
    }

    #[test]
    fn ipv6_skips_detection_and_may_be_deprecated() {
        in_namespace(|| {
            let on = pair();
            let plain = vip("2001:db8::6", 64);
            let mut old = vip("2001:db8::7", 128);
            old.flags.deprecated = true;
            let mut checked = vip("2001:db8::8", 128);
            checked.flags.no_dad = false;
            let mut hands = Addresses::open().unwrap();
            let ops =
                [&plain, &old, &checked].map(|vip| AddressOp::Add { index: on, vip: vip.clone() });
            assert_eq!(run(&mut hands, ops.to_vec()), [Ok(()), Ok(()), Ok(())]);
            let shown = shown("va");
            let find = |text: &str| shown.iter().find(|a| a["local"] == text).unwrap();
            assert_eq!(find("2001:db8::6")["nodad"], true);
            assert!(find("2001:db8::6")["tentative"].is_null(), "usable at once");
            assert_eq!(find("2001:db8::7")["deprecated"], true);
            assert_eq!(find("2001:db8::7")["preferred_life_time"], 0);
            assert_eq!(find("2001:db8::7")["valid_life_time"], FOREVER);
            assert!(find("2001:db8::8")["nodad"].is_null());
            old.flags.deprecated = false;
            assert_eq!(run(&mut hands, vec![AddressOp::Add { index: on, vip: old }]), [Ok(())]);
            let shown = self::shown("va");
            let now = shown.iter().find(|a| a["local"] == "2001:db8::7").unwrap();
            assert!(now["deprecated"].is_null(), "a replacement changes the lifetimes");
        });
    }

    #[test]
    fn the_rarer_options_are_what_ip_makes_of_them() {
        in_namespace(|| {
            let on = pair();
            let mut far = vip("10.1.0.1", 32);
            far.extras = Some(Box::new(base::VipExtras {
                peer: Some("10.1.0.2".parse().unwrap()),
                preferred: None,
            }));
            let mut bare = vip("10.2.0.1", 24);
            bare.flags.no_prefix_route = true;
            let mut home = vip("2001:db8::9", 64);
            home.flags.home = true;
            home.flags.manage_temporary = true;
            home.flags.no_prefix_route = true;
            // IPv4 takes it as well, but shows none beside a validity without end.
            let preferred = Some(Duration::from_secs(500));
            home.extras = Some(Box::new(base::VipExtras { peer: None, preferred }));
            let all = [far, bare, home];
            let mut hands = Addresses::open().unwrap();
            let add = all.clone().map(|vip| AddressOp::Add { index: on, vip });
            assert_eq!(run(&mut hands, add.to_vec()), [Ok(()), Ok(()), Ok(())]);
            let shown = shown("va");
            let find = |text: &str| shown.iter().find(|a| a["local"] == text).unwrap();
            assert_eq!(find("10.1.0.1")["address"], "10.1.0.2");
            let preferred = find("2001:db8::9")["preferred_life_time"].as_u64().unwrap();
            assert!((490..=500).contains(&preferred), "{preferred}");
            assert_eq!(find("2001:db8::9")["valid_life_time"], FOREVER);
            assert_eq!(find("10.2.0.1")["noprefixroute"], true);
            assert_eq!(find("2001:db8::9")["home"], true);
            assert_eq!(find("2001:db8::9")["mngtmpaddr"], true);
            assert!(!ip("route").contains("10.2.0.0/24"), "no route of its prefix");
            let remove = all.map(|vip| AddressOp::Remove { index: on, vip });
            assert_eq!(run(&mut hands, remove.to_vec()), [Ok(()), Ok(()), Ok(())]);
        });
    }

    #[test]
    fn removal_does_not_touch_the_same_address_with_another_prefix() {
        in_namespace(|| {
            let on = pair();
            let mut hands = Addresses::open().unwrap();
            run(&mut hands, vec![AddressOp::Add { index: on, vip: vip("192.0.2.1", 24) }]);
            let other = AddressOp::Remove { index: on, vip: vip("192.0.2.1", 32) };
            assert_eq!(run(&mut hands, vec![other]), [Err(Errno::ADDRNOTAVAIL)]);
            assert!(shown("va").iter().any(|a| a["local"] == "192.0.2.1"));
        });
    }

    #[test]
    fn a_probe_says_what_an_addition_would_and_leaves_nothing() {
        in_namespace(|| {
            let on = pair();
            let mut hands = Addresses::open().unwrap();
            let mut ask = |text: &str| {
                let prefix = if text.contains(':') { 64 } else { 24 };
                run(&mut hands, vec![AddressOp::Probe { index: on, vip: vip(text, prefix) }])
            };
            assert_eq!(ask("10.1.0.1"), [Ok(())]);
            assert_eq!(ask("2001:db8::6"), [Ok(())]);
            std::fs::write("/proc/sys/net/ipv6/conf/va/disable_ipv6", "1").unwrap();
            assert_eq!(ask("2001:db8::6"), [Err(Errno(libc::EACCES))]);
            assert_eq!(ask("10.1.0.1"), [Ok(())]);
            let left = shown("va");
            assert!(left.is_empty(), "{left:?}");
            assert!(!ip("route").contains("10.1.0.0/24"));
            ip("address add 10.1.0.1/24 dev va");
            assert_eq!(ask("10.1.0.1"), [Err(Errno::EXIST)]);
            assert_eq!(shown("va").len(), 1, "what somebody else has put there stays");
        });
    }

    #[test]
    fn broadcast_is_computed_from_the_prefix() {
        let of = |prefix, wanted| broadcast([192, 0, 2, 77].into(), prefix, wanted);
        assert_eq!(of(24, Broadcast::None), None);
        assert_eq!(of(24, Broadcast::HostBitsSet), Some([192, 0, 2, 255].into()));
        assert_eq!(of(24, Broadcast::HostBitsClear), Some([192, 0, 2, 0].into()));
        assert_eq!(of(30, Broadcast::HostBitsSet), Some([192, 0, 2, 79].into()));
        assert_eq!(of(31, Broadcast::HostBitsSet), None);
        assert_eq!(of(32, Broadcast::HostBitsSet), None);
        assert_eq!(of(0, Broadcast::HostBitsSet), Some([255; 4].into()));
        let given = Broadcast::Address([1, 2, 3, 4].into());
        assert_eq!(of(32, given), Some([1, 2, 3, 4].into()));
    }

    #[test]
    fn sends_shrink_when_slow_and_grow_when_fast() {
        let ms = Duration::from_millis;
        assert_eq!(fitted(64, ms(5), 64), 32);
        assert_eq!(fitted(10, ms(50), 64), MIN_PER_SEND);
        assert_eq!(fitted(64, Duration::ZERO, 64), 128);
        assert_eq!(fitted(256, Duration::ZERO, 256), MAX_PER_SEND);
        assert_eq!(fitted(3, Duration::ZERO, 64), 64, "a short send proves nothing");
        assert_eq!(fitted(64, Duration::from_micros(1500), 64), 64);
    }
}
