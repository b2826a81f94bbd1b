//! What a node's executor is told to do: one step of a plan, complete and on its own.

use core::time::Duration;

use base::Name;
use sched::{Step, Task};
use serde::{Deserialize, Serialize};

use crate::operation::OpKey;

/// One action for one executor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Order {
    /// What for; comes back with the result.
    pub key: OpKey,
    /// Where it counts.
    pub node: Name,
    /// Whose executor does it: the node's own, or that of the node through which a remote one is
    /// reached.
    pub via: Name,
    /// The resource, as its history is named.
    pub resource: Name,
    /// Class.
    pub class: Name,
    /// Provider; empty if there is none.
    pub provider: Name,
    /// Agent.
    pub agent: Name,
    /// `start`, `monitor`, `cancel`, `delete`, …
    pub operation: Name,
    /// Milliseconds between repetitions; zero if it is done once.
    pub interval: u64,
    /// How long it may take.
    pub timeout: Duration,
    /// Parameters and meta attributes, sorted by name.
    pub parameters: Vec<(String, String)>,
}

impl Order {
    /// From a step that an agent executes.
    pub(super) fn new(step: &Step, transition: u64, walker: &Name) -> Option<Self> {
        let resource = step.resource.as_ref()?;
        let (node, _) = step.node.as_ref()?;
        let node: Name = Name::from(&**node);
        let via = step.router.as_ref().map_or_else(|| node.clone(), |via| Name::from(&**via));
        let number = |name: &str| meta(step, name).and_then(|text| text.parse::<i64>().ok());
        let expected = number("op_target_rc").and_then(|rc| i32::try_from(rc).ok()).unwrap_or(0);
        let timeout = number("timeout").and_then(|it| u64::try_from(it).ok()).unwrap_or(20_000);
        // A cancellation names what it cancels in its meta attributes.
        let interval = match step.task {
            Task::Cancel => number("interval").unwrap_or(0),
            _ => step.interval,
        };
        Some(Self {
            key: OpKey { transition, step: step.id, expected, walker: walker.clone() },
            node,
            via,
            resource: Name::from(&*resource.id),
            class: Name::from(&*resource.class),
            provider: Name::from(&*resource.provider),
            agent: Name::from(&*resource.agent),
            operation: Name::from(&*step.operation),
            interval: u64::try_from(interval).unwrap_or(0),
            timeout: Duration::from_millis(timeout),
            parameters: step
                .attributes
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        })
    }

    /// The digest of what the agent is given: by it planning sees later that a definition changed.
    #[must_use]
    pub fn digest(&self) -> Name {
        let given = self.parameters.iter().filter(|(name, _)| {
            !name.starts_with("CRM_meta_") || (self.interval > 0 && name == "CRM_meta_timeout")
        });
        let given = given.map(|(name, value)| (&**name, &**value));
        Name::from(&*sched::parameter_digest(given))
    }

    /// A meta attribute.
    #[must_use]
    pub fn meta(&self, name: &str) -> Option<&str> {
        let key = format!("CRM_meta_{name}");
        self.parameters.iter().find(|(known, _)| *known == key).map(|(_, value)| &**value)
    }
}

/// A meta attribute of a step.
pub(super) fn meta<'a>(step: &'a Step, name: &str) -> Option<&'a str> {
    let key = format!("CRM_meta_{name}");
    step.attributes.iter().find(|(known, _)| **known == *key).map(|(_, value)| &**value)
}
