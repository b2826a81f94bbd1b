//! Edits against `cibadmin` on a file.

mod support;

use cib::edit::{Error, Operation, Scope, perform};
use cib::patch::diff;
use cib::version::Version;
use cib::xml::Element;
use cib::xpath::XPath;
use support::{Scratch, installed, read, run, stderr};

const CIB: &str = "<cib crm_feature_set=\"3.16.1\" validate-with=\"pacemaker-3.9\" epoch=\"5\" num_updates=\"3\" admin_epoch=\"0\"><configuration><crm_config><cluster_property_set id=\"o\"><nvpair id=\"o-a\" name=\"stonith-enabled\" value=\"false\"/><nvpair id=\"o-b\" name=\"no-quorum-policy\" value=\"ignore\"/></cluster_property_set></crm_config><nodes><node id=\"1\" uname=\"n1\"/><node id=\"2\" uname=\"n2\"/></nodes><resources><primitive id=\"r1\" class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\"/><primitive id=\"r2\" class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\"/></resources><constraints/></configuration><status/></cib>";

fn scope(name: &str) -> Scope {
    Scope::named(name).expect("a scope")
}

fn modify(name: &str, object: &str, allow_create: bool) -> Operation {
    Operation::Modify { scope: scope(name), object: read(object), allow_create }
}

fn path(text: &str) -> XPath {
    XPath::parse(text).expect("xpath")
}

/// What `cibadmin` makes of the document, or nothing when it refuses.
fn theirs(arguments: &[&str]) -> Option<Element> {
    let scratch = Scratch::new("edit");
    let file = scratch.write("cib.xml", CIB);
    let output = run("cibadmin", arguments, &[("CIB_file", &file.to_string_lossy())]);
    let text = std::fs::read_to_string(&file).expect("the file");
    if output.status.success() {
        let mut root = read(&text);
        // Who wrote it, and when, is not part of the comparison.
        for name in ["cib-last-written", "update-origin", "update-client", "update-user"] {
            root.unset(name);
        }
        Some(root)
    } else {
        eprintln!("{arguments:?}: {}", stderr(&output));
        None
    }
}

#[test]
fn cibadmin_does_the_same() {
    if !installed("cibadmin") {
        return;
    }
    let r9 = "<primitive id=\"r9\" class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\"/>";
    let r1 = "<primitive id=\"r1\" class=\"lsb\" type=\"x\"/>";
    let meta = "<primitive id=\"r1\"><meta_attributes id=\"m\"><nvpair id=\"m1\" name=\"a\" value=\"b\"/></meta_attributes></primitive>";
    let nodes = "<nodes><node id=\"1\" type=\"member\"/><node id=\"3\" uname=\"q\"/></nodes>";
    let state = "<status><node_state id=\"1\"/></status>";
    let newer = CIB.replace("epoch=\"5\"", "epoch=\"8\"").replace("ignore", "stop");
    let older = CIB.replace("epoch=\"5\"", "epoch=\"4\"");
    let (resources, status, all) = (scope("resources"), scope("status"), Scope::CIB);
    let cases: Vec<(Operation, Vec<&str>)> = vec![
        (Operation::Create(resources, read(r9)), vec!["-C", "-o", "resources", "-X", r9]),
        (Operation::Create(resources, read(r1)), vec!["-C", "-o", "resources", "-X", r1]),
        (Operation::Create(all, read(r9)), vec!["-C", "-X", r9]),
        (
            Operation::Create(scope("nodes"), read("<foo id=\"1\"/>")),
            vec!["-C", "-o", "nodes", "-X", "<foo id=\"1\"/>"],
        ),
        (
            Operation::Create(status, read("<node_state id=\"1\" uname=\"n1\"/>")),
            vec!["-C", "-o", "status", "-X", "<node_state id=\"1\" uname=\"n1\"/>"],
        ),
        (modify("resources", meta, false), vec!["-M", "-o", "resources", "-X", meta]),
        (modify("resources", r9, false), vec!["-M", "-o", "resources", "-X", r9]),
        (
            modify("cib", "<nvpair id=\"o-a\" value=\"true\"/>", false),
            vec!["-M", "-X", "<nvpair id=\"o-a\" value=\"true\"/>"],
        ),
        (
            modify("cib", "<nvpair id=\"o-a\" value=\"false\"/>", false),
            vec!["-M", "-X", "<nvpair id=\"o-a\" value=\"false\"/>"],
        ),
        (
            modify("cib", "<cib have-quorum=\"1\"/>", false),
            vec!["-M", "-X", "<cib have-quorum=\"1\"/>"],
        ),
        (modify("configuration", nodes, false), vec!["-M", "-o", "configuration", "-X", nodes]),
        (modify("status", state, false), vec!["-M", "-o", "status", "-X", state]),
        (modify("cib", &newer, false), vec!["-M", "-X", &newer]),
        (Operation::Replace(status, read(state)), vec!["-R", "-o", "status", "-X", state]),
        (
            Operation::Replace(resources, read("<resources/>")),
            vec!["-R", "-o", "resources", "-X", "<resources/>"],
        ),
        (Operation::Replace(all, read(r1)), vec!["-R", "-X", r1]),
        (Operation::Replace(all, read(r9)), vec!["-R", "-X", r9]),
        (Operation::Replace(all, read(CIB)), vec!["-R", "-X", CIB]),
        (Operation::Replace(all, read(&newer)), vec!["-R", "-X", &newer]),
        (Operation::Replace(all, read(&older)), vec!["-R", "-X", &older]),
        (
            Operation::Delete(all, read("<primitive id=\"r1\"/>")),
            vec!["-D", "-X", "<primitive id=\"r1\"/>"],
        ),
        (
            Operation::Delete(all, read("<primitive id=\"r1\" type=\"y\"/>")),
            vec!["-D", "-X", "<primitive id=\"r1\" type=\"y\"/>"],
        ),
        (
            Operation::DeleteAt { path: path("//primitive"), all: false },
            vec!["-D", "--xpath", "//primitive"],
        ),
        (
            Operation::DeleteAt { path: path("//primitive"), all: true },
            vec!["--delete-all", "--force", "--xpath", "//primitive"],
        ),
        (
            Operation::DeleteAt { path: path("//nodes"), all: true },
            vec!["--delete-all", "--force", "--xpath", "//nodes"],
        ),
        (Operation::Erase, vec!["-E", "--force"]),
        (Operation::Bump, vec!["-B"]),
    ];
    for (operation, arguments) in cases {
        let ours = perform(&read(CIB), &operation).ok().map(|it| it.to_string());
        let theirs = theirs(&arguments).map(|it| it.to_string());
        assert_eq!(ours, theirs, "{arguments:?}");
    }
}

#[test]
fn a_patch_is_applied_as_cibadmin_applies_it() {
    if !installed("cibadmin") {
        return;
    }
    let newer = read(&CIB.replace("epoch=\"5\"", "epoch=\"6\"").replace("ignore", "stop"));
    let patch = diff(&read(CIB), &newer, true).expect("alike");
    let scratch = Scratch::new("edit-patch");
    let file = scratch.write("patch.xml", &patch.to_xml().to_string());
    let ours = perform(&read(CIB), &Operation::Patch(patch.clone())).expect("fits");
    let theirs = theirs(&["--patch", "-x", &file.to_string_lossy()]).expect("fits");
    assert_eq!(ours.to_string(), theirs.to_string());
    assert!(matches!(perform(&newer, &Operation::Patch(patch)), Err(Error::Patch(_))));
}

/// Where we do better on purpose.
#[test]
fn what_is_replaced_keeps_its_place_and_what_is_added_raises_the_epoch() {
    let cib = read(CIB);
    let other = read("<primitive id=\"r1\" class=\"lsb\" type=\"x\"/>");
    let new = perform(&cib, &Operation::ReplaceAt(path("//primitive[@id='r1']"), other))
        .expect("can be done");
    let ids: Vec<_> =
        scope("resources").find(&new).expect("there").elements().map(Element::id).collect();
    assert_eq!(ids, [Some("r1"), Some("r2")]);
    let tag = read("<tag id=\"t\"><obj_ref id=\"r1\"/></tag>");
    let new = perform(&cib, &Operation::Create(scope("tags"), tag)).expect("can be done");
    assert!(scope("tags").find(&new).is_some(), "a section that is missing is made");
    let r9 = "<primitive id=\"r9\" class=\"lsb\" type=\"x\"/>";
    let new = perform(&cib, &modify("resources", r9, true)).expect("can be done");
    assert_eq!(Version::of(&new), Ok(Version { admin_epoch: 0, epoch: 6, num_updates: 0 }));
}

#[test]
fn refusals_say_why() {
    let cib = read(CIB);
    let text = |operation: Operation| perform(&cib, &operation).expect_err("refused").to_string();
    assert_eq!(
        text(Operation::Replace(Scope::CIB, read("<tag id=\"t\"/>"))),
        "there is no tag t here: create it, or look for it in another scope"
    );
    assert_eq!(
        text(Operation::DeleteAt { path: path("/cib"), all: false }),
        "the path finds <cib> itself: replace or erase the whole document instead"
    );
    let invalid = text(modify("cib", "<nvpair id=\"o-a\" oops=\"1\"/>", false));
    assert!(
        invalid.starts_with("the result would not be valid: <nvpair> does not take"),
        "{invalid}"
    );
    assert!(text(Operation::Replace(Scope::CIB, read("<cib epoch=\"1\"/>"))).contains("0.1.0"));
}
