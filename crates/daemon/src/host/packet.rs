//! An advert as a firewall sees it, and whether an expression of `nft -j` matches it.
//!
//! What is not known of a packet before it is there (who sends it, which mark it has) leaves a match
//! open, and so does every expression that is not understood.

use std::net::IpAddr;

use serde_json::Value;

/// Whether something matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Match {
    Yes,
    No,
    /// It depends.
    Open,
}

impl Match {
    /// Both.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Open,
        }
    }

    fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Open => Self::Open,
        }
    }

    fn of(it: bool) -> Self {
        if it { Self::Yes } else { Self::No }
    }
}

/// An advert on its way into this machine, or out of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Packet {
    pub(super) incoming: bool,
    pub(super) interface: String,
    /// `None`: whoever.
    pub(super) source: Option<IpAddr>,
    /// `None`: this machine's own, whichever that is.
    pub(super) destination: Option<IpAddr>,
    pub(super) multicast: bool,
    pub(super) v4: bool,
    pub(super) ttl: Option<u8>,
}

/// What is known of one property.
enum Known {
    /// One of these words is its value; numbers are words too.
    Words(Vec<String>),
    /// One of these is its value, it is not known which.
    Among(&'static [&'static str]),
    Address(IpAddr),
    /// A packet like this has none, and a rule that asks for it passes it over.
    Absent,
    Nothing,
}

/// Protocols of which a packet is none when it is VRRP.
const OTHERS: &[&str] = &[
    "tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "igmp", "ah", "esp", "comp", "arp",
];

impl Packet {
    pub(super) fn is_v4(&self) -> bool {
        self.v4
    }

    fn property(&self, of: &Value) -> Known {
        let words = |words: &[&str]| Known::Words(words.iter().map(|w| (*w).to_owned()).collect());
        let Some((kind, body)) = of.as_object().and_then(|o| o.iter().next()) else {
            return Known::Nothing;
        };
        let word = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        match (kind.as_str(), word("key")) {
            ("meta", "l4proto") => words(&["112", "vrrp"]),
            ("meta", "nfproto") if self.v4 => words(&["ipv4", "2"]),
            ("meta", "nfproto") => words(&["ipv6", "10"]),
            ("meta", "protocol") if self.v4 => words(&["ip", "2048", "0x0800"]),
            ("meta", "protocol") => words(&["ip6", "34525", "0x86dd"]),
            ("meta", "iif" | "iifname") if self.incoming => words(&[&self.interface]),
            ("meta", "oif" | "oifname") if !self.incoming => words(&[&self.interface]),
            ("meta", "iif" | "iifname" | "oif" | "oifname") => Known::Absent,
            ("meta", "pkttype") if self.incoming && self.multicast => words(&["multicast"]),
            ("meta", "pkttype") if self.incoming => words(&["host", "unicast"]),
            // Nobody answers to a group: its connection never becomes more than new. Two nodes that
            // have both been Active look like question and answer to each other.
            ("ct", "state") if self.multicast => words(&["new"]),
            ("ct", "state") => Known::Among(&["new", "established"]),
            ("ct", "direction") if self.multicast => words(&["original"]),
            ("payload", _) => self.field(word("protocol"), word("field")),
            ("fib", _) => self.kind_of_address(body),
            _ => Known::Nothing,
        }
    }

    fn field(&self, protocol: &str, field: &str) -> Known {
        let known = |address: Option<IpAddr>| address.map_or(Known::Nothing, Known::Address);
        match (protocol, field) {
            ("ip", _) if !self.v4 => Known::Absent,
            ("ip6", _) if self.v4 => Known::Absent,
            ("ip" | "ip6", "saddr") => known(self.source),
            ("ip" | "ip6", "daddr") => known(self.destination),
            ("ip", "protocol") | ("ip6", "nexthdr") => {
                Known::Words(vec!["112".to_owned(), "vrrp".to_owned()])
            }
            ("ip", "ttl") | ("ip6", "hoplimit") => {
                self.ttl.map_or(Known::Nothing, |ttl| Known::Words(vec![ttl.to_string()]))
            }
            ("ip", "version") => Known::Words(vec!["4".to_owned()]),
            ("ip6", "version") => Known::Words(vec!["6".to_owned()]),
            (other, _) if OTHERS.contains(&other) => Known::Absent,
            _ => Known::Nothing,
        }
    }

    /// `fib saddr type` and `fib daddr type`, asked with nothing else.
    fn kind_of_address(&self, body: &Value) -> Known {
        let flags: Vec<&str> = match body.get("flags") {
            Some(Value::Array(flags)) => flags.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(flag)) => vec![flag.as_str()],
            _ => Vec::new(),
        };
        if body.get("result").and_then(Value::as_str) != Some("type") {
            return Known::Nothing;
        }
        let kind = match (flags.as_slice(), self.incoming, self.multicast) {
            (["daddr"], _, true) => "multicast",
            (["daddr"], true, false) | (["saddr"], false, _) => "local",
            (["daddr"], false, false) | (["saddr"], true, _) => "unicast",
            _ => return Known::Nothing,
        };
        Known::Words(vec![kind.to_owned()])
    }
}

/// Whether the packet matches `left op right`.
pub(super) fn matches(packet: &Packet, left: &Value, op: &str, right: &Value) -> Match {
    let equal = || equals(packet, left, right);
    match op {
        "==" | "in" => equal(),
        // A property that is not there matches nothing, also not its absence.
        "!=" if matches!(packet.property(left), Known::Absent) => {
            if left.get("payload").is_some() {
                Match::No
            } else {
                Match::Open
            }
        }
        "!=" => equal().not(),
        "<" | ">" | "<=" | ">=" => match (packet.property(left), right.as_u64()) {
            (Known::Words(words), Some(limit)) => {
                let Some(number) = words.iter().find_map(|word| word.parse::<u64>().ok()) else {
                    return Match::Open;
                };
                Match::of(match op {
                    "<" => number < limit,
                    ">" => number > limit,
                    "<=" => number <= limit,
                    _ => number >= limit,
                })
            }
            (Known::Absent, _) => Match::No,
            _ => Match::Open,
        },
        _ => Match::Open,
    }
}

fn equals(packet: &Packet, left: &Value, right: &Value) -> Match {
    let any = |of: &Vec<Value>| {
        of.iter().fold(Match::No, |found, one| found.or(equals(packet, left, one)))
    };
    match right {
        Value::Array(list) => return any(list),
        Value::Object(object) => match object.iter().next() {
            Some((kind, Value::Array(list))) if kind == "set" => return any(list),
            Some((kind, body)) if kind == "elem" => {
                return body.get("val").map_or(Match::Open, |val| equals(packet, left, val));
            }
            Some((kind, Value::Array(parts))) if kind == "concat" => {
                let Some(keys) = left.get("concat").and_then(Value::as_array) else {
                    return Match::Open;
                };
                if keys.len() != parts.len() {
                    return Match::Open;
                }
                let pairs = keys.iter().zip(parts);
                return pairs.fold(Match::Yes, |all, (k, p)| all.and(equals(packet, k, p)));
            }
            _ => {}
        },
        _ => {}
    }
    match packet.property(left) {
        Known::Absent => Match::No,
        Known::Nothing => Match::Open,
        Known::Words(words) => words_are(&words, right),
        Known::Address(address) => address_is(address, right),
        Known::Among(words) => match right.as_str() {
            Some(text) => Match::Open.and(Match::of(words.contains(&text))),
            None => Match::Open,
        },
    }
}

fn words_are(words: &[String], right: &Value) -> Match {
    match right {
        Value::String(text) if text == "*" => Match::Yes,
        Value::String(text) => Match::of(match text.strip_suffix('*') {
            Some(begin) => words.iter().any(|word| word.starts_with(begin)),
            None => words.contains(text),
        }),
        Value::Number(number) => Match::of(words.contains(&number.to_string())),
        Value::Object(object) => {
            let ends = object.get("range").and_then(Value::as_array);
            let end = |at: usize| ends.and_then(|e| e.get(at)).and_then(Value::as_u64);
            let number = words.iter().find_map(|word| word.parse::<u64>().ok());
            match (end(0), end(1), number) {
                (Some(first), Some(last), Some(number)) => {
                    Match::of((first..=last).contains(&number))
                }
                _ => Match::Open,
            }
        }
        _ => Match::Open,
    }
}

fn address_is(address: IpAddr, right: &Value) -> Match {
    let parse = |value: &Value| value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
    if right.as_str() == Some("*") {
        return Match::Yes;
    }
    if let Some(one) = parse(right) {
        return Match::of(one == address);
    }
    if let Some(ends) = right.get("range").and_then(Value::as_array)
        && let (Some(first), Some(last)) =
            (ends.first().and_then(parse), ends.get(1).and_then(parse))
    {
        return Match::of(first <= address && address <= last);
    }
    if let Some(prefix) = right.get("prefix")
        && let Some(base) = prefix.get("addr").and_then(parse)
        && let Some(length) = prefix.get("len").and_then(Value::as_u64)
    {
        return Match::of(within(address, base, length));
    }
    Match::Open
}

fn within(address: IpAddr, base: IpAddr, length: u64) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 4),
        IpAddr::V6(v6) => (v6.to_bits(), 6),
    };
    let ((left, family), (right, other)) = (bits(address), bits(base));
    let shift = 128_u64.saturating_sub(length);
    let same = u32::try_from(shift).ok().and_then(|shift| (left ^ right).checked_shr(shift));
    family == other && same.unwrap_or(0) == 0
}
