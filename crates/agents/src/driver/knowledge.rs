//! What the driver knows of agents and devices without asking again: descriptions, as long as the
//! agent's file is the same, and lists of fence devices, for as long as they answer the question.

use core::time::Duration;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use base::Name;
use cluster::controller::Order;
use cluster::executor;
use cluster::operation::OpKey;

use crate::fence;
use crate::metadata::{Metadata, MetadataError};
use crate::places::{AgentId, Kind, Settings};
use crate::program::{Finished, How};

/// Everything known.
#[derive(Debug, Default)]
pub(super) struct Known {
    agents: BTreeMap<AgentId, (SystemTime, Result<Metadata, String>)>,
    pub(super) lists: ListsOf,
    /// What was learned since it was last taken.
    pub(super) news: Vec<executor::Agent>,
}

/// Lists of devices; `None`: this one has never given any.
#[derive(Debug, Default)]
pub(super) struct ListsOf(BTreeMap<Name, Option<Vec<u8>>>);

/// What a device's list says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lists {
    /// It has the port.
    Names,
    /// It was never asked, or has not had it.
    Unknown,
    /// It gives no list.
    Cannot,
}

impl ListsOf {
    pub(super) fn has(&self, device: &Name, port: &str) -> Lists {
        match self.0.get(device) {
            None => Lists::Unknown,
            Some(None) => Lists::Cannot,
            Some(Some(output)) if fence::lists(output, port) => Lists::Names,
            Some(Some(_)) => Lists::Unknown,
        }
    }

    /// One that fails for once does not take away what was known.
    pub(super) fn learn(&mut self, device: &Name, output: Option<Vec<u8>>) {
        let known = self.0.entry(device.clone()).or_default();
        if output.is_some() {
            *known = output;
        }
    }
}

impl Known {
    /// The description of an agent, if it was read from this very file and is of use.
    pub(super) fn of(&self, agent: &AgentId, path: &Path) -> Option<&Metadata> {
        let (changed, read) = self.agents.get(agent)?;
        read.as_ref().ok().filter(|_| changed_at(path) == *changed)
    }

    /// Whether this very file was asked, be it in vain.
    pub(super) fn is_known(&self, agent: &AgentId, path: &Path) -> bool {
        self.agents.get(agent).is_some_and(|(changed, _)| changed_at(path) == *changed)
    }

    pub(super) fn learn(&mut self, agent: AgentId, path: &Path, read: Result<Metadata, String>) {
        let fixed = read.as_ref().ok().and_then(Metadata::fixed);
        let id = (agent.class.clone(), agent.provider.clone(), agent.agent.clone());
        self.news.push(executor::Agent { id, fixed });
        self.agents.insert(agent, (changed_at(path), read));
    }
}

fn changed_at(path: &Path) -> SystemTime {
    let metadata = std::fs::metadata(path);
    metadata.and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// How an agent is asked to describe itself: arguments, environment, input.
pub(super) fn question(
    kind: Kind,
    agent: &AgentId,
    settings: &Settings,
) -> (Vec<&'static str>, Vec<(String, String)>, Vec<u8>) {
    match kind {
        Kind::Fence => {
            let environment = crate::environment::plain(settings);
            (Vec::new(), environment, b"action=metadata\n".to_vec())
        }
        Kind::Ocf | Kind::Lsb => {
            let order = imagined(agent, &[]);
            (vec!["meta-data"], crate::environment::ocf(&order, settings), Vec::new())
        }
    }
}

/// What came of it.
pub(super) fn answer(agent: &AgentId, finished: &Finished) -> Result<Metadata, Unanswered> {
    let (output, more) = &finished.output;
    let said = finished.reason.clone().or(finished.lines.last().cloned()).unwrap_or_default();
    match &finished.how {
        How::Exited(0) if *more => Err(MetadataError::TooLong.into()),
        How::Exited(0) => Ok(Metadata::read(&agent.agent, output)?),
        How::Exited(code) => Err(Unanswered::Exit(*code, said)),
        How::Signalled(signal) => Err(Unanswered::Signal(*signal)),
        How::Ended => Err(Unanswered::Late),
        How::NotStarted(error) => Err(Unanswered::NotStarted(error.to_string())),
    }
}

/// Why an agent's description is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error(transparent)]
    Bad(#[from] MetadataError),
    #[error("asked for its metadata, it exited with {0}: {1}")]
    Exit(i32, String),
    #[error("asked for its metadata, it was ended by signal {0}")]
    Signal(i32),
    #[error("asked for its metadata, it did not answer in time")]
    Late,
    #[error("{0}")]
    NotStarted(String),
}

/// An order nobody gave: for questions that need the surroundings of one.
pub(super) fn imagined(agent: &AgentId, parameters: &[(String, String)]) -> Order {
    Order {
        key: OpKey { transition: 0, step: 0, expected: 0, walker: "".into() },
        node: "".into(),
        via: "".into(),
        resource: agent.agent.clone(),
        class: agent.class.clone(),
        provider: agent.provider.clone(),
        agent: agent.agent.clone(),
        operation: "validate-all".into(),
        interval: 0,
        timeout: Duration::from_secs(30),
        parameters: parameters.to_vec(),
    }
}
