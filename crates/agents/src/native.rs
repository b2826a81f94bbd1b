//! What `ocf:heartbeat:IPaddr2` is told, read as a VIP for the keeper: the same parameters, the same
//! refusals, no program.
//!
//! A pure function in two steps. [`Wanted::read`] needs nothing but the parameters; [`Wanted::on`] adds
//! what this node knows: where nothing else is said, a VIP goes to the interface and gets the prefix
//! of the most precise network of the node that has its address.
//!
//! Two things are other than there. Duplicate address detection is left out unless it is asked for
//! (`nodad=false`): the address was elsewhere a moment ago, and nobody else has it. And what makes the
//! agent more than an address (a cluster IP shared by hash, LVS, another network namespace, an extra
//! `arping`) is refused by name: the agent itself is to be run for that ([`Refusal::Agent`]).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use base::{Broadcast, Name, Vip, VipExtras};
use cib::value;

use crate::exit;

/// What an interface label has room for.
const LABEL: usize = 15;

/// A network this node is in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Network {
    /// By which interface.
    pub interface: Name,
    /// One of its addresses.
    pub address: IpAddr,
    /// The length of its prefix.
    pub prefix: u8,
    /// Its broadcast address, if the interface has one.
    pub broadcast: Option<Ipv4Addr>,
}

/// How the neighbours are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announcing {
    /// How often.
    pub count: u32,
    /// In what distance.
    pub interval: Duration,
    /// How often again with each monitor.
    pub refresh: u32,
}

/// What a resource wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The address.
    pub address: IpAddr,
    /// The length of its prefix, if that is said.
    pub prefix: Option<u8>,
    /// The interface, if that is said.
    pub interface: Option<Name>,
    /// How the neighbours are told.
    pub announcing: Announcing,
    label: Option<String>,
    broadcast: Option<Broadcast>,
    no_dad: bool,
    no_prefix_route: bool,
    preferred: Option<Duration>,
}

/// Why there is no VIP.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The parameters are wrong, here and everywhere.
    #[error("{0}")]
    Configured(String),
    /// This node has no place for it.
    #[error("{0}")]
    Nowhere(String),
    /// Only the agent can do that.
    #[error("`{0}` is more than a VIP: use the agent itself for it (another provider's name)")]
    Agent(&'static str),
}

impl Refusal {
    /// The exit code of an action that is refused for this. What cannot be here does not run here, and
    /// is stopped.
    #[must_use]
    pub fn rc(&self, action: &str, probe: bool) -> i32 {
        match (self, action) {
            (Self::Nowhere(_), "stop") => exit::OK,
            (Self::Nowhere(_), "monitor" | "status") if probe => exit::NOT_RUNNING,
            (Self::Nowhere(_), _) => exit::ERROR,
            (Self::Agent(_), _) => exit::UNIMPLEMENTED,
            (Self::Configured(_), _) => exit::CONFIGURED,
        }
    }
}

fn configured<T>(why: String) -> Result<T, Refusal> {
    Err(Refusal::Configured(why))
}

impl Wanted {
    /// Reads parameters and meta attributes, as an order has them.
    ///
    /// # Errors
    /// [`Refusal::Configured`] or [`Refusal::Agent`].
    pub fn read(parameters: &[(String, String)]) -> Result<Self, Refusal> {
        let raw = |name: &str| parameters.iter().find(|(known, _)| known == name);
        let get = |name: &str| raw(name).map(|(_, value)| value.trim()).filter(|it| !it.is_empty());
        let truth = |name: &str| value::is_true(get(name));
        for more in ["lvs_support", "lvs_ipv6_addrlabel", "run_arping", "flush_routes"] {
            if truth(more) {
                return Err(Refusal::Agent(more));
            }
        }
        for more in ["network_namespace", "mac"] {
            if get(more).is_some() {
                return Err(Refusal::Agent(more));
            }
        }
        let Some(ip) = get("ip") else {
            return configured("IP address (the ip parameter) is mandatory".into());
        };
        let Ok(mut address) = ip.parse::<IpAddr>() else {
            return configured(format!("IP address [{ip}] not valid."));
        };
        let number = |name: &str| get(name).and_then(|it| it.parse::<u32>().ok());
        let instances = number("CRM_meta_clone_max").unwrap_or(1);
        if truth("unique_clone_address") {
            if !truth("CRM_meta_globally_unique") {
                let why = "unique_clone_address makes sense only with meta globally_unique set";
                return configured(why.into());
            }
            address = plus(address, number("CRM_meta_clone").unwrap_or(0));
        } else if instances > 1 {
            return Err(Refusal::Agent("clone-max"));
        }
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match get("cidr_netmask").or(get("netmask")) {
            None => None,
            Some(text) => match mask(text).filter(|length| *length <= most) {
                Some(length) => Some(length),
                None => return configured(format!("Invalid netmask specification [{text}].")),
            },
        };
        let (interface, own_label) = match get("nic").map(|nic| nic.split_once(':')) {
            Some(Some((nic, label))) => (Some(nic), Some(label)),
            Some(None) => (get("nic"), None),
            None => (None, None),
        };
        let link_local = matches!(address, IpAddr::V6(it) if it.is_unicast_link_local());
        if link_local && interface.is_none() {
            let why = format!("'nic' parameter is mandatory for a link local address [{ip}].");
            return configured(why);
        }
        let broadcast = match get("broadcast").filter(|_| address.is_ipv4()) {
            None => None,
            Some("+") => Some(Broadcast::HostBitsSet),
            Some("-") => Some(Broadcast::HostBitsClear),
            Some(text) => match text.parse() {
                Ok(address) => Some(Broadcast::Address(address)),
                Err(_) => return configured(format!("Invalid broadcast address [{text}].")),
            },
        };
        let preferred = match raw("preferred_lft").map(|(_, value)| value.trim()) {
            None | Some("forever") => None,
            Some(text) => match text.trim_end_matches("sec").parse() {
                Ok(seconds) => Some(Duration::from_secs(seconds)),
                Err(_) => return configured(format!("Invalid preferred_lft [{text}]")),
            },
        };
        let at_least_one = |name: &'static str, default: u32| match get(name) {
            None => Ok(default),
            Some(text) => match text.parse() {
                Ok(number) if number > 0 => Ok(number),
                _ => configured(format!("Invalid {name} [{text}]")),
            },
        };
        let announcing = Announcing {
            count: at_least_one("arp_count", 5)?,
            interval: Duration::from_millis(at_least_one("arp_interval", 200)?.into()),
            refresh: number("arp_count_refresh").unwrap_or(0),
        };
        Ok(Self {
            address,
            prefix,
            interface: interface.map(Name::from),
            announcing,
            label: get("iflabel").or(own_label).map(str::to_owned),
            broadcast,
            no_dad: get("nodad").is_none_or(|text| value::is_true(Some(text))),
            no_prefix_route: truth("noprefixroute"),
            preferred,
        })
    }

    /// The VIP as it is on a node that is in these networks.
    ///
    /// # Errors
    /// [`Refusal::Nowhere`] if no network has the address and something is left open;
    /// [`Refusal::Configured`] for a label that has no room.
    pub fn on(&self, networks: &[Network]) -> Result<Vip, Refusal> {
        let fits = |it: &&Network| {
            contains(it, self.address)
                && self.prefix.is_none_or(|prefix| it.prefix <= prefix)
                && self.interface.as_ref().is_none_or(|name| *name == it.interface)
        };
        let network = networks.iter().filter(fits).max_by_key(|it| it.prefix);
        let nowhere = |what: &str| {
            let address = self.address;
            Refusal::Nowhere(format!("no network of this node has {address}: {what} must be given"))
        };
        let interface = match (&self.interface, network) {
            (Some(name), _) => name.clone(),
            (None, Some(network)) => network.interface.clone(),
            (None, None) => return Err(nowhere("nic")),
        };
        let prefix = match (self.prefix, network) {
            (Some(length), _) => length,
            (None, Some(network)) => network.prefix,
            (None, None) => return Err(nowhere("cidr_netmask")),
        };
        let label = match self.label.as_ref().filter(|_| self.address.is_ipv4()) {
            None => None,
            Some(label) => {
                let whole = format!("{interface}:{label}");
                if whole.len() > LABEL {
                    return configured(format!(
                        "Interface label [{whole}] exceeds maximum character limit of {LABEL}"
                    ));
                }
                Some(Name::from(whole))
            }
        };
        let mut vip = Vip::new(self.address, prefix, interface);
        let found = network.and_then(|it| it.broadcast).filter(|_| self.address.is_ipv4());
        vip.broadcast = match (self.broadcast, found) {
            (Some(told), _) => told,
            (None, Some(address)) => Broadcast::Address(address),
            (None, None) => Broadcast::None,
        };
        vip.label = label;
        vip.flags.no_dad = self.no_dad;
        vip.flags.no_prefix_route = self.no_prefix_route;
        vip.flags.deprecated = self.preferred == Some(Duration::ZERO);
        let preferred = self.preferred.filter(|it| !it.is_zero());
        vip.extras =
            preferred.map(|time| Box::new(VipExtras { peer: None, preferred: Some(time) }));
        Ok(vip)
    }
}

/// The length of a prefix, be it told as such or as a mask.
fn mask(text: &str) -> Option<u8> {
    if let Ok(length) = text.parse() {
        return Some(length);
    }
    let bits = u32::from(text.parse::<Ipv4Addr>().ok()?);
    let length = bits.leading_ones();
    let whole = bits.checked_shl(length).unwrap_or(0) == 0;
    u8::try_from(length).ok().filter(|_| whole)
}

fn contains(network: &Network, address: IpAddr) -> bool {
    let same = |one: u128, other: u128, bits: u32| {
        let below = bits.saturating_sub(u32::from(network.prefix));
        one.checked_shr(below).unwrap_or(0) == other.checked_shr(below).unwrap_or(0)
    };
    match (network.address, address) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            same(u32::from(one).into(), u32::from(other).into(), 32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => same(one.into(), other.into(), 128),
        _ => false,
    }
}

/// The address of an instance, counted from the first one's.
fn plus(address: IpAddr, more: u32) -> IpAddr {
    match address {
        IpAddr::V4(first) => Ipv4Addr::from(u32::from(first).wrapping_add(more)).into(),
        IpAddr::V6(first) => Ipv6Addr::from(u128::from(first).wrapping_add(more.into())).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Wanted, Refusal> {
        let given = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Wanted::read(&given.collect::<Vec<(String, String)>>())
    }

    fn network(interface: &str, address: &str, prefix: u8, broadcast: Option<&str>) -> Network {
        let broadcast = broadcast.map(|it| it.parse().unwrap());
        let address = address.parse().unwrap();
        Network { interface: interface.into(), address, prefix, broadcast }
    }

    fn here() -> Vec<Network> {
        vec![
            network("eth0", "193.168.0.2", 16, Some("193.168.255.255")),
            network("eth1", "193.168.7.2", 24, None),
            network("eth0", "2001:db8::2", 64, None),
        ]
    }

    fn shown(pairs: &[(&str, &str)]) -> String {
        let vip = read(pairs).unwrap().on(&here()).unwrap();
        let label = vip.label.as_ref().map(|it| format!(" label {it}")).unwrap_or_default();
        format!("{vip}{label} {:?}", vip.broadcast)
    }

    #[test]
    fn what_is_left_open_is_found_in_the_most_precise_network() {
        for (pairs, expected) in [
            (vec![("ip", "193.168.0.6")], "193.168.0.6/16 dev eth0 Address(193.168.255.255)"),
            (vec![("ip", "193.168.7.6")], "193.168.7.6/24 dev eth1 None"),
            (
                vec![("ip", "193.168.7.6"), ("nic", "eth0")],
                "193.168.7.6/16 dev eth0 Address(193.168.255.255)",
            ),
            (
                vec![("ip", "193.168.7.6"), ("cidr_netmask", "20")],
                "193.168.7.6/20 dev eth0 Address(193.168.255.255)",
            ),
            (
                vec![("ip", "193.168.0.6"), ("netmask", "255.255.255.0"), ("nic", "eth0:a")],
                "193.168.0.6/24 dev eth0 label eth0:a Address(193.168.255.255)",
            ),
            (
                vec![
                    ("ip", "10.0.0.1"),
                    ("nic", "eth9"),
                    ("cidr_netmask", "8"),
                    ("broadcast", "+"),
                ],
                "10.0.0.1/8 dev eth9 HostBitsSet",
            ),
            (vec![("ip", "2001:db8::6"), ("iflabel", "x")], "2001:db8::6/64 dev eth0 None"),
        ] {
            assert_eq!(shown(&pairs), expected);
        }
    }

    #[test]
    fn refusals_are_the_agents_own() {
        for (pairs, rc, reason) in [
            (vec![], 6, "IP address (the ip parameter) is mandatory"),
            (vec![("ip", "300.1.1.1")], 6, "IP address [300.1.1.1] not valid."),
            (
                vec![("ip", "1.2.3.4"), ("cidr_netmask", "33")],
                6,
                "Invalid netmask specification [33].",
            ),
            (
                vec![("ip", "1.2.3.4"), ("cidr_netmask", "255.0.255.0")],
                6,
                "Invalid netmask specification [255.0.255.0].",
            ),
            (vec![("ip", "1.2.3.4"), ("broadcast", "x")], 6, "Invalid broadcast address [x]."),
            (
                vec![("ip", "fe80::1")],
                6,
                "'nic' parameter is mandatory for a link local address [fe80::1].",
            ),
            (vec![("ip", "1.2.3.4"), ("arp_count", "0")], 6, "Invalid arp_count [0]"),
            (vec![("ip", "1.2.3.4"), ("preferred_lft", "")], 6, "Invalid preferred_lft []"),
            (
                vec![("ip", "1.2.3.4"), ("unique_clone_address", "true")],
                6,
                "unique_clone_address makes sense only with meta globally_unique set",
            ),
        ] {
            let refusal = read(&pairs).unwrap_err();
            assert_eq!((refusal.rc("start", false), refusal.to_string()), (rc, reason.to_owned()));
        }
        for (name, value) in
            [("mac", "02:00:00:00:00:01"), ("lvs_support", "true"), ("CRM_meta_clone_max", "3")]
        {
            assert!(matches!(read(&[("ip", "1.2.3.4"), (name, value)]), Err(Refusal::Agent(_))));
        }
        let long = read(&[("ip", "193.168.0.6"), ("iflabel", "elevenchars")]).unwrap();
        assert_eq!(long.on(&here()).unwrap_err().rc("start", false), 6);
        let nowhere = read(&[("ip", "10.0.0.1")]).unwrap().on(&here()).unwrap_err();
        let told = [("start", false), ("monitor", false), ("monitor", true), ("stop", false)]
            .map(|(action, probe)| nowhere.rc(action, probe));
        assert_eq!(told, [1, 1, 7, 0]);
    }

    #[test]
    fn decorations_are_carried_over() {
        let wanted = read(&[
            ("ip", "2001:db8::6"),
            ("nodad", "false"),
            ("noprefixroute", "true"),
            ("preferred_lft", "0"),
            ("arp_count", "3"),
            ("arp_interval", "50"),
            ("arp_count_refresh", "1"),
        ])
        .unwrap();
        let every = Duration::from_millis(50);
        assert_eq!(wanted.announcing, Announcing { count: 3, interval: every, refresh: 1 });
        let flags = wanted.on(&here()).unwrap().flags;
        assert!(!flags.no_dad && flags.no_prefix_route && flags.deprecated);
        let plain = read(&[("ip", "193.168.0.6"), ("preferred_lft", "30")]).unwrap();
        let vip = plain.on(&here()).unwrap();
        assert!(vip.flags.no_dad && !vip.flags.deprecated);
        assert_eq!(vip.preferred(), Some(Duration::from_secs(30)));
    }

    #[test]
    fn instances_of_a_unique_clone_have_addresses_in_a_row() {
        let pairs = [
            ("ip", "193.168.0.255"),
            ("unique_clone_address", "true"),
            ("CRM_meta_globally_unique", "true"),
            ("CRM_meta_clone_max", "3"),
            ("CRM_meta_clone", "2"),
        ];
        assert_eq!(read(&pairs).unwrap().address.to_string(), "193.168.1.1");
    }
}
