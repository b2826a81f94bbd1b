//! On which terms the processes run: names and buffers. (How they are scheduled: `linux::Scheduling`.)
//!
//! They are the configuration's, but buffers must be there before an engine opens its sockets, and
//! by then it has heard of no configuration. So control tells the guardian, and an engine finds its
//! terms among its arguments. Those of an engine that runs already stay as they are.

use std::path::PathBuf;

use conf::{BufferPolicy, Config};
use linux::{Monitor, Receiver};
use serde::{Deserialize, Serialize};

use crate::place::Place;

/// Where a marker is that has no name.
const MARKER: &str = "/run/keepalived.reload";

/// All of them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// What the guardian is called; `None`: as ever.
    pub(crate) guardian: Option<String>,
    /// The engine's.
    pub(crate) engine: EngineTerms,
    /// A file that is there, and empty, while a configuration is read.
    pub(crate) marker: Option<PathBuf>,
    /// Where the daemon works; only the first counts.
    pub(crate) place: Place,
}

/// An engine's.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct EngineTerms {
    name: Option<String>,
    /// Octets for news of the kernel's, and for adverts, where more than usual is asked for.
    news: Option<u32>,
    adverts: Option<u32>,
}

impl Terms {
    /// What a configuration asks for.
    pub(crate) fn of(config: &Config) -> Self {
        let run = &config.node.run;
        let standard = |name: &str| run.process_names.then(|| name.to_owned());
        let text = |name: &Option<base::Name>| name.as_ref().map(ToString::to_string);
        let marker = config.node.reload.marker.as_ref().map(|path| match &**path {
            "" => PathBuf::from(MARKER),
            path => PathBuf::from(path),
        });
        Self {
            marker,
            place: Place::of(run, None),
            guardian: text(&run.process_name).or_else(|| standard("keepalived")),
            engine: EngineTerms {
                name: text(&run.vrrp_process_name).or_else(|| standard("keepalived_vrrp")),
                news: config.node.buffers.netlink_news.map(|size| size.octets),
                adverts: match config.node.buffers.adverts.policy {
                    BufferPolicy::Octets(octets) => Some(octets),
                    BufferPolicy::Kernel | BufferPolicy::Mtu | BufferPolicy::Advert => None,
                },
            },
        }
    }
}

impl EngineTerms {
    /// As an argument; nothing when there is nothing to say.
    pub(crate) fn argument(&self) -> Option<String> {
        (*self != Self::default()).then(|| serde_json::to_string(self).ok()).flatten()
    }

    /// From that argument.
    pub(crate) fn from_argument(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// What this process is called from now on, if not as ever.
    pub(crate) fn take_name(&self) {
        if let Some(name) = &self.name {
            linux::name_process(name);
        }
    }

    /// Octets for the kernel's news.
    pub(crate) fn news(&self) -> usize {
        at_least(Monitor::QUEUE, self.news)
    }

    /// Octets for the adverts of one interface.
    pub(crate) fn adverts(&self) -> usize {
        at_least(Receiver::QUEUE, self.adverts)
    }
}

/// What is asked for, but no less than we need.
pub(crate) fn at_least(ours: usize, asked: Option<u32>) -> usize {
    asked.and_then(|asked| usize::try_from(asked).ok()).map_or(ours, |asked| asked.max(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(globals: &str) -> Terms {
        let text = format!("global_defs {{\n{globals}\n}}\n");
        let source = conf::Source { name: "test", text: text.as_bytes() };
        let loaded = conf::load(source, conf::Options::default());
        Terms::of(&loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)))
    }

    #[test]
    fn nothing_asked_for_is_no_argument_and_all_of_it_comes_through_one() {
        assert_eq!(terms("").engine.argument(), None);
        let asked = terms(
            "process_names\nvrrp_netlink_monitor_rcv_bufs 99000000\nvrrp_rx_bufs_policy 5000",
        );
        assert_eq!(asked.guardian.as_deref(), Some("keepalived"));
        let argument = asked.engine.argument().unwrap();
        let engine = EngineTerms::from_argument(&argument).unwrap();
        assert_eq!(engine, asked.engine);
        assert_eq!(engine.name.as_deref(), Some("keepalived_vrrp"));
        assert_eq!(engine.news(), 99_000_000);
        assert_eq!(engine.adverts(), Receiver::QUEUE, "no less than is needed");
    }
}
