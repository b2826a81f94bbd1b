//! Connections to SNMP's master agent: its socket is open to root only, and control is nobody in
//! particular; so the guardian, which decides nothing about them, makes them and passes them on.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use linux::{Callee, RouteSocket};

use super::Guardian;
use crate::messages::{AgentPlace, GuardianToControl};

impl Guardian {
    /// Control wants to speak with the master agent.
    pub(super) fn call_agent(&mut self, place: &AgentPlace) {
        let Some(control) = &mut self.control else { return };
        // A control that is gone is replaced, and the next one asks again.
        let _ = match connect(place) {
            Ok((links, agent)) => control
                .line
                .send_with(&GuardianToControl::Links, links)
                .and_then(|()| control.line.send_with(&GuardianToControl::Agent, agent)),
            Err(error) => control.line.send(&GuardianToControl::NoAgent { why: error.to_string() }),
        };
    }
}

/// A socket that knows the interfaces here, which control may not work in, and the connection.
fn connect(place: &AgentPlace) -> io::Result<(OwnedFd, OwnedFd)> {
    let agent = linux::call(match place {
        AgentPlace::Unix(path) => Callee::Unix(Path::new(path)),
        AgentPlace::Tcp(address) => Callee::Tcp(*address),
        AgentPlace::Udp(address) => Callee::Udp(*address),
    })?;
    Ok((RouteSocket::open()?.into(), agent))
}
