//! Where SNMP's master agent listens: net-snmp's words for an address.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The port of AgentX (RFC 2741 §8.1.1).
const PORT: u16 = 705;

/// Where it listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AgentAddress {
    /// A socket of this machine, by its path.
    Unix(String),
    /// An address, by a stream.
    Tcp(SocketAddr),
    /// An address, by datagrams.
    Udp(SocketAddr),
}

impl AgentAddress {
    /// `unix:/path` or a path alone; `tcp:`, `tcp6:`, `udp:` or `udp6:` and an address, or a port
    /// alone. No name is looked up but `localhost`. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return Some(Self::Unix(text.to_owned()));
        }
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "unix" => rest.starts_with('/').then(|| Self::Unix(rest.to_owned())),
            "tcp" => socket(rest, false).map(Self::Tcp),
            "udp" => socket(rest, false).map(Self::Udp),
            "tcp6" | "tcpv6" | "tcpipv6" => socket(rest, true).map(Self::Tcp),
            "udp6" | "udpv6" | "udpipv6" => socket(rest, true).map(Self::Udp),
            _ => None,
        }
    }
}

fn socket(text: &str, v6: bool) -> Option<SocketAddr> {
    let here: IpAddr = if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    let address = |text: &str| match text {
        "" | "localhost" => Some(here),
        "ip6-localhost" => Some(Ipv6Addr::LOCALHOST.into()),
        text => text.trim_matches(['[', ']']).parse().ok(),
    };
    if let Ok(port) = text.parse::<u16>() {
        return Some(SocketAddr::new(here, port));
    }
    let found = match text.rsplit_once(':') {
        // The colons of an address without a port.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            SocketAddr::new(address(host)?, port.parse().ok()?)
        }
        _ => SocketAddr::new(address(text)?, PORT),
    };
    (found.port() != 0 && found.is_ipv6() == v6).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_net_snmp_understands_is_understood() {
        for (text, expected) in [
            ("unix:/var/agentx/master", "unix /var/agentx/master"),
            ("/run/agentx.sock", "unix /run/agentx.sock"),
            ("tcp:localhost:705", "tcp 127.0.0.1:705"),
            ("tcp:192.0.2.7:1705", "tcp 192.0.2.7:1705"),
            ("tcp:1705", "tcp 127.0.0.1:1705"),
            ("udp:127.0.0.1", "udp 127.0.0.1:705"),
            ("tcp6:[::1]:705", "tcp [::1]:705"),
            ("udp6:::1", "udp [::1]:705"),
        ] {
            let is = match AgentAddress::parse(text) {
                Some(AgentAddress::Unix(path)) => format!("unix {path}"),
                Some(AgentAddress::Tcp(address)) => format!("tcp {address}"),
                Some(AgentAddress::Udp(address)) => format!("udp {address}"),
                None => "nothing".into(),
            };
            assert_eq!(is, expected, "{text}");
        }
    }

    #[test]
    fn what_nobody_can_call_is_none() {
        for text in [
            "",
            "x",
            "unix:here",
            "tcp:agent.example:705",
            "tcp:::1",
            "tcp:1.2.3.4:0",
            "ssh:1.2.3.4:1",
        ] {
            assert_eq!(AgentAddress::parse(text), None, "{text}");
        }
    }
}
