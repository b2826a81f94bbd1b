//! Interfaces with a virtual MAC: which there are to be, how they are called, and which VIPs are on
//! them.
//!
//! An instance with `use_vmac` has one for the VIPs on its own interface. With `use_vmac_addr`, or
//! where a VIP asks for it, there is another for each other interface, and for VIPs of the other
//! family. Names that people chose come first; made-up ones keep out of their way, as keepalived's do:
//! `vrrp.51`, else `vrrp6.51` for IPv6, else `vrrp1.51`, `vrrp2.51` and so on.

use std::collections::BTreeSet;

use base::{Device, Family, Mac, Name, Vip, Vrid};
use conf::{Config, InstanceConfig, Reach, VipOptions};

/// What one instance has of them.
pub(super) struct Placed {
    pub(super) devices: Vec<Device>,
    /// The MAC its adverts come from, if not the interface's own.
    pub(super) speaks_as: Option<Mac>,
    pub(super) vips: Vec<Vip>,
    pub(super) excluded: Vec<Vip>,
}

/// Gives out the names of one configuration.
pub(super) struct Namer<'a> {
    config: &'a Config,
    taken: BTreeSet<Name>,
}

impl<'a> Namer<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        let chosen = config.instances.iter().filter_map(|instance| instance.vmac.as_ref());
        let mut taken: BTreeSet<Name> = chosen.filter_map(|vmac| vmac.name.clone()).collect();
        taken.extend(config.instances.iter().filter_map(|instance| instance.interface.clone()));
        Self { config, taken }
    }

    /// What this instance has; to be asked for in the order of the configuration.
    pub(super) fn place(&mut self, instance: &InstanceConfig) -> Placed {
        let mut placed = Placed {
            devices: Vec::new(),
            speaks_as: None,
            vips: instance.vips.clone(),
            excluded: instance.excluded.clone(),
        };
        let vmac = instance.vmac.as_ref();
        if let Some(vmac) = vmac.filter(|vmac| vmac.own)
            && let Some(parent) = &instance.interface
        {
            let mac = vmac.mac.map(Mac);
            let mac = mac.unwrap_or(Mac::virtual_router(instance.family, instance.vrid));
            let name = vmac.name.clone().unwrap_or_else(|| {
                let prefix = self.config.node.vmac_prefix.clone();
                self.name(&prefix, instance.family, instance.vrid)
            });
            let mut device = self.device(name, parent, mac);
            device.group = vmac.group;
            device.ipv6 = instance.family == Family::V6;
            placed.devices.push(device);
            let multicast = matches!(instance.reach, Reach::Multicast { .. });
            placed.speaks_as = Some(mac).filter(|_| multicast && !vmac.transmit_on_base);
        }
        let all = placed.vips.iter_mut().zip(&instance.vip_options);
        let excluded = placed.excluded.iter_mut().zip(&instance.excluded_options);
        for (vip, options) in all.chain(excluded) {
            self.put(instance, vip, options, &mut placed.devices);
        }
        placed
    }

    /// Puts a VIP on the device it belongs on, if on any.
    fn put(
        &mut self,
        instance: &InstanceConfig,
        vip: &mut Vip,
        options: &VipOptions,
        devices: &mut Vec<Device>,
    ) {
        let vmac = instance.vmac.as_ref();
        let own = vmac.is_some_and(|vmac| vmac.own);
        let apart = options.vmac || vmac.is_some_and(|vmac| vmac.for_all_vips);
        let home = instance.interface.as_ref() == Some(&vip.interface);
        let family = vip.family();
        let at = match devices.iter().position(|device| device.name == vip.interface) {
            // Written as such.
            Some(at) => Some(at),
            None if home && own && (family == instance.family || !apart) => Some(0),
            None if apart && (!home || family != instance.family || options.vmac) => {
                let mac = Mac::virtual_router(family, instance.vrid);
                let fits = |d: &Device| (&d.parent, d.mac) == (&vip.interface, mac);
                Some(devices.iter().position(fits).unwrap_or_else(|| {
                    let prefix = self.config.node.vmac_addr_prefix.clone();
                    let name = self.name(&prefix, family, instance.vrid);
                    devices.push(self.device(name, &vip.interface, mac));
                    devices.len() - 1
                }))
            }
            None => None,
        };
        if let Some(device) = at.and_then(|at| devices.get_mut(at)) {
            device.ipv6 |= family == Family::V6;
            vip.interface = device.name.clone();
        }
    }

    fn device(&self, name: Name, parent: &Name, mac: Mac) -> Device {
        Device {
            name,
            parent: parent.clone(),
            mac,
            group: None,
            ipv6: false,
            local_igmp: !self.config.node.disable_local_igmp,
        }
    }

    /// A name that nobody has yet.
    fn name(&mut self, prefix: &str, family: Family, vrid: Vrid) -> Name {
        let six = (family == Family::V6).then(|| "6".to_owned());
        let endings = std::iter::once(String::new()).chain(six);
        let numbered = (1_u32..).map(|number| number.to_string());
        let name = endings
            .chain(numbered)
            .map(|ending| Name::from(format!("{prefix}{ending}.{vrid}")))
            .find(|name| !self.taken.contains(name))
            .unwrap_or_else(|| Name::from(prefix));
        self.taken.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The devices of a configuration as `name parent mac`, and where its VIPs are.
    fn placed(text: &str) -> (Vec<String>, Vec<String>) {
        let source = conf::Source { name: "t", text: text.as_bytes() };
        let loaded = conf::load(source, conf::Options::default());
        let config = loaded.config.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
        let (mut devices, mut vips) = (Vec::new(), Vec::new());
        for instance in super::super::instances(&config) {
            let device = |d: &Device| format!("{} {} {}", d.name, d.parent, d.mac);
            devices.extend(instance.devices.iter().map(device));
            let vip = |vip: &Vip| format!("{} {}", vip.address, vip.interface);
            vips.extend(instance.all_vips().map(vip));
        }
        (devices, vips)
    }

    fn instance(name: &str, interface: &str, vrid: u8, vip: &str, lines: &str) -> String {
        format!(
            "vrrp_instance {name} {{\n interface {interface}\n virtual_router_id {vrid}\n{lines}\n \
             virtual_ipaddress {{\n {vip}\n }}\n}}\n"
        )
    }

    #[test]
    fn both_families_of_a_vrid_get_a_pair_and_every_further_one_a_number() {
        let all = [
            instance("four", "eth0", 51, "192.0.2.5", " use_vmac"),
            instance("six", "eth0", 51, "2001:db8::5", " use_vmac"),
            instance("other", "eth1", 51, "192.0.2.6", " use_vmac"),
            instance("third", "eth2", 51, "192.0.2.7", " use_vmac"),
            instance("own", "eth3", 52, "192.0.2.8", " use_vmac vrrp.53"),
            instance("late", "eth4", 53, "192.0.2.9", " use_vmac 02:00:00:00:01"),
        ];
        let (devices, vips) = placed(&all.concat());
        assert_eq!(
            devices,
            [
                "vrrp.51 eth0 00:00:5e:00:01:33",
                "vrrp6.51 eth0 00:00:5e:00:02:33",
                "vrrp1.51 eth1 00:00:5e:00:01:33",
                "vrrp2.51 eth2 00:00:5e:00:01:33",
                "vrrp.53 eth3 00:00:5e:00:01:34",
                "vrrp1.53 eth4 02:00:00:00:01:35",
            ]
        );
        assert_eq!(vips[..2], ["192.0.2.5 vrrp.51", "2001:db8::5 vrrp6.51"]);
    }

    #[test]
    fn vips_elsewhere_stay_there_unless_a_virtual_mac_is_asked_for() {
        let vips = "192.0.2.5\n 192.0.2.6 dev eth1\n 192.0.2.7 dev eth1 use_vmac";
        let (devices, places) = placed(&instance("a", "eth0", 51, vips, " use_vmac"));
        let own = "vrrp.51 eth0 00:00:5e:00:01:33";
        assert_eq!(devices, [own, "vrrp1.51 eth1 00:00:5e:00:01:33"]);
        assert_eq!(places, ["192.0.2.5 vrrp.51", "192.0.2.6 eth1", "192.0.2.7 vrrp1.51"]);

        let vips = "192.0.2.5\n 192.0.2.6 dev eth1";
        let more = " use_vmac_addr\n virtual_ipaddress_excluded {\n 2001:db8::5\n }";
        let (devices, places) = placed(&instance("a", "eth0", 51, vips, more));
        assert_eq!(devices, ["vrrp.51 eth1 00:00:5e:00:01:33", "vrrp6.51 eth0 00:00:5e:00:02:33"]);
        assert_eq!(places, ["192.0.2.5 eth0", "192.0.2.6 vrrp.51", "2001:db8::5 vrrp6.51"]);
    }

    #[test]
    fn an_excluded_vip_of_the_other_family_goes_along() {
        let more = " use_vmac\n virtual_ipaddress_excluded {\n 2001:db8::5\n }";
        let text = instance("a", "eth0", 51, "192.0.2.5", more);
        let (devices, places) = placed(&text);
        assert_eq!(devices.len(), 1);
        assert_eq!(places, ["192.0.2.5 vrrp.51", "2001:db8::5 vrrp.51"]);
        let prefixes = "global_defs {\n vmac_prefix vm\n vmac_addr_prefix va\n}\n";
        let apart = text.replace("use_vmac\n", "use_vmac\n use_vmac_addr\n");
        let (devices, _) = placed(&format!("{prefixes}{apart}"));
        assert_eq!(devices[1], "va.51 eth0 00:00:5e:00:02:33");
    }

    #[test]
    fn who_speaks_with_the_virtual_mac() {
        let speaks = |lines: &str| {
            let text = instance("a", "eth0", 51, "192.0.2.5", lines);
            let source = conf::Source { name: "t", text: text.as_bytes() };
            let config = conf::load(source, conf::Options::default()).config.unwrap();
            super::super::instances(&config).remove(0).speaks_as.is_some()
        };
        assert!(speaks(" use_vmac"));
        assert!(!speaks(" use_vmac\n vmac_xmit_base"));
        assert!(!speaks(" use_vmac_addr"));
        assert!(!speaks(" use_vmac\n unicast_src_ip 192.0.2.1\n unicast_peer {\n 192.0.2.2\n }"));
    }
}
