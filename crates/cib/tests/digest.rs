//! Digests against `cibadmin`, and an operation digest that `crm_simulate` accepts.

mod support;

use cib::digest;
use proptest::prelude::*;
use support::{Scratch, installed, read, run, stdout, tree};

/// What `cibadmin` says of a document: the digest is the last word of its answer.
fn theirs(file: &str, option: &str) -> String {
    let answer = stdout(&run("cibadmin", &[option, "--xml-file", file], &[]));
    answer.split_whitespace().next_back().unwrap_or_default().to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn cibadmin_comes_to_the_same(a in tree(&["1", "it's", "<>", "ä", "t\tn\nr\r"])) {
        if !installed("cibadmin") { return Ok(()) }
        let scratch = Scratch::new("digest");
        let root = a.with("update-user", "me").with("cib-last-written", "now");
        let file = scratch.write("cib.xml", &root.to_string());
        let file = file.to_string_lossy();
        prop_assert_eq!(theirs(&file, "--md5-sum"), digest::on_disk(&root), "{}", root);
        prop_assert_eq!(theirs(&file, "--md5-sum-versioned"), digest::of_cib(&root), "{}", root);
    }
}

/// A running resource whose history carries a digest: with the right one nothing is to be done,
/// with another one the resource is restarted.
#[test]
fn crm_simulate_accepts_operation_digests() {
    if !installed("crm_simulate") {
        return;
    }
    let right = digest::operation([("fail_start_on", "n9"), ("delay", "1")]);
    let wrong = digest::operation([("fail_start_on", "n9"), ("delay", "2")]);
    for (digest, restarts) in [(right, false), (wrong, true)] {
        let text = history(&digest);
        let scratch = Scratch::new("simulate");
        let file = scratch.write("cib.xml", &read(&text).to_string());
        let output = run("crm_simulate", &["-S", "-x", &file.to_string_lossy()], &[]);
        let answer = stdout(&output);
        assert!(answer.contains("n1"), "{answer}");
        assert_eq!(answer.contains("Restart"), restarts, "{answer}");
    }
}

fn history(digest: &str) -> String {
    let key = "transition-key=\"1:1:0:3e1d7a3c-0000-4000-8000-000000000000\" transition-magic=\"0:0;1:1:0:3e1d7a3c-0000-4000-8000-000000000000\"";
    format!(
        "<cib crm_feature_set=\"3.16.1\" validate-with=\"pacemaker-3.9\" epoch=\"1\" num_updates=\"0\" admin_epoch=\"0\" have-quorum=\"1\" dc-uuid=\"1\">
<configuration><crm_config><cluster_property_set id=\"o\"><nvpair id=\"o-s\" name=\"stonith-enabled\" value=\"false\"/></cluster_property_set></crm_config>
<nodes><node id=\"1\" uname=\"n1\"/></nodes>
<resources><primitive id=\"r\" class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\"><instance_attributes id=\"i\"><nvpair id=\"i1\" name=\"fail_start_on\" value=\"n9\"/><nvpair id=\"i2\" name=\"delay\" value=\"1\"/></instance_attributes></primitive></resources><constraints/></configuration>
<status><node_state id=\"1\" uname=\"n1\" in_ccm=\"true\" crmd=\"online\" join=\"member\" expected=\"member\"><lrm id=\"1\"><lrm_resources><lrm_resource id=\"r\" class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\"><lrm_rsc_op id=\"r_last_0\" operation_key=\"r_start_0\" operation=\"start\" crm-debug-origin=\"x\" crm_feature_set=\"3.16.1\" {key} call-id=\"2\" rc-code=\"0\" op-status=\"0\" interval=\"0\" op-digest=\"{digest}\" on_node=\"n1\"/></lrm_resource></lrm_resources></lrm></node_state></status></cib>"
    )
}
