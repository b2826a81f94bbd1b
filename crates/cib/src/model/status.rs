//! Status: what the nodes are and what was done on them.

use super::{AttrSets, Cib, Refs, Text};
use crate::names::Names;
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

/// Reads the status; `histories` are those that were taken out of each node's state before.
pub(super) fn read(
    section: &Element,
    refs: &Refs<'_>,
    histories: Vec<Vec<History>>,
    cib: &mut Cib,
) {
    let mut names = Names::default();
    let mut histories = histories.into_iter();
    for element in section.elements() {
        match element.name() {
            "node_state" => {
                let mut state = node_state(element, refs, &mut names);
                if let Some(taken) = histories.next().filter(|taken| !taken.is_empty()) {
                    state.history = taken;
                }
                cib.node_states.push(state);
            }
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

fn node_state(element: &Element, refs: &Refs<'_>, names: &mut Names) -> NodeState {
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

fn history(element: &Element, names: &mut Names) -> History {
    let mut text = |name: &str| names.get(element.get(name).unwrap_or_default());
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

fn op_record(element: &Element, names: &mut Names) -> OpRecord {
    let (mut record, none) = (OpRecord::default(), OpRecord::default());
    for attr in element.attrs() {
        record.take(&attr.name, &attr.value, names, &none);
    }
    record.finish(element.get("transition-magic"), names);
    record
}

impl OpRecord {
    /// Takes what one attribute says; all but the magic, which waits until all are known. Most texts
    /// are those of the record `before`.
    pub(super) fn take(&mut self, name: &str, value: &str, names: &mut Names, before: &Self) {
        let number = || leading_integer(value);
        let mut text = |known: &Option<Text>| match known {
            Some(known) => Some(names.again(value, known)),
            None => Some(names.get(value)),
        };
        match name {
            "id" => self.id = names.again(value, &before.id),
            "operation" => self.operation = names.again(value, &before.operation),
            "interval" => self.interval = number().unwrap_or(0),
            "call-id" => self.call_id = number().unwrap_or(0),
            "rc-code" => self.rc = number(),
            "op-status" => self.status = number(),
            "transition-key" => self.key = transition_key(value, names, before.key.as_ref()),
            "last-rc-change" => self.last_rc_change = number(),
            "op-digest" => self.digest = text(&before.digest),
            "op-restart-digest" => self.restart_digest = text(&before.restart_digest),
            "op-force-restart" => self.force_restart = text(&before.force_restart),
            "op-secure-params" => self.secure_params = text(&before.secure_params),
            "op-secure-digest" => self.secure_digest = text(&before.secure_digest),
            "on_node" => self.on_node = text(&before.on_node),
            "migrate_source" => self.migrate_source = text(&before.migrate_source),
            "migrate_target" => self.migrate_target = text(&before.migrate_target),
            "exit-reason" if !value.is_empty() => self.exit_reason = text(&before.exit_reason),
            "crm_feature_set" => self.feature_set = text(&before.feature_set),
            "exec-time" => self.exec_time = text(&before.exec_time),
            "queue-time" => self.queue_time = text(&before.queue_time),
            _ => {}
        }
    }

    /// The magic is `status:rc;key`: the key is also there.
    pub(super) fn finish(&mut self, magic: Option<&str>, names: &mut Names) {
        if self.key.is_none() {
            let key = magic.and_then(|magic| magic.split_once(';'));
            self.key = key.and_then(|(_, key)| transition_key(key, names, None));
        }
    }
}

fn transition_key(
    text: &str,
    names: &mut Names,
    before: Option<&TransitionKey>,
) -> Option<TransitionKey> {
    let mut parts = text.splitn(4, ':');
    let mut number = || parts.next()?.parse().ok();
    let (action, transition, target_rc) = (number()?, number()?, number()?);
    let uuid = parts.next().unwrap_or_default();
    let uuid = match before {
        Some(before) => names.again(uuid, &before.uuid),
        None => names.get(uuid),
    };
    Some(TransitionKey { action, transition, target_rc, uuid })
}
