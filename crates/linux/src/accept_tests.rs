//! What nft reads of it, and what passes.

use std::net::UdpSocket;
use std::process::Command;

use super::*;
use crate::testing::{in_namespace, index, ip};

fn nft() -> String {
    let out = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn filter(vips: &[(&str, u32)]) -> Filter {
    let vip =
        |(address, index): &(&str, u32)| (address.parse().unwrap(), IfIndex::new(*index).unwrap());
    Filter {
        table: "keepalived".into(),
        priority: -1,
        counters: false,
        vips: vips.iter().map(vip).collect(),
    }
}

#[test]
fn the_table_reads_as_keepalived_s_does_and_goes_whole() {
    if !std::path::Path::new("/usr/sbin/nft").exists() {
        eprintln!("skipped: no nft");
        return;
    }
    in_namespace(|| {
        ip("link add va type veth peer name vb");
        let on = index("va").get();
        let mut hand = AcceptFilter::new();
        hand.apply(&filter(&[("192.0.2.50", on), ("2001:db8::50", on), ("fe80::50", on)])).unwrap();
        let text = nft();
        for part in [
            "table ip keepalived { set vips { type ipv4_addr elements = { 192.0.2.50 } }",
            "chain out { type filter hook output priority filter - 1; policy accept; ip saddr @vips drop }",
            "chain in { type filter hook input priority filter - 1; policy accept; ip daddr @vips drop }",
            "set vips { type ipv6_addr elements = { 2001:db8::50 } }",
            "set neighbor-discovery { type icmpv6_type flags constant elements = { nd-neighbor-solicit, nd-neighbor-advert } }",
            "set vips_link_local { type ipv6_addr . iface_index elements = { fe80::50 . \"va\" } }",
            "icmpv6 type @neighbor-discovery accept ip6 daddr fe80::/10 goto in_link_local ip6 daddr @vips drop",
            "icmpv6 type @neighbor-discovery accept ip6 saddr fe80::/10 goto out_link_local ip6 saddr @vips drop",
            "chain in_link_local { ip6 daddr . iif @vips_link_local drop }",
            "chain out_link_local { ip6 saddr . oif @vips_link_local drop }",
        ] {
            assert!(text.contains(part), "{part}\nnot in\n{text}");
        }
        let counted = Filter { counters: true, priority: -7, ..filter(&[("192.0.2.51", on)]) };
        hand.apply(&counted).unwrap();
        let text = nft();
        assert!(text.contains("ip saddr @vips counter packets 0 bytes 0 drop"), "{text}");
        assert!(text.contains("priority filter - 7") && !text.contains("ip6"), "{text}");
        hand.apply(&filter(&[])).unwrap();
        assert_eq!(nft(), "");
    });
}

#[test]
fn who_asks_a_filtered_address_gets_no_answer() {
    in_namespace(|| {
        ip("link set lo up");
        ip("address add 192.0.2.50/32 dev lo");
        ip("address add 192.0.2.51/32 dev lo");
        let on = index("lo").get();
        let mut hand = AcceptFilter::new();
        hand.apply(&filter(&[("192.0.2.50", on)])).unwrap();
        let hears = |address: &str| {
            let there = UdpSocket::bind((address, 0)).unwrap();
            there.set_nonblocking(true).unwrap();
            let here = UdpSocket::bind("127.0.0.1:0").unwrap();
            here.send_to(b"x", there.local_addr().unwrap()).ok();
            let mut buffer = [0; 8];
            // Over the loopback it is there as soon as it is sent.
            there.recv(&mut buffer).is_ok()
        };
        assert!(!hears("192.0.2.50"));
        assert!(hears("192.0.2.51"));
        hand.apply(&filter(&[])).unwrap();
        assert!(hears("192.0.2.50"));
    });
}
