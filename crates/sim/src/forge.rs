//! Adverts that nobody who may has sent: what an attacker on the link can make.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use base::{Centis, IfIndex, Interval, Priority};
use vrrp::wire::{Advert, Body, ChecksumForm};
use vrrp::{InstanceConfig, Packet, Reach};

use crate::campaign::{FaultKind, pick};
use crate::lan::{Coming, Lan};
use crate::node::vr_of;
use crate::random::Random;
use crate::sight::Mail;

/// Sends a forged advert to a node, or to all; whether there was anything to forge.
pub(crate) fn send(lan: &mut Lan, kind: FaultKind, node: usize, random: &mut Random) -> bool {
    let everybody = random.chance(500);
    let mail = if kind == FaultKind::SpoofReplay {
        let recorded = u64::try_from(lan.recorded.len()).unwrap_or(0);
        let at = usize::try_from(random.below(recorded)).unwrap_or(0);
        lan.recorded.get(at).cloned()
    } else {
        let configs = lan.nodes[node].configs();
        let count = u64::try_from(configs.len()).unwrap_or(0);
        let at = usize::try_from(random.below(count)).unwrap_or(0);
        configs.get(at).cloned().and_then(|config| forge(&config, kind, node, random))
    };
    let Some(mail) = mail else { return false };
    let times = if kind == FaultKind::SpoofResign { pick(random, &[1, 1, 3, 6]) } else { 1 };
    let gap = Duration::from_millis(pick(random, &[2, 20, 150]));
    for to in (0..lan.nodes.len()).filter(|to| everybody || *to == node) {
        let mut mail = mail.clone();
        let unicast = !mail.packet.destination.is_multicast();
        if unicast && !lan.nodes[to].kernel.has(mail.packet.destination) {
            continue;
        }
        // Nobody believes what seems to come from itself (VRRP-037).
        mail.spoiled |= lan.nodes[to].kernel.has(mail.packet.source);
        for time in 0..times {
            lan.put(lan.weather.delay + gap * time, Coming::Mail(to, mail.clone()));
        }
    }
    true
}

fn forge(
    config: &InstanceConfig,
    kind: FaultKind,
    node: usize,
    random: &mut Random,
) -> Option<Mail> {
    let segment = vr_of(config).segment;
    let number = u8::try_from(node + 1).unwrap_or(u8::MAX);
    let (source, destination) = match &config.reach {
        Reach::Multicast { group } => {
            let stranger: IpAddr = match group {
                IpAddr::V4(_) if segment == 0 => Ipv4Addr::new(193, 168, 250, 7).into(),
                IpAddr::V4(_) => Ipv4Addr::new(10, 0, 0, 250).into(),
                IpAddr::V6(_) => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 250, 7).into(),
            };
            (stranger, *group)
        }
        Reach::Unicast { peers, .. } => {
            let own: IpAddr = match (config.family, segment) {
                (base::Family::V6, _) => {
                    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(number)).into()
                }
                (base::Family::V4, 0) => Ipv4Addr::new(193, 168, 1, number).into(),
                (base::Family::V4, _) => Ipv4Addr::new(10, 0, 0, number).into(),
            };
            (peers.first()?.address, own)
        }
    };
    let body = match config.interval {
        Interval::V2(interval) => Body::V2 { interval, auth: config.auth },
        Interval::V3(_) if kind == FaultKind::SpoofLong => Body::V3 { interval: Centis::MAX },
        Interval::V3(interval) => Body::V3 { interval },
    };
    let priority = Priority::new(if kind == FaultKind::SpoofResign { 0 } else { 254 });
    let addresses = config.vips.iter().map(|vip| vip.address).collect();
    let advert = Advert::new(config.vrid, priority, addresses, body).ok()?;
    let mut payload = advert.encode(ChecksumForm::Rfc5798, source, destination);
    let mut ttl = 255;
    let spoiled = kind == FaultKind::SpoofInvalid;
    if spoiled {
        match random.below(4) {
            0 => ttl = 64,
            3 if payload[0] >> 4 == 3 => {
                // A trailer that nobody has signed, from far ahead in time.
                payload.extend([1, 1, 0, 0, 0x7f, 0, 0, 0]);
                payload.extend([0; 20]);
            }
            1 => payload[6] ^= 0x5a,
            _ => zero_interval(&mut payload),
        }
    }
    let index = IfIndex::new(2)?;
    let packet = Packet { index, source, destination, ttl, payload };
    Some(Mail { packet, segment, spoiled, notice: false, mac: None })
}

/// Makes the interval zero and the checksum right again (RFC 1624).
fn zero_interval(payload: &mut [u8]) {
    let word = |payload: &[u8], at: usize| u16::from_be_bytes([payload[at], payload[at + 1]]);
    let (old, sum) = (word(payload, 4), word(payload, 6));
    let new = if payload[0] >> 4 == 2 { old & 0xff00 } else { 0 };
    let mut total = u32::from(!sum) + u32::from(!old) + u32::from(new);
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    let sum = !u16::try_from(total).unwrap_or(u16::MAX);
    payload[4..6].copy_from_slice(&new.to_be_bytes());
    payload[6..8].copy_from_slice(&sum.to_be_bytes());
}
