//! Transient attributes: what nodes say of themselves until they leave, and failures counted.

use core::time::Duration;

use base::{Name, Wall};
use cib::Score;
use cib::xml::Element;

use super::{Refusal, State, Waiting, status};
use crate::membership::Standing;
use crate::operation::{OpResult, OpStatus, Record};

impl State {
    /// The value of a node's transient attribute, as it is written.
    #[must_use]
    pub fn transient(&self, node: &Name, name: &str) -> Option<&str> {
        let state = status::find(&self.cib, &self.members.get(node)?.id)?;
        get(state, name)
    }

    pub(super) fn attribute(
        &mut self,
        node: &Name,
        name: &Name,
        value: Option<&str>,
        dampen: Duration,
    ) -> Result<bool, Refusal> {
        let member = self.member(node)?;
        if member.standing != Standing::Alive {
            return Err(Refusal::Bad(format!("{node} does not take part: it has no attributes")));
        }
        let id = member.id.clone();
        let key = (node.clone(), name.clone());
        // One name is one attribute: who takes it away does not know how it was kept.
        if value.is_none() && self.private.remove(&key).is_some() {
            return Ok(true);
        }
        // Counting goes on from what is to be, not from what is written.
        let pending = self.waiting.get(&key).map(|it| it.value.clone());
        let before = match &pending {
            Some(value) => value.as_deref(),
            None => status::find(&self.cib, &id).and_then(|state| get(state, name)),
        };
        let value = value.map(|value| counted(before, value));
        if dampen.is_zero() {
            self.waiting.remove(&key);
            let changed = set(&mut self.cib, node, &id, name, value.as_deref());
            self.touched(changed);
            return Ok(changed || pending.is_some());
        }
        if pending.is_none() && before == value.as_deref() {
            return Ok(false);
        }
        // Who comes later changes the value, and does not put it off.
        let due = later(self.time, dampen);
        let waiting = self.waiting.entry(key).or_insert(Waiting { value: None, due });
        let news = pending.as_ref() != Some(&value);
        waiting.value = value;
        Ok(news)
    }

    /// Everything a node has under a name: also what waits to be written, and what never is.
    #[must_use]
    pub fn attribute_of(&self, node: &Name, name: &Name) -> Option<String> {
        let key = (node.clone(), name.clone());
        if let Some(private) = self.private.get(&key) {
            return Some(private.clone());
        }
        match self.waiting.get(&key) {
            Some(waiting) => waiting.value.clone(),
            None => self.transient(node, name).map(str::to_owned),
        }
    }

    /// Keeps a value that the document does not say.
    pub(super) fn keep(
        &mut self,
        node: &Name,
        name: &Name,
        value: Option<&str>,
    ) -> Result<bool, Refusal> {
        if self.member(node)?.standing != Standing::Alive {
            return Err(Refusal::Bad(format!("{node} does not take part: it has no attributes")));
        }
        let key = (node.clone(), name.clone());
        Ok(match value {
            None => self.private.remove(&key).is_some(),
            Some(value) => {
                let value = counted(self.private.get(&key).map(String::as_str), value);
                self.private.insert(key, value.clone()).as_ref() != Some(&value)
            }
        })
    }

    /// A node's attributes end: those that wait, and those the document does not say.
    pub(super) fn drop_attributes(&mut self, node: &Name) {
        self.waiting.retain(|(owner, _), _| owner != node);
        self.private.retain(|(owner, _), _| owner != node);
    }

    /// Writes what waits, however long it was to.
    pub(super) fn settle_all(&mut self) {
        let last = self.waiting.values().map(|it| it.due).max();
        self.time = last.map_or(self.time, |last| last.max(self.time));
        self.settle();
    }

    pub(super) fn settle(&mut self) -> bool {
        let now = self.time;
        let due: Vec<(Name, Name)> = self
            .waiting
            .iter()
            .filter(|(_, it)| it.due <= now)
            .map(|(key, _)| key.clone())
            .collect();
        let mut changed = false;
        for key in &due {
            let Some(it) = self.waiting.remove(key) else { continue };
            let Some(id) = self.members.get(&key.0).map(|member| member.id.clone()) else {
                continue;
            };
            changed |= set(&mut self.cib, &key.0, &id, &key.1, it.value.as_deref());
        }
        // However many there were, it is one change.
        self.touched(changed);
        !due.is_empty()
    }

    /// Forgets the failures of a resource; whether there were any.
    pub(super) fn forget_failures(&mut self, node: &Name, resource: &Name) -> bool {
        let Ok(member) = self.member(node) else { return false };
        let id = member.id.clone();
        let base = base_name(resource);
        let prefixes = [format!("fail-count-{base}#"), format!("last-failure-{base}#")];
        let Some(state) = status::find(&self.cib, &id) else { return false };
        let names: Vec<String> = pairs(state)
            .filter_map(|pair| pair.get("name"))
            .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
            .map(str::to_owned)
            .collect();
        for name in &names {
            set(&mut self.cib, node, &id, name, None);
        }
        self.touched(!names.is_empty());
        !names.is_empty()
    }
}

fn later(time: Wall, by: Duration) -> Wall {
    let nanos = u64::from(by.subsec_nanos()).saturating_add(time.subsec_nanos());
    let seconds = time.seconds().saturating_add(by.as_secs()).saturating_add(nanos / 1_000_000_000);
    Wall::new(seconds, u32::try_from(nanos % 1_000_000_000).unwrap_or(0))
}

fn pairs(state: &Element) -> impl Iterator<Item = &Element> {
    let sections = state.named("transient_attributes");
    sections.flat_map(|it| it.named("instance_attributes")).flat_map(|it| it.named("nvpair"))
}

/// The value of an attribute in a node's state.
fn get<'a>(state: &'a Element, name: &str) -> Option<&'a str> {
    pairs(state).find(|pair| pair.get("name") == Some(name))?.get("value")
}

/// Sets (or takes away) an attribute; whether anything changed.
pub(super) fn set(
    cib: &mut Element,
    node: &str,
    id: &str,
    name: &str,
    value: Option<&str>,
) -> bool {
    if status::find(cib, id).and_then(|state| get(state, name)) == value {
        return false;
    }
    let state = status::node_state(cib, node, id);
    let section = state.child_or_new("transient_attributes");
    section.set("id", id);
    let set_id = format!("status-{id}");
    let set = section.child_or_new("instance_attributes");
    set.set("id", &set_id);
    let Some(value) = value else {
        set.retain(|pair| pair.get("name") != Some(name));
        return true;
    };
    if let Some(pair) = set.elements_mut().find(|pair| pair.get("name") == Some(name)) {
        pair.set("value", value);
        return true;
    }
    set.push(
        Element::new("nvpair")
            .with("id", &spelled(&format!("{set_id}-{name}")))
            .with("name", name)
            .with("value", value),
    );
    true
}

/// What an XML id can be.
fn spelled(text: &str) -> String {
    let fits = |it: char| it.is_alphanumeric() || matches!(it, '-' | '_' | '.');
    text.chars().map(|it| if fits(it) { it } else { '.' }).collect()
}

/// What a value comes to: `++` and `+=N` count up from the one before, never above infinity.
fn counted(before: Option<&str>, value: &str) -> String {
    let by = if value == "++" {
        1
    } else {
        match value.strip_prefix("+=").and_then(|by| by.parse::<i64>().ok()) {
            Some(by) => by,
            None => return value.to_owned(),
        }
    };
    let before = before.and_then(Score::parse).map_or(0, |score| i64::from(score.get()));
    let most = i64::from(Score::INFINITY.get());
    let sum = before.saturating_add(by).clamp(-most, most);
    if sum == most { "INFINITY".to_owned() } else { sum.to_string() }
}

/// The name under which failures of an instance are counted.
fn base_name(resource: &str) -> &str {
    match resource.rsplit_once(':') {
        Some((base, number)) if number.bytes().all(|it| it.is_ascii_digit()) => base,
        _ => resource,
    }
}

/// Whether a result is a failure: other than expected, and no probe that found something out.
pub(super) fn is_failure(result: &OpResult) -> bool {
    let called_off = matches!(result.status, OpStatus::Pending | OpStatus::Cancelled);
    let probe = result.interval == 0 && &*result.operation == "monitor";
    let told = probe && matches!(result.rc, Some(0 | 7 | 8));
    let as_hoped = result.status == OpStatus::Done && result.rc == Some(result.key.expected);
    !(called_off || told || as_hoped || &*result.operation == "notify")
}

/// Counts a failure; whether there was one.
pub(super) fn count_failure(
    cib: &mut Element,
    id: &str,
    record: &Record,
    result: &OpResult,
    start_is_fatal: bool,
) -> bool {
    if !is_failure(result) {
        return false;
    }
    let node = &*record.node;
    let about = format!("{}#{}_{}", base_name(&record.resource), result.operation, result.interval);
    let count = format!("fail-count-{about}");
    let value = match &*result.operation {
        "start" if start_is_fatal => "INFINITY".to_owned(),
        "stop" => "INFINITY".to_owned(),
        _ => counted(status::find(cib, id).and_then(|state| get(state, &count)), "++"),
    };
    set(cib, node, id, &count, Some(&value));
    set(cib, node, id, &format!("last-failure-{about}"), Some(&result.changed.to_string()));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_count_up_to_infinity_and_not_beyond() {
        let table = [
            (None, "++", "1"),
            (Some("1"), "++", "2"),
            (Some("3"), "+=4", "7"),
            (Some("INFINITY"), "++", "INFINITY"),
            (Some("999999"), "++", "INFINITY"),
            (Some("7"), "value", "value"),
            (Some("nonsense"), "++", "1"),
        ];
        for (before, value, after) in table {
            assert_eq!(counted(before, value), after, "{before:?} {value}");
        }
    }

    #[test]
    fn instances_count_under_one_name() {
        assert_eq!(base_name("db:1"), "db");
        assert_eq!(base_name("db"), "db");
        assert_eq!(base_name("a:b"), "a:b");
    }
}
