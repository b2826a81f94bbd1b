//! A plan carried out on what planning knows of a CIB.

use std::collections::HashMap;

use cib::Cib;
use cib::model::{AttrSets, History, NodeState, OpRecord, Text, TransitionKey};
use sched::StepResource;

use super::{DOWN, Entry, FEATURES, INJECTED, Paper, Place, UUID};

/// A CIB, and where in it the histories are.
pub struct Model {
    /// What is known of the CIB.
    pub cib: Cib,
    /// For each node's state that was looked into: its histories by name.
    lists: HashMap<usize, HashMap<Text, usize>>,
    uuid: Text,
    features: Text,
    no_time: Text,
    injected: Text,
}

impl Model {
    /// Of a CIB.
    #[must_use]
    pub fn new(cib: Cib) -> Self {
        Self {
            cib,
            lists: HashMap::new(),
            uuid: UUID.into(),
            features: FEATURES.into(),
            no_time: "0".into(),
            injected: INJECTED.into(),
        }
    }

    /// Where the state of a node is, made if it is not there.
    fn state_at(&mut self, name: &str, id: &str) -> usize {
        let states = &mut self.cib.node_states;
        let fits = |state: &NodeState| &*state.name == name || &*state.id == id;
        states.iter().position(fits).unwrap_or_else(|| {
            let (id, name): (Text, Text) = (id.into(), name.into());
            let attributes = vec![("id".into(), id.clone()), ("uname".into(), name.clone())];
            states.push(NodeState { id, name, attributes, ..NodeState::default() });
            states.len() - 1
        })
    }

    fn found(&self, place: Place) -> &History {
        &self.cib.node_states[place.state].history[place.history]
    }
}

impl Paper for Model {
    fn lose(&mut self, node: &str, id: &str) {
        let at = self.state_at(node, id);
        self.lists.remove(&at);
        let state = &mut self.cib.node_states[at];
        for (name, word) in DOWN.into_iter().chain([("crm-debug-origin", "crm_simulate")]) {
            let text = Text::from(word);
            match name {
                "in_ccm" => state.in_ccm = Some(text.clone()),
                "crmd" => state.crmd = Some(text.clone()),
                "join" => state.join = Some(text.clone()),
                "expected" => state.expected = Some(text.clone()),
                _ => {}
            }
            match state.attributes.iter_mut().find(|(known, _)| &**known == name) {
                Some((_, value)) => *value = text,
                None => state.attributes.push((name.into(), text)),
            }
        }
        state.history = Vec::new();
        state.has_lrm = false;
        state.transient = AttrSets::default();
    }

    fn forget(&mut self, node: &str, id: &str, resource: &str) {
        let at = self.state_at(node, id);
        self.lists.remove(&at);
        self.cib.node_states[at].history.retain(|it| &*it.id != resource);
    }

    fn history(
        &mut self,
        node: &str,
        id: &str,
        names: [&str; 2],
        resource: &StepResource,
    ) -> Place {
        let state = self.state_at(node, id);
        self.cib.node_states[state].has_lrm = true;
        let histories = &mut self.cib.node_states[state].history;
        let places = self.lists.entry(state).or_insert_with(|| {
            let mut places = HashMap::new();
            for (at, history) in histories.iter().enumerate() {
                places.entry(history.id.clone()).or_insert(at);
            }
            places
        });
        if let Some(history) = names.iter().find_map(|name| places.get(*name)).copied() {
            return Place { state, history };
        }
        let history = histories.len();
        places.insert(resource.id.clone(), history);
        histories.push(History {
            id: resource.id.clone(),
            class: resource.class.clone(),
            provider: resource.provider.clone(),
            agent: resource.agent.clone(),
            ..History::default()
        });
        Place { state, history }
    }

    fn name(&self, place: Place) -> Text {
        self.found(place).id.clone()
    }

    fn last_call(&self, place: Place) -> i64 {
        self.found(place).operations.iter().map(|op| op.call_id).max().unwrap_or(0)
    }

    fn write(&mut self, place: Place, id: &str, entry: &Entry) {
        let operations = &mut self.cib.node_states[place.state].history[place.history].operations;
        let at = operations.iter().position(|op| &*op.id == id).unwrap_or_else(|| {
            // Most resources have one record or two on a node, and a record is large.
            if operations.len() == operations.capacity() {
                operations.reserve_exact(operations.len().max(1));
            }
            operations.push(OpRecord { id: id.into(), ..OpRecord::default() });
            operations.len() - 1
        });
        let op = &mut operations[at];
        op.operation = entry.operation.clone();
        op.feature_set = Some(self.features.clone());
        op.key = Some(TransitionKey {
            action: entry.call,
            transition: -1,
            target_rc: entry.target,
            uuid: self.uuid.clone(),
        });
        op.exit_reason = entry.failed.then(|| self.injected.clone());
        op.call_id = entry.call;
        op.rc = Some(entry.rc);
        op.status = Some(0);
        op.interval = entry.interval;
        op.last_rc_change = Some(entry.at);
        op.exec_time = Some(self.no_time.clone());
        op.queue_time = Some(self.no_time.clone());
        op.digest = Some(entry.digest.clone());
        for (place, node) in [
            (&mut op.migrate_source, &entry.migrate_source),
            (&mut op.migrate_target, &entry.migrate_target),
        ] {
            if let Some(node) = node {
                *place = Some(node.clone());
            }
        }
    }
}
