//! Settings that schema 3.0 no longer takes: renamed, moved to where they belong today, or dropped.

use crate::xml::Element;

/// What becomes of a cluster property.
enum Fate {
    /// It has another name.
    Renamed(&'static str),
    /// It is a default for all resources or operations.
    Moved(&'static str, &'static str),
    /// It is a default of this value if it had that one; else it goes.
    MovedIf { had: &'static str, section: &'static str, name: &'static str, value: &'static str },
    /// It goes.
    Dropped,
    /// It goes if it had one of these values.
    DroppedIf(&'static [&'static str]),
}

const STACKS: &[&str] =
    &["heartbeat", "openais", "classic openais", "classic openais (with plugin)", "cman"];

/// The pairs of underscores and dashes are one property each.
fn property(name: &str) -> Option<Fate> {
    let dashed = name.replace('_', "-");
    // These were only ever written with a dash.
    let dash_only = dashed == name;
    Some(match dashed.as_str() {
        "default-action-timeout" => Fate::Moved("op_defaults", "timeout"),
        "default-resource-stickiness" => Fate::Moved("rsc_defaults", "resource-stickiness"),
        "is-managed-default" => Fate::Moved("rsc_defaults", "is-managed"),
        "default-resource-failure-stickiness" => Fate::MovedIf {
            had: "-INFINITY",
            section: "rsc_defaults",
            name: "migration-threshold",
            value: "1",
        },
        "default-migration-threshold" => Fate::Dropped,
        "expected-quorum-votes" | "notification-agent" | "notification-recipient" if dash_only => {
            Fate::Dropped
        }
        "cluster-infrastructure" if dash_only => Fate::DroppedIf(STACKS),
        "transition-idle-timeout" if !dash_only => Fate::Renamed("cluster-delay"),
        _ if dash_only => return None,
        "cluster-recheck-interval" => Fate::Renamed("cluster-recheck-interval"),
        "dc-deadtime" => Fate::Renamed("dc-deadtime"),
        "election-timeout" => Fate::Renamed("election-timeout"),
        "no-quorum-policy" => Fate::Renamed("no-quorum-policy"),
        "remove-after-stop" => Fate::Renamed("remove-after-stop"),
        "shutdown-escalation" => Fate::Renamed("shutdown-escalation"),
        "startup-fencing" => Fate::Renamed("startup-fencing"),
        "stonith-action" => Fate::Renamed("stonith-action"),
        "stonith-enabled" => Fate::Renamed("stonith-enabled"),
        "stop-orphan-actions" => Fate::Renamed("stop-orphan-actions"),
        "stop-orphan-resources" => Fate::Renamed("stop-orphan-resources"),
        "symmetric-cluster" => Fate::Renamed("symmetric-cluster"),
        _ => return None,
    })
}

pub(super) fn rewrite(cib: &mut Element, notes: &mut Vec<String>) {
    let Some(configuration) = cib.child_mut("configuration") else { return };
    properties(configuration, notes);
    if let Some(nodes) = configuration.child_mut("nodes") {
        for node in nodes.elements_mut().filter(|it| it.get("type") == Some("normal")) {
            node.set("type", "member");
        }
    }
    if let Some(resources) = configuration.child_mut("resources") {
        each(resources, &mut |element| {
            if matches!(element.name(), "primitive" | "template") {
                resource(element, notes);
            }
        });
    }
    if let Some(constraints) = configuration.child_mut("constraints") {
        for constraint in constraints.elements_mut().filter(|it| it.name() == "rsc_colocation") {
            for name in ["score-attribute", "score-attribute-mangle"] {
                if constraint.unset(name).is_some() {
                    let id = constraint.id().unwrap_or_default();
                    notes.push(format!("colocation {id}: {name} never had an effect; dropped"));
                }
            }
        }
    }
}

fn each(element: &mut Element, act: &mut dyn FnMut(&mut Element)) {
    for child in element.elements_mut() {
        act(child);
        each(child, act);
    }
}

fn properties(configuration: &mut Element, notes: &mut Vec<String>) {
    let mut moved: Vec<(&'static str, Element)> = Vec::new();
    let mut conditional: Vec<(&'static str, Element)> = Vec::new();
    let config = configuration.child_mut("crm_config");
    let sets = config.into_iter().flat_map(Element::elements_mut);
    for set in sets {
        for pair in set.elements_mut().filter(|it| it.name() == "nvpair") {
            if let Some(Fate::Renamed(to)) = pair.get("name").and_then(property) {
                notes
                    .push(format!("property {} is now {to}", pair.get("name").unwrap_or_default()));
                pair.set("name", to);
            }
        }
        let before = moved.len();
        set.retain(|pair| {
            let name = pair.get("name").filter(|_| pair.name() == "nvpair");
            let Some((name, fate)) = name.and_then(|name| Some((name, property(name)?))) else {
                return true;
            };
            let value = pair.get("value").unwrap_or_default();
            match fate {
                Fate::Renamed(_) => return true,
                Fate::DroppedIf(values) if !values.contains(&value) => return true,
                Fate::Moved(section, to) => {
                    notes.push(format!("property {name} is now {to} in {section}"));
                    moved.push((section, pair.clone().with("name", to)));
                }
                Fate::MovedIf { had, section, name: to, value: new } if value == had => {
                    notes.push(format!("property {name} is now {to}={new} in {section}"));
                    moved.push((section, pair.clone().with("name", to).with("value", new)));
                }
                Fate::MovedIf { .. } | Fate::Dropped | Fate::DroppedIf(_) => {
                    notes.push(format!("property {name} no longer has an effect; dropped"));
                }
            }
            false
        });
        // What only held at times goes on to hold at these times only.
        if let Some(rule) = set.child("rule") {
            for (section, pair) in moved.drain(before..) {
                conditional.push((section, held_at_times(set, rule, pair)));
            }
        }
    }
    for (section, pair) in moved {
        default(configuration, section, pair, notes);
    }
    for (section, set) in conditional {
        configuration.child_or_new(section).push(set);
    }
}

/// A set of its own for a pair, under the same rule, with ids of its own.
fn held_at_times(from: &Element, rule: &Element, pair: Element) -> Element {
    let id = format!("_2TO3_{}", pair.id().unwrap_or_default());
    let mut rule = rule.clone();
    prefix_ids(&mut rule, &format!("{id}-"));
    let mut set = Element::new("meta_attributes").with("id", &id);
    if let Some(score) = from.get("score") {
        set.set("score", score);
    }
    set.push(rule);
    set.push(pair);
    set
}

fn prefix_ids(element: &mut Element, prefix: &str) {
    if let Some(id) = element.id().map(|id| format!("{prefix}{id}")) {
        element.set("id", &id);
    }
    for child in element.elements_mut() {
        prefix_ids(child, prefix);
    }
}

/// Adds a default unless there is one of its name.
fn default(
    configuration: &mut Element,
    section: &'static str,
    pair: Element,
    notes: &mut Vec<String>,
) {
    let name = pair.get("name").unwrap_or_default();
    let there = configuration.child(section).is_some_and(|section| {
        section.elements().any(|set| set.named("nvpair").any(|it| it.get("name") == Some(name)))
    });
    if there {
        notes.push(format!("{section} has a {name} of its own, which stays"));
        return;
    }
    let section = configuration.child_or_new(section);
    let plain = |set: &Element| set.child("rule").is_none() && set.get("id-ref").is_none();
    if !section.named("meta_attributes").any(plain) {
        let id = format!("{NEW}{}", section.name().replace('_', "-"));
        section.push(Element::new("meta_attributes").with("id", &id));
    }
    if let Some(set) = section.elements_mut().find(|set| plain(set)) {
        set.push(pair);
    }
}

/// Ids of what is made here begin so.
const NEW: &str = "_2TO3_-";

const FENCING: [(&str, &str); 6] = [
    ("pcmk_list_cmd", "pcmk_list_action"),
    ("pcmk_monitor_cmd", "pcmk_monitor_action"),
    ("pcmk_off_cmd", "pcmk_off_action"),
    ("pcmk_on_cmd", "pcmk_on_action"),
    ("pcmk_reboot_cmd", "pcmk_reboot_action"),
    ("pcmk_status_cmd", "pcmk_status_action"),
];

fn resource(resource: &mut Element, notes: &mut Vec<String>) {
    let id = resource.id().unwrap_or_default().to_owned();
    for set in resource.elements_mut() {
        match set.name() {
            "instance_attributes" => parameters(set),
            "meta_attributes" => meta(set, &id, notes),
            _ => {}
        }
    }
    let requires = operations(resource, notes);
    let has = resource.elements().any(|set| {
        set.name() == "meta_attributes"
            && set.named("nvpair").any(|it| it.get("name") == Some("requires"))
    });
    // What an operation required is a matter of the whole resource; the first one counts.
    if let Some(value) = requires.into_iter().next().filter(|_| !has) {
        let set = format!("_2TO3_{id}-meta");
        let pair = Element::new("nvpair")
            .with("id", &format!("{set}-requires"))
            .with("name", "requires")
            .with("value", &value);
        let mut set = Element::new("meta_attributes").with("id", &set);
        set.push(pair);
        resource.push(set);
        notes
            .push(format!("resource {id}: requires={value} is now a matter of the whole resource"));
    }
}

fn parameters(set: &mut Element) {
    for pair in set.elements_mut().filter(|it| it.name() == "nvpair") {
        let name = pair.get("name").unwrap_or_default();
        if let Some((_, to)) = FENCING.iter().find(|(from, _)| *from == name) {
            pair.set("name", to);
        } else if name == "pcmk_arg_map"
            && let Some(value) = pair.get("value").and_then(|it| it.strip_prefix("port:"))
        {
            let value = value.to_owned();
            pair.set("name", "pcmk_host_argument");
            pair.set("value", &value);
        }
    }
    set.retain(|pair| pair.get("name") != Some("pcmk_arg_map"));
}

fn meta(set: &mut Element, resource: &str, notes: &mut Vec<String>) {
    const ISOLATION: [&str; 4] =
        ["isolation", "isolation-host", "isolation-instance", "isolation-wrapper"];
    let named =
        |pair: &Element, names: &[&str]| pair.get("name").is_some_and(|it| names.contains(&it));
    let isolated = |pair: &Element| named(pair, &ISOLATION);
    let first = set.elements_mut().find(|pair| isolated(pair)).map(|first| {
        first.set("name", "target-role");
        first.set("value", "Stopped");
        first.id().map(str::to_owned)
    });
    if let Some(kept) = first {
        // It must not run outside a container that no longer exists, whatever it was to do before.
        set.retain(|pair| {
            !isolated(pair) && (!named(pair, &["target-role"]) || pair.id() == kept.as_deref())
        });
        notes.push(format!(
            "resource {resource} was isolated in a way that is gone: stopped; make it a bundle"
        ));
    }
    let sticky = |pair: &Element| {
        named(pair, &["resource-failure-stickiness", "resource_failure_stickiness"])
    };
    let has = set.elements().any(|pair| named(pair, &["migration-threshold"]));
    let threshold =
        set.elements_mut().find(|it| sticky(it) && it.get("value") == Some("-INFINITY"));
    if let Some(pair) = threshold.filter(|_| !has) {
        pair.set("name", "migration-threshold");
        pair.set("value", "1");
    }
    set.retain(|pair| !sticky(pair));
}

/// Takes from operations what they no longer have; what they required of the resource.
fn operations(resource: &mut Element, notes: &mut Vec<String>) -> Vec<String> {
    const META: [&str; 7] = [
        "interval-origin",
        "start-delay",
        "enabled",
        "on-fail",
        "record-pending",
        "role",
        "timeout",
    ];
    let mut requires = Vec::new();
    let lists = resource.elements_mut().filter(|it| it.name() == "operations");
    for op in lists.flat_map(Element::elements_mut) {
        let matters = matches!(op.get("name"), Some("start" | "promote"));
        let id = op.id().unwrap_or_default().to_owned();
        let direct = op.unset("requires").map(String::from);
        requires.extend(direct.filter(|_| matters));
        let (mut moved, mut emptied) = (Vec::new(), Vec::new());
        for set in op.elements_mut() {
            let parameters = set.name() == "instance_attributes";
            let before = set.elements().count();
            set.retain(|pair| match pair.get("name").filter(|_| pair.name() == "nvpair") {
                Some("requires") => {
                    let value = pair.get("value").filter(|_| matters);
                    requires.extend(value.map(str::to_owned));
                    false
                }
                Some(name) if parameters && META.contains(&name) => {
                    moved.push(pair.clone());
                    false
                }
                _ => true,
            });
            if before > 0 && set.elements().next().is_none() {
                emptied.extend(set.id().map(str::to_owned));
            }
        }
        // The operation's own attribute won anyway.
        moved.retain(|pair| pair.get("name").is_some_and(|name| op.get(name).is_none()));
        if !moved.is_empty() {
            let mut set = Element::new("meta_attributes").with("id", &format!("_2TO3_{id}-meta"));
            moved.into_iter().for_each(|pair| set.push(pair));
            op.push(set);
            notes.push(format!(
                "operation {id}: settings among its parameters are now meta attributes"
            ));
        }
        op.retain(|set| set.id().is_none_or(|id| !emptied.iter().any(|it| it == id)));
    }
    requires
}
