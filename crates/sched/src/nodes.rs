//! Nodes: those configured, and those that resources bring with them.

use std::collections::{BTreeMap, HashMap};

use cib::Score;
use cib::model::{NodeConfig, Text};
use cib::value::leading_integer;

use crate::world::{Node, NodeId, NodeKind, RscId, World};

/// Order of names in which numbers count as numbers.
pub(crate) fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let (mut a, mut b) = (a.chars().peekable(), b.chars().peekable());
    loop {
        match (a.peek().copied(), b.peek().copied()) {
            (None, None) => return std::cmp::Ordering::Equal,
            (None, Some(_)) => return std::cmp::Ordering::Less,
            (Some(_), None) => return std::cmp::Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let number = |side: &mut std::iter::Peekable<std::str::Chars<'_>>| {
                    let mut value: u64 = 0;
                    while let Some(digit) = side.peek().and_then(|c| c.to_digit(10)) {
                        value = value.saturating_mul(10).saturating_add(u64::from(digit));
                        side.next();
                    }
                    value
                };
                let order = number(&mut a).cmp(&number(&mut b));
                if order.is_ne() {
                    return order;
                }
            }
            (Some(x), Some(y)) => {
                let order = x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase());
                if order.is_ne() {
                    return order;
                }
                a.next();
                b.next();
            }
        }
    }
}

impl World<'_> {
    pub(crate) fn add_node(
        &mut self,
        id: &str,
        name: &str,
        kind: NodeKind,
        score: Score,
    ) -> NodeId {
        let node = NodeId::new(self.nodes.len());
        let mut attrs: HashMap<Text, Text> = HashMap::new();
        let kind_word = match kind {
            NodeKind::Member => "cluster",
            NodeKind::Remote => "remote",
            NodeKind::Guest => "container",
        };
        attrs.insert("#kind".into(), kind_word.into());
        self.nodes.push(Node {
            id: id.into(),
            name: name.into(),
            kind,
            score,
            online: false,
            unclean: kind == NodeKind::Member
                && self.options.fencing
                && self.options.startup_fencing,
            unseen: true,
            pending: false,
            standby: false,
            standby_onfail: false,
            maintenance: false,
            shutdown: false,
            expected_up: false,
            is_dc: false,
            fixed: false,
            discovery: true,
            discovery_mode: crate::world::Discovery::Always,
            remote_was_fenced: false,
            remote_maintenance: false,
            remote_requires_reset: false,
            unpacked: false,
            attrs,
            capacity: BTreeMap::new(),
            remote: None,
            running: Vec::new(),
            assigned: Vec::new(),
            count: 0,
            priority: 0,
            state: None,
        });
        let at = self.node_order.iter().position(|other| natural(name, &self[*other].name).is_lt());
        self.node_order.insert(at.unwrap_or(self.node_order.len()), node);
        node
    }

    pub(crate) fn read_nodes(&mut self) {
        for config in &self.cib.nodes {
            let kind = if &*config.kind == "remote" { NodeKind::Remote } else { NodeKind::Member };
            if config.name.is_empty() || &*config.kind == "ping" {
                continue;
            }
            if self.node_any(&config.name).is_some() {
                continue;
            }
            let score = config.score.as_deref().and_then(Score::parse).unwrap_or_default();
            let node = self.add_node(&config.id, &config.name, kind, score);
            self.give_attributes(node, config);
        }
        self.dc = self
            .cib
            .dc
            .as_deref()
            .and_then(|dc| self.node_order.iter().copied().find(|node| &*self[*node].id == dc));
        if let Some(dc) = self.dc {
            self[dc].is_dc = true;
        }
    }

    fn give_attributes(&mut self, node: NodeId, config: &NodeConfig) {
        let (id, name) = (self[node].id.clone(), self[node].name.clone());
        let is_dc = self.cib.dc.as_deref() == Some(&*id);
        let cluster = self.options.get("cluster-name").map(Text::from);
        let attrs = &mut self[node].attrs;
        attrs.insert("#uname".into(), name.clone());
        attrs.insert("#id".into(), id);
        attrs.insert("#is_dc".into(), if is_dc { "true".into() } else { "false".into() });
        if let Some(cluster) = cluster {
            attrs.insert("#cluster-name".into(), cluster);
        }
        let mut known = std::mem::take(attrs);
        let facts = self.facts();
        let mut values = HashMap::new();
        {
            let lookup = |wanted: &str| known.get(wanted).cloned();
            let facts = cib::rules::Facts { node: Some(&lookup), ..facts };
            config.attributes.unpack(&facts, &mut values);
            let mut capacity = HashMap::new();
            config.utilization.unpack(&facts, &mut capacity);
            self[node].capacity = numbers(&capacity).into_iter().collect();
        }
        for (name, value) in values {
            known.entry(name).or_insert(value);
        }
        if let Some(site) = known.get("site-name").cloned() {
            known.insert("#site-name".into(), site);
        } else if let Some(cluster) = known.get("#cluster-name").cloned() {
            known.insert("#site-name".into(), cluster);
        }
        self[node].attrs = known;
    }

    /// A node that exists because a resource connects to it.
    pub(crate) fn connection_node(&mut self, name: &str, kind: NodeKind) -> NodeId {
        if let Some(node) = self.node_named(name) {
            if self[node].kind == NodeKind::Member {
                return node;
            }
            self[node].kind = kind;
            let word = if kind == NodeKind::Guest { "container" } else { "remote" };
            self[node].attrs.insert("#kind".into(), word.into());
            return node;
        }
        let node = self.add_node(name, name, kind, Score::ZERO);
        let config = NodeConfig { id: name.into(), name: name.into(), ..NodeConfig::default() };
        self.give_attributes(node, &config);
        node
    }

    pub(crate) fn connect(&mut self, rsc: RscId, node: NodeId) {
        self[node].remote = Some(rsc);
        // Whether a guest lives depends on its host only; it is seen when that is.
        if self[rsc].container.is_some() {
            self[node].unclean = false;
        }
    }
}

/// Values that are numbers.
pub(crate) fn numbers(values: &HashMap<Text, Text>) -> HashMap<Text, i64> {
    values.iter().map(|(name, value)| (name.clone(), leading_integer(value).unwrap_or(0))).collect()
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = vec!["node10", "Node2", "node1", "a", "node2b"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a", "node1", "Node2", "node2b", "node10"]);
    }
}
