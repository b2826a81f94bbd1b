//! What is shown of nodes and resources.

use cib::model::Text;

use crate::transition::{FailedView, Health, NodeView, Observed, ResourceView, Shape};
use crate::world::{NodeId, RscId, Variant, World};

impl World<'_> {
    /// The cluster as it is known at this moment of planning.
    pub(crate) fn observed(&self) -> Observed {
        let mut seen = Observed {
            maintenance_mode: self.options.maintenance,
            quorate: self.options.quorate,
            ..Observed::default()
        };
        let place: Vec<usize> = {
            let mut place = vec![0; self.nodes.len()];
            for (at, node) in self.node_order.iter().enumerate() {
                place[node.index()] = at;
            }
            place
        };
        let at = |node: &NodeId| place[node.index()];
        for node in &self.node_order {
            let it = &self[*node];
            let container = it.remote.and_then(|remote| self[remote].container);
            let host = container.and_then(|host| self[host].running_on.first().copied());
            seen.nodes.push(NodeView {
                id: it.id.clone(),
                name: it.name.clone(),
                kind: it.kind,
                online: it.online,
                unclean: it.unclean,
                pending: it.pending,
                standby: it.standby,
                standby_onfail: it.standby_onfail,
                maintenance: it.maintenance,
                shutdown: it.shutdown,
                is_dc: it.is_dc,
                remote_requires_reset: it.remote_requires_reset,
                container: container.map(|id| self[id].id.clone()),
                host: host.map(|host| self[host].name.clone()),
                running: it.running.len(),
                health: self.health_shown(*node),
                capacity: {
                    let mut all: Vec<(Text, i64)> =
                        it.capacity.iter().map(|(name, value)| (name.clone(), *value)).collect();
                    all.sort();
                    all
                },
            });
        }
        for id in self.rsc_ids() {
            let it = &self[id];
            seen.resources.push(ResourceView {
                id: it.id.clone(),
                base: it.base.clone(),
                history_id: it.history_id.clone(),
                shape: match it.variant {
                    Variant::Primitive => Shape::Primitive,
                    Variant::Group => Shape::Group,
                    Variant::Clone => Shape::Clone,
                    Variant::Bundle => Shape::Bundle,
                },
                class: it.class.clone(),
                provider: it.provider.clone(),
                agent: it.agent.clone(),
                parent: it.parent.map(RscId::index),
                children: it.children.iter().map(|child| child.index()).collect(),
                copies: it.instances.max,
                copies_on_node: it.instances.node_max,
                internal: it.is_remote_connection && it.container.is_some() && !it.orphan,
                current: self.current_node(id).as_ref().map(at),
                role: it.role,
                next_role: it.next_role,
                target_role: self.meta(id, "target-role").and_then(crate::world::Role::parse),
                running_on: it.running_on.iter().map(at).collect(),
                assigned: it.assigned.as_ref().map(at),
                known_on: it.known_on.iter().map(at).collect(),
                managed: it.managed,
                needs_fencing: it.needs_fencing,
                maintenance: self.meta_true(id, "maintenance"),
                blocked: it.blocked,
                failed: it.failed,
                failure_ignored: it.failure_ignored,
                orphan: it.orphan,
                promotable: it.promotable,
                unique: it.unique,
                pending: it.pending_task.clone(),
                pending_node: it.pending_node.as_ref().map(at),
                lock_node: it.lock_node.as_ref().map(at),
                bundle: self.bundle_view(id),
                score_on: it
                    .allowed
                    .iter()
                    .map(|(node, entry)| (at(&node), entry.score.get()))
                    .collect(),
            });
        }
        seen.top = self.top.iter().map(|id| id.index()).collect();
        let cib = self.cib;
        for failed in &self.failed_ops {
            let op = &cib.node_states[failed.state].history[failed.history].operations[failed.op];
            seen.failed.push(FailedView {
                resource: cib.node_states[failed.state].history[failed.history].id.clone(),
                node: self[failed.node].name.clone(),
                task: op.operation.clone(),
                interval: op.interval,
                rc: op.rc.unwrap_or(1),
                status: op.status.unwrap_or(0),
                call_id: op.call_id,
                reason: op.exit_reason.clone(),
                last_rc_change: op.last_rc_change,
                exec_time: op.exec_time.clone(),
                queue_time: op.queue_time.clone(),
            });
        }
        seen
    }

    /// The worst of what a node's health attributes say, where it is not good.
    fn health_shown(&self, node: NodeId) -> Health {
        let told = self[node].attrs.iter().filter(|(name, _)| name.starts_with("#health"));
        told.map(|(_, value)| match &**value {
            "red" => Health::Red,
            "yellow" => Health::Yellow,
            _ => Health::Green,
        })
        .max()
        .unwrap_or_default()
    }
}
