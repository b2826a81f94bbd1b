//! The kernel's tables, printed the way the tools a person knows print them: `ip address` and
//! `arp -a`.

use std::fmt::Write as _;

use base::{Broadcast, IfIndex};
use linux::{AddressEntry, LinkEntry, Neighbour};

/// One link and its addresses as `ip address show dev …` prints them (IPv6 link-local ones left
/// out: they say nothing here).
#[must_use]
pub fn ip_address(link: &LinkEntry, addresses: &[AddressEntry]) -> String {
    let mut text = format!(
        "{}: {}: <{}> mtu {} qdisc {} state {}\n",
        link.index,
        link.name,
        link.flags.join(","),
        link.mtu,
        link.qdisc,
        link.state
    );
    // Writing into a String cannot fail.
    if let Some(mac) = link.mac {
        let _ = writeln!(text, "    link/ether {mac} brd ff:ff:ff:ff:ff:ff");
    }
    for entry in addresses.iter().filter(|entry| entry.index == link.index) {
        if matches!(entry.address, std::net::IpAddr::V6(v6) if v6.is_unicast_link_local()) {
            continue;
        }
        let family = if entry.address.is_ipv4() { "inet" } else { "inet6" };
        let _ = write!(text, "    {family} {}/{}", entry.address, entry.prefix);
        if let Broadcast::Address(broadcast) = entry.broadcast {
            let _ = write!(text, " brd {broadcast}");
        }
        let _ = write!(text, " scope {}", entry.scope);
        for flag in &entry.flags {
            let _ = write!(text, " {flag}");
        }
        if let Some(label) = entry.label.as_ref().filter(|_| entry.address.is_ipv4()) {
            let _ = write!(text, " {label}");
        }
        let lifetime = |seconds: Option<u32>| match seconds {
            None => "forever".to_owned(),
            Some(seconds) => format!("{seconds}sec"),
        };
        let (valid, preferred) = (lifetime(entry.valid), lifetime(entry.preferred));
        let _ = writeln!(text, "\n       valid_lft {valid} preferred_lft {preferred}");
    }
    text
}

/// One neighbour as `arp -a` prints it.
#[must_use]
pub fn arp(entry: &Neighbour, links: &[LinkEntry]) -> String {
    let at = entry.mac.map_or("<incomplete>".to_owned(), |mac| format!("{mac} [ether]"));
    format!("? ({}) at {at} on {}", entry.address, link_name(entry.index, links))
}

fn link_name(index: IfIndex, links: &[LinkEntry]) -> &str {
    links.iter().find(|link| link.index == index).map_or("?", |link| &link.name)
}

#[cfg(test)]
mod tests {
    use base::{Mac, Scope};

    use super::*;

    fn eth0() -> LinkEntry {
        LinkEntry {
            index: IfIndex::new(2).unwrap(),
            name: "eth0".into(),
            flags: vec!["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
            mtu: 1500,
            qdisc: "noqueue".into(),
            state: "UP".into(),
            mac: Some(Mac([2, 0, 0, 0, 0, 2])),
        }
    }

    #[test]
    fn an_address_looks_as_ip_shows_it() {
        let vip = AddressEntry {
            index: IfIndex::new(2).unwrap(),
            address: [193, 168, 0, 6].into(),
            prefix: 16,
            broadcast: Broadcast::Address([193, 168, 255, 255].into()),
            scope: Scope::GLOBAL,
            flags: vec!["secondary"],
            label: Some("eth0".into()),
            valid: None,
            preferred: Some(0),
        };
        let elsewhere = AddressEntry { index: IfIndex::new(1).unwrap(), ..vip.clone() };
        assert_eq!(
            ip_address(&eth0(), &[elsewhere, vip]),
            "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP\n    \
             link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff\n    \
             inet 193.168.0.6/16 brd 193.168.255.255 scope global secondary eth0\n       \
             valid_lft forever preferred_lft 0sec\n"
        );
    }

    #[test]
    fn a_neighbour_looks_as_arp_shows_it() {
        let mut entry = Neighbour {
            address: [193, 168, 0, 6].into(),
            mac: Some(Mac([2, 0, 0, 0, 0, 2])),
            index: IfIndex::new(2).unwrap(),
            state: "REACHABLE",
        };
        let line = "? (193.168.0.6) at 02:00:00:00:00:02 [ether] on eth0";
        assert_eq!(arp(&entry, &[eth0()]), line);
        entry.mac = None;
        assert_eq!(arp(&entry, &[]), "? (193.168.0.6) at <incomplete> on ?");
    }
}
