//! Our grammar against `xmllint --relaxng` with the schemas Debian installs: documents sampled
//! from our table, mutations of them, and every open regression case.

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use cib::schema::{Code, Schema, render, sample, validate, validate_as};
use cib::xml::{Element, Node, parse};
use support::{Scratch, installed, run, stderr};

const SCHEMAS: &str = "/usr/share/pacemaker";

/// What `xmllint` says of each file.
fn oracle(schema: Schema, files: &[PathBuf]) -> HashMap<PathBuf, bool> {
    let grammar = format!("{SCHEMAS}/{schema}.rng");
    let mut verdicts = HashMap::new();
    for some in files.chunks(200) {
        let mut arguments = vec!["--noout", "--relaxng", &grammar];
        let names: Vec<String> = some.iter().map(|it| it.to_string_lossy().into_owned()).collect();
        arguments.extend(names.iter().map(String::as_str));
        let output = run("xmllint", &arguments, &[]);
        for line in stderr(&output).lines() {
            if let Some(name) = line.strip_suffix(" validates") {
                verdicts.insert(PathBuf::from(name), true);
            } else if let Some(name) = line.strip_suffix(" fails to validate") {
                verdicts.insert(PathBuf::from(name), false);
            }
        }
    }
    verdicts
}

fn there() -> bool {
    if !Path::new(SCHEMAS).join("pacemaker-3.9.rng").exists() {
        eprintln!("skipped: no schemas in {SCHEMAS}");
        return false;
    }
    installed("xmllint")
}

/// A generator of numbers that gives the same ones every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % u64::try_from(sides.max(1)).expect("fits")).expect("fits")
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

const ELEMENTS: &[&str] = &[
    "primitive",
    "group",
    "clone",
    "template",
    "bundle",
    "op",
    "operations",
    "nvpair",
    "rule",
    "expression",
    "date_expression",
    "date_spec",
    "duration",
    "meta_attributes",
    "resource_set",
    "instance_attributes",
    "utilization",
    "lifetime",
    "rsc_ticket",
    "recipient",
    "select",
    "tag",
    "acl_role",
    "acl_target",
    "role",
    "deny",
    "op_expression",
    "fencing-topology",
    "alerts",
    "acls",
    "tags",
    "podman",
    "status",
    "cluster_property_set",
    "node",
];
const ATTRIBUTES: &[&str] = &[
    "id",
    "id-ref",
    "name",
    "value",
    "score",
    "score-attribute",
    "rsc",
    "with-rsc",
    "node",
    "role",
    "kind",
    "class",
    "provider",
    "type",
    "template",
    "operation",
    "start",
    "end",
    "attribute",
    "description",
    "influence",
    "require-all",
    "promoted-max",
    "masters",
    "resource-discovery",
    "requires",
    "start-delay",
    "interval-origin",
    "xpath",
    "reference",
    "object-type",
    "tag",
    "ref",
    "rsc-pattern",
    "symmetrical",
    "boolean-op",
    "value-source",
    "days",
    "uname",
    "index",
    "ordering",
    "target",
    "target-attribute",
    "range",
    "port",
    "image",
    "epoch",
    "update-user",
    "sequential",
];
const VALUES: &[&str] = &[
    "",
    "x",
    "1",
    "0",
    "-1",
    "true",
    "INFINITY",
    "Promoted",
    "Master",
    "Started",
    "ocf",
    "systemd",
    "id-1",
    "id-2",
    "1x",
    "a b",
    " 7 ",
    " true",
    "in_range",
    "gt",
    "date_spec",
    "Optional",
    "normal",
    "remote",
    "requires",
    "isolation",
    "timeout",
    "pcmk_on_cmd",
    "cluster-infrastructure",
    "cman",
    "integer",
    "meta",
    "listed",
    "demote",
    "unfencing",
    "a,b",
    "9999999999999999999999999",
    "stonith_enabled",
    "pacemaker-2.0",
    "none",
    "nope",
];

fn nodes(element: &mut Element) -> usize {
    1 + element.elements_mut().map(nodes).sum::<usize>()
}

/// The `at`th element of a document.
fn nth<'a>(element: &'a mut Element, at: &mut usize) -> Option<&'a mut Element> {
    if *at == 0 {
        return Some(element);
    }
    *at -= 1;
    element.elements_mut().find_map(|child| nth(child, at))
}

/// Changes a document so that it is probably no longer valid, but nearly.
fn mutate(root: &mut Element, dice: &mut Dice) {
    let count = nodes(root);
    let donor = {
        let mut at = dice.roll(count);
        nth(root, &mut at).cloned()
    };
    let mut at = dice.roll(count);
    let Some(element) = nth(root, &mut at) else { return };
    let len = element.children.len();
    match dice.roll(10) {
        0 | 1 if !element.attrs().is_empty() => {
            let at = dice.roll(element.attrs().len());
            let name = element.attrs()[at].name.clone();
            element.unset(&name);
        }
        2 | 3 if !element.attrs().is_empty() => {
            let at = dice.roll(element.attrs().len());
            let name = element.attrs()[at].name.clone();
            element.set(&name, dice.pick(VALUES));
        }
        4 => element.set(dice.pick(ATTRIBUTES), dice.pick(VALUES)),
        5 if len > 0 => {
            element.children.remove(dice.roll(len));
        }
        6 if len > 1 => {
            let (a, b) = (dice.roll(len), dice.roll(len));
            element.children.swap(a, b);
        }
        7 => {
            if let Some(donor) = donor.filter(|donor| donor.name() != "cib") {
                element.children.insert(dice.roll(len + 1), Node::Element(donor));
            }
        }
        8 if dice.roll(4) == 0 => element.children.push(Node::Text("text".into())),
        9 if element.name() != "cib" => element.rename(dice.pick(ELEMENTS)),
        _ => element.push(Element::new(dice.pick(ELEMENTS))),
    }
}

/// Compares verdicts; the disagreements, with the document and what we had to say.
fn disagreements(scratch: &Scratch, schema: Schema, documents: &[Element]) -> Vec<String> {
    let files: Vec<PathBuf> = documents
        .iter()
        .enumerate()
        .map(|(at, root)| scratch.write(&format!("{schema}-{at}.xml"), &root.to_string()))
        .collect();
    let verdicts = oracle(schema, &files);
    assert_eq!(verdicts.len(), files.len(), "xmllint said nothing of some files");
    let mut found = Vec::new();
    for (root, file) in documents.iter().zip(&files) {
        let report = validate_as(root, schema);
        if report.is_valid() != verdicts[file] {
            let ours: Vec<_> = report.findings.iter().map(|it| it.message.clone()).collect();
            let why = run(
                "xmllint",
                &[
                    "--noout",
                    "--relaxng",
                    &format!("{SCHEMAS}/{schema}.rng"),
                    &file.to_string_lossy(),
                ],
                &[],
            );
            found.push(format!(
                "{schema}: xmllint {}, we {ours:?}\n{}\n{}",
                verdicts[file],
                stderr(&why),
                root.pretty()
            ));
        }
    }
    found
}

#[test]
fn sampled_documents_are_valid_and_mutations_are_judged_alike() {
    if !there() {
        return;
    }
    let scratch = Scratch::new("schema");
    let mut dice = Dice(7);
    let mut found = Vec::new();
    let (mut valid, mut all) = (0, 0);
    for (schema, _) in Schema::ALL {
        let samples: Vec<Element> =
            (0..12).map(|_| sample(*schema, &mut |ways| dice.roll(ways))).collect();
        for root in &samples {
            let report = validate_as(root, *schema);
            assert!(report.is_valid(), "{schema}: {:?}\n{}", report.findings, root.pretty());
        }
        let mut documents = samples.clone();
        for root in &samples {
            for _ in 0..14 {
                let mut copy = root.clone();
                for _ in 0..=dice.roll(2) {
                    mutate(&mut copy, &mut dice);
                }
                documents.push(copy);
            }
        }
        found.extend(disagreements(&scratch, *schema, &documents));
        all += documents.len();
        valid += documents.iter().filter(|root| validate_as(root, *schema).is_valid()).count();
    }
    eprintln!("{all} documents, {valid} valid, {} judged otherwise", found.len());
    assert!(valid * 8 > all && valid * 2 < all, "the mutations are too wild or too tame");
    assert!(
        found.is_empty(),
        "{} of {all}:\n{}",
        found.len(),
        found.iter().take(4).cloned().collect::<Vec<_>>().join("\n----\n")
    );
}

/// Samples of one schema held against all others: what came and went.
#[test]
fn documents_of_one_schema_are_judged_alike_by_another() {
    if !there() {
        return;
    }
    let scratch = Scratch::new("schemas");
    let mut dice = Dice(11);
    let documents: Vec<Element> = Schema::ALL
        .iter()
        .flat_map(|(schema, _)| [*schema; 6])
        .map(|schema| {
            sample(schema, &mut |ways| {
                if ways == 3 { dice.roll(5).min(2) / 2 } else { dice.roll(ways) }
            })
        })
        .collect();
    let mut found = Vec::new();
    for (schema, _) in Schema::ALL {
        found.extend(disagreements(&scratch, *schema, &documents));
    }
    assert!(
        found.is_empty(),
        "{}:\n{}",
        found.len(),
        found.iter().take(3).cloned().collect::<Vec<_>>().join("\n----\n")
    );
}

#[test]
fn the_open_regression_cases_are_judged_alike() {
    let named = std::env::var_os("MAINSTAY_SHARED").map(PathBuf::from);
    let shared = named
        .clone()
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    if named.is_none() && !shared.is_dir() {
        eprintln!("skipped: no {}, and MAINSTAY_SHARED is not set", shared.display());
        return;
    }
    if !there() {
        return;
    }
    let cases = shared.join("suites/scheduler/data/xml");
    let mut by_schema: HashMap<Schema, Vec<PathBuf>> = HashMap::new();
    let mut others = 0;
    for entry in fs::read_dir(cases).expect("a directory").flatten() {
        let text = fs::read_to_string(entry.path()).expect("a case");
        let root = parse(&text).expect("xml").root;
        match root.get("validate-with").and_then(Schema::named) {
            Some(schema) => by_schema.entry(schema).or_default().push(entry.path()),
            None => others += 1,
        }
    }
    let (mut all, mut valid, mut found) = (0, 0, Vec::new());
    for (schema, files) in by_schema {
        let verdicts = oracle(schema, &files);
        for file in files {
            let text = fs::read_to_string(&file).expect("a case");
            let report = validate(&parse(&text).expect("xml").root);
            all += 1;
            valid += usize::from(verdicts[&file]);
            if report.is_valid() != verdicts[&file] {
                found.push(format!(
                    "xmllint says {}\n{}",
                    verdicts[&file],
                    render(&file.to_string_lossy(), &text, &report)
                ));
            }
        }
    }
    eprintln!(
        "{all} cases, {valid} valid, {others} without a schema we know, {} judged otherwise",
        found.len()
    );
    assert!(found.is_empty(), "{}", found.join("\n----\n"));
}

#[test]
fn a_diagnosis_says_what_where_and_what_to_do() {
    let text = "<cib validate-with='pacemaker-3.6' admin_epoch='0' epoch='0' num_updates='0'><configuration><crm_config/><nodes><node id='1'/></nodes><resources><primitive id='a' class='ocf' type='Dummy'/><clone id='a'/></resources><constraints><rsc_colocation id='c' rsc='a' with-rsc='c' rsc-role='Promoted'/><rsc_order id='o' first='a' then='c' score='1' kind='Optional'/></constraints><acls/><oops/></configuration>text</cib>";
    let report = validate(&parse(text).expect("xml").root);
    let found: Vec<(Code, &str, &str)> =
        report.findings.iter().map(|it| (it.code, it.message.as_str(), it.help.as_str())).collect();
    let want = [
        (
            Code::StrayText,
            "text stands in <cib>, which only takes elements",
            "remove it, or make it a comment: <!-- … -->",
        ),
        (Code::MissingAttribute, "<node> has no uname", "add uname=\"…\""),
        (Code::MissingAttribute, "<primitive> has no provider", "add provider=\"…\""),
        (Code::MissingElement, "<clone> has no <primitive> or <group>", "add one inside it"),
        (
            Code::DuplicateId,
            "<clone> has the id `a`, which another element has",
            "give one of them another id",
        ),
        (
            Code::BadValue,
            "`Promoted` is no value for rsc-role of <rsc_colocation>",
            "it exists since pacemaker-3.7: raise validate-with (it is pacemaker-3.6)",
        ),
        (Code::Exclusive, "<rsc_order> has score and kind at once", "keep one of them"),
    ];
    for (got, want) in found.iter().zip(want) {
        assert_eq!(*got, want);
    }
    assert_eq!(found.len(), want.len() + 1);
    assert!(report.findings[want.len()].message.starts_with("<oops> cannot stand"));
    let span = report.findings[1].span;
    let place =
        usize::try_from(span.start).expect("fits")..usize::try_from(span.end).expect("fits");
    assert_eq!(&text[place], "<node id='1'/>");
}

#[test]
fn the_schema_itself_can_be_wrong() {
    for (text, code) in [
        ("<cib/>", Code::UnknownSchema),
        ("<cib validate-with='pacemaker-0.6'/>", Code::UnknownSchema),
        ("<bic validate-with='pacemaker-3.0'/>", Code::WrongRoot),
    ] {
        assert_eq!(validate(&support::read(text)).findings[0].code, code, "{text}");
    }
    assert!(validate(&support::read("<cib validate-with='none'><x/></cib>")).is_valid());
}
