//! Status: what the nodes are and what was done on them.

use std::collections::HashMap;
use std::sync::Arc;

use super::{AttrSets, Cib, Refs, Text};
use crate::value::{leading_integer, truth};
use crate::xml::Element;

/// A `<node_state>`.
#[derive(Clone, Debug, Default)]
pub struct NodeState {
    /// Id of the node.
    pub id: Text,
    /// Its name.
    pub name: Text,
    /// Whether it is a member: as a word (up to 2.1.6) or as the time it became one.
    pub in_ccm: Option<Text>,
    /// `online`, `offline`, or a time.
    pub crmd: Option<Text>,
    /// `member`, `down`, …
    pub join: Option<Text>,
    /// `member`, `down`, …
    pub expected: Option<Text>,
    /// The oldest spelling of membership.
    pub ha: Option<Text>,
    /// Whether it is a remote node's state.
    pub remote: bool,
    /// When it was fenced (a remote node).
    pub fenced: Option<Text>,
    /// `node_in_maintenance`, as told.
    pub in_maintenance: Option<Text>,
    /// Attributes that last until the node leaves.
    pub transient: AttrSets,
    /// What was done there.
    pub history: Vec<History>,
    /// Whether there is an `<lrm>`.
    pub has_lrm: bool,
    /// The attributes as written.
    pub attributes: Vec<(Text, Text)>,
}

/// What was done with one resource on one node.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Id of the resource instance.
    pub id: Text,
    /// Class, as it was then.
    pub class: Text,
    /// Provider, as it was then.
    pub provider: Text,
    /// Agent, as it was then.
    pub agent: Text,
    /// The container it is in.
    pub container: Option<Text>,
    /// Since when it is locked to its node.
    pub shutdown_lock: Option<i64>,
    /// The operations, in document order.
    pub operations: Vec<OpRecord>,
}

/// What one operation came to.
#[derive(Clone, Debug, Default)]
pub struct OpRecord {
    /// Its id.
    pub id: Text,
    /// `monitor`, …
    pub operation: Text,
    /// Milliseconds.
    pub interval: i64,
    /// Order among the operations of the node.
    pub call_id: i64,
    /// Exit code.
    pub rc: Option<i64>,
    /// 0 done, 2 timeout, 4 error, −1 pending, …
    pub status: Option<i64>,
    /// Transition, action and expected exit code from the transition key.
    pub key: Option<TransitionKey>,
    /// The magic as written, where status or exit code have to be taken from it.
    pub magic: Option<Text>,
    /// When the exit code changed last.
    pub last_rc_change: Option<i64>,
    /// Digest of all parameters.
    pub digest: Option<Text>,
    /// Digest of those that force a restart.
    pub restart_digest: Option<Text>,
    /// Names of those that force a restart (or, in `force_restart`'s absence, none).
    pub force_restart: Option<Text>,
    /// Names that are private.
    pub secure_params: Option<Text>,
    /// Digest without the private ones.
    pub secure_digest: Option<Text>,
    /// Name of the node, where it differs from the one it is recorded for.
    pub on_node: Option<Text>,
    /// Where a migration came from.
    pub migrate_source: Option<Text>,
    /// Where it went to.
    pub migrate_target: Option<Text>,
    /// What the agent said.
    pub exit_reason: Option<Text>,
    /// Feature set of the writer.
    pub feature_set: Option<Text>,
    /// `exec-time`
    pub exec_time: Option<Text>,
    /// `queue-time`
    pub queue_time: Option<Text>,
    /// The operation's key, as written.
    pub operation_key: Option<Text>,
}

/// What a transition key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitionKey {
    /// Number of the action.
    pub action: i64,
    /// Number of the transition.
    pub transition: i64,
    /// Expected exit code.
    pub target_rc: i64,
    /// Who planned it.
    pub uuid: Text,
}

/// State of a ticket.
#[derive(Clone, Debug, Default)]
pub struct Ticket {
    /// Its id.
    pub id: Text,
    /// Whether this site has it.
    pub granted: bool,
    /// Whether it is to be given up gracefully.
    pub standby: bool,
    /// When it was granted last.
    pub last_granted: Option<Text>,
    /// Everything else.
    pub attributes: Vec<(Text, Text)>,
}

/// Keeps one copy of what repeats.
#[derive(Default)]
struct Interner(HashMap<Box<str>, Text>);

impl Interner {
    fn text(&mut self, text: &str) -> Text {
        if let Some(shared) = self.0.get(text) {
            return shared.clone();
        }
        let shared: Text = Arc::from(text);
        self.0.insert(text.into(), shared.clone());
        shared
    }
}

pub(super) fn read(section: &Element, refs: &Refs<'_>, cib: &mut Cib) {
    let mut names = Interner::default();
    for element in section.elements() {
        match element.name() {
            "node_state" => cib.node_states.push(node_state(element, refs, &mut names)),
            "tickets" => cib.tickets.extend(element.named("ticket_state").map(ticket)),
            // The oldest spelling: one element for each ticket, values inside.
            "ticket" | "ticket_state" => cib.tickets.push(ticket(element)),
            _ => {}
        }
    }
}

fn ticket(element: &Element) -> Ticket {
    let truth_of = |name: &str| element.get(name).and_then(truth).unwrap_or(false);
    let known = ["id", "granted", "standby", "last-granted"];
    Ticket {
        id: element.id().unwrap_or_default().into(),
        granted: truth_of("granted"),
        standby: truth_of("standby"),
        last_granted: element.get("last-granted").map(Into::into),
        attributes: element
            .attrs()
            .iter()
            .filter(|attr| !known.contains(&&*attr.name))
            .map(|attr| (attr.name.clone(), Text::from(&*attr.value)))
            .collect(),
    }
}

fn node_state(element: &Element, refs: &Refs<'_>, names: &mut Interner) -> NodeState {
    let text = |name: &str| element.get(name).map(Text::from);
    let mut transient = Vec::new();
    for section in element.named("transient_attributes") {
        AttrSets::collect(section, "instance_attributes", refs, &mut transient);
    }
    let mut state = NodeState {
        id: element.id().unwrap_or_default().into(),
        name: element.get("uname").unwrap_or_default().into(),
        in_ccm: text("in_ccm"),
        crmd: text("crmd"),
        join: text("join"),
        expected: text("expected"),
        ha: text("ha"),
        remote: element.get("remote_node").is_some_and(|it| truth(it) == Some(true)),
        fenced: text("node_fenced"),
        in_maintenance: text("node_in_maintenance"),
        transient: AttrSets::sorted(transient),
        history: Vec::new(),
        has_lrm: element.child("lrm").is_some(),
        attributes: element
            .attrs()
            .iter()
            .map(|attr| (attr.name.clone(), Text::from(&*attr.value)))
            .collect(),
    };
    let lists = element.named("lrm").flat_map(|lrm| lrm.named("lrm_resources"));
    for resource in lists.flat_map(|list| list.named("lrm_resource")) {
        state.history.push(history(resource, names));
    }
    state
}

fn history(element: &Element, names: &mut Interner) -> History {
    let mut text = |name: &str| names.text(element.get(name).unwrap_or_default());
    let (id, class, provider, agent) = (text("id"), text("class"), text("provider"), text("type"));
    History {
        id,
        class,
        provider,
        agent,
        container: element.get("container").map(Into::into),
        shutdown_lock: element.get("shutdown-lock").and_then(leading_integer),
        operations: element.named("lrm_rsc_op").map(|op| op_record(op, names)).collect(),
    }
}

fn op_record(element: &Element, names: &mut Interner) -> OpRecord {
    let mut record = OpRecord::default();
    for attr in element.attrs() {
        let value: &str = &attr.value;
        let number = || leading_integer(value);
        match &*attr.name {
            "id" => record.id = value.into(),
            "operation" => record.operation = names.text(value),
            "interval" => record.interval = number().unwrap_or(0),
            "call-id" => record.call_id = number().unwrap_or(0),
            "rc-code" => record.rc = number(),
            "op-status" => record.status = number(),
            "transition-key" => record.key = transition_key(value, names),
            "transition-magic" => record.magic = Some(value.into()),
            "last-rc-change" => record.last_rc_change = number(),
            "op-digest" => record.digest = Some(names.text(value)),
            "op-restart-digest" => record.restart_digest = Some(names.text(value)),
            "op-force-restart" => record.force_restart = Some(names.text(value)),
            "op-secure-params" => record.secure_params = Some(names.text(value)),
            "op-secure-digest" => record.secure_digest = Some(names.text(value)),
            "on_node" => record.on_node = Some(names.text(value)),
            "migrate_source" => record.migrate_source = Some(names.text(value)),
            "migrate_target" => record.migrate_target = Some(names.text(value)),
            "exit-reason" if !value.is_empty() => record.exit_reason = Some(names.text(value)),
            "crm_feature_set" => record.feature_set = Some(names.text(value)),
            "exec-time" => record.exec_time = Some(names.text(value)),
            "queue-time" => record.queue_time = Some(names.text(value)),
            "operation_key" => record.operation_key = Some(value.into()),
            _ => {}
        }
    }
    if record.key.is_none() {
        // `status:rc;key`
        let key = record.magic.as_deref().and_then(|magic| magic.split_once(';'));
        record.key = key.and_then(|(_, key)| transition_key(key, names));
    }
    record
}

fn transition_key(text: &str, names: &mut Interner) -> Option<TransitionKey> {
    let mut parts = text.splitn(4, ':');
    let mut number = || parts.next()?.parse().ok();
    let (action, transition, target_rc) = (number()?, number()?, number()?);
    let uuid = names.text(parts.next().unwrap_or_default());
    Some(TransitionKey { action, transition, target_rc, uuid })
}
