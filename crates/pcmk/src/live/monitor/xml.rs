//! The same for programs: elements and attributes as in Pacemaker's published schema (2.25).

use cib::Score;
use cib::dates::WallTime;
use cib::xml::{Element, Node};
use sched::{Health, NodeKind, NodeView, Observed, ResourceView, Role, Shape};

use super::super::fencing;
use super::super::node_id;
use super::text::{attributes_of, counted};
use super::{Done, Scene, View, bans, history, stamp, status_word};
use crate::text::resources::exit_word;

fn word(is: bool) -> &'static str {
    if is { "true" } else { "false" }
}

/// All sections that are wanted.
pub(super) fn all(scene: &Scene<'_>, view: &View) -> Vec<Element> {
    let mut all = Vec::new();
    for (section, part) in [
        ("summary", summary as fn(&Scene<'_>) -> Element),
        ("nodes", nodes),
        ("resources", |scene| resources(&scene.sheet.seen, false)),
        ("attributes", attributes),
        ("operations", operations),
        ("failures", failures),
        ("fencing", fencings),
        ("bans", ban_list),
    ] {
        if view.has(section) {
            let part = part(scene);
            // What is always there is told although it is empty.
            let empty = part.children.is_empty() && part.attrs().is_empty();
            if !empty || matches!(section, "nodes" | "resources") {
                all.push(part);
            }
        }
    }
    all
}

fn summary(scene: &Scene<'_>) -> Element {
    let seen = &scene.sheet.seen;
    let root = &scene.sheet.root;
    let mut it = Element::new("summary");
    let stack = scene.option("cluster-infrastructure").unwrap_or_else(|| "unknown".into());
    it.push(Element::new("stack").with("type", &stack));
    let mut dc = Element::new("current_dc");
    match seen.nodes.iter().find(|it| it.is_dc) {
        Some(node) => {
            dc.set("present", "true");
            dc.set("version", &scene.option("dc-version").unwrap_or_default());
            dc.set("name", &node.name);
            dc.set("id", &node.id);
            dc.set("with_quorum", word(seen.quorate));
            dc.set("mixed_version", "false");
        }
        None => dc.set("present", "false"),
    }
    it.push(dc);
    it.push(Element::new("last_update").with("time", &stamp(scene.around.now)));
    let said = |name: &str| root.get(name).unwrap_or_default();
    it.push(
        Element::new("last_change")
            .with("time", said("cib-last-written"))
            .with("user", said("update-user"))
            .with("client", said("update-client"))
            .with("origin", said("update-origin")),
    );
    it.push(Element::new("nodes_configured").with("number", &seen.nodes.len().to_string()));
    let leaves = || seen.resources.iter().filter(|it| it.shape == Shape::Primitive && !it.orphan);
    let disabled = leaves().filter(|it| it.target_role == Some(Role::Stopped)).count();
    let blocked = leaves().filter(|it| it.blocked).count();
    it.push(
        Element::new("resources_configured")
            .with("number", &leaves().count().to_string())
            .with("disabled", &disabled.to_string())
            .with("blocked", &blocked.to_string()),
    );
    let truth = |name: &str, usual: bool| {
        let said = scene.option(name).and_then(|it| cib::value::truth(&it));
        word(said.unwrap_or(usual))
    };
    let millis = |name: &str, usual: i64| {
        let said = scene.option(name).and_then(|it| cib::value::milliseconds(&it));
        said.unwrap_or(usual).to_string()
    };
    let policy = scene.option("no-quorum-policy").unwrap_or_else(|| "stop".into());
    it.push(
        Element::new("cluster_options")
            .with("stonith-enabled", truth("stonith-enabled", true))
            .with("symmetric-cluster", truth("symmetric-cluster", true))
            .with("no-quorum-policy", &policy)
            .with("maintenance-mode", truth("maintenance-mode", false))
            .with("stop-all-resources", truth("stop-all-resources", false))
            .with("stonith-timeout-ms", &millis("stonith-timeout", 60_000))
            .with("priority-fencing-delay-ms", &millis("priority-fencing-delay", 0)),
    );
    it
}

fn nodes(scene: &Scene<'_>) -> Element {
    let mut all = Element::new("nodes");
    let seen = &scene.sheet.seen;
    for (at, it) in seen.nodes.iter().enumerate() {
        let running = seen
            .resources
            .iter()
            .filter(|it| it.shape == Shape::Primitive && it.running_on.contains(&at))
            .count();
        all.push(node(scene, it, running));
    }
    all
}

fn node(scene: &Scene<'_>, it: &NodeView, running: usize) -> Element {
    let health = match it.health {
        Health::Green => "green",
        Health::Yellow => "yellow",
        Health::Red => "red",
    };
    let kind = match it.kind {
        NodeKind::Member => "member",
        NodeKind::Remote | NodeKind::Guest => "remote",
    };
    let states = scene.sheet.root.child("status").into_iter().flat_map(|it| it.named("node_state"));
    let expected = states
        .filter(|state| state.id() == Some(&*it.id))
        .any(|state| state.get("expected") == Some("member"));
    let mut told = Element::new("node")
        .with("name", &it.name)
        .with("id", &it.id)
        .with("online", word(it.online))
        .with("standby", word(it.standby))
        .with("standby_onfail", word(it.standby_onfail))
        .with("maintenance", word(it.maintenance))
        .with("pending", word(it.pending))
        .with("unclean", word(it.unclean))
        .with("health", health);
    if it.online {
        // A node that says nothing of its words speaks those of before there was anything to say.
        told.set("feature_set", "<3.15.1");
    }
    let mut told = told
        .with("shutdown", word(it.shutdown))
        .with("expected_up", word(expected))
        .with("is_dc", word(it.is_dc))
        .with("resources_running", &running.to_string())
        .with("type", kind);
    if let Some(container) = &it.container {
        told.set("id_as_resource", container);
    }
    told
}

/// The resources; `target`: with the role each shall have, as `crm_resource` tells them.
pub(crate) fn resources(seen: &Observed, target: bool) -> Element {
    let mut all = Element::new("resources");
    for top in &seen.top {
        let it = &seen.resources[*top];
        let gone = it.orphan && it.running_on.is_empty();
        if !(it.internal || gone) {
            all.push(resource(seen, it, target));
        }
    }
    all
}

fn resource(seen: &Observed, it: &ResourceView, target: bool) -> Element {
    match it.shape {
        Shape::Primitive => primitive(seen, it, target),
        Shape::Group => {
            let mut told = Element::new("group")
                .with("id", &it.id)
                .with("number_resources", &it.children.len().to_string())
                .with("managed", word(it.managed))
                .with("disabled", word(it.target_role == Some(Role::Stopped)));
            children(seen, it, target, &mut told);
            told
        }
        Shape::Clone => {
            let mut told = Element::new("clone")
                .with("id", &it.id)
                .with("multi_state", word(it.promotable))
                .with("unique", word(it.unique))
                .with("managed", word(it.managed))
                .with("disabled", word(it.target_role == Some(Role::Stopped)))
                .with("failed", word(it.failed))
                .with("failure_ignored", word(it.failure_ignored));
            if let Some(role) = it.target_role.filter(|_| target) {
                told.set("target_role", role.word());
            }
            children(seen, it, target, &mut told);
            told
        }
        Shape::Bundle => bundle(seen, it, target),
    }
}

fn children(seen: &Observed, of: &ResourceView, target: bool, told: &mut Element) {
    for child in &of.children {
        let it = &seen.resources[*child];
        if !(it.orphan && it.running_on.is_empty()) {
            told.push(resource(seen, it, target));
        }
    }
}

fn bundle(seen: &Observed, it: &ResourceView, target: bool) -> Element {
    let view = it.bundle.clone().unwrap_or_default();
    let mut told = Element::new("bundle")
        .with("id", &it.id)
        .with("image", &view.image)
        .with("unique", word(it.unique))
        .with("managed", word(it.managed))
        .with("failed", word(it.failed));
    for (number, replica) in view.replicas.iter().enumerate() {
        let mut one = Element::new("replica").with("id", &number.to_string());
        let parts = [replica.ip, replica.child, Some(replica.container), replica.remote];
        for at in parts.into_iter().flatten() {
            one.push(resource(seen, &seen.resources[at], target));
        }
        told.push(one);
    }
    told
}

fn primitive(seen: &Observed, it: &ResourceView, target: bool) -> Element {
    let mut top = it;
    while let Some(parent) = top.parent {
        top = &seen.resources[parent];
    }
    let is = match it.role {
        Role::Started if top.promotable => Role::Unpromoted,
        other => other,
    };
    let colon = if it.provider.is_empty() { "" } else { ":" };
    let agent = format!("{}{colon}{}:{}", it.class, it.provider, it.agent);
    let active = it.running_on.iter().any(|at| {
        let node = &seen.nodes[*at];
        node.online || node.unclean || !it.managed
    });
    let mut told = Element::new("resource")
        .with("id", if it.unique { &it.id } else { &it.base })
        .with("resource_agent", &agent)
        .with("role", is.word());
    if let Some(role) = it.target_role.filter(|_| target) {
        told.set("target_role", role.word());
    }
    let mut told = told
        .with("active", word(active))
        .with("orphaned", word(it.orphan))
        .with("blocked", word(it.blocked))
        .with("managed", word(it.managed))
        .with("failed", word(it.failed))
        .with("failure_ignored", word(it.failure_ignored))
        .with("nodes_running_on", &it.running_on.len().to_string());
    let pending = it.pending.as_deref().and_then(|task| {
        Some(match task {
            "start" => "Starting",
            "stop" => "Stopping",
            "promote" => "Promoting",
            "demote" => "Demoting",
            "migrate_to" | "migrate_from" => "Migrating",
            "monitor" => "Monitoring",
            _ => return None,
        })
    });
    if let Some(pending) = pending {
        told.set("pending", pending);
    }
    for at in &it.running_on {
        let node = &seen.nodes[*at];
        told.push(
            Element::new("node")
                .with("name", &node.name)
                .with("id", &node.id)
                .with("cached", "true"),
        );
    }
    told
}

fn attributes(scene: &Scene<'_>) -> Element {
    let mut all = Element::new("node_attributes");
    for node in scene.sheet.seen.nodes.iter().filter(|it| it.online) {
        let pairs = attributes_of(scene, &node.name, &node.id);
        if pairs.is_empty() {
            continue;
        }
        let mut told = Element::new("node").with("name", &node.name);
        for (name, value) in pairs {
            told.push(Element::new("attribute").with("name", &name).with("value", &value));
        }
        all.push(told);
    }
    all
}

fn operations(scene: &Scene<'_>) -> Element {
    let mut all = Element::new("node_history");
    for done in history(&scene.sheet.root) {
        let at = |parent: &Element, name: &str, key: &str, value: &str| {
            parent.children.iter().position(|it| {
                it.element().is_some_and(|it| it.name() == name && it.get(key) == Some(value))
            })
        };
        let place = at(&all, "node", "name", &done.node).unwrap_or_else(|| {
            all.push(Element::new("node").with("name", &done.node));
            all.children.len() - 1
        });
        let Node::Element(node) = &mut all.children[place] else { continue };
        let place = at(node, "resource_history", "id", &done.resource).unwrap_or_else(|| {
            let known = scene.sheet.resource(&done.resource).ok();
            let mut told = Element::new("resource_history")
                .with("id", &done.resource)
                .with("orphan", word(known.is_none_or(|it| it.orphan)))
                .with("migration-threshold", &scene.threshold(&done.resource));
            let id = node_id(&scene.sheet.root, &done.node).map(|(id, _)| id).unwrap_or_default();
            if let Some((count, last)) = counted(scene, &id, &done.node).get(&done.resource) {
                told.set("fail-count", &count.to_string());
                if *last > 0 {
                    told.set("last-failure", &stamp(WallTime(*last)));
                }
            }
            node.push(told);
            node.children.len() - 1
        });
        let Node::Element(resource) = &mut node.children[place] else { continue };
        resource.push(operation(&done));
    }
    all
}

fn operation(done: &Done) -> Element {
    let task = if done.task == "monitor" && done.interval == 0 { "probe" } else { &done.task };
    let mut told = Element::new("operation_history")
        .with("call", &done.call.to_string())
        .with("task", task)
        .with("rc", &done.rc.to_string())
        .with("rc_text", exit_word(done.rc));
    if done.interval > 0 {
        told.set("interval", &format!("{}ms", done.interval));
    }
    told.with("last-rc-change", &done.changed)
        .with("exec-time", &format!("{}ms", done.exec))
        .with("queue-time", &format!("{}ms", done.queue))
}

fn failures(scene: &Scene<'_>) -> Element {
    let mut all = Element::new("failures");
    for it in &scene.sheet.seen.failed {
        let key = format!("{}_{}_{}", it.resource, it.task, it.interval);
        let mut told = Element::new("failure")
            .with("op_key", &key)
            .with("node", &it.node)
            .with("exitstatus", exit_word(it.rc))
            .with("exitreason", it.reason.as_deref().unwrap_or_default())
            .with("exitcode", &it.rc.to_string())
            .with("call", &it.call_id.to_string())
            .with("status", status_word(it.status));
        if let Some(at) = it.last_rc_change {
            told.set("last-rc-change", &WallTime(at).spelled());
            told.set("queued", it.queue_time.as_deref().unwrap_or("0"));
            told.set("exec", it.exec_time.as_deref().unwrap_or("0"));
            told.set("interval", &it.interval.to_string());
            told.set("task", &it.task);
        }
        all.push(told);
    }
    all
}

fn fencings(scene: &Scene<'_>) -> Element {
    let mut all = Element::new("fence_history");
    if let Some(here) = &scene.here {
        all.set("status", "0");
        for it in here.fencings.iter().rev() {
            all.push(fencing::element(it));
        }
    }
    all
}

fn ban_list(scene: &Scene<'_>) -> Element {
    let mut all = Element::new("bans");
    for it in bans(scene) {
        let weight = if it.score == Score::MINUS_INFINITY {
            "-1000000".into()
        } else {
            it.score.to_string()
        };
        all.push(
            Element::new("ban")
                .with("id", &it.id)
                .with("resource", &it.resource)
                .with("node", &it.node)
                .with("weight", &weight)
                .with("promoted-only", word(it.promoted))
                .with("master_only", word(it.promoted)),
        );
    }
    all
}
