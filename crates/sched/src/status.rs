//! The state of nodes: who is online, who has to be fenced, who is leaving.

use std::collections::HashMap;

use cib::model::{NodeState, Text};
use cib::value::{is_true, leading_integer, truth};

use crate::action::{Flags, Rel};
use crate::task::Task;
use crate::world::{ActionId, NodeId, NodeKind, Role, TicketState, World};

impl World<'_> {
    pub(crate) fn read_status(&mut self) {
        let cib = self.cib;
        for ticket in &cib.tickets {
            let state = TicketState { granted: ticket.granted, standby: ticket.standby };
            self.set_ticket(&ticket.id, state);
        }
        for (index, state) in cib.node_states.iter().enumerate() {
            self.read_node_state(index, state);
        }
        // Histories tell which connections live, and connections whose histories count; so this
        // goes on until nothing new comes to light.
        while self.read_histories(false) {}
        self.hook_guests();
        self.read_histories(self.options.fencing);
        while self.read_histories(false) {}
        for node in self.node_order.clone() {
            if self.is_guest_or_remote(node) {
                self.judge_remote(node);
            }
        }
    }

    fn set_ticket(&mut self, id: &Text, state: TicketState) {
        if let Some(at) = self.tickets.get(id) {
            self.ticket_states[*at] = state;
        } else {
            self.tickets.insert(id.clone(), self.ticket_states.len());
            self.ticket_states.push(state);
        }
    }

    /// The state of a ticket; one nobody has heard of is not granted.
    pub(crate) fn ticket(&mut self, id: &Text) -> TicketState {
        self.tickets.get(id).map(|at| self.ticket_states[*at].clone()).unwrap_or_default()
    }

    fn node_of_state(&self, state: &NodeState) -> Option<NodeId> {
        let by_id = self.node_order.iter().copied().find(|node| self[*node].id == state.id);
        by_id.or_else(|| self.node_named(&state.name))
    }

    fn read_node_state(&mut self, index: usize, state: &NodeState) {
        let Some(node) = self.node_of_state(state) else { return };
        self[node].state = Some(index);
        if self.is_guest_or_remote(node) {
            let fenced = state.fenced.as_deref().and_then(leading_integer).unwrap_or(0);
            self[node].remote_was_fenced = fenced > 0;
            return;
        }
        self.take_transient(node, state);
        self[node].unclean = false;
        self[node].unseen = false;
        let shutdown = self[node].attrs.get("shutdown").and_then(|value| leading_integer(value));
        if shutdown.is_some_and(|at| at != 0) {
            self[node].shutdown = true;
        }
        if is_true(self[node].attrs.get("standby").map(|value| &**value)) {
            self[node].standby = true;
        }
        if is_true(self[node].attrs.get("maintenance").map(|value| &**value)) {
            self[node].maintenance = true;
        }
        self.judge_member(node, state);
        if !self.options.quorate
            && self[node].online
            && self.options.no_quorum == crate::options::NoQuorum::Suicide
        {
            self.want_fencing(node, "cluster does not have quorum", false);
        }
    }

    fn take_transient(&mut self, node: NodeId, state: &NodeState) {
        let mut values: HashMap<Text, Text> = HashMap::new();
        {
            let lookup = |name: &str| self.node_attribute(node, name);
            let facts = cib::rules::Facts { node: Some(&lookup), ..self.facts() };
            state.transient.unpack(&facts, &mut values);
        }
        self[node].attrs.extend(values);
    }

    fn judge_member(&mut self, node: NodeId, state: &NodeState) {
        let membership = state
            .in_ccm
            .as_deref()
            .map(|said| truth(said).unwrap_or_else(|| leading_integer(said).unwrap_or(0) > 0));
        let in_cluster = membership.unwrap_or(false);
        let process = state
            .crmd
            .as_deref()
            .is_some_and(|said| said == "online" || leading_integer(said).unwrap_or(0) > 0);
        let join = state.join.as_deref().unwrap_or_default();
        let expected = state.expected.as_deref();
        self[node].expected_up = expected == Some("member") && !self[node].shutdown;
        let online = if self.options.fencing {
            let terminate = self[node].attrs.get("terminate").cloned();
            let terminate = terminate.is_some_and(|said| {
                truth(&said).unwrap_or_else(|| leading_integer(&said).unwrap_or(0) > 0)
            });
            if self[node].shutdown {
                process
            } else if membership.is_none() {
                self.want_fencing(node, "peer has not been seen by the cluster", false);
                false
            } else if join == "nack" || join == "banned" {
                self.want_fencing(node, "peer failed Pacemaker membership criteria", false);
                in_cluster
            } else if terminate {
                if !in_cluster && !process && join == "down" {
                    false
                } else {
                    self.want_fencing(node, "termination was requested", false);
                    in_cluster
                }
            } else if expected.is_none() || expected == Some("down") {
                if in_cluster || process {
                    self[node].standby = true;
                    self[node].pending = true;
                }
                in_cluster
            } else if !in_cluster {
                self.want_fencing(node, "peer is no longer part of the cluster", true);
                false
            } else if !process {
                self.want_fencing(node, "peer process is no longer available", false);
                true
            } else if join == "member" {
                true
            } else if join == "pending" || join == "down" {
                self[node].standby = true;
                self[node].pending = true;
                true
            } else {
                self.want_fencing(node, "peer was in an unknown state", false);
                true
            }
        } else {
            in_cluster && process && join == "member"
        };
        if online {
            self[node].online = true;
        } else {
            self[node].fixed = true;
            self[node].score = cib::Score::MINUS_INFINITY;
        }
        if online && self[node].shutdown {
            self[node].fixed = true;
            self[node].score = cib::Score::MINUS_INFINITY;
        }
    }

    fn read_histories(&mut self, fence: bool) -> bool {
        let mut news = false;
        let cib = self.cib;
        for (index, state) in cib.node_states.iter().enumerate() {
            let Some(node) = self.node_of_state(state) else { continue };
            if self[node].unpacked || !state.has_lrm {
                continue;
            }
            if self.is_guest_or_remote(node) {
                let connection = self[node].remote;
                let up = |id: crate::world::RscId| self[id].role == Role::Started;
                let ready = match connection {
                    None => false,
                    Some(id) => match (self.is_guest(node), self[id].container) {
                        (true, Some(host)) => {
                            self[id].role >= Role::Started && self[host].role >= Role::Started
                        }
                        (true, None) => false,
                        (false, _) => up(id) || self.options.shutdown_lock,
                    },
                };
                if !fence && !ready {
                    continue;
                }
                self.judge_remote(node);
                self.take_remote_attributes(node, state);
            } else if !(fence
                || self[node].online
                || self.options.fencing
                || self.options.shutdown_lock)
            {
                continue;
            }
            self[node].unpacked = true;
            news = true;
            self.read_history(node, index, state);
        }
        // A remote node without any history still has attributes.
        for state in &cib.node_states {
            let Some(node) = self.node_of_state(state) else { continue };
            if self.is_guest_or_remote(node) && !state.has_lrm && !self[node].unpacked {
                self[node].unpacked = true;
                self.take_remote_attributes(node, state);
            }
        }
        news
    }

    fn take_remote_attributes(&mut self, node: NodeId, state: &NodeState) {
        let told = state.in_maintenance.as_deref().and_then(leading_integer).unwrap_or(0);
        self[node].remote_maintenance = told > 0;
        let connection = self[node].remote;
        if !self[node].remote_requires_reset {
            self[node].unclean = false;
            self[node].unseen = false;
        }
        self.take_transient(node, state);
        let attribute = |world: &Self, name: &str| world[node].attrs.get(name).cloned();
        if attribute(self, "shutdown")
            .and_then(|value| leading_integer(&value))
            .is_some_and(|at| at != 0)
        {
            self[node].shutdown = true;
            // What asks to be let go is not connected to again.
            if let Some(connection) = connection {
                self.ban(connection, None, "remote_shutdown");
            }
        }
        if is_true(attribute(self, "standby").as_deref()) {
            self[node].standby = true;
        }
        if is_true(attribute(self, "maintenance").as_deref())
            || connection.is_some_and(|id| !self[id].managed)
        {
            self[node].maintenance = true;
        }
        if let Some(said) = attribute(self, "resource-discovery-enabled")
            && !is_true(Some(&said))
            && (self.is_guest(node) || self.options.fencing)
        {
            self[node].discovery = false;
        }
    }

    fn judge_remote(&mut self, node: NodeId) {
        let Some(rsc) = self[node].remote else {
            self[node].online = false;
            return;
        };
        let container = self[rsc].container;
        let host = match (container, self[rsc].running_on.as_slice()) {
            (Some(_), [host]) => Some(*host),
            _ => None,
        };
        if self[rsc].role == Role::Started {
            self[node].online = true;
            if self[rsc].next_role == Role::Stopped {
                self[node].shutdown = true;
            }
        }
        let container_failed = container.is_some_and(|it| self[it].failed);
        let container_stopped = container.is_some_and(|it| self[it].role == Role::Stopped);
        if container_failed {
            self[node].online = false;
            self[node].remote_requires_reset = true;
        } else if self[rsc].failed {
            self[node].online = false;
        } else if self[rsc].role == Role::Stopped || container_stopped {
            self[node].online = false;
            self[node].remote_requires_reset = false;
        } else if host.is_some_and(|host| !self[host].online && self[host].unclean) {
            self[node].online = false;
            self[node].remote_requires_reset = true;
        }
    }

    /// Whether a node can be fenced at all.
    pub(crate) fn can_fence(&self, node: NodeId) -> bool {
        if self.is_guest(node) {
            let host = self[node].remote.and_then(|id| self[id].container);
            return host.is_some_and(|host| {
                self[host].running_on.iter().all(|on| self[*on].online || self.can_fence(*on))
            });
        }
        if !self.options.fencing {
            return false;
        }
        self.options.quorate
            || self.options.no_quorum == crate::options::NoQuorum::Ignore
            || self[node].online
    }

    /// Says that a node is to be fenced (or, for a guest, its container restarted).
    pub(crate) fn want_fencing(&mut self, node: NodeId, reason: &str, delay: bool) {
        match self[node].kind {
            NodeKind::Guest => {
                let host = self[node].remote.and_then(|id| self[id].container);
                if let Some(host) = host
                    && !self[host].failed
                    && self[host].managed
                {
                    self[node].remote_requires_reset = true;
                    self[host].failed = true;
                    self[host].stop_requested = true;
                }
            }
            NodeKind::Remote => {
                let connection = self[node].remote;
                if connection.is_some_and(|id| !self[id].managed) {
                    return;
                }
                // A remote whose resource is gone cannot have been asked to do anything.
                if connection.is_some_and(|id| self[id].orphan) && !self[node].unclean {
                    self[node].remote_requires_reset = true;
                }
                self[node].remote_requires_reset = true;
                self[node].unclean = true;
                self.fence_op(node, None, true, reason, false);
            }
            NodeKind::Member => {
                self[node].unclean = true;
                self.fence_op(node, None, true, reason, delay);
            }
        }
    }

    /// The fencing of a node, optional until somebody needs it.
    pub(crate) fn fence_op(
        &mut self,
        node: NodeId,
        op: Option<&str>,
        optional: bool,
        reason: &str,
        delay: bool,
    ) -> ActionId {
        let op: Text = op.map_or_else(|| self.options.fence_action.clone(), Text::from);
        let name = format!("stonith-{}-{op}", self[node].name);
        let fresh = !self.named.contains_key(&*name);
        let id = self.cluster_action(&name, Task::Fence, node, true);
        if fresh {
            self[id].extra().fence_op = Some(op);
            self[id].flags.insert(Flags::ON_DC);
        }
        if self.options.priority_fencing_delay > 0 && delay {
            let delay: Text = self.options.priority_fencing_delay.to_string().into();
            let known =
                self[id].extra().meta.iter().any(|(name, _)| &**name == "priority-fencing-delay");
            if !known {
                self[id].extra().meta.push(("priority-fencing-delay".into(), delay));
            }
        }
        if !optional && self.can_fence(node) {
            self[id].flags.remove(Flags::OPTIONAL);
        }
        if !reason.is_empty() && self[id].reason.is_none() {
            self[id].reason = Some(reason.into());
        }
        id
    }

    /// Orders an action after (or, for a stop, before) the unfencing its node may need.
    pub(crate) fn order_vs_unfencing(
        &mut self,
        rsc: crate::world::RscId,
        node: NodeId,
        action: ActionId,
        rel: Rel,
    ) {
        if !self.options.unfencing || !self.options.fencing {
            return;
        }
        if !self[rsc].fence_device && !self[rsc].needs_unfencing {
            return;
        }
        let at = &self[node];
        let unfenced = at.attrs.get("#node-unfenced").is_some_and(|since| &**since != "0");
        let possible = at.online && !at.unclean && !at.shutdown;
        let reason = format!("required by {} {}", self[rsc].id, self[action].task);
        let unfence = self.fence_op(node, Some("on"), true, "", false);
        self.order_actions(unfence, action, rel);
        if !unfenced && possible {
            self.fence_op(node, Some("on"), false, &reason, false);
        }
    }

    pub(crate) fn is_member(&self, node: NodeId) -> bool {
        self[node].kind == NodeKind::Member
    }
}
