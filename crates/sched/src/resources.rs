//! Resources: the tree of primitives, groups, clones and their instances.

use std::collections::HashMap;
use std::sync::Arc;

use cib::Score;
use cib::model::{AttrSet, AttrSets, Kind, Operation, Pair, Resource, Text};
use cib::rules::Facts;
use cib::value::{is_true, leading_integer, milliseconds, truth};

use crate::nodes::numbers;
use crate::world::{
    Allowed, Conf, Discovery, Instances, MultipleActive, NodeKind, Promotion, Role, Rsc, RscId,
    Table, Variant, World,
};

/// A made-up resource's set of values.
pub(crate) fn set_of(id: &str, pairs: &[(&str, &str)]) -> AttrSets {
    let pairs =
        pairs.iter().map(|(name, value)| Pair { name: (*name).into(), value: (*value).into() });
    AttrSets(vec![AttrSet {
        id: id.into(),
        score: Score::ZERO,
        rule: None,
        pairs: pairs.collect(),
    }])
}

/// A made-up resource's operation.
pub(crate) fn op_of(rsc: &str, name: &str, interval: i64, timeout: Option<&str>) -> Operation {
    let mut attributes: Vec<(Text, Text)> =
        vec![("name".into(), name.into()), ("interval".into(), format!("{interval}ms").into())];
    if let Some(timeout) = timeout {
        attributes.push(("timeout".into(), timeout.into()));
    }
    Operation {
        id: format!("{rsc}-{name}-{interval}").into(),
        name: name.into(),
        interval: Some(interval),
        attributes,
        meta: AttrSets::default(),
        parameters: AttrSets::default(),
    }
}

/// Whether all agents of a resource can be told which instance they are.
fn can_be_unique(resource: &Resource) -> bool {
    match &resource.kind {
        Kind::Primitive { class, .. } => matches!(&**class, "ocf" | "stonith"),
        Kind::Group(members) => members.iter().all(can_be_unique),
        Kind::Clone { child, .. } => can_be_unique(child),
        Kind::Bundle(_) => true,
    }
}

/// Whether any resource gives or needs unfencing.
fn mentions_unfencing(resources: &[Resource]) -> bool {
    let says = |sets: &AttrSets| {
        sets.0.iter().flat_map(|set| &set.pairs).any(|pair| {
            matches!(&*pair.name, "provides" | "requires") && &*pair.value == "unfencing"
        })
    };
    resources.iter().any(|resource| {
        says(&resource.meta)
            || match &resource.kind {
                Kind::Group(members) => mentions_unfencing(members),
                Kind::Clone { child, .. } => mentions_unfencing(std::slice::from_ref(child)),
                Kind::Primitive { .. } | Kind::Bundle(_) => false,
            }
    })
}

fn is_connection(class: &str, provider: &str, agent: &str) -> bool {
    class == "ocf" && provider == "pacemaker" && agent == "remote"
}

impl<'c> World<'c> {
    /// Nodes that exist because of what is configured as resources, and the connections of guests.
    pub(crate) fn read_connections(&mut self) -> Vec<Arc<Resource>> {
        let mut made_up = Vec::new();
        let cib = self.cib;
        for resource in &cib.resources {
            self.read_connection(resource, &mut made_up);
        }
        made_up
    }

    fn read_connection(&mut self, resource: &Resource, made_up: &mut Vec<Arc<Resource>>) {
        match &resource.kind {
            Kind::Primitive { class, provider, agent } => {
                if is_connection(class, provider, agent) {
                    self.connection_node(&resource.id, NodeKind::Remote);
                    self.have_remote_nodes = true;
                } else if let Some(guest) = self.guest_connection(resource) {
                    self.connection_node(&guest.id, NodeKind::Guest);
                    self.have_remote_nodes = true;
                    made_up.push(Arc::new(guest));
                }
            }
            Kind::Group(members) => {
                for member in members {
                    self.read_connection(member, made_up);
                }
            }
            _ => {}
        }
    }

    fn guest_connection(&self, resource: &Resource) -> Option<Resource> {
        let mut meta: HashMap<Text, Text> = HashMap::new();
        resource.meta.unpack(&self.facts(), &mut meta);
        let get = |name: &str| meta.get(name).map(|value| &**value);
        let name = get("remote-node")?;
        if self.cib.resources.iter().any(|other| &*other.id == name) {
            return None;
        }
        let mut pairs = vec![("internal", "true"), ("container", &*resource.id)];
        if let Some(migrate) = get("remote-allow-migrate") {
            pairs.push(("allow-migrate", migrate));
        }
        if let Some(managed) = get("is-managed") {
            pairs.push(("is-managed", managed));
        }
        let mut parameters = Vec::new();
        if let Some(address) = get("remote-addr") {
            parameters.push(("addr", address));
        }
        if let Some(port) = get("remote-port") {
            parameters.push(("port", port));
        }
        let mut operations = vec![op_of(name, "monitor", 30_000, Some("30s"))];
        if let Some(timeout) = get("remote-connect-timeout") {
            operations.push(op_of(name, "start", 0, Some(timeout)));
        }
        Some(Resource {
            id: name.into(),
            kind: Kind::Primitive {
                class: "ocf".into(),
                provider: "pacemaker".into(),
                agent: "remote".into(),
            },
            meta: set_of(&format!("{name}-meta_attributes"), &pairs),
            parameters: if parameters.is_empty() {
                AttrSets::default()
            } else {
                set_of(&format!("{name}-instance_attributes"), &parameters)
            },
            utilization: AttrSets::default(),
            operations,
        })
    }

    pub(crate) fn read_resources(&mut self, made_up: Vec<Arc<Resource>>) {
        let cib = self.cib;
        self.options.unfencing = self.options.fencing && mentions_unfencing(&cib.resources);
        for resource in &cib.resources {
            if let Some(id) = self.add_resource(Conf::Document(resource), None, None) {
                self.top.push(id);
            }
        }
        for resource in made_up {
            if let Some(id) = self.add_resource(Conf::MadeUp(resource), None, None) {
                self.top.push(id);
            }
        }
        let mut top = std::mem::take(&mut self.top);
        top.sort_by_key(|id| std::cmp::Reverse(self[*id].priority));
        self.top = top;
        for id in self.rsc_ids() {
            if let Some(container) = self.meta(id, "container").map(Text::from)
                && let Some(host) = self.find_resource(&container)
            {
                self[id].container = Some(host);
                self[host].fillers.push(id);
            }
            if self[id].is_remote_connection {
                let name = self[id].id.clone();
                if let Some(node) = self.node_named(&name) {
                    self.connect(id, node);
                }
            }
        }
    }

    /// The resource with an id, be it an instance's.
    pub(crate) fn find_resource(&self, id: &str) -> Option<RscId> {
        self.by_id.get(id).copied()
    }

    fn meta_of(
        &self,
        conf: &Conf<'_>,
        agent: (&str, &str, &str),
        parent: Option<RscId>,
    ) -> HashMap<Text, Text> {
        let mut meta = HashMap::new();
        let facts = Facts { agent: Some(agent), ..self.facts() };
        conf.meta.unpack(&facts, &mut meta);
        if let Some(parent) = parent {
            for (name, value) in &self[parent].meta {
                meta.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        self.cib.resource_defaults.unpack(&facts, &mut meta);
        meta
    }

    /// Adds a resource with all its parts; `instance` is its number in a clone.
    pub(crate) fn add_resource(
        &mut self,
        conf: Conf<'c>,
        parent: Option<RscId>,
        instance: Option<i64>,
    ) -> Option<RscId> {
        let (variant, class, provider, agent): (_, Text, Text, Text) = match &conf.kind {
            Kind::Primitive { class, provider, agent } => {
                (Variant::Primitive, class.clone(), provider.clone(), agent.clone())
            }
            Kind::Group(_) => (Variant::Group, "".into(), "".into(), "".into()),
            Kind::Clone { .. } => (Variant::Clone, "".into(), "".into(), "".into()),
            Kind::Bundle(_) => (Variant::Bundle, "".into(), "".into(), "".into()),
        };
        let base = conf.id.clone();
        let id: Text = match instance {
            Some(number) => format!("{base}:{number}").into(),
            None => base.clone(),
        };
        let mut meta = self.meta_of(&conf, (&class, &provider, &agent), parent);
        if let Some(number) = instance {
            meta.insert("clone".into(), number.to_string().into());
        }
        if matches!(conf.kind, Kind::Clone { master: true, .. }) {
            meta.insert("promotable".into(), "true".into());
        }
        let get = |name: &str| meta.get(name).map(|value| &**value);
        let rsc = RscId::new(self.rscs.len());
        let top = parent.map_or(rsc, |parent| self.top_of(parent, false));
        let in_clone = variant == Variant::Clone
            || self.rscs.get(top.index()).is_some_and(|top| top.variant == Variant::Clone);
        let unique = match (in_clone, get("globally-unique")) {
            (false, _) => true,
            (true, Some(said)) => is_true(Some(said)),
            (true, None) => {
                // The oldest spelling of uniqueness was to allow several on one node.
                false
            }
        };
        let remote = is_connection(&class, &provider, &agent);
        let guest = remote && get("container").is_some();
        let mut managed = !self.options.maintenance && self.options.default_managed.unwrap_or(true);
        if let Some(said) = get("is-managed")
            && !said.eq_ignore_ascii_case("default")
        {
            managed = is_true(Some(said));
        }
        let maintenance = is_true(get("maintenance")) || self.options.maintenance;
        managed &= !maintenance;
        let threshold =
            get("migration-threshold").and_then(Score::parse).map_or(1_000_000, |score| {
                if score.get() < 0 { 1_000_000 } else { i64::from(score.get()) }
            });
        let mut failure_timeout =
            get("failure-timeout").and_then(milliseconds).unwrap_or(0).max(0) / 1000;
        let stickiness = get("resource-stickiness")
            .filter(|said| !said.eq_ignore_ascii_case("default"))
            .and_then(Score::parse);
        let fence_device = class.eq_ignore_ascii_case("stonith");
        self.have_stonith_resource |= fence_device;
        let (needs_quorum, needs_fencing, needs_unfencing) =
            self.requirements(get("requires"), fence_device, remote);
        let allow_migrate =
            get("allow-migrate").map_or(remote && !guest, |said| is_true(Some(said)));
        let multiple_active = match get("multiple-active") {
            Some("stop_only") => MultipleActive::StopOnly,
            Some("block") => MultipleActive::Block,
            Some("stop_unexpected") => MultipleActive::StopUnexpected,
            _ => MultipleActive::StopStart,
        };
        let mut reconnect = 0;
        if remote && !guest {
            let mut parameters = HashMap::new();
            conf.parameters.unpack(&self.facts(), &mut parameters);
            if let Some(ms) =
                parameters.get("reconnect_interval").and_then(|text| milliseconds(text))
            {
                reconnect = ms;
                failure_timeout = ms / 1000;
            }
        }
        let facts = self.facts();
        let mut utilization = HashMap::new();
        conf.utilization.unpack(&facts, &mut utilization);
        let mut allowed = Table::default();
        if self.options.symmetric || guest {
            for node in &self.node_order {
                let it = &self[*node];
                // What is inside a bundle's container is nobody else's business.
                if it.discovery_mode == Discovery::Never {
                    continue;
                }
                let entry = Allowed {
                    score: it.score,
                    discovery: it.discovery_mode,
                    count: 0,
                    spared: false,
                };
                allowed.insert(*node, entry);
            }
        }
        let priority = get("priority").and_then(Score::parse).unwrap_or_default();
        let rsc_value = Rsc {
            id: id.clone(),
            base,
            history_id: None,
            variant,
            class,
            provider,
            agent,
            parent,
            children: Vec::new(),
            priority: i64::from(priority.get()),
            stickiness: stickiness.or(self.options.default_stickiness).unwrap_or_default(),
            threshold,
            failure_timeout,
            reconnect,
            multiple_active,
            managed,
            maintenance,
            blocked: false,
            failed: false,
            failure_ignored: false,
            orphan: false,
            orphan_container_filler: false,
            notify: is_true(get("notify")),
            unique,
            promotable: in_clone && is_true(get("promotable")),
            allow_migrate,
            critical: get("critical").and_then(truth).unwrap_or(true),
            provisional: true,
            allocating: false,
            merging: false,
            needs_quorum,
            needs_fencing,
            needs_unfencing,
            fence_device,
            exclusive_discover: false,
            start_pending: false,
            stop_requested: false,
            stop_unexpected: false,
            reload: false,
            is_remote_connection: remote,
            ignore_health: is_true(get("allow-unhealthy-nodes")),
            instances: Instances::default(),
            allowed,
            running_on: Vec::new(),
            known_on: Vec::new(),
            assigned: None,
            role: Role::Stopped,
            next_role: Role::Unknown,
            with: Vec::new(),
            with_this: Vec::new(),
            closed: Vec::new(),
            locations: Vec::new(),
            actions: Vec::new(),
            fillers: Vec::new(),
            container: None,
            partial_source: None,
            partial_target: None,
            dangling: Vec::new(),
            pending_task: None,
            pending_node: None,
            lock_node: None,
            lock_time: 0,
            utilization: numbers(&utilization),
            promotion: Promotion::default(),
            tickets: Vec::new(),
            replica: None,
            bundle: None,
            conf: conf.clone(),
            meta,
        };
        self.rscs.push(rsc_value);
        self.by_id.insert(id, rsc);
        if let Some(role) = self.target_role(rsc) {
            self[rsc].next_role = role;
        }
        match conf.kind {
            Kind::Primitive { .. } => {}
            Kind::Group(_) => self.add_members(rsc, &conf, instance),
            Kind::Clone { .. } => self.add_instances(rsc),
            Kind::Bundle(_) => {
                self.add_bundle(rsc)?;
            }
        }
        Some(rsc)
    }

    fn add_members(&mut self, group: RscId, conf: &Conf<'c>, instance: Option<i64>) {
        let count = match &conf.kind {
            Kind::Group(members) => members.len(),
            _ => 0,
        };
        for at in 0..count {
            let member = match conf {
                Conf::Document(resource) => match &resource.kind {
                    Kind::Group(members) => Conf::Document(&members[at]),
                    _ => continue,
                },
                Conf::MadeUp(resource) => match &resource.kind {
                    Kind::Group(members) => Conf::MadeUp(Arc::new(members[at].clone())),
                    _ => continue,
                },
            };
            if let Some(member) = self.add_resource(member, Some(group), instance) {
                self[group].children.push(member);
            }
        }
    }

    fn add_instances(&mut self, clone: RscId) {
        let number = |world: &Self, names: &[&str], default: i64| {
            let said = names.iter().find_map(|name| world.meta(clone, name));
            said.map_or(default, |text| leading_integer(text).unwrap_or(0).max(0))
        };
        let nodes = i64::try_from(self.nodes.len()).unwrap_or(1).max(1);
        let mut instances = Instances {
            max: number(self, &["clone-max"], nodes),
            node_max: number(self, &["clone-node-max"], 1),
            min: number(self, &["clone-min"], 0),
            ordered: self.meta_true(clone, "ordered"),
            ..Instances::default()
        };
        if self[clone].promotable {
            instances.promoted_max = number(self, &["promoted-max", "master-max"], 1);
            instances.promoted_node_max =
                number(self, &["promoted-node-max", "master-node-max"], 1);
        }
        if self[clone].unique && !can_be_unique(&self[clone].conf) {
            // Such agents cannot tell their instances apart.
            self[clone].unique = false;
            instances.max = instances.max.min(nodes);
        }
        if !self[clone].unique {
            instances.node_max = instances.node_max.min(1);
        }
        self[clone].instances = instances;
        if self.meta(clone, "resource-stickiness").is_none()
            && self.options.default_stickiness.is_none()
        {
            self[clone].meta.insert("resource-stickiness".into(), "1".into());
        }
        let unique: Text = if self[clone].unique { "true".into() } else { "false".into() };
        self[clone].meta.insert("globally-unique".into(), unique);
        // A clone of none still has one instance that orphans can be hooked to. A number beyond
        // reason is bounded: instances cost memory.
        for _ in 0..instances.max.clamp(1, 20_000) {
            self.add_instance(clone);
        }
    }

    /// One instance more of a clone; an orphan if there are enough.
    pub(crate) fn add_instance(&mut self, clone: RscId) -> Option<RscId> {
        let number = i64::try_from(self[clone].children.len()).unwrap_or(0);
        let conf = match &self[clone].conf {
            Conf::Document(resource) => match &resource.kind {
                Kind::Clone { child, .. } => Conf::Document(child),
                _ => return None,
            },
            Conf::MadeUp(resource) => match &resource.kind {
                Kind::Clone { child, .. } => Conf::MadeUp(Arc::new((**child).clone())),
                _ => return None,
            },
        };
        let orphan = number >= self[clone].instances.max;
        let instance = self.add_resource(conf, Some(clone), Some(number))?;
        self[clone].children.push(instance);
        let max: Text = self[clone].instances.max.to_string().into();
        self[instance].meta.insert("clone-max".into(), max);
        if orphan {
            for id in self.family(instance) {
                self[id].orphan = true;
            }
        }
        Some(instance)
    }

    fn requirements(
        &mut self,
        said: Option<&str>,
        fence_device: bool,
        remote: bool,
    ) -> (bool, bool, bool) {
        let fencing = self.options.fencing;
        match said.map(str::to_ascii_lowercase).as_deref() {
            Some("nothing") => (false, false, false),
            Some("quorum") => (true, false, false),
            Some("unfencing") if fence_device || !fencing => (true, false, false),
            Some("unfencing") => (false, true, true),
            Some("fencing") => (false, true, false),
            _ if fence_device || remote => (true, false, false),
            _ if self.options.unfencing => (false, true, true),
            _ if fencing => (false, true, false),
            _ if self.options.no_quorum == crate::options::NoQuorum::Ignore => {
                (false, false, false)
            }
            _ => (true, false, false),
        }
    }

    /// The role its administrator wants, if it restricts anything.
    pub(crate) fn target_role(&self, rsc: RscId) -> Option<Role> {
        let said = self.meta(rsc, "target-role")?;
        if said.eq_ignore_ascii_case("started") || said.eq_ignore_ascii_case("default") {
            return None;
        }
        let role = Role::parse(said)?;
        if role >= Role::Unpromoted {
            let top = self.top_of(rsc, false);
            if self[top].promotable {
                return (role == Role::Unpromoted).then_some(role);
            }
            return None;
        }
        Some(role)
    }

    /// The parameters of a resource on a node.
    pub(crate) fn parameters(
        &self,
        rsc: RscId,
        node: Option<crate::world::NodeId>,
    ) -> HashMap<Text, Text> {
        let mut values = HashMap::new();
        let lookup = |name: &str| node.and_then(|node| self.node_attribute(node, name));
        let mut facts = self.facts();
        if node.is_some() {
            facts.node = Some(&lookup);
        }
        let mut at = Some(rsc);
        while let Some(rsc) = at {
            self[rsc].conf.parameters.unpack(&facts, &mut values);
            at = self[rsc].parent;
        }
        values
    }
}
