//! Location constraints: from documents to preferences, and from preferences to scores.

use std::sync::Arc;

use cib::Score;
use cib::model::{Location, Text};
use cib::rules::{Condition, Facts, Rule};
use regex_lite::Regex;

use crate::constraint::Loc;
use crate::reason::Cause;
use crate::world::{Allowed, Discovery, LocId, NodeId, Role, RscId, Variant, World};

/// `%1` and its like in a rule that a pattern applies.
fn filled(rule: &Rule, groups: &[String]) -> Rule {
    let fill = |text: &Arc<str>| -> Arc<str> {
        if !text.contains('%') {
            return text.clone();
        }
        let mut result = text.to_string();
        for (number, group) in groups.iter().enumerate() {
            result = result.replace(&format!("%{number}"), group);
        }
        result.into()
    };
    let mut rule = rule.clone();
    rule.score_attribute = rule.score_attribute.as_ref().map(fill);
    for part in &mut rule.parts {
        match part {
            Condition::Attribute(comparison) => {
                comparison.attribute = fill(&comparison.attribute);
                comparison.value = comparison.value.as_ref().map(fill);
            }
            Condition::Rule(inner) => **inner = filled(inner, groups),
            _ => {}
        }
    }
    rule
}

impl World<'_> {
    pub(crate) fn read_location(&mut self, location: &Location) {
        if location.sets.is_empty() {
            if let Some(pattern) = &location.pattern {
                self.read_pattern(location, pattern);
            } else if let Some(name) = &location.resource {
                for rsc in self.resources_named(name) {
                    self.locate(location, rsc, location.role.as_deref(), &[]);
                }
            }
            return;
        }
        for set in &location.sets {
            for member in &set.members {
                for rsc in self.resources_named(member) {
                    let role = set.role.as_deref().or(location.role.as_deref());
                    self.locate(location, rsc, role, &[]);
                }
            }
        }
    }

    fn read_pattern(&mut self, location: &Location, pattern: &str) {
        let (pattern, invert) = match pattern.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (pattern, false),
        };
        let Ok(regex) = Regex::new(pattern) else { return };
        for rsc in self.top.clone() {
            let id = self[rsc].id.clone();
            let found = regex.captures(&id);
            match found {
                Some(captures) if !invert => {
                    let groups: Vec<String> = captures
                        .iter()
                        .map(|group| group.map_or(String::new(), |it| it.as_str().to_owned()))
                        .collect();
                    self.locate(location, rsc, location.role.as_deref(), &groups);
                }
                None if invert => self.locate(location, rsc, location.role.as_deref(), &[]),
                _ => {}
            }
        }
    }

    fn locate(&mut self, location: &Location, rsc: RscId, role: Option<&str>, groups: &[String]) {
        let discovery = match location.discovery.as_deref() {
            Some("never") => Some(Discovery::Never),
            Some("exclusive") => Some(Discovery::Exclusive),
            Some("always") | None => Some(Discovery::Always),
            Some(_) => None,
        };
        if let Some(name) = &location.node {
            let Some(score) = location.score.as_deref() else { return };
            let score = Score::parse(score).unwrap_or_default();
            let Some(node) = self.node_any(name) else { return };
            self.add_location(&location.id, rsc, role, discovery, vec![(node, score)]);
            return;
        }
        for rule in &location.rules {
            let rule = if groups.is_empty() { rule.clone() } else { filled(rule, groups) };
            let mut nodes = Vec::new();
            for node in self.node_order.clone() {
                if let Some(score) = self.rule_score(&rule, node, rsc) {
                    nodes.push((node, score));
                }
            }
            let role = rule.role.as_deref().or(role);
            self.add_location(&location.id, rsc, role, discovery, nodes);
        }
    }

    fn rule_score(&self, rule: &Rule, node: NodeId, rsc: RscId) -> Option<Score> {
        let attributes = |name: &str| self.node_attribute(node, name);
        let parameters = self.parameters(rsc, Some(node));
        let parameter = |name: &str| parameters.get(name).cloned();
        let meta = |name: &str| self[rsc].meta.get(name).cloned();
        let facts = Facts {
            now: self.now,
            node: Some(&attributes),
            parameter: Some(&parameter),
            meta: Some(&meta),
            ..Facts::default()
        };
        if !rule.holds(&facts) {
            return None;
        }
        match &rule.score_attribute {
            Some(name) => {
                let value = self.attribute_for(node, name, rsc);
                Some(value.and_then(|value| Score::parse(&value)).unwrap_or(Score::MINUS_INFINITY))
            }
            None => Some(rule.score.unwrap_or_default()),
        }
    }

    /// An attribute of a node, or of its host where the resource says so.
    pub(crate) fn attribute_for(&self, node: NodeId, name: &str, rsc: RscId) -> Option<Text> {
        if self.is_guest(node) && self.meta(rsc, "container-attribute-target") == Some("host") {
            let container = self[node].remote.and_then(|remote| self[remote].container);
            let host = container.and_then(|it| self[it].running_on.first().copied());
            return host.and_then(|host| self.node_attribute(host, name));
        }
        self.node_attribute(node, name)
    }

    fn add_location(
        &mut self,
        id: &Text,
        rsc: RscId,
        role: Option<&str>,
        discovery: Option<Discovery>,
        nodes: Vec<(NodeId, Score)>,
    ) {
        // What holds of the unpromoted role holds of every role: promotion starts from it.
        let role = match role.and_then(Role::parse) {
            Some(Role::Promoted) => Role::Promoted,
            _ => Role::Unknown,
        };
        let loc = LocId::new(self.locs.len());
        self.locs.push(Loc { id: id.clone(), role, discovery, nodes });
        self[rsc].locations.push(loc);
    }

    pub(crate) fn apply_locations(&mut self) {
        for rsc in self.rsc_ids() {
            for loc in self[rsc].locations.clone() {
                let id = loc;
                let loc = self.locs[loc.index()].clone();
                self.apply_location(rsc, &loc, true);
                if let (Role::Promoted, Some(child)) = (loc.role, self.bundled(rsc)) {
                    self[child].locations.push(id);
                }
            }
        }
    }

    pub(crate) fn apply_location(&mut self, rsc: RscId, loc: &Loc, full: bool) {
        match self[rsc].variant {
            Variant::Primitive => self.apply_to_one(rsc, loc, full),
            Variant::Group => {
                self.apply_to_one(rsc, loc, full);
                // Members follow the first; the others only get to know the nodes.
                let mut full = full;
                for child in self[rsc].children.clone() {
                    self.apply_location(child, loc, full);
                    full = false;
                }
            }
            Variant::Clone => {
                self.apply_to_one(rsc, loc, full);
                for child in self[rsc].children.clone() {
                    self.apply_location(child, loc, full);
                }
            }
            Variant::Bundle => self.apply_to_bundle(rsc, loc, full),
        }
    }

    pub(crate) fn apply_to_one(&mut self, rsc: RscId, loc: &Loc, full: bool) {
        if loc.role > Role::Unknown && loc.role != self[rsc].next_role {
            return;
        }
        for (node, score) in &loc.nodes {
            let score = if full { *score } else { Score::ZERO };
            self.reasons.note(rsc, *node, score, || Cause::Location(loc.id.clone()));
            let entry = match self[rsc].allowed.get_mut(*node) {
                Some(entry) => {
                    entry.score = entry.score + score;
                    entry
                }
                None => {
                    let fresh =
                        Allowed { score, discovery: Discovery::Always, count: 0, spared: false };
                    self[rsc].allowed.insert(*node, fresh);
                    match self[rsc].allowed.get_mut(*node) {
                        Some(entry) => entry,
                        None => continue,
                    }
                }
            };
            let mut exclusive = false;
            match loc.discovery {
                Some(Discovery::Exclusive) if entry.discovery != Discovery::Exclusive => {
                    entry.discovery = Discovery::Exclusive;
                    exclusive = true;
                }
                Some(Discovery::Never) if entry.discovery == Discovery::Always => {
                    entry.discovery = Discovery::Never;
                }
                _ => {}
            }
            if exclusive {
                self[rsc].exclusive_discover = true;
            }
        }
    }

    /// The resources a constraint means by a name: one, or those of a tag or template.
    pub(crate) fn resources_named(&self, name: &str) -> Vec<RscId> {
        if let Some(rsc) = self.find_resource(name) {
            return vec![rsc];
        }
        if let Some(members) = self.group_of_tag.get(name) {
            return members.iter().filter_map(|member| self.constraint_resource(member)).collect();
        }
        self.constraint_resource(name).into_iter().collect()
    }

    /// The resource a constraint means: the clone if what is named is what it clones.
    pub(crate) fn constraint_resource(&self, name: &str) -> Option<RscId> {
        if let Some(rsc) = self.find_resource(name) {
            return Some(rsc);
        }
        let zero = self.find_resource(&format!("{name}:0"))?;
        let mut at = zero;
        while let Some(parent) = self[at].parent {
            at = parent;
            if self[at].variant == Variant::Clone {
                break;
            }
        }
        Some(at)
    }
}
