//! `crm_verify` and Debian's tool of that name come to the same verdict.
//!
//! The documents are made here: one that is right, and the same with one thing wrong at a time.
//! Skipped, aloud, where Debian's tool is not installed.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use cib::dates::WallTime;

const THEIRS: &str = "/usr/sbin/crm_verify";
const A: &str = "<primitive id='a' class='ocf' provider='heartbeat' type='Dummy'/>";
const B: &str = "<primitive id='b' class='ocf' provider='heartbeat' type='Dummy'/>";

fn cib(options: &str, resources: &str, constraints: &str) -> String {
    let unfenced = "<nvpair id='o1' name='stonith-enabled' value='false'/>";
    let first = if options.contains("stonith-enabled") { "" } else { unfenced };
    format!(
        "<cib validate-with='pacemaker-3.9' admin_epoch='0' epoch='1' num_updates='0' \
         crm_feature_set='3.16.2'><configuration><crm_config><cluster_property_set id='s'>{first}\
         {options}</cluster_property_set></crm_config><nodes><node id='1' uname='n1'/><node id='2' \
         uname='n2'/></nodes><resources>{resources}</resources><constraints>{constraints}\
         </constraints></configuration><status/></cib>"
    )
}

fn option(name: &str, value: &str) -> String {
    cib(&format!("<nvpair id='z' name='{name}' value='{value}'/>"), A, "")
}

fn meta(name: &str, value: &str) -> String {
    format!(
        "<primitive id='a' class='ocf' provider='heartbeat' type='Dummy'><meta_attributes id='m'>\
         <nvpair id='q' name='{name}' value='{value}'/></meta_attributes></primitive>"
    )
}

fn operations(text: &str) -> String {
    cib(
        "",
        &format!(
            "<primitive id='a' class='ocf' provider='heartbeat' type='Dummy'><operations>{text}\
             </operations></primitive>"
        ),
        "",
    )
}

fn documents() -> Vec<String> {
    let mut all = vec![
        cib("", A, ""),
        cib("<nvpair id='n' name='stonith-enabled' value='true'/>", A, ""),
        cib("", "", ""),
        "<configuration/>".into(),
        "<cib><conf".into(),
        cib("", A, "").replace("pacemaker-3.9", "none"),
        cib("", A, "").replace("pacemaker-3.9", "pacemaker-99"),
        cib("", A, "").replace("pacemaker-3.9", "pacemaker-1.2"),
        cib("", &A.replace(" type='Dummy'", ""), ""),
        cib("", &format!("{A}{A}"), ""),
        cib("", "<group id='g'/>", ""),
        cib("", &format!("<bundle id='u'><docker image='x'/>{A}</bundle>"), ""),
        cib(
            "",
            &format!("<bundle id='u'><docker image='x'/><network control-port='9'/>{A}</bundle>"),
            "",
        ),
    ];
    for name in [
        "symmetric-cluster",
        "maintenance-mode",
        "startup-fencing",
        "no-quorum-policy",
        "stonith-action",
        "placement-strategy",
        "node-health-strategy",
        "batch-limit",
        "stonith-timeout",
        "node-health-red",
        "shutdown-lock-limit",
        "dc-deadtime",
        "load-threshold",
        "something-else",
    ] {
        all.push(option(name, "foo"));
    }
    for (name, value) in [
        ("stonith-action", "poweroff"),
        ("stonith-action", "off"),
        ("no-quorum-policy", "demote"),
        ("no-quorum-policy", "suicide"),
        ("symmetric-cluster", "YES"),
        ("symmetric-cluster", "2"),
        ("batch-limit", "-1"),
        ("stonith-timeout", "-5"),
        ("placement-strategy", "Balanced"),
    ] {
        all.push(option(name, value));
    }
    for (name, value) in [
        ("target-role", "Stopped"),
        ("target-role", "Unpromoted"),
        ("target-role", "Promoted"),
        ("target-role", "started"),
        ("target-role", "Foo"),
        ("is-managed", "foo"),
        ("migration-threshold", "foo"),
        ("multiple-active", "foo"),
        ("requires", "foo"),
        ("requires", "fencing"),
        ("requires", "nothing"),
        ("container", "zz"),
    ] {
        let one = meta(name, value);
        all.push(cib("", &one, ""));
        let promotable = "<meta_attributes id='cm'><nvpair id='cq' name='promotable' value='true'/>\
                          </meta_attributes>";
        all.push(cib("", &format!("<clone id='c'>{promotable}{one}</clone>"), ""));
    }
    all.extend(
        [
            "<op id='x' name='monitor' interval='10s'/><op id='y' name='monitor' interval='10'/>",
            "<op id='x' name='start' interval='0'/><op id='y' name='start' interval='0'/>",
            "<op id='x' name='start' interval='10'/>",
            "<op id='x' name='monitor' interval='foo'/>",
            "<op id='x' name='monitor' interval='10' on-fail='foo'/>",
        ]
        .map(operations),
    );
    for constraint in [
        "<rsc_location id='l' rsc='zz' node='n1' score='1'/>",
        "<rsc_location id='l' rsc='a' node='n1' score='foo'/>",
        "<rsc_colocation id='l' rsc='a' with-rsc='zz' score='1'/>",
        "<rsc_order id='o' first='a' then='b' kind='foo'/>",
        "<rsc_order id='o' first='a' then='b' kind='Serialize' symmetrical='true'/>",
        "<rsc_order id='o' first='a' then='b' score='0'/>",
        "<rsc_order id='o' first='a' then='a'/>",
        "<rsc_ticket id='t' rsc='a' ticket='T' loss-policy='fence'/>",
        "<rsc_ticket id='t' rsc='a' ticket='T' loss-policy='demote'/>",
    ] {
        all.push(cib("", &format!("{A}{B}"), constraint));
    }
    all
}

#[test]
fn the_verdict_is_the_same_as_that_of_debians_tool() {
    if !Path::new(THEIRS).exists() {
        let required = std::env::var_os("MAINSTAY_REQUIRE_ALL").is_some();
        assert!(!required, "{THEIRS} is not installed");
        eprintln!("skipped: {THEIRS} is not installed (Debian package pacemaker-cli-utils)");
        return;
    }
    let mut differ = Vec::new();
    for text in documents() {
        let theirs = Command::new(THEIRS).args(["-X", &text]).output().expect("it runs");
        let ours = ["crm_verify", "-X", &text].map(OsString::from);
        let ours = pcmk::verify::main(&ours, WallTime(1_700_000_000));
        if theirs.status.code() != Some(ours.into()) {
            let said = String::from_utf8_lossy(&theirs.stderr).into_owned();
            differ.push(format!("{:?}, ours {ours}: {text}\n{said}", theirs.status.code()));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
