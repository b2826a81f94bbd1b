//! What-if: changes to a CIB's status before planning.

use cib::xml::Element;

use crate::execute::node_state;

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A node is a member.
    NodeUp(String),
    /// A node has left in good order.
    NodeDown(String),
    /// A node is lost.
    NodeFail(String),
    /// There is (or is not) quorum.
    Quorum(bool),
    /// A ticket is granted or revoked.
    Granted(String, bool),
    /// A ticket is put to standby or activated.
    Standby(String, bool),
    /// An operation came to a result: resource, task, interval, node, exit code.
    Result(String, String, i64, String, i64),
}

impl Event {
    /// Reads `RESOURCE_TASK_INTERVAL@NODE=RC`.
    ///
    /// # Errors
    /// When the text is not of that form.
    pub fn operation(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text}: an operation is given as RESOURCE_TASK_INTERVAL@NODE=RC");
        let (key, rest) = text.split_once('@').ok_or_else(wrong)?;
        let (node, rc) = rest.split_once('=').ok_or_else(wrong)?;
        let (head, interval) = key.rsplit_once('_').ok_or_else(wrong)?;
        let tasks = ["migrate_to", "migrate_from", "monitor", "start", "stop", "promote", "demote"];
        let task =
            tasks.iter().find(|task| head.ends_with(&format!("_{task}"))).ok_or_else(wrong)?;
        let resource = head.strip_suffix(&format!("_{task}")).ok_or_else(wrong)?;
        let interval = interval.parse().map_err(|_| wrong())?;
        let rc = rc.parse().map_err(|_| wrong())?;
        Ok(Self::Result(resource.into(), (*task).into(), interval, node.into(), rc))
    }
}

/// Applies a change.
pub fn apply(cib: &mut Element, event: &Event) {
    match event {
        Event::NodeUp(node) => set_node(cib, node, ("true", "online", "member", "member"), false),
        Event::NodeDown(node) => set_node(cib, node, ("false", "offline", "down", "down"), true),
        Event::NodeFail(node) => {
            set_node(cib, node, ("false", "offline", "member", "member"), false)
        }
        Event::Quorum(have) => cib.set("have-quorum", if *have { "1" } else { "0" }),
        Event::Granted(ticket, granted) => set_ticket(cib, ticket, "granted", *granted),
        Event::Standby(ticket, standby) => set_ticket(cib, ticket, "standby", *standby),
        Event::Result(resource, task, interval, node, rc) => {
            set_result(cib, resource, task, *interval, node, *rc);
        }
    }
}

fn node_id(cib: &Element, name: &str) -> String {
    let nodes = cib.child("configuration").and_then(|it| it.child("nodes"));
    let mut known = nodes.into_iter().flat_map(Element::elements);
    let id = known.find(|node| node.get("uname") == Some(name)).and_then(Element::id);
    id.unwrap_or(name).to_owned()
}

fn set_node(cib: &mut Element, name: &str, words: (&str, &str, &str, &str), clean: bool) {
    let id = node_id(cib, name);
    let state = node_state(cib, name, &id);
    state.set("in_ccm", words.0);
    state.set("crmd", words.1);
    state.set("join", words.2);
    state.set("expected", words.3);
    if clean {
        state.retain(|child| !matches!(child.name(), "lrm" | "transient_attributes"));
    }
}

fn set_ticket(cib: &mut Element, ticket: &str, name: &str, value: bool) {
    let tickets = cib.child_or_new("status").child_or_new("tickets");
    if !tickets.elements().any(|state| state.id() == Some(ticket)) {
        tickets.push(Element::new("ticket_state").with("id", ticket).with("granted", "false"));
    }
    if let Some(state) = tickets.elements_mut().find(|state| state.id() == Some(ticket)) {
        state.set(name, if value { "true" } else { "false" });
    }
}

fn set_result(cib: &mut Element, resource: &str, task: &str, interval: i64, node: &str, rc: i64) {
    let configured = cib.child("configuration").and_then(|it| it.child("resources"));
    let base = resource.split(':').next().unwrap_or(resource);
    let found = configured
        .and_then(|all| all.descend().find(|it| it.name() == "primitive" && it.id() == Some(base)));
    let Some(found) = found else { return };
    let text = |name: &str| found.get(name).unwrap_or_default().into();
    let expected = if task == "monitor" && interval == 0 { "7" } else { "0" };
    let step = sched::Step {
        id: 1,
        kind: sched::StepKind::Resource,
        task: sched::Task::parse(task).unwrap_or(sched::Task::Monitor),
        operation: task.into(),
        key: format!("{resource}_{task}_{interval}"),
        internal_key: None,
        node: Some((node.into(), node_id(cib, node).into())),
        router: None,
        cib_only: false,
        resource: Some(sched::StepResource {
            id: resource.into(),
            long_id: None,
            class: text("class"),
            provider: text("provider"),
            agent: text("type"),
        }),
        resource_id: Some(resource.into()),
        interval,
        attributes: vec![("CRM_meta_op_target_rc".into(), expected.into())],
        downed: Vec::new(),
        maintenance: Vec::new(),
        priority: 0,
        inputs: Vec::new(),
        reason: None,
    };
    let failed = rc.to_string() != expected && !(interval == 0 && task == "monitor");
    let id = node_id(cib, node);
    if failed {
        let name = format!("fail-count-{base}#{task}_{interval}");
        crate::execute::set_attribute(node_state(cib, node, &id), &name, "1");
    }
    crate::execute::record(cib, &step, Some(rc), i64::from(failed));
}
