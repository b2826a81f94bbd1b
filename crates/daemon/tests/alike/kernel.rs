//! What a node's kernel has, as `ip` shows it, one line for each thing.
//!
//! Left out is what does not last (counters, caches, what remains of lifetimes) and what the lease
//! needs for itself (docs/differences.md): an address under it is `dynamic` and has a lifetime.

use std::net::Ipv6Addr;

use serde_json::{Deserializer, Map, Value};

/// Files of a node: what `ip -batch` is to show, and more.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("/run/lab/show4", "address show\nroute show table all\nrule show\nlink show type macvlan\n"),
    ("/run/lab/show6", "address show\nroute show table all\nrule show\n"),
    // What `nft -f` takes so that a node hears no adverts, and no BFD.
    (
        "/run/lab/deaf",
        "table netdev deaf {\n chain i {\n type filter hook ingress device eth0 priority -500\n ip \
         protocol 112 drop\n }\n}\n",
    ),
    (
        "/run/lab/no-bfd",
        "table netdev no_bfd {\n chain i {\n type filter hook ingress device eth0 priority -500\n udp \
         dport 3784 drop\n }\n}\n",
    ),
];

/// Shows everything that is in the namespace; both families after each other.
pub(crate) fn show(namespace: Option<&str>) -> String {
    let ip = namespace.map_or_else(|| "ip".to_owned(), |name| format!("ip -n {name}"));
    format!(
        "{ip} -4 -j -d -batch /run/lab/show4; echo; echo 6; {ip} -6 -j -d -batch /run/lab/show6"
    )
}

/// The lists of each aspect.
pub(crate) fn read(text: &str) -> [(&'static str, Vec<String>); 4] {
    let (four, six) = text.split_once("\n6\n").expect("both families are shown");
    let [mut addresses, mut routes, mut rules, mut devices] = [const { Vec::new() }; 4];
    for half in [four, six] {
        let lists = Deserializer::from_str(half).into_iter::<Value>().map(Result::unwrap);
        let mut kinds = [&mut addresses, &mut routes, &mut rules, &mut devices].into_iter();
        for list in lists {
            let Some(kind) = kinds.next() else { break };
            kind.extend(list.as_array().cloned().unwrap_or_default());
        }
    }
    let reached = |route: &Value| route["protocol"] != "kernel" || covered(route, &addresses);
    routes.retain(reached);
    let addresses = addresses.iter().flat_map(addresses_of).collect();
    [
        ("addresses", sorted(addresses)),
        ("routes", sorted(routes.iter().filter_map(route).collect())),
        ("rules", sorted(rules.iter().map(shown).collect())),
        ("devices", sorted(devices.iter().filter_map(device).collect())),
    ]
}

/// Whether an address of the interface is in the network, if it is IPv6's: the kernel forgets those
/// whose last address is gone in its own time.
fn covered(route: &Value, links: &[Value]) -> bool {
    let text = route["dst"].as_str().unwrap_or_default();
    let (network, length) = text.split_once('/').unwrap_or((text, "128"));
    let Ok(network) = network.parse::<Ipv6Addr>() else { return true };
    let bits = 128 - length.parse::<u32>().unwrap_or(128);
    let part = |address: Ipv6Addr| u128::from(address).checked_shr(bits).unwrap_or(0);
    let on = |link: &&Value| link["ifname"] == route["dev"];
    let lists = links.iter().filter(on).filter_map(|link| link["addr_info"].as_array());
    let own = lists.flatten().filter_map(|address| address["local"].as_str()?.parse().ok());
    let mut own = own.map(part);
    network.is_multicast() || own.any(|own| own == part(network))
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// `key value` for everything that is left, in the order of the keys.
fn shown(value: &Value) -> String {
    let empty = Map::new();
    let fields = value.as_object().unwrap_or(&empty).iter();
    let word = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut words: Vec<String> =
        fields.map(|(key, value)| format!("{key} {}", word(value))).collect();
    words.sort();
    words.join(", ")
}

fn without(value: &Value, keys: &[&str]) -> Value {
    let mut left = value.clone();
    if let Some(fields) = left.as_object_mut() {
        keys.iter().for_each(|key| {
            fields.remove(*key);
        });
    }
    left
}

fn addresses_of(link: &Value) -> Vec<String> {
    let name = link["ifname"].as_str().unwrap_or_default();
    let list = link["addr_info"].as_array().cloned().unwrap_or_default();
    let own = |address: &Value| {
        address["local"].as_str().is_some_and(|it| it.starts_with("fe80::") && it.contains("ff:fe"))
    };
    list.iter()
        .filter(|address| !own(address))
        .map(|address| {
            let marks = ["dynamic", "valid_life_time", "preferred_life_time", "index"];
            format!("{name}: {}", shown(&without(address, &marks)))
        })
        .collect()
}

fn route(route: &Value) -> Option<String> {
    // A cache of IPv6's own neighbours.
    let cached = route["protocol"] == "redirect";
    (!cached).then(|| shown(&without(route, &["expires"])))
}

/// Name, parent, MAC and mode.
fn device(link: &Value) -> Option<String> {
    let name = link["ifname"].as_str()?;
    let up = link["flags"].as_array()?.iter().any(|flag| flag == "UP");
    let info = &link["linkinfo"]["info_data"];
    Some(format!(
        "{name}: on {}, {}, {}, {}, up {up}",
        link["link"].as_str().unwrap_or("nothing"),
        link["address"],
        info["mode"],
        link["inet6_addr_gen_mode"],
    ))
}
