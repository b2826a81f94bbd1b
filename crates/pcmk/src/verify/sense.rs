//! What a schema cannot see: values that are ignored, constraints that cannot mean what they say,
//! resources that can never start.
//!
//! An error is something that is not done as it is written, or not done at all. A warning is done,
//! but hardly as it was meant, or is written in words that will not be understood for ever. A note
//! tells of the status, and says nothing against the document.

use std::collections::{HashMap, HashSet};

use cib::Cib;
use cib::dates::WallTime;
use cib::value::{milliseconds, truth};
use cib::xml::Element;
use sched::Shape;

/// How much is wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Weight {
    /// Nothing about the configuration.
    Note,
    /// Done, but hardly as it was meant.
    Warning,
    /// Not done as it is written.
    Error,
}

impl Weight {
    /// As it stands before a finding.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One finding: how much is wrong, and what, where and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How much is wrong.
    pub weight: Weight,
    /// What, where, what to do.
    pub text: String,
}

/// What a cluster option may be.
enum Kind {
    Truth,
    Number,
    Score,
    Time,
    OneOf(&'static [&'static str]),
}

impl Kind {
    fn takes(&self, value: &str) -> bool {
        match self {
            Self::Truth => truth(value).is_some(),
            Self::Number => value.parse::<i64>().is_ok(),
            Self::Score => {
                let size = value.trim_start_matches(['+', '-']);
                size.eq_ignore_ascii_case("INFINITY") || value.parse::<i64>().is_ok()
            }
            Self::Time => milliseconds(value).is_some_and(|it| it >= 0),
            Self::OneOf(words) => words.iter().any(|word| word.eq_ignore_ascii_case(value)),
        }
    }

    fn wants(&self) -> String {
        match self {
            Self::Truth => "true or false".into(),
            Self::Number => "a number".into(),
            Self::Score => "a score: a number, INFINITY or -INFINITY".into(),
            Self::Time => "a time such as 20s".into(),
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
        }
    }
}

/// The options that planning reads.
const OPTIONS: &[(&str, Kind)] = &[
    ("batch-limit", Kind::Number),
    ("cluster-delay", Kind::Time),
    ("concurrent-fencing", Kind::Truth),
    ("enable-startup-probes", Kind::Truth),
    ("have-watchdog", Kind::Truth),
    ("maintenance-mode", Kind::Truth),
    ("migration-limit", Kind::Number),
    ("no-quorum-policy", Kind::OneOf(&["stop", "freeze", "ignore", "demote", "suicide"])),
    ("node-health-base", Kind::Score),
    ("node-health-green", Kind::Score),
    ("node-health-red", Kind::Score),
    (
        "node-health-strategy",
        Kind::OneOf(&["none", "migrate-on-red", "only-green", "progressive", "custom"]),
    ),
    ("node-health-yellow", Kind::Score),
    ("pe-error-series-max", Kind::Number),
    ("pe-input-series-max", Kind::Number),
    ("pe-warn-series-max", Kind::Number),
    ("placement-strategy", Kind::OneOf(&["default", "utilization", "minimal", "balanced"])),
    ("priority-fencing-delay", Kind::Time),
    ("remove-after-stop", Kind::Truth),
    ("shutdown-lock", Kind::Truth),
    ("shutdown-lock-limit", Kind::Time),
    ("start-failure-is-fatal", Kind::Truth),
    ("startup-fencing", Kind::Truth),
    ("stonith-action", Kind::OneOf(&["reboot", "off", "poweroff"])),
    ("stonith-enabled", Kind::Truth),
    ("stonith-timeout", Kind::Time),
    ("stop-all-resources", Kind::Truth),
    ("stop-orphan-actions", Kind::Truth),
    ("stop-orphan-resources", Kind::Truth),
    ("symmetric-cluster", Kind::Truth),
];

/// What is said but makes no sense, in the order of the document.
#[must_use]
pub fn findings(root: &Element, now: WallTime) -> Vec<Finding> {
    let mut look = Look { fencing: true, ids: HashSet::new(), found: Vec::new() };
    if let Some(configuration) = root.child("configuration") {
        look.ids = configuration.descend().filter_map(Element::id).collect();
        look.options(configuration);
        for resource in configuration.child("resources").into_iter().flat_map(Element::elements) {
            look.resource(resource, false);
        }
        for constraint in configuration.child("constraints").into_iter().flat_map(Element::elements)
        {
            look.constraint(constraint);
        }
    }
    let seen = sched::observe(&Cib::read(root), now);
    for resource in &seen.resources {
        let places = resource.running_on.len();
        if resource.shape == Shape::Primitive && places > 1 {
            look.say(
                Weight::Note,
                format!("{} is active on {places} nodes, and may be on one", resource.id),
            );
        }
    }
    look.found
}

struct Look<'a> {
    fencing: bool,
    ids: HashSet<&'a str>,
    found: Vec<Finding>,
}

impl<'a> Look<'a> {
    fn say(&mut self, weight: Weight, text: String) {
        self.found.push(Finding { weight, text });
    }

    fn options(&mut self, configuration: &'a Element) {
        let sets = configuration.child("crm_config").into_iter().flat_map(Element::elements);
        let pairs = sets.filter(|it| it.name() == "cluster_property_set").flat_map(nvpairs);
        let mut values: HashMap<&str, &str> = HashMap::new();
        for (name, value) in pairs {
            values.entry(name).or_insert(value);
        }
        for (name, kind) in OPTIONS {
            let Some(value) = values.get(name) else { continue };
            if !kind.takes(value) {
                let wants = kind.wants();
                self.say(
                    Weight::Error,
                    format!("{name}: `{value}` is not understood and the default is taken; write {wants}"),
                );
            }
        }
        let says = |name: &str, word: &str| {
            values.get(name).is_some_and(|value| value.eq_ignore_ascii_case(word))
        };
        self.fencing = values.get("stonith-enabled").and_then(|it| truth(it)).unwrap_or(true);
        if says("stonith-action", "poweroff") {
            self.say(
                Weight::Warning,
                "stonith-action: `poweroff` is an old word; write off".into(),
            );
        }
        if says("no-quorum-policy", "suicide") && !self.fencing {
            let text = "no-quorum-policy: `suicide` wants fencing, and stonith-enabled is false: `stop` is taken";
            self.say(Weight::Error, text.into());
        }
        let watchdog = values.get("have-watchdog").and_then(|it| truth(it)) == Some(true)
            && values
                .get("stonith-watchdog-timeout")
                .and_then(|it| milliseconds(it))
                .is_some_and(|it| it != 0);
        let device = configuration
            .descend()
            .filter(|it| it.name() == "primitive")
            .any(|it| it.get("class") == Some("stonith") || it.get("template").is_some());
        if self.fencing && !device && !watchdog {
            let text = "fencing is asked for and no fence device is configured: nothing will be started; \
                        configure one, or set stonith-enabled to false and answer for the data";
            self.say(Weight::Error, text.into());
        }
    }

    fn resource(&mut self, resource: &'a Element, promotable: bool) {
        let id = resource.id().unwrap_or_default();
        let meta: HashMap<&str, &str> =
            resource.named("meta_attributes").flat_map(nvpairs).collect();
        let promotable = promotable || promotes(resource, &meta);
        if let Some(role) = meta.get("target-role") {
            match role.to_ascii_lowercase().as_str() {
                "stopped" | "started" => {}
                "promoted" | "master" | "unpromoted" | "slave" if promotable => {}
                "promoted" | "master" | "unpromoted" | "slave" => self.say(
                    Weight::Error,
                    format!("{id}: target-role `{role}` is for promotable clones and is ignored"),
                ),
                _ => self.say(
                    Weight::Error,
                    format!(
                        "{id}: target-role `{role}` is not understood and is ignored; write Started, \
                         Stopped, Promoted or Unpromoted"
                    ),
                ),
            }
        }
        if let Some(requires) = meta.get("requires") {
            match requires.to_ascii_lowercase().as_str() {
                "nothing" | "quorum" => {}
                "fencing" | "unfencing" if self.fencing => {}
                "fencing" | "unfencing" => self.say(
                    Weight::Warning,
                    format!("{id}: requires `{requires}`, and stonith-enabled is false"),
                ),
                _ => self.say(
                    Weight::Error,
                    format!(
                        "{id}: requires `{requires}` is not understood; write nothing, quorum, fencing \
                         or unfencing"
                    ),
                ),
            }
        }
        if let Some(what) = meta.get("multiple-active") {
            let known = ["stop_start", "stop_only", "block", "stop_unexpected"];
            if !known.contains(what) {
                self.say(
                    Weight::Warning,
                    format!(
                        "{id}: multiple-active `{what}` is not understood; write {}",
                        known.join(", ")
                    ),
                );
            }
        }
        if let Some(container) = meta.get("container").filter(|it| !self.ids.contains(**it)) {
            self.say(Weight::Error, format!("{id}: its container `{container}` does not exist"));
        }
        if resource.name() == "bundle" {
            self.bundle(resource, id);
        }
        for list in resource.named("operations") {
            self.operations(list, id);
        }
        let inside = ["primitive", "group", "clone", "master"];
        for part in resource.elements().filter(|it| inside.contains(&it.name())) {
            self.resource(part, promotable);
        }
    }

    fn bundle(&mut self, bundle: &'a Element, id: &str) {
        let reached = bundle.named("network").any(|network| {
            network.get("ip-range-start").is_some() || network.get("control-port").is_some()
        });
        if let Some(inside) = bundle.child("primitive").filter(|_| !reached) {
            let inside = inside.id().unwrap_or_default();
            self.say(
                Weight::Error,
                format!(
                    "{id}: nobody can speak with {inside} in it; give its <network> an \
                     ip-range-start or a control-port"
                ),
            );
        }
    }

    fn operations(&mut self, list: &'a Element, resource: &str) {
        let mut known: HashMap<(&str, i64), &str> = HashMap::new();
        for op in list.named("op") {
            let interval = op.get("interval").and_then(milliseconds).unwrap_or(0);
            let id = op.id().unwrap_or_default();
            let name = op.get("name").unwrap_or_default();
            if interval <= 0 {
                continue;
            }
            if let Some(first) = known.insert((name, interval), id) {
                self.say(
                    Weight::Error,
                    format!(
                        "{resource}: operation {id} says what {first} says, {name} at the same \
                         interval; one of them is ignored"
                    ),
                );
            }
            if ["start", "stop", "promote", "demote"].contains(&name) {
                self.say(
                    Weight::Error,
                    format!(
                        "{resource}: operation {id}: {name} cannot recur; take its interval away"
                    ),
                );
            }
        }
    }

    fn constraint(&mut self, constraint: &'a Element) {
        let id = constraint.id().unwrap_or_default();
        match constraint.name() {
            "rsc_order" => {
                let kind = constraint.get("kind").unwrap_or_default();
                let known = ["mandatory", "optional", "serialize"];
                if !kind.is_empty() && !known.contains(&kind.to_ascii_lowercase().as_str()) {
                    self.say(
                        Weight::Error,
                        format!(
                            "{id}: kind `{kind}` is not understood, and Mandatory is taken; write \
                             Mandatory, Optional or Serialize"
                        ),
                    );
                }
                let both = constraint.get("symmetrical").and_then(truth) == Some(true);
                if kind.eq_ignore_ascii_case("serialize") && both {
                    self.say(
                        Weight::Warning,
                        format!("{id}: what is serialized has no reverse; symmetrical is ignored"),
                    );
                }
                if constraint.get("score").is_some() {
                    self.say(
                        Weight::Warning,
                        format!("{id}: an order's score is an old spelling; write its kind"),
                    );
                }
            }
            "rsc_ticket" => {
                let fence = constraint.get("loss-policy").is_some_and(|it| it == "fence");
                if fence && !self.fencing {
                    self.say(
                        Weight::Error,
                        format!(
                            "{id}: loss-policy `fence` wants fencing, and stonith-enabled is false: \
                             `stop` is taken"
                        ),
                    );
                }
            }
            _ => {}
        }
    }
}

/// Whether a resource has promoted instances.
fn promotes(resource: &Element, meta: &HashMap<&str, &str>) -> bool {
    match resource.name() {
        "master" => true,
        "clone" => meta.get("promotable").and_then(|it| truth(it)) == Some(true),
        "bundle" => resource.elements().any(|engine| {
            let most = engine.get("promoted-max").or_else(|| engine.get("masters"));
            most.and_then(|it| it.parse::<u32>().ok()).is_some_and(|it| it > 0)
        }),
        _ => false,
    }
}

fn nvpairs(set: &Element) -> impl Iterator<Item = (&str, &str)> {
    set.named("nvpair").filter_map(|pair| Some((pair.get("name")?, pair.get("value")?)))
}

#[cfg(test)]
mod tests {
    use cib::xml;

    use super::*;

    fn of(inside: &str) -> Vec<(Weight, String)> {
        let text = format!(
            "<cib><configuration><crm_config><cluster_property_set id='s'><nvpair id='n' \
             name='stonith-enabled' value='false'/></cluster_property_set></crm_config>\
             <nodes/>{inside}</configuration><status/></cib>"
        );
        let found = findings(&xml::parse(&text).expect("a CIB").root, WallTime(0));
        found.into_iter().map(|it| (it.weight, it.text)).collect()
    }

    fn primitive(inside: &str) -> String {
        format!("<primitive id='a' class='ocf' provider='p' type='t'>{inside}</primitive>")
    }

    #[test]
    fn each_finding_names_what_it_is_about() {
        let role = "<meta_attributes id='m'><nvpair id='v' name='target-role' value='Promoted'/></meta_attributes>";
        let rows: &[(String, Option<(Weight, &str)>)] = &[
            (primitive(""), None),
            (primitive("<operations><op id='x' name='monitor' interval='10'/></operations>"), None),
            (
                primitive(
                    "<operations><op id='x' name='monitor' interval='10'/><op id='y' \
                     name='monitor' interval='10s'/></operations>",
                ),
                Some((Weight::Error, "operation y says what x says")),
            ),
            (primitive(role), Some((Weight::Error, "`Promoted` is for promotable"))),
            (format!("<master id='m'>{}</master>", primitive(role)), None),
            (
                "<bundle id='b'><docker image='i'/><primitive id='a'/></bundle>".into(),
                Some((Weight::Error, "nobody can speak with a")),
            ),
        ];
        for (resource, wanted) in rows {
            let found = of(&format!("<resources>{resource}</resources>"));
            match (wanted, found.as_slice()) {
                (None, []) => {}
                (Some((weight, part)), [(found, text)]) => {
                    assert!(weight == found && text.contains(part), "{text}");
                }
                other => panic!("{resource}: {other:?}"),
            }
        }
        let order = "<constraints><rsc_order id='o' first='a' then='b' kind='foo'/></constraints>";
        assert!(of(order)[0].1.contains("`foo`"));
    }
}
