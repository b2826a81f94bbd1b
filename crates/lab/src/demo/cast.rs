//! Who plays: the nodes, their configuration, and the network it needs.
//!
//! Either the article's cluster, or the user's own files. Of these only words are read here
//! (interfaces, addresses, intervals), to lay the cables they expect; what they mean is for the
//! daemon to say.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Centis, Mac, Name, Priority};

use crate::LabError;
use crate::network::Plan;
use crate::node::Card;

/// The article's VIP.
const VIP: Ipv4Addr = Ipv4Addr::new(193, 168, 0, 6);
/// Where files beside the configuration are put on every node.
const BESIDE: &str = "/etc/keepalived";

/// One node's part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    pub(crate) name: Name,
    /// Known for the article's cluster only.
    pub(crate) priority: Option<Priority>,
    pub(crate) conf: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cast {
    pub(crate) plan: Plan,
    pub(crate) parts: Vec<Part>,
    /// Scripts and the like: path, contents, mode.
    pub(crate) files: Vec<(PathBuf, Vec<u8>, u32)>,
    /// Known for the article's cluster only; else it is what appears.
    pub(crate) vip: Option<IpAddr>,
    /// The longest advertisement interval.
    pub(crate) advert: Centis,
}

impl Cast {
    /// The article's cluster: priorities 150, 100, 50, then 49 downwards.
    pub(crate) fn article(nodes: u8, advert: Centis) -> Self {
        let plan = Plan::article(nodes.clamp(2, 40));
        let priorities = [150, 100].into_iter().chain((1..=50).rev());
        let parts = plan.nodes.iter().zip(priorities).map(|((name, _), priority)| Part {
            name: name.clone(),
            priority: Some(Priority::new(priority)),
            conf: conf(priority, advert),
        });
        let parts = parts.collect();
        Self { plan, parts, files: Vec::new(), vip: Some(VIP.into()), advert }
    }

    /// The files of a directory: each `*.conf`, in the order of their names, is one node's; the
    /// others are put beside them.
    pub(crate) fn from_dir(dir: &Path) -> Result<Self, LabError> {
        let failed = |cause| LabError::new(format!("reading {}", dir.display()), cause);
        let mut paths: Vec<PathBuf> = fs::read_dir(dir)
            .map_err(failed)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        paths.retain(|path| path.is_file());
        paths.sort();
        let (confs, others): (Vec<_>, Vec<_>) =
            paths.into_iter().partition(|path| path.extension().is_some_and(|e| e == "conf"));
        if confs.is_empty() {
            return Err(LabError::new(
                format!("looking into {}", dir.display()),
                "there is no file called *.conf; one is needed for each node",
            ));
        }
        let mut files = Vec::new();
        let mut words = Vec::new();
        for path in others {
            let name = path.file_name().unwrap_or_default().to_owned();
            let contents = fs::read(&path).map_err(failed)?;
            words.extend(tokens(&String::from_utf8_lossy(&contents)));
            files.push((Path::new(BESIDE).join(name), contents, 0o755));
        }
        let confs: Vec<String> =
            confs.iter().map(fs::read_to_string).collect::<Result<_, _>>().map_err(failed)?;
        Ok(Self::of_files(&confs, &words, files))
    }

    fn of_files(confs: &[String], words: &[String], files: Vec<(PathBuf, Vec<u8>, u32)>) -> Self {
        let numbered = || (1..=90_u8).zip(confs);
        let mut all: Vec<String> = words.to_vec();
        all.extend(confs.iter().flat_map(|conf| tokens(conf)));
        let nodes = numbered().map(|(number, conf)| {
            let own = tokens(conf);
            (format!("n{number}").into(), cards(number, &own, words))
        });
        let mut client = Card::eth0(100);
        for prefix in foreign_subnets(&all) {
            let [a, b, c] = prefix;
            client.addresses.push((Ipv4Addr::new(a, b, c, 250).into(), 24));
        }
        let parts = numbered().map(|(number, conf)| Part {
            name: format!("n{number}").into(),
            priority: None,
            conf: conf.clone(),
        });
        let intervals = after(&all, &["advert_int"]);
        let advert = intervals.filter_map(|word| parse_interval(word)).max();
        Self {
            plan: Plan { nodes: nodes.collect(), client },
            parts: parts.collect(),
            files,
            vip: None,
            advert: advert.or(Centis::new(100)).unwrap_or(Centis::MAX),
        }
    }

    /// RFC 9568 §6.1: Active_Down_Interval of `part` when the holder's interval is ours.
    pub(crate) fn down_interval(&self, part: &Part) -> Option<Duration> {
        Some(self.advert.as_duration() * 3 + self.skew(part)?)
    }

    /// RFC 9568 §6.1: Skew_Time of `part`.
    pub(crate) fn skew(&self, part: &Part) -> Option<Duration> {
        let priority = u32::from(part.priority?.get());
        Some(self.advert.as_duration() * (256 - priority) / 256)
    }
}

/// A span as keepalived.conf writes it: seconds with at most two decimals, `1` or `0.1`; between
/// 0.01 and 40.95.
#[must_use]
pub fn parse_interval(text: &str) -> Option<Centis> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    if whole.is_empty() || part.len() > 2 || !digits(whole) || !digits(part) {
        return None;
    }
    let hundredths: u16 = format!("{part:0<2}").parse().ok()?;
    let whole: u16 = whole.parse().ok()?;
    Centis::new(whole.checked_mul(100)?.checked_add(hundredths)?)
}

/// The opposite of [`parse_interval`].
pub(crate) fn write_interval(interval: Centis) -> String {
    let (whole, part) = (interval.get() / 100, interval.get() % 100);
    if part == 0 { whole.to_string() } else { format!("{whole}.{part:02}") }
}

fn conf(priority: u8, advert: Centis) -> String {
    let state = if priority == 150 { "MASTER" } else { "BACKUP" };
    let advert = write_interval(advert);
    format!(
        "global_defs {{\n    vrrp_version 3\n}}\n\nvrrp_instance VI_1 {{\n    state {state}\n    \
         interface eth0\n    virtual_router_id 51\n    priority {priority}\n    \
         advert_int {advert}\n    virtual_ipaddress {{\n        {VIP}/16 dev eth0\n    }}\n}}\n"
    )
}

/// Words without comments and braces.
fn tokens(text: &str) -> Vec<String> {
    let code = text.lines().map(|line| line.split(['#', '!']).next().unwrap_or_default());
    code.flat_map(|line| line.split(|c: char| c.is_whitespace() || "{}\"'".contains(c)))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The words that follow one of `keys`.
fn after<'a>(words: &'a [String], keys: &'a [&str]) -> impl Iterator<Item = &'a String> {
    words
        .windows(2)
        .filter(move |pair| pair.first().is_some_and(|key| keys.contains(&key.as_str())))
        .filter_map(|pair| pair.last())
}

/// A card for each interface that is named, `eth0` at least; the first carries the addresses the
/// file says are this node's.
fn cards(number: u8, own: &[String], beside: &[String]) -> Vec<Card> {
    let mut interfaces = vec!["eth0".to_owned()];
    let scripts = after(beside, &["dev"]);
    for name in after(own, &["interface", "dev"]).chain(scripts) {
        let plain = name.len() <= 15 && name.chars().all(|c| c.is_ascii_alphanumeric());
        if plain && name != "lo" && !interfaces.contains(name) {
            interfaces.push(name.clone());
        }
    }
    let sources = ["unicast_src_ip", "mcast_src_ip", "vrrp_unicast_bind"];
    let given = after(own, &sources).filter_map(|word| word.parse::<IpAddr>().ok());
    let mut first = Card::eth0(number + 1);
    for address in given {
        let own = (address, if address.is_ipv4() { 24 } else { 64 });
        if !first.addresses.iter().any(|(known, _)| *known == address) {
            first.addresses.push(own);
        }
    }
    let mut cards = vec![first];
    for (place, name) in (1_u8..).zip(interfaces.into_iter().skip(1)) {
        let mac = Mac([2, place, 0xc1, 0xa8, 0, number + 1]);
        cards.push(Card { interface: name.into(), mac, addresses: Vec::new() });
    }
    cards
}

/// The /24s of the IPv4 addresses that occur and are not in the article's network already.
fn foreign_subnets(words: &[String]) -> Vec<[u8; 3]> {
    let mut found = Vec::new();
    for word in words.iter().flat_map(|word| word.split(['/', '=', ','])) {
        let Ok(address) = word.parse::<Ipv4Addr>() else { continue };
        let [a, b, c, _] = address.octets();
        let home = (a, b) == (193, 168);
        let unicast = !address.is_multicast() && !address.is_loopback() && a != 0 && a < 240;
        if unicast && !home && a != 255 && !found.contains(&[a, b, c]) {
            found.push([a, b, c]);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_they_are_written() {
        for (text, centis) in [("1", 100), ("0.1", 10), ("0.05", 5), ("40.95", 4095), ("2.5", 250)]
        {
            assert_eq!(parse_interval(text), Centis::new(centis), "{text}");
        }
        for bad in ["", "0", "41", "1.005", "-1", "1e0", ".5", "1.", "99999999"] {
            let read = parse_interval(bad);
            assert!(read.is_none() || bad == "1.", "{bad}: {read:?}");
        }
        assert_eq!(write_interval(Centis::new(10).unwrap()), "0.10");
        assert_eq!(write_interval(Centis::new(300).unwrap()), "3");
    }

    #[test]
    fn the_articles_cluster_has_falling_priorities_and_known_intervals() {
        let cast = Cast::article(5, Centis::new(100).unwrap());
        let priorities: Vec<u8> =
            cast.parts.iter().filter_map(|part| Some(part.priority?.get())).collect();
        assert_eq!(priorities, [150, 100, 50, 49, 48]);
        let n2 = &cast.parts[1];
        assert_eq!(cast.skew(n2), Some(Duration::from_micros(609_375)));
        assert_eq!(cast.down_interval(n2), Some(Duration::from_micros(3_609_375)));
        assert!(n2.conf.contains("priority 100\n") && n2.conf.contains("state BACKUP\n"));
    }

    #[test]
    fn own_files_get_the_cards_and_addresses_they_name() {
        let conf = "vrrp_instance A {\n interface eth0 # dev eth9\n vrrp_unicast_bind \
                    192.168.121.51\n advert_int 0.5\n virtual_ipaddress { 10.1.2.3/24 dev lan1 }\n}";
        let script = tokens("ip address add dev eth1 \"192.168.121.100/24\"");
        let confs = [conf.to_owned(), conf.replace(".51", ".52")];
        let cast = Cast::of_files(&confs, &script, Vec::new());
        let (name, cards) = &cast.plan.nodes[1];
        assert_eq!(*name, "n2");
        let interfaces: Vec<&str> = cards.iter().map(|card| card.interface.as_str()).collect();
        assert_eq!(interfaces, ["eth0", "lan1", "eth1"]);
        assert!(cards[0].addresses.contains(&([192, 168, 121, 52].into(), 24)));
        assert_ne!(cards[1].mac, cards[2].mac);
        let client = &cast.plan.client.addresses;
        assert!(client.contains(&([192, 168, 121, 250].into(), 24)));
        assert!(client.contains(&([10, 1, 2, 250].into(), 24)));
        assert_eq!(cast.advert, Centis::new(50).unwrap());
    }
}
