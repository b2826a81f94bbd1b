//! Fence agents: what they read, and what their answers mean.
//!
//! A fence agent reads `key=value` lines and answers by its exit code. Whether a device can reach a
//! node at all may have to be asked first (`pcmk_host_check`): by the list it keeps, or by the status
//! of the node's port. Who was not asked to check says neither.

use std::collections::BTreeMap;

use base::Name;
use cluster::controller::Order;
use cluster::fencer::Device;

use crate::program::{Finished, How};

/// The lines as the agent reads them; a line break in a value would be a line of its own.
pub(crate) fn input(lines: &[(String, String)]) -> Vec<u8> {
    let mut text = String::new();
    for (name, value) in lines {
        let value: String = value.chars().filter(|c| !matches!(c, '\n' | '\r' | '\0')).collect();
        text.push_str(name);
        text.push('=');
        text.push_str(&value);
        text.push('\n');
    }
    text.into_bytes()
}

/// The same call with another action.
pub(crate) fn with_action(lines: &[(String, String)], action: &str) -> Vec<(String, String)> {
    let mut lines = lines.to_vec();
    for (name, value) in &mut lines {
        if name == "action" {
            action.clone_into(value);
        }
    }
    lines
}

/// The port a call is about: what stands for the node, or the node itself.
pub(crate) fn port(lines: &[(String, String)]) -> Option<&str> {
    let of = |wanted: &str| lines.iter().find(|(name, _)| name == wanted).map(|(_, it)| &**it);
    of("port").or_else(|| of("plug")).or_else(|| of("nodename"))
}

/// Whether a list names a port. Agents write a line for each, `port,alias` (or with other marks in
/// between), and some of them only names in one line.
pub(crate) fn lists(output: &[u8], port: &str) -> bool {
    let text = String::from_utf8_lossy(output);
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '=' | ':'))
        .any(|word| word.trim_matches(['"', '\'']) == port)
        // A port may itself have such marks in its name (a MAC address, `host:slot`).
        || text.lines().any(|line| {
            let line = line.trim();
            line == port
                || line.split_once(',').is_some_and(|(first, rest)| first == port || rest == port)
        })
}

/// The device a resource of class `stonith` is, from what its agent's call is given.
pub(crate) fn device(order: &Order) -> Device {
    let ours = |name: &str| name.starts_with("CRM_meta_") || name.starts_with("crm_feature");
    let parameters: BTreeMap<String, String> =
        order.parameters.iter().filter(|(name, _)| !ours(name)).cloned().collect();
    Device { id: order.resource.clone(), agent: order.agent.clone(), parameters }
}

/// What came of an action that either is done or not.
pub(crate) fn done(finished: &Finished) -> Result<(), String> {
    match &finished.how {
        How::Exited(0) => Ok(()),
        how => Err(because(how, finished)),
    }
}

/// Whether a device knows a port, by the status it tells: on (0) and off (2) are both known.
pub(crate) fn knows(finished: &Finished) -> bool {
    matches!(finished.how, How::Exited(0 | 2))
}

fn because(how: &How, finished: &Finished) -> String {
    let said = finished.reason.as_deref().or(finished.lines.last().map(String::as_str));
    let what = match how {
        How::Exited(code) => format!("it exited with {code}"),
        How::Signalled(signal) => format!("signal {signal} ended it"),
        How::Ended => "it was ended, for it took too long".to_owned(),
        How::NotStarted(error) => error.to_string(),
    };
    match said {
        Some(said) => format!("{what}: {said}"),
        None => what,
    }
}

/// Devices that were started here: a probe finds these and no others.
#[derive(Debug, Default)]
pub(crate) struct Registered(std::collections::BTreeSet<Name>);

impl Registered {
    pub(crate) fn set(&mut self, device: &Name, started: bool) {
        if started {
            self.0.insert(device.clone());
        } else {
            self.0.remove(device);
        }
    }

    pub(crate) fn has(&self, device: &Name) -> bool {
        self.0.contains(device)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_agents_write_it() {
        let lists = |text: &str, port: &str| lists(text.as_bytes(), port);
        assert!(lists("1,node1\n2,node2\n", "node2") && lists("1,node1\n2,node2\n", "1"));
        assert!(lists("node1 node2 node3", "node3"));
        assert!(lists("aa:bb:cc,\n", "aa:bb:cc") && lists("7,aa:bb:cc\n", "aa:bb:cc"));
        assert!(lists("n1 , on\n", "n1") && lists("'n1'\n", "n1"));
        assert!(!lists("node10\nnode11\n", "node1") && !lists("", "n"));
    }

    #[test]
    fn a_value_stays_in_its_line() {
        let lines = [("action".into(), "off".into()), ("port".into(), "n1\naction=on".into())];
        assert_eq!(input(&lines), b"action=off\nport=n1action=on\n");
        assert_eq!(port(&lines), Some("n1\naction=on"));
        assert_eq!(with_action(&lines, "list")[0].1, "list");
    }
}
