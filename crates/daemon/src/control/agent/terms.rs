//! Whom is answered what, by the configuration and the command line.

use std::fmt;

use compat::snmp::{Answers, Facts, Where};
use conf::{AgentAddress, Config};

use super::AgentTerms;
use crate::messages::{AgentPlace, SnmpAsked};
use crate::place::Place;

impl AgentTerms {
    /// `None`: nobody is answered anything.
    pub(crate) fn of(config: &Config, asked: Option<&SnmpAsked>, place: &Place) -> Option<Self> {
        let snmp = &config.node.snmp;
        let all = asked.is_some_and(|asked| asked.all);
        let answers = Answers {
            vrrp: all || snmp.vrrp,
            rfc_v2: all || snmp.rfc_v2,
            rfc_v3: all || snmp.rfc_v3,
            traps: snmp.traps,
        };
        let socket = asked.and_then(|asked| asked.socket.as_ref()).unwrap_or(&snmp.socket);
        // The configuration's was checked when it was read; the command line's when it began.
        let agent = AgentPlace::from(AgentAddress::parse(socket)?);
        let host_name = super::super::host_name();
        let facts = Facts::of(
            config,
            answers,
            Where {
                namespace: place.namespace.as_deref(),
                router_id: config.globals.router_id.as_deref().unwrap_or(&host_name),
                version: &format!("Keepalived v{} (mainstay)", crate::keepalived::VERSION),
            },
        );
        let facts = postcard::to_stdvec(&facts).ok()?;
        answers.any().then_some(Self { place: agent, facts })
    }
}

impl From<AgentAddress> for AgentPlace {
    fn from(address: AgentAddress) -> Self {
        match address {
            AgentAddress::Unix(path) => AgentPlace::Unix(path),
            AgentAddress::Tcp(address) => AgentPlace::Tcp(address),
            AgentAddress::Udp(address) => AgentPlace::Udp(address),
        }
    }
}

impl fmt::Display for AgentPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AgentPlace::Unix(path) => write!(f, "unix:{path}"),
            AgentPlace::Tcp(address) => write!(f, "tcp:{address}"),
            AgentPlace::Udp(address) => write!(f, "udp:{address}"),
        }
    }
}
