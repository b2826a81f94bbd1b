//! Gratuitous ARP: how IPv4 neighbours are told where a VIP lives.
//!
//! A broadcast *request* in which sender and target address are both the VIP (RFC 5227 §3 gives the
//! reasons for the request form; RFC 9568 §6.4.2 asks for one per VIP on becoming Active). Whoever
//! has the VIP in its cache takes the sender MAC; bridges learn the port from the Ethernet source.

use core::net::Ipv4Addr;

use base::Mac;
use serde::{Deserialize, Serialize};

/// Octets of a gratuitous ARP frame: Ethernet header and ARP for Ethernet and IPv4 (RFC 826).
pub const FRAME_LEN: usize = 42;

/// What a gratuitous ARP carries as target MAC. Receivers ignore the field in a request; the RFC's
/// text and the routers in the field disagree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum TargetMac {
    /// ff:ff:ff:ff:ff:ff, as keepalived and FRR send it.
    #[default]
    Broadcast,
    /// The sender's MAC again, as RFC 9568 §6.4.2 words it.
    Sender,
}

/// The gratuitous ARP that tells `vip` lives at `mac`: a whole Ethernet frame, unpadded.
#[must_use]
pub fn gratuitous(vip: Ipv4Addr, mac: Mac, target: TargetMac) -> Vec<u8> {
    let target = match target {
        TargetMac::Broadcast => Mac::BROADCAST,
        TargetMac::Sender => mac,
    };
    let mut frame = Vec::with_capacity(FRAME_LEN);
    frame.extend(Mac::BROADCAST.0);
    frame.extend(mac.0);
    frame.extend([0x08, 0x06]); // EtherType ARP
    frame.extend([0, 1, 0x08, 0x00, 6, 4]); // Ethernet, IPv4, octets of each
    frame.extend([0, 1]); // ares_op$REQUEST
    frame.extend(mac.0);
    frame.extend(vip.octets());
    frame.extend(target.0);
    frame.extend(vip.octets());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Golden G16, as keepalived 2.2.7 sent it.
    #[test]
    fn arp_001_announcement_is_the_request_keepalived_sends() {
        let frame = gratuitous(
            Ipv4Addr::new(192, 0, 2, 10),
            Mac([2, 0, 0, 0, 0, 0x0a]),
            TargetMac::Broadcast,
        );
        assert_eq!(frame.len(), FRAME_LEN);
        assert_eq!(
            hex(&frame),
            "ffffffffffff02000000000a0806000108000604000102000000000ac000020affffffffffffc000020a"
        );
    }

    /// Golden G17, as FRR 8.4.4 sent it.
    #[test]
    fn vrrp_103_announcement_from_a_virtual_mac_is_the_one_frr_sends() {
        let frame = gratuitous(
            Ipv4Addr::new(192, 0, 2, 72),
            Mac([0, 0, 0x5e, 0, 1, 0x48]),
            TargetMac::Broadcast,
        );
        assert_eq!(
            hex(&frame),
            "ffffffffffff00005e0001480806000108000604000100005e000148c0000248ffffffffffffc0000248"
        );
    }

    #[test]
    fn vrrp_103_target_mac_can_be_the_sender_s() {
        let mac = Mac([0, 0, 0x5e, 0, 1, 0x48]);
        let vip = Ipv4Addr::new(192, 0, 2, 72);
        let frame = gratuitous(vip, mac, TargetMac::Sender);
        assert_eq!(frame[32..38], mac.0);
        assert_eq!(frame[..6], [0xff; 6], "still a broadcast");
    }
}
