//! On which terms the processes run: names, priorities, processors, memory, buffers.
//!
//! They are the configuration's, but they must be in force before an engine gives up its rights, and
//! by then it has heard of no configuration. So control tells the guardian, and an engine finds its
//! terms among its arguments. Those of an engine that runs already stay as they are.

use std::io;
use std::path::PathBuf;

use conf::{BufferPolicy, Config};
use linux::{Monitor, Receiver};
use serde::{Deserialize, Serialize};

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
}

/// An engine's.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct EngineTerms {
    name: Option<String>,
    nice: i8,
    real_time: Option<u8>,
    locked: bool,
    processors: Vec<u32>,
    /// Octets for news of the kernel's, and for adverts, where more than usual is asked for.
    news: Option<u32>,
    adverts: Option<u32>,
}

impl Terms {
    /// What a configuration asks for.
    pub(crate) fn of(config: &Config) -> Self {
        let (run, how) = (&config.node.run, &config.node.vrrp);
        let standard = |name: &str| run.process_names.then(|| name.to_owned());
        let text = |name: &Option<base::Name>| name.as_ref().map(ToString::to_string);
        let marker = config.node.reload.marker.as_ref().map(|path| match &**path {
            "" => PathBuf::from(MARKER),
            path => PathBuf::from(path),
        });
        Self {
            marker,
            guardian: text(&run.process_name).or_else(|| standard("keepalived")),
            engine: EngineTerms {
                name: text(&run.vrrp_process_name).or_else(|| standard("keepalived_vrrp")),
                nice: how.nice,
                real_time: how.real_time,
                locked: how.locked,
                processors: how.processors.clone(),
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

    /// Puts them in force for this process, while it still may. What cannot be had is said: an engine
    /// that is slower than it was to be is better than none.
    pub(crate) fn take_force(&self) {
        if let Some(name) = &self.name {
            linux::name_process(name);
        }
        let locked = || if self.locked { linux::memory::keep_in() } else { Ok(()) };
        let processors = || match &self.processors[..] {
            [] => Ok(()),
            some => linux::use_processors(some),
        };
        let nice = || if self.nice == 0 { Ok(()) } else { linux::be_nice(self.nice) };
        let real_time = || self.real_time.map_or(Ok(()), linux::real_time);
        let wishes: [(&str, &dyn Fn() -> io::Result<()>); 4] = [
            ("vrrp_no_swap", &locked),
            ("vrrp_cpu_affinity", &processors),
            ("vrrp_priority", &nice),
            ("vrrp_rt_priority", &real_time),
        ];
        for (keyword, wish) in wishes {
            if let Err(error) = wish() {
                eprintln!("warning: {keyword} is not wholly in force: {error}");
            }
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
            "process_names\nvrrp_priority -5\nvrrp_rt_priority 10\nvrrp_no_swap\n\
             vrrp_cpu_affinity 0 1\nvrrp_netlink_monitor_rcv_bufs 99000000\n\
             vrrp_rx_bufs_policy 5000",
        );
        assert_eq!(asked.guardian.as_deref(), Some("keepalived"));
        let argument = asked.engine.argument().unwrap();
        let engine = EngineTerms::from_argument(&argument).unwrap();
        assert_eq!(engine, asked.engine);
        assert_eq!((engine.nice, engine.real_time, engine.locked), (-5, Some(10), true));
        assert_eq!(engine.news(), 99_000_000);
        assert_eq!(engine.adverts(), Receiver::QUEUE, "no less than is needed");
    }
}
