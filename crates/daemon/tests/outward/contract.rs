//! What is packaged beside the program says what Debian's package of keepalived says, where somebody may
//! count on it: the unit, and who may do what over D-Bus.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn packaged(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Debian's file, if its package is here.
fn debian_s(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok();
    if text.is_none() {
        eprintln!("skipped: {path} is not here");
    }
    text
}

fn settings(unit: &str) -> BTreeSet<&str> {
    unit.lines()
        .map(str::trim)
        .filter(|line| line.contains('=') && !line.starts_with('#'))
        .collect()
}

#[test]
fn the_unit_says_what_debian_s_says() {
    let Some(theirs) = debian_s("/lib/systemd/system/keepalived.service") else { return };
    let ours = packaged("systemd/mainstay.service");
    // What it is called, and the command, are each one's own.
    let own = ["Description=", "Documentation=", "EnvironmentFile=", "ExecStart=", "WantedBy="];
    let mut compared = 0;
    for setting in settings(&theirs) {
        if own.iter().all(|own| !setting.starts_with(own)) {
            assert!(settings(&ours).contains(setting), "{setting}");
            compared += 1;
        }
    }
    assert!(compared >= 5, "{theirs}");
    assert!(ours.contains("EnvironmentFile=-/etc/default/mainstay\n"));
    assert!(
        ours.contains(" $MAINSTAY_ARGS\n")
            && packaged("default/mainstay").contains("MAINSTAY_ARGS=")
    );
}

/// `policy of whom: what is allowed`.
fn rules(policy: &str) -> BTreeSet<String> {
    let words = policy.replace(['\n', '\t'], " ").replace('\'', "\"").replace("/>", " />");
    let mut whom = String::new();
    let mut rules = BTreeSet::new();
    for tag in words.split('<') {
        let tag = tag.split('>').next().unwrap_or_default();
        let tag: Vec<&str> = tag.split_whitespace().filter(|word| *word != "/").collect();
        match tag.split_first() {
            Some((&"policy", rest)) => whom = rest.join(" "),
            Some((&"allow", rest)) => _ = rules.insert(format!("{whom}: {}", rest.join(" "))),
            _ => {}
        }
    }
    rules
}

#[test]
fn the_policy_says_what_debian_s_says() {
    let Some(theirs) = debian_s("/etc/dbus-1/system.d/org.keepalived.Vrrp1.conf") else { return };
    let ours = rules(&packaged("dbus/org.keepalived.Vrrp1.conf"));
    let theirs = rules(&theirs);
    assert!(theirs.len() >= 5, "{theirs:?}");
    assert!(theirs.is_subset(&ours), "{theirs:?}\n{ours:?}");
    let more: Vec<&String> = ours.difference(&theirs).collect();
    assert_eq!(more, ["user=\"mainstay\": own=\"org.keepalived.Vrrp1\""]);
}
