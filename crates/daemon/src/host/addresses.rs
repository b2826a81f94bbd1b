//! Which addresses and interfaces this machine has, against those a configuration counts on beside the
//! instances' own interfaces: sources, peers, VIPs, and what is tracked.

use std::collections::BTreeSet;
use std::net::IpAddr;

use conf::sense::unfit;
use conf::{Code, Config, Diagnostic, InstanceConfig, Reach, Span};
use linux::Inventory;

/// What the kernel shows.
#[derive(Default)]
struct Here {
    links: BTreeSet<String>,
    /// Each address, and whether it stays for ever.
    addresses: Vec<(IpAddr, bool)>,
    /// The networks they are of: interface, address and length.
    networks: Vec<(String, IpAddr, u8)>,
}

/// Everything the kernel's addresses and interfaces have to say. What cannot be read is not guessed at.
pub(super) fn findings(config: &Config, out: &mut Vec<Diagnostic>) {
    let read = || -> Option<Here> {
        let mut inventory = Inventory::open().ok()?;
        let links = inventory.links().ok()?;
        let addresses = inventory.addresses().ok()?;
        let on = |index| links.iter().find(|link| link.index == index);
        Some(Here {
            networks: addresses
                .iter()
                .filter_map(|one| Some((on(one.index)?.name.to_string(), one.address, one.prefix)))
                .collect(),
            links: links.into_iter().map(|link| link.name.to_string()).collect(),
            addresses: addresses
                .into_iter()
                .map(|entry| (entry.address, entry.valid.is_none()))
                .collect(),
        })
    };
    if let Some(here) = read() {
        here.findings(config, out);
    }
}

/// Whether two addresses are of one network of this length.
fn same_network(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    let differ = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u32::from(one) ^ u32::from(other)).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            (u128::from(one) ^ u128::from(other)).leading_zeros()
        }
        _ => return false,
    };
    differ >= u32::from(prefix)
}

impl Here {
    fn findings(&self, config: &Config, out: &mut Vec<Diagnostic>) {
        for instance in &config.instances {
            self.source(instance, out);
            self.peers(instance, out);
            self.vips(instance, out);
            self.fitness(instance, out);
            self.interfaces(instance, out);
        }
    }

    fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|(own, _)| *own == address)
    }

    fn source(&self, instance: &InstanceConfig, out: &mut Vec<Diagnostic>) {
        let Some(source) = instance.source.filter(|source| !self.has(*source)) else { return };
        if instance.vips.iter().chain(&instance.excluded).any(|vip| vip.address == source) {
            return;
        }
        out.push(
            Diagnostic::warning(
                Code::HostAddress,
                instance.places.name.0,
                format!("this machine does not have {source}"),
            )
            .label("its adverts are to come from that address")
            .help("write an address of this node; is this the other node's file?"),
        );
    }

    fn peers(&self, instance: &InstanceConfig, out: &mut Vec<Diagnostic>) {
        let Reach::Unicast { peers, .. } = &instance.reach else { return };
        let held = |address| instance.vips.iter().any(|vip| vip.address == address);
        for peer in peers.iter().filter(|peer| self.has(peer.address) && !held(peer.address)) {
            out.push(
                Diagnostic::warning(
                    Code::HostAddress,
                    peer.place.0,
                    format!("{} is an address of this machine", peer.address),
                )
                .label("so this peer is the node itself")
                .help("list the other nodes' addresses; is this the other node's file?"),
            );
        }
    }

    /// VIPs that are written without the length of their network, and are no host of it.
    fn fitness(&self, instance: &InstanceConfig, out: &mut Vec<Diagnostic>) {
        let places = instance.places.vips.iter().chain(&instance.places.excluded);
        let all = instance.all_vips().zip(places);
        for (vip, place) in all.filter(|(vip, _)| vip.prefix == vip.family().host_prefix()) {
            let network = self.networks.iter().find_map(|(name, own, prefix)| {
                let of_it = name.as_str() == vip.interface.as_str()
                    && same_network(*own, vip.address, *prefix);
                Some((*prefix, unfit(vip.address, *prefix)?)).filter(|_| of_it)
            });
            if let Some((prefix, what)) = network {
                out.push(
                    Diagnostic::warning(
                        Code::UnfitVip,
                        place.0,
                        format!("the VIP `{}` is {what} on `{}`", vip.address, vip.interface),
                    )
                    .label(format!("that network has the length {prefix}"))
                    .help("write an address between the first and the last of the network"),
                );
            }
        }
    }

    fn vips(&self, instance: &InstanceConfig, out: &mut Vec<Diagnostic>) {
        let all = instance.vips.iter().chain(&instance.excluded);
        let places = instance.places.vips.iter().chain(&instance.places.excluded);
        for (vip, place) in all.zip(places) {
            let stays = self.addresses.contains(&(vip.address, true));
            if stays && !instance.priority.is_owner() {
                out.push(
                    Diagnostic::note(
                        Code::HostAddress,
                        place.0,
                        format!("this machine has {} already, for ever", vip.address),
                    )
                    .label("unless keepalived holds it now, something else sets it up")
                    .help("take a VIP out of the network's own configuration: a Backup must not have it"),
                );
            }
        }
    }

    /// Interfaces of VIPs, and those that are tracked. The instance's own is told of elsewhere.
    fn interfaces(&self, instance: &InstanceConfig, out: &mut Vec<Diagnostic>) {
        let all = instance.vips.iter().chain(&instance.excluded);
        let places = instance.places.vips.iter().chain(&instance.places.excluded);
        // With a virtual MAC they stand on an interface that is made.
        let vips = all.zip(places).filter(|_| instance.vmac.is_none());
        let vips = vips.map(|(vip, place)| (vip.interface.as_str(), place.0));
        let tracked = instance.tracked_interfaces.iter();
        let tracked = tracked.map(|one| (one.interface.as_str(), one.place.0));
        let named: Vec<(&str, Span)> = vips.chain(tracked).collect();
        let mut told: BTreeSet<&str> = instance.interface.iter().map(|own| own.as_str()).collect();
        for (name, span) in named {
            if !self.links.contains(name) && told.insert(name) {
                out.push(super::absent(name, span, instance));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use conf::Severity;

    use super::*;

    /// What is said of these lines and VIPs on a machine with eth0 and two addresses, of which the second
    /// goes by itself.
    fn said(lines: &str, vip: &str) -> Vec<(&'static str, Severity)> {
        let text = format!(
            "vrrp_instance A {{\n interface eth0\n virtual_router_id 5\n priority 100\n{lines}\n \
             virtual_ipaddress {{\n {vip}\n }}\n}}\n"
        );
        let source = conf::Source { name: "t", text: text.as_bytes() };
        let config = conf::load(source, conf::Options::default()).config.expect("legal");
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let here = Here {
            links: ["lo".to_owned(), "eth0".to_owned()].into(),
            addresses: vec![(address("192.0.2.1"), true), (address("192.0.2.9"), false)],
            networks: vec![("eth0".to_owned(), address("192.0.2.1"), 24)],
        };
        let mut out = Vec::new();
        here.findings(&config, &mut out);
        assert!(out.iter().all(|one| !one.help.is_empty()));
        out.into_iter().map(|one| (one.code.as_str(), one.severity)).collect()
    }

    #[test]
    fn addresses_that_are_missing_and_that_are_there_too_soon_are_told() {
        let warning = [("C134", Severity::Warning)];
        let unicast = |own: &str, peer: &str| format!("{own}\n unicast_peer {{\n {peer}\n }}");
        let own = "unicast_src_ip 192.0.2.1";
        for (lines, vip, want) in [
            (String::new(), "192.0.2.5/24", &[][..]),
            (unicast(own, "192.0.2.2"), "192.0.2.5/24", &[]),
            ("mcast_src_ip 192.0.2.77".to_owned(), "192.0.2.5/24", &warning),
            (unicast("unicast_src_ip 192.0.2.2", "192.0.2.3"), "192.0.2.5/24", &warning),
            // A peer that is this node, without a source that would have told.
            (unicast("", "192.0.2.1"), "192.0.2.5/24", &warning),
            // A VIP in the network's own configuration; and one that mainstay holds.
            (String::new(), "192.0.2.1/24", &[("C134", Severity::Note)]),
            (String::new(), "192.0.2.9/24", &[]),
        ] {
            assert_eq!(said(&lines, vip), want, "{lines} {vip}");
        }
    }

    #[test]
    fn a_vip_without_length_is_held_against_the_interface_s_network() {
        let unfit = [("C108", Severity::Warning)];
        assert_eq!(said("", "192.0.2.255"), unfit);
        assert_eq!(said("", "192.0.2.0"), unfit);
        assert_eq!(said("", "192.0.2.5"), []);
        assert_eq!(said("", "198.51.100.255"), []);
    }

    #[test]
    fn interfaces_of_vips_and_of_checks_are_missed_once() {
        let missed = [("C130", Severity::Warning)];
        assert_eq!(said("track_interface {\n eth9\n }", "192.0.2.5/24 dev eth9"), missed);
        assert_eq!(said("", "192.0.2.5/24 dev eth0"), []);
        assert_eq!(said("use_vmac", "192.0.2.5/24"), []);
    }
}
