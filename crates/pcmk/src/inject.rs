//! What-if: changes to a CIB before planning, and results that are to go wrong on the way.
//!
//! Each [`Event`] edits the document as the cluster itself would have, and says in a line what it
//! did. Nothing is guessed: an operation of a resource that is not configured, or on a node nobody
//! knows, is an error.

use cib::xml::Element;

use crate::execute::{self, Outcome};
use crate::paper::{Tree, node_state, set_node};

/// An operation with the result it is to have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpResult {
    /// The resource.
    pub resource: String,
    /// The task.
    pub task: String,
    /// Milliseconds between repetitions.
    pub interval: i64,
    /// The node's name.
    pub node: String,
    /// The exit code.
    pub rc: i64,
    /// As it was given.
    pub text: String,
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// There is (or is not) quorum, in the word that is to be written.
    Quorum(String),
    /// There is (or is not) a watchdog, likewise.
    Watchdog(String),
    /// A node is a member.
    NodeUp(String),
    /// A node has left in good order.
    NodeDown(String),
    /// A node is lost.
    NodeFail(String),
    /// A ticket is granted or revoked.
    Granted(String, bool),
    /// A ticket is put to standby or activated.
    Standby(String, bool),
    /// An operation came to a result.
    Result(OpResult),
}

impl OpResult {
    /// Reads `RESOURCE_TASK_INTERVAL@NODE=RC`.
    ///
    /// # Errors
    /// When the text is not of that form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text}: an operation is given as RESOURCE_TASK_INTERVAL@NODE=RC");
        let (key, rest) = text.split_once('@').ok_or_else(wrong)?;
        let (node, rc) = rest.split_once('=').ok_or_else(wrong)?;
        let (head, interval) = key.rsplit_once('_').ok_or_else(wrong)?;
        let tasks = ["migrate_to", "migrate_from"];
        let two_words = tasks.iter().find_map(|task| {
            let resource = head.strip_suffix(task)?.strip_suffix('_')?;
            Some((resource, *task))
        });
        let (resource, task) = two_words.or_else(|| head.rsplit_once('_')).ok_or_else(wrong)?;
        if resource.is_empty() || node.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            resource: resource.into(),
            task: task.into(),
            interval: interval.parse().map_err(|_| wrong())?,
            node: node.into(),
            rc: rc.parse().map_err(|_| wrong())?,
            text: text.into(),
        })
    }
}

impl OpResult {
    /// Whether this is what a step is to come to; `name` is that of the step's resource, and an
    /// instance is also known by the name of its clone's child.
    #[must_use]
    pub fn is_of(&self, step: &sched::Step, name: &str) -> bool {
        let node = step.node.as_ref().map(|(node, _)| &**node);
        let short = step.resource.as_ref().is_some_and(|it| *it.id == *self.resource);
        (self.resource == name || short)
            && self.task == *step.operation
            && self.interval == step.interval
            && node == Some(self.node.as_str())
    }
}

impl Event {
    /// The order in which events of different kinds are applied.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Quorum(_) => 0,
            Self::Watchdog(_) => 1,
            Self::NodeUp(_) => 2,
            Self::NodeDown(_) => 3,
            Self::NodeFail(_) => 4,
            Self::Granted(_, true) => 5,
            Self::Granted(_, false) => 6,
            Self::Standby(_, true) => 7,
            Self::Standby(_, false) => 8,
            Self::Result(_) => 9,
        }
    }
}

/// Applies a change at a time; what was done, line by line.
///
/// # Errors
/// When a result is injected for a resource or node that does not exist.
pub fn apply(cib: &mut Element, event: &Event, at: i64) -> Result<Vec<String>, String> {
    let line = match event {
        Event::Quorum(word) => {
            cib.set("have-quorum", word);
            format!("Setting quorum: {word}")
        }
        Event::Watchdog(word) => {
            set_watchdog(cib, word);
            format!("Setting watchdog: {word}")
        }
        Event::NodeUp(node) => {
            let id = node_id(cib, node).unwrap_or_else(|| add_node(cib, node));
            set_node(node_state(cib, node, &id), true);
            format!("Bringing node {node} online")
        }
        Event::NodeDown(node) => {
            let id = node_id(cib, node).unwrap_or(node.clone());
            let state = node_state(cib, node, &id);
            set_node(state, false);
            state.retain(|child| !matches!(child.name(), "lrm" | "transient_attributes"));
            format!("Taking node {node} offline")
        }
        Event::NodeFail(node) => {
            let id = node_id(cib, node).unwrap_or(node.clone());
            let state = node_state(cib, node, &id);
            set_node(state, true);
            state.set("in_ccm", "false");
            format!("Failing node {node}")
        }
        Event::Granted(ticket, granted) => {
            set_ticket(cib, ticket, "granted", *granted);
            format!("{} ticket {ticket}", if *granted { "Granting" } else { "Revoking" })
        }
        Event::Standby(ticket, standby) => {
            set_ticket(cib, ticket, "standby", *standby);
            if *standby {
                format!("Making ticket {ticket} standby")
            } else {
                format!("Activating ticket {ticket}")
            }
        }
        Event::Result(result) => {
            let mut lines = vec![format!("Injecting {} into the configuration", result.text)];
            lines.extend(set_result(cib, result, at)?);
            return Ok(lines);
        }
    };
    Ok(vec![line])
}

fn configured<'a>(cib: &'a Element, section: &str) -> Option<&'a Element> {
    cib.child("configuration").and_then(|it| it.child(section))
}

fn node_id(cib: &Element, name: &str) -> Option<String> {
    let mut nodes = configured(cib, "nodes").into_iter().flat_map(Element::elements);
    let known = nodes.find(|node| node.get("uname") == Some(name)).and_then(Element::id);
    let states = cib.child("status").into_iter().flat_map(Element::elements);
    let stated =
        || states.filter(|it| it.name() == "node_state").find(|it| it.get("uname") == Some(name));
    known.or_else(|| stated().and_then(Element::id)).map(str::to_owned)
}

fn add_node(cib: &mut Element, name: &str) -> String {
    let nodes = cib.child_or_new("configuration").child_or_new("nodes");
    nodes.push(Element::new("node").with("id", name).with("uname", name));
    name.to_owned()
}

fn set_watchdog(cib: &mut Element, word: &str) {
    let set = "cib-bootstrap-options";
    let options = cib.child_or_new("configuration").child_or_new("crm_config");
    if !options.elements().any(|it| it.id() == Some(set)) {
        options.push(Element::new("cluster_property_set").with("id", set));
    }
    if let Some(options) = options.elements_mut().find(|it| it.id() == Some(set)) {
        options.retain(|pair| pair.get("name") != Some("have-watchdog"));
        options.push(
            Element::new("nvpair")
                .with("id", &format!("{set}-have-watchdog"))
                .with("name", "have-watchdog")
                .with("value", word),
        );
    }
}

fn set_ticket(cib: &mut Element, ticket: &str, name: &str, value: bool) {
    let tickets = cib.child_or_new("status").child_or_new("tickets");
    if !tickets.elements().any(|state| state.id() == Some(ticket)) {
        tickets.push(Element::new("ticket_state").with("id", ticket));
    }
    if let Some(state) = tickets.elements_mut().find(|state| state.id() == Some(ticket)) {
        state.set(name, if value { "true" } else { "false" });
    }
}

/// Counts a failure in the attributes of a node; what was done, line by line. That something was
/// looked for and is not there is none.
pub fn count_failure(cib: &mut Element, result: &OpResult, id: &str, at: i64) -> Vec<String> {
    let probe = result.task == "monitor" && result.interval == 0;
    if result.rc == 0 || (probe && result.rc == 7) {
        return Vec::new();
    }
    let base = result.resource.split(':').next().unwrap_or(&result.resource);
    let op = format!("{base}#{}_{}", result.task, result.interval);
    let state = node_state(cib, &result.node, id);
    let count = format!("fail-count-{op}");
    let before = attribute(state, &count).and_then(|value| value.parse::<i64>().ok());
    set_attribute(state, &count, &(before.unwrap_or(0) + 1).to_string());
    let last = format!("last-failure-{op}");
    set_attribute(state, &last, &at.to_string());
    [(count, "value++".to_owned()), (last, at.to_string())]
        .map(|(name, value)| format!("Injecting attribute {name}={value} into /node_state '{id}'"))
        .to_vec()
}

fn attribute<'a>(state: &'a Element, name: &str) -> Option<&'a str> {
    let set = state.child("transient_attributes")?.child("instance_attributes")?;
    set.elements().find(|pair| pair.get("name") == Some(name))?.get("value")
}

fn set_attribute(state: &mut Element, name: &str, value: &str) {
    let id = state.id().unwrap_or_default().to_owned();
    let section = state.child_or_new("transient_attributes");
    if section.id().is_none() {
        section.set("id", &id);
    }
    let set = section.child_or_new("instance_attributes");
    if set.id().is_none() {
        set.set("id", &id);
    }
    set.retain(|pair| pair.get("name") != Some(name));
    set.push(
        Element::new("nvpair")
            .with("id", &format!("{id}-{}", name.replace(['#', ':'], ".")))
            .with("name", name)
            .with("value", value),
    );
}

fn set_result(cib: &mut Element, result: &OpResult, at: i64) -> Result<Vec<String>, String> {
    let base = result.resource.split(':').next().unwrap_or(&result.resource);
    let found = configured(cib, "resources")
        .and_then(|all| all.descend().find(|it| it.name() == "primitive" && it.id() == Some(base)))
        .ok_or_else(|| format!("{}: no resource is called {}", result.text, result.resource))?;
    let id = node_id(cib, &result.node)
        .ok_or_else(|| format!("{}: no node is called {}", result.text, result.node))?;
    let text = |name: &str| found.get(name).unwrap_or_default().into();
    let resource = sched::StepResource {
        id: base.into(),
        long_id: (result.resource != base).then(|| result.resource.as_str().into()),
        class: text("class"),
        provider: text("provider"),
        agent: text("type"),
    };
    let probe = result.task == "monitor" && result.interval == 0;
    let expected = if probe { "7" } else { "0" };
    let step = sched::Step {
        id: 1,
        kind: sched::StepKind::Resource,
        task: sched::Task::parse(&result.task).unwrap_or(sched::Task::Monitor),
        operation: result.task.as_str().into(),
        key: format!("{}_{}_{}", result.resource, result.task, result.interval),
        internal_key: None,
        node: Some((result.node.as_str().into(), id.as_str().into())),
        router: None,
        cib_only: false,
        resource: Some(resource),
        resource_id: Some(result.resource.as_str().into()),
        interval: result.interval,
        attributes: vec![("CRM_meta_op_target_rc".into(), expected.into())],
        downed: Vec::new(),
        maintenance: Vec::new(),
        priority: 0,
        inputs: Vec::new(),
        reason: None,
    };
    let lines = count_failure(cib, result, &id, at);
    execute::record(
        &mut Tree::new(cib),
        &step,
        &result.resource,
        Outcome { rc: Some(result.rc), at },
    );
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_from_the_end() {
        let read = OpResult::parse("a_b_migrate_to_0@n1=1").expect("an operation");
        assert_eq!((&*read.resource, &*read.task, read.rc), ("a_b", "migrate_to", 1));
        let read = OpResult::parse("a_b:1_monitor_10000@n.2=7").expect("an operation");
        assert_eq!((&*read.resource, read.interval, &*read.node), ("a_b:1", 10_000, "n.2"));
        for wrong in ["", "a", "a_start_0", "a_start_0@n", "a_start_x@n=1", "start_0@n=1"] {
            assert!(OpResult::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_failure_counts_up_and_an_absence_does_not() {
        let text = "<cib><configuration><nodes><node id='1' uname='n'/></nodes><resources>\
                    <primitive id='a' class='ocf' provider='p' type='t'/></resources>\
                    </configuration><status><node_state id='1' uname='n'/></status></cib>";
        let mut cib = cib::xml::parse(text).expect("a CIB").root;
        let fail = Event::Result(OpResult::parse("a_monitor_5000@n=1").expect("an operation"));
        assert_eq!(apply(&mut cib, &fail, 9).expect("applied").len(), 3);
        apply(&mut cib, &fail, 10).expect("applied");
        let pairs = |cib: &Element, name: &str| {
            let found = cib.descend().find(|it| it.get("name") == Some(name));
            found.and_then(|it| it.get("value")).map(str::to_owned)
        };
        assert_eq!(pairs(&cib, "fail-count-a#monitor_5000").as_deref(), Some("2"));
        assert_eq!(pairs(&cib, "last-failure-a#monitor_5000").as_deref(), Some("10"));
        let absent = Event::Result(OpResult::parse("a_monitor_0@n=7").expect("an operation"));
        assert_eq!(apply(&mut cib, &absent, 9).expect("applied").len(), 1);
        let nobody = Event::Result(OpResult::parse("b_monitor_0@n=7").expect("an operation"));
        assert!(apply(&mut cib, &nobody, 9).is_err());
    }
}
