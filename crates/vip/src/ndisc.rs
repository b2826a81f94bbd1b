//! Unsolicited neighbour advertisement: how IPv6 neighbours are told where a VIP lives.
//!
//! Sent from the VIP to all nodes with S=0, O=1 and the MAC as target link-layer address option
//! (RFC 4861 §4.4, §7.2.6; RFC 9568 §6.4.2 asks for one per VIP on becoming Active). O makes caches
//! that hold the former MAC take the new one; R says whether the address is a router's.

use core::net::Ipv6Addr;

use base::Mac;

/// Octets of the frame: Ethernet, IPv6, neighbour advertisement and one option.
pub const FRAME_LEN: usize = 14 + 40 + NA_LEN;

/// Octets of the ICMPv6 message with its option.
const NA_LEN: usize = 32;
/// The same as the header fields carry it.
const NA_LEN_WIRE: u8 = 32;

pub(crate) const ICMPV6: u8 = 58;
pub(crate) const ADVERTISEMENT: u8 = 136;
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;
/// RFC 4861 §7.1.2: receivers discard anything else.
pub(crate) const HOP_LIMIT: u8 = 255;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The unsolicited neighbour advertisement that tells `vip` lives at `mac`: a whole Ethernet frame.
/// `router` is the R flag.
#[must_use]
pub fn unsolicited(vip: Ipv6Addr, mac: Mac, router: bool) -> Vec<u8> {
    let flags = OVERRIDE | if router { ROUTER } else { 0 };
    let mut na = Vec::with_capacity(NA_LEN);
    na.extend([ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0]);
    na.extend(vip.octets());
    na.extend([2, 1]); // target link-layer address, in units of 8 octets (RFC 4861 §4.6.1)
    na.extend(mac.0);
    let sum = checksum(vip, ALL_NODES, &na);
    na[2..4].copy_from_slice(&sum.to_be_bytes());

    let mut frame = Vec::with_capacity(FRAME_LEN);
    frame.extend([0x33, 0x33, 0, 0, 0, 1]); // ff02::1 on Ethernet (RFC 2464 §7)
    frame.extend(mac.0);
    frame.extend([0x86, 0xdd]); // EtherType IPv6
    frame.extend([0x60, 0, 0, 0, 0, NA_LEN_WIRE, ICMPV6, HOP_LIMIT]);
    frame.extend(vip.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(na);
    frame
}

/// The Internet checksum of an ICMPv6 message with its pseudo-header (RFC 8200 §8.1); zero over a
/// message that carries the right one.
pub(crate) fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    let parts = [&source.octets()[..], &destination.octets(), &length, &[0, 0, 0, ICMPV6], message];
    let mut sum: u32 = 0;
    for pair in parts.iter().flat_map(|part| part.chunks(2)) {
        // Only a message can end on an odd octet.
        let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or_default()]);
        sum += u32::from(word);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Golden G18, as FRR 8.4.4 sent it.
    #[test]
    fn vrrp_104_announcement_is_the_advertisement_frr_sends() {
        let frame = unsolicited("fe80::73".parse().unwrap(), Mac([0, 0, 0x5e, 0, 2, 0x49]), true);
        assert_eq!(frame.len(), FRAME_LEN);
        assert_eq!(
            hex(&frame),
            "33330000000100005e00024986dd6000000000203afffe800000000000000000000000000073\
             ff0200000000000000000000000000018800786ea0000000fe800000000000000000000000000073\
             020100005e000249"
        );
    }

    #[test]
    fn nd_002_override_is_set_and_solicited_is_not_whatever_the_router_flag() {
        let vip = "2001:db8::10".parse().unwrap();
        let mac = Mac([2, 0, 0, 0, 0, 0x0a]);
        assert_eq!(unsolicited(vip, mac, false)[58], 0x20);
        assert_eq!(unsolicited(vip, mac, true)[58], 0xa0);
    }

    #[test]
    fn nd_003_hop_limit_checksum_and_target_are_what_receivers_check() {
        for last in 0..=0xffff_u16 {
            let vip = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
            let frame = unsolicited(vip, Mac([2, 0, 0, 0, 0, 0x0a]), false);
            assert_eq!(frame[21], 255, "hop limit, RFC 4861 §7.1.2");
            assert_eq!(frame[62..78], vip.octets(), "target");
            // A receiver sums everything, the checksum included, and wants all ones.
            assert_eq!(checksum(vip, ALL_NODES, &frame[54..]), 0, "{vip}");
        }
    }
}
