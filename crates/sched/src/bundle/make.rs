//! What a bundle is made of: the resources its few lines of configuration stand for.

use std::sync::Arc;

use cib::Score;
use cib::model::{AttrSets, Bundle, Kind, Resource, Text};

use super::{BundleState, Replica};
use crate::resources::{op_of, set_of};
use crate::world::{Allowed, Conf, Discovery, NodeKind, RscId, World};

/// The port the node inside a container listens on.
const PORT: &str = "3121";

fn primitive(id: &str, agent: &str, parameters: &[(&str, &str)], set: &str) -> Resource {
    Resource {
        id: id.into(),
        kind: Kind::Primitive {
            class: "ocf".into(),
            provider: "heartbeat".into(),
            agent: agent.into(),
        },
        meta: AttrSets::default(),
        parameters: set_of(set, parameters),
        utilization: AttrSets::default(),
        operations: vec![op_of(id, "monitor", 60_000, None)],
    }
}

/// The address after one.
fn next_address(address: &str) -> Option<String> {
    let mut octets: Vec<u32> = address.split('.').filter_map(|part| part.parse().ok()).collect();
    if octets.len() != 4 {
        return None;
    }
    if octets[3] > 253 {
        octets[2] += 1;
        octets[3] = 1;
    } else {
        octets[3] += 1;
    }
    (octets[2] <= 253).then(|| format!("{}.{}.{}.{}", octets[0], octets[1], octets[2], octets[3]))
}

/// What all containers of a bundle are started with.
struct Common {
    mounts: Vec<(Text, bool, Text, Option<Text>)>,
    ports: Vec<(Text, Text)>,
    hosts: String,
}

impl<'c> World<'c> {
    pub(crate) fn add_bundle(&mut self, rsc: RscId) -> Option<()> {
        let conf = self[rsc].conf.clone();
        let Kind::Bundle(bundle) = &conf.kind else { return None };
        if !matches!(&*bundle.runtime, "docker" | "podman") {
            return None;
        }
        let promoted = bundle.promoted_max.unwrap_or(0).max(0);
        let replicas = match bundle.replicas {
            None if promoted > 0 => promoted,
            said => said.unwrap_or(1).clamp(1, 10_000),
        };
        let per_host = bundle.replicas_per_host.unwrap_or(1).max(1);
        self[rsc].instances.max = replicas;
        self[rsc].instances.node_max = per_host;
        if per_host == 1 {
            self[rsc].unique = false;
        }
        let reachable = bundle.ip_range_start.is_some() || bundle.control_port.is_some();
        if bundle.child.is_some() && !reachable {
            return None;
        }
        let prefix = self[rsc].id.clone();
        let child = match &bundle.child {
            Some(inside) => {
                Some(self.add_inside(rsc, inside, &prefix, (replicas, per_host, promoted))?)
            }
            None => None,
        };
        let addresses = addresses(bundle, replicas);
        let common = common(bundle, &prefix, &addresses, child.is_some());
        let mut state = BundleState { replicas: Vec::new(), child, image: bundle.image.clone() };
        let inside: Vec<Option<RscId>> = match child {
            Some(clone) => self[clone].children.iter().copied().map(Some).collect(),
            None => (0..replicas).map(|_| None).collect(),
        };
        for (offset, child) in inside.into_iter().enumerate() {
            let address = addresses.get(offset).cloned().flatten();
            let replica = self.add_replica(rsc, bundle, &common, offset, child, address)?;
            state.replicas.push(replica);
        }
        if let Some(child) = child {
            self[rsc].children.push(child);
        }
        self[rsc].bundle = Some(Box::new(state));
        Some(())
    }

    fn add_inside(
        &mut self,
        bundle: RscId,
        inside: &Resource,
        prefix: &str,
        counts: (i64, i64, i64),
    ) -> Option<RscId> {
        let (replicas, per_host, promoted) = counts;
        let suffix = if promoted > 0 { "master" } else { "clone" };
        let (max, node_max, promoted_max) =
            (replicas.to_string(), per_host.to_string(), promoted.to_string());
        let mut meta = vec![
            ("ordered", "true"),
            ("clone-max", max.as_str()),
            ("clone-node-max", node_max.as_str()),
            ("globally-unique", if per_host > 1 { "true" } else { "false" }),
        ];
        if promoted > 0 {
            meta.push(("promotable", "true"));
            meta.push(("promoted-max", promoted_max.as_str()));
        }
        let clone = Resource {
            id: format!("{prefix}-{suffix}").into(),
            kind: Kind::Clone { child: Box::new(inside.clone()), master: false },
            meta: set_of(&format!("{prefix}-clone-meta"), &meta),
            parameters: AttrSets::default(),
            utilization: AttrSets::default(),
            operations: Vec::new(),
        };
        let clone = self.add_resource(Conf::MadeUp(Arc::new(clone)), Some(bundle), None)?;
        for child in self[clone].children.clone() {
            self[child].exclusive_discover = true;
            if self[child].notify {
                self[clone].notify = true;
            }
            if let Some(target) = self[child].meta.get("container-attribute-target").cloned() {
                self[bundle].meta.insert("container-attribute-target".into(), target.clone());
                self[clone].meta.insert("container-attribute-target".into(), target);
            }
        }
        Some(clone)
    }

    fn add_replica(
        &mut self,
        bundle: RscId,
        conf: &Bundle,
        common: &Common,
        offset: usize,
        child: Option<RscId>,
        address: Option<Text>,
    ) -> Option<Replica> {
        let prefix = self[bundle].id.clone();
        let runtime = &conf.runtime;
        let id = format!("{prefix}-{runtime}-{offset}");
        let (options, mounts) = run_options(conf, common, &prefix, offset, address.as_deref());
        let mut parameters = vec![
            ("image", &*conf.image),
            ("allow_pull", "true"),
            ("force_kill", "false"),
            ("reuse", "false"),
            ("run_opts", options.as_str()),
            ("mount_points", mounts.as_str()),
        ];
        match &conf.run_command {
            Some(command) => parameters.push(("run_cmd", command)),
            None if child.is_some() => parameters.push(("run_cmd", "/usr/sbin/pacemaker-remoted")),
            None => {}
        }
        parameters.push(("monitor_cmd", "/bin/true"));
        let set = format!("{prefix}-attributes-{offset}");
        let container = self.add_part(bundle, primitive(&id, runtime, &parameters, &set))?;
        let ip = match &address {
            Some(address) => {
                let id = format!("{prefix}-ip-{address}");
                let mut parameters = vec![("ip", &**address)];
                if let Some(nic) = &conf.host_interface {
                    parameters.push(("nic", nic));
                }
                parameters.push(("cidr_netmask", conf.host_netmask.as_deref().unwrap_or("32")));
                Some(self.add_part(bundle, primitive(&id, "IPaddr2", &parameters, &set))?)
            }
            None => None,
        };
        let mut replica = Replica { container, ip, remote: None, child, node: None, address };
        if let Some(child) = child {
            self.add_connection(bundle, conf, offset, child, &mut replica)?;
            let inside = std::mem::take(&mut self[child].utilization);
            self[container].utilization = inside;
        }
        for part in [Some(container), ip, replica.remote, child].into_iter().flatten() {
            self[part].replica = Some((bundle, offset));
        }
        Some(replica)
    }

    fn add_part(&mut self, bundle: RscId, resource: Resource) -> Option<RscId> {
        let id = self.add_resource(Conf::MadeUp(Arc::new(resource)), Some(bundle), None)?;
        self[bundle].children.push(id);
        Some(id)
    }

    fn add_connection(
        &mut self,
        bundle: RscId,
        conf: &Bundle,
        offset: usize,
        child: RscId,
        replica: &mut Replica,
    ) -> Option<()> {
        let prefix = self[bundle].id.clone();
        let mut id = format!("{prefix}-{offset}");
        if self.find_resource(&id).is_some() {
            id = format!("pcmk-internal-{}-remote-{offset}", self[child].id);
        }
        let node = self.connection_node(&id, NodeKind::Guest);
        self.have_remote_nodes = true;
        self[node].score = Score::MINUS_INFINITY;
        self[node].discovery_mode = Discovery::Never;
        // Nobody else has any business there.
        for other in self.rsc_ids() {
            if let Some(entry) = self[other].allowed.get_mut(node) {
                entry.score = Score::MINUS_INFINITY;
                entry.discovery = Discovery::Never;
            }
        }
        let own = Allowed {
            score: Score::new(500),
            discovery: Discovery::Exclusive,
            count: 0,
            spared: false,
        };
        self[child].allowed = crate::world::Table::default();
        self[child].allowed.insert(node, own);
        if let Some(clone) = self[child].parent {
            self[clone].allowed.insert(node, Allowed { score: Score::MINUS_INFINITY, ..own });
        }
        let container = self[replica.container].id.clone();
        let address = replica.address.clone().unwrap_or_else(|| "#uname".into());
        let port = conf.control_port.clone().unwrap_or_else(|| PORT.into());
        let connection = Resource {
            id: id.as_str().into(),
            kind: Kind::Primitive {
                class: "ocf".into(),
                provider: "pacemaker".into(),
                agent: "remote".into(),
            },
            meta: set_of(
                &format!("{id}-meta_attributes"),
                &[("internal", "true"), ("container", &container)],
            ),
            parameters: set_of(
                &format!("{id}-instance_attributes"),
                &[("addr", &address), ("port", &port)],
            ),
            utilization: AttrSets::default(),
            operations: vec![op_of(&id, "monitor", 30_000, Some("30s"))],
        };
        let remote = self.add_part(bundle, connection)?;
        for other in self.node_order.clone() {
            if self.is_guest_or_remote(other) {
                if let Some(entry) = self[remote].allowed.get_mut(other) {
                    entry.score = Score::MINUS_INFINITY;
                }
            }
        }
        if let Some(address) = &replica.address {
            self[child].meta.insert("external-ip".into(), address.clone());
        }
        replica.remote = Some(remote);
        replica.node = Some(node);
        Some(())
    }
}

fn addresses(bundle: &Bundle, replicas: i64) -> Vec<Option<Text>> {
    let mut all = Vec::new();
    let mut last: Option<String> = bundle.ip_range_start.as_deref().map(str::to_owned);
    for _ in 0..replicas {
        all.push(last.as_deref().map(Text::from));
        last = last.as_deref().and_then(next_address);
    }
    all
}

fn common(bundle: &Bundle, prefix: &str, addresses: &[Option<Text>], inside: bool) -> Common {
    let mut mounts = bundle.storage.clone();
    let mut ports: Vec<(Text, Text)> = Vec::new();
    for (port, internal, range) in &bundle.ports {
        let Some(source) = port.as_ref().or(range.as_ref()).filter(|source| !source.is_empty())
        else {
            continue;
        };
        let target = internal.as_ref().filter(|_| port.is_some()).unwrap_or(source);
        ports.push((source.clone(), target.clone()));
    }
    if inside {
        let key: Text = "/etc/pacemaker/authkey".into();
        let logged = mounts.iter().any(|(_, _, target, _)| &**target == "/var/log");
        mounts.push((key.clone(), false, key, None));
        if !logged {
            mounts.push(("/var/log/pacemaker/bundles".into(), true, "/var/log".into(), None));
        }
        let port = bundle.control_port.clone().unwrap_or_else(|| PORT.into());
        ports.push((port.clone(), port));
    }
    let mut hosts = String::new();
    if bundle.add_host {
        for (offset, address) in addresses.iter().enumerate() {
            if let Some(address) = address {
                hosts.push_str(&format!(" --add-host={prefix}-{offset}:{address}"));
            }
        }
    }
    Common { mounts, ports, hosts }
}

fn run_options(
    bundle: &Bundle,
    common: &Common,
    prefix: &str,
    offset: usize,
    address: Option<&str>,
) -> (String, String) {
    let (mut text, mut points) = (String::new(), String::new());
    if &*bundle.runtime == "docker" {
        text.push_str(" --restart=no");
    }
    if bundle.ip_range_start.is_some() {
        text.push_str(&format!(" -h {prefix}-{offset}"));
    }
    text.push_str(" -e PCMK_stderr=1");
    if let Some(network) = &bundle.network {
        text.push_str(&format!(" --net={network}"));
    }
    let port = bundle.control_port.as_deref().unwrap_or(PORT);
    text.push_str(&format!(" -e PCMK_remote_port={port}"));
    for (source, is_root, target, options) in &common.mounts {
        let source =
            if *is_root { format!("{source}/{prefix}-{offset}") } else { source.to_string() };
        if *is_root {
            if !points.is_empty() {
                points.push(',');
            }
            points.push_str(&source);
        }
        text.push_str(&format!(" -v {source}:{target}"));
        if let Some(options) = options {
            text.push_str(&format!(":{options}"));
        }
    }
    for (source, target) in &common.ports {
        match address {
            Some(address) => text.push_str(&format!(" -p {address}:{source}:{target}")),
            None if bundle.network.as_deref() != Some("host") => {
                text.push_str(&format!(" -p {source}:{target}"));
            }
            None => {}
        }
    }
    if let Some(options) = &bundle.options {
        text.push_str(&format!(" {options}"));
    }
    text.push(' ');
    text.push_str(&common.hosts);
    (text, points)
}

#[cfg(test)]
mod tests {
    use super::next_address;

    #[test]
    fn addresses_follow_each_other() {
        assert_eq!(next_address("192.168.122.131").as_deref(), Some("192.168.122.132"));
        assert_eq!(next_address("192.168.122.254").as_deref(), Some("192.168.123.1"));
        assert_eq!(next_address("fd00::1"), None);
    }
}
