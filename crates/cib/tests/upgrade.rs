//! Upgrades against the stylesheets Debian installs, run by `xsltproc`, and against `cibadmin`.

mod support;

use std::collections::HashMap;
use std::path::Path;

use cib::schema::{Code, Schema, sample, validate_as};
use cib::upgrade::{Error, raised, upgrade};
use cib::xml::Element;
use proptest::prelude::*;
use support::{Scratch, installed, read, run, stderr, stdout};

const SCHEMAS: &str = "/usr/share/pacemaker";

fn there() -> bool {
    Path::new(SCHEMAS).join("upgrade-2.10.xsl").exists() && installed("xsltproc")
}

/// What the stylesheets make of a document, one after the other.
fn theirs(root: &Element, sheets: &[&str]) -> Element {
    let scratch = Scratch::new("upgrade");
    let mut text = root.to_string();
    for sheet in sheets {
        let file = scratch.write("in.xml", &text);
        let sheet = format!("{SCHEMAS}/{sheet}.xsl");
        let output = run("xsltproc", &[&sheet, &file.to_string_lossy()], &[]);
        assert!(output.status.success(), "{sheet}: {}\n{text}", stderr(&output));
        text = stdout(&output);
    }
    read(&text)
}

const TO_3: [&str; 3] = ["upgrade-2.10-enter", "upgrade-2.10", "upgrade-2.10-leave"];

/// A generator of numbers that gives the same ones for a seed.
fn dice(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |sides| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((seed >> 33) % u64::try_from(sides.max(1)).expect("fits")).expect("fits")
    }
}

/// What a document says, without the ids that either side makes up: each setting with the place
/// it applies to.
fn settings(root: &Element) -> Vec<String> {
    fn walk(element: &Element, place: &str, out: &mut Vec<String>) {
        let made_up = matches!(
            element.name(),
            "meta_attributes" | "instance_attributes" | "operations" | "nvpair"
        );
        let id = element.id().filter(|_| !made_up).unwrap_or_default();
        let place = format!("{place}/{} {id}", element.name());
        let attrs: Vec<String> = element
            .attrs()
            .iter()
            .filter(|attr| !(made_up && &*attr.name == "id") && &*attr.name != "validate-with")
            .map(|attr| format!("{}={}", attr.name, attr.value))
            .collect();
        // How often a set is split does not matter, and an empty one says nothing.
        let set = matches!(
            element.name(),
            "meta_attributes" | "instance_attributes" | "cluster_property_set"
        );
        if !set || (!attrs.is_empty() && element.elements().next().is_some()) {
            out.push(format!("{place}: {}", attrs.join(" ")));
        }
        for child in element.elements() {
            walk(child, &place, out);
        }
    }
    let mut out = Vec::new();
    walk(root, "", &mut out);
    out.sort();
    out
}

#[test]
fn every_valid_document_can_be_upgraded() {
    let mut done = 0;
    for (schema, _) in Schema::ALL {
        for seed in 0..40 {
            let root = sample(*schema, &mut dice(seed));
            let upgraded = match upgrade(&root) {
                Ok(upgraded) => upgraded,
                // Samples refer to anything that has an id, such as a user, who has none today.
                Err(Error::Result { report, .. })
                    if report.findings.iter().all(|it| it.code == Code::Dangling) =>
                {
                    continue;
                }
                Err(error) => panic!("{schema} {seed}: {error:?}\n{}", root.pretty()),
            };
            done += 1;
            assert_eq!(upgraded.from, *schema);
            assert_eq!(upgraded.root.get("validate-with"), Some(upgraded.to.name()));
            assert!(validate_as(&upgraded.root, upgraded.to).is_valid());
            assert!(upgraded.to >= Schema::V3_0);
            let again = upgrade(&upgraded.root).expect("valid");
            assert_eq!(again.root, upgraded.root, "an upgrade of the upgraded changes nothing");
        }
    }
    assert!(done > 800, "only {done} documents could be upgraded");
}

#[test]
fn old_access_lists_become_what_the_stylesheet_makes_of_them() {
    if !there() {
        return;
    }
    let mut done = 0;
    for schema in [Schema::V1_2, Schema::V1_3] {
        for seed in 0..60 {
            let root = sample(schema, &mut dice(seed));
            let acls = |root: &Element| {
                root.child("configuration").and_then(|it| it.child("acls")).map(ToString::to_string)
            };
            let Ok(ours) = upgrade(&root) else { continue };
            done += 1;
            assert_eq!(
                acls(&ours.root),
                acls(&theirs(&root, &["upgrade-1.3"])),
                "{}",
                root.pretty()
            );
        }
    }
    assert!(done > 40, "only {done} documents could be upgraded");
}

const PROPERTIES: &[&str] = &[
    "cluster-infrastructure",
    "cluster_recheck_interval",
    "dc_deadtime",
    "default-action-timeout",
    "default_action_timeout",
    "default-migration-threshold",
    "default-resource-stickiness",
    "default_resource_stickiness",
    "default-resource-failure-stickiness",
    "election_timeout",
    "expected-quorum-votes",
    "is-managed-default",
    "is_managed_default",
    "no_quorum_policy",
    "notification-agent",
    "remove_after_stop",
    "startup_fencing",
    "stonith_enabled",
    "stop_orphan_actions",
    "symmetric_cluster",
    "transition_idle_timeout",
    "stonith-enabled",
    "x",
];

fn pairs(
    prefix: &'static str,
    names: &'static [&'static str],
    values: &'static [&'static str],
) -> impl Strategy<Value = String> {
    let pair = (prop::sample::select(names), prop::sample::select(values));
    let most = if prefix == "m" { 1 } else { 4 };
    prop::collection::vec(pair, 0..=most).prop_map(move |pairs| {
        // One spelling of each: of two the stylesheet keeps both where only one can count.
        let mut seen = HashMap::new();
        pairs
            .into_iter()
            .enumerate()
            .filter(|(_, (name, _))| seen.insert(name.replace('_', "-"), ()).is_none())
            .map(|(at, (name, value))| {
                format!("<nvpair id=\"{prefix}-{at}\" name=\"{name}\" value=\"{value}\"/>")
            })
            .collect()
    })
}

fn old_document() -> impl Strategy<Value = String> {
    let properties = pairs("p", PROPERTIES, &["cman", "corosync", "-INFINITY", "5", "true"]);
    let defaults = pairs("d", &["is-managed", "resource-stickiness", "y"], &["1", "false"]);
    let parameters = pairs(
        "i",
        &["pcmk_arg_map", "pcmk_on_cmd", "pcmk_list_cmd", "pcmk_status_cmd", "host"],
        &["port:x", "a:b", "cmd"],
    );
    // One at most: behind another pair the stylesheet drops `isolation` without stopping the
    // resource, so that it would run outside its container.
    let meta = pairs("m", &["isolation", "priority", "is-managed"], &["1", "true"]);
    let op = pairs(
        "o",
        &["timeout", "on-fail", "role", "enabled", "start-delay", "OCF_CHECK_LEVEL"],
        &["1", "2"],
    );
    let name = prop::sample::select(vec!["start", "monitor", "promote"]);
    let requires = prop::option::of(prop::sample::select(vec!["quorum", "nothing"]));
    let kind = prop::sample::select(vec!["normal", "member", "ping"]);
    (properties, defaults, parameters, meta, op, name, requires, kind).prop_map(
        |(properties, defaults, parameters, meta, op, name, requires, kind)| {
            let requires = requires.map(|it| format!(" requires=\"{it}\"")).unwrap_or_default();
            let set = |tag: &str, id: &str, pairs: &str| match pairs {
                "" => String::new(),
                pairs if id.is_empty() => format!("<{tag}>{pairs}</{tag}>"),
                pairs => format!("<{tag} id=\"{id}\">{pairs}</{tag}>"),
            };
            format!(
                "<cib crm_feature_set=\"3.0.9\" validate-with=\"pacemaker-2.10\" epoch=\"5\" num_updates=\"3\" admin_epoch=\"0\"><configuration><crm_config><cluster_property_set id=\"o\">{properties}</cluster_property_set></crm_config>{}<nodes><node id=\"1\" uname=\"n1\" type=\"{kind}\"/></nodes><resources><primitive id=\"r1\" class=\"stonith\" type=\"x\">{}{}<operations><op id=\"op\" name=\"{name}\" interval=\"0\"{requires}>{}</op></operations></primitive></resources><constraints><rsc_colocation id=\"c\" rsc=\"r1\" with-rsc=\"r1\" score-attribute=\"x\"/></constraints></configuration><status/></cib>",
                // Not an empty section: there the stylesheet loses what it moves.
                set("rsc_defaults", "", &set("meta_attributes", "rd", &defaults)),
                set("instance_attributes", "ia", &parameters),
                set("meta_attributes", "ma", &meta),
                set("instance_attributes", "oa", &op),
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn old_settings_become_what_the_stylesheets_make_of_them(text in old_document()) {
        if !there() { return Ok(()) }
        let root = read(&text);
        let ours = upgrade(&root).expect("valid");
        let theirs = theirs(&root, &TO_3);
        prop_assert_eq!(settings(&ours.root), settings(&theirs), "{}", root.pretty());
    }
}

#[test]
fn cibadmin_raises_the_version_alike() {
    if !installed("cibadmin") {
        return;
    }
    let root = read(
        "<cib crm_feature_set=\"3.0.9\" validate-with=\"pacemaker-2.10\" epoch=\"5\" num_updates=\"3\" admin_epoch=\"0\"><configuration><crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>",
    );
    let scratch = Scratch::new("upgrade");
    let file = scratch.write("cib.xml", &root.to_string());
    let output =
        run("cibadmin", &["--upgrade", "--force"], &[("CIB_file", &file.to_string_lossy())]);
    assert!(output.status.success(), "{}", stderr(&output));
    let mut theirs = read(&std::fs::read_to_string(&file).expect("the file"));
    for name in ["cib-last-written", "update-origin", "update-client", "update-user"] {
        theirs.unset(name);
    }
    let ours = raised(upgrade(&root).expect("valid")).expect("a version");
    assert_eq!(ours.root.to_string(), theirs.to_string());
}

#[test]
fn what_is_not_valid_is_not_upgraded() {
    let root = read(
        "<cib validate-with=\"pacemaker-1.2\" epoch=\"1\" num_updates=\"0\" admin_epoch=\"0\"><configuration/></cib>",
    );
    assert!(matches!(upgrade(&root), Err(Error::Invalid { schema: Schema::V1_2, .. })));
}

#[test]
fn a_document_without_a_schema_follows_the_first_that_fits() {
    let root = read(
        "<cib epoch=\"1\" num_updates=\"0\" admin_epoch=\"0\"><configuration><crm_config/><nodes/><resources/><constraints/></configuration></cib>",
    );
    let upgraded = upgrade(&root).expect("valid");
    assert_eq!((upgraded.from, upgraded.to), (Schema::V1_0, Schema::V3_9));
}

/// A default that only holds at times is no default for ever.
#[test]
fn a_property_under_a_rule_stays_under_it() {
    let text = "<cib validate-with=\"pacemaker-2.10\" epoch=\"5\" num_updates=\"3\" admin_epoch=\"0\"><configuration><crm_config><cluster_property_set id=\"o\" score=\"7\"><rule id=\"ru\" score=\"1\"><expression id=\"e\" attribute=\"#uname\" operation=\"eq\" value=\"a\"/></rule><nvpair id=\"p\" name=\"default_action_timeout\" value=\"30s\"/></cluster_property_set></crm_config><nodes/><resources/><constraints/></configuration></cib>";
    let upgraded = upgrade(&read(text)).expect("valid");
    let set = upgraded.root.child("configuration").and_then(|it| it.child("op_defaults"));
    assert_eq!(
        set.map(ToString::to_string).as_deref(),
        Some(
            "<op_defaults><meta_attributes id=\"_2TO3_p\" score=\"7\"><rule id=\"_2TO3_p-ru\" score=\"1\"><expression id=\"_2TO3_p-e\" attribute=\"#uname\" operation=\"eq\" value=\"a\"/></rule><nvpair id=\"p\" name=\"timeout\" value=\"30s\"/></meta_attributes></op_defaults>"
        )
    );
}
