//! Bundles: containers with a connection into each, an address, and what runs inside.
//!
//! A bundle is a collective whose instances are its containers. Beside each container stand (as
//! far as configured) its address, the connection to the node inside it, and the instance of a
//! clone that runs on that node.

mod make;

use cib::Score;
use cib::model::Text;

use crate::action::{Flags, Rel};
use crate::constraint::{Coloc, Loc};
use crate::sorting::merge_sorted;
use crate::task::{Key, Task};
use crate::transition::{BundleView, ReplicaView};
use crate::world::{ActionId, ColocId, NodeId, Role, RscId, Variant, World};

/// One replica of a bundle.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub container: RscId,
    pub ip: Option<RscId>,
    pub remote: Option<RscId>,
    pub child: Option<RscId>,
    pub node: Option<NodeId>,
    pub address: Option<Text>,
}

/// What a bundle consists of.
#[derive(Clone, Debug, Default)]
pub(crate) struct BundleState {
    pub replicas: Vec<Replica>,
    /// The clone of what runs inside.
    pub child: Option<RscId>,
    pub image: Text,
}

impl World<'_> {
    fn replicas(&self, bundle: RscId) -> Vec<Replica> {
        self[bundle].bundle.as_ref().map(|state| state.replicas.clone()).unwrap_or_default()
    }

    /// The clone of what runs inside a bundle.
    pub(crate) fn bundled(&self, bundle: RscId) -> Option<RscId> {
        self[bundle].bundle.as_ref()?.child
    }

    pub(crate) fn bundle_child_on(&self, bundle: RscId, node: NodeId) -> Option<RscId> {
        let state = self[bundle].bundle.as_ref()?;
        state.replicas.iter().find(|replica| replica.node == Some(node))?.child
    }

    pub(crate) fn containers(&self, rsc: RscId) -> Vec<RscId> {
        let state = self[rsc].bundle.as_ref();
        state
            .map(|state| state.replicas.iter().map(|replica| replica.container).collect())
            .unwrap_or_default()
    }

    /// What runs inside a container.
    pub(crate) fn contained_in(&self, container: RscId) -> Option<RscId> {
        let (bundle, at) = self[container].replica?;
        let state = self[bundle].bundle.as_ref()?;
        state.replicas.get(at).filter(|replica| replica.container == container)?.child
    }

    /// Whose role counts for a resource.
    pub(crate) fn role_holder(&self, rsc: RscId) -> RscId {
        self.contained_in(rsc).unwrap_or(rsc)
    }

    pub(crate) fn apply_to_bundle(&mut self, rsc: RscId, loc: &Loc, full: bool) {
        self.apply_to_one(rsc, loc, full);
        for replica in self.replicas(rsc) {
            self.apply_to_one(replica.container, loc, full);
            if let Some(ip) = replica.ip {
                self.apply_to_one(ip, loc, full);
            }
        }
        if let (Role::Promoted, Some(child)) = (loc.role, self.bundled(rsc)) {
            self.apply_location(child, loc, full);
        }
    }

    pub(crate) fn assign_bundle(&mut self, rsc: RscId) {
        if self[rsc].allocating {
            return;
        }
        if !self[rsc].provisional {
            // Asked again, it tells again.
            self.show("bundle_allocate", rsc);
            return;
        }
        self[rsc].allocating = true;
        self.show("bundle_allocate", rsc);
        for coloc in self.this_with(rsc) {
            // Which replica is promoted depends on where the others are.
            if self.coloc(coloc).dependent_role == Role::Promoted {
                let primary = self.coloc(coloc).primary;
                self.assign(primary, None);
            }
        }
        let mut containers = self.containers(rsc);
        self.sort_by_instance(&mut containers);
        let (max, per_node) = (self[rsc].instances.max, self[rsc].instances.node_max);
        self.assign_instances(rsc, &containers, max, per_node);
        for replica in self.replicas(rsc) {
            self.assign_replica(&replica);
        }
        if let Some(child) = self.bundled(rsc) {
            let inside: Vec<NodeId> =
                self.replicas(rsc).iter().filter_map(|replica| replica.node).collect();
            for (node, entry) in self[child].allowed.iter_mut() {
                entry.score =
                    if inside.contains(&node) { Score::ZERO } else { Score::MINUS_INFINITY };
            }
            self.assign(child, None);
        }
        self[rsc].provisional = false;
        self[rsc].allocating = false;
    }

    fn assign_replica(&mut self, replica: &Replica) {
        if let Some(ip) = replica.ip {
            self.assign(ip, None);
        }
        if let Some(remote) = replica.remote {
            // A container on a remote node is reached through that node's connection.
            let host = self[replica.container].assigned.and_then(|host| self[host].remote);
            if let Some(host) = host {
                self.add_colocation(Coloc {
                    id: "#replica-remote-with-host-remote".into(),
                    dependent: remote,
                    primary: host,
                    dependent_role: Role::Unknown,
                    primary_role: Role::Unknown,
                    score: Score::INFINITY,
                    attribute: None,
                    influence: true,
                });
            }
            self.assign(remote, None);
        }
        let Some(child) = replica.child else { return };
        let nodes: Vec<NodeId> = self[child].allowed.iter().map(|(node, _)| node).collect();
        for node in nodes {
            let own = replica.node == Some(node);
            let banned = own && self.threshold_reached(child, node).is_some();
            if let Some(entry) = self[child].allowed.get_mut(node) {
                if !own {
                    entry.score = Score::MINUS_INFINITY;
                } else if !banned {
                    entry.score = Score::INFINITY;
                }
            }
        }
        let Some(parent) = self[child].parent else { return };
        let before = self[parent].allocating;
        self[parent].allocating = true;
        self.assign(child, replica.node);
        self[parent].allocating = before;
    }

    fn host_of(&self, node: NodeId) -> Option<NodeId> {
        let container = self[node].remote.and_then(|remote| self[remote].container);
        match container {
            Some(container) if self.in_bundle(container) => self[container].assigned,
            _ => Some(node),
        }
    }

    fn compatible_container(&self, dependent: RscId, bundle: RscId) -> Option<RscId> {
        if let Some(node) = self.location(dependent, false) {
            return self.instance_on(bundle, self.host_of(node)?, Role::Unknown, false, None);
        }
        let nodes: Vec<NodeId> = self[dependent].allowed.iter().map(|(node, _)| node).collect();
        let nodes =
            merge_sorted(nodes, &|a, b| self.compare_nodes(&self[dependent].allowed, *a, *b, None));
        let hosts = nodes.into_iter().filter_map(|node| self.host_of(node));
        hosts
            .into_iter()
            .find_map(|host| self.instance_on(bundle, host, Role::Unknown, false, None))
    }

    pub(crate) fn apply_with_bundle(
        &mut self,
        dependent: RscId,
        primary: RscId,
        coloc_id: ColocId,
    ) -> Score {
        let coloc = self.coloc(coloc_id).clone();
        if self[primary].provisional {
            return Score::ZERO;
        }
        if self[coloc.dependent].variant > Variant::Group {
            if let Some(container) = self.compatible_container(dependent, primary) {
                return self.apply_coloc(dependent, container, coloc_id, true);
            }
            if coloc.score.is_always() {
                self.settle_on(dependent, None, true);
            }
            return Score::ZERO;
        }
        let mut delta = Score::ZERO;
        let mut hosts = Vec::new();
        for replica in self.replicas(primary) {
            if !coloc.score.is_always() {
                delta = delta + self.apply_coloc(dependent, replica.container, coloc_id, false);
                continue;
            }
            let Some(host) = self.location(replica.container, false) else { continue };
            let promoted =
                replica.child.is_some_and(|child| self[child].next_role >= Role::Promoted);
            if self.blocked_any(replica.container)
                || (coloc.primary_role >= Role::Promoted && !promoted)
            {
                continue;
            }
            hosts.push((host, Score::ZERO));
        }
        if coloc.score.is_always() {
            self.only_on(dependent, &hosts, false);
        }
        delta
    }

    /// How well a replica fits to be the promoted one, when promotion wants (or shuns) company: what
    /// counts is where its container is hosted.
    pub(crate) fn rate_by_host(&mut self, child: RscId, node: NodeId, coloc: ColocId) {
        let coloc = self.coloc(coloc).clone();
        if coloc.dependent_role != Role::Promoted || self[coloc.primary].provisional {
            return;
        }
        let Some(host) = self.host_of(node) else { return };
        let mine = coloc.attribute.as_ref().map(|name| self.node_attribute(host, name));
        let together =
            self.hosts_in_role(coloc.primary, coloc.primary_role).into_iter().any(|there| {
                let theirs = coloc.attribute.as_ref().map(|name| self.node_attribute(there, name));
                if mine.is_some() { mine == theirs } else { there == host }
            });
        if together {
            self.raise_priority(child, coloc.score);
        } else if coloc.score.is_always() {
            self.raise_priority(child, -coloc.score);
        }
    }

    /// Where a resource will be in a role, or in any.
    fn hosts_in_role(&self, rsc: RscId, role: Role) -> Vec<NodeId> {
        let instances = match self[rsc].variant {
            Variant::Bundle => {
                let replicas = self.replicas(rsc).into_iter();
                replicas.map(|it| it.child.unwrap_or(it.container)).collect()
            }
            Variant::Clone => self[rsc].children.clone(),
            Variant::Primitive | Variant::Group => vec![rsc],
        };
        let fits = |it: &RscId| role == Role::Unknown || self.state(*it, false) == role;
        let places = instances.into_iter().filter(fits);
        places.filter_map(|it| self.host_of(self.location(it, false)?)).collect()
    }

    pub(crate) fn constrain_bundle(&mut self, bundle: RscId) {
        let task = |world: &mut Self, a: RscId, x: Task, b: RscId, y: Task, rel: Rel| {
            world.order(a, Key::op(x), b, Key::op(y), rel);
        };
        for replica in self.replicas(bundle) {
            let container = replica.container;
            self.constrain(container);
            task(self, bundle, Task::Start, container, Task::Start, Rel::BLOCKS | Rel::SHOWS_FIRST);
            if let Some(child) = replica.child {
                task(self, bundle, Task::Stop, child, Task::Stop, Rel::SHOWS_FIRST);
            }
            task(self, bundle, Task::Stop, container, Task::Stop, Rel::SHOWS_FIRST);
            task(self, container, Task::Start, bundle, Task::Running, Rel::SHOWS_THEN);
            task(self, container, Task::Stop, bundle, Task::Stopped, Rel::SHOWS_THEN);
            if let Some(ip) = replica.ip {
                self.constrain(ip);
                task(self, ip, Task::Start, container, Task::Start, Rel::BLOCKS | Rel::PRESERVE);
                task(self, container, Task::Stop, ip, Task::Stop, Rel::MAKES_FIRST | Rel::PRESERVE);
                self.add_colocation(Coloc {
                    id: "#ip-with-container".into(),
                    dependent: ip,
                    primary: container,
                    dependent_role: Role::Unknown,
                    primary_role: Role::Unknown,
                    score: Score::INFINITY,
                    attribute: None,
                    influence: true,
                });
            }
            if let Some(remote) = replica.remote {
                self.constrain(remote);
            }
        }
        let Some(child) = self.bundled(bundle) else { return };
        task(self, bundle, Task::Start, child, Task::Start, Rel::SHOWS_FIRST);
        task(self, child, Task::Running, bundle, Task::Running, Rel::SHOWS_THEN);
        task(self, bundle, Task::Stop, child, Task::Stop, Rel::SHOWS_FIRST);
        task(self, child, Task::Stopped, bundle, Task::Stopped, Rel::SHOWS_THEN);
        self.constrain(child);
        if !self[child].promotable {
            return;
        }
        self.order_promotion_milestones(bundle);
        task(self, bundle, Task::Demote, child, Task::Demote, Rel::SHOWS_FIRST);
        task(self, child, Task::Demoted, bundle, Task::Demoted, Rel::SHOWS_THEN);
        task(self, bundle, Task::Promote, child, Task::Promote, Rel::SHOWS_FIRST);
        task(self, child, Task::Promoted, bundle, Task::Promoted, Rel::SHOWS_THEN);
    }

    pub(crate) fn create_bundle(&mut self, bundle: RscId) {
        for replica in self.replicas(bundle) {
            for part in [replica.ip, Some(replica.container), replica.remote].into_iter().flatten()
            {
                self.create_actions(part);
            }
        }
        let containers = self.containers(bundle);
        self.create_instances(bundle, &containers);
        let Some(child) = self.bundled(bundle) else { return };
        self.create_actions(child);
        if self[child].promotable {
            self.milestone(bundle, Task::Promote, true, true);
            let promoted = self.milestone(bundle, Task::Promoted, true, true);
            self.milestone(bundle, Task::Demote, true, true);
            let demoted = self.milestone(bundle, Task::Demoted, true, true);
            self[promoted].priority = 1_000_000;
            self[demoted].priority = 1_000_000;
        }
    }

    /// The start of a bundle is not worth telling if all that were to start in it are active
    /// replicas whose restart is impossible: they only stop. (Without promotion it is told if one of
    /// them is lost with its host.)
    pub(crate) fn hide_idle_starts(&mut self) {
        for bundle in self.top.clone() {
            let Some(child) = self.bundled(bundle) else { continue };
            let mut parts = self.containers(bundle);
            parts.extend(self.leaves(child));
            let lost = |part: &RscId| self[*part].running_on.iter().any(|node| self[*node].unclean);
            if !self[child].promotable && parts.iter().any(lost) {
                continue;
            }
            let starts = parts.into_iter().any(|part| {
                let active = !self[part].running_on.is_empty();
                self[part].actions.iter().map(|id| &self[*id]).any(|action| {
                    let starts = action.task == Task::Start && !action.optional();
                    starts && (action.runnable() || !active)
                })
            });
            if !starts && let Some(start) = self.find(bundle, &Key::START, None) {
                self[start].flags.remove(Flags::PRINT);
            }
        }
    }

    pub(crate) fn probe_bundle(&mut self, bundle: RscId, node: NodeId) -> bool {
        let mut any = false;
        let replicas = self.replicas(bundle);
        for (at, replica) in replicas.iter().enumerate() {
            if let Some(ip) = replica.ip {
                any |= self.probe(ip, node);
            }
            if let (Some(child), true) = (replica.child, replica.node == Some(node)) {
                any |= self.probe(child, node);
            }
            if self.probe(replica.container, node) {
                any = true;
                if self[bundle].instances.node_max == 1 {
                    // Whatever is found there, a second one must not come.
                    for (other, rival) in replicas.iter().enumerate() {
                        if other != at {
                            let rel = Rel::ORDERED | Rel::SAME_NODE;
                            self.order(
                                replica.container,
                                Key::PROBE,
                                rival.container,
                                Key::START,
                                rel,
                            );
                        }
                    }
                }
            }
            let Some(remote) = replica.remote else { continue };
            if self.probe(remote, node)
                && let Some(probe) = self.find(remote, &Key::PROBE, Some(node))
            {
                any = true;
                self.order_action_after(replica.container, Key::START, probe, Rel::NESTED_PROBE);
            }
        }
        any
    }

    pub(crate) fn bundle_flags(
        &mut self,
        id: ActionId,
        bundle: RscId,
        node: Option<NodeId>,
    ) -> Flags {
        if let Some(child) = self.bundled(bundle) {
            let inside = matches!(
                self[id].task,
                Task::Notify
                    | Task::Notified
                    | Task::Promote
                    | Task::Promoted
                    | Task::Demote
                    | Task::Demoted
            );
            if inside {
                let instances = self[child].children.clone();
                return self.collective_flags(id, &instances, node);
            }
        }
        let containers = self.containers(bundle);
        self.collective_flags(id, &containers, node)
    }

    pub(crate) fn bundle_view(&self, rsc: RscId) -> Option<BundleView> {
        let state = self[rsc].bundle.as_ref()?;
        let replicas = state.replicas.iter().map(|replica| ReplicaView {
            container: replica.container.index(),
            ip: replica.ip.map(RscId::index),
            remote: replica.remote.map(RscId::index),
            child: replica.child.map(RscId::index),
            address: replica.address.clone(),
        });
        Some(BundleView { image: state.image.clone(), replicas: replicas.collect() })
    }
}
