//! Fence devices as the document describes them: whom each can fence, and how its agent is called.

use core::time::Duration;
use std::collections::{BTreeMap, HashMap};

use base::Name;
use cib::Cib;
use cib::model::Kind;
use cib::rules::Facts;
use cib::xml::Element;
use serde::{Deserialize, Serialize};

use crate::operation::FenceAction;

/// One device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Device {
    /// The resource's id.
    pub id: Name,
    /// Its agent, as in `fence_ipmilan`.
    pub agent: Name,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
}

/// How to find out whether a device can reach a node, before it is told to (`pcmk_host_check`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Check {
    /// It is known, or taken for granted.
    Needless,
    /// By its list if its agent has one, else by the status of the node's port if it can tell.
    Default,
    /// By its list.
    List,
    /// By the status of the node's port.
    Status,
}

/// One level of a topology: devices that are needed together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Level {
    /// The node's name.
    pub target: Name,
    /// Lower ones are tried first.
    pub index: u32,
    /// In this order.
    pub devices: Vec<Name>,
}

impl Device {
    /// The devices of a document, in its order.
    #[must_use]
    pub fn all(cib: &Element) -> Vec<Self> {
        let typed = Cib::read(cib);
        let mut found = Vec::new();
        let mut pending: Vec<&cib::model::Resource> = typed.resources.iter().rev().collect();
        while let Some(resource) = pending.pop() {
            let agent = match &resource.kind {
                Kind::Primitive { class, agent, .. } if &**class == "stonith" => agent,
                Kind::Primitive { .. } | Kind::Bundle(_) => continue,
                Kind::Group(members) => {
                    pending.extend(members.iter().rev());
                    continue;
                }
                Kind::Clone { child, .. } => {
                    pending.push(child);
                    continue;
                }
            };
            let mut parameters = HashMap::new();
            resource.parameters.unpack(&Facts::default(), &mut parameters);
            found.push(Self {
                id: Name::from(&*resource.id),
                agent: Name::from(&**agent),
                parameters: parameters
                    .into_iter()
                    .map(|(name, value)| (name.to_string(), value.to_string()))
                    .collect(),
            });
        }
        found
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    fn hosts(&self) -> Option<Vec<(&str, &str)>> {
        let words = |text: &'static str| {
            let text = self.get(text).unwrap_or_default();
            text.split([',', ' ', ';', '\t', '\n']).filter(|it| !it.is_empty())
        };
        let mapped = words("pcmk_host_map").filter_map(|it| it.split_once([':', '=']));
        let listed = words("pcmk_host_list").map(|it| (it, it));
        let all: Vec<_> = mapped.chain(listed).collect();
        (!all.is_empty()).then_some(all)
    }

    /// The port a node is at, if the device can fence it. Without a list of ours it is taken to reach
    /// every node, and [`check`](Self::check) says how to find out.
    #[must_use]
    pub fn port(&self, node: &str) -> Option<String> {
        let hosts = self.hosts();
        let check = self.get("pcmk_host_check");
        match hosts {
            Some(hosts) if matches!(check, None | Some("static-list")) => {
                hosts.iter().find(|(name, _)| *name == node).map(|(_, port)| (*port).to_owned())
            }
            Some(hosts) => {
                let known = hosts.iter().find(|(name, _)| *name == node);
                Some(known.map_or(node, |(_, port)| port).to_owned())
            }
            None if check == Some("static-list") => None,
            None => Some(node.to_owned()),
        }
    }

    /// How to find out whether it can reach a node for which it has a port.
    #[must_use]
    pub fn check(&self) -> Check {
        match self.get("pcmk_host_check") {
            Some("dynamic-list") => Check::List,
            Some("status") => Check::Status,
            Some(_) => Check::Needless,
            None if self.hosts().is_some() => Check::Needless,
            None => Check::Default,
        }
    }

    /// The word its agent has for an action.
    #[must_use]
    pub fn word(&self, action: FenceAction) -> &str {
        self.get(&format!("pcmk_{}_action", action.word())).unwrap_or(action.word())
    }

    /// How long an action may take, if that is said.
    #[must_use]
    pub fn timeout(&self, action: FenceAction) -> Option<Duration> {
        self.span(&format!("pcmk_{}_timeout", action.word()))
    }

    /// How often an action is tried.
    #[must_use]
    pub fn tries(&self, action: FenceAction) -> u32 {
        let told = self.get(&format!("pcmk_{}_retries", action.word()));
        told.and_then(|it| it.parse().ok()).unwrap_or(2).max(1)
    }

    /// How many actions at once it takes; `None`: any number.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        match self.get("pcmk_action_limit").and_then(|it| it.parse::<i64>().ok()).unwrap_or(1) {
            at_once if at_once > 0 => usize::try_from(at_once).ok(),
            _ => None,
        }
    }

    fn span(&self, name: &str) -> Option<Duration> {
        let millis = cib::value::milliseconds(self.get(name)?)?;
        u64::try_from(millis).ok().map(Duration::from_millis)
    }

    /// How long to wait before fencing a node: at least, and at most.
    #[must_use]
    pub fn delay(&self, node: &str) -> (Duration, Duration) {
        let told = self.get("pcmk_delay_base").unwrap_or_default();
        let of_node = told.split([';', ' ', ',']).find_map(|it| {
            it.split_once(':').filter(|(name, _)| *name == node).map(|(_, value)| value)
        });
        let plain = Some(told).filter(|it| !it.contains(':'));
        let base = of_node.or(plain).and_then(cib::value::milliseconds);
        let base = base
            .and_then(|it| u64::try_from(it).ok())
            .map_or(Duration::ZERO, Duration::from_millis);
        (base, self.span("pcmk_delay_max").unwrap_or_default().max(base))
    }

    /// What the agent reads: a line for each.
    #[must_use]
    pub fn lines(&self, word: &str, node: Option<&str>) -> Vec<(String, String)> {
        let mut lines = vec![("action".to_owned(), word.to_owned())];
        if let Some(node) = node {
            lines.push(("nodename".to_owned(), node.to_owned()));
            let argument = self.get("pcmk_host_argument").unwrap_or("port");
            let configured = ["port", "plug"].iter().any(|it| self.parameters.contains_key(*it));
            if let Some(port) = self.port(node).filter(|_| argument != "none" && !configured) {
                lines.push((argument.to_owned(), port));
            }
        }
        let ours = |name: &str| {
            name.starts_with("pcmk_") || name.starts_with("CRM_meta_") || name == "action"
        };
        let given = self.parameters.iter().filter(|(name, _)| !ours(name));
        lines.extend(given.map(|(name, value)| (name.clone(), value.clone())));
        lines
    }
}

impl Level {
    /// The levels of a document that name nodes by name, or by an attribute value of theirs.
    #[must_use]
    pub fn all(cib: &Element) -> Vec<Self> {
        let configuration = cib.child("configuration");
        let topology = configuration.and_then(|it| it.child("fencing-topology"));
        let mut levels: Vec<Self> = topology
            .into_iter()
            .flat_map(|it| it.named("fencing-level"))
            .filter_map(|level| {
                let devices = level.get("devices")?.split(',').map(str::trim);
                Some(Self {
                    target: level.get("target")?.into(),
                    index: level.get("index").and_then(|it| it.parse().ok()).unwrap_or(1),
                    devices: devices.filter(|it| !it.is_empty()).map(Name::from).collect(),
                })
            })
            .collect();
        levels.sort_by_key(|it| it.index);
        levels
    }
}
