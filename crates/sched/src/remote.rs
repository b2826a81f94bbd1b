//! Remote and guest nodes: actions on them need their connection.

use std::collections::HashMap;

use cib::model::Text;

use crate::action::Rel;
use crate::constraint::{End, OrderSpec};
use crate::task::{Key, Task};
use crate::world::{ActionId, NodeId, Role, RscId, World};

/// How a connection stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Connection {
    Unknown,
    Alive,
    Resting,
    Failed,
    Stopped,
}

impl World<'_> {
    fn connection(&self, node: NodeId) -> Connection {
        let Some(rsc) = self[node].remote else { return Connection::Unknown };
        let host = self.current_node(rsc);
        let it = &self[rsc];
        if it.next_role == Role::Stopped || it.assigned.is_none() {
            if host.is_some_and(|host| self[host].unclean) {
                return Connection::Failed;
            }
            if !it.failed {
                return Connection::Stopped;
            }
            if it.next_role == Role::Stopped
                && it.reconnect != 0
                && self[node].remote_was_fenced
                && !self[node].attrs.contains_key("shutdown")
            {
                return Connection::Unknown;
            }
            return Connection::Failed;
        }
        let Some(host) = host else { return Connection::Unknown };
        if self[host].unclean || !self[host].online {
            return Connection::Resting;
        }
        if it.running_on.len() > 1 && it.partial_source.is_some() && it.partial_target.is_some() {
            return Connection::Resting;
        }
        Connection::Alive
    }

    pub(crate) fn is_failed_remote(&self, node: NodeId) -> bool {
        self.is_remote(node)
            && self[node].remote.is_some()
            && self.connection(node) == Connection::Failed
    }

    fn after_start(&mut self, connection: RscId, action: ActionId, extra: Rel) {
        self.orders.push(OrderSpec {
            first: End::Keyed(connection, Key::START),
            first_rsc: Some(connection),
            then: End::Action(action),
            then_rsc: self[action].rsc,
            rel: Rel::PRESERVE | Rel::BLOCKS | extra,
        });
    }

    fn before_stop(&mut self, action: ActionId, connection: RscId, extra: Rel) {
        self.orders.push(OrderSpec {
            first: End::Action(action),
            first_rsc: self[action].rsc,
            then: End::Keyed(connection, Key::STOP),
            then_rsc: Some(connection),
            rel: Rel::PRESERVE | extra,
        });
    }

    pub(crate) fn order_remote_actions(&mut self) {
        if !self.have_remote_nodes {
            return;
        }
        for at in (0..self.actions.len()).rev() {
            let id = ActionId::new(at);
            let Some(rsc) = self[id].rsc else { continue };
            if self[rsc].is_remote_connection && self[id].task == Task::ClearFailCount {
                self.order_action_before(id, rsc, Key::START, Rel::ORDERED);
                continue;
            }
            let Some(node) = self[id].node else { continue };
            if !self.is_guest_or_remote(node) || self[id].pseudo() {
                continue;
            }
            let Some(connection) = self[node].remote else { continue };
            if self[id].task == Task::Cancel && self.leaves_its_place(connection) {
                // It goes through the connection that is there now.
                continue;
            }
            if self[id].task == Task::Start {
                for stop in self.tasks_of(rsc, Task::Stop, None) {
                    if self[stop].node != Some(node) {
                        self.order_action_after(connection, Key::START, stop, Rel::ORDERED);
                    }
                }
            }
            if self[connection].container.is_some() {
                self.order_in_guest(id, node, connection);
            } else {
                self.order_on_remote(id, node, connection);
            }
        }
    }

    fn leaves_its_place(&self, connection: RscId) -> bool {
        let here = self.current_node(connection);
        here.is_some() && here != self[connection].assigned
    }

    fn kind(&self, id: ActionId) -> Task {
        match self[id].task {
            Task::MigrateTo | Task::MigrateFrom => Task::Stop,
            other => other,
        }
    }

    fn order_on_remote(&mut self, id: ActionId, node: NodeId, connection: RscId) {
        let state = self.connection(node);
        match self.kind(id) {
            Task::Start | Task::Promote => {
                let extra =
                    if state == Connection::Failed { Rel::MAKES_THEN } else { Rel::empty() };
                self.after_start(connection, id, extra);
            }
            Task::Stop => match state {
                Connection::Alive => self.before_stop(id, connection, Rel::MAKES_FIRST),
                Connection::Failed => {
                    self.want_fencing(
                        node,
                        "resources are active but connection is unrecoverable",
                        false,
                    );
                }
                _ if self[connection].next_role == Role::Stopped => {
                    self.before_stop(id, connection, Rel::MAKES_FIRST);
                }
                _ => self.after_start(connection, id, Rel::empty()),
            },
            Task::Demote => {
                if matches!(state, Connection::Resting | Connection::Unknown) {
                    self.after_start(connection, id, Rel::empty());
                }
            }
            _ if self[id].interval() > 0 => self.after_start(connection, id, Rel::MAKES_THEN),
            task => {
                let host = self.current_node(connection);
                if task == Task::Monitor && state == Connection::Failed {
                    self.want_fencing(
                        node,
                        "resources are in unknown state and connection is unrecoverable",
                        false,
                    );
                }
                if host.is_some() && state == Connection::Stopped {
                    self.before_stop(id, connection, Rel::BLOCKS);
                } else {
                    self.after_start(connection, id, Rel::empty());
                }
            }
        }
    }

    fn order_in_guest(&mut self, id: ActionId, node: NodeId, connection: RscId) {
        let Some(container) = self[connection].container else { return };
        let failed = self[container].failed;
        if failed {
            self.want_fencing(node, "container failed", false);
        }
        match self.kind(id) {
            Task::Start | Task::Promote => {
                self.after_start(container, id, Rel::MAKES_THEN);
                self.after_start(connection, id, Rel::empty());
            }
            Task::Stop | Task::Demote => {
                if !failed {
                    self.before_stop(id, connection, Rel::empty());
                }
            }
            _ if self[id].interval() > 0 => self.after_start(connection, id, Rel::MAKES_THEN),
            _ => self.after_start(connection, id, Rel::empty()),
        }
    }

    /// The cluster node through which an action on a remote node is done.
    pub(crate) fn router(&self, id: ActionId) -> Option<NodeId> {
        let action = &self[id];
        let node = action.node?;
        if action.task == Task::Fence || !self.is_guest_or_remote(node) {
            return None;
        }
        let connection = self[node].remote?;
        let (began, ended) = (self.current_node(connection), self[connection].assigned);
        let partial =
            self[connection].container.is_none() && self[connection].partial_target.is_some();
        let (Some(began), Some(ended)) = (began, ended) else { return began.or(ended) };
        if began == ended {
            return Some(began);
        }
        let task = match action.key {
            Key::Notify(_, about) => about,
            _ => action.task,
        };
        let leaves = matches!(
            task,
            Task::Cancel | Task::Stop | Task::Demote | Task::MigrateFrom | Task::MigrateTo
        );
        Some(if leaves && !partial { began } else { ended })
    }

    /// Whether a resource connects to the inside of a bundle, so that its address is not known
    /// before its container has a node.
    pub(crate) fn needs_replaced_address(&self, rsc: RscId) -> bool {
        if !self[rsc].is_remote_connection || !self.in_bundle(rsc) {
            return false;
        }
        let parameters = self.parameters(rsc, None);
        parameters.get("addr").is_some_and(|address| &**address == "#uname")
    }

    /// Puts the host of a bundle's container where its address is asked for.
    pub(crate) fn substitute_address(
        &self,
        rsc: RscId,
        node: Option<NodeId>,
        parameters: &mut HashMap<Text, Text>,
    ) {
        if !self.needs_replaced_address(rsc) {
            return;
        }
        let Some(container) = self[rsc].container else { return };
        let host = self[container].assigned.or_else(|| self.current_node(container));
        let _ = node;
        if let Some(host) = host {
            parameters.insert("addr".into(), self[host].name.clone());
        }
    }
}
